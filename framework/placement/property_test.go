package placement_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	"github.com/mesokit/mesokit/framework/placement"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// world is a random cycle with what runs already.
type world struct {
	cycle   *placement.Cycle
	running []naiveTask
	known   []*placement.Agent
}

func drawWorld(t *rapid.T) *world {
	w := &world{}
	roles := rapid.SampledFrom([]string{"eng", "eng", "eng/web"})
	var agents []*placement.Agent
	for i := range rapid.IntRange(1, 9).Draw(t, "agents") {
		a := &placement.Agent{ID: fmt.Sprintf("S%d", i), Hostname: fmt.Sprintf("h%d", i/2*2+rapid.IntRange(0, 1).Draw(t, "own host")*(i%2))}
		if r := rapid.IntRange(0, 3).Draw(t, "rack"); r > 0 {
			a.Attributes = append(a.Attributes, resources.NewTextAttribute("rack", fmt.Sprintf("r%d", r)))
		}
		if z := rapid.IntRange(0, 3).Draw(t, "zone"); z > 0 {
			a.Region, a.Zone = []string{"", "home", "home", "away"}[z], fmt.Sprintf("z%d", z)
		}
		agents = append(agents, a)
	}
	var list []*placement.Offer
	for i, a := range agents {
		for k := range rapid.IntRange(0, 2).Draw(t, "offers") {
			list = append(list, drawOffer(t, a, fmt.Sprintf("O%d-%d", i, k), uint64(1000*(i*3+k+1)), roles.Draw(t, "role")))
		}
	}
	p := placement.NewPlaced()
	groups := rapid.SampledFrom([]string{"a", "b", "c"})
	for _, a := range agents {
		p.Observe(a)
		for range rapid.IntRange(0, 1).Draw(t, "running") {
			g := groups.Draw(t, "group")
			p.Add(g, a)
			w.running = append(w.running, naiveTask{g, a})
		}
	}
	w.known = agents
	w.cycle = &placement.Cycle{
		Offers: list, Placed: p, Complete: rapid.Bool().Draw(t, "complete"), Seed: rapid.Uint64Range(0, 5).Draw(t, "seed"),
		HomeRegion: rapid.SampledFrom([]string{"", "home"}).Draw(t, "home"),
	}
	for range rapid.IntRange(0, 2).Draw(t, "averse") {
		if w.cycle.Averse == nil {
			w.cycle.Averse = map[string][]placement.Affinity{}
		}
		g := groups.Draw(t, "averse to")
		w.cycle.Averse[g] = append(w.cycle.Averse[g], placement.Affinity{
			Group: groups.Draw(t, "who is averse"), Field: rapid.SampledFrom([]placement.Field{"", "rack", placement.Zone}).Draw(t, "near"), Anti: true,
			Soft: rapid.IntRange(0, 3).Draw(t, "soft aversion") == 0,
		})
	}
	var demands []*placement.Demand
	for range rapid.IntRange(1, 3).Draw(t, "demands") {
		demands = append(demands, drawDemand(t, groups.Draw(t, "group")))
	}
	// The reference doesn't know which agents are held at what time, and so can't compete for them.
	balanced := slices.ContainsFunc(demands, func(d *placement.Demand) bool {
		return slices.ContainsFunc(d.Constraints, func(c placement.Constraint) bool { return c.Operator == placement.GroupBy && !c.Soft })
	})
	for i := range rapid.IntRange(1, 8).Draw(t, "tasks") {
		task := &placement.Task{ID: fmt.Sprint(i), Demand: demands[rapid.IntRange(0, len(demands)-1).Draw(t, "demand")]}
		task.Hold = rapid.Bool().Draw(t, "hold") && !balanced
		if rapid.IntRange(0, 9).Draw(t, "pin") == 0 {
			task.Agent = rapid.SampledFrom(agents).Draw(t, "pinned to").ID
		}
		w.cycle.Pending = append(w.cycle.Pending, task)
	}
	return w
}

func drawOffer(t *rapid.T, a *placement.Agent, id string, port uint64, role string) *placement.Offer {
	var list []*mesospb.Resource
	for range rapid.IntRange(1, 3).Draw(t, "entries") {
		var opts []resources.Option
		switch rapid.IntRange(0, 4).Draw(t, "kind") {
		case 1:
			opts = append(opts, resources.WithRole("eng"))
		case 2:
			opts = append(opts, resources.WithReservation(role, "me"))
		case 3:
			opts = append(opts, resources.WithRole("eng"))
			if role != "eng" {
				opts = append(opts, resources.WithReservation(role, "me"))
			}
		case 4:
			opts = append(opts, resources.WithRevocable())
		}
		list = append(list, resources.NewCPUs(float64(rapid.IntRange(1, 30).Draw(t, "cpus"))/10, opts...),
			resources.NewMem(float64(rapid.IntRange(1, 8).Draw(t, "mem"))*64, opts...))
		if n := rapid.IntRange(0, 3).Draw(t, "ports"); n > 0 {
			list = append(list, resources.NewPorts(port, port+uint64(n)-1, opts...))
			port += 100
		}
		if rapid.IntRange(0, 3).Draw(t, "set") == 0 {
			list = append(list, resources.NewSet("licence", []string{fmt.Sprint(port), "x" + id}, opts...))
		}
	}
	return placement.NewOffer(&mesospb.Offer{
		Id: &mesospb.OfferID{Value: &id}, AgentId: &mesospb.AgentID{Value: &a.ID}, Hostname: &a.Hostname, Attributes: a.Attributes,
		AllocationInfo: &mesospb.Resource_AllocationInfo{Role: &role}, Resources: resources.Allocate(list, role), Domain: domainOf(a),
	})
}

func domainOf(a *placement.Agent) *mesospb.DomainInfo {
	if a.Region == "" {
		return nil
	}
	return &mesospb.DomainInfo{FaultDomain: &mesospb.DomainInfo_FaultDomain{
		Region: &mesospb.DomainInfo_FaultDomain_RegionInfo{Name: &a.Region}, Zone: &mesospb.DomainInfo_FaultDomain_ZoneInfo{Name: &a.Zone},
	}}
}

func drawDemand(t *rapid.T, group string) *placement.Demand {
	d := &placement.Demand{
		Group: group, Role: rapid.SampledFrom([]string{"", "eng", "eng/web"}).Draw(t, "role"),
		From: rapid.SampledFrom([]resources.Preference{0, 0, 0, resources.ReservedOnly, resources.UnreservedOnly}).Draw(t, "from"),
	}
	var opts []resources.Option
	if rapid.IntRange(0, 7).Draw(t, "revocable") == 0 {
		opts = append(opts, resources.WithRevocable())
	}
	d.Resources = []*mesospb.Resource{resources.NewCPUs(float64(rapid.IntRange(0, 40).Draw(t, "cpus"))/10, opts...), resources.NewMem(float64(rapid.IntRange(0, 700).Draw(t, "mem")))}
	d.Ports = placement.AnyPorts(rapid.IntRange(0, 3).Draw(t, "ports"))
	if rapid.IntRange(0, 5).Draw(t, "fixed") == 0 {
		d.Ports = append(d.Ports, placement.FixedPort(uint64(1000*rapid.IntRange(1, 4).Draw(t, "port"))))
	}
	d.Domains.AnyRegion = rapid.Bool().Draw(t, "any region")
	for range rapid.IntRange(0, 2).Draw(t, "constraints") {
		text := rapid.SampledFrom([]string{
			"hostname UNIQUE", "rack UNIQUE", "rack GROUP_BY", "rack GROUP_BY 3", "hostname GROUP_BY", "@zone GROUP_BY", "rack CLUSTER", "rack CLUSTER r1",
			"rack MAX_PER 2", "hostname MAX_PER 1", "rack LIKE r[12]", "rack UNLIKE r1", "rack IS r2", "rack IS_NOT r3", "@region IS home",
		}).Draw(t, "constraint")
		if rapid.IntRange(0, 3).Draw(t, "soft") == 0 {
			text += " soft(0.5)"
		}
		c, err := placement.ParseConstraint(text)
		if err != nil {
			t.Fatal(err)
		}
		d.Constraints = append(d.Constraints, c)
	}
	if rapid.IntRange(0, 3).Draw(t, "affinity") == 0 {
		d.Affinities = []placement.Affinity{{
			Group: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "to"), Field: rapid.SampledFrom([]placement.Field{"", "rack"}).Draw(t, "field"),
			Anti: rapid.Bool().Draw(t, "anti"), Soft: rapid.IntRange(0, 2).Draw(t, "soft") == 0,
		}}
	}
	return d
}

var configs = map[string]placement.Config{
	"packed": {}, "spread": {Scorer: placement.Spread()}, "enough": {GoodEnough: 0.3},
	"mixed":  {Scorer: placement.Mix(placement.Weighted{Scorer: placement.BinPack(), Weight: 1}, placement.Weighted{Scorer: placement.Spread(), Weight: 3})},
	"custom": {Scorer: placement.ScorerFunc(func(_ *placement.Demand, c *placement.Candidate) float64 { return float64(c.Free.CPUs%7) / 7 })},
}

// TestPlacementInvariants holds random cycles against the naive reference: what is given out is in the offers and nothing
// is given out twice, constraints hold whenever a task is launched, tasks that could be placed are, and explanations add up.
func TestPlacementInvariants(t *testing.T) {
	for name, cfg := range configs {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				w := drawWorld(t)
				before := resources.CloneList(allResources(w.cycle.Offers))
				p := placement.New(cfg)
				r := p.Place(w.cycle)
				checkResult(t, w, r)
				if diff := cmp.Diff(before, allResources(w.cycle.Offers), protocmp.Transform()); diff != "" {
					t.Fatalf("offers changed (-before +after):\n%s", diff)
				}
				if diff := cmp.Diff(r, p.Place(w.cycle), protocmp.Transform()); diff != "" {
					t.Fatalf("the same cycle gives another result (-first +second):\n%s", diff)
				}
			})
		})
	}
}

func allResources(list []*placement.Offer) (out []*mesospb.Resource) {
	for _, o := range list {
		out = append(out, o.Proto.GetResources()...)
	}
	return out
}

func checkResult(t *rapid.T, w *world, r *placement.Result) {
	n := newNaive(w.cycle, w.running, w.known)
	for i, a := range r.Assignments {
		options := n.options(a.Task)
		if !slices.ContainsFunc(options, func(s *naiveSite) bool { return s.agent.ID == a.Agent.ID && s.role == a.Role }) {
			t.Fatalf("launch %d puts %s on %s for %q, which is not allowed at that moment by %v %v; options are %d others\nearlier: %v", i, a.Task.ID, a.Agent.ID, a.Role, a.Task.Constraints, a.Task.Affinities, len(options), where(r)[:i])
		}
		if !n.take(a) {
			t.Fatalf("launch %d takes %s, which %s doesn't have any more", i, resources.Describe(a.Resources), a.Agent.ID)
		}
		checkAmounts(t, a)
		if len(a.OfferIDs) == 0 {
			t.Fatalf("launch %d names no offers", i)
		}
		for _, id := range a.OfferIDs {
			if !slices.ContainsFunc(w.cycle.Offers, func(o *placement.Offer) bool {
				return o.ID() == id.GetValue() && o.Agent.ID == a.Agent.ID && o.Role == a.Role
			}) {
				t.Fatalf("launch %d names offer %s, which is not of agent %s and role %q", i, id.GetValue(), a.Agent.ID, a.Role)
			}
		}
	}
	if len(r.Assignments)+len(r.Unplaced) != len(w.cycle.Pending) {
		t.Fatalf("%d placed and %d unplaced of %d tasks", len(r.Assignments), len(r.Unplaced), len(w.cycle.Pending))
	}
	for _, u := range r.Unplaced {
		free := slices.DeleteFunc(n.options(u.Task), func(s *naiveSite) bool {
			return slices.ContainsFunc(r.Holds, func(h placement.Hold) bool { return h.AgentID == s.agent.ID && h.Role == s.role })
		})
		if len(free) > 0 {
			t.Fatalf("%s is left out although it fits %s", u.Task.ID, free[0].agent.ID)
		}
		checkExplanation(t, w, u.Why)
	}
}

func checkAmounts(t *rapid.T, a placement.Assignment) {
	d := a.Task.Demand
	revocable := func(r *mesospb.Resource) bool { return r.Revocable != nil }
	for _, wish := range d.Resources {
		of := resources.Filter(a.Resources, func(r *mesospb.Resource) bool { return revocable(r) == revocable(wish) })
		if got, _ := resources.Scalar(of, wish.GetName()); got != wish.GetScalar().GetValue() {
			t.Fatalf("%s got %v of %s, wanted %v", a.Task.ID, got, wish.GetName(), wish.GetScalar().GetValue())
		}
	}
	if got := resources.Ports(a.Resources).Size(); got != uint64(len(d.Ports)) || len(a.Ports) != len(d.Ports) {
		t.Fatalf("%s got %d ports and the numbers %v, wanted %d", a.Task.ID, got, a.Ports, len(d.Ports))
	}
	for i, p := range d.Ports {
		if !resources.Ports(a.Resources).Has(a.Ports[i]) || slices.Index(a.Ports, a.Ports[i]) != i || p.From != 0 && a.Ports[i] != p.From {
			t.Fatalf("%s got port numbers %v of %s for %v", a.Task.ID, a.Ports, resources.Describe(a.Resources), d.Ports)
		}
	}
}

func checkExplanation(t *rapid.T, w *world, e *placement.Explanation) {
	sum := e.Fits
	for _, r := range e.Rejected {
		sum += r.Count
		if r.Count <= 0 || r.Example == "" {
			t.Fatalf("a rejection without count or example: %+v", r)
		}
	}
	if sum != e.Candidates || e.Offers != len(w.cycle.Offers) || e.Candidates > e.Offers {
		t.Fatalf("%s: %d candidates of %d offers, but %d accounted for", e, e.Candidates, e.Offers, sum)
	}
	if e.Nearest != nil {
		if len(e.Nearest.Lacks) == 0 {
			t.Fatalf("the nearest lacks nothing: %s", e)
		}
		for _, l := range e.Nearest.Lacks {
			if l.Name == "" || l.Have > l.Need {
				t.Fatalf("the nearest lacks %+v", l)
			}
		}
	}
}
