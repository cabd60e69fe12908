package core

import "github.com/mesokit/mesokit/framework/placement"

// steer brings an application to its size and on with its rollout. It is called when something has happened that may matter.
func (c *Core) steer(a *appState) {
	if c.byName[a.rec.Name] != a {
		return // removed meanwhile
	}
	a.changed = true
	if a.daemon() {
		c.steerDaemon(a)
	} else {
		c.resize(a)
	}
	if a.rec.Forced {
		c.abandon(a)
	}
	if a.rec.Removing {
		if a.inst.count == 0 {
			c.removed(a)
		}
		return
	}
	c.roll(a)
}

func (a *appState) daemon() bool { return a.current() != nil && a.current().app.Daemon }

// size is how many instances there are to be.
func (a *appState) size() int {
	if a.rec.Removing {
		return 0
	}
	return a.rec.Instances + a.rec.Surge
}

// unwanted reports whether the instance is to go.
func (c *Core) unwanted(a *appState, i *Instance) bool {
	if a.daemon() {
		return a.rec.Removing || c.fw.Uninstall != "" || c.drains.has(i.Pin)
	}
	return i.Index >= a.size()
}

func (c *Core) resize(a *appState) {
	size := a.size()
	if a.inst.count < size || a.inst.len < size {
		for k := range size {
			if a.inst.get(k) == nil {
				c.add(a, k, "")
			}
		}
	}
	if a.inst.len > size {
		a.inst.from(size, func(i *Instance) bool {
			why := "scaled down"
			if a.rec.Removing {
				why = "the application is removed"
			}
			c.dismiss(a, i.Index, why)
			return true
		})
	}
}

// add makes a new instance, which waits to be launched.
func (c *Core) add(a *appState, index int, pin string) *Instance {
	i := &Instance{App: a.rec.Name, Index: index, Version: a.newVersion(index), Pin: pin, epoch: c.epoch}
	a.inst.set(index, i, c.epoch)
	a.counts.add(i, +1)
	a.changed = true
	if pin != "" {
		a.pins[pin] = index // not written: the next offer brings it again
	} else if i.Version != a.rec.Base {
		c.edit(a, index) // what a restart would not guess is written
	}
	c.await(a, i)
	return i
}

// newVersion is what a new instance runs: the version that is proven, as long as another one is on trial.
func (a *appState) newVersion(index int) uint32 {
	if d := a.rec.Deployment; d.active() && index >= a.rec.Instances {
		return a.rec.Version // surge: made for the new version
	}
	return a.rec.Base
}

// dismiss ends an instance: its task is killed, and when that is over it is dropped.
func (c *Core) dismiss(a *appState, index int, why string) {
	i := a.inst.get(index)
	if i.Live() != nil {
		c.doom(a, index, why)
		return
	}
	i = c.edit(a, index)
	c.notPending(a, i)
	if len(i.Detached) > 0 || i.lingers() {
		return // remembered until they are certainly gone
	}
	c.drop(a, i)
}

// drop removes an instance that has nothing running.
func (c *Core) drop(a *appState, i *Instance) {
	c.notPending(a, i)
	if i.Live() != nil || len(i.Detached) > 0 || i.lingers() {
		return
	}
	c.forgetTask(i.Task)
	if k, ok := a.pins[i.Pin]; ok && k == i.Index {
		delete(a.pins, i.Pin)
	}
	c.unbind(i, true)
	a.counts.add(i, -1)
	a.inst.set(i.Index, nil, c.epoch)
	a.changed = true
}

// steerDaemon drops instances whose agent is gone or being drained. New ones come with offers.
func (c *Core) steerDaemon(a *appState) {
	a.inst.all(func(i *Instance) bool {
		ag := c.agents[i.Pin]
		switch {
		case c.unwanted(a, i):
			if !a.rec.Removing && c.drains.has(i.Pin) && i.Live() != nil && !c.drains.empty(c, i.Pin) {
				return true // daemons leave last
			}
			c.dismiss(a, i.Index, "removed, or its agent drains")
		case i.Live() == nil && len(i.Detached) == 0 && len(i.Volumes) == 0 && (ag == nil || !ag.seen) && c.connected:
			c.drop(a, c.edit(a, i.Index))
		}
		return true
	})
}

// offerDaemons makes instances of daemons for an agent that has none of them. Whether it suits them the placement finds out.
func (c *Core) offerDaemons(ag *agent) {
	for _, a := range c.apps {
		if !a.daemon() || a.rec.Removing || c.fw.Uninstall != "" || c.drains.has(ag.ID) {
			continue
		}
		if k, has := a.pins[ag.ID]; has {
			if i := a.inst.get(k); i != nil {
				for _, t := range i.Detached { // the agent is back: what became of them?
					t.mesosIDs(c.ask.now)
				}
			}
			continue
		}
		free := a.inst.len
		if a.inst.count < a.inst.len {
			for free = 0; a.inst.get(free) != nil; {
				free++
			}
		}
		c.add(a, free, ag.ID)
	}
}

// remove has an application and everything that belongs to it go. With force, what is on agents that are cut off is not waited for.
func (c *Core) remove(a *appState, force bool) {
	if force && !a.rec.Forced {
		a.rec.Forced = true
		c.changeApp(a)
	}
	if a.rec.Removing {
		return
	}
	a.rec.Removing = true
	if a.rec.Deployment.active() {
		a.rec.Deployment.end(DeploymentCanceled, c.now, "the application is removed")
	}
	c.note(Note{Kind: NoteApp, App: a.rec.Name, Index: -1, State: "removing"})
	c.changeApp(a)
}

// removed forgets an application that has nothing left.
func (c *Core) removed(a *appState) {
	for k, x := range c.apps {
		if x == a {
			c.apps = append(c.apps[:k:k], c.apps[k+1:]...)
			break
		}
	}
	delete(c.byName, a.rec.Name)
	for _, n := range a.numbers() {
		c.del(versionKey(a.rec.Name, n))
	}
	c.del(keyApp + a.rec.Name)
	c.forgetHistory(a.rec.Name)
	a.dirty = false
	c.note(Note{Kind: NoteApp, App: a.rec.Name, Index: -1, State: "removed"})
}

// abandon takes tasks on agents that are cut off for gone. Should one turn up, it is killed.
func (c *Core) abandon(a *appState) {
	a.inst.all(func(i *Instance) bool {
		for _, t := range append([]*Task{i.Live()}, i.Detached...) {
			if t == nil || t.State.Reachable() {
				continue
			}
			i = c.edit(a, i.Index)
			x, _ := i.find(t.ID) // the copy
			c.orphans.leave(x)
			c.note(Note{Kind: NoteWarning, App: i.App, Index: i.Index, Task: x.ID, Agent: x.Agent, State: "left-behind", Text: "given up by command: the task may run on, until its agent comes back"})
			c.happen(a, i, x, SawGone, nil)
		}
		return true
	})
}

func agentNamed(id string) *placement.Agent { return &placement.Agent{ID: id} }
