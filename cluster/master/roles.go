package master

import (
	"github.com/mesokit/mesokit/cluster/allocator"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// roleSummary is what the APIs say of a role.
type roleSummary struct {
	name       string
	weight     float64
	frameworks []string
	allocated  *resources.Pool
	offered    *resources.Pool
	reserved   *resources.Pool
}

// roleSummaries returns the roles that somebody uses, has reserved, or that have a weight or quota.
func (m *Master) roleSummaries() []*roleSummary {
	all := map[string]*roleSummary{}
	weights := m.alloc.Weights()
	at := func(name string) *roleSummary {
		s := all[name]
		if s == nil {
			s = &roleSummary{name: name, weight: 1, allocated: resources.NewPool(), offered: resources.NewPool(), reserved: resources.NewPool()}
			if w, ok := weights[name]; ok {
				s.weight = w
			}
			all[name] = s
		}
		return s
	}
	for _, f := range m.visible() {
		for _, r := range f.roles {
			s := at(r)
			s.frameworks = append(s.frameworks, f.id)
		}
	}
	for r := range weights {
		at(r)
	}
	for r := range m.quotas {
		at(r)
	}
	for _, id := range sortedKeys(m.agents) {
		a := m.agents[id]
		for _, f := range sortedKeys(a.used) {
			for _, r := range a.used[f].Resources() {
				at(resources.AllocationRole(r)).allocated.Add([]*mesospb.Resource{r})
			}
		}
		for _, o := range sortedKeys(a.offers) {
			at(a.offers[o].role).offered.Add(a.offers[o].resources)
		}
		for _, r := range a.desc.Total {
			if !resources.IsUnreserved(r) {
				at(resources.ReservationRole(r)).reserved.Add([]*mesospb.Resource{r})
			}
		}
	}
	var out []*roleSummary
	for _, name := range sortedKeys(all) {
		if m.seesRole(name) {
			out = append(out, all[name])
		}
	}
	return out
}

// quotaConfig is the quota of a role.
type quotaConfig struct {
	guarantees, limits allocator.Quantities
}
