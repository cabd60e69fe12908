package master

import (
	"bytes"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// ACKNOWLEDGE (docs/behaviour.md#scheduler-calls): dropped unless the agent is registered and connected, else forwarded. If it is for
// the last status that was forwarded, and that was terminal, the task is completed.

func checkAcknowledge(c *schedulerpb.Call) error {
	if c.Acknowledge == nil {
		return wireError("Expecting 'acknowledge' to be present")
	}
	if !validUUID(c.Acknowledge.GetUuid()) {
		return wireError("Not a valid UUID")
	}
	return nil
}

func (m *Master) callAcknowledge(f *framework, c *schedulerpb.Call) answer {
	k := c.GetAcknowledge()
	a := m.agents[k.GetAgentId().GetValue()]
	if a == nil || !a.connected() {
		m.metrics.invalidAcknowledgements++
		return accepted
	}
	id := k.GetTaskId().GetValue()
	if t := a.tasks[f.id][id]; t != nil && t.told != nil && isTerminal(*t.told) && bytes.Equal(t.toldUUID, k.GetUuid()) {
		m.removeTask(t)
	}
	m.metrics.validAcknowledgements++
	a.send(link.AcknowledgeStatus{FrameworkID: f.id, TaskID: id, UUID: k.GetUuid()})
	return accepted
}
