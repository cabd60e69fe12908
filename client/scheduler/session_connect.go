package scheduler

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mesokit/mesokit/client/detector"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// Causes of Disconnected and of the end of a session.
var (
	// ErrHeartbeatsMissed: the master was silent for too long.
	ErrHeartbeatsMissed = errors.New("the master is silent")
	// ErrLeaderChanged: the detector names another leader.
	ErrLeaderChanged = errors.New("another master leads")
	// ErrOvertaken: a SUBSCRIBE that the session had given up reached the master late, and took the subscription over
	// from the one after it.
	ErrOvertaken = errors.New("a late SUBSCRIBE of this session has taken over")
	// ErrGaveUp: SessionConfig.MaxResubscribes attempts failed.
	ErrGaveUp = errors.New("no master could be subscribed to")
)

// lasting is how long a subscription has to last in order not to count as a failure for the backoff.
const lasting = 10 * time.Second

// overtaking is how long after an attempt to subscribe was given up, without a word of the master, the attempt may still arrive: a network
// that comes back delivers what was sent before.
const overtaking = time.Minute

// maxRetryAfter bounds the wait that a server may ask for.
const maxRetryAfter = time.Minute

// Jitter returns a backoff for SessionConfig: a random wait of up to first, doubled with every failure, up to most.
// The randomness keeps the frameworks of a cluster from meeting at a new leader all at once.
func Jitter(first, most time.Duration) func(failures int) time.Duration {
	return func(failures int) time.Duration {
		limit := first
		for range failures {
			if limit >= most/2 {
				limit = most
				break
			}
			limit *= 2
		}
		if limit = min(limit, most); limit <= 0 {
			return 0
		}
		return rand.N(limit + 1)
	}
}

// Constant returns a backoff for SessionConfig that always waits the same time.
func Constant(wait time.Duration) func(failures int) time.Duration {
	return func(int) time.Duration { return wait }
}

// tracker holds what a detector said last.
type tracker struct {
	mu      sync.Mutex
	now     detector.Masters
	err     error
	said    bool          // it has said something yet
	changed chan struct{} // closed and replaced with every change
}

func newTracker() *tracker { return &tracker{changed: make(chan struct{})} }

// follow runs a detector until ctx ends.
func (t *tracker) follow(ctx context.Context, d detector.Detector) {
	for now, err := range d.Watch(ctx) {
		t.set(now, err)
		if err != nil {
			return
		}
	}
	t.set(detector.Masters{}, detector.ErrEnded)
}

func (t *tracker) set(now detector.Masters, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now, t.err, t.said = now, err, true
	close(t.changed)
	t.changed = make(chan struct{})
}

func (t *tracker) get() (now detector.Masters, changed <-chan struct{}, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.now, t.changed, t.err
}

// heard is get, with whether the detector has said anything yet.
func (t *tracker) heard() (now detector.Masters, said bool, changed <-chan struct{}, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.now, t.said, t.changed, t.err
}

// whileNobodyElse returns a context that ends with ctx or when the detector names other masters than now. stop ends
// the waiting, and waits for that.
func (t *tracker) whileNobodyElse(ctx context.Context, now detector.Masters) (_ context.Context, stop func()) {
	attempt, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			latest, changed, err := t.get()
			if err == nil && len(latest.Candidates) > 0 && !latest.Equal(now) {
				cancel(fmt.Errorf("%w: %s", ErrLeaderChanged, latest))
				return
			}
			select {
			case <-changed:
			case <-attempt.Done():
				return
			}
		}
	})
	return attempt, func() { cancel(nil); wg.Wait() }
}

// connect keeps the framework subscribed and queues what happens. It returns nil when ctx ends, and otherwise the
// error that ends the session.
func (s *Session) connect(ctx context.Context, masters *tracker) error {
	var (
		failures    int    // for the backoff
		resubscribe int    // attempts since the last success
		favourite   string // where the last attempt succeeded
		connected   bool
	)
	for {
		now, said, changed, err := masters.heard()
		if ctx.Err() != nil || s.hasEnded() {
			return nil
		}
		if err != nil {
			return fmt.Errorf("detect the leader: %w", err)
		}
		if said {
			s.trace(ctx, SessionTrace{Kind: TraceDetected, Master: now.String()})
		}
		if len(now.Candidates) == 0 {
			select {
			case <-changed:
			case <-ctx.Done():
			}
			continue
		}
		sub, from, err := s.subscribeAny(ctx, masters, now, favourite)
		if err == nil {
			resubscribe, favourite = 0, from
			began := time.Now()
			err = s.attend(ctx, sub, from, masters, connected)
			connected = true
			if failures++; time.Since(began) >= lasting {
				failures = 0
			}
		} else {
			failures++
			s.setSubscription(nil, err)
		}
		if ctx.Err() != nil || s.hasEnded() {
			return nil
		}
		if !passing(err) {
			return err
		}
		if s.cfg.MaxResubscribes != 0 && resubscribe >= s.cfg.MaxResubscribes {
			return fmt.Errorf("%w after %d attempts: %w", ErrGaveUp, resubscribe+1, err)
		}
		resubscribe++
		s.pause(ctx, masters, now, failures, err)
	}
}

// passing says whether an error may pass by itself, so that it is worth subscribing again. Like the reference
// client it takes all status codes but those of a master that does not lead or is not ready for final.
func passing(err error) bool {
	if _, ok := errors.AsType[*EventError](err); ok {
		return false
	}
	if status, ok := errors.AsType[*transport.StatusError](err); ok {
		return status.Temporary()
	}
	if _, ok := errors.AsType[*transport.ExchangeError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*transport.ContentTypeError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*transport.DecodeError](err); ok {
		return true
	}
	return errors.Is(err, io.EOF) || errors.Is(err, ErrHeartbeatsMissed) || errors.Is(err, ErrLeaderChanged) || errors.Is(err, ErrOvertaken)
}

// maybeSent says whether an attempt that failed may have gone out to a master that has not answered.
func maybeSent(err error) bool {
	if _, ok := errors.AsType[*transport.ExchangeError](err); !ok {
		return false
	}
	op, ok := errors.AsType[*net.OpError](err)
	return !errors.Is(err, transport.ErrConnectTimeout) && !(ok && op.Op == "dial")
}

// pause waits before the next attempt, until the detector says something new.
func (s *Session) pause(ctx context.Context, masters *tracker, tried detector.Masters, failures int, err error) {
	delay := s.cfg.Backoff(failures)
	if status, ok := errors.AsType[*transport.StatusError](err); ok {
		delay = max(delay, min(status.RetryAfter, maxRetryAfter))
	}
	s.trace(ctx, SessionTrace{Kind: TraceWaiting, Failures: failures, Delay: delay})
	now, changed, detectErr := masters.get()
	if delay <= 0 || detectErr != nil || !now.Equal(tried) {
		return
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	case <-ctx.Done():
	}
}

// subscribeAny tries the candidates one after the other, first the one where it went well the last time. It
// returns the candidate that led to the subscription.
func (s *Session) subscribeAny(ctx context.Context, masters *tracker, now detector.Masters, favourite string) (_ *Subscription, from string, err error) {
	s.waitForTeardown(ctx)
	// A master that is dead may take long to fail; if the detector names another one meanwhile, it is given up.
	attempt, stop := masters.whileNobodyElse(ctx, now)
	defer stop()
	candidates := now.Candidates
	if i := slices.Index(candidates, favourite); i > 0 {
		candidates = slices.Concat(candidates[i:], candidates[:i])
	}
	for _, base := range candidates {
		if s.hasEnded() {
			return nil, "", ErrSessionEnded
		}
		if attempt.Err() != nil {
			return nil, "", &transport.ExchangeError{URL: base, Err: context.Cause(attempt)}
		}
		s.trace(ctx, SessionTrace{Kind: TraceSubscribing, Master: base})
		var sub *Subscription
		if sub, err = s.subscribeAt(ctx, attempt, base); err == nil {
			return sub, base, nil
		}
		if maybeSent(err) {
			s.abandoned = time.Now()
		}
		s.trace(ctx, SessionTrace{Kind: TraceSubscribeFailed, Master: base, Err: err})
		if !passing(err) {
			break
		}
	}
	return nil, "", err
}

// subscribeAt subscribes at one master, or where it redirects to, as long as attempt lasts. The subscription
// lasts as long as ctx.
func (s *Session) subscribeAt(ctx, attempt context.Context, base string) (*Subscription, error) {
	s.mu.Lock()
	info, options, id := s.info, s.options, s.frameworkIDLocked()
	// The call shares nothing that Suppress or Revive may change meanwhile.
	call := Subscribe(withID(info, id), cloneOptions(options))
	s.mu.Unlock()

	// The stream lives as long as its context, which therefore must be neither the attempt's nor one with a timeout.
	streamCtx, cancel := context.WithCancelCause(ctx)
	late := fmt.Errorf("not subscribed within %v", s.subscribe)
	timer := time.AfterFunc(s.subscribe, func() { cancel(late) })
	unbind := context.AfterFunc(attempt, func() { cancel(context.Cause(attempt)) })
	sub, err := subscribe(streamCtx, s.transport, base, redirectLimit(s.cfg.MaxRedirects), call)
	inTime, bound := timer.Stop(), unbind()
	if err == nil && !(inTime && bound) {
		// It came at the very moment of the end; the stream is cut off already, or will be.
		_ = sub.Close()
		err = &CallError{Type: schedulerpb.Call_SUBSCRIBE, Err: &transport.ExchangeError{URL: base, Err: late}}
	}
	if err != nil {
		cancel(nil)
		return nil, err
	}
	sub.release = func() { cancel(nil) }
	return sub, nil
}

// attend makes a subscription the current one, queues its events until it ends, and returns why it did.
func (s *Session) attend(ctx context.Context, sub *Subscription, from string, masters *tracker, reconnected bool) error {
	defer func() { _ = sub.Close() }()
	c := Connected{FrameworkID: sub.FrameworkID(), Master: sub.Master(), MasterInfo: sub.MasterInfo(), Reconnected: reconnected,
		Resumed: s.FrameworkID().GetValue() == sub.FrameworkID().GetValue()}
	s.setSubscription(sub, nil)
	s.trace(ctx, SessionTrace{Kind: TraceConnected, Master: sub.Master(), FrameworkID: c.FrameworkID.GetValue()})
	s.queue.push(item{connected: &c})

	g := &guard{session: s, sub: sub, from: from, masters: masters, done: make(chan struct{})}
	var wg sync.WaitGroup
	wg.Go(func() { g.watch(ctx) })
	err := s.receive(ctx, sub, g)
	close(g.done)
	wg.Wait()
	if g.verdict != nil {
		err = g.verdict // the stream ended because the guard closed it
		// Connections to a dead master look idle, and would swallow what is sent next.
		s.transport.Close()
	}
	s.setSubscription(nil, err)
	s.waitForTeardown(ctx) // which may be why
	s.trace(ctx, SessionTrace{Kind: TraceDisconnected, Master: sub.Master(), Err: err, Expected: ctx.Err() != nil || s.hasEnded()})
	s.queue.push(item{disconnected: &Disconnected{Master: sub.Master(), Err: err}})
	return err
}

// receive queues the events of a subscription until it ends.
func (s *Session) receive(ctx context.Context, sub *Subscription, g *guard) error {
	for {
		event, err := sub.next()
		if bad, ok := errors.AsType[*transport.DecodeError](err); ok {
			if event = s.leaveOut(ctx, bad); event == nil {
				continue
			}
		} else if err != nil {
			return err
		}
		switch event.GetType() {
		case schedulerpb.Event_SUBSCRIBED, schedulerpb.Event_HEARTBEAT:
			continue
		case schedulerpb.Event_ERROR:
			if errors.Is(newEventError(event.GetError()), ErrFailedOver) && !s.abandoned.IsZero() && time.Since(s.abandoned) < overtaking {
				// Once only: who comes next is somebody else.
				s.abandoned = time.Time{}
				return fmt.Errorf("%w: %s", ErrOvertaken, event.GetError().GetMessage())
			}
		}
		for !s.queue.pushEvent(event) {
			g.full.Store(true)
			s.queue.waitForRoom(ctx)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
		}
		if g.full.Load() {
			now := time.Now()
			g.resumed.Store(&now)
			g.full.Store(false)
		}
		if event.GetType() == schedulerpb.Event_ERROR {
			return newEventError(event.GetError())
		}
	}
}

// guard watches over a subscription beside its reader, and closes it if the master falls silent or another one leads.
type guard struct {
	session *Session
	sub     *Subscription
	from    string // the candidate that led to the subscription
	masters *tracker
	done    chan struct{} // closed by the reader

	full    atomic.Bool               // the reader waits for the handler
	resumed atomic.Pointer[time.Time] // when it last did; nil if it never has
	verdict error                     // why the guard closed the subscription; to be read after watch has returned
}

func (g *guard) watch(ctx context.Context) {
	limit := g.session.silence(g.sub.HeartbeatInterval())
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for g.verdict == nil {
		now, changed, err := g.masters.get()
		// A detector that fails is no reason to give up a subscription; the next one will need it.
		if err == nil && moved(now, g.sub, g.from) {
			g.verdict = fmt.Errorf("%w: %s", ErrLeaderChanged, now)
			continue
		}
		select {
		case <-g.done:
			return
		case <-ctx.Done():
			_ = g.sub.Close()
			return
		case <-changed:
		case <-timer.C:
			idle := g.idle()
			if idle >= limit {
				g.verdict = fmt.Errorf("%w for %v, it promised a heartbeat every %v", ErrHeartbeatsMissed, idle, g.sub.HeartbeatInterval())
				continue
			}
			timer.Reset(limit - idle)
		}
	}
	_ = g.sub.Close()
}

// idle returns how long the master has been silent; time during which nobody listened does not count.
func (g *guard) idle() time.Duration {
	if g.full.Load() {
		return 0
	}
	last := g.sub.LastReceived()
	if resumed := g.resumed.Load(); resumed != nil && resumed.After(last) {
		last = *resumed
	}
	return time.Since(last)
}

// silence returns how long a master may be silent.
func (s *Session) silence(interval time.Duration) time.Duration {
	const most = 24 * time.Hour // for what a strange master may promise
	interval = min(interval, most)
	if s.cfg.HeartbeatWindow > 0 {
		return interval + min(s.cfg.HeartbeatWindow, most)
	}
	return interval * time.Duration(min(s.cfg.MissedHeartbeats, 1000))
}

// moved says whether the detector now names a leader other than the one subscribed to. If it names none, the
// subscription is better than nothing.
func moved(now detector.Masters, sub *Subscription, from string) bool {
	switch {
	case len(now.Candidates) == 0:
		return false
	case now.Info.GetId() != "" && sub.MasterInfo().GetId() != "":
		return now.Info.GetId() != sub.MasterInfo().GetId()
	}
	return !slices.Contains(now.Candidates, from) && !slices.Contains(now.Candidates, sub.Master())
}
