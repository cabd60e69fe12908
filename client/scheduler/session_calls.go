package scheduler

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// Call sends a call through the current subscription, see Subscription.Call. While the session is disconnected
// it fails at once with ErrDisconnected or, with SessionConfig.WaitForConnection, waits as long as ctx allows.
// After a successful TEARDOWN the session stops, and the store forgets the framework id.
func (s *Session) Call(ctx context.Context, call *schedulerpb.Call) error {
	return s.call(ctx, call, s.cfg.WaitForConnection)
}

// Waiting returns calls that wait while the session is disconnected, as long as their contexts allow.
func (s *Session) Waiting() Calls { return Calls{waiting{s}} }

type waiting struct{ s *Session }

func (w waiting) Call(ctx context.Context, call *schedulerpb.Call) error {
	return w.s.call(ctx, call, true)
}

func (s *Session) call(ctx context.Context, call *schedulerpb.Call, wait bool) error {
	sub, err := s.subscription(ctx, wait)
	if err != nil {
		return &CallError{Type: call.GetType(), Err: err}
	}
	if call.GetType() == schedulerpb.Call_TEARDOWN {
		return s.callTeardown(ctx, sub, call)
	}
	if err := sub.Call(ctx, call); err != nil {
		return err
	}
	s.remember(call)
	return nil
}

// subscription returns the current subscription.
func (s *Session) subscription(ctx context.Context, wait bool) (*Subscription, error) {
	for {
		s.mu.Lock()
		sub, ended, changed, last := s.sub, s.ended, s.changed, s.lastError
		s.mu.Unlock()
		switch {
		case ended && sub == nil:
			return nil, ErrSessionEnded
		case sub != nil:
			return sub, nil
		case !wait && last != nil:
			return nil, fmt.Errorf("%w: %v", ErrDisconnected, last) // as text: its kind is not that of this call
		case !wait:
			return nil, ErrDisconnected
		}
		select {
		case <-changed:
		case <-ctx.Done():
			if cause := context.Cause(ctx); !errors.Is(cause, ctx.Err()) {
				return nil, fmt.Errorf("%w: %w: %w", ErrDisconnected, ctx.Err(), cause)
			}
			return nil, fmt.Errorf("%w: %w", ErrDisconnected, ctx.Err())
		}
	}
}

// setSubscription changes the state that calls see; err says why sub is nil.
func (s *Session) setSubscription(sub *Subscription, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sub, s.lastError = sub, err
	if sub != nil {
		s.id = sub.FrameworkID().GetValue()
	}
	s.broadcastLocked()
}

// broadcastLocked wakes calls that wait; mu is held.
func (s *Session) broadcastLocked() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// callTeardown keeps the session from resubscribing a framework while it is torn down: the master ends the
// stream before or after it answers the call.
func (s *Session) callTeardown(ctx context.Context, sub *Subscription, call *schedulerpb.Call) error {
	done := make(chan struct{})
	s.mu.Lock()
	if s.teardown == nil {
		s.teardown = done
	}
	s.mu.Unlock()
	err := sub.Call(ctx, call)
	if err == nil {
		s.endWith(errTornDown)
	}
	s.mu.Lock()
	if s.teardown == done {
		s.teardown = nil
	}
	s.mu.Unlock()
	close(done)
	return err
}

// waitForTeardown returns when no TEARDOWN is under way.
func (s *Session) waitForTeardown(ctx context.Context) {
	for ctx.Err() == nil {
		s.mu.Lock()
		pending := s.teardown
		s.mu.Unlock()
		if pending == nil {
			return
		}
		select {
		case <-pending:
		case <-ctx.Done():
		}
	}
}

// remember keeps what a successful call changes in what the next SUBSCRIBE has to say.
func (s *Session) remember(call *schedulerpb.Call) {
	switch call.GetType() {
	case schedulerpb.Call_ACKNOWLEDGE, schedulerpb.Call_ACKNOWLEDGE_OPERATION_STATUS:
		s.acks.settle(acknowledgedUUID(call))
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch call.GetType() {
	case schedulerpb.Call_UPDATE_FRAMEWORK:
		update := call.GetUpdateFramework()
		s.info = proto.CloneOf(update.GetFrameworkInfo())
		s.info.Id = nil
		s.options = cloneOptions(SubscribeOptions{SuppressedRoles: update.GetSuppressedRoles(), OfferConstraints: update.GetOfferConstraints()})
	case schedulerpb.Call_SUPPRESS:
		if roles, ok := affectedRoles(s.info, call.GetSuppress().GetRoles()); ok {
			all := append(s.options.SuppressedRoles, roles...)
			slices.Sort(all)
			s.options.SuppressedRoles = slices.Compact(all)
		}
	case schedulerpb.Call_REVIVE:
		if roles, ok := affectedRoles(s.info, call.GetRevive().GetRoles()); ok {
			s.options.SuppressedRoles = slices.DeleteFunc(s.options.SuppressedRoles, func(role string) bool { return slices.Contains(roles, role) })
		}
	}
}

// affectedRoles returns the roles that SUPPRESS and REVIVE mean by roles; ok is false if one is not the
// framework's, as the master then ignores the call.
func affectedRoles(info *mesospb.FrameworkInfo, roles []string) (affected []string, ok bool) {
	own := info.GetRoles()
	if len(own) == 0 && !isMultiRole(info) {
		own = []string{info.GetRole()} //lint:ignore SA1019 frameworks without MULTI_ROLE have nothing else
	}
	if len(roles) == 0 {
		return own, true
	}
	for _, role := range roles {
		if !slices.Contains(own, role) {
			return nil, false
		}
	}
	return roles, true
}

func isMultiRole(info *mesospb.FrameworkInfo) bool {
	return slices.ContainsFunc(info.GetCapabilities(), func(c *mesospb.FrameworkInfo_Capability) bool {
		return c.GetType() == mesospb.FrameworkInfo_Capability_MULTI_ROLE
	})
}
