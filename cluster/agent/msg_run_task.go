//lint:file-ignore SA1019 a mesos-agent sets the source of command executors.

package agent

// RunTask: one task, with a command or a custom executor.
//
//   - A framework that is being removed launches nothing.
//   - A draining agent drops tasks: TASK_DROPPED (TASK_LOST if the framework does not know the
//     state), AGENT_DRAINING.
//   - A command task gets an executor of its own, whose id is the task's; if that id has an
//     executor still, the task is dropped, TASK_INVALID.
//   - An executor that is ending takes no task: dropped, EXECUTOR_TERMINATED.
//   - An executor of a user that is not known here cannot be made: dropped, EXECUTOR_TERMINATED.
//   - Otherwise the task is queued until the executor has registered, or handed over at once.

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/agent/internal/process"
	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

func (a *Agent) onRunTask(m link.RunTask) {
	f := a.admit(m.Framework)
	if f == nil {
		return
	}
	tid := m.Task.GetTaskId().GetValue()
	if a.drain != nil {
		if e := m.Task.GetExecutor(); e != nil {
			a.neverMade(f, e.GetExecutorId().GetValue())
		}
		a.drop(f, m.Task, mesospb.TaskStatus_REASON_AGENT_DRAINING, whileDraining)
		return
	}
	info, kind := m.Task.GetExecutor(), customKind
	if info == nil {
		if f.executors[tid] != nil {
			a.drop(f, m.Task, mesospb.TaskStatus_REASON_TASK_INVALID,
				"Cannot reuse an already existing executor for a command task")
			return
		}
		info, kind = a.commandExecutorInfo(f, m.Task), commandKind
	}
	e := f.executors[info.GetExecutorId().GetValue()]
	if e == nil {
		var err error
		if e, err = a.newExecutor(f, info, kind); err != nil {
			a.drop(f, m.Task, mesospb.TaskStatus_REASON_EXECUTOR_TERMINATED, err.Error())
			return
		}
		a.newTask(e, m.Task, nil)
		if a.simulate(e, m.Task) {
			return
		}
		a.launchExecutor(e, containerOf(info, m.Task))
		return
	}
	switch e.state {
	case executorRegistering:
		a.newTask(e, m.Task, nil)
	case executorRunning:
		a.deliver(e, a.newTask(e, m.Task, nil))
	default:
		a.drop(f, m.Task, mesospb.TaskStatus_REASON_EXECUTOR_TERMINATED, "Executor terminating/terminated")
	}
}

// admit returns the framework of a launch, nil if it launches nothing any more.
func (a *Agent) admit(info *mesospb.FrameworkInfo) *framework {
	f := a.frameworkFor(info)
	if f.terminating {
		a.log.Warn("launch for a framework that is being removed", "framework", f.id())
		return nil
	}
	return f
}

// whileDraining is what a draining agent says of tasks.
const whileDraining = "Task was received while agent was already draining"

// neverMade tells the master, which counts on it, that an executor will not be, unless there is one of that id.
func (a *Agent) neverMade(f *framework, executor string) {
	if f.executors[executor] == nil {
		a.send(link.ExecutorExited{FrameworkID: f.id(), ExecutorID: executor, Status: int32(process.Unknown)})
	}
}

// drop answers for a task that is not launched.
func (a *Agent) drop(f *framework, t *mesospb.TaskInfo, reason mesospb.TaskStatus_Reason, message string) {
	executorID := t.GetExecutor().GetExecutorId().GetValue()
	if t.GetExecutor() == nil {
		executorID = t.GetTaskId().GetValue()
	}
	a.agentUpdate(f.id(), executorID, t.GetTaskId().GetValue(), f.lost(), reason, message)
	a.forgetFrameworkIfIdle(f)
}

// containerOf returns the ContainerInfo that decides on the sandbox: the executor's, or a command
// task's own.
func containerOf(info *mesospb.ExecutorInfo, t *mesospb.TaskInfo) *mesospb.ContainerInfo {
	if t.GetExecutor() == nil {
		return t.GetContainer()
	}
	return info.GetContainer()
}

// commandExecutorInfo describes the executor of a command task as a mesos-agent does.
func (a *Agent) commandExecutorInfo(f *framework, t *mesospb.TaskInfo) *mesospb.ExecutorInfo {
	id := t.GetTaskId().GetValue()
	role := ""
	if r := t.GetResources(); len(r) > 0 {
		role = resources.AllocationRole(r[0])
	}
	return &mesospb.ExecutorInfo{
		ExecutorId:  &mesospb.ExecutorID{Value: proto.String(id)},
		FrameworkId: f.info.GetId(),
		Name:        proto.String(fmt.Sprintf("Command Executor (Task: %s) (Command: %s)", id, commandText(t.GetCommand()))),
		Source:      proto.String(id),
		Command:     t.GetCommand(),
		Container:   t.GetContainer(),
		Discovery:   t.GetDiscovery(),
		Labels:      t.GetLabels(),
		Resources:   a.overhead(role),
	}
}

// overhead returns what the executor of a command task is said to use. It is shared, and never changed.
func (a *Agent) overhead(role string) []*mesospb.Resource {
	if list := a.overheads[role]; list != nil {
		return list
	}
	var opts []resources.Option
	if role != "" {
		opts = append(opts, resources.WithAllocation(role))
	}
	if a.overheads == nil {
		a.overheads = map[string][]*mesospb.Resource{}
	}
	list := []*mesospb.Resource{resources.NewCPUs(0.1, opts...), resources.NewMem(32, opts...)}
	a.overheads[role] = list
	return list
}

// commandText words a command for the name of its executor.
func commandText(c *mesospb.CommandInfo) string {
	short := func(text string) string {
		if len(text) > 15 {
			text = text[:12]
			for !utf8.ValidString(text) && len(text) > 8 {
				text = text[:len(text)-1] // not through a character
			}
			text += "..."
		}
		return text
	}
	switch {
	case c.Value == nil && c.GetShell():
		return "NO COMMAND"
	case c.Value == nil:
		return "NO EXECUTABLE"
	case c.GetShell():
		return "sh -c '" + short(c.GetValue()) + "'"
	}
	return "[" + short(c.GetValue()+", "+strings.Join(c.GetArguments(), ", ")) + "]"
}
