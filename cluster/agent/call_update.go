package agent

// UPDATE: the status is stored, and the executor told ACKNOWLEDGED; see status.go.

import "github.com/mesokit/mesokit/mesos/executorpb"

func (a *Agent) callUpdate(e *executor, u *executorpb.Call_Update) {
	a.executorUpdate(e, u.GetStatus())
}
