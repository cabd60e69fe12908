package placement

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// fitter finds out which resources of a list satisfy needs. It uses its memory again.
type fitter struct {
	finder  resources.Finder
	work    []*mesospb.Resource
	want    []*mesospb.Resource
	volumes []*mesospb.Resource // by needs.volumes; entries of the list, or pieces of them
	numbers []uint64            // by needs.ports
	order   []int
	free    resources.Ranges
}

// misfit is why a list doesn't do.
type misfit struct {
	cause Cause
	what  string
	lack  Lack
}

// find looks for n in list. On success found, f.volumes and f.numbers tell what was found; they are valid until the next call
// and share their metadata with list.
func (f *fitter) find(list []*mesospb.Resource, n *needs) (found []*mesospb.Resource, why misfit, ok bool) {
	f.volumes, f.numbers = f.volumes[:0], f.numbers[:0]
	f.work = list
	// What most lists don't have comes first.
	for i := range n.ports {
		if p := n.ports[i]; p != (Port{}) && !anyPort(list, p) {
			return nil, misfit{ByPorts, n.portNames[i], Lack{n.portNames[i], 1, 0}}, false
		}
	}
	for i := range n.volumes {
		v := &n.volumes[i]
		if !slices.ContainsFunc(list, func(r *mesospb.Resource) bool { _, ok := f.suits(r, v, n); return ok }) {
			return nil, misfit{ByVolume, n.volumeNames[i], Lack{n.volumeNames[i], max(v.MB, 0), 0}}, false
		}
	}
	if len(n.volumes) > 0 {
		f.work = slices.Clone(list)
		f.volumes = append(f.volumes, make([]*mesospb.Resource, len(n.volumes))...)
		// Those that have no choice come first, then the large ones.
		f.order = f.order[:0]
		for i := range n.volumes {
			f.order = append(f.order, i)
		}
		slices.SortStableFunc(f.order, func(x, y int) int {
			a, b := &n.volumes[x], &n.volumes[y]
			switch {
			case a.ID != "" && b.ID == "":
				return -1
			case a.ID == "" && b.ID != "":
				return 1
			}
			return cmp.Compare(b.MB, a.MB)
		})
		for _, i := range f.order {
			if f.volumes[i] = f.takeVolume(&n.volumes[i], n); f.volumes[i] == nil {
				return nil, f.noVolume(i, n), false
			}
		}
	}
	wish := n.wish
	if found, ok = f.finder.Find(f.work, &wish); !ok {
		return nil, f.noResource(n), false
	}
	if len(n.ports) == 0 {
		return found, misfit{}, true
	}
	if !n.windows {
		wish.Ports = len(n.ports)
		if found, ok = f.finder.Find(f.work, &wish); !ok {
			return nil, f.noPorts(n), false
		}
		f.readPorts(n, found)
		return found, misfit{}, true
	}
	if !f.choosePorts(n, found) {
		return nil, f.noPorts(n), false
	}
	// Once more, with their numbers.
	numbers := make([]resources.Range, len(f.numbers))
	for i, p := range f.numbers {
		numbers[i] = resources.Range{Begin: p, End: p}
	}
	f.want = append(append(f.want[:0], n.wish.Resources...), resources.NewRanges(resources.NamePorts, numbers))
	wish.Resources = f.want
	if found, ok = f.finder.Find(f.work, &wish); !ok {
		return nil, f.noPorts(n), false
	}
	return found, misfit{}, true
}

// usable says whether a resource may be taken for the demand without being asked for in particular, and the better it
// is to take, the higher.
func usable(r *mesospb.Resource, w *resources.Wish) (rank int, ok bool) {
	if r.Revocable != nil {
		return 0, false
	}
	if resources.IsUnreserved(r) {
		return 0, w.From != resources.ReservedOnly
	}
	if w.From == resources.UnreservedOnly {
		return 0, false
	}
	if owner := resources.Owner(r); owner != "" && owner != w.Owner {
		return 0, false
	} else if owner != "" {
		rank = 1 << 20
	}
	holder, role := resources.ReservationRole(r), w.Role
	if role == "" {
		role = resources.AllocationRole(r)
	}
	return rank + 1 + len(holder), role == "" || holder == role || resources.IsStrictSubrole(role, holder)
}

// takeVolume takes a volume, or disk for one, out of f.work; nil if there is none.
func (f *fitter) takeVolume(v *Volume, n *needs) *mesospb.Resource {
	best, bestRank, bestSize := -1, 0, int64(0)
	need := resources.ToFixed(v.MB)
	for i, r := range f.work {
		rank, ok := f.suits(r, v, n)
		size := resources.ToFixed(r.GetScalar().GetValue())
		if !ok || size < need || size <= 0 {
			continue
		}
		if best < 0 || rank > bestRank || rank == bestRank && size < bestSize {
			best, bestRank, bestSize = i, rank, size
		}
	}
	if best < 0 {
		return nil
	}
	r := f.work[best]
	if v.ID != "" || resources.Indivisible(r) {
		f.work = slices.Delete(f.work, best, best+1)
		return r
	}
	piece, rest := resources.Clone(r), resources.Clone(r)
	piece.Scalar = &mesospb.Value_Scalar{Value: new(resources.FromFixed(need))}
	rest.Scalar = &mesospb.Value_Scalar{Value: new(resources.FromFixed(bestSize - need))}
	f.work[best] = rest
	return piece
}

// suits says whether a resource is the volume, or the kind of disk, that is asked for, whatever its size.
func (f *fitter) suits(r *mesospb.Resource, v *Volume, n *needs) (rank int, ok bool) {
	if r == nil || r.GetName() != resources.NameDisk || r.GetType() != mesospb.Value_SCALAR {
		return 0, false
	}
	src := r.GetDisk().GetSource()
	root := src.GetPath().GetRoot()
	if src.GetMount() != nil {
		root = src.GetMount().GetRoot()
	}
	if v.Root != "" && v.Root != root || v.Profile != "" && v.Profile != src.GetProfile() {
		return 0, false
	}
	if v.ID != "" {
		_, mine := usable(r, &resources.Wish{Role: n.wish.Role, Owner: n.wish.Owner})
		return 0, mine && r.GetDisk().GetPersistence().GetId() == v.ID
	}
	if resources.IsPersistentVolume(r) || v.MB <= 0 {
		return 0, false
	}
	if src == nil && v.Type != mesospb.Resource_DiskInfo_Source_UNKNOWN || src != nil && src.GetType() != v.Type ||
		src == nil && r.ProviderId != nil {
		return 0, false
	}
	return usable(r, &n.wish) // where the kind of disk is asked for, those of a provider are fine
}

// readPorts finds the numbers in what was found for a wish without windows.
func (f *fitter) readPorts(n *needs, found []*mesospb.Resource) {
	named := resources.Ports(n.wish.Resources)
	for _, r := range found {
		if r.GetName() != resources.NamePorts || r.GetType() != mesospb.Value_RANGES {
			continue
		}
		for _, x := range r.GetRanges().GetRange() {
			for p := x.GetBegin(); p <= x.GetEnd() && len(f.numbers) < len(n.ports); p++ {
				if len(named) == 0 || !named.Has(p) {
					f.numbers = append(f.numbers, p)
				}
			}
		}
	}
}

// choosePorts picks numbers that found leaves over. The narrowest window is served first by its end, which finds an answer whenever
// there is one; without windows reserved ports come first.
func (f *fitter) choosePorts(n *needs, found []*mesospb.Resource) bool {
	type source struct {
		rank int
		free resources.Ranges
	}
	taken := resources.Ports(found)
	var sources []source
	f.free = nil
	for _, r := range f.work {
		if r == nil || r.GetName() != resources.NamePorts || r.GetType() != mesospb.Value_RANGES || resources.Indivisible(r) || r.ProviderId != nil {
			continue
		}
		if rank, ok := usable(r, &n.wish); ok {
			free := resources.RangesOf(r.GetRanges()).Subtract(taken)
			sources = append(sources, source{rank, free})
			f.free = f.free.Union(free)
		}
	}
	slices.SortStableFunc(sources, func(a, b source) int { return cmp.Compare(b.rank, a.rank) })
	f.order = f.order[:0]
	for i := range n.ports {
		f.order = append(f.order, i)
	}
	slices.SortStableFunc(f.order, func(a, b int) int { return cmp.Compare(end(n.ports[a]), end(n.ports[b])) })
	f.numbers = append(f.numbers, make([]uint64, len(n.ports))...)
	for _, i := range f.order {
		p := n.ports[i]
		number, ok := uint64(0), false
		if p == (Port{}) {
			for _, s := range sources {
				if number, ok = lowest(s.free.Intersect(f.free), 0); ok {
					break
				}
			}
		} else {
			number, ok = lowest(f.free, p.From)
		}
		if !ok || number > end(p) {
			return false
		}
		f.numbers[i] = number
		f.free = f.free.Subtract(resources.Ranges{{Begin: number, End: number}})
	}
	return true
}

func end(p Port) uint64 {
	if p == (Port{}) {
		return 1<<64 - 1
	}
	return p.To
}

func lowest(rs resources.Ranges, from uint64) (uint64, bool) {
	for _, r := range rs {
		if r.End >= from {
			return max(r.Begin, from), true
		}
	}
	return 0, false
}

// anyPort reports whether the list holds a port that would do.
func anyPort(list []*mesospb.Resource, p Port) bool {
	for _, r := range list {
		if r.GetName() != resources.NamePorts || r.Revocable != nil {
			continue
		}
		for _, x := range r.GetRanges().GetRange() {
			if max(x.GetBegin(), p.From) <= min(x.GetEnd(), p.To) {
				return true
			}
		}
	}
	return false
}

func (f *fitter) noVolume(i int, n *needs) misfit {
	v, most := &n.volumes[i], 0.0
	for _, r := range f.work {
		if _, ok := f.suits(r, v, n); ok {
			most = max(most, r.GetScalar().GetValue())
		}
	}
	return misfit{ByVolume, n.volumeNames[i], Lack{n.volumeNames[i], max(v.MB, 0), most}}
}

// noResource names the first wish that can't be had on its own, or else the last, which the others leave nothing for.
func (f *fitter) noResource(n *needs) misfit {
	var last misfit
	for _, r := range n.wish.Resources {
		if r == nil {
			continue
		}
		name := r.GetName()
		switch {
		case resources.IsRevocable(r):
			name = "revocable " + name
		case !resources.IsUnreserved(r):
			name += " reserved for " + resources.ReservationRole(r)
		}
		need, have := f.size(r, r), 0.0
		for _, o := range f.work {
			if o.GetName() == r.GetName() && o.GetType() == r.GetType() &&
				resources.IsRevocable(o) == resources.IsRevocable(r) &&
				(resources.IsUnreserved(r) || resources.ReservationRole(o) == resources.ReservationRole(r)) {
				have += f.size(o, r)
			}
		}
		last = misfit{ByResources, name, Lack{name, need, min(have, need)}}
		wish := n.wish
		wish.Resources = []*mesospb.Resource{r}
		if _, ok := f.finder.Find(f.work, &wish); !ok {
			return last
		}
	}
	return last
}

// size is how much of what is wanted there is in r.
func (f *fitter) size(r, wanted *mesospb.Resource) float64 {
	switch r.GetType() {
	case mesospb.Value_RANGES:
		return float64(resources.RangesOf(r.GetRanges()).Intersect(resources.RangesOf(wanted.GetRanges())).Size())
	case mesospb.Value_SET:
		n := 0
		for _, it := range wanted.GetSet().GetItem() {
			if slices.Contains(r.GetSet().GetItem(), it) {
				n++
			}
		}
		return float64(n)
	}
	return r.GetScalar().GetValue()
}

func (f *fitter) noPorts(n *needs) misfit {
	have := resources.Ports(f.work).Size()
	return misfit{ByPorts, resources.NamePorts, Lack{resources.NamePorts, float64(len(n.ports)), float64(min(have, uint64(len(n.ports))))}}
}

// String returns 8080, 8000-8999, or any.
func (p Port) String() string {
	switch {
	case p == Port{}:
		return "any"
	case p.From == p.To:
		return strconv.FormatUint(p.From, 10)
	}
	return strconv.FormatUint(p.From, 10) + "-" + strconv.FormatUint(p.To, 10)
}
