package master

import (
	"fmt"
	"math"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/allocator"
	"github.com/mesokit/mesokit/cluster/internal/loop"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// offer is an offer that is out.
type offer struct {
	id        string
	framework *framework
	agent     *agent
	role      string
	resources []*mesospb.Resource // in post-refinement format, allocation_info is set
	pb        *mesospb.Offer      // as it was sent
	timer     *loop.Timer
}

// allocationDue says which round of offers is queued.
type allocationDue struct {
	queued, all bool
	agents      []string
	since       time.Time
}

// tick runs a round of offers over everything, now and every AllocationInterval.
func (m *Master) tick() {
	m.metrics.ticks++
	m.allocate()
	m.offerInversely()
	m.loop.After(m.cfg.AllocationInterval, m.tick)
}

// allocateSoon queues a round of offers, over the given agents or all, for when the current event is dealt with.
func (m *Master) allocateSoon(agents ...string) {
	m.due.all = m.due.all || len(agents) == 0
	m.due.agents = append(m.due.agents, agents...)
	if m.due.queued {
		return
	}
	m.due.queued, m.due.since = true, time.Now()
	m.loop.Post(func() {
		due := m.due
		m.due = allocationDue{}
		m.metrics.allocationLatency.add(time.Since(due.since))
		if due.all {
			m.allocate()
		} else {
			m.allocate(due.agents...)
		}
	})
}

// allocate runs a round of offers: one event for each framework that gets any.
func (m *Master) allocate(agents ...string) {
	if !m.leads() {
		return
	}
	m.metrics.allocations++
	began := time.Now()
	made := m.alloc.Allocate(began, agents...)
	m.metrics.allocationRun.add(time.Since(began))
	if len(made) == 0 {
		return
	}
	events := map[*framework]*schedulerpb.Event_Offers{}
	var order []*framework
	for _, o := range made {
		f, a := m.frameworks[o.Framework], m.agents[o.Agent]
		ev := events[f]
		if ev == nil {
			ev = &schedulerpb.Event_Offers{}
			events[f] = ev
			order = append(order, f)
		}
		ev.Offers = append(ev.Offers, m.makeOffer(f, a, o).pb)
	}
	for _, f := range order {
		f.counts.offersSent += len(events[f].Offers)
		f.send(&schedulerpb.Event{Type: schedulerpb.Event_OFFERS.Enum(), Offers: events[f]})
	}
}

// newOfferID returns the next id; offers and inverse offers share the numbers.
func (m *Master) newOfferID() string {
	id := fmt.Sprintf("%s-O%d", m.Info().GetId(), m.nextID.offer)
	m.nextID.offer++
	return id
}

func (m *Master) makeOffer(f *framework, a *agent, made allocator.Offer) *offer {
	o := &offer{id: m.newOfferID(), framework: f, agent: a, role: made.Role, resources: made.Resources}
	o.pb = &mesospb.Offer{
		Id:             &mesospb.OfferID{Value: &o.id},
		FrameworkId:    &mesospb.FrameworkID{Value: &f.id},
		AgentId:        a.info.Id,
		Hostname:       a.info.Hostname,
		Url:            a.url,
		Domain:         a.info.Domain,
		Resources:      f.outgoing(made.Resources),
		Attributes:     a.info.Attributes,
		Unavailability: m.unavailability(a),
	}
	if f.caps.multiRole {
		o.pb.AllocationInfo = &mesospb.Resource_AllocationInfo{Role: &o.role}
	}
	for _, id := range sortedKeys(a.executors[f.id]) {
		o.pb.ExecutorIds = append(o.pb.ExecutorIds, &mesospb.ExecutorID{Value: proto.String(id)})
	}
	m.offers[o.id], f.offers[o.id], a.offers[o.id] = o, o, o
	if d := m.cfg.OfferTimeout; d > 0 {
		o.timer = m.loop.After(d, func() {
			if m.offers[o.id] == o {
				m.rescind(o, nil)
			}
		})
	}
	return o
}

// outgoing returns resources in the format that the framework understands: without allocation unless it is
// MULTI_ROLE, in the older reservation format unless it has RESERVATION_REFINEMENT.
func (f *framework) outgoing(list []*mesospb.Resource) []*mesospb.Resource {
	older := list
	if !f.caps.refinement {
		if copied, err := resources.Downgrade(list); err == nil {
			older = copied
		}
	}
	switch {
	case f.caps.multiRole:
	case len(older) > 0 && older[0] != list[0]: // a copy already
		for _, r := range older {
			r.AllocationInfo = nil
		}
	default:
		older = resources.Unallocate(list)
	}
	return older
}

// forgetOffer takes an offer off all lists. Its resources stay allocated.
func (m *Master) forgetOffer(o *offer) {
	o.timer.Stop()
	delete(m.offers, o.id)
	delete(o.framework.offers, o.id)
	delete(o.agent.offers, o.id)
}

// returnOffer takes an offer back without telling.
func (m *Master) returnOffer(o *offer, filter *allocator.Filter) {
	m.forgetOffer(o)
	m.alloc.Recover(o.framework.id, o.agent.id, o.resources, filter)
}

// rescind takes an offer back and tells the framework.
func (m *Master) rescind(o *offer, filter *allocator.Filter) {
	m.returnOffer(o, filter)
	o.framework.counts.offersRescinded++
	o.framework.send(&schedulerpb.Event{Type: schedulerpb.Event_RESCIND.Enum(), Rescind: &schedulerpb.Event_Rescind{OfferId: o.pb.Id}})
}

// maxRefuseSeconds bounds filters: a year.
const maxRefuseSeconds = 365 * 24 * 3600

// filter turns what a framework says into a filter: unset means 5 s, malformed too, 0 none; it lasts at least until the next
// round.
func (m *Master) filter(f *mesospb.Filters) *allocator.Filter {
	s := f.GetRefuseSeconds() // 5 by default, also of a nil message
	switch {
	case math.IsNaN(s) || s < 0:
		s = 5
	case s == 0:
		return nil
	case s > maxRefuseSeconds:
		s = maxRefuseSeconds
	}
	d := max(m.cfg.AllocationInterval, time.Duration(s*float64(time.Second)))
	return &allocator.Filter{Expires: time.Now().Add(d)}
}

// offersWith returns the agent's offers that match, in order.
func (a *agent) offersWith(match func(*offer) bool) []*offer {
	var found []*offer
	for _, id := range sortedKeys(a.offers) {
		if o := a.offers[id]; match(o) {
			found = append(found, o)
		}
	}
	return found
}

// hasVolume reports whether the list has the persistent volume.
func hasVolume(list []*mesospb.Resource, volume *mesospb.Resource) bool {
	return slices.ContainsFunc(list, func(r *mesospb.Resource) bool { return sameVolume(r, volume) })
}

// sameVolume reports whether two resources are one persistent volume: ids are unique per role on an agent.
func sameVolume(a, b *mesospb.Resource) bool {
	return resources.IsPersistentVolume(a) && resources.IsPersistentVolume(b) &&
		a.GetDisk().GetPersistence().GetId() == b.GetDisk().GetPersistence().GetId() &&
		resources.ReservationRole(a) == resources.ReservationRole(b)
}
