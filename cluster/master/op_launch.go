package master

import (
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// LAUNCH (contract, section 2): each task stands for itself. The checks, in order, are those of every task (validate_task.go),
// then:
//
//   - exactly one of command and executor
//   - the executor is CUSTOM (or has no type), has a command, equals the running one with its id, uses no shared resources
//   - the pool holds the task, and the executor if that is new
//
// What fails is TASK_ERROR with REASON_TASK_INVALID. What passes is charged and sent to the agent.

func (x *acceptance) launch(op *mesospb.Offer_Operation) error {
	for _, t := range op.GetLaunch().GetTaskInfos() {
		if err := x.authorizeTask(t); err != nil {
			x.taskError(t, mesospb.TaskStatus_REASON_TASK_UNAUTHORIZED, err)
			continue
		}
		if err := x.launchTask(t); err != nil {
			x.taskError(t, mesospb.TaskStatus_REASON_TASK_INVALID, err)
		}
	}
	return nil
}

func (x *acceptance) launchTask(t *mesospb.TaskInfo) error {
	if err := x.validateTask(t); err != nil {
		return err
	}
	if (t.Command == nil) == (t.Executor == nil) {
		return wireError("Task should have at least one (but not both) of CommandInfo or ExecutorInfo present")
	}
	if li := t.GetContainer().GetLinuxInfo(); li != nil && !li.GetShareCgroups() { // true unless it is set
		return wireError("Only tasks in a task group may have 'share_cgroups' set to 'false'")
	}
	need, isNew := t.GetResources(), false
	if t.Executor != nil {
		running, err := x.validateExecutor(t.Executor)
		if err != nil {
			return err
		}
		if e := t.Executor; e.Type != nil && e.GetType() != mesospb.ExecutorInfo_CUSTOM {
			return wireError("Executor type must be CUSTOM")
		}
		if t.Executor.Command == nil {
			return wireError("'ExecutorInfo.command' must be set for 'CUSTOM' executor")
		}
		if isNew = running == nil; isNew {
			need = slices.Concat(need, t.Executor.GetResources())
		}
	}
	if err := x.take(need, "task and its executor"); err != nil {
		return err
	}
	executorID := ""
	if t.Executor != nil {
		executorID = t.Executor.GetExecutorId().GetValue()
		if isNew {
			x.agent.addExecutor(x.framework.id, t.Executor)
		}
	}
	x.m.addTask(newTask(x.framework, x.agent, t, executorID))
	x.agent.send(link.RunTask{Framework: x.framework.info, Task: t})
	return nil
}

// take moves resources from the pool to who uses them.
func (x *acceptance) take(need []*mesospb.Resource, who string) error {
	// Copies of a shared volume don't get fewer.
	shared := resources.Filter(need, resources.IsShared)
	rest := resources.Filter(need, func(r *mesospb.Resource) bool { return !resources.IsShared(r) })
	there := !slices.ContainsFunc(shared, func(r *mesospb.Resource) bool { return !x.pool.Contains([]*mesospb.Resource{r}) })
	if !there || !x.pool.Take(rest) {
		return wireErrorf("Total resources %s required by %s is more than available %s",
			resources.Describe(resources.Sum(need)), who, resources.Describe(x.pool.Resources()))
	}
	return nil
}

// validateExecutor checks an executor, and returns the running one with its id, nil if there is none.
func (x *acceptance) validateExecutor(e *mesospb.ExecutorInfo) (*mesospb.ExecutorInfo, error) {
	id := e.GetExecutorId().GetValue()
	if err := validateID(id); err != nil {
		return nil, wireErrorf("Executor ID is invalid: %v", err)
	}
	if got := e.GetFrameworkId().GetValue(); got != x.framework.id {
		return nil, wireErrorf("ExecutorInfo has an invalid FrameworkID (Actual: %s vs Expected: %s)", got, x.framework.id)
	}
	if e.GetShutdownGracePeriod().GetNanoseconds() < 0 {
		return nil, wireError("ExecutorInfo's 'shutdown_grace_period' must be non-negative")
	}
	if err := validateResourceUse(e.GetResources()); err != nil {
		return nil, wireErrorf("Executor uses invalid resources: %v", err)
	}
	for _, r := range e.GetResources() {
		if resources.IsShared(r) {
			return nil, wireErrorf("Executor resources %s must not contain shared resources", resources.Describe(e.GetResources()))
		}
	}
	if e.Command != nil {
		if err := validateCommand(e.Command); err != nil {
			return nil, wireErrorf("Executor's `CommandInfo` is invalid: %v", err)
		}
	}
	if e.Container != nil {
		if err := validateContainer(e.Container); err != nil {
			return nil, wireErrorf("Executor's `ContainerInfo` is invalid: %v", err)
		}
	}
	running := x.agent.executors[x.framework.id][id]
	if running != nil && !sameExecutor(running, e) {
		return nil, wireErrorf("ExecutorInfo is not compatible with existing ExecutorInfo with same ExecutorID '%s'", id)
	}
	return running, nil
}

// sameExecutor compares executors; the order of their resources does not matter.
func sameExecutor(a, b *mesospb.ExecutorInfo) bool {
	if a == b {
		return true
	}
	if !resources.Equivalent(a.GetResources(), b.GetResources()) {
		return false
	}
	x, y := proto.CloneOf(a), proto.CloneOf(b)
	x.Resources, y.Resources = nil, nil
	return proto.Equal(x, y)
}
