package erlangsession

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mesokit/mesokit/cluster"
)

func TestMain(m *testing.M) {
	// This binary is the executor too, when an agent starts it.
	if os.Getenv("MESOS_EXECUTOR_ID") != "" {
		if err := RunExecutor(context.Background(), slog.Default()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func TestMessagesBecomeTasksAndTheSessionStopsWithAValue(t *testing.T) { runBatch(t, "") }

func TestABusyMasterIsAskedAgain(t *testing.T) {
	runBatch(t, "call answer status=503 type=ACCEPT count=2")
}

// runBatch has three messages become tasks while a fault disturbs the calls.
func runBatch(t *testing.T, fault string) {
	t.Helper()
	c, err := cluster.Start(t.Context(), cluster.Config{AllocationInterval: 50 * time.Millisecond, Agents: []cluster.AgentConfig{{Resources: "cpus:1;mem:256"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	if fault != "" {
		if _, err := c.Faults().AddText(fault); err != nil {
			t.Fatal(err)
		}
	}
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	terminated := 0
	h := &Handler{
		Executor: NewExecutorInfo("file://"+binary, "./"+filepath.Base(binary)),
		Finish:   3,
		Log:      slog.New(slog.NewTextHandler(t.Output(), nil)),
		OnTerminate: func(value any, err error) {
			terminated++
			if err != nil || len(value.([]string)) != 3 {
				t.Errorf("terminate got %v, %v", value, err)
			}
		},
	}
	s, err := NewSession("test", h, Options{MasterHosts: []string{c.Master(), "127.0.0.1:1"}, HeartbeatTimeoutWindow: 5 * time.Second, MaxNumResubscribe: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b", "c"} {
		if err := s.Post(Submit{name}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	value, err := s.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	finished := value.([]string)
	slices.Sort(finished)
	if !slices.Equal(finished, []string{"a", "b", "c"}) || terminated != 1 {
		t.Errorf("the session stopped with %q, terminate was called %d times", finished, terminated)
	}
}

func TestAnUnknownMessageStopsTheSession(t *testing.T) {
	h := &Handler{Log: slog.New(slog.DiscardHandler)}
	s, err := NewSession("test", h, Options{MasterHosts: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Post("what?"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Run(t.Context()); err == nil {
		t.Error("no error")
	}
}
