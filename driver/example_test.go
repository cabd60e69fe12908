package driver_test

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/driver"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// echo launches one command and ends with it.
type echo struct {
	driver.NopScheduler
	launched bool
}

func (e *echo) ResourceOffers(d driver.SchedulerDriver, offers []*mesospb.Offer) {
	for _, offer := range offers {
		if e.launched {
			d.DeclineOffer(offer.Id, nil)
			continue
		}
		e.launched = true
		d.LaunchTasks([]*mesospb.OfferID{offer.Id}, []*mesospb.TaskInfo{{
			Name: proto.String("echo"), TaskId: &mesospb.TaskID{Value: proto.String("echo-1")}, AgentId: offer.AgentId,
			Command:   &mesospb.CommandInfo{Value: proto.String("echo hello")},
			Resources: []*mesospb.Resource{resources.NewCPUs(0.1), resources.NewMem(32)},
		}}, nil)
	}
}

func (e *echo) StatusUpdate(d driver.SchedulerDriver, status *mesospb.TaskStatus) {
	fmt.Println(status.GetState())
	if status.GetState() == mesospb.TaskState_TASK_FINISHED {
		d.Stop(false)
	}
}

func Example() {
	mesos, err := cluster.Start(context.Background(), cluster.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer mesos.Close()

	d, err := driver.NewMesosSchedulerDriver(driver.DriverConfig{
		Scheduler: new(echo),
		Framework: &mesospb.FrameworkInfo{Name: proto.String("example")},
		Master:    mesos.Master(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(d.Run())
	// Output:
	// TASK_STARTING
	// TASK_RUNNING
	// TASK_FINISHED
	// DRIVER_STOPPED <nil>
}

// Who owns a loop gets the callbacks there, one after another, among whatever else it waits for.
func ExampleMesosSchedulerDriver_Callbacks() {
	mesos, err := cluster.Start(context.Background(), cluster.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer mesos.Close()

	d, err := driver.NewMesosSchedulerDriver(driver.DriverConfig{
		Scheduler: new(echo),
		Framework: &mesospb.FrameworkInfo{Name: proto.String("example")},
		Master:    mesos.Master(),
		OwnLoop:   true,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	d.Start()
	other := make(chan string)
	for running := true; running; {
		select {
		case callback, open := <-d.Callbacks():
			if running = open; open {
				callback.Call()
			}
		case line := <-other:
			fmt.Println(line)
		}
	}
	fmt.Println(d.Join())
	// Output:
	// TASK_STARTING
	// TASK_RUNNING
	// TASK_FINISHED
	// DRIVER_STOPPED <nil>
}
