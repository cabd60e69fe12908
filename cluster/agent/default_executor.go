package agent

import "github.com/mesokit/mesokit/mesos/executorpb"

type defaultExecutor struct {
	agent *Agent
	e     *executor
}

func newDefaultExecutor(a *Agent, e *executor) *defaultExecutor {
	return &defaultExecutor{agent: a, e: e}
}

func (x *defaultExecutor) send(*executorpb.Event) {}
func (x *defaultExecutor) leave()                 {}
