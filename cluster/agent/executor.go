package agent

// The life of an executor: REGISTERING -> RUNNING -> TERMINATING -> TERMINATED.
//
//   - It is launched with the first task that names it: its container is prepared (sandbox, volumes,
//     URIs), then its process is started. Command tasks and task groups have executors inside this
//     program, which register when their container is prepared.
//   - One that has not registered after a minute, fetching included, is destroyed.
//   - Tasks wait in its queue until it registers, in the order of their launch.
//   - SHUTDOWN gives it the shutdown grace period (ExecutorInfo's, else the agent's), then
//     its container is destroyed.
//   - When it has ended, tasks that have not ended fail with EXECUTOR_TERMINATED, or for the reason
//     for which the container was destroyed; the master hears of the end first, except for those
//     of command tasks.
//   - It is forgotten when all terminal statuses of its tasks are acknowledged.

import (
	"strings"
	"syscall"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/agent/internal/process"
	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/cluster/internal/loop"
	"github.com/mesokit/mesokit/mesos/duration"
	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

type executorState int

const (
	executorRegistering executorState = iota
	executorRunning
	executorTerminating
	executorTerminated
)

// executorKind tells who implements an executor.
type executorKind int

const (
	commandKind executorKind = iota // command_executor.go, or a Runner
	defaultKind                     // default_executor.go
	customKind                      // a process of the framework
)

// peer is how events reach an executor. Its methods are called on the loop.
type peer interface {
	send(*executorpb.Event)
	// leave tells that no more events will come.
	leave()
}

type executor struct {
	framework   *framework
	info        *mesospb.ExecutorInfo
	kind        executorKind
	seq         uint64
	state       executorState
	containerID *mesospb.ContainerID
	container   *container
	dir         string   // sandbox
	account     *account // whom its commands run as; nil for the user of this program
	peer        peer     // nil while it is not connected
	tasks       map[string]*task
	completed   []*task // oldest first
	everSent    bool    // a task was handed to it
	simulated   bool    // runner.go: there is no container
	endTold     bool    // the master knows that it has ended
	sandboxed   bool    // there may be a sandbox
	cause       *cause  // why its container was destroyed
	timer       *loop.Timer
	heartbeat   *loop.Timer
}

// cause is why tasks of a container ended, if not by themselves.
type cause struct {
	state      mesospb.TaskState
	reason     mesospb.TaskStatus_Reason
	message    string
	limitation *mesospb.TaskResourceLimitation
}

func (e *executor) id() string { return e.info.GetExecutorId().GetValue() }

func (e *executor) hasCompleted(taskID string) bool {
	for _, t := range e.completed {
		if t.id() == taskID {
			return true
		}
	}
	return false
}

// newExecutor makes the record of an executor that is to be launched, or says why it cannot be. Then the master hears of its end before
// anything else.
func (a *Agent) newExecutor(f *framework, info *mesospb.ExecutorInfo, kind executorKind) (*executor, error) {
	account, err := a.become(a.userOf(f, info.GetCommand()))
	if err != nil {
		dir := a.executorDir(f.id(), info.GetExecutorId().GetValue(), a.newUUID().String())
		if kind != commandKind {
			a.neverMade(f, info.GetExecutorId().GetValue())
		}
		return nil, wording("Failed to create executor directory '" + dir + "': " + err.Error())
	}
	e := a.addExecutor(f, info, kind)
	e.account = account
	return e, nil
}

// addExecutor makes the record of an executor.
func (a *Agent) addExecutor(f *framework, info *mesospb.ExecutorInfo, kind executorKind) *executor {
	e := &executor{
		framework:   f,
		info:        info,
		kind:        kind,
		seq:         a.nextSeq(),
		containerID: &mesospb.ContainerID{Value: proto.String(a.newUUID().String())},
		tasks:       map[string]*task{},
	}
	e.dir = a.executorDir(f.id(), e.id(), e.containerID.GetValue())
	f.executors[e.id()] = e
	return e
}

// launchExecutor prepares the container of an executor, and starts it.
func (a *Agent) launchExecutor(e *executor, image *mesospb.ContainerInfo) {
	a.log.Debug("launching executor", "framework", e.framework.id(), "executor", e.id(), "container", e.containerID.GetValue())
	e.sandboxed = true
	wait := a.cfg.ExecutorRegistrationTimeout
	e.timer = a.loop.After(wait, func() { a.registrationTimedOut(e, wait) })
	e.container = a.newContainer(e.containerID, e, e.dir)
	e.container.onGone = func(status *process.Status) { a.executorEnded(e, status) }
	a.counts.launched++
	if err := a.checkCommand(e); err != nil {
		a.launchFailed(e, err)
		return
	}
	command := e.info.GetCommand()
	a.prepare(e.container, preparation{
		uris:      command.GetUris(),
		account:   e.account,
		container: image,
		resources: a.resourcesOf(e),
		latest:    true,
	}, func(err error) {
		switch {
		case err != nil:
			a.launchFailed(e, err)
		case e.kind == customKind:
			a.startCustom(e)
		default:
			a.registerBuiltin(e)
		}
	})
}

// resourcesOf returns the resources whose volumes the executor's sandbox shows: its own, and those of
// the task if it is a command task's.
func (a *Agent) resourcesOf(e *executor) []*mesospb.Resource {
	list := e.info.GetResources()
	if e.kind == commandKind {
		for _, t := range e.tasks {
			list = append(list[:len(list):len(list)], t.info.GetResources()...)
		}
	}
	return list
}

// checkCommand reports what makes the environment of a command task impossible, before anything is prepared.
func (a *Agent) checkCommand(e *executor) error {
	if e.kind != commandKind {
		return nil
	}
	for _, t := range e.tasks {
		if _, err := a.commandEnvironment(e, t.info); err != nil {
			return err
		}
	}
	return nil
}

func (a *Agent) startCustom(e *executor) {
	env, err := a.executorEnvironment(e)
	if err != nil {
		a.launchFailed(e, err)
		return
	}
	a.start(e.container, launch{command: e.info.GetCommand(), env: env, container: e.info.GetContainer()})
}

// registerBuiltin connects an executor that is part of this program.
func (a *Agent) registerBuiltin(e *executor) {
	if e.state != executorRegistering {
		a.destroy(e.container)
		return
	}
	if e.kind == defaultKind {
		e.peer = newDefaultExecutor(a, e)
	} else {
		e.peer = newCommandExecutor(a, e)
	}
	a.executorRegistered(e)
	if !e.everSent { // killed before it began
		a.destroy(e.container)
	}
}

// launchFailed ends an executor whose container could not be made.
func (a *Agent) launchFailed(e *executor, err error) {
	if e.state == executorRegistering && e.cause == nil { // else it was meant to end
		e.cause = &cause{
			state:   mesospb.TaskState_TASK_FAILED,
			reason:  mesospb.TaskStatus_REASON_CONTAINER_LAUNCH_FAILED,
			message: "Failed to launch container: " + err.Error(),
		}
	}
	e.state = executorTerminating
	a.destroy(e.container)
}

func (a *Agent) registrationTimedOut(e *executor, after time.Duration) {
	if e.state != executorRegistering {
		return
	}
	a.log.Warn("executor did not register", "framework", e.framework.id(), "executor", e.id(), "within", after)
	e.state = executorTerminating
	e.cause = &cause{
		state:   mesospb.TaskState_TASK_FAILED,
		reason:  mesospb.TaskStatus_REASON_EXECUTOR_REGISTRATION_TIMEOUT,
		message: "Executor did not register within " + duration.Format(after),
	}
	a.destroy(e.container)
}

// executorRegistered hands the queued tasks to an executor that has connected.
func (a *Agent) executorRegistered(e *executor) {
	e.timer.Stop()
	e.state = executorRunning
	sent := map[*mesospb.TaskGroupInfo]bool{}
	for _, t := range sorted(e.tasks) {
		if t.stage != taskQueued {
			continue
		}
		if t.group == nil {
			a.deliver(e, t)
		} else if !sent[t.group] {
			sent[t.group] = true
			a.deliverGroup(e, t.group)
		}
	}
}

// deliver hands a task to its executor.
func (a *Agent) deliver(e *executor, t *task) {
	t.stage = taskLaunched
	e.everSent = true
	e.tell(&executorpb.Event{Type: executorpb.Event_LAUNCH.Enum(), Launch: &executorpb.Event_Launch{Task: t.info}})
}

// deliverGroup hands a group to its executor.
func (a *Agent) deliverGroup(e *executor, group *mesospb.TaskGroupInfo) {
	for _, info := range group.GetTasks() {
		if t := e.tasks[info.GetTaskId().GetValue()]; t != nil && t.stage == taskQueued {
			t.stage = taskLaunched
		}
	}
	e.everSent = true
	e.tell(&executorpb.Event{Type: executorpb.Event_LAUNCH_GROUP.Enum(), LaunchGroup: &executorpb.Event_LaunchGroup{TaskGroup: group}})
}

// shutdownExecutor asks an executor to end, and makes it after the grace period.
func (a *Agent) shutdownExecutor(e *executor) {
	if e.state != executorRegistering && e.state != executorRunning {
		return
	}
	registering := e.state == executorRegistering
	e.state = executorTerminating
	e.timer.Stop()
	if registering && e.kind != customKind {
		a.destroy(e.container) // there is nobody to ask
		return
	}
	e.tell(&executorpb.Event{Type: executorpb.Event_SHUTDOWN.Enum()})
	if e.simulated {
		return
	}
	e.timer = a.loop.After(a.shutdownGrace(e.info), func() { a.destroy(e.container) })
}

func (a *Agent) shutdownGrace(info *mesospb.ExecutorInfo) time.Duration {
	if g := info.GetShutdownGracePeriod(); g != nil {
		return time.Duration(g.GetNanoseconds())
	}
	return a.cfg.ExecutorShutdownGrace
}

// executorEnded is called when nothing of the container is left. status is nil if it never had a
// process.
func (a *Agent) executorEnded(e *executor, status *process.Status) {
	e.timer.Stop()
	e.heartbeat.Stop()
	e.state = executorTerminated
	if e.peer != nil {
		e.peer.leave()
		e.peer = nil
	}
	f := e.framework
	if !f.terminating {
		a.reportEnd(e, status)
	}
	a.counts.terminated++
	a.forgetExecutorIfDone(e)
}

// reportEnd tells the master of the executor's end and settles its tasks.
func (a *Agent) reportEnd(e *executor, status *process.Status) {
	if e.kind != commandKind {
		raw := int32(process.Unknown)
		switch {
		case status != nil:
			raw = int32(*status)
		case e.kind == defaultKind && e.everSent:
			raw = int32(syscall.SIGKILL) // as its process would have ended
		}
		a.tellEnd(e, process.Status(raw))
	}
	end := e.endOfTasks()
	for _, t := range sorted(e.tasks) {
		if !t.live() {
			continue
		}
		a.agentStatus(e.framework.id(), e.id(), &mesospb.TaskStatus{
			TaskId:     t.info.GetTaskId(),
			State:      end.state.Enum(),
			Reason:     end.reason.Enum(),
			Message:    proto.String(end.message),
			Limitation: end.limitation,
		})
	}
}

// tellEnd tells the master that an executor has ended, once, unless it is that of a command task.
func (a *Agent) tellEnd(e *executor, status process.Status) {
	if e.kind == commandKind || e.endTold {
		return
	}
	e.endTold = true
	a.send(link.ExecutorExited{FrameworkID: e.framework.id(), ExecutorID: e.id(), Status: int32(status)})
}

// endOfTasks is what becomes of tasks that were live when the executor ended. What the container says
// of its own end goes before the reason for which it was destroyed; messages are joined.
func (e *executor) endOfTasks() cause {
	end := cause{state: mesospb.TaskState_TASK_FAILED, reason: mesospb.TaskStatus_REASON_EXECUTOR_TERMINATED}
	var messages []string
	causes := []*cause{e.cause}
	if e.container != nil {
		causes = append(causes, e.container.cause)
	}
	for _, c := range causes {
		if c == nil {
			continue
		}
		end.state, end.reason = c.state, c.reason
		if c.limitation != nil {
			end.limitation = c.limitation
		}
		messages = append([]string{c.message}, messages...)
	}
	if len(messages) == 0 {
		messages = []string{"Executor terminated"}
	}
	end.message = strings.Join(messages, "; ")
	return end
}

// forgetExecutorIfDone moves an executor that has ended, and whose tasks all are completed, to the
// past.
func (a *Agent) forgetExecutorIfDone(e *executor) {
	f := e.framework
	if e.state != executorTerminated || f.executors[e.id()] != e {
		return
	}
	if !f.terminating && len(e.tasks) > 0 {
		return
	}
	for id, t := range e.tasks { // of a framework that was removed
		delete(e.tasks, id)
		delete(f.tasks, id)
		e.completed = appendBounded(e.completed, t, maxCompletedTasks)
	}
	delete(f.executors, e.id())
	a.changed()
	f.completed = appendBounded(f.completed, e, maxCompletedExecutors)
	a.collectLater(e)
	a.forgetFrameworkIfIdle(f)
}
