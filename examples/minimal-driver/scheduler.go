package minimaldriver

import (
	"log/slog"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/driver"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// Scheduler launches one web server and aborts when that ends badly.
type Scheduler struct {
	driver.NopScheduler // for the callbacks that do not matter here

	Executor  *mesospb.ExecutorInfo
	NeededCPU float64 // cores
	NeededRAM float64 // MB
	Page      string  // what the web server answers
	Log       *slog.Logger
	// Running, if set, is called when the web server is there.
	Running func(d driver.SchedulerDriver, hostname string, port uint64)

	launched bool
	hostname string
	port     uint64
}

// NewExecutorInfo describes an executor that agents fetch from a URI.
func NewExecutorInfo(uri, command string) *mesospb.ExecutorInfo {
	return &mesospb.ExecutorInfo{
		ExecutorId: &mesospb.ExecutorID{Value: proto.String("default")},
		Name:       proto.String("Test Executor (Go)"),
		Labels:     &mesospb.Labels{Labels: []*mesospb.Label{{Key: proto.String("source"), Value: proto.String("go_test")}}},
		Command: &mesospb.CommandInfo{
			Value: &command,
			Uris:  []*mesospb.CommandInfo_URI{{Value: &uri, Executable: proto.Bool(true)}},
		},
	}
}

// Registered is called when the framework is known to the master.
func (s *Scheduler) Registered(_ driver.SchedulerDriver, id *mesospb.FrameworkID, master *mesospb.MasterInfo) {
	s.Log.Info("registered", "framework", id.GetValue(), "master", master.GetHostname())
}

// ResourceOffers takes the first offer that is enough and declines the others.
func (s *Scheduler) ResourceOffers(d driver.SchedulerDriver, offers []*mesospb.Offer) {
	need := []*mesospb.Resource{resources.NewCPUs(s.NeededCPU), resources.NewMem(s.NeededRAM)}
	for _, offer := range offers {
		take, fits := resources.Find(offer.GetResources(), need, "*")
		port, hasPort := resources.TakePorts(offer.GetResources(), 1)
		if s.launched || !fits || !hasPort {
			d.DeclineOffer(offer.GetId(), driver.RefuseFor(time.Second))
			continue
		}
		id := uuid.NewString()
		task := &mesospb.TaskInfo{
			Name:      proto.String("go-task-" + id),
			TaskId:    &mesospb.TaskID{Value: &id},
			AgentId:   offer.GetAgentId(),
			Executor:  s.Executor,
			Resources: append(take, port...),
			Data:      []byte(s.Page),
		}
		status, err := d.LaunchTasks([]*mesospb.OfferID{offer.GetId()}, []*mesospb.TaskInfo{task}, driver.RefuseFor(10*time.Second))
		s.Log.Info("launched", "task", id, "host", offer.GetHostname(), "driver", status, "error", err)
		if err == nil {
			s.launched, s.hostname, s.port = true, offer.GetHostname(), resources.Ports(port)[0].Begin
		}
	}
}

// StatusUpdate watches the task.
func (s *Scheduler) StatusUpdate(d driver.SchedulerDriver, status *mesospb.TaskStatus) {
	s.Log.Info("status", "task", status.GetTaskId().GetValue(), "state", status.GetState(), "message", status.GetMessage())
	switch status.GetState() {
	case mesospb.TaskState_TASK_RUNNING:
		if s.Running != nil {
			s.Running(d, s.hostname, s.port)
		}
	case mesospb.TaskState_TASK_FINISHED:
		d.Stop(false)
	case mesospb.TaskState_TASK_LOST, mesospb.TaskState_TASK_KILLED, mesospb.TaskState_TASK_FAILED, mesospb.TaskState_TASK_ERROR:
		d.Abort()
	}
}

// Error is called when the driver cannot go on.
func (s *Scheduler) Error(_ driver.SchedulerDriver, err error) {
	s.Log.Error("the driver gave up", "error", err)
}

// NewDriver puts the scheduler on a driver.
func NewDriver(s *Scheduler, master string) (*driver.MesosSchedulerDriver, error) {
	return driver.NewMesosSchedulerDriver(driver.DriverConfig{
		Scheduler: s,
		Framework: &mesospb.FrameworkInfo{Name: proto.String("Web Server Framework (Go)")}, // the driver fills in the user
		Master:    master,
	})
}
