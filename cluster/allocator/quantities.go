package allocator

import (
	"cmp"
	"maps"
	"slices"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// Quantities are amounts of scalar resources by name, in thousandths (resources.ToFixed).
type Quantities map[string]int64

// add adds o times sign. Names that come to 0 vanish.
func (q Quantities) add(o Quantities, sign int64) {
	for name, v := range o {
		if n := q[name] + sign*v; n != 0 {
			q[name] = n
		} else {
			delete(q, name)
		}
	}
}

// Add adds amounts.
func (q Quantities) Add(o Quantities) { q.add(o, 1) }

// Subtract takes amounts away; none becomes negative.
func (q Quantities) Subtract(o Quantities) {
	for name, v := range o {
		if q[name] -= v; q[name] <= 0 {
			delete(q, name)
		}
	}
}

func (q Quantities) isZero() bool { return len(q) == 0 }

// Clone returns a copy.
func (q Quantities) Clone() Quantities { return maps.Clone(q) }

// QuantitiesOf returns the scalars in a list, whatever their reservation. Copies of a shared volume count once.
func QuantitiesOf(list []*mesospb.Resource) Quantities {
	q := Quantities{}
	for i, r := range list {
		if r.GetType() != mesospb.Value_SCALAR || isRepeatedShared(list, i) {
			continue
		}
		q[r.GetName()] += resources.ToFixed(r.GetScalar().GetValue())
	}
	return q
}

// isRepeatedShared reports whether list[i] is a copy of a shared volume that occurs before.
func isRepeatedShared(list []*mesospb.Resource, i int) bool {
	if !resources.IsShared(list[i]) {
		return false
	}
	for _, o := range list[:i] {
		if resources.IsShared(o) && o.GetDisk().GetPersistence().GetId() == list[i].GetDisk().GetPersistence().GetId() &&
			resources.ReservationRole(o) == resources.ReservationRole(list[i]) {
			return true
		}
	}
	return false
}

// byRole calls f with the scalars of each role that something in the list is allocated to, in order of first appearance. q is
// good until f returns. Shared volumes belong to everybody and are not counted.
func (a *Allocator) byRole(list []*mesospb.Resource, f func(role string, q Quantities)) {
	if a.scratch == nil {
		a.scratch = Quantities{}
	}
	for i, r := range list {
		role := resources.AllocationRole(r)
		if slices.ContainsFunc(list[:i], func(o *mesospb.Resource) bool { return resources.AllocationRole(o) == role }) {
			continue
		}
		clear(a.scratch)
		for _, o := range list[i:] {
			if o.GetType() == mesospb.Value_SCALAR && !resources.IsShared(o) && resources.AllocationRole(o) == role {
				a.scratch[o.GetName()] += resources.ToFixed(o.GetScalar().GetValue())
			}
		}
		f(role, a.scratch)
	}
}

// amountOf returns how much of a scalar is in a list.
func amountOf(list []*mesospb.Resource, name string) (sum int64) {
	for i, r := range list {
		if r.GetType() == mesospb.Value_SCALAR && r.GetName() == name && !isRepeatedShared(list, i) {
			sum += resources.ToFixed(r.GetScalar().GetValue())
		}
	}
	return sum
}

func quantitiesOfPool(p *resources.Pool) Quantities {
	return QuantitiesOf(p.Resources())
}

func compareAgents(x, y *agent) int {
	return cmp.Or(cmp.Compare(x.seen, y.seen), cmp.Compare(x.id, y.id))
}
