package placement_test

import (
	"fmt"
	"time"

	"github.com/mesokit/mesokit/framework/placement"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// exampleOffer is what an OFFERS event would bring.
func exampleOffer(id, rack, has string) *mesospb.Offer {
	list, err := resources.Parse(has, "*")
	if err != nil {
		panic(err)
	}
	return &mesospb.Offer{
		Id: &mesospb.OfferID{Value: &id}, AgentId: &mesospb.AgentID{Value: new("agent-" + id)}, Hostname: new("host-" + id),
		FrameworkId: &mesospb.FrameworkID{Value: new("framework")}, AllocationInfo: &mesospb.Resource_AllocationInfo{Role: new("eng")},
		Resources:  resources.Allocate(list, "eng"),
		Attributes: []*mesospb.Attribute{resources.NewTextAttribute("rack", rack)},
	}
}

func exampleOffers() []*placement.Offer {
	return []*placement.Offer{
		placement.NewOffer(exampleOffer("1", "r1", "cpus:8;mem:4096;ports:[31000-31099]")),
		placement.NewOffer(exampleOffer("2", "r1", "cpus:2;mem:4096;ports:[31000-31099]")),
		placement.NewOffer(exampleOffer("3", "r2", "cpus:4;mem:4096;ports:[31000-31099]")),
	}
}

func printResult(r *placement.Result) {
	for _, a := range r.Assignments {
		fmt.Println(a.Task.ID, "on", a.Agent.Hostname, "ports", a.Ports)
	}
	for _, u := range r.Unplaced {
		fmt.Println(u.Task.ID, "waits:", u.Why)
	}
}

// Place three instances on different racks. There are two racks.
func ExampleNew() {
	unique, err := placement.ParseConstraint("rack UNIQUE")
	if err != nil {
		fmt.Println(err)
		return
	}
	web := &placement.Demand{
		Group: "web", Role: "eng", Resources: []*mesospb.Resource{resources.NewCPUs(2), resources.NewMem(512)},
		Ports: placement.AnyPorts(1), Constraints: []placement.Constraint{unique},
	}
	r := placement.New(placement.Config{}).Place(&placement.Cycle{
		Offers:  exampleOffers(),
		Pending: []*placement.Task{{ID: "web.1", Demand: web}, {ID: "web.2", Demand: web}, {ID: "web.3", Demand: web}},
	})
	printResult(r)
	// Output:
	// web.1 on host-2 ports [31000]
	// web.2 on host-3 ports [31000]
	// web.3 waits: 3 offers: 3 constraint rack UNIQUE
}

// A scorer of one's own: prefer agents with high numbers, and mix this with spreading.
func ExampleConfig_scorer() {
	byNumber := placement.ScorerFunc(func(_ *placement.Demand, c *placement.Candidate) float64 {
		var n float64
		if _, err := fmt.Sscanf(c.Agent.Hostname, "host-%f", &n); err != nil {
			return 0
		}
		return n / 3
	})
	placer := placement.New(placement.Config{Scorer: placement.Mix(
		placement.Weighted{Scorer: byNumber, Weight: 2},
		placement.Weighted{Scorer: placement.Spread(), Weight: 1},
	)})
	job := &placement.Demand{Group: "job", Role: "eng", Resources: []*mesospb.Resource{resources.NewCPUs(3)}}
	printResult(placer.Place(&placement.Cycle{
		Offers:  exampleOffers(),
		Pending: []*placement.Task{{ID: "job.1", Demand: job}, {ID: "job.2", Demand: job}, {ID: "job.3", Demand: job}, {ID: "job.4", Demand: job}},
	}))
	// Output:
	// job.1 on host-3 ports []
	// job.2 on host-1 ports []
	// job.3 on host-1 ports []
	// job.4 waits: 3 offers: 3 not enough cpus; nearest is host-1 with cpus 2 of 3
}

// A filter adds a reason of its own to the explanations.
func ExampleFilter() {
	noRack1 := placement.FilterFunc(func(_ *placement.Demand, c *placement.Candidate) string {
		if rack, _ := resources.AttributeText(c.Agent.Attributes, "rack"); rack == "r1" {
			return "rack under repair"
		}
		return ""
	})
	placer := placement.New(placement.Config{Filters: []placement.Filter{noRack1}})
	big := &placement.Demand{Group: "big", Role: "eng", Resources: []*mesospb.Resource{resources.NewCPUs(6)}}
	printResult(placer.Place(&placement.Cycle{Offers: exampleOffers(), Pending: []*placement.Task{{ID: "big.1", Demand: big}}}))
	// Output:
	// big.1 waits: 3 offers: 2 filter rack under repair, 1 not enough cpus; nearest is host-3 with cpus 4 of 6
}

// Replace the whole placer: first fit, and nothing else.
func ExamplePlacerFunc() {
	firstFit := placement.PlacerFunc(func(c *placement.Cycle) *placement.Result {
		r := new(placement.Result)
		used := map[string]bool{}
		for _, t := range c.Pending {
			for _, o := range c.Offers {
				if got, ok := resources.Find(o.Proto.GetResources(), t.Demand.Resources, t.Role); ok && !used[o.ID()] {
					used[o.ID()] = true
					r.Assignments = append(r.Assignments, placement.Assignment{
						Task: t, Agent: o.Agent, Role: o.Role, Resources: got, OfferIDs: []*mesospb.OfferID{o.Proto.GetId()},
					})
					break
				}
			}
		}
		return r
	})
	job := &placement.Demand{Group: "job", Role: "eng", Resources: []*mesospb.Resource{resources.NewCPUs(3)}}
	printResult(firstFit.Place(&placement.Cycle{Offers: exampleOffers(), Pending: []*placement.Task{{ID: "job.1", Demand: job}, {ID: "job.2", Demand: job}}}))
	// Output:
	// job.1 on host-1 ports []
	// job.2 on host-3 ports []
}

// Offers that nothing fits go back at once, the others when they have been held long enough.
func ExampleBook() {
	book := placement.NewBook(placement.BookConfig{HoldFor: 10 * time.Second})
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	book.Add(now, exampleOffer("1", "r1", "cpus:8"), exampleOffer("2", "r1", "cpus:2"))
	book.Unfit(book.Offers()[:1], nil)
	for _, d := range book.Step(now).Declines {
		fmt.Println("decline", len(d.OfferIDs), "for", d.Refuse)
	}
	fmt.Println("again in", book.Next().Sub(now))
	book.Idle("eng") // nothing to run any more
	a := book.Step(now.Add(time.Second))
	fmt.Println("decline", len(a.Declines[0].OfferIDs), "for", a.Declines[0].Refuse, "and suppress", a.Suppress)
	book.Want("eng", true)
	fmt.Println("revive", book.Step(now.Add(2*time.Second)).Revive)
	// Output:
	// decline 1 for 5s
	// again in 10s
	// decline 1 for 1h0m0s and suppress [eng]
	// revive [eng]
}

func ExampleParseConstraint() {
	for _, text := range []string{`["rack","GROUP_BY","3"]`, "hostname UNIQUE", "rack:LIKE:r[12]", "@zone GROUP_BY soft(2)", "rack MAX_PER two"} {
		c, err := placement.ParseConstraint(text)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(c)
	}
	// Output:
	// rack GROUP_BY 3
	// hostname UNIQUE
	// rack LIKE r[12]
	// @zone GROUP_BY soft(2)
	// constraint "rack MAX_PER two": MAX_PER needs a whole number above 0, not "two"
}
