// Package v1batch is the kind of example that came with the V1 API of mesos-go: a scheduler that runs a batch of tasks in an executor of its own, on
// client/scheduler and client/executor. docs/migrate/mesos-go-v1.md puts the two side by side. The programs are in the folders
// scheduler and executor.
package v1batch

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// Batch is a number of equal tasks.
type Batch struct {
	Framework *mesospb.FrameworkInfo
	Executor  *mesospb.ExecutorInfo
	Tasks     int
	Role      string // whose reservations may be used; "*" for none
	Log       *slog.Logger

	launched, finished int
}

// Run runs the batch to its end. The session finds the leader, subscribes as often as it has to, watches heartbeats, keeps the framework
// id in the store and acknowledges updates.
func (b *Batch) Run(ctx context.Context, master string, store scheduler.FrameworkIDStore) error {
	s, err := scheduler.NewSession(scheduler.SessionConfig{
		Master:        master,
		FrameworkInfo: b.Framework,
		Store:         store,
		Tracer:        scheduler.LogSessions(b.Log),
		Handler:       scheduler.HandlerFuncs{Offers: b.offers, Update: b.update},
	})
	if err != nil {
		return err
	}
	_, err = s.Run(ctx)
	return err
}

func (b *Batch) offers(ctx context.Context, s *scheduler.Session, offers []*mesospb.Offer) error {
	need := []*mesospb.Resource{resources.NewCPUs(0.1), resources.NewMem(16)}
	for _, offer := range offers {
		own, fits := resources.Find(offer.GetResources(), b.Executor.GetResources(), b.Role)
		rest := resources.Subtract(offer.GetResources(), own)
		var tasks []*mesospb.TaskInfo
		for fits && b.launched < b.Tasks {
			take, ok := resources.Find(rest, need, b.Role)
			if !ok {
				break
			}
			rest = resources.Subtract(rest, take)
			b.launched++
			id := fmt.Sprint(b.launched)
			tasks = append(tasks, &mesospb.TaskInfo{
				Name: &id, TaskId: &mesospb.TaskID{Value: &id}, AgentId: offer.GetAgentId(), Executor: b.Executor, Resources: take,
			})
		}
		// Without operations an ACCEPT is a DECLINE.
		var launch []*mesospb.Offer_Operation
		if len(tasks) > 0 {
			launch = append(launch, scheduler.Launch(tasks...))
		}
		if err := s.Accept(ctx, scheduler.OfferIDs(offer), scheduler.RefuseSeconds(5), launch...); err != nil {
			return err // a failed call leaves the subscription alone; that this one ends the session is our choice
		}
	}
	if b.launched == b.Tasks {
		return s.Suppress(ctx)
	}
	return nil
}

func (b *Batch) update(ctx context.Context, s *scheduler.Session, status *mesospb.TaskStatus) error {
	b.Log.Info("status", "task", status.GetTaskId().GetValue(), "state", status.GetState(), "message", status.GetMessage())
	switch status.GetState() {
	case mesospb.TaskState_TASK_FINISHED:
		if b.finished++; b.finished == b.Tasks {
			return s.Teardown(ctx) // and the session ends
		}
	case mesospb.TaskState_TASK_LOST, mesospb.TaskState_TASK_KILLED, mesospb.TaskState_TASK_FAILED, mesospb.TaskState_TASK_ERROR:
		return fmt.Errorf("task %s is %v: %s", status.GetTaskId().GetValue(), status.GetState(), status.GetMessage())
	}
	return nil
}
