package allocator

import (
	"maps"
	"slices"
	"strings"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// quota is what a top-level role is promised, may have at most, and has.
type quota struct {
	guarantees, limits Quantities
	reserved           Quantities // scalars reserved for the role or below, in use or not
	unreserved         Quantities // unreserved scalars that its frameworks hold
}

// SetQuota sets what a top-level role is guaranteed and limited to; both empty removes the quota.
func (a *Allocator) SetQuota(role string, guarantees, limits Quantities) {
	q := a.quota(role)
	q.guarantees, q.limits = guarantees.Clone(), limits.Clone()
	a.limited = false
	for _, o := range a.quotas {
		a.limited = a.limited || len(o.guarantees)+len(o.limits) > 0
	}
	a.spare, a.recounts = Quantities{}, nil
	for _, ag := range a.agents {
		ag.counted, ag.recount = nil, false
		a.changed(ag)
	}
	a.forgetQuota(role)
	a.touchAll()
}

// Consumed returns what counts against the quota of a top-level role: its reservations, and the unreserved
// resources that its frameworks are offered or use.
func (a *Allocator) Consumed(role string) Quantities {
	q := a.quotas[role]
	if q == nil {
		return Quantities{}
	}
	return q.consumed()
}

// QuotaRoles returns the top-level roles that consume anything, sorted.
func (a *Allocator) QuotaRoles() []string {
	var roles []string
	for _, role := range slices.Sorted(maps.Keys(a.quotas)) {
		if q := a.quotas[role]; !q.reserved.isZero() || !q.unreserved.isZero() {
			roles = append(roles, role)
		}
	}
	return roles
}

func (q *quota) consumed() Quantities {
	sum := q.reserved.Clone()
	sum.add(q.unreserved, 1)
	return sum
}

// ClusterTotal returns the scalars of all agents.
func (a *Allocator) ClusterTotal() Quantities { return a.sorter.total.Clone() }

func (a *Allocator) quota(top string) *quota {
	q := a.quotas[top]
	if q == nil {
		q = &quota{reserved: Quantities{}, unreserved: Quantities{}}
		a.quotas[top] = q
	}
	return q
}

// forgetQuota drops what is known of a top-level role that has nothing and is promised nothing.
func (a *Allocator) forgetQuota(top string) {
	if q := a.quotas[top]; q != nil && len(q.guarantees)+len(q.limits) == 0 && q.reserved.isZero() && q.unreserved.isZero() {
		delete(a.quotas, top)
	}
}

// consume notes unreserved resources that frameworks got or gave back.
func (a *Allocator) consume(list []*mesospb.Resource, sign int64) {
	for _, r := range list {
		if !countsUnreserved(r) {
			continue
		}
		top := topOf(resources.AllocationRole(r))
		q := a.quota(top).unreserved
		name := r.GetName()
		if q[name] += sign * resources.ToFixed(r.GetScalar().GetValue()); q[name] == 0 {
			delete(q, name)
			a.forgetQuota(top)
		}
	}
}

// countsUnreserved reports whether a resource is what quota is about.
func countsUnreserved(r *mesospb.Resource) bool {
	return r.GetType() == mesospb.Value_SCALAR && resources.IsUnreserved(r) && !resources.IsRevocable(r)
}

func topOf(role string) string {
	top, _, _ := strings.Cut(role, "/")
	return top
}

func reservedByTop(list []*mesospb.Resource) map[string]Quantities {
	out := map[string]Quantities{}
	for i, r := range list {
		if r.GetType() != mesospb.Value_SCALAR || isRepeatedShared(list, i) {
			continue
		}
		top := topOf(resources.ReservationRole(r))
		if out[top] == nil {
			out[top] = Quantities{}
		}
		out[top][r.GetName()] += resources.ToFixed(r.GetScalar().GetValue())
	}
	return out
}

// headroom is what must stay free for guarantees that are not met yet.
type headroom struct {
	free   Quantities // unreserved, not revocable, in the whole cluster
	needed Quantities
}

func (a *Allocator) headroom() *headroom {
	h := &headroom{free: Quantities{}, needed: Quantities{}}
	for _, q := range a.quotas {
		h.needed.add(q.owed(), 1)
	}
	if h.needed.isZero() {
		return h
	}
	a.recountSpare()
	h.free.add(a.spare, 1)
	return h
}

// changed notes that what is free on an agent, or whether there is the agent, is not what it was. It matters to quota only.
func (a *Allocator) changed(ag *agent) {
	if a.limited && !ag.recount {
		ag.recount = true
		a.recounts = append(a.recounts, ag)
	}
}

// recountSpare brings what is free in the cluster up to date, looking only at agents that have changed.
func (a *Allocator) recountSpare() {
	for _, ag := range a.recounts {
		a.spare.add(ag.counted, -1)
		ag.counted, ag.recount = nil, false
		if a.agents[ag.id] == ag {
			ag.counted = QuantitiesOf(ag.free.Filter(countsUnreserved))
			a.spare.add(ag.counted, 1)
		}
	}
	a.recounts = a.recounts[:0]
}

// owed is what the role is guaranteed and has not got.
func (q *quota) owed() Quantities {
	owed := Quantities{}
	for name, v := range q.guarantees {
		if miss := v - q.reserved[name] - q.unreserved[name]; miss > 0 {
			owed[name] = miss
		}
	}
	return owed
}

// chop shortens the unreserved scalars of a candidate to what quota admits, and returns what is left: what the limits of the role leave
// (q is nil without quota), and of that no more than the cluster can spare beside all guarantees. In the first stage a role gets what it is
// owed in any case, and nothing at all if none of that is here.
func (h *headroom) chop(q *quota, list []*mesospb.Resource, guaranteesOnly bool) []*mesospb.Resource {
	given := Quantities{}           // towards guarantees
	due := make([]int64, len(list)) // of each resource
	if guaranteesOnly {
		owed := q.owed()
		for i, r := range list {
			if countsUnreserved(r) {
				due[i] = shrunk(r, owed[r.GetName()]-given[r.GetName()])
				given.add(Quantities{r.GetName(): due[i]}, 1)
			}
		}
		if given.isZero() {
			return nil
		}
	}
	spent := Quantities{} // beyond guarantees
	kept := list[:0]
	for i, r := range list {
		if !countsUnreserved(r) {
			kept = append(kept, r)
			continue
		}
		name := r.GetName()
		have := resources.ToFixed(r.GetScalar().GetValue())
		room := have
		if q != nil {
			if limit, ok := q.limits[name]; ok {
				room = min(room, limit-q.reserved[name]-q.unreserved[name]-given[name]-spent[name])
			}
		}
		if !h.needed.isZero() {
			room = min(room, h.free[name]-h.needed[name]-spent[name])
		}
		more := int64(0)
		if due[i] < have && (r.GetDisk() == nil || due[i] == 0) {
			more = shrunk(r, min(room, have-due[i]))
		}
		spent[name] += more
		switch got := due[i] + more; {
		case got <= 0:
		case got >= have:
			kept = append(kept, r)
		default:
			v := resources.FromFixed(got)
			r.Scalar.Value = &v
			kept = append(kept, r)
		}
	}
	return kept
}

// shrunk returns how much of a resource a part of at most the given size can be. A disk of its own cannot be divided.
func shrunk(r *mesospb.Resource, size int64) int64 {
	have := resources.ToFixed(r.GetScalar().GetValue())
	switch {
	case size >= have:
		return have
	case size <= 0 || r.GetDisk() != nil:
		return 0
	}
	return size
}
