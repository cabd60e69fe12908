package driver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// core is what both drivers share: the status, the callbacks that are due and the goroutine that takes them one by one, and the count of
// the calls under way.
type core struct {
	log         *slog.Logger
	stopTimeout time.Duration
	callTimeout time.Duration

	ctx    context.Context // of all calls; ends stopTimeout after Stop
	cancel context.CancelFunc
	calls  sync.WaitGroup // under way; grows only until DRIVER_STOPPED or over
	sender sender

	wake     chan struct{}  // holds an element if there may be something in queue
	halted   chan struct{}  // closed when callbacks are over: the status has left DRIVER_RUNNING
	stopping chan struct{}  // closed by Stop
	idle     chan struct{}  // closed when the last callback has returned
	released chan struct{}  // closed when nothing of the driver is left
	out      chan *Callback // nil unless the owner of a loop drains it

	mu       sync.Mutex
	status   mesospb.Status
	over     bool        // the conversation is over: no more calls
	expiry   *time.Timer // cancels calls that hang when the driver stops
	failover bool        // what Stop was called with
	queue    fifo[*Callback]
	cause    error // why the driver aborted by itself
	endErr   error // what went wrong while it stopped
	lost     error // why the conversation ended before Stop
}

func newCore(log *slog.Logger, ownLoop bool, callTimeout, stopTimeout time.Duration) *core {
	c := &core{
		log: log, callTimeout: callTimeout, stopTimeout: stopTimeout,
		wake: make(chan struct{}, 1), halted: make(chan struct{}), stopping: make(chan struct{}),
		idle: make(chan struct{}), released: make(chan struct{}),
		status: mesospb.Status_DRIVER_NOT_STARTED,
	}
	if ownLoop {
		c.out = make(chan *Callback)
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// Callback is a call of a method of a Scheduler or Executor that is due. The owner of a loop gets it from Callbacks and has to
// call Call before there will be another.
type Callback struct {
	// Name of the method, such as "ResourceOffers".
	Name string

	core  *core
	run   func()
	after func() // what the driver does when run has returned, unless it has stopped meanwhile
	fatal error  // aborts the driver before run

	state callbackState // guarded by core.mu
	done  chan struct{} // closed when Call has returned, in an own loop
}

type callbackState int

const (
	callbackDue callbackState = iota
	callbackRunning
	callbackOver
)

// Call runs the callback in this goroutine. It does nothing if the driver was stopped or aborted meanwhile, or if it was called before.
func (cb *Callback) Call() {
	c := cb.core
	c.mu.Lock()
	if cb.state != callbackDue {
		c.mu.Unlock()
		return
	}
	run := c.status == mesospb.Status_DRIVER_RUNNING
	if run {
		cb.state = callbackRunning
		if cb.fatal != nil {
			c.cause = cb.fatal
			c.halt(mesospb.Status_DRIVER_ABORTED)
		}
	} else {
		cb.state = callbackOver
	}
	c.mu.Unlock()
	if cb.done != nil {
		defer close(cb.done)
	}
	if !run {
		return
	}
	cb.run()
	if cb.after != nil && c.current() == mesospb.Status_DRIVER_RUNNING {
		cb.after()
	}
}

// halt ends the callbacks. The caller holds mu.
func (c *core) halt(status mesospb.Status) {
	if c.status == mesospb.Status_DRIVER_RUNNING {
		close(c.halted)
	}
	c.status = status
	c.queue.clear()
}

func (c *core) current() mesospb.Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

// enqueue adds a callback, which will never run if the driver does not.
func (c *core) enqueue(cb *Callback) {
	cb.core = c
	if c.out != nil {
		cb.done = make(chan struct{})
	}
	c.mu.Lock()
	if c.status == mesospb.Status_DRIVER_RUNNING {
		c.queue.push(cb)
	}
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// loseConversation notes why there is no conversation any more.
func (c *core) loseConversation(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost = err
}

// fail aborts the driver after everything that is due already, with Error as the last callback.
func (c *core) fail(err error, callError func(error)) {
	if c.current() == mesospb.Status_DRIVER_RUNNING {
		c.log.Error("the driver cannot go on", "error", err)
	}
	c.enqueue(&Callback{Name: "Error", fatal: err, run: func() { callError(err) }})
}

// loop takes the callbacks until there will be no more.
func (c *core) loop() {
	defer close(c.idle)
	if c.out != nil {
		defer close(c.out)
	}
	for cb := c.next(); cb != nil; cb = c.next() {
		if c.out == nil {
			cb.Call()
			continue
		}
		select {
		case c.out <- cb:
		case <-c.halted:
			return
		}
		select {
		case <-cb.done:
		case <-c.halted:
			// Nobody need call it any more; but somebody may have begun to.
			if c.begun(cb) {
				<-cb.done
			}
		}
	}
}

// next waits for a callback; nil means no more.
func (c *core) next() *Callback {
	for {
		c.mu.Lock()
		cb, ok := c.queue.pop()
		over := c.status != mesospb.Status_DRIVER_RUNNING
		c.mu.Unlock()
		switch {
		case over:
			return nil
		case ok:
			return cb
		}
		select {
		case <-c.wake:
		case <-c.halted:
		}
	}
}

func (c *core) begun(cb *Callback) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return cb.state != callbackDue
}

// start makes the driver run: callbacks are taken and converse is called, both on goroutines of their own. converse returns when the
// conversation is over.
func (c *core) start(converse func()) (mesospb.Status, error) {
	status, err := c.apply(opStart, func(m move) { c.status = m.next })
	if err != nil {
		return status, err
	}
	go c.loop() // closes idle, for which Join waits
	go func() { // closes released, for which Join waits
		defer close(c.released)
		converse()
		c.mu.Lock()
		c.over = true
		c.mu.Unlock()
		c.calls.Wait()
		c.sender.wait()
		c.cancel()
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.expiry != nil {
			c.expiry.Stop()
		}
	}()
	return status, nil
}

// apply does what the table of moves says; then is called with mu held if the move is allowed.
func (c *core) apply(op operation, then func(move)) (mesospb.Status, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := moves(op, c.status)
	if !m.allowed {
		return m.answer, &StateError{Op: op.String(), Status: c.status}
	}
	then(m)
	return m.answer, nil
}

func (c *core) stop(failover bool) (mesospb.Status, error) {
	return c.apply(opStop, func(m move) {
		if c.status == m.next {
			return
		}
		c.failover = failover
		c.halt(m.next)
		close(c.stopping)
		// Calls that hang must not keep Join for ever.
		c.expiry = time.AfterFunc(c.stopTimeout, c.cancel)
	})
}

func (c *core) abort() (mesospb.Status, error) {
	return c.apply(opAbort, func(m move) { c.halt(m.next) })
}

// join waits for the end of callbacks and, if the driver was stopped, for everything else.
func (c *core) join() (mesospb.Status, error) {
	if status, err := c.apply(opJoin, func(move) {}); err != nil {
		return status, err
	}
	<-c.idle
	if c.current() == mesospb.Status_DRIVER_STOPPED {
		<-c.released
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	err := errors.Join(c.cause, c.endErr)
	if err == nil && c.status == mesospb.Status_DRIVER_STOPPED && !c.failover {
		err = c.lost // there was nobody left to tell of the end
	}
	return c.status, err
}

// callbacks returns the channel for the owner of a loop, a closed one if there is none.
func (c *core) callbacks() <-chan *Callback {
	if c.out == nil {
		none := make(chan *Callback)
		close(none)
		return none
	}
	return c.out
}

// enter begins a call that the status allows only while the driver runs, and returns its context.
func (c *core) enter(op string) (ctx context.Context, leave func(), status mesospb.Status, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status != mesospb.Status_DRIVER_RUNNING {
		return nil, nil, c.status, &StateError{Op: op, Status: c.status}
	}
	if c.over {
		return nil, nil, c.status, fmt.Errorf("%s: %w", op, ErrDisconnected)
	}
	c.calls.Add(1)
	ctx, cancel := context.WithTimeout(c.ctx, c.callTimeout)
	return ctx, func() { cancel(); c.calls.Done() }, c.status, nil
}

// background makes a call that nobody waits for but the end of the driver, unless it was stopped.
func (c *core) background(f func(ctx context.Context)) {
	c.mu.Lock()
	if c.status == mesospb.Status_DRIVER_STOPPED || c.over {
		c.mu.Unlock()
		return
	}
	c.calls.Add(1)
	c.mu.Unlock()
	c.sender.send(c.ctx, func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, c.callTimeout)
		defer cancel()
		f(ctx)
	}, c.calls.Done)
}

// setEndErr notes what went wrong at the end.
func (c *core) setEndErr(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endErr = err
}
