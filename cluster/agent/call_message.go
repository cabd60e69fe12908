package agent

// MESSAGE: bytes for the scheduler. Dropped if the agent is not registered, or the executor's
// framework is being removed.

import (
	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/executorpb"
)

func (a *Agent) callMessage(e *executor, m *executorpb.Call_Message) {
	if !a.registered || e.framework.terminating {
		a.counts.invalidMessages++
		return
	}
	a.counts.validMessages++
	a.send(link.ExecutorMessage{FrameworkID: e.framework.id(), ExecutorID: e.id(), Data: m.GetData()})
}
