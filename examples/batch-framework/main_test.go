package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/examples/internal/exampletest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bounded runs a batch on a cluster that has room for two jobs at a time.
func bounded(t *testing.T, jobs int, command string) (string, error) {
	t.Helper()
	c := exampletest.Cluster(t, cluster.AgentConfig{Resources: "cpus:0.2;mem:512"})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out strings.Builder
	err := run(ctx, c.Master(), jobs, command, &out)
	exampletest.Until(t, c.Master(), "nothing runs", exampletest.Number(0))
	return out.String(), err
}

func TestAllJobsAreDoneAlsoThoseThatFailAtFirst(t *testing.T) {
	dir := t.TempDir()
	out, err := bounded(t, 5, `if [ $MESOKIT_INSTANCE = 2 ] && mkdir `+dir+`/failed 2>/dev/null; then exit 1; fi`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir + "/failed"); err != nil {
		t.Errorf("job 2 did not fail: %v", err)
	}
	if !strings.HasSuffix(out, "5 of 5 jobs are done\n") {
		t.Errorf("it told %q", out)
	}
}

func TestABatchThatCannotBeDoneSaysSo(t *testing.T) {
	if _, err := bounded(t, 1, "exit 1"); !errors.Is(err, errGivenUp) {
		t.Errorf("it ended with %v", err)
	}
}
