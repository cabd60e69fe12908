package framework_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/mesokit/mesokit/client/executor"
	"github.com/mesokit/mesokit/client/operator"
	"github.com/mesokit/mesokit/framework"
	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// testExecutor is set for this binary where it is to be an executor.
const testExecutor = "FRAMEWORK_TEST_EXECUTOR"

// runExecutor is an executor that runs tasks until they are killed, and stays when they are over, as most do.
func runExecutor() error {
	cfg, err := executor.FromEnvironment()
	if err != nil {
		return err
	}
	return executor.Run(context.Background(), cfg, executor.Handler{
		Launch: func(ctx context.Context, s *executor.Session, task *mesospb.TaskInfo) error {
			return s.Update(ctx, &mesospb.TaskStatus{TaskId: task.TaskId, State: mesospb.TaskState_TASK_RUNNING.Enum()})
		},
		Kill: func(ctx context.Context, s *executor.Session, kill *executorpb.Event_Kill) error {
			return s.Update(ctx, &mesospb.TaskStatus{TaskId: kill.TaskId, State: mesospb.TaskState_TASK_KILLED.Enum()})
		},
	})
}

func withExecutor(t *testing.T, name string, instances int) *app.App {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &app.App{Name: name, Instances: instances, Task: app.Task{Resources: app.Resources{CPUs: 0.5, Mem: 32}}, Executor: &app.Executor{
		Command:   &app.Command{Argv: []string{self}, Environment: map[string]string{testExecutor: "1"}},
		Resources: app.Resources{CPUs: 0.1, Mem: 32},
	}}
}

func TestNoExecutorIsLeftWhenAnApplicationIsScaledDownOrRemoved(t *testing.T) {
	c := start(t)
	m, err := operator.NewMaster(operator.MasterConfig{Masters: c.Master()})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	executors := func() int {
		list, err := m.GetExecutors(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	r := run(t, framework.Config{Master: c.Master(), Apps: []*app.App{withExecutor(t, "own", 3)}, WatchAgents: 50 * time.Millisecond})
	r.until(up("own", 3))
	if n := executors(); n != 3 {
		t.Fatalf("%d executors for 3 instances", n)
	}
	r.do(core.Scale{App: "own", Instances: 1})
	r.until(up("own", 1))
	if n := executors(); n != 1 {
		t.Errorf("%d executors are there when 1 instance is left", n)
	}
	r.do(core.Remove{App: "own"})
	r.until("the application is removed", func(s *core.Snapshot) bool { return s.App("own") == nil })
	if n := executors(); n != 0 {
		t.Errorf("%d executors are left of an application that is gone", n)
	}
}
