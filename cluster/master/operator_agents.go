package master

import (
	"net/http"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/auth"
	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/duration"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// Agents and frameworks under the hands of operators (docs/behaviour.md#operator-api):
//
//   - DEACTIVATE_AGENT stops offers and rescinds those that are out; tasks go on. REACTIVATE_AGENT undoes it and draining, but
//     not while the agent is DRAINING: 400, as for agents that are not deactivated.
//   - DRAIN_AGENT deactivates, and has the agent kill its tasks. The agent is DRAINED when no task is left (terminal ones must
//     be acknowledged). With mark_gone it is marked gone then. 400 for unknown agents and those scheduled for
//     maintenance.
//   - MARK_AGENT_GONE: 404 for unknown agents; again and again is fine.
//   - TEARDOWN removes a framework; 400 if there is none.

func (m *Master) opTeardown(c *masterpb.Call_Teardown) answer {
	return m.teardown(c.GetFrameworkId().GetValue())
}

func (m *Master) teardown(id string) answer {
	f := m.frameworks[id]
	if f == nil {
		return answer{http.StatusBadRequest, "No framework found with specified ID"}
	}
	if !m.may(auth.TeardownFrameworks, f.info.GetPrincipal()) {
		return forbidden
	}
	m.removeFramework(f)
	return ok
}

func (m *Master) opMarkAgentGone(c *masterpb.Call_MarkAgentGone) answer {
	id := c.GetAgentId().GetValue()
	if _, gone := m.gone[id]; gone {
		return ok
	}
	if a := m.agents[id]; a != nil {
		m.markGone(a)
		return ok
	}
	if m.away(id) == nil {
		return answer{http.StatusNotFound, "Agent '" + id + "' not found"}
	}
	delete(m.unreachable, id)
	delete(m.recovered, id)
	m.gone[id] = time.Now()
	m.rememberGone(id)
	for _, fid := range sortedKeys(m.frameworks) {
		f := m.frameworks[fid]
		for _, t := range append([]*task(nil), f.unreachable.list...) {
			if t.agentID != id {
				continue
			}
			f.unreachable.remove(t)
			f.completedTasks.add(t, m.cfg.MaxCompletedTasks)
			state, reason := mesospb.TaskState_TASK_GONE_BY_OPERATOR, mesospb.TaskStatus_REASON_AGENT_REMOVED_BY_OPERATOR
			if !f.caps.partitionAware {
				continue // it has been told TASK_LOST
			}
			s := t.status(state, reason, "Agent has been marked gone")
			t.state, t.told = state, s.State
			f.send(updateEvent(s))
		}
	}
	return ok
}

func (m *Master) opDeactivateAgent(c *masterpb.Call_DeactivateAgent) answer {
	id := c.GetAgentId().GetValue()
	if lost := m.away(id); lost != nil {
		lost.off = true
		m.rememberAway(id)
		return ok
	}
	a := m.agents[id]
	if a == nil {
		return answer{http.StatusBadRequest, "Unknown agent"}
	}
	a.deactivated = true
	m.rememberAgent(a)
	m.setActive(a)
	return ok
}

func (m *Master) opReactivateAgent(c *masterpb.Call_ReactivateAgent) answer {
	id := c.GetAgentId().GetValue()
	a, lost := m.agents[id], m.away(id)
	off, drain := false, (*mesospb.DrainInfo)(nil)
	switch {
	case lost != nil:
		off, drain = lost.off, lost.drain
	case a != nil:
		off, drain = a.deactivated, a.drain
	default:
		return answer{http.StatusBadRequest, "Unknown agent"}
	}
	switch {
	case !off:
		return answer{http.StatusBadRequest, "Agent is not deactivated"}
	case drain.GetState() == mesospb.DrainState_DRAINING:
		return answer{http.StatusBadRequest, "Agent is still in the DRAINING state"}
	}
	if lost != nil {
		lost.off, lost.drain = false, nil
		m.rememberAway(id)
		return ok
	}
	a.deactivated, a.drain = false, nil
	m.rememberAgent(a)
	m.setActive(a)
	return ok
}

func (m *Master) opDrainAgent(c *masterpb.Call_DrainAgent) answer {
	id := c.GetAgentId().GetValue()
	if m.agents[id] == nil && m.away(id) == nil {
		return answer{http.StatusBadRequest, "Unknown agent"}
	}
	config := &mesospb.DrainConfig{MarkGone: proto.Bool(c.GetMarkGone())}
	if g := c.GetMaxGracePeriod(); g != nil {
		d := g.AsDuration()
		if d < 0 {
			return answer{http.StatusBadRequest, "Invalid grace period: it must not be negative"}
		}
		config.MaxGracePeriod = &mesospb.DurationInfo{Nanoseconds: proto.Int64(d.Nanoseconds())}
	}
	info := &mesospb.DrainInfo{State: mesospb.DrainState_DRAINING.Enum(), Config: config}
	if lost := m.away(id); lost != nil {
		lost.drain, lost.start, lost.off = info, time.Now(), true
		m.rememberAway(id)
		return ok
	}
	a := m.agents[id]
	if m.unavailability(a) != nil {
		return answer{http.StatusBadRequest, "Agent is scheduled for maintenance"}
	}
	a.drain, a.drainStart, a.deactivated = info, time.Now(), true
	m.rememberAgent(a)
	m.setActive(a)
	a.send(drainMessage(config))
	m.checkDrained(a)
	return ok
}

func drainMessage(c *mesospb.DrainConfig) link.Drain {
	d := link.Drain{MarkGone: c.GetMarkGone()}
	if c.MaxGracePeriod != nil {
		grace := time.Duration(c.GetMaxGracePeriod().GetNanoseconds())
		d.MaxGrace = &grace
	}
	return d
}

// checkDrained ends draining when nothing runs on the agent any more.
func (m *Master) checkDrained(a *agent) {
	if a.drain.GetState() != mesospb.DrainState_DRAINING || len(a.tasks) > 0 || len(a.ops) > 0 || a.lost {
		return
	}
	m.log.Info("agent drained", "agent", a.id)
	a.drain = &mesospb.DrainInfo{State: mesospb.DrainState_DRAINED.Enum(), Config: a.drain.GetConfig()}
	m.rememberAgent(a)
	if a.drain.GetConfig().GetMarkGone() {
		// Not now: the agent is being worked on.
		m.loop.Post(func() {
			if m.agents[a.id] == a {
				m.markGone(a)
			}
		})
	}
}

func durationText(d time.Duration) string { return duration.Format(d) }
