package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/core/replay"
)

// recordDay writes a short recording.
func recordDay(t *testing.T, change func(line string) string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "day")
	file, err := openRecording(path)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_700_000_000, 0)
	cfg := core.Config{}
	rec, err := replay.NewRecorder(file, now, cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := core.New(cfg)
	web := app.New("web", "sleep 10")
	if err := web.Complete(); err != nil {
		t.Fatal(err)
	}
	inputs := []core.Input{core.Submit{App: web}}
	if err := rec.Apply(now, inputs, c.Apply(now, inputs...)); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(change(string(raw))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func TestReplayComparesARecordingWithThisProgram(t *testing.T) {
	path := recordDay(t, nil)
	got := mesokit(t, t.Context(), "replay", path)
	if got.code != 0 || !strings.Contains(got.stdout, "1 rounds with 1 inputs; in the end 1 applications") {
		t.Errorf("%+v", got)
	}
	if got := mesokit(t, t.Context(), "replay", "--show", path); got.code != 0 || !strings.Contains(got.stdout, " app web ") {
		t.Errorf("%+v", got)
	}
	var r replayed
	if got := mesokit(t, t.Context(), "replay", "-o", "json", path); json.Unmarshal([]byte(got.stdout), &r) != nil || r.Applies != 1 || r.Apps != 1 {
		t.Errorf("%+v", got)
	}
	if got := mesokit(t, t.Context(), "replay", recordDay(t, func(s string) string { return strings.Replace(s, "web", "wob", 1) })); got.code != exitFailure || !strings.Contains(got.stderr, "line") {
		t.Errorf("a damaged recording: %+v", got)
	}
	if got := mesokit(t, t.Context(), "replay", filepath.Join(t.TempDir(), "none")); got.code != exitFailure {
		t.Errorf("%+v", got)
	}
}

func TestARecordingIsNotOverwritten(t *testing.T) {
	path := recordDay(t, nil)
	again, err := openRecording(path)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	if _, err := os.Stat(path + ".2"); err != nil {
		t.Error(err)
	}
}
