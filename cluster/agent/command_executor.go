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
//   - A command without a value: TASK_STARTING, then the executor ends in dismay and says nothing more.
//   - It ends when the process and all it started have ended.

import (
	"time"

	"github.com/mesokit/mesokit/cluster/agent/internal/process"
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
		if task.GetCommand().Value == nil {
			x.abort(task, env)
			return
		}
		x.e.container.onExit = x.run.exited
		x.run.begin(launch{command: task.GetCommand(), env: env, container: task.GetContainer()}, func() {
			x.run.state(mesospb.TaskState_TASK_STARTING)
			x.run.running()
		})
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

// abort ends the executor of an invalid command. The agent settles the task.
func (x *commandExecutor) abort(task *mesospb.TaskInfo, env []string) {
	c := x.e.container
	c.onExit = func(process.Status) { x.agent.destroy(c) }
	x.run.begin(launch{command: noCommand(task.GetCommand()), env: env}, func() { x.run.state(mesospb.TaskState_TASK_STARTING) })
}
