package sim

import (
	"maps"
	"time"

	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// simStore is the store that all processes share. It refuses writers of earlier terms.
type simStore struct {
	records map[string][]byte
	fence   int64
	wall    time.Duration // what the wall clock was off when times were stored
}

// process is one run of a scheduler: what package framework does, with a cut possible between any two effects.
type process struct {
	w       *world
	eng     *Engine
	token   int64
	alive   bool
	offset  time.Duration // of its clock to the world's: what the wall clock was off when it started
	wall    time.Duration // what the wall clock is off, as far as it knows
	busy    bool          // a commit or its calls are under way
	inbox   []core.Input
	stream  int  // of the subscription; 0 while there is none
	trying  bool // a subscription is being made
	wakeSeq int
}

// start starts a process, which becomes the leader.
func (w *world) start() {
	w.tokens++
	w.store.fence = w.tokens // WithFence: from here on earlier leaders write nothing
	p := &process{w: w, token: w.tokens, alive: true, offset: w.wall, wall: w.wall, eng: &Engine{Config: w.opt.Config, Now: w.now.Add(w.wall), Records: maps.Clone(w.store.records)}}
	if w.opt.Observer != nil {
		w.opt.Observer.Started(p.token, p.eng.Now, p.eng.List())
	}
	if err := p.eng.Restart(); err != nil {
		w.fail("restart: %v", err)
		return
	}
	if w.wall > w.store.wall { // stored times seem to be older than they are, and nobody can know
		w.deceived = w.now
	}
	w.store.wall = w.wall
	w.proc = p
	w.procs = append(w.procs, p)
	w.logf("scheduler %d starts", p.token)
	p.subscribe()
	p.step()
}

// kill ends a process without warning and starts the next one.
func (p *process) kill(why string) {
	if !p.alive {
		return
	}
	p.alive = false
	w := p.w
	w.crashes++
	w.logf("scheduler %d dies: %s", p.token, why)
	for i, x := range w.procs {
		if x == p {
			w.procs = append(w.procs[:i:i], w.procs[i+1:]...)
			break
		}
	}
	w.master.closed(p)
	if w.proc == p {
		w.after(w.between(time.Millisecond, 10*time.Second), func() {
			if w.proc == p {
				w.start()
			}
		})
	}
}

// boundary is between two effects. It reports whether the process is killed here. After TEARDOWN nothing is left to be
// cut: the process only waits for the answer, and ends.
func (p *process) boundary() bool {
	w := p.w
	if w.master.tornDown {
		return false
	}
	w.steps++
	if w.steps == w.opt.CutAt || w.chance(w.opt.Crash) {
		p.kill("cut")
		return true
	}
	return false
}

// input hands something to the process.
func (p *process) input(in core.Input) {
	if p.alive {
		p.inbox = append(p.inbox, in)
		p.step()
	}
}

// step has the core take what has come in, commits, and makes the calls.
func (p *process) step() {
	w := p.w
	if !p.alive || p.busy {
		return
	}
	p.eng.Now = w.now.Add(p.offset)
	for _, in := range p.inbox {
		if in, ok := in.(core.WallClock); ok {
			p.wall = p.offset + in.Ahead
		}
	}
	if len(p.inbox) == 0 && (p.eng.Wake.IsZero() || p.eng.Wake.After(p.eng.Now)) {
		p.wake()
		return
	}
	inputs := p.inbox
	p.inbox = nil
	out := p.eng.Apply(inputs...)
	p.busy = true
	p.check(out)
	if w.opt.Observer != nil {
		w.opt.Observer.Applied(p.token, p.eng.Now, inputs, out)
	}
	if w.opt.Log {
		for _, n := range out.Notes {
			w.logf("  %d: %s %s/%d %s %s %s %s", p.token, n.Kind, n.App, n.Index, n.Task, n.Agent, n.State, n.Text)
		}
		for _, c := range out.Calls {
			w.logf("  %d: calls %v %s", p.token, c.GetType(), c.GetKill().GetTaskId().GetValue())
		}
	}
	slow := w.between(0, 20*time.Millisecond)
	if w.chance(0.01) {
		slow = w.between(0, 20*time.Second)
	}
	wall := p.wall
	w.after(slow, func() { p.commit(out, wall) })
}

// commit stores what a round has decided, by what the wall clock was then.
func (p *process) commit(out *core.Effects, wall time.Duration) {
	w := p.w
	if !p.alive || p.boundary() {
		return
	}
	if len(out.Writes) > 0 {
		if w.store.fence > p.token {
			p.kill("fenced")
			return
		}
		if w.chance(0.003) { // the shell tries again until it passes
			w.logf("commit fails")
			w.after(w.between(100*time.Millisecond, 5*time.Second), func() { p.commit(out, wall) })
			return
		}
		for _, op := range out.Writes {
			if op.Kind == store.OpDelete {
				delete(w.store.records, op.Key)
			} else {
				w.store.records[op.Key] = op.Value
			}
		}
		w.store.wall = wall
	}
	for _, r := range out.Replies {
		w.user.replied(p, r)
	}
	for _, n := range out.Notes {
		if n.State == "detached" {
			w.detached(n.Task, n.Agent)
		}
	}
	p.send(out.Calls)
}

// send makes calls one after the other.
func (p *process) send(calls []*schedulerpb.Call) {
	w := p.w
	for i, c := range calls {
		if !p.alive || p.boundary() {
			return
		}
		if p.stream == 0 {
			p.inbox = append(p.inbox, core.CallFailed{Call: c, Refused: true, Error: "disconnected"})
			continue
		}
		stream := p.stream
		if w.chance(0.002) { // the connection breaks; nobody knows whether the call has arrived
			arrives := w.rng.IntN(2) == 0
			w.logf("%v is lost: arrives %v", c.GetType(), arrives)
			if arrives {
				w.master.call(stream, c)
			}
			p.inbox = append(p.inbox, core.CallFailed{Call: c, Error: "connection reset"})
			w.master.sever()
			continue
		}
		if d := w.between(0, 2*time.Millisecond); d > time.Millisecond {
			rest := calls[i:]
			w.after(d, func() {
				if p.alive {
					w.master.call(stream, rest[0])
					p.send(rest[1:])
				}
			})
			return
		}
		w.master.call(stream, c)
	}
	p.busy = false
	p.step()
}

// wake arranges for the next step without input.
func (p *process) wake() {
	if p.eng.Wake.IsZero() {
		return
	}
	p.wakeSeq++
	seq := p.wakeSeq
	p.w.after(max(0, p.eng.Wake.Sub(p.w.now.Add(p.offset))), func() {
		if seq == p.wakeSeq {
			p.step()
		}
	})
}

// subscribe tries until the process is subscribed.
func (p *process) subscribe() {
	if p.trying || !p.alive {
		return
	}
	p.trying = true
	p.w.after(p.w.between(0, 2*time.Second), func() {
		p.trying = false
		if !p.alive || p.stream != 0 {
			return
		}
		id, ok := p.eng.Core.FrameworkID()
		if !ok {
			return
		}
		if p.busy { // the id may be in a commit that is under way
			p.subscribe()
			return
		}
		if !p.w.master.subscribe(p, id) {
			p.subscribe()
		}
	})
}

// check looks at effects for what must not be.
func (p *process) check(out *core.Effects) {
	written := map[string]bool{}
	for _, op := range out.Writes {
		written[op.Key] = true
	}
	for _, c := range out.Calls {
		for _, t := range launchedTasks(c) {
			if !written["instance/"+instanceOf(t.GetTaskId().GetValue())] {
				p.w.fail("task %s is launched without a record", t.GetTaskId().GetValue())
			}
		}
	}
}
