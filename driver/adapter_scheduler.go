package driver

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// schedulerAdapter is a schedulerSession made of a session of client/scheduler.
type schedulerAdapter struct {
	session   *scheduler.Session
	transport *transport.Client
	leaving   atomic.Bool   // the driver tears the framework down
	sink      schedulerSink // set before the session runs, used by its goroutine
}

var _ scheduler.Handler = (*schedulerAdapter)(nil)

func newSchedulerSession(cfg DriverConfig, log *slog.Logger) (schedulerSession, error) {
	client, err := transport.New(cfg.Transport)
	if err != nil {
		return nil, err
	}
	a := &schedulerAdapter{transport: client}
	sc := scheduler.SessionConfig{
		Master: cfg.Master, Scheme: cfg.Scheme, Transport: client, FrameworkInfo: cfg.Framework, Store: cfg.Store,
		Tracer: &calmTracer{scheduler.LogSessions(log), a},
	}
	if cfg.Session != nil {
		cfg.Session(&sc)
	}
	// The session would acknowledge what the driver has only queued.
	sc.Handler, sc.ExplicitAcknowledgements = a, true
	if a.session, err = scheduler.NewSession(sc); err != nil {
		client.Close()
		return nil, err
	}
	return a, nil
}

func (a *schedulerAdapter) run(ctx context.Context, sink schedulerSink) error {
	defer a.transport.Close()
	a.sink = sink
	_, err := a.session.Run(ctx)
	return err
}

func (a *schedulerAdapter) call(ctx context.Context, call *schedulerpb.Call) error {
	if call.GetType() == schedulerpb.Call_TEARDOWN {
		a.leaving.Store(true)
	}
	return a.session.Call(ctx, call)
}

// calmTracer leaves out the disconnection that everybody expects.
type calmTracer struct {
	scheduler.SessionTracer
	adapter *schedulerAdapter
}

// TraceSession implements scheduler.SessionTracer.
func (t *calmTracer) TraceSession(ctx context.Context, data scheduler.SessionTrace) {
	if data.Kind == scheduler.TraceDisconnected && (t.adapter.leaving.Load() || ctx.Err() != nil) {
		return
	}
	t.SessionTracer.TraceSession(ctx, data)
}

// Connected implements scheduler.Handler.
func (a *schedulerAdapter) Connected(_ context.Context, _ *scheduler.Session, c scheduler.Connected) error {
	a.sink.event(&schedulerpb.Event{Type: schedulerpb.Event_SUBSCRIBED.Enum(), Subscribed: &schedulerpb.Event_Subscribed{
		FrameworkId: c.FrameworkID, MasterInfo: c.MasterInfo,
	}})
	return nil
}

// Disconnected implements scheduler.Handler.
func (a *schedulerAdapter) Disconnected(_ context.Context, _ *scheduler.Session, d scheduler.Disconnected) error {
	a.sink.disconnected(d.Err)
	return nil
}

// Event implements scheduler.Handler.
func (a *schedulerAdapter) Event(_ context.Context, _ *scheduler.Session, e *schedulerpb.Event) error {
	a.sink.event(e)
	return nil
}

// Info implements scheduler.Handler.
func (a *schedulerAdapter) Info(context.Context, *scheduler.Session, any) error { return nil }

// Terminate implements scheduler.Handler.
func (a *schedulerAdapter) Terminate(*scheduler.Session, any, error) {}
