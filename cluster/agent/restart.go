package agent

// Restart of an agent whose executors live on, as when the process of a mesos-agent ends and comes back with
// --recover=reconnect:
//
//   - While it is away its endpoints are closed and it has no master. Tasks run on.
//   - Executors of frameworks that do not checkpoint end when their agent goes; nobody is told, but for
//     what the master makes of it.
//   - When it is back, custom executors must subscribe again within 2 s: those that do not are
//     destroyed, their tasks GONE (or LOST), EXECUTOR_REREGISTRATION_TIMEOUT. Meanwhile the operator API and
//     calls of executors but SUBSCRIBE get 503.
//   - Then it registers again with all it knows, and sends the heads of its update streams.

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/mesokit/mesokit/mesos/duration"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// Errors of Suspend and Resume.
var (
	ErrSuspended    = errors.New("agent: suspended already")
	ErrNotSuspended = errors.New("agent: not suspended")
)

// reregistrationTimeout is how long executors have to subscribe to an agent that is back.
const reregistrationTimeout = subscriptionBackoffMax

// Suspend makes the agent go away without its tasks, as when its process is killed. It closes the
// listener. Resume brings it back; Close ends it for good.
func (a *Agent) Suspend(ctx context.Context) error {
	var failed error
	err := a.loop.Do(ctx, func() {
		if a.suspended {
			failed = ErrSuspended
			return
		}
		a.suspended = true
		a.disconnect()
		for _, f := range sorted(a.frameworks) {
			for _, e := range f.executors {
				e.heartbeat.Stop()
				if p, ok := e.peer.(httpPeer); ok {
					p.leave()
					e.peer = nil
				}
			}
			if !f.info.GetCheckpoint() {
				a.abandon(f)
			}
		}
	})
	if err := errors.Join(err, failed); err != nil {
		return err
	}
	return a.stopServing()
}

// abandon ends a framework's executors without a word.
func (a *Agent) abandon(f *framework) {
	f.terminating = true
	a.dropStreams(f.id())
	for _, e := range sorted(f.executors) {
		if e.simulated {
			a.shutdownExecutor(e)
		} else {
			a.destroy(e.container)
		}
		a.forgetExecutorIfDone(e)
	}
	a.forgetFrameworkIfIdle(f)
}

// Resume brings a suspended agent back. The listener, which the agent closes, must have the address of the
// one before, for executors look for their agent there; it is nil if there was none.
func (a *Agent) Resume(l net.Listener) error {
	at, err := addressOf(l)
	if err != nil {
		return err
	}
	if a.cfg.Host == nil && at != a.address {
		return fmt.Errorf("agent: cannot resume on %s: executors look for the agent on %s", at.hostPort(), a.address.hostPort())
	}
	var failed error
	err = a.loop.Do(context.Background(), func() {
		if !a.suspended || a.closing {
			failed = ErrNotSuspended
			return
		}
		a.suspended = false
		a.recovering.Store(true)
		if !a.executorsAreAway() {
			a.recovered()
			return
		}
		a.loop.After(reregistrationTimeout, func() {
			a.giveUpExecutors()
			a.recovered()
		})
	})
	if err := errors.Join(err, failed); err != nil {
		return err
	}
	if a.cfg.Host != nil {
		a.beHosted()
	} else if l != nil {
		a.serve(l)
	}
	return nil
}

// recovered lets the agent join its master again.
func (a *Agent) recovered() {
	if a.recovering.CompareAndSwap(true, false) {
		a.connect()
	}
}

// away reports whether an executor that ran has not come back yet.
func (e *executor) away() bool {
	return e.kind == customKind && e.state == executorRunning && e.peer == nil
}

func (a *Agent) executorsAreAway() bool {
	for _, f := range a.frameworks {
		for _, e := range f.executors {
			if e.away() && !f.terminating {
				return true
			}
		}
	}
	return false
}

// giveUpExecutors ends those that have not come back.
func (a *Agent) giveUpExecutors() {
	if a.closing {
		return
	}
	for _, f := range sorted(a.frameworks) {
		for _, e := range sorted(f.executors) {
			if !e.away() || f.terminating {
				continue
			}
			state := mesospb.TaskState_TASK_LOST
			if f.partitionAware() {
				state = mesospb.TaskState_TASK_GONE
			}
			e.state = executorTerminating
			e.cause = &cause{
				state: state, reason: mesospb.TaskStatus_REASON_EXECUTOR_REREGISTRATION_TIMEOUT,
				message: "Executor did not reregister within " + duration.Format(reregistrationTimeout),
			}
			a.destroy(e.container)
		}
	}
}

// stopServing closes the endpoints and waits for the requests that are being served.
func (a *Agent) stopServing() error {
	a.requests.Lock()
	server, cancel := a.server, a.stopRequests
	a.server, a.stopRequests = nil, nil
	a.requests.closed = true
	a.requests.Unlock()
	if cancel != nil {
		cancel() // ends event streams
	}
	var err error
	if server != nil {
		err = server.Close()
	}
	a.requests.Wait()
	return err
}
