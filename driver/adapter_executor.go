package driver

import (
	"context"

	"github.com/mesokit/mesokit/client/executor"
	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// executorAdapter is an executorSession made of a session of client/executor.
type executorAdapter struct {
	session *executor.Session
	sink    executorSink // set before the session runs, used by its goroutine
}

func newExecutorSession(cfg ExecutorDriverConfig) (executorSession, error) {
	a := new(executorAdapter)
	session, err := executor.NewSession(*cfg.Client, executor.Handler{
		// Event hears of everything first. The others keep the session from doing by itself what callbacks are for.
		Event: func(_ context.Context, _ *executor.Session, e *executorpb.Event) error {
			a.sink.event(e)
			return nil
		},
		Launch:      func(context.Context, *executor.Session, *mesospb.TaskInfo) error { return nil },
		LaunchGroup: func(context.Context, *executor.Session, *mesospb.TaskGroupInfo) error { return nil },
		Disconnected: func(_ context.Context, _ *executor.Session, cause error) error {
			a.sink.disconnected(cause)
			return nil
		},
		Shutdown: func(_ context.Context, _ *executor.Session, cause error) error {
			a.sink.shutdown(cause)
			return nil
		},
		Error: func(_ context.Context, _ *executor.Session, err error) error {
			a.sink.problem(err)
			return nil
		},
	})
	if err != nil {
		return nil, err
	}
	a.session = session
	return a, nil
}

func (a *executorAdapter) run(ctx context.Context, sink executorSink) error {
	a.sink = sink
	return a.session.Run(ctx)
}

func (a *executorAdapter) finish() { a.session.Stop(nil) }

func (a *executorAdapter) update(ctx context.Context, status *mesospb.TaskStatus) error {
	return a.session.Update(ctx, status)
}

func (a *executorAdapter) message(ctx context.Context, data []byte) error {
	return a.session.Message(ctx, data)
}
