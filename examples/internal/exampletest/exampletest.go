// Package exampletest is what the tests of the examples have in common: a cluster, a program that runs on it, and a look at what the
// master knows.
package exampletest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"testing"
	"time"

	"github.com/mesokit/mesokit/client/operator"
	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// patience bounds waits; it only passes if something is wrong.
const patience = 60 * time.Second

// Cluster starts a cluster for the time of a test.
func Cluster(t *testing.T, agents ...cluster.AgentConfig) *cluster.Cluster {
	t.Helper()
	c, err := cluster.Start(t.Context(), cluster.Config{AllocationInterval: 50 * time.Millisecond, Agents: agents})
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

// Run runs a program until the test ends or the function that it returns is called, which interrupts it.
func Run(t *testing.T, program func(context.Context) error) (interrupt func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := program(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}()
	interrupt = func() { cancel(); <-done }
	t.Cleanup(interrupt)
	return interrupt
}

// Until waits until the running tasks that the master knows are as they should be, and returns them.
func Until(t *testing.T, master, what string, is func([]*mesospb.Task) bool) []*mesospb.Task {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	m, err := operator.NewMaster(operator.MasterConfig{Masters: master})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		tasks, err := m.GetTasks(ctx)
		if err != nil {
			t.Fatalf("waited in vain until %s: %v", what, err)
		}
		var running []*mesospb.Task
		for _, task := range tasks.GetTasks() {
			if task.GetState() == mesospb.TaskState_TASK_RUNNING {
				running = append(running, task)
			}
		}
		if is(running) {
			return running
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain until %s; there are %v", what, running)
		}
	}
}

// Contents waits until a file is as it should be, and returns what is in it.
func Contents(t *testing.T, path string, is func(text string) bool) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		text, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if is(string(text)) {
			return string(text)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s has %q, which is not what was waited for", path, text)
		}
	}
}

// Number is for Until: so many run.
func Number(n int) func([]*mesospb.Task) bool {
	return func(tasks []*mesospb.Task) bool { return len(tasks) == n }
}

// IDs returns a set of the ids of tasks.
func IDs(tasks []*mesospb.Task) map[string]bool {
	ids := map[string]bool{}
	for _, task := range tasks {
		ids[task.GetTaskId().GetValue()] = true
	}
	return ids
}
