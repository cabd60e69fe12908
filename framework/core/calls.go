package core

import (
	"time"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// The calls that the core makes. Package client/scheduler has the same for people; the core does without, so that it stays free of HTTP.

func acceptCall(offers []*mesospb.OfferID, refuse time.Duration, ops []*mesospb.Offer_Operation) *schedulerpb.Call {
	return &schedulerpb.Call{
		Type:   schedulerpb.Call_ACCEPT.Enum(),
		Accept: &schedulerpb.Call_Accept{OfferIds: offers, Operations: ops, Filters: refuseFor(refuse)},
	}
}

func declineCall(offers []*mesospb.OfferID, refuse time.Duration) *schedulerpb.Call {
	return &schedulerpb.Call{
		Type:    schedulerpb.Call_DECLINE.Enum(),
		Decline: &schedulerpb.Call_Decline{OfferIds: offers, Filters: refuseFor(refuse)},
	}
}

func acceptInverseCall(again time.Duration, ids ...*mesospb.OfferID) *schedulerpb.Call {
	return &schedulerpb.Call{
		Type:                schedulerpb.Call_ACCEPT_INVERSE_OFFERS.Enum(),
		AcceptInverseOffers: &schedulerpb.Call_AcceptInverseOffers{InverseOfferIds: ids, Filters: refuseFor(again)},
	}
}

func declineInverseCall(refuse time.Duration, ids ...*mesospb.OfferID) *schedulerpb.Call {
	return &schedulerpb.Call{
		Type:                 schedulerpb.Call_DECLINE_INVERSE_OFFERS.Enum(),
		DeclineInverseOffers: &schedulerpb.Call_DeclineInverseOffers{InverseOfferIds: ids, Filters: refuseFor(refuse)},
	}
}

func suppressCall(roles []string) *schedulerpb.Call {
	return &schedulerpb.Call{Type: schedulerpb.Call_SUPPRESS.Enum(), Suppress: &schedulerpb.Call_Suppress{Roles: roles}}
}

func reviveCall(roles []string) *schedulerpb.Call {
	return &schedulerpb.Call{Type: schedulerpb.Call_REVIVE.Enum(), Revive: &schedulerpb.Call_Revive{Roles: roles}}
}

func killCall(task, agent string, grace time.Duration, override bool) *schedulerpb.Call {
	k := &schedulerpb.Call_Kill{TaskId: taskID(task), AgentId: agentID(agent)}
	if override {
		k.KillPolicy = &mesospb.KillPolicy{GracePeriod: &mesospb.DurationInfo{Nanoseconds: new(int64(grace))}}
	}
	return &schedulerpb.Call{Type: schedulerpb.Call_KILL.Enum(), Kill: k}
}

func shutdownCall(executor, agent string) *schedulerpb.Call {
	return &schedulerpb.Call{
		Type:     schedulerpb.Call_SHUTDOWN.Enum(),
		Shutdown: &schedulerpb.Call_Shutdown{ExecutorId: &mesospb.ExecutorID{Value: &executor}, AgentId: agentID(agent)},
	}
}

func acknowledgeCall(s *mesospb.TaskStatus) *schedulerpb.Call {
	return &schedulerpb.Call{
		Type:        schedulerpb.Call_ACKNOWLEDGE.Enum(),
		Acknowledge: &schedulerpb.Call_Acknowledge{AgentId: s.GetAgentId(), TaskId: s.GetTaskId(), Uuid: s.GetUuid()},
	}
}

func acknowledgeOperationCall(s *mesospb.OperationStatus) *schedulerpb.Call {
	return &schedulerpb.Call{
		Type: schedulerpb.Call_ACKNOWLEDGE_OPERATION_STATUS.Enum(),
		AcknowledgeOperationStatus: &schedulerpb.Call_AcknowledgeOperationStatus{
			AgentId: s.GetAgentId(), ResourceProviderId: s.GetResourceProviderId(), Uuid: s.GetUuid().GetValue(), OperationId: s.GetOperationId(),
		},
	}
}

// reconcileCall asks for tasks; without any it asks for all that the master knows.
func reconcileCall(tasks []*schedulerpb.Call_Reconcile_Task) *schedulerpb.Call {
	return &schedulerpb.Call{Type: schedulerpb.Call_RECONCILE.Enum(), Reconcile: &schedulerpb.Call_Reconcile{Tasks: tasks}}
}

func teardownCall() *schedulerpb.Call {
	return &schedulerpb.Call{Type: schedulerpb.Call_TEARDOWN.Enum()}
}

func refuseFor(d time.Duration) *mesospb.Filters {
	return &mesospb.Filters{RefuseSeconds: new(d.Seconds())}
}

func taskID(id string) *mesospb.TaskID   { return &mesospb.TaskID{Value: &id} }
func offerID(id string) *mesospb.OfferID { return &mesospb.OfferID{Value: &id} }

func agentID(id string) *mesospb.AgentID {
	if id == "" {
		return nil
	}
	return &mesospb.AgentID{Value: &id}
}

// launchedBy lists the tasks that an ACCEPT launches.
func launchedBy(a *schedulerpb.Call_Accept) []string {
	var ids []string
	for _, op := range a.GetOperations() {
		for _, t := range op.GetLaunch().GetTaskInfos() {
			ids = append(ids, t.GetTaskId().GetValue())
		}
		for _, t := range op.GetLaunchGroup().GetTaskGroup().GetTasks() {
			ids = append(ids, t.GetTaskId().GetValue())
		}
	}
	return ids
}
