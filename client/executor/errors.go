package executor

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Why a session gave its agent up; an *AgentLostError matches one of these.
var (
	// ErrNotCheckpointing: the connection broke, and the framework does not checkpoint, so that the agent does
	// not wait for the executor to come back.
	ErrNotCheckpointing = errors.New("the framework does not checkpoint")
	// ErrRecoveryTimeout: the agent did not come back within Config.RecoveryTimeout.
	ErrRecoveryTimeout = errors.New("the agent did not come back in time")
	// ErrSubscribeTimeout: there was no first subscription within Config.SubscribeTimeout.
	ErrSubscribeTimeout = errors.New("no subscription in time")
	// ErrRefused: the agent answered that it does not want this executor.
	ErrRefused = errors.New("the agent refuses the executor")
)

// Reasons for the end of a subscription, as Handler.Disconnected gets them.
var (
	// ErrStreamEnded: the agent closed the stream in an orderly way, because it stops or because there is a
	// newer subscription.
	ErrStreamEnded = errors.New("the agent closed the event stream")
	// ErrNoHeartbeat: nothing came within Config.HeartbeatTimeout.
	ErrNoHeartbeat = errors.New("no heartbeat from the agent")
	// ErrNotSubscribed: the agent says that there is no subscription, or there is none at the moment of a call.
	ErrNotSubscribed = errors.New("the executor is not subscribed")
)

// ErrSessionEnded is what the methods of a session return after its end.
var ErrSessionEnded = errors.New("the session has ended")

// AgentLostError is a session that gave up its agent.
type AgentLostError struct {
	// Reason is ErrNotCheckpointing, ErrRecoveryTimeout, ErrSubscribeTimeout or ErrRefused.
	Reason error
	// Waited is how long the session tried to subscribe.
	Waited time.Duration
	// Err is the last thing that went wrong; may be nil.
	Err error
}

func (e *AgentLostError) Error() string {
	text := "executor: lost the agent: " + e.Reason.Error()
	if e.Waited > 0 {
		text += fmt.Sprintf(" (tried for %v)", e.Waited)
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns Reason and Err.
func (e *AgentLostError) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Reason}
	}
	return []error{e.Reason, e.Err}
}

// AgentError is an ERROR event.
type AgentError struct{ Message string }

func (e *AgentError) Error() string { return "the agent reports an error: " + e.Message }

// RefusedError is an update that the agent took no responsibility for and never will. The session does not repeat it.
type RefusedError struct {
	TaskID string
	// Err is what the agent answered, as a rule a *transport.StatusError.
	Err error
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the agent refuses a status update of task %q: %v", e.TaskID, e.Err)
}

// Unwrap returns Err.
func (e *RefusedError) Unwrap() error { return e.Err }

// UnacknowledgedError is a session that ended before all of its updates were acknowledged. The agent may or may
// not have them; for tasks whose last update is lost it reports TASK_FAILED when the executor exits.
type UnacknowledgedError struct {
	// TaskIDs of the updates, each once, in the order of the updates.
	TaskIDs []string
}

func (e *UnacknowledgedError) Error() string {
	const show = 10
	ids := strings.Join(e.TaskIDs[:min(show, len(e.TaskIDs))], ", ")
	if more := len(e.TaskIDs) - show; more > 0 {
		ids += fmt.Sprintf(" and %d more", more)
	}
	return "executor: the session ended with unacknowledged status updates of the tasks " + ids
}
