package core_test

import (
	"fmt"
	"testing"

	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/sim"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// agentsOf counts the instances of an application by agent.
func agentsOf(s *sim.Script, name string) map[string]int {
	on := map[string]int{}
	for i := range s.Core.Snapshot().App(name).All() {
		if i.Task != nil {
			on[i.Task.Agent]++
		}
	}
	return on
}

func TestInstancesSpreadOverAgentsUnlessPackingIsAskedFor(t *testing.T) {
	for _, tc := range []struct {
		pack     bool
		strategy string
		agents   int // that six instances lie on
	}{{false, "", 3}, {false, "none", 3}, {false, "spread", 3}, {false, "pack", 1}, {true, "", 1}, {true, "spread", 3}, {false, "mux", 1}} {
		t.Run(fmt.Sprint(tc), func(t *testing.T) {
			more := `,"instances":6`
			if tc.strategy != "" {
				more += `,"strategy":"` + tc.strategy + `"`
			}
			s := sim.NewScript(t, core.Config{Pack: tc.pack})
			s.Register("fw")
			s.Submit(define("web", more))
			var offers []*mesospb.Offer
			for _, a := range []string{"a1", "a2", "a3"} {
				offers = append(offers, s.NewOffer(a, "cpus:16;mem:4096"))
			}
			s.Step(core.MesosEvent{Event: sim.OffersEvent(offers...)})
			on := agentsOf(s, "web")
			if len(on) != tc.agents {
				t.Errorf("six instances are on %v", on)
			}
			for agent, n := range on {
				if n != 6/tc.agents {
					t.Errorf("%d of six are on %s", n, agent)
				}
			}
		})
	}
}

// A busy agent is no reason to put two instances on a free one.
func TestInstancesSpreadEvenlyOverUnequalAgents(t *testing.T) {
	s := sim.NewScript(t, core.Config{})
	s.Register("fw")
	s.Submit(define("web", `,"instances":3`))
	s.Step(core.MesosEvent{Event: sim.OffersEvent(s.NewOffer("a1", "cpus:1;mem:64"), s.NewOffer("a2", "cpus:16;mem:4096"), s.NewOffer("a3", "cpus:64;mem:40960"))})
	if on := agentsOf(s, "web"); len(on) != 3 {
		t.Errorf("three instances are on %v", on)
	}
}

func TestInstancesSpreadOverZonesAmongAgentsThatAreAlike(t *testing.T) {
	s := sim.NewScript(t, core.Config{})
	s.Register("fw")
	s.Submit(define("web", `,"instances":2`))
	in := func(zone string) func(*mesospb.Offer) {
		return func(o *mesospb.Offer) {
			o.Domain = &mesospb.DomainInfo{FaultDomain: &mesospb.DomainInfo_FaultDomain{
				Region: &mesospb.DomainInfo_FaultDomain_RegionInfo{Name: new("r")}, Zone: &mesospb.DomainInfo_FaultDomain_ZoneInfo{Name: &zone}}}
		}
	}
	offers := []*mesospb.Offer{s.NewOffer("a1", "cpus:4;mem:1024", in("x")), s.NewOffer("a2", "cpus:4;mem:1024", in("x")), s.NewOffer("a3", "cpus:4;mem:1024", in("y"))}
	s.Step(core.MesosEvent{Event: sim.OffersEvent(offers...)})
	if on := agentsOf(s, "web"); len(on) != 2 || on["a3"] != 1 {
		t.Errorf("two instances are on %v, one of the zones has none", on)
	}
}

func TestUniqueMeansAnAgentOfItsOwnAlsoWhereSeveralRunOnOneHost(t *testing.T) {
	s := sim.NewScript(t, core.Config{})
	s.Register("fw")
	s.Submit(define("web", `,"instances":4,"strategy":"unique"`))
	for _, a := range []string{"a1", "a2", "a3"} {
		s.Offer(a, "cpus:16;mem:4096", func(o *mesospb.Offer) { o.Hostname = new("localhost") })
	}
	if on := agentsOf(s, "web"); len(on) != 3 {
		t.Errorf("on %v", on)
	}
	if why := s.Core.Snapshot().Why("web", 3); why.Offers == nil || why.Offers.Rejected[0].What != `["@agent","UNIQUE"]` {
		t.Errorf("%s %v", why.Text, why.Offers)
	}
}
