package core

import (
	"slices"
	"strings"
	"time"

	"github.com/mesokit/mesokit/framework/placement"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// offered takes offers in. What becomes of them is decided at the end of the Apply; the book gives back what is not used within its bounds.
func (c *Core) offered(offers []*mesospb.Offer) {
	if !c.connected {
		return
	}
	for _, o := range offers {
		if o.GetId().GetValue() == "" || o.GetAgentId().GetValue() == "" {
			c.note(Note{Kind: NoteWarning, Index: -1, Text: "an offer without an id or agent"})
			continue
		}
		ag := c.observe(o)
		c.announced(ag, o)
		c.askReturned(ag.ID)
		c.book.Add(c.time, o)
		c.sight(ag, o)
		c.offerDaemons(ag)
	}
	for _, a := range c.apps {
		if a.looks {
			c.kick(a)
		}
	}
	c.placeAgain = true
}

// observe remembers what an offer tells of its agent. Events share memory with the frame that they came in, so it keeps copies.
func (c *Core) observe(o *mesospb.Offer) *agent {
	id := o.GetAgentId().GetValue()
	ag := c.agents[id]
	d := o.GetDomain().GetFaultDomain()
	if ag != nil && ag.seen && ag.Hostname == o.GetHostname() && ag.Region == d.GetRegion().GetName() && ag.Zone == d.GetZone().GetName() &&
		sameAttributes(ag.Attributes, o.GetAttributes()) {
		return ag
	}
	if ag == nil {
		ag = &agent{Agent: &placement.Agent{ID: strings.Clone(id)}}
		c.agents[ag.ID] = ag
	}
	was := ag.Agent
	ag.Agent = &placement.Agent{ID: was.ID, Hostname: strings.Clone(o.GetHostname()), Region: strings.Clone(d.GetRegion().GetName()), Zone: strings.Clone(d.GetZone().GetName()), Capacity: was.Capacity}
	for _, a := range o.GetAttributes() {
		ag.Attributes = append(ag.Attributes, codec.Detach(a))
	}
	if ag.stored && (was.Hostname != ag.Hostname || was.Region != ag.Region || was.Zone != ag.Zone || !sameAttributes(was.Attributes, ag.Attributes)) {
		c.put(keyAgent+ag.ID, schemaAgent, recordOfAgent(ag.Agent))
	}
	ag.seen, ag.fate = true, ""
	c.agentChanged(ag.ID)
	c.placed.Observe(ag.Agent)
	return ag
}

func sameAttributes(a, b []*mesospb.Attribute) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !resources.EqualAttributes(a[i], b[i]) {
			return false
		}
	}
	return true
}

// resetOffers forgets all offers: the master has done so too.
func (c *Core) resetOffers() {
	var muted []string
	for _, r := range c.cfg.Roles {
		if c.mute[r] {
			muted = append(muted, r)
		}
	}
	c.book.Reset(muted...)
	c.holds = nil
}

// want says that an instance waits for offers that may have been refused before.
func (c *Core) want(a *appState, i *Instance) {
	if c.connected && !(a.daemon() && c.book.Has(i.Pin)) {
		c.book.Want(a.versionOf(i.Version).role, true)
	}
}

// awaits says whether an agent without an offer may get one soon.
func (c *Core) awaits(agent, role string) bool {
	if c.book.Agent(agent) == nil { // not offered since this process began
		return c.now < c.since+msOf(c.settle())
	}
	return c.book.Awaits(agent, role, c.time)
}

func (c *Core) settle() time.Duration {
	if d := c.cfg.Book.Settle; d > 0 {
		return d
	}
	return 5 * time.Second
}

// fickle reports whether agents that did not suit a daemon may do so later, because of what else runs there.
func (a *appState) fickle() bool {
	return a.daemon() && !a.rec.Removing && len(a.current().demand.Affinities) > 0
}

// unfit gives back the offers that nothing waiting fits: for long, if all that waits belongs to other agents.
func (c *Core) unfit() {
	offers := c.book.Offers()
	if len(offers) == 0 {
		return
	}
	free, bound := map[string]bool{}, map[string]bool{} // roles, agents
	for _, a := range c.apps {
		if a.fickle() {
			free[a.current().role] = true
		}
		for k := a.pending.next(0); k >= 0; k = a.pending.next(k + 1) {
			i := a.inst.get(k)
			if i.Pin == "" {
				free[a.versionOf(i.Version).role] = true
				if len(a.versions) == 1 {
					break
				}
			} else {
				bound[i.Pin] = true
			}
		}
	}
	for agent := range c.leftovers.byAgent {
		bound[agent] = true
	}
	aside := slices.DeleteFunc(slices.Clone(offers), func(o *placement.Offer) bool { return free[o.Role] || bound[o.Agent.ID] })
	c.book.Unfit(offers, c.holds)
	c.book.Aside(aside)
}

// settleOffers tells the book which roles need offers and makes the calls that it wants.
func (c *Core) settleOffers() {
	if !c.connected || c.guard != nil {
		return
	}
	needs, watched := map[string]bool{}, map[string]bool{}
	for _, a := range c.apps {
		if a.daemon() && !a.rec.Removing {
			watched[a.current().role] = true // an agent may come at any time
			if a.fickle() {
				needs[a.current().role] = true
			}
		}
		if a.looks && c.fw.Uninstall == "" {
			needs[a.current().role] = true
		}
		if a.pending.n == 0 || c.fw.Uninstall != "" {
			continue
		}
		if a.rec.Version == a.rec.Base {
			needs[a.current().role] = true
			continue
		}
		needs[a.versionOf(a.rec.Base).role], needs[a.current().role] = true, true
	}
	c.cleanNeeds(needs)
	for _, r := range c.cfg.Roles {
		switch {
		case needs[r]:
			c.book.Want(r, false)
		case watched[r] && c.fw.Uninstall == "":
			c.book.Watch(r)
		default:
			c.book.Idle(r)
		}
	}
	do := c.book.Step(c.time)
	for _, d := range do.Declines {
		if len(d.OfferIDs) > 0 {
			c.call(declineCall(d.OfferIDs, d.Refuse))
		}
	}
	if len(do.Suppress) > 0 {
		for _, r := range do.Suppress {
			c.mute[r] = true
		}
		c.call(suppressCall(do.Suppress))
	}
	if len(do.Revive) > 0 {
		for _, r := range do.Revive {
			delete(c.mute, r)
		}
		c.call(reviveCall(do.Revive))
	}
}
