package resources

import "github.com/mesokit/mesokit/mesos/mesospb"

// Pool is a collection of resources to add to and subtract from in place: the accumulator for hot paths. Equal kinds
// are merged as they come in, order of first appearance is kept, and in steady state adding and
// subtracting allocate nothing.
//
// The zero Pool is empty and ready. A Pool keeps pointers to the resources put into it, as the description
// of their kind (never of their amount): these must not be changed while it lives, and a decoded message they are part of stays in memory (Add a
// CloneList where that matters). It never changes them itself.
// A Pool must not be copied (use CopyFrom) and is not safe for concurrent use; concurrent calls of methods that only
// read are fine.
type Pool struct {
	// IgnoreAllocation makes the pool forget allocation_info: resources allocated to different roles
	// merge, and come out without it. Set it before the first use.
	IgnoreAllocation bool

	entries []entry // beyond len: emptied entries whose buffers are used again
}

// entry is one kind of resource and how much there is of it.
type entry struct {
	kind   *mesospb.Resource // name, type and metadata; also the value if whole
	whole  bool              // indivisible: counted in copies
	copies int
	fixed  int64
	ranges Ranges
	set    []string // sorted, unique
}

// NewPool returns a pool of the given resources.
func NewPool(lists ...[]*mesospb.Resource) *Pool {
	p := new(Pool)
	for _, l := range lists {
		p.Add(l)
	}
	return p
}

func (p *Pool) aspects() aspects {
	if p.IgnoreAllocation {
		return everything &^ withAllocation
	}
	return everything
}

// Reset empties the pool and keeps its memory.
func (p *Pool) Reset() {
	for i := range p.entries {
		p.entries[i].clear()
	}
	p.entries = p.entries[:0]
}

func (e *entry) clear() {
	clear(e.set)
	*e = entry{ranges: e.ranges[:0], set: e.set[:0]}
}

// CopyFrom makes p hold what o holds (its IgnoreAllocation stays its own).
func (p *Pool) CopyFrom(o *Pool) {
	if p == o {
		return
	}
	p.Reset()
	p.AddPool(o)
}

// IsEmpty reports whether the pool holds nothing.
func (p *Pool) IsEmpty() bool { return len(p.entries) == 0 }

// Len returns the number of distinct kinds in the pool.
func (p *Pool) Len() int { return len(p.entries) }

// Add adds resources. Empty and malformed ones are left out.
func (p *Pool) Add(list []*mesospb.Resource) {
	for _, r := range list {
		p.add(r)
	}
}

func (p *Pool) add(r *mesospb.Resource) {
	if isEmpty(r) {
		return
	}
	e := p.entryFor(r)
	switch {
	case e.whole:
		e.copies++
	case r.GetType() == mesospb.Value_SCALAR:
		e.fixed = addFixed(e.fixed, ToFixed(r.GetScalar().GetValue()))
	case r.GetType() == mesospb.Value_RANGES:
		e.ranges = e.ranges.addWire(r.GetRanges())
	case r.GetType() == mesospb.Value_SET:
		e.set = addItems(e.set, r.GetSet().GetItem())
	}
}

// AddPool adds everything that o holds.
func (p *Pool) AddPool(o *Pool) {
	for i := range o.entries {
		s := &o.entries[i]
		e := p.entryFor(s.kind)
		switch {
		case e.whole:
			e.copies += s.copies
		case s.kind.GetType() == mesospb.Value_SCALAR:
			e.fixed = addFixed(e.fixed, s.fixed)
		case s.kind.GetType() == mesospb.Value_RANGES:
			e.ranges = normalize(append(e.ranges, s.ranges...))
		case s.kind.GetType() == mesospb.Value_SET:
			e.set = addItems(e.set, s.set)
		}
	}
}

// entryFor returns the entry that r belongs to, a new one if there is none.
func (p *Pool) entryFor(r *mesospb.Resource) *entry {
	whole := indivisible(r)
	if i := p.index(r, whole, p.aspects()); i >= 0 {
		return &p.entries[i]
	}
	n := len(p.entries)
	if n < cap(p.entries) {
		p.entries = p.entries[:n+1] // its buffers are there from earlier
	} else {
		p.entries = append(p.entries, entry{})
	}
	e := &p.entries[n]
	e.kind, e.whole = r, whole
	return e
}

func (p *Pool) index(r *mesospb.Resource, whole bool, what aspects) int {
	for i := range p.entries {
		e := &p.entries[i]
		if e.whole == whole && sameMeta(e.kind, r, what) && (!whole || sameValue(e.kind, r)) {
			return i
		}
	}
	return -1
}

// Subtract removes resources. What is not there is not an error: nothing becomes negative. Use Take when
// everything has to be there.
func (p *Pool) Subtract(list []*mesospb.Resource) {
	for _, r := range list {
		p.subtract(r)
	}
}

func (p *Pool) subtract(r *mesospb.Resource) {
	if isEmpty(r) {
		return
	}
	whole := indivisible(r)
	i := p.index(r, whole, p.aspects())
	if i < 0 {
		return
	}
	e := &p.entries[i]
	switch {
	case whole:
		e.copies--
	case r.GetType() == mesospb.Value_SCALAR:
		e.fixed -= ToFixed(r.GetScalar().GetValue())
	case r.GetType() == mesospb.Value_RANGES:
		e.ranges = e.ranges.subtractWire(r.GetRanges())
	case r.GetType() == mesospb.Value_SET:
		e.set = removeItems(e.set, r.GetSet().GetItem())
	}
	p.dropIfEmpty(i)
}

// SubtractPool removes what o holds, as Subtract does.
func (p *Pool) SubtractPool(o *Pool) {
	if p == o {
		p.Reset()
		return
	}
	for j := range o.entries {
		s := &o.entries[j]
		i := p.index(s.kind, s.whole, p.aspects())
		if i < 0 {
			continue
		}
		e := &p.entries[i]
		e.copies -= s.copies
		e.fixed -= s.fixed
		e.ranges = e.ranges.subtract(s.ranges)
		e.set = removeItems(e.set, s.set)
		p.dropIfEmpty(i)
	}
}

// Take subtracts all of list, or nothing and returns false if the pool doesn't contain it.
func (p *Pool) Take(list []*mesospb.Resource) bool {
	if !p.Contains(list) {
		return false
	}
	p.Subtract(list)
	return true
}

func (e *entry) empty() bool {
	return e.copies <= 0 && e.fixed <= 0 && len(e.ranges) == 0 && len(e.set) == 0
}

func (p *Pool) dropIfEmpty(i int) {
	if !p.entries[i].empty() {
		return
	}
	gone := p.entries[i]
	gone.clear()
	last := len(p.entries) - 1
	copy(p.entries[i:], p.entries[i+1:])
	p.entries[last] = gone
	p.entries = p.entries[:last]
}

// Contains reports whether all of list is in the pool at the same time. It allocates nothing for lists of reasonable
// length.
func (p *Pool) Contains(list []*mesospb.Resource) bool {
	what := p.aspects()
	if len(list)*len(list) > smallWork {
		return p.containsLarge(list)
	}
	for i, r := range list {
		if r == nil {
			continue
		}
		if malformed(r) {
			return false
		}
		if isEmpty(r) {
			continue
		}
		whole := indivisible(r)
		need, first := demand(list, i, whole, what)
		if !first {
			continue // an earlier entry of the same kind asked for this one too
		}
		at := p.index(r, whole, what)
		if at < 0 {
			return false
		}
		e := &p.entries[at]
		switch {
		case whole:
			if int64(e.copies) < need {
				return false
			}
		case r.GetType() == mesospb.Value_SCALAR:
			if e.fixed < need {
				return false
			}
		case r.GetType() == mesospb.Value_RANGES:
			// Every entry of this kind: a union adds up to no more than its parts.
			for _, o := range list[i:] {
				if o != nil && sameMeta(o, r, what) && !e.ranges.containsWire(o.GetRanges()) {
					return false
				}
			}
		case r.GetType() == mesospb.Value_SET:
			for _, o := range list[i:] {
				if o != nil && sameMeta(o, r, what) && !containsItems(e.set, o.GetSet().GetItem()) {
					return false
				}
			}
		}
	}
	return true
}

// containsLarge merges list first.
func (p *Pool) containsLarge(list []*mesospb.Resource) bool {
	want := Pool{IgnoreAllocation: p.IgnoreAllocation}
	for _, r := range list {
		if r != nil && malformed(r) {
			return false
		}
		want.add(r)
	}
	return p.ContainsPool(&want)
}

// demand sums what list asks for of the kind of list[i]: thousandths of a scalar, copies of a whole. first is false if the
// kind occurs before i.
func demand(list []*mesospb.Resource, i int, whole bool, what aspects) (need int64, first bool) {
	for j, o := range list {
		if o == nil || isEmpty(o) || !sameMeta(o, list[i], what) || whole && !sameValue(o, list[i]) {
			continue
		}
		if j < i {
			return 0, false
		}
		if whole {
			need++
		} else {
			need = addFixed(need, ToFixed(o.GetScalar().GetValue()))
		}
	}
	return need, true
}

// ContainsPool reports whether p holds at least what o holds.
func (p *Pool) ContainsPool(o *Pool) bool {
	for i := range o.entries {
		s := &o.entries[i]
		at := p.index(s.kind, s.whole, p.aspects())
		if at < 0 {
			return false
		}
		e := &p.entries[at]
		if e.copies < s.copies || e.fixed < s.fixed || !e.ranges.Contains(s.ranges) || !containsItems(e.set, s.set) {
			return false
		}
	}
	return true
}

// Scalar returns the sum of the named scalar over all kinds.
func (p *Pool) Scalar(name string) float64 { return FromFixed(p.Fixed(name)) }

// Fixed is Scalar in thousandths.
func (p *Pool) Fixed(name string) int64 {
	var n int64
	for i := range p.entries {
		if e := &p.entries[i]; e.kind.GetType() == mesospb.Value_SCALAR && e.kind.GetName() == name {
			n = addFixed(n, e.total())
		}
	}
	return n
}

// total is the amount of a scalar entry. Copies of a shared volume are the same megabytes: they count once.
func (e *entry) total() int64 {
	if !e.whole {
		return e.fixed
	}
	v := ToFixed(e.kind.GetScalar().GetValue())
	if e.kind.Shared != nil {
		return v
	}
	return v * int64(e.copies)
}
