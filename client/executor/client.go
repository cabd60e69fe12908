package executor

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// Client makes single calls and subscriptions, and nothing behind the caller's back: it retries nothing, keeps
// nothing and sends no heartbeats by itself. It is safe for concurrent use.
//
// Calls made concurrently may arrive in any order; wait for one to return before making the next if order
// matters, as it does for the updates of a task. Errors are those of package transport: a
// *transport.StatusError for what the agent refuses, a *transport.ExchangeError where no answer came.
type Client struct {
	cfg  Config
	http *transport.Client
	url  string
}

// New returns a Client. The caller closes it.
func New(cfg Config) (*Client, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	tc := cfg.Transport
	if cfg.DomainSocket != "" && tc.DialContext == nil && tc.HTTPClient == nil {
		tc.DialContext = dialSocket(cfg.DomainSocket)
	}
	h, err := transport.New(tc)
	if err != nil {
		return nil, err
	}
	return &Client{cfg: cfg, http: h, url: cfg.AgentURL() + "/api/v1/executor"}, nil
}

// Config returns the configuration that the client was made with.
func (c *Client) Config() Config { return c.cfg }

// Close closes idle connections; subscriptions are not disturbed.
func (c *Client) Close() { c.http.Close() }

// call returns a call with everything but its sub-message.
func (c *Client) call(t executorpb.Call_Type) *executorpb.Call {
	return &executorpb.Call{
		Type:        t.Enum(),
		FrameworkId: &mesospb.FrameworkID{Value: proto.String(c.cfg.FrameworkID)},
		ExecutorId:  &mesospb.ExecutorID{Value: proto.String(c.cfg.ExecutorID)},
	}
}

// Subscribe opens the stream of events. pending lists the tasks and updates that were not acknowledged on an
// earlier subscription; nil means none. It returns when the agent has taken the call; tasks may be expected
// after the SUBSCRIBED event. A new subscription ends an older one. The subscription ends with ctx; the caller
// closes it.
func (c *Client) Subscribe(ctx context.Context, pending *executorpb.Call_Subscribe) (*Subscription, error) {
	if pending == nil {
		pending = new(executorpb.Call_Subscribe)
	}
	call := c.call(executorpb.Call_SUBSCRIBE)
	call.Subscribe = pending
	stream, err := c.http.Stream(ctx, c.url, call)
	if err != nil {
		return nil, err
	}
	return &Subscription{stream: stream}, nil
}

// Update sends the status of a task and returns it as sent: a copy with uuid, timestamp, source and executor id
// filled in where they were unset. The agent acknowledges it by an ACKNOWLEDGED event with the same uuid; until
// then it is to be repeated with every subscription. The error is an *UpdateError if the status cannot be sent
// at all.
func (c *Client) Update(ctx context.Context, status *mesospb.TaskStatus) (*mesospb.TaskStatus, error) {
	status, err := c.prepare(status)
	if err != nil {
		return nil, err
	}
	return status, c.send(ctx, status)
}

// send sends a status that was prepared.
func (c *Client) send(ctx context.Context, status *mesospb.TaskStatus) error {
	call := c.call(executorpb.Call_UPDATE)
	call.Update = &executorpb.Call_Update{Status: status}
	return c.http.Call(ctx, c.url, call)
}

// Message sends opaque bytes to the scheduler. It is not reliable: the agent drops the message if the scheduler
// is not connected.
func (c *Client) Message(ctx context.Context, data []byte) error {
	call := c.call(executorpb.Call_MESSAGE)
	call.Message = &executorpb.Call_Message{Data: data}
	if data == nil {
		call.Message.Data = []byte{} // the field is required
	}
	return c.http.Call(ctx, c.url, call)
}

// Heartbeat tells that the executor is there, and keeps the connection for calls open. Agents before Mesos 1.10
// answer with 501 (transport.ErrNotImplemented) or 400.
func (c *Client) Heartbeat(ctx context.Context) error {
	return c.http.Call(ctx, c.url, c.call(executorpb.Call_HEARTBEAT))
}

// Subscription is a stream of events.
type Subscription struct {
	stream *transport.Stream
	cause  atomic.Pointer[error] // why the stream was ended from this side

	release context.CancelCauseFunc // may be nil
}

// Events yields the events in the order in which they come, until the stream ends. An orderly end by the agent
// just ends the sequence; a broken stream, the end of the context and Close yield a last error. An event that
// cannot be decoded yields a *transport.DecodeError, after which the sequence goes on. The sequence can be
// ranged over again to continue where it was left. One goroutine at a time.
func (s *Subscription) Events() iter.Seq2[*executorpb.Event, error] {
	return func(yield func(*executorpb.Event, error) bool) {
		for {
			event := new(executorpb.Event)
			err := s.stream.Next(event)
			var undecodable *transport.DecodeError
			switch {
			case err == nil:
				if !yield(event, nil) {
					return
				}
			case errors.As(err, &undecodable):
				if !yield(nil, err) {
					return
				}
			case errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
				return
			default:
				if cause := s.cause.Load(); cause != nil {
					err = *cause
				}
				yield(nil, err)
				return
			}
		}
	}
}

// LastReceived returns when the agent sent anything last.
func (s *Subscription) LastReceived() time.Time { return s.stream.LastReceived() }

// Close ends the subscription, from any goroutine. To the agent this is a lost connection, not the end of the
// executor.
func (s *Subscription) Close() error {
	if s.release != nil {
		defer s.release(nil)
	}
	return s.stream.Close()
}

// abort ends the subscription with an error for whoever reads it.
func (s *Subscription) abort(cause error) {
	s.cause.CompareAndSwap(nil, &cause)
	_ = s.Close()
}
