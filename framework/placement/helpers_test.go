package placement_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mesokit/mesokit/framework/placement"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// offerOf builds an offer in the notation of Mesos flags: resources, attributes, and the region and zone as region/zone.
type offerOf struct {
	id, agent, host, role    string
	resources, attributes    string
	domain                   string
	list                     []*mesospb.Resource
	unavailableAt, untilNano int64
}

func (o offerOf) proto(t testing.TB) *mesospb.Offer {
	t.Helper()
	list := o.list
	if o.resources != "" {
		more, err := resources.Parse(o.resources, "*")
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, more...)
	}
	attributes, err := resources.ParseAttributes(o.attributes)
	if err != nil {
		t.Fatal(err)
	}
	if o.agent == "" {
		o.agent = "agent-" + o.id
	}
	if o.host == "" {
		o.host = "host-" + strings.TrimPrefix(o.agent, "agent-")
	}
	p := &mesospb.Offer{
		Id: &mesospb.OfferID{Value: &o.id}, AgentId: &mesospb.AgentID{Value: &o.agent}, Hostname: &o.host,
		FrameworkId: &mesospb.FrameworkID{Value: new("framework")}, Attributes: attributes,
	}
	if o.role != "" {
		p.AllocationInfo = &mesospb.Resource_AllocationInfo{Role: &o.role}
		list = resources.Allocate(list, o.role)
	}
	p.Resources = list
	if region, zone, ok := strings.Cut(o.domain, "/"); ok {
		p.Domain = &mesospb.DomainInfo{FaultDomain: &mesospb.DomainInfo_FaultDomain{
			Region: &mesospb.DomainInfo_FaultDomain_RegionInfo{Name: &region},
			Zone:   &mesospb.DomainInfo_FaultDomain_ZoneInfo{Name: &zone},
		}}
	}
	if o.unavailableAt != 0 {
		p.Unavailability = &mesospb.Unavailability{Start: &mesospb.TimeInfo{Nanoseconds: &o.unavailableAt}}
		if o.untilNano != 0 {
			p.Unavailability.Duration = &mesospb.DurationInfo{Nanoseconds: new(o.untilNano - o.unavailableAt)}
		}
	}
	return p
}

func offers(t testing.TB, list ...offerOf) (out []*placement.Offer) {
	t.Helper()
	for i, o := range list {
		if o.id == "" {
			o.id = fmt.Sprint(i + 1)
		}
		out = append(out, placement.NewOffer(o.proto(t)))
	}
	return out
}

func parse(t testing.TB, text string) []*mesospb.Resource {
	t.Helper()
	list, err := resources.Parse(text, "*")
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func constraints(t testing.TB, texts ...string) (out []placement.Constraint) {
	t.Helper()
	for _, text := range texts {
		c, err := placement.ParseConstraint(text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, c)
	}
	return out
}

// tasks returns n tasks of one demand, named after its group.
func tasks(d *placement.Demand, n int) (out []*placement.Task) {
	for i := range n {
		out = append(out, &placement.Task{ID: fmt.Sprintf("%s.%d", d.Group, i+1), Demand: d})
	}
	return out
}

// where lists tasks and the agents they were placed on, in order.
func where(r *placement.Result) []string {
	out := []string{}
	for _, a := range r.Assignments {
		out = append(out, a.Task.ID+" "+a.Agent.ID)
	}
	return out
}

func place(t testing.TB, c *placement.Cycle) *placement.Result {
	t.Helper()
	return placement.New(placement.Config{}).Place(c)
}
