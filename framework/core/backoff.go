package core

import (
	"fmt"
	"time"

	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// Every launch that comes to nothing is followed by a pause that grows, whoever is to blame: the application that fails, the agent that refuses it, or the
// master that drops it. Only what was tried counts against the application's retry policy. An agent that a task did not even begin on is avoided by that
// application for twice as long as the instance waits, so that the next attempt is made elsewhere if there is room.

// refusal is what an application remembers of an agent where launches have failed before their tasks began.
type refusal struct {
	count int   // in a row
	until int64 // the application avoids the agent before
	why   string
}

// failed says when the instance of a task that has ended too early is launched again, if at all. counts: the retry policy counts it.
func (c *Core) failed(a *appState, i *Instance, t *Task, v *version, s *mesospb.TaskStatus, counts bool) {
	r := v.retry()
	failures, excused := i.Failures+1, i.Excused
	if t.Up != 0 && c.now-t.Up >= v.resetAfter() {
		failures, excused = 1, 0
	}
	if !counts {
		excused++
	}
	c.setFailures(a, i, failures, excused, t.why())
	if counts {
		c.deploymentFailure(a, t, false)
	}
	if counts && r.TotalRetries != nil && i.Failures-i.Excused > *r.TotalRetries {
		c.setOutcome(a, i, GivenUp)
		c.deploymentFailure(a, t, true)
		c.note(Note{Kind: NoteFailure, App: i.App, Index: i.Index, Task: t.ID, Agent: t.Agent, State: "given-up",
			Text: fmt.Sprintf("given up after %d retries; restart or update the application to try again: %s", *r.TotalRetries, i.LastFailure)})
		return
	}
	wait := v.pause(i.Failures)
	if counts && r.Backoff != nil && !*r.Backoff {
		wait = v.pause(1)
	}
	if t.Began && !counts && failures == 1 {
		wait = 0 // its agent is gone, which need not happen again
	}
	i.NotBefore = c.now + msOf(wait)
	if atAgent(t, s) {
		c.avoid(a, t.Agent, v, reasonOf(s))
	}
	if counts || i.Failures > 1 { // one offer that was rescinded on the way is nothing to warn about
		c.note(Note{Kind: NoteFailure, App: i.App, Index: i.Index, Task: t.ID, Agent: t.Agent, State: "failing",
			Text: i.failing() + fmt.Sprintf(", next try in %v: ", wait) + i.LastFailure})
	}
}

// failing says how often the instance has failed in a row.
func (i *Instance) failing() string {
	if i.Failures == 1 {
		return "failed once"
	}
	return fmt.Sprintf("failed %d times in a row", i.Failures)
}

// Failing reports whether the instance waits because its last task has failed, or was refused.
func (i *Instance) Failing() bool { return i.Waiting() && i.Failures > 0 }

func (c *Core) setFailures(a *appState, i *Instance, n, excused int, last string) {
	a.counts.add(i, -1)
	i.Failures, i.Excused, i.LastFailure = n, excused, last
	a.counts.add(i, +1)
}

// forgive forgets failures: the next launch need not wait.
func (c *Core) forgive(a *appState, i *Instance) {
	c.setFailures(a, i, 0, 0, "")
	i.NotBefore = 0
	clear(a.refusals)
	c.placeAgain = true
}

// tried reports whether somebody has tried to run a task that was dropped or lost. Otherwise nothing can be concluded about the application.
func tried(s *mesospb.TaskStatus) bool {
	if s == nil || s.Reason == nil {
		return false
	}
	switch s.GetReason() {
	case mesospb.TaskStatus_REASON_INVALID_OFFERS, mesospb.TaskStatus_REASON_RECONCILIATION, mesospb.TaskStatus_REASON_MASTER_DISCONNECTED,
		mesospb.TaskStatus_REASON_FRAMEWORK_REMOVED, mesospb.TaskStatus_REASON_AGENT_DISCONNECTED, mesospb.TaskStatus_REASON_AGENT_DRAINING,
		mesospb.TaskStatus_REASON_AGENT_REMOVED, mesospb.TaskStatus_REASON_AGENT_REMOVED_BY_OPERATOR, mesospb.TaskStatus_REASON_AGENT_REREGISTERED,
		mesospb.TaskStatus_REASON_AGENT_RESTARTED, mesospb.TaskStatus_REASON_AGENT_UNKNOWN, mesospb.TaskStatus_REASON_GC_ERROR,
		mesospb.TaskStatus_REASON_RESOURCES_UNKNOWN:
		return false
	}
	return true
}

// atAgent reports whether it was the agent where a task failed to begin.
func atAgent(t *Task, s *mesospb.TaskStatus) bool {
	return !t.Began && s.GetSource() != mesospb.TaskStatus_SOURCE_MASTER && s != nil && s.Source != nil
}

// avoid has an application leave an agent alone for a while.
func (c *Core) avoid(a *appState, agent string, v *version, why string) {
	r := a.refusals[agent]
	if r == nil {
		r = &refusal{}
		if a.refusals == nil {
			a.refusals = map[string]*refusal{}
		}
		a.refusals[agent] = r
	}
	if r.until <= c.now { // those of one ACCEPT are refused once
		r.count++
	}
	r.until, r.why = c.now+msOf(v.avoidance(r.count)), why
	c.timers.add(timer{at: r.until, kind: timerRefusal, app: a.rec.Name, id: agent})
}

// refusalDue looks at an agent again that was avoided, and forgets long after that it was.
func (c *Core) refusalDue(x timer) {
	a := c.byName[x.app]
	if a == nil || a.refusals[x.id] == nil || a.refusals[x.id].until > c.now {
		return
	}
	_, most := a.current().backoff()
	switch forget := a.refusals[x.id].until + 2*msOf(most); {
	case forget <= c.now:
		delete(a.refusals, x.id)
	default:
		c.timers.add(timer{at: forget, kind: timerRefusal, app: x.app, id: x.id})
		if a.pending.n > 0 {
			c.placeAgain = true
		}
	}
}

// avoided lists, for the placement, which applications leave which agents alone at the moment.
func (c *Core) avoided() map[string]map[string]string {
	var list map[string]map[string]string
	for _, a := range c.apps {
		for id, r := range a.refusals {
			if r.until <= c.now {
				continue
			}
			if list == nil {
				list = map[string]map[string]string{}
			}
			if list[a.rec.Name] == nil {
				list[a.rec.Name] = map[string]string{}
			}
			list[a.rec.Name][id] = r.why
		}
	}
	return list
}

// restoreRefusals has a restored instance go on avoiding the agent where it could not begin.
func (c *Core) restoreRefusals(a *appState, i *Instance) {
	t := i.Task
	if !i.Failing() || t == nil || t.Began || t.Reason == "" {
		return
	}
	v := a.versionOf(t.Version)
	until := t.Changed + msOf(v.avoidance(i.Failures))
	if r := a.refusals[t.Agent]; until <= c.now || r != nil && r.until >= until {
		return
	}
	c.avoid(a, t.Agent, v, t.Reason)
	a.refusals[t.Agent].count, a.refusals[t.Agent].until = i.Failures, until
	c.timers.add(timer{at: until, kind: timerRefusal, app: a.rec.Name, id: t.Agent})
}

// avoidance is how long an agent is left alone after so many refusals.
func (v *version) avoidance(refusals int) time.Duration {
	_, most := v.backoff()
	return min(2*v.pause(refusals), most)
}

func (v *version) retry() app.Retry {
	if v.app.Retry == nil {
		return app.Retry{}
	}
	return *v.app.Retry
}

// backoff is how long an instance waits after its first failure, and at most.
func (v *version) backoff() (first, most time.Duration) {
	r := v.retry()
	first = orElse(r.Time, time.Second)
	return first, max(first, orElse(r.MaxTime, 5*time.Minute))
}

// pause is how long an instance waits after so many failures.
func (v *version) pause(failures int) time.Duration {
	wait, most := v.backoff()
	for n := 1; n < failures && wait < most; n++ {
		wait *= 2
	}
	return min(wait, most)
}

// resetAfter is how long a task has to be up for earlier failures to be forgotten, in ms.
func (v *version) resetAfter() int64 { return msOf(orElse(v.retry().ResetAfter, 10*time.Second)) }

func orElse(d app.Duration, otherwise time.Duration) time.Duration {
	if d > 0 {
		return time.Duration(d)
	}
	return otherwise
}
