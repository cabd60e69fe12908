package master

import (
	"time"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// How agents are lost (docs/behaviour.md#scheduler-events, #task-states, #defaults):
//
//   - An agent that does not answer AgentPingMisses pings in a row is unreachable, connected or not.
//   - When its connection breaks, offers are rescinded; tasks of frameworks without checkpointing are lost at once. It may
//     come back within AgentReregisterTimeout, else it is unreachable.
//   - An unreachable agent's tasks become TASK_UNREACHABLE (TASK_LOST without PARTITION_AWARE); they return with the agent.
//   - An agent that unregisters, or is replaced, is removed: its tasks are lost, also to PARTITION_AWARE frameworks.
//   - Frameworks are told in this order: UPDATEs, RESCINDs, FAILURE; the latter goes to all of them.

// watch starts pinging an agent.
func (m *Master) watch(a *agent) {
	a.ping.Stop()
	a.ping = m.loop.After(m.cfg.AgentPingInterval, func() { m.pingAgent(a) })
}

func (m *Master) pingAgent(a *agent) {
	if m.agents[a.id] != a {
		return
	}
	if a.pings >= m.cfg.AgentPingMisses {
		m.metrics.removalsUnhealthy++
		m.markUnreachable(a, "health check timed out")
		return
	}
	a.pings++
	a.send(link.Ping{Connected: a.connected()})
	m.watch(a)
}

// agentDisconnected handles the end of an agent's connection.
func (m *Master) agentDisconnected(a *agent) {
	m.log.Info("agent disconnected", "agent", a.id, "hostname", a.info.GetHostname())
	a.link = nil
	m.setActive(a)
	for _, id := range sortedKeys(a.tasks) {
		if f := m.frameworks[id]; f != nil && !f.info.GetCheckpoint() {
			m.loseTasks(a, f, loss{
				state: mesospb.TaskState_TASK_LOST, old: mesospb.TaskState_TASK_LOST,
				reason: mesospb.TaskStatus_REASON_AGENT_DISCONNECTED, message: "Slave " + a.info.GetHostname() + " disconnected",
			})
		}
	}
	for _, id := range sortedKeys(a.executors) {
		if f := m.frameworks[id]; f != nil && !f.info.GetCheckpoint() {
			for _, e := range sortedKeys(a.executors[id]) {
				m.removeExecutor(a, id, e)
			}
		}
	}
	a.comeback = m.loop.After(m.cfg.AgentReregisterTimeout, func() {
		if m.agents[a.id] == a && !a.connected() {
			m.metrics.removalsUnhealthy++
			m.markUnreachable(a, "agent did not re-register within "+durationText(m.cfg.AgentReregisterTimeout)+" after disconnecting")
		}
	})
}

// loss says what becomes of the tasks of an agent.
type loss struct {
	state, old mesospb.TaskState // for frameworks with and without PARTITION_AWARE
	reason     mesospb.TaskStatus_Reason
	oldReason  *mesospb.TaskStatus_Reason // without PARTITION_AWARE, if it differs
	message    string
	since      time.Time // set if they are unreachable
}

// loseTasks ends the tasks of a framework on an agent and tells the framework.
func (m *Master) loseTasks(a *agent, f *framework, l loss) {
	for _, id := range sortedKeys(a.tasks[f.id]) {
		t := a.tasks[f.id][id]
		if isTerminal(t.state) {
			m.removeTask(t) // the framework has been told, or will not be
			continue
		}
		state, reason := l.state, l.reason
		if !f.caps.partitionAware {
			state = l.old
			if l.oldReason != nil {
				reason = *l.oldReason
			}
		}
		s := t.status(state, reason, l.message)
		if !l.since.IsZero() {
			s.UnreachableTime = timeInfo(l.since)
		}
		m.updateTask(t, s, state)
		if l.since.IsZero() {
			m.removeTask(t)
		} else {
			m.detach(t)
			t.lostAt = s.UnreachableTime
			f.unreachable.add(t, m.cfg.MaxUnreachableTasks)
		}
		f.send(updateEvent(s))
	}
}

// markUnreachable gives an agent up until it comes back.
func (m *Master) markUnreachable(a *agent, why string) {
	since := time.Now()
	m.log.Warn("agent is unreachable", "agent", a.id, "hostname", a.info.GetHostname(), "reason", why)
	m.metrics.unreachableAgents++
	m.unreachable[a.id] = &lostAgent{since: since, info: a.info, drain: a.drain, start: a.drainStart, off: a.deactivated}
	m.rememberAway(a.id)
	m.loseAgent(a, loss{
		state: mesospb.TaskState_TASK_UNREACHABLE, old: mesospb.TaskState_TASK_LOST,
		reason: mesospb.TaskStatus_REASON_AGENT_REMOVED, message: why, since: since,
	})
}

// markGone gives an agent up for good.
func (m *Master) markGone(a *agent) {
	m.gone[a.id] = time.Now()
	m.rememberGone(a.id)
	a.send(link.Shutdown{Message: "Agent has been marked gone"})
	removed := mesospb.TaskStatus_REASON_AGENT_REMOVED
	m.loseAgent(a, loss{
		state: mesospb.TaskState_TASK_GONE_BY_OPERATOR, old: mesospb.TaskState_TASK_LOST,
		reason: mesospb.TaskStatus_REASON_AGENT_REMOVED_BY_OPERATOR, oldReason: &removed, message: "Agent has been marked gone",
	})
}

// removeAgent forgets an agent: it left, or was replaced. counter is the reason's metric.
func (m *Master) removeAgent(a *agent, why string, counter *int) {
	m.log.Info("agent removed", "agent", a.id, "reason", why)
	m.metrics.removals++
	if counter != nil {
		*counter++
	}
	m.loseAgent(a, loss{
		state: mesospb.TaskState_TASK_LOST, old: mesospb.TaskState_TASK_LOST,
		reason: mesospb.TaskStatus_REASON_AGENT_REMOVED, message: "Agent " + a.info.GetHostname() + " removed: " + why,
	})
	m.forgetAgent(a.id)
	m.publishAgentRemoved(a)
}

func (m *Master) agentUnregistered(a *agent) {
	m.metrics.messages.unregister++
	m.removeAgent(a, "the agent unregistered", &m.metrics.removalsUnregistered)
}

// loseAgent takes an agent out of the cluster, with everything on it, and tells all frameworks.
func (m *Master) loseAgent(a *agent, l loss) {
	a.stopTimers()
	a.lost = true // what becomes of it is written down already: it must not be DRAINED by this
	for _, id := range sortedKeys(a.tasks) {
		if f := m.frameworks[id]; f != nil {
			m.loseTasks(a, f, l)
		}
	}
	for _, fw := range sortedKeys(a.executors) {
		for _, e := range sortedKeys(a.executors[fw]) {
			m.removeExecutor(a, fw, e)
		}
	}
	for _, fw := range sortedKeys(a.withheld) {
		m.freeWithheld(a, fw)
	}
	m.rescindOffers(a)
	m.loseOperations(a)
	m.alloc.RemoveAgent(a.id)
	delete(m.agents, a.id)
	if m.pids[a.desc.PID] == a {
		delete(m.pids, a.desc.PID)
	}
	if a.link != nil {
		a.link.agent = nil
		a.link = nil
	}
	for _, id := range sortedKeys(m.frameworks) {
		m.frameworks[id].send(&schedulerpb.Event{Type: schedulerpb.Event_FAILURE.Enum(), Failure: &schedulerpb.Event_Failure{
			AgentId: &mesospb.AgentID{Value: &a.id},
		}})
	}
}
