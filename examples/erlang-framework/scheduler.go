package erlangframework

import (
	"fmt"
	"log/slog"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/driver"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// Framework is the scheduler. Its fields are what the Erlang callbacks pass from one to the next as State; callbacks come one at a time,
// so they need no lock.
type Framework struct {
	Executor *mesospb.ExecutorInfo
	Tasks    int // to launch in all
	Log      *slog.Logger

	launched, finished int
	messages           []string
}

var _ driver.Scheduler = (*Framework)(nil)

// Registered is registered/3.
func (f *Framework) Registered(_ driver.SchedulerDriver, id *mesospb.FrameworkID, master *mesospb.MasterInfo) {
	f.Log.Info("registered", "framework", id.GetValue(), "master", master.GetPid())
}

// Reregistered is reregistered/2.
func (f *Framework) Reregistered(d driver.SchedulerDriver, master *mesospb.MasterInfo) {
	f.Log.Info("reregistered", "master", master.GetPid())
	d.ReconcileTasks(nil) // updates may have been missed
}

// Disconnected is disconnected/1.
func (f *Framework) Disconnected(driver.SchedulerDriver) { f.Log.Warn("disconnected") }

// ResourceOffers is resourceOffers/2, but for all offers of a round at once.
func (f *Framework) ResourceOffers(d driver.SchedulerDriver, offers []*mesospb.Offer) {
	for _, offer := range offers {
		var tasks []*mesospb.TaskInfo
		rest := offer.GetResources()
		for f.launched < f.Tasks {
			need := []*mesospb.Resource{resources.NewCPUs(0.1), resources.NewMem(16)}
			if len(tasks) == 0 { // the executor comes on top of the first task
				need = resources.Add(need, f.Executor.GetResources())
			}
			if _, fits := resources.Find(rest, need, "*"); !fits {
				break
			}
			rest = resources.Subtract(rest, need)
			f.launched++
			id := fmt.Sprintf("task-%d", f.launched)
			tasks = append(tasks, &mesospb.TaskInfo{
				Name: &id, TaskId: &mesospb.TaskID{Value: &id}, AgentId: offer.GetAgentId(), Executor: f.Executor,
				Resources: []*mesospb.Resource{resources.NewCPUs(0.1), resources.NewMem(16)},
			})
		}
		// Without tasks this declines the offer.
		if status, err := d.LaunchTasks([]*mesospb.OfferID{offer.GetId()}, tasks, driver.RefuseFor(0)); err != nil {
			f.Log.Error("launch", "driver", status, "error", err) // the tasks get a TASK_LOST if no master has them
		}
	}
}

// OfferRescinded is offerRescinded/2.
func (f *Framework) OfferRescinded(_ driver.SchedulerDriver, id *mesospb.OfferID) {
	f.Log.Info("rescinded", "offer", id.GetValue())
}

// StatusUpdate is statusUpdate/2. The driver acknowledges when it returns.
func (f *Framework) StatusUpdate(d driver.SchedulerDriver, status *mesospb.TaskStatus) {
	f.Log.Info("status", "task", status.GetTaskId().GetValue(), "state", status.GetState())
	switch status.GetState() {
	case mesospb.TaskState_TASK_RUNNING:
		d.SendFrameworkMessage(status.GetExecutorId(), status.GetAgentId(), []byte(status.GetTaskId().GetValue()))
	case mesospb.TaskState_TASK_FINISHED:
		if f.finished++; f.finished == f.Tasks {
			d.Stop(false)
		}
	case mesospb.TaskState_TASK_LOST, mesospb.TaskState_TASK_FAILED, mesospb.TaskState_TASK_KILLED, mesospb.TaskState_TASK_ERROR:
		d.Abort()
	}
}

// FrameworkMessage is frameworkMessage/4.
func (f *Framework) FrameworkMessage(_ driver.SchedulerDriver, _ *mesospb.ExecutorID, _ *mesospb.AgentID, data []byte) {
	f.messages = append(f.messages, string(data))
}

// AgentLost is slaveLost/2.
func (f *Framework) AgentLost(_ driver.SchedulerDriver, id *mesospb.AgentID) {
	f.Log.Warn("agent lost", "agent", id.GetValue())
}

// ExecutorLost is executorLost/4.
func (f *Framework) ExecutorLost(_ driver.SchedulerDriver, id *mesospb.ExecutorID, agent *mesospb.AgentID, status int) {
	f.Log.Warn("executor lost", "executor", id.GetValue(), "agent", agent.GetValue(), "status", status)
}

// Error is error/2. The driver is aborted already.
func (f *Framework) Error(_ driver.SchedulerDriver, err error) { f.Log.Error("driver", "error", err) }

// Run is init/1 and start_link: it describes the framework, starts it and waits for its end.
func (f *Framework) Run(master string) (mesospb.Status, error) {
	d, err := driver.NewMesosSchedulerDriver(driver.DriverConfig{
		Scheduler: f,
		Framework: &mesospb.FrameworkInfo{Name: proto.String("My Framework")},
		Master:    master,
	})
	if err != nil {
		return mesospb.Status_DRIVER_NOT_STARTED, err
	}
	return d.Run()
}

// NewExecutorInfo describes an executor that agents fetch from a URI.
func NewExecutorInfo(uri, command string) *mesospb.ExecutorInfo {
	return &mesospb.ExecutorInfo{
		ExecutorId: &mesospb.ExecutorID{Value: proto.String("example-executor")},
		Command:    &mesospb.CommandInfo{Value: &command, Uris: []*mesospb.CommandInfo_URI{{Value: &uri, Executable: proto.Bool(true)}}},
		Resources:  []*mesospb.Resource{resources.NewCPUs(0.1), resources.NewMem(32)},
	}
}
