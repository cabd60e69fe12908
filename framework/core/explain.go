package core

import (
	"fmt"
	"strings"
	"time"

	"github.com/mesokit/mesokit/framework/placement"
)

// The causes that a Why names.
const (
	CauseRuns         = "runs"
	CauseNotReady     = "not-ready"    // it runs, and what readiness asks for does not hold
	CauseReached      = "reached"      // its goal
	CauseLaunching    = "launching"    // nobody has reported it yet
	CauseUnanswered   = "unanswered"   // the same for long, and the master does not say what became of it
	CauseStarting     = "starting"     //
	CauseKilling      = "killing"      //
	CauseUnreachable  = "unreachable"  // its agent is cut off
	CauseFailing      = "failing"      // it failed, and waits until it is tried again
	CauseGivenUp      = "given-up"     // it failed too often
	CauseUnlaunchable = "unlaunchable" // its definition cannot be launched
	CauseNoFit        = "no-fit"       // there are offers, and it fits into none
	CauseNoOffers     = "no-offers"    //
	CauseBound        = "bound"        // the agent with its volumes is not offered
	CauseDraining     = "draining"     // the agent with its volumes is to be left
	CauseRemoving     = "removing"     // the application is
	CauseGuarded      = "guarded"      // the engine refuses to act
	CauseDisconnected = "disconnected" // there is no master
)

// unansweredAfter is when a launch that nobody has reported is more than a matter of time, in milliseconds.
const unansweredAfter = 30_000

// Why says why an instance is not running.
type Why struct {
	// Running: there is nothing to explain.
	Running bool
	// Kind is one of the Cause… constants, "" where there is no such instance.
	Kind string
	// Text is one sentence.
	Text string
	// Until is when something is going to happen by itself; zero if that depends on others.
	Until time.Time
	// Offers is the funnel of the last placement that it took part in; nil if there was none.
	Offers *placement.Explanation
}

// Why explains what an instance waits for, if it does.
func (s *Snapshot) Why(name string, index int) Why {
	a := s.App(name)
	if a == nil {
		return Why{Text: "no such application"}
	}
	i := a.Instance(index)
	if i == nil {
		return Why{Text: "no such instance"}
	}
	if t := i.Live(); t != nil {
		return s.whyTask(a, i, t)
	}
	if i.lingers() {
		return Why{Kind: CauseKilling, Text: "its task is over, and its executor on agent " + s.nameOf(i.Task.Agent) + " is being shut down"}
	}
	if text, ok := a.problem[index]; ok {
		return Why{Kind: CauseUnlaunchable, Text: "it can't be launched: " + text}
	}
	switch i.Outcome {
	case Reached:
		return Why{Kind: CauseReached, Text: "it has reached its goal"}
	case GivenUp:
		return Why{Kind: CauseGivenUp, Text: fmt.Sprintf("it was given up: it failed %s%s; restart the instance, or update the application", times(i.Failures), lastOf(i))}
	}
	switch {
	case s.Guard != nil:
		return Why{Kind: CauseGuarded, Text: s.Guard.Why}
	case a.Removing:
		return Why{Kind: CauseRemoving, Text: "the application is being removed"}
	case !s.Connected:
		return Why{Kind: CauseDisconnected, Text: "the engine is not connected to a master"}
	case !i.pending && i.NotBefore > ms(s.Time):
		return Why{Kind: CauseFailing, Text: "failing: it has " + i.failing() + lastOf(i) + " and is tried again", Until: s.Wall(i.NotBefore)}
	}
	w := s.whyWaiting(a, i)
	if i.Failures > 0 {
		w.Text = "failing: it has " + i.failing() + lastOf(i) + "; now " + w.Text
	}
	return w
}

// whyWaiting explains an instance that may be launched and is not.
func (s *Snapshot) whyWaiting(a *App, i *Instance) Why {
	if i.Pin != "" {
		if ag := s.Agent(i.Pin); ag != nil && ag.Draining {
			return Why{Kind: CauseDraining, Text: "it belongs to agent " + ag.name() + ", which is to be left, because it is drained or for maintenance: it waits for the end of that, or for being replaced"}
		}
		if e := a.why[i.Index]; e != nil {
			return Why{Kind: CauseNoFit, Text: "the offers of its agent do not suffice", Offers: e}
		}
		if ag := s.Agent(i.Pin); ag != nil && ag.Fate != "" && len(i.Volumes) > 0 {
			return Why{Kind: CauseBound, Text: "its volumes are on agent " + ag.name() + ", which " + ag.Fate + ": it waits until they are offered, under whatever agent id, or for being replaced"}
		}
		return Why{Kind: CauseBound, Text: "it belongs to agent " + s.nameOf(i.Pin) + ", which has not been offered"}
	}
	if e := a.whyAll[i.Version]; e != nil {
		return Why{Kind: CauseNoFit, Text: "no offer fits" + besideOld(a, i), Offers: e}
	}
	return Why{Kind: CauseNoOffers, Text: "it waits for offers" + s.whichAgents() + afterDrain(s, i)}
}

func (s *Snapshot) whyTask(a *App, i *Instance, t *Task) Why {
	switch t.State {
	case Launching:
		w := Why{Kind: CauseLaunching, Text: "it was launched on agent " + s.nameOf(t.Agent) + ", which has not reported it yet"}
		if s.Unanswered > 0 && s.Time.UnixMilli()-t.Changed > unansweredAfter {
			w.Kind = CauseUnanswered
			w.Text += "; the master was asked, and has not answered"
		}
		return w
	case Starting:
		return Why{Kind: CauseStarting, Text: "it is starting on agent " + s.nameOf(t.Agent)}
	case Killing:
		return Why{Kind: CauseKilling, Text: "its task is being killed: " + t.Message}
	case Unreachable, Stranded:
		w := Why{Kind: CauseUnreachable, Text: "its agent " + s.nameOf(t.Agent) + " is cut off; it is not known whether the task runs"}
		if t.replace != 0 {
			w.Until = s.Wall(t.replace)
			w.Text += ", and it will be replaced"
		} else {
			w.Text += "; replace the instance if you know that it does not"
		}
		return w
	}
	if t.Up == 0 {
		return Why{Running: true, Kind: CauseNotReady, Text: "it runs, but is not ready: " + t.checks()}
	}
	return Why{Running: true, Kind: CauseRuns, Text: "it runs"}
}

// besideOld tells that the old version of an application is in the way of the new one.
func besideOld(a *App, i *Instance) string {
	d := a.Deployment
	if d == nil || !d.active() || i.Version != d.To || a.Counts.Up <= d.Ready {
		return ""
	}
	return fmt.Sprintf(" beside version %d of the application itself, which min_healthy keeps up until enough of version %d are ready", d.From, d.To)
}

// afterDrain tells that the drain of an agent has ended its last task.
func afterDrain(s *Snapshot, i *Instance) string {
	if i.Task == nil || !strings.Contains(i.Task.Reason, "agent_draining") {
		return ""
	}
	return "; its last task was killed because agent " + s.nameOf(i.Task.Agent) + " is drained"
}

// plural is a number of things.
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// whichAgents says what is known of agents where none is offered.
func (s *Snapshot) whichAgents() string {
	seen, draining := 0, []string{}
	for a := range s.Agents() {
		if a.Draining && len(draining) < 3 {
			draining = append(draining, a.name())
		}
		if a.Seen && !a.Draining {
			seen++
		}
	}
	text := ": no agent has been offered since the last subscription"
	if seen > 0 {
		text = ": none came of late; offered since the last subscription: " + plural(seen, "agent")
	}
	if len(draining) > 0 {
		text += "; to be left, because they are drained or for maintenance: " + strings.Join(draining, ", ")
	}
	return text
}

func lastOf(i *Instance) string {
	switch {
	case i.LastFailure != "":
		return " (" + i.LastFailure + ")"
	case i.Task == nil || i.Task.why() == "":
		return ""
	}
	return " (" + i.Task.why() + ")"
}

// nameOf is what people know an agent as.
func (s *Snapshot) nameOf(id string) string {
	if a := s.Agent(id); a != nil {
		return a.name()
	}
	return id
}

func (a *Agent) name() string {
	if a.Hostname == "" {
		return a.ID
	}
	return a.Hostname + " (" + a.ID + ")"
}

// WhyLeft says what a leftover is, where it is, and what it waits for.
func (s *Snapshot) WhyLeft(l Leftover) string {
	text := (&leftoverRecord{App: l.App, Index: l.Index, Volumes: l.Volumes}).describe() + " on agent " + s.nameOf(l.Agent) + ": "
	ag := s.Agent(l.Agent)
	switch {
	case !s.Connected:
		return text + "the engine is not connected to a master"
	case l.Cleaning:
		return text + "being destroyed and given back"
	case ag != nil && ag.Seen:
		return text + "waits for being offered"
	case ag != nil && ag.Fate != "":
		return text + "the agent " + ag.Fate
	}
	return text + "the agent has not been offered"
}

// Uninstalling says what an uninstallation still waits for, in sentences.
func (s *Snapshot) Uninstalling() []string {
	var list []string
	for _, a := range s.Apps {
		for i := range a.All() {
			if t := i.Live(); t != nil {
				list = append(list, fmt.Sprintf("%s/%d: %s", a.Name, i.Index, s.Why(a.Name, i.Index).Text))
			}
			for _, t := range i.Detached {
				list = append(list, fmt.Sprintf("%s/%d: its earlier task %s on agent %s is not known to have ended", a.Name, i.Index, t.ID, s.nameOf(t.Agent)))
			}
		}
	}
	for _, l := range s.Leftovers {
		list = append(list, s.WhyLeft(l))
	}
	return list
}
