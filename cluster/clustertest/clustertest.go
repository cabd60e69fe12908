// Package clustertest starts embedded clusters for tests.
//
//	func TestFramework(t *testing.T) {
//		t.Parallel()
//		c := clustertest.Start(t)
//		// point the framework at c.Master()
//	}
//
// The cluster ends with the test, with all tasks and agents. If the test fails, what master and agents had to say is in its log, and the
// sandboxes stay where the log says. Any number of tests can have clusters at the same time: each has ports and directories of its own.
//
// In a testing/synctest bubble the cluster lives in memory, and time costs nothing:
//
//	synctest.Test(t, func(t *testing.T) {
//		var network cluster.Network
//		c := clustertest.Start(t, clustertest.In(&network), clustertest.Simulated(3, sim.Commands()))
//		// point the framework at c.Master(), with connections of network.DialContext
//	})
package clustertest

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/mesokit/mesokit/cluster"
)

// patience bounds the start of a cluster.
const patience = 30 * time.Second

// Option changes the configuration of a cluster that is started. Any function that does is one.
type Option func(*cluster.Config)

// Agents makes a cluster of n equal agents that run real processes.
func Agents(n int, like cluster.AgentConfig) Option {
	return func(c *cluster.Config) { c.Agents = cluster.Agents(n, like) }
}

// Simulated makes a cluster of n agents without processes, each with 8 cpus, 16 GB of memory and disk and a thousand ports, whose tasks
// run as the runner says. A nil runner keeps tasks until they are killed.
func Simulated(n int, runner cluster.Runner) Option {
	return Agents(n, cluster.AgentConfig{Resources: "cpus:8;mem:16384;disk:16384;ports:[31000-31999]", Simulated: true, Runner: runner})
}

// In makes the cluster listen in memory.
func In(network *cluster.Network) Option {
	return func(c *cluster.Config) { c.Network = network }
}

// Seed makes the cluster repeatable.
func Seed(seed uint64) Option {
	return func(c *cluster.Config) { c.Seed = seed }
}

// Start starts a cluster that ends with the test, before the cleanups that were registered earlier. Without options it has one agent with
// 4 cpus and 4 GB of memory and disk, and makes offers every 20 ms. The test fails at once if the cluster does not start, and in the end
// if it does not stop as it should.
func Start(t testing.TB, options ...Option) *cluster.Cluster {
	t.Helper()
	logs := new(tail)
	cfg := cluster.Config{
		Agents:             cluster.Agents(1, cluster.AgentConfig{Resources: "cpus:4;mem:4096;disk:4096"}),
		AllocationInterval: 20 * time.Millisecond,
		Logger:             slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, o := range options {
		o(&cfg)
	}
	own := cfg.Dir == ""
	if own {
		var err error
		if cfg.Dir, err = os.MkdirTemp("", "mesokit-"+unfit.ReplaceAllString(t.Name(), "_")+"-"); err != nil {
			t.Fatalf("clustertest: no directory for sandboxes: %v", err)
		}
		if err := os.Chmod(cfg.Dir, 0o755); err != nil { // for tasks of other users
			t.Fatalf("clustertest: %v", err)
		}
	}
	var c *cluster.Cluster
	t.Cleanup(func() {
		if c != nil {
			if err := c.Close(); err != nil {
				t.Errorf("clustertest: the cluster did not end well: %v", err)
			}
		}
		if !t.Failed() {
			if own {
				if err := os.RemoveAll(cfg.Dir); err != nil {
					t.Errorf("clustertest: %v", err)
				}
			}
			return
		}
		if text := logs.text(); text != "" {
			t.Logf("what the cluster had to say:\n%s", text)
		}
		t.Logf("sandboxes are in %s", cfg.Dir)
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	started, err := cluster.Start(ctx, cfg)
	if err != nil {
		t.Fatalf("clustertest: %v", err)
	}
	c = started
	return c
}

// unfit are the characters of test names that are not for file names.
var unfit = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

// tail keeps the end of a log.
type tail struct {
	mu   sync.Mutex
	buf  []byte
	lost bool
}

// maxLog is how much of a log is kept, in bytes.
const maxLog = 256 << 10

func (l *tail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf = append(l.buf, p...)
	if len(l.buf) > 2*maxLog {
		rest := l.buf[len(l.buf)-maxLog:]
		rest = rest[bytes.IndexByte(rest, '\n')+1:]
		l.buf, l.lost = append(l.buf[:0], rest...), true
	}
	return len(p), nil
}

func (l *tail) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost {
		return "… (the beginning is lost)\n" + string(l.buf)
	}
	return string(l.buf)
}
