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
	for _, bm := range []struct {
		offers, tasks, apps int
		cpus                float64
		placed              int
		cfg                 placement.Config
		name                string
	}{
		{10000, 200, 10, 0.5, 200, placement.Config{}, "constraints"},
		{10000, 200, 200, 0.5, 200, placement.Config{}, "constraints"},
		{10000, 200, 10, 0.5, 200, placement.Config{Scorer: placement.Spread()}, "spread"},
		{10000, 200, 10, 0.5, 200, placement.Config{Scorer: placement.Mix(placement.Weighted{Scorer: placement.BinPack(), Weight: 3}, placement.Weighted{Scorer: placement.Spread(), Weight: 1})}, "mix"},
		{10000, 200, 10, 0.5, 200, placement.Config{GoodEnough: 0.9}, "enough"},
		{10000, 200, 10, 1000, 0, placement.Config{}, "nofit"},
		{10000, 200, 200, 1000, 0, placement.Config{}, "nofit"},
		{1000, 1000, 10, 0.5, 800, placement.Config{}, "constraints"},
		{1000, 1000, 200, 0.5, 1000, placement.Config{}, "constraints"},
	} {
		b.Run(fmt.Sprintf("%s/offers=%d/tasks=%d/apps=%d", bm.name, bm.offers, bm.tasks, bm.apps), func(b *testing.B) {
			list, pending := prepare(manyOffers(bm.offers)), manyTasks(bm.tasks, bm.apps, bm.cpus)
			p := placement.New(bm.cfg)
			b.ReportAllocs()
			n, before := 0, cpuTime()
			for b.Loop() {
				n = len(p.Place(&placement.Cycle{Offers: list, Pending: pending}).Assignments)
			}
			if n < bm.placed {
				b.Errorf("placed %d, want %d at least", n, bm.placed)
			}
			b.ReportMetric((cpuTime()-before).Seconds()*1e3/float64(b.N), "cpu-ms/op")
		})
	}
}
