package agent

// KillTask:
//
//   - A framework that the agent does not know, or that is being removed: nothing happens.
//   - A task that the agent does not know: TASK_DROPPED (or TASK_LOST), EXECUTOR_TERMINATED. One that
//     has ended, as the master has been told: nothing happens.
//   - A task that waits for its executor: TASK_KILLED, TASK_KILLED_DURING_LAUNCH, and its whole
//     group with it. The executor is not needed any more if that was all it had; the master hears of its end first.
//   - Otherwise the executor gets KILL, with the call's kill policy if there is one.

import (
	"github.com/mesokit/mesokit/cluster/agent/internal/process"
	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

func (a *Agent) onKillTask(m link.KillTask) {
	f := a.frameworks[m.FrameworkID]
	if f == nil || f.terminating {
		return
	}
	if t := f.tasks[m.TaskID]; t != nil {
		a.killTask(t, m.Policy)
		return
	}
	if _, ok := a.streams[streamKey{m.FrameworkID, m.TaskID}]; ok || f.hasCompleted(m.TaskID) {
		return // the master hears, or has heard, of its end
	}
	a.agentUpdate(m.FrameworkID, "", m.TaskID, f.lost(), mesospb.TaskStatus_REASON_EXECUTOR_TERMINATED, "Cannot find executor")
}

func (a *Agent) killTask(t *task, policy *mesospb.KillPolicy) {
	e := t.executor
	switch t.stage {
	case taskQueued:
		a.killQueued(t)
	case taskLaunched:
		if e.state == executorRunning || e.state == executorTerminating {
			e.tell(&executorpb.Event{
				Type: executorpb.Event_KILL.Enum(),
				Kill: &executorpb.Event_Kill{TaskId: t.info.GetTaskId(), KillPolicy: policy},
			})
		}
	}
}

// killQueued ends a task that was not handed to its executor yet, and its group.
func (a *Agent) killQueued(t *task) {
	e := t.executor
	message := "Killed before delivery to the executor"
	if t.group != nil {
		message = "A task within the task group was killed before delivery to the executor"
	}
	var killed []*task
	needed := e.kind == customKind || e.state != executorRegistering // a custom one is shut down when it subscribes
	for _, other := range sorted(e.tasks) {
		if other == t || t.group != nil && other.group == t.group {
			killed = append(killed, other)
		} else {
			needed = needed || other.live()
		}
	}
	if !needed {
		a.tellEnd(e, process.Unknown)
	}
	for _, other := range killed {
		a.agentStatus(e.framework.id(), e.id(), &mesospb.TaskStatus{
			TaskId:  other.info.GetTaskId(),
			State:   mesospb.TaskState_TASK_KILLED.Enum(),
			Reason:  mesospb.TaskStatus_REASON_TASK_KILLED_DURING_LAUNCH.Enum(),
			Message: &message,
		})
	}
	if needed {
		return
	}
	e.state = executorTerminating
	a.destroy(e.container)
}
