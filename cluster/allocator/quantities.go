package allocator

import (
	"cmp"
	"maps"

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

func (q Quantities) isZero() bool { return len(q) == 0 }

// contains reports whether q has at least as much of everything as o.
func (q Quantities) contains(o Quantities) bool {
	for name, v := range o {
		if q[name] < v {
			return false
		}
	}
	return true
}

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

// quantitiesByRole sums scalars by the role they are allocated to. Shared volumes belong to everybody and are
// not charged.
func quantitiesByRole(list []*mesospb.Resource) map[string]Quantities {
	out := make(map[string]Quantities, 1)
	for _, r := range list {
		role := resources.AllocationRole(r)
		q := out[role]
		if q == nil {
			q = Quantities{}
			out[role] = q
		}
		if r.GetType() == mesospb.Value_SCALAR && !resources.IsShared(r) {
			q[r.GetName()] += resources.ToFixed(r.GetScalar().GetValue())
		}
	}
	return out
}

func quantitiesOfPool(p *resources.Pool) Quantities {
	return QuantitiesOf(p.Resources())
}

func compareAgents(x, y *agent) int {
	return cmp.Or(cmp.Compare(x.seen, y.seen), cmp.Compare(x.id, y.id))
}
