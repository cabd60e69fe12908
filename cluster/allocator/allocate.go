package allocator

import (
	"cmp"
	"slices"
	"time"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// Allocate decides who is offered what is free, at the time now. Without agents it is a round over all of them,
// otherwise over those named. Each framework that is reached gets everything on the agent that its role may have.
//
// What is offered counts as allocated to the framework until it is recovered.
func (a *Allocator) Allocate(now time.Time, agents ...string) []Offer {
	a.expire(now)
	a.sorter.refresh()
	work := a.work(agents)
	if len(work) == 0 {
		return nil
	}
	a.rng.Shuffle(len(work), func(i, j int) { work[i], work[j] = work[j], work[i] })
	r := round{a: a}
	if a.limited {
		r.room = a.headroom()
		for _, ag := range work {
			r.guaranteesOnly = true
			r.serve(ag)
		}
		r.guaranteesOnly = false
	}
	for _, ag := range work {
		r.serve(ag)
	}
	if a.limited {
		// What was held back for guarantees may be free to offer next time.
		for _, ag := range work {
			if !ag.free.IsEmpty() {
				a.touch(ag)
			}
		}
	}
	return r.merged()
}

// work takes the agents to be looked at off the list.
func (a *Allocator) work(agents []string) []*agent {
	var work []*agent
	if len(agents) == 0 {
		work, a.dirty = a.dirty, nil
	} else {
		for _, id := range agents {
			if ag := a.agents[id]; ag != nil && ag.dirty {
				ag.dirty = false
				work = append(work, ag)
			}
		}
		if len(work) > 0 {
			a.dirty = slices.DeleteFunc(a.dirty, func(ag *agent) bool { return !ag.dirty })
		}
	}
	kept := work[:0]
	for _, ag := range work {
		ag.dirty = false
		if ag.active && (!ag.free.IsEmpty() || len(ag.shared) > 0) {
			kept = append(kept, ag)
		}
	}
	clear(work[len(kept):])
	return kept
}

// round is one call of Allocate.
type round struct {
	a              *Allocator
	room           *headroom // nil without quota
	guaranteesOnly bool
	offers         []Offer
	grants         []grant
}

// grant is what a client gets on one agent.
type grant struct {
	client *client
	list   []*mesospb.Resource
}

// serve goes through the clients, the neediest first, until nothing is left on the agent. Shares change only
// afterwards, so that one agent sees one order.
func (r *round) serve(ag *agent) {
	r.grants = r.grants[:0]
	sharedOffered := r.sharedOffered(ag)
	for c := range r.a.sorter.clients() {
		if ag.free.IsEmpty() && len(ag.shared) == 0 {
			break
		}
		list := r.candidate(ag, c, sharedOffered)
		if len(list) == 0 {
			continue
		}
		for _, res := range list {
			sharedOffered = sharedOffered || resources.IsShared(res)
			res.AllocationInfo = c.allocation
		}
		ag.free.Subtract(list)
		r.a.changed(ag)
		r.consume(c, list)
		r.grants = append(r.grants, grant{c, list})
	}
	for _, g := range r.grants {
		r.a.hold(g.client.framework.id, g.list)
		r.offers = append(r.offers, Offer{g.client.framework.id, ag.id, g.client.role.path, g.list})
	}
}

// consume counts a grant against quota at once, so that the next client in the role gets no more than is left.
func (r *round) consume(c *client, list []*mesospb.Resource) {
	if r.room != nil {
		got := QuantitiesOf(resources.Filter(list, countsUnreserved))
		r.room.free.add(got, -1)
		if r.guaranteesOnly {
			for name, owed := range r.a.quotas[c.role.path].owed() {
				r.room.needed.add(Quantities{name: min(owed, got[name])}, -1)
			}
		}
	}
	r.a.consume(list, 1)
}

// sharedOffered reports whether the agent's shared volumes were offered in this round already: they are offered to one
// framework at a time.
func (r *round) sharedOffered(ag *agent) bool {
	if r.room == nil || len(ag.shared) == 0 {
		return false
	}
	return slices.ContainsFunc(r.offers, func(o Offer) bool {
		return o.Agent == ag.id && slices.ContainsFunc(o.Resources, resources.IsShared)
	})
}

// candidate returns what the client would be offered on the agent, nothing if it is not to be.
func (r *round) candidate(ag *agent, c *client, sharedOffered bool) []*mesospb.Resource {
	f := c.framework
	caps := &f.info.Capabilities
	switch {
	case ag.gpus && !caps.GPUResources && !r.a.cfg.OfferGPUsToAll:
		return nil
	case !caps.RegionAware && r.a.isRemote(ag):
		return nil
	case !f.info.Constraints.admit(c.role.path, &ag.info):
		return nil
	}
	role := c.role.path
	q := r.a.quotas[role] // none for a role below: only what its top-level role has counts
	if r.guaranteesOnly && (q == nil || q.owed().isZero()) {
		return nil
	}
	keep := func(res *mesospb.Resource) bool {
		switch {
		case resources.IsRevocable(res) && !caps.RevocableResources,
			resources.IsRefined(res) && !caps.ReservationRefinement:
			return false
		}
		return resources.IsAllocatableTo(res, role)
	}
	list := ag.free.Filter(keep)
	if caps.SharedResources && !sharedOffered {
		for _, res := range ag.shared {
			if keep(res) {
				list = append(list, resources.Clone(res))
			}
		}
	}
	if r.room != nil {
		list = r.room.chop(q, list, r.guaranteesOnly)
	}
	if len(list) == 0 || !r.a.worth(c, list) || ag.refused(c, list) {
		return nil
	}
	if len(list) > 1 {
		slices.SortStableFunc(list, func(x, y *mesospb.Resource) int {
			return cmp.Or(offerRank(x)-offerRank(y), ag.order[x.GetName()]-ag.order[y.GetName()])
		})
	}
	return list
}

// offerRank orders the resources of an offer as Mesos does: what can't be divided first, then reservations. Among equals they
// are in the order of the agent's total.
func offerRank(r *mesospb.Resource) int {
	switch {
	case !resources.IsUnreserved(r):
		return 1
	case r.GetType() != mesospb.Value_SCALAR:
		return 0
	}
	return 2
}

// isRemote reports whether the agent is in another region than the master. Without a region of its own the master does not know.
func (a *Allocator) isRemote(ag *agent) bool {
	d := ag.info.Domain.GetFaultDomain()
	return d != nil && a.cfg.Region != "" && d.GetRegion().GetName() != a.cfg.Region
}

// worth reports whether a candidate is large enough to be offered.
func (a *Allocator) worth(c *client, list []*mesospb.Resource) bool {
	sets, ok := c.framework.info.MinAllocatable[c.role.path]
	if !ok {
		sets = a.cfg.MinAllocatable
	}
	if len(sets) == 0 {
		return true
	}
	for _, s := range sets {
		enough := true
		for name, v := range s {
			enough = enough && amountOf(list, name) >= v
		}
		if enough {
			return true
		}
	}
	return false
}

// merged joins what the two stages of a round with quota gave the same client on an agent: one offer per role and agent.
func (r *round) merged() []Offer {
	if r.room == nil {
		return r.offers
	}
	type key struct{ framework, agent, role string }
	at := map[key]int{}
	out := r.offers[:0]
	for _, o := range r.offers {
		k := key{o.Framework, o.Agent, o.Role}
		if i, ok := at[k]; ok {
			out[i].Resources = resources.Add(out[i].Resources, o.Resources)
			continue
		}
		at[k] = len(out)
		out = append(out, o)
	}
	return out
}
