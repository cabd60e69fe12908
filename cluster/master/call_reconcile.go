package master

import (
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// RECONCILE (docs/behaviour.md#reconciliation). All answers come from the master, with REASON_RECONCILIATION and without uuid.
// Explicit, for each task the first that applies:
//
//   - known to the framework, also if terminal and not acknowledged: the last forwarded state, else the current one
//   - its agent is recovered and has not reregistered, or is not named while there are such agents: no answer
//   - its agent is registered: GONE
//   - its agent is unreachable: UNREACHABLE
//   - its agent was marked gone: GONE_BY_OPERATOR
//   - else: UNKNOWN
//
// Frameworks without PARTITION_AWARE hear TASK_LOST instead. Implicit, without tasks: one answer for each known task, but
// not for those on unreachable agents.

func (m *Master) callReconcile(f *framework, c *schedulerpb.Call) answer {
	tasks := c.GetReconcile().GetTasks()
	for _, t := range tasks {
		m.reconcileTask(f, t.GetTaskId().GetValue(), t.GetAgentId().GetValue())
	}
	if len(tasks) == 0 {
		for _, id := range sortedKeys(f.tasks) {
			f.send(updateEvent(f.tasks[id].latest()))
		}
	}
	return accepted
}

// latest answers reconciliation for a known task.
func (t *task) latest() *mesospb.TaskStatus {
	state := t.state
	if t.told != nil {
		state = *t.told
	}
	s := t.status(state, mesospb.TaskStatus_REASON_RECONCILIATION, "Reconciliation: Latest task state")
	if last := t.lastStatus(); last != nil {
		s.Healthy, s.CheckStatus, s.ContainerStatus = last.Healthy, last.CheckStatus, last.ContainerStatus
	}
	return s
}

// reconcileTask answers for one task.
func (m *Master) reconcileTask(f *framework, id, agentID string) {
	if t := f.tasks[id]; t != nil {
		f.send(updateEvent(t.latest()))
		return
	}
	if m.recovered[agentID] != nil || agentID == "" && len(m.recovered) > 0 {
		return
	}
	state, message := mesospb.TaskState_TASK_UNKNOWN, "Reconciliation: Task is unknown"
	var since *mesospb.TimeInfo
	if m.agents[agentID] != nil {
		state, message = mesospb.TaskState_TASK_GONE, "Reconciliation: Task is unknown to the agent"
	} else if lost := m.unreachable[agentID]; lost != nil {
		state, message, since = mesospb.TaskState_TASK_UNREACHABLE, "Reconciliation: Task is unreachable", timeInfo(lost.since)
	} else if _, gone := m.gone[agentID]; gone {
		state, message = mesospb.TaskState_TASK_GONE_BY_OPERATOR, "Reconciliation: Task is gone"
	}
	s := masterStatus(id, agentID, f.lostState(state), mesospb.TaskStatus_REASON_RECONCILIATION, message)
	s.UnreachableTime = since
	f.send(updateEvent(s))
}
