package placement_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mesokit/mesokit/framework/placement"
)

// TestEqualAgentsAreTakenInTheOrderOfTheirOffers: whatever else is offered, of agents that are alike and score the same the one that was offered first
// is taken first, across the blocks of the search, too. A change of that would change what recorded days replay to.
func TestEqualAgentsAreTakenInTheOrderOfTheirOffers(t *testing.T) {
	for name, cfg := range map[string]placement.Config{
		"packed": {}, "spread": {Scorer: placement.Spread()},
		"flat": {Scorer: placement.ScorerFunc(func(*placement.Demand, *placement.Candidate) float64 { return 0.5 })},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(10) {
				rng := rand.New(rand.NewPCG(seed, 1))
				var list []offerOf
				for i := range 200 {
					list = append(list, offerOf{agent: fmt.Sprintf("agent-%03d", i), resources: []string{"cpus:4", "cpus:8", "cpus:2"}[i%3]})
				}
				rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
				d := &placement.Demand{Group: "g", Resources: parse(t, "cpus:2"), Constraints: []placement.Constraint{{Field: placement.Hostname, Operator: placement.Unique}}}
				r := placement.New(cfg).Place(&placement.Cycle{Offers: offers(t, list...), Pending: tasks(d, 150)})
				if len(r.Assignments) != 150 {
					t.Fatalf("placed %d", len(r.Assignments))
				}
				taken := map[string][]int{} // by kind of agent: positions of their offers
				for _, a := range r.Assignments {
					at := slices.IndexFunc(list, func(o offerOf) bool { return o.agent == a.Agent.ID })
					taken[list[at].resources] = append(taken[list[at].resources], at)
				}
				for kind, order := range taken {
					if !slices.IsSorted(order) {
						t.Fatalf("seed %d: agents with %s are taken in the order %v of their offers", seed, kind, order)
					}
				}
			}
		})
	}
}
