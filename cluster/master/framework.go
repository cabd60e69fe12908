package master

//lint:file-ignore SA1019 deprecated fields and calls are part of what a master serves

import (
	"slices"
	"time"

	"github.com/mesokit/mesokit/cluster/allocator"
	"github.com/mesokit/mesokit/cluster/internal/httpapi"
	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/cluster/internal/loop"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// framework is a framework that subscribed, or that an agent reported.
type framework struct {
	id          string
	info        *mesospb.FrameworkInfo // replaced, never changed; id is set
	caps        capabilities
	roles       []string
	suppressed  map[string]bool
	constraints *schedulerpb.OfferConstraints
	compiled    *allocator.Constraints

	stream   *httpapi.Stream // nil unless connected
	streamID string
	// active: offers are made. connected: the stream is there. recovered: known from agents only, after a failover of
	// the master.
	active, connected, recovered           bool
	registered, reregistered, unregistered time.Time
	heartbeat, failover                    *loop.Timer

	tasks          map[string]*task // also terminal ones whose last update is not acknowledged
	unreachable    history
	completedTasks history
	offers         map[string]*offer
	inverseOffers  map[string]*inverseOffer
	operations     map[string]*operation // by uuid
	counts         frameworkCounts
}

// capabilities of a framework.
type capabilities struct {
	multiRole, partitionAware, taskKilling, refinement, gpus, shared, revocable, region bool
}

func capabilitiesOf(info *mesospb.FrameworkInfo) (c capabilities) {
	for _, k := range info.GetCapabilities() {
		switch k.GetType() {
		case mesospb.FrameworkInfo_Capability_MULTI_ROLE:
			c.multiRole = true
		case mesospb.FrameworkInfo_Capability_PARTITION_AWARE:
			c.partitionAware = true
		case mesospb.FrameworkInfo_Capability_TASK_KILLING_STATE:
			c.taskKilling = true
		case mesospb.FrameworkInfo_Capability_RESERVATION_REFINEMENT:
			c.refinement = true
		case mesospb.FrameworkInfo_Capability_GPU_RESOURCES:
			c.gpus = true
		case mesospb.FrameworkInfo_Capability_SHARED_RESOURCES:
			c.shared = true
		case mesospb.FrameworkInfo_Capability_REVOCABLE_RESOURCES:
			c.revocable = true
		case mesospb.FrameworkInfo_Capability_REGION_AWARE:
			c.region = true
		}
	}
	return c
}

// rolesOf returns the roles of a framework: without MULTI_ROLE the one in the old field.
func rolesOf(info *mesospb.FrameworkInfo) []string {
	if capabilitiesOf(info).multiRole {
		return info.GetRoles()
	}
	return []string{info.GetRole()}
}

func newFramework(id string) *framework {
	return &framework{
		id:            id,
		tasks:         map[string]*task{},
		offers:        map[string]*offer{},
		inverseOffers: map[string]*inverseOffer{},
		operations:    map[string]*operation{},
	}
}

// describe replaces what the framework says of itself.
func (f *framework) describe(info *mesospb.FrameworkInfo, suppressed []string, oc *schedulerpb.OfferConstraints, compiled *allocator.Constraints) {
	f.info, f.caps, f.roles = info, capabilitiesOf(info), rolesOf(info)
	f.constraints, f.compiled = oc, compiled
	f.suppressed = map[string]bool{}
	for _, r := range suppressed {
		f.suppressed[r] = true
	}
}

// forAllocator describes the framework to the allocator.
func (f *framework) forAllocator() allocator.Framework {
	a := allocator.Framework{
		Roles:      f.roles,
		Suppressed: sortedKeys(f.suppressed),
		Capabilities: allocator.Capabilities{
			GPUResources: f.caps.gpus, SharedResources: f.caps.shared, RevocableResources: f.caps.revocable,
			ReservationRefinement: f.caps.refinement, RegionAware: f.caps.region,
		},
		Constraints: f.compiled,
		Active:      f.active,
	}
	for role, filters := range f.info.GetOfferFilters() {
		if filters.MinAllocatableResources == nil {
			continue
		}
		if a.MinAllocatable == nil {
			a.MinAllocatable = map[string][]allocator.Quantities{}
		}
		sets := []allocator.Quantities{}
		for _, q := range filters.MinAllocatableResources.GetQuantities() {
			set := allocator.Quantities{}
			for name, v := range q.GetQuantities() {
				set[name] = resources.ToFixed(v.GetValue())
			}
			sets = append(sets, set)
		}
		a.MinAllocatable[role] = sets
	}
	return a
}

func (f *framework) hasRole(role string) bool { return slices.Contains(f.roles, role) }

// send queues an event. Nothing happens if the framework is not connected.
func (f *framework) send(e *schedulerpb.Event) {
	if f.connected {
		f.counts.event(e.GetType())
		f.stream.Send(e)
	}
}

func (f *framework) stopTimers() {
	f.heartbeat.Stop()
	f.failover.Stop()
}

// disconnect handles the end of the framework's stream: its offers are recovered, its filters go, and it has
// failover_timeout to come back. A stream that was replaced means nothing.
func (m *Master) disconnect(f *framework, stream *httpapi.Stream) {
	if f.stream != stream || m.frameworks[f.id] != f {
		return
	}
	if stream != nil && stream.Overrun() {
		m.log.Warn("framework reads its events too slowly", "framework", f.id, "waiting_bytes", httpapi.MaxBacklog)
	}
	m.log.Info("framework disconnected", "framework", f.id, "name", f.info.GetName(), "failover_timeout", f.info.GetFailoverTimeout())
	f.heartbeat.Stop()
	f.stream, f.streamID, f.connected = nil, "", false
	m.deactivate(f)
	m.publishFrameworkUpdated(f)
	d, _ := durationOfSeconds(f.info.GetFailoverTimeout()) // validated on subscription
	if d <= 0 {
		m.removeFramework(f)
		return
	}
	f.failover = m.loop.After(d, func() { m.removeFramework(f) })
}

// deactivate stops offers to a framework and takes back those that are out, without a word.
func (m *Master) deactivate(f *framework) {
	f.active = false
	m.alloc.SetFrameworkActive(f.id, false)
	m.discardOffers(f)
}

// discardOffers takes back all offers of a framework without RESCIND and without a filter.
func (m *Master) discardOffers(f *framework) {
	for _, id := range sortedKeys(f.offers) {
		m.returnOffer(f.offers[id], nil)
	}
	for _, id := range sortedKeys(f.inverseOffers) {
		m.removeInverseOffer(f.inverseOffers[id])
	}
}

// removeFramework ends a framework for good: torn down, or its failover timeout is over. Agents shut its executors
// down; its tasks are recorded as killed, which nobody is told but operators.
func (m *Master) removeFramework(f *framework) {
	m.log.Info("framework removed", "framework", f.id, "name", f.info.GetName())
	f.stopTimers()
	m.discardOffers(f)
	if f.stream != nil {
		f.stream.Close()
	}
	f.stream, f.streamID, f.active, f.connected, f.recovered = nil, "", false, false, false
	m.alloc.SetFrameworkActive(f.id, false)
	for _, id := range sortedKeys(m.agents) {
		m.agents[id].send(link.ShutdownFramework{FrameworkID: f.id})
	}
	for _, id := range sortedKeys(f.tasks) {
		t := f.tasks[id]
		if !isTerminal(t.state) {
			s := t.status(mesospb.TaskState_TASK_KILLED, mesospb.TaskStatus_REASON_FRAMEWORK_REMOVED, "Framework "+f.id+" removed")
			m.updateTask(t, s, mesospb.TaskState_TASK_KILLED)
		}
		m.removeTask(t)
	}
	for _, id := range sortedKeys(m.agents) {
		a := m.agents[id]
		for _, e := range sortedKeys(a.executors[f.id]) {
			m.removeExecutor(a, f.id, e)
		}
		m.freeWithheld(a, f.id)
		delete(a.kills, f.id)
	}
	for _, t := range f.unreachable.list {
		t.state = mesospb.TaskState_TASK_KILLED
		f.completedTasks.add(t, m.cfg.MaxCompletedTasks)
	}
	f.unreachable = history{}
	m.forgetOperationsOf(f)
	m.alloc.RemoveFramework(f.id)
	delete(m.frameworks, f.id)
	f.unregistered = time.Now()
	m.completed = append(m.completed, f)
	if n := len(m.completed) - m.cfg.MaxCompletedFrameworks; n > 0 {
		m.completed = slices.Delete(m.completed, 0, n)
	}
	m.publishFrameworkRemoved(f)
	m.allocateSoon()
}

// isCompleted reports whether a framework of this id was removed, as far as the master remembers.
func (m *Master) isCompleted(id string) bool {
	return slices.ContainsFunc(m.completed, func(f *framework) bool { return f.id == id })
}
