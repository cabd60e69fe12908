package master

import (
	"net/http"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// Reservations and volumes made by operators (docs/behaviour.md#operator-api): answered 202; an unknown agent or invalid resources are 400, too
// few free resources 409. allocation_info must not be set. Offers of the agent are rescinded, one after the other, until what is
// needed is free, with a filter of 5 s so that it is not offered again at once.

func (m *Master) opReserve(c *masterpb.Call_ReserveResources) answer {
	return m.operate(c.GetAgentId(), &mesospb.Offer_Operation{Type: mesospb.Offer_Operation_RESERVE.Enum(),
		Reserve: &mesospb.Offer_Operation_Reserve{Source: c.GetSource(), Resources: c.GetResources()}})
}

func (m *Master) opUnreserve(c *masterpb.Call_UnreserveResources) answer {
	return m.operate(c.GetAgentId(), &mesospb.Offer_Operation{Type: mesospb.Offer_Operation_UNRESERVE.Enum(),
		Unreserve: &mesospb.Offer_Operation_Unreserve{Resources: c.GetResources()}})
}

func (m *Master) opCreateVolumes(c *masterpb.Call_CreateVolumes) answer {
	return m.operate(c.GetAgentId(), &mesospb.Offer_Operation{Type: mesospb.Offer_Operation_CREATE.Enum(),
		Create: &mesospb.Offer_Operation_Create{Volumes: c.GetVolumes()}})
}

func (m *Master) opDestroyVolumes(c *masterpb.Call_DestroyVolumes) answer {
	return m.operate(c.GetAgentId(), &mesospb.Offer_Operation{Type: mesospb.Offer_Operation_DESTROY.Enum(),
		Destroy: &mesospb.Offer_Operation_Destroy{Volumes: c.GetVolumes()}})
}

func (m *Master) opGrowVolume(c *masterpb.Call_GrowVolume) answer {
	return m.operate(c.GetAgentId(), &mesospb.Offer_Operation{Type: mesospb.Offer_Operation_GROW_VOLUME.Enum(),
		GrowVolume: &mesospb.Offer_Operation_GrowVolume{Volume: c.GetVolume(), Addition: c.GetAddition()}})
}

func (m *Master) opShrinkVolume(c *masterpb.Call_ShrinkVolume) answer {
	return m.operate(c.GetAgentId(), &mesospb.Offer_Operation{Type: mesospb.Offer_Operation_SHRINK_VOLUME.Enum(),
		ShrinkVolume: &mesospb.Offer_Operation_ShrinkVolume{Volume: c.GetVolume(), Subtract: c.GetSubtract()}})
}

// operate applies an operation to the free resources of an agent, after offers that hold some of what it needs were rescinded.
func (m *Master) operate(agentID *mesospb.AgentID, op *mesospb.Offer_Operation) answer {
	a := m.agents[agentID.GetValue()]
	if a == nil {
		return answer{http.StatusBadRequest, "No agent found with specified ID"}
	}
	if err := normalizeOperation(op); err != nil {
		return badRequest(err)
	}
	if err := m.validateOperate(a, op); err != nil {
		return answer{http.StatusBadRequest, "Invalid " + op.GetType().String() + " operation on agent " + a.String() + ": " + err.Error()}
	}
	if action, objects := actionOf(op); m.caller.remote && !m.mayOperate(m.caller.principal, action, objects) {
		return forbidden
	}
	conversions, err := resources.Conversions(op)
	if err != nil {
		return badRequest(err)
	}
	m.rescindFor(a, conversions)
	if err := m.alloc.ConvertFree(a.id, conversions...); err != nil {
		return answer{http.StatusConflict, err.Error()}
	}
	m.metrics.operations[op.GetType()]++
	m.totalChanged(a)
	m.allocateSoon(a.id)
	return accepted
}

// rescindFor rescinds offers that have some of what conversions need, until what was in them is enough. As in Mesos it does not matter
// whether that is free anyway.
func (m *Master) rescindFor(a *agent, conversions []resources.Conversion) {
	var required []*mesospb.Resource
	for _, c := range conversions {
		required = append(required, c.Consumed...)
	}
	filter := m.filter(&mesospb.Filters{RefuseSeconds: proto.Float64(5)})
	var recovered []*mesospb.Resource
	for _, o := range a.offersWith(func(*offer) bool { return true }) {
		offered := resources.Unallocate(o.resources)
		left := resources.Subtract(required, offered)
		if resources.Equivalent(left, required) {
			continue
		}
		required = left
		recovered = append(recovered, offered...)
		m.rescind(o, filter)
		if _, err := resources.Apply(recovered, conversions...); err == nil {
			return
		}
	}
}

// validateOperate checks an operation of an operator.
func (m *Master) validateOperate(a *agent, op *mesospb.Offer_Operation) error {
	switch op.GetType() {
	case mesospb.Offer_Operation_RESERVE:
		return validateReserve(op.GetReserve().GetResources(), reservation{operator: true, principal: m.callerPrincipal()})
	case mesospb.Offer_Operation_UNRESERVE:
		return validateUnreserve(op.GetUnreserve().GetResources())
	case mesospb.Offer_Operation_CREATE:
		return validateCreate(op.GetCreate().GetVolumes(), a.desc.Total, m.callerPrincipal(), nil)
	case mesospb.Offer_Operation_DESTROY:
		return m.validateDestroy(a, op.GetDestroy().GetVolumes())
	case mesospb.Offer_Operation_GROW_VOLUME:
		return validateGrow(op.GetGrowVolume().GetVolume(), op.GetGrowVolume().GetAddition())
	case mesospb.Offer_Operation_SHRINK_VOLUME:
		return validateShrink(op.GetShrinkVolume().GetVolume(), op.GetShrinkVolume().GetSubtract().GetValue())
	}
	return wireErrorf("Operation %v is not for operators", op.GetType())
}
