package scheduler

import (
	"context"
	"errors"
	"fmt"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// Handler is what a framework does with what happens in its session. All methods are called one after the
// other, in the order in which things happened, in the goroutine of Session.Run. A slow method delays
// the ones to come and nothing else: heartbeats are watched and events received meanwhile.
//
// Methods may use the session, which all of them are given, and must not wait for anything that only another
// call of the handler can bring about. ctx ends when the session stops.
//
// A method that returns nil lets the session go on. StopWith stops the session with a value, any other error
// stops it with that error; what was received and not yet handled is then dropped.
type Handler interface {
	// Connected is called when the framework is subscribed, the first time and after every disconnection. The
	// framework id is stored by then. Offers from before the disconnection are void; the state of tasks may have
	// changed meanwhile, so now is the time for Reconcile.
	Connected(ctx context.Context, s *Session, c Connected) error
	// Disconnected is called when the subscription is lost; the session subscribes again by itself.
	Disconnected(ctx context.Context, s *Session, d Disconnected) error
	// Event is called with every event but SUBSCRIBED (see Connected) and HEARTBEAT. An ERROR event is the last
	// one; Disconnected and Terminate follow it.
	Event(ctx context.Context, s *Session, event *schedulerpb.Event) error
	// Info is called with what Session.Post was given.
	Info(ctx context.Context, s *Session, message any) error
	// Terminate is called once, as the last, with the result of Run. Calls are no longer possible.
	Terminate(s *Session, value any, err error)
}

// Connected says that the framework is subscribed.
type Connected struct {
	// FrameworkID of the framework, given by the master if it had none.
	FrameworkID *mesospb.FrameworkID
	// Master is the base URL of the leader; MasterInfo describes it and may be nil.
	Master     string
	MasterInfo *mesospb.MasterInfo
	// Resumed says that the framework had an id already, from an earlier connection, the store or its info.
	Resumed bool
	// Reconnected says that this session was connected before.
	Reconnected bool
}

// Disconnected says that the subscription is lost.
type Disconnected struct {
	// Master is the base URL of the master that was subscribed to.
	Master string
	// Err is why; never nil. io.EOF means that the master ended the stream without a word.
	Err error
}

// stop is the error of StopWith.
type stop struct{ value any }

func (s *stop) Error() string { return fmt.Sprintf("stopped with the value %v", s.value) }

// StopWith returns an error by which a method of a Handler stops the session with a value, which Run returns
// without an error.
func StopWith(value any) error { return &stop{value} }

// HandlerFuncs is a Handler made of functions, by kind of event; those that are nil do nothing. With EventFunc
// set, it gets every event before the function of its kind.
type HandlerFuncs struct {
	ConnectedFunc    func(ctx context.Context, s *Session, c Connected) error
	DisconnectedFunc func(ctx context.Context, s *Session, d Disconnected) error
	InfoFunc         func(ctx context.Context, s *Session, message any) error
	TerminateFunc    func(s *Session, value any, err error)
	EventFunc        func(ctx context.Context, s *Session, event *schedulerpb.Event) error

	Offers              func(ctx context.Context, s *Session, offers []*mesospb.Offer) error
	InverseOffers       func(ctx context.Context, s *Session, offers []*mesospb.InverseOffer) error
	Rescind             func(ctx context.Context, s *Session, offer *mesospb.OfferID) error
	RescindInverseOffer func(ctx context.Context, s *Session, offer *mesospb.OfferID) error
	Update              func(ctx context.Context, s *Session, status *mesospb.TaskStatus) error
	UpdateOperation     func(ctx context.Context, s *Session, status *mesospb.OperationStatus) error
	Message             func(ctx context.Context, s *Session, message *schedulerpb.Event_Message) error
	AgentLost           func(ctx context.Context, s *Session, agent *mesospb.AgentID) error
	ExecutorLost        func(ctx context.Context, s *Session, failure *schedulerpb.Event_Failure) error
	Error               func(ctx context.Context, s *Session, message string) error
}

// Connected implements Handler.
func (h HandlerFuncs) Connected(ctx context.Context, s *Session, c Connected) error {
	if h.ConnectedFunc == nil {
		return nil
	}
	return h.ConnectedFunc(ctx, s, c)
}

// Disconnected implements Handler.
func (h HandlerFuncs) Disconnected(ctx context.Context, s *Session, d Disconnected) error {
	if h.DisconnectedFunc == nil {
		return nil
	}
	return h.DisconnectedFunc(ctx, s, d)
}

// Info implements Handler.
func (h HandlerFuncs) Info(ctx context.Context, s *Session, message any) error {
	if h.InfoFunc == nil {
		return nil
	}
	return h.InfoFunc(ctx, s, message)
}

// Terminate implements Handler.
func (h HandlerFuncs) Terminate(s *Session, value any, err error) {
	if h.TerminateFunc != nil {
		h.TerminateFunc(s, value, err)
	}
}

// Event implements Handler.
func (h HandlerFuncs) Event(ctx context.Context, s *Session, event *schedulerpb.Event) error {
	if h.EventFunc != nil {
		if err := h.EventFunc(ctx, s, event); err != nil {
			return err
		}
	}
	switch event.GetType() {
	case schedulerpb.Event_OFFERS:
		return callWith(ctx, s, h.Offers, event.GetOffers().GetOffers())
	case schedulerpb.Event_INVERSE_OFFERS:
		return callWith(ctx, s, h.InverseOffers, event.GetInverseOffers().GetInverseOffers())
	case schedulerpb.Event_RESCIND:
		return callWith(ctx, s, h.Rescind, event.GetRescind().GetOfferId())
	case schedulerpb.Event_RESCIND_INVERSE_OFFER:
		return callWith(ctx, s, h.RescindInverseOffer, event.GetRescindInverseOffer().GetInverseOfferId())
	case schedulerpb.Event_UPDATE:
		return callWith(ctx, s, h.Update, event.GetUpdate().GetStatus())
	case schedulerpb.Event_UPDATE_OPERATION_STATUS:
		return callWith(ctx, s, h.UpdateOperation, event.GetUpdateOperationStatus().GetStatus())
	case schedulerpb.Event_MESSAGE:
		return callWith(ctx, s, h.Message, event.GetMessage())
	case schedulerpb.Event_FAILURE:
		if event.GetFailure().ExecutorId == nil {
			return callWith(ctx, s, h.AgentLost, event.GetFailure().GetAgentId())
		}
		return callWith(ctx, s, h.ExecutorLost, event.GetFailure())
	case schedulerpb.Event_ERROR:
		return callWith(ctx, s, h.Error, event.GetError().GetMessage())
	}
	return nil
}

func callWith[T any](ctx context.Context, s *Session, f func(context.Context, *Session, T) error, value T) error {
	if f == nil {
		return nil
	}
	return f(ctx, s, value)
}

// outcome turns what ended a session into the result of Run.
func outcome(err error) (value any, _ error) {
	if s, ok := errors.AsType[*stop](err); ok {
		return s.value, nil
	}
	return nil, err
}
