package agent

import (
	"syscall"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/agent/internal/process"
	"github.com/mesokit/mesokit/cluster/internal/loop"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// taskRun is a task whose process is that of a container: what the command executor and the default
// executor have in common.
type taskRun struct {
	agent     *Agent
	e         *executor
	task      *mesospb.TaskInfo
	container *container
	nested    bool // its statuses name the container
	began     bool // its process has started
	announced bool // it is RUNNING, as far as the scheduler knows
	ended     bool
	failure   *mesospb.TaskStatus // why there is no process, not told yet
	early     *process.Status     // how it ended before it was announced
	env       []string
	checks    checks

	killed      bool // asked to end: the task's end is KILLED
	unhealthy   bool // because its health check failed
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
	status.Uuid = r.agent.statusUUID()
	status.Timestamp = proto.Float64(now())
	if r.nested {
		status.ContainerStatus = &mesospb.ContainerStatus{ContainerId: r.container.id}
		if !isTerminal(status.GetState()) { // by then Mesos has forgotten the container
			status.ContainerStatus = r.agent.statusOf(r.container)
		}
	}
	r.checks.fill(status)
	r.agent.executorUpdate(r.e, status)
}

func (r *taskRun) state(s mesospb.TaskState) { r.update(&mesospb.TaskStatus{State: s.Enum()}) }

// begin starts the process and calls started when it has.
func (r *taskRun) begin(l launch, started func()) {
	r.env = l.env
	r.agent.start(r.container, l, func() {
		r.began = true
		started()
	})
}

// running says that the task runs, and begins to watch over it.
func (r *taskRun) running() {
	if r.announced || !r.began {
		return
	}
	r.announced = true
	r.state(mesospb.TaskState_TASK_RUNNING)
	if r.early != nil { // or has run
		r.exited(*r.early)
		return
	}
	if r.killed { // meanwhile
		r.killing()
		r.signalAll(time.Until(r.killBy))
		return
	}
	if d := r.task.GetMaxCompletionTime(); d != nil {
		r.expiryTimer = r.agent.loop.After(time.Duration(d.GetNanoseconds()), r.expire)
	}
	r.checks.start()
}

// expire ends a task whose max_completion_time is over.
func (r *taskRun) expire() {
	if r.ended || r.killed || r.overtime {
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
		if r.announced {
			r.killing()
		}
		r.escalate(grace)
		if r.nested && !r.began {
			r.agent.destroy(r.container) // its preparation may take long
		}
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
	if r.announced {
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
	if !r.announced {
		r.early = &status
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
		if r.unhealthy {
			end.Healthy = proto.Bool(false)
		}
	case normal && code == 0:
		end.State = mesospb.TaskState_TASK_FINISHED.Enum()
	}
	r.update(end)
	r.finished(end.GetState())
	if !r.nested {
		r.agent.destroy(r.container)
	}
}
