package v1batch

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

func TestMain(m *testing.M) {
	// This binary is the executor too, when an agent starts it.
	if os.Getenv("MESOS_EXECUTOR_ID") != "" {
		if err := RunExecutor(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func newBatch(t *testing.T, command string) *Batch {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	return &Batch{
		Framework: &mesospb.FrameworkInfo{User: &me.Username, Name: proto.String("batch")},
		Executor: &mesospb.ExecutorInfo{
			ExecutorId: &mesospb.ExecutorID{Value: proto.String("default")},
			Command:    &mesospb.CommandInfo{Value: &command},
			Resources:  []*mesospb.Resource{resources.NewCPUs(0.1), resources.NewMem(32)},
		},
		Tasks: 7, Role: "*", Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}

func run(t *testing.T, b *Batch, store scheduler.FrameworkIDStore) error {
	t.Helper()
	c, err := cluster.Start(t.Context(), cluster.Config{AllocationInterval: 50 * time.Millisecond, Agents: []cluster.AgentConfig{{Resources: "cpus:0.5;mem:256"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	return b.Run(ctx, c.Master(), store)
}

func TestTheWholeBatchFinishes(t *testing.T) {
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b := newBatch(t, "exec "+binary)
	store := new(scheduler.MemoryStore)
	if err := run(t, b, store); err != nil {
		t.Fatal(err)
	}
	if b.finished != b.Tasks {
		t.Errorf("%d of %d tasks finished", b.finished, b.Tasks)
	}
	if id, err := store.LoadFrameworkID(t.Context()); id != "" || err != nil {
		t.Errorf("the store has %q after the teardown, error %v", id, err)
	}
}

func TestATaskThatFailsEndsTheBatch(t *testing.T) {
	if err := run(t, newBatch(t, "exit 1"), nil); err == nil {
		t.Error("no error")
	}
}
