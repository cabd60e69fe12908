package master

import (
	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// MESSAGE (docs/behaviour.md#scheduler-calls): forwarded to the executor's agent, dropped without a word unless that is registered and
// connected.

func (m *Master) callMessage(f *framework, c *schedulerpb.Call) answer {
	msg := c.GetMessage()
	a := m.agents[msg.GetAgentId().GetValue()]
	if a == nil || !a.connected() {
		m.metrics.messages.toExecutorInvalid++
		return accepted
	}
	m.metrics.messages.toExecutor++
	a.send(link.FrameworkMessage{FrameworkID: f.id, ExecutorID: msg.GetExecutorId().GetValue(), Data: msg.GetData()})
	return accepted
}

// REQUEST (docs/behaviour.md#scheduler-calls) has no effect: the allocator of Mesos ignores it.

func (m *Master) callRequest(*framework, *schedulerpb.Call) answer { return accepted }
