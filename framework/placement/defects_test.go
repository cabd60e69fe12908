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

// Defects that users of Marathon and Fenzo reported, and that this package must not have. The numbers are those of
// d2iq-archive/marathon and Netflix/Fenzo.

// zones are n agents in each of the named zones.
func zones(t testing.TB, cpus string, n int, names ...string) (list []*placement.Offer) {
	t.Helper()
	for _, z := range names {
		for i := range n {
			id := fmt.Sprintf("%s-%d", z, i)
			list = append(list, offers(t, offerOf{id: id, resources: "cpus:" + cpus, domain: "home/" + z})...)
		}
	}
	return list
}

// launch places tasks and enters them in p, and returns how many are in each zone then.
func launch(t testing.TB, p *placement.Placed, list []*placement.Offer, d *placement.Demand, n int) map[string]int {
	t.Helper()
	for _, o := range list {
		p.Observe(o.Agent)
	}
	r := place(t, &placement.Cycle{Offers: list, Placed: p, Pending: tasks(d, n)})
	for _, a := range r.Assignments {
		p.Add(d.Group, a.Agent)
	}
	count := map[string]int{}
	for _, z := range []string{"a", "b", "c"} {
		if k := p.Count(d.Group, placement.Zone, z); k > 0 {
			count[z] = k
		}
	}
	return count
}

// Marathon #3220: after a zone was lost and came back, GROUP_BY left it empty or stalled.
func TestGroupsStayEvenWhenAZoneIsLost(t *testing.T) {
	for _, unreachable := range []bool{false, true} {
		t.Run(fmt.Sprintf("tasks of the zone still count: %v", unreachable), func(t *testing.T) {
			d := &placement.Demand{Group: "g", Resources: parse(t, "cpus:1"), Constraints: constraints(t, "@zone GROUP_BY")}
			p := placement.NewPlaced()
			all := zones(t, "8", 2, "a", "b", "c")
			if diff := cmp.Diff(map[string]int{"a": 2, "b": 2, "c": 2}, launch(t, p, all, d, 6)); diff != "" {
				t.Fatalf("before (-want +got):\n%s", diff)
			}
			lost, want := 0, map[string]int{"a": 3, "b": 3}
			for _, o := range all[4:] {
				p.Forget(o.Agent.ID)
				for !unreachable && p.Remove("g", o.Agent.ID) {
					lost++
				}
			}
			if unreachable {
				lost, want["c"] = 2, 2
			}
			if diff := cmp.Diff(want, launch(t, p, all[:4], d, lost)); diff != "" {
				t.Fatalf("replacements (-want +got):\n%s", diff)
			}
			if unreachable { // gone for good in the end
				for _, o := range all[4:] {
					for p.Remove("g", o.Agent.ID) {
					}
				}
			}
			if diff := cmp.Diff(map[string]int{"a": 3, "b": 3, "c": 3}, launch(t, p, all, d, 3)); diff != "" {
				t.Fatalf("after the zone is back (-want +got):\n%s", diff)
			}
		})
	}
}

// Marathon #4281: GROUP_BY stalls when one of the values is nearly full.
func TestAFullAgentDoesNotStallItsGroup(t *testing.T) {
	d := &placement.Demand{Group: "g", Resources: parse(t, "cpus:1"), Constraints: constraints(t, "hostname GROUP_BY")}
	full := offers(t, offerOf{id: "full", resources: "cpus:0.9"}, offerOf{id: "1", resources: "cpus:9"}, offerOf{id: "2", resources: "cpus:9"})
	r := place(t, &placement.Cycle{Offers: full, Pending: tasks(d, 4)})
	if got := strings.Join(on(r), " "); got != "1 2 1 2" {
		t.Errorf("agents %s, want 1 2 1 2", got)
	}
	// An agent that is so full that it has no offer at all holds the others up until all offers are in.
	p := placement.NewPlaced()
	for _, o := range full {
		p.Observe(o.Agent)
	}
	c := &placement.Cycle{Offers: full[1:], Placed: p, Pending: tasks(d, 4)}
	if r := place(t, c); len(r.Assignments) != 2 || r.Unplaced[0].Why.String() != "2 offers: 2 constraint hostname GROUP_BY" {
		t.Errorf("%d placed: an offer of the third host may be on its way; %s", len(r.Assignments), r.Unplaced[0].Why)
	}
	c.Complete = true
	if r := place(t, c); len(r.Assignments) != 4 {
		t.Errorf("%d placed although all offers are in", len(r.Assignments))
	}
}

// Marathon #7269: GROUP_BY together with a constraint that excludes some of the values doesn't work.
func TestGroupsAreThoseOfTheAgentsThatOtherConstraintsAllow(t *testing.T) {
	d := &placement.Demand{Group: "g", Resources: parse(t, "cpus:1"), Constraints: constraints(t, "@zone IS a", "hostname GROUP_BY")}
	p := placement.NewPlaced()
	all := zones(t, "8", 2, "a", "b")
	if got := launch(t, p, all, d, 6); got["a"] != 6 {
		t.Errorf("placed %v, want 6 in a", got)
	}
	if got := launch(t, p, all[:2], d, 4); got["a"] != 10 { // those of b have no offers now
		t.Errorf("placed %v, want 10 in a", got)
	}
}

// Marathon #1133: after a change of constraints, instances of the old version elsewhere block the new one.
func TestInstancesElsewhereDoNotBlockACluster(t *testing.T) {
	p := placement.NewPlaced()
	all := racks(t)
	for _, k := range []int{0, 2, 4, 4} {
		p.Add("g", all[k].Agent)
	}
	for text, want := range map[string]string{"rack CLUSTER r2": "3 3", "rack CLUSTER": "5 5"} {
		d := &placement.Demand{Group: "g", Resources: parse(t, "cpus:0.1"), Constraints: constraints(t, text)}
		if got := strings.Join(on(place(t, &placement.Cycle{Offers: all, Placed: p, Pending: tasks(d, 2)})), " "); got != want {
			t.Errorf("%s: agents %s, want %s", text, got, want)
		}
	}
}

// Marathon #846, #1915: one instance on every agent, those that come later included.
func TestOnePerAgent(t *testing.T) {
	d := &placement.Demand{Group: "daemon", Resources: parse(t, "cpus:0.1"), Constraints: constraints(t, "hostname UNIQUE")}
	p := placement.NewPlaced()
	all := zones(t, "8", 5, "a")
	launch(t, p, all[:3], d, 9)
	if got := launch(t, p, all, d, 9); got["a"] != 5 {
		t.Errorf("%v instances on 5 agents", got)
	}
	for _, o := range all {
		if p.On("daemon", o.Agent.ID) != 1 {
			t.Errorf("%d on %s", p.On("daemon", o.Agent.ID), o.Agent.ID)
		}
	}
}

// Marathon #1090, dcos-commons PR 2851: nobody could say why nothing starts, or the explanation was empty.
func TestEveryTaskThatWaitsIsExplained(t *testing.T) {
	small := &placement.Demand{Group: "s", Resources: parse(t, "cpus:1")}
	r := place(t, &placement.Cycle{Offers: racks(t), Pending: append(tasks(small, 60), tasks(&placement.Demand{Group: "x", Resources: parse(t, "cpus:1")}, 1)...)})
	if len(r.Unplaced) != 5 {
		t.Fatalf("%d wait, want 5", len(r.Unplaced))
	}
	for _, u := range r.Unplaced {
		if got := u.Why.String(); got != "7 offers: 7 not enough cpus; nearest is host-1 with cpus 0 of 1" {
			t.Errorf("%s: %s", u.Task.ID, got)
		}
	}
}

// Fenzo #50, #51: offers of agents with tasks on them were kept for ever, and others only went back when the next task came.
// Fenzo #87: single offers went back, so that the rest was in pieces.
func TestOffersGoBackInTimeAndWhole(t *testing.T) {
	b := placement.NewBook(placement.BookConfig{HoldFor: 10 * time.Second})
	b.Add(at(0), offerOf{id: "1", agent: "a", role: "x", resources: "cpus:4"}.proto(t))
	first := b.Offers()
	d := &placement.Demand{Group: "g", Resources: parse(t, "cpus:1")}
	got := place(t, &placement.Cycle{Offers: first, Pending: tasks(d, 1)}).Assignments[0]
	b.Take(got.OfferIDs...)
	b.Add(at(1), offerOf{id: "2", agent: "a", role: "x", resources: "cpus:2"}.proto(t)) // what is left of the agent
	b.Add(at(8), offerOf{id: "3", agent: "a", role: "x", resources: "cpus:1"}.proto(t))
	if next := b.Next(); !next.Equal(at(11)) {
		t.Fatalf("wakes up at %v", next)
	}
	if diff := cmp.Diff([]string{"decline 2 3 for 5s"}, says(b.Step(at(11)))); diff != "" {
		t.Errorf("actions (-want +got):\n%s", diff)
	}
}

// Cook #577: constraints between instances made each offer cost a look at all instances. The counts come from indexes, which say the
// same whatever way they came about.
func TestCountsAreIndexed(t *testing.T) {
	early, late := placement.NewPlaced(), placement.NewPlaced()
	all := racks(t)
	early.Count("g", "rack", "r1") // asks before there is anything: nothing to index yet
	for i := range 100 {
		early.Add("g", all[i%7].Agent)
		late.Add("g", all[i%7].Agent)
		early.Count("g", "rack", "r1")
		if i%3 == 0 {
			early.Remove("g", all[i%5].Agent.ID)
			late.Remove("g", all[i%5].Agent.ID)
		}
	}
	for _, f := range []placement.Field{"rack", placement.Hostname, placement.Zone} {
		for _, v := range []string{"r1", "r2", "r3", "host-1", "host-7", "z0", "z3"} {
			if a, b := early.Count("g", f, v), late.Count("g", f, v); a != b {
				t.Errorf("%s %s: %d kept up, %d counted", f, v, a, b)
			}
		}
	}
	if !slices.Equal(early.Agents(), late.Agents()) {
		t.Error("different agents")
	}
}

// The value of CLUSTER is the one that most instances are on, those of this cycle included, whatever constraint they came under.
func TestClustersFollowWhatIsPlacedInTheSameCycle(t *testing.T) {
	clustered := &placement.Demand{Group: "g", Resources: parse(t, "cpus:1"), Constraints: constraints(t, "rack CLUSTER")}
	free := &placement.Demand{Group: "g", Resources: parse(t, "cpus:1")}
	p := placement.NewPlaced()
	p.Add("g", offers(t, offerOf{id: "old", resources: "cpus:1", attributes: "rack:r2"})[0].Agent)
	r := place(t, &placement.Cycle{
		Offers: offers(t, offerOf{id: "new", resources: "cpus:2", attributes: "rack:r1"}), Placed: p,
		Pending: append(tasks(clustered, 1), &placement.Task{ID: "free", Demand: free}),
	})
	if len(r.Assignments) != 2 || len(r.Unplaced) != 0 {
		t.Errorf("placed %v; %v", where(r), r.Unplaced)
	}
}
