package core

import (
	"slices"
	"time"

	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// asking is the state of reconciliation: which tasks the master was asked for and has not answered for yet.
type asking struct {
	open     map[string]struct{} // asked, not answered
	fresh    []string            // to be asked at the end of this Apply
	attempt  int
	due      int64 // of the next repetition, 0: none
	implicit bool  // ask for everything once all is answered
	period   int64 // of the next round without cause
	sweep    []string
}

const maxReconcileRetry = time.Minute

func (q *asking) init() { q.open = map[string]struct{}{} }

// now asks for a task at the end of this Apply, and again until there is an answer.
func (q *asking) now(id string) {
	q.fresh = append(q.fresh, id)
}

func (q *asking) answered(id string) { delete(q.open, id) }

// reconcileAll asks for every task that is not over: at the start of a session nothing is certain.
func (c *Core) reconcileAll() {
	q := &c.ask
	clear(q.open)
	q.fresh, q.sweep, q.attempt = q.fresh[:0], nil, 0
	q.fresh = c.liveIDs(q.fresh)
	q.implicit = true
	q.period = 0
	if len(q.fresh) == 0 {
		c.reconcileImplicit()
	}
}

func (c *Core) liveIDs(ids []string) []string {
	add := func(id string) { ids = append(ids, id) }
	for _, a := range c.apps {
		a.inst.all(func(i *Instance) bool {
			if t := i.Live(); t != nil {
				t.mesosIDs(add)
			}
			for _, t := range i.Detached {
				t.mesosIDs(add)
			}
			return true
		})
	}
	c.orphans.each(func(o *Orphan) { add(o.TaskID) })
	return ids
}

// sendAsked makes RECONCILE calls of what is to be asked.
func (c *Core) sendAsked() {
	q := &c.ask
	if !c.connected {
		q.fresh = q.fresh[:0]
		return
	}
	if len(q.fresh) > 0 {
		for _, id := range q.fresh {
			q.open[id] = struct{}{}
		}
		c.reconcile(q.fresh)
		q.fresh = q.fresh[:0]
		if q.due == 0 {
			q.attempt = 0
			c.repeatAfter()
		}
	}
	if q.implicit && len(q.open) == 0 {
		c.reconcileImplicit()
	}
}

// reconcileImplicit asks for everything that the master knows: tasks that nobody here knows come to light.
func (c *Core) reconcileImplicit() {
	c.ask.implicit = false
	c.call(reconcileCall(nil))
	c.probeAgents()
	if c.cfg.ReconcileEvery > 0 && c.ask.period <= c.now {
		c.ask.period = c.now + msOf(c.cfg.ReconcileEvery)
		c.timers.add(timer{at: c.ask.period, kind: timerPeriodic})
	}
}

func (c *Core) repeatAfter() {
	q := &c.ask
	wait := c.cfg.ReconcileRetry
	for n := 0; n < q.attempt && wait < maxReconcileRetry; n++ {
		wait *= 2
	}
	q.attempt++
	q.due = c.now + msOf(min(wait, maxReconcileRetry))
	c.timers.add(timer{at: q.due, kind: timerReconcile})
}

// reconcile asks explicitly, in batches.
func (c *Core) reconcile(ids []string) {
	for batch := range slices.Chunk(ids, c.cfg.ReconcileBatch) {
		tasks := make([]*schedulerpb.Call_Reconcile_Task, len(batch))
		for k, id := range batch {
			tasks[k] = &schedulerpb.Call_Reconcile_Task{TaskId: taskID(id), AgentId: agentID(c.agentOf(id))}
		}
		c.call(reconcileCall(tasks))
	}
}

func (c *Core) agentOf(id string) string {
	if at, ok := c.tasks[id]; ok {
		if i := at.app.inst.get(at.index); i != nil {
			if t, _ := i.find(at.id); t != nil {
				return t.Agent
			}
		}
	}
	if o := c.orphans.get(id); o != nil {
		return o.Agent
	}
	return ""
}

// reconcileDue asks again for what was not answered.
func (c *Core) reconcileDue(t timer) {
	q := &c.ask
	if t.at != q.due {
		return
	}
	q.due = 0
	if !c.connected || len(q.open) == 0 {
		return
	}
	ids := make([]string, 0, len(q.open))
	for _, id := range c.liveIDs(nil) {
		if _, open := q.open[id]; open {
			ids = append(ids, id)
		}
	}
	if len(ids) < len(q.open) { // asked for tasks that nobody remembers: no need to insist
		clear(q.open)
		for _, id := range ids {
			q.open[id] = struct{}{}
		}
	}
	if len(ids) == 0 {
		return
	}
	c.reconcile(ids)
	c.repeatAfter()
}

// periodicDue starts a round without cause: for what is unknown here now, for what is unknown there in batches.
func (c *Core) periodicDue(t timer) {
	q := &c.ask
	if t.at != q.period || !c.connected {
		return
	}
	c.reconcileImplicit()
	if len(q.open) > 0 {
		return // a round is under way
	}
	q.sweep = c.liveIDs(nil)
	c.sweepDue(timer{})
}

// sweepDue asks for the next batch of a round; a second apart, so that a large framework is no burst for the master.
func (c *Core) sweepDue(timer) {
	q := &c.ask
	if len(q.sweep) == 0 || !c.connected {
		q.sweep = nil
		return
	}
	n := min(c.cfg.ReconcileBatch, len(q.sweep))
	for _, id := range q.sweep[:n] {
		if _, known := c.tasks[id]; known || c.orphans.get(id) != nil {
			q.now(id)
		}
	}
	if q.sweep = q.sweep[n:]; len(q.sweep) > 0 {
		c.timers.add(timer{at: c.now + 1000, kind: timerSweep})
	}
}

// askAgent asks for everything of ours on an agent.
func (c *Core) askAgent(id string) {
	if ag := c.agents[id]; ag != nil {
		ag.seen = false
		c.agentChanged(id)
		c.book.Forget(id)
		if ag.uses == 0 {
			delete(c.agents, id)
			c.placed.Forget(id)
			return
		}
	}
	for _, a := range c.apps {
		if c.placed.On(a.rec.Name, id) == 0 && !a.rec.Removing {
			continue
		}
		a.inst.all(func(i *Instance) bool {
			if t := i.Live(); t != nil && t.Agent == id {
				t.mesosIDs(c.ask.now)
			}
			return true
		})
		c.kick(a)
	}
	c.probeAgents()
}

// askReturned asks for tasks that were said to be cut off on an agent that is offered. Those that came back with it have been reported; of those that did not, such
// as one that was launched just before the agent was killed, Mesos says nothing by itself.
func (c *Core) askReturned(id string) {
	for _, a := range c.apps {
		if a.counts.State(Unreachable)+a.counts.State(Stranded) == 0 || c.placed.On(a.rec.Name, id) == 0 {
			continue
		}
		a.inst.all(func(i *Instance) bool {
			if t := i.Live(); t != nil && t.Agent == id && !t.State.Reachable() {
				t.mesosIDs(func(id string) {
					if _, open := c.ask.open[id]; !open {
						c.ask.now(id)
					}
				})
			}
			return true
		})
	}
}
