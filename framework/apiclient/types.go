package apiclient

import (
	"encoding/json"
	"time"

	"github.com/mesokit/mesokit/framework/core"
)

// What the API shows; the OpenAPI document of a scheduler (/v1/openapi.json) describes the same.

// Status is how a scheduler stands.
type Status struct {
	Running bool `json:"running"`
	Leading bool `json:"leading"`
	// Leader that is known, nil if nobody is.
	Leader *Leader `json:"leader,omitempty"`
	// Master that the framework is subscribed to, "" if it is not.
	Master      string `json:"master,omitempty"`
	Trouble     string `json:"trouble,omitempty"` // what keeps it from working
	Stalled     string `json:"stalled,omitempty"` // why it should be restarted
	FrameworkID string `json:"framework_id,omitempty"`
	Connected   bool   `json:"connected"`
	Guarded     bool   `json:"guarded"` // see Client.Guard
	Uninstall   string `json:"uninstall,omitempty"`
	Apps        int    `json:"apps"`
	Offers      int    `json:"offers"`
	Orphans     int    `json:"orphans"`
	Leftovers   int    `json:"leftovers"`
	Unanswered  int    `json:"unanswered"`
	LastEvent   uint64 `json:"last_event"`
	// Conditions say what is not as it should be with the scheduler; see Client.Conditions for those of applications.
	Conditions []Condition `json:"conditions"`
	// Aside are applications whose stored records do not fit together: they are left alone.
	Aside []core.Aside `json:"aside,omitempty"`
}

// Leader is who leads.
type Leader struct {
	ID  string `json:"id"`
	URL string `json:"url,omitempty"`
}

// App is an application in short.
type App struct {
	Name       string         `json:"name"`
	Instances  int            `json:"instances"` // wanted; 0 for daemons
	Daemon     bool           `json:"daemon,omitempty"`
	Version    uint32         `json:"version"`
	State      string         `json:"state"`           // ok, or that of the worst condition
	Cause      *Condition     `json:"cause,omitempty"` // the worst condition
	Up         int            `json:"up"`
	Waiting    int            `json:"waiting"`
	Failing    int            `json:"failing"`                // those of them whose last task has failed, or was refused
	Failures   int            `json:"failures,omitempty"`     // the most in a row among those that are failing
	Failure    string         `json:"last_failure,omitempty"` // of that instance
	NextTry    *time.Time     `json:"next_try,omitempty"`     // the first of one that is failing
	Reached    int            `json:"reached"`
	GivenUp    int            `json:"given_up"`
	Tasks      map[string]int `json:"tasks"` // by state
	Removing   bool           `json:"removing,omitempty"`
	Deployment string         `json:"deployment,omitempty"` // state of one that is under way
	Changed    time.Time      `json:"changed"`
	Trouble    string         `json:"trouble,omitempty"` // why it was set aside, and is left alone
}

// Condition is one thing that is not as it should be, or is under way: of an application, or without one of the scheduler.
type Condition struct {
	App      string     `json:"app,omitempty"`
	State    string     `json:"state"`
	Severity string     `json:"severity"` // error, warning or info
	Count    int        `json:"count,omitempty"`
	Failures int        `json:"failures,omitempty"` // in a row
	Text     string     `json:"text"`
	Next     string     `json:"next,omitempty"`  // what to do, or what is going to happen
	Until    *time.Time `json:"until,omitempty"` // when something happens by itself
	Offers   *Funnel    `json:"offers,omitempty"`
}

// AppDetails is an application with its definition.
type AppDetails struct {
	App
	Definition json.RawMessage `json:"definition"` // see app.Parse
	Versions   []uint32        `json:"versions"`   // that are kept
	Last       *Deployment     `json:"last_deployment,omitempty"`
}

// Deployment is the way from one version to another.
type Deployment struct {
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

// Task is an instance and what runs for it.
type Task struct {
	App      string     `json:"app"`
	Index    int        `json:"index"`
	State    string     `json:"state"` // of the task, or waiting, failing, reached, given-up
	Outcome  string     `json:"outcome"`
	Task     string     `json:"task,omitempty"`    // id in Mesos
	Members  []Member   `json:"members,omitempty"` // of a pod
	Version  uint32     `json:"version"`
	Health   string     `json:"health,omitempty"`
	Check    string     `json:"check,omitempty"` // result of the last check, in words
	Up       bool       `json:"up"`
	Agent    string     `json:"agent,omitempty"`
	Hostname string     `json:"hostname,omitempty"`
	Ports    []uint64   `json:"ports,omitempty"`
	Launched *time.Time `json:"launched,omitempty"`
	Changed  *time.Time `json:"changed,omitempty"`
	Reason   string     `json:"reason,omitempty"`
	Message  string     `json:"message,omitempty"`
	Failures int        `json:"failures,omitempty"` // in a row
	Failure  string     `json:"last_failure,omitempty"`
	NextTry  *time.Time `json:"next_try,omitempty"`
	Detached []string   `json:"detached,omitempty"` // earlier tasks on agents that are cut off
}

// Member is one task of a pod.
type Member struct {
	Name   string `json:"name"` // in the definition
	ID     string `json:"id"`   // in Mesos
	State  string `json:"state"`
	Health string `json:"health"`
}

// Why says why an instance does not run.
type Why struct {
	App     string     `json:"app"`
	Index   int        `json:"index"`
	Running bool       `json:"running"`
	Kind    string     `json:"kind"` // of the cause, as State of a Condition
	Text    string     `json:"text"`
	Until   *time.Time `json:"until,omitempty"` // when something happens by itself
	Offers  *Funnel    `json:"offers,omitempty"`
}

// Funnel says what became of the offers that an instance was compared with.
type Funnel struct {
	Offers     int      `json:"offers"`
	Candidates int      `json:"candidates"` // agents, by role
	Fits       int      `json:"fits,omitempty"`
	Rejected   []Reject `json:"rejected"`
	Nearest    *Nearest `json:"nearest,omitempty"`
	Text       string   `json:"text"`
}

// Reject counts the candidates that one cause turned away.
type Reject struct {
	Cause   string `json:"cause"`
	What    string `json:"what,omitempty"`
	Count   int    `json:"count"`
	Example string `json:"example,omitempty"` // an agent's id
	Host    string `json:"example_hostname,omitempty"`
}

// Nearest is the candidate that lacks least.
type Nearest struct {
	Agent    string `json:"agent"`
	Hostname string `json:"hostname"`
	Role     string `json:"role"`
	Lacks    []Lack `json:"lacks"`
}

// Lack is a resource of which there is too little.
type Lack struct {
	Name string  `json:"name"`
	Need float64 `json:"need"`
	Have float64 `json:"have"`
}

// Agent is an agent that was offered or that tasks are on.
type Agent struct {
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

// Orphan is a task of the framework that the engine does not know.
type Orphan = core.Orphan

// Guard says why the engine refuses to act.
type Guard = core.Guard

// Note is an event.
type Note = core.Note

// Leftover is what an instance that is gone has left on an agent, until it is really given back.
type Leftover struct {
	App      string    `json:"app"`
	Index    int       `json:"index"`
	Agent    string    `json:"agent"`
	Hostname string    `json:"hostname,omitempty"`
	Volumes  []string  `json:"volumes"` // persistence ids; none: reservations only
	Since    time.Time `json:"since"`
	Cleaning bool      `json:"cleaning"` // the calls for that are made
	Text     string    `json:"text"`     // what it waits for
}
