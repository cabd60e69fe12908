package core

import (
	"maps"
	"slices"
	"strings"

	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// What an instance keeps over its launches: volumes, and reservations. Both bear names that are never used twice, made of the number of the launch
// that made them, so that what is found under a name is what was meant. They are found by these names wherever they are offered: an agent that lost its
// id keeps its disk.

// keeps reports whether instances of the version have something that outlives their tasks.
func (v *version) keeps() bool { return v.volumes || v.app.Resources.Reserve == app.ReserveAll }

func (i *Instance) volumeIDs() []string {
	var ids []string
	for _, v := range i.Volumes {
		ids = append(ids, v.ID)
	}
	return ids
}

// names are what the instance's belongings are found by in offers.
func (i *Instance) names() []string {
	if i.Owner == "" {
		return i.volumeIDs()
	}
	return append(i.volumeIDs(), i.Owner)
}

// bind gives an instance what its launch on the agent makes: volumes with these ids, and reservations for the owner.
func (c *Core) bind(a *appState, i *Instance, agent, owner string, volumes []string) {
	i.Owner, i.Reserved = owner, agent
	for _, id := range volumes {
		i.Volumes = append(i.Volumes, Volume{ID: id})
	}
	if len(volumes) > 0 {
		i.Pin = agent
	}
	c.own(a, i)
	c.useAgent(agent, +1)
}

func (c *Core) own(a *appState, i *Instance) {
	for _, name := range i.names() {
		c.owned[name] = instanceRef{a, i.Index}
	}
}

// unbind takes from an instance what it keeps. What volumes hold is lost.
func (c *Core) unbind(i *Instance, destroy bool) {
	if i.Reserved == "" {
		return
	}
	agent, left := i.Reserved, leftoverRecord{App: i.App, Index: i.Index, Owner: i.Owner, Volumes: i.volumeIDs(), Since: ms(c.wall())}
	for _, name := range i.names() {
		delete(c.owned, name)
	}
	i.Volumes, i.Owner, i.Reserved = nil, "", ""
	if a := c.byName[i.App]; a == nil || !a.daemon() {
		i.Pin = ""
	}
	if destroy {
		c.leaveBehind(agent, left)
	}
	c.useAgent(agent, -1)
}

// unbindFailed releases an instance from an agent where its first launch failed before the volumes were ever used, and from one that is gone
// for good.
func (c *Core) unbindFailed(i *Instance, t *Task) {
	if i.Reserved == "" || i.Reserved != t.Agent {
		return
	}
	if strings.HasPrefix(t.Reason, "gone_by_operator") {
		c.volumesLost(i, t.Agent)
		return
	}
	for _, v := range i.Volumes {
		if v.Confirmed {
			return
		}
	}
	if !t.Began && len(i.Volumes) > 0 {
		c.unbind(i, true)
	}
}

// sight looks in an offer for what instances keep, and for what was left behind: both may have come with another agent id than they had.
func (c *Core) sight(ag *agent, o *mesospb.Offer) {
	if len(c.owned)+len(c.leftovers.byName) == 0 {
		return
	}
	for _, r := range o.GetResources() {
		name := r.GetDisk().GetPersistence().GetId()
		if name == "" {
			name = resources.Owner(r)
		}
		if name == "" || !c.made(r) {
			continue
		}
		if ref, ok := c.owned[name]; ok {
			c.sighted(ref.app, ref.app.inst.get(ref.index), ag)
		} else if l := c.leftovers.byName[name]; l != nil && l.agent != ag.ID {
			c.moveLeftover(l, ag.ID)
		}
	}
}

// sighted: what an instance keeps is offered on an agent. If that is not where it was, the instance follows.
func (c *Core) sighted(a *appState, i *Instance, ag *agent) {
	if i == nil || i.Reserved == ag.ID {
		return
	}
	t := i.Live()
	if t != nil && t.State.Reachable() {
		t.mesosIDs(c.ask.now) // it can't be right that it runs there: what became of it? Then freed looks again
		return
	}
	if a.daemon() {
		if _, taken := a.pins[ag.ID]; taken {
			return
		}
		delete(a.pins, i.Pin)
		a.pins[ag.ID] = i.Index
	}
	i = c.edit(a, i.Index)
	was := i.Reserved
	i.Reserved = ag.ID
	if i.Pin != "" {
		i.Pin = ag.ID
	}
	c.useAgent(ag.ID, +1)
	c.useAgent(was, -1)
	c.note(Note{Kind: NoteInstance, App: i.App, Index: i.Index, Agent: ag.ID, State: "volumes-moved",
		Text: "what it keeps on agent " + was + " has come back with agent " + ag.ID})
	if t = i.Live(); t != nil { // cut off for ever: its agent has another id now, and offers what the task had
		c.happen(a, i, t, Despair, nil)
		return
	}
	c.await(a, i)
	if i.pending {
		c.want(a, i)
	}
}

// lookFor looks for what the instance keeps in the offers in hand: they may have come before its task was known to be gone.
func (c *Core) lookFor(i *Instance) {
	if i.Reserved == "" {
		return
	}
	for _, o := range c.book.Offers() {
		if ag := c.agents[o.Agent.ID]; ag != nil && ag.ID != i.Reserved {
			c.sight(ag, o.Proto)
		}
	}
}

// made reports whether a volume or labelled reservation was made by this framework: by its principal, as long as it has one.
func (c *Core) made(r *mesospb.Resource) bool {
	return c.cfg.Principal == "" || r.GetDisk().GetPersistence().GetPrincipal() == c.cfg.Principal || c.ours(r)
}

// ours reports whether a reservation was made by this framework: by its principal. Without a principal nobody can tell, and it stays.
func (c *Core) ours(r *mesospb.Resource) bool {
	if c.cfg.Principal == "" || !resources.IsDynamicallyReserved(r) {
		return false
	}
	if n := len(r.GetReservations()); n > 0 {
		return r.Reservations[n-1].GetPrincipal() == c.cfg.Principal
	}
	return r.GetReservation().GetPrincipal() == c.cfg.Principal
}

// bound calls f with the instances that wait for the agent where their volumes are.
func (c *Core) bound(f func(*appState, *Instance)) {
	for _, a := range c.apps {
		if v := a.current(); v == nil || !v.volumes {
			continue
		}
		a.inst.all(func(i *Instance) bool {
			if i.Live() == nil && len(i.Volumes) > 0 {
				f(a, i)
			}
			return true
		})
	}
}

// agentGone: the operator has said that an agent never comes back. What was to be cleaned up there is gone with it, and so is what instances wait for.
func (c *Core) agentGone(id string) {
	c.executorsLost(id)
	if n := len(c.leftovers.byAgent[id]); n > 0 {
		c.forgetLeftovers(id)
		c.note(Note{Kind: NoteAgent, Index: -1, Agent: id, Text: "gone for good, and what was left there with it"})
	}
	c.bound(func(a *appState, i *Instance) {
		if i.Pin == id {
			i = c.edit(a, i.Index)
			c.notPending(a, i)
			c.volumesLost(i, id)
			c.await(a, i)
			c.kick(a)
		}
	})
}

func (c *Core) volumesLost(i *Instance, agent string) {
	c.unbind(i, false)
	c.note(Note{Kind: NoteInstance, App: i.App, Index: i.Index, Agent: agent, State: "volumes-lost", Text: "the operator has declared the agent gone, and the volumes with it: starting without them elsewhere"})
}

// probePrefix begins the ids of tasks that never were: see probeAgents.
const probePrefix = "no-task-on."

// probeAgents asks after agents that are not offered though something is to be cleaned up there, or instances wait for them. Mesos knows no question for
// agents, but it says of any task, even of one that never was, what is the matter with its agent.
func (c *Core) probeAgents() {
	if !c.connected {
		return
	}
	unseen := map[string]bool{}
	miss := func(id string) {
		if ag := c.agents[id]; ag == nil || !ag.seen {
			unseen[id] = true
		}
	}
	for id := range c.leftovers.byAgent {
		miss(id)
	}
	c.bound(func(_ *appState, i *Instance) { miss(i.Pin) })
	var tasks []*schedulerpb.Call_Reconcile_Task
	for _, id := range slices.Sorted(maps.Keys(unseen)) {
		tasks = append(tasks, &schedulerpb.Call_Reconcile_Task{TaskId: taskID(probePrefix + id), AgentId: agentID(id)})
	}
	if len(tasks) > 0 {
		c.call(reconcileCall(tasks))
	}
}

// probed takes in what the master says of a task that never was.
func (c *Core) probed(e Event, s *mesospb.TaskStatus) {
	ag := c.agents[s.GetAgentId().GetValue()]
	if ag == nil || ag.seen {
		return
	}
	switch {
	case s.GetState() == mesospb.TaskState_TASK_GONE_BY_OPERATOR: // agentGone
	case e == SawUnreachable:
		ag.fate = "is unreachable"
	case e == SawUnknown:
		ag.fate = "is not known to the master any more"
	default:
		ag.fate = "has nothing to offer at the moment"
	}
	c.agentChanged(ag.ID)
}
