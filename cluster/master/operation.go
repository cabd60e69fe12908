package master

import (
	"bytes"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/cluster/internal/loop"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// Operation feedback (docs/behaviour.md#scheduler-calls, #reconciliation): an operation with an id ends in UPDATE_OPERATION_STATUS with a uuid, sent
// again after 10 s, then at doubling intervals up to 10 min, until it is acknowledged. The master applies operations
// itself and has the agent keep the result, so they are finished at once; Mesos' agents send the updates. Agents remember
// operations until then, so that another master goes on; those of frameworks that are not back yet wait for them.

// operation is an operation whose last status is not acknowledged.
type operation struct {
	uuid      []byte
	framework *framework
	agent     *agent
	info      *mesospb.Offer_Operation
	status    *mesospb.OperationStatus // the latest; has a uuid of its own
	retry     *loop.Timer
	wait      time.Duration
}

const (
	firstRetry = 10 * time.Second
	lastRetry  = 10 * time.Minute
)

// recordOperation notes an operation that was applied. Without id nobody waits for it.
func (m *Master) recordOperation(f *framework, a *agent, op *mesospb.Offer_Operation) {
	m.metrics.operations[op.GetType()]++
	if op.Id == nil {
		return
	}
	id, uuid := m.newUUID(), m.newUUID()
	o := &operation{
		uuid: id[:], framework: f, agent: a, info: op, wait: firstRetry,
		status: &mesospb.OperationStatus{
			OperationId: op.Id, State: mesospb.OperationState_OPERATION_FINISHED.Enum(),
			Uuid: &mesospb.UUID{Value: uuid[:]}, AgentId: a.info.Id,
		},
	}
	f.operations[string(o.uuid)], a.ops[string(o.uuid)] = o, o
	a.send(link.KeepOperation{Operation: o.pb()})
	m.tellOperation(o)
}

// tellOperation sends the status, now and until it is acknowledged.
func (m *Master) tellOperation(o *operation) {
	o.framework.send(operationEvent(o.status))
	o.retry.Stop()
	o.retry = m.loop.After(o.wait, func() {
		o.wait = min(2*o.wait, lastRetry)
		m.tellOperation(o)
	})
}

func (m *Master) forgetOperation(o *operation) {
	o.retry.Stop()
	delete(o.framework.operations, string(o.uuid))
	delete(o.agent.ops, string(o.uuid))
	m.checkDrained(o.agent)
}

func (m *Master) forgetOperationsOf(f *framework) {
	for _, id := range sortedKeys(f.operations) {
		m.forgetOperation(f.operations[id])
	}
}

// loseOperations forgets the operations of an agent that is lost. They were applied; only their updates are gone.
func (m *Master) loseOperations(a *agent) {
	for _, id := range sortedKeys(a.ops) {
		m.forgetOperation(a.ops[id])
	}
}

// adoptOperation takes over an operation that an agent remembers.
func (m *Master) adoptOperation(a *agent, known *mesospb.Operation) {
	f := m.frameworks[known.GetFrameworkId().GetValue()]
	uuid := known.GetUuid().GetValue()
	if len(uuid) == 0 || a.ops[string(uuid)] != nil || known.GetLatestStatus() == nil || known.FrameworkId == nil {
		return
	}
	if f == nil {
		a.orphans = append(a.orphans, known)
		return
	}
	o := &operation{uuid: uuid, framework: f, agent: a, info: known.GetInfo(), status: known.GetLatestStatus(), wait: firstRetry}
	f.operations[string(o.uuid)], a.ops[string(o.uuid)] = o, o
	m.tellOperation(o)
}

// adoptOrphans takes over operations that agents brought before their framework was there.
func (m *Master) adoptOrphans() {
	for _, id := range sortedKeys(m.agents) {
		a := m.agents[id]
		orphans := a.orphans
		a.orphans = nil
		for _, known := range orphans {
			m.adoptOperation(a, known) // may be another framework's, still an orphan
		}
	}
}

// operationStatus handles the status of an operation that the agent reports.
func (m *Master) operationStatus(a *agent, msg link.OperationStatus) {
	o := a.ops[string(msg.OperationID)]
	if o == nil {
		m.metrics.messages.operationUpdatesInvalid++
		return
	}
	m.metrics.messages.operationUpdates++
	o.status, o.wait = msg.Status, firstRetry
	m.tellOperation(o)
}

// pb returns the operation as the APIs show it.
func (o *operation) pb() *mesospb.Operation {
	return &mesospb.Operation{
		FrameworkId: &mesospb.FrameworkID{Value: &o.framework.id}, AgentId: o.agent.info.Id, Info: o.info,
		LatestStatus: o.status, Statuses: []*mesospb.OperationStatus{o.status}, Uuid: &mesospb.UUID{Value: o.uuid},
	}
}

func checkAcknowledgeOperation(c *schedulerpb.Call) error {
	k := c.AcknowledgeOperationStatus
	switch {
	case k == nil:
		return wireError("Expecting 'acknowledge_operation_status' to be present")
	case !validUUID(k.GetUuid()):
		return wireError("Not a valid UUID")
	case k.AgentId == nil:
		return wireError("Expecting 'agent_id' to be present")
	}
	return nil
}

// callAcknowledgeOperation is ACKNOWLEDGE_OPERATION_STATUS: a terminal operation is forgotten. The uuid must be that of the
// latest status.
func (m *Master) callAcknowledgeOperation(f *framework, c *schedulerpb.Call) answer {
	k := c.GetAcknowledgeOperationStatus()
	for _, id := range sortedKeys(f.operations) {
		o := f.operations[id]
		if o.info.GetId().GetValue() == k.GetOperationId().GetValue() && bytes.Equal(o.status.GetUuid().GetValue(), k.GetUuid()) {
			if isTerminalOperation(o.status.GetState()) {
				o.agent.send(link.ForgetOperation{OperationID: o.uuid})
				m.forgetOperation(o)
			} else {
				o.retry.Stop()
			}
			m.metrics.messages.operationAcks++
			return accepted
		}
	}
	m.metrics.messages.operationAcksInvalid++
	return accepted
}

func isTerminalOperation(s mesospb.OperationState) bool {
	switch s {
	case mesospb.OperationState_OPERATION_FINISHED, mesospb.OperationState_OPERATION_FAILED, mesospb.OperationState_OPERATION_ERROR,
		mesospb.OperationState_OPERATION_DROPPED, mesospb.OperationState_OPERATION_GONE_BY_OPERATOR:
		return true
	}
	return false
}

// callReconcileOperations is RECONCILE_OPERATIONS (docs/behaviour.md#reconciliation): known operations are answered with their latest status without
// uuid; others by what is known of their agent. Without operations all known ones are answered.
func (m *Master) callReconcileOperations(f *framework, c *schedulerpb.Call) answer {
	asked := c.GetReconcileOperations().GetOperations()
	for _, q := range asked {
		m.reconcileOperation(f, q)
	}
	if len(asked) == 0 {
		for _, id := range sortedKeys(f.operations) {
			f.send(operationEvent(withoutUUID(f.operations[id].status)))
		}
	}
	return accepted
}

func withoutUUID(s *mesospb.OperationStatus) *mesospb.OperationStatus {
	c := proto.CloneOf(s)
	c.Uuid = nil
	return c
}

func (m *Master) reconcileOperation(f *framework, q *schedulerpb.Call_ReconcileOperations_Operation) {
	for _, id := range sortedKeys(f.operations) {
		if o := f.operations[id]; o.info.GetId().GetValue() == q.GetOperationId().GetValue() {
			f.send(operationEvent(withoutUUID(o.status)))
			return
		}
	}
	agentID := q.GetAgentId().GetValue()
	state, message := mesospb.OperationState_OPERATION_UNKNOWN, "Reconciliation: Operation is unknown"
	if m.agents[agentID] == nil {
		if m.recovered[agentID] != nil {
			state, message = mesospb.OperationState_OPERATION_RECOVERING, "Reconciliation: Agent is recovered but has not re-registered"
		} else if m.unreachable[agentID] != nil {
			state, message = mesospb.OperationState_OPERATION_UNREACHABLE, "Reconciliation: Agent is unreachable"
		} else if _, gone := m.gone[agentID]; gone {
			state, message = mesospb.OperationState_OPERATION_GONE_BY_OPERATOR, "Reconciliation: Agent marked gone by operator"
		}
	}
	f.send(operationEvent(&mesospb.OperationStatus{
		OperationId: q.GetOperationId(), State: &state, Message: &message, AgentId: q.AgentId, ResourceProviderId: q.ResourceProviderId,
	}))
}
