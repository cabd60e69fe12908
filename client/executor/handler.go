package executor

import (
	"context"
	"errors"
	"log/slog"

	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// Handler says what an executor does when something happens. Every callback may be nil.
//
// Callbacks never run concurrently, and in the order in which things happened; all run in the goroutine of Run.
// The session goes on receiving meanwhile, so a slow callback delays only other callbacks, but among them
// Subscribing, without which the session does not subscribe again. Methods of the session may be called from
// callbacks.
//
// The context of a callback ends when the context of Run does and when the grace period of a shutdown is over.
// A callback that returns an error ends the session as Session.Stop does: ErrStop for an end without error.
type Handler struct {
	// Subscribing is called before every attempt to subscribe, the first included, and may change the call,
	// which lists the tasks and updates that are not acknowledged. (Erlang: init and reregister.)
	Subscribing func(ctx context.Context, s *Session, call *executorpb.Call_Subscribe) error
	// Subscribed is called for the first subscription, Resubscribed for each that follows a loss of the
	// connection. (Erlang and the classic driver: registered, reregistered.)
	Subscribed   func(ctx context.Context, s *Session, e *executorpb.Event_Subscribed) error
	Resubscribed func(ctx context.Context, s *Session, e *executorpb.Event_Subscribed) error
	// Disconnected is called when a subscription has ended, with the reason. Events may have been lost. The
	// session subscribes again if the framework checkpoints; otherwise Shutdown follows.
	Disconnected func(ctx context.Context, s *Session, cause error) error

	// Launch runs a task. If it is nil tasks fail with a message that says so.
	Launch func(ctx context.Context, s *Session, task *mesospb.TaskInfo) error
	// LaunchGroup runs the tasks of a group; if it is nil, Launch is called with each.
	LaunchGroup func(ctx context.Context, s *Session, group *mesospb.TaskGroupInfo) error
	// Kill ends a task. The kill policy is the call's; if it is unset that of the TaskInfo holds, then three seconds.
	Kill func(ctx context.Context, s *Session, e *executorpb.Event_Kill) error
	// Acknowledged is called when the agent has stored an update. The session keeps account by itself.
	Acknowledged func(ctx context.Context, s *Session, e *executorpb.Event_Acknowledged) error
	// Message is called with what the scheduler sent.
	Message func(ctx context.Context, s *Session, data []byte) error
	// Error is called with an ERROR event (*AgentError), an event that cannot be decoded
	// (*transport.DecodeError), and with a refused update that no call of Update waited for (*RefusedError). If
	// it is nil errors are just logged.
	Error func(ctx context.Context, s *Session, err error) error
	// Shutdown is called when the executor has to stop its tasks: cause is nil if the agent asked for it, an
	// *AgentLostError if the agent is lost. The session goes on until it is stopped, in this callback or a
	// later one, or Config.GracePeriod is over. If Shutdown is nil the session stops at once.
	Shutdown func(ctx context.Context, s *Session, cause error) error

	// Info is called with what was given to Session.Post. (Erlang: handle_info.)
	Info func(ctx context.Context, s *Session, v any) error
	// Event is called with every event, heartbeats and unknown ones included, before the callback of its type.
	Event func(ctx context.Context, s *Session, e *executorpb.Event) error
	// Terminate is called once, last, with what Run is about to return. Its context is that of Run.
	Terminate func(ctx context.Context, s *Session, err error)
}

// ErrStop is returned by a callback to end the session without an error.
var ErrStop = errors.New("stop the session")

// What is queued for the goroutine of Run.
type (
	eventItem  struct{ *executorpb.Event }
	infoItem   struct{ v any }
	errorItem  struct{ err error }
	brokenItem struct{ cause error } // a subscription ended
	lostItem   struct{ err error }   // there will be no other
	hookItem   struct {
		call *executorpb.Call_Subscribe
		done chan struct{} // closed when the callback has returned
	}
)

// handle runs the callbacks for one item.
func (s *Session) handle(ctx context.Context, item any) error {
	h := &s.handler
	switch item := item.(type) {
	case eventItem:
		if h.Event != nil {
			if err := h.Event(ctx, s, item.Event); err != nil {
				return err
			}
		}
		return s.handleEvent(ctx, item.Event)
	case infoItem:
		if h.Info != nil {
			return h.Info(ctx, s, item.v)
		}
	case errorItem:
		s.log.LogAttrs(ctx, slog.LevelWarn, "error", errAttr(item.err))
		if h.Error != nil {
			return h.Error(ctx, s, item.err)
		}
	case brokenItem:
		if h.Disconnected != nil {
			return h.Disconnected(ctx, s, item.cause)
		}
	case lostItem:
		return s.handleShutdown(ctx, item.err)
	case hookItem:
		defer close(item.done)
		return h.Subscribing(ctx, s, item.call)
	}
	return nil
}

func (s *Session) handleEvent(ctx context.Context, e *executorpb.Event) error {
	h := &s.handler
	switch e.GetType() {
	case executorpb.Event_SUBSCRIBED:
		callback := h.Resubscribed
		if !s.everSubscribed {
			s.everSubscribed = true
			callback = h.Subscribed
		}
		if callback != nil {
			return callback(ctx, s, e.GetSubscribed())
		}
	case executorpb.Event_LAUNCH:
		return s.handleLaunch(ctx, e.GetLaunch().GetTask())
	case executorpb.Event_LAUNCH_GROUP:
		group := e.GetLaunchGroup().GetTaskGroup()
		if h.LaunchGroup != nil {
			return h.LaunchGroup(ctx, s, group)
		}
		for _, task := range group.GetTasks() {
			if err := s.handleLaunch(ctx, task); err != nil {
				return err
			}
		}
	case executorpb.Event_KILL:
		if h.Kill != nil {
			return h.Kill(ctx, s, e.GetKill())
		}
	case executorpb.Event_ACKNOWLEDGED:
		if h.Acknowledged != nil {
			return h.Acknowledged(ctx, s, e.GetAcknowledged())
		}
	case executorpb.Event_MESSAGE:
		if h.Message != nil {
			return h.Message(ctx, s, e.GetMessage().GetData())
		}
	case executorpb.Event_ERROR:
		return s.handle(ctx, errorItem{&AgentError{Message: e.GetError().GetMessage()}})
	case executorpb.Event_SHUTDOWN:
		return s.handleShutdown(ctx, nil)
	}
	return nil
}

func (s *Session) handleLaunch(ctx context.Context, task *mesospb.TaskInfo) error {
	if s.handler.Launch != nil {
		return s.handler.Launch(ctx, s, task)
	}
	return s.Update(ctx, &mesospb.TaskStatus{
		TaskId:  task.GetTaskId(),
		State:   mesospb.TaskState_TASK_FAILED.Enum(),
		Message: new("this executor launches no tasks: it has no Launch callback"),
	})
}

// handleShutdown runs Shutdown, once: whoever loses the agent while shutting down has nothing to add.
func (s *Session) handleShutdown(ctx context.Context, cause error) error {
	if s.shuttingDown || s.finished() {
		return nil
	}
	s.shuttingDown = true
	s.shutdownCause = cause
	if s.handler.Shutdown == nil || cause != nil && !s.everSubscribed {
		s.Stop(nil) // the cause, if any, is added to what Run returns
		return nil
	}
	return s.handler.Shutdown(ctx, s, cause)
}
