package core

import (
	"time"

	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

const maxKillRetry = 5 * time.Minute

// kill sends KILL for what may still run of a task and arms the timer for its repetition. While disconnected nothing is sent: repeatKills does it.
func (c *Core) kill(a *appState, t *Task) {
	if !c.connected {
		return
	}
	t.attempts++
	// Impatience grows: a repeated KILL can only shorten the grace period.
	hurry := t.attempts >= 3
	t.mesosIDs(func(id string) { c.call(killCall(id, t.Agent, 0, hurry)) })
	if v := a.versionOf(t.Version); hurry && t.State == Killing && v.app.HasExecutor() {
		// An executor that does not do as it is told is destroyed by its agent, after its shutdown grace period.
		c.call(shutdownCall(app.ExecutorID(t.firstID()), t.Agent))
		if t.attempts == 3 {
			c.note(Note{Kind: NoteWarning, App: a.rec.Name, Index: c.tasks[t.firstID()].index, Task: t.ID, Agent: t.Agent, State: t.State.String(),
				Text: "the executor does not kill the task: it is shut down"})
		}
	}
	if t.State != Killing {
		return // the answer of the master, or the return of the agent, decides
	}
	wait := killWait(c.cfg.KillRetry, t.attempts)
	if !hurry {
		wait += grace(a.versionOf(t.Version))
	}
	t.due = c.now + msOf(wait)
	c.timers.add(timer{at: t.due, kind: timerTask, id: t.firstID()})
}

// killWait is the time until the next attempt.
func killWait(wait time.Duration, attempts int) time.Duration {
	for n := 1; n < attempts && wait < maxKillRetry; n++ {
		wait *= 2
	}
	return min(wait, maxKillRetry)
}

// grace is the longest kill grace period among the tasks of an instance; Mesos' own default is 3 s.
func grace(v *version) time.Duration {
	g := 3 * time.Second
	if k := v.app.KillGracePeriod; k != nil {
		g = max(g, time.Duration(*k))
	}
	for _, m := range v.app.Group {
		if m.KillGracePeriod != nil {
			g = max(g, time.Duration(*m.KillGracePeriod))
		}
	}
	return g
}

// repeatKills sends again, in a new session, what an earlier one may not have brought to its end.
func (c *Core) repeatKills() {
	c.eachLingering(func(a *appState, i *Instance) {
		t := c.editQuietly(a, i.Index).Task
		t.attempts, t.executorSeen = 0, false
		c.shutDown(a, t)
	})
	for _, a := range c.apps {
		a.inst.all(func(i *Instance) bool {
			if !i.haunted() && (i.Task == nil || i.Task.State != Killing || !i.Task.Doomed) {
				return true
			}
			i = c.editQuietly(a, i.Index)
			for _, t := range append([]*Task{i.Task}, i.Detached...) {
				if t != nil && t.State == Killing && t.Doomed {
					t.attempts = 0
					c.kill(a, t)
				}
			}
			return true
		})
	}
	c.orphans.each(func(o *Orphan) {
		if o.Killing {
			o.attempts = 0
			c.killOrphan(o)
		}
	})
}

// doom wants the instance's task dead, or the instance gone if there is none.
func (c *Core) doom(a *appState, index int, why string) {
	i := a.inst.get(index)
	if i == nil {
		return
	}
	if i.Live() == nil {
		return
	}
	if i.Task.Doomed && i.Task.State != Launching && i.Task.State != Starting && i.Task.State != Running {
		return
	}
	i = c.edit(a, index)
	i.Task.Reason, i.Task.Message = byEngine, why
	c.happen(a, i, i.Task, WantKill, (*mesospb.TaskStatus)(nil))
}
