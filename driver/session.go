package driver

import (
	"context"

	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// schedulerSession is the durable conversation with the master under a driver.
type schedulerSession interface {
	// run stays subscribed until ctx ends, or returns why it cannot go on.
	run(ctx context.Context, sink schedulerSink) error
	// call sends a call to the leading master, with the framework id filled in. It never waits for a subscription:
	// without one the error is ErrDisconnected.
	call(ctx context.Context, call *schedulerpb.Call) error
}

// schedulerSink is told what happens, in order, from one goroutine. It never makes that wait.
type schedulerSink interface {
	event(*schedulerpb.Event)
	disconnected(cause error)
}

// executorSession is the same towards an agent.
type executorSession interface {
	// run stays subscribed until finish was called and all updates are acknowledged, the agent's grace period for a shutdown is over,
	// or the agent is lost. The last two are the end of an executor like any other if sink has heard of the shutdown; if it has not,
	// the error says why the executor cannot go on.
	run(ctx context.Context, sink executorSink) error
	// finish ends run in an orderly way.
	finish()
	// update takes responsibility for a status; an error means that the agent will not have it.
	update(ctx context.Context, status *mesospb.TaskStatus) error
	message(ctx context.Context, data []byte) error
}

// executorSink is told what happens, in order, from one goroutine. It never makes that wait.
type executorSink interface {
	event(*executorpb.Event)
	disconnected(cause error)
	// shutdown is told that tasks have to end: because the agent asked for it (nil) or is lost.
	shutdown(cause error)
	// problem is told what went wrong without ending anything.
	problem(error)
}
