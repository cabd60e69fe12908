package resources

import "github.com/mesokit/mesokit/mesos/mesospb"

// Names of the resources that Mesos itself knows.
const (
	NameCPUs  = "cpus"
	NameMem   = "mem"
	NameDisk  = "disk"
	NameGPUs  = "gpus"
	NamePorts = "ports"
)

// stack is a view on a resource's reservations that hides in which format they are written, so that
// the algebra neither converts nor copies its inputs.
type stack struct {
	post []*mesospb.Resource_ReservationInfo
	role string // older format; "" if unreserved
	pre  *mesospb.Resource_ReservationInfo
}

// reservation is one entry of a stack.
type reservation struct {
	typ       mesospb.Resource_ReservationInfo_Type
	role      string
	principal *string
	labels    *mesospb.Labels
}

func stackOf(r *mesospb.Resource) stack {
	if r == nil {
		return stack{}
	}
	if len(r.Reservations) > 0 {
		return stack{post: r.Reservations}
	}
	role := olderRole(r)
	if role == nil && r.Reservation == nil {
		return stack{}
	}
	s := stack{pre: r.Reservation}
	switch {
	case role != nil && *role != Unreserved:
		s.role = *role
	case r.Reservation != nil:
		// Endpoint format puts the role inside too.
		s.role = r.Reservation.GetRole()
	}
	return s
}

func (s stack) len() int {
	switch {
	case len(s.post) > 0:
		return len(s.post)
	case s.role != "":
		return 1
	}
	return 0
}

func (s stack) at(i int) reservation {
	if len(s.post) > 0 {
		e := s.post[i]
		if e == nil {
			return reservation{}
		}
		return reservation{e.GetType(), e.GetRole(), e.Principal, e.Labels}
	}
	if s.pre == nil {
		return reservation{typ: mesospb.Resource_ReservationInfo_STATIC, role: s.role}
	}
	return reservation{mesospb.Resource_ReservationInfo_DYNAMIC, s.role, s.pre.Principal, s.pre.Labels}
}

// top returns the last entry, the one whose role holds the resource.
func (s stack) top() (reservation, bool) {
	n := s.len()
	if n == 0 {
		return reservation{}, false
	}
	return s.at(n - 1), true
}

func (a reservation) equal(b reservation) bool {
	return a.role == b.role && a.typ == b.typ && samePtr(a.principal, b.principal) && sameLabels(a.labels, b.labels)
}

func (s stack) equal(o stack) bool {
	n := s.len()
	if n != o.len() {
		return false
	}
	for i := range n {
		if !s.at(i).equal(o.at(i)) {
			return false
		}
	}
	return true
}

func samePtr[T comparable](a, b *T) bool {
	if a == b {
		return true
	}
	return a != nil && b != nil && *a == *b
}

// sameLabels compares without order; the same label twice counts twice.
func sameLabels(a, b *mesospb.Labels) bool {
	la, lb := a.GetLabels(), b.GetLabels()
	if len(la) != len(lb) {
		return false
	}
	for _, l := range la {
		if countLabel(la, l) != countLabel(lb, l) {
			return false
		}
	}
	return true
}

func countLabel(ls []*mesospb.Label, l *mesospb.Label) (n int) {
	for _, x := range ls {
		if x.GetKey() == l.GetKey() && x.GetValue() == l.GetValue() {
			n++
		}
	}
	return n
}

// aspects says which parts of the metadata a comparison looks at.
type aspects uint8

const (
	withAllocation aspects = 1 << iota
	withReservations
	everything = withAllocation | withReservations
)

// sameMeta compares what makes two amounts the same kind of thing (docs/behaviour.md#arithmetic).
// disk.volume says how a volume is used and is no part of it.
func sameMeta(a, b *mesospb.Resource, what aspects) bool {
	if a == b {
		return true
	}
	if a.GetName() != b.GetName() || a.GetType() != b.GetType() ||
		(a.Revocable == nil) != (b.Revocable == nil) || (a.Shared == nil) != (b.Shared == nil) {
		return false
	}
	if what&withAllocation != 0 && a.AllocationInfo.GetRole() != b.AllocationInfo.GetRole() {
		return false
	}
	if what&withReservations != 0 && !stackOf(a).equal(stackOf(b)) {
		return false
	}
	return (a.ProviderId == nil) == (b.ProviderId == nil) && a.ProviderId.GetValue() == b.ProviderId.GetValue() &&
		sameDisk(a.Disk, b.Disk)
}

func sameDisk(a, b *mesospb.Resource_DiskInfo) bool {
	if a == nil || b == nil {
		return a == b
	}
	return (a.Persistence == nil) == (b.Persistence == nil) && a.Persistence.GetId() == b.Persistence.GetId() &&
		sameSource(a.Source, b.Source)
}

func sameSource(a, b *mesospb.Resource_DiskInfo_Source) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.GetType() == b.GetType() &&
		(a.Path == nil) == (b.Path == nil) && a.Path.GetRoot() == b.Path.GetRoot() &&
		(a.Mount == nil) == (b.Mount == nil) && a.Mount.GetRoot() == b.Mount.GetRoot() &&
		samePtr(a.Vendor, b.Vendor) && samePtr(a.Id, b.Id) && samePtr(a.Profile, b.Profile) &&
		sameLabels(a.Metadata, b.Metadata)
}

// indivisible reports whether a resource is one thing rather than an amount: it is never merged, split or
// resized by the algebra, only counted. These are persistent volumes (shared ones included), MOUNT and
// BLOCK disks, and RAW disks with an id.
func indivisible(r *mesospb.Resource) bool {
	if r.Shared != nil {
		return true
	}
	d := r.Disk
	if d == nil {
		return false
	}
	if d.Persistence != nil {
		return true
	}
	if d.Source == nil {
		return false
	}
	switch d.Source.GetType() {
	case mesospb.Resource_DiskInfo_Source_MOUNT, mesospb.Resource_DiskInfo_Source_BLOCK:
		return true
	case mesospb.Resource_DiskInfo_Source_RAW:
		return d.Source.Id != nil
	}
	return false
}

// sameWhole compares metadata and value.
func sameWhole(a, b *mesospb.Resource, what aspects) bool {
	return sameMeta(a, b, what) && sameValue(a, b)
}

func sameValue(a, b *mesospb.Resource) bool {
	switch a.GetType() {
	case mesospb.Value_SCALAR:
		return ToFixed(a.GetScalar().GetValue()) == ToFixed(b.GetScalar().GetValue())
	case mesospb.Value_RANGES:
		return rangesCover(a.Ranges, b.Ranges) && rangesCover(b.Ranges, a.Ranges)
	case mesospb.Value_SET:
		return setCovers(a.Set, b.Set) && setCovers(b.Set, a.Set)
	}
	return false
}

// rangesCover reports whether the union of a holds every integer of b, whatever the order in a.
func rangesCover(a, b *mesospb.Value_Ranges) bool {
	for _, r := range b.GetRange() {
		if !coveredBy(Range{r.GetBegin(), r.GetEnd()}, func(at uint64) (uint64, bool) { return reachIn(a, at) }) {
			return false
		}
	}
	return true
}

// coveredBy walks r from interval to interval. reach gives the furthest end of an interval that holds at.
func coveredBy(r Range, reach func(at uint64) (end uint64, ok bool)) bool {
	for at := r.Begin; ; {
		end, ok := reach(at)
		if !ok {
			return r.IsEmpty()
		}
		if end >= r.End {
			return true
		}
		at = end + 1
	}
}

func reachIn(v *mesospb.Value_Ranges, at uint64) (end uint64, ok bool) {
	for _, r := range v.GetRange() {
		if r.GetBegin() <= at && at <= r.GetEnd() && (!ok || r.GetEnd() > end) {
			end, ok = r.GetEnd(), true
		}
	}
	return end, ok
}

func setCovers(a, b *mesospb.Value_Set) bool {
	for _, item := range b.GetItem() {
		if !hasItem(a.GetItem(), item) {
			return false
		}
	}
	return true
}

func hasItem(items []string, item string) bool {
	for _, x := range items {
		if x == item {
			return true
		}
	}
	return false
}

// isEmpty reports whether a resource holds nothing. Values that Validate refuses (negative, NaN, of a type
// that resources don't have) hold nothing either.
func isEmpty(r *mesospb.Resource) bool {
	if r == nil {
		return true
	}
	switch r.GetType() {
	case mesospb.Value_SCALAR:
		return ToFixed(r.GetScalar().GetValue()) <= 0
	case mesospb.Value_RANGES:
		for _, x := range r.GetRanges().GetRange() {
			if x.GetBegin() <= x.GetEnd() {
				return false
			}
		}
		return true
	case mesospb.Value_SET:
		return len(r.GetSet().GetItem()) == 0
	}
	return true
}

// malformed reports a value that no collection can contain.
func malformed(r *mesospb.Resource) bool {
	switch r.GetType() {
	case mesospb.Value_SCALAR:
		v := r.GetScalar().GetValue()
		return v != v || ToFixed(v) < 0
	case mesospb.Value_RANGES:
		for _, x := range r.GetRanges().GetRange() {
			if x.GetBegin() > x.GetEnd() {
				return true
			}
		}
		return false
	case mesospb.Value_SET:
		return false
	}
	return true
}
