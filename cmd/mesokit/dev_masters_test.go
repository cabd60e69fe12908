package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDevRemembersInItsStateDirectory(t *testing.T) {
	ownRecords(t)
	state := filepath.Join(t.TempDir(), "state")
	d := startDev(t, "--masters", "3", "--agents", "2", "--state-dir", state)
	if len(d.Masters) != 3 || d.Masters[0] != d.Master {
		t.Errorf("masters %v, the leader is %s", d.Masters, d.Master)
	}
	first := d.Agents
	d.stop()
	d = startDev(t, "--agents", "2", "--state-dir", state)
	if len(d.Masters) != 0 {
		t.Errorf("a single master is listed: %v", d.Masters)
	}
	for i := range first {
		if d.Agents[i].ID != first[i].ID {
			t.Errorf("agent %d was %s and is %s", i, first[i].ID, d.Agents[i].ID)
		}
	}
	fails := func(want string, args ...string) {
		t.Helper()
		var stderr bytes.Buffer
		if code := run(t.Context(), append([]string{"dev", "--port", "0"}, args...), nil, &bytes.Buffer{}, &stderr); code == 0 || !strings.Contains(stderr.String(), want) {
			t.Errorf("%v: exit code %d, %s; want %q", args, code, &stderr, want)
		}
	}
	fails("another cluster uses the state directory", "--state-dir", state)
	d.stop()
	registry := filepath.Join(state, "registry.json")
	if err := os.WriteFile(registry, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	fails("move it away", "--state-dir", state)
	fails("--masters 0", "--masters", "0")
	fails("path is missing", "--zk", "zk://127.0.0.1:2181")
}
