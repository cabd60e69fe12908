package cluster

import (
	"context"
	"fmt"
	"slices"

	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// Status is what runs in a cluster.
type Status struct {
	Masters    []MasterStatus    `json:"masters"`
	Agents     []AgentStatus     `json:"agents"`
	Frameworks []FrameworkStatus `json:"frameworks"`
}

// AgentStatus is an agent: how it is, and what the master knows of it.
type AgentStatus struct {
	ID       string     `json:"id"`
	Hostname string     `json:"hostname"`
	Address  string     `json:"address"`
	State    AgentState `json:"state"`
	// Registered tells whether the master counts it among its agents, connected or not: not if it is unreachable. Active tells
	// whether it is offered.
	Registered bool   `json:"registered"`
	Active     bool   `json:"active"`
	Simulated  bool   `json:"simulated,omitempty"`
	Attributes string `json:"attributes,omitempty"`
	Domain     string `json:"domain,omitempty"`
	Resources  string `json:"resources"` // for people
	Used       string `json:"used"`
	Tasks      int    `json:"tasks"` // that have not ended
}

// FrameworkStatus is a framework that the master knows.
type FrameworkStatus struct {
	ID        string   `json:"id"`
	Name      string   `json:"name"`
	Roles     []string `json:"roles"`
	Connected bool     `json:"connected"`
	Active    bool     `json:"active"`
	Used      string   `json:"used"`
	Tasks     int      `json:"tasks"` // that have not ended
}

// Status returns what runs: agents in the order of their start, frameworks by id. While no master leads, agents are not registered
// and there are no frameworks.
func (c *Cluster) Status(ctx context.Context) (Status, error) {
	s := Status{Masters: c.Masters(), Agents: []AgentStatus{}, Frameworks: []FrameworkStatus{}}
	var state *masterpb.Response_GetState
	if leader := c.leader(); leader != nil {
		var err error
		if state, err = leader.State(ctx); err != nil {
			return Status{}, fmt.Errorf("cluster: the state of the master: %w", err)
		}
	}
	onAgent, ofFramework := map[string]int{}, map[string]int{}
	for _, t := range state.GetGetTasks().GetTasks() {
		onAgent[t.GetAgentId().GetValue()]++
		ofFramework[t.GetFrameworkId().GetValue()]++
	}
	known := map[string]*masterpb.Response_GetAgents_Agent{}
	for _, a := range state.GetGetAgents().GetAgents() {
		known[a.GetAgentInfo().GetId().GetValue()] = a
	}
	for _, a := range c.Agents() {
		m := known[a.ID]
		s.Agents = append(s.Agents, AgentStatus{
			ID: a.ID, Hostname: a.Hostname, Address: a.Address, State: a.State(),
			Registered: m != nil, Active: m.GetActive(), Simulated: a.cfg.Simulated,
			Attributes: a.cfg.Attributes, Domain: a.cfg.Domain,
			Resources: resources.Describe(m.GetTotalResources()), Used: resources.Describe(m.GetAllocatedResources()), Tasks: onAgent[a.ID],
		})
	}
	for _, f := range state.GetGetFrameworks().GetFrameworks() {
		info := f.GetFrameworkInfo()
		roles := info.GetRoles()
		role := info.GetRole() //lint:ignore SA1019 frameworks without MULTI_ROLE have nothing else
		if len(roles) == 0 && role != "" {
			roles = []string{role}
		}
		s.Frameworks = append(s.Frameworks, FrameworkStatus{
			ID: info.GetId().GetValue(), Name: info.GetName(), Roles: append([]string{}, roles...),
			Connected: f.GetConnected(), Active: f.GetActive(),
			Used: resources.Describe(f.GetAllocatedResources()), Tasks: ofFramework[info.GetId().GetValue()],
		})
	}
	slices.SortFunc(s.Frameworks, func(a, b FrameworkStatus) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return s, nil
}
