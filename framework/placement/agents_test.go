package placement_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mesokit/mesokit/framework/placement"
)

// on lists the agents that the tasks were placed on, without prefix.
func on(r *placement.Result) []string {
	out := []string{}
	for _, a := range r.Assignments {
		out = append(out, strings.TrimPrefix(a.Agent.ID, "agent-"))
	}
	return out
}

func TestAgentsThatWillGoAwayAreAvoidedOrRefused(t *testing.T) {
	soon, late := day.Add(time.Hour).UnixNano(), day.Add(48*time.Hour).UnixNano()
	list := []offerOf{
		{id: "soon", resources: "cpus:1", unavailableAt: soon},
		{id: "past", resources: "cpus:1", unavailableAt: day.Add(-2 * time.Hour).UnixNano(), untilNano: day.Add(-time.Hour).UnixNano()},
		{id: "late", resources: "cpus:1", unavailableAt: late},
		{id: "draining", resources: "cpus:1"},
		{id: "fine", resources: "cpus:1"},
	}
	for _, tc := range []struct {
		name string
		d    placement.Demand
		want string
		why  string
	}{
		{"by default", placement.Demand{}, "past fine soon late", "5 offers: 1 draining, 4 not enough cpus; nearest is host-soon with cpus 0 of 1"},
		{"what is far ahead may not matter", placement.Demand{Horizon: 24 * time.Hour}, "past late fine soon", ""},
		{"refused", placement.Demand{Maintenance: placement.Refuse}, "past fine", "5 offers: 1 draining, 2 maintenance, 2 not enough cpus; nearest is host-past with cpus 0 of 1"},
		{"ignored", placement.Demand{Maintenance: placement.Ignore, Draining: placement.Ignore}, "soon past late draining fine", ""},
		{"draining avoided", placement.Demand{Maintenance: placement.Refuse, Draining: placement.Avoid}, "past fine draining", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.d.Group, tc.d.Resources = "g", parse(t, "cpus:1")
			all := offers(t, list...)
			all[3].Draining = true
			r := place(t, &placement.Cycle{Now: day, Offers: all, Pending: tasks(&tc.d, 5)})
			if got := strings.Join(on(r), " "); got != tc.want {
				t.Errorf("agents %s, want %s", got, tc.want)
			}
			if tc.why != "" && r.Unplaced[0].Why.String() != tc.why {
				t.Errorf("explained by %q, want %q", r.Unplaced[0].Why, tc.why)
			}
		})
	}
}

func TestTasksStayInTheHomeRegionUnlessTheySayOtherwise(t *testing.T) {
	list := []offerOf{{id: "1", resources: "cpus:1", domain: "far/z1"}, {id: "2", resources: "cpus:1", domain: "home/z2"}, {id: "3", resources: "cpus:1"}, {id: "4", resources: "cpus:1", domain: "home/z4"}}
	for _, tc := range []struct {
		name string
		d    placement.Demand
		want string
	}{
		{"home by default, without domain counts as home", placement.Demand{}, "2 3 4"},
		{"any", placement.Demand{Domains: placement.Domains{AnyRegion: true}}, "1 2 3 4"},
		{"by constraint", placement.Demand{Constraints: constraints(t, "@region IS far")}, "1"},
		{"zones preferred in order", placement.Demand{Domains: placement.Domains{Zones: []string{"z4", "z2"}}}, "4 2 3"},
		{"regions preferred", placement.Demand{Domains: placement.Domains{AnyRegion: true, Regions: []string{"far"}}}, "1 2 3 4"},
		{"a light preference", placement.Demand{Domains: placement.Domains{Zones: []string{"z4"}, Weight: 0.01}}, "4 2 3"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.d.Group, tc.d.Resources = "g", parse(t, "cpus:1")
			r := place(t, &placement.Cycle{HomeRegion: "home", Offers: offers(t, list...), Pending: tasks(&tc.d, 4)})
			if got := strings.Join(on(r), " "); got != tc.want {
				t.Errorf("agents %s, want %s", got, tc.want)
			}
		})
	}
}

func TestSoftConstraintsRankAgents(t *testing.T) {
	for _, tc := range []struct {
		constraints string
		want        string
	}{
		{"hostname UNIQUE soft", "1 2 3 4 5 6 7 1"},
		{"rack UNIQUE soft", "1 3 5 1 3 5 1 3"}, // without a rack is worse than a rack with many
		{"rack GROUP_BY soft", "1 3 5 1 3 5 1 3"},
		{"rack MAX_PER 2 soft", "1 1 3 3 5 5 1 3"},
		{"rack CLUSTER soft", "1 1 1 1 1 1 1 1"},
		{"rack LIKE r[23] soft", "3 3 3 3 3 3 3 3"},
		{"rack IS_NOT r1 soft; rack IS r3 soft", "5 5 5 5 5 5 5 5"},
		{"rack IS r2 soft; rack IS r3 soft(1.5)", "5 5 5 5 5 5 5 5"},
		{"rack IS r9 soft", "1 1 1 1 1 1 1 1"},
	} {
		d := &placement.Demand{Group: "app", Resources: parse(t, "cpus:0.1"), Constraints: constraints(t, strings.Split(tc.constraints, "; ")...)}
		r := place(t, &placement.Cycle{Offers: racks(t), Pending: tasks(d, 8)})
		if got := strings.Join(on(r), " "); got != tc.want {
			t.Errorf("%s: agents %s, want %s", tc.constraints, got, tc.want)
		}
	}
}

func TestAffinities(t *testing.T) {
	for _, tc := range []struct {
		name string
		a    placement.Affinity
		want string
	}{
		{"same host", placement.Affinity{Group: "db"}, "3 3"},
		{"same rack", placement.Affinity{Group: "db", Field: "rack"}, "3 3"},
		{"other host", placement.Affinity{Group: "db", Anti: true}, "1 1"},
		{"other rack", placement.Affinity{Group: "web", Field: "rack", Anti: true}, "3 3"},
		{"near what is not there", placement.Affinity{Group: "none"}, ""},
		{"away from what is not there", placement.Affinity{Group: "none", Anti: true}, "1 1"},
		{"if possible", placement.Affinity{Group: "none", Soft: true}, "1 1"},
		{"rather near", placement.Affinity{Group: "db", Soft: true}, "3 3"},
		{"rather away", placement.Affinity{Group: "web", Soft: true, Anti: true, Field: "rack"}, "3 3"},
		{"together, wherever that is", placement.Affinity{Group: "app"}, "1 1"},
		{"away from each other", placement.Affinity{Group: "app", Anti: true}, "1 2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := placement.NewPlaced()
			all := racks(t)
			p.Add("web", all[0].Agent)
			p.Add("db", all[2].Agent)
			d := &placement.Demand{Group: "app", Resources: parse(t, "cpus:0.1"), Affinities: []placement.Affinity{tc.a}}
			r := place(t, &placement.Cycle{Offers: all, Placed: p, Pending: tasks(d, 2)})
			if got := strings.Join(on(r), " "); got != tc.want {
				t.Errorf("agents %s, want %s", got, tc.want)
			}
			if tc.want == "" && r.Unplaced[0].Why.String() != "7 offers: 7 affinity hostname near none" {
				t.Errorf("explained by %q", r.Unplaced[0].Why)
			}
		})
	}
}

func TestAnAffinityToALaterTaskIsMetInTheSameCycle(t *testing.T) {
	web := &placement.Demand{Group: "web", Resources: parse(t, "cpus:1"), Affinities: []placement.Affinity{{Group: "db", Field: "rack"}}}
	db := &placement.Demand{Group: "db", Resources: parse(t, "cpus:8"), Constraints: constraints(t, "rack IS r3")}
	r := place(t, &placement.Cycle{Offers: racks(t), Pending: append(tasks(web, 1), tasks(db, 1)...)})
	if diff := cmp.Diff([]string{"db.1 agent-5", "web.1 agent-6"}, where(r)); diff != "" {
		t.Errorf("placed (-want +got):\n%s", diff)
	}
}

func TestScorers(t *testing.T) {
	list := []offerOf{{id: "1", resources: "cpus:8;mem:64"}, {id: "2", resources: "cpus:4;mem:128"}, {id: "3", resources: "cpus:16;mem:32"}}
	pack, spread := placement.BinPack(), placement.Spread()
	custom := placement.ScorerFunc(func(_ *placement.Demand, c *placement.Candidate) float64 { return 1 - float64(c.Free.CPUs)/1e5 })
	for _, tc := range []struct {
		name string
		cfg  placement.Config
		want string
	}{
		{"packed", placement.Config{}, "2 2 2 2"},
		{"packed, asked for", placement.Config{Scorer: pack}, "2 2 2 2"},
		{"spread", placement.Config{Scorer: spread}, "1 2 3 1"},
		{"good enough", placement.Config{GoodEnough: 0.01}, "2 2 2 2"},
		{"half and half", placement.Config{Scorer: placement.Mix(placement.Weighted{Scorer: pack, Weight: 1}, placement.Weighted{Scorer: spread, Weight: 1})}, "1 1 1 1"},
		{"mixed", placement.Config{Scorer: placement.Mix(placement.Weighted{Scorer: pack, Weight: 1}, placement.Weighted{Scorer: spread, Weight: 2}, placement.Weighted{Scorer: pack, Weight: -1})}, "1 2 3 1"},
		{"mixed with one's own", placement.Config{Scorer: placement.Mix(placement.Weighted{Scorer: custom, Weight: 9}, placement.Weighted{Scorer: spread, Weight: 1e-3})}, "2 2 2 2"},
		{"nothing to go by", placement.Config{Scorer: placement.Mix()}, "1 1 1 1"},
		{"one's own", placement.Config{Scorer: custom}, "2 2 2 2"},
		{"few on an agent", placement.Config{Scorer: placement.ScorerFunc(func(_ *placement.Demand, c *placement.Candidate) float64 { return 1 / float64(1+c.Placed) })}, "1 2 3 1"},
		{"a filter", placement.Config{Filters: []placement.Filter{placement.FilterFunc(func(_ *placement.Demand, c *placement.Candidate) string {
			if c.Capacity.CPUs > 10000 {
				return "too noble"
			}
			return ""
		})}}, "2 2 2 2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := &placement.Demand{Group: "g", Resources: parse(t, "cpus:0.5;mem:4")}
			r := placement.New(tc.cfg).Place(&placement.Cycle{Offers: offers(t, list...), Pending: tasks(d, 4)})
			if got := strings.Join(on(r), " "); got != tc.want {
				t.Errorf("agents %s, want %s", got, tc.want)
			}
		})
	}
}

func TestFiltersAreExplained(t *testing.T) {
	cfg := placement.Config{Filters: []placement.Filter{placement.FilterFunc(func(_ *placement.Demand, c *placement.Candidate) string {
		return "no " + c.Agent.Hostname[:4]
	})}}
	r := placement.New(cfg).Place(&placement.Cycle{Offers: racks(t), Pending: tasks(&placement.Demand{Group: "g"}, 1)})
	if got := r.Unplaced[0].Why.String(); got != "7 offers: 7 filter no host" {
		t.Errorf("explained by %q", got)
	}
}

func TestAHeldAgentIsForItsTaskOnly(t *testing.T) {
	big := &placement.Demand{Group: "big", Resources: parse(t, "cpus:6")}
	small := &placement.Demand{Group: "small", Resources: parse(t, "cpus:1")}
	list := []offerOf{{id: "1", resources: "cpus:3"}, {id: "2", resources: "cpus:5"}, {id: "3", resources: "cpus:1"}}
	pending := func() []*placement.Task {
		out := append(tasks(big, 1), tasks(small, 9)...)
		out[0].Hold = true
		return out
	}
	r := place(t, &placement.Cycle{Offers: offers(t, list...), Pending: pending()})
	if got := strings.Join(on(r), " "); got != "3 1 1 1" {
		t.Errorf("small tasks on %s: they eat up what the big one waits for", got)
	}
	if diff := cmp.Diff([]placement.Hold{{TaskID: "big.1", AgentID: "agent-2"}}, r.Holds); diff != "" {
		t.Errorf("holds (-want +got):\n%s", diff)
	}
	if got := r.Unplaced[0].Why.String(); got != "3 offers: 3 not enough cpus; nearest is host-2 with cpus 5 of 6" {
		t.Errorf("the big one waits for %q", got)
	}
	if got := r.Unplaced[1].Why.String(); got != "3 offers: 1 held for another task, 2 not enough cpus; nearest is host-3 with cpus 0 of 1" &&
		got != "3 offers: 1 held for another task, 2 not enough cpus; nearest is host-1 with cpus 0 of 1" {
		t.Errorf("a small one waits for %q", got)
	}

	// The rest of the agent comes later.
	list = []offerOf{{id: "1", resources: "cpus:3"}, {id: "4", agent: "agent-2", host: "host-2", resources: "cpus:1"}, {id: "2", resources: "cpus:5"}}
	r = place(t, &placement.Cycle{Offers: offers(t, list...), Pending: pending(), Holds: append(r.Holds, placement.Hold{TaskID: "gone", AgentID: "agent-1"})})
	if got := strings.Join(on(r), " "); got != "2 1 1 1" || len(r.Holds) > 0 {
		t.Errorf("tasks on %s, holds %v", got, r.Holds)
	}

	// Meanwhile there is a better place: the hold is released, and the others may have the agent.
	list = []offerOf{{id: "2", resources: "cpus:5"}, {id: "5", resources: "cpus:6"}}
	r = place(t, &placement.Cycle{Offers: offers(t, list...), Pending: pending(), Holds: []placement.Hold{{TaskID: "big.1", AgentID: "agent-2"}}})
	if got := strings.Join(on(r), " "); got != "5 2 2 2 2 2" || len(r.Holds) > 0 {
		t.Errorf("tasks on %s, holds %v", got, r.Holds)
	}

	// An agent without offers at the moment stays held.
	held := []placement.Hold{{TaskID: "big.1", AgentID: "agent-9"}}
	r = place(t, &placement.Cycle{Offers: offers(t, list[0]), Pending: pending(), Holds: held})
	if diff := cmp.Diff(held, r.Holds); diff != "" {
		t.Errorf("holds (-want +got):\n%s", diff)
	}
}

func TestPlacedKeepsCount(t *testing.T) {
	p := placement.NewPlaced()
	all := racks(t)
	for _, o := range all {
		p.Observe(o.Agent)
	}
	for range 2 {
		p.Add("a", all[0].Agent)
	}
	if n := p.Count("a", "rack", "r1"); n != 2 { // indexed from here on
		t.Errorf("%d on r1, want 2", n)
	}
	p.Add("a", all[1].Agent)
	p.Add("a", all[6].Agent) // without a rack
	p.Add("b", all[2].Agent)
	moved := *all[1].Agent
	moved.Attributes = all[4].Agent.Attributes
	check := func(when string, want ...int) {
		t.Helper()
		got := []int{p.Count("a", "rack", "r1"), p.Count("a", "rack", "r3"), p.Count("a", placement.Hostname, "host-1"), p.Count("b", "", "host-3"), p.Total("a"), p.On("a", "agent-1")}
		if !slices.Equal(got, want) {
			t.Errorf("%s: counts %v, want %v", when, got, want)
		}
	}
	check("added", 3, 0, 2, 1, 4, 2)
	p.Observe(&moved)
	check("an agent has other attributes", 2, 1, 2, 1, 4, 2)
	if !p.Remove("a", "agent-1") || !p.Remove("b", "agent-3") || p.Remove("b", "agent-3") || p.Remove("c", "agent-3") || p.Remove("a", "nowhere") {
		t.Error("Remove doesn't know what there was")
	}
	check("removed", 1, 1, 1, 0, 3, 1)
	p.Forget("agent-1")
	check("a forgotten agent's tasks still count", 1, 1, 1, 0, 3, 1)
	p.Remove("a", "agent-1")
	check("until they are removed", 0, 1, 0, 0, 2, 0)
	if want := "agent-2 agent-3 agent-4 agent-5 agent-6 agent-7"; strings.Join(p.Agents(), " ") != want {
		t.Errorf("agents %v, want %s", p.Agents(), want)
	}
}

func TestExplanationsReadWell(t *testing.T) {
	p := placement.NewPlaced()
	all := racks(t)
	for i := range 3 {
		p.Add("app", all[i].Agent)
	}
	d := &placement.Demand{
		Group: "app", Resources: parse(t, "cpus:9;gpus:1"), Ports: placement.AnyPorts(1),
		Constraints: constraints(t, "hostname UNIQUE", "rack LIKE r[23]"), Affinities: []placement.Affinity{{Group: "db", Anti: true}},
	}
	p.Add("db", all[3].Agent)
	r := place(t, &placement.Cycle{Offers: all, Placed: p, Pending: tasks(d, 1)})
	want := "7 offers: 1 constraint hostname UNIQUE, 3 constraint rack LIKE r[23], 1 affinity hostname away from db, 2 not enough cpus; nearest is host-5 with cpus 8 of 9, gpus 0 of 1, ports 0 of 1"
	if got := r.Unplaced[0].Why.String(); got != want {
		t.Errorf("explained by\n%s, want\n%s", got, want)
	}
	for c := range placement.Cause(20) {
		if c.String() == "" {
			t.Errorf("cause %d has no text", c)
		}
	}
	if got := fmt.Sprint((*placement.Explanation)(nil)); got != "not tried yet" {
		t.Errorf("no explanation reads %q", got)
	}
}
