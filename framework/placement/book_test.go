package placement_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/mesokit/mesokit/framework/placement"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// day is a time to start from, and at the clock some seconds later.
var day = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time { return day.Add(time.Duration(seconds * float64(time.Second))) }

// says writes Actions as text: what a stranger wants to see in a diff.
func says(a placement.Actions) (out []string) {
	for _, d := range a.Declines {
		line := "decline"
		for _, id := range d.OfferIDs {
			line += " " + id.GetValue()
		}
		out = append(out, line+" for "+d.Refuse.String())
	}
	for _, r := range a.Suppress {
		out = append(out, "suppress "+r)
	}
	for _, r := range a.Revive {
		out = append(out, "revive "+r)
	}
	return out
}

func offerIDs(list []*placement.Offer) (out []string) {
	for _, o := range list {
		out = append(out, o.ID())
	}
	return out
}

func TestBookGivesOffersBackInTime(t *testing.T) {
	offer := func(id, agent, role string) *mesospb.Offer {
		return offerOf{id: id, agent: agent, role: role, resources: "cpus:1"}.proto(t)
	}
	id := func(id string) *mesospb.OfferID { return &mesospb.OfferID{Value: &id} }
	type step struct {
		at   float64
		do   func(b *placement.Book)
		want []string
		next float64 // seconds; 0: never
	}
	for _, tc := range []struct {
		name  string
		cfg   placement.BookConfig
		steps []step
	}{
		{"the offers of an agent expire together, with the oldest", placement.BookConfig{ReviveAgain: -1}, []step{
			{0, func(b *placement.Book) { b.Add(at(0), offer("1", "a", "x"), offer("2", "b", "x")) }, nil, 10},
			{5, func(b *placement.Book) { b.Add(at(5), offer("3", "a", "x"), offer("4", "c", "y")) }, nil, 10},
			{9.9, nil, nil, 10},
			{10, nil, []string{"decline 1 2 3 for 5s"}, 15},
			{15, nil, []string{"decline 4 for 5s"}, 0},
		}},
		{"an offer that comes after a take starts a new time", placement.BookConfig{ReviveAgain: -1}, []step{
			{0, func(b *placement.Book) { b.Add(at(0), offer("1", "a", "x")) }, nil, 10},
			{4, func(b *placement.Book) { b.Take(id("1")); b.Add(at(4), offer("2", "a", "x")) }, nil, 14},
			{10, nil, nil, 14},
			{14, nil, []string{"decline 2 for 5s"}, 0},
		}},
		{"idle roles refuse for long and are suppressed; new work revives them", placement.BookConfig{ReviveAgain: -1}, []step{
			{0, func(b *placement.Book) { b.Add(at(0), offer("1", "a", "x"), offer("2", "a", "y")); b.Idle("x") }, []string{"decline 1 for 1h0m0s", "suppress x"}, 10},
			{1, func(b *placement.Book) { b.Idle("x") }, nil, 10},
			{2, func(b *placement.Book) { b.Add(at(2), offer("3", "b", "x")) }, []string{"decline 3 for 1h0m0s"}, 10},
			{3, func(b *placement.Book) { b.Want("x", false) }, []string{"revive x"}, 10},
			{4, func(b *placement.Book) { b.Want("x", false) }, nil, 10},
		}},
		{"watched roles refuse for some time and are not suppressed; new work revives them", placement.BookConfig{}, []step{
			{0, func(b *placement.Book) { b.Add(at(0), offer("1", "a", "x")); b.Watch("x") }, []string{"decline 1 for 5m0s"}, 360},
			{60, func(b *placement.Book) { b.Watch("x") }, nil, 360},
			{100, func(b *placement.Book) { b.Want("x", false) }, []string{"revive x"}, 160},
			{101, func(b *placement.Book) { b.Idle("x") }, []string{"suppress x"}, 0},
			{200, func(b *placement.Book) { b.Watch("x") }, []string{"revive x"}, 560},
			{560, nil, []string{"revive x"}, 920}, // it may have been lost
		}},
		{"what is of no use to those who wait is refused for some time", placement.BookConfig{ReviveAgain: -1}, []step{
			{0, func(b *placement.Book) {
				b.Want("x", false)
				b.Add(at(0), offer("1", "a", "x"), offer("2", "b", "x"))
				b.Aside(b.Offers()[1:])
			}, []string{"decline 2 for 5m0s"}, 10},
			{10, nil, []string{"decline 1 for 5s"}, 0},
		}},
		{"what fits nothing is refused shortly, unless it is held", placement.BookConfig{ReviveAgain: -1}, []step{
			{0, func(b *placement.Book) {
				b.Add(at(0), offer("1", "a", "x"), offer("2", "b", "x"))
				b.Unfit(b.Offers(), []placement.Hold{{TaskID: "big", AgentID: "b", Role: "x"}})
			}, []string{"decline 1 for 5s"}, 10},
			{10, nil, []string{"decline 2 for 5s"}, 0},
		}},
		{"new work revives only if something was refused", placement.BookConfig{ReviveAgain: -1}, []step{
			{0, func(b *placement.Book) { b.Want("x", true) }, nil, 0},
			{1, func(b *placement.Book) { b.Add(at(1), offer("1", "a", "x")); b.Unfit(b.Offers(), nil) }, []string{"decline 1 for 5s"}, 0},
			{2, func(b *placement.Book) { b.Want("x", false) }, nil, 0},
			{3, func(b *placement.Book) { b.Want("x", true) }, []string{"revive x"}, 0},
		}},
		{"revive is rate limited per role", placement.BookConfig{ReviveAgain: -1, ReviveBurst: 2}, []step{
			{0, func(b *placement.Book) { b.Idle("x"); b.Idle("y") }, []string{"suppress x", "suppress y"}, 0},
			{1, func(b *placement.Book) { b.Want("x", true) }, []string{"revive x"}, 0},
			{1, func(b *placement.Book) { b.Idle("x") }, []string{"suppress x"}, 0},
			{1, func(b *placement.Book) { b.Want("x", true) }, []string{"revive x"}, 0},
			{1, func(b *placement.Book) { b.Idle("x") }, []string{"suppress x"}, 0},
			{2, func(b *placement.Book) { b.Want("x", true) }, nil, 6},
			{2, func(b *placement.Book) { b.Want("y", true) }, []string{"revive y"}, 6},
			{6, nil, []string{"revive x"}, 0},
		}},
		{"a revive that seems lost is repeated", placement.BookConfig{}, []step{
			{0, func(b *placement.Book) { b.Want("x", true) }, nil, 60},
			{60, nil, []string{"revive x"}, 120},
			{100, func(b *placement.Book) { b.Add(at(100), offer("1", "a", "x")) }, nil, 110},
			{110, nil, []string{"decline 1 for 5s"}, 160},
			{160, nil, []string{"revive x"}, 220},
		}},
		{"without suppress", placement.BookConfig{NoSuppress: true, ReviveAgain: -1}, []step{
			{0, func(b *placement.Book) { b.Idle("x") }, nil, 0},
			{1, func(b *placement.Book) { b.Add(at(1), offer("1", "a", "x")) }, []string{"decline 1 for 1h0m0s"}, 0},
			{2, func(b *placement.Book) { b.Want("x", false) }, []string{"revive x"}, 0},
		}},
		{"rescinded and gone offers are not declined", placement.BookConfig{ReviveAgain: -1}, []step{
			{0, func(b *placement.Book) { b.Add(at(0), offer("1", "a", "x"), offer("2", "b", "x")) }, nil, 10},
			{1, func(b *placement.Book) { b.Rescind("1"); b.Forget("b") }, nil, 0},
			{10, nil, nil, 0},
		}},
		{"after a disconnection everything is asked for again", placement.BookConfig{ReviveAgain: -1}, []step{
			{0, func(b *placement.Book) { b.Add(at(0), offer("1", "a", "x")); b.Want("x", false); b.Idle("y") }, []string{"suppress y"}, 10},
			{1, func(b *placement.Book) { b.Reset("y") }, []string{"revive x"}, 0},
			{2, func(b *placement.Book) { b.Reset() }, []string{"suppress y", "revive x"}, 0},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := placement.NewBook(tc.cfg)
			for i, s := range tc.steps {
				if s.do != nil {
					s.do(b)
				}
				if diff := cmp.Diff(s.want, says(b.Step(at(s.at)))); diff != "" {
					t.Errorf("step %d at %v (-want +got):\n%s", i, s.at, diff)
				}
				next := 0.0
				if n := b.Next(); !n.IsZero() {
					next = n.Sub(day).Seconds()
				}
				if next != s.next {
					t.Errorf("step %d at %v: next at %v, want %v", i, s.at, next, s.next)
				}
			}
		})
	}
}

func TestBookRemembersAgents(t *testing.T) {
	b := placement.NewBook(placement.BookConfig{})
	b.Drain("b", true)
	b.Add(day, offerOf{id: "1", agent: "a", resources: "cpus:4;mem:64"}.proto(t), offerOf{id: "2", agent: "a", resources: "cpus:1;gpus:2"}.proto(t),
		offerOf{id: "3", agent: "b", resources: "cpus:1"}.proto(t))
	b.Take(&mesospb.OfferID{Value: new("1")}, &mesospb.OfferID{Value: new("2")}, &mesospb.OfferID{Value: new("2")}, &mesospb.OfferID{Value: new("9")})
	b.Add(day, offerOf{id: "4", agent: "a", resources: "cpus:2"}.proto(t), offerOf{id: "4", agent: "a", resources: "cpus:2"}.proto(t))
	if got := offerIDs(b.Offers()); !slices.Equal(got, []string{"3", "4"}) {
		t.Fatalf("offers %v, want 3 and 4", got)
	}
	if c := b.Offer("4").Agent.Capacity; c != (placement.Amounts{CPUs: 5000, Mem: 64000, GPUs: 2000}) {
		t.Errorf("capacity %+v: an agent has at least what was offered of it", c)
	}
	if !b.Offer("3").Draining {
		t.Error("an offer of a draining agent does not say so")
	}
	b.Drain("b", false)
	if b.Offer("3").Draining {
		t.Error("an offer of an agent that drains no longer says that it does")
	}
}

func TestBookTellsWhenAllOffersAreIn(t *testing.T) {
	b := placement.NewBook(placement.BookConfig{})
	check := func(seconds float64, want bool) {
		t.Helper()
		b.Step(at(seconds))
		if got := b.Complete("x", at(seconds), 2*time.Second); got != want {
			t.Errorf("complete at %v: %v, want %v", seconds, got, want)
		}
	}
	check(0, false) // nothing known of the role
	b.Want("x", false)
	check(1, false)
	b.Add(at(2), offerOf{id: "1", agent: "a", role: "x", resources: "cpus:1"}.proto(t), offerOf{id: "2", agent: "b", role: "x", resources: "cpus:1"}.proto(t))
	check(2, false)
	check(3, true)
	b.Take(&mesospb.OfferID{Value: new("1")})
	check(4, false)
	b.Unfit(b.Offers(), nil)
	check(4, false)
	b.Want("x", true)
	check(5, false)
	check(7, true)
	b.Idle("x")
	check(8, false)
	b.Want("x", false)
	check(9, false)
	check(11, true)
	b.Reset()
	check(12, false)
	check(14, true)
}

// TestNoOfferIsForgotten feeds random events and keeps account: every offer leaves exactly once and in time, nothing is declined that
// is not there, and revives keep their rate.
func TestNoOfferIsForgotten(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		cfg := placement.BookConfig{HoldFor: 10 * time.Second, ReviveEvery: 5 * time.Second, ReviveBurst: 2}
		b := placement.NewBook(cfg)
		now, count := day, 0
		arrived := map[string]time.Time{}
		revives := map[string][]time.Time{}
		suppressed := map[string]bool{}
		idle := map[string]bool{}
		role := rapid.SampledFrom([]string{"x", "y"})
		agent := rapid.SampledFrom([]string{"a", "b", "c"})
		step := func() {
			a := b.Step(now)
			for _, d := range a.Declines {
				for _, id := range d.OfferIDs {
					if _, there := arrived[id.GetValue()]; !there {
						rt.Fatalf("declined %s, which is not in hand", id.GetValue())
					}
					delete(arrived, id.GetValue())
				}
			}
			for _, r := range a.Suppress {
				if !idle[r] || suppressed[r] {
					rt.Fatalf("suppress %s, which is idle=%v suppressed=%v", r, idle[r], suppressed[r])
				}
				suppressed[r] = true
			}
			for _, r := range a.Revive {
				if idle[r] {
					rt.Fatalf("revive of %s, which wants nothing", r)
				}
				suppressed[r] = false
				revives[r] = append(revives[r], now)
				if n := len(revives[r]); n > 2 && now.Sub(revives[r][n-3]) < cfg.ReviveEvery {
					rt.Fatalf("three revives of %s within %v", r, now.Sub(revives[r][n-3]))
				}
			}
			for id, came := range arrived {
				if now.Sub(came) >= cfg.HoldFor {
					rt.Fatalf("offer %s is kept since %v", id, now.Sub(came))
				}
			}
			if b.Len() != len(arrived) {
				rt.Fatalf("%d offers in the book, want %d", b.Len(), len(arrived))
			}
			if n := b.Next(); !n.IsZero() && !n.After(now) {
				rt.Fatalf("next step %v is due already: nobody would sleep", n.Sub(now))
			} else if n.IsZero() && len(arrived) > 0 {
				rt.Fatalf("offers in hand, but nothing to wake up for")
			}
		}
		pick := func() string {
			var ids []string
			for id := range arrived {
				ids = append(ids, id)
			}
			slices.Sort(ids)
			return rapid.SampledFrom(append(ids, "unknown")).Draw(rt, "offer")
		}
		rt.Repeat(map[string]func(*rapid.T){
			"offer": func(rt *rapid.T) {
				count++
				id := fmt.Sprint(count)
				b.Add(now, offerOf{id: id, agent: agent.Draw(rt, "agent"), role: role.Draw(rt, "role"), resources: "cpus:1"}.proto(t))
				arrived[id] = now
			},
			"take":    func(rt *rapid.T) { id := pick(); b.Take(&mesospb.OfferID{Value: &id}); delete(arrived, id) },
			"rescind": func(rt *rapid.T) { id := pick(); b.Rescind(id); delete(arrived, id) },
			"want": func(rt *rapid.T) {
				r := role.Draw(rt, "role")
				b.Want(r, rapid.Bool().Draw(rt, "fresh"))
				idle[r] = false
			},
			"idle":  func(rt *rapid.T) { r := role.Draw(rt, "role"); b.Idle(r); idle[r] = true },
			"unfit": func(rt *rapid.T) { b.Unfit(b.Offers(), nil) },
			"reset": func(rt *rapid.T) { b.Reset(); clear(arrived); clear(suppressed) },
			"forget": func(rt *rapid.T) {
				a := agent.Draw(rt, "agent")
				for _, o := range b.Offers() {
					if o.Agent.ID == a {
						delete(arrived, o.ID())
					}
				}
				if b.Forget(a); b.Agent(a) != nil {
					rt.Fatal("a forgotten agent is still known")
				}
			},
			"sleep": func(rt *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 3000).Draw(rt, "ms")) * time.Millisecond)
				if n := b.Next(); !n.IsZero() && n.Before(now) {
					now = n
				}
			},
			"": func(rt *rapid.T) { step() },
		})
	})
}

func TestBookKnowsWhatMayBeOfferedAgain(t *testing.T) {
	b := placement.NewBook(placement.BookConfig{ReviveAgain: -1})
	offer := func(id, agent string) *mesospb.Offer {
		return offerOf{id: id, agent: agent, role: "x", resources: "cpus:1"}.proto(t)
	}
	check := func(seconds float64, recent []string, awaited ...string) {
		t.Helper()
		b.Step(at(seconds))
		got := []string{}
		for _, a := range []string{"a", "b", "c"} {
			if b.Awaits(a, "x", at(seconds)) {
				got = append(got, a)
			}
		}
		if diff := cmp.Diff(awaited, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("at %v s, awaited (-want +got):\n%s", seconds, diff)
		}
		if diff := cmp.Diff(recent, offerIDs(b.Recent(at(seconds))), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("at %v s, recent (-want +got):\n%s", seconds, diff)
		}
	}
	b.Want("x", false)
	b.Add(at(0), offer("1", "a"), offer("2", "b"), offer("3", "c"))
	check(0, []string{"1", "2", "3"}, "a", "b", "c")
	b.Unfit(b.Offers()[:2], nil)
	check(1, []string{"3", "1", "2"}, "a", "b", "c") // a and b are refused until 6
	b.Take(&mesospb.OfferID{Value: new("3")})
	check(2, []string{"1", "2"}, "a", "b", "c") // what is left of c is refused until 7
	b.Add(at(6), offer("4", "a"))
	check(10.9, []string{"4", "2"}, "a", "b", "c")
	check(11, []string{"4", "2"}, "a", "c") // b is not offered again: others have it
	check(12, []string{"4", "2"}, "a")
	b.Want("x", true)
	check(13, []string{"4", "2"}, "a") // a REVIVE brings nothing of those whose refusal was over
	b.Rescind("4")
	check(14, []string{"2"}, "a")
	check(19, []string{"2"})
	check(21, nil)
	b.Add(at(22), offer("5", "b"))
	b.Reset()
	check(23, nil, "a", "b", "c")
	b.Forget("a")
	check(24, nil, "b", "c")
	check(28, nil)
}
