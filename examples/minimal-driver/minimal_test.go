package minimaldriver

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
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
		if err := RunExecutor(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// newScheduler returns a scheduler whose executor is this test binary, fetched by the agent.
func newScheduler(t *testing.T) *Scheduler {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &Scheduler{
		Executor:  NewExecutorInfo("file://"+binary, "./"+filepath.Base(binary)),
		NeededCPU: 0.5, NeededRAM: 128, Page: "Hello from Server",
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}

func run(t *testing.T, s *Scheduler, resources string) (mesospb.Status, error) {
	t.Helper()
	c, err := cluster.Start(t.Context(), cluster.Config{Agents: []cluster.AgentConfig{{Resources: resources}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	d, err := NewDriver(s, c.Master())
	if err != nil {
		t.Fatal(err)
	}
	watchdog := time.AfterFunc(30*time.Second, func() {
		t.Error("the framework does not end")
		d.Stop(false)
	})
	defer watchdog.Stop()
	status, err := d.Run()
	d.Stop(false)
	d.Join()
	return status, err
}

func TestTheWebServerAnswers(t *testing.T) {
	s := newScheduler(t)
	page := ""
	s.Running = func(d driver.SchedulerDriver, host string, port uint64) {
		defer d.Stop(false)
		resp, err := http.Get(fmt.Sprintf("http://%s:%d/", host, port))
		if err != nil {
			t.Error(err)
			return
		}
		defer http.DefaultClient.CloseIdleConnections()
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Error(err)
		}
		page = string(body)
	}
	status, err := run(t, s, "cpus:1;mem:512;ports:[31500-31600]")
	if status != mesospb.Status_DRIVER_STOPPED || err != nil {
		t.Errorf("Run returned %v, %v", status, err)
	}
	if page != "Hello from Server" {
		t.Errorf("the page is %q", page)
	}
}

func TestAFailedTaskAbortsTheFramework(t *testing.T) {
	s := newScheduler(t)
	s.Executor.Command.Value = new("exit 1")
	status, err := run(t, s, "cpus:1;mem:512;ports:[31500-31600]")
	if status != mesospb.Status_DRIVER_ABORTED || err != nil {
		t.Errorf("Run returned %v, %v", status, err)
	}
}
