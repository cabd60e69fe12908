package executor

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/mesokit/mesokit/client/transport"
)

const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = time.Second
)

// deliver sends updates one after the other, as agents keep no order across connections, whenever there is a
// subscription.
func (s *Session) deliver(ctx context.Context) {
	retry := firstRetry
	for {
		s.mu.Lock()
		u := s.ledger.next()
		if s.subscription == nil {
			u = nil
		}
		s.mu.Unlock()
		if u == nil {
			select {
			case <-s.wake:
				continue
			case <-ctx.Done():
				return
			}
		}

		err := s.client.send(ctx, u.status)
		switch {
		case err == nil:
			s.mu.Lock()
			s.ledger.settle(u, nil)
			s.mu.Unlock()
			retry = firstRetry
			continue
		case ctx.Err() != nil:
			return
		case !mayRetry(err):
			s.refused(u, &RefusedError{TaskID: u.status.GetTaskId().GetValue(), Err: err})
			continue
		}
		s.log.LogAttrs(ctx, slog.LevelWarn, "status update not delivered yet", slog.String("task", u.status.GetTaskId().GetValue()), errAttr(err))
		s.checkSubscribed(err)
		timer := time.NewTimer(retry)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		retry = min(2*retry, lastRetry)
	}
}

// refused forgets an update and tells whoever wants to know.
func (s *Session) refused(u *heldUpdate, err *RefusedError) {
	s.mu.Lock()
	waited := u.waited && !closed(u.settled)
	s.ledger.refuse(u, err)
	s.mu.Unlock()
	signal(s.drained)
	if !waited {
		s.inbox.put(errorItem{err})
	}
}

func closed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// mayRetry tells what an update survives: no answer, an agent that starts, a subscription that the agent does
// not know, and credentials that are about to be replaced. Anything else is about the update itself.
func mayRetry(err error) bool {
	var status *transport.StatusError
	if errors.As(err, &status) {
		return status.Temporary() || status.Code == http.StatusForbidden || status.Code == http.StatusUnauthorized
	}
	var exchange *transport.ExchangeError
	return errors.As(err, &exchange)
}

// checkSubscribed ends the subscription if the agent says that there is none: it restarted, and the old
// connection does not know yet. No other failure of a call touches the subscription.
func (s *Session) checkSubscribed(err error) {
	if !errors.Is(err, transport.ErrForbidden) {
		return
	}
	s.mu.Lock()
	sub := s.subscription
	s.mu.Unlock()
	if sub != nil {
		sub.abort(errors.Join(ErrNotSubscribed, err))
	}
}

// sendHeartbeats calls HEARTBEAT while there is a subscription.
func (s *Session) sendHeartbeats(ctx context.Context) {
	interval := orDefault(s.cfg.HeartbeatInterval, DefaultHeartbeatInterval)
	if interval == 0 {
		return
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		s.mu.Lock()
		due := s.subscription != nil && !s.silent
		s.mu.Unlock()
		if !due {
			continue
		}
		err := s.client.Heartbeat(ctx)
		if err == nil || ctx.Err() != nil {
			continue
		}
		s.log.LogAttrs(ctx, slog.LevelWarn, "heartbeat not delivered", errAttr(err))
		s.checkSubscribed(err)
		if errors.Is(err, transport.ErrBadRequest) || errors.Is(err, transport.ErrNotImplemented) {
			// An agent before Mesos 1.10. There may be a newer one behind the next subscription.
			s.mu.Lock()
			s.silent = true
			s.mu.Unlock()
		}
	}
}
