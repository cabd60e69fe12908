package scheduler

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// Caller sends calls other than SUBSCRIBE. It fills in the framework id where the call has none, without
// changing the call. Subscription and Session are Callers.
type Caller interface {
	Call(ctx context.Context, call *schedulerpb.Call) error
}

// Calls has a method for every call. Its errors are *CallError around those of package transport; a call that
// is refused or fails has no effect on the subscription. Safe for concurrent use; calls that are to arrive in
// order are to be made one after the other.
type Calls struct {
	Caller
}

// Accept sends the ACCEPT call, see Accept. If it fails while the subscription lasts, the master may hold the offers for the framework
// still: decline them, which it ignores for those that were used.
func (c Calls) Accept(ctx context.Context, offers []*mesospb.OfferID, filters *mesospb.Filters, operations ...*mesospb.Offer_Operation) error {
	return c.Call(ctx, Accept(offers, filters, operations...))
}

// Decline sends the DECLINE call, see Decline.
func (c Calls) Decline(ctx context.Context, offers []*mesospb.OfferID, filters *mesospb.Filters) error {
	return c.Call(ctx, Decline(offers, filters))
}

// AcceptInverseOffers sends the ACCEPT_INVERSE_OFFERS call, see AcceptInverseOffers.
func (c Calls) AcceptInverseOffers(ctx context.Context, inverseOffers []*mesospb.OfferID, filters *mesospb.Filters) error {
	return c.Call(ctx, AcceptInverseOffers(inverseOffers, filters))
}

// DeclineInverseOffers sends the DECLINE_INVERSE_OFFERS call, see DeclineInverseOffers.
func (c Calls) DeclineInverseOffers(ctx context.Context, inverseOffers []*mesospb.OfferID, filters *mesospb.Filters) error {
	return c.Call(ctx, DeclineInverseOffers(inverseOffers, filters))
}

// Revive sends the REVIVE call, see Revive.
func (c Calls) Revive(ctx context.Context, roles ...string) error {
	return c.Call(ctx, Revive(roles...))
}

// Suppress sends the SUPPRESS call, see Suppress.
func (c Calls) Suppress(ctx context.Context, roles ...string) error {
	return c.Call(ctx, Suppress(roles...))
}

// Kill sends the KILL call, see Kill.
func (c Calls) Kill(ctx context.Context, task *mesospb.TaskID, agent *mesospb.AgentID, policy *mesospb.KillPolicy) error {
	return c.Call(ctx, Kill(task, agent, policy))
}

// Shutdown sends the SHUTDOWN call, see Shutdown.
func (c Calls) Shutdown(ctx context.Context, executor *mesospb.ExecutorID, agent *mesospb.AgentID) error {
	return c.Call(ctx, Shutdown(executor, agent))
}

// Acknowledge acknowledges a status update. For a status without a uuid, which must not be acknowledged, it
// does nothing.
func (c Calls) Acknowledge(ctx context.Context, status *mesospb.TaskStatus) error {
	call := Acknowledge(status)
	if call == nil {
		return nil
	}
	return c.Call(ctx, call)
}

// AcknowledgeOperationStatus acknowledges an operation's status update. For a status that cannot be
// acknowledged it does nothing.
func (c Calls) AcknowledgeOperationStatus(ctx context.Context, status *mesospb.OperationStatus) error {
	call := AcknowledgeOperationStatus(status)
	if call == nil {
		return nil
	}
	return c.Call(ctx, call)
}

// Reconcile sends the RECONCILE call, see Reconcile.
func (c Calls) Reconcile(ctx context.Context, tasks ...*schedulerpb.Call_Reconcile_Task) error {
	return c.Call(ctx, Reconcile(tasks...))
}

// ReconcileOperations sends the RECONCILE_OPERATIONS call, see ReconcileOperations.
func (c Calls) ReconcileOperations(ctx context.Context, operations ...*schedulerpb.Call_ReconcileOperations_Operation) error {
	return c.Call(ctx, ReconcileOperations(operations...))
}

// Message sends the MESSAGE call, see Message.
func (c Calls) Message(ctx context.Context, agent *mesospb.AgentID, executor *mesospb.ExecutorID, data []byte) error {
	return c.Call(ctx, Message(agent, executor, data))
}

// Request sends the REQUEST call, see Request.
func (c Calls) Request(ctx context.Context, requests ...*mesospb.Request) error {
	return c.Call(ctx, Request(requests...))
}

// UpdateFramework sends the UPDATE_FRAMEWORK call, see UpdateFramework. The id of info may be left out.
func (c Calls) UpdateFramework(ctx context.Context, info *mesospb.FrameworkInfo, opts SubscribeOptions) error {
	return c.Call(ctx, UpdateFramework(info, opts))
}

// Teardown sends the TEARDOWN call, see Teardown.
func (c Calls) Teardown(ctx context.Context) error {
	return c.Call(ctx, Teardown())
}

// Causes of a *CallError beyond those of package transport, recognized by status code and, where a code means
// several things, by the master's words.
var (
	// ErrUnknownFramework: the master does not know the framework id: never subscribed, torn down, or failed
	// over too late.
	ErrUnknownFramework = errors.New("the master does not know the framework")
	// ErrNotSubscribed: the master knows the framework but has no connection of it.
	ErrNotSubscribed = errors.New("the framework is not subscribed")
	// ErrStaleStream: the call belongs to a subscription that a newer one has replaced.
	ErrStaleStream = errors.New("another subscription has replaced this one")
	// ErrDisconnected: the session has no subscription at the moment; nothing was sent.
	ErrDisconnected = errors.New("the session is disconnected")
	// ErrSessionEnded: the session is over; nothing was sent.
	ErrSessionEnded = errors.New("the session has ended")
	// ErrInvalidCall: the call cannot be sent, such as a second SUBSCRIBE; nothing was sent.
	ErrInvalidCall = errors.New("invalid call")
)

// CallError is a call that was refused or not completed. It matches the sentinels above and those of package
// transport with errors.Is.
type CallError struct {
	// Type of the call.
	Type schedulerpb.Call_Type
	// Err is what went wrong.
	Err error
}

func (e *CallError) Error() string { return fmt.Sprintf("call %s: %v", e.Type, e.Err) }

// Unwrap returns what went wrong.
func (e *CallError) Unwrap() error { return e.Err }

// Is recognizes what a master means by a status code.
func (e *CallError) Is(target error) bool {
	var status *transport.StatusError
	switch target {
	case ErrUnknownFramework, ErrNotSubscribed, ErrStaleStream:
		if !errors.As(e.Err, &status) {
			return false
		}
	}
	switch target {
	case ErrUnknownFramework:
		return status.Code == 400 && strings.Contains(status.Message, "Framework cannot be found")
	case ErrNotSubscribed:
		return status.Code == 403 && strings.Contains(status.Message, "is not subscribed")
	case ErrStaleStream:
		return status.Code == 400 && strings.Contains(status.Message, "stream ID")
	}
	return false
}

// prepare returns call with the framework id filled in. The caller's message stays as it is: what has to differ
// is copied.
func prepare(call *schedulerpb.Call, id *mesospb.FrameworkID) (*schedulerpb.Call, error) {
	fail := func(why string) error {
		return &CallError{Type: call.GetType(), Err: fmt.Errorf("%w: %s", ErrInvalidCall, why)}
	}
	switch {
	case call == nil || call.Type == nil:
		return nil, fail("it has no type")
	case call.GetType() == schedulerpb.Call_SUBSCRIBE:
		return nil, fail("SUBSCRIBE opens a subscription; use Client.Subscribe")
	}
	for i, op := range call.GetAccept().GetOperations() {
		// A master that gets such an id may end with a failed check instead of refusing it.
		if err := resources.ValidatePersistenceIDs(op.GetCreate().GetVolumes()); err != nil {
			return nil, &CallError{Type: call.GetType(), Err: fmt.Errorf("%w: operations[%d]: %w; use another one", ErrInvalidCall, i, err)}
		}
	}
	own := call
	if call.FrameworkId == nil {
		own = shallowCopy(call)
		own.FrameworkId = id
	}
	if info := call.GetUpdateFramework().GetFrameworkInfo(); info != nil && info.Id == nil {
		own = shallowCopy(own)
		update := call.GetUpdateFramework()
		own.UpdateFramework = &schedulerpb.Call_UpdateFramework{
			FrameworkInfo: withID(info, own.FrameworkId), SuppressedRoles: update.SuppressedRoles, OfferConstraints: update.OfferConstraints,
		}
	}
	return own, nil
}
