package placement

// Explanation is a funnel: how many candidates there were for a task, and what turned them away. Candidates = Fits + the sum of
// all counts in Rejected. It describes the end of the cycle, when everything else was placed.
type Explanation struct {
	Offers     int // offers seen
	Candidates int // after combining the offers of one agent and role
	// Fits is how many candidates would do after all: another task of the cycle made room within a constraint, or holds
	// went away. They are found in the next cycle.
	Fits int
	// Rejected lists what turned candidates away, in the order of the checks. Each candidate is counted once, at the first check it fails.
	Rejected []Rejection
	// Nearest is the candidate that lacks least; nil if none passed the checks before resources.
	Nearest *Nearest
}

// Rejection is one cause and how many candidates it turned away.
type Rejection struct {
	Cause Cause
	// What names the cause: the resource, the text of the constraint or affinity, what a Filter answered. Empty where
	// Cause says everything.
	What  string
	Count int
	// Example is the id of one agent that was turned away.
	Example string
}

// Cause is why a candidate was turned away. The order is that of the checks.
type Cause uint8

// The causes.
const (
	ByRole        Cause = iota + 1 // the offers are for another role
	ByPin                          // Task.Agent is another agent
	ByHold                         // held for another task
	ByDraining                     // the agent is being drained
	ByMaintenance                  // the agent will be unavailable
	ByRegion                       // outside the home region
	ByConstraint                   // a hard constraint
	ByAffinity                     // a hard affinity
	ByFilter                       // a Filter of the configuration
	ByResources                    // not enough of a resource, or not of the kind wanted
	ByPorts                        // not enough ports, or not the ones wanted
	ByVolume                       // the volume or disk is not there
)

// Nearest is the candidate that came closest.
type Nearest struct {
	Agent *Agent
	Role  string
	// Lacks says what is missing.
	Lacks []Lack
}

// Lack is one thing that a candidate has too little of.
type Lack struct {
	Name string  // the resource
	Need float64 // what the task wants: an amount, or a number of ports, items or volumes
	Have float64 // what there is of it
}

// String says in one line why the task waits.
func (e *Explanation) String() string { return "" }
