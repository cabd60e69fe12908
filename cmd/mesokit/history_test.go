package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mesokit/mesokit/framework/apiclient"
)

func TestTheHistoryOfAnApplicationOutlivesItsScheduler(t *testing.T) {
	c := testCluster(t)
	args := []string{"--master", c.Master(), "--store", "bolt:" + filepath.Join(t.TempDir(), "state.db")}
	s := startScheduler(t, args...)
	s.app("submit", file(t, "web.json", strings.Replace(appJSON("web", "exit 3", 1, "0.1"), `"name"`, `"retry":{"total_retries":0},"name"`, 1)))
	for decode[apiclient.App](t, s.get("/v1/apps/web")).GivenUp == 0 {
	}
	s.app("scale", "web", "0")
	before := decode[[]apiclient.Note](t, s.app("history", "web", "-o", "json"))
	s.stop()

	s = startScheduler(t, args...)
	after := decode[[]apiclient.Note](t, s.app("history", "web", "-o", "json"))
	if len(after) < len(before) || !slices.EqualFunc(before, after[:len(before)], func(x, y apiclient.Note) bool { return x.Seq == y.Seq && x.Text == y.Text }) {
		t.Errorf("before the restart %+v\nand after it %+v", before, after)
	}
	text := s.app("history", "web")
	for _, want := range []string{"submitted", "Command exited with status 3", "given-up", "scaled"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	first := decode[apiclient.Note](t, s.app("events", "--since", "1h", "--app", "web", "--count", "1", "-o", "json"))
	if first.Seq != before[0].Seq {
		t.Errorf("events of the last hour begin with %+v, want %+v", first, before[0])
	}
	if got := mesokit(t, t.Context(), "app", "events", "--since", "yesterday"); got.code != exitUsage {
		t.Errorf("--since yesterday: exit code %d, %s", got.code, got.stderr)
	}
	if got := mesokit(t, t.Context(), "app", "history", "nobody"); got.code != exitFailure {
		t.Errorf("history of nobody: exit code %d, %s", got.code, got.stderr)
	}
}
