package driver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// RefuseFor returns filters that keep refused resources away for a time; 0 means not at all.
func RefuseFor(d time.Duration) *mesospb.Filters {
	return &mesospb.Filters{RefuseSeconds: proto.Float64(d.Seconds())}
}

// call makes a call for the method op and waits for the answer.
func (d *MesosSchedulerDriver) call(op string, call *schedulerpb.Call) (mesospb.Status, error) {
	ctx, leave, status, err := d.core.enter(op)
	if err != nil {
		return status, err
	}
	defer leave()
	d.log.Debug("call", "type", call.GetType().String())
	if err := d.session.call(ctx, call); err != nil {
		return status, fmt.Errorf("%s: %w", op, err)
	}
	return status, nil
}

// RequestResources implements SchedulerDriver.
func (d *MesosSchedulerDriver) RequestResources(requests []*mesospb.Request) (mesospb.Status, error) {
	return d.call("RequestResources", scheduler.Request(requests...))
}

// LaunchTasks implements SchedulerDriver.
func (d *MesosSchedulerDriver) LaunchTasks(offerIDs []*mesospb.OfferID, tasks []*mesospb.TaskInfo, filters *mesospb.Filters) (mesospb.Status, error) {
	if len(tasks) == 0 {
		return d.decline("LaunchTasks", offerIDs, filters)
	}
	return d.accept("LaunchTasks", offerIDs, []*mesospb.Offer_Operation{scheduler.Launch(tasks...)}, filters)
}

// AcceptOffers implements SchedulerDriver.
func (d *MesosSchedulerDriver) AcceptOffers(offerIDs []*mesospb.OfferID, operations []*mesospb.Offer_Operation, filters *mesospb.Filters) (mesospb.Status, error) {
	return d.accept("AcceptOffers", offerIDs, operations, filters)
}

func (d *MesosSchedulerDriver) accept(op string, offerIDs []*mesospb.OfferID, operations []*mesospb.Offer_Operation, filters *mesospb.Filters) (mesospb.Status, error) {
	d.spend(offerIDs...) // before the call, or Abort meanwhile would decline what is being accepted
	status, err := d.call(op, scheduler.Accept(offerIDs, filters, operations...))
	if _, stopped := errors.AsType[*StateError](err); err == nil || stopped {
		return status, err
	}
	if !maybeTaken(err) {
		d.lose(operations, err)
	}
	d.giveBack(slices.Clone(offerIDs), filters, err)
	return status, err
}

// maybeTaken says whether a master may have taken notice of a call that failed: it broke off on the way. Only reconciliation tells then. All other
// errors are answers of a master that did nothing, or kept the call from being sent.
func maybeTaken(err error) bool {
	if _, broken := errors.AsType[*transport.ExchangeError](err); broken {
		return true
	}
	if answer, ok := errors.AsType[*transport.StatusError](err); ok {
		switch answer.Code {
		case http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout:
			return true // from something on the way, or after who knows what
		}
		return false
	}
	// Waiting for a connection ends with the context too, but nothing was sent then.
	return !errors.Is(err, ErrDisconnected) && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled))
}

// lose answers the tasks of operations that no master knows, as src/sched/sched.cpp does: a scheduler that waits for a status gets one.
func (d *MesosSchedulerDriver) lose(operations []*mesospb.Offer_Operation, err error) {
	state := mesospb.TaskState_TASK_LOST
	if d.partition {
		state = mesospb.TaskState_TASK_DROPPED
	}
	var reason *mesospb.TaskStatus_Reason
	if errors.Is(err, ErrDisconnected) {
		reason = mesospb.TaskStatus_REASON_MASTER_DISCONNECTED.Enum()
	}
	for _, op := range operations {
		tasks := op.GetLaunch().GetTaskInfos()
		tasks = append(tasks[:len(tasks):len(tasks)], op.GetLaunchGroup().GetTaskGroup().GetTasks()...)
		for _, task := range tasks {
			d.updated(&mesospb.TaskStatus{
				TaskId:    proto.CloneOf(task.GetTaskId()),
				AgentId:   proto.CloneOf(task.GetAgentId()),
				State:     state.Enum(),
				Source:    mesospb.TaskStatus_SOURCE_MASTER.Enum(),
				Reason:    reason,
				Message:   proto.String("not launched: " + err.Error()),
				Timestamp: proto.Float64(float64(time.Now().UnixMicro()) / 1e6),
			})
		}
	}
}

// DeclineOffer implements SchedulerDriver.
func (d *MesosSchedulerDriver) DeclineOffer(offerID *mesospb.OfferID, filters *mesospb.Filters) (mesospb.Status, error) {
	return d.decline("DeclineOffer", []*mesospb.OfferID{offerID}, filters)
}

func (d *MesosSchedulerDriver) decline(op string, offerIDs []*mesospb.OfferID, filters *mesospb.Filters) (mesospb.Status, error) {
	d.spend(offerIDs...)
	status, err := d.call(op, scheduler.Decline(offerIDs, filters))
	if _, stopped := errors.AsType[*StateError](err); err != nil && !stopped {
		d.giveBack(slices.Clone(offerIDs), filters, err)
	}
	return status, err
}

// KillTask implements SchedulerDriver.
func (d *MesosSchedulerDriver) KillTask(taskID *mesospb.TaskID) (mesospb.Status, error) {
	return d.call("KillTask", scheduler.Kill(taskID, nil, nil))
}

// ReviveOffers implements SchedulerDriver.
func (d *MesosSchedulerDriver) ReviveOffers(roles ...string) (mesospb.Status, error) {
	return d.call("ReviveOffers", scheduler.Revive(roles...))
}

// SuppressOffers implements SchedulerDriver.
func (d *MesosSchedulerDriver) SuppressOffers(roles ...string) (mesospb.Status, error) {
	return d.call("SuppressOffers", scheduler.Suppress(roles...))
}

// AcknowledgeStatusUpdate implements SchedulerDriver.
func (d *MesosSchedulerDriver) AcknowledgeStatusUpdate(status *mesospb.TaskStatus) (mesospb.Status, error) {
	return d.acknowledge("AcknowledgeStatusUpdate", taskKey(status), scheduler.Acknowledge(status))
}

// acknowledge makes an acknowledgement, nil if none is needed, of the update that key names.
func (d *MesosSchedulerDriver) acknowledge(op, key string, call *schedulerpb.Call) (mesospb.Status, error) {
	status := d.Status()
	switch {
	case status != mesospb.Status_DRIVER_RUNNING:
		return status, &StateError{Op: op, Status: status}
	case !d.cfg.ExplicitAcknowledgements:
		return status, fmt.Errorf("%s: %w", op, ErrImplicitAcknowledgements)
	case call == nil:
		return status, nil
	}
	status, err := d.call(op, call)
	if err == nil {
		d.repeats.acknowledged(key)
	}
	return status, err
}

// SendFrameworkMessage implements SchedulerDriver.
func (d *MesosSchedulerDriver) SendFrameworkMessage(executorID *mesospb.ExecutorID, agentID *mesospb.AgentID, data []byte) (mesospb.Status, error) {
	return d.call("SendFrameworkMessage", scheduler.Message(agentID, executorID, data))
}

// ReconcileTasks implements SchedulerDriver.
func (d *MesosSchedulerDriver) ReconcileTasks(statuses []*mesospb.TaskStatus) (mesospb.Status, error) {
	tasks := make([]*schedulerpb.Call_Reconcile_Task, len(statuses))
	for i, s := range statuses {
		tasks[i] = scheduler.ReconcileTask(s.GetTaskId(), s.GetAgentId())
	}
	return d.call("ReconcileTasks", scheduler.Reconcile(tasks...))
}

// AcceptInverseOffers implements SchedulerDriver.
func (d *MesosSchedulerDriver) AcceptInverseOffers(offerIDs []*mesospb.OfferID, filters *mesospb.Filters) (mesospb.Status, error) {
	return d.call("AcceptInverseOffers", scheduler.AcceptInverseOffers(offerIDs, filters))
}

// DeclineInverseOffers implements SchedulerDriver.
func (d *MesosSchedulerDriver) DeclineInverseOffers(offerIDs []*mesospb.OfferID, filters *mesospb.Filters) (mesospb.Status, error) {
	return d.call("DeclineInverseOffers", scheduler.DeclineInverseOffers(offerIDs, filters))
}

// ShutdownExecutor implements SchedulerDriver.
func (d *MesosSchedulerDriver) ShutdownExecutor(executorID *mesospb.ExecutorID, agentID *mesospb.AgentID) (mesospb.Status, error) {
	return d.call("ShutdownExecutor", scheduler.Shutdown(executorID, agentID))
}

// AcknowledgeOperationStatus implements SchedulerDriver.
func (d *MesosSchedulerDriver) AcknowledgeOperationStatus(status *mesospb.OperationStatus) (mesospb.Status, error) {
	return d.acknowledge("AcknowledgeOperationStatus", operationKey(status), scheduler.AcknowledgeOperationStatus(status))
}

// ReconcileOperations implements SchedulerDriver.
func (d *MesosSchedulerDriver) ReconcileOperations(operations []*schedulerpb.Call_ReconcileOperations_Operation) (mesospb.Status, error) {
	return d.call("ReconcileOperations", scheduler.ReconcileOperations(operations...))
}

// UpdateFramework implements SchedulerDriver.
func (d *MesosSchedulerDriver) UpdateFramework(info *mesospb.FrameworkInfo, suppressedRoles []string, constraints *schedulerpb.OfferConstraints) (mesospb.Status, error) {
	return d.call("UpdateFramework", scheduler.UpdateFramework(info, scheduler.SubscribeOptions{
		SuppressedRoles: suppressedRoles, OfferConstraints: constraints,
	}))
}
