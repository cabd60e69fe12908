package framework

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/mesokit/mesokit/client/operator"
	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
	"google.golang.org/protobuf/proto"
)

// Controller sees every event of the master before the engine does: it observes, changes, holds back or replaces what the engine
// does with it.
type Controller interface {
	// Event is called with one event after the other, SUBSCRIBED included, HEARTBEAT not. next hands an event to the engine: call it
	// with the event itself, with another one or not at all. What the engine does not get is the controller's to answer: offers
	// to be accepted or declined, updates to be acknowledged, by calls. An error ends Run.
	//
	// Event may take its time, but nothing else is handled meanwhile. Whatever is kept of an event beyond the call should be a copy
	// made by codec.Detach or strings.Clone: it keeps the whole event in memory otherwise.
	Event(ctx context.Context, calls scheduler.Calls, event *schedulerpb.Event, next func(*schedulerpb.Event)) error
}

// ControllerFunc makes a function a Controller.
type ControllerFunc func(ctx context.Context, calls scheduler.Calls, event *schedulerpb.Event, next func(*schedulerpb.Event)) error

// Event calls f.
func (f ControllerFunc) Event(ctx context.Context, calls scheduler.Calls, event *schedulerpb.Event, next func(*schedulerpb.Event)) error {
	return f(ctx, calls, event, next)
}

var errNoSession = errors.New("not subscribed yet")

// sessionBox holds the session of a term. There is a new one when the framework gets a new id.
type sessionBox struct {
	mu      sync.Mutex
	allowed bool
	current *scheduler.Session
	// gpus: the master has been asked for agents with GPUs; inInfo: with every subscription of the session.
	gpus, inInfo bool
}

func (b *sessionBox) get() *scheduler.Session {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.current
}

// allow lets sessions begin.
func (b *sessionBox) allow() {
	b.mu.Lock()
	b.allowed = true
	b.mu.Unlock()
}

// resubscribed takes in that the master knows again what the session subscribes with, and no more.
func (b *sessionBox) resubscribed() {
	b.mu.Lock()
	b.gpus = b.inInfo
	b.mu.Unlock()
}

// forget lets the next session begin, in the round after what the end of this one means.
func (b *sessionBox) forget() {
	b.mu.Lock()
	b.current = nil
	b.mu.Unlock()
}

func (b *sessionBox) call(ctx context.Context, c *schedulerpb.Call) error {
	s := b.get()
	if s == nil {
		return errNoSession
	}
	return s.Call(ctx, c)
}

// steer begins a session where the core lets it. The loop calls it, because only that may ask the core.
func (b *sessionBox) steer(t *term, now *core.Snapshot) {
	b.mu.Lock()
	defer b.mu.Unlock()
	gpus := needGPUs(now)
	if s := b.current; s != nil && gpus && !b.gpus && now.Connected {
		b.gpus = true
		t.wg.Go(func() { t.askForGPUs(s) })
	}
	if b.current != nil || !b.allowed || t.ctx.Err() != nil || now.Uninstall == "uninstalled" {
		return
	}
	id, ok := t.core.FrameworkID()
	if !ok {
		return
	}
	info := proto.CloneOf(t.cfg.FrameworkInfo)
	if gpus {
		info = withGPUs(info)
	}
	b.inInfo = hasGPUs(info)
	b.gpus = b.inInfo
	if id != "" {
		info.Id = &mesospb.FrameworkID{Value: &id}
	}
	s, err := scheduler.NewSession(scheduler.SessionConfig{
		Detector: t.cfg.Detector, Transport: t.wire, FrameworkInfo: info, Handler: &events{t},
		ExplicitAcknowledgements: true, MaxQueue: 4 * maxInputs, Tracer: sessionTracer{t, scheduler.LogSessions(t.cfg.Log)},
	})
	if err != nil {
		t.end(err)
		return
	}
	b.current = s
	t.wg.Go(func() {
		_, err := s.Run(t.ctx)
		t.sessionEnded(s, err)
	})
}

// sessionEnded decides what the end of a session means.
func (t *term) sessionEnded(s *scheduler.Session, err error) {
	t.queue.push(core.Disconnected{})
	t.set(func(st *Status) { st.Master = "" })
	switch {
	case t.ctx.Err() != nil:
	case err == nil, errors.Is(err, scheduler.ErrFrameworkRemoved):
		t.session.forget()
		// Torn down: by our own call, or while nobody was subscribed. The next session registers again, if there is to be one.
		t.queue.push(core.TornDown{})
	default:
		t.end(err)
	}
}

// events turns what happens in a session into inputs of the engine.
type events struct{ *term }

func (e *events) Connected(ctx context.Context, s *scheduler.Session, c scheduler.Connected) error {
	e.set(func(st *Status) { st.Master = c.Master })
	e.session.resubscribed()
	e.trouble(fromMaster, "")
	return e.Event(ctx, s, &schedulerpb.Event{Type: schedulerpb.Event_SUBSCRIBED.Enum(), Subscribed: &schedulerpb.Event_Subscribed{
		FrameworkId: c.FrameworkID, MasterInfo: c.MasterInfo}})
}

func (e *events) Disconnected(ctx context.Context, _ *scheduler.Session, d scheduler.Disconnected) error {
	e.set(func(st *Status) { st.Master = "" })
	e.trouble(fromMaster, d.Err.Error())
	return e.queue.put(ctx, core.Disconnected{}, nil)
}

func (e *events) Event(ctx context.Context, s *scheduler.Session, event *schedulerpb.Event) error {
	var failed error
	next := func(event *schedulerpb.Event) {
		if err := e.queue.put(ctx, core.MesosEvent{Event: event}, nil); err != nil {
			failed = err
		}
	}
	if c := e.cfg.Controller; c == nil {
		next(event)
	} else if err := c.Event(ctx, s.Calls, event, next); err != nil {
		return err
	}
	return failed
}

func (*events) Info(context.Context, *scheduler.Session, any) error { return nil }

func (*events) Terminate(*scheduler.Session, any, error) {}

// sessionTracer keeps the status true besides writing the log.
type sessionTracer struct {
	*term
	log scheduler.SessionTracer
}

func (t sessionTracer) TraceSession(ctx context.Context, d scheduler.SessionTrace) {
	if d.Kind == scheduler.TraceSubscribeFailed && d.Err != nil {
		t.set(func(st *Status) { st.Master = "" }) // the handler may not have come to the end of the last subscription yet
		t.trouble(fromMaster, d.Err.Error())
	}
	t.log.TraceSession(ctx, d)
}

// master returns a client of the operator API.
func (t *term) master() (*operator.Master, error) {
	return operator.NewMaster(operator.MasterConfig{Detector: t.cfg.Detector, Transport: t.wire})
}

// askForFramework asks the master, until one answers, whether it knows this framework although the store does not. It returns nil if it
// doesn't, or if the master does not let us know.
func (t *term) askForFramework() (*core.FrameworkKnown, error) {
	m, err := t.master()
	if err != nil {
		t.end(err)
		return nil, err
	}
	defer m.Close()
	for failures := 0; ; failures++ {
		ctx, cancel := context.WithTimeout(t.ctx, callTimeout)
		known, err := t.findFramework(ctx, m)
		cancel()
		if err == nil {
			return known, nil
		}
		if t.ctx.Err() != nil {
			return nil, context.Cause(t.ctx)
		}
		if forbidden(err) {
			t.cfg.Log.Warn("the master does not say which frameworks it knows; taking this one for new", "error", err)
			return nil, nil
		}
		t.trouble(fromMaster, err.Error())
		t.cfg.Log.Warn("cannot ask the master which frameworks it knows; trying again", "error", err)
		select {
		case <-time.After(min(250*time.Millisecond<<min(failures, 6), 10*time.Second)):
		case <-t.ctx.Done():
			return nil, context.Cause(t.ctx)
		}
	}
}

// forbidden reports whether the master will not answer a question, however often it is asked.
func forbidden(err error) bool {
	for _, no := range []error{transport.ErrUnauthorized, transport.ErrForbidden, transport.ErrNotFound, transport.ErrNotImplemented} {
		if errors.Is(err, no) {
			return true
		}
	}
	return false
}

func (t *term) findFramework(ctx context.Context, m *operator.Master) (*core.FrameworkKnown, error) {
	frameworks, err := m.GetFrameworks(ctx)
	if err != nil {
		return nil, err
	}
	want := t.cfg.FrameworkInfo
	for _, f := range frameworks.GetFrameworks() {
		info := f.GetFrameworkInfo()
		if info.GetName() != want.GetName() || info.GetPrincipal() != want.GetPrincipal() {
			continue
		}
		known := &core.FrameworkKnown{FrameworkID: info.GetId().GetValue(), Tasks: -1}
		if tasks, err := m.GetTasks(ctx); err == nil {
			known.Tasks = 0
			for _, task := range tasks.GetTasks() {
				if task.GetFrameworkId().GetValue() == known.FrameworkID {
					known.Tasks++
				}
			}
		}
		return known, nil
	}
	return nil, nil
}
