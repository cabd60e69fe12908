package erlangframework

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

func TestMain(m *testing.M) {
	// This binary is the executor too, when an agent starts it.
	if os.Getenv("MESOS_EXECUTOR_ID") != "" {
		if err := RunExecutor(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func TestAllTasksRunAndFinish(t *testing.T) {
	c, err := cluster.Start(t.Context(), cluster.Config{AllocationInterval: 50 * time.Millisecond, Agents: []cluster.AgentConfig{{Resources: "cpus:0.5;mem:256"}}})
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
	f := &Framework{
		Executor: NewExecutorInfo("file://"+binary, "./"+filepath.Base(binary)),
		Tasks:    8, // more than there is room for at a time
		Log:      slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	status, err := f.Run(c.Master())
	if status != mesospb.Status_DRIVER_STOPPED || err != nil {
		t.Fatalf("Run returned %v, %v", status, err)
	}
	if f.finished != f.Tasks {
		t.Errorf("%d of %d tasks finished", f.finished, f.Tasks)
	}
	// Messages are not reliable, but here nothing loses them.
	if len(f.messages) != f.Tasks {
		t.Errorf("messages %q, want one of each of %d tasks", f.messages, f.Tasks)
	}
}
