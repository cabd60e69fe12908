package placement

import (
	"fmt"
	"strconv"
	"strings"
)

// Explanation is a funnel: how many candidates there were for a task, and what turned them away. Candidates = Fits + the sum of
// all counts in Rejected. It describes the end of the cycle, when everything else was placed.
type Explanation struct {
	Offers     int // offers seen
	Candidates int // after combining the offers of one agent and role
	// Fits is how many candidates would do after all: what was placed later made room within a constraint, or they are held for
	// the task itself. They are found in the next cycle.
	Fits int
	// Rejected lists what turned candidates away, by cause, then in the order of the demand. Each candidate is counted once.
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
	ByDemand      Cause = iota + 1 // nothing can be placed with what was asked for
	ByRole                         // the offers are for another role
	ByPin                          // Task.Agent is another agent
	ByHold                         // held for another task
	ByDraining                     // the agent is being drained
	ByMaintenance                  // the agent will be unavailable
	ByRegion                       // outside the home region
	ByRefusal                      // the agent is avoided for a while, see Cycle.Avoid
	ByConstraint                   // a hard constraint
	ByAffinity                     // a hard affinity
	ByFilter                       // a Filter of the configuration
	ByResources                    // not enough of a resource, or not of the kind wanted
	ByPorts                        // not enough ports, or not the ones wanted
	ByVolume                       // the volume or disk is not there
	causes
)

var causeTexts = [causes]string{
	ByDemand: "demand", ByRole: "other role", ByPin: "other agent than the task's", ByHold: "held for another task",
	ByDraining: "draining", ByMaintenance: "maintenance", ByRegion: "outside the home region", ByRefusal: "refused lately:", ByConstraint: "constraint",
	ByAffinity: "affinity", ByFilter: "filter", ByResources: "not enough", ByPorts: "not enough", ByVolume: "no",
}

// String returns the cause in words.
func (c Cause) String() string {
	if c == 0 || c >= causes {
		return "unknown"
	}
	return causeTexts[c]
}

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
func (e *Explanation) String() string {
	if e == nil {
		return "not tried yet"
	}
	var b strings.Builder
	switch {
	case e.Offers == 0:
		return "no offers"
	case e.Offers == 1:
		b.WriteString("1 offer")
	default:
		fmt.Fprintf(&b, "%d offers", e.Offers)
	}
	switch {
	case e.Candidates == e.Offers:
	case e.Candidates == 1:
		b.WriteString(" of 1 agent")
	default:
		fmt.Fprintf(&b, " of %d agents", e.Candidates)
	}
	for i, r := range e.Rejected {
		b.WriteString([]string{": ", ", "}[min(i, 1)])
		fmt.Fprintf(&b, "%d %s", r.Count, r.Cause)
		if r.What != "" {
			b.WriteString(" " + r.What)
		}
	}
	if e.Fits > 0 {
		fmt.Fprintf(&b, "; %d fit now", e.Fits)
	}
	if n := e.Nearest; n != nil {
		fmt.Fprintf(&b, "; nearest is %s", n.Agent.Hostname)
		for i, l := range n.Lacks {
			b.WriteString([]string{" with ", ", "}[min(i, 1)])
			fmt.Fprintf(&b, "%s %s of %s", l.Name, number(l.Have), number(l.Need))
		}
	}
	return b.String()
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// String returns a one-line text such as rack near db.
func (a Affinity) String() string {
	where := "near"
	if a.Anti {
		where = "away from"
	}
	return string(a.Field.orHostname()) + " " + where + " " + a.Group
}
