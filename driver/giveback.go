package driver

import (
	"context"
	"errors"
	"time"

	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

const (
	// giveBackLate is how long an ACCEPT that broke off may still be on its way; a DECLINE that overtakes it would void it.
	giveBackLate = 10 * time.Second
	// giveBackTries bounds the attempts, which take about a minute.
	giveBackTries  = 12
	firstGiveBack  = 100 * time.Millisecond
	longestBetween = 10 * time.Second
)

// giveBack declines offers beside everything else, after a call that should have spent them has failed: the scheduler thinks no more
// of them, and the master would hold them for it until the subscription ends. It tries until the master has answered, the offers are void because the
// subscription has ended, or callbacks are over. A master ignores the DECLINE of an offer that was used.
func (d *MesosSchedulerDriver) giveBack(offers []*mesospb.OfferID, filters *mesospb.Filters, failure error) {
	if len(offers) == 0 || errors.Is(failure, ErrDisconnected) {
		return
	}
	d.mu.Lock()
	connection := d.connected
	d.mu.Unlock()
	call := scheduler.Decline(offers, filters)
	var wait time.Duration
	if maybeTaken(failure) {
		wait = giveBackLate
	}
	d.core.aside(func(ctx context.Context) {
		for range giveBackTries {
			if !d.core.sleep(ctx, wait) {
				return
			}
			d.mu.Lock()
			same := d.connected == connection
			d.mu.Unlock()
			if !same {
				return
			}
			try, cancel := context.WithTimeout(ctx, d.cfg.CallTimeout)
			err := d.session.call(try, call)
			cancel()
			if err == nil || errors.Is(err, ErrDisconnected) {
				return
			}
			d.log.Warn("offers not given back yet", "offers", len(offers), "error", err)
			if status, ok := errors.AsType[*transport.StatusError](err); ok && !status.Temporary() {
				return
			}
			wait = min(2*max(wait, firstGiveBack), longestBetween)
		}
	})
}

// aside runs f on a goroutine of its own, unless callbacks are over. The end of the driver waits for it, so f has to end with them; see sleep.
func (c *core) aside(f func(ctx context.Context)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status != mesospb.Status_DRIVER_RUNNING || c.over {
		return
	}
	c.calls.Add(1)
	go func() { // calls waits for it
		defer c.calls.Done()
		f(c.ctx)
	}()
}

// sleep says whether callbacks still run after a while.
func (c *core) sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.halted:
	case <-ctx.Done():
	}
	return c.current() == mesospb.Status_DRIVER_RUNNING && ctx.Err() == nil
}
