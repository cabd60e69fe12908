package master

import (
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// LAUNCH (docs/behaviour.md#scheduler-calls): each task stands for itself. The checks, in order, are those of every task (validate_task.go),
// then:
//
//   - exactly one of command and executor
//   - the executor is CUSTOM (or has no type), has a command, equals the running one with its id, uses no shared resources
//   - the pool holds the task, and the executor if that is new
//
// What fails is TASK_ERROR with REASON_TASK_INVALID. What passes is charged and sent to the agent.

func (x *acceptance) launch(op *mesospb.Offer_Operation) error {
	for _, t := range op.GetLaunch().GetTaskInfos() {
		nameHealthCheck(t)
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
	need, isNew := t.GetResources(), false
	if t.Executor != nil {
		running, err := x.validateExecutor(t.Executor)
		if err != nil {
			return err
		}
		if err := validateTaskExecutor(t); err != nil {
			return err
		}
		if isNew = running == nil; isNew {
			need = slices.Concat(need, t.Executor.GetResources())
		}
	}
	if !x.has(need) {
		return x.tooMuch(need, "task and its executor is")
	}
	if li := t.GetContainer().GetLinuxInfo(); li != nil && !li.GetShareCgroups() { // true unless it is set
		return wireError("Only tasks in a task group may have 'share_cgroups' set to 'false'")
	}
	x.take(need)
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

// validateTaskExecutor checks the executor of a task that is not in a group, and the two together.
func validateTaskExecutor(t *mesospb.TaskInfo) error {
	e := t.Executor
	switch {
	case e.Type != nil && e.GetType() != mesospb.ExecutorInfo_CUSTOM:
		return wireError("'ExecutorInfo.type' must be 'CUSTOM'")
	case e.Command == nil:
		return wireError("'ExecutorInfo.command' must be set")
	case slices.ContainsFunc(e.GetResources(), resources.IsShared):
		return wireErrorf("Executor resources %s should not contain any shared resources", resources.Describe(e.GetResources()))
	case sharesCgroups(e):
		return wireError("The 'share_cgroups' field cannot be set to 'true' on executor containers")
	}
	total := resources.Sum(t.GetResources(), e.GetResources())
	if err := validateResources(total); err != nil {
		return wireErrorf("Task and its executor use invalid resources: %v", err)
	}
	if overlap(t.GetResources(), e.GetResources()) {
		return wireErrorf("There are overlapping resources in the task resources %s and executor resources %s",
			resources.Describe(t.GetResources()), resources.Describe(e.GetResources()))
	}
	if err := uniquePersistence(slices.Concat(t.GetResources(), e.GetResources())); err != nil {
		return wireErrorf("Task and its executor use duplicate persistence ID: %v", err)
	}
	if err := notMixed(total); err != nil {
		return wireErrorf("Task and its executor mix revocable and non-revocable resources: %v", err)
	}
	return nil
}

// sharesCgroups reports whether an executor says that its container is to share cgroups.
func sharesCgroups(e *mesospb.ExecutorInfo) bool {
	li := e.GetContainer().GetLinuxInfo()
	return li.GetShareCgroups() && li != nil && li.ShareCgroups != nil
}

// has reports whether the pool holds resources.
func (x *acceptance) has(need []*mesospb.Resource) bool {
	shared, rest := splitShared(need)
	return x.pool.Contains(rest) && !slices.ContainsFunc(shared, func(r *mesospb.Resource) bool { return !x.pool.Contains([]*mesospb.Resource{r}) })
}

// take moves resources that are there from the pool to who uses them. Copies of a shared volume don't get fewer.
func (x *acceptance) take(need []*mesospb.Resource) {
	_, rest := splitShared(need)
	x.pool.Take(rest)
}

func splitShared(list []*mesospb.Resource) (shared, rest []*mesospb.Resource) {
	return resources.Filter(list, resources.IsShared), resources.Filter(list, func(r *mesospb.Resource) bool { return !resources.IsShared(r) })
}

// tooMuch is the error of a launch that the pool does not hold. who ends in the verb.
func (x *acceptance) tooMuch(need []*mesospb.Resource, who string) error {
	return wireErrorf("Total resources %s required by %s more than available %s",
		resources.Describe(resources.Sum(need)), who, resources.Describe(x.pool.Resources()))
}

// validateExecutor checks an executor, and returns the running one with its id, nil if there is none.
func (x *acceptance) validateExecutor(e *mesospb.ExecutorInfo) (*mesospb.ExecutorInfo, error) {
	if err := validateExecutorInfo(e); err != nil {
		return nil, err
	}
	switch got := e.GetFrameworkId(); {
	case got == nil:
		return nil, wireError("'ExecutorInfo.framework_id' must be set")
	case got.GetValue() != x.framework.id:
		return nil, wireErrorf("ExecutorInfo has an invalid FrameworkID (Actual: %s vs Expected: %s)", got.GetValue(), x.framework.id)
	}
	list := e.GetResources()
	if err := validateResources(list); err != nil {
		return nil, wireErrorf("Executor uses invalid resources: %v", err)
	}
	if err := uniquePersistence(list); err != nil {
		return nil, wireErrorf("Executor uses duplicate persistence ID: %v", err)
	}
	if err := oneAllocation(list); err != nil {
		return nil, wireErrorf("Invalid executor resources: %v", err)
	}
	if err := notMixed(list); err != nil {
		return nil, wireErrorf("Executor mixes revocable and non-revocable resources: %v", err)
	}
	id := e.GetExecutorId().GetValue()
	running := x.agent.executors[x.framework.id][id]
	if running != nil && !sameExecutor(running, e) {
		return nil, wireErrorf("ExecutorInfo is not compatible with existing ExecutorInfo with same ExecutorID '%s'", id)
	}
	return running, nil
}

// validateExecutorInfo checks what an executor says of itself.
func validateExecutorInfo(e *mesospb.ExecutorInfo) error {
	switch e.GetType() {
	case mesospb.ExecutorInfo_DEFAULT:
		switch {
		case e.Command != nil:
			return wireError("'ExecutorInfo.command' must not be set for 'DEFAULT' executor")
		case e.Container != nil && e.GetContainer().GetType() != mesospb.ContainerInfo_MESOS:
			return wireError("'ExecutorInfo.container.type' must be 'MESOS' for 'DEFAULT' executor")
		case e.GetContainer().GetMesos().GetImage() != nil:
			return wireError("'ExecutorInfo.container.mesos.image' must not be set for 'DEFAULT' executor")
		}
	case mesospb.ExecutorInfo_CUSTOM:
		if e.Command == nil {
			return wireError("'ExecutorInfo.command' must be set for 'CUSTOM' executor")
		}
	}
	if err := validateID(e.GetExecutorId().GetValue()); err != nil {
		return err
	}
	if e.GetShutdownGracePeriod().GetNanoseconds() < 0 {
		return wireError("ExecutorInfo's 'shutdown_grace_period' must be non-negative")
	}
	if e.Command != nil {
		if err := validateCommand(e.Command); err != nil {
			return wireErrorf("Executor's `CommandInfo` is invalid: %v", err)
		}
	}
	if e.Container != nil {
		if err := validateContainer(e.Container); err != nil {
			return wireErrorf("Executor's `ContainerInfo` is invalid: %v", err)
		}
	}
	return nil
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
