package scheduler

import (
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// The functions of this file build calls. They share what they are given and leave out the framework id, which Calls
// (or Call of a Subscription or Session) fills in.

// SubscribeOptions are what SUBSCRIBE and UPDATE_FRAMEWORK say besides the framework info.
type SubscribeOptions struct {
	// SuppressedRoles get no offers until they are revived; a subset of the framework's roles.
	SuppressedRoles []string
	// OfferConstraints say by role which agents' offers are wanted; nil means all. Since Mesos 1.11.
	OfferConstraints *schedulerpb.OfferConstraints
}

// Subscribe builds the SUBSCRIBE call. Where info has an id, the framework that bears it is resumed.
func Subscribe(info *mesospb.FrameworkInfo, opts SubscribeOptions) *schedulerpb.Call {
	return &schedulerpb.Call{
		FrameworkId: info.GetId(),
		Type:        schedulerpb.Call_SUBSCRIBE.Enum(),
		Subscribe: &schedulerpb.Call_Subscribe{
			FrameworkInfo: info, SuppressedRoles: opts.SuppressedRoles, OfferConstraints: opts.OfferConstraints,
		},
	}
}

// Teardown builds the TEARDOWN call: the framework is removed, its tasks are killed and its id is spent.
func Teardown() *schedulerpb.Call {
	return &schedulerpb.Call{Type: schedulerpb.Call_TEARDOWN.Enum()}
}

// Accept builds the ACCEPT call: operations are applied in order to the sum of the offers, which are of one
// agent and one role. All offers are spent; what the operations leave is refused as filters say (nil: for 5 s).
func Accept(offers []*mesospb.OfferID, filters *mesospb.Filters, operations ...*mesospb.Offer_Operation) *schedulerpb.Call {
	return &schedulerpb.Call{
		Type:   schedulerpb.Call_ACCEPT.Enum(),
		Accept: &schedulerpb.Call_Accept{OfferIds: offers, Operations: operations, Filters: filters},
	}
}

// Decline builds the DECLINE call: the offers are given back and refused as filters say (nil: for 5 s).
func Decline(offers []*mesospb.OfferID, filters *mesospb.Filters) *schedulerpb.Call {
	return &schedulerpb.Call{
		Type:    schedulerpb.Call_DECLINE.Enum(),
		Decline: &schedulerpb.Call_Decline{OfferIds: offers, Filters: filters},
	}
}

// AcceptInverseOffers builds the ACCEPT_INVERSE_OFFERS call: the framework will leave the resources before the
// maintenance that wants them.
func AcceptInverseOffers(inverseOffers []*mesospb.OfferID, filters *mesospb.Filters) *schedulerpb.Call {
	return &schedulerpb.Call{
		Type:                schedulerpb.Call_ACCEPT_INVERSE_OFFERS.Enum(),
		AcceptInverseOffers: &schedulerpb.Call_AcceptInverseOffers{InverseOfferIds: inverseOffers, Filters: filters},
	}
}

// DeclineInverseOffers builds the DECLINE_INVERSE_OFFERS call: the framework will not leave the resources.
func DeclineInverseOffers(inverseOffers []*mesospb.OfferID, filters *mesospb.Filters) *schedulerpb.Call {
	return &schedulerpb.Call{
		Type:                 schedulerpb.Call_DECLINE_INVERSE_OFFERS.Enum(),
		DeclineInverseOffers: &schedulerpb.Call_DeclineInverseOffers{InverseOfferIds: inverseOffers, Filters: filters},
	}
}

// Revive builds the REVIVE call: filters of the roles, of all if none is named, are dropped and their offers
// come again. One role that the framework does not have makes the master ignore the whole call.
func Revive(roles ...string) *schedulerpb.Call {
	return &schedulerpb.Call{Type: schedulerpb.Call_REVIVE.Enum(), Revive: &schedulerpb.Call_Revive{Roles: roles}}
}

// Suppress builds the SUPPRESS call: the roles, all if none is named, get no more offers until they are
// revived. Outstanding offers stay. One role that the framework does not have makes the master ignore the whole
// call.
func Suppress(roles ...string) *schedulerpb.Call {
	return &schedulerpb.Call{Type: schedulerpb.Call_SUPPRESS.Enum(), Suppress: &schedulerpb.Call_Suppress{Roles: roles}}
}

// Kill builds the KILL call, which a status update answers. agent may be nil; where it is known it should be
// given, as the kill then reaches an agent that a new master does not know the tasks of yet. policy overrides
// that of the task; nil leaves it.
func Kill(task *mesospb.TaskID, agent *mesospb.AgentID, policy *mesospb.KillPolicy) *schedulerpb.Call {
	return &schedulerpb.Call{
		Type: schedulerpb.Call_KILL.Enum(),
		Kill: &schedulerpb.Call_Kill{TaskId: task, AgentId: agent, KillPolicy: policy},
	}
}

// Shutdown builds the SHUTDOWN call: a custom executor and its tasks are ended.
func Shutdown(executor *mesospb.ExecutorID, agent *mesospb.AgentID) *schedulerpb.Call {
	return &schedulerpb.Call{
		Type:     schedulerpb.Call_SHUTDOWN.Enum(),
		Shutdown: &schedulerpb.Call_Shutdown{ExecutorId: executor, AgentId: agent},
	}
}

// Acknowledge builds the ACKNOWLEDGE call for a status, or returns nil for one without a uuid, which must not be
// acknowledged.
func Acknowledge(status *mesospb.TaskStatus) *schedulerpb.Call {
	if len(status.GetUuid()) == 0 {
		return nil
	}
	return &schedulerpb.Call{
		Type: schedulerpb.Call_ACKNOWLEDGE.Enum(),
		Acknowledge: &schedulerpb.Call_Acknowledge{
			AgentId: status.GetAgentId(), TaskId: status.GetTaskId(), Uuid: status.GetUuid(),
		},
	}
}

// AcknowledgeOperationStatus builds the ACKNOWLEDGE_OPERATION_STATUS call for a status, or returns nil for one
// without a uuid or without an operation id, which cannot be acknowledged.
func AcknowledgeOperationStatus(status *mesospb.OperationStatus) *schedulerpb.Call {
	if len(status.GetUuid().GetValue()) == 0 || status.GetOperationId() == nil {
		return nil
	}
	return &schedulerpb.Call{
		Type: schedulerpb.Call_ACKNOWLEDGE_OPERATION_STATUS.Enum(),
		AcknowledgeOperationStatus: &schedulerpb.Call_AcknowledgeOperationStatus{
			AgentId: status.GetAgentId(), ResourceProviderId: status.GetResourceProviderId(),
			Uuid: status.GetUuid().GetValue(), OperationId: status.GetOperationId(),
		},
	}
}

// Reconcile builds the RECONCILE call: the master sends an update with the state of each task, or of all tasks
// that it knows if none is named. See ReconcileTask.
func Reconcile(tasks ...*schedulerpb.Call_Reconcile_Task) *schedulerpb.Call {
	return &schedulerpb.Call{Type: schedulerpb.Call_RECONCILE.Enum(), Reconcile: &schedulerpb.Call_Reconcile{Tasks: tasks}}
}

// ReconcileTask names a task for Reconcile; agent may be nil, but the answer is better with it.
func ReconcileTask(task *mesospb.TaskID, agent *mesospb.AgentID) *schedulerpb.Call_Reconcile_Task {
	return &schedulerpb.Call_Reconcile_Task{TaskId: task, AgentId: agent}
}

// ReconcileOperations builds the RECONCILE_OPERATIONS call: the master sends an update with the state of each
// operation, or of all that it knows if none is named. See ReconcileOperation.
func ReconcileOperations(operations ...*schedulerpb.Call_ReconcileOperations_Operation) *schedulerpb.Call {
	return &schedulerpb.Call{
		Type:                schedulerpb.Call_RECONCILE_OPERATIONS.Enum(),
		ReconcileOperations: &schedulerpb.Call_ReconcileOperations{Operations: operations},
	}
}

// ReconcileOperation names an operation for ReconcileOperations; agent and provider may be nil.
func ReconcileOperation(operation *mesospb.OperationID, agent *mesospb.AgentID, provider *mesospb.ResourceProviderID) *schedulerpb.Call_ReconcileOperations_Operation {
	return &schedulerpb.Call_ReconcileOperations_Operation{OperationId: operation, AgentId: agent, ResourceProviderId: provider}
}

// Message builds the MESSAGE call: bytes for an executor, which may be lost on the way.
func Message(agent *mesospb.AgentID, executor *mesospb.ExecutorID, data []byte) *schedulerpb.Call {
	if data == nil {
		data = []byte{} // the field is required, nil would leave it out
	}
	return &schedulerpb.Call{
		Type:    schedulerpb.Call_MESSAGE.Enum(),
		Message: &schedulerpb.Call_Message{AgentId: agent, ExecutorId: executor, Data: data},
	}
}

// Request builds the REQUEST call, which names resources that would be welcome. The built-in allocator ignores it.
func Request(requests ...*mesospb.Request) *schedulerpb.Call {
	return &schedulerpb.Call{Type: schedulerpb.Call_REQUEST.Enum(), Request: &schedulerpb.Call_Request{Requests: requests}}
}

// UpdateFramework builds the UPDATE_FRAMEWORK call, which replaces the framework info (but for id, principal,
// user and checkpoint, which must stay the same) and all of opts.
func UpdateFramework(info *mesospb.FrameworkInfo, opts SubscribeOptions) *schedulerpb.Call {
	return &schedulerpb.Call{
		Type: schedulerpb.Call_UPDATE_FRAMEWORK.Enum(),
		UpdateFramework: &schedulerpb.Call_UpdateFramework{
			FrameworkInfo: info, SuppressedRoles: opts.SuppressedRoles, OfferConstraints: opts.OfferConstraints,
		},
	}
}

// OfferIDs returns the ids of offers, for Accept and Decline.
func OfferIDs(offers ...*mesospb.Offer) []*mesospb.OfferID {
	ids := make([]*mesospb.OfferID, len(offers))
	for i, offer := range offers {
		ids[i] = offer.GetId()
	}
	return ids
}

// InverseOfferIDs returns the ids of inverse offers, for AcceptInverseOffers and DeclineInverseOffers.
func InverseOfferIDs(offers ...*mesospb.InverseOffer) []*mesospb.OfferID {
	ids := make([]*mesospb.OfferID, len(offers))
	for i, offer := range offers {
		ids[i] = offer.GetId()
	}
	return ids
}

// RefuseSeconds returns filters that refuse the same resources for so many seconds: 0 for none at all, at most
// a year; the master takes a negative value for the default of 5.
func RefuseSeconds(seconds float64) *mesospb.Filters {
	return &mesospb.Filters{RefuseSeconds: proto.Float64(seconds)}
}
