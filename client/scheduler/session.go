package scheduler

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/detector"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// Defaults of SessionConfig.
const (
	DefaultMissedHeartbeats = 5
	DefaultSubscribeTimeout = 30 * time.Second
)

// SessionConfig of a Session. FrameworkInfo, Handler and one of Master and Detector are necessary.
type SessionConfig struct {
	// Name tells sessions of one process apart in errors and traces; "" means the framework's name.
	Name string
	// Master says where the leader is found, as detector.Parse takes it: an address, a list, zk://, file://.
	Master string
	// Scheme of masters whose address has none, as those that ZooKeeper names: "http" or "https"; "" means http. TLS
	// itself is the transport's.
	Scheme string
	// Detector finds the leader; it replaces Master and Scheme.
	Detector detector.Detector
	// Transport carries the conversation: media type, credentials, TLS, timeouts, headers. Nil means a new one
	// with the defaults of package transport, which the session closes.
	Transport *transport.Client
	// FrameworkInfo of the framework. It is copied. Where it has an id, that framework is resumed.
	FrameworkInfo *mesospb.FrameworkInfo
	// FailoverTimeout replaces that of FrameworkInfo if it is positive: how long the master keeps the tasks of
	// the framework while it is disconnected.
	FailoverTimeout time.Duration
	// Options of SUBSCRIBE. Later SUPPRESS, REVIVE and UPDATE_FRAMEWORK calls of the session are remembered, so that
	// a resubscription does not undo them.
	Options SubscribeOptions
	// Handler gets everything that happens.
	Handler Handler
	// Store keeps the framework id over restarts; nil means that it is kept in memory.
	Store FrameworkIDStore
	// ExplicitAcknowledgements leaves it to the handler to acknowledge updates of tasks and operations with
	// Acknowledge and AcknowledgeOperationStatus. Otherwise the session does so when the handler has returned
	// without an error.
	ExplicitAcknowledgements bool
	// MissedHeartbeats is how many heartbeat intervals the master may be silent before the session takes it for
	// dead; 0 means DefaultMissedHeartbeats. Any byte of the master counts as a sign of life.
	MissedHeartbeats int
	// HeartbeatWindow, if positive, is the time beyond one heartbeat interval after which a silent master is taken for
	// dead, in place of MissedHeartbeats.
	HeartbeatWindow time.Duration
	// SubscribeTimeout bounds the time from a SUBSCRIBE, redirects included, to its confirmation; 0 means
	// DefaultSubscribeTimeout.
	SubscribeTimeout time.Duration
	// MaxRedirects is how many redirects a SUBSCRIBE follows; 0 means DefaultMaxRedirects, negative none.
	MaxRedirects int
	// MaxResubscribes is how many times in a row the session tries all masters again, after a disconnection or
	// a first attempt that failed, before it gives up with ErrGaveUp. 0 means that it never does, negative that
	// it does not try again.
	MaxResubscribes int
	// Backoff returns the wait before the next attempt; failures counts the attempts that failed and the
	// subscriptions that did not last since the last one that did, starting with 1; it is 0 after one that
	// lasted. Nil means Jitter(500 ms, 10 s). A change of leader cuts the wait short.
	Backoff func(failures int) time.Duration
	// WaitForConnection makes calls wait while the session is disconnected, as long as their contexts allow. Otherwise
	// they fail at once with ErrDisconnected. Session.Waiting is for single calls.
	WaitForConnection bool
	// MaxQueue bounds the number of events that wait for the handler; 0 means no bound. A full queue stops the
	// reading of the stream until the handler catches up; the master is not taken for dead meanwhile.
	MaxQueue int
	// Tracer observes the session; nil means none.
	Tracer SessionTracer
}

// String describes the configuration without its secrets.
func (c SessionConfig) String() string {
	name, from := c.Name, detector.Redacted(c.Master)
	if name == "" {
		name = c.FrameworkInfo.GetName()
	}
	if c.Detector != nil {
		from = c.Detector.String()
	}
	return fmt.Sprintf("scheduler.SessionConfig{%q, masters: %s, framework id: %q, %v}", name, from, c.FrameworkInfo.GetId().GetValue(), c.Transport)
}

// Format prints String whatever the verb, so that %+v and %#v leak nothing.
func (c SessionConfig) Format(f fmt.State, _ rune) { fmt.Fprint(f, c.String()) }

// Session is a scheduler's durable connection to whichever master leads. It detects the leader, subscribes,
// watches heartbeats, reconnects, keeps the framework id, acknowledges updates and hands everything to one
// Handler in order. No event is handed out twice: a status update that is sent again because its
// acknowledgement was lost is acknowledged again and goes no further.
//
// Calls may be made from any goroutine, methods of the handler included. Any number of sessions may live in one
// process.
type Session struct {
	Calls
	cfg       SessionConfig
	name      string
	detector  detector.Detector
	transport *transport.Client
	store     FrameworkIDStore
	subscribe time.Duration // timeout of one attempt
	queue     *queue
	acks      acknowledger
	done      chan struct{} // closed when Run has returned

	// Used by connect alone.
	abandoned time.Time      // when an attempt to subscribe was given up without an answer
	leftOut   map[string]int // by cause: events that could not be decoded, at least in part

	// The fields below are guarded by mu.
	mu        sync.Mutex
	trouble   error // why there is no subscription, nil while there is one, or nothing is known yet
	started   bool
	ended     bool
	cause     error                   // of the end, if it was asked for
	cancel    context.CancelCauseFunc // of the handler's context; nil before Run
	sub       *Subscription           // nil while disconnected
	changed   chan struct{}           // closed and replaced when sub or ended changes
	lastError error                   // why sub is nil
	info      *mesospb.FrameworkInfo
	options   SubscribeOptions
	id        string        // framework id, "" if there is none yet
	teardown  chan struct{} // open while a TEARDOWN is under way, else nil
	value     any           // result of Run
	err       error
}

// NewSession returns a session, which does nothing until Run. The error names the field of cfg that is wrong.
func NewSession(cfg SessionConfig) (*Session, error) {
	if cfg.FrameworkInfo == nil {
		return nil, errors.New("session: FrameworkInfo is missing")
	}
	if cfg.Handler == nil {
		return nil, errors.New("session: Handler is missing")
	}
	s := &Session{
		cfg: cfg, name: cfg.Name, detector: cfg.Detector, transport: cfg.Transport, store: cfg.Store, subscribe: cfg.SubscribeTimeout,
		queue: newQueue(cfg.MaxQueue), leftOut: map[string]int{}, done: make(chan struct{}), changed: make(chan struct{}),
		info: proto.CloneOf(cfg.FrameworkInfo), options: cloneOptions(cfg.Options), id: cfg.FrameworkInfo.GetId().GetValue(),
	}
	// s.info, s.options and s.detector are the ones that count.
	s.cfg.FrameworkInfo, s.cfg.Options, s.cfg.Master = nil, SubscribeOptions{}, ""
	s.info.Id = nil
	s.Calls = Calls{s}
	s.acks.session = s
	if cfg.FailoverTimeout > 0 {
		s.info.FailoverTimeout = proto.Float64(cfg.FailoverTimeout.Seconds())
	}
	if s.name == "" {
		s.name = cfg.FrameworkInfo.GetName()
	}
	if (cfg.Master == "") == (cfg.Detector == nil) {
		return nil, fmt.Errorf("session %q: want either Master or Detector", s.name)
	}
	if s.detector == nil {
		var err error
		if s.detector, err = detector.Parse(cfg.Master, detector.Config{
			Scheme: cfg.Scheme,
			Log:    func(line string) { s.trace(context.Background(), SessionTrace{Kind: TraceDetecting, Note: line}) },
			Warn:   func(line string) { s.trace(context.Background(), SessionTrace{Kind: TraceDetectFailed, Note: line}) },
		}); err != nil {
			return nil, fmt.Errorf("session %q: %w", s.name, err)
		}
	}
	if s.store == nil {
		s.store = new(MemoryStore)
	}
	if s.subscribe <= 0 {
		s.subscribe = DefaultSubscribeTimeout
	}
	if s.cfg.MissedHeartbeats <= 0 {
		s.cfg.MissedHeartbeats = DefaultMissedHeartbeats
	}
	if s.cfg.Backoff == nil {
		s.cfg.Backoff = Jitter(500*time.Millisecond, 10*time.Second)
	}
	if s.transport == nil {
		var err error
		if s.transport, err = transport.New(transport.Config{}); err != nil {
			return nil, fmt.Errorf("session %q: %w", s.name, err)
		}
	}
	return s, nil
}

func cloneOptions(o SubscribeOptions) SubscribeOptions {
	return SubscribeOptions{SuppressedRoles: append([]string(nil), o.SuppressedRoles...), OfferConstraints: proto.CloneOf(o.OfferConstraints)}
}

// Name returns the session's name.
func (s *Session) Name() string { return s.name }

// FrameworkID returns the framework's id, nil as long as there is none.
func (s *Session) FrameworkID() *mesospb.FrameworkID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.frameworkIDLocked()
}

func (s *Session) frameworkIDLocked() *mesospb.FrameworkID {
	if s.id == "" {
		return nil
	}
	return &mesospb.FrameworkID{Value: proto.String(s.id)}
}

// Master returns the base URL of the master that the session is subscribed to; ok is false while it is disconnected.
func (s *Session) Master() (base string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sub == nil {
		return "", false
	}
	return s.sub.Master(), true
}

// Post hands a message to Handler.Info, in order with the events. It never blocks. After the end of the session it
// returns ErrSessionEnded.
func (s *Session) Post(message any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return ErrSessionEnded
	}
	s.queue.push(item{info: &posted{message}})
	return nil
}

// Stop ends the session with a value when the method of the handler that is under way has returned. It does not
// wait, see Done. The framework stays registered until its failover timeout has passed; Teardown removes it.
func (s *Session) Stop(value any) { s.endWith(&stop{value}) }

func (s *Session) endWith(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.ended, s.cause = true, cause
	s.broadcastLocked()
	if s.cancel != nil {
		s.cancel(cause)
	}
}

// hasEnded says whether the session has been asked to end, or has ended.
func (s *Session) hasEnded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// Done is closed when Run has returned, that is when Terminate has.
func (s *Session) Done() <-chan struct{} { return s.done }

// Result waits for the end of the session and returns what Run returned.
func (s *Session) Result() (any, error) {
	<-s.done
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.value, s.err
}

// errTornDown is the cause that ends a session after a successful TEARDOWN.
var errTornDown = errors.New("the framework is torn down")

// ErrStarted is returned by a second Run.
var ErrStarted = errors.New("the session has been started already")

// Run runs the session until it stops: by the handler, by Stop, by Teardown, by the end of ctx, or by an error
// that will not pass. It returns the value that it was stopped with, if any, or the error: that of the handler,
// the cause of ctx, an *EventError (see ErrFailedOver and ErrFrameworkRemoved), a *CallError of a SUBSCRIBE
// that was refused, ErrGaveUp, a *StoreError, or that of the detector. All that the session has started has
// ended by then.
func (s *Session) Run(parent context.Context) (value any, err error) {
	// Handler methods get ctx, which Stop ends; what runs beside them gets life, which ends when it is no
	// longer needed.
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	s.mu.Lock()
	if s.started {
		s.mu.Unlock()
		return nil, fmt.Errorf("session %q: %w", s.name, ErrStarted)
	}
	s.started, s.cancel = true, cancel
	if s.ended { // stopped before it began
		cancel(s.cause)
	}
	s.mu.Unlock()
	defer close(s.done)

	err = s.run(ctx, parent)
	if errors.Is(context.Cause(ctx), errTornDown) {
		if errors.Is(err, errTornDown) {
			err = nil
		}
		err = errors.Join(err, s.forget(ctx))
	}
	value, err = outcome(err)
	if err != nil {
		err = fmt.Errorf("session %q: %w", s.name, s.withTrouble(err))
	}
	s.mu.Lock()
	s.value, s.err = value, err
	s.mu.Unlock()
	s.trace(ctx, SessionTrace{Kind: TraceEnded, Err: err})
	s.cfg.Handler.Terminate(s, value, err)
	return value, err
}

// run starts what runs beside the handler, runs the handler and waits for the end of everything.
func (s *Session) run(ctx, parent context.Context) error {
	life, stop := context.WithCancel(parent)
	var beside sync.WaitGroup
	defer func() {
		s.endWith(ErrSessionEnded) // no new connections
		s.acks.finish(parent)
		stop()
		beside.Wait()
		if s.cfg.Transport == nil {
			s.transport.Close()
		}
	}()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	stored, err := s.load(ctx)
	if err != nil {
		return err
	}
	s.acks.start(parent)
	masters := newTracker()
	beside.Go(func() { masters.follow(life, s.detector) })
	beside.Go(func() {
		if err := s.connect(life, masters); err != nil {
			s.queue.push(item{end: err}) // after all that was received before
		}
	})
	for {
		next, ok := s.queue.pop(ctx)
		if !ok {
			return context.Cause(ctx)
		}
		if c := next.connected; c != nil && c.FrameworkID.GetValue() != stored {
			// Before the handler sees an offer of this framework.
			if err := s.store.StoreFrameworkID(ctx, c.FrameworkID.GetValue()); err != nil {
				return &StoreError{Op: "store", Err: err}
			}
			stored = c.FrameworkID.GetValue()
		}
		if err := s.handle(ctx, next); err != nil {
			return err
		}
	}
}

// load finds the framework id to begin with and returns what is in the store.
func (s *Session) load(ctx context.Context) (stored string, err error) {
	stored, err = s.store.LoadFrameworkID(ctx)
	if err != nil {
		return "", &StoreError{Op: "load", Err: err}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case stored == "":
	case s.id == "":
		s.id = stored
	case s.id != stored:
		return "", &StoreError{Op: "load", Err: fmt.Errorf("the store has %q and the framework info %q; leave the id out of the info, or empty the store to give up the framework that it names", stored, s.id)}
	}
	return stored, nil
}

// forget empties the store after a TEARDOWN, which has spent the id.
func (s *Session) forget(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	if err := s.store.StoreFrameworkID(ctx, ""); err != nil {
		return &StoreError{Op: "store", Err: err}
	}
	return nil
}

// handle has one item handled.
func (s *Session) handle(ctx context.Context, i item) error {
	h := s.cfg.Handler
	switch {
	case i.end != nil:
		return i.end
	case i.connected != nil:
		return h.Connected(ctx, s, *i.connected)
	case i.disconnected != nil:
		return h.Disconnected(ctx, s, *i.disconnected)
	case i.info != nil:
		return h.Info(ctx, s, i.info.message)
	}
	if s.acks.repeated(ctx, i.event) {
		return nil
	}
	err := h.Event(ctx, s, i.event)
	if _, failed := outcome(err); failed == nil && !s.cfg.ExplicitAcknowledgements {
		s.acks.handled(i.event)
	}
	return err
}
