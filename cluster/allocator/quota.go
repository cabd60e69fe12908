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
	free   Quantities // unreserved, not revocable, of active agents
	needed Quantities
}

func (a *Allocator) headroom() *headroom {
	h := &headroom{free: Quantities{}, needed: Quantities{}}
	for _, q := range a.quotas {
		for name, v := range q.guarantees {
			if miss := v - q.reserved[name] - q.unreserved[name]; miss > 0 {
				h.needed[name] += miss
			}
		}
	}
	if h.needed.isZero() {
		return h
	}
	a.recountSpare()
	h.free.add(a.spare, 1)
	return h
}

// changed notes that what is free on an agent, or whether it is active, is not what it was. It matters to quota only.
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
		if ag.active {
			ag.counted = QuantitiesOf(ag.free.Filter(countsUnreserved))
			a.spare.add(ag.counted, 1)
		}
	}
	a.recounts = a.recounts[:0]
}

// taken notes an offer: guarantees it met need no headroom any more.
func (h *headroom) taken(q *quota, unreserved Quantities) {
	h.free.add(unreserved, -1)
	for name, v := range unreserved {
		if miss := q.guarantees[name] - q.reserved[name] - q.unreserved[name]; miss > 0 {
			// Called before the offer is charged: v of what was missing is there now.
			if h.needed[name] -= min(v, miss); h.needed[name] <= 0 {
				delete(h.needed, name)
			}
		}
	}
}

// chop shortens the unreserved scalars of a candidate to what quota admits, and returns what is left. In
// the first stage a role gets no more of a guaranteed resource than it is guaranteed.
func (h *headroom) chop(q *quota, list []*mesospb.Resource, guaranteesOnly bool) []*mesospb.Resource {
	kept := list[:0]
	for _, r := range list {
		if !countsUnreserved(r) {
			kept = append(kept, r)
			continue
		}
		name := r.GetName()
		have := resources.ToFixed(r.GetScalar().GetValue())
		allowed := have
		consumed := q.reserved[name] + q.unreserved[name]
		guarantee, guaranteed := q.guarantees[name]
		if limit, ok := q.limits[name]; ok {
			allowed = min(allowed, limit-consumed)
		}
		missing := max(0, guarantee-consumed)
		if guaranteesOnly && guaranteed {
			allowed = min(allowed, missing)
		} else if others := h.needed[name] - missing; others > 0 || h.needed[name] > 0 {
			// What this role misses itself is its own to take.
			allowed = min(allowed, h.free[name]-max(0, others))
		}
		switch {
		case allowed <= 0:
		case allowed >= have:
			kept = append(kept, r)
		case r.GetDisk() != nil: // not divisible
		default:
			v := resources.FromFixed(allowed)
			r.Scalar.Value = &v
			kept = append(kept, r)
		}
	}
	return kept
}

// unmet reports whether the role misses something it is guaranteed.
func (q *quota) unmet() bool {
	for name, v := range q.guarantees {
		if v > q.reserved[name]+q.unreserved[name] {
			return true
		}
	}
	return false
}
