package master

import (
	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// KILL (docs/behaviour.md#scheduler-calls): an unknown task is answered as explicit reconciliation does; a known task with another
// agent_id is left alone; if its agent is disconnected the kill is kept until it comes back.

func (m *Master) callKill(f *framework, c *schedulerpb.Call) answer {
	k := c.GetKill()
	id := k.GetTaskId().GetValue()
	t := f.tasks[id]
	if t == nil {
		m.reconcileTask(f, id, k.GetAgentId().GetValue())
		return accepted
	}
	if k.AgentId != nil && k.GetAgentId().GetValue() != t.agentID {
		m.log.Warn("kill ignored: the task runs on another agent", "framework", f.id, "task", id, "agent", t.agentID, "named", k.GetAgentId().GetValue())
		return accepted
	}
	msg := link.KillTask{FrameworkID: f.id, TaskID: id, Policy: k.GetKillPolicy()}
	if !t.agent.connected() {
		kills := t.agent.kills[f.id]
		if kills == nil {
			kills = map[string]link.KillTask{}
			t.agent.kills[f.id] = kills
		}
		kills[id] = msg
		return accepted
	}
	t.agent.send(msg)
	return accepted
}
