package placement

import (
	"github.com/mesokit/mesokit/mesos/resources"
	"slices"
)

// Placed is the index of what runs where. Constraints read counts from it, so that placing a task costs the same however many run. Fields
// are indexed once a constraint asks for them, and from then on kept up to date.
//
// It also remembers agents: GROUP_BY takes the values of all agents known for the values to spread over, whether they
// have offers at the moment or not. Use NewPlaced to make one. It is not safe for concurrent use, and Place may add to
// its indexes.
type Placed struct {
	agents map[string]*agentRecord
	groups map[string]*groupRecord
	known  map[Field]map[string]int // how many known agents have the value
}

type agentRecord struct {
	agent *Agent
	known bool // observed and not forgotten
	tasks int
}

type groupRecord struct {
	total  int
	on     map[*agentRecord]int
	fields map[Field]map[string]int
}

// NewPlaced returns an empty index.
func NewPlaced() *Placed {
	return &Placed{agents: map[string]*agentRecord{}, groups: map[string]*groupRecord{}, known: map[Field]map[string]int{}}
}

// Observe remembers an agent, or what is new about it. Call it for every agent that an offer shows.
func (p *Placed) Observe(a *Agent) {
	r := p.agents[a.ID]
	switch {
	case r == nil:
		r = &agentRecord{agent: a}
		p.agents[a.ID] = r
	case !sameAgent(r.agent, a):
		p.change(r, a)
	}
	p.setKnown(r, true)
}

// Forget drops an agent that is gone for good. Its tasks, if any are left, still count until they are removed.
func (p *Placed) Forget(agentID string) {
	if r := p.agents[agentID]; r != nil {
		p.setKnown(r, false)
		p.drop(r)
	}
}

// Add counts one instance of a group on an agent. Call it when the launch is decided, and for everything that runs after
// a restart.
func (p *Placed) Add(group string, at *Agent) {
	r := p.agents[at.ID]
	if r == nil {
		r = &agentRecord{agent: at}
		p.agents[at.ID] = r
		p.setKnown(r, true)
	}
	g := p.groups[group]
	if g == nil {
		g = &groupRecord{on: map[*agentRecord]int{}, fields: map[Field]map[string]int{}}
		p.groups[group] = g
	}
	r.tasks++
	g.total++
	g.on[r]++
	g.count(r.agent, 1)
}

// Remove takes one instance off: when it has ended or its launch failed. It reports whether there was one.
func (p *Placed) Remove(group, agentID string) bool {
	r, g := p.agents[agentID], p.groups[group]
	if r == nil || g == nil || g.on[r] == 0 {
		return false
	}
	r.tasks--
	g.total--
	if g.on[r]--; g.on[r] == 0 {
		delete(g.on, r)
	}
	g.count(r.agent, -1)
	if g.total == 0 {
		delete(p.groups, group)
	}
	p.drop(r)
	return true
}

// Count returns how many instances of the group run where the field has the value.
func (p *Placed) Count(group string, f Field, value string) int { return p.counts(group, f)[value] }

// On returns how many instances of the group run on the agent.
func (p *Placed) On(group, agentID string) int {
	if g := p.group(group); g != nil {
		return g.on[p.agents[agentID]]
	}
	return 0
}

// Total returns how many instances of the group run.
func (p *Placed) Total(group string) int {
	if g := p.group(group); g != nil {
		return g.total
	}
	return 0
}

// Agents returns the ids of the agents that are known or have tasks, sorted.
func (p *Placed) Agents() []string {
	ids := make([]string, 0, len(p.agents))
	for id := range p.agents {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (p *Placed) group(name string) *groupRecord {
	if p == nil {
		return nil
	}
	return p.groups[name]
}

// counts returns the index of a group by a field, nil if nothing of it runs. It must not be changed.
func (p *Placed) counts(group string, f Field) map[string]int {
	g := p.group(group)
	if g == nil {
		return nil
	}
	f = f.orHostname()
	index := g.fields[f]
	if index == nil {
		index = map[string]int{}
		for r, n := range g.on {
			if v, ok := r.agent.value(f); ok {
				index[v] += n
			}
		}
		g.fields[f] = index
	}
	return index
}

func (g *groupRecord) count(a *Agent, n int) {
	for f, index := range g.fields {
		if v, ok := a.value(f); ok {
			if index[v] += n; index[v] == 0 {
				delete(index, v)
			}
		}
	}
}

// values returns the values that known agents have, with how many do. It must not be changed.
func (p *Placed) values(f Field) map[string]int {
	if p == nil {
		return nil
	}
	f = f.orHostname()
	index := p.known[f]
	if index == nil {
		index = map[string]int{}
		for _, r := range p.agents {
			if v, ok := r.agent.value(f); ok && r.known {
				index[v]++
			}
		}
		p.known[f] = index
	}
	return index
}

func (p *Placed) setKnown(r *agentRecord, known bool) {
	if r.known == known {
		return
	}
	r.known = known
	step := 1
	if !known {
		step = -1
	}
	for f, index := range p.known {
		if v, ok := r.agent.value(f); ok {
			if index[v] += step; index[v] == 0 {
				delete(index, v)
			}
		}
	}
}

// change gives the record's agent other attributes: its tasks move with it.
func (p *Placed) change(r *agentRecord, a *Agent) {
	known := r.known
	p.setKnown(r, false)
	for _, g := range p.groups {
		if n := g.on[r]; n > 0 {
			g.count(r.agent, -n)
			g.count(a, n)
		}
	}
	r.agent = a
	p.setKnown(r, known)
}

func (p *Placed) drop(r *agentRecord) {
	if r.tasks == 0 && !r.known {
		delete(p.agents, r.agent.ID)
	}
}

func sameAgent(a, b *Agent) bool {
	return a == b || a.Hostname == b.Hostname && a.Region == b.Region && a.Zone == b.Zone &&
		slices.EqualFunc(a.Attributes, b.Attributes, resources.EqualAttributes)
}
