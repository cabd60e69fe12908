package sim

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// simMaster behaves as the behaviour specification says of masters, as far as one framework with one role can tell.
type simMaster struct {
	w         *world
	up        bool
	term      int // of leadership: failovers
	framework string
	proc      *process // subscribed one
	stream    int
	lastEvent time.Time // delivery time of the last event of the stream: events keep their order
	agents    map[string]*registration
	tasks     map[string]*masterTask
	offers    map[string]*simOffer
	filters   map[string]time.Time
	muted     bool
	tornDown  bool
	numbers   int
	windows   map[string]time.Time // by agent: announced maintenance
	asked     map[string]string    // inverse offers that are out: agent by id
	answered  map[string]time.Time // by agent: until then it is not asked again
	inactive  map[string]bool      // agents that an operator has deactivated
}

// registration is what the master knows of an agent.
type registration struct {
	agent *simAgent
	state agentState
	since time.Time
	lost  time.Time // since when it was thought unreachable and was not heard of; zero: it is there
	// back is when it has come back last, before since when it had been away.
	back, before time.Time
}

// late is for how long the engine may not have heard of a return, because the store is slow or there is no scheduler.
const late = time.Minute

type agentState int

const (
	registered agentState = iota
	recovered             // after a failover, not heard of yet
	unreachable
	gone
	removed // unregistered: the master does not know it any more
)

type masterTask struct {
	agent    string
	state    mesospb.TaskState
	latest   []byte // uuid of the update that was forwarded last
	res      []*mesospb.Resource
	terminal bool
}

type simOffer struct {
	agent string
	res   []*mesospb.Resource
}

func newMaster(w *world) *simMaster {
	m := &simMaster{w: w, up: true, agents: map[string]*registration{}, windows: map[string]time.Time{}, inactive: map[string]bool{}}
	m.reset()
	return m
}

func (m *simMaster) reset() {
	m.tasks, m.offers, m.filters = map[string]*masterTask{}, map[string]*simOffer{}, map[string]time.Time{}
	m.asked, m.answered = map[string]string{}, map[string]time.Time{}
	m.proc, m.stream, m.muted = nil, 0, false
}

// send delivers an event to the subscribed process, in order.
func (m *simMaster) send(e *schedulerpb.Event) {
	m.sendLater(e, m.w.between(0, 5*time.Millisecond))
}

func (m *simMaster) sendLater(e *schedulerpb.Event, d time.Duration) {
	p, stream := m.proc, m.stream
	if p == nil {
		return
	}
	at := m.w.now.Add(d)
	if at.Before(m.lastEvent) {
		at = m.lastEvent
	}
	m.lastEvent = at
	m.w.after(at.Sub(m.w.now), func() {
		if p.alive && p.stream == stream {
			p.input(core.MesosEvent{Event: e})
		}
	})
}

func updateEvent(st *mesospb.TaskStatus) *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_UPDATE.Enum(), Update: &schedulerpb.Event_Update{Status: st}}
}

// own sends a status of the master's: without an uuid, never repeated.
func (m *simMaster) own(task, agent string, state mesospb.TaskState, reason mesospb.TaskStatus_Reason) {
	m.send(updateEvent(&mesospb.TaskStatus{
		TaskId: &mesospb.TaskID{Value: &task}, AgentId: &mesospb.AgentID{Value: &agent}, State: &state,
		Source: mesospb.TaskStatus_SOURCE_MASTER.Enum(), Reason: &reason,
	}))
}

func (m *simMaster) subscribe(p *process, id string) bool {
	if !m.up || m.tornDown {
		return false
	}
	if id == "" {
		if m.framework != "" && len(m.tasks) > 0 {
			m.w.fail("a second framework is registered while the first has tasks")
		}
		m.numbers++
		id = fmt.Sprintf("framework-%d", m.numbers)
	}
	m.framework = id
	if old := m.proc; old != nil && old != p {
		m.cut(old)
	}
	m.numbers++
	m.proc, m.stream = p, m.numbers
	p.stream = m.stream
	m.offers, m.filters, m.muted = map[string]*simOffer{}, map[string]time.Time{}, false
	m.asked, m.answered = map[string]string{}, map[string]time.Time{}
	m.lastEvent = m.w.now
	m.w.logf("subscribed scheduler %d, stream %d", p.token, m.stream)
	m.send(&schedulerpb.Event{Type: schedulerpb.Event_SUBSCRIBED.Enum(), Subscribed: &schedulerpb.Event_Subscribed{FrameworkId: &mesospb.FrameworkID{Value: &id}}})
	return true
}

// cut ends a subscription on the scheduler's side.
func (m *simMaster) cut(p *process) {
	if p.stream == 0 {
		return
	}
	p.stream = 0
	p.inbox = append(p.inbox, core.Disconnected{})
	m.w.after(0, p.step)
	if p.w.proc == p {
		p.subscribe()
	}
}

// sever breaks the stream.
func (m *simMaster) sever() {
	if p := m.proc; p != nil {
		m.proc, m.stream = nil, 0
		m.offers, m.filters = map[string]*simOffer{}, map[string]time.Time{}
		m.cut(p)
	}
}

// closed: the scheduler's side is gone.
func (m *simMaster) closed(p *process) {
	if m.proc == p {
		m.proc, m.stream = nil, 0
		m.offers, m.filters = map[string]*simOffer{}, map[string]time.Time{}
	}
	p.stream = 0
}

// failover: another master takes over. It knows the agents by its registry, and nothing of tasks until agents come back.
func (m *simMaster) failover() {
	w := m.w
	w.logf("master fails over")
	m.term++
	m.sever()
	m.reset()
	m.up = false
	for _, id := range slices.Sorted(maps.Keys(m.agents)) {
		r := m.agents[id]
		if r.state == registered {
			r.state, r.since = recovered, w.now
		}
		r.agent.link++ // messages under way are lost
		if !r.agent.cut {
			r.agent.reregister(w.between(0, 8*time.Second))
		}
	}
	w.after(w.between(100*time.Millisecond, 3*time.Second), func() { m.up = true })
}

// call is what arrives from a scheduler. Calls of other streams than the current one are refused.
func (m *simMaster) call(stream int, c *schedulerpb.Call) {
	if stream == 0 || stream != m.stream || !m.up {
		return
	}
	switch c.GetType() {
	case schedulerpb.Call_ACCEPT:
		m.accept(c.GetAccept(), c)
	case schedulerpb.Call_DECLINE:
		for _, id := range c.GetDecline().GetOfferIds() {
			if o := m.offers[id.GetValue()]; o != nil {
				delete(m.offers, id.GetValue())
				m.filter(o.agent, c.GetDecline().GetFilters())
			}
		}
	case schedulerpb.Call_SUPPRESS:
		m.muted = true
	case schedulerpb.Call_REVIVE:
		m.muted = false
		clear(m.filters)
	case schedulerpb.Call_KILL:
		m.kill(c.GetKill())
	case schedulerpb.Call_ACKNOWLEDGE:
		m.acknowledge(c.GetAcknowledge())
	case schedulerpb.Call_RECONCILE:
		m.reconcile(c.GetReconcile())
	case schedulerpb.Call_SHUTDOWN:
		if r := m.agents[c.GetShutdown().GetAgentId().GetValue()]; r != nil && r.state == registered {
			r.agent.receive(func() { r.agent.shutDown(c.GetShutdown().GetExecutorId().GetValue()) })
		}
	case schedulerpb.Call_ACCEPT_INVERSE_OFFERS:
		m.answerInverse(c.GetAcceptInverseOffers().GetInverseOfferIds(), true)
	case schedulerpb.Call_DECLINE_INVERSE_OFFERS:
		m.answerInverse(c.GetDeclineInverseOffers().GetInverseOfferIds(), false)
	case schedulerpb.Call_TEARDOWN:
		m.tornDown = true
		for _, a := range m.w.agents { // which drop what the framework has not acknowledged
			for id, t := range a.tasks {
				if !a.dead && !terminal(t.state) {
					m.w.fail("the framework is torn down while %s runs %s", a.id, id)
				}
			}
			clear(a.tasks)
		}
		p := m.proc
		m.proc, m.stream, p.stream = nil, 0, 0
		m.reset()
		m.w.after(0, func() { p.input(core.TornDown{}) })
	}
}

func (m *simMaster) filter(agent string, f *mesospb.Filters) {
	if s := f.GetRefuseSeconds(); s > 0 {
		m.filters[agent] = m.w.now.Add(time.Duration(s * float64(time.Second)))
	}
}

func (m *simMaster) accept(a *schedulerpb.Call_Accept, c *schedulerpb.Call) {
	var have []*mesospb.Resource
	agent := ""
	valid := len(a.GetOfferIds()) > 0
	for _, id := range a.GetOfferIds() {
		o := m.offers[id.GetValue()]
		if o == nil || agent != "" && agent != o.agent {
			valid = false
			continue
		}
		agent = o.agent
		have = append(have, o.res...)
		delete(m.offers, id.GetValue())
	}
	tasks := launchedTasks(c)
	if !valid {
		for _, t := range tasks {
			m.own(t.GetTaskId().GetValue(), t.GetAgentId().GetValue(), mesospb.TaskState_TASK_DROPPED, mesospb.TaskStatus_REASON_INVALID_OFFERS)
		}
		return
	}
	if _, err := consume(a, have); err != nil {
		m.w.fail("ACCEPT: %v", err)
		return
	}
	r := m.agents[agent]
	a = r.agent.dropCreates(a)
	m.w.checkVolumes(a)
	m.filter(agent, a.GetFilters())
	for _, op := range a.GetOperations() {
		switch op.GetType() {
		case mesospb.Offer_Operation_LAUNCH, mesospb.Offer_Operation_LAUNCH_GROUP:
		default:
			cs, err := resources.Conversions(op)
			if err == nil {
				r.agent.total, err = resources.Apply(r.agent.total, unallocated(cs)...)
			}
			if err != nil {
				m.w.fail("%v: %v", op.GetType(), err)
			}
			delete(m.filters, agent)
		}
	}
	executor := executorResources(a)
	for _, t := range tasks {
		id := t.GetTaskId().GetValue()
		if old := m.tasks[id]; old != nil {
			m.w.fail("task id %s is used twice", id)
			return
		}
		m.w.launches++
		res := resources.Unallocate(t.GetResources())
		if more := executor[podOf(id)]; more != nil { // as if it went with the first of its tasks
			res = resources.Add(res, resources.Unallocate(more))
			delete(executor, podOf(id))
		}
		m.tasks[id] = &masterTask{agent: agent, state: mesospb.TaskState_TASK_STAGING, res: res}
		m.w.logf("launch %s on %s", id, agent)
		r.agent.receive(func() { r.agent.launch(id, res) })
	}
}

func unallocated(cs []resources.Conversion) []resources.Conversion {
	out := make([]resources.Conversion, len(cs))
	for i, c := range cs {
		out[i] = c
		out[i].Consumed, out[i].Converted = resources.Unallocate(c.Consumed), resources.Unallocate(c.Converted)
	}
	return out
}

func (m *simMaster) kill(k *schedulerpb.Call_Kill) {
	id := k.GetTaskId().GetValue()
	t := m.tasks[id]
	if t == nil {
		m.answer(id, k.GetAgentId().GetValue())
		return
	}
	if r := m.agents[t.agent]; r.state == registered {
		r.agent.receive(func() { r.agent.kill(id) })
	}
}

func (m *simMaster) acknowledge(a *schedulerpb.Call_Acknowledge) {
	id := a.GetTaskId().GetValue()
	r := m.agents[a.GetAgentId().GetValue()]
	if r == nil || r.state != registered {
		return
	}
	if t := m.tasks[id]; t != nil && t.terminal && string(t.latest) == string(a.GetUuid()) {
		delete(m.tasks, id)
	}
	r.agent.receive(func() { r.agent.acknowledged(id, a.GetUuid()) })
}

// tick is one allocation round, and the master's look at its agents.
func (m *simMaster) tick() {
	w := m.w
	w.after(time.Second, m.tick)
	if !m.up {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(m.agents)) {
		r := m.agents[id]
		patience := 20 * time.Second
		if r.state == recovered {
			patience = 40 * time.Second
		}
		if (r.state == registered && r.agent.cut || r.state == recovered) && w.now.Sub(r.since) > patience {
			m.lose(id, r)
		}
		if r.state == registered && !r.agent.cut {
			r.since = w.now
		}
		if r.state != registered || m.proc == nil {
			continue
		}
		m.askBack(id)
		if m.muted || w.now.Before(m.filters[id]) || m.inactive[id] {
			continue
		}
		free := r.agent.total
		for _, t := range m.tasks {
			if t.agent == id && !t.terminal {
				free = resources.Subtract(free, t.res)
			}
		}
		busy := false
		for _, o := range m.offers {
			busy = busy || o.agent == id
		}
		if busy || resources.IsEmpty(free) {
			continue
		}
		m.numbers++
		oid := fmt.Sprintf("offer-%d", m.numbers)
		o := &simOffer{agent: id, res: resources.Allocate(free, w.role())}
		m.offers[oid] = o
		m.send(OffersEvent(&mesospb.Offer{
			Id: &mesospb.OfferID{Value: &oid}, AgentId: &mesospb.AgentID{Value: &id}, Hostname: &id, FrameworkId: &mesospb.FrameworkID{Value: &m.framework},
			Resources: o.res, Unavailability: m.unavailability(id), AllocationInfo: &mesospb.Resource_AllocationInfo{Role: new(w.role())},
		}))
	}
}

func (w *world) role() string {
	if len(w.opt.Config.Roles) > 0 {
		return w.opt.Config.Roles[0]
	}
	return resources.Unreserved
}

// lose marks an agent unreachable.
func (m *simMaster) lose(id string, r *registration) {
	m.w.logf("agent %s is unreachable", id)
	r.state, r.since = unreachable, m.w.now
	if r.lost.IsZero() {
		if r.lost = m.w.now; m.w.now.Sub(r.back) < late {
			r.lost = r.before // it was back for too short a time to be noticed by everybody
		}
	}
	r.agent.link++
	for _, t := range slices.Sorted(maps.Keys(m.tasks)) {
		if mt := m.tasks[t]; mt.agent == id && !mt.terminal {
			m.own(t, id, mesospb.TaskState_TASK_UNREACHABLE, mesospb.TaskStatus_REASON_AGENT_REMOVED)
		}
	}
	m.agentOffersGone(id)
	m.send(&schedulerpb.Event{Type: schedulerpb.Event_FAILURE.Enum(), Failure: &schedulerpb.Event_Failure{AgentId: &mesospb.AgentID{Value: &id}}})
}

// declareGone is the operator's word that an agent will never come back.
func (m *simMaster) declareGone(id string) {
	m.w.logf("agent %s is declared gone", id)
	r := m.agents[id]
	r.state = gone
	r.agent.link++
	for _, t := range slices.Sorted(maps.Keys(m.tasks)) {
		if m.tasks[t].agent == id {
			m.own(t, id, mesospb.TaskState_TASK_GONE_BY_OPERATOR, mesospb.TaskStatus_REASON_AGENT_REMOVED_BY_OPERATOR)
			delete(m.tasks, t)
		}
	}
	m.agentOffersGone(id)
}

func (m *simMaster) agentOffersGone(id string) {
	for _, oid := range slices.Sorted(maps.Keys(m.offers)) {
		if m.offers[oid].agent == id {
			delete(m.offers, oid)
			m.send(&schedulerpb.Event{Type: schedulerpb.Event_RESCIND.Enum(), Rescind: &schedulerpb.Event_Rescind{OfferId: &mesospb.OfferID{Value: &oid}}})
		}
	}
}

// reregistered: an agent is back, with its tasks. The master takes its word.
func (m *simMaster) reregistered(a *simAgent) bool {
	r := m.agents[a.id]
	if !m.up || r.state == gone || r.state == removed {
		return m.up
	}
	was := r.state
	if !r.lost.IsZero() {
		r.back, r.before = m.w.now, r.lost
	}
	r.state, r.since, r.lost = registered, m.w.now, time.Time{}
	m.w.logf("agent %s re-registers", a.id)
	for _, id := range slices.Sorted(maps.Keys(m.tasks)) {
		if t := m.tasks[id]; t.agent == a.id && a.tasks[id] == nil && !t.terminal {
			delete(m.tasks, id)
			m.own(id, a.id, mesospb.TaskState_TASK_DROPPED, mesospb.TaskStatus_REASON_RECONCILIATION)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(a.tasks)) {
		t := a.tasks[id]
		mt := m.tasks[id]
		if mt == nil {
			mt = &masterTask{agent: a.id, res: t.res}
			m.tasks[id] = mt
		}
		mt.state, mt.terminal = t.forwarded, terminal(t.state)
		if was == unreachable && !mt.terminal {
			m.own(id, a.id, t.forwarded, mesospb.TaskStatus_REASON_AGENT_REREGISTERED)
		}
	}
	return true
}
