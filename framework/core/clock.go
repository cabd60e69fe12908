package core

import (
	"fmt"
	"time"
)

// Two clocks: c.now and c.time only measure what passes, and all waits go by them. The wall clock, which may be stepped, is ahead of them by c.ahead. It
// is for people, for windows of maintenance, and for records: the process that reads these has only the wall clock in common with the one that wrote
// them.

func (c *Core) wall() time.Time { return c.time.Add(c.ahead) }

// wallClock takes in that the wall clock was stepped. Records of those that wait for something are written again.
func (c *Core) wallClock(in WallClock) {
	if c.ahead == in.Ahead {
		return
	}
	c.note(Note{Kind: NoteWarning, Index: -1, Text: fmt.Sprintf("the wall clock was set by %v; waits go by the time that passes", in.Ahead-c.ahead)})
	c.ahead, c.placeAgain = in.Ahead, true // maintenance may be nearer
	for _, a := range c.apps {
		a.changed = true // snapshots show wall time
		a.inst.all(func(i *Instance) bool {
			if i.NotBefore > c.now || i.Live() != nil && (!i.Task.State.Reachable() || !c.ready(a, i)) {
				c.edit(a, i.Index)
			}
			return true
		})
	}
}

// onWall turns the times of a record into those of the wall clock.
func (r instanceRecord) onWall(ahead time.Duration) instanceRecord {
	by := msOf(ahead)
	if r.NotBefore != 0 {
		r.NotBefore += by
	}
	if r.Task != nil {
		r.Task.shift(by)
	}
	for _, t := range r.Detached {
		t.shift(by)
	}
	return r
}

func (r *taskRecord) shift(by int64) {
	r.Launched, r.Changed = r.Launched+by, r.Changed+by
	if r.Up != 0 {
		r.Up += by
	}
}

func (r appRecord) onWall(ahead time.Duration) appRecord {
	r.Changed, r.Deployment = r.Changed+msOf(ahead), r.Deployment.onWall(ahead)
	return r
}

// onWall returns a copy.
func (d *Deployment) onWall(ahead time.Duration) *Deployment {
	if d == nil {
		return nil
	}
	copied := *d
	if copied.Started += msOf(ahead); d.Ended != 0 {
		copied.Ended += msOf(ahead)
	}
	return &copied
}

// clampTimes bounds restored times by what they can be if the wall clock is right now: it may have been stepped meanwhile. A time that was ahead of it
// would hold up whatever waits by as much.
func (c *Core) clampTimes(a *appState, i *Instance) {
	_, most := a.versionOf(i.Version).backoff()
	i.NotBefore = min(i.NotBefore, c.now+msOf(most))
	clamp := func(t *Task) {
		t.Launched, t.Changed, t.Up = min(t.Launched, c.now), min(t.Changed, c.now), min(t.Up, c.now)
	}
	if i.Task != nil {
		clamp(i.Task)
	}
	for _, t := range i.Detached {
		clamp(t)
	}
}
