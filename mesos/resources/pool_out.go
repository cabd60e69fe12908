package resources

import (
	"iter"
	"slices"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// What comes out of a Pool.

// Entry is one kind of resource in a pool and how much of it there is. It is a view, valid until the pool changes; nothing in it
// may be changed.
type Entry struct {
	// Kind tells name, type and metadata. Its amount means nothing unless the resource is Indivisible. Pools that
	// ignore allocations show the allocation of what was put in first.
	Kind   *mesospb.Resource
	Fixed  int64    // scalars: thousandths
	Ranges Ranges   // ranges
	Set    []string // sets: sorted
	Copies int      // Indivisible ones: how many; else 1
}

// All yields the kinds in the pool in order of first appearance. The pool must not be changed meanwhile.
func (p *Pool) All() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for i := range p.entries {
			e := &p.entries[i]
			v := Entry{Kind: e.kind, Fixed: e.fixed, Ranges: e.ranges, Set: e.set, Copies: max(1, e.copies)}
			if e.whole {
				v.Fixed = ToFixed(e.kind.GetScalar().GetValue())
			}
			if !yield(v) {
				return
			}
		}
	}
}

// Resources returns the content as a list of its own: nothing in it is shared with the pool or with what was put in.
// Scalars are rounded to three decimals, ranges and sets are sorted, copies follow one another.
func (p *Pool) Resources() []*mesospb.Resource {
	return p.materialize(func(*mesospb.Resource) bool { return true }, nil)
}

// Filter returns, as Resources does, the resources whose kind keep accepts; it must look at the metadata only, not at
// the amount.
func (p *Pool) Filter(keep func(kind *mesospb.Resource) bool) []*mesospb.Resource {
	return p.materialize(keep, nil)
}

// OfferTo returns, as Resources does, what is allocatable to role, allocated to it.
func (p *Pool) OfferTo(role string) []*mesospb.Resource {
	return p.materialize(func(r *mesospb.Resource) bool { return IsAllocatableTo(r, role) }, &role)
}

// materialize makes the resources; with a role they are allocated to it.
func (p *Pool) materialize(keep func(*mesospb.Resource) bool, role *string) []*mesospb.Resource {
	n := 0
	for i := range p.entries {
		if e := &p.entries[i]; keep(e.kind) {
			n += max(1, e.copies)
		}
	}
	if n == 0 {
		return nil
	}
	cells := make([]cell, n)
	out := make([]*mesospb.Resource, 0, n)
	for i := range p.entries {
		e := &p.entries[i]
		if !keep(e.kind) {
			continue
		}
		for range max(1, e.copies) {
			c := &cells[len(out)]
			c.copyMeta(e.kind)
			switch {
			case role != nil:
				c.allocate(*role)
			case p.IgnoreAllocation:
				c.pb.AllocationInfo = nil
			}
			e.fill(c)
			out = append(out, &c.pb)
		}
	}
	return out
}

// fill sets the value of c.
func (e *entry) fill(c *cell) {
	switch e.kind.GetType() {
	case mesospb.Value_SCALAR:
		if e.whole {
			c.setScalar(FromFixed(ToFixed(e.kind.GetScalar().GetValue())))
		} else {
			c.setScalar(FromFixed(e.fixed))
		}
	case mesospb.Value_RANGES:
		if e.whole {
			c.pb.Ranges = RangesOf(e.kind.Ranges).Proto()
		} else {
			c.pb.Ranges = e.ranges.Proto()
		}
	case mesospb.Value_SET:
		set := e.set
		if e.whole {
			set = addItems(nil, e.kind.GetSet().GetItem())
		}
		c.pb.Set = &mesospb.Value_Set{Item: slices.Clone(set)}
	}
}
