package allocator

import (
	"container/heap"
	"time"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// Filter keeps what a framework declined from being offered to it again right away.
type Filter struct {
	Expires time.Time
}

// filter matches offers of its agent to its client that are contained in what was declined.
type filter struct {
	client   *client
	agent    *agent
	declined []*mesospb.Resource
	expires  time.Time
	gone     bool // cleared; its place in the heap is only taken
}

// clear puts a filter out of force. What is left of it may wait a year for its time in the heap, and keeps nobody in memory.
func (f *filter) clear() { *f = filter{expires: f.expires, gone: true} }

func (a *Allocator) addFilter(frameworkID string, ag *agent, declined []*mesospb.Resource, f *Filter) {
	fw := a.frameworks[frameworkID]
	if fw == nil {
		return
	}
	role := resources.AllocationRole(declined[0])
	c := fw.clients[role]
	if c == nil || !c.subscribed || !fw.active {
		return
	}
	n := &filter{client: c, agent: ag, declined: resources.Unallocate(declined), expires: f.Expires}
	ag.filters[c] = append(ag.filters[c], n)
	c.filtered[ag] = struct{}{}
	heap.Push(&a.expiries, n)
}

// refused reports whether a client declined as much as the candidate, or more, on this agent.
func (ag *agent) refused(c *client, candidate []*mesospb.Resource) bool {
	for _, f := range ag.filters[c] {
		if resources.Contains(f.declined, candidate) {
			return true
		}
	}
	return false
}

// expire drops filters that have expired by now; their agents are to be looked at.
func (a *Allocator) expire(now time.Time) {
	for len(a.expiries) > 0 && !a.expiries[0].expires.After(now) {
		f := heap.Pop(&a.expiries).(*filter)
		if f.gone {
			continue
		}
		f.gone = true
		list := f.agent.filters[f.client]
		kept := list[:0]
		for _, o := range list {
			if o != f {
				kept = append(kept, o)
			}
		}
		clear(list[len(kept):])
		if len(kept) == 0 {
			delete(f.agent.filters, f.client)
			delete(f.client.filtered, f.agent)
		} else {
			f.agent.filters[f.client] = kept
		}
		a.touch(f.agent)
	}
}

func (a *Allocator) clearClientFilters(c *client) {
	for ag := range c.filtered {
		for _, f := range ag.filters[c] {
			f.clear()
		}
		delete(ag.filters, c)
	}
	clear(c.filtered)
	a.compactExpiries()
}

func (a *Allocator) clearAgentFilters(ag *agent) {
	for c, list := range ag.filters {
		for _, f := range list {
			f.clear()
		}
		delete(c.filtered, ag)
	}
	clear(ag.filters)
	a.compactExpiries()
}

// compactExpiries keeps the heap from growing when filters with long expiries are cleared again and again.
func (a *Allocator) compactExpiries() {
	if len(a.expiries) < 1024 || len(a.expiries) < 4*a.expiriesFloor {
		return
	}
	kept := a.expiries[:0]
	for _, f := range a.expiries {
		if !f.gone {
			kept = append(kept, f)
		}
	}
	clear(a.expiries[len(kept):])
	a.expiries = kept
	heap.Init(&a.expiries)
	a.expiriesFloor = len(kept)
}

// Filters returns how many filters are in force, by role.
func (a *Allocator) Filters() map[string]int {
	n := map[string]int{}
	for _, f := range a.expiries {
		if !f.gone {
			n[f.client.role.path]++
		}
	}
	return n
}

// expiryHeap orders filters by the time of their end.
type expiryHeap []*filter

func (h expiryHeap) Len() int           { return len(h) }
func (h expiryHeap) Less(i, j int) bool { return h[i].expires.Before(h[j].expires) }
func (h expiryHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *expiryHeap) Push(x any)        { *h = append(*h, x.(*filter)) }
func (h *expiryHeap) Pop() any {
	old := *h
	f := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return f
}
