package master

import (
	"slices"

	"github.com/mesokit/mesokit/cluster/allocator"
	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// LAUNCH_GROUP (contract, section 2): all tasks or none; the first error is that of all, with REASON_TASK_GROUP_INVALID.
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
		if err := validateGroupTask(t, e); err != nil {
			return wireErrorf("Task '%s' is invalid: %v", t.GetTaskId().GetValue(), err)
		}
	}
	if err := validateGroupExecutor(e); err != nil {
		return err
	}
	running, err := x.validateExecutor(e)
	if err != nil {
		return err
	}
	if err := validateGroupLimits(tasks); err != nil {
		return err
	}
	need := []*mesospb.Resource{}
	for _, t := range tasks {
		need = append(need, t.GetResources()...)
	}
	if running == nil {
		need = slices.Concat(need, e.GetResources())
	}
	if err := x.take(need, "task group and its executor"); err != nil {
		return err
	}
	if running == nil {
		x.agent.addExecutor(x.framework.id, e)
	}
	for _, t := range tasks {
		x.m.addTask(newTask(x.framework, x.agent, t, e.GetExecutorId().GetValue()))
	}
	x.agent.send(link.RunTaskGroup{Framework: x.framework.info, Executor: e, Group: op.LaunchGroup.TaskGroup})
	return nil
}

func validateGroupTask(t *mesospb.TaskInfo, e *mesospb.ExecutorInfo) error {
	c := t.GetContainer()
	switch {
	case !sameExecutor(t.GetExecutor(), e):
		return wireError("The `ExecutorInfo` of task is different from the executor of the task group")
	case c != nil && c.GetType() == mesospb.ContainerInfo_DOCKER:
		return wireError("Docker ContainerInfo is not supported on the task")
	}
	if len(c.GetNetworkInfos()) > 0 && t.HealthCheck != nil {
		switch t.HealthCheck.GetType() {
		case mesospb.HealthCheck_HTTP, mesospb.HealthCheck_TCP:
			return wireErrorf("%v health checks are not supported when the task has its own network", t.HealthCheck.GetType())
		}
	}
	return nil
}

// minGroupExecutor is what the executor of a task group needs at least.
var minGroupExecutor = allocator.Quantities{resources.NameCPUs: 10, resources.NameMem: 32000}

func validateGroupExecutor(e *mesospb.ExecutorInfo) error {
	if e.Type == nil || e.GetType() == mesospb.ExecutorInfo_UNKNOWN {
		return wireError("'ExecutorInfo.type' must be set to 'DEFAULT' or 'CUSTOM' in a task group")
	}
	if e.GetType() == mesospb.ExecutorInfo_DEFAULT {
		switch {
		case e.Command != nil:
			return wireError("'ExecutorInfo.command' must not be set for 'DEFAULT' executor")
		case e.Container != nil && e.GetContainer().GetType() != mesospb.ContainerInfo_MESOS:
			return wireError("'ExecutorInfo.container.type' must be 'MESOS' for 'DEFAULT' executor")
		case e.GetContainer().GetMesos().GetImage() != nil:
			return wireError("'ExecutorInfo.container.mesos.image' must not be set for 'DEFAULT' executor")
		}
	} else if e.Command == nil {
		return wireError("'ExecutorInfo.command' must be set for 'CUSTOM' executor")
	}
	have := allocator.QuantitiesOf(e.GetResources())
	for _, name := range []string{resources.NameCPUs, resources.NameMem} {
		if have[name] < minGroupExecutor[name] {
			return wireErrorf("Executor '%s' uses less %s than the minimum of %v", e.GetExecutorId().GetValue(), name, resources.FromFixed(minGroupExecutor[name]))
		}
	}
	if have[resources.NameDisk] <= 0 {
		return wireErrorf("Executor '%s' uses no disk", e.GetExecutorId().GetValue())
	}
	return nil
}

// validateGroupLimits checks that all tasks have their own cgroups or none, and that only the former have limits.
func validateGroupLimits(tasks []*mesospb.TaskInfo) error {
	shares := func(t *mesospb.TaskInfo) bool { return t.GetContainer().GetLinuxInfo().GetShareCgroups() }
	for _, t := range tasks {
		switch {
		case shares(t) != shares(tasks[0]):
			return wireError("All tasks in a task group must have the same value of 'share_cgroups'")
		case shares(t) && len(t.GetLimits()) > 0:
			return wireErrorf("Task '%s' has resource limits, which need 'share_cgroups' set to 'false'", t.GetTaskId().GetValue())
		}
	}
	return nil
}
