package core

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// Orphan is a task of this framework that the stored state does not know. It is reported, and left alone until somebody says what to do: the store
// may be the one that is wrong.
type Orphan struct {
	TaskID string `json:"task_id"`
	Agent  string `json:"agent,omitempty"`
	State  string `json:"state"` // as Mesos calls it
	Seen   int64  `json:"seen"`  // Unix milliseconds of the first report
	// Killing: it was told to go, see KillOrphan.
	Killing bool `json:"killing,omitempty"`

	confirmed bool // by an answer to a question, not by a status that may be late
	attempts  int  // of kills
	due       int64
}

// orphans holds the unknown tasks. They are not stored: the master tells of them again.
type orphans struct {
	byID map[string]*Orphan
	ids  []string // sorted
	// left are tasks that were replaced while Mesos said that they were gone: should one turn up, it is no orphan but has to go.
	left  map[string]bool
	order []string
	view  []Orphan // in snapshots, as long as they are not dirty
	dirty bool
}

const maxLeft = 10000

func (o *orphans) init() { o.byID, o.left = map[string]*Orphan{}, map[string]bool{} }

func (o *orphans) get(id string) *Orphan { return o.byID[id] }

func (o *orphans) each(f func(*Orphan)) {
	for _, id := range slices.Clone(o.ids) {
		f(o.byID[id])
	}
}

func (o *orphans) remove(id string) {
	if _, ok := o.byID[id]; ok {
		delete(o.byID, id)
		if k, found := slices.BinarySearch(o.ids, id); found {
			o.ids = slices.Delete(o.ids, k, k+1)
		}
		o.dirty = true
	}
}

// leave remembers a lost task that is being replaced.
func (o *orphans) leave(t *Task) {
	ids := []string{t.ID}
	if t.Members != nil {
		ids = ids[:0]
		for _, m := range t.Members {
			ids = append(ids, m.ID)
		}
	}
	for _, id := range ids {
		if len(o.order) >= maxLeft {
			delete(o.left, o.order[0])
			o.order = o.order[1:]
		}
		o.left[id] = true
		o.order = append(o.order, id)
	}
}

// unknownTask handles a report of a task that is not in the books.
func (c *Core) unknownTask(id string, e Event, s *mesospb.TaskStatus) {
	c.ask.answered(id)
	if c.asideTask(id) {
		return
	}
	if memberOver(e) || e == SawUnknown {
		if o := c.orphans.get(id); o != nil && o.confirmed {
			c.note(Note{Kind: NoteOrphan, Index: -1, Task: o.TaskID, Agent: o.Agent, State: "gone", Text: "unknown task is over: " + reasonOf(s)})
		}
		c.orphans.remove(id)
		return
	}
	if c.orphans.left[id] {
		c.call(killCall(strings.Clone(id), strings.Clone(s.GetAgentId().GetValue()), 0, false))
		c.note(Note{Kind: NoteOrphan, Index: -1, Task: strings.Clone(id), State: "killing", Text: "a task that was lost and replaced has turned up: killing it"})
		return
	}
	o := c.orphans.get(id)
	if o == nil {
		if len(c.orphans.ids) >= c.cfg.MaxOrphans {
			return
		}
		o = &Orphan{TaskID: strings.Clone(id), Seen: c.now}
		c.orphans.byID[o.TaskID] = o
		k, _ := slices.BinarySearch(c.orphans.ids, id)
		c.orphans.ids = slices.Insert(c.orphans.ids, k, o.TaskID)
	}
	c.orphans.dirty = true
	o.State = s.GetState().String()
	if a := s.GetAgentId().GetValue(); a != o.Agent && a != "" {
		o.Agent = strings.Clone(a)
	}
	switch {
	case o.confirmed:
	case s.GetReason() != mesospb.TaskStatus_REASON_RECONCILIATION:
		c.ask.now(o.TaskID) // it may be a late report of a task that is long forgotten
	default:
		o.confirmed = true
		c.note(Note{Kind: NoteOrphan, Index: -1, Task: o.TaskID, Agent: o.Agent, State: "found",
			Text: "a task that the stored state does not know (" + o.State + "); adopt or kill it"})
		if c.fw.Orphans == string(ResolveKill) {
			c.killOrphan(o)
		}
	}
}

func (c *Core) killOrphan(o *Orphan) {
	o.Killing = true
	c.orphans.dirty = true
	if !c.connected {
		return
	}
	o.attempts++
	hurry := o.attempts >= 3
	c.call(killCall(o.TaskID, o.Agent, 0, hurry))
	if hurry { // if it has an executor that this engine has started, that bears this name; agents ignore others
		c.call(shutdownCall(app.ExecutorID(o.TaskID), o.Agent))
	}
	o.due = c.now + msOf(killWait(c.cfg.KillRetry, o.attempts))
	c.timers.add(timer{at: o.due, kind: timerOrphan, id: o.TaskID})
}

// orphanDue repeats the kill of an orphan that nothing was heard of.
func (c *Core) orphanDue(t timer) {
	if o := c.orphans.get(t.id); o != nil && o.Killing && o.due == t.at && c.connected {
		c.killOrphan(o)
	}
}

func (c *Core) killOrphans(id string) (string, error) {
	if id != "" {
		o := c.orphans.get(id)
		if o == nil || !o.confirmed {
			return "", fmt.Errorf("%w: no orphan %q", ErrNoTask, id)
		}
		c.killOrphan(o)
		return "killing " + id, nil
	}
	n := 0
	c.orphans.each(func(o *Orphan) {
		if o.confirmed {
			c.killOrphan(o)
			n++
		}
	})
	return fmt.Sprintf("killing %d tasks", n), nil
}

// adopt makes an orphan the task of an instance that has none.
func (c *Core) adopt(in Adopt) (string, error) {
	o := c.orphans.get(in.TaskID)
	if o == nil || !o.confirmed {
		return "", fmt.Errorf("%w: no orphan %q", ErrNoTask, in.TaskID)
	}
	a, err := c.app(in.App)
	if err != nil {
		return "", err
	}
	v := a.current()
	if len(v.app.Group) > 0 || v.volumes || a.daemon() {
		return "", fmt.Errorf("%w: only single tasks without volumes can be adopted, and not by daemons; kill it instead", ErrInvalid)
	}
	index := in.Index
	if index < 0 {
		a.inst.all(func(i *Instance) bool {
			if i.Waiting() && !i.lingers() && i.Index < a.size() {
				index = i.Index
			}
			return index < 0
		})
	}
	if index < 0 && in.Grow && !a.rec.Removing && a.rec.Surge == 0 && a.rec.Instances < maxInstances {
		index = a.rec.Instances
		a.rec.Instances++
		c.resize(a)
		c.changeApp(a)
	}
	i := a.inst.get(index)
	if i == nil {
		return "", fmt.Errorf("%w: no instance of %q waits for a task; let the application grow, or scale it up first", ErrNoInstance, in.App)
	}
	if !i.Waiting() || i.lingers() {
		return "", fmt.Errorf("%w: instance %d of %q has a task", ErrInvalid, index, in.App)
	}
	i = c.edit(a, index)
	c.notPending(a, i)
	c.forgetTask(i.Task)
	a.counts.add(i, -1)
	i.Task = &Task{ID: o.TaskID, Version: i.Version, State: Starting, Began: true, Agent: o.Agent, Launched: o.Seen, Changed: c.now, Reason: "adopted"}
	a.counts.add(i, +1)
	c.orphans.remove(o.TaskID)
	c.indexTask(a, index, i.Task)
	c.enter(a, i.Task)
	c.ask.now(i.Task.ID)
	c.kick(a)
	c.note(Note{Kind: NoteOrphan, App: i.App, Index: index, Task: i.Task.ID, Agent: o.Agent, State: "adopted"})
	return fmt.Sprintf("%s is instance %d of %s", o.TaskID, index, in.App), nil
}

// Guard stands while the engine refuses to act, because acting on what it knows could kill or double tasks that it does not know.
type Guard struct {
	FrameworkID string `json:"framework_id"` // that the master knows
	Tasks       int    `json:"tasks"`        // of that framework, -1: not known
	Why         string `json:"why"`
	// Advice says what to do.
	Advice string `json:"advice"`
}

func (c *Core) guardAgainst(id string, tasks int, why string) {
	g := &Guard{FrameworkID: id, Tasks: tasks, Why: why}
	if id != "" {
		g.Advice = fmt.Sprintf("if the state was lost, restore a backup and start again; else resolve with %q (subscribe as %s and report its tasks), %q (the same, and kill them) or %q (leave them and start as a new framework)",
			ResolveAdopt, id, ResolveKill, ResolveNew)
	} else {
		g.Advice = fmt.Sprintf("its tasks are gone; resolve with %q to start them anew as a new framework", ResolveNew)
	}
	c.guard = g
	c.connected = false
	c.resetOffers()
	c.note(Note{Kind: NoteFramework, Index: -1, State: "guarded", Text: why + ": " + g.Advice})
}

func (c *Core) frameworkKnown(in FrameworkKnown) {
	if c.fw.ID != "" || in.FrameworkID == "" || in.Tasks == 0 || c.guard != nil {
		return
	}
	c.guardAgainst(strings.Clone(in.FrameworkID), in.Tasks, fmt.Sprintf("the master knows framework %s under this name with tasks of its own, but the store is empty", in.FrameworkID))
}

func (c *Core) resolve(in Resolve) (string, error) {
	g := c.guard
	if g == nil {
		return "", ErrNotGuarded
	}
	if in.FrameworkID != g.FrameworkID {
		return "", fmt.Errorf("%w: the framework in question is %q, not %q", ErrInvalid, g.FrameworkID, in.FrameworkID)
	}
	switch in.Choice {
	case ResolveAdopt, ResolveKill:
		if g.FrameworkID == "" {
			return "", fmt.Errorf("%w: there is no framework to %s the tasks of", ErrInvalid, in.Choice)
		}
		if c.fw.ID != "" && c.fw.ID != g.FrameworkID {
			c.loseAll()
		}
		c.fw.ID = g.FrameworkID
		c.fw.Orphans = ""
		if in.Choice == ResolveKill {
			c.fw.Orphans = string(ResolveKill)
		}
	case ResolveNew:
		c.loseAll()
		c.fw.ID = ""
		c.fw.Orphans = ""
	default:
		return "", fmt.Errorf("%w: the choice is %q, %q or %q, not %q", ErrInvalid, ResolveAdopt, ResolveKill, ResolveNew, in.Choice)
	}
	c.fwDirty = true
	c.guard = nil
	c.note(Note{Kind: NoteFramework, Index: -1, State: "resolved", Text: string(in.Choice)})
	return "subscribing", nil
}

// loseAll takes every task for lost: the framework that they belonged to is not this one any more.
func (c *Core) loseAll() {
	for _, a := range c.apps {
		a.inst.all(func(i *Instance) bool {
			if i.Live() == nil && len(i.Detached) == 0 && !i.lingers() {
				return true
			}
			i = c.edit(a, i.Index)
			if i.lingers() {
				c.executorEnded(a, i, i.Task)
			}
			for _, t := range slices.Clone(i.Detached) {
				c.happen(a, i, t, SawGone, nil)
			}
			if t := i.Live(); t != nil {
				t.Reason, t.Message = "framework", "the framework it belonged to is gone"
				c.happen(a, i, t, SawGone, nil)
			}
			return true
		})
		c.kick(a)
	}
}
