package scheduler

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/mesokit/mesokit/client/detector"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// apiPath is where masters serve the scheduler API.
const apiPath = "/api/v1/scheduler"

// streamIDHeader ties calls to a subscription.
const streamIDHeader = "Mesos-Stream-Id"

// DefaultMaxRedirects is how many redirects in a row SUBSCRIBE follows unless told otherwise. One leads to the
// leader; more happen while leadership changes.
const DefaultMaxRedirects = 5

// ClientConfig of a Client. Only Master is necessary.
type ClientConfig struct {
	// Master to subscribe at, as detector.BaseURL takes it: host:port or http(s)://host:port. It need not be
	// the leader.
	Master string
	// Transport carries the conversation; nil means a new one with the defaults of package transport, closed by
	// Client.Close.
	Transport *transport.Client
	// MaxRedirects is how many redirects SUBSCRIBE follows; 0 means DefaultMaxRedirects, negative none.
	MaxRedirects int
}

// Client opens subscriptions. It is safe for concurrent use and holds nothing but its transport.
type Client struct {
	base         string
	transport    *transport.Client
	owned        bool
	maxRedirects int
}

// NewClient returns a Client.
func NewClient(cfg ClientConfig) (*Client, error) {
	base, err := detector.BaseURL(cfg.Master, "http")
	if err != nil {
		return nil, err
	}
	c := &Client{base: base, transport: cfg.Transport, maxRedirects: redirectLimit(cfg.MaxRedirects)}
	if c.transport == nil {
		if c.transport, err = transport.New(transport.Config{}); err != nil {
			return nil, err
		}
		c.owned = true
	}
	return c, nil
}

func redirectLimit(n int) int {
	if n == 0 {
		return DefaultMaxRedirects
	}
	return max(n, 0)
}

// Close closes idle connections of a transport that was not given to NewClient. Subscriptions are closed on their own.
func (c *Client) Close() {
	if c.owned {
		c.transport.Close()
	}
}

// Subscribe subscribes a framework and returns once the master has confirmed it, which is when calls are safe.
// Where info has an id, the framework of that id is resumed. info is neither changed nor kept. A redirect is
// followed to the leader.
//
// The subscription ends with ctx. A refused subscription is a *CallError around a *transport.StatusError, or an
// *EventError if the master refuses by event, as it does for a wrong framework info.
func (c *Client) Subscribe(ctx context.Context, info *mesospb.FrameworkInfo, opts SubscribeOptions) (*Subscription, error) {
	return subscribe(ctx, c.transport, c.base, c.maxRedirects, Subscribe(info, opts))
}

func subscribe(ctx context.Context, t *transport.Client, base string, redirects int, call *schedulerpb.Call) (_ *Subscription, err error) {
	defer func() {
		if err != nil {
			err = &CallError{Type: schedulerpb.Call_SUBSCRIBE, Err: err}
		}
	}()
	for {
		stream, err := t.Stream(ctx, base+apiPath, call)
		if err == nil {
			return confirm(t, base, stream)
		}
		var status *transport.StatusError
		if !errors.Is(err, transport.ErrNotLeader) || !errors.As(err, &status) || redirects == 0 {
			return nil, err
		}
		leader, redirectErr := status.LeaderURL()
		if redirectErr != nil {
			return nil, fmt.Errorf("%w: %w", redirectErr, err)
		}
		base = leader
		redirects--
	}
}

// confirm reads the first event of a stream, which decides whether there is a subscription.
func confirm(t *transport.Client, base string, stream *transport.Stream) (*Subscription, error) {
	event := new(schedulerpb.Event)
	err := stream.Next(event)
	switch {
	case err == io.EOF:
		err = &transport.ExchangeError{URL: base + apiPath, Err: fmt.Errorf("the stream ended before the framework was subscribed: %w", io.ErrUnexpectedEOF)}
	case err != nil:
	case event.GetType() == schedulerpb.Event_ERROR:
		err = newEventError(event.GetError())
	case event.GetType() != schedulerpb.Event_SUBSCRIBED || event.GetSubscribed().GetFrameworkId().GetValue() == "":
		err = &transport.ExchangeError{URL: base + apiPath, Err: fmt.Errorf("the stream starts with %s instead of SUBSCRIBED with a framework id", event.GetType())}
	default:
		s := &Subscription{transport: t, base: base, stream: stream, first: event, subscribed: event.GetSubscribed()}
		s.Calls = Calls{s}
		return s, nil
	}
	_ = stream.Close()
	return nil, err
}

// Reasons of an *EventError, recognized by the master's words.
var (
	// ErrFailedOver: another scheduler has subscribed with the same framework id.
	ErrFailedOver = errors.New("another scheduler has taken the framework over")
	// ErrFrameworkRemoved: the framework id is spent: torn down, or its failover timeout has passed.
	ErrFrameworkRemoved = errors.New("the framework has been removed")
)

// EventError is an ERROR event: the master ends the subscription, or refuses it. The same SUBSCRIBE will not help. It
// matches ErrFailedOver and ErrFrameworkRemoved with errors.Is.
type EventError struct {
	// Message is the master's.
	Message string
}

func newEventError(e *schedulerpb.Event_Error) *EventError {
	return &EventError{Message: e.GetMessage()}
}

func (e *EventError) Error() string { return "the master ended the subscription: " + e.Message }

// Is recognizes the reasons.
func (e *EventError) Is(target error) bool {
	switch target {
	case ErrFailedOver:
		return strings.Contains(e.Message, "failed over")
	case ErrFrameworkRemoved:
		return strings.Contains(e.Message, "has been removed") || strings.Contains(e.Message, "completed framework")
	}
	return false
}

// shallowCopy returns a copy of m that shares the messages in it.
func shallowCopy[M proto.Message](m M) M {
	out := m.ProtoReflect().New()
	m.ProtoReflect().Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		out.Set(fd, v)
		return true
	})
	out.SetUnknown(m.ProtoReflect().GetUnknown())
	return out.Interface().(M)
}

// withID returns info with an id; info itself stays as it is.
func withID(info *mesospb.FrameworkInfo, id *mesospb.FrameworkID) *mesospb.FrameworkInfo {
	info = shallowCopy(info)
	info.Id = id
	return info
}
