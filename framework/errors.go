package framework

import (
	"errors"
	"fmt"
	"time"

	"github.com/mesokit/mesokit/framework/election"
)

var (
	// ErrNotRunning: Run has not begun, or has ended.
	ErrNotRunning = errors.New("the framework does not run")
	// ErrInterrupted: leadership ended before the command was answered. Whether it was carried out is to be seen in the state.
	ErrInterrupted = errors.New("interrupted before the answer")
	// ErrStarted: Run was called a second time.
	ErrStarted = errors.New("the framework runs already")
)

// StalledError says that a command has no answer yet, because what it decides cannot be stored. It may yet be carried out.
type StalledError struct {
	Waited  time.Duration
	Trouble string // as in Status
}

// Error tells the trouble.
func (e *StalledError) Error() string {
	text := fmt.Sprintf("no answer within %v; the command may yet be carried out", e.Waited)
	if e.Trouble != "" {
		text += " (" + e.Trouble + ")"
	}
	return text
}

// NotLeadingError refuses a command because another process leads, or nobody does at the moment.
type NotLeadingError struct {
	// Leader, nil if unknown: its URL is where to ask.
	Leader *election.Info
}

// Error says who leads.
func (e *NotLeadingError) Error() string {
	if e.Leader == nil {
		return "this scheduler does not lead, and nobody is known to: try again soon"
	}
	return fmt.Sprintf("this scheduler does not lead: ask %s at %s", e.Leader.ID, e.Leader.URL)
}

// GapError is yielded by Notes where notes are missing: the subscriber was too slow, came too late, or the notes were made by
// another process. What they told is in the snapshot.
type GapError struct {
	After, Next uint64 // the notes between these are missing
}

// Error tells the numbers.
func (e *GapError) Error() string {
	return fmt.Sprintf("notes between %d and %d are not remembered any more: read the state anew", e.After, e.Next)
}
