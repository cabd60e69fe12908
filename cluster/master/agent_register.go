package master

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// How agents join (docs/behaviour.md):
//
//   - Register gives a new agent its id. An agent that registers where another is registered has lost its state:
//     the other is removed, its tasks are lost.
//   - Reregister takes an agent back. The master adopts the tasks and executors it brings, tells
//     frameworks of tasks that were unreachable, and sends tasks back that the agent did not name: the agent
//     answers with a status update for those it does not know.
//   - Agents that are marked gone, and those on machines under maintenance, are refused.
//   - Frameworks that nobody has heard of are recovered from what the agent brings; they have their failover timeout to
//     subscribe. Executors of frameworks that were removed are shut down.

// register handles a new agent.
func (m *Master) register(l *agentLink, msg link.Register) {
	d := msg.Agent
	if err := m.admissible(d); err != nil {
		m.refuse(l, err)
		return
	}
	if a := l.agent; a != nil && a.link == l {
		m.welcome(a) // the answer was lost
		return
	}
	if old := m.pids[d.PID]; d.PID != "" && old != nil {
		m.log.Info("agent replaced by a new one at its address", "agent", old.id, "address", d.Address)
		m.removeAgent(old, "a new agent registered at the same address", &m.metrics.removalsRegistered)
	}
	id := fmt.Sprintf("%s-S%d", m.Info().GetId(), m.nextID.agent)
	m.nextID.agent++
	m.metrics.registrations++
	a := m.newAgent(id, d)
	a.registered = time.Now()
	m.log.Info("agent registered", "agent", id, "hostname", a.info.GetHostname(), "resources", resources.Describe(d.Total))
	m.join(l, a, nil)
	m.welcome(a)
}

// welcome answers Register.
func (m *Master) welcome(a *agent) {
	a.send(link.Registered{AgentID: a.id, Master: m.Info(), PingWait: m.pingWait()})
}

// pingWait is how long an agent waits for pings.
func (m *Master) pingWait() time.Duration {
	return m.cfg.AgentPingInterval * time.Duration(m.cfg.AgentPingMisses)
}

func (m *Master) refuse(l *agentLink, err error) {
	m.log.Warn("agent refused", "error", err)
	l.end.Send(link.Refused{Message: err.Error()})
}

// admissible says why an agent must not join.
func (m *Master) admissible(d link.Description) error {
	if d.Info == nil {
		return errors.New("the agent does not describe itself")
	}
	if err := checkResources(d.Total); err != nil {
		return err
	}
	if m.machineIsDown(d) {
		return fmt.Errorf("machine '%s' is DOWN", d.Info.GetHostname())
	}
	return nil
}

// join makes an agent part of the cluster, with what runs on it.
func (m *Master) join(l *agentLink, a *agent, known *link.Reregister) {
	m.agents[a.id] = a
	m.pids[a.desc.PID] = a
	m.bind(l, a)
	m.alloc.AddAgent(a.id, a.forAllocator(), nil)
	if known != nil {
		m.adopt(a, known)
	}
	m.watch(a)
	m.rememberAgent(a)
	m.publishAgentAdded(a)
	m.allocateSoon(a.id)
}

// bind makes the link the one that the agent talks over.
func (m *Master) bind(l *agentLink, a *agent) {
	if old := a.link; old != nil && old != l {
		old.agent = nil
		delete(m.links, old)
		old.end.Close()
	}
	if l.agent != nil && l.agent != a {
		l.agent.link = nil
	}
	l.agent, a.link = a, l
	a.comeback.Stop()
	a.pings = 0
}

// reregister handles an agent that was known before.
func (m *Master) reregister(l *agentLink, msg link.Reregister) {
	id := msg.Agent.Info.GetId().GetValue()
	err := m.admissible(msg.Agent)
	if err == nil && validateID(id) != nil {
		err = fmt.Errorf("the agent has no valid id: %q", id)
	}
	if _, gone := m.gone[id]; err == nil && gone {
		err = wireError("Agent has been marked gone")
	}
	if err != nil {
		m.refuse(l, err)
		return
	}
	m.metrics.reregistrations++
	a := m.agents[id]
	var missing []*mesospb.Task
	if a != nil {
		missing = m.rejoin(l, a, &msg)
	} else {
		_, unreachable := m.unreachable[id]
		lost := m.away(id)
		delete(m.unreachable, id)
		delete(m.recovered, id)
		a = m.newAgent(id, msg.Agent)
		if lost != nil {
			a.drain, a.drainStart, a.deactivated = lost.drain, lost.start, lost.off
		}
		a.registered, a.reregistered = time.Now(), time.Now()
		m.log.Info("agent came back", "agent", id, "hostname", a.info.GetHostname(), "unreachable", unreachable)
		m.join(l, a, &msg)
	}
	a.send(link.Reregistered{AgentID: a.id, Master: m.Info(), PingWait: m.pingWait(), Reconcile: missing})
	for _, fw := range sortedKeys(a.kills) {
		for _, t := range sortedKeys(a.kills[fw]) {
			a.send(a.kills[fw][t])
		}
	}
	clear(a.kills)
	m.announceFrameworks(a, &msg)
	if a.drain != nil && a.drain.GetState() == mesospb.DrainState_DRAINING {
		a.send(drainMessage(a.drain.GetConfig()))
		m.checkDrained(a)
	}
}

// rejoin takes back an agent that is registered still. It returns the tasks that the agent did not name.
func (m *Master) rejoin(l *agentLink, a *agent, msg *link.Reregister) (missing []*mesospb.Task) {
	m.log.Info("agent reregistered", "agent", a.id)
	wasActive := a.active()
	m.bind(l, a)
	a.reregistered = time.Now()
	changed := !proto.Equal(&mesospb.AgentInfo{Attributes: a.info.Attributes, Hostname: a.info.Hostname, Domain: a.info.Domain},
		&mesospb.AgentInfo{Attributes: msg.Agent.Info.Attributes, Hostname: msg.Agent.Info.Hostname, Domain: msg.Agent.Info.Domain})
	delete(m.pids, a.desc.PID)
	a.describe(msg.Agent)
	m.pids[a.desc.PID] = a
	if changed {
		m.alloc.DescribeAgent(a.id, a.forAllocator())
		m.rememberAgent(a)
	}

	brought := map[string]map[string]bool{}
	for _, t := range msg.Tasks {
		fw := t.GetFrameworkId().GetValue()
		if brought[fw] == nil {
			brought[fw] = map[string]bool{}
		}
		brought[fw][t.GetTaskId().GetValue()] = true
	}
	for _, fw := range sortedKeys(a.tasks) {
		for _, id := range sortedKeys(a.tasks[fw]) {
			if !brought[fw][id] {
				missing = append(missing, a.tasks[fw][id].pb())
			}
		}
	}
	running := map[string]map[string]bool{}
	for _, e := range msg.Executors {
		if running[e.FrameworkID] == nil {
			running[e.FrameworkID] = map[string]bool{}
		}
		running[e.FrameworkID][e.Info.GetExecutorId().GetValue()] = true
	}
	for _, fw := range sortedKeys(a.executors) {
		for _, id := range sortedKeys(a.executors[fw]) {
			if !running[fw][id] {
				m.removeExecutor(a, fw, id)
			}
		}
	}
	m.adopt(a, msg)
	if !resources.Equivalent(m.alloc.Total(a.id), msg.Agent.Total) {
		m.rescindOffers(a)
		m.setAgentTotal(a, msg.Agent.Total)
	}
	if !wasActive {
		m.setActive(a)
	}
	return missing
}

// adopt takes over what runs on the agent and is not known yet.
func (m *Master) adopt(a *agent, msg *link.Reregister) {
	for _, info := range msg.Frameworks {
		m.recoverFramework(info)
	}
	for _, e := range msg.Executors {
		if m.frameworks[e.FrameworkID] == nil || a.executors[e.FrameworkID][e.Info.GetExecutorId().GetValue()] != nil {
			continue
		}
		m.alloc.Add(e.FrameworkID, a.id, e.Info.GetResources())
		a.addExecutor(e.FrameworkID, e.Info)
	}
	for _, known := range msg.Tasks {
		f := m.frameworks[known.GetFrameworkId().GetValue()]
		id := known.GetTaskId().GetValue()
		if f == nil || a.tasks[f.id][id] != nil {
			continue
		}
		lost := f.unreachable.find(id)
		if lost != nil {
			f.unreachable.remove(lost)
		}
		t := adoptTask(f, a, known)
		if lost != nil && t.info == nil {
			t.info = lost.info
		}
		if !isTerminal(t.state) {
			m.alloc.Add(f.id, a.id, t.resources)
		}
		m.addTask(t)
		if lost != nil && !isTerminal(t.state) {
			// "re-reregistered" is how Mesos spells it.
			s := t.status(t.state, mesospb.TaskStatus_REASON_AGENT_REREGISTERED, "Unreachable agent re-reregistered")
			if last := t.lastStatus(); last != nil {
				s.ContainerStatus, s.Healthy, s.CheckStatus = last.ContainerStatus, last.Healthy, last.CheckStatus
			}
			f.send(updateEvent(s))
		}
	}
	a.orphans = nil
	for _, op := range msg.Operations {
		m.adoptOperation(a, op)
	}
}

// announceFrameworks tells the agent what its frameworks are now, and which are gone.
func (m *Master) announceFrameworks(a *agent, msg *link.Reregister) {
	for _, info := range msg.Frameworks {
		id := info.GetId().GetValue()
		switch f := m.frameworks[id]; {
		case f == nil:
			a.send(link.ShutdownFramework{FrameworkID: id})
		case !f.recovered:
			a.send(link.UpdateFramework{Framework: f.info})
		}
	}
}

// recoverFramework makes a framework known that only agents remember.
func (m *Master) recoverFramework(info *mesospb.FrameworkInfo) {
	id := info.GetId().GetValue()
	if m.frameworks[id] != nil || m.isCompleted(id) || validateID(id) != nil {
		return
	}
	m.log.Info("framework recovered from an agent", "framework", id, "name", info.GetName())
	f := newFramework(id)
	f.describe(info, nil, nil, nil)
	f.recovered = true
	f.registered, f.reregistered = time.Now(), time.Now()
	m.frameworks[id] = f
	m.alloc.AddFramework(id, f.forAllocator())
	d, err := durationOfSeconds(info.GetFailoverTimeout())
	if err != nil || d < 0 {
		d = 0
	}
	// Also a framework without failover timeout gets a moment, as its first agent may be faster than itself.
	f.failover = m.loop.After(max(d, m.cfg.AgentReregisterTimeout), func() { m.removeFramework(f) })
	m.publishFrameworkAdded(f)
}

// setAgentTotal replaces the agent's resources; there must be no offers of it.
func (m *Master) setAgentTotal(a *agent, total []*mesospb.Resource) {
	a.desc.Total = total
	m.alloc.UpdateAgent(a.id, total, a.held())
}
