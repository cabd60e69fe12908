package core

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// drains knows the agents that are to be left: because an operator drains them, or because inverse offers ask for what we use there.
type drains struct {
	operator    map[string]bool   // agent id
	maintenance map[string]bool   // agent id: announced, until offers come without unavailability
	offers      map[string]string // inverse offers that are not answered yet: agent by id
	asked       map[string]int64  // by agent: when it was asked for first
	answers     map[string]string // by agent: the last answer to an inverse offer, in words
}

func (d *drains) init() {
	d.operator, d.maintenance, d.offers = map[string]bool{}, map[string]bool{}, map[string]string{}
	d.asked, d.answers = map[string]int64{}, map[string]string{}
}

// has reports whether the agent is to be left.
func (d *drains) has(agent string) bool {
	return agent != "" && (d.operator[agent] || d.maintenance[agent])
}

func (d *drains) any() bool { return len(d.operator)+len(d.maintenance) > 0 }

// empty reports whether nothing of ours but daemons is on the agent.
func (d *drains) empty(c *Core, agent string) bool {
	for _, a := range c.apps {
		if !a.daemon() && c.placed.On(a.rec.Name, agent) > 0 {
			return false
		}
	}
	return true
}

// vacated reports whether nothing at all is there.
func (d *drains) vacated(c *Core, agent string) bool {
	for _, a := range c.apps {
		if c.placed.On(a.rec.Name, agent) > 0 {
			return false
		}
	}
	return true
}

func (c *Core) operatorDrain(in AgentDraining) {
	id := strings.Clone(in.AgentID)
	if id == "" || c.drains.operator[id] == in.Draining {
		return
	}
	text := "drained by the operator"
	if in.Draining {
		c.drains.operator[id] = true
	} else {
		delete(c.drains.operator, id)
		text = "in use again"
	}
	c.drainChanged(id, text)
}

func (c *Core) drainChanged(agent, text string) {
	c.agentChanged(agent)
	c.book.Drain(agent, c.drains.has(agent))
	c.note(Note{Kind: NoteAgent, Index: -1, Agent: agent, Text: text})
	c.placeAgain = true
	for _, a := range c.apps {
		if a.daemon() && !a.rec.Removing && c.connected && !c.drains.has(agent) {
			c.book.Want(a.current().role, true) // it may have been refused for long
		}
		c.kick(a)
	}
}

// announced looks at the maintenance that an offer announces: without any, an agent that was left is used again. Agents that will be
// unavailable are avoided by the placement itself.
func (c *Core) announced(ag *agent, o *mesospb.Offer) {
	if c.drains.maintenance[ag.ID] && o.GetUnavailability() == nil {
		c.endMaintenance(ag.ID, "maintenance is over, or called off")
	}
}

// inverseOffered: the master wants resources back. They are left under the rules for updates; the offer is answered by whether that can be done.
func (c *Core) inverseOffered(offers []*mesospb.InverseOffer) {
	for _, o := range offers {
		id, agent := strings.Clone(o.GetId().GetValue()), strings.Clone(o.GetAgentId().GetValue())
		if id == "" {
			continue
		}
		if agent == "" { // no particular agent: nothing that could be left
			c.call(declineInverseCall(c.cfg.InverseOfferWait, offerID(id)))
			continue
		}
		c.drains.offers[id] = agent
		if c.drains.asked[agent] == 0 {
			c.drains.asked[agent] = max(c.now, 1)
		}
		if !c.drains.maintenance[agent] {
			c.drains.maintenance[agent] = true
			c.drainChanged(agent, "maintenance is planned: leaving")
		}
	}
}

func (c *Core) inverseRescinded(id string) {
	if agent, ok := c.drains.offers[id]; ok {
		delete(c.drains.offers, id)
		c.endMaintenance(agent, "the inverse offer is rescinded")
	}
}

func (c *Core) endMaintenance(agent, why string) {
	delete(c.drains.maintenance, agent)
	delete(c.drains.asked, agent)
	delete(c.drains.answers, agent)
	c.drainChanged(agent, why)
}

// answerInverse answers inverse offers at once: by then the operator may look at the answers, and the machine go down. The master makes accepted and
// declined ones again after a while, so that the answers stay true.
func (c *Core) answerInverse() {
	if !c.connected {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(c.drains.offers)) {
		agent := c.drains.offers[id]
		delete(c.drains.offers, id)
		why := c.stays(agent)
		if why == "" && !c.drains.vacated(c, agent) && c.now-c.drains.asked[agent] >= msOf(c.cfg.InverseOfferWait) {
			why = fmt.Sprintf("not everything could be moved within %v", c.cfg.InverseOfferWait)
		}
		n := Note{Kind: NoteAgent, Index: -1, Agent: agent, State: "accepted", Text: "the inverse offer for maintenance is accepted: everything moves"}
		if why == "" {
			c.call(acceptInverseCall(min(c.cfg.InverseOfferWait, time.Minute), offerID(id)))
		} else {
			c.call(declineInverseCall(min(c.cfg.InverseOfferWait, time.Minute), offerID(id)))
			n.Kind, n.State, n.Text = NoteWarning, "declined", "the inverse offer for maintenance is declined: "+why
		}
		if c.drains.answers[agent] != n.Text {
			c.drains.answers[agent] = n.Text
			c.agentChanged(agent)
			c.note(n)
		}
	}
}

// stays says what can't leave an agent, "" if everything can.
func (c *Core) stays(agent string) (why string) {
	for _, a := range c.apps {
		if a.daemon() || c.placed.On(a.rec.Name, agent) == 0 {
			continue
		}
		ready, here := 0, 0
		a.inst.all(func(i *Instance) bool {
			up := c.ready(a, i)
			if up || i.Outcome == Reached || i.leaving { // those on their way come back, one after the other
				ready++
			}
			if t := i.Live(); t != nil && t.Agent == agent && !c.unwanted(a, i) {
				if i.Pin == agent {
					why = fmt.Sprintf("%s/%d has its volumes there", i.App, i.Index)
				}
				if up {
					here++
				}
			}
			return why == ""
		})
		if least := a.least(); why == "" && here > 0 && !a.surges() && ready-1 < least {
			why = fmt.Sprintf("%d instances of %s are ready, and no fewer than %d may be", ready, a.rec.Name, least)
		}
		if why != "" {
			return why
		}
	}
	return ""
}

// moves lists instances that should run elsewhere: on agents that drain, and not bound to them.
func (c *Core) moves(a *appState) []int {
	if !c.drains.any() || a.daemon() {
		return nil
	}
	var list []int
	a.inst.all(func(i *Instance) bool {
		if t := i.Live(); t != nil && !t.Doomed && i.Pin == "" && i.Index < a.size() && c.drains.has(t.Agent) && t.State.Reachable() {
			list = append(list, i.Index)
		}
		return true
	})
	return list
}
