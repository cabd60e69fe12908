package framework

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/placement"
	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// term is one time of leadership: an engine restored from the store, and the goroutines around it.
//
//	session ─┐                        ┌─> calls (lanes) ─> session
//	commands ┼─> queue ─> loop ─> commits ┼─> acknowledgements ─> session
//	timers ──┘            (core)      └─> notes, replies, snapshot
//
// Only the loop touches the core.
type term struct {
	*Framework
	ctx   context.Context
	end   context.CancelCauseFunc
	store store.Store
	wire  *transport.Client
	core  *core.Core
	clock *clock
	queue *queue
	steps chan *step
	calls chan *schedulerpb.Call
	acks  chan *schedulerpb.Call
	wg    sync.WaitGroup

	session sessionBox
	record  *recording
	round   context.Context // of the Apply under way, for the spans of the placer
}

// step is what one round leaves to the goroutines behind the loop.
type step struct {
	effects *core.Effects
	snap    *core.Snapshot
	replies []pendingReply
}

type pendingReply struct {
	to chan<- core.Reply
	core.Reply
}

// lead restores the engine and runs it until ctx ends or something happens that will not pass.
func (f *Framework) lead(ctx context.Context, db store.Store) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	records, err := f.readAll(ctx, db)
	if err != nil {
		return err
	}
	t := &term{Framework: f, ctx: ctx, end: end, store: db, clock: newClock(), queue: newQueue(),
		steps: make(chan *step, 64), calls: make(chan *schedulerpb.Call, 1024), acks: make(chan *schedulerpb.Call, 1024)}
	cfg := f.cfg.Core
	if cfg.Placer == nil { // what the core would do, but with its times taken
		p := cfg.Placement
		p.Filters = append(slices.Clone(p.Filters), app.AttributeFilter(func(d *placement.Demand) *app.App { return t.core.AppOf(d) }))
		cfg.Placer = placement.New(p)
	}
	cfg.Placer = &watchedPlacer{cfg.Placer, t}
	now := t.clock.now()
	if t.core, err = core.Restore(now, cfg, records); err != nil {
		return err
	}
	f.hub.restore(t.core.Past())
	if t.record, err = f.startRecording(now, cfg, records); err != nil {
		return err
	}
	defer t.record.close()
	wire := f.cfg.Transport
	wire.ShareMemory = true // the engine keeps copies
	if t.wire, err = transport.New(wire); err != nil {
		return err
	}
	defer t.wire.Close()

	f.publish(t.core.Snapshot()) // before anybody can ask the leader: it is not without applications
	f.mu.Lock()
	f.term, f.status.Leading, f.status.Leader = t, true, &f.cfg.Info
	f.mu.Unlock()
	f.cfg.Log.Info("leading", "framework", f.cfg.Name)
	defer func() {
		f.trouble(fromStore, "")
		f.trouble(fromMaster, "")
		f.set(func(s *Status) { s.Leading, s.Master, s.Stalled = false, "", "" })
		f.mu.Lock()
		f.term = nil
		f.mu.Unlock()
	}()

	t.wg.Go(t.commitAll)
	t.wg.Go(func() { newLanes(t.send).run(t.ctx, t.calls) })
	for range ackSenders {
		t.wg.Go(t.sendAcks)
	}
	id, ok := t.core.FrameworkID()
	t.wg.Go(func() { t.begin(id == "" && ok && !f.cfg.AssumeNew) })
	if id != "" {
		t.wg.Go(func() { t.checkUser(id) })
	}
	t.loop()
	t.wg.Wait()
	return context.Cause(ctx)
}

// Remote stores try again for as long as they are let: after these times they are left, so that somebody hears of the trouble.
const (
	commitTimeout = 20 * time.Second
	readTimeout   = 2 * time.Minute // for all records at once
	// brokenPatience is how long a store is tried to be opened again until the term, and mostly the process, ends: who starts again may find
	// another disk.
	brokenPatience = 30 * time.Second
	// commandPatience is how long a command waits for its answer.
	commandPatience = 20 * time.Second
)

// readAll reads the stored state, again and again while the store does not answer.
func (f *Framework) readAll(ctx context.Context, db store.Store) ([]store.Record, error) {
	for {
		attempt, cancel := context.WithTimeout(ctx, readTimeout)
		slow := time.AfterFunc(readTimeout/10, func() {
			f.cfg.Log.Warn("still reading the stored state")
			f.trouble(fromStore, "it has not answered yet")
		})
		records, _, err := db.List(attempt, "")
		cancel()
		slow.Stop()
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			f.trouble(fromStore, "")
			return records, err
		}
		f.cfg.Log.Error("reading the stored state failed; trying again", "error", err)
	}
}

// begin finds out, where the store is empty, whether the master knows this framework, submits the configured applications, and
// lets sessions begin.
func (t *term) begin(ask bool) {
	if ask {
		known, err := t.askForFramework()
		if err != nil {
			return
		}
		if known != nil && t.queue.put(t.ctx, *known, nil) != nil {
			return
		}
	}
	for _, a := range t.cfg.Apps {
		text, err := t.do(t.ctx, core.Submit{App: a, Standing: true})
		for stalled := new(StalledError); errors.As(err, &stalled) && t.ctx.Err() == nil; {
			text, err = t.do(t.ctx, core.Submit{App: a, Standing: true})
		}
		switch {
		case err == nil:
			t.cfg.Log.Info("submitted", "app", a.Name, "what", text)
		case t.ctx.Err() == nil:
			t.cfg.Log.Error("not submitted", "app", a.Name, "error", err)
		}
	}
	t.session.allow()
	t.queue.wake()
	if t.cfg.WatchAgents > 0 {
		t.watchAgents()
	}
}

// loop is the only goroutine that touches the core.
func (t *term) loop() {
	defer close(t.steps)
	timer := time.NewTimer(0)
	defer timer.Stop()
	var batch []input
	var inputs []core.Input
	for {
		select {
		case <-t.queue.ready:
		case <-timer.C:
		case <-t.ctx.Done():
			return
		}
		batch = t.queue.take(batch[:0])
		inputs = inputs[:0]
		for _, i := range batch {
			inputs = append(inputs, i.Input)
		}
		now := t.clock.now()
		if ahead, stepped := t.clock.stepped(); stepped {
			inputs = append(inputs, core.WallClock{Ahead: ahead}) // last: replies go by the index
		}
		s := t.apply(now, inputs)
		t.record.round(now, inputs, s.effects)
		for _, r := range s.effects.Replies {
			if to := batch[r.Input].reply; to != nil {
				s.replies = append(s.replies, pendingReply{to, r})
			}
		}
		clear(batch)
		clear(inputs)
		if !s.effects.Wake.IsZero() {
			timer.Reset(s.effects.Wake.Sub(t.clock.now()))
		} else {
			timer.Stop()
		}
		select {
		case t.steps <- s:
		case <-t.ctx.Done():
			return
		}
		t.session.steer(t, s.snap)
	}
}

// apply runs one round.
func (t *term) apply(now time.Time, inputs []core.Input) *step {
	ctx, done := t.spans.start(t.ctx, "round")
	t.round = ctx
	began := time.Now()
	effects := t.core.Apply(now, inputs...)
	s := &step{effects: effects, snap: t.core.Snapshot()}
	took := time.Since(began)
	t.metrics.round(inputs, effects, took)
	done(nil, attr("inputs", len(inputs)), attr("writes", len(effects.Writes)), attr("calls", len(effects.Calls)))
	return s
}

// do gives the engine a command and waits for the answer.
func (t *term) do(ctx context.Context, c core.Command) (string, error) {
	reply := make(chan core.Reply, 1)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer time.AfterFunc(t.commandPatience, func() { cancel(&StalledError{t.commandPatience, t.Status().Trouble}) }).Stop()
	if err := t.queue.put(ctx, c, reply); err != nil {
		return "", err
	}
	select {
	case r := <-reply:
		return r.Text, r.Err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case <-t.ctx.Done():
		select { // it may have come at the last moment
		case r := <-reply:
			return r.Text, r.Err
		default:
			return "", ErrInterrupted
		}
	}
}

// commitAll makes durable what the loop has decided, and only then lets it out. Rounds that wait while a commit is under way are
// committed together.
func (t *term) commitAll() {
	defer close(t.calls)
	defer close(t.acks)
	var group []*step
	for s := range t.steps {
		group = append(group[:0], s)
		for more := true; more && len(group) < cap(t.steps); {
			select {
			case s, ok := <-t.steps:
				if more = ok; ok {
					group = append(group, s)
				}
			default:
				more = false
			}
		}
		var ops []store.Op
		for _, s := range group {
			ops = append(ops, s.effects.Writes...)
		}
		if len(ops) > 0 && !t.commit(ops) {
			break
		}
		for _, s := range group {
			t.release(s)
		}
		clear(group)
	}
	for range t.steps { // the loop ends by itself; what it still decides is void
	}
}

// release lets out what a committed round has decided.
func (t *term) release(s *step) {
	t.publish(s.snap)
	t.hub.publish(s.effects.Notes)
	t.logNotes(s.effects.Notes)
	for _, r := range s.replies {
		r.to <- r.Reply
	}
	for _, c := range s.effects.Calls {
		to := t.calls
		if c.GetType() == schedulerpb.Call_ACKNOWLEDGE {
			to = t.acks
		}
		select {
		case to <- c:
		case <-t.ctx.Done():
			return
		}
	}
	if s.snap.Uninstall == "uninstalled" {
		t.end(errUninstalled)
	}
}

// commit stores operations, again and again until it works. It fails when the term is over or must be.
func (t *term) commit(ops []store.Op) (stored bool) {
	defer t.watchCommit()()
	defer func() {
		if stored {
			t.trouble(fromStore, "")
		}
	}()
	var broken time.Time // since when
	for failures := 0; ; failures++ {
		ctx, done := t.spans.start(t.ctx, "commit")
		began := time.Now()
		ctx, cancel := context.WithTimeout(ctx, commitTimeout)
		_, err := t.store.Commit(ctx, store.Batch{Ops: ops})
		cancel()
		t.metrics.commit(len(ops), time.Since(began), err)
		done(err, attr("operations", len(ops)))
		if err == nil {
			if failures > 0 {
				t.cfg.Log.Info("the store works again")
			}
			return true
		}
		if t.ctx.Err() != nil {
			return false
		}
		var tooLarge *store.TooLargeError
		var key *store.KeyError
		if errors.Is(err, store.ErrFenced) || errors.Is(err, store.ErrClosed) || errors.As(err, &tooLarge) || errors.As(err, &key) {
			t.cfg.Log.Error("storing failed for good", "error", err)
			t.end(err)
			return false
		}
		if !errors.Is(err, store.ErrBroken) {
			broken = time.Time{}
		} else if broken.IsZero() {
			broken = began
		} else if d := time.Since(broken); d > t.brokenPatience {
			t.cfg.Log.Error("the store stays broken; giving up", "error", err, "after", d)
			t.end(fmt.Errorf("after %v: %w", d.Round(time.Second), err))
			return false
		}
		// All operations are writes of the only writer: doing them twice is doing them once, so that it does not matter whether a failed
		// commit has happened.
		wait := min(100*time.Millisecond<<min(failures, 6), 5*time.Second)
		t.cfg.Log.Error("storing failed; nothing is launched or acknowledged until it works", "error", err, "retry_in", wait)
		t.trouble(fromStore, err.Error())
		select {
		case <-time.After(wait):
		case <-t.ctx.Done():
			return false
		}
	}
}

const (
	// ackSenders is how many acknowledgements are under way at once. Their order does not matter: agents send the next update of a
	// task only when the last one is acknowledged.
	ackSenders  = 8
	callTimeout = 30 * time.Second
)

func (t *term) sendAcks() {
	for c := range t.acks {
		t.send(c)
	}
}

// send makes one call, and tells the core if that failed.
func (t *term) send(c *schedulerpb.Call) {
	if t.ctx.Err() != nil {
		return // a term that is over must not act
	}
	ctx, cancel := context.WithTimeout(t.ctx, callTimeout)
	defer cancel()
	ctx, done := t.spans.start(ctx, "call "+c.GetType().String())
	began := time.Now()
	err := t.session.call(ctx, c)
	// A master that has no time has not acted on the call.
	for wait := 50 * time.Millisecond; busy(err) && sleep(ctx, wait); wait = min(2*wait, 2*time.Second) {
		err = t.session.call(ctx, c)
	}
	t.metrics.call(c.GetType(), time.Since(began), err)
	done(err)
	if err == nil || t.ctx.Err() != nil {
		return
	}
	t.cfg.Log.Warn("call failed", "call", c.GetType().String(), "error", err)
	t.queue.push(core.CallFailed{Call: c, Refused: refused(err), Error: err.Error()})
}

func busy(err error) bool {
	return errors.Is(err, transport.ErrUnavailable) || errors.Is(err, transport.ErrTooManyRequests)
}

// sleep waits, unless the context ends before.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// refused says whether the master certainly did not act on a call.
func refused(err error) bool {
	for _, never := range []error{scheduler.ErrDisconnected, scheduler.ErrSessionEnded, scheduler.ErrInvalidCall, errNoSession} {
		if errors.Is(err, never) {
			return true
		}
	}
	status, ok := errors.AsType[*transport.StatusError](err)
	return ok && status.Code < 500
}
