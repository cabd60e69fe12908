package core

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mesokit/mesokit/framework/placement"
)

// Condition is one thing about an application that is not as it should be, or is under way.
type Condition struct {
	App string
	// State is a Cause… or the state of a deployment: stalled, paused, canary, or deploying.
	State string
	// Severity says whether somebody has to do something.
	Severity Severity
	// Count of instances that it is about; 0 for a deployment as a whole.
	Count int
	// First is the number of the first of these instances.
	First int
	// Failures in a row of that instance among them that has most.
	Failures int
	// Text says what is, Next what is going to happen or what to do.
	Text string
	Next string
	// Until is when the first of them is tried or replaced by itself; zero if that depends on others.
	Until time.Time
	// Offers is what became of the offers, where there were some.
	Offers *placement.Explanation
}

// Severity of a Condition.
type Severity string

// The severities, worst first.
const (
	SeverityError   Severity = "error"   // it will not end by itself, or has failed
	SeverityWarning Severity = "warning" // fewer run than should
	SeverityInfo    Severity = "info"    // it is under way
)

var severities = []Severity{SeverityError, SeverityWarning, SeverityInfo}

// causeRules say how bad a cause is and what to do about it; APP is the application, APP/N the instance.
var causeRules = map[string]struct {
	severity Severity
	next     string
}{
	CauseNotReady:     {SeverityWarning, "mesokit app events --app APP --kind health shows its checks"},
	CauseLaunching:    {SeverityInfo, ""},
	CauseUnanswered:   {SeverityError, "nothing takes its place before the master answers: see mesokit master tasks"},
	CauseStarting:     {SeverityInfo, ""},
	CauseKilling:      {SeverityInfo, ""},
	CauseUnreachable:  {SeverityError, "mesokit master agents shows the agent; mesokit app restart --replace APP/N gives it up where it is"},
	CauseFailing:      {SeverityError, "mesokit app logs APP/N shows what it wrote"},
	CauseGivenUp:      {SeverityError, "mesokit app logs APP/N shows what it wrote; restart the instance or update the application to try again"},
	CauseUnlaunchable: {SeverityError, "correct the definition: mesokit app update"},
	CauseNoFit:        {SeverityWarning, "mesokit app explain APP shows what the offers lack"},
	CauseNoOffers:     {SeverityWarning, "mesokit master agents and mesokit master quota show tell what there is and who may have it"},
	CauseBound:        {SeverityError, "bring the agent back, or give up the volumes: mesokit app restart --replace APP/N"},
	CauseDraining:     {SeverityWarning, "end the drain (mesokit master reactivate), or give up the volumes: mesokit app restart --replace APP/N"},
	CauseRemoving:     {SeverityInfo, ""},
	CauseGuarded:      {SeverityError, "mesokit app guard tells what to do"},
	CauseDisconnected: {SeverityError, "it is connected again as soon as a master can be reached: see the scheduler's log"},
}

// maxExamined bounds how many instances of an application Conditions explains one by one; it counts the others by their state.
const maxExamined = 1000

// Conditions returns what is not as it should be with an application, the worst first; nil if everything is. Instances for which the same is
// true are one condition.
func (s *Snapshot) Conditions(a *App) []Condition {
	var list []Condition
	if d := a.Deployment; d != nil && d.active() {
		list = append(list, deploymentCondition(a, d))
	}
	if a.Counts.Up+a.Counts.Reached < a.Counts.Instances {
		list = append(list, s.instanceConditions(a)...)
	}
	slices.SortStableFunc(list, func(x, y Condition) int {
		if x.Severity == y.Severity && (x.Count == 0 || y.Count == 0) {
			return cmp.Compare(x.Count, y.Count) // how the deployment stands says more than what it has done
		}
		return cmp.Or(cmp.Compare(slices.Index(severities, x.Severity), slices.Index(severities, y.Severity)), cmp.Compare(y.Count, x.Count))
	})
	return list
}

func (s *Snapshot) instanceConditions(a *App) []Condition {
	var list []Condition
	at := map[[2]string]int{}
	examined := 0
	for i := range a.All() {
		if t := i.Live(); t != nil && t.State == Running && t.Up != 0 || t == nil && i.Outcome == Reached {
			continue
		}
		if examined++; examined > maxExamined {
			break
		}
		w := s.Why(a.Name, i.Index)
		w.Text = strings.TrimPrefix(w.Text, CauseFailing+": ") // the state says so
		key := [2]string{w.Kind, w.Text}
		if w.Kind == CauseFailing || w.Kind == CauseGivenUp {
			key[1] = i.LastFailure // counts differ between instances that fail in the same way
		}
		k, known := at[key]
		if !known {
			k = len(list)
			at[key] = k
			rule := causeRules[w.Kind]
			c := Condition{App: a.Name, State: w.Kind, Severity: rule.severity, First: i.Index, Text: w.Text, Offers: w.Offers, Until: w.Until}
			c.Next = strings.NewReplacer("APP/N", fmt.Sprintf("%s/%d", a.Name, i.Index), "APP", a.Name).Replace(rule.next)
			if key[1] == i.LastFailure && sharesDirectories(a, i) {
				c.Next += "; its tasks share a directory, which Mesos makes only on agents with the isolator volume/sandbox_path"
			}
			list = append(list, c)
		}
		c := &list[k]
		c.Count++
		if i.Failures > c.Failures {
			c.Failures, c.Text = i.Failures, w.Text
		}
		if !w.Until.IsZero() && (c.Until.IsZero() || w.Until.Before(c.Until)) {
			c.Until = w.Until
		}
	}
	return list
}

func sharesDirectories(a *App, i *Instance) bool {
	d := a.DefinitionOf(i.Version)
	return d != nil && d.SharesDirectories()
}

func deploymentCondition(a *App, d *Deployment) Condition {
	c := Condition{App: a.Name, State: string(d.State), Severity: SeverityWarning}
	c.Text = fmt.Sprintf("deployment %d from version %d to %d is %s; switched: %d, ready: %d", d.Number, d.From, d.To, d.State, d.Switched, d.Ready)
	if d.Text != "" {
		c.Text += ": " + d.Text
	}
	switch d.State {
	case DeploymentStalled:
		c.Severity = SeverityError
		c.Next = fmt.Sprintf("mesokit app rollback %s returns to version %d; mesokit app resume %[1]s goes on, when the cause is mended", a.Name, d.From)
	case DeploymentPaused:
		c.Next = fmt.Sprintf("mesokit app resume %s goes on, mesokit app rollback %[1]s returns to version %d", a.Name, d.From)
	case DeploymentCanary:
		c.Next = fmt.Sprintf("mesokit app promote %s goes on, mesokit app rollback %[1]s returns to version %d", a.Name, d.From)
	default:
		c.State, c.Severity = "deploying", SeverityInfo
	}
	return c
}

// State is one word for how an application is: ok, or that of its worst condition. The condition is nil for ok.
func (s *Snapshot) State(a *App) (string, *Condition) {
	if a.Removing {
		return CauseRemoving, &Condition{App: a.Name, State: CauseRemoving, Severity: SeverityInfo, Count: a.Counts.Instances,
			Text: "it is being removed; left: " + plural(a.Counts.Instances, "instance")}
	}
	if list := s.Conditions(a); len(list) > 0 {
		return list[0].State, &list[0]
	}
	return "ok", nil
}
