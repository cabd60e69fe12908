package agent

import "github.com/mesokit/mesokit/mesos/mesospb"

// Runner takes tasks away from real execution.
type Runner func(*mesospb.FrameworkInfo, *mesospb.TaskInfo) *Run

// Run is how a task runs without a process.
type Run struct{}

func (a *Agent) runSimulated(*executor, *task) bool { return false }
