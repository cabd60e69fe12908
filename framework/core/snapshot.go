package core

import (
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/placement"
)

// Counts of the instances of an application.
type Counts struct {
	// Tasks by state, Ended and Lost included as long as no successor was launched.
	Tasks [numStates]int
	// Waiting instances have nothing running and want to be launched.
	Waiting int
	// Failing are those of them whose last task has failed or was refused.
	Failing int
	// Up are running and as healthy as asked for.
	Up int
	// Reached and GivenUp instances have nothing running and want nothing.
	Reached, GivenUp int
	Instances        int
}

// State returns the number of tasks in a state.
func (n *Counts) State(s State) int { return n.Tasks[s] }

func (n *Counts) add(i *Instance, by int) {
	n.Instances += by
	if t := i.Task; t != nil {
		n.Tasks[t.State] += by
		if t.State == Running && t.Up != 0 {
			n.Up += by
		}
	}
	switch {
	case i.Live() != nil:
	case i.Outcome == Reached:
		n.Reached += by
	case i.Outcome == GivenUp:
		n.GivenUp += by
	default:
		n.Waiting += by
		if i.Failures > 0 {
			n.Failing += by
		}
	}
}

// Snapshot is the state of a Core at one time. It is immutable and may be read by any number of goroutines. Making one is cheap: it shares everything
// with the core, which copies what it changes afterwards.
type Snapshot struct {
	Time time.Time // of the Apply before
	// Ahead is by how much the wall clock is ahead of Time and of the times of tasks and instances; see WallClock.
	Ahead       time.Duration
	FrameworkID string
	Connected   bool
	Guard       *Guard // nil unless the engine refuses to act
	Uninstall   string // "", "uninstalling", "tearing-down", "uninstalled"
	// Unanswered is how many tasks the master was asked for and has not answered yet.
	Unanswered int
	// Lingering is how many instances wait for the end of an executor of their own; see ExecutorsSeen.
	Lingering int
	Offers    int    // in hand
	Seq       uint64 // of the last note
	Apps      []*App // by name
	// Aside are applications that could not be restored, by name.
	Aside   []Aside
	Orphans []Orphan
	// Leftovers are what instances that are gone have left on agents, until it is really given back.
	Leftovers []Leftover

	agents agentViews
}

// App is an application in a snapshot.
type App struct {
	Name       string
	Instances  int // wanted; 0 for daemons
	Surge      int // more for the time of a deployment
	Removing   bool
	Definition *app.App // of the current version; not to be changed
	Version    uint32
	Versions   []uint32    // kept ones, as Shown has them
	Deployment *Deployment // the last one, nil if there was none
	Counts     Counts
	Changed    time.Time // by a command

	inst     vector
	versions map[uint32]*version
	why      map[int]*placement.Explanation
	whyAll   map[uint32]*placement.Explanation
	problem  map[int]string
}

// Agent is an agent in a snapshot.
type Agent struct {
	*placement.Agent
	Uses int  // tasks and volumes of ours
	Seen bool // it was offered in this session
	// Fate is what the master last said of an agent that was not: "is unreachable"; "" if it has said nothing.
	Fate     string
	Draining bool
	// Maintenance is how the last inverse offer was answered, "" if there was none.
	Maintenance string
}

// Leftover is what one instance that is gone, or has moved, has left on an agent: volumes and the reservations under them, or reservations alone. It is
// given back as soon as it is offered.
type Leftover struct {
	App      string
	Index    int
	Agent    string
	Volumes  []string  // persistence ids
	Since    time.Time // by the wall clock
	Cleaning bool      // the calls for that are made
}

// All yields the instances in the order of their numbers.
func (a *App) All() iter.Seq[*Instance] {
	return func(yield func(*Instance) bool) { a.inst.all(yield) }
}

// Instance returns one instance, nil if there is none of that number.
func (a *App) Instance(index int) *Instance { return a.inst.get(index) }

// Shown returns the number that people know the Version of a task, an instance or a deployment by: that of the definition.
func (a *App) Shown(version uint32) uint32 {
	if v := a.versions[version]; v != nil {
		return v.shown
	}
	return version
}

// ShownDefinition returns the definition that people know by a number, nil if it is not kept.
func (a *App) ShownDefinition(shown uint32) *app.App {
	if v := versionShown(a.versions, shown); v != nil {
		return v.app
	}
	return nil
}

// DefinitionOf returns the definition that a task or an instance was made from, by its Version; nil if it is not kept.
func (a *App) DefinitionOf(version uint32) *app.App {
	if v := a.versions[version]; v != nil {
		return v.app
	}
	return nil
}

// App returns an application, nil if there is none of that name.
func (s *Snapshot) App(name string) *App {
	if k, ok := slices.BinarySearchFunc(s.Apps, name, func(a *App, name string) int { return strings.Compare(a.Name, name) }); ok {
		return s.Apps[k]
	}
	return nil
}

// AsideOf returns an application that was set aside, nil if there is none of that name.
func (s *Snapshot) AsideOf(name string) *Aside {
	for k := range s.Aside {
		if s.Aside[k].App == name {
			return &s.Aside[k]
		}
	}
	return nil
}

// Wall returns a time of a task or instance as the wall clock has it.
func (s *Snapshot) Wall(ms int64) time.Time { return fromMS(ms).Add(s.Ahead) }

// Agents yields the agents in the order of their ids.
func (s *Snapshot) Agents() iter.Seq[*Agent] { return s.agents.all() }

// Agent returns an agent, nil if none of that id is known.
func (s *Snapshot) Agent(id string) *Agent { return s.agents.get(id) }

// Snapshot returns the state as it is now. Call it between Applies, from the goroutine that makes them; give the result to whom you like.
func (c *Core) Snapshot() *Snapshot {
	s := &Snapshot{
		Time: c.time, Ahead: c.ahead, FrameworkID: c.fw.ID, Connected: c.connected, Guard: c.guard, Uninstall: c.fw.Uninstall, Unanswered: len(c.ask.open), Lingering: c.lingering,
		Offers: c.book.Len(), Seq: c.noteSeq, Apps: make([]*App, 0, len(c.apps)),
	}
	for _, a := range c.apps {
		if a.changed || a.view == nil {
			a.changed = false
			a.view = a.snapshot(c.ahead)
		}
		s.Apps = append(s.Apps, a.view)
	}
	s.Aside = c.asides()
	c.showAgents()
	s.agents = c.views
	if c.orphans.dirty {
		c.orphans.dirty, c.orphans.view = false, nil
		c.orphans.each(func(o *Orphan) {
			if o.confirmed {
				c.orphans.view = append(c.orphans.view, *o)
			}
		})
	}
	s.Orphans = c.orphans.view
	s.Leftovers = c.leftovers.show()
	c.epoch++ // from here on what the snapshot shows is copied before it is changed
	return s
}

func (a *appState) snapshot(ahead time.Duration) *App {
	v := &App{
		Name: a.rec.Name, Instances: a.rec.Instances, Surge: a.rec.Surge, Removing: a.rec.Removing, Version: a.rec.Version, Versions: a.shownVersions(),
		Counts: a.counts, Changed: fromMS(a.rec.Changed).Add(ahead), versions: maps.Clone(a.versions),
		why: maps.Clone(a.why), whyAll: maps.Clone(a.whyAll), problem: maps.Clone(a.problem),
	}
	v.inst = a.inst
	v.inst.chunks = slices.Clone(a.inst.chunks)
	if cur := a.current(); cur != nil {
		v.Definition = cur.app
	}
	v.Deployment = a.rec.Deployment.onWall(ahead)
	return v
}
