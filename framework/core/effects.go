package core

import (
	"time"

	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// Effects is what one Apply wants done, in this order: commit Writes in one transaction; when they are durable, make Calls one after the
// other, publish Notes and answer Replies. Effects of later Applies must not overtake those of earlier ones.
//
// If the commit fails, either the same Writes are tried again until they pass, or the Core is thrown away and a new one is made from
// what is stored. Calls of Effects whose Writes are not committed must never be made.
type Effects struct {
	Writes  []store.Op
	Calls   []*schedulerpb.Call // without framework id
	Notes   []Note
	Replies []Reply
	// Wake is when Apply has something to do again even without input; zero: never.
	Wake time.Time
}

// Reply answers a command.
type Reply struct {
	// Input is the index of the command among the inputs of the Apply.
	Input int
	// Err says why it was refused; nothing has changed then. See the errors of this package.
	Err error
	// Text says what is going to happen, for humans.
	Text string
}

// Note tells subscribers what happened. Notes are made whether anybody listens or not.
type Note struct {
	// Seq increases with each note, also over restarts, with gaps.
	Seq  uint64    `json:"seq"`
	Time time.Time `json:"time"`
	Kind NoteKind  `json:"kind"`
	App  string    `json:"app,omitempty"`
	// Index of the instance, -1 if it is not about one.
	Index int    `json:"index"`
	Task  string `json:"task,omitempty"`
	Agent string `json:"agent,omitempty"`
	State string `json:"state,omitempty"` // of the task or deployment, after the event
	Text  string `json:"text,omitempty"`
	// Failed: it tells of a failure or a loss that nobody has asked for.
	Failed bool `json:"failed,omitempty"`
}

// NoteKind says what a Note is about.
type NoteKind string

// The kinds of notes.
const (
	NoteFramework  NoteKind = "framework"  // subscribed, disconnected, guarded, uninstalled
	NoteApp        NoteKind = "app"        // submitted, scaled, removed
	NoteTask       NoteKind = "task"       // a task changed its state
	NoteHealth     NoteKind = "health"     // the health of a task changed, or it became ready
	NoteInstance   NoteKind = "instance"   // goals, volumes, replacements
	NoteFailure    NoteKind = "failure"    // a task has failed or was refused: why, how often, and when it is tried again
	NoteDeployment NoteKind = "deployment" // started, waits, paused, done, failed
	NoteOrphan     NoteKind = "orphan"     // a task that nobody knows
	NoteAgent      NoteKind = "agent"      // draining, maintenance
	NoteWarning    NoteKind = "warning"    // something that should not be
	NoteEvent      NoteKind = "mesos"      // a message or failure that the engine only passes on
)
