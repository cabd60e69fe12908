package master

import (
	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// SHUTDOWN (docs/behaviour.md#scheduler-calls): forwarded to the agent, ignored if that is not registered.

func (m *Master) callShutdown(f *framework, c *schedulerpb.Call) answer {
	s := c.GetShutdown()
	if a := m.agents[s.GetAgentId().GetValue()]; a != nil {
		a.send(link.ShutdownExecutor{FrameworkID: f.id, ExecutorID: s.GetExecutorId().GetValue()})
	}
	return accepted
}
