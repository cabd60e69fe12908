package agent

// Tasks without processes: scripted ones, for scale and for tests of schedulers, and Go functions of this
// program.
//
//   - A Runner decides for each command task; what it does not take runs as a process.
//   - Statuses are those of command tasks, with the messages of the script or function, and without a pid.
//   - A killed script ends KILLED, after TASK_KILLING if the framework has TASK_KILLING_STATE; a killed function
//     sees its context end, and has the grace period to return.
//   - There is no sandbox unless a function asks for one.

import (
	"context"
	"os"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/agent/internal/process"
	"github.com/mesokit/mesokit/cluster/internal/loop"
	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// Runner decides how a command task runs; nil lets it run as a process. It is called on the agent's loop, so
// it must not wait, nor change the messages.
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

	sandbox func() (string, error)
}

// Sandbox makes the task's sandbox, if it is not there, and returns its directory.
func (t FuncTask) Sandbox() (string, error) { return t.sandbox() }

// runSimulated lets the Runner have a task. It reports false if the Runner does not want it.
func (a *Agent) runSimulated(e *executor, t *task) bool {
	run := a.cfg.Runner(e.framework.info, t.info)
	if run == nil {
		return false
	}
	x := &runExecutor{agent: a, e: e, run: *run}
	e.peer = x
	e.simulated = true
	a.executorRegistered(e)
	return true
}

// runExecutor is the executor of one such task.
type runExecutor struct {
	agent  *Agent
	e      *executor
	task   *mesospb.TaskInfo
	run    Run
	timer  *loop.Timer
	cancel context.CancelFunc // of the function
	began  bool               // a status was sent
	killed bool
	ended  bool
}

func (x *runExecutor) send(event *executorpb.Event) {
	if event.GetType() == executorpb.Event_ACKNOWLEDGED {
		return // which is most of the events
	}
	x.agent.loop.Post(func() { x.handle(event) })
}

func (x *runExecutor) leave() {}

func (x *runExecutor) handle(event *executorpb.Event) {
	switch event.GetType() {
	case executorpb.Event_LAUNCH:
		x.task = event.GetLaunch().GetTask()
		if x.run.Never {
			return
		}
		x.update(&mesospb.TaskStatus{State: mesospb.TaskState_TASK_STARTING.Enum()})
		x.after(x.run.Start, x.running)
	case executorpb.Event_KILL:
		x.kill()
	case executorpb.Event_SHUTDOWN:
		x.kill()
	}
}

// after calls f after d, at once if d is 0.
func (x *runExecutor) after(d time.Duration, f func()) {
	x.timer.Stop()
	if d <= 0 {
		f()
		return
	}
	x.timer = x.agent.loop.After(d, f)
}

func (x *runExecutor) running() {
	x.update(&mesospb.TaskStatus{State: mesospb.TaskState_TASK_RUNNING.Enum()})
	switch {
	case x.run.Func != nil:
		x.call()
	case x.run.For > 0 || x.run.End != 0:
		x.after(x.run.For, func() {
			end := x.run.End
			if end == 0 {
				end = mesospb.TaskState_TASK_FINISHED
			}
			x.end(end, x.run.Message)
		})
	}
}

// call runs the function.
func (x *runExecutor) call() {
	ctx, cancel := context.WithCancel(x.agent.ctx)
	x.cancel = cancel
	dir := x.e.dir
	t := FuncTask{Info: x.task, Framework: x.e.framework.info, sandbox: func() (string, error) { return dir, x.agent.makeFuncSandbox(x.e) }}
	x.agent.async(func() func() {
		defer cancel()
		err := x.run.Func(ctx, t)
		return func() {
			switch {
			case x.killed:
				x.end(mesospb.TaskState_TASK_KILLED, "")
			case err != nil:
				x.end(mesospb.TaskState_TASK_FAILED, err.Error())
			default:
				x.end(mesospb.TaskState_TASK_FINISHED, x.run.Message)
			}
		}
	})
}

func (x *runExecutor) kill() {
	if x.killed || x.ended {
		return
	}
	x.killed = true
	if x.e.framework.has(mesospb.FrameworkInfo_Capability_TASK_KILLING_STATE) && x.began {
		x.update(&mesospb.TaskStatus{State: mesospb.TaskState_TASK_KILLING.Enum()})
	}
	if x.cancel != nil {
		x.timer.Stop()
		x.cancel() // the function's return ends the task
		return
	}
	x.after(x.run.KillTakes, func() { x.end(mesospb.TaskState_TASK_KILLED, "") })
}

// end sends the terminal status and ends the executor.
func (x *runExecutor) end(state mesospb.TaskState, message string) {
	if x.ended {
		return
	}
	x.ended = true
	x.timer.Stop()
	s := &mesospb.TaskStatus{State: state.Enum(), Data: x.run.Data}
	if message != "" {
		s.Message = proto.String(message)
	}
	if !x.killed {
		s.Reason = x.run.Reason
	}
	x.update(s)
	done := process.ExitStatus(0)
	x.agent.executorEnded(x.e, &done)
}

func (x *runExecutor) update(s *mesospb.TaskStatus) {
	x.began = true
	s.TaskId = x.task.GetTaskId()
	s.ExecutorId = x.e.info.GetExecutorId()
	s.Uuid = newUUID()
	s.ContainerStatus = &mesospb.ContainerStatus{ContainerId: x.e.containerID, NetworkInfos: x.agent.networkInfos()}
	x.agent.executorUpdate(x.e, s)
}

// makeFuncSandbox runs beside the loop.
func (a *Agent) makeFuncSandbox(e *executor) error {
	if a.cfg.WorkDir == "" {
		return errNoWorkDir
	}
	if err := os.MkdirAll(e.dir, 0o750); err != nil {
		return err
	}
	a.files.Attach(e.dir, e.dir)
	a.files.Attach(e.dir, virtualPath(e))
	return relink(e.dir, a.runsDir(e.framework.id(), e.id())+"/latest")
}
