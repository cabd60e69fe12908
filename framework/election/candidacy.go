package election

import (
	"context"
	"errors"
	"iter"
	"maps"
	"sync"
	"time"

	"github.com/mesokit/mesokit/framework/store"
)

// ErrGone is what a Lease's Renew returns (wrapped, if it likes) when the lease cannot be renewed any more.
var ErrGone = errors.New("the lease is gone")

// Candidacy is what an elector tells its candidate; it is for authors of electors. Its methods are called by the function that
// was given to Campaign.
type Candidacy struct {
	parent context.Context // of terms

	mu      sync.Mutex
	status  Status
	serial  int // of status
	shown   int // serial of the last status whose loop body has returned
	changed chan struct{}
	cancel  context.CancelCauseFunc // of the term, nil if there is none
}

// Campaign is Elector.Run for authors of electors. run campaigns, in a goroutine of its own, until its ctx ends, which is when the loop has been left and
// nobody leads any more; then it gives up whatever it holds and returns. If it returns an error before, that
// is the last element.
func Campaign(ctx context.Context, run func(ctx context.Context, c *Candidacy) error) iter.Seq2[Status, error] {
	return func(yield func(Status, error) bool) {
		c := &Candidacy{parent: ctx, changed: make(chan struct{})}
		// The end of ctx ends terms, but what the candidate holds is given up only when its body has returned.
		inner, stop := context.WithCancel(context.WithoutCancel(ctx))
		done := make(chan error, 1)
		go func() { done <- run(inner, c) }()
		finished := false
		defer func() {
			c.end(context.Canceled)
			stop()
			if !finished {
				<-done
			}
		}()
		seen := 0
		for {
			status, serial, changed := c.current()
			if serial > seen && ctx.Err() == nil {
				seen = serial
				if !yield(status, nil) {
					return
				}
				c.acknowledge(serial)
				continue
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			case err := <-done:
				finished = true
				c.end(ErrLost)
				if err != nil && ctx.Err() == nil {
					yield(Status{}, err)
				}
				return
			}
		}
	}
}

func (c *Candidacy) current() (status Status, serial int, changed <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status, c.serial, c.changed
}

func (c *Candidacy) acknowledge(serial int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shown = serial
	c.wake()
}

// wake lets everybody look again; c.mu is held.
func (c *Candidacy) wake() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// set makes status the current one; c.mu is held.
func (c *Candidacy) set(status Status) {
	c.status = status
	c.serial++
	c.wake()
}

// end ends the term, if there is one.
func (c *Candidacy) end(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel != nil {
		c.cancel(cause)
		c.cancel = nil
	}
}

// Follow tells that another candidate leads, or, if leader is nil, that nobody is known to. It does nothing if that is known.
func (c *Candidacy) Follow(leader *Info) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.serial > 0 && c.status.Term == nil && same(c.status.Leader, leader) {
		return
	}
	c.set(Status{Leader: leader})
}

func same(a, b *Info) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.ID == b.ID && a.URL == b.URL && maps.Equal(a.Labels, b.Labels)
}

// Begin begins a term of this candidate, info being what it told about itself. It must be followed by End before the next Begin.
func (c *Candidacy) Begin(info Info, token store.Token) *Term {
	c.mu.Lock()
	defer c.mu.Unlock()
	ctx, cancel := context.WithCancelCause(c.parent)
	term := &Term{Token: token, ctx: ctx}
	c.cancel = cancel
	c.set(Status{Leader: &info, Term: term})
	return term
}

// End ends the term with ErrLost and waits until the candidate has taken note: the bodies of the loop for the term and for
// its end have returned. It also returns when ctx ends.
func (c *Candidacy) End(ctx context.Context) {
	c.end(ErrLost)
	c.mu.Lock()
	c.set(Status{})
	serial := c.serial
	c.mu.Unlock()
	for {
		c.mu.Lock()
		noted, changed := c.shown >= serial, c.changed
		c.mu.Unlock()
		if noted {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// Lease is leadership for a time.
type Lease struct {
	// Token of the term.
	Token store.Token
	// TTL is how long the service keeps the lease after it was granted or renewed.
	TTL time.Duration
	// Margin is how long before that the term ends. It covers the time that work under the term's context needs to stop, and different speeds of clocks.
	Margin time.Duration
	// Granted is a time before the lease was asked for, or last renewed (time.Now, with its monotonic clock).
	Granted time.Time
	// Renew renews the lease; ErrGone says that it is gone, other errors that trying again may help. Its ctx ends with the lease.
	Renew func(ctx context.Context) error
}

// Hold leads for as long as the lease is renewed: it begins a term, renews the lease every third of its TTL, and ends the term when the lease is gone
// or, by the monotonic clock, Margin before it may be. When the candidate is leaving, the lease is kept until it has left. Hold returns when the
// term is over and the candidate has taken note, or when ctx ends, with the lease as it is; giving it up is left to the caller.
func (c *Candidacy) Hold(ctx context.Context, info Info, lease Lease) {
	valid := lease.TTL - lease.Margin
	until := lease.Granted.Add(valid)
	if !time.Now().Before(until) {
		return // too late already
	}
	c.Begin(info, lease.Token)
	// The timer, and not the loop below, ends the term: whatever that may wait for.
	lost := make(chan struct{})
	guard := time.AfterFunc(time.Until(until), func() {
		c.end(ErrLost)
		close(lost)
	})
	defer guard.Stop()
	interval := lease.TTL / 3
	next := time.NewTimer(time.Until(lease.Granted.Add(interval)))
	defer next.Stop()
	for {
		select {
		case <-next.C:
		case <-ctx.Done():
			return
		case <-lost:
			c.End(ctx)
			return
		}
		sent := time.Now()
		attempt, cancel := context.WithDeadline(ctx, until)
		err := lease.Renew(attempt)
		cancel()
		switch {
		case err == nil:
			// If the timer has fired meanwhile, the term is over and stays so.
			if until = sent.Add(valid); guard.Stop() {
				guard.Reset(time.Until(until))
			}
			next.Reset(time.Until(sent.Add(interval)))
		case errors.Is(err, ErrGone):
			c.End(ctx)
			return
		default:
			next.Reset(interval / 4)
		}
	}
}
