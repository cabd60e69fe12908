package core

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/mesokit/mesokit/framework/app"
)

// Deployment is the way from one version of an application to another.
type Deployment struct {
	Number   uint64          `json:"number"`
	From     uint32          `json:"from"`
	To       uint32          `json:"to"`
	State    DeploymentState `json:"state"`
	Rollback bool            `json:"rollback,omitempty"` // it leads back
	Promoted bool            `json:"promoted,omitempty"` // the canaries were approved
	Failures int             `json:"failures,omitempty"` // of new instances
	Started  int64           `json:"started"`            // Unix milliseconds
	Ended    int64           `json:"ended,omitempty"`
	Text     string          `json:"text,omitempty"` // why it is where it is
	// Switched and Ready count instances that are meant to be on the new version, and those that are up on it.
	Switched int `json:"switched"`
	Ready    int `json:"ready"`
}

// DeploymentState is how far a Deployment is.
type DeploymentState string

// The states of a deployment.
const (
	DeploymentRunning  DeploymentState = "running"
	DeploymentCanary   DeploymentState = "canary"  // the canaries are up: somebody has to promote or roll back
	DeploymentPaused   DeploymentState = "paused"  // by a command
	DeploymentStalled  DeploymentState = "stalled" // too many new instances failed: resume or roll back
	DeploymentDone     DeploymentState = "done"
	DeploymentCanceled DeploymentState = "canceled" // replaced by another, or the application is removed
)

// Active reports whether there is a deployment that is not over yet; stalled and paused ones are not.
func (d *Deployment) Active() bool { return d != nil && d.active() }

// active reports whether the deployment is not over yet.
func (d *Deployment) active() bool {
	return d != nil && d.State != DeploymentDone && d.State != DeploymentCanceled
}

func (d *Deployment) end(s DeploymentState, now int64, text string) {
	d.State, d.Ended, d.Text = s, now, text
}

// deploy starts a deployment to a version.
func (c *Core) deploy(a *appState, to uint32, rollback bool) {
	from := a.rec.Version
	if d := a.rec.Deployment; d.active() {
		d.end(DeploymentCanceled, c.now, "replaced by another deployment")
		c.noteDeployment(a)
		from = a.rec.Base
		if rollback {
			from = a.rec.Version
		}
	}
	a.rec.Deployed++
	a.rec.Deployment = &Deployment{Number: a.rec.Deployed, From: from, To: to, State: DeploymentRunning, Rollback: rollback, Started: c.now}
	if rollback {
		a.rec.Base = to // what was not switched yet is where it should be
	}
	a.rec.Version = to
	c.noteDeployment(a)
	c.changeApp(a)
}

// roll goes on with what has to move: instances of old versions during a deployment, and instances on agents that drain at any time. Both take
// instances down under the same rules: no more than a batch at a time, and never so many that fewer than the minimum share are ready.
func (c *Core) roll(a *appState) {
	d := a.rec.Deployment
	moves := c.moves(a)
	if !d.active() && len(moves) == 0 {
		c.endSurge(a)
		return
	}
	v := a.current()
	rules := v.rules()
	n := a.rec.Instances
	if a.daemon() {
		n = a.inst.count
	}
	ready, busy, switched, ups := 0, 0, 0, 0
	a.inst.all(func(i *Instance) bool {
		up := c.ready(a, i) || i.Outcome == Reached
		if up && !c.unwanted(a, i) {
			ready++
		}
		if !a.daemon() && i.Index >= n {
			return true
		}
		if d.active() && i.Version == d.To {
			switched++
			if up && (i.Task == nil || i.Task.Version == d.To || i.Outcome == Reached) {
				ups++
			}
		}
		if !up && ((d.active() && i.Version == d.To) || i.leaving) {
			busy++
		}
		return true
	})
	if d.active() && (d.Switched != switched || d.Ready != ups) {
		d.Switched, d.Ready = switched, ups
		a.dirty = true
	}
	if d.active() && d.State != DeploymentPaused && d.State != DeploymentStalled && switched == n && ups == n && a.settledSwitch(d.To) {
		c.deployed(a)
		d = nil
		if len(moves) == 0 {
			c.endSurge(a)
			return
		}
	}
	least := a.least()
	room := rules.batch - busy
	blocked := false
	take := func(i *Instance, up bool) bool {
		if room <= 0 {
			return false
		}
		if up && ready-1 < least {
			blocked = true
			return false
		}
		room--
		if up {
			ready--
		}
		return true
	}
	for _, k := range moves {
		if i := a.inst.get(k); take(i, c.ready(a, i)) {
			i = c.edit(a, k)
			i.leaving = true
			c.doom(a, k, "its agent drains")
		}
	}
	if d.active() && d.State == DeploymentRunning {
		limit := n
		if rules.canary > 0 && !d.Promoted && !d.Rollback {
			limit = min(n, rules.canary)
		}
		switchable := limit - switched
		if switchable <= 0 && limit < n && ups >= limit && switched >= limit {
			d.State, d.Text = DeploymentCanary, fmt.Sprintf("%d of %d instances run the new version: promote or roll back", ups, n)
			c.noteDeployment(a)
			a.dirty = true
		}
		looked := a.looks
		a.looks = false
		stuck := ""
		for _, up := range []bool{false, true} { // first those that nobody misses
			a.inst.all(func(i *Instance) bool {
				if switchable <= 0 || !a.daemon() && i.Index >= n {
					return switchable > 0
				}
				is := c.ready(a, i) || i.Outcome == Reached
				if i.Version == d.To || is != up || stuck != "" {
					return stuck == ""
				}
				if i.Live() != nil && v.volumes { // nothing is killed for volumes that can't grow
					why, known := c.growRoom(a, i, v)
					if stuck = why; why != "" || !known {
						a.looks = a.looks || !known
						return why == ""
					}
				}
				if !take(i, is) {
					return room > 0
				}
				switchable--
				c.switchTo(a, i.Index, d.To)
				return true
			})
		}
		switch {
		case stuck != "":
			c.deploymentStuck(a, stuck)
			return
		case a.looks && !looked:
			c.book.Want(v.role, true)
			c.note(Note{Kind: NoteDeployment, App: a.rec.Name, Index: -1, State: "looking", Text: "waiting for offers that show whether volumes can grow"})
		}
	} else {
		a.looks = false
	}
	if blocked && room == rules.batch && // nothing could be taken down, and nothing is
		a.surges() && a.rec.Surge == 0 && n > 0 {
		a.rec.Surge = min(rules.batch, n)
		a.dirty = true
		c.note(Note{Kind: NoteDeployment, App: a.rec.Name, Index: -1, State: "surge", Text: fmt.Sprintf("%d more instances for the time being, so that enough stay ready", a.rec.Surge)})
		c.kick(a)
	}
}

// rules of an update, with defaults.
type rolloutRules struct {
	minHealthy    float64
	batch, canary int
	maxFailures   int
	rollback      bool
}

func (v *version) rules() rolloutRules {
	r := rolloutRules{minHealthy: 0.5, batch: 1, maxFailures: 1}
	u := v.app.Update
	if u == nil {
		return r
	}
	if u.MinHealthy != nil {
		r.minHealthy = min(1, max(0, *u.MinHealthy))
	}
	if u.MaxFailures != nil {
		r.maxFailures = *u.MaxFailures
	}
	r.batch, r.canary, r.rollback = max(1, u.BatchSize), u.Canary, u.Rollback
	return r
}

// least is how many of n instances have to stay ready.
func (v *version) least(n int) int { return int(math.Ceil(v.rules().minHealthy*float64(n) - 1e-9)) }

// least is how many instances have to stay ready while others are taken down.
func (a *appState) least() int {
	n := a.rec.Instances
	if a.daemon() {
		n = a.inst.count
	}
	least := a.current().least(n)
	if !a.surges() && least >= n {
		return n - 1 // they can't be doubled, so that one at a time has to be missed
	}
	return least
}

// surges reports whether more instances than wanted may run for a while: not if each has something that nobody else may have.
func (a *appState) surges() bool {
	v := a.current()
	return !v.volumes && !v.app.Daemon && (v.app.Goal == "" || v.app.Goal == app.GoalRunning)
}

// settledSwitch reports whether no task of another version is left among the wanted instances.
func (a *appState) settledSwitch(to uint32) bool {
	ok := true
	a.inst.all(func(i *Instance) bool {
		if t := i.Live(); t != nil && t.Version != to && i.Index < a.size() && (a.daemon() || i.Index < a.rec.Instances) {
			ok = false
		}
		return ok
	})
	return ok
}

// switchTo has an instance run another version.
func (c *Core) switchTo(a *appState, index int, to uint32) {
	i := c.edit(a, index)
	i.Version = to
	c.forgive(a, i)
	if i.Outcome == GivenUp || i.Outcome == Reached && a.versionOf(to).app.Goal != app.GoalOnce {
		c.setOutcome(a, i, Active)
	}
	if t := i.Live(); t != nil {
		if t.Version != to {
			c.doom(a, index, a.replaces(to, t.Version))
		}
		return
	}
	c.await(a, i)
}

// deployed ends a deployment that has arrived.
func (c *Core) deployed(a *appState) {
	d := a.rec.Deployment
	why := ""
	if d.Rollback {
		why = d.Text // of the deployment that failed
	}
	d.end(DeploymentDone, c.now, why)
	if a.shown(d.From) != a.shown(d.To) { // a restart is nothing to return from
		a.rec.Before = d.From
	}
	a.rec.Base = d.To
	c.dropVersions(a)
	a.dirty = true
	c.noteDeployment(a)
}

func (a *appState) inUse(n uint32) bool {
	used := false
	a.inst.all(func(i *Instance) bool {
		used = i.Version == n || i.Task != nil && i.Task.Version == n
		for _, t := range i.Detached {
			used = used || t.Version == n
		}
		return !used
	})
	return used
}

// numbers lists the versions that are kept, in order.
func (a *appState) numbers() []uint32 {
	var ns []uint32
	for n := range a.versions {
		ns = append(ns, n)
	}
	slices.Sort(ns)
	return ns
}

// endSurge lets the additional instances go, once the others are enough.
func (c *Core) endSurge(a *appState) {
	if a.rec.Surge > 0 {
		ready := 0
		a.inst.all(func(i *Instance) bool {
			if i.Index < a.rec.Instances && (c.ready(a, i) || i.Outcome != Active) {
				ready++
			}
			return i.Index < a.rec.Instances
		})
		if ready < a.current().least(a.rec.Instances) {
			return
		}
		a.rec.Surge = 0
		a.dirty = true
		c.kick(a)
	}
}

// deploymentFailure counts a failure of a new instance, and stops the deployment when there are too many, or when the instance was given up.
func (c *Core) deploymentFailure(a *appState, t *Task, final bool) {
	d := a.rec.Deployment
	if !d.active() || t.Version != d.To || t.Doomed && !t.Failed {
		return
	}
	if !final {
		d.Failures++
	}
	a.dirty = true
	rules := a.current().rules()
	if d.Failures <= rules.maxFailures && !final || d.State == DeploymentStalled {
		return
	}
	c.deploymentStuck(a, fmt.Sprintf("%d new instances have failed, last %s: %s", d.Failures, t.ID, t.why()))
}

// deploymentStuck stops a deployment, or turns it around if the application is to be rolled back then.
func (c *Core) deploymentStuck(a *appState, text string) {
	d, rules := a.rec.Deployment, a.current().rules()
	a.dirty = true
	if rules.rollback && !d.Rollback {
		c.note(Note{Kind: NoteDeployment, App: a.rec.Name, Index: -1, State: "rolling-back", Text: text, Failed: true})
		c.deploy(a, a.rec.Base, true)
		a.rec.Deployment.Text = text
		return
	}
	d.State, d.Text = DeploymentStalled, text
	c.noteDeployment(a)
}

// watchReadiness sets a limit to how long a new instance may take to become ready during a deployment.
func (c *Core) watchReadiness(a *appState, i *Instance, t *Task) {
	if !a.rec.Deployment.active() || t.Version != a.rec.Deployment.To {
		return
	}
	limit := 10 * time.Minute
	if r := a.versionOf(t.Version).app.Readiness; r != nil && r.Timeout > 0 {
		limit = time.Duration(r.Timeout)
	}
	c.timers.add(timer{at: c.now + msOf(limit), kind: timerSlow, app: a.rec.Name, idx: i.Index, id: t.ID})
}

// readyDue handles the timers of readiness.
func (c *Core) readyDue(x timer) {
	a := c.byName[x.app]
	if a == nil {
		return
	}
	i := a.inst.get(x.idx)
	if i == nil || i.Task == nil || i.Task.ID != x.id || i.Task.State.Over() {
		return
	}
	if x.kind == timerSlow && !c.ready(a, i) && !i.Task.Doomed {
		i = c.edit(a, x.idx)
		i.Task.Message = "not ready in time"
		c.note(Note{Kind: NoteInstance, App: i.App, Index: i.Index, Task: i.Task.ID, State: "slow", Text: "not ready in time"})
		c.deploymentFailure(a, i.Task, false)
	}
	c.kick(a)
}

func (c *Core) noteDeployment(a *appState) {
	d := a.rec.Deployment
	text := fmt.Sprintf("deployment %d, version %d to %d", d.Number, a.shown(d.From), a.shown(d.To))
	if d.Text != "" {
		text += ": " + d.Text
	}
	c.note(Note{Kind: NoteDeployment, App: a.rec.Name, Index: -1, State: string(d.State), Text: text, Failed: d.State == DeploymentStalled})
}
