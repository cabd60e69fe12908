package placement_test

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/mesokit/mesokit/framework/placement"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// manyOffers makes agents of three sizes in 40 racks, 4 zones, partly in use.
func manyOffers(n int) (out []*mesospb.Offer) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		id, agent, host, role := fmt.Sprintf("offer-%d", i), fmt.Sprintf("9f8e-S%d", i), fmt.Sprintf("node%05d.example.com", i), "services"
		region, zone := "home", fmt.Sprintf("z%d", i%4)
		size := float64(int(8) << (i % 3))
		list := []*mesospb.Resource{
			resources.NewCPUs(size*float64(1+rnd.IntN(100))/100, resources.WithAllocation(role)),
			resources.NewMem(size*4096*float64(1+rnd.IntN(100))/100, resources.WithAllocation(role)),
			resources.NewDisk(100000, resources.WithAllocation(role)),
			resources.NewPorts(31000, 31000+uint64(rnd.IntN(1000)), resources.WithAllocation(role)),
		}
		if i%5 == 0 {
			list = append(list, resources.NewCPUs(1, resources.WithRole(role), resources.WithAllocation(role)))
		}
		out = append(out, &mesospb.Offer{
			Id: &mesospb.OfferID{Value: &id}, AgentId: &mesospb.AgentID{Value: &agent}, Hostname: &host, Resources: list,
			FrameworkId:    &mesospb.FrameworkID{Value: new("f")},
			AllocationInfo: &mesospb.Resource_AllocationInfo{Role: &role},
			Attributes: []*mesospb.Attribute{
				resources.NewTextAttribute("rack", fmt.Sprintf("r%d", i%40)),
				resources.NewTextAttribute("os", []string{"debian", "alpine"}[i%2]),
			},
			Domain: &mesospb.DomainInfo{FaultDomain: &mesospb.DomainInfo_FaultDomain{
				Region: &mesospb.DomainInfo_FaultDomain_RegionInfo{Name: &region},
				Zone:   &mesospb.DomainInfo_FaultDomain_ZoneInfo{Name: &zone},
			}},
		})
	}
	return out
}

// manyTasks makes tasks of a number of applications, all with ports and constraints.
func manyTasks(n, apps int, cpus float64) (out []*placement.Task) {
	var demands []*placement.Demand
	for k := range apps {
		d := &placement.Demand{
			Group: fmt.Sprintf("app-%d", k), Role: "services", Ports: placement.AnyPorts(1 + k%2),
			Resources: []*mesospb.Resource{resources.NewCPUs(cpus + float64(k%4)/4), resources.NewMem(float64(256 * (1 + k%8)))},
		}
		switch k % 5 {
		case 0:
			d.Constraints = []placement.Constraint{{Field: placement.Hostname, Operator: placement.Unique}}
		case 1:
			d.Constraints = []placement.Constraint{{Field: "rack", Operator: placement.GroupBy}}
		case 2:
			d.Constraints = []placement.Constraint{{Field: "os", Operator: placement.Like, Value: "deb.*"}, {Field: "rack", Operator: placement.MaxPer, Value: "3"}}
		case 3:
			d.Constraints = []placement.Constraint{{Field: placement.Zone, Operator: placement.GroupBy, Soft: true}, {Field: placement.Hostname, Operator: placement.Unique, Soft: true}}
		case 4:
			d.Constraints = []placement.Constraint{{Field: "os", Operator: placement.Is, Value: "alpine"}}
			d.Affinities = []placement.Affinity{{Group: "app-0", Field: "rack", Anti: true}}
		}
		demands = append(demands, d)
	}
	for i := range n {
		d := demands[i%apps]
		out = append(out, &placement.Task{ID: fmt.Sprintf("%s.%d", d.Group, i), Demand: d})
	}
	return out
}

func prepare(list []*mesospb.Offer) (out []*placement.Offer) {
	for _, o := range list {
		out = append(out, placement.NewOffer(o))
	}
	return out
}

// cpuTime is what the process has used, on all cores: steadier than the clock on a machine that others use as well.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkPlace(b *testing.B) {
	mixed := placement.Mix(placement.Weighted{Scorer: placement.BinPack(), Weight: 3}, placement.Weighted{Scorer: placement.Spread(), Weight: 1})
	own := placement.ScorerFunc(func(_ *placement.Demand, c *placement.Candidate) float64 {
		return 1 / float64(1+c.Placed)
	})
	for _, bm := range []struct {
		name                string
		cfg                 placement.Config
		offers, tasks, apps int
		cpus                float64
		running             int // instances that run already
		placed              int // at least
	}{
		{"constraints", placement.Config{}, 10000, 200, 10, 0.5, 0, 200},
		{"constraints", placement.Config{}, 10000, 200, 10, 0.5, 100000, 180},
		{"constraints", placement.Config{}, 10000, 200, 200, 0.5, 0, 200},
		{"spread", placement.Config{Scorer: placement.Spread()}, 10000, 200, 10, 0.5, 0, 200},
		{"mix", placement.Config{Scorer: mixed}, 10000, 200, 10, 0.5, 0, 200},
		{"own scorer", placement.Config{Scorer: own}, 10000, 200, 10, 0.5, 0, 200},
		{"good enough", placement.Config{GoodEnough: 0.9}, 10000, 200, 10, 0.5, 0, 200},
		{"no fit", placement.Config{}, 10000, 200, 10, 1000, 0, 0},
		{"no fit", placement.Config{}, 10000, 200, 200, 1000, 0, 0},
		{"constraints", placement.Config{}, 10000, 1, 1, 0.5, 0, 1},
		{"constraints", placement.Config{}, 1000, 200, 10, 0.5, 0, 180},
		{"constraints", placement.Config{}, 1000, 1000, 10, 0.5, 0, 800},
		{"constraints", placement.Config{}, 1000, 1000, 200, 0.5, 0, 950},
	} {
		b.Run(fmt.Sprintf("%s/offers=%d/tasks=%d/apps=%d/running=%d", bm.name, bm.offers, bm.tasks, bm.apps, bm.running), func(b *testing.B) {
			list, pending := prepare(manyOffers(bm.offers)), manyTasks(bm.tasks, bm.apps, bm.cpus)
			running := manyRunning(list, pending, bm.running)
			p := placement.New(bm.cfg)
			p.Place(&placement.Cycle{Offers: list, Pending: pending, Placed: running}) // makes the indexes
			b.ReportAllocs()
			n, before := 0, cpuTime()
			for b.Loop() {
				n = len(p.Place(&placement.Cycle{Offers: list, Pending: pending, Placed: running}).Assignments)
			}
			if n < bm.placed {
				b.Errorf("placed %d, want %d at least", n, bm.placed)
			}
			b.ReportMetric((cpuTime()-before).Seconds()*1e3/float64(b.N), "cpu-ms/op")
		})
	}
}

// manyRunning spreads n instances over groups and agents.
func manyRunning(list []*placement.Offer, pending []*placement.Task, n int) *placement.Placed {
	p := placement.NewPlaced()
	for _, o := range list {
		p.Observe(o.Agent)
	}
	for i := range n {
		group := fmt.Sprintf("old-%d", i%50)
		if i%20 == 0 {
			group = pending[i/20%len(pending)].Group
		}
		p.Add(group, list[i*7%len(list)].Agent)
	}
	return p
}

// BenchmarkNaive is the reference of the tests, which looks at everything again for each task, on the case of
// BenchmarkPlace with 1000 offers and 200 tasks. It takes more than ten times as long for 10,000.
func BenchmarkNaive(b *testing.B) {
	list, pending := prepare(manyOffers(1000)), manyTasks(200, 10, 0.5)
	before := cpuTime()
	for b.Loop() {
		newNaive(&placement.Cycle{Offers: list}, nil, nil).place(pending)
	}
	b.ReportMetric((cpuTime()-before).Seconds()*1e3/float64(b.N), "cpu-ms/op")
}

// BenchmarkOdd places tasks whose needs are more than amounts: a fixed port, a new volume, one that is nowhere.
func BenchmarkOdd(b *testing.B) {
	list := prepare(manyOffers(10000))
	for name, d := range map[string]*placement.Demand{
		"fixed port": {Ports: []placement.Port{placement.FixedPort(31500)}},
		"volume":     {Volumes: []placement.Volume{{MB: 1000}}},
		"nowhere":    {Volumes: []placement.Volume{{ID: "gone"}}},
		"no port":    {Ports: []placement.Port{placement.FixedPort(80)}},
		"revocable":  {Resources: []*mesospb.Resource{resources.NewCPUs(1, resources.WithRevocable())}},
	} {
		b.Run(name, func(b *testing.B) {
			pending := tasks(d, 200)
			d.Group, d.Role = "g", "services"
			d.Resources = append(d.Resources, resources.NewMem(64))
			p := placement.New(placement.Config{})
			for b.Loop() {
				p.Place(&placement.Cycle{Offers: list, Pending: pending})
			}
		})
	}
}

// BenchmarkBook takes in 10,000 offers and declines them: what arrival costs, preparation for placement included.
func BenchmarkBook(b *testing.B) {
	list := manyOffers(10000)
	now := time.Unix(0, 0)
	book := placement.NewBook(placement.BookConfig{})
	b.ReportAllocs()
	for b.Loop() {
		book.Add(now, list...)
		book.Unfit(book.Offers(), nil)
		if len(book.Step(now).Declines) != 1 {
			b.Fatal("nothing declined")
		}
		now = now.Add(time.Minute)
	}
}
