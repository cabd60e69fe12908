package core

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/store"
)

// command does what a user asks for. A command that is refused changes nothing.
func (c *Core) command(in Command) (string, error) {
	if c.guard != nil {
		if r, ok := in.(Resolve); ok {
			return c.resolve(r)
		}
		return "", fmt.Errorf("%w: %s; %s", ErrGuarded, c.guard.Why, c.guard.Advice)
	}
	if u, ok := in.(Uninstall); ok {
		return c.uninstall(u.Force)
	}
	if c.fw.Uninstall != "" {
		return "", fmt.Errorf("the framework is %w", ErrRemoving)
	}
	switch in := in.(type) {
	case Submit:
		return c.submit(in)
	case SubmitAll:
		return c.submitAll(in)
	case Scale:
		return c.scale(in)
	case Restart:
		return c.restart(in)
	case RestartInstance:
		return c.restartInstance(in)
	case Replace:
		return c.replace(in)
	case Remove:
		if a := c.aside[in.App]; a != nil {
			return c.removeAside(a), nil
		}
		return c.removeApp(in)
	case Pause:
		return c.steerDeployment(in.App, "paused", DeploymentPaused, DeploymentRunning, DeploymentCanary)
	case Resume:
		return c.steerDeployment(in.App, "going on", DeploymentRunning, DeploymentPaused, DeploymentStalled)
	case Promote:
		return c.promote(in)
	case Rollback:
		return c.rollback(in)
	case Adopt:
		return c.adopt(in)
	case KillOrphan:
		return c.killOrphans(in.TaskID)
	case Resolve:
		return "", ErrNotGuarded
	}
	return "", fmt.Errorf("%w: %T", ErrInvalid, in)
}

func (c *Core) removeApp(in Remove) (string, error) {
	a, err := c.app(in.App)
	if in.Force && (a != nil || c.byName[in.App] != nil) {
		a = c.byName[in.App]
	} else if in.Force {
		if what := c.giveUp(in.App); len(what) > 0 {
			return withWhat(in.App+" is removed", what), nil
		}
	}
	if a == nil {
		return "", err
	}
	c.remove(a, in.Force)
	if !in.Force {
		c.probeAgents()
		return "removing " + in.App, nil
	}
	return withWhat("removing "+in.App, c.giveUp(in.App)), nil
}

// app returns an application that commands may be given to.
func (c *Core) app(name string) (*appState, error) {
	a := c.byName[name]
	switch {
	case c.aside[name] != nil:
		return nil, c.aside[name].Refusal()
	case a == nil:
		return nil, fmt.Errorf("%w: %q", ErrNoApp, name)
	case a.rec.Removing:
		return nil, fmt.Errorf("application %q is %w", name, ErrRemoving)
	}
	return a, nil
}

func (c *Core) submit(in Submit) (string, error) {
	if !in.Standing || in.App == nil {
		return c.takeIn(in)
	}
	sum := fmt.Sprintf("%s:%d", in.App.Hash(), in.App.Instances)
	if a := c.byName[in.App.Name]; a != nil && !a.rec.Removing && a.rec.Standing == sum {
		return in.App.Name + " unchanged", nil
	}
	text, err := c.takeIn(in)
	if err == nil {
		a := c.byName[in.App.Name]
		a.rec.Standing = sum
		c.changeApp(a)
	}
	return text, err
}

// submitAll takes in all applications, or none.
func (c *Core) submitAll(in SubmitAll) (string, error) {
	var taking []func() string
	names := map[string]bool{}
	for _, one := range in.All {
		if one.App != nil && names[one.App.Name] {
			return "", fmt.Errorf("%w: application %q is submitted twice", ErrInvalid, one.App.Name)
		}
		take, err := c.prepare(one)
		if err != nil {
			return "", err
		}
		names[one.App.Name] = true
		taking = append(taking, take)
	}
	texts := make([]string, len(taking))
	for i, take := range taking {
		texts[i] = take()
	}
	return strings.Join(texts, "\n"), nil
}

// takeIn adds or updates an application.
func (c *Core) takeIn(in Submit) (string, error) {
	take, err := c.prepare(in)
	if err != nil {
		return "", err
	}
	return take(), nil
}

// prepare checks a submission, and returns what carries it out and tells what is going to happen.
func (c *Core) prepare(in Submit) (take func() string, err error) {
	if in.App == nil || in.App.Name == "" {
		return nil, fmt.Errorf("%w: no application", ErrInvalid)
	}
	name := in.App.Name
	if err := store.ValidateKey(versionKey(name, 1)); err != nil {
		return nil, fmt.Errorf("%w: application name %q can't be a key: %w", ErrInvalid, name, err)
	}
	if in.App.Instances < 0 || in.App.Instances > maxInstances {
		return nil, fmt.Errorf("%w: %d instances; the limit is %d", ErrInvalid, in.App.Instances, maxInstances)
	}
	if data := in.App.Marshal(); len(data) > store.MaxValue-1024 {
		return nil, fmt.Errorf("%w: the definition of %q has %d bytes, more than a store takes; pass large data by URI", ErrInvalid, name, len(data))
	}
	if in.App.Resources.Role == "" && len(c.cfg.Roles) > 1 {
		return nil, fmt.Errorf("%w: application %q names no role, and the framework has %d: set resources.role to one of %q", ErrInvalid, name, len(c.cfg.Roles), c.cfg.Roles)
	}
	old := c.byName[name]
	if c.aside[name] != nil {
		return nil, c.aside[name].Refusal()
	}
	if old == nil {
		v, err := c.newVersion(1, in.App)
		if err != nil {
			return nil, err
		}
		return func() string { return c.addSubmitted(name, v) }, nil
	}
	a, err := c.app(name)
	if err != nil {
		return nil, err
	}
	cur := a.current()
	change := app.Compare(cur.app, in.App)
	if a.rec.Instances != in.App.Instances && change < app.Scale {
		change = app.Scale
	}
	if change >= app.Version && a.rec.Deployment.active() && !in.Force {
		return nil, fmt.Errorf("application %q: %w (%s); use force, or roll back", name, ErrDeploying, a.rec.Deployment.State)
	}
	var v *version
	if change >= app.Policy {
		n := a.rec.LastNumber + 1
		if change == app.Policy {
			n = cur.number
		}
		if v, err = c.newVersion(n, in.App); err != nil {
			return nil, err
		}
		if v.shown = a.nextShown(); change == app.Policy {
			v.shown = cur.shown
		}
	}
	if change >= app.Version {
		if err := c.follow(a, v); err != nil {
			return nil, err
		}
	}
	return func() string { return c.update(a, in, change, v) }, nil
}

// addSubmitted carries out a submission for an application that does not exist.
func (c *Core) addSubmitted(name string, v *version) string {
	a := newAppState(name)
	a.versions[1] = v
	a.rec = appRecord{Name: name, Instances: v.app.Instances, Version: 1, Base: 1, LastNumber: 1}
	c.putVersion(a, v)
	c.addApp(a)
	c.changeApp(a)
	c.note(Note{Kind: NoteApp, App: name, Index: -1, State: "submitted", Text: fmt.Sprintf("%d instances", v.app.Instances)})
	if v.app.Daemon {
		for _, id := range c.seenAgents() {
			c.offerDaemons(c.agents[id])
		}
	}
	c.book.Want(v.role, true)
	return name + " submitted"
}

// update carries out a submission for an application that exists; v is the version to come, nil if the present one stays.
func (c *Core) update(a *appState, in Submit, change app.Change, v *version) string {
	name := a.rec.Name
	text := name + " unchanged"
	if !in.KeepInstances && !in.App.Daemon && a.rec.Instances != in.App.Instances {
		a.rec.Instances = in.App.Instances
		c.changeApp(a)
		text = fmt.Sprintf("%s scaled to %d", name, in.App.Instances)
		c.note(Note{Kind: NoteApp, App: name, Index: -1, State: "scaled", Text: fmt.Sprintf("%d instances", in.App.Instances)})
	}
	switch {
	case change == app.Policy:
		a.versions[v.number] = v
		c.putVersion(a, v)
		c.changeApp(a)
		c.rearm(a)
		text = name + " changed; nothing has to be restarted"
	case change >= app.Version:
		a.rec.LastNumber, a.rec.Shown = v.number, v.shown
		a.versions[v.number] = v
		c.putVersion(a, v)
		c.deploy(a, v.number, false)
		c.book.Want(v.role, true)
		text = fmt.Sprintf("%s: deploying version %d", name, v.shown)
	}
	return text
}

// rearm sets timers again that depend on policies.
func (c *Core) rearm(a *appState) {
	a.inst.all(func(i *Instance) bool {
		if t := i.Live(); t != nil && !t.State.Reachable() {
			i = c.editQuietly(a, i.Index)
			i.Task.due = 0
			c.arm(a, i.Task)
		}
		return true
	})
}

func (c *Core) seenAgents() []string {
	var ids []string
	for id, ag := range c.agents {
		if ag.seen {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// newVersion prepares a version of an application.
func (c *Core) newVersion(number uint32, def *app.App) (*version, error) {
	d := def.Demand()
	if d == nil {
		return nil, fmt.Errorf("%w: the application %q makes no demand", ErrInvalid, def.Name)
	}
	v := &version{number: number, shown: number, created: ms(c.wall()), app: def, hash: def.Hash(), demand: d, role: d.Role, volumes: def.HasVolumes()}
	if d.Group == "" {
		d.Group = def.Name
	}
	d.Constraints = append(d.Constraints, def.Spreading(c.cfg.Pack)...)
	if v.role == "" && len(c.cfg.Roles) > 0 {
		v.role = c.cfg.Roles[0]
		d.Role = v.role
	}
	if len(c.cfg.Roles) > 0 && !slices.Contains(c.cfg.Roles, v.role) {
		return nil, fmt.Errorf("%w: application %q wants role %q, the framework has %q", ErrInvalid, def.Name, v.role, c.cfg.Roles)
	}
	return v, nil
}

func (c *Core) putVersion(a *appState, v *version) {
	c.put(versionKey(a.rec.Name, v.number), schemaVersion, versionRecord{Number: v.number, Shown: v.shown, Created: v.created, App: v.app.Marshal()})
}

func (c *Core) scale(in Scale) (string, error) {
	a, err := c.app(in.App)
	if err != nil {
		return "", err
	}
	if a.daemon() {
		return "", fmt.Errorf("%w: %q is a daemon: it has one instance on each agent", ErrInvalid, in.App)
	}
	if in.Instances < 0 || in.Instances > maxInstances {
		return "", fmt.Errorf("%w: %d instances; the limit is %d", ErrInvalid, in.Instances, maxInstances)
	}
	if a.rec.Instances != in.Instances {
		a.rec.Instances = in.Instances
		c.note(Note{Kind: NoteApp, App: in.App, Index: -1, State: "scaled", Text: fmt.Sprintf("%d instances", in.Instances)})
		c.changeApp(a)
	}
	return fmt.Sprintf("%s scaled to %d", in.App, in.Instances), nil
}

// restart is a deployment of the same definition: people know it by the same number.
func (c *Core) restart(in Restart) (string, error) {
	a, err := c.app(in.App)
	if err != nil {
		return "", err
	}
	if a.rec.Deployment.active() && !in.Force {
		return "", fmt.Errorf("application %q: %w (%s)", in.App, ErrDeploying, a.rec.Deployment.State)
	}
	if a.rec.Shown == 0 {
		a.rec.Shown = a.rec.LastNumber
	}
	a.rec.LastNumber++
	cur := *a.current()
	cur.number, cur.created = a.rec.LastNumber, ms(c.wall())
	a.versions[cur.number] = &cur
	c.putVersion(a, &cur)
	c.deploy(a, cur.number, false)
	return fmt.Sprintf("%s: restarting version %d", in.App, cur.shown), nil
}

// instance returns an instance for changing.
func (c *Core) instance(name string, index int) (*appState, *Instance, error) {
	a, err := c.app(name)
	if err != nil {
		return nil, nil, err
	}
	if a.inst.get(index) == nil {
		return nil, nil, fmt.Errorf("%w: %d of %q", ErrNoInstance, index, name)
	}
	return a, c.edit(a, index), nil
}

func (c *Core) restartInstance(in RestartInstance) (string, error) {
	a, i, err := c.instance(in.App, in.Index)
	if err != nil {
		return "", err
	}
	c.setOutcome(a, i, Active)
	c.forgive(a, i)
	if i.Live() != nil {
		c.doom(a, in.Index, "restarted by command")
		return "killing " + i.Task.ID, nil
	}
	c.await(a, i)
	return "starting", nil
}

// replace starts an instance again, wherever. A task that can't be reached is left behind, to be killed when it comes back: the user says so.
func (c *Core) replace(in Replace) (string, error) {
	a, i, err := c.instance(in.App, in.Index)
	if err != nil {
		return "", err
	}
	if a.daemon() {
		return "", fmt.Errorf("%w: an instance of a daemon belongs to its agent; restart it", ErrInvalid)
	}
	c.setOutcome(a, i, Active)
	c.forgive(a, i)
	c.unbind(i, true)
	c.notPending(a, i)
	if t := i.Live(); t != nil {
		t.Reason, t.Message = byEngine, "replaced by command"
		if t.State.Reachable() {
			c.happen(a, i, t, WantKill, nil)
		} else {
			c.happen(a, i, t, Despair, nil)
		}
		return "replacing " + t.ID, nil
	}
	if i.lingers() {
		c.executorEnded(a, i, i.Task)
	}
	c.await(a, i)
	return "starting anew", nil
}

func (c *Core) steerDeployment(name, text string, to DeploymentState, from ...DeploymentState) (string, error) {
	a, err := c.app(name)
	if err != nil {
		return "", err
	}
	d := a.rec.Deployment
	if !d.active() || !slices.Contains(from, d.State) {
		return "", fmt.Errorf("%w: application %q%s", ErrNoDeployment, name, d.describe())
	}
	if d.State == DeploymentStalled {
		d.Failures = 0
		c.revive(a)
	}
	d.State, d.Text = to, ""
	c.noteDeployment(a)
	c.changeApp(a)
	return text, nil
}

func (d *Deployment) describe() string {
	if d == nil {
		return " was never deployed twice"
	}
	return ", the last one is " + string(d.State)
}

// revive gives instances of the new version another chance.
func (c *Core) revive(a *appState) {
	a.inst.all(func(i *Instance) bool {
		if (i.Outcome == GivenUp || i.Failing()) && i.Version == a.rec.Version {
			i = c.edit(a, i.Index)
			c.setOutcome(a, i, Active)
			c.forgive(a, i)
			c.await(a, i)
		}
		return true
	})
}

func (c *Core) promote(in Promote) (string, error) {
	a, err := c.app(in.App)
	if err != nil {
		return "", err
	}
	d := a.rec.Deployment
	if !d.active() || d.Promoted || a.current().rules().canary == 0 {
		return "", fmt.Errorf("%w: application %q%s", ErrNoDeployment, in.App, d.describe())
	}
	if d.State == DeploymentStalled {
		if !in.Force {
			return "", fmt.Errorf("application %q: %w: %s; roll back, resume to try the canaries again, or use force", in.App, ErrStalled, d.Text)
		}
		d.Failures, d.State, d.Text = 0, DeploymentRunning, ""
		c.revive(a)
	}
	d.Promoted = true
	if d.State == DeploymentCanary {
		d.State, d.Text = DeploymentRunning, ""
	}
	c.noteDeployment(a)
	c.changeApp(a)
	return "going on with all instances", nil
}

func (c *Core) rollback(in Rollback) (string, error) {
	a, err := c.app(in.App)
	if err != nil {
		return "", err
	}
	to := a.rec.Before
	if d := a.rec.Deployment; d.active() {
		if d.Rollback {
			return "", fmt.Errorf("application %q: %w, and it is a rollback", in.App, ErrDeploying)
		}
		to = a.rec.Base
	}
	if in.To != 0 {
		v := versionShown(a.versions, in.To)
		switch {
		case v == nil:
			return "", fmt.Errorf("%w: version %d of %q is not kept; there are %v", ErrNoVersion, in.To, in.App, a.shownVersions())
		case v.shown == a.shown(a.rec.Version):
			return "", fmt.Errorf("%w: %q is at version %d; restart it, if that is what is wanted", ErrInvalid, in.App, in.To)
		}
		if err := c.follow(a, v); err != nil {
			return "", err
		}
		to = v.number
	}
	if to == 0 || a.versions[to] == nil || to == a.rec.Version {
		return "", fmt.Errorf("%w: there is no earlier version of %q", ErrNoDeployment, in.App)
	}
	c.deploy(a, to, true)
	return fmt.Sprintf("%s: rolling back to version %d", in.App, a.shown(to)), nil
}
