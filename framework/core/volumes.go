package core

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// garbage is what is left on an agent of instances that are gone: volumes, and reservations, to be given back when they are offered.
type garbage struct {
	garbageRecord
	destroyed map[string]bool  // DESTROY was sent by this process
	absent    map[string]int64 // since when offers have come without the volume, though nothing of ours runs that may use it
}

// waste notes volumes to destroy when their agent offers them.
func (c *Core) waste(agent string, ids []string, reserved bool) {
	g := c.garbage[agent]
	if g == nil {
		g = &garbage{}
		c.garbage[agent] = g
		c.useAgent(agent, +1)
	}
	for _, id := range ids {
		if !slices.Contains(g.Volumes, id) {
			g.Volumes = append(g.Volumes, id)
		}
	}
	g.Reserved = g.Reserved || reserved
	c.put(keyGarbage+agent, schemaGarbage, g.garbageRecord)
	for _, r := range c.cfg.Roles {
		c.book.Want(r, true)
	}
}

// unbind takes an instance's volumes and agent from it. What the volumes hold is lost.
func (c *Core) unbind(i *Instance, destroy bool) {
	if len(i.Volumes) == 0 {
		return
	}
	var ids []string
	for _, v := range i.Volumes {
		ids = append(ids, v.ID)
	}
	agent := i.Pin
	i.Volumes, i.Pin = nil, ""
	if destroy {
		c.waste(agent, ids, true)
	}
	c.useAgent(agent, -1)
}

// unbindFailed releases an instance from an agent where its first launch failed before the volumes were ever used, and from one that is gone
// for good.
func (c *Core) unbindFailed(a *appState, i *Instance, t *Task) {
	if len(i.Volumes) == 0 || i.Pin != t.Agent {
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
	if !t.Began {
		c.unbind(i, true)
	}
}

// reclaim takes an instance's new volumes off the list of what is to be destroyed: their ids are those of the volumes that it had there before. If
// one of these still exists, CREATE fails, and with it the launch; then it is on the list again.
func (c *Core) reclaim(i *Instance) {
	g := c.garbage[i.Pin]
	if g == nil {
		return
	}
	for _, v := range i.Volumes {
		if k := slices.Index(g.Volumes, v.ID); k >= 0 {
			g.Volumes = slices.Delete(g.Volumes, k, k+1)
			delete(g.destroyed, v.ID)
		}
	}
	c.put(keyGarbage+i.Pin, schemaGarbage, g.garbageRecord)
}

// clean gives back what is left of instances that are gone, as far as it is offered. Offers used for that are spent; what remains of them comes back at
// once.
func (c *Core) clean() {
	if !c.connected || c.guard != nil || len(c.garbage) == 0 {
		return
	}
	for _, o := range c.book.Offers() {
		g := c.garbage[o.Agent.ID]
		if g == nil {
			continue
		}
		var doomed, reserved []*mesospb.Resource
		here := map[string]bool{}
		for _, r := range o.Proto.GetResources() {
			id := r.GetDisk().GetPersistence().GetId()
			switch {
			case id != "" && slices.Contains(g.Volumes, id):
				here[id] = true
				doomed = append(doomed, r)
			case id == "" && g.Reserved && c.ours(r) && !c.reservedInUse(o.Agent.ID):
				reserved = append(reserved, r)
			}
		}
		c.cleaned(o.Agent.ID, g, here, len(reserved) > 0)
		if len(doomed)+len(reserved) == 0 {
			continue
		}
		if len(c.book.Take(o.Proto.GetId())) == 0 {
			continue
		}
		var ops []*mesospb.Offer_Operation
		if len(doomed) > 0 {
			ops = append(ops, &mesospb.Offer_Operation{Type: mesospb.Offer_Operation_DESTROY.Enum(), Destroy: &mesospb.Offer_Operation_Destroy{Volumes: doomed}})
			if g.destroyed == nil {
				g.destroyed = map[string]bool{}
			}
			maps.Copy(g.destroyed, here)
			for _, v := range doomed {
				plain := resources.Clone(v)
				plain.Disk.Persistence, plain.Disk.Volume, plain.Shared = nil, nil, nil
				if plain.Disk.Source == nil {
					plain.Disk = nil
				}
				if resources.IsDynamicallyReserved(plain) {
					reserved = append(reserved, plain)
				}
			}
		}
		if len(reserved) > 0 {
			ops = append(ops, &mesospb.Offer_Operation{Type: mesospb.Offer_Operation_UNRESERVE.Enum(), Unreserve: &mesospb.Offer_Operation_Unreserve{Resources: resources.Sum(reserved)}})
		}
		c.call(acceptCall([]*mesospb.OfferID{o.Proto.GetId()}, 0, ops))
		c.note(Note{Kind: NoteInstance, Index: -1, Agent: o.Agent.ID, State: "cleaning", Text: "destroying volumes and giving back reservations"})
	}
}

// absence is how long offers have to come without a volume until it is taken to be gone: a single one may be older than its release, or another
// framework of the role may hold it at the moment.
const absence = int64(time.Minute / time.Millisecond)

// cleaned forgets what was destroyed and does not show up any more, and what never shows up: it was destroyed before a restart, or the launch that
// was to create it has not arrived.
func (c *Core) cleaned(agent string, g *garbage, here map[string]bool, reserved bool) {
	before := len(g.Volumes)
	if g.absent == nil {
		g.absent = map[string]int64{}
	}
	g.Volumes = slices.DeleteFunc(g.Volumes, func(id string) bool {
		switch since, known := g.absent[id]; {
		case here[id] || c.volumeInUse(agent, id):
			delete(g.absent, id)
		case !known:
			g.absent[id] = c.now
		case c.now-since >= absence:
			return true
		}
		return g.destroyed[id] && !here[id]
	})
	if len(g.Volumes) == 0 && !reserved {
		c.forgetGarbage(agent)
	} else if len(g.Volumes) != before {
		c.put(keyGarbage+agent, schemaGarbage, g.garbageRecord)
	}
}

// probeAgents asks after agents that are not offered though something is to be cleaned up there, or instances wait for them. Mesos knows no question for agents, but it says of any task, even of
// one that never was, if its agent is gone for good.
func (c *Core) probeAgents() {
	unseen := map[string]bool{}
	miss := func(id string) {
		if ag := c.agents[id]; ag == nil || !ag.seen {
			unseen[id] = true
		}
	}
	for id := range c.garbage {
		miss(id)
	}
	c.bound(func(_ *appState, i *Instance) { miss(i.Pin) })
	var tasks []*schedulerpb.Call_Reconcile_Task
	for _, id := range slices.Sorted(maps.Keys(unseen)) {
		tasks = append(tasks, &schedulerpb.Call_Reconcile_Task{TaskId: taskID("no-task-on." + id), AgentId: agentID(id)})
	}
	if len(tasks) > 0 {
		c.call(reconcileCall(tasks))
	}
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
	if c.garbage[id] != nil {
		c.forgetGarbage(id)
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
	c.note(Note{Kind: NoteInstance, App: i.App, Index: i.Index, Agent: agent, State: "volumes-lost", Text: "the operator has declared the agent gone, and the volumes with it: starting anew elsewhere"})
}

// volumeInUse reports whether a task that may use the volume runs on the agent: one of the instance that the volume was made for.
func (c *Core) volumeInUse(agent, id string) bool {
	for _, a := range c.apps {
		v := a.current()
		if !v.volumes || c.placed.On(a.rec.Name, agent) == 0 {
			continue
		}
		used := false
		a.inst.all(func(i *Instance) bool {
			for _, t := range append([]*Task{i.Live()}, i.Detached...) {
				used = used || t != nil && t.Agent == agent && slices.Contains(v.app.VolumeIDs(i.Index), id)
			}
			return !used
		})
		if used {
			return true
		}
	}
	return false
}

func (c *Core) forgetGarbage(agent string) {
	delete(c.garbage, agent)
	c.del(keyGarbage + agent)
	c.useAgent(agent, -1)
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

// reservedInUse reports whether an instance is bound to the agent, which may need the reservations there.
func (c *Core) reservedInUse(agent string) bool {
	if len(c.aside) > 0 { // nobody knows what belongs to those
		return true
	}
	for _, a := range c.apps {
		for _, v := range a.versions {
			if v.volumes {
				used := false
				a.inst.all(func(i *Instance) bool {
					used = i.Pin == agent
					return !used
				})
				if used {
					return true
				}
				break
			}
		}
	}
	return false
}

// cleanNeeds adds the roles whose offers are needed to clean up.
func (c *Core) cleanNeeds(needs map[string]bool) {
	if len(c.garbage) > 0 {
		for _, r := range c.cfg.Roles {
			needs[r] = true
		}
	}
}

// stepUninstall goes on with the removal of the framework.
func (c *Core) stepUninstall() {
	if c.fw.Uninstall == uninstalling && len(c.apps) == 0 && len(c.garbage) == 0 && c.connected {
		c.fw.Uninstall = tearingDown
		c.fwDirty = true
		c.note(Note{Kind: NoteFramework, Index: -1, State: tearingDown, Text: "everything is removed: tearing the framework down"})
		c.call(teardownCall())
	}
}

const (
	uninstalling = "uninstalling"
	tearingDown  = "tearing-down"
	uninstalled  = "uninstalled"
)

func (c *Core) uninstall(force bool) (string, error) {
	if c.fw.Uninstall == tearingDown || c.fw.Uninstall == uninstalled {
		return "", ErrRemoving
	}
	for _, a := range c.asides() {
		return "", a.Refusal()
	}
	c.fw.Uninstall = uninstalling
	c.fwDirty = true
	for _, a := range slices.Clone(c.apps) {
		c.remove(a)
	}
	if force {
		for _, agent := range slices.Sorted(maps.Keys(c.garbage)) {
			c.forgetGarbage(agent)
		}
	}
	c.note(Note{Kind: NoteFramework, Index: -1, State: uninstalling, Text: "removing all applications, then the framework"})
	return "removing everything", nil
}

// tornDown: the framework does not exist any more, neither does anything it ran.
func (c *Core) tornDown() {
	if c.fw.Uninstall != tearingDown {
		c.guardAgainst("", -1, "the master says that framework "+c.fw.ID+" has been removed; its tasks are killed")
		return
	}
	c.connected = false
	c.fw.Uninstall = uninstalled
	c.fwDirty = true
	c.note(Note{Kind: NoteFramework, Index: -1, State: uninstalled, Text: "the framework is removed"})
}

func (c *Core) teardownFailed(why string) {
	if c.fw.Uninstall == tearingDown {
		c.note(Note{Kind: NoteWarning, Index: -1, Text: "TEARDOWN failed, trying again in the next session: " + why})
		c.fw.Uninstall = uninstalling
		c.fwDirty = true
	}
}
