package master

import (
	"slices"

	"github.com/mesokit/mesokit/cluster/allocator"
	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// LAUNCH_GROUP (docs/behaviour.md#scheduler-calls): all tasks or none; the first error is that of all, with REASON_TASK_GROUP_INVALID.
//
//   - The executor has a type: DEFAULT without command, and with a MESOS container without image if any; or CUSTOM
//     with a command. Its framework_id is not filled in. It needs cpus >= 0.01, mem >= 32 MB and some disk.
//   - Tasks may lack a command. Their executor, if set, is that of the group. DOCKER containers, and health checks over the network
//     in a network of the task's own, are refused. Limits need share_cgroups=false, which is the same for all.
//   - The pool holds all tasks, and the executor if that is new.

func (x *acceptance) launchGroup(op *mesospb.Offer_Operation) error {
	e, tasks := op.GetLaunchGroup().GetExecutor(), op.GetLaunchGroup().GetTaskGroup().GetTasks()
	if len(tasks) == 0 {
		return wireError("Task group cannot be empty")
	}
	for _, t := range tasks {
		nameHealthCheck(t)
		if err := x.authorizeTask(t); err != nil {
			return err
		}
	}
	seen := map[string]bool{}
	for _, t := range tasks {
		if err := x.validateTask(t); err != nil {
			return wireErrorf("Task '%s' is invalid: %v", t.GetTaskId().GetValue(), err)
		}
		if seen[t.GetTaskId().GetValue()] {
			return wireErrorf("Task '%s' is invalid: Task has duplicate ID: %s", t.GetTaskId().GetValue(), t.GetTaskId().GetValue())
		}
		seen[t.GetTaskId().GetValue()] = true
		if err := validateGroupTask(t); err != nil {
			return wireErrorf("Task '%s' is invalid: %v", t.GetTaskId().GetValue(), err)
		}
	}
	running, err := x.validateExecutor(e)
	if err != nil {
		return err
	}
	if err := validateGroupExecutor(tasks, e); err != nil {
		return err
	}
	need := []*mesospb.Resource{}
	for _, t := range tasks {
		need = append(need, t.GetResources()...)
	}
	if running == nil {
		need = slices.Concat(need, e.GetResources())
	}
	if !x.has(need) {
		return x.tooMuch(need, "task group and its executor are")
	}
	if err := validateGroupCgroups(tasks, e); err != nil {
		return err
	}
	x.take(need)
	if running == nil {
		x.agent.addExecutor(x.framework.id, e)
	}
	for _, t := range tasks {
		x.m.addTask(newTask(x.framework, x.agent, t, e.GetExecutorId().GetValue()))
	}
	x.agent.send(link.RunTaskGroup{Framework: x.framework.info, Executor: e, Group: op.LaunchGroup.TaskGroup})
	return nil
}

func validateGroupTask(t *mesospb.TaskInfo) error {
	c := t.GetContainer()
	if t.Executor == nil {
		return wireError("'TaskInfo.executor' must be set")
	}
	if len(c.GetNetworkInfos()) > 0 && t.HealthCheck != nil {
		switch t.HealthCheck.GetType() {
		case mesospb.HealthCheck_HTTP, mesospb.HealthCheck_TCP:
			return wireError("HTTP and TCP health checks are not supported for nested containers not joining parent's network")
		}
	}
	if c != nil && c.GetType() == mesospb.ContainerInfo_DOCKER {
		return wireError("Docker ContainerInfo is not supported on the task")
	}
	if len(t.GetLimits()) > 0 && c.GetLinuxInfo().GetShareCgroups() { // true unless it is set
		return wireError("Resource limits may only be set for tasks within a task group when the 'share_cgroups' field is set to 'false'.")
	}
	return nil
}

// minGroupExecutor is what the executor of a task group needs at least.
var minGroupExecutor = []struct {
	name, what, min string
	amount          int64
}{{resources.NameCPUs, "CPUs", "0.01", 10}, {resources.NameMem, "memory", "32MB", 32000}}

// validateGroupExecutor checks the executor of a group, and all together.
func validateGroupExecutor(tasks []*mesospb.TaskInfo, e *mesospb.ExecutorInfo) error {
	id := e.GetExecutorId().GetValue()
	switch {
	case e.Type == nil:
		return wireError("'ExecutorInfo.type' must be set")
	case e.GetType() == mesospb.ExecutorInfo_UNKNOWN:
		return wireError("Unknown executor type")
	case e.Container != nil && e.GetContainer().GetType() == mesospb.ContainerInfo_DOCKER:
		return wireError("Docker ContainerInfo is not supported on the executor")
	}
	for _, t := range tasks {
		if !sameExecutor(t.GetExecutor(), e) {
			return wireErrorf("The `ExecutorInfo` of task '%s' is different from executor '%s'", t.GetTaskId().GetValue(), id)
		}
	}
	have := allocator.QuantitiesOf(e.GetResources())
	for _, m := range minGroupExecutor {
		if v, there := have[m.name]; v < m.amount {
			text := "None"
			if there {
				text = amount(resources.FromFixed(v))
				if m.name == resources.NameMem {
					text += "MB"
				}
			}
			return wireErrorf("Executor '%s' uses less %s (%s) than the minimum required (%s)", id, m.what, text, m.min)
		}
	}
	if have[resources.NameDisk] <= 0 {
		return wireErrorf("Executor '%s' uses no disk", id)
	}
	lists := [][]*mesospb.Resource{}
	for _, t := range tasks {
		lists = append(lists, t.GetResources())
	}
	lists = append(lists, e.GetResources())
	all := slices.Concat(lists...)
	if err := uniquePersistence(all); err != nil {
		return wireErrorf("Task group and executor use duplicate persistence ID: %v", err)
	}
	if err := notMixed(all); err != nil {
		return wireErrorf("Task group and executor mix revocable and non-revocable resources: %v", err)
	}
	if overlap(lists...) {
		return wireErrorf("There are overlapping resources in the task group's task resources %s and/or executor resources %s",
			resources.Describe(resources.Sum(lists[:len(tasks)]...)), resources.Describe(e.GetResources()))
	}
	return nil
}

// validateGroupCgroups checks that all tasks have their own cgroups or none.
func validateGroupCgroups(tasks []*mesospb.TaskInfo, e *mesospb.ExecutorInfo) error {
	if sharesCgroups(e) {
		return wireError("The 'share_cgroups' field cannot be set to 'true' on executor containers")
	}
	shares := func(t *mesospb.TaskInfo) bool { return t.GetContainer().GetLinuxInfo().GetShareCgroups() }
	for _, t := range tasks {
		if shares(t) != shares(tasks[0]) {
			return wireError("If set, the value of 'share_cgroups' must be the same for all tasks in each task group and under a single executor")
		}
	}
	return nil
}
