package main

import (
	"bytes"
	"context"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/examples/internal/exampletest"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestServersRunOnOverFailuresAndRestarts(t *testing.T) {
	c := exampletest.Cluster(t, cluster.AgentConfig{Resources: "cpus:2;mem:512"})
	dir := t.TempDir()
	program := func(ctx context.Context) error {
		return run(ctx, c.Master(), filepath.Join(dir, "service.db"), `test -n "$PORT_HTTP" && echo $$ >>`+dir+`/pids && exec sleep 1000`)
	}
	interrupt := exampletest.Run(t, program)
	before := exampletest.IDs(exampletest.Until(t, c.Master(), "two servers run", exampletest.Number(2)))
	interrupt()
	exampletest.Until(t, c.Master(), "they run without the framework", exampletest.Number(2))

	exampletest.Run(t, program)
	pids := exampletest.Contents(t, dir+"/pids", func(text string) bool { return strings.Count(text, "\n") >= 2 })
	kill(t, strings.Fields(pids)[0])
	exampletest.Until(t, c.Master(), "one was replaced and the other left alone", func(tasks []*mesospb.Task) bool {
		same := 0
		for id := range exampletest.IDs(tasks) {
			if before[id] {
				same++
			}
		}
		return len(tasks) == 2 && same == 1 && !maps.Equal(before, exampletest.IDs(tasks))
	})
}

func TestItIsShort(t *testing.T) {
	text, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	if lines := bytes.Count(text, []byte("\n")); lines >= 40 {
		t.Errorf("the service framework has %d lines; it is to show that fewer than 40 suffice", lines)
	}
}

func kill(t *testing.T, pid string) {
	t.Helper()
	n, err := strconv.Atoi(pid)
	if err == nil {
		err = syscall.Kill(n, syscall.SIGKILL)
	}
	if err != nil {
		t.Fatal(err)
	}
}
