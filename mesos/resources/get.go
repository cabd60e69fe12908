package resources

import "github.com/mesokit/mesokit/mesos/mesospb"

// Scalar returns the sum of the named scalar over all entries, whatever their reservation, and whether there is any
// entry of that name. Copies of a shared volume are the same megabytes and count once.
func Scalar(list []*mesospb.Resource, name string) (value float64, ok bool) {
	f, ok := fixedScalar(list, name)
	return FromFixed(f), ok
}

func fixedScalar(list []*mesospb.Resource, name string) (sum int64, ok bool) {
	for i, r := range list {
		if r.GetType() == mesospb.Value_SCALAR && r.GetName() == name && r.GetScalar() != nil {
			if r.Shared != nil && hasWhole(list[:i], r) {
				continue
			}
			sum, ok = addFixed(sum, ToFixed(r.Scalar.GetValue())), true
		}
	}
	return sum, ok
}

func hasWhole(list []*mesospb.Resource, r *mesospb.Resource) bool {
	for _, o := range list {
		if o != nil && sameWhole(o, r, everything) {
			return true
		}
	}
	return false
}

func amount(list []*mesospb.Resource, name string) float64 {
	f, _ := fixedScalar(list, name)
	return FromFixed(f)
}

// CPUs returns the sum of cpus, in cores.
func CPUs(list []*mesospb.Resource) float64 { return amount(list, NameCPUs) }

// Mem returns the sum of mem, in MB.
func Mem(list []*mesospb.Resource) float64 { return amount(list, NameMem) }

// Disk returns the sum of disk, in MB, volumes included.
func Disk(list []*mesospb.Resource) float64 { return amount(list, NameDisk) }

// GPUs returns the sum of gpus.
func GPUs(list []*mesospb.Resource) float64 { return amount(list, NameGPUs) }

// Ports returns all ports of all entries.
func Ports(list []*mesospb.Resource) Ranges { return NamedRanges(list, NamePorts) }

// NamedRanges returns the union of the named ranges over all entries.
func NamedRanges(list []*mesospb.Resource, name string) Ranges {
	var rs Ranges
	for _, r := range list {
		if r.GetType() == mesospb.Value_RANGES && r.GetName() == name {
			rs = appendWire(rs, r.Ranges)
		}
	}
	return normalize(rs)
}

// NamedSet returns the sorted union of the named set over all entries.
func NamedSet(list []*mesospb.Resource, name string) []string {
	var set []string
	for _, r := range list {
		if r.GetType() == mesospb.Value_SET && r.GetName() == name {
			set = addItems(set, r.GetSet().GetItem())
		}
	}
	return set
}

// Names returns the names in the list in order of first appearance.
func Names(list []*mesospb.Resource) []string {
	var names []string
	for _, r := range list {
		if !hasItem(names, r.GetName()) {
			names = append(names, r.GetName())
		}
	}
	return names
}

// Filter returns the entries that keep accepts: the same pointers in a list of its own.
func Filter(list []*mesospb.Resource, keep func(*mesospb.Resource) bool) []*mesospb.Resource {
	var out []*mesospb.Resource
	for _, r := range list {
		if r != nil && keep(r) {
			out = append(out, r)
		}
	}
	return out
}

// ByReservation groups the entries by the role that holds them, "*" for the unreserved ones. The lists hold the same pointers.
func ByReservation(list []*mesospb.Resource) map[string][]*mesospb.Resource {
	out := make(map[string][]*mesospb.Resource)
	for _, r := range list {
		if r != nil {
			role := ReservationRole(r)
			out[role] = append(out[role], r)
		}
	}
	return out
}
