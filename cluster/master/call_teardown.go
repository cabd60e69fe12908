package master

import "github.com/mesokit/mesokit/mesos/schedulerpb"

// TEARDOWN (docs/behaviour.md#scheduler-calls): the framework is removed as when its failover timeout is over. Its stream ends
// without another event.

func (m *Master) callTeardown(f *framework, _ *schedulerpb.Call) answer {
	m.removeFramework(f)
	return accepted
}
