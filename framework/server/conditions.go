package server

import (
	"fmt"
	"strings"
	"time"

	"github.com/mesokit/mesokit/framework"
	"github.com/mesokit/mesokit/framework/core"
)

// conditionView is one thing that is not as it should be, or is under way: of an application, or without one of the scheduler.
type conditionView struct {
	App      string      `json:"app,omitempty"`
	State    string      `json:"state"`
	Severity string      `json:"severity"` // error, warning or info
	Count    int         `json:"count,omitempty"`
	Failures int         `json:"failures,omitempty"` // in a row
	Text     string      `json:"text"`
	Next     string      `json:"next,omitempty"`  // what to do, or what is going to happen
	Until    *time.Time  `json:"until,omitempty"` // when something happens by itself
	Offers   *funnelView `json:"offers,omitempty"`
}

func viewCondition(s *core.Snapshot, c *core.Condition) conditionView {
	v := conditionView{App: c.App, State: c.State, Severity: string(c.Severity), Count: c.Count, Failures: c.Failures, Text: c.Text, Next: c.Next}
	if !c.Until.IsZero() {
		until := c.Until.UTC()
		v.Until = &until
	}
	if c.Offers != nil {
		v.Offers = viewFunnel(s, c.Offers)
	}
	return v
}

// maxNamed bounds how many of several things a text names.
const maxNamed = 5

// ofScheduler returns what is not as it should be with the scheduler, the worst first.
func ofScheduler(st framework.Status, s *core.Snapshot) []conditionView {
	list := []conditionView{}
	add := func(severity core.Severity, state string, count int, next, format string, args ...any) {
		list = append(list, conditionView{State: state, Severity: string(severity), Count: count, Text: fmt.Sprintf(format, args...), Next: next})
	}
	switch {
	case !st.Running:
		add(core.SeverityError, "not-running", 0, "see the scheduler's log", "the scheduler does not run")
	case strings.Contains(st.Trouble, "the store: "):
		add(core.SeverityError, "store", 0, "nothing is launched, killed or acknowledged until what is to be remembered can be written: make room, or mend the store", "%s", st.Trouble)
	case s.Guard != nil: // it does not subscribe then
	case st.Leading && st.Master == "":
		add(core.SeverityError, "disconnected", 0, "it goes on by itself as soon as a master leads and can be reached; tasks run on meanwhile",
			"the scheduler is not subscribed to a master%s", because(st.Trouble))
	case st.Trouble != "":
		add(core.SeverityError, "trouble", 0, "see the scheduler's log", "%s", st.Trouble)
	}
	if g := s.Guard; g != nil {
		add(core.SeverityError, core.CauseGuarded, 0, g.Advice, "the scheduler refuses to act: %s", g.Why)
	}
	if s.Uninstall != "" {
		add(core.SeverityWarning, s.Uninstall, 0, "", "the framework is being uninstalled: %d applications and %d agents with volumes or reservations are left", len(s.Apps), len(s.Leftovers))
	}
	for _, a := range s.Aside {
		add(core.SeverityError, "set-aside", 0, "restore a backup, or remove it: mesokit app rm "+a.App, "the application %s is left alone: %s", a.App, a.Why)
	}
	if s.Unanswered > 0 && s.Connected {
		add(core.SeverityWarning, core.CauseUnanswered, s.Unanswered, "it is asked again and again; mesokit master agents shows which agents have not come back to it",
			"the master was asked about tasks and has not answered yet: %d; nothing takes their place before it does", s.Unanswered)
	}
	if len(s.Orphans) > 0 {
		add(core.SeverityWarning, "orphans", len(s.Orphans), "mesokit app orphans shows them, and adopts or kills them",
			"the scheduler does not know tasks of this framework: %d; they run on", len(s.Orphans))
	}
	var draining []string
	for a := range s.Agents() {
		if a.Draining {
			draining = append(draining, a.Hostname+" ("+a.ID+")")
		}
	}
	if n := len(draining); n > 0 {
		add(core.SeverityInfo, core.CauseDraining, n, "what runs there moves; mesokit master reactivate ends a drain", "to be left, because they are drained or for maintenance: %s", first(draining))
	}
	return list
}

func because(trouble string) string {
	if trouble == "" {
		return ""
	}
	return ": " + trouble
}

// first names the first few of several things.
func first(names []string) string {
	if more := len(names) - maxNamed; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNamed], ", "), more)
	}
	return strings.Join(names, ", ")
}

// listConditions answers with what is not as it should be: with the scheduler, unless applications are named, and with applications.
func listConditions(q *request) (any, error) {
	s := q.server.engine.Snapshot()
	list := page[conditionView]{Items: []conditionView{}}
	if len(q.values["app"]) == 0 {
		list.Items = ofScheduler(q.server.engine.Status(), s)
	}
	for _, a := range s.Apps {
		if !q.is("app", a.Name) {
			continue
		}
		for _, c := range s.Conditions(a) {
			list.Items = append(list.Items, viewCondition(s, &c))
		}
	}
	return list, nil
}
