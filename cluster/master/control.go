package master

import (
	"context"
	"fmt"
	"net/http"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/loop"
	"github.com/mesokit/mesokit/mesos/masterpb"
)

// What programs that hold a Master can do with it beside the wire: ask and operate without HTTP, and play faults. All methods are
// safe for concurrent use; each takes effect before it returns.

// ErrClosed is returned by methods of a master that was closed.
var ErrClosed = loop.ErrClosed

// CallError is the answer of an operator call that did not succeed.
type CallError struct {
	Type   masterpb.Call_Type
	Status int    // of the HTTP answer that it would have been
	Text   string // as Mesos words it; may be empty
}

func (e *CallError) Error() string {
	return fmt.Sprintf("master: %v was answered %d %s: %s", e.Type, e.Status, http.StatusText(e.Status), e.Text)
}

// Operate runs a call of the operator API, but SUBSCRIBE: reads (GET_STATE, GET_AGENTS, …) return a response, writes (DRAIN_AGENT,
// DEACTIVATE_AGENT, MARK_AGENT_GONE, UPDATE_QUOTA, TEARDOWN, …) nil. The error is a *CallError, or that of ctx or of a closed
// master. The call is not changed, the response must not be.
func (m *Master) Operate(ctx context.Context, call *masterpb.Call) (*masterpb.Response, error) {
	call = proto.CloneOf(call) // parts of it are kept
	if err := validateOperatorCall(call); err != nil {
		return nil, &CallError{call.GetType(), http.StatusBadRequest, err.Error()}
	}
	k := operatorCalls[call.GetType()]
	if k.read == nil && k.write == nil {
		return nil, &CallError{call.GetType(), http.StatusNotImplemented, "not a call of Operate"}
	}
	var response *masterpb.Response
	var got answer
	if err := m.doLeading(ctx, func() { response, got = m.operatorCall(k, call) }); err != nil {
		return nil, fmt.Errorf("master: %v: %w", call.GetType(), err)
	}
	if got.status/100 != 2 {
		return nil, &CallError{call.GetType(), got.status, got.text}
	}
	return response, nil
}

// State returns a snapshot of everything: tasks, executors, frameworks and agents. It must not be changed.
func (m *Master) State(ctx context.Context) (*masterpb.Response_GetState, error) {
	r, err := m.Operate(ctx, &masterpb.Call{Type: masterpb.Call_GET_STATE.Enum()})
	return r.GetGetState(), err
}

// Metrics returns what /metrics/snapshot shows.
func (m *Master) Metrics(ctx context.Context) (values map[string]float64, err error) {
	err = m.loop.Do(ctx, func() { values = m.metricValues() })
	return values, err
}

// Allocate runs a round of offers now instead of at the next AllocationInterval.
func (m *Master) Allocate(ctx context.Context) error {
	return m.loop.Do(ctx, func() {
		m.allocate()
		m.offerInversely()
	})
}

// UnknownError reports a framework or agent that the master does not know.
type UnknownError struct{ What, ID string }

func (e *UnknownError) Error() string {
	return fmt.Sprintf("master: there is no %s %q", e.What, e.ID)
}

// SeverStream ends the event stream of a framework, as a network failure does: no event tells why, and the failover timeout begins. It
// fails with an *UnknownError if the framework is not connected.
func (m *Master) SeverStream(ctx context.Context, frameworkID string) error {
	err := error(&UnknownError{"connected framework", frameworkID})
	if e := m.loop.Do(ctx, func() {
		if f := m.frameworks[frameworkID]; f != nil && f.connected {
			err = nil
			f.stream.Close()
			m.disconnect(f, f.stream)
		}
	}); e != nil {
		return e
	}
	return err
}

// RescindOffers takes back all offers of an agent, with RESCIND and without filter, or of all agents if the id is empty. It fails with
// an *UnknownError if there is no such agent.
func (m *Master) RescindOffers(ctx context.Context, agentID string) error {
	var err error
	if e := m.loop.Do(ctx, func() {
		if agentID != "" && m.agents[agentID] == nil {
			err = &UnknownError{"agent", agentID}
			return
		}
		for _, id := range sortedKeys(m.agents) {
			if agentID == "" || agentID == id {
				m.rescindOffers(m.agents[id])
			}
		}
	}); e != nil {
		return e
	}
	return err
}

// MarkUnreachable gives an agent up as if it had not answered pings; it may come back. It fails with an *UnknownError if there is no
// such agent.
func (m *Master) MarkUnreachable(ctx context.Context, agentID string) error {
	err := error(&UnknownError{"agent", agentID})
	if e := m.loop.Do(ctx, func() {
		if a := m.agents[agentID]; a != nil {
			err = nil
			m.markUnreachable(a, "marked unreachable")
		}
	}); e != nil {
		return e
	}
	return err
}
