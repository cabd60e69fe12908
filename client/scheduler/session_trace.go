package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// SessionTracer observes sessions. It is called from several goroutines and must return quickly.
type SessionTracer interface {
	TraceSession(ctx context.Context, data SessionTrace)
}

// TraceKind says what happened in a session.
type TraceKind string

// What happens in a session.
const (
	// TraceDetected: the detector names masters, in Master, or none.
	TraceDetected TraceKind = "masters detected"
	// TraceDetecting: the detector tells by Note what it lives through. TraceDetectFailed: it tells of trouble, such as a
	// ZooKeeper that cannot be reached. A SessionConfig.Detector has a log of its own instead.
	TraceDetecting    TraceKind = "detecting masters"
	TraceDetectFailed TraceKind = "detecting masters failed"
	// TraceSubscribing: SUBSCRIBE goes to Master.
	TraceSubscribing TraceKind = "subscribing"
	// TraceSubscribeFailed: it failed with Err.
	TraceSubscribeFailed TraceKind = "subscribing failed"
	// TraceConnected: the framework FrameworkID is subscribed at Master.
	TraceConnected TraceKind = "connected"
	// TraceDisconnected: the subscription at Master is lost by Err.
	TraceDisconnected TraceKind = "disconnected"
	// TraceWaiting: the next attempt comes after Delay; Failures counts those that failed.
	TraceWaiting TraceKind = "waiting before the next attempt"
	// TraceRepeatedUpdate: an update that was settled before came again.
	TraceRepeatedUpdate TraceKind = "repeated update acknowledged again"
	// TraceAcknowledgeFailed: an acknowledgement failed with Err; the update will come again.
	TraceAcknowledgeFailed TraceKind = "acknowledging failed"
	// TraceLeftOut: an event could not be decoded, by Err, and is left out; of an OFFERS event only the offers concerned, which are declined.
	// Failures counts those of the same cause.
	TraceLeftOut TraceKind = "undecodable event or offer left out"
	// TraceEnded: the session ended, by Err if that is not nil.
	TraceEnded TraceKind = "session ended"
)

// SessionTrace is one thing that happened in a session. Fields that do not belong to its kind are zero.
type SessionTrace struct {
	Session     string
	Kind        TraceKind
	Master      string
	FrameworkID string
	Failures    int
	Delay       time.Duration
	Err         error
	Note        string
	// Expected: the connection is lost because the session ends.
	Expected bool
}

func (s *Session) trace(ctx context.Context, data SessionTrace) {
	s.note(data)
	if s.cfg.Tracer != nil {
		data.Session = s.name
		s.cfg.Tracer.TraceSession(ctx, data)
	}
}

// note remembers why there is no subscription, for the error that the session ends with.
func (s *Session) note(d SessionTrace) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch d.Kind {
	case TraceConnected:
		s.trouble = nil
	case TraceSubscribeFailed:
		if d.Err != nil && !errors.Is(d.Err, context.Canceled) {
			s.trouble = d.Err
		}
	case TraceDetectFailed:
		s.trouble = errors.New(d.Note)
	case TraceDisconnected:
		if !d.Expected {
			s.trouble = d.Err
		}
	}
}

// withTrouble adds the known cause to the end of a context that came while there was no subscription.
func (s *Session) withTrouble(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trouble == nil || !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) || errors.Is(err, s.trouble) {
		return err
	}
	return fmt.Errorf("%w: no master is subscribed to: %w", err, s.trouble)
}

// LogSessions returns a SessionTracer that writes to log: failures as warnings, connections and their
// expected ends as information and the rest for debugging.
func LogSessions(log *slog.Logger) SessionTracer { return sessionLogger{log} }

type sessionLogger struct{ log *slog.Logger }

func (l sessionLogger) TraceSession(ctx context.Context, d SessionTrace) {
	level := slog.LevelDebug
	switch d.Kind {
	case TraceSubscribeFailed, TraceDisconnected, TraceAcknowledgeFailed, TraceDetectFailed, TraceLeftOut:
		level = slog.LevelWarn
	case TraceConnected, TraceEnded, TraceDetecting:
		level = slog.LevelInfo
	}
	if d.Expected {
		level = slog.LevelInfo
	}
	if d.Kind == TraceLeftOut && d.Failures > 1 { // it comes again and again
		level = slog.LevelDebug
	}
	if !l.log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.String("session", d.Session)}
	if d.Master != "" {
		attrs = append(attrs, slog.String("master", d.Master))
	}
	if d.FrameworkID != "" {
		attrs = append(attrs, slog.String("framework_id", d.FrameworkID))
	}
	if d.Kind == TraceWaiting {
		attrs = append(attrs, slog.Int("failures", d.Failures), slog.Duration("delay", d.Delay))
	}
	if d.Note != "" {
		attrs = append(attrs, slog.String("note", d.Note))
	}
	if d.Err != nil {
		attrs = append(attrs, slog.Any("error", d.Err))
	}
	l.log.LogAttrs(ctx, level, string(d.Kind), attrs...)
}
