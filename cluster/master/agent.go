package master

import (
	"net"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/allocator"
	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/cluster/internal/loop"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// agent is a registered agent.
type agent struct {
	id   string
	info *mesospb.AgentInfo // id is set; replaced, never changed
	desc link.Description
	url  *mesospb.URL

	link *agentLink // nil while disconnected
	// deactivated: an operator wants no offers made of it. lost: it is being taken out of the cluster.
	deactivated, lost        bool
	registered, reregistered time.Time

	tasks     map[string]map[string]*task                 // by framework and id, also terminal ones
	executors map[string]map[string]*mesospb.ExecutorInfo // custom and default ones
	used      map[string]*resources.Pool                  // by framework: live tasks and executors
	withheld  map[string]*resources.Pool                  // by framework: freed by SHRINK_VOLUME, and nobody's until the framework is gone
	offers    map[string]*offer
	inverse   map[string]*inverseOffer // by framework
	kills     map[string]map[string]link.KillTask
	ops       map[string]*operation // by uuid
	orphans   []*mesospb.Operation  // of frameworks that are not known yet

	pings    int // sent since the last pong
	ping     *loop.Timer
	comeback *loop.Timer

	drain      *mesospb.DrainInfo // nil unless draining or drained
	drainStart time.Time
	machine    machineKey
	// refused is until when frameworks want no inverse offers of this agent.
	refused map[string]time.Time
}

// lostAgent is an agent that is unreachable, or that has not come back since the master was elected.
type lostAgent struct {
	since time.Time // when it became unreachable
	info  *mesospb.AgentInfo
	drain *mesospb.DrainInfo
	start time.Time
	off   bool // deactivated
}

func (a *agent) connected() bool { return a.link != nil }

// active reports whether offers are made of the agent.
func (a *agent) active() bool { return a.connected() && !a.deactivated }

// send queues a message to the agent; nothing happens while it is disconnected.
func (a *agent) send(m link.Message) {
	if a.link != nil {
		a.link.end.Send(m)
	}
}

func (a *agent) stopTimers() {
	a.ping.Stop()
	a.comeback.Stop()
}

// tasksOf returns the framework's tasks on the agent, for adding to them.
func (a *agent) tasksOf(framework string) map[string]*task {
	ts := a.tasks[framework]
	if ts == nil {
		ts = map[string]*task{}
		a.tasks[framework] = ts
	}
	return ts
}

// use notes that a framework holds resources through a task or executor.
func (a *agent) use(framework string, list []*mesospb.Resource) {
	p := a.used[framework]
	if p == nil {
		p = resources.NewPool()
		a.used[framework] = p
	}
	p.Add(list)
}

func (a *agent) unuse(framework string, list []*mesospb.Resource) {
	p := a.used[framework]
	if p == nil {
		return
	}
	p.Subtract(list)
	if p.IsEmpty() {
		delete(a.used, framework)
	}
}

// withhold keeps resources that a framework holds from being offered.
func (a *agent) withhold(framework string, list []*mesospb.Resource) {
	p := a.withheld[framework]
	if p == nil {
		p = resources.NewPool()
		a.withheld[framework] = p
	}
	p.Add(list)
}

// freeWithheld frees what is withheld for a framework.
func (m *Master) freeWithheld(a *agent, framework string) {
	if p := a.withheld[framework]; p != nil {
		delete(a.withheld, framework)
		m.alloc.Recover(framework, a.id, p.Resources(), nil)
	}
}

// String names the agent as Mesos does in messages.
func (a *agent) String() string {
	return a.id + " at " + a.desc.PID + " (" + a.info.GetHostname() + ")"
}

// held returns everything on the agent that frameworks use, are offered or are kept from.
func (a *agent) held() []*mesospb.Resource {
	var p resources.Pool
	for _, f := range sortedKeys(a.used) {
		p.AddPool(a.used[f])
	}
	for _, f := range sortedKeys(a.withheld) {
		p.AddPool(a.withheld[f])
	}
	for _, id := range sortedKeys(a.offers) {
		p.Add(a.offers[id].resources)
	}
	return p.Resources()
}

// newAgent makes the record of an agent that joins.
func (m *Master) newAgent(id string, d link.Description) *agent {
	a := &agent{
		id:        id,
		tasks:     map[string]map[string]*task{},
		executors: map[string]map[string]*mesospb.ExecutorInfo{},
		used:      map[string]*resources.Pool{},
		withheld:  map[string]*resources.Pool{},
		offers:    map[string]*offer{},
		inverse:   map[string]*inverseOffer{},
		kills:     map[string]map[string]link.KillTask{},
		ops:       map[string]*operation{},
		refused:   map[string]time.Time{},
	}
	a.describe(d)
	return a
}

// describe takes over what the agent says of itself.
func (a *agent) describe(d link.Description) {
	a.desc = d
	a.info = proto.CloneOf(d.Info)
	a.info.Id = &mesospb.AgentID{Value: &a.id}
	host, port, _ := net.SplitHostPort(d.Address)
	number, _ := strconv.Atoi(port)
	path, _, _ := strings.Cut(d.PID, "@")
	scheme := "http"
	if d.HTTPS {
		scheme = "https"
	}
	a.url = &mesospb.URL{
		Scheme:  &scheme,
		Address: &mesospb.Address{Hostname: a.info.Hostname, Ip: &host, Port: proto.Int32(int32(number))},
		Path:    proto.String("/" + path),
	}
	a.machine = machineKey{a.info.GetHostname(), host}
}

// forAllocator describes the agent to the allocator.
func (a *agent) forAllocator() allocator.Agent {
	return allocator.Agent{
		Total:      a.desc.Total,
		Hostname:   a.info.GetHostname(),
		Attributes: a.info.GetAttributes(),
		Domain:     a.info.GetDomain(),
		Inactive:   !a.active(),
	}
}

// removeExecutor forgets an executor and frees its resources.
func (m *Master) removeExecutor(a *agent, framework, executor string) bool {
	info := a.executors[framework][executor]
	if info == nil {
		return false
	}
	delete(a.executors[framework], executor)
	if len(a.executors[framework]) == 0 {
		delete(a.executors, framework)
	}
	a.unuse(framework, info.GetResources())
	m.alloc.Recover(framework, a.id, info.GetResources(), nil)
	return true
}

// addExecutor makes a custom or default executor known. Its resources must be charged already.
func (a *agent) addExecutor(framework string, info *mesospb.ExecutorInfo) {
	es := a.executors[framework]
	if es == nil {
		es = map[string]*mesospb.ExecutorInfo{}
		a.executors[framework] = es
	}
	es[info.GetExecutorId().GetValue()] = info
	a.use(framework, info.GetResources())
}

// setActive tells the allocator whether offers are made of the agent, and rescinds those that are out if not.
func (m *Master) setActive(a *agent) {
	m.alloc.SetAgentActive(a.id, a.active())
	if a.active() {
		m.allocateSoon(a.id)
		return
	}
	m.rescindOffers(a)
}

// rescindOffers takes back all offers of an agent and tells their frameworks.
func (m *Master) rescindOffers(a *agent) {
	for _, id := range sortedKeys(a.offers) {
		m.rescind(a.offers[id], nil)
	}
	for _, f := range sortedKeys(a.inverse) {
		m.rescindInverse(a.inverse[f])
	}
}
