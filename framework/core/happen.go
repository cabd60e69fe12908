package core

import (
	"strings"
	"time"

	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// happen moves a task through the table and does what follows. i must come from edit, and t be one of its tasks.
func (c *Core) happen(a *appState, i *Instance, t *Task, e Event, s *mesospb.TaskStatus) {
	detached := t != i.Task
	tr := Next(t.State, e)
	from := t.State
	if !detached {
		a.counts.add(i, -1)
	}
	wasUp := t.Up
	t.State = tr.To
	if s != nil && (from != tr.To || s.Message != nil || t.vague()) && (t.Reason != byEngine || tr.To.Over() && e != SawKilled && (!t.Failed || e == SawGone)) {
		t.Reason, t.Message = reasonOf(s), messageOf(s) // but why the engine kills it says more than that it was killed
	}
	if from != tr.To {
		t.Changed = c.now
		t.due, t.replace, t.asked = 0, 0, false
	}
	if e == WantKill {
		t.Doomed = true
	}
	v := a.versionOf(t.Version)
	if holds := v.holds(t); holds && t.Up == 0 {
		t.Up = c.now
		i.leaving = false
		if d := v.readyFor(); d > 0 {
			c.timers.add(timer{at: c.now + d, kind: timerReady, app: a.rec.Name, idx: i.Index, id: t.ID})
		}
	} else if !holds && !(t.State.Over() && from == Running) {
		t.Up = 0 // kept at the end, to see how long it had been up
	}
	if !detached {
		a.counts.add(i, +1)
	}
	c.noteTask(i, t, from, wasUp)
	c.arm(a, t)

	if tr.Does&Kill != 0 {
		c.kill(a, t)
	}
	if tr.Does&Ask != 0 {
		t.mesosIDs(func(id string) { c.ask.now(id) })
	}
	if t.Began && t.State == Running && len(i.Volumes) > 0 && !detached {
		for k := range i.Volumes {
			i.Volumes[k].Confirmed = true
		}
	}
	switch {
	case tr.Does&Free != 0:
		switch {
		case from.Over(): // one that was lost can be reported to have ended, too
		case !t.lingers(v, e, s):
			c.leave(a, t)
		case detached: // nothing waits for it
			c.leave(a, t)
			c.call(shutdownCall(app.ExecutorID(t.firstID()), t.Agent))
		default:
			c.linger(a, t)
		}
		c.freed(a, i, t, detached, tr.Does, s)
	case tr.Does&Detach != 0 && !detached:
		c.detach(a, i)
	case from.Over() && !t.State.Over():
		c.back(a, i, t)
	}
	if detached && t.State.Reachable() {
		c.notPending(a, i) // first it has to end, which does not take long now
	}
	if t.Up != 0 && wasUp == 0 {
		delete(a.refusals, t.Agent)
	}
	if from != t.State || wasUp != t.Up {
		c.kick(a)
	}
}

// arm sets the timer of a state, if there is none.
func (c *Core) arm(a *appState, t *Task) {
	if t.due != 0 {
		return
	}
	switch t.State {
	case Launching:
		t.due = c.now + msOf(c.cfg.LaunchTimeout)
	case Unreachable, Stranded:
		t.replace = 0
		d, ok := patience(a, t)
		if !ok {
			return
		}
		// Before it is given up the master is asked once more. A new session has asked already.
		wait := min(d, msOf(c.cfg.ReconcileRetry))
		t.replace = max(c.now+wait, t.Changed+d)
		if t.due = t.replace; !t.asked {
			t.due -= wait
		}
	default:
		return // Killing: kill sets it
	}
	c.timers.add(timer{at: t.due, kind: timerTask, id: t.firstID()})
}

// firstID is a Mesos id that the task can be found by.
func (t *Task) firstID() string {
	if len(t.Members) > 0 {
		return t.Members[0].ID
	}
	return t.ID
}

// patience is how long an instance waits for an agent that is cut off; not ok means for ever. Instances with volumes wait for these.
func patience(a *appState, t *Task) (ms int64, ok bool) {
	v := a.versionOf(t.Version)
	u := v.app.Unreachable
	if v.volumes || u != nil && u.Wait {
		return 0, false
	}
	if u == nil || u.ReplaceAfter <= 0 {
		return (5 * time.Minute).Milliseconds(), true
	}
	return time.Duration(u.ReplaceAfter).Milliseconds(), true
}

// rearmAll goes on with the patience for agents that are cut off, now that the master was asked.
func (c *Core) rearmAll() {
	for _, a := range c.apps {
		if a.counts.State(Unreachable)+a.counts.State(Stranded) == 0 {
			continue
		}
		a.inst.all(func(i *Instance) bool {
			if t := i.Task; t != nil && (t.State == Unreachable || t.State == Stranded) {
				t = c.editQuietly(a, i.Index).Task
				t.due, t.asked = 0, false
				c.arm(a, t)
			}
			return true
		})
	}
}

// taskDue handles the timer of a task.
func (c *Core) taskDue(x timer) {
	at, ok := c.tasks[x.id]
	if !ok {
		return
	}
	i := at.app.inst.get(at.index)
	if i == nil {
		return
	}
	if t, _ := i.find(at.id); t == nil || t.due == 0 || t.due > c.now {
		return
	}
	i = c.editQuietly(at.app, at.index)
	t, detached := i.find(at.id)
	t.due = 0
	if t.Lingers {
		c.shutdownDue(at.app, c.edit(at.app, at.index), t)
		return
	}
	switch t.State {
	case Launching, Killing:
		if c.connected {
			c.happen(at.app, i, t, Overdue, nil)
		}
	case Unreachable, Stranded:
		switch {
		case detached || !c.connected: // the next session goes on
		case !t.asked:
			t.asked = true
			t.mesosIDs(c.ask.now)
			c.arm(at.app, t)
		default:
			c.happen(at.app, c.edit(at.app, at.index), t, Despair, nil)
		}
	}
}

// freed decides what comes after a task that is over. The status that said so may be nil.
func (c *Core) freed(a *appState, i *Instance, t *Task, detached bool, does Does, s *mesospb.TaskStatus) {
	if detached {
		for k, d := range i.Detached {
			if d == t {
				i.Detached = append(i.Detached[:k:k], i.Detached[k+1:]...)
				break
			}
		}
		c.forgetTask(t)
		c.await(a, i)
		c.kick(a)
		return
	}
	v := a.versionOf(t.Version)
	goal := v.app.Goal
	switch {
	case does&Achieve != 0 && (goal == app.GoalFinish || goal == app.GoalOnce) && !c.replaced(a, i, t),
		goal == app.GoalOnce && t.Began && (!t.Doomed || t.Failed):
		c.setOutcome(a, i, Reached)
		c.setFailures(a, i, 0, 0, "")
		c.note(Note{Kind: NoteInstance, App: i.App, Index: i.Index, Task: t.ID, State: "reached", Text: "goal " + string(goal) + " reached"})
	case t.Doomed && !t.Failed:
		i.NotBefore = 0
	case does&(Count|Achieve) != 0:
		c.failed(a, i, t, v, s, true)
	case !t.Began || c.now-t.Launched < v.resetAfter():
		c.failed(a, i, t, v, s, tried(s))
	default:
		i.NotBefore = 0 // its agent is gone: not its fault
	}
	c.unbindFailed(i, t)
	if t.State == Lost {
		c.lookFor(i)
	}
	if c.unwanted(a, i) {
		c.kick(a)
		return
	}
	c.await(a, i)
}

// replaced reports whether the task has ended because another version is to take its place.
func (c *Core) replaced(a *appState, i *Instance, t *Task) bool {
	return t.Doomed && t.Version != i.Version
}

// await has an instance launched as soon as it may be.
func (c *Core) await(a *appState, i *Instance) {
	if !i.Waiting() || c.unwanted(a, i) || i.haunted() || i.lingers() {
		return
	}
	if i.NotBefore > c.now {
		c.timers.add(timer{at: i.NotBefore, kind: timerLaunch, app: a.rec.Name, idx: i.Index})
		return
	}
	if !i.pending {
		i.pending = true
		a.pending.add(i.Index)
		c.placeAgain = true
		c.want(a, i)
	}
}

func (c *Core) launchDue(x timer) {
	a := c.byName[x.app]
	if a == nil {
		return
	}
	if i := a.inst.get(x.idx); i != nil && i.Waiting() && !i.pending && i.NotBefore <= c.now {
		c.await(a, c.editQuietly(a, x.idx))
	}
}

// notPending takes an instance out of the waiting ones.
func (c *Core) notPending(a *appState, i *Instance) {
	if i.pending {
		i.pending = false
		a.pending.remove(i.Index)
	}
	delete(a.why, i.Index)
	delete(a.problem, i.Index)
}

// back handles a task that was said to be lost and turns up before it was replaced.
func (c *Core) back(a *appState, i *Instance, t *Task) {
	c.notPending(a, i)
	c.enter(a, t)
	c.note(Note{Kind: NoteInstance, App: i.App, Index: i.Index, Task: t.ID, Agent: t.Agent, State: t.State.String(), Text: "the task was said to be lost, and is there again"})
}

// detach lets an instance go on without a task that may still run where nobody can reach it.
func (c *Core) detach(a *appState, i *Instance) {
	t := i.Task
	a.counts.add(i, -1)
	i.Detached = append(i.Detached, t)
	i.Task = nil
	t.Doomed = true
	a.counts.add(i, +1)
	i.NotBefore = 0
	c.note(Note{Kind: NoteInstance, App: i.App, Index: i.Index, Task: t.ID, Agent: t.Agent, State: "detached",
		Text: "its agent has been cut off for too long: it is replaced, and killed should it come back"})
	c.await(a, i)
	c.kick(a)
}

// enter and leave keep the indexes of what is where.
func (c *Core) enter(a *appState, t *Task) {
	c.useAgent(t.Agent, +1)
	c.placed.Add(a.rec.Name, c.agents[t.Agent].Agent)
}

func (c *Core) leave(a *appState, t *Task) {
	c.placed.Remove(a.rec.Name, t.Agent)
	c.useAgent(t.Agent, -1)
	c.placeAgain = true
}

// forgetTask drops a task from the index: reports of it come from a task that nobody knows from now on.
func (c *Core) forgetTask(t *Task) {
	if t == nil {
		return
	}
	if t.Members == nil {
		delete(c.tasks, t.ID)
		c.ask.answered(t.ID)
	}
	for _, m := range t.Members {
		delete(c.tasks, m.ID)
		c.ask.answered(m.ID)
	}
}

func (c *Core) indexTask(a *appState, index int, t *Task) {
	if t.Members == nil {
		c.tasks[t.ID] = place{a, index, -1, t.ID}
	}
	for k, m := range t.Members {
		c.tasks[m.ID] = place{a, index, k, t.ID}
	}
}

func (c *Core) noteTask(i *Instance, t *Task, from State, wasUp int64) {
	n := Note{App: i.App, Index: i.Index, Task: t.ID, Agent: t.Agent, State: t.State.String()}
	switch {
	case from != t.State:
		n.Kind = NoteTask
		n.Text = strings.TrimLeft(strings.TrimPrefix(t.why(), n.State), ": ")
		n.Failed = t.State == Unreachable || t.State == Stranded || t.State.Over() && !t.Doomed && !strings.HasPrefix(t.Reason, "finished")
	case (wasUp == 0) != (t.Up == 0):
		n.Kind, n.Text = NoteHealth, "not ready any more: "+t.checks()
		if t.Up != 0 {
			n.Text = "ready"
		}
	default:
		return
	}
	c.note(n)
}

// byEngine is the Reason of tasks that the engine kills; the Message says why.
const byEngine = "engine"

// why says in words what was last heard of the task, or why it is killed.
func (t *Task) why() string {
	switch {
	case t.Reason == byEngine || t.Reason == "":
		return t.Message
	case t.Message == "":
		return t.Reason
	}
	return t.Reason + ": " + t.Message
}

// messageOf is the message of a status. That of masters for tasks of an agent that does not answer pings reads as if it was about a check of the task.
func messageOf(s *mesospb.TaskStatus) string {
	if s.GetMessage() == "health check timed out" && s.GetSource() == mesospb.TaskStatus_SOURCE_MASTER {
		return "the agent did not answer the master's pings"
	}
	return clip(s.GetMessage())
}

func reasonOf(s *mesospb.TaskStatus) string {
	text := strings.TrimPrefix(s.GetState().String(), "TASK_")
	if s.Reason != nil {
		text += " " + strings.TrimPrefix(s.GetReason().String(), "REASON_")
	}
	if s.Healthy != nil && !s.GetHealthy() {
		text += " unhealthy"
	}
	return strings.ToLower(text)
}

// clip keeps the beginning of a text, in memory of its own.
func clip(s string) string {
	const most = 600 // Mesos names long paths before it says what is wrong with them
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return strings.Clone(s)
}
