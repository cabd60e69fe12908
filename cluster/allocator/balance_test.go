package allocator

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// Whatever happens, free and held resources add up to what there is, and shares are those of what is held.
func TestNothingIsLostOrInvented(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := New(Config{Seed: rapid.Uint64().Draw(t, "seed")})
		now := t0
		roles := []string{"*", "a", "a/b", "c"}
		type holding struct {
			framework, agent string
			list             []*mesospb.Resource
		}
		var held []holding
		frameworks, agents := map[string]bool{}, map[string][]*mesospb.Resource{}
		pick := func(m []string, what string) string {
			slices.Sort(m)
			return rapid.SampledFrom(m).Draw(t, what)
		}
		keys := func() (f, g []string) {
			for k := range frameworks {
				f = append(f, k)
			}
			for k := range agents {
				g = append(g, k)
			}
			return
		}
		recoverIf := func(match func(holding) bool) {
			held = slices.DeleteFunc(held, func(h holding) bool {
				if match(h) {
					a.Recover(h.framework, h.agent, h.list, nil)
					return true
				}
				return false
			})
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			fs, as := keys()
			switch rapid.IntRange(0, 10).Draw(t, "step") {
			case 0:
				id := fmt.Sprint("F", rapid.IntRange(0, 5).Draw(t, "id"))
				if !frameworks[id] {
					frameworks[id] = true
					a.AddFramework(id, wants(rapid.SliceOfNDistinct(rapid.SampledFrom(roles), 1, 3, rapid.ID).Draw(t, "roles")...))
				}
			case 1:
				id := fmt.Sprint("S", rapid.IntRange(0, 5).Draw(t, "id"))
				if agents[id] == nil {
					total := list(resources.NewCPUs(float64(rapid.IntRange(1, 4).Draw(t, "cpus"))), resources.NewMem(128), resources.NewPorts(1, 20),
						resources.NewCPUs(1, resources.WithRole("a")))
					agents[id] = total
					a.AddAgent(id, Agent{Total: total}, nil)
				}
			case 2, 3, 4:
				for _, o := range a.Allocate(now) {
					held = append(held, holding{o.Framework, o.Agent, o.Resources})
				}
			case 5, 6:
				if len(held) == 0 {
					continue
				}
				i := rapid.IntRange(0, len(held)-1).Draw(t, "which")
				h := held[i]
				if rapid.Bool().Draw(t, "partly") {
					part := list(h.list[rapid.IntRange(0, len(h.list)-1).Draw(t, "resource")])
					held[i].list = resources.Subtract(h.list, part)
					a.Recover(h.framework, h.agent, part, nil)
					if len(held[i].list) > 0 {
						continue
					}
				} else {
					a.Recover(h.framework, h.agent, h.list, &Filter{Expires: now.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "refuse")) * time.Second)})
				}
				held = slices.Delete(held, i, i+1)
			case 7:
				now = now.Add(time.Second)
				if len(fs) > 0 && rapid.Bool().Draw(t, "revive") {
					a.Revive(pick(fs, "framework"))
				}
			case 8:
				if len(fs) > 0 {
					id := pick(fs, "framework")
					switch rapid.IntRange(0, 2).Draw(t, "how") {
					case 0:
						a.SetFrameworkActive(id, rapid.Bool().Draw(t, "active"))
					case 1:
						a.UpdateFramework(id, wants(rapid.SampledFrom(roles).Draw(t, "role")))
					case 2:
						recoverIf(func(h holding) bool { return h.framework == id })
						a.RemoveFramework(id)
						delete(frameworks, id)
					}
				}
			case 9:
				if len(as) > 0 {
					id := pick(as, "agent")
					if rapid.Bool().Draw(t, "remove") {
						recoverIf(func(h holding) bool { return h.agent == id })
						a.RemoveAgent(id)
						delete(agents, id)
					} else {
						a.SetAgentActive(id, rapid.Bool().Draw(t, "active"))
					}
				}
			case 10:
				quota := Quantities{}
				if n := rapid.IntRange(0, 3).Draw(t, "guaranteed"); n > 0 {
					quota[resources.NameCPUs] = int64(1000 * n)
				}
				a.SetQuota(rapid.SampledFrom([]string{"a", "c"}).Draw(t, "role"), quota, nil)
			}
			if a.limited {
				spare := Quantities{}
				for _, ag := range a.agents {
					spare.add(QuantitiesOf(ag.free.Filter(countsUnreserved)), 1)
				}
				a.recountSpare()
				if d := cmp.Diff(spare, a.spare); d != "" {
					t.Fatalf("free in the cluster (-want +got):\n%s", d)
				}
			}
			for id, total := range agents {
				sum := a.Free(id)
				for _, h := range held {
					if h.agent == id {
						sum = resources.Add(sum, resources.Unallocate(h.list))
					}
				}
				if !resources.Equivalent(sum, total) {
					t.Fatalf("agent %s: free and held are %s, want %s", id, resources.Describe(sum), resources.Describe(total))
				}
			}
			byFramework := map[string]Quantities{}
			for _, h := range held {
				if byFramework[h.framework] == nil {
					byFramework[h.framework] = Quantities{}
				}
				byFramework[h.framework].add(QuantitiesOf(h.list), 1)
			}
			for id := range frameworks {
				sum := Quantities{}
				for _, c := range a.frameworks[id].clients {
					sum.add(c.held, 1)
				}
				want := byFramework[id]
				if want == nil {
					want = Quantities{}
				}
				if d := cmp.Diff(want, sum); d != "" {
					t.Fatalf("framework %s holds (-want +got):\n%s", id, d)
				}
			}
		}
	})
}

func benchmarkAllocator(agents, frameworks int) *Allocator {
	a := New(Config{})
	for i := range frameworks {
		a.AddFramework(fmt.Sprint("F", i), wants(fmt.Sprint("role", i%10)))
	}
	for i := range agents {
		a.AddAgent(fmt.Sprint("S", i), Agent{Total: list(resources.NewCPUs(8), resources.NewMem(16384), resources.NewDisk(100000), resources.NewPorts(31000, 32000))}, nil)
	}
	return a
}

// Everything is offered for the first time.
func BenchmarkFirstRound10000Agents(b *testing.B) {
	for _, frameworks := range []int{1, 50} {
		b.Run(fmt.Sprintf("frameworks=%d", frameworks), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				a := benchmarkAllocator(10_000, frameworks)
				b.StartTimer()
				if n := len(a.Allocate(t0)); n != 10_000 {
					b.Fatalf("%d offers", n)
				}
			}
		})
	}
}

// One agent of 10,000 has something free: the others must cost nothing.
func BenchmarkRoundWithOneChange(b *testing.B) {
	a := benchmarkAllocator(10_000, 50)
	offers := a.Allocate(t0)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		o := offers[i]
		a.Recover(o.Framework, o.Agent, o.Resources, nil)
		offers[i] = a.Allocate(t0)[0]
		i = (i + 1) % len(offers)
	}
}

// The same with a guarantee that is not met: others count for what is free in the cluster only.
func BenchmarkRoundWithOneChangeAndQuota(b *testing.B) {
	a := benchmarkAllocator(10_000, 50)
	a.SetQuota("role1", Quantities{resources.NameCPUs: 1e9}, nil)
	var offers []Offer
	for _, ag := range []string{"S1", "S2", "S3"} {
		offers = append(offers, a.Allocate(t0, ag)...)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		o := offers[i]
		a.Recover(o.Framework, o.Agent, o.Resources, nil)
		offers[i] = a.Allocate(t0, o.Agent)[0]
		i = (i + 1) % len(offers)
	}
}

// All agents are declined for long: rounds must not look at them again.
func BenchmarkIdleRoundAllDeclined(b *testing.B) {
	a := benchmarkAllocator(10_000, 1)
	for _, o := range a.Allocate(t0) {
		a.Recover(o.Framework, o.Agent, o.Resources, &Filter{Expires: t0.Add(time.Hour)})
	}
	a.Allocate(t0)
	b.ReportAllocs()
	for b.Loop() {
		a.Allocate(t0)
	}
}
