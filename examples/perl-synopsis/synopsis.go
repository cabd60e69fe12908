// Package perlsynopsis is the synopsis of the Perl binding on the classic driver: a scheduler that launches a task with an executor on
// each offer, in an event loop of the program's own, as the Perl driver runs in an AnyEvent loop.
// docs/migrate/mesos-perl.md puts the two side by side. The program is in the folder scheduler.
package perlsynopsis

import (
	"context"
	"fmt"
	"log/slog"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/driver"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// MyScheduler extends the scheduler that does nothing, as the Perl one extends Mesos::Scheduler.
type MyScheduler struct {
	driver.NopScheduler
	Executor string // path of the executor on the agents
	Log      *slog.Logger

	launched int
	// OnStatus, if set, is called with every status.
	OnStatus func(d driver.SchedulerDriver, status *mesospb.TaskStatus)
}

// ResourceOffers launches a task on every offer that has room for one.
func (s *MyScheduler) ResourceOffers(d driver.SchedulerDriver, offers []*mesospb.Offer) {
	for _, offer := range offers {
		task := &mesospb.TaskInfo{
			TaskId:  &mesospb.TaskID{Value: proto.String(fmt.Sprintf("a unique id %d", s.launched))},
			AgentId: offer.GetAgentId(),
			Name:    proto.String("does something cool"),
			Executor: &mesospb.ExecutorInfo{
				ExecutorId: &mesospb.ExecutorID{Value: proto.String(fmt.Sprintf("does cool tasks %d", s.launched))},
				Command:    &mesospb.CommandInfo{Value: &s.Executor},
			},
			Resources: []*mesospb.Resource{resources.NewCPUs(1), resources.NewMem(32)},
		}
		if !resources.Contains(offer.GetResources(), task.Resources) {
			d.DeclineOffer(offer.GetId(), nil)
			continue
		}
		s.launched++
		if status, err := d.LaunchTasks([]*mesospb.OfferID{offer.GetId()}, []*mesospb.TaskInfo{task}, nil); err != nil {
			s.Log.Error("launch", "driver", status, "error", err)
		}
	}
}

// StatusUpdate writes the log.
func (s *MyScheduler) StatusUpdate(d driver.SchedulerDriver, status *mesospb.TaskStatus) {
	s.Log.Info("status", "task", status.GetTaskId().GetValue(), "state", status.GetState())
	if s.OnStatus != nil {
		s.OnStatus(d, status)
	}
}

// Loop runs the framework in this goroutine, together with whatever else the program waits for. The driver brings callbacks to a channel and
// never calls the scheduler by itself.
func Loop(ctx context.Context, master string, s *MyScheduler, other <-chan string) error {
	d, err := driver.NewMesosSchedulerDriver(driver.DriverConfig{
		Master:    master,
		Framework: &mesospb.FrameworkInfo{Name: proto.String("awesome framework")},
		Scheduler: s,
		OwnLoop:   true,
	})
	if err != nil {
		return err
	}
	if _, err := d.Start(); err != nil {
		return err
	}
	stop := ctx.Done()
	for {
		select {
		case cb, open := <-d.Callbacks():
			if !open { // stopped, or aborted
				_, err := d.Join()
				return err
			}
			cb.Call()
		case line := <-other:
			s.Log.Info("something else", "line", line)
		case <-stop:
			d.Stop(false)
			stop = nil // it need not be said twice
		}
	}
}
