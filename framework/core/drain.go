package core

import (
	"maps"
	"slices"
	"strings"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// drains knows the agents that are to be left: because an operator drains them, or because inverse offers ask for what we use there.
type drains struct {
	operator    map[string]bool     // agent id
	maintenance map[string]bool     // agent id: announced, until offers come without unavailability
	offers      map[string]*inverse // by id
}

// inverse is an inverse offer that is not answered yet.
type inverse struct {
	id    string
	agent string
}

func (d *drains) init() {
	d.operator, d.maintenance, d.offers = map[string]bool{}, map[string]bool{}, map[string]*inverse{}
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
		delete(c.drains.maintenance, ag.ID)
		c.drainChanged(ag.ID, "maintenance is over, or called off")
	}
}

// inverseOffered: the master wants resources back. They are left under the rules for updates, and the offer is answered when that is done.
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
		c.drains.maintenance[agent] = true
		c.drains.offers[id] = &inverse{id: id, agent: agent}
		c.timers.add(timer{at: c.now + msOf(c.cfg.InverseOfferWait), kind: timerInverse, id: id})
		c.drainChanged(agent, "maintenance is planned: leaving")
	}
}

func (c *Core) inverseRescinded(id string) {
	if o := c.drains.offers[id]; o != nil {
		delete(c.drains.offers, id)
		delete(c.drains.maintenance, o.agent)
		c.drainChanged(o.agent, "the inverse offer is rescinded")
	}
}

// answerInverse accepts inverse offers of agents that are left.
func (c *Core) answerInverse() {
	for _, id := range slices.Sorted(maps.Keys(c.drains.offers)) {
		if o := c.drains.offers[id]; c.drains.vacated(c, o.agent) {
			delete(c.drains.offers, id)
			c.call(acceptInverseCall(offerID(id)))
			c.note(Note{Kind: NoteAgent, Index: -1, Agent: o.agent, Text: "left for maintenance"})
		}
	}
}

// inverseDue gives an inverse offer back that could not be honoured in time; the master makes it again.
func (c *Core) inverseDue(t timer) {
	o := c.drains.offers[t.id]
	if o == nil || !c.connected {
		return
	}
	delete(c.drains.offers, t.id)
	c.call(declineInverseCall(c.cfg.InverseOfferWait, offerID(t.id)))
	c.note(Note{Kind: NoteAgent, Index: -1, Agent: o.agent, Text: "not everything could be moved in time: inverse offer declined, moving on"})
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
