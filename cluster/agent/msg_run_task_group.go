package agent

// RunTaskGroup: tasks that share an executor, all or none.
//
//   - The rules of RunTask hold for the group as one: what drops one task drops all.
//   - The executor is of type DEFAULT, which this program has built in, or CUSTOM.

import (
	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

func (a *Agent) onRunTaskGroup(m link.RunTaskGroup) {
	f := a.admit(m.Framework)
	if f == nil {
		return
	}
	dropAll := func(reason mesospb.TaskStatus_Reason, message string) {
		for _, t := range m.Group.GetTasks() {
			a.agentUpdate(f.id(), m.Executor.GetExecutorId().GetValue(), t.GetTaskId().GetValue(), f.lost(), reason, message)
		}
		a.forgetFrameworkIfIdle(f)
	}
	if a.drain != nil {
		a.neverMade(f, m.Executor.GetExecutorId().GetValue())
		dropAll(mesospb.TaskStatus_REASON_AGENT_DRAINING, whileDraining)
		return
	}
	e := f.executors[m.Executor.GetExecutorId().GetValue()]
	switch {
	case e == nil:
		kind := customKind
		if m.Executor.GetType() == mesospb.ExecutorInfo_DEFAULT {
			kind = defaultKind
		}
		var err error
		if e, err = a.newExecutor(f, m.Executor, kind); err != nil {
			dropAll(mesospb.TaskStatus_REASON_EXECUTOR_TERMINATED, err.Error())
			return
		}
		a.addGroup(e, m.Group)
		if tasks := m.Group.GetTasks(); len(tasks) > 0 && a.simulate(e, tasks[0]) {
			return
		}
		a.launchExecutor(e, m.Executor.GetContainer())
	case e.kind == commandKind:
		dropAll(mesospb.TaskStatus_REASON_TASK_INVALID, "Cannot launch a task group on the executor of a command task")
	case e.state == executorRegistering:
		a.addGroup(e, m.Group)
	case e.state == executorRunning:
		a.addGroup(e, m.Group)
		a.deliverGroup(e, m.Group)
	default:
		dropAll(mesospb.TaskStatus_REASON_EXECUTOR_TERMINATED, "Executor terminating/terminated")
	}
}

func (a *Agent) addGroup(e *executor, g *mesospb.TaskGroupInfo) {
	for _, t := range g.GetTasks() {
		a.newTask(e, t, g)
	}
}
