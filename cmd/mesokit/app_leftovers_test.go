package main

import (
	"context"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mesokit/mesokit/cluster"
)

// withVolume starts a scheduler and an application with a volume, on the only agent of a cluster.
func withVolume(t *testing.T, store string) (*cluster.Cluster, *scheduling) {
	t.Helper()
	c, err := cluster.Start(t.Context(), cluster.Config{AllocationInterval: 50 * time.Millisecond, Agents: cluster.Agents(1, cluster.AgentConfig{Resources: "cpus:2;mem:1024;disk:1000"})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	s := startScheduler(t, "--master", c.Master(), "--store", store, "--name", "keeper", "--role", "eng")
	s.app("submit", "--wait", file(t, "db.json", `{"name": "db", "command": {"cmd": "exec sleep 1000"}, "resources": {"cpus": 0.1, "mem": 16,
		"disk": {"size": 16, "persistence": {}, "volume": {"container_path": "data"}}}}`))
	return c, s
}

func TestRemovingWaitsUntilVolumesAreDestroyed(t *testing.T) {
	_, s := withVolume(t, "memory")
	got := mesokit(t, t.Context(), "app", "rm", "db", "--wait", "--yes")
	if got.code != 0 || !strings.Contains(got.stderr, "db is gone") {
		t.Errorf("exit code %d, %s%s", got.code, got.stdout, got.stderr)
	}
	if out := s.app("leftovers", "-o", "json"); strings.TrimSpace(out) != "[]" {
		t.Errorf("left over: %s", out)
	}
}

func TestRemovingSaysWhatItWaitsForAndCanBeForced(t *testing.T) {
	c, s := withVolume(t, "memory")
	if err := c.Agents()[0].Stop(); err != nil {
		t.Fatal(err)
	}
	got := mesokit(t, t.Context(), "app", "rm", "db", "--wait", "--timeout", "3s", "--yes")
	if got.code != exitTimeout || !strings.Contains(got.stderr, "volume db~data~0~") || !strings.Contains(got.stderr, "the agent is not known to the master any more") {
		t.Errorf("exit code %d, %s%s", got.code, got.stdout, got.stderr)
	}
	if out := s.app("leftovers"); !strings.Contains(out, "db/0") || !strings.Contains(out, "is not known to the master any more") {
		t.Errorf("leftovers prints\n%s", out)
	}
	if out := s.app("rm", "db", "--force", "--yes"); !strings.Contains(out, "left behind: volume db~data~0~") {
		t.Errorf("rm --force prints %s", out)
	}
	if out := s.app("leftovers", "-o", "json"); strings.TrimSpace(out) != "[]" {
		t.Errorf("left over: %s", out)
	}
}

func TestUninstallingSaysWhatItWaitsForAndCanBeForced(t *testing.T) {
	store := "bolt:" + filepath.Join(t.TempDir(), "state.db")
	c, s := withVolume(t, store)
	if err := c.Agents()[0].Stop(); err != nil {
		t.Fatal(err)
	}
	s.stop()
	uninstall := []string{"scheduler", "--listen", "127.0.0.1:0", "--master", c.Master(), "--store", store, "--name", "keeper", "--role", "eng", "--uninstall", "--yes"}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	stderr := &syncBuffer{written: make(chan struct{}, 1)}
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, uninstall, nil, io.Discard, stderr) }()
	for !strings.Contains(stderr.text(), ": volume db~data~0~") {
		select {
		case <-stderr.written:
		case <-ctx.Done():
			t.Fatalf("waited in vain for what it waits for: %s", stderr.text())
		}
	}
	cancel()
	<-ended
	got := mesokit(t, t.Context(), append(uninstall, "--force")...)
	if got.code != 0 || !strings.Contains(got.stderr, "left behind: volume db~data~0~") && !strings.Contains(got.stderr, "given up by command: volume db~data~0~") {
		t.Errorf("exit code %d, %s%s", got.code, got.stdout, got.stderr)
	}
	if got := mesokit(t, t.Context(), "scheduler", "--force"); got.code != exitUsage {
		t.Errorf("--force alone: exit code %d, %s", got.code, got.stderr)
	}
}
