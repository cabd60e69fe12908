package scheduler

import (
	"context"
	"io"
	"iter"
	"math"
	"time"

	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// DefaultHeartbeatInterval is assumed of a master that names none; it is what masters do.
const DefaultHeartbeatInterval = 15 * time.Second

// Subscription is one event stream and the calls that belong to it. Events is for one goroutine; all else is
// safe for concurrent use.
type Subscription struct {
	Calls
	transport  *transport.Client
	base       string
	stream     *transport.Stream
	subscribed *schedulerpb.Event_Subscribed
	first      *schedulerpb.Event // the SUBSCRIBED event until it is read
	release    func()             // frees the context of a session's subscription; may be nil
}

// FrameworkID returns the framework's id, given by the master if it had none.
func (s *Subscription) FrameworkID() *mesospb.FrameworkID { return s.subscribed.GetFrameworkId() }

// StreamID returns the id that ties calls to this subscription.
func (s *Subscription) StreamID() string { return s.stream.Header().Get(streamIDHeader) }

// Master returns the base URL of the master that is subscribed to: the leader, where calls go.
func (s *Subscription) Master() string { return s.base }

// MasterInfo describes that master; nil if it did not.
func (s *Subscription) MasterInfo() *mesospb.MasterInfo { return s.subscribed.GetMasterInfo() }

// HeartbeatInterval returns how often the master sends HEARTBEAT, whatever else it sends.
func (s *Subscription) HeartbeatInterval() time.Duration {
	seconds := s.subscribed.GetHeartbeatIntervalSeconds()
	if !(seconds > 0) || seconds > math.MaxInt64/float64(time.Second) {
		return DefaultHeartbeatInterval
	}
	return time.Duration(seconds * float64(time.Second))
}

// LastReceived returns when the last bytes came. A master that has sent nothing for several heartbeat intervals
// is gone.
func (s *Subscription) LastReceived() time.Time { return s.stream.LastReceived() }

// Events iterates over the events, SUBSCRIBED first. The sequence ends when the master ends the stream; it
// yields an error as its last element if the stream breaks, the context of the subscription ends or Close is
// called. An event that cannot be decoded is yielded as a *transport.DecodeError, after which the sequence goes
// on. Leaving the loop keeps the subscription; a later Events goes on where it was left.
func (s *Subscription) Events() iter.Seq2[*schedulerpb.Event, error] {
	return func(yield func(*schedulerpb.Event, error) bool) {
		for {
			event, err := s.next()
			if err == io.EOF || !yield(event, err) {
				return
			}
			if _, decode := err.(*transport.DecodeError); err != nil && !decode {
				return
			}
		}
	}
}

func (s *Subscription) next() (*schedulerpb.Event, error) {
	if event := s.first; event != nil {
		s.first = nil
		return event, nil
	}
	event := new(schedulerpb.Event)
	if err := s.stream.Next(event); err != nil {
		return nil, err
	}
	return event, nil
}

// Call sends a call to the master of this subscription. The framework id is filled in where call has none; call
// is not changed. Any 2xx is success: most calls are only received by then, and events tell their effect. The
// error is a *CallError.
func (s *Subscription) Call(ctx context.Context, call *schedulerpb.Call) error {
	call, err := prepare(call, s.FrameworkID())
	if err != nil {
		return err
	}
	if err := s.transport.Call(ctx, s.base+apiPath, call, transport.WithHeader(streamIDHeader, s.StreamID())); err != nil {
		return &CallError{Type: call.GetType(), Err: err}
	}
	return nil
}

// Close ends the subscription; the master takes the framework for disconnected. It is idempotent.
func (s *Subscription) Close() error {
	err := s.stream.Close()
	if s.release != nil {
		s.release()
	}
	return err
}
