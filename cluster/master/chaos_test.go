package master

import (
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/mesokit/mesokit/cluster/allocator"
	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/maintenancepb"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/quotapb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// quotasInForce returns the roles with quotas that say something: others are not written down.
func quotasInForce(m *Master) (roles []string) {
	for _, role := range sortedKeys(m.quotas) {
		if q := m.quotas[role]; len(q.guarantees)+len(q.limits) > 0 {
			roles = append(roles, role)
		}
	}
	return roles
}

// checkState compares what the master knows with what it has written down, and lists with each other. It runs on the loop.
func (m *Master) checkState() error {
	r := m.cfg.Registry
	r.mu.Lock()
	d := r.data.clone()
	r.mu.Unlock()
	f := d.file()
	if _, err := f.data(); err != nil {
		return fmt.Errorf("the registry cannot be read again: %w", err)
	}
	known := slices.Concat(sortedKeys(m.agents), sortedKeys(m.recovered))
	slices.Sort(known)
	for _, l := range []struct {
		what      string
		has, want []string
	}{
		{"agents", sortedKeys(d.agents), known},
		{"unreachable agents", sortedKeys(d.unreachable), sortedKeys(m.unreachable)},
		{"agents that are gone", sortedKeys(d.gone), sortedKeys(m.gone)},
		{"quotas", sortedKeys(d.quotas), quotasInForce(m)},
	} {
		if !slices.Equal(l.has, l.want) {
			return fmt.Errorf("%s in the registry: %v, the master has %v", l.what, l.has, l.want)
		}
	}
	for id, a := range m.agents {
		if l := d.agents[id]; l.off != a.deactivated || l.drain.GetState() != a.drain.GetState() {
			return fmt.Errorf("agent %s: deactivated %v, drain %v; in the registry %v, %v", id, a.deactivated, a.drain, l.off, l.drain)
		}
		if draining := a.drain.GetState() == mesospb.DrainState_DRAINING; draining && len(a.tasks)+len(a.ops) == 0 {
			return fmt.Errorf("agent %s is DRAINING, but nothing is on it", id)
		}
		if a.drain != nil && !a.deactivated {
			return fmt.Errorf("agent %s is %v, but not deactivated", id, a.drain)
		}
		if len(a.offers) > 0 && !a.active() {
			return fmt.Errorf("agent %s is offered, but not active", id)
		}
		if mc := m.machineOf(a); mc != nil && mc.mode == mesospb.MachineInfo_DOWN {
			return fmt.Errorf("agent %s is on a machine that is DOWN", id)
		}
		for fid, o := range a.inverse {
			if m.inverseOffers[o.id] != o || o.framework.inverseOffers[o.id] != o || m.frameworks[fid] != o.framework || m.unavailability(a) == nil {
				return fmt.Errorf("inverse offer %s is not on all lists, or of an agent without maintenance", o.id)
			}
		}
		for uuid, o := range a.ops {
			if o.framework.operations[uuid] != o || m.frameworks[o.framework.id] != o.framework {
				return fmt.Errorf("operation %x is not on all lists", uuid)
			}
		}
	}
	consumed := map[string]allocator.Quantities{}
	for _, a := range m.agents {
		held := resources.Filter(a.held(), func(r *mesospb.Resource) bool { return resources.IsUnreserved(r) && !resources.IsRevocable(r) })
		for _, r := range slices.Concat(held, resources.Filter(a.desc.Total, func(r *mesospb.Resource) bool { return !resources.IsUnreserved(r) })) {
			role := resources.AllocationRole(r)
			if !resources.IsUnreserved(r) {
				role = resources.ReservationRole(r)
			}
			top := role
			if i := slices.Index([]byte(role), '/'); i >= 0 {
				top = role[:i]
			}
			if consumed[top] == nil {
				consumed[top] = allocator.Quantities{}
			}
			for name, v := range allocator.QuantitiesOf([]*mesospb.Resource{r}) {
				consumed[top][name] += v
			}
		}
	}
	for _, top := range []string{"*", "a", "b"} {
		want := consumed[top]
		maps.DeleteFunc(want, func(_ string, v int64) bool { return v == 0 })
		if got := m.alloc.Consumed(top); !maps.Equal(got, want) {
			return fmt.Errorf("role %s consumes %v, the allocator says %v", top, want, got)
		}
	}
	return nil
}

// anyAgent returns the id of some agent, wherever it is.
func (c *chaos) anyAgent() *mesospb.AgentID {
	ids := slices.Concat(sortedKeys(c.m.agents), sortedKeys(c.m.unreachable), sortedKeys(c.m.recovered), sortedKeys(c.m.gone))
	if len(ids) == 0 {
		return &mesospb.AgentID{Value: proto.String("nobody")}
	}
	return &mesospb.AgentID{Value: proto.String(among(c, ids))}
}

func (c *chaos) machines() (ids []*mesospb.MachineID) {
	for _, id := range sortedKeys(c.m.agents) {
		if c.bool() {
			k := c.m.agents[id].machine
			ids = append(ids, &mesospb.MachineID{Hostname: &k.hostname, Ip: &k.ip})
		}
	}
	return ids
}

// operate is something that operators do.
func (c *chaos) operate() {
	m := c.m
	switch c.upTo(0, 12) {
	case 0, 1:
		call := &masterpb.Call_DrainAgent{AgentId: c.anyAgent(), MarkGone: proto.Bool(c.bool())}
		if c.bool() {
			call.MaxGracePeriod = durationpb.New(1)
		}
		m.opDrainAgent(call)
	case 2:
		m.opReactivateAgent(&masterpb.Call_ReactivateAgent{AgentId: c.anyAgent()})
	case 3:
		m.opDeactivateAgent(&masterpb.Call_DeactivateAgent{AgentId: c.anyAgent()})
	case 4:
		m.opMarkAgentGone(&masterpb.Call_MarkAgentGone{AgentId: c.anyAgent()})
	case 5:
		s := &maintenancepb.Schedule{}
		ids := c.machines()
		for k, mc := range m.machines {
			if mc.mode == mesospb.MachineInfo_DOWN || c.bool() {
				if !slices.ContainsFunc(ids, func(id *mesospb.MachineID) bool { return keyOf(id) == k }) {
					ids = append(ids, mc.id)
				}
			}
		}
		if len(ids) > 0 {
			s.Windows = []*maintenancepb.Window{{MachineIds: ids, Unavailability: &mesospb.Unavailability{Start: &mesospb.TimeInfo{Nanoseconds: proto.Int64(int64(c.upTo(1, 2)))}}}}
		}
		m.updateSchedule(s)
	case 6:
		if list := m.sortedMachines(); len(list) > 0 && list[0].mode == mesospb.MachineInfo_DRAINING {
			m.startMaintenance([]*mesospb.MachineID{list[0].id})
		} else if len(list) > 0 {
			m.stopMaintenance([]*mesospb.MachineID{list[0].id})
		}
	case 7:
		m.offerInversely()
		if o, ok := pick(c, m.inverseOffers); ok {
			ids := []*mesospb.OfferID{{Value: &o.id}}
			if c.bool() {
				m.callAcceptInverseOffers(o.framework, &schedulerpb.Call{AcceptInverseOffers: &schedulerpb.Call_AcceptInverseOffers{InverseOfferIds: ids}})
			} else {
				m.callDeclineInverseOffers(o.framework, &schedulerpb.Call{DeclineInverseOffers: &schedulerpb.Call_DeclineInverseOffers{InverseOfferIds: ids}})
			}
		}
	case 8:
		q := &quotapb.QuotaConfig{Role: proto.String(among(c, []string{"a", "b"}))}
		scalar := func(v float64) map[string]*mesospb.Value_Scalar {
			return map[string]*mesospb.Value_Scalar{"cpus": {Value: &v}}
		}
		if c.bool() {
			q.Guarantees = scalar(float64(c.upTo(0, 6)))
		}
		if c.bool() {
			q.Limits = scalar(float64(c.upTo(0, 12)))
		}
		m.opUpdateQuota(&masterpb.Call_UpdateQuota{QuotaConfigs: []*quotapb.QuotaConfig{q}, Force: proto.Bool(c.bool())})
	case 9:
		m.updateWeights([]*mesospb.WeightInfo{{Role: proto.String("a"), Weight: proto.Float64(float64(c.upTo(1, 3)))}})
	case 10: // what is reserved and volumes
		role := resources.WithReservation("a", "")
		vol := resources.WithVolume(among(c, []string{"v1", "v2"}), "", "d")
		id := c.anyAgent()
		ops := []*mesospb.Offer_Operation{
			reserve("", resources.NewDisk(8, role)), unreserve("", resources.NewDisk(4, role)), create("", resources.NewDisk(4, role, vol)), destroy("", resources.NewDisk(4, role, vol)),
			{Type: mesospb.Offer_Operation_GROW_VOLUME.Enum(), GrowVolume: &mesospb.Offer_Operation_GrowVolume{Volume: resources.NewDisk(4, role, vol), Addition: resources.NewDisk(2, role)}},
			{Type: mesospb.Offer_Operation_SHRINK_VOLUME.Enum(), ShrinkVolume: &mesospb.Offer_Operation_ShrinkVolume{Volume: resources.NewDisk(6, role, vol), Subtract: &mesospb.Value_Scalar{Value: proto.Float64(2)}}},
		}
		m.operate(id, among(c, ops))
	case 11:
		if a, ok := pick(c, m.agents); ok {
			m.updateAgent(a, link.UpdateAgent{Total: resources.Sum(a.desc.Total, []*mesospb.Resource{resources.NewCPUs(1)})})
		}
	case 12: // an operation whose end is told, and perhaps acknowledged
		if f, ok := pick(c, m.frameworks); ok {
			if o, ok := pick(c, f.operations); ok {
				m.callAcknowledgeOperation(f, &schedulerpb.Call{AcknowledgeOperationStatus: &schedulerpb.Call_AcknowledgeOperationStatus{
					AgentId: o.agent.info.Id, OperationId: o.info.Id, Uuid: o.status.GetUuid().GetValue(),
				}})
			}
		}
	}
}

// rememberedBy is what an agent brings when it comes back: some of what it had.
func (c *chaos) rememberedBy(a *agent) link.Reregister {
	m := c.m
	msg := link.Reregister{Agent: a.desc}
	msg.Agent.Info = a.info
	known := map[string]bool{}
	for _, fid := range slices.Concat(sortedKeys(a.tasks), sortedKeys(a.executors)) {
		if !known[fid] {
			known[fid] = true
			msg.Frameworks = append(msg.Frameworks, m.frameworks[fid].info)
		}
	}
	for _, fid := range sortedKeys(a.tasks) {
		for _, id := range sortedKeys(a.tasks[fid]) {
			if c.bool() {
				msg.Tasks = append(msg.Tasks, a.tasks[fid][id].pb())
			}
		}
	}
	for _, fid := range sortedKeys(a.executors) {
		for _, id := range sortedKeys(a.executors[fid]) {
			if c.bool() {
				msg.Executors = append(msg.Executors, link.Executor{FrameworkID: fid, Info: a.executors[fid][id]})
			}
		}
	}
	for _, uuid := range sortedKeys(a.ops) {
		msg.Operations = append(msg.Operations, a.ops[uuid].pb())
	}
	return msg
}

func (c *chaos) comeBack(msg link.Reregister) {
	q := &quietAgent{}
	l := &agentLink{m: c.m}
	l.end, q.end = link.Pipe(l, q)
	c.m.links[l] = struct{}{}
	c.m.receive(l, msg)
}

// failOver makes the master lead again. Some of the agents come back at once.
func (c *chaos) failOver() {
	m := c.m
	var back []link.Reregister
	for _, id := range sortedKeys(m.agents) {
		if c.upTo(0, 2) > 0 {
			back = append(back, c.rememberedBy(m.agents[id]))
		}
	}
	m.abdicate()
	m.leader.Store(m.Info())
	m.lead()
	for _, msg := range back {
		c.comeBack(msg)
	}
}
