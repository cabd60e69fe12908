// Package loop runs functions one at a time on one goroutine: the heart of the embedded master
// and agents. All state of such an actor is touched only by functions that its loop runs, so
// there is nothing to lock, and what happens is one sequence that tests can reason about.
package loop

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrClosed is returned by Do when the loop no longer runs functions.
var ErrClosed = errors.New("loop: closed")

// Loop runs posted functions in the order of their posting. Its methods are safe for concurrent
// use and may be called from functions that the loop runs, but for Do and Close, which wait.
type Loop struct {
	mu     sync.Mutex
	queue  []func()
	wake   chan struct{}
	closed bool
	done   chan struct{}
	timers map[*Timer]struct{}
}

// New starts a loop. It runs until Close.
func New() *Loop {
	l := &Loop{wake: make(chan struct{}, 1), done: make(chan struct{}), timers: map[*Timer]struct{}{}}
	go l.run()
	return l
}

func (l *Loop) run() {
	defer close(l.done)
	for {
		l.mu.Lock()
		batch, closed := l.queue, l.closed
		l.queue = nil
		l.mu.Unlock()
		for _, f := range batch {
			f()
		}
		if len(batch) > 0 {
			continue
		}
		if closed {
			return
		}
		<-l.wake
	}
}

// Post queues f and returns at once; the queue has no bound. It reports false, and drops f, if
// the loop is closed.
func (l *Loop) Post(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.queue = append(l.queue, f)
	l.signal()
	return true
}

func (l *Loop) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Do runs f on the loop and waits for its end. If ctx ends first f may still run later.
func (l *Loop) Do(ctx context.Context, f func()) error {
	ran := make(chan struct{})
	if !l.Post(func() { defer close(ran); f() }) {
		return ErrClosed
	}
	select {
	case <-ran:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close stops all timers, lets the functions that are queued already run, and waits for the end.
func (l *Loop) Close() {
	l.mu.Lock()
	l.closed = true
	timers := l.timers
	l.timers = nil
	l.signal()
	l.mu.Unlock()
	for t := range timers {
		t.timer.Stop()
	}
	<-l.done
}

// Timer is a pending call of After.
type Timer struct {
	loop    *Loop
	timer   *time.Timer
	stopped bool // touched on the loop only
}

// After runs f on the loop after d. The timer is forgotten when the loop closes.
func (l *Loop) After(d time.Duration, f func()) *Timer {
	t := &Timer{loop: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		t.timer = time.NewTimer(0)
		t.timer.Stop()
		return t
	}
	l.timers[t] = struct{}{}
	t.timer = time.AfterFunc(d, func() {
		l.mu.Lock()
		delete(l.timers, t)
		l.mu.Unlock()
		l.Post(func() {
			if !t.stopped {
				f()
			}
		})
	})
	return t
}

// Stop keeps the function from running. Called on the loop, it is certain: the function does not
// run after Stop has returned. Stop of a nil timer does nothing.
func (t *Timer) Stop() {
	if t == nil {
		return
	}
	t.stopped = true
	t.timer.Stop()
	t.loop.mu.Lock()
	delete(t.loop.timers, t)
	t.loop.mu.Unlock()
}
