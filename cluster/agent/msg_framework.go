package agent

// UpdateFramework: the framework's info is replaced, and since it is there (again), the heads of its
// update streams are sent at once.
//
// FrameworkMessage: handed to the executor if that is RUNNING, dropped otherwise.

import (
	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/executorpb"
)

func (a *Agent) onUpdateFramework(m link.UpdateFramework) {
	id := m.Framework.GetId().GetValue()
	f := a.frameworks[id]
	if f != nil && f.terminating {
		return
	}
	if f != nil {
		f.info = m.Framework
		a.changed()
	}
	a.resumeStreams(id)
}

func (a *Agent) onFrameworkMessage(m link.FrameworkMessage) {
	f := a.frameworks[m.FrameworkID]
	if f == nil || f.terminating {
		return
	}
	e := f.executors[m.ExecutorID]
	if e == nil || e.state != executorRunning {
		a.log.Debug("message for an executor that does not run", "framework", m.FrameworkID, "executor", m.ExecutorID)
		return
	}
	e.tell(&executorpb.Event{Type: executorpb.Event_MESSAGE.Enum(), Message: &executorpb.Event_Message{Data: m.Data}})
}
