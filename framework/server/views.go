package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mesokit/mesokit/framework"
	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/placement"
)

// What the API shows. Times are RFC 3339.

type statusView struct {
	framework.Status
	FrameworkID string `json:"framework_id,omitempty"`
	Connected   bool   `json:"connected"` // subscribed, as far as the engine has heard
	Guarded     bool   `json:"guarded"`   // see /v1/guard
	Uninstall   string `json:"uninstall,omitempty"`
	Apps        int    `json:"apps"`
	Offers      int    `json:"offers"`     // in hand
	Orphans     int    `json:"orphans"`    // see /v1/orphans
	Leftovers   int    `json:"leftovers"`  // see /v1/leftovers
	Unanswered  int    `json:"unanswered"` // tasks that the master was asked for
	LastEvent   uint64 `json:"last_event"`
	// Aside are applications that could not be restored.
	Aside []core.Aside `json:"aside,omitempty"`
	// Conditions say what is not as it should be with the scheduler; those of applications are in /v1/conditions.
	Conditions []conditionView `json:"conditions"`
}

type appView struct {
	Name       string         `json:"name"`
	Instances  int            `json:"instances"` // wanted; 0 for daemons
	Daemon     bool           `json:"daemon,omitempty"`
	Version    uint32         `json:"version"`
	State      string         `json:"state"`                  // ok, or that of the worst condition
	Cause      *conditionView `json:"cause,omitempty"`        // the worst condition
	Up         int            `json:"up"`                     // run, and are as healthy as asked for
	Waiting    int            `json:"waiting"`                // nothing runs, and something should
	Failing    int            `json:"failing"`                // those of them whose last task has failed, or was refused
	Failures   int            `json:"failures,omitempty"`     // the most in a row among those that are failing
	Failure    string         `json:"last_failure,omitempty"` // of that instance
	NextTry    *time.Time     `json:"next_try,omitempty"`     // the first of one that is failing
	Reached    int            `json:"reached"`                // their goal
	GivenUp    int            `json:"given_up"`
	Tasks      map[string]int `json:"tasks"` // by state
	Removing   bool           `json:"removing,omitempty"`
	Deployment string         `json:"deployment,omitempty"` // its state, if it is not over
	Changed    time.Time      `json:"changed"`
	Trouble    string         `json:"trouble,omitempty"` // why it was set aside, and is left alone
}

func viewAside(a *core.Aside) appView {
	return appView{Name: a.App, State: "set-aside", Tasks: map[string]int{}, Trouble: "set aside: " + a.Why}
}

func viewApp(s *core.Snapshot, a *core.App) appView {
	v := appView{Name: a.Name, Instances: a.Instances, Version: a.Shown(a.Version), Up: a.Counts.Up, Waiting: a.Counts.Waiting, Failing: a.Counts.Failing, Reached: a.Counts.Reached,
		GivenUp: a.Counts.GivenUp, Tasks: map[string]int{}, Removing: a.Removing, Changed: a.Changed}
	state, worst := s.State(a)
	if v.State = state; worst != nil {
		cause := viewCondition(s, worst)
		v.Cause = &cause
	}
	v.Daemon = a.Definition != nil && a.Definition.Daemon
	for state, n := range a.Counts.Tasks {
		if n > 0 {
			v.Tasks[core.State(state).String()] = n
		}
	}
	if v.Failing > 0 {
		v.describeFailures(s, a)
	}
	if d := a.Deployment; d != nil && active(d) {
		v.Deployment = string(d.State)
	}
	return v
}

func (v *appView) describeFailures(s *core.Snapshot, a *core.App) {
	for i := range a.All() {
		if !i.Failing() {
			continue
		}
		if i.Failures > v.Failures {
			v.Failures, v.Failure = i.Failures, i.LastFailure
		}
		if next := nextTry(s, i); next != nil && (v.NextTry == nil || next.Before(*v.NextTry)) {
			v.NextTry = next
		}
	}
}

// nextTry is when an instance may be launched again, nil if it may be now.
func nextTry(s *core.Snapshot, i *core.Instance) *time.Time {
	if i.NotBefore <= s.Time.UnixMilli() {
		return nil
	}
	return when(s.Wall(i.NotBefore).UnixMilli())
}

func active(d *core.Deployment) bool {
	return d.State != core.DeploymentDone && d.State != core.DeploymentCanceled
}

type appDetails struct {
	appView
	Definition rawApp          `json:"definition"`
	Versions   []uint32        `json:"versions"`
	Last       *deploymentView `json:"last_deployment,omitempty"`
}

// rawApp is an application as framework/app writes it.
type rawApp json.RawMessage

func (r rawApp) MarshalJSON() ([]byte, error) {
	if len(r) == 0 {
		return []byte("null"), nil
	}
	return r, nil
}

type deploymentView struct {
	App      string     `json:"app"`
	Number   uint64     `json:"number"`
	From     uint32     `json:"from"`
	To       uint32     `json:"to"`
	State    string     `json:"state"`
	Rollback bool       `json:"rollback,omitempty"`
	Failures int        `json:"failures,omitempty"`
	Switched int        `json:"switched"` // are meant to be on the new version
	Ready    int        `json:"ready"`    // are up on it
	Started  time.Time  `json:"started"`
	Ended    *time.Time `json:"ended,omitempty"`
	Text     string     `json:"text,omitempty"`
}

func viewDeployment(a *core.App, d *core.Deployment) deploymentView {
	return deploymentView{App: a.Name, Number: d.Number, From: a.Shown(d.From), To: a.Shown(d.To), State: string(d.State), Rollback: d.Rollback, Failures: d.Failures,
		Switched: d.Switched, Ready: d.Ready, Started: time.UnixMilli(d.Started).UTC(), Ended: when(d.Ended), Text: d.Text}
}

// when is nil for zero.
func when(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	t := time.UnixMilli(ms).UTC()
	return &t
}

type taskView struct {
	App      string       `json:"app"`
	Index    int          `json:"index"`
	State    string       `json:"state"` // of the task, or waiting, failing, reached, given-up
	Outcome  string       `json:"outcome"`
	Task     string       `json:"task,omitempty"`    // id in Mesos
	Members  []memberView `json:"members,omitempty"` // of a pod
	Version  uint32       `json:"version"`
	Health   string       `json:"health,omitempty"`
	Check    string       `json:"check,omitempty"` // result of the last check, in words
	Up       bool         `json:"up"`
	Agent    string       `json:"agent,omitempty"`
	Hostname string       `json:"hostname,omitempty"`
	Ports    []uint64     `json:"ports,omitempty"`
	Launched *time.Time   `json:"launched,omitempty"`
	Changed  *time.Time   `json:"changed,omitempty"`
	Reason   string       `json:"reason,omitempty"`
	Message  string       `json:"message,omitempty"`
	Failures int          `json:"failures,omitempty"` // in a row
	Failure  string       `json:"last_failure,omitempty"`
	NextTry  *time.Time   `json:"next_try,omitempty"`
	Detached []string     `json:"detached,omitempty"` // earlier tasks on agents that are cut off
}

// The states of instances that nothing runs of and something should.
const (
	waiting = "waiting"
	failing = "failing" // after a failure: until it is tried again, and until that is possible
)

func taskStates() []string {
	names := []string{waiting, failing, core.Reached.String(), core.GivenUp.String()}
	for s := core.State(0); ; s++ {
		name := s.String()
		if s > core.Lost {
			return names
		}
		names = append(names, name)
	}
}

func stateOf(i *core.Instance) string {
	switch {
	case i.Live() != nil:
		return i.Task.State.String()
	case i.Outcome != core.Active:
		return i.Outcome.String()
	case i.Failures > 0:
		return failing
	}
	return waiting
}

func viewTask(s *core.Snapshot, i *core.Instance) taskView {
	v := taskView{App: i.App, Index: i.Index, State: stateOf(i), Outcome: i.Outcome.String(), Version: i.Version, Failures: i.Failures, Failure: i.LastFailure}
	v.NextTry = nextTry(s, i)
	for _, t := range i.Detached {
		v.Detached = append(v.Detached, t.ID)
	}
	if t := i.Task; t != nil {
		v.Version = t.Version
		v.Task, v.Agent, v.Hostname, v.Ports = t.ID, t.Agent, hostOf(s, t.Agent), t.Ports
		v.Launched, v.Changed = when(s.Wall(t.Launched).UnixMilli()), when(s.Wall(t.Changed).UnixMilli())
		v.Reason, v.Message = t.Reason, t.Message
		v.Health, v.Check, v.Up = t.Health.String(), t.Check, t.Up != 0 && t.State == core.Running
		for k, m := range t.Members {
			name := strings.TrimPrefix(m.ID, t.ID+".")
			if a := s.App(i.App); a != nil {
				if def := a.DefinitionOf(t.Version); def != nil && k < len(def.Group) {
					name = def.Group[k].Name // long names are not part of the id
				}
			}
			v.Members = append(v.Members, memberView{name, m.ID, m.Last.String(), m.Health.String()})
		}
	}
	if a := s.App(i.App); a != nil {
		v.Version = a.Shown(v.Version)
	}
	return v
}

// memberView is one task of a pod.
type memberView struct {
	Name   string `json:"name"` // in the definition
	ID     string `json:"id"`   // in Mesos
	State  string `json:"state"`
	Health string `json:"health"`
}

type whyView struct {
	App     string      `json:"app"`
	Index   int         `json:"index"`
	Running bool        `json:"running"`
	Kind    string      `json:"kind"` // of the cause, as State of a condition
	Text    string      `json:"text"`
	Until   *time.Time  `json:"until,omitempty"` // when something happens by itself
	Offers  *funnelView `json:"offers,omitempty"`
}

type funnelView struct {
	Offers     int          `json:"offers"`
	Candidates int          `json:"candidates"` // agents, by role
	Fits       int          `json:"fits,omitempty"`
	Rejected   []rejectView `json:"rejected"`
	Nearest    *nearestView `json:"nearest,omitempty"`
	Text       string       `json:"text"`
}

type rejectView struct {
	Cause   string `json:"cause"`
	What    string `json:"what,omitempty"`
	Count   int    `json:"count"`
	Example string `json:"example,omitempty"` // an agent's id
	Host    string `json:"example_hostname,omitempty"`
}

type nearestView struct {
	Agent    string     `json:"agent"`
	Hostname string     `json:"hostname"`
	Role     string     `json:"role"`
	Lacks    []lackView `json:"lacks"`
}

type lackView struct {
	Name string  `json:"name"`
	Need float64 `json:"need"`
	Have float64 `json:"have"`
}

// leftoverView is what an instance that is gone has left on an agent, until it is really given back.
type leftoverView struct {
	App      string    `json:"app"`
	Index    int       `json:"index"`
	Agent    string    `json:"agent"`
	Hostname string    `json:"hostname,omitempty"`
	Volumes  []string  `json:"volumes"` // persistence ids; none: reservations only
	Since    time.Time `json:"since"`
	Cleaning bool      `json:"cleaning"` // the calls for that are made
	Text     string    `json:"text"`     // what it waits for
}

func viewLeftover(s *core.Snapshot, l core.Leftover) leftoverView {
	return leftoverView{App: l.App, Index: l.Index, Agent: l.Agent, Hostname: hostOf(s, l.Agent), Volumes: append([]string{}, l.Volumes...),
		Since: l.Since, Cleaning: l.Cleaning, Text: s.WhyLeft(l)}
}

func viewWhy(s *core.Snapshot, name string, index int) whyView {
	w := s.Why(name, index)
	v := whyView{App: name, Index: index, Running: w.Running, Kind: w.Kind, Text: w.Text}
	if !w.Until.IsZero() {
		until := w.Until.UTC()
		v.Until = &until
	}
	if w.Offers != nil {
		v.Offers = viewFunnel(s, w.Offers)
	}
	return v
}

func viewFunnel(s *core.Snapshot, e *placement.Explanation) *funnelView {
	f := &funnelView{Offers: e.Offers, Candidates: e.Candidates, Fits: e.Fits, Rejected: []rejectView{}, Text: e.String()}
	for _, r := range e.Rejected {
		f.Rejected = append(f.Rejected, rejectView{Cause: r.Cause.String(), What: r.What, Count: r.Count, Example: r.Example, Host: hostOf(s, r.Example)})
	}
	if n := e.Nearest; n != nil {
		f.Nearest = &nearestView{Agent: n.Agent.ID, Hostname: n.Agent.Hostname, Role: n.Role, Lacks: []lackView{}}
		for _, l := range n.Lacks {
			f.Nearest.Lacks = append(f.Nearest.Lacks, lackView(l))
		}
	}
	return f
}

func hostOf(s *core.Snapshot, agent string) string {
	if a := s.Agent(agent); a != nil {
		return a.Hostname
	}
	return ""
}

type agentView struct {
	ID       string `json:"id"`
	Hostname string `json:"hostname"`
	Region   string `json:"region,omitempty"`
	Zone     string `json:"zone,omitempty"`
	// Attributes as mesos-agent --attributes writes them.
	Attributes  []string `json:"attributes,omitempty"`
	Uses        int      `json:"uses"` // tasks and volumes on it
	Seen        bool     `json:"seen"` // it was offered since the last subscription
	Draining    bool     `json:"draining"`
	Fate        string   `json:"fate,omitempty"`        // what the master last said of one that is not offered
	Maintenance string   `json:"maintenance,omitempty"` // how the last inverse offer was answered
}

type guardView struct {
	Standing bool        `json:"standing"`
	Guard    *core.Guard `json:"guard,omitempty"`
}

// Bodies of commands.

type scaleBody struct {
	Instances *int `json:"instances"`
}

func (b *scaleBody) check() error {
	if b.Instances == nil || *b.Instances < 0 {
		return errors.New(`"instances" has to be a number from 0`)
	}
	return nil
}

type submissionBody struct {
	Apps []json.RawMessage `json:"apps"` // definitions
}

func (b *submissionBody) check() error {
	if len(b.Apps) == 0 {
		return errors.New(`"apps" has to be a list of definitions`)
	}
	return nil
}

// submissionView is what becomes of one application.
type submissionView struct {
	App  string `json:"app"`
	Text string `json:"text"`
}

type adoptBody struct {
	TaskID string `json:"task_id"`
	App    string `json:"app"`
	Index  *int   `json:"index,omitempty"` // none: the first instance that does not run
	Grow   bool   `json:"grow,omitempty"`  // scale up by one if all run
}

func (b *adoptBody) check() error {
	if b.TaskID == "" || b.App == "" {
		return errors.New(`"task_id" and "app" are needed`)
	}
	return nil
}

type killBody struct {
	TaskID string `json:"task_id,omitempty"`
	All    bool   `json:"all,omitempty"`
}

func (b *killBody) check() error {
	if (b.TaskID == "") == !b.All {
		return errors.New(`want either "task_id" or "all": true`)
	}
	return nil
}

type resolveBody struct {
	FrameworkID string `json:"framework_id,omitempty"`
	Choice      string `json:"choice"` // adopt, kill or new
}

type uninstallBody struct {
	Confirm string `json:"confirm"` // the name of the framework
	Force   bool   `json:"force,omitempty"`
}

func (s *Server) confirm(name string) error {
	if s.cfg.Name != "" && name != s.cfg.Name {
		return bad("uninstalling cannot be undone: \"confirm\" has to be the framework's name, %q", fmt.Sprint(s.cfg.Name))
	}
	return nil
}
