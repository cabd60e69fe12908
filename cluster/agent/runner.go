package agent

// Tasks without processes: scripted ones, for scale and for tests of schedulers, and Go functions of this
// program.
//
//   - A Runner decides for each task; what it does not take runs as a process, unless the agent only simulates. For an executor
//     that several tasks share, the first decides how all of them run.
//   - Statuses are those of the tasks' executors, with the messages of the script or function, and without a pid.
//   - A killed script ends KILLED, after TASK_KILLING if the framework has TASK_KILLING_STATE; a killed function
//     sees its context end, and then has all the time it takes.
//   - A task of a group that does not finish well takes the group with it.
//   - An executor ends with the last of its tasks; a custom one stays if that task lingers.
//   - There is no sandbox unless a function asks for one.

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// Runner decides how a task runs; nil lets it run as a process. It is called on the agent's loop, so
// it must not wait, nor change the messages. Package sim has some.
type Runner func(framework *mesospb.FrameworkInfo, task *mesospb.TaskInfo) *Run

// Run is how a task runs without a process: Func, if it is set, else the script of the other fields. The
// zero value is a task that runs until it is killed.
type Run struct {
	// Start is the time from STARTING to RUNNING.
	Start time.Duration
	// For is the time from RUNNING to the end; 0 is for ever, or no time at all if End is set.
	For time.Duration
	// End is the terminal state; its zero value means TASK_FINISHED.
	End mesospb.TaskState
	// Message, Reason and Data are those of the terminal status; none if they are unset.
	Message string
	Reason  *mesospb.TaskStatus_Reason
	Data    []byte
	// Never keeps the task staging: no status is ever sent.
	Never bool
	// KillTakes is the time from KILL to KILLED.
	KillTakes time.Duration
	// Lingers keeps a custom executor when this was its last task: until it is shut down.
	Lingers bool

	// Func runs in a goroutine of its own. The task finishes if it returns nil, fails with the error's text
	// if not. Its context ends when the task is killed or the agent ends; then it must return.
	Func func(ctx context.Context, task FuncTask) error
}

// FuncTask is what a Go function that runs as a task can know and do.
type FuncTask struct {
	// Info is the task. It must not be changed.
	Info *mesospb.TaskInfo
	// Framework is whom it belongs to. It must not be changed.
	Framework *mesospb.FrameworkInfo

	run *runTask
}

// Sandbox makes the task's sandbox, if it is not there, and returns its directory.
func (t FuncTask) Sandbox() (string, error) {
	x := t.run.x
	return x.e.dir, x.agent.makeFuncSandbox(x.e)
}

// Update sends a status of the task. Only state, message, data, healthy, labels and check_status of it are used; the state is
// RUNNING if it is unset, and must not be terminal.
func (t FuncTask) Update(status *mesospb.TaskStatus) {
	s := &mesospb.TaskStatus{
		State: status.State, Message: status.Message, Data: status.Data, Healthy: status.Healthy, Labels: status.Labels, CheckStatus: status.CheckStatus,
	}
	if s.State == nil || isTerminal(s.GetState()) {
		s.State = mesospb.TaskState_TASK_RUNNING.Enum()
	}
	t.enter(func() {
		if !t.run.ended {
			t.run.update(s)
		}
	})
}

// Message sends bytes to the framework, as from the task's executor.
func (t FuncTask) Message(data []byte) {
	x := t.run.x
	t.enter(func() {
		x.agent.send(link.ExecutorMessage{FrameworkID: x.e.framework.id(), ExecutorID: x.e.id(), Data: data})
	})
}

// enter runs f on the loop.
func (t FuncTask) enter(f func()) {
	a := t.run.x.agent
	a.loop.Enter(a.address.pid()+" "+t.Info.GetTaskId().GetValue(), f)
}

// untilKilled is the Run of tasks that nobody has scripted. It is never changed.
var untilKilled Run

// decide asks the Runner.
func (a *Agent) decide(f *framework, t *mesospb.TaskInfo) *Run {
	if a.cfg.Runner != nil {
		if run := a.cfg.Runner(f.info, t); run != nil {
			return run
		}
	}
	if a.cfg.Simulated {
		return &untilKilled
	}
	return nil
}

// simulate takes over a new executor whose first task is t, if the Runner wants it.
func (a *Agent) simulate(e *executor, t *mesospb.TaskInfo) bool {
	if a.cfg.Runner == nil && !a.cfg.Simulated {
		return false
	}
	run := a.decide(e.framework, t)
	if run == nil {
		return false
	}
	x := &runExecutor{agent: a, e: e, decided: run, first: t}
	e.peer = x
	e.simulated = true
	a.executorRegistered(e)
	return true
}

// makeFuncSandbox runs beside the loop.
func (a *Agent) makeFuncSandbox(e *executor) error {
	if a.cfg.WorkDir == "" {
		return errNoWorkDir
	}
	if err := makeDir(e.dir); err != nil {
		return err
	}
	a.files.Attach(e.dir, e.dir)
	a.files.Attach(e.dir, virtualPath(e))
	return relink(e.dir, a.runsDir(e.framework.id(), e.id())+"/latest")
}

// text is nil for no text.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return proto.String(s)
}
