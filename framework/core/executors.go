package core

import (
	"strings"

	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// An executor of an application's own outlives its task: Mesos ends it only when somebody says so, and until then it occupies its resources and keeps an agent
// from being drained. So it is shut down when the task of its instance is over, and the instance lingers until the executor has ended: it is neither launched
// again nor dropped, and its place on the agent counts as taken. Mesos tells of the end by FAILURE, once and only to who is subscribed; what was missed shows in
// the master's list of executors (ExecutorsSeen).

// maxShutdowns is how often an executor is shut down without any sign of it, until it is taken to have ended.
const maxShutdowns = 4

// lingers reports whether the executor of a task that has just ended may live on.
func (t *Task) lingers(v *version, e Event, s *mesospb.TaskStatus) bool {
	if v.app.Executor == nil || t.ExecutorGone {
		return false
	}
	switch e {
	case SawFinished, SawFailed, SawKilled:
		return s.GetState() != mesospb.TaskState_TASK_ERROR && s.GetSource() != mesospb.TaskStatus_SOURCE_AGENT // which tells of what ended with its executor
	}
	return false
}

// linger begins the wait for the end of an executor.
func (c *Core) linger(a *appState, t *Task) {
	t.Lingers, t.attempts = true, 0
	c.lingering++
	c.shutDown(a, t)
}

// shutDown sends SHUTDOWN and arms the timer for its repetition.
func (c *Core) shutDown(a *appState, t *Task) {
	if !c.connected {
		return // repeatKills does it
	}
	t.attempts++
	c.call(shutdownCall(app.ExecutorID(t.firstID()), t.Agent))
	wait := killWait(c.cfg.KillRetry, t.attempts)
	if x := a.versionOf(t.Version).app.Executor; x != nil {
		wait += orElse(x.ShutdownGracePeriod, 0)
	}
	t.due = c.now + msOf(wait)
	c.timers.add(timer{at: t.due, kind: timerTask, id: t.firstID()})
}

// shutdownDue goes on where nothing was heard of an executor.
func (c *Core) shutdownDue(a *appState, i *Instance, t *Task) {
	switch {
	case !c.connected:
	case t.attempts < maxShutdowns || t.executorSeen:
		c.shutDown(a, t)
	default:
		c.note(Note{Kind: NoteWarning, App: i.App, Index: i.Index, Task: t.ID, Agent: t.Agent,
			Text: "no sign of its executor after several SHUTDOWN calls: taking it to have ended"})
		c.executorEnded(a, i, t)
	}
}

// executorEnded lets an instance go on whose executor it has waited for.
func (c *Core) executorEnded(a *appState, i *Instance, t *Task) {
	t.ExecutorGone = true
	if !t.Lingers {
		return
	}
	t.Lingers = false
	c.lingering--
	c.leave(a, t)
	c.await(a, i)
	c.kick(a)
}

// executorFailed takes in that an executor has ended.
func (c *Core) executorFailed(agent, executor string) {
	at, ok := c.tasks[strings.TrimSuffix(executor, app.ExecutorID(""))]
	if !ok {
		return
	}
	if i := at.app.inst.get(at.index); i == nil || i.Task == nil || i.Task.ID != at.id || i.Task.Agent != agent || at.app.versionOf(i.Task.Version).app.Executor == nil {
		return
	}
	i := c.edit(at.app, at.index)
	c.executorEnded(at.app, i, i.Task)
}

// executorsLost takes the executors on an agent that is gone for ended.
func (c *Core) executorsLost(agent string) {
	c.eachLingering(func(a *appState, i *Instance) {
		if i.Task.Agent == agent {
			i = c.edit(a, i.Index)
			c.executorEnded(a, i, i.Task)
		}
	})
}

func (c *Core) eachLingering(f func(*appState, *Instance)) {
	if c.lingering == 0 {
		return
	}
	for _, a := range c.apps {
		a.inst.all(func(i *Instance) bool {
			if i.lingers() {
				f(a, i)
			}
			return true
		})
	}
}

// lingers reports whether the instance waits for the end of its last executor.
func (i *Instance) lingers() bool { return i.Task != nil && i.Task.Lingers }

// ExecutorsSeen tells which executors of the framework the master knows. Whoever watches the operator API passes it on, at least while
// Snapshot.Lingering is above 0.
type ExecutorsSeen struct {
	// Agents that were registered before the executors were asked for: what is not listed there has ended.
	Agents    map[string]bool
	Executors []ExecutorSeen
}

// ExecutorSeen is an executor that is alive, as far as the master knows.
type ExecutorSeen struct{ ID, Agent string }

func (ExecutorsSeen) input() {}

// young is how long an executor may not be in a list that was made meanwhile, and an executor in such a list not in the books.
const young = 60_000

func (c *Core) executorsSeen(in ExecutorsSeen) {
	if !c.connected {
		return
	}
	there := make(map[ExecutorSeen]bool, len(in.Executors))
	for _, x := range in.Executors {
		there[x] = true
	}
	c.eachLingering(func(a *appState, i *Instance) {
		seen := there[ExecutorSeen{app.ExecutorID(i.Task.firstID()), i.Task.Agent}]
		switch {
		case seen:
			c.editQuietly(a, i.Index).Task.executorSeen = true
		case in.Agents[i.Task.Agent] && c.now-i.Task.Launched > young:
			i = c.edit(a, i.Index)
			c.executorEnded(a, i, i.Task)
		}
	})
	if c.now-c.since < young || len(c.ask.open) > 0 || c.ask.implicit {
		return // tasks that nobody knows may not have come to light
	}
	for _, x := range in.Executors {
		c.shutDownLeft(x)
	}
}

// shutDownLeft shuts down an executor that an earlier run of this engine has left: it bears the name that the engine gives, and its task is over.
func (c *Core) shutDownLeft(x ExecutorSeen) {
	task, ok := strings.CutSuffix(x.ID, app.ExecutorID(""))
	if !ok || c.orphans.get(task) != nil {
		return
	}
	if at, known := c.tasks[task]; known {
		i := at.app.inst.get(at.index)
		t, detached := i.find(at.id)
		if t == nil || detached || !t.State.Over() || t.Lingers || at.app.versionOf(t.Version).app.Executor == nil || c.now-t.Changed < young {
			return
		}
		if i.pending || i.NotBefore <= c.now && i.Waiting() {
			c.notPending(at.app, c.editQuietly(at.app, at.index))
		}
		t = c.edit(at.app, at.index).Task
		t.ExecutorGone, t.executorSeen = false, true
		c.enter(at.app, t)
		c.linger(at.app, t)
	} else {
		c.call(shutdownCall(strings.Clone(x.ID), strings.Clone(x.Agent)))
	}
	c.note(Note{Kind: NoteWarning, Index: -1, Task: task, Agent: strings.Clone(x.Agent), Text: "its executor is still there though the task is over: shutting it down"})
}
