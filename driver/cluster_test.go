package driver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// runEchoExecutor is an executor whose tasks run until they are killed and which sends messages back.
func runEchoExecutor() int {
	d, err := NewMesosExecutorDriver(ExecutorDriverConfig{Executor: ExecutorFuncs{
		OnLaunchTask: func(d ExecutorDriver, task *mesospb.TaskInfo) {
			_, _ = d.SendStatusUpdate(&mesospb.TaskStatus{TaskId: task.TaskId, State: mesospb.TaskState_TASK_RUNNING.Enum(), Data: task.Data})
		},
		OnKillTask: func(d ExecutorDriver, id *mesospb.TaskID) {
			_, _ = d.SendStatusUpdate(&mesospb.TaskStatus{TaskId: id, State: mesospb.TaskState_TASK_KILLED.Enum()})
		},
		OnFrameworkMessage: func(d ExecutorDriver, data []byte) { _, _ = d.SendFrameworkMessage(data) },
	}})
	if err == nil {
		_, err = d.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func startCluster(t *testing.T) *cluster.Cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, err := cluster.Start(ctx, cluster.Config{
		Agents:             []cluster.AgentConfig{{Resources: "cpus:4;mem:1024;disk:1024;ports:[31000-31009]"}},
		AllocationInterval: 20 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// realDriver returns a driver for a cluster whose Run ends, one way or another, before the test does.
func realDriver(t *testing.T, c *cluster.Cluster, s Scheduler, change func(*DriverConfig)) *MesosSchedulerDriver {
	t.Helper()
	cfg := DriverConfig{
		Scheduler: s, Master: c.Master(),
		Framework: &mesospb.FrameworkInfo{Name: proto.String("test")},
		Logger:    slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&cfg)
	}
	d, err := NewMesosSchedulerDriver(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = d.Stop(true)
		_, _ = d.Join()
	})
	return d
}

// runFor runs a driver and fails the test if it does not end by itself.
func runFor(t *testing.T, d *MesosSchedulerDriver) (mesospb.Status, error) {
	t.Helper()
	timer := time.AfterFunc(30*time.Second, func() {
		t.Error("the driver does not end")
		_, _ = d.Stop(false)
	})
	defer timer.Stop()
	return d.Run()
}

func echoTask(id string, offer *mesospb.Offer) *mesospb.TaskInfo {
	binary, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return &mesospb.TaskInfo{
		Name: proto.String(id), TaskId: &mesospb.TaskID{Value: proto.String(id)}, AgentId: offer.AgentId,
		Resources: []*mesospb.Resource{resources.NewCPUs(1), resources.NewMem(64)},
		Data:      []byte("for " + id),
		Executor: &mesospb.ExecutorInfo{
			ExecutorId: &mesospb.ExecutorID{Value: proto.String("echo")},
			Command:    &mesospb.CommandInfo{Shell: proto.Bool(false), Value: &binary, Arguments: []string{binary}},
			Resources:  []*mesospb.Resource{resources.NewCPUs(0.1), resources.NewMem(32)},
		},
	}
}

func TestAFrameworkWithItsOwnExecutorFromLaunchToTeardown(t *testing.T) {
	for _, media := range []codec.Codec{codec.Protobuf, codec.JSON} {
		t.Run(media.MediaType(), func(t *testing.T) {
			c := startCluster(t)
			var seen []string
			note := func(format string, args ...any) { seen = append(seen, fmt.Sprintf(format, args...)) }
			launched := false
			s := SchedulerFuncs{
				OnRegistered: func(_ SchedulerDriver, id *mesospb.FrameworkID, master *mesospb.MasterInfo) {
					if id.GetValue() == "" || master.GetId() == "" {
						t.Errorf("registered as %v with %v", id, master)
					}
					note("registered")
				},
				OnResourceOffers: func(d SchedulerDriver, offers []*mesospb.Offer) {
					for _, offer := range offers {
						if launched {
							_, _ = d.DeclineOffer(offer.Id, nil)
							continue
						}
						launched = true
						status, err := d.LaunchTasks([]*mesospb.OfferID{offer.Id}, []*mesospb.TaskInfo{echoTask("T1", offer)}, RefuseFor(time.Hour))
						note("launched %v %v", status, err)
					}
				},
				OnStatusUpdate: func(d SchedulerDriver, status *mesospb.TaskStatus) {
					note("%v %s", status.GetState(), status.GetData())
					switch status.GetState() {
					case mesospb.TaskState_TASK_RUNNING:
						_, _ = d.SendFrameworkMessage(status.ExecutorId, status.AgentId, []byte("hello"))
					case mesospb.TaskState_TASK_KILLED:
						_, _ = d.Stop(false)
					}
				},
				OnFrameworkMessage: func(d SchedulerDriver, executor *mesospb.ExecutorID, _ *mesospb.AgentID, data []byte) {
					note("message %s from %s", data, executor.GetValue())
					_, _ = d.KillTask(&mesospb.TaskID{Value: proto.String("T1")})
				},
			}
			d := realDriver(t, c, s, func(cfg *DriverConfig) { cfg.Transport = transport.Config{Codec: media} })
			if status, err := runFor(t, d); status != stopped || err != nil {
				t.Errorf("Run returned %v, %v", status, err)
			}
			want := []string{"registered", "launched DRIVER_RUNNING <nil>", "TASK_RUNNING for T1", "message hello from echo", "TASK_KILLED "}
			if !slices.Equal(seen, want) {
				t.Errorf("saw\n%q, want\n%q", seen, want)
			}
		})
	}
}

// launchSleep launches a task that sleeps for ever, calls then when it runs, and takes the framework id.
func launchSleep(id *string, then func(SchedulerDriver)) SchedulerFuncs {
	launched := false
	return SchedulerFuncs{
		OnRegistered: func(_ SchedulerDriver, f *mesospb.FrameworkID, _ *mesospb.MasterInfo) { *id = f.GetValue() },
		OnResourceOffers: func(d SchedulerDriver, offers []*mesospb.Offer) {
			if launched {
				return
			}
			launched = true
			_, _ = d.LaunchTasks([]*mesospb.OfferID{offers[0].Id}, []*mesospb.TaskInfo{{
				Name: proto.String("sleep"), TaskId: &mesospb.TaskID{Value: proto.String("T1")}, AgentId: offers[0].AgentId,
				Command:   &mesospb.CommandInfo{Value: proto.String("exec sleep 1000")},
				Resources: []*mesospb.Resource{resources.NewCPUs(1), resources.NewMem(64)},
			}}, nil)
		},
		OnStatusUpdate: func(d SchedulerDriver, status *mesospb.TaskStatus) {
			if status.GetState() == mesospb.TaskState_TASK_RUNNING {
				then(d)
			}
		},
	}
}

// stateOf takes a framework over, asks for the state of the task and tears the framework down.
func stateOf(t *testing.T, c *cluster.Cluster, framework string) mesospb.TaskState {
	t.Helper()
	var state mesospb.TaskState
	d := realDriver(t, c, SchedulerFuncs{
		OnRegistered: func(d SchedulerDriver, id *mesospb.FrameworkID, _ *mesospb.MasterInfo) {
			if id.GetValue() != framework {
				t.Errorf("registered as %q, want %q", id.GetValue(), framework)
			}
			_, _ = d.ReconcileTasks([]*mesospb.TaskStatus{{TaskId: &mesospb.TaskID{Value: proto.String("T1")}, State: mesospb.TaskState_TASK_RUNNING.Enum()}})
		},
		OnStatusUpdate: func(d SchedulerDriver, status *mesospb.TaskStatus) {
			if status.GetReason() == mesospb.TaskStatus_REASON_RECONCILIATION {
				state = status.GetState()
				_, _ = d.Stop(false)
			}
		},
	}, func(cfg *DriverConfig) { cfg.Framework.Id = &mesospb.FrameworkID{Value: &framework} })
	if status, err := runFor(t, d); status != stopped || err != nil {
		t.Errorf("the next driver returned %v, %v", status, err)
	}
	return state
}

func TestStopWithFailoverLeavesTheTasksToTheNextDriver(t *testing.T) {
	c := startCluster(t)
	var id string
	d := realDriver(t, c, launchSleep(&id, func(d SchedulerDriver) { _, _ = d.Stop(true) }),
		func(cfg *DriverConfig) { cfg.FailoverTimeout = time.Hour })
	if status, err := runFor(t, d); status != stopped || err != nil {
		t.Fatalf("Run returned %v, %v", status, err)
	}
	if got := stateOf(t, c, id); got != mesospb.TaskState_TASK_RUNNING {
		t.Errorf("the task is %v, want TASK_RUNNING", got)
	}
}

// Without a failover timeout the tasks of a disconnected framework die at once. An aborted driver is not disconnected.
func TestAbortLeavesTheTasksEvenWithoutFailoverTimeout(t *testing.T) {
	c := startCluster(t)
	var id string
	d := realDriver(t, c, launchSleep(&id, func(d SchedulerDriver) { _, _ = d.Abort() }), nil)
	if status, err := runFor(t, d); status != aborted || err != nil {
		t.Fatalf("Run returned %v, %v", status, err)
	}
	if got := stateOf(t, c, id); got != mesospb.TaskState_TASK_RUNNING {
		t.Errorf("the task is %v, want TASK_RUNNING", got)
	}
}

func TestATornDownFrameworkCannotBeTakenOver(t *testing.T) {
	c := startCluster(t)
	var id string
	d := realDriver(t, c, launchSleep(&id, func(d SchedulerDriver) { _, _ = d.Stop(false) }), nil)
	if status, err := runFor(t, d); status != stopped || err != nil {
		t.Fatalf("Run returned %v, %v", status, err)
	}
	var told error
	next := realDriver(t, c, SchedulerFuncs{OnError: func(_ SchedulerDriver, err error) { told = err }},
		func(cfg *DriverConfig) { cfg.Framework.Id = &mesospb.FrameworkID{Value: &id} })
	status, err := runFor(t, next)
	if status != aborted || !errors.Is(err, scheduler.ErrFrameworkRemoved) || !errors.Is(told, scheduler.ErrFrameworkRemoved) {
		t.Errorf("Run returned %v, %v and Error was told %v; want that the framework was removed", status, err, told)
	}
}

func TestAnotherDriverWithTheSameIdTakesOver(t *testing.T) {
	c := startCluster(t)
	store := new(scheduler.MemoryStore)
	ready := make(chan struct{})
	first := realDriver(t, c, SchedulerFuncs{OnRegistered: func(SchedulerDriver, *mesospb.FrameworkID, *mesospb.MasterInfo) { close(ready) }},
		func(cfg *DriverConfig) { cfg.Store = store })
	ended := make(chan error, 1)
	go func() { _, err := runFor(t, first); ended <- err }()
	<-ready
	second := realDriver(t, c, SchedulerFuncs{OnRegistered: func(d SchedulerDriver, _ *mesospb.FrameworkID, _ *mesospb.MasterInfo) {
		if err := <-ended; !errors.Is(err, scheduler.ErrFailedOver) {
			t.Errorf("the first driver ended with %v, want that it failed over", err)
		}
		_, _ = d.Stop(false)
	}}, func(cfg *DriverConfig) { cfg.Store = store })
	if status, err := runFor(t, second); status != stopped || err != nil {
		t.Errorf("the second driver returned %v, %v", status, err)
	}
}

func TestACallThatIsRefusedIsAnErrorAndItsTasksAreLost(t *testing.T) {
	c := startCluster(t)
	var states []mesospb.TaskState
	launched := false
	d := realDriver(t, c, SchedulerFuncs{
		OnResourceOffers: func(d SchedulerDriver, offers []*mesospb.Offer) {
			if launched {
				return
			}
			launched = true
			// A task without a name is not even a valid message: the call never leaves, or is answered with 400.
			_, err := d.LaunchTasks([]*mesospb.OfferID{offers[0].Id}, []*mesospb.TaskInfo{{TaskId: &mesospb.TaskID{Value: proto.String("T1")}, AgentId: offers[0].AgentId}}, nil)
			if err == nil {
				t.Error("LaunchTasks returned no error")
				_, _ = d.Stop(false)
			}
			t.Log(err)
		},
		OnStatusUpdate: func(d SchedulerDriver, status *mesospb.TaskStatus) {
			states = append(states, status.GetState())
			_, _ = d.Stop(false)
		},
	}, nil)
	if status, err := runFor(t, d); status != stopped || err != nil {
		t.Errorf("Run returned %v, %v", status, err)
	}
	if !slices.Equal(states, []mesospb.TaskState{mesospb.TaskState_TASK_LOST}) {
		t.Errorf("states %v, want TASK_LOST", states)
	}
}

func TestAnExecutorThatIsShutDownStopsAndIsLost(t *testing.T) {
	c := startCluster(t)
	var state mesospb.TaskState
	lost := ""
	launched := false
	end := func(d SchedulerDriver) {
		if state != mesospb.TaskState_TASK_STAGING && state != 0 && lost != "" {
			_, _ = d.Stop(false)
		}
	}
	d := realDriver(t, c, SchedulerFuncs{
		OnResourceOffers: func(d SchedulerDriver, offers []*mesospb.Offer) {
			if !launched {
				launched = true
				_, _ = d.LaunchTasks([]*mesospb.OfferID{offers[0].Id}, []*mesospb.TaskInfo{echoTask("T1", offers[0])}, nil)
			}
		},
		OnStatusUpdate: func(d SchedulerDriver, status *mesospb.TaskStatus) {
			if status.GetState() == mesospb.TaskState_TASK_RUNNING {
				_, _ = d.ShutdownExecutor(status.ExecutorId, status.AgentId)
				return
			}
			state = status.GetState()
			end(d)
		},
		OnExecutorLost: func(d SchedulerDriver, executor *mesospb.ExecutorID, _ *mesospb.AgentID, status int) {
			lost = fmt.Sprintf("%s %d", executor.GetValue(), status)
			end(d)
		},
	}, nil)
	if status, err := runFor(t, d); status != stopped || err != nil {
		t.Errorf("Run returned %v, %v", status, err)
	}
	if state != mesospb.TaskState_TASK_FAILED || lost != "echo 0" {
		t.Errorf("the task is %v and the executor lost as %q; want TASK_FAILED and an orderly exit", state, lost)
	}
}
