package core

import (
	"iter"
	"slices"
	"strings"
)

// agentViews lists the agents of snapshots in the order of their ids. Readers share its chunks: what may have been shown to
// them is copied before it changes, so that a change costs one chunk and the list of chunks, however many agents there are.
type agentViews struct {
	chunks []*agentChunk // none of them empty
	epoch  uint32        // in which chunks was last copied
}

// agentChunkMost is when a chunk is split.
const agentChunkMost = 128

type agentChunk struct {
	agents []*Agent
	epoch  uint32
}

// find returns the chunk and the place in it where the agent is, or would be.
func (v *agentViews) find(id string) (chunk, at int, found bool) {
	if len(v.chunks) == 0 {
		return 0, 0, false
	}
	chunk, found = slices.BinarySearchFunc(v.chunks, id, func(c *agentChunk, id string) int { return strings.Compare(c.agents[0].ID, id) })
	if found {
		return chunk, 0, true
	}
	chunk = max(chunk-1, 0)
	at, found = slices.BinarySearchFunc(v.chunks[chunk].agents, id, func(a *Agent, id string) int { return strings.Compare(a.ID, id) })
	return chunk, at, found
}

func (v *agentViews) get(id string) *Agent {
	if chunk, at, found := v.find(id); found {
		return v.chunks[chunk].agents[at]
	}
	return nil
}

// put sets the view of an agent; nil removes it.
func (v *agentViews) put(id string, a *Agent, epoch uint32) {
	k, at, found := v.find(id)
	if a == nil && !found {
		return
	}
	if v.epoch != epoch {
		v.chunks, v.epoch = slices.Clone(v.chunks), epoch
	}
	if len(v.chunks) == 0 {
		v.chunks = []*agentChunk{{agents: []*Agent{a}, epoch: epoch}}
		return
	}
	c := v.chunks[k]
	if c.epoch != epoch {
		c = &agentChunk{slices.Clone(c.agents), epoch}
		v.chunks[k] = c
	}
	switch {
	case a == nil && len(c.agents) == 1:
		v.chunks = slices.Delete(v.chunks, k, k+1)
	case a == nil:
		c.agents = slices.Delete(c.agents, at, at+1)
	case found:
		c.agents[at] = a
	default:
		if c.agents = slices.Insert(c.agents, at, a); len(c.agents) > agentChunkMost {
			half := len(c.agents) / 2
			v.chunks = slices.Insert(v.chunks, k+1, &agentChunk{slices.Clone(c.agents[half:]), epoch})
			c.agents = slices.Clip(c.agents[:half])
		}
	}
}

func (v *agentViews) all() iter.Seq[*Agent] {
	return func(yield func(*Agent) bool) {
		for _, c := range v.chunks {
			for _, a := range c.agents {
				if !yield(a) {
					return
				}
			}
		}
	}
}

// agentChanged has the next snapshot show an agent as it is then.
func (c *Core) agentChanged(id string) {
	if ag := c.agents[id]; ag == nil || !ag.changed {
		c.changedAgents = append(c.changedAgents, id)
		if ag != nil {
			ag.changed = true
		}
	}
}

// showAgents brings the views of agents up to date.
func (c *Core) showAgents() {
	for _, id := range c.changedAgents {
		var view *Agent
		if ag := c.agents[id]; ag != nil {
			ag.changed = false
			view = &Agent{Agent: ag.Agent, Uses: ag.uses, Seen: ag.seen, Fate: ag.fate, Draining: c.drains.has(id), Maintenance: c.drains.answers[id]}
		}
		c.views.put(id, view, c.epoch)
	}
	c.changedAgents = c.changedAgents[:0]
}
