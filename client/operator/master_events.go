package operator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/masterpb"
)

// DefaultHeartbeatInterval is assumed of a master that names none.
const DefaultHeartbeatInterval = 15 * time.Second

// Subscription is a stream of cluster events. One goroutine reads it; Close and LastReceived may be called from any.
type Subscription struct {
	stream *transport.Stream
	master string
	cause  atomic.Pointer[error] // why it was ended from this side
}

// Subscribe opens a stream of cluster events at the leader. The first event is SUBSCRIBED with the state of the
// whole cluster, later ones tell its changes; AGENT_REMOVED does not come for agents that become unreachable or
// gone. The subscription ends with ctx; the caller closes it. Masters close the oldest of more than 1000
// subscriptions.
func (m *Master) Subscribe(ctx context.Context) (*Subscription, error) {
	var sub *Subscription
	err := m.atLeader(ctx, func(base string) error {
		stream, err := m.transport.Stream(ctx, base+apiPath, masterCall(masterpb.Call_SUBSCRIBE))
		sub = &Subscription{stream: stream, master: base}
		return err
	})
	if err != nil {
		return nil, callError("SUBSCRIBE", err)
	}
	return sub, nil
}

// Master returns the base URL of the master.
func (s *Subscription) Master() string { return s.master }

// LastReceived returns when the last bytes came. Masters send HEARTBEAT every heartbeat_interval_seconds of
// SUBSCRIBED, 15 as a rule.
func (s *Subscription) LastReceived() time.Time { return s.stream.LastReceived() }

// Close ends the subscription.
func (s *Subscription) Close() error { return s.stream.Close() }

func (s *Subscription) abort(cause error) {
	s.cause.CompareAndSwap(nil, &cause)
	_ = s.stream.Close()
}

// Events yields the events in the order in which they come, SUBSCRIBED first, until the stream ends. An orderly
// end just ends the sequence; a broken stream, the end of the context and Close yield a last error. An event
// that cannot be decoded yields a *transport.DecodeError, after which the sequence goes on. The sequence can be
// ranged over again to continue where it was left.
func (s *Subscription) Events() iter.Seq2[*masterpb.Event, error] {
	return func(yield func(*masterpb.Event, error) bool) {
		for {
			event := new(masterpb.Event)
			err := s.stream.Next(event)
			var undecodable *transport.DecodeError
			switch {
			case err == nil:
				if !yield(event, nil) {
					return
				}
			case errors.As(err, &undecodable):
				if !yield(nil, err) {
					return
				}
			case err == io.EOF:
				return
			default:
				if cause := s.cause.Load(); cause != nil {
					err = *cause
				}
				yield(nil, err)
				return
			}
		}
	}
}

// WatchConfig of Master.Watch. The zero value is ready to use.
type WatchConfig struct {
	// MissedHeartbeats is after how many heartbeat intervals of silence a master is taken for dead; 0 means 5,
	// negative never.
	MissedHeartbeats int
	// MaxBackoff bounds the random wait before a new attempt, which grows from 250 ms; 0 means 15 s.
	MaxBackoff time.Duration
	// Disconnected is called, if set, when a subscription has ended or could not be made, with the reason. It
	// runs between two events, in the goroutine of the loop.
	Disconnected func(err error)
}

// ErrNoHeartbeat: nothing came from a master for several heartbeat intervals.
var ErrNoHeartbeat = errors.New("no heartbeat from the master")

// ErrStreamEnded: a master closed its event stream in an orderly way.
var ErrStreamEnded = errors.New("the master closed the event stream")

const firstBackoff = 250 * time.Millisecond

// Watch yields cluster events for as long as the loop goes on. It subscribes at whoever leads, again after
// every loss; each subscription begins with SUBSCRIBED and the state of the cluster, as what happened in
// between is not told. Events are read while the loop is busy, however many there are. The sequence ends with
// ctx, whose error is its last element, or with an error that will not pass by itself, such as
// transport.ErrForbidden. An event that cannot be decoded yields a *transport.DecodeError, after which the
// sequence goes on.
func (m *Master) Watch(ctx context.Context, cfg WatchConfig) iter.Seq2[*masterpb.Event, error] {
	if cfg.MissedHeartbeats == 0 {
		cfg.MissedHeartbeats = 5
	}
	if cfg.MaxBackoff <= 0 {
		cfg.MaxBackoff = 15 * time.Second
	}
	return func(yield func(*masterpb.Event, error) bool) {
		backoff := firstBackoff
		for {
			sub, err := m.Subscribe(ctx)
			if err == nil {
				var more, subscribed bool
				if more, subscribed, err = watchOne(sub, cfg, yield); !more {
					return
				}
				if subscribed {
					backoff = firstBackoff
				}
			} else if ctx.Err() == nil && !mayPass(err) {
				yield(nil, err)
				return
			}
			if ctx.Err() != nil {
				yield(nil, callError("SUBSCRIBE", context.Cause(ctx)))
				return
			}
			if cfg.Disconnected != nil {
				cfg.Disconnected(err)
			}
			timer := time.NewTimer(rand.N(min(backoff, cfg.MaxBackoff)) + 1)
			backoff = min(2*backoff, cfg.MaxBackoff)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
			}
		}
	}
}

// watchOne yields the events of one subscription. more is false if the loop is over; err says why the
// subscription is.
func watchOne(sub *Subscription, cfg WatchConfig, yield func(*masterpb.Event, error) bool) (more, subscribed bool, err error) {
	q := newQueue[watched]()
	var reader sync.WaitGroup
	reader.Go(func() { readWatched(sub, cfg, q) })
	defer func() {
		_ = sub.Close() // which ends the reader
		reader.Wait()
	}()
	for {
		w := q.take()
		if w.end {
			return true, subscribed, w.err
		}
		subscribed = subscribed || w.event.GetType() == masterpb.Event_SUBSCRIBED
		if !yield(w.event, w.err) {
			return false, subscribed, nil
		}
	}
}

// watched is what a reader found: an event, an undecodable one, or the end.
type watched struct {
	event *masterpb.Event
	err   error
	end   bool
}

// readWatched moves events to a queue until the subscription ends.
func readWatched(sub *Subscription, cfg WatchConfig, q *queue[watched]) {
	dog := newWatchdog(sub, cfg.MissedHeartbeats)
	defer dog.stop()
	last := ErrStreamEnded
	for event, err := range sub.Events() {
		if event.GetType() == masterpb.Event_SUBSCRIBED {
			dog.setInterval(event.GetSubscribed().GetHeartbeatIntervalSeconds())
		}
		var undecodable *transport.DecodeError
		if err != nil && !errors.As(err, &undecodable) {
			last = err
			continue
		}
		q.put(watched{event: event, err: err})
	}
	q.put(watched{end: true, err: fmt.Errorf("subscription at %s: %w", sub.master, last)})
}

// watchdog ends a subscription on which nothing comes for some heartbeat intervals.
type watchdog struct {
	sub    *Subscription
	missed int

	mu      sync.Mutex
	limit   time.Duration
	timer   *time.Timer
	stopped bool
}

func newWatchdog(sub *Subscription, missed int) *watchdog {
	w := &watchdog{sub: sub, missed: missed}
	w.setInterval(0)
	return w
}

func (w *watchdog) setInterval(seconds float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.missed < 0 {
		return
	}
	interval := DefaultHeartbeatInterval
	if seconds > 0 && seconds < 1e6 {
		interval = time.Duration(seconds * float64(time.Second))
	}
	w.limit = time.Duration(w.missed) * interval
	if w.timer == nil {
		w.timer = time.AfterFunc(w.limit, w.check)
	} else {
		w.timer.Reset(w.limit)
	}
}

func (w *watchdog) check() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return
	}
	// Bytes count, not events: a big one takes its time on a slow line.
	if left := w.limit - time.Since(w.sub.LastReceived()); left > 0 {
		w.timer.Reset(left)
		return
	}
	w.sub.abort(fmt.Errorf("%w for %v", ErrNoHeartbeat, w.limit))
}

func (w *watchdog) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	if w.timer != nil {
		w.timer.Stop()
	}
}
