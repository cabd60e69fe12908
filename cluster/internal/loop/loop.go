// Package loop runs functions one at a time on one goroutine: the heart of the embedded master
// and agents. All state of such an actor is touched only by functions that its loop runs, so
// there is nothing to lock, and what happens is one sequence that tests can reason about.
//
// A Loop is an actor's queue and timers; an Engine is the goroutine that runs them. New makes both at once. Thousands
// of simulated agents share one engine, and a cluster that is to be repeatable runs wholly on one that is ordered.
package loop

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrClosed is returned by Do when the loop no longer runs functions.
var ErrClosed = errors.New("loop: closed")

// Latency is how long what comes from outside takes to an ordered engine. Time passes in a testing/synctest bubble
// only when nothing else can happen: so all that comes at one moment is there when the first of it is taken.
const Latency = time.Microsecond

// Engine is a goroutine that runs the functions of its loops, one at a time: those that were posted, in the order of
// posting, and those that timers bring, in the order of their times and then of their making.
//
// An ordered engine does not leave the order of what comes from outside, by Do and Enter, to chance: it waits Latency, and
// then takes what is there in the order of its keys.
type Engine struct {
	ordered bool
	began   time.Time

	mu     sync.Mutex
	queue  []entry
	timers timerHeap
	seq    uint64
	awake  bool // looks at queue and timers before it sleeps
	closed bool
	wake   chan struct{}
	done   chan struct{}
}

// entry is a function to be run; that of a timer unless the timer was stopped.
type entry struct {
	f     func()
	timer *Timer
}

// NewEngine starts an engine. It runs until Close.
func NewEngine(ordered bool) *Engine {
	e := &Engine{ordered: ordered, began: time.Now(), awake: true, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go e.run()
	return e
}

// Loop returns a new loop that the engine runs.
func (e *Engine) Loop() *Loop { return &Loop{engine: e} }

// Close ends the engine, whose loops must all be closed, and waits for its end.
func (e *Engine) Close() {
	e.mu.Lock()
	e.closed = true
	e.signal()
	e.mu.Unlock()
	<-e.done
}

func (e *Engine) run() {
	defer close(e.done)
	alarm := time.NewTimer(time.Hour)
	defer alarm.Stop()
	var spare []entry
	for {
		e.mu.Lock()
		next := e.collect()
		batch := e.queue
		if len(batch) == 0 {
			e.awake = false
			closed := e.closed
			e.mu.Unlock()
			if closed {
				return
			}
			e.sleep(alarm, next)
			continue
		}
		e.queue = spare
		e.mu.Unlock()
		for i := range batch {
			b := batch[i]
			batch[i] = entry{}
			if b.timer == nil || !b.timer.stopped {
				b.f()
			}
		}
		if spare = nil; cap(batch) <= 1<<16 {
			spare = batch[:0]
		}
	}
}

// sleep waits for a signal, or for the time of the next timer, if that is not negative.
func (e *Engine) sleep(alarm *time.Timer, next time.Duration) {
	if next < 0 {
		<-e.wake
	} else {
		alarm.Reset(next)
		select {
		case <-e.wake:
		case <-alarm.C:
		}
	}
	e.mu.Lock()
	e.awake = true
	e.mu.Unlock()
}

// collect queues the functions of all timers that are due, and returns how long it is to the next, -1 if there is none.
func (e *Engine) collect() time.Duration {
	if len(e.timers) == 0 {
		return -1
	}
	now := e.now()
	for len(e.timers) > 0 {
		t := e.timers[0]
		if t.when > now {
			return t.when - now
		}
		e.timers.remove(t)
		t.unlink()
		e.queue = append(e.queue, entry{t.f, t})
		t.f = nil
	}
	return -1
}

// now is the time of the engine.
func (e *Engine) now() time.Duration { return time.Since(e.began) }

// signal wakes the goroutine up if it sleeps or is about to.
func (e *Engine) signal() {
	if e.awake {
		return
	}
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// Loop runs posted functions in the order of their posting. Its methods are safe for concurrent
// use and may be called from functions that the loop runs, but for Do and Close, which wait.
type Loop struct {
	engine *Engine
	own    bool // the engine is this loop's alone

	closed bool   // guarded by engine.mu, as timers
	timers *Timer // list of those that are pending
}

// New starts a loop with an engine of its own. It runs until Close.
func New() *Loop {
	l := NewEngine(false).Loop()
	l.own = true
	return l
}

// On is New if engine is nil, and a loop of the engine otherwise.
func On(engine *Engine) *Loop {
	if engine == nil {
		return New()
	}
	return engine.Loop()
}

// Post queues f and returns at once; the queue has no bound. It reports false, and drops f, if
// the loop is closed.
func (l *Loop) Post(f func()) bool {
	e := l.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if l.closed {
		return false
	}
	e.queue = append(e.queue, entry{f: f})
	e.signal()
	return true
}

// Enter is Post for what comes from outside: from a goroutine of which the loop does not know when it will call. On an ordered
// engine the key, which should tell one such function from another, decides on the order.
func (l *Loop) Enter(key string, f func()) bool {
	e := l.engine
	if !e.ordered {
		return l.Post(f)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if l.closed {
		return false
	}
	l.add(&Timer{loop: l, f: f, key: key, outside: true}, Latency)
	return true
}

// Do runs f on the loop, as Enter does with the key of ctx, and waits for its end. If ctx ends first f may still run later.
func (l *Loop) Do(ctx context.Context, f func()) error {
	ran := make(chan struct{})
	if !l.Enter(Key(ctx), func() { defer close(ran); f() }) {
		return ErrClosed
	}
	select {
	case <-ran:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Waiting returns how many functions wait for the engine.
func (l *Loop) Waiting() int {
	e := l.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.queue)
}

// Ordered reports whether keys matter.
func (l *Loop) Ordered() bool { return l.engine.ordered }

// Close stops all timers, lets the functions that are queued already run, and waits for the end.
func (l *Loop) Close() {
	e := l.engine
	ran := make(chan struct{})
	e.mu.Lock()
	if l.closed {
		e.mu.Unlock()
		return
	}
	l.closed = true
	for t := l.timers; t != nil; t = l.timers {
		e.timers.remove(t)
		t.unlink()
		if t.outside {
			e.queue = append(e.queue, entry{f: t.f})
		}
		t.f = nil
	}
	e.queue = append(e.queue, entry{f: func() { close(ran) }})
	e.signal()
	e.mu.Unlock()
	<-ran
	if l.own {
		e.Close()
	}
}

type keyOfContext struct{}

// WithKey gives what is done in the name of ctx a key.
func WithKey(ctx context.Context, key string) context.Context {
	return context.WithValue(ctx, keyOfContext{}, key)
}

// Key returns the key of a context, "" if it has none.
func Key(ctx context.Context) string {
	key, _ := ctx.Value(keyOfContext{}).(string)
	return key
}
