package framework

import (
	"context"
	"time"

	"github.com/mesokit/mesokit/client/operator"
	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/mesos/masterpb"
)

// executorsEvery is how many looks at the agents pass until the executors are looked at, too, without a special reason.
const executorsEvery = 40

// watchAgents tells the engine which agents are drained or deactivated, and which executors there are, until the term ends.
func (t *term) watchAgents() {
	m, err := t.master()
	if err != nil {
		return
	}
	defer m.Close()
	leaving := map[string]bool{}
	tick := time.NewTicker(t.cfg.WatchAgents)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-tick.C:
		case <-t.ctx.Done():
			return
		}
		ctx, cancel := context.WithTimeout(t.ctx, callTimeout)
		agents, err := m.GetAgents(ctx)
		cancel()
		if err != nil {
			t.cfg.Log.Debug("cannot ask the master about agents", "error", err)
			continue
		}
		there := map[string]bool{}
		for _, a := range agents.GetAgents() {
			if a.GetDeactivated() || a.GetDrainInfo() != nil {
				there[a.GetAgentInfo().GetId().GetValue()] = true
			}
		}
		for id := range there {
			if !leaving[id] && t.queue.put(t.ctx, core.AgentDraining{AgentID: id, Draining: true}, nil) != nil {
				return
			}
		}
		for id := range leaving {
			if !there[id] && t.queue.put(t.ctx, core.AgentDraining{AgentID: id}, nil) != nil {
				return
			}
		}
		leaving = there
		if s := t.Snapshot(); s.Connected && (s.Lingering > 0 || n%executorsEvery == 0) {
			t.watchExecutors(m, agents, s.FrameworkID)
		}
	}
}

// watchExecutors tells the engine which executors of the framework the master knows. The agents were asked for before.
func (t *term) watchExecutors(m *operator.Master, agents *masterpb.Response_GetAgents, framework string) {
	ctx, cancel := context.WithTimeout(t.ctx, callTimeout)
	defer cancel()
	list, err := m.GetExecutors(ctx)
	if err != nil {
		t.cfg.Log.Debug("cannot ask the master about executors", "error", err)
		return
	}
	seen := core.ExecutorsSeen{Agents: map[string]bool{}}
	for _, a := range agents.GetAgents() {
		seen.Agents[a.GetAgentInfo().GetId().GetValue()] = true
	}
	for _, x := range list {
		if info := x.GetExecutorInfo(); info.GetFrameworkId().GetValue() == framework {
			seen.Executors = append(seen.Executors, core.ExecutorSeen{ID: info.GetExecutorId().GetValue(), Agent: x.GetAgentId().GetValue()})
		}
	}
	_ = t.queue.put(t.ctx, seen, nil)
}
