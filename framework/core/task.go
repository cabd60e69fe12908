package core

import "time"

// Task is one launch of one instance: a Mesos task, or the tasks of a pod together. Tasks of snapshots are shared and must not be changed.
// Times are Unix milliseconds, 0 for never.
type Task struct {
	// ID in Mesos; the tasks of a pod have ids of their own that begin with it.
	ID      string
	Version uint32 // of the application
	State   State
	Health  Health
	Checked bool // the check that readiness asks for has passed
	// Check is the result of the last check that was reported, in words: "HTTP status 404", "exit code 1", "no result". The tasks of a pod are
	// named before it.
	Check string
	// Doomed: the engine wants it dead; its end is no failure.
	Doomed bool
	// Failed: it is being killed because a part of it has failed.
	Failed bool
	// Began: somebody has reported it as starting or running.
	Began bool
	// Lingers: the task is over, and its executor, one of the application's own, is being shut down. ExecutorGone: that has ended.
	Lingers      bool
	ExecutorGone bool
	Agent        string // agent id
	Owner        string // of the reservations that it uses, "" if there are none of its own
	Ports        []uint64
	Members      []Member // of a pod, nil otherwise

	Launched int64 // when the launch record was made
	Changed  int64 // when State last changed
	Up       int64 // since when what makes it ready has held, 0 if it does not

	// Reason and Message of the last report, or why the engine kills it.
	Reason  string
	Message string

	// What follows is not stored.
	due      int64 // when the timer of the state goes off, see timerTask
	attempts int   // of kills
	replace  int64 // when the unreachable policy gives it up; 0: never
	asked    bool  // for the last time before that
	// executorSeen: the master has said lately that the executor that lingers is there.
	executorSeen bool
}

// Member is one Mesos task of a pod.
type Member struct {
	ID      string
	Last    Event // what was seen of it last; SawStaging at first
	Health  Health
	Checked bool
}

// Instance is one of the things that an application wants to run. Instances of snapshots are shared and must not be changed.
type Instance struct {
	App   string
	Index int
	// Version that its next task is launched from; differs from Task.Version while that is being replaced.
	Version uint32
	// Task is the current or the last one; nil if nothing was launched yet.
	Task *Task
	// Detached are earlier tasks that may still run on agents that are cut off. They are killed when they come back.
	Detached []*Task
	// Failures in a row, for backoff; how many of them do not count against the retry policy, since nobody has tried to run the task; the last of
	// them, in words, as long as there are any.
	Failures    int
	Excused     int
	LastFailure string
	// NotBefore is when the next launch may happen, Unix milliseconds.
	NotBefore int64
	// Outcome says whether anything is to be launched yet.
	Outcome Outcome
	// Pin is the id of the only agent where it can run: because of its volumes, or because it is that agent's instance of a daemon.
	Pin     string
	Volumes []Volume
	// Owner is the label of the reservations that were made for it, the id of the task that they were made with; "" if there are none, or if an earlier
	// version made them.
	Owner string
	// Reserved is the id of the agent where its volumes and reservations are, "" if it has none.
	Reserved string

	epoch   uint32 // of the snapshot that it may be part of
	pending bool   // waits for an offer, in appState.pending
	leaving bool   // its task goes because of draining
	resizes int    // how often its volumes were to be resized since its last launch
	roams   bool   // it does not fit where something is reserved for it, and may go elsewhere
	stored  bool   // there is a record of it
}

// Outcome of an instance.
type Outcome uint8

// The outcomes.
const (
	Active  Outcome = iota // it is, or will be, running
	Reached                // its goal is reached: nothing more to do
	GivenUp                // it failed too often, or can't be launched at all
)

var outcomeNames = [...]string{"active", "reached", "given-up"}

// String is "active", "reached" or "given-up".
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return "invalid"
}

// Volume is a persistent volume that belongs to an instance. It is on the agent that the instance is pinned to.
type Volume struct {
	ID string `json:"id"` // persistence id
	// Confirmed: the volume certainly exists, since a task ran with it or it was offered.
	Confirmed bool `json:"confirmed,omitempty"`
	// MB is its size as it was last offered, 0 if that is not known.
	MB float64 `json:"mb,omitempty"`
}

// Live returns the instance's task if it is not over, nil otherwise.
func (i *Instance) Live() *Task {
	if i.Task != nil && !i.Task.State.Over() {
		return i.Task
	}
	return nil
}

// Waiting reports whether the instance wants to be launched, now or later.
func (i *Instance) Waiting() bool { return i.Outcome == Active && i.Live() == nil }

// haunted reports whether an earlier task is back and being killed, or may be where the next one goes: that waits for its end. Where an instance is bound to
// the agent, an offer of that says that there is somebody to tell.
func (i *Instance) haunted() bool {
	for _, t := range i.Detached {
		if t.State.Reachable() || t.Agent == i.Pin {
			return true
		}
	}
	return false
}

// memberOver reports whether an event ends a pod's member.
func memberOver(e Event) bool {
	switch e {
	case SawFinished, SawFailed, SawKilled, SawDropped, SawGone:
		return true
	}
	return false
}

// mesosIDs calls f with the ids of the Mesos tasks behind the task that may still run.
func (t *Task) mesosIDs(f func(id string)) {
	if t.Members == nil {
		f(t.ID)
		return
	}
	for i := range t.Members {
		if !memberOver(t.Members[i].Last) {
			f(t.Members[i].ID)
		}
	}
}

func ms(t time.Time) int64       { return t.UnixMilli() }
func fromMS(v int64) time.Time   { return time.UnixMilli(v).UTC() }
func msOf(d time.Duration) int64 { return d.Milliseconds() }

// MarshalText writes the name of the outcome.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads the name of an outcome.
func (o *Outcome) UnmarshalText(b []byte) error {
	for i, name := range outcomeNames {
		if name == string(b) {
			*o = Outcome(i)
			return nil
		}
	}
	return &RecordError{Field: "outcome", Value: string(b), Want: "active, reached or given-up"}
}
