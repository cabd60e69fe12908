package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// maintain plans what operators do: windows of maintenance, for which the master asks for what it has offered by inverse offers, and agents that are
// deactivated for a while.
func (w *world) maintain(at func(func())) {
	m := w.master
	for range 2 {
		a, begin, length := w.agents[w.rng.IntN(len(w.agents))], w.between(0, 2*time.Minute), w.between(10*time.Second, 6*time.Minute)
		at(func() {
			if m.windows[a.id].IsZero() && !w.calm {
				w.logf("maintenance of %s is announced", a.id)
				m.windows[a.id] = w.now.Add(begin)
				m.agentOffersGone(a.id)
				w.after(length, func() { m.endWindow(a.id) })
			}
		})
		b := w.agents[w.rng.IntN(len(w.agents))]
		at(func() {
			if !m.inactive[b.id] && !w.calm {
				w.logf("agent %s is deactivated", b.id)
				m.inactive[b.id] = true
				m.agentOffersGone(b.id)
				w.after(length, func() { m.activate(b.id) })
			}
		})
	}
	w.tellOfAgents()
}

// tellOfAgents does as the shell, which looks at the operator API at intervals.
func (w *world) tellOfAgents() {
	for _, a := range w.agents {
		for _, p := range slices.Clone(w.procs) {
			p.input(core.AgentDraining{AgentID: a.id, Draining: w.master.inactive[a.id]})
		}
	}
	w.after(15*time.Second, w.tellOfAgents)
}

func (w *world) endMaintenance() {
	for _, a := range w.agents {
		w.master.endWindow(a.id)
		w.master.activate(a.id)
	}
}

func (m *simMaster) activate(agent string) {
	if m.inactive[agent] {
		m.w.logf("agent %s is active again", agent)
		delete(m.inactive, agent)
	}
}

func (m *simMaster) endWindow(agent string) {
	if m.windows[agent].IsZero() {
		return
	}
	m.w.logf("maintenance of %s is over", agent)
	delete(m.windows, agent)
	delete(m.answered, agent)
	for _, id := range slices.Sorted(maps.Keys(m.asked)) {
		if m.asked[id] == agent {
			delete(m.asked, id)
			m.send(&schedulerpb.Event{Type: schedulerpb.Event_RESCIND_INVERSE_OFFER.Enum(), RescindInverseOffer: &schedulerpb.Event_RescindInverseOffer{InverseOfferId: &mesospb.OfferID{Value: &id}}})
		}
	}
}

func (m *simMaster) unavailability(agent string) *mesospb.Unavailability {
	at := m.windows[agent]
	if at.IsZero() {
		return nil
	}
	return &mesospb.Unavailability{Start: &mesospb.TimeInfo{Nanoseconds: new(at.Add(m.w.wall).UnixNano())}}
}

// askBack makes an inverse offer where maintenance is planned and something of the framework runs, unless that was asked and is not answered yet, or was
// answered lately.
func (m *simMaster) askBack(agent string) {
	if m.windows[agent].IsZero() || m.w.now.Before(m.answered[agent]) || slices.Contains(slices.Collect(maps.Values(m.asked)), agent) || len(m.running(agent)) == 0 {
		return
	}
	m.numbers++
	id := fmt.Sprintf("inverse-%d", m.numbers)
	m.asked[id] = agent
	m.send(&schedulerpb.Event{Type: schedulerpb.Event_INVERSE_OFFERS.Enum(), InverseOffers: &schedulerpb.Event_InverseOffers{InverseOffers: []*mesospb.InverseOffer{{
		Id: &mesospb.OfferID{Value: &id}, AgentId: &mesospb.AgentID{Value: &agent}, FrameworkId: &mesospb.FrameworkID{Value: &m.framework}, Unavailability: m.unavailability(agent),
	}}}})
}

// answerInverse: whoever accepts can leave the agent, which instances with volumes can't.
func (m *simMaster) answerInverse(ids []*mesospb.OfferID, accepted bool) {
	for _, o := range ids {
		agent, ok := m.asked[o.GetValue()]
		if !ok {
			continue // rescinded meanwhile
		}
		delete(m.asked, o.GetValue())
		m.answered[agent] = m.w.now.Add(5 * time.Second)
		for _, id := range m.running(agent) {
			if accepted && m.w.keeps(id) {
				m.w.fail("%s is accepted, but on %s there is %s, which has its volume there", o.GetValue(), agent, id)
			}
		}
	}
}

// tasksOn lists the tasks of an agent that the master knows.
func (m *simMaster) tasksOn(agent string) (list []string) {
	for _, id := range slices.Sorted(maps.Keys(m.tasks)) {
		if m.tasks[id].agent == agent {
			list = append(list, id)
		}
	}
	return list
}

// running lists what the master knows to run on an agent.
func (m *simMaster) running(agent string) (list []string) {
	for _, id := range slices.Sorted(maps.Keys(m.tasks)) {
		if t := m.tasks[id]; t.agent == agent && !t.terminal && !m.w.replaced[podOf(id)] {
			list = append(list, id)
		}
	}
	return list
}

// executorResources are those of the executors of pods, by the engine's task.
func executorResources(a *schedulerpb.Call_Accept) map[string][]*mesospb.Resource {
	more := map[string][]*mesospb.Resource{}
	for _, op := range a.GetOperations() {
		if g := op.GetLaunchGroup(); g != nil {
			more[podOf(g.GetTaskGroup().GetTasks()[0].GetTaskId().GetValue())] = g.GetExecutor().GetResources()
		}
	}
	return more
}

// count is how many Mesos tasks run for a task of the engine.
func (w *world) count(task string) (n int) {
	for _, a := range w.agents {
		for id, t := range a.tasks {
			if podOf(id) == task && t.state == mesospb.TaskState_TASK_RUNNING {
				n++
			}
		}
	}
	return n
}

// verdictDaemons checks that there is one daemon on each agent, and returns how many there are.
func (w *world) verdictDaemons(a *core.App, running map[string][]string) (n int) {
	if a == nil {
		w.fail("application log is forgotten")
		return 0
	}
	engine := map[string]string{}
	for i := range a.All() {
		if i.Task == nil || i.Task.State != core.Running || engine[i.Pin] != "" {
			w.fail("daemon %d of %s: %s", i.Index, i.Pin, taskOf(i))
			continue
		}
		engine[i.Pin] = i.Task.ID
	}
	for _, ag := range w.agents {
		if ag.dead {
			continue
		}
		n++
		if list := running["log/"+ag.id]; len(list) != 1 || engine[ag.id] != list[0] || !strings.HasPrefix(list[0], "log.") {
			w.fail("%s runs daemons %v, the engine says %q", ag.id, list, engine[ag.id])
		}
	}
	if d := a.Deployment; d != nil && d.State != core.DeploymentDone {
		w.fail("deployment of log is %s: %+v", d.State, d)
	}
	return n
}
