package agent

// The command executor: one command task, as the process of its container.
//
//   - LAUNCH starts the process; TASK_STARTING, then TASK_RUNNING.
//   - Exit status 0 is FINISHED, anything else FAILED; KILLED if it was killed, whatever the status.
//     The message is "Command exited with status N" or "Command terminated with signal …". No
//     reason.
//   - KILL: TASK_KILLING if the framework has TASK_KILLING_STATE, SIGTERM to the process tree, SIGKILL
//     after the grace period: the call's, else the task's, else 3 s. Repeated, it can only
//     shorten the wait.
//   - SHUTDOWN is KILL with the executor's shutdown grace period less 2 s.
//   - max_completion_time: killed likewise but without TASK_KILLING; FAILED,
//     MAX_COMPLETION_TIME_REACHED.
//   - A failed health check: killed; KILLED with healthy=false.
//   - It ends when the process and all it started have ended.

import (
	"syscall"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/agent/internal/process"
	"github.com/mesokit/mesokit/cluster/internal/loop"
	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// shutdownSlack is how much sooner than its agent a built-in executor gives up.
const shutdownSlack = 2 * time.Second

type commandExecutor struct {
	agent *Agent
	e     *executor
	run   *taskRun // nil before LAUNCH
}

func newCommandExecutor(a *Agent, e *executor) *commandExecutor {
	return &commandExecutor{agent: a, e: e}
}

// send queues an event: an executor inside this program is told of it after what the agent is about
// to do, like any other.
func (x *commandExecutor) send(event *executorpb.Event) {
	x.agent.loop.Post(func() { x.handle(event) })
}

func (x *commandExecutor) leave() {}

func (x *commandExecutor) handle(event *executorpb.Event) {
	a := x.agent
	switch event.GetType() {
	case executorpb.Event_LAUNCH:
		if x.run != nil {
			return
		}
		task := event.GetLaunch().GetTask()
		env, err := a.commandEnvironment(x.e, task)
		if err != nil {
			a.launchFailed(x.e, err)
			return
		}
		x.run = newTaskRun(a, x.e, task, x.e.container)
		x.e.container.onExit = x.run.exited
		x.run.begin(launch{command: task.GetCommand(), env: env, container: task.GetContainer()}, true)
	case executorpb.Event_KILL:
		if x.run != nil {
			x.run.kill(event.GetKill().GetKillPolicy())
		}
	case executorpb.Event_SHUTDOWN:
		if x.run == nil {
			a.destroy(x.e.container)
			return
		}
		x.run.killWithin(max(0, a.shutdownGrace(x.e.info)-shutdownSlack))
	}
}

// taskRun is a task whose process is that of a container: what the command executor and the default
// executor have in common.
type taskRun struct {
	agent     *Agent
	e         *executor
	task      *mesospb.TaskInfo
	container *container
	nested    bool // its statuses name the container
	began     bool
	ended     bool
	checks    checks

	killed      bool // asked to end: the task's end is KILLED
	overtime    bool // its completion time is up: the end is FAILED
	killTimer   *loop.Timer
	killBy      time.Time // when SIGKILL follows
	expiryTimer *loop.Timer

	// finished is called after the terminal status.
	finished func(mesospb.TaskState)
}

func newTaskRun(a *Agent, e *executor, task *mesospb.TaskInfo, c *container) *taskRun {
	r := &taskRun{agent: a, e: e, task: task, container: c, nested: c.nested(), finished: func(mesospb.TaskState) {}}
	r.checks.init(r)
	return r
}

// update sends a status of the task.
func (r *taskRun) update(status *mesospb.TaskStatus) {
	status.TaskId = r.task.GetTaskId()
	status.ExecutorId = &mesospb.ExecutorID{Value: proto.String(r.e.id())}
	status.Source = mesospb.TaskStatus_SOURCE_EXECUTOR.Enum()
	status.Uuid = newUUID()
	status.Timestamp = proto.Float64(now())
	if r.nested {
		status.ContainerStatus = &mesospb.ContainerStatus{ContainerId: r.container.id}
	}
	r.checks.fill(status)
	r.agent.executorUpdate(r.e, status)
}

func (r *taskRun) state(s mesospb.TaskState) { r.update(&mesospb.TaskStatus{State: s.Enum()}) }

// begin starts the process. starting says whether TASK_STARTING is still to be sent.
func (r *taskRun) begin(l launch, starting bool) {
	r.agent.start(r.container, l, func() {
		r.began = true
		if starting {
			r.state(mesospb.TaskState_TASK_STARTING)
		}
		r.state(mesospb.TaskState_TASK_RUNNING)
		if d := r.task.GetMaxCompletionTime(); d != nil && !r.killed {
			r.expiryTimer = r.agent.loop.After(time.Duration(d.GetNanoseconds()), r.expire)
		}
		r.checks.start()
		if r.killed { // meanwhile
			r.killing()
			r.signalAll(time.Until(r.killBy))
		}
	})
}

// expire ends a task whose max_completion_time is over.
func (r *taskRun) expire() {
	if r.ended || r.killed {
		return
	}
	r.overtime = true
	r.checks.stop()
	r.escalate(r.grace(nil))
}

// grace returns the grace period of a kill.
func (r *taskRun) grace(policy *mesospb.KillPolicy) time.Duration {
	for _, p := range []*mesospb.KillPolicy{policy, r.task.GetKillPolicy()} {
		if g := p.GetGracePeriod(); g != nil {
			return max(0, time.Duration(g.GetNanoseconds()))
		}
	}
	return defaultKillGrace
}

func (r *taskRun) kill(policy *mesospb.KillPolicy) { r.killWithin(r.grace(policy)) }

// killWithin asks the task to end, and ends it after the grace period.
func (r *taskRun) killWithin(grace time.Duration) {
	if r.ended || r.overtime {
		return
	}
	first := !r.killed
	r.killed = true
	if first {
		r.expiryTimer.Stop()
		r.checks.stop()
		if r.began {
			r.killing()
		}
		r.escalate(grace)
		return
	}
	if by := time.Now().Add(grace); by.Before(r.killBy) {
		r.scheduleKill(grace)
	}
}

// killing says that the task is being killed, to frameworks that know the state.
func (r *taskRun) killing() {
	if r.e.framework.has(mesospb.FrameworkInfo_Capability_TASK_KILLING_STATE) {
		r.state(mesospb.TaskState_TASK_KILLING)
	}
}

func (r *taskRun) escalate(grace time.Duration) {
	r.killBy = time.Now().Add(grace)
	if r.began {
		r.signalAll(grace)
	}
}

// signalAll begins a kill: SIGTERM now, SIGKILL after the grace period.
func (r *taskRun) signalAll(grace time.Duration) {
	r.agent.signal(r.container, int(syscall.SIGTERM))
	r.scheduleKill(max(0, grace))
}

func (r *taskRun) scheduleKill(grace time.Duration) {
	r.killTimer.Stop()
	r.killBy = time.Now().Add(grace)
	r.killTimer = r.agent.loop.After(grace, func() { r.agent.destroy(r.container) })
}

// exited reports the end of the task.
func (r *taskRun) exited(status process.Status) {
	if r.ended {
		return
	}
	r.ended = true
	r.killTimer.Stop()
	r.expiryTimer.Stop()
	r.checks.stop()
	end := &mesospb.TaskStatus{State: mesospb.TaskState_TASK_FAILED.Enum(), Message: proto.String("Command " + status.String())}
	code, normal := status.Exited()
	switch {
	case r.container.cause != nil: // the container was at its limits
		why := r.container.cause
		end.State, end.Reason, end.Limitation = why.state.Enum(), why.reason.Enum(), why.limitation
		end.Message = proto.String(why.message)
	case r.overtime:
		end.Reason = mesospb.TaskStatus_REASON_MAX_COMPLETION_TIME_REACHED.Enum()
	case r.killed:
		end.State = mesospb.TaskState_TASK_KILLED.Enum()
	case normal && code == 0:
		end.State = mesospb.TaskState_TASK_FINISHED.Enum()
	}
	r.update(end)
	r.finished(end.GetState())
	if !r.nested {
		r.agent.destroy(r.container)
	}
}
