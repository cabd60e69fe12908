package master

import (
	"maps"
	"time"

	"github.com/mesokit/mesokit/mesos/allocatorpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// What a master does that has just been elected (docs/behaviour.md#reconciliation, #operator-api, #defaults):
//
//   - From the registry it knows the agents that its predecessor had admitted: they are recovered. Those that do not reregister
//     within AgentReregisterTimeout are unreachable, and all frameworks get FAILURE; nobody gets updates of their tasks, as
//     nobody has told the master of them.
//   - While an agent is recovered, reconciliation is silent about it, and about tasks whose agent the framework does not
//     name. It can be deactivated, drained and marked gone.
//   - Unreachable agents and those that are gone stay so, as do quota, weights and maintenance.
//   - Agents bring frameworks, executors, tasks and operations; see agent_register.go.

// Bounds of what the registry remembers of agents that are away for good, as in Mesos.
const (
	maxRegistryAgents = 100 << 10
	maxRegistryAge    = 14 * 24 * time.Hour
	registryInterval  = 15 * time.Minute // between two looks at them
)

// lead begins a term: the master takes over what its predecessor knew.
func (m *Master) lead() {
	m.elected = time.Now()
	var d registryData
	m.term, d = m.cfg.Registry.begin()
	m.recovered, m.unreachable, m.gone = d.agents, d.unreachable, d.gone
	for _, known := range []map[string]*lostAgent{m.recovered, m.unreachable} {
		for id, l := range known {
			own := *l // the registry's is never changed
			known[id] = &own
		}
	}
	m.pruneNowAndThen()
	for _, role := range sortedKeys(d.quotas) {
		q := d.quotas[role]
		m.quotas[role] = q
		m.alloc.SetQuota(role, q.guarantees, q.limits)
	}
	for _, role := range sortedKeys(d.weights) {
		m.alloc.SetWeight(role, d.weights[role])
	}
	m.schedule = d.schedule
	for _, mc := range d.machines {
		m.machines[keyOf(mc.GetId())] = &machine{
			id: mc.GetId(), mode: mc.GetMode(), unavailability: mc.GetUnavailability(), statuses: map[string]*allocatorpb.InverseOfferStatus{},
		}
	}
	if len(m.recovered) > 0 {
		m.log.Info("elected; waiting for agents to reregister", "agents", len(m.recovered), "for", m.cfg.AgentReregisterTimeout)
		m.recovery = m.loop.After(m.cfg.AgentReregisterTimeout, m.giveUpRecovered)
	}
}

// pruneNowAndThen prunes the registry, now and as long as the master leads.
func (m *Master) pruneNowAndThen() {
	m.pruneRegistry()
	m.pruning = m.loop.After(registryInterval, m.pruneNowAndThen)
}

// pruneRegistry forgets agents that have been away for too long, or are too many.
func (m *Master) pruneRegistry() {
	oldest := time.Now().Add(-maxRegistryAge)
	for _, id := range sortedKeys(m.unreachable) {
		if m.unreachable[id].since.Before(oldest) || len(m.unreachable) > maxRegistryAgents {
			delete(m.unreachable, id)
			m.forgetAgent(id)
		}
	}
	for _, id := range sortedKeys(m.gone) {
		if m.gone[id].Before(oldest) || len(m.gone) > maxRegistryAgents {
			delete(m.gone, id)
			m.term.change(func(d *registryData) { delete(d.gone, id) })
		}
	}
}

// giveUpRecovered makes agents unreachable that did not come back to the new master.
func (m *Master) giveUpRecovered() {
	now := time.Now()
	for _, id := range sortedKeys(m.recovered) {
		l := m.recovered[id]
		m.log.Warn("agent is unreachable", "agent", id, "hostname", l.info.GetHostname(),
			"reason", "did not reregister within "+durationText(m.cfg.AgentReregisterTimeout)+" after master failover")
		delete(m.recovered, id)
		l.since = now
		m.unreachable[id] = l
		m.rememberAway(id)
		m.metrics.unreachableAgents++
		m.metrics.recoveryRemovals++
		for _, fid := range sortedKeys(m.frameworks) {
			m.frameworks[fid].send(&schedulerpb.Event{Type: schedulerpb.Event_FAILURE.Enum(), Failure: &schedulerpb.Event_Failure{
				AgentId: &mesospb.AgentID{Value: &id},
			}})
		}
	}
}

// away returns an agent that is recovered or unreachable, nil if it is neither.
func (m *Master) away(id string) *lostAgent {
	if l := m.recovered[id]; l != nil {
		return l
	}
	return m.unreachable[id]
}

// rememberAgent writes down an agent that is registered.
func (m *Master) rememberAgent(a *agent) {
	l := &lostAgent{info: a.info, drain: a.drain, start: a.drainStart, off: a.deactivated}
	m.term.change(func(d *registryData) {
		delete(d.unreachable, a.id)
		d.agents[a.id] = l
	})
}

// rememberAway writes down an agent that is recovered or unreachable.
func (m *Master) rememberAway(id string) {
	own := *m.away(id)
	_, unreachable := m.unreachable[id]
	m.term.change(func(d *registryData) {
		delete(d.agents, id)
		delete(d.unreachable, id)
		if unreachable {
			d.unreachable[id] = &own
		} else {
			d.agents[id] = &own
		}
	})
}

// rememberGone writes down an agent that is gone for good.
func (m *Master) rememberGone(id string) {
	since := m.gone[id]
	m.term.change(func(d *registryData) {
		delete(d.agents, id)
		delete(d.unreachable, id)
		d.gone[id] = since
	})
}

// forgetAgent strikes out an agent that was removed.
func (m *Master) forgetAgent(id string) {
	m.term.change(func(d *registryData) {
		delete(d.agents, id)
		delete(d.unreachable, id)
	})
}

// rememberQuota writes down the quota of a role, or that it has none.
func (m *Master) rememberQuota(role string) {
	q := m.quotas[role]
	m.term.change(func(d *registryData) {
		if delete(d.quotas, role); q != nil && len(q.guarantees)+len(q.limits) > 0 {
			d.quotas[role] = q
		}
	})
}

// rememberWeights writes down weights.
func (m *Master) rememberWeights(weights map[string]float64) {
	m.term.change(func(d *registryData) { maps.Copy(d.weights, weights) })
}

// rememberMaintenance writes down the schedule and the machines in it.
func (m *Master) rememberMaintenance() {
	var machines []*mesospb.MachineInfo
	for _, mc := range m.sortedMachines() {
		machines = append(machines, &mesospb.MachineInfo{Id: mc.id, Mode: mc.mode.Enum(), Unavailability: mc.unavailability})
	}
	schedule := m.schedule
	m.term.change(func(d *registryData) { d.machines, d.schedule = machines, schedule })
}

// durable answers a change when it is on the disk.
func (m *Master) durable(a answer) answer {
	if a.status/100 != 2 {
		return a
	}
	if err := m.term.sync(); err != nil {
		return answer{500, "The change is in effect, but could not be written down: " + err.Error()}
	}
	return a
}
