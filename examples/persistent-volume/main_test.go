package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/examples/internal/exampletest"
	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/store/memory"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDataSurviveTheRestartOfTheTask(t *testing.T) {
	c := exampletest.Cluster(t, cluster.AgentConfig{Resources: "cpus:2;mem:512;disk:1024"}, cluster.AgentConfig{Resources: "cpus:2;mem:512;disk:1024"})
	db := memory.New()
	t.Cleanup(func() { _ = db.Close() })
	// The number of starts, as it is in the volume, is also told outside.
	report := filepath.Join(t.TempDir(), "report")
	f, err := counter(c.Master(), "", strings.Replace(count, "&& exec", "&& wc -l <data/starts >>"+report+" && exec", 1), db)
	if err != nil {
		t.Fatal(err)
	}
	exampletest.Run(t, f.Run)
	first := exampletest.Until(t, c.Master(), "it runs", exampletest.Number(1))[0]
	exampletest.Contents(t, report, func(text string) bool { return text == "1\n" }) // a task runs before its command has done anything

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := f.Do(ctx, core.RestartInstance{App: "counter", Index: 0}); err != nil {
		t.Fatal(err)
	}
	second := exampletest.Until(t, c.Master(), "it runs again", func(tasks []*mesospb.Task) bool {
		return len(tasks) == 1 && tasks[0].GetTaskId().GetValue() != first.GetTaskId().GetValue()
	})[0]
	if a, b := first.GetAgentId().GetValue(), second.GetAgentId().GetValue(); a != b {
		t.Errorf("the task is on %s, its volume on %s", b, a)
	}
	exampletest.Contents(t, report, func(text string) bool { return text == "1\n2\n" })
}
