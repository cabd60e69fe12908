package executor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/executorpb"
)

// attemptTimeout bounds one attempt to subscribe, from the call to the first event.
const attemptTimeout = 30 * time.Second

// minBackoff keeps an agent that allows no backoff from being asked without pause.
const minBackoff = 10 * time.Millisecond

// keepSubscribed subscribes again and again. It returns nil when the agent has asked for the shutdown or ctx
// has ended, and an *AgentLostError when it gives up.
func (s *Session) keepSubscribed(ctx context.Context) error {
	var (
		began  = time.Now()
		limit  = orDefault(s.cfg.SubscribeTimeout, DefaultSubscribeTimeout)
		reason = ErrSubscribeTimeout
		wait   time.Duration
		last   error
	)
	for {
		if !sleep(ctx, wait) {
			return nil
		}
		left := limit - time.Since(began)
		if left <= 0 {
			return &AgentLostError{Reason: reason, Waited: time.Since(began), Err: last}
		}
		call, ok := s.subscribeCall(ctx)
		if !ok {
			return nil
		}
		sub, err := s.attempt(ctx, call, min(left, attemptTimeout))
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			cause, shutdown := s.read(ctx, sub)
			if ctx.Err() != nil || shutdown {
				return nil
			}
			s.log.LogAttrs(ctx, slog.LevelWarn, "disconnected", errAttr(cause))
			s.inbox.put(brokenItem{cause})
			last = cause
			if !s.cfg.Checkpoint {
				return &AgentLostError{Reason: ErrNotCheckpointing, Err: cause}
			}
			began, limit, reason = time.Now(), orDefault(s.cfg.RecoveryTimeout, DefaultRecoveryTimeout), ErrRecoveryTimeout
		case errors.Is(err, errShutdown):
			return nil
		case !mayResubscribe(err):
			return &AgentLostError{Reason: ErrRefused, Err: err}
		default:
			s.log.LogAttrs(ctx, slog.LevelInfo, "not subscribed yet", errAttr(err))
			last = err
		}
		wait = min(s.backoff(last), max(0, limit-time.Since(began)))
	}
}

// backoff returns a random time up to the limit that the agent gives, so that the executors of an agent that
// restarts do not come all at once. An agent that answers but is not ready will not wait long for its executors
// once it is, so it is asked more often.
func (s *Session) backoff(err error) time.Duration {
	limit := orDefault(s.cfg.SubscriptionBackoffMax, DefaultSubscriptionBackoffMax)
	if errors.Is(err, transport.ErrUnavailable) || errors.Is(err, transport.ErrNotFound) {
		limit /= 4
	}
	return rand.N(max(limit, minBackoff) + 1)
}

// mayResubscribe tells what is worth another attempt: anything but an answer about this executor or its way to ask.
func mayResubscribe(err error) bool {
	var status *transport.StatusError
	if errors.As(err, &status) {
		return status.Temporary()
	}
	var exchange *transport.ExchangeError
	return errors.As(err, &exchange)
}

// subscribeCall makes the call, and has Subscribing look at it in the goroutine of Run.
func (s *Session) subscribeCall(ctx context.Context) (*executorpb.Call_Subscribe, bool) {
	s.mu.Lock()
	call := s.ledger.subscribe()
	s.mu.Unlock()
	if s.handler.Subscribing == nil {
		return call, true
	}
	call = proto.CloneOf(call)
	done := make(chan struct{})
	if s.inbox.put(hookItem{call, done}) {
		select {
		case <-done:
		case <-s.quiet:
		case <-ctx.Done():
			return nil, false
		}
		if closed(done) && !s.finished() {
			return call, true
		}
	}
	// No callbacks run any more, but there may be updates to deliver.
	s.mu.Lock()
	defer s.mu.Unlock()
	call = s.ledger.subscribe()
	return call, len(call.UnacknowledgedUpdates) > 0
}

var errShutdown = errors.New("the agent asked for the shutdown instead of a subscription")

// attempt subscribes and waits for the first event. The subscription that it returns has handled SUBSCRIBED already.
func (s *Session) attempt(ctx context.Context, call *executorpb.Call_Subscribe, limit time.Duration) (*Subscription, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(limit, func() { cancel(fmt.Errorf("no subscription within %v", limit)) })
	defer timer.Stop()
	sub, err := s.client.Subscribe(ctx, call)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	sub.release = cancel
	err = &transport.ExchangeError{URL: s.client.url, Err: ErrStreamEnded}
	for event, eventErr := range sub.Events() {
		switch {
		case eventErr != nil:
			err = eventErr
			var undecodable *transport.DecodeError
			if errors.As(eventErr, &undecodable) {
				continue
			}
		case event.GetType() == executorpb.Event_SUBSCRIBED:
			s.connected(sub, call, event)
			return sub, nil
		case event.GetType() == executorpb.Event_SHUTDOWN:
			s.received(event)
			err = errShutdown
		default:
			continue // nothing is due before SUBSCRIBED
		}
		break
	}
	_ = sub.Close()
	return nil, err
}

func (s *Session) connected(sub *Subscription, call *executorpb.Call_Subscribe, event *executorpb.Event) {
	s.mu.Lock()
	s.subscription = sub
	s.subscribed = event.GetSubscribed()
	s.silent = false
	s.ledger.covered(call)
	s.mu.Unlock()
	s.log.LogAttrs(context.Background(), slog.LevelInfo, "subscribed", slog.String("agent", event.GetSubscribed().GetAgentInfo().GetId().GetValue()))
	s.received(event)
	signal(s.wake)
}

// read passes events on until the stream ends, and says why it did and whether the agent asked for the shutdown.
func (s *Session) read(ctx context.Context, sub *Subscription) (cause error, shutdown bool) {
	watch := s.watch(sub)
	defer watch.stop()
	cause = ErrStreamEnded
	for event, err := range sub.Events() {
		var undecodable *transport.DecodeError
		switch {
		case err == nil:
			if event.GetType() == executorpb.Event_HEARTBEAT {
				watch.start()
			}
			shutdown = shutdown || event.GetType() == executorpb.Event_SHUTDOWN
			s.received(event)
		case errors.As(err, &undecodable):
			s.inbox.put(errorItem{err})
		default:
			cause = err
		}
	}
	_ = sub.Close()
	s.mu.Lock()
	s.subscription = nil
	if ctx.Err() == nil {
		// They are kept for the next subscription; nobody need wait for it.
		s.ledger.releaseAll(nil)
	}
	s.mu.Unlock()
	return cause, shutdown
}

// received takes account of an event and queues it for the handler.
func (s *Session) received(event *executorpb.Event) {
	switch event.GetType() {
	case executorpb.Event_LAUNCH:
		s.mu.Lock()
		s.ledger.addTask(event.GetLaunch().GetTask())
		s.mu.Unlock()
	case executorpb.Event_LAUNCH_GROUP:
		s.mu.Lock()
		for _, task := range event.GetLaunchGroup().GetTaskGroup().GetTasks() {
			s.ledger.addTask(task)
		}
		s.mu.Unlock()
	case executorpb.Event_ACKNOWLEDGED:
		s.mu.Lock()
		s.ledger.acknowledge(event.GetAcknowledged())
		s.mu.Unlock()
		signal(s.drained)
	case executorpb.Event_SHUTDOWN:
		s.startGrace(nil)
	}
	s.inbox.put(eventItem{event})
}

// startGrace has the callbacks end when the grace period is over.
func (s *Session) startGrace(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.graceTimer == nil && !s.ended {
		s.graceCause = cause
		grace := s.cfg.GracePeriod()
		s.graceTimer = time.AfterFunc(grace, func() {
			s.cancelHandler(fmt.Errorf("%w of %v is over", errGrace, grace))
		})
	}
}

var errGrace = errors.New("the grace period")

// watchdog ends a subscription on which nothing comes.
type watchdog struct {
	sub     *Subscription
	timeout time.Duration

	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
}

func (s *Session) watch(sub *Subscription) *watchdog {
	return &watchdog{sub: sub, timeout: orDefault(s.cfg.HeartbeatTimeout, DefaultHeartbeatTimeout)}
}

func (w *watchdog) start() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil || w.timeout == 0 {
		return
	}
	w.timer = time.AfterFunc(w.timeout, w.check)
}

func (w *watchdog) check() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return
	}
	// Anything that came since then counts as a sign of life.
	if left := w.timeout - time.Since(w.sub.LastReceived()); left > 0 {
		w.timer.Reset(left)
		return
	}
	w.sub.abort(fmt.Errorf("%w for %v", ErrNoHeartbeat, w.timeout))
}

func (w *watchdog) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	if w.timer != nil {
		w.timer.Stop()
	}
}

// sleep waits and reports whether ctx is still alive.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
