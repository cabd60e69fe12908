package core

// State of a task: of one launch of one instance, from the moment its launch record is written.
type State uint8

// The states. Wanted is what the engine is after, not what Mesos calls it.
const (
	// Launching: the launch record is written, ACCEPT is or will be on its way, nobody has reported anything yet.
	Launching State = iota
	// Starting: Mesos has the task (STAGING, STARTING).
	Starting
	// Running: the task runs; Health says how well.
	Running
	// Killing: the task has to go (or an agent that drains takes it), its end is not reported yet.
	Killing
	// Unreachable: its agent is cut off. The task may run on, and it may come back.
	Unreachable
	// Stranded: as Unreachable, but it is not wanted any more and is killed as soon as its agent comes back.
	Stranded
	// Ended: its end is reported and final.
	Ended
	// Lost: Mesos says that it has no such task, or not any more.
	Lost

	numStates
)

var stateNames = [numStates]string{"launching", "starting", "running", "killing", "unreachable", "stranded", "ended", "lost"}

// String is the name as in records, snapshots and the API.
func (s State) String() string {
	if s < numStates {
		return stateNames[s]
	}
	return "invalid"
}

// Over reports whether nothing more is expected from the task: its resources are free and a successor may be launched.
func (s State) Over() bool { return s == Ended || s == Lost }

// Reachable reports whether the task occupies an agent that answers.
func (s State) Reachable() bool { return s <= Killing }

// MarshalText writes the name of the state.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the name of a state.
func (s *State) UnmarshalText(b []byte) error {
	for i, name := range stateNames {
		if name == string(b) {
			*s = State(i)
			return nil
		}
	}
	return &RecordError{Field: "state", Value: string(b), Want: "one of the states of a task"}
}

// Health of a running task.
type Health uint8

// The values of Health.
const (
	// HealthUnknown: nothing reported. Where the application declares no check, a running task counts as healthy.
	HealthUnknown Health = iota
	Healthy
	Unhealthy
)

// String is "unknown", "healthy" or "unhealthy".
func (h Health) String() string {
	switch h {
	case Healthy:
		return "healthy"
	case Unhealthy:
		return "unhealthy"
	}
	return "unknown"
}

// MarshalText writes the name.
func (h Health) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads a name.
func (h *Health) UnmarshalText(b []byte) error {
	for v := HealthUnknown; v <= Unhealthy; v++ {
		if v.String() == string(b) {
			*h = v
			return nil
		}
	}
	return &RecordError{Field: "health", Value: string(b), Want: "unknown, healthy or unhealthy"}
}
