package driver

import (
	"context"
	"errors"
	"log/slog"

	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// due queues a callback of the scheduler.
func (d *MesosSchedulerDriver) due(name string, run func(Scheduler, SchedulerDriver)) {
	d.core.enqueue(&Callback{Name: name, run: func() { run(d.cfg.Scheduler, inSchedulerCallback{d}) }})
}

// event implements schedulerSink.
func (d *MesosSchedulerDriver) event(e *schedulerpb.Event) {
	switch e.GetType() {
	case schedulerpb.Event_SUBSCRIBED:
		d.subscribed(e.GetSubscribed())
	case schedulerpb.Event_OFFERS:
		d.offered(e.GetOffers().GetOffers())
	case schedulerpb.Event_INVERSE_OFFERS:
		d.inverse("InverseOffers", func(s InverseOfferScheduler, sd SchedulerDriver) {
			s.InverseOffers(sd, e.GetInverseOffers().GetInverseOffers())
		})
	case schedulerpb.Event_RESCIND:
		id := e.GetRescind().GetOfferId()
		d.spend(id)
		d.due("OfferRescinded", func(s Scheduler, sd SchedulerDriver) { s.OfferRescinded(sd, id) })
	case schedulerpb.Event_RESCIND_INVERSE_OFFER:
		d.inverse("InverseOfferRescinded", func(s InverseOfferScheduler, sd SchedulerDriver) {
			s.InverseOfferRescinded(sd, e.GetRescindInverseOffer().GetInverseOfferId())
		})
	case schedulerpb.Event_UPDATE:
		d.updated(e.GetUpdate().GetStatus())
	case schedulerpb.Event_UPDATE_OPERATION_STATUS:
		d.operationUpdated(e.GetUpdateOperationStatus().GetStatus())
	case schedulerpb.Event_MESSAGE:
		m := e.GetMessage()
		d.due("FrameworkMessage", func(s Scheduler, sd SchedulerDriver) {
			s.FrameworkMessage(sd, m.GetExecutorId(), m.GetAgentId(), m.GetData())
		})
	case schedulerpb.Event_FAILURE:
		d.failed(e.GetFailure())
	case schedulerpb.Event_ERROR: // the session ends with it
	case schedulerpb.Event_HEARTBEAT:
	default:
		d.log.Debug("event without a callback", "type", e.GetType().String())
	}
}

func (d *MesosSchedulerDriver) subscribed(e *schedulerpb.Event_Subscribed) {
	d.mu.Lock()
	d.attached = true
	select {
	case <-d.connected:
	default:
		close(d.connected)
	}
	d.mu.Unlock()
	if d.core.current() == mesospb.Status_DRIVER_ABORTED {
		d.deactivate()
		return
	}
	master := e.GetMasterInfo()
	if !d.registered {
		// The first subscription of a driver, even one that takes a framework over, as in src/sched/sched.cpp.
		d.registered = true
		d.due("Registered", func(s Scheduler, sd SchedulerDriver) { s.Registered(sd, e.GetFrameworkId(), master) })
		return
	}
	d.due("Reregistered", func(s Scheduler, sd SchedulerDriver) { s.Reregistered(sd, master) })
}

// disconnected implements schedulerSink.
func (d *MesosSchedulerDriver) disconnected(cause error) {
	d.mu.Lock()
	was := false
	select {
	case <-d.connected:
		was = true
		d.connected = make(chan struct{})
	default:
	}
	clear(d.offers) // the master takes them all back
	d.mu.Unlock()
	var final *scheduler.EventError // followed by Error, as in src/sched/sched.cpp
	if was && !errors.As(cause, &final) {
		d.due("Disconnected", func(s Scheduler, sd SchedulerDriver) { s.Disconnected(sd) })
	}
}

func (d *MesosSchedulerDriver) offered(offers []*mesospb.Offer) {
	d.hold(offers)
	// Asked after the offers are noted: whoever aborts at this moment either finds them there or is seen here.
	if d.core.current() == mesospb.Status_DRIVER_ABORTED {
		d.deactivate()
		return
	}
	d.due("ResourceOffers", func(s Scheduler, sd SchedulerDriver) { s.ResourceOffers(sd, offers) })
}

func (d *MesosSchedulerDriver) updated(status *mesospb.TaskStatus) {
	d.dueOnce("StatusUpdate", taskKey(status), ownAcknowledgement(status), func() {
		d.cfg.Scheduler.StatusUpdate(inSchedulerCallback{d}, status)
	})
}

func (d *MesosSchedulerDriver) operationUpdated(status *mesospb.OperationStatus) {
	handler, ok := d.cfg.Scheduler.(OperationScheduler)
	d.dueOnce("OperationStatusUpdate", operationKey(status), ownOperationAcknowledgement(status), func() {
		if ok {
			handler.OperationStatusUpdate(inSchedulerCallback{d}, status)
		} else {
			d.log.Warn("the scheduler has no OperationStatusUpdate", "operation", status.GetOperationId().GetValue(), "state", status.GetState().String())
		}
	})
}

func taskKey(s *mesospb.TaskStatus) string {
	return repeatKey("task ", s.GetTaskId().GetValue(), s.GetUuid())
}

func operationKey(s *mesospb.OperationStatus) string {
	return repeatKey("operation ", s.GetOperationId().GetValue(), s.GetUuid().GetValue())
}

// dueOnce queues the callback of an update, unless that is a repetition: of one whose callback is still due, or of one that was dealt with, which
// is only acknowledged again. acknowledgement is nil if none is needed.
func (d *MesosSchedulerDriver) dueOnce(name, key string, acknowledgement *schedulerpb.Call, run func()) {
	if fresh, dealtWith := d.repeats.arrive(key); !fresh {
		if dealtWith && acknowledgement != nil {
			d.send(acknowledgement)
		}
		return
	}
	implicit := acknowledgement != nil && !d.cfg.ExplicitAcknowledgements
	cb := &Callback{Name: name, run: func() {
		run()
		// Not acknowledged if the driver was stopped or aborted meanwhile, as in src/sched/sched.cpp.
		d.repeats.finish(key, implicit && d.core.current() == mesospb.Status_DRIVER_RUNNING)
	}}
	if implicit {
		cb.after = func() { d.send(acknowledgement) }
	}
	d.core.enqueue(cb)
}

func (d *MesosSchedulerDriver) inverse(name string, run func(InverseOfferScheduler, SchedulerDriver)) {
	if handler, ok := d.cfg.Scheduler.(InverseOfferScheduler); ok {
		d.due(name, func(_ Scheduler, sd SchedulerDriver) { run(handler, sd) })
	}
}

func (d *MesosSchedulerDriver) failed(e *schedulerpb.Event_Failure) {
	if e.GetExecutorId() == nil {
		d.due("AgentLost", func(s Scheduler, sd SchedulerDriver) { s.AgentLost(sd, e.GetAgentId()) })
		return
	}
	d.due("ExecutorLost", func(s Scheduler, sd SchedulerDriver) {
		s.ExecutorLost(sd, e.GetExecutorId(), e.GetAgentId(), int(e.GetStatus()))
	})
}

// send makes a call that nobody waits for.
func (d *MesosSchedulerDriver) send(call *schedulerpb.Call) {
	d.core.background(func(ctx context.Context) {
		if err := d.session.call(ctx, call); err != nil {
			// An acknowledgement that is lost brings the update again, and every subscription of an aborted driver is muted again.
			level := slog.LevelWarn
			if errors.Is(err, ErrDisconnected) {
				level = slog.LevelDebug
			}
			d.log.Log(ctx, level, "call failed", "type", call.GetType().String(), "error", err)
		}
	})
}
