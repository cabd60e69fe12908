package webserver_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/examples/webserver"
)

// executorVariable makes this test binary the executor: agents fetch and start it as they would
// the program in the folder executor.
const executorVariable = "WEBSERVER_TEST_EXECUTOR"

func TestMain(m *testing.M) {
	if os.Getenv(executorVariable) != "" {
		if err := webserver.RunExecutor(context.Background()); err != nil {
			slog.Error("executor", "error", err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func TestFrameworkServesItsPage(t *testing.T) {
	c, err := cluster.Start(t.Context(), cluster.Config{Agents: cluster.Agents(2, cluster.AgentConfig{Resources: "cpus:1;mem:256"})})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var page string
	s := webserver.Scheduler{
		Master:   c.Master(),
		Executor: self,
		Command:  executorVariable + "=1 ./" + filepath.Base(self),
		Page:     "Hello from Server",
		Logger:   slog.New(slog.NewTextHandler(t.Output(), nil)),
		Running: func(url string) {
			page = get(t, url)
			cancel()
		},
	}
	if err := s.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if page != "Hello from Server" {
		t.Errorf("the page says %q", page)
	}
}

func get(t *testing.T, url string) string {
	resp, err := http.Get(url)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer resp.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return string(body)
}
