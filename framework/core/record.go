package core

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/framework/placement"
	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// Keys of records. What one key is about is one record, so that a batch writes each at most once.
const (
	keyFramework = "framework"
	keyApp       = "app/"      // + name
	keyVersion   = "version/"  // + name / number
	keyInstance  = "instance/" // + name / number
	keyAgent     = "agent/"    // + agent id, while something of ours is there
	keyGarbage   = "garbage/"  // + agent id: what instances have left there, to be given back when it is offered
)

// The schemas of the records. A change of format raises the version and adds a migration.
var (
	schemaFramework = store.Schema{Kind: "core.framework", Version: 1}
	schemaApp       = store.Schema{Kind: "core.app", Version: 1}
	schemaVersion   = store.Schema{Kind: "core.version", Version: 1}
	schemaInstance  = store.Schema{Kind: "core.instance", Version: 1}
	schemaAgent     = store.Schema{Kind: "core.agent", Version: 1}
	schemaGarbage   = store.Schema{Kind: "core.garbage", Version: 2, Migrations: map[int]store.Migration{1: migrateGarbage}}
)

type frameworkRecord struct {
	ID    string `json:"id,omitempty"` // framework id, "" before the first SUBSCRIBED
	Epoch string `json:"epoch"`        // part of task ids: tells this state directory from others
	Next  uint64 `json:"next"`         // number of the next launch
	Notes uint64 `json:"notes"`        // upper bound of the notes' numbers used so far
	// Uninstall is how far it is: "", uninstalling, tearing-down.
	Uninstall string `json:"uninstall,omitempty"`
	// Forced: Uninstall gives up what is on agents that are not offered.
	Forced bool `json:"forced,omitempty"`
	// Orphans says what becomes of unknown tasks: "", or kill after Resolve with ResolveKill.
	Orphans string `json:"orphans,omitempty"`
}

type appRecord struct {
	Name      string `json:"name"`
	Instances int    `json:"instances"`
	// Version is the current one: instances are to get there. Base is the one before the deployment under way, else the same.
	Version uint32 `json:"version"`
	Base    uint32 `json:"base"`
	// Before is the version before the last deployment that was done: what Rollback returns to.
	Before     uint32      `json:"before,omitempty"`
	LastNumber uint32      `json:"last_number"`
	Shown      uint32      `json:"shown,omitempty"` // number of the last definition, as people count; 0: the last number
	Removing   bool        `json:"removing,omitempty"`
	Forced     bool        `json:"forced,omitempty"` // Removing gives up what is on agents that are cut off
	Surge      int         `json:"surge,omitempty"`
	Deployment *Deployment `json:"deployment,omitempty"` // the last one
	Deployed   uint64      `json:"deployed,omitempty"`   // number of the last deployment
	Changed    int64       `json:"changed"`
	// Standing is the last definition that was submitted as a standing one: hash and instances.
	Standing string `json:"standing,omitempty"`
}

type versionRecord struct {
	Number  uint32          `json:"number"`
	Shown   uint32          `json:"shown,omitempty"` // the number that people know it by, if it is another
	Created int64           `json:"created"`
	App     json.RawMessage `json:"app"`
}

type taskRecord struct {
	ID       string         `json:"id"`
	Version  uint32         `json:"version"`
	State    State          `json:"state"`
	Health   Health         `json:"health,omitempty"`
	Checked  bool           `json:"checked,omitempty"`
	Check    string         `json:"check,omitempty"`
	Doomed   bool           `json:"doomed,omitempty"`
	Failed   bool           `json:"failed,omitempty"`
	Began    bool           `json:"began,omitempty"`
	Lingers  bool           `json:"lingers,omitempty"`
	Gone     bool           `json:"executor_gone,omitempty"`
	Agent    string         `json:"agent"`
	Owner    string         `json:"owner,omitempty"`
	Ports    []uint64       `json:"ports,omitempty"`
	Members  []memberRecord `json:"members,omitempty"`
	Launched int64          `json:"launched"`
	Changed  int64          `json:"changed"`
	Up       int64          `json:"up,omitempty"`
	Reason   string         `json:"reason,omitempty"`
	Message  string         `json:"message,omitempty"`
}

type memberRecord struct {
	ID      string `json:"id"`
	Last    string `json:"last"`
	Health  Health `json:"health,omitempty"`
	Checked bool   `json:"checked,omitempty"`
}

type instanceRecord struct {
	Version   uint32        `json:"version"`
	Task      *taskRecord   `json:"task,omitempty"`
	Detached  []*taskRecord `json:"detached,omitempty"`
	Failures  int           `json:"failures,omitempty"`
	Excused   int           `json:"excused,omitempty"`
	Failure   string        `json:"failure,omitempty"`
	NotBefore int64         `json:"not_before,omitempty"`
	Outcome   Outcome       `json:"outcome,omitempty"`
	Pin       string        `json:"pin,omitempty"`
	Volumes   []Volume      `json:"volumes,omitempty"`
	Owner     string        `json:"owner,omitempty"`
	Reserved  string        `json:"reserved,omitempty"`
}

type agentRecord struct {
	Hostname   string   `json:"hostname"`
	Attributes [][]byte `json:"attributes,omitempty"` // mesos.v1.Attribute, protobuf
	Region     string   `json:"region,omitempty"`
	Zone       string   `json:"zone,omitempty"`
}

type garbageRecord struct {
	Left []leftoverRecord `json:"left"`
}

func seal(s store.Schema, v any) []byte {
	payload, err := json.Marshal(v)
	if err == nil {
		payload, err = s.Seal(payload)
	}
	if err != nil { // the types above and the schemas are constant: this can't depend on input
		panic("core: sealing a " + s.Kind + " record: " + err.Error())
	}
	return payload
}

func unseal(s store.Schema, r store.Record, v any) error {
	payload, err := s.Open(r)
	if err == nil {
		err = json.Unmarshal(payload, v)
	}
	if err == nil {
		return nil
	}
	var re *RecordError
	if errors.As(err, &re) {
		re.Key = r.Key
		return re
	}
	return &RecordError{Key: r.Key, Err: err}
}

func (t *Task) record() *taskRecord {
	if t == nil {
		return nil
	}
	r := &taskRecord{ID: t.ID, Version: t.Version, State: t.State, Health: t.Health, Checked: t.Checked, Check: t.Check, Doomed: t.Doomed, Failed: t.Failed, Began: t.Began, Lingers: t.Lingers, Gone: t.ExecutorGone,
		Agent: t.Agent, Owner: t.Owner, Ports: t.Ports, Launched: t.Launched, Changed: t.Changed, Up: t.Up, Reason: t.Reason, Message: t.Message}
	for _, m := range t.Members {
		r.Members = append(r.Members, memberRecord{m.ID, m.Last.String(), m.Health, m.Checked})
	}
	return r
}

func (r *taskRecord) task() (*Task, error) {
	if r == nil {
		return nil, nil
	}
	if r.ID == "" {
		return nil, &RecordError{Field: "task id", Want: "an id"}
	}
	t := &Task{ID: r.ID, Version: r.Version, State: r.State, Health: r.Health, Checked: r.Checked, Check: r.Check, Doomed: r.Doomed, Failed: r.Failed, Began: r.Began, Lingers: r.Lingers, ExecutorGone: r.Gone,
		Agent: r.Agent, Owner: r.Owner, Ports: r.Ports, Launched: r.Launched, Changed: r.Changed, Up: r.Up, Reason: r.Reason, Message: r.Message}
	for _, m := range r.Members {
		e, ok := eventNamed(m.Last)
		if !ok {
			return nil, &RecordError{Field: "last of a member", Value: m.Last, Want: "the name of an event"}
		}
		t.Members = append(t.Members, Member{m.ID, e, m.Health, m.Checked})
	}
	return t, nil
}

func eventNamed(name string) (Event, bool) {
	for e, n := range eventNames {
		if n == name {
			return Event(e), true
		}
	}
	return 0, false
}

func (i *Instance) record() instanceRecord {
	r := instanceRecord{Version: i.Version, Task: i.Task.record(), Failures: i.Failures, Excused: i.Excused, Failure: i.LastFailure, NotBefore: i.NotBefore, Outcome: i.Outcome, Pin: i.Pin, Volumes: i.Volumes, Owner: i.Owner, Reserved: i.Reserved}
	for _, t := range i.Detached {
		r.Detached = append(r.Detached, t.record())
	}
	return r
}

func (r *instanceRecord) instance(app string, index int) (*Instance, error) {
	i := &Instance{App: app, Index: index, Version: r.Version, Failures: r.Failures, Excused: r.Excused, LastFailure: r.Failure, NotBefore: r.NotBefore, Outcome: r.Outcome, Pin: r.Pin, Volumes: r.Volumes, Owner: r.Owner, Reserved: r.Reserved}
	if len(i.Volumes) > 0 && i.Reserved == "" { // a record of an earlier version
		i.Reserved = i.Pin
	}
	var err error
	if i.Task, err = r.Task.task(); err != nil {
		return nil, err
	}
	for _, d := range r.Detached {
		t, err := d.task()
		if err != nil {
			return nil, err
		}
		if t != nil {
			i.Detached = append(i.Detached, t)
		}
	}
	return i, nil
}

func recordOfAgent(a *placement.Agent) agentRecord {
	r := agentRecord{Hostname: a.Hostname, Region: a.Region, Zone: a.Zone}
	for _, at := range a.Attributes {
		if b, err := (proto.MarshalOptions{Deterministic: true}).Marshal(at); err == nil {
			r.Attributes = append(r.Attributes, b)
		}
	}
	return r
}

func (r *agentRecord) agent(id string) (*placement.Agent, error) {
	a := &placement.Agent{ID: id, Hostname: r.Hostname, Region: r.Region, Zone: r.Zone}
	for _, b := range r.Attributes {
		at := new(mesospb.Attribute)
		if err := proto.Unmarshal(b, at); err != nil {
			return nil, err
		}
		a.Attributes = append(a.Attributes, at)
	}
	return a, nil
}

func instanceKey(app string, index int) string {
	return keyInstance + app + "/" + strconv.Itoa(index)
}

func versionKey(app string, n uint32) string {
	return keyVersion + app + "/" + strconv.FormatUint(uint64(n), 10)
}

// numbered splits "name/12", where the name has no slash.
func numbered(s string) (name string, n int, ok bool) {
	name, digits, ok := strings.Cut(s, "/")
	if !ok {
		return "", 0, false
	}
	n, err := strconv.Atoi(digits)
	return name, n, err == nil && n >= 0 && n <= maxInstances && name != ""
}

// maxInstances bounds instance numbers and counts of one application, so that a typing error doesn't eat the memory.
const maxInstances = 1_000_000
