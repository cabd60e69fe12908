package agent

import (
	"cmp"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// How much of the past is kept, as in a mesos-agent.
const (
	maxCompletedFrameworks = 50
	maxCompletedExecutors  = 150 // of a framework
	maxCompletedTasks      = 200 // of an executor
)

// framework is one that has, or had, executors on this agent.
type framework struct {
	info        *mesospb.FrameworkInfo
	seq         uint64
	executors   map[string]*executor
	tasks       map[string]*task // of all executors, until their terminal status is acknowledged
	completed   []*executor      // oldest first
	terminating bool             // removed by the master: its statuses no longer matter
}

// task is one that was given to this agent.
type task struct {
	info     *mesospb.TaskInfo
	wire     *mesospb.Task // as masters and endpoints see it
	executor *executor
	group    *mesospb.TaskGroupInfo // the group that it came with
	stage    taskStage
	seq      uint64
}

// taskStage is how far a task has come on the agent.
type taskStage int

const (
	taskQueued     taskStage = iota // waits for its executor
	taskLaunched                    // handed to the executor
	taskTerminated                  // ended, the scheduler has not acknowledged it
	taskCompleted                   // ended and acknowledged
)

func (f *framework) order() uint64 { return f.seq }
func (e *executor) order() uint64  { return e.seq }
func (t *task) order() uint64      { return t.seq }

// sorted returns the values of a map in the order in which they were made.
func sorted[T interface{ order() uint64 }](m map[string]T) []T {
	return slices.SortedFunc(maps.Values(m), func(a, b T) int { return cmp.Compare(a.order(), b.order()) })
}

func (f *framework) id() string { return f.info.GetId().GetValue() }

func (f *framework) has(capability mesospb.FrameworkInfo_Capability_Type) bool {
	return slices.ContainsFunc(f.info.GetCapabilities(), func(c *mesospb.FrameworkInfo_Capability) bool {
		return c.GetType() == capability
	})
}

func (f *framework) partitionAware() bool {
	return f.has(mesospb.FrameworkInfo_Capability_PARTITION_AWARE)
}

// hasCompleted reports whether a task is one of those whose end was acknowledged not long ago.
func (f *framework) hasCompleted(taskID string) bool {
	for _, e := range f.executors {
		if e.hasCompleted(taskID) {
			return true
		}
	}
	return slices.ContainsFunc(f.completed, func(e *executor) bool { return e.hasCompleted(taskID) })
}

// lost is the state of a task that never ran: dropped, if the framework knows that state.
func (f *framework) lost() mesospb.TaskState {
	if f.partitionAware() {
		return mesospb.TaskState_TASK_DROPPED
	}
	return mesospb.TaskState_TASK_LOST
}

// frameworkFor returns the framework of a launch and makes it if it is new here.
func (a *Agent) frameworkFor(info *mesospb.FrameworkInfo) *framework {
	id := info.GetId().GetValue()
	f := a.frameworks[id]
	if f == nil {
		f = &framework{info: info, seq: a.nextSeq(), executors: map[string]*executor{}, tasks: map[string]*task{}}
		a.frameworks[id] = f
		a.completed = slices.DeleteFunc(a.completed, func(old *framework) bool {
			if old.id() != id {
				return false
			}
			f.completed, old.completed = old.completed, nil // it is back; executors of then know the old record
			return true
		})
	}
	return f
}

// forgetFrameworkIfIdle moves a framework without executors to the past.
func (a *Agent) forgetFrameworkIfIdle(f *framework) {
	if len(f.executors) > 0 || a.frameworks[f.id()] != f {
		return
	}
	delete(a.frameworks, f.id())
	a.changed()
	if f.terminating {
		a.dropStreams(f.id())
	}
	a.completed = appendBounded(a.completed, f, maxCompletedFrameworks)
	a.endDrainIfIdle()
}

// appendBounded appends and lets the oldest go.
func appendBounded[T any](list []T, v T, limit int) []T {
	list = append(list, v)
	if len(list) > limit {
		list = slices.Delete(list, 0, len(list)-limit)
	}
	return list
}

// newTask makes the record of a task, staging.
func (a *Agent) newTask(e *executor, info *mesospb.TaskInfo, group *mesospb.TaskGroupInfo) *task {
	t := &task{info: info, executor: e, group: group, stage: taskQueued, seq: a.nextSeq()}
	t.wire = &mesospb.Task{
		Name:        info.Name,
		TaskId:      info.GetTaskId(),
		FrameworkId: e.framework.info.GetId(),
		AgentId:     info.GetAgentId(),
		State:       mesospb.TaskState_TASK_STAGING.Enum(),
		Resources:   info.GetResources(),
		Labels:      info.GetLabels(),
		Discovery:   info.GetDiscovery(),
		Container:   info.GetContainer(),
		HealthCheck: info.GetHealthCheck(),
		KillPolicy:  info.GetKillPolicy(),
		Limits:      info.GetLimits(),
	}
	if e.kind != commandKind {
		t.wire.ExecutorId = &mesospb.ExecutorID{Value: proto.String(e.id())}
	}
	if command := info.GetCommand(); command.GetUser() != "" {
		t.wire.User = command.User
	} else if command := e.info.GetCommand(); command.GetUser() != "" {
		t.wire.User = command.User
	}
	id := info.GetTaskId().GetValue()
	e.tasks[id] = t
	e.framework.tasks[id] = t
	a.changed()
	return t
}

func (t *task) id() string { return t.info.GetTaskId().GetValue() }

// live reports whether the task has not ended.
func (t *task) live() bool { return t.stage == taskQueued || t.stage == taskLaunched }

// isTerminal reports whether a task in this state has ended.
func isTerminal(s mesospb.TaskState) bool {
	switch s {
	case mesospb.TaskState_TASK_FINISHED, mesospb.TaskState_TASK_FAILED, mesospb.TaskState_TASK_KILLED, mesospb.TaskState_TASK_ERROR,
		mesospb.TaskState_TASK_LOST, mesospb.TaskState_TASK_DROPPED, mesospb.TaskState_TASK_GONE, mesospb.TaskState_TASK_GONE_BY_OPERATOR:
		return true
	}
	return false
}

// sortByOrder sorts a list by the order in which its elements were made.
func sortByOrder[T interface{ order() uint64 }](list []T) {
	slices.SortFunc(list, func(a, b T) int { return cmp.Compare(a.order(), b.order()) })
}
