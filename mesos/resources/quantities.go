package resources

import (
	"cmp"
	"iter"
	"slices"
	"strings"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// Quantities is how much there is of each scalar, by name alone: reservations, allocations, disks and everything else
// that isn't scalar are left out. Quota, shares and totals are counted in it. Amounts are thousandths and never negative.
//
// The zero Quantities is empty and ready. It must not be copied (use Clone) and is not safe for concurrent
// use. Once all names have been seen, adding and subtracting allocate nothing.
type Quantities struct {
	list []quantity // by name
}

type quantity struct {
	name  string
	fixed int64
}

// QuantitiesOf sums the scalars of a list. Copies of a shared volume count once.
func QuantitiesOf(list []*mesospb.Resource) *Quantities {
	q := new(Quantities)
	q.Add(list)
	return q
}

// Add adds the scalars of a list. Within the list, copies of a shared volume count once.
func (q *Quantities) Add(list []*mesospb.Resource) { q.each(list, +1) }

// Subtract takes the scalars of a list away; what would become negative becomes nothing.
func (q *Quantities) Subtract(list []*mesospb.Resource) { q.each(list, -1) }

func (q *Quantities) each(list []*mesospb.Resource, sign int64) {
	for i, r := range list {
		if r.GetType() != mesospb.Value_SCALAR || isEmpty(r) || r.Shared != nil && hasWhole(list[:i], r) {
			continue
		}
		q.change(r.GetName(), sign*ToFixed(r.Scalar.GetValue()))
	}
}

// AddPool adds the scalars of a pool.
func (q *Quantities) AddPool(p *Pool) {
	for i := range p.entries {
		if e := &p.entries[i]; e.kind.GetType() == mesospb.Value_SCALAR {
			q.change(e.kind.GetName(), e.total())
		}
	}
}

// AddAll adds other quantities.
func (q *Quantities) AddAll(o *Quantities) {
	for i := range o.list {
		q.change(o.list[i].name, o.list[i].fixed)
	}
}

// SubtractAll takes other quantities away; what would become negative becomes nothing.
func (q *Quantities) SubtractAll(o *Quantities) {
	for i := range o.list {
		q.change(o.list[i].name, -o.list[i].fixed)
	}
}

// change adds to one amount. Entries stay when they reach 0, so that they need no memory when they come back.
func (q *Quantities) change(name string, by int64) {
	i, found := q.find(name)
	if !found {
		if by <= 0 {
			return
		}
		q.list = slices.Insert(q.list, i, quantity{name: strings.Clone(name)})
	}
	e := &q.list[i]
	e.fixed = max(0, addFixed(e.fixed, by))
}

func (q *Quantities) find(name string) (int, bool) {
	return slices.BinarySearchFunc(q.list, name, func(e quantity, name string) int { return cmp.Compare(e.name, name) })
}

// Fixed returns an amount in thousandths, 0 if there is none.
func (q *Quantities) Fixed(name string) int64 {
	if i, found := q.find(name); found {
		return q.list[i].fixed
	}
	return 0
}

// Scalar returns an amount.
func (q *Quantities) Scalar(name string) float64 { return FromFixed(q.Fixed(name)) }

// SetFixed sets an amount in thousandths; negative ones become 0.
func (q *Quantities) SetFixed(name string, fixed int64) {
	q.change(name, -q.Fixed(name))
	q.change(name, fixed)
}

// SetScalar sets an amount.
func (q *Quantities) SetScalar(name string, v float64) { q.SetFixed(name, ToFixed(v)) }

// Contains reports whether there is at least as much of everything as in o.
func (q *Quantities) Contains(o *Quantities) bool {
	for i := range o.list {
		if q.Fixed(o.list[i].name) < o.list[i].fixed {
			return false
		}
	}
	return true
}

// Equal reports whether the amounts are the same.
func (q *Quantities) Equal(o *Quantities) bool { return q.Contains(o) && o.Contains(q) }

// IsZero reports whether all amounts are 0.
func (q *Quantities) IsZero() bool {
	for i := range q.list {
		if q.list[i].fixed > 0 {
			return false
		}
	}
	return true
}

// All yields names and amounts in thousandths, by name, without those that are 0.
func (q *Quantities) All() iter.Seq2[string, int64] {
	return func(yield func(string, int64) bool) {
		for _, e := range q.list {
			if e.fixed > 0 && !yield(e.name, e.fixed) {
				return
			}
		}
	}
}

// Reset sets all amounts to 0 and keeps the memory.
func (q *Quantities) Reset() {
	for i := range q.list {
		q.list[i].fixed = 0
	}
}

// Clone returns a copy.
func (q *Quantities) Clone() *Quantities { return &Quantities{slices.Clone(q.list)} }

// Resources returns the amounts as unreserved resources.
func (q *Quantities) Resources() []*mesospb.Resource {
	var out []*mesospb.Resource
	for name, fixed := range q.All() {
		out = append(out, NewScalar(name, FromFixed(fixed)))
	}
	return out
}

// String returns the text form, e.g. cpus:4;mem:2048.
func (q *Quantities) String() string {
	var b []byte
	for name, fixed := range q.All() {
		if len(b) > 0 {
			b = append(b, ';')
		}
		b = append(append(b, name...), ':')
		b = appendScalar(b, FromFixed(fixed))
	}
	return string(b)
}
