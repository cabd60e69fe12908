package master

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/statefile"
	"github.com/mesokit/mesokit/mesos/maintenancepb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/quotapb"
)

// Registry is what the masters of a cluster remember together, as the replicated log of Mesos: agents that were admitted, are
// unreachable or gone, quota, weights and maintenance. Frameworks and tasks are not in it: agents bring them. A master reads it
// when it begins to lead, and writes what it changes; one that leads no more can change nothing, whether it knows or not. Its
// methods are safe for concurrent use.
type Registry struct {
	mu     sync.Mutex
	data   registryData // the values in its maps are replaced, never changed
	term   *term        // of the master that may write
	keeper *statefile.Keeper
	path   string // empty in memory
}

// registryData is the content of a registry.
type registryData struct {
	agents      map[string]*lostAgent
	unreachable map[string]*lostAgent
	gone        map[string]time.Time
	quotas      map[string]*quotaConfig
	weights     map[string]float64
	machines    []*mesospb.MachineInfo // those that are not simply UP
	schedule    *maintenancepb.Schedule
}

func newRegistryData() registryData {
	return registryData{
		agents: map[string]*lostAgent{}, unreachable: map[string]*lostAgent{}, gone: map[string]time.Time{},
		quotas: map[string]*quotaConfig{}, weights: map[string]float64{},
	}
}

// clone returns a copy that shares the values.
func (d *registryData) clone() registryData {
	c := *d
	c.agents, c.unreachable, c.gone = maps.Clone(d.agents), maps.Clone(d.unreachable), maps.Clone(d.gone)
	c.quotas, c.weights = maps.Clone(d.quotas), maps.Clone(d.weights)
	return c
}

// NewRegistry returns an empty registry that lives in memory: it outlives its masters but not the process.
func NewRegistry() *Registry { return &Registry{data: newRegistryData()} }

// OpenRegistry returns a registry that lives in a file, which is made when there is something to write. Its directory must be there. A
// file that cannot be used is an error that names it and says what to do. Failures of writing are logged, fail operator calls, and are
// returned by Close.
func OpenRegistry(path string, log *slog.Logger) (*Registry, error) {
	r := NewRegistry()
	var file registryFile
	if _, err := registryKind.Read(path, &file); err != nil {
		return nil, err
	}
	var err error
	if r.data, err = file.data(); err != nil {
		return nil, registryKind.Unusable(path, err)
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	r.keeper, r.path = statefile.NewKeeper(registryKind, path, log), path
	return r, nil
}

// kind is the registry as the flag of that name has it; Mesos has no "file".
func (r *Registry) kind() string {
	if r.path == "" {
		return "in_memory"
	}
	return "file"
}

// dir is where the registry lives; empty in memory.
func (r *Registry) dir() string {
	if r.path == "" {
		return ""
	}
	return filepath.Dir(r.path)
}

// Close writes what is not written yet. The masters must be closed before.
func (r *Registry) Close() error {
	if r.keeper == nil {
		return nil
	}
	return r.keeper.Close()
}

// term is the time in which one master leads.
type term struct{ registry *Registry }

// begin lets a master write, and nobody else from now on. It returns what is known.
func (r *Registry) begin() (*term, registryData) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.term = &term{r}
	return r.term, r.data.clone()
}

// change lets f change the data, unless somebody else leads by now. f must replace values and keep none. On a nil term it does
// nothing.
func (t *term) change(f func(*registryData)) {
	if t == nil {
		return
	}
	r := t.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.term != t {
		return
	}
	f(&r.data)
	if r.keeper != nil {
		r.keeper.Put(func() any {
			r.mu.Lock()
			d := r.data.clone()
			r.mu.Unlock()
			return d.file()
		})
	}
}

// sync waits until all changes are on the disk, if they are to be.
func (t *term) sync() error {
	if t == nil || t.registry.keeper == nil {
		return nil
	}
	return t.registry.keeper.Sync()
}

var registryKind = statefile.Kind{
	Name: "mesokit master registry", Version: 1,
	Loss: "agents register anew, with what they remember, and quota, weights, maintenance and which agents are gone are forgotten",
}

// What the file holds; see package statefile for what is around it.
type (
	registryFile struct {
		Agents      []registryAgent `json:"agents,omitempty"`
		Unreachable []registryAgent `json:"unreachable,omitempty"`
		Gone        []registryGone  `json:"gone,omitempty"`
		Quotas      []quotaMessage  `json:"quotas,omitempty"`
		Weights     []registryRole  `json:"weights,omitempty"`
		Machines    []machineInfo   `json:"machines,omitempty"`
		Schedule    *schedule       `json:"maintenance_schedule,omitempty"`
	}

	registryAgent struct {
		Info        agentInfo  `json:"info"`
		Since       *time.Time `json:"unreachable_since,omitempty"`
		Drain       *drainInfo `json:"drain,omitempty"`
		DrainStart  *time.Time `json:"drain_start,omitempty"`
		Deactivated bool       `json:"deactivated,omitempty"`
	}

	registryGone struct {
		ID    string    `json:"id"`
		Since time.Time `json:"since"`
	}

	registryRole struct {
		Role   string  `json:"role"`
		Weight float64 `json:"weight"`
	}

	agentInfo    = statefile.Message[mesospb.AgentInfo, *mesospb.AgentInfo]
	drainInfo    = statefile.Message[mesospb.DrainInfo, *mesospb.DrainInfo]
	quotaMessage = statefile.Message[quotapb.QuotaConfig, *quotapb.QuotaConfig]
	machineInfo  = statefile.Message[mesospb.MachineInfo, *mesospb.MachineInfo]
	schedule     = statefile.Message[maintenancepb.Schedule, *maintenancepb.Schedule]
)

// file brings the data into the form of the file, in an order without chance.
func (d *registryData) file() *registryFile {
	f := &registryFile{}
	agents := func(in map[string]*lostAgent) (out []registryAgent) {
		for _, id := range sortedKeys(in) {
			l := in[id]
			a := registryAgent{Info: agentInfo{M: l.info}, Since: timePtr(l.since), DrainStart: timePtr(l.start), Deactivated: l.off}
			if l.drain != nil {
				a.Drain = &drainInfo{M: l.drain}
			}
			out = append(out, a)
		}
		return out
	}
	f.Agents, f.Unreachable = agents(d.agents), agents(d.unreachable)
	for _, id := range sortedKeys(d.gone) {
		f.Gone = append(f.Gone, registryGone{id, d.gone[id].UTC()})
	}
	for _, role := range sortedKeys(d.quotas) {
		q := d.quotas[role]
		f.Quotas = append(f.Quotas, quotaMessage{M: &quotapb.QuotaConfig{Role: &role, Guarantees: scalarMap(q.guarantees), Limits: scalarMap(q.limits)}})
	}
	for _, role := range sortedKeys(d.weights) {
		f.Weights = append(f.Weights, registryRole{role, d.weights[role]})
	}
	for _, mc := range d.machines {
		f.Machines = append(f.Machines, machineInfo{M: mc})
	}
	if d.schedule != nil {
		f.Schedule = &schedule{M: d.schedule}
	}
	return f
}

func timePtr(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// data checks what was read. Its errors name the place.
func (f *registryFile) data() (registryData, error) {
	d := newRegistryData()
	seen := map[string]bool{}
	once := func(id string) error {
		if err := validateID(id); err != nil {
			return fmt.Errorf("agent id %q: %w", id, err)
		}
		if seen[id] {
			return fmt.Errorf("agent id %q occurs twice", id)
		}
		seen[id] = true
		return nil
	}
	agents := func(name string, in []registryAgent, out map[string]*lostAgent) error {
		for i, a := range in {
			info := a.Info.M
			if err := once(info.GetId().GetValue()); err != nil {
				return fmt.Errorf("%s[%d]: %w", name, i, err)
			}
			l := &lostAgent{info: info, off: a.Deactivated}
			if a.Since != nil {
				l.since = *a.Since
			}
			if a.DrainStart != nil {
				l.start = *a.DrainStart
			}
			if a.Drain != nil {
				l.drain = a.Drain.M
			}
			out[info.GetId().GetValue()] = l
		}
		return nil
	}
	if err := errors.Join(agents("agents", f.Agents, d.agents), agents("unreachable", f.Unreachable, d.unreachable)); err != nil {
		return d, err
	}
	for i, g := range f.Gone {
		if err := once(g.ID); err != nil {
			return d, fmt.Errorf("gone[%d]: %w", i, err)
		}
		d.gone[g.ID] = g.Since
	}
	for i, q := range f.Quotas {
		role := q.M.GetRole()
		c, err := validateQuota(q.M)
		if err == nil && strings.Contains(role, "/") {
			err = fmt.Errorf("role %q is nested", role)
		}
		if err == nil && d.quotas[role] != nil {
			err = fmt.Errorf("role %q occurs twice", role)
		}
		if err != nil {
			return d, fmt.Errorf("quotas[%d]: %w", i, err)
		}
		d.quotas[role] = c
	}
	for i, w := range f.Weights {
		if err := validateRole(w.Role); err != nil {
			return d, fmt.Errorf("weights[%d]: %w", i, err)
		}
		if !(w.Weight > 0) || math.IsInf(w.Weight, 0) {
			return d, fmt.Errorf("weights[%d]: the weight of %q is %v; it must be positive", i, w.Role, w.Weight)
		}
		d.weights[w.Role] = w.Weight
	}
	return d, f.maintenance(&d)
}

// maintenance checks machines and schedule: each machine is in the schedule once, and draining or down.
func (f *registryFile) maintenance(d *registryData) error {
	var planned []machineKey
	if f.Schedule != nil {
		d.schedule = f.Schedule.M
		for _, w := range d.schedule.GetWindows() {
			for _, id := range w.GetMachineIds() {
				planned = append(planned, keyOf(id))
			}
		}
	}
	seen := map[machineKey]bool{}
	for i, mc := range f.Machines {
		k := keyOf(mc.M.GetId())
		switch {
		case !slices.Contains(planned, k):
			return fmt.Errorf("machines[%d]: %s is not in the maintenance schedule", i, machineText(mc.M.GetId()))
		case seen[k]:
			return fmt.Errorf("machines[%d]: %s occurs twice", i, machineText(mc.M.GetId()))
		case mc.M.GetMode() != mesospb.MachineInfo_DRAINING && mc.M.GetMode() != mesospb.MachineInfo_DOWN:
			return fmt.Errorf("machines[%d]: %s has mode %v; want DRAINING or DOWN", i, machineText(mc.M.GetId()), mc.M.GetMode())
		}
		seen[k] = true
		d.machines = append(d.machines, proto.CloneOf(mc.M))
	}
	return nil
}
