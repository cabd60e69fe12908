package executor

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

func errAttr(err error) slog.Attr { return slog.Any("error", err) }

// Session keeps an executor subscribed to its agent until it is stopped, shut down or has lost the agent. Its
// methods are safe for concurrent use and may be called before Run, from callbacks and from goroutines of
// tasks.
type Session struct {
	cfg     Config
	client  *Client
	handler Handler
	log     *slog.Logger

	inbox   *mailbox
	wake    chan struct{} // holds an element if deliver has something to look at
	drained chan struct{} // holds an element if the ledger may have no updates left

	// Used by the goroutine of Run alone.
	everSubscribed, shuttingDown bool
	shutdownCause                error

	quiet chan struct{} // closed when callbacks are over
	apart chan struct{} // closed when there will be no more subscriptions

	mu            sync.Mutex
	started       bool
	ended         bool
	stopping      bool
	stopErr       error
	stopped       chan struct{} // closed by Stop
	ledger        *ledger
	subscription  *Subscription // while subscribed
	subscribed    *executorpb.Event_Subscribed
	silent        bool // the agent knows no HEARTBEAT calls
	cancelHandler context.CancelCauseFunc
	graceTimer    *time.Timer
	graceCause    error // nil if the agent asked for the shutdown
}

// NewSession returns a session that Run starts.
func NewSession(cfg Config, handler Handler) (*Session, error) {
	client, err := New(cfg)
	if err != nil {
		return nil, err
	}
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Session{
		cfg: cfg, client: client, handler: handler,
		log:   log.With(slog.String("framework", cfg.FrameworkID), slog.String("executor", cfg.ExecutorID)),
		inbox: newMailbox(), ledger: newLedger(),
		wake: make(chan struct{}, 1), drained: make(chan struct{}, 1),
		quiet: make(chan struct{}), apart: make(chan struct{}), stopped: make(chan struct{}),
	}, nil
}

// Run runs a session with a handler to its end; see Session.Run.
func Run(ctx context.Context, cfg Config, handler Handler) error {
	s, err := NewSession(cfg, handler)
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

// Run subscribes and calls the handler in this goroutine until the end of the session, then waits for
// everything that it started. It can be called once. It returns
//   - nil after Stop(nil), ErrStop or a shutdown that the agent asked for,
//   - what Stop or a callback gave,
//   - an *AgentLostError if the agent is lost, or refuses the executor,
//   - the cause of the end of ctx, at once, without waiting for acknowledgements.
//
// Otherwise it waits for the acknowledgement of all updates, for Config.FinishTimeout or the rest of the grace
// period, and adds an *UnacknowledgedError if that is in vain.
func (s *Session) Run(parent context.Context) error {
	s.mu.Lock()
	if s.started {
		s.mu.Unlock()
		return errors.New("executor: Session.Run was called before; make a new session")
	}
	s.started = true
	ctx, cancel := context.WithCancel(parent)
	handlerCtx, cancelHandler := context.WithCancelCause(ctx)
	s.cancelHandler = cancelHandler
	s.mu.Unlock()

	var wg sync.WaitGroup
	defer func() { // also if a callback panics
		cancel()
		cancelHandler(nil)
		wg.Wait()
		s.end()
	}()
	wg.Go(func() { s.deliver(ctx) })
	wg.Go(func() { s.sendHeartbeats(ctx) })
	wg.Go(func() {
		defer close(s.apart)
		if err := s.keepSubscribed(ctx); err != nil {
			s.startGrace(err)
			s.inbox.put(lostItem{err})
		}
	})

	s.dispatch(handlerCtx)
	if parent.Err() == nil && handlerCtx.Err() != nil {
		// The grace period has passed while callbacks were busy; this is the last chance to leave nothing behind.
		s.mu.Lock()
		cause := s.graceCause
		s.mu.Unlock()
		if err := s.handleShutdown(handlerCtx, cause); err != nil {
			s.Stop(err)
		}
	}
	close(s.quiet)
	s.inbox.close()
	err := s.finish(handlerCtx)
	if parent.Err() != nil {
		err = context.Cause(parent)
	}
	cancel()
	wg.Wait()
	s.end()
	s.log.LogAttrs(parent, slog.LevelInfo, "session ended", errAttr(err))
	if s.handler.Terminate != nil {
		s.handler.Terminate(parent, s, err)
	}
	return err
}

// dispatch runs callbacks until the session is stopped or ctx ends.
func (s *Session) dispatch(ctx context.Context) {
	for {
		select { // before all that is queued
		case <-ctx.Done():
			return
		case <-s.stopped:
			return
		default:
		}
		item, ok := s.inbox.take()
		if !ok {
			select {
			case <-s.inbox.ready:
			case <-ctx.Done():
			case <-s.stopped:
			}
			continue
		}
		if err := s.handle(ctx, item); err != nil {
			s.Stop(err)
		}
	}
}

// finish waits for acknowledgements and makes up what Run returns.
func (s *Session) finish(ctx context.Context) error {
	timer := time.NewTimer(orDefault(s.cfg.FinishTimeout, DefaultFinishTimeout))
	defer timer.Stop()
	pending := s.unacknowledgedTasks()
wait:
	for len(pending) > 0 {
		select {
		case <-s.drained:
			pending = s.unacknowledgedTasks()
		case <-s.apart:
			break wait
		case <-timer.C:
			break wait
		case <-ctx.Done():
			break wait
		}
	}
	s.mu.Lock()
	errs := []error{s.shutdownCause, s.stopErr}
	s.mu.Unlock()
	if pending = s.unacknowledgedTasks(); len(pending) > 0 {
		errs = append(errs, &UnacknowledgedError{TaskIDs: pending})
	}
	return join(errs)
}

// join is errors.Join, but a single error stays as it is.
func join(errs []error) error {
	var only error
	n := 0
	for _, err := range errs {
		if err != nil {
			only = err
			n++
		}
	}
	if n <= 1 {
		return only
	}
	return errors.Join(errs...)
}

func (s *Session) unacknowledgedTasks() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ledger.taskIDs()
}

// end releases everybody who waits.
func (s *Session) end() {
	s.mu.Lock()
	s.ended = true
	s.ledger.releaseAll(ErrSessionEnded)
	if s.graceTimer != nil {
		s.graceTimer.Stop()
	}
	s.mu.Unlock()
	s.inbox.close()
	s.client.Close()
}

// Stop ends the session in an orderly way: no further callbacks but Terminate run, updates are still delivered
// and their acknowledgements waited for, then Run returns err. ErrStop counts as nil. Only the first call has
// an effect. Stop does not wait.
func (s *Session) Stop(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return
	}
	s.stopping = true
	if !errors.Is(err, ErrStop) {
		s.stopErr = err
	}
	close(s.stopped)
}

func (s *Session) finished() bool {
	select {
	case <-s.stopped:
		return true
	default:
		return false
	}
}

// Post hands v to Handler.Info, in order with everything else that is queued. It never waits. It returns
// ErrSessionEnded if no callback will run any more.
func (s *Session) Post(v any) error {
	if !s.inbox.put(infoItem{v}) {
		return ErrSessionEnded
	}
	return nil
}

// Update takes responsibility for a status of a task: it is delivered in order, repeated with every
// subscription, and forgotten when the agent acknowledges it. A copy is taken, with uuid, timestamp, source and
// executor id filled in where they are unset.
//
// While subscribed, Update waits for the agent's answer; otherwise it returns at once. The error is an
// *UpdateError if the status cannot be sent at all, a *RefusedError if the agent will never take it,
// ErrSessionEnded, or the cause of the end of ctx; in that last case the update is delivered nevertheless.
func (s *Session) Update(ctx context.Context, status *mesospb.TaskStatus) error {
	status, err := s.client.prepare(status)
	if err != nil {
		return err
	}
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return ErrSessionEnded
	}
	u := s.ledger.addUpdate(status)
	if s.subscription == nil {
		s.mu.Unlock()
		return nil
	}
	u.waited = true
	s.mu.Unlock()
	signal(s.wake)
	select {
	case <-u.settled:
		return u.err
	case <-ctx.Done():
		s.mu.Lock()
		u.waited = false
		s.mu.Unlock()
		return context.Cause(ctx)
	}
}

// Message sends opaque bytes to the scheduler. They are not kept: the error is ErrNotSubscribed without a
// subscription, or says why the agent did not take them, and the agent drops them if the scheduler is not
// connected.
func (s *Session) Message(ctx context.Context, data []byte) error {
	s.mu.Lock()
	open, ended := s.subscription != nil, s.ended
	s.mu.Unlock()
	switch {
	case ended:
		return ErrSessionEnded
	case !open:
		return ErrNotSubscribed
	}
	return s.client.Message(ctx, data)
}

// Config returns the configuration that the session was made with.
func (s *Session) Config() Config { return s.cfg }

// Subscribed returns the last SUBSCRIBED event, which describes executor, framework, agent and container; nil
// before the first. It is not to be changed.
func (s *Session) Subscribed() *executorpb.Event_Subscribed {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.subscribed
}

// Connected reports whether there is a subscription at the moment.
func (s *Session) Connected() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.subscription != nil
}

// Unacknowledged returns a copy of what the next subscription would list.
func (s *Session) Unacknowledged() *executorpb.Call_Subscribe {
	s.mu.Lock()
	defer s.mu.Unlock()
	return proto.CloneOf(s.ledger.subscribe())
}

// signal puts an element into a channel of capacity one, unless one is there.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
