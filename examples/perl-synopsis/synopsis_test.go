package perlsynopsis

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/driver"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

func TestMain(m *testing.M) {
	// This binary is the executor too, when an agent starts it.
	if os.Getenv("MESOS_EXECUTOR_ID") != "" {
		if err := runExecutor(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// runExecutor is an executor that does its cool task.
func runExecutor() error {
	d, err := driver.NewMesosExecutorDriver(driver.ExecutorDriverConfig{Executor: driver.ExecutorFuncs{
		OnLaunchTask: func(d driver.ExecutorDriver, task *mesospb.TaskInfo) {
			for _, state := range []mesospb.TaskState{mesospb.TaskState_TASK_RUNNING, mesospb.TaskState_TASK_FINISHED} {
				d.SendStatusUpdate(&mesospb.TaskStatus{TaskId: task.GetTaskId(), State: state.Enum()})
			}
		},
	}})
	if err != nil {
		return err
	}
	_, err = d.Run()
	return err
}

func TestCallbacksRunInALoopThatWaitsForOtherThingsToo(t *testing.T) {
	c, err := cluster.Start(t.Context(), cluster.Config{Agents: cluster.Agents(2, cluster.AgentConfig{Resources: "cpus:2;mem:128"})})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var log safeBuffer
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	other := make(chan string, 1)
	finished := map[string]bool{}
	s := &MyScheduler{Executor: "exec " + binary, Log: slog.New(slog.NewTextHandler(&log, nil))}
	s.OnStatus = func(d driver.SchedulerDriver, status *mesospb.TaskStatus) {
		switch status.GetState() {
		case mesospb.TaskState_TASK_RUNNING:
		case mesospb.TaskState_TASK_FINISHED:
			finished[status.GetAgentId().GetValue()] = true
			select {
			case other <- "a line":
			default:
			}
			if len(finished) == 2 && strings.Contains(log.String(), "a line") {
				d.Stop(false)
			}
		default:
			t.Errorf("a task is %v: %s", status.GetState(), status.GetMessage())
			d.Stop(false)
		}
	}
	if err := Loop(ctx, c.Master(), s, other); err != nil {
		t.Error(err)
	}
	if ctx.Err() != nil {
		t.Errorf("the loop did not end by itself; tasks finished on %v, log:\n%s", finished, log.String())
	}
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
