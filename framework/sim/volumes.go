package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// Persistent volumes, and agents that come back with them under another id.

// dropCreates does as masters do with a CREATE of a volume whose id is not unique on the agent: it is dropped, without a word as long as the operation has
// no id, and what follows in the same ACCEPT goes on, on the volume that is there.
func (a *simAgent) dropCreates(accept *schedulerpb.Call_Accept) *schedulerpb.Call_Accept {
	has := func(v *mesospb.Resource) bool {
		id := v.GetDisk().GetPersistence().GetId()
		return slices.ContainsFunc(a.total, func(r *mesospb.Resource) bool { return r.GetDisk().GetPersistence().GetId() == id })
	}
	doubtful := func(op *mesospb.Offer_Operation) bool { return slices.ContainsFunc(op.GetCreate().GetVolumes(), has) }
	if !slices.ContainsFunc(accept.GetOperations(), doubtful) {
		return accept
	}
	accept = proto.CloneOf(accept)
	accept.Operations = slices.DeleteFunc(accept.Operations, doubtful)
	return accept
}

// checkVolumes makes sure that no id is given to two volumes, and that a task gets the volumes of its own instance, made since its application was
// submitted last.
func (w *world) checkVolumes(a *schedulerpb.Call_Accept) {
	for _, op := range a.GetOperations() {
		for _, v := range op.GetCreate().GetVolumes() {
			id := v.GetDisk().GetPersistence().GetId()
			if w.made[id] != "" {
				w.fail("the id %s is used for a second volume", id)
			}
			w.made[id] = "nobody yet"
		}
	}
	for _, t := range launchedTasks(&schedulerpb.Call{Accept: a}) {
		for _, r := range t.GetResources() {
			id := r.GetDisk().GetPersistence().GetId()
			if id == "" {
				continue
			}
			instance := instanceOf(t.GetTaskId().GetValue())
			name, _, _ := strings.Cut(instance, "/")
			owner := fmt.Sprintf("%s of its life %d", instance, w.lives[name])
			if w.made[id] == "nobody yet" {
				w.made[id] = owner
			}
			if w.made[id] != owner {
				w.fail("%s, %s, gets the volume %s of %s", t.GetTaskId().GetValue(), owner, id, w.made[id])
			}
		}
	}
}

// volumesDay plans what users and operators do about volumes.
func (w *world) volumesDay(at func(func())) {
	at(func() { w.user.want(core.Scale{App: "db", Instances: 1 + w.rng.IntN(4)}) })
	for range 2 {
		n, v := 1+w.rng.IntN(4), 1+w.rng.IntN(100)
		at(func() { w.user.want(core.Submit{App: definition("db", n, v), Force: true}) })
	}
	at(func() { w.user.want(core.RestartInstance{App: "db", Index: w.rng.IntN(3)}) })
	at(func() { w.user.want(core.Replace{App: "db", Index: 0}) })
	at(func() { // removed, and submitted again under the same name
		w.user.want(core.Remove{App: "db"})
		w.user.want(core.Submit{App: definition("db", 3, 1+w.rng.IntN(100)), Force: true})
	})
	if !w.opt.Faults {
		return
	}
	for range 2 {
		a := w.agents[1+w.rng.IntN(3)]
		at(func() { a.renew() })
	}
}

// renew ends an agent and everything that it runs, and brings it back with its disk under another id.
func (a *simAgent) renew() {
	w, m := a.w, a.w.master
	if a.dead || w.calm {
		return
	}
	if !m.up {
		w.after(time.Second, a.renew)
		return
	}
	a.dead, a.cut, a.reborn = true, true, true
	a.link++
	clear(a.tasks)
	if m.agents[a.id].state != unreachable { // else it stays what it is, for ever
		m.unregister(a.id)
	}
	id := a.id + "x"
	w.logf("agent %s comes back as %s", a.id, id)
	n := &simAgent{w: w, id: id, total: a.total, tasks: map[string]*agentTask{}}
	w.agents = append(w.agents, n)
	w.after(w.between(0, 5*time.Second), func() { n.register() })
}

func (a *simAgent) register() {
	if !a.w.master.up {
		a.w.after(time.Second, a.register)
		return
	}
	a.w.master.agents[a.id] = &registration{agent: a, since: a.w.now}
}

// replaceLost does what a user has to who has asked for waiting: of agents that are unregistered while nobody listens, the master only says that it does
// not know them.
func (w *world) replaceLost() {
	if w.proc == nil || len(w.failed) > 0 {
		return
	}
	for _, a := range w.proc.eng.Core.Snapshot().Apps {
		for i := range a.All() {
			if t := i.Live(); t != nil && !t.State.Reachable() && w.master.agents[t.Agent].state == removed {
				if a.Removing {
					w.user.want(core.Remove{App: i.App, Force: true})
				} else {
					w.user.want(core.Replace{App: i.App, Index: i.Index})
				}
			}
		}
	}
}

// waitsForTheDead reports whether all that an uninstallation waits for was on agents that are there no more under their ids: such as volumes that were
// never made, since the launch had not arrived.
func (w *world) waitsForTheDead() bool {
	s := w.proc.eng.Core.Snapshot()
	return len(s.Apps) == 0 && len(s.Leftovers) > 0 &&
		!slices.ContainsFunc(s.Leftovers, func(l core.Leftover) bool { return !w.master.agents[l.Agent].agent.dead })
}

// unregister removes an agent: its tasks are lost.
func (m *simMaster) unregister(id string) {
	r := m.agents[id]
	r.state = removed
	r.agent.link++
	for _, t := range m.tasksOn(id) {
		if !m.tasks[t].terminal {
			m.own(t, id, mesospb.TaskState_TASK_LOST, mesospb.TaskStatus_REASON_AGENT_REMOVED)
		}
		delete(m.tasks, t)
	}
	m.agentOffersGone(id)
	m.send(&schedulerpb.Event{Type: schedulerpb.Event_FAILURE.Enum(), Failure: &schedulerpb.Event_Failure{AgentId: &mesospb.AgentID{Value: &id}}})
}

// keeps reports whether the engine's leader believes that a task is wanted where it runs, and has a volume there.
func (w *world) keeps(task string) bool {
	if !strings.HasPrefix(task, "db.") || !w.proc.alive {
		return false
	}
	a := w.proc.eng.Core.Snapshot().App("db")
	if a == nil {
		return false
	}
	for i := range a.All() {
		if t := i.Live(); t != nil && t.ID == task && !t.Doomed && t.State.Reachable() && !a.Removing && i.Index < a.Instances {
			return true
		}
	}
	return false
}
