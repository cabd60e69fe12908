package core

import (
	"fmt"
	"time"

	"github.com/mesokit/mesokit/framework/placement"
)

// Why says why an instance is not running.
type Why struct {
	// Running: there is nothing to explain.
	Running bool
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
		return Why{Text: "its task is over, and its executor on agent " + s.nameOf(i.Task.Agent) + " is being shut down"}
	}
	if text, ok := a.problem[index]; ok {
		return Why{Text: "it can't be launched: " + text}
	}
	switch i.Outcome {
	case Reached:
		return Why{Text: "it has reached its goal"}
	case GivenUp:
		return Why{Text: fmt.Sprintf("it was given up after %d failures%s; restart the instance, or update the application", i.Failures, lastOf(i))}
	}
	switch {
	case s.Guard != nil:
		return Why{Text: s.Guard.Why}
	case a.Removing:
		return Why{Text: "the application is being removed"}
	case !s.Connected:
		return Why{Text: "the engine is not connected to a master"}
	case !i.pending && i.NotBefore > ms(s.Time):
		return Why{Text: "failing: it has " + i.failing() + lastOf(i) + " and is tried again", Until: s.Wall(i.NotBefore)}
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
			return Why{Text: "it belongs to agent " + ag.name() + ", which is to be left, because it is drained or for maintenance: it waits for the end of that, or for being replaced"}
		}
		if e := a.why[i.Index]; e != nil {
			return Why{Text: "the offers of its agent do not suffice", Offers: e}
		}
		return Why{Text: "it belongs to agent " + s.nameOf(i.Pin) + ", which has not been offered"}
	}
	if e := a.whyAll[i.Version]; e != nil {
		return Why{Text: "no offer fits", Offers: e}
	}
	return Why{Text: "it waits for offers"}
}

func (s *Snapshot) whyTask(a *App, i *Instance, t *Task) Why {
	switch t.State {
	case Launching:
		return Why{Text: "it was launched on agent " + s.nameOf(t.Agent) + ", which has not reported it yet"}
	case Starting:
		return Why{Text: "it is starting on agent " + s.nameOf(t.Agent)}
	case Killing:
		return Why{Text: "its task is being killed: " + t.Message}
	case Unreachable, Stranded:
		w := Why{Text: "its agent " + s.nameOf(t.Agent) + " is cut off; it is not known whether the task runs"}
		if t.replace != 0 {
			w.Until = s.Wall(t.replace)
			w.Text += ", and it will be replaced"
		} else {
			w.Text += "; replace the instance if you know that it does not"
		}
		return w
	}
	if t.Up == 0 {
		return Why{Running: true, Text: "it runs, but is not ready: " + t.checks()}
	}
	return Why{Running: true, Text: "it runs"}
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
