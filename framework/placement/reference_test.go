package placement_test

import (
	"regexp"
	"slices"
	"strconv"

	"github.com/mesokit/mesokit/framework/placement"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// naive is the obvious way to do it: for each task, look at all agents and count all placed tasks again. The placer is held
// against it in what can be placed where, and in speed.
type naive struct {
	offers []*placement.Offer
	sites  []*naiveSite
	placed []naiveTask
	known  []*placement.Agent
	home   string
	done   bool // Cycle.Complete
	averse map[string][]placement.Affinity

	expressions map[string]*regexp.Regexp
}

type naiveSite struct {
	agent    *placement.Agent
	role     string
	draining bool
	list     []*mesospb.Resource
}

type naiveTask struct {
	group string
	agent *placement.Agent
}

func newNaive(c *placement.Cycle, running []naiveTask, known []*placement.Agent) *naive {
	n := &naive{offers: c.Offers, placed: slices.Clone(running), known: known, home: c.HomeRegion, done: c.Complete, averse: c.Averse, expressions: map[string]*regexp.Regexp{}}
	for _, o := range c.Offers {
		at := slices.IndexFunc(n.sites, func(s *naiveSite) bool { return s.agent.ID == o.Agent.ID && s.role == o.Role })
		if at < 0 {
			at = len(n.sites)
			n.sites = append(n.sites, &naiveSite{agent: o.Agent, role: o.Role})
		}
		s := n.sites[at]
		s.draining = s.draining || o.Draining
		s.list = resources.Add(s.list, o.Proto.GetResources())
	}
	return n
}

// value is what a constraint counts by.
func value(a *placement.Agent, f placement.Field) (string, bool) {
	switch f {
	case "", placement.Hostname:
		return a.Hostname, true
	case placement.Zone:
		return a.Zone, a.Zone != ""
	case placement.Region:
		return a.Region, a.Region != ""
	}
	return resources.AttributeText(a.Attributes, string(f))
}

func (n *naive) expression(text string) *regexp.Regexp {
	if n.expressions[text] == nil {
		n.expressions[text] = regexp.MustCompile("^(?:" + text + ")$")
	}
	return n.expressions[text]
}

func (n *naive) count(group string, f placement.Field, v string) (count int) {
	for _, p := range n.placed {
		if w, ok := value(p.agent, f); ok && p.group == group && w == v {
			count++
		}
	}
	return count
}

// allows says whether the hard constraints and affinities of the demand allow the agent; GROUP_BY only as far as it does not depend
// on who else could take the task.
func (n *naive) allows(d *placement.Demand, a *placement.Agent) bool {
	for _, f := range n.averse[d.Group] {
		if v, ok := value(a, f.Field); ok && !f.Soft && f.Group != d.Group && n.count(f.Group, f.Field, v) > 0 {
			return false
		}
	}
	for _, c := range d.Constraints {
		if !c.Soft && !n.constraint(d, c, a) {
			return false
		}
	}
	for _, f := range d.Affinities {
		v, ok := value(a, f.Field)
		near := ok && n.count(f.Group, f.Field, v) > 0
		if f.Group == d.Group && !slices.ContainsFunc(n.placed, func(p naiveTask) bool { return p.group == d.Group }) {
			near = ok
			if f.Anti {
				near = false
			}
		}
		if !f.Soft && near == f.Anti {
			return false
		}
	}
	return true
}

func (n *naive) constraint(d *placement.Demand, c placement.Constraint, a *placement.Agent) bool {
	v, ok := value(a, c.Field)
	switch c.Operator {
	case placement.Unlike:
		return !ok || !n.expression(c.Value).MatchString(v)
	case placement.IsNot:
		return !ok || v != c.Value
	}
	if !ok {
		return false
	}
	number, _ := strconv.Atoi(c.Value)
	switch c.Operator {
	case placement.Like:
		return n.expression(c.Value).MatchString(v)
	case placement.Is:
		return v == c.Value
	case placement.Unique:
		return n.count(d.Group, c.Field, v) == 0
	case placement.MaxPer:
		return n.count(d.Group, c.Field, v) < number
	case placement.Cluster:
		if c.Value != "" {
			return v == c.Value
		}
		best, most := "", 0
		for _, p := range n.placed {
			if w, ok := value(p.agent, c.Field); ok && p.group == d.Group {
				if k := n.count(d.Group, c.Field, w); k > most || k == most && w < best {
					best, most = w, k
				}
			}
		}
		return most == 0 || v == best
	case placement.GroupBy:
		if c.Value == "" && len(n.known) == 0 {
			return true // nothing to wait for
		}
		values, offered := map[string]bool{}, map[string]bool{}
		for _, s := range n.sites {
			if w, ok := value(s.agent, c.Field); ok {
				values[w], offered[w] = true, true
			}
		}
		for _, k := range n.known {
			if w, ok := value(k, c.Field); ok {
				values[w] = true
			}
		}
		if c.Value != "" && len(values) < number {
			return n.count(d.Group, c.Field, v) == 0
		}
		possible := map[string]bool{}
		for _, k := range n.known {
			if w, ok := value(k, c.Field); ok && n.possible(d, k) {
				possible[w] = true
			}
		}
		for w := range values {
			if possible[w] && !offered[w] && !n.done && n.count(d.Group, c.Field, v) > n.count(d.Group, c.Field, w) {
				return false
			}
		}
	}
	return true
}

// possible says whether an agent could ever run the demand.
func (n *naive) possible(d *placement.Demand, a *placement.Agent) bool {
	for _, c := range d.Constraints {
		switch c.Operator {
		case placement.Like, placement.Unlike, placement.Is, placement.IsNot:
		case placement.Cluster:
			if c.Value == "" {
				continue
			}
		default:
			continue
		}
		if !c.Soft && !n.constraint(d, c, a) {
			return false
		}
	}
	return n.inRegion(d, a)
}

func (n *naive) inRegion(d *placement.Demand, a *placement.Agent) bool {
	return n.home == "" || d.Domains.AnyRegion || a.Region == "" || a.Region == n.home ||
		slices.ContainsFunc(d.Constraints, func(c placement.Constraint) bool { return c.Field == placement.Region })
}

// fits says whether a site has the resources and passes everything else, GROUP_BY among the sites that fit left out.
func (n *naive) fits(t *placement.Task, s *naiveSite) bool {
	d := t.Demand
	if s.draining || d.Role != "" && s.role != d.Role || t.Agent != "" && t.Agent != s.agent.ID {
		return false
	}
	if !n.inRegion(d, s.agent) || !n.allows(d, s.agent) {
		return false
	}
	wish := resources.Wish{Resources: slices.Clone(d.Resources), Ports: 0, Role: d.Role, From: d.From}
	for _, p := range d.Ports {
		if p == (placement.Port{}) {
			wish.Ports++
		} else {
			wish.Resources = append(wish.Resources, resources.NewPorts(p.From, p.To)) // fixed numbers only
		}
	}
	_, ok := resources.FindWish(s.list, &wish)
	return ok
}

// options are the sites that the task may be placed on now.
func (n *naive) options(t *placement.Task) (out []*naiveSite) {
	for _, s := range n.sites {
		if n.fits(t, s) {
			out = append(out, s)
		}
	}
	for _, c := range t.Demand.Constraints {
		if c.Operator != placement.GroupBy || c.Soft {
			continue
		}
		least := -1
		for _, s := range out {
			v, _ := value(s.agent, c.Field)
			if k := n.count(t.Demand.Group, c.Field, v); least < 0 || k < least {
				least = k
			}
		}
		out = slices.DeleteFunc(out, func(s *naiveSite) bool {
			v, _ := value(s.agent, c.Field)
			return n.count(t.Demand.Group, c.Field, v) > least
		})
	}
	return out
}

// take books what the placer assigned; false if the site doesn't have it.
func (n *naive) take(a placement.Assignment) bool {
	for _, s := range n.sites {
		if s.agent.ID == a.Agent.ID && s.role == a.Role {
			if !resources.Contains(s.list, a.Resources) {
				return false
			}
			s.list = resources.Subtract(s.list, a.Resources)
			n.placed = append(n.placed, naiveTask{a.Task.Group, s.agent})
			return true
		}
	}
	return false
}

// place is the whole algorithm, for the benchmark: first fit among the options with the best packing.
func (n *naive) place(pending []*placement.Task) (placed int) {
	for _, t := range pending {
		var best *naiveSite
		most := -1.0
		for _, s := range n.options(t) {
			if used := 1 / (1 + resources.CPUs(s.list)); used > most {
				best, most = s, used
			}
		}
		if best == nil {
			continue
		}
		wish := resources.Wish{Resources: t.Demand.Resources, Role: t.Demand.Role, Ports: len(t.Demand.Ports)}
		got, _ := resources.FindWish(best.list, &wish)
		best.list = resources.Subtract(best.list, got)
		n.placed = append(n.placed, naiveTask{t.Group, best.agent})
		placed++
	}
	return placed
}
