package agent

// The default executor: task groups, whose tasks are containers nested in its own.
//
//   - LAUNCH_GROUP: TASK_STARTING for each task, then their containers are launched; when all have started,
//     TASK_RUNNING for each. A task whose container cannot be launched fails after that, without a reason; the message says why,
//     but for a failed fetch, which is "Command exited with status 1".
//   - Statuses name the nested container. The texts are those of command tasks.
//   - When a task of a group fails or is killed, the rest of the group is killed. One that finishes changes
//     nothing for the others.
//   - KILL and SHUTDOWN as with command tasks, SHUTDOWN for all tasks.
//   - Groups that are launched later join. It ends, with status 0, when no container is left.

import (
	"errors"
	"path/filepath"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/agent/internal/process"
	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

type defaultExecutor struct {
	agent  *Agent
	e      *executor
	runs   map[string]*taskRun // of tasks whose container is not gone
	groups []*taskGroup
}

// taskGroup is tasks that live and die together.
type taskGroup struct {
	runs    []*taskRun
	waiting map[*taskRun]bool // whose container is being launched
	doomed  bool              // a member has failed or was killed
}

func newDefaultExecutor(a *Agent, e *executor) *defaultExecutor {
	return &defaultExecutor{agent: a, e: e, runs: map[string]*taskRun{}}
}

func (x *defaultExecutor) send(event *executorpb.Event) {
	x.agent.loop.Post(func() { x.handle(event) })
}

func (x *defaultExecutor) leave() {}

func (x *defaultExecutor) handle(event *executorpb.Event) {
	a := x.agent
	switch event.GetType() {
	case executorpb.Event_LAUNCH_GROUP:
		x.launch(event.GetLaunchGroup().GetTaskGroup().GetTasks())
	case executorpb.Event_LAUNCH:
		x.launch([]*mesospb.TaskInfo{event.GetLaunch().GetTask()})
	case executorpb.Event_KILL:
		if r := x.runs[event.GetKill().GetTaskId().GetValue()]; r != nil {
			r.kill(event.GetKill().GetKillPolicy())
		}
	case executorpb.Event_SHUTDOWN:
		grace := max(0, a.shutdownGrace(x.e.info)-shutdownSlack)
		for _, g := range x.groups {
			for _, r := range g.runs {
				r.killWithin(grace)
			}
		}
		x.endIfIdle()
	}
}

func (x *defaultExecutor) launch(tasks []*mesospb.TaskInfo) {
	a := x.agent
	if x.e.container.doomed {
		return // the agent settles the tasks
	}
	g := &taskGroup{waiting: map[*taskRun]bool{}}
	x.groups = append(x.groups, g)
	for _, t := range tasks {
		id := &mesospb.ContainerID{Value: proto.String(a.newUUID().String()), Parent: x.e.containerID}
		dir := filepath.Join(x.e.dir, "containers", id.GetValue())
		r := newTaskRun(a, x.e, t, a.newContainer(id, x.e, dir))
		if l := t.GetContainer().GetLinuxInfo(); l != nil && !l.GetShareCgroups() {
			r.container.alone = t
		}
		r.container.onExit = r.exited
		r.container.onGone = func(*process.Status) { x.gone(g, r) }
		r.finished = func(s mesospb.TaskState) { x.finished(g, s) }
		g.runs = append(g.runs, r)
		g.waiting[r] = true
		x.runs[t.GetTaskId().GetValue()] = r
	}
	for _, r := range g.runs {
		r.state(mesospb.TaskState_TASK_STARTING)
	}
	for _, r := range g.runs {
		x.begin(g, r)
	}
}

// begin launches the container of one task.
func (x *defaultExecutor) begin(g *taskGroup, r *taskRun) {
	a, t := x.agent, r.task
	env, err := a.groupEnvironment(t, r.container.dir)
	if err != nil {
		x.failed(g, r, err)
		return
	}
	var user *string
	if t.Command != nil {
		user = t.Command.User
	}
	a.prepare(r.container, preparation{
		uris: t.GetCommand().GetUris(), user: user, account: x.e.account, container: t.GetContainer(),
		resources: t.GetResources(), task: r.task.GetTaskId().GetValue(),
	}, func(err error) {
		if err != nil {
			x.failed(g, r, err)
			return
		}
		command := t.GetCommand()
		if command == nil || command.Value == nil {
			command = noCommand(command)
		}
		r.begin(launch{command: command, env: env, container: t.GetContainer()}, func() { x.started(g, r) })
	})
}

// started announces the group when all of its containers have started, or never will.
func (x *defaultExecutor) started(g *taskGroup, r *taskRun) {
	if !g.waiting[r] {
		return
	}
	delete(g.waiting, r)
	if len(g.waiting) > 0 {
		return
	}
	for _, r := range g.runs {
		r.running()
	}
	for _, r := range g.runs {
		if r.failure != nil {
			r.update(r.failure)
			r.failure = nil
		}
	}
	if g.doomed {
		x.killGroup(g)
	}
}

// failed ends a task whose container could not be launched, when the others of its group are launched.
func (x *defaultExecutor) failed(g *taskGroup, r *taskRun, err error) {
	if !r.ended {
		r.ended = true
		end := &mesospb.TaskStatus{State: mesospb.TaskState_TASK_FAILED.Enum(), Message: proto.String(err.Error())}
		if errors.As(err, new(fetchError)) { // the launcher of the container waits for the fetcher, and exits
			end.Message = proto.String("Command " + process.ExitStatus(1).String())
		}
		if r.killed {
			end = &mesospb.TaskStatus{State: mesospb.TaskState_TASK_KILLED.Enum()}
		}
		if why := r.container.cause; why != nil {
			end.State, end.Reason, end.Message = why.state.Enum(), why.reason.Enum(), proto.String(why.message)
		}
		r.failure = end
		g.doomed = true
	}
	x.agent.destroy(r.container)
	x.started(g, r)
}

// finished is called when a task of a group has ended.
func (x *defaultExecutor) finished(g *taskGroup, s mesospb.TaskState) {
	if s == mesospb.TaskState_TASK_FINISHED || g.doomed {
		return
	}
	g.doomed = true
	if len(g.waiting) == 0 {
		x.killGroup(g)
	}
}

func (x *defaultExecutor) killGroup(g *taskGroup) {
	for _, r := range g.runs {
		r.kill(nil)
	}
}

// gone forgets a task whose container has left nothing.
func (x *defaultExecutor) gone(g *taskGroup, r *taskRun) {
	a := x.agent
	a.remember(r.container)
	id := r.task.GetTaskId().GetValue()
	if x.runs[id] == r {
		delete(x.runs, id)
	}
	if !r.ended && r.killed { // before its process was started
		r.ended = true
		r.update(&mesospb.TaskStatus{State: mesospb.TaskState_TASK_KILLED.Enum()})
		x.finished(g, mesospb.TaskState_TASK_KILLED)
	}
	x.started(g, r) // or never
	x.endIfIdle()
}

// endIfIdle ends the executor when it has nothing to do any more.
func (x *defaultExecutor) endIfIdle() {
	c := x.e.container
	if len(x.runs) > 0 || c.doomed {
		return
	}
	done := process.ExitStatus(0)
	c.status = &done
	x.agent.destroy(c)
}
