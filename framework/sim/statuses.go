package sim

import (
	"maps"
	"slices"
	"time"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// What the master says about tasks: answers to questions, and updates of agents.

func (m *simMaster) reconcile(r *schedulerpb.Call_Reconcile) {
	if len(r.GetTasks()) == 0 {
		for _, id := range slices.Sorted(maps.Keys(m.tasks)) {
			if t := m.tasks[id]; m.agents[t.agent].state != unreachable {
				m.own(id, t.agent, t.state, mesospb.TaskStatus_REASON_RECONCILIATION)
			}
		}
		return
	}
	for _, t := range r.GetTasks() {
		m.answer(t.GetTaskId().GetValue(), t.GetAgentId().GetValue())
	}
}

// answer is explicit reconciliation: docs/behaviour.md#reconciliation, first match.
func (m *simMaster) answer(id, agent string) {
	const why = mesospb.TaskStatus_REASON_RECONCILIATION
	if t := m.tasks[id]; t != nil {
		if m.agents[t.agent].state == unreachable {
			m.own(id, t.agent, mesospb.TaskState_TASK_UNREACHABLE, why)
		} else {
			m.own(id, t.agent, t.state, why)
		}
		return
	}
	r := m.agents[agent]
	if r == nil || r.state == removed {
		for _, x := range m.agents {
			if x.state == recovered {
				return
			}
		}
		m.own(id, agent, mesospb.TaskState_TASK_UNKNOWN, why)
		return
	}
	switch r.state {
	case recovered:
	case registered:
		m.own(id, agent, mesospb.TaskState_TASK_GONE, why)
	case unreachable:
		m.own(id, agent, mesospb.TaskState_TASK_UNREACHABLE, why)
	case gone:
		m.own(id, agent, mesospb.TaskState_TASK_GONE_BY_OPERATOR, why)
	}
}

// forward passes an agent's update on. It may get lost, or arrive once more later.
func (m *simMaster) forward(st *mesospb.TaskStatus) {
	w := m.w
	id := st.GetTaskId().GetValue()
	if t := m.tasks[id]; t != nil && !t.terminal {
		t.state, t.latest = st.GetState(), st.GetUuid()
		t.terminal = terminal(st.GetState())
	} else if t != nil {
		t.latest = st.GetUuid()
	}
	if w.chance(0.05) {
		return
	}
	m.send(updateEvent(st))
	if w.chance(0.05) {
		stream := m.stream
		w.after(w.between(0, 30*time.Second), func() {
			if m.stream == stream {
				m.send(updateEvent(st))
			}
		})
	}
}

func terminal(s mesospb.TaskState) bool {
	switch s {
	case mesospb.TaskState_TASK_FINISHED, mesospb.TaskState_TASK_FAILED, mesospb.TaskState_TASK_KILLED, mesospb.TaskState_TASK_ERROR,
		mesospb.TaskState_TASK_LOST, mesospb.TaskState_TASK_DROPPED, mesospb.TaskState_TASK_GONE, mesospb.TaskState_TASK_GONE_BY_OPERATOR:
		return true
	}
	return false
}
