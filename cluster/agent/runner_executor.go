package agent

import (
	"context"
	"time"

	"github.com/mesokit/mesokit/cluster/agent/internal/process"
	"github.com/mesokit/mesokit/cluster/internal/loop"
	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// runExecutor is the executor of tasks without processes.
type runExecutor struct {
	agent *Agent
	e     *executor

	// The Runner has decided on the first task already.
	decided *Run
	first   *mesospb.TaskInfo

	live *runTask // list of those that have not ended
	gone bool
	// status is shared by all statuses, and never changed.
	status *mesospb.ContainerStatus
	alone  runTask // the first of them: most executors have no other
}

// runTask is one of the tasks.
type runTask struct {
	x      *runExecutor
	next   *runTask
	info   *mesospb.TaskInfo
	group  *mesospb.TaskGroupInfo
	run    *Run
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
		x.launch(event.GetLaunch().GetTask(), nil)
	case executorpb.Event_LAUNCH_GROUP:
		g := event.GetLaunchGroup().GetTaskGroup()
		for _, t := range g.GetTasks() {
			x.launch(t, g)
		}
	case executorpb.Event_KILL:
		for r := x.live; r != nil; r = r.next {
			if r.info.GetTaskId().GetValue() == event.GetKill().GetTaskId().GetValue() {
				r.kill()
				break
			}
		}
	case executorpb.Event_SHUTDOWN:
		x.killAll(nil)
		x.endIfIdle(false)
	}
}

// killAll kills the tasks of a group, or all.
func (x *runExecutor) killAll(group *mesospb.TaskGroupInfo) {
	for r := x.live; r != nil; {
		next := r.next // r may end at once
		if group == nil || r.group == group {
			r.kill()
		}
		r = next
	}
}

func (x *runExecutor) launch(info *mesospb.TaskInfo, group *mesospb.TaskGroupInfo) {
	if t := x.e.tasks[info.GetTaskId().GetValue()]; t == nil || !t.live() {
		return // killed before it came here
	}
	run := x.decided
	if info != x.first || run == nil {
		if run = x.agent.decide(x.e.framework, info); run == nil {
			run = &untilKilled
		}
	}
	x.decided = nil
	r := &x.alone
	if r.info != nil {
		r = &runTask{}
	}
	*r = runTask{x: x, next: x.live, info: info, group: group, run: run}
	x.live = r
	if run.Never {
		return
	}
	r.state(mesospb.TaskState_TASK_STARTING)
	r.after(run.Start, r.running)
}

// after calls f after d, at once if d is 0.
func (r *runTask) after(d time.Duration, f func()) {
	r.timer.Stop()
	if d <= 0 {
		f()
		return
	}
	r.timer = r.x.agent.loop.After(d, f)
}

func (r *runTask) running() {
	r.timer = nil
	r.state(mesospb.TaskState_TASK_RUNNING)
	switch {
	case r.run.Func != nil:
		r.call()
	case r.run.For > 0 || r.run.End != 0:
		r.after(r.run.For, func() {
			end := r.run.End
			if end == 0 {
				end = mesospb.TaskState_TASK_FINISHED
			}
			r.end(end, r.run.Message)
		})
	}
}

// call runs the function.
func (r *runTask) call() {
	a := r.x.agent
	r.x.e.sandboxed = true // if it asks for one
	ctx, cancel := context.WithCancel(a.ctx)
	r.cancel = cancel
	t := FuncTask{Info: r.info, Framework: r.x.e.framework.info, run: r}
	a.async(func() func() {
		defer cancel()
		err := r.run.Func(ctx, t)
		return func() {
			switch {
			case r.killed:
				r.end(mesospb.TaskState_TASK_KILLED, "")
			case err != nil:
				r.end(mesospb.TaskState_TASK_FAILED, err.Error())
			default:
				r.end(mesospb.TaskState_TASK_FINISHED, r.run.Message)
			}
		}
	})
}

func (r *runTask) kill() {
	if r.killed || r.ended {
		return
	}
	r.killed = true
	if r.x.e.framework.has(mesospb.FrameworkInfo_Capability_TASK_KILLING_STATE) && r.began {
		r.state(mesospb.TaskState_TASK_KILLING)
	}
	if r.cancel != nil {
		r.timer.Stop()
		r.cancel() // the function's return ends the task
		return
	}
	r.after(r.run.KillTakes, func() { r.end(mesospb.TaskState_TASK_KILLED, "") })
}

// end sends the terminal status, and ends the group or the executor if the task was needed for it.
func (r *runTask) end(state mesospb.TaskState, message string) {
	if r.ended {
		return
	}
	r.ended = true
	r.timer.Stop()
	s := &mesospb.TaskStatus{State: state.Enum(), Data: r.run.Data, Message: text(message)}
	if !r.killed {
		s.Reason = r.run.Reason
	}
	r.update(s)
	x := r.x
	for at := &x.live; *at != nil; at = &(*at).next {
		if *at == r {
			*at = r.next
			break
		}
	}
	if r.group != nil && state != mesospb.TaskState_TASK_FINISHED {
		x.killAll(r.group)
	}
	x.endIfIdle(r.run.Lingers)
}

// endIfIdle ends the executor when no task is left, unless it is to stay.
func (x *runExecutor) endIfIdle(stay bool) {
	if x.live != nil || x.gone || stay && x.e.kind == customKind && x.e.state == executorRunning {
		return
	}
	for _, t := range x.e.tasks {
		if t.live() {
			return // it is on its way here
		}
	}
	x.gone = true
	done := process.ExitStatus(0)
	x.agent.executorEnded(x.e, &done)
}

func (r *runTask) state(s mesospb.TaskState) { r.update(&mesospb.TaskStatus{State: &s}) }

func (r *runTask) update(s *mesospb.TaskStatus) {
	r.began = true
	a, e := r.x.agent, r.x.e
	s.TaskId = r.info.GetTaskId()
	s.ExecutorId = e.info.GetExecutorId()
	s.Uuid = a.statusUUID()
	if r.x.status == nil { // complete, so that the agent adds nothing
		r.x.status = &mesospb.ContainerStatus{ContainerId: e.containerID, NetworkInfos: a.networkInfos()}
	}
	s.ContainerStatus = r.x.status
	a.executorUpdate(e, s)
}
