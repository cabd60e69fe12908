package allocator

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// Config of an Allocator. The zero value behaves as a Mesos master without flags.
type Config struct {
	// MinAllocatable lists what is worth an offer: at least one set must be in it. Nil means cpus:0.01 or
	// mem:32; an empty list means anything is.
	MinAllocatable []Quantities
	// Weights of roles; a role that is not listed has weight 1.
	Weights map[string]float64
	// OfferGPUsToAll offers agents with GPUs also to frameworks without GPU_RESOURCES.
	OfferGPUsToAll bool
	// Region of the master. Agents in another region are offered to REGION_AWARE frameworks only; if it is empty none is.
	Region string
	// Seed of the order in which agents are offered.
	Seed uint64
}

// Agent describes an agent to the allocator. What it points to must not change.
type Agent struct {
	Total      []*mesospb.Resource
	Hostname   string
	Attributes []*mesospb.Attribute
	Domain     *mesospb.DomainInfo
	Inactive   bool // no offers until SetAgentActive
}

// Framework describes a framework to the allocator. What it points to must not change.
type Framework struct {
	Roles        []string
	Suppressed   []string // roles that want no offers
	Capabilities Capabilities
	// MinAllocatable overrides Config.MinAllocatable for a role; an empty list means no minimum.
	MinAllocatable map[string][]Quantities
	Constraints    *Constraints
	Active         bool // false: no offers until SetFrameworkActive
}

// Capabilities of a framework, as far as they concern offers.
type Capabilities struct {
	GPUResources, SharedResources, RevocableResources, ReservationRefinement, RegionAware bool
}

// Offer is a decision of Allocate. The resources are allocated to the framework from then on, until
// they are given back by Recover.
type Offer struct {
	Framework, Agent, Role string
	Resources              []*mesospb.Resource // allocation_info set to Role
}

// Allocator holds who has what. It is not safe for concurrent use.
type Allocator struct {
	cfg        Config
	rng        *rand.Rand
	agents     map[string]*agent
	frameworks map[string]*framework
	sorter     sorter
	dirty      []*agent // to be looked at, in the order of their changes
	expiries   expiryHeap
	// expiriesFloor is how many filters were in force when the heap was last compacted.
	expiriesFloor int
	quotas        map[string]*quota // by top-level role
	limited       bool              // some role has a guarantee or limit
	// spare is what is free, unreserved and not revocable on active agents, but for those in recounts; kept while limited.
	spare    Quantities
	recounts []*agent
	arrivals uint64
	scratch  Quantities // of byRole
}

// agent is what the allocator knows of an agent.
type agent struct {
	id     string
	info   Agent
	active bool
	dirty  bool
	seen   uint64 // order of arrival, to break ties repeatably

	total  resources.Pool // without allocations; what exists
	free   resources.Pool // without allocations; of that what nobody has, shared volumes left out
	shared []*mesospb.Resource
	gpus   bool
	// counted is the agent's share of spare, and recount whether it is out of date.
	counted Quantities
	recount bool
	order   map[string]int // names by their first place in the total
	scalar  Quantities     // of total, as the sorter counts

	filters  map[*client][]*filter
	reserved map[string]Quantities // of total, by the top-level role that holds the reservation
}

// framework is what the allocator knows of a framework.
type framework struct {
	id      string
	info    Framework
	active  bool
	clients map[string]*client // by role
}

// client is a framework in one of its roles: what the sorter sorts.
type client struct {
	framework  *framework
	role       *node
	suppressed bool
	subscribed bool // the role is among the framework's
	listed     bool // in role.ready

	held     Quantities // scalars offered or allocated
	count    uint64     // how often something was allocated
	share    float64
	filtered map[*agent]struct{} // agents with filters of this client

	allocation *mesospb.Resource_AllocationInfo // shared by everything that is offered; never changed
}

// New returns an empty allocator.
func New(cfg Config) *Allocator {
	if cfg.MinAllocatable == nil {
		cfg.MinAllocatable = []Quantities{{resources.NameCPUs: 10}, {resources.NameMem: 32000}}
	}
	a := &Allocator{
		cfg:        cfg,
		rng:        rand.New(rand.NewPCG(cfg.Seed, 0x616c6c6f63)),
		agents:     map[string]*agent{},
		frameworks: map[string]*framework{},
		quotas:     map[string]*quota{},
	}
	a.sorter.init(maps.Clone(cfg.Weights))
	return a
}

// Usage is what a framework holds on an agent.
type Usage struct {
	Framework string
	Resources []*mesospb.Resource // allocation_info is set
}

// AddAgent adds an agent, with what is in use there already. The frameworks in use must have been added.
func (a *Allocator) AddAgent(id string, info Agent, used []Usage) {
	if old := a.agents[id]; old != nil {
		a.RemoveAgent(id)
	}
	a.arrivals++
	ag := &agent{id: id, info: info, active: !info.Inactive, seen: a.arrivals, filters: map[*client][]*filter{}}
	ag.total.IgnoreAllocation, ag.free.IgnoreAllocation = true, true
	a.agents[id] = ag
	a.setTotal(ag, info.Total)
	for _, u := range used {
		a.charge(u.Framework, u.Resources)
		a.take(ag, u.Resources)
	}
	a.touch(ag)
}

// setTotal makes everything on the agent free.
func (a *Allocator) setTotal(ag *agent, total []*mesospb.Resource) {
	a.uncount(ag)
	ag.info.Total = total
	ag.total.Reset()
	ag.total.Add(total)
	a.count(ag)
	a.changed(ag)
	ag.free.Reset()
	for _, r := range total {
		if !resources.IsShared(r) {
			ag.free.Add([]*mesospb.Resource{r})
		}
	}
}

// count adds an agent to the totals of the cluster and derives what is derived from its own.
func (a *Allocator) count(ag *agent) {
	ag.shared = ag.total.Filter(resources.IsShared)
	ag.scalar = quantitiesOfPool(&ag.total)
	ag.gpus = ag.total.Fixed(resources.NameGPUs) > 0
	ag.order = map[string]int{}
	for i, name := range resources.Names(ag.info.Total) {
		ag.order[name] = i
	}
	ag.reserved = reservedByTop(ag.total.Filter(func(r *mesospb.Resource) bool { return !resources.IsUnreserved(r) }))
	a.sorter.addTotal(ag.scalar, 1)
	for top, q := range ag.reserved {
		a.quota(top).reserved.add(q, 1)
	}
}

// uncount takes it out again.
func (a *Allocator) uncount(ag *agent) {
	a.sorter.addTotal(ag.scalar, -1)
	for top, q := range ag.reserved {
		a.quota(top).reserved.add(q, -1)
		a.forgetQuota(top)
	}
	ag.scalar, ag.reserved = nil, nil
}

// take subtracts resources that are in use from what is free.
func (a *Allocator) take(ag *agent, list []*mesospb.Resource) {
	ag.free.Subtract(list)
	a.changed(ag)
}

// UpdateAgent replaces the total of an agent. used is everything offered or in use there: what the frameworks
// hold does not change by this.
func (a *Allocator) UpdateAgent(id string, total, used []*mesospb.Resource) {
	ag := a.agents[id]
	if ag == nil {
		return
	}
	a.setTotal(ag, total)
	a.take(ag, used)
	a.touch(ag)
}

// DescribeAgent replaces hostname, attributes and domain. All filters of the agent are cleared if they differ.
func (a *Allocator) DescribeAgent(id string, info Agent) {
	ag := a.agents[id]
	if ag == nil {
		return
	}
	ag.info.Hostname, ag.info.Attributes, ag.info.Domain = info.Hostname, info.Attributes, info.Domain
	a.clearAgentFilters(ag)
	a.touch(ag)
}

// RemoveAgent forgets an agent. What frameworks hold there must have been recovered before.
func (a *Allocator) RemoveAgent(id string) {
	ag := a.agents[id]
	if ag == nil {
		return
	}
	a.clearAgentFilters(ag)
	a.uncount(ag)
	ag.active = false // Allocate passes over it if it is among the dirty ones
	a.changed(ag)
	delete(a.agents, id)
}

// SetAgentActive starts or stops offers of an agent.
func (a *Allocator) SetAgentActive(id string, active bool) {
	if ag := a.agents[id]; ag != nil {
		ag.active = active
		a.changed(ag)
		if active {
			a.touch(ag)
		}
	}
}

// AddFramework adds a framework.
func (a *Allocator) AddFramework(id string, info Framework) {
	f := &framework{id: id, active: info.Active, clients: map[string]*client{}}
	a.frameworks[id] = f
	a.UpdateFramework(id, info)
}

// UpdateFramework replaces roles, suppression, capabilities, minima and constraints; whether the framework is
// active stays as it is. Roles that are gone lose their filters; roles that are no longer suppressed
// lose theirs too.
func (a *Allocator) UpdateFramework(id string, info Framework) {
	f := a.frameworks[id]
	if f == nil {
		return
	}
	f.info = info
	wanted := map[string]bool{}
	for _, role := range info.Roles {
		wanted[role] = true
		c := a.clientOf(f, role)
		c.subscribed = true
		was := c.suppressed
		c.suppressed = slices.Contains(info.Suppressed, role)
		if was && !c.suppressed {
			a.clearClientFilters(c)
		}
	}
	for _, role := range slices.Sorted(maps.Keys(f.clients)) {
		c := f.clients[role]
		if !wanted[role] {
			c.subscribed = false
			a.clearClientFilters(c)
		}
		a.list(c)
		a.forgetIfIdle(c)
	}
	a.touchAll()
}

// clientOf returns the framework's client for a role, a new one if there is none.
func (a *Allocator) clientOf(f *framework, role string) *client {
	c := f.clients[role]
	if c == nil {
		c = &client{
			framework: f, role: a.sorter.node(role), held: Quantities{}, filtered: map[*agent]struct{}{},
			allocation: &mesospb.Resource_AllocationInfo{Role: &role},
		}
		c.role.clients++
		f.clients[role] = c
	}
	return c
}

// forgetIfIdle drops a client of a role that the framework has left and holds nothing in.
func (a *Allocator) forgetIfIdle(c *client) {
	if !c.subscribed && c.held.isZero() {
		delete(c.framework.clients, c.role.path)
		a.sorter.leave(c.role)
	}
}

// list puts a client among those that want offers, or takes it away.
func (a *Allocator) list(c *client) {
	want := c.framework.active && c.subscribed && !c.suppressed
	switch {
	case want && !c.listed:
		c.listed = true
		c.role.insert(c, a.sorter.share(c.held))
	case !want && c.listed:
		c.listed = false
		c.role.remove(c)
	}
}

// RemoveFramework forgets a framework. What it holds must have been recovered before.
func (a *Allocator) RemoveFramework(id string) {
	f := a.frameworks[id]
	if f == nil {
		return
	}
	f.active = false
	for _, c := range f.clients {
		a.list(c)
		a.clearClientFilters(c)
		if !c.held.isZero() {
			a.sorter.hold(c, c.held.Clone(), -1)
		}
		a.sorter.leave(c.role)
	}
	delete(a.frameworks, id)
}

// SetFrameworkActive starts or stops offers to a framework. Stopping clears its filters.
func (a *Allocator) SetFrameworkActive(id string, active bool) {
	f := a.frameworks[id]
	if f == nil {
		return
	}
	f.active = active
	for _, c := range f.clients {
		a.list(c)
		if !active {
			a.clearClientFilters(c)
		}
	}
	if active {
		a.touchAll()
	}
}

// Suppress stops offers for the given roles of a framework, all if none is given.
func (a *Allocator) Suppress(id string, roles ...string) {
	for _, c := range a.clientsIn(id, roles) {
		c.suppressed = true
		a.list(c)
	}
}

// Revive starts offers again for the given roles of a framework, all if none is given, and clears their filters.
func (a *Allocator) Revive(id string, roles ...string) {
	for _, c := range a.clientsIn(id, roles) {
		c.suppressed = false
		a.clearClientFilters(c)
		a.list(c)
	}
	a.touchAll()
}

func (a *Allocator) clientsIn(id string, roles []string) []*client {
	f := a.frameworks[id]
	if f == nil {
		return nil
	}
	if len(roles) == 0 {
		roles = f.info.Roles
	}
	var cs []*client
	for _, r := range roles {
		if c := f.clients[r]; c != nil && c.subscribed {
			cs = append(cs, c)
		}
	}
	return cs
}

// SetWeight changes the weight of a role; it must be positive.
func (a *Allocator) SetWeight(role string, weight float64) {
	a.sorter.setWeight(role, weight)
	a.touchAll()
}

// Weights returns the weights that were set.
func (a *Allocator) Weights() map[string]float64 { return maps.Clone(a.sorter.weights) }

// Shares returns the dominant share of each role that has frameworks or holds something, weighted.
func (a *Allocator) Shares() map[string]float64 {
	a.sorter.refresh()
	shares := map[string]float64{}
	for role, n := range a.sorter.nodes {
		if n.wants > 0 || !n.held.isZero() {
			shares[role] = n.share
		}
	}
	return shares
}

// Recover gives resources back that a framework had been offered or allocated. With a filter the framework
// is not offered these, or less, on this agent until it expires. The agent may be gone by then.
func (a *Allocator) Recover(frameworkID, agentID string, list []*mesospb.Resource, filter *Filter) {
	if len(list) == 0 {
		return
	}
	a.discharge(frameworkID, list)
	ag := a.agents[agentID]
	if ag == nil {
		return
	}
	for i, r := range list {
		if !resources.IsShared(r) {
			ag.free.Add(list[i : i+1])
			a.changed(ag)
		}
	}
	if filter != nil {
		a.addFilter(frameworkID, ag, list, filter)
	}
	a.touch(ag)
}

// Convert changes the kind of resources that a framework holds: the agent's total follows. The amounts stay.
func (a *Allocator) Convert(agentID string, conversions ...resources.Conversion) error {
	ag := a.agents[agentID]
	if ag == nil {
		return fmt.Errorf("unknown agent %q", agentID)
	}
	return a.convert(ag, conversions, false)
}

// ConvertFree changes the kind of resources that nobody holds, for operators. It fails, and changes nothing, if what is
// to be converted is not free.
func (a *Allocator) ConvertFree(agentID string, conversions ...resources.Conversion) error {
	ag := a.agents[agentID]
	if ag == nil {
		return fmt.Errorf("unknown agent %q", agentID)
	}
	var trial resources.Pool
	trial.IgnoreAllocation = true
	trial.CopyFrom(&ag.free)
	trial.Add(ag.shared)
	for _, c := range conversions {
		if err := trial.Apply(c); err != nil {
			return err
		}
	}
	if err := a.convert(ag, conversions, true); err != nil {
		return err
	}
	a.touch(ag)
	return nil
}

func (a *Allocator) convert(ag *agent, conversions []resources.Conversion, free bool) error {
	var trial resources.Pool
	trial.IgnoreAllocation = true
	trial.CopyFrom(&ag.total)
	for _, c := range conversions {
		if err := trial.Apply(c); err != nil {
			return err
		}
	}
	a.uncount(ag)
	ag.total.CopyFrom(&trial)
	a.count(ag)
	ag.info.Total = ag.total.Resources()
	if !free {
		for _, c := range conversions {
			a.consume(c.Consumed, -1)
			a.consume(c.Converted, 1)
		}
	}
	if free {
		for _, c := range conversions {
			ag.free.Subtract(c.Consumed)
			a.changed(ag)
			for i, r := range c.Converted {
				if !resources.IsShared(r) {
					ag.free.Add(c.Converted[i : i+1])
				}
			}
		}
	}
	return nil
}

// Total returns what exists on an agent.
func (a *Allocator) Total(agentID string) []*mesospb.Resource {
	if ag := a.agents[agentID]; ag != nil {
		return ag.total.Resources()
	}
	return nil
}

// Free returns what nobody holds on an agent, shared volumes included.
func (a *Allocator) Free(agentID string) []*mesospb.Resource {
	ag := a.agents[agentID]
	if ag == nil {
		return nil
	}
	return append(ag.free.Resources(), resources.CloneList(ag.shared)...)
}

// Add charges a framework with resources that it turns out to hold: tasks that a returning agent brought.
func (a *Allocator) Add(frameworkID, agentID string, list []*mesospb.Resource) {
	a.charge(frameworkID, list)
	if ag := a.agents[agentID]; ag != nil {
		a.take(ag, list)
	}
}

// charge adds resources to what a framework's clients hold, and to what counts against quota.
func (a *Allocator) charge(frameworkID string, list []*mesospb.Resource) {
	if a.hold(frameworkID, list) {
		a.consume(list, 1)
	}
}

// hold adds resources to what a framework's clients hold; it reports whether there is the framework.
func (a *Allocator) hold(frameworkID string, list []*mesospb.Resource) bool {
	f := a.frameworks[frameworkID]
	if f == nil {
		return false
	}
	a.byRole(list, func(role string, q Quantities) { a.sorter.hold(a.clientOf(f, role), q, 1) })
	return true
}

// discharge takes resources from what a framework's clients hold.
func (a *Allocator) discharge(frameworkID string, list []*mesospb.Resource) {
	f := a.frameworks[frameworkID]
	if f == nil {
		return
	}
	a.byRole(list, func(role string, q Quantities) {
		if c := f.clients[role]; c != nil {
			a.sorter.hold(c, q, -1)
			a.forgetIfIdle(c)
		}
	})
	a.consume(list, -1)
}

// touch notes that an agent is to be looked at.
func (a *Allocator) touch(ag *agent) {
	if !ag.dirty {
		ag.dirty = true
		a.dirty = append(a.dirty, ag)
	}
}

// touchAll notes that all agents are to be looked at: somebody new wants offers.
func (a *Allocator) touchAll() {
	fresh := make([]*agent, 0, len(a.agents))
	for _, ag := range a.agents {
		if !ag.dirty {
			fresh = append(fresh, ag)
		}
	}
	// Map order must not decide who is offered first.
	slices.SortFunc(fresh, compareAgents)
	for _, ag := range fresh {
		a.touch(ag)
	}
}
