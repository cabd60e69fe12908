package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/framework/store/bolt"
)

func TestABackupOfARunningSchedulerBringsItsApplicationsBackElsewhere(t *testing.T) {
	c := testCluster(t)
	dir := t.TempDir()
	from, to, saved := "bolt:"+filepath.Join(dir, "from.db"), "bolt:"+filepath.Join(dir, "to.db"), filepath.Join(dir, "saved")
	first := startScheduler(t, "--master", c.Master(), "--store", from)
	first.app("submit", "--wait", file(t, "web.json", `{"name":"web","command":{"cmd":"exec sleep 1000"},"resources":{"cpus":0.1,"mem":16}}`))
	before := first.app("show", "web", "-o", "json")
	if got := first.app("backup", saved); !strings.Contains(got, "Saved") || !strings.Contains(got, saved) {
		t.Errorf("backup: %s", got)
	}
	if got := mesokit(t, t.Context(), "store", "backup", "--store", from, saved+".2"); got.code != exitFailure || !strings.Contains(got.stderr, "app backup") {
		t.Errorf("a store in use: %+v", got)
	}
	if code := first.stop(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	for _, args := range [][]string{{"restore", "--store", to, saved}, {"backup", "--store", to, saved + ".2"}} {
		if got := mesokit(t, t.Context(), append([]string{"store"}, args...)...); got.code != 0 {
			t.Fatalf("%q: %+v", args, got)
		}
	}
	var records []storedRecord
	if got := mesokit(t, t.Context(), "store", "ls", "--store", to, "-o", "json"); json.Unmarshal([]byte(got.stdout), &records) != nil || len(records) == 0 || records[0].Bytes == 0 {
		t.Errorf("ls: %+v", got)
	}
	if got := mesokit(t, t.Context(), "store", "ls", "--store", to, records[0].Key); got.code != 0 || !strings.Contains(got.stdout, records[0].Key) {
		t.Errorf("ls with a prefix: %+v", got)
	}
	second := startScheduler(t, "--master", c.Master(), "--store", to)
	task := func(text string) string {
		var details struct {
			Instances []struct{ Task string } `json:"instance_list"`
		}
		if err := json.Unmarshal([]byte(text), &details); err != nil || len(details.Instances) != 1 || details.Instances[0].Task == "" {
			t.Fatalf("%v: %s", err, text)
		}
		return details.Instances[0].Task
	}
	if got, want := task(second.app("show", "web", "-o", "json")), task(before); got != want {
		t.Errorf("it is task %s, was %s", got, want)
	}
}

func TestStoresAreNotMadeOrLostByMistake(t *testing.T) {
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good"), filepath.Join(dir, "bad")
	full, empty := "bolt:"+filepath.Join(dir, "full.db"), filepath.Join(dir, "empty.db")
	c := testCluster(t)
	s := startScheduler(t, "--master", c.Master(), "--store", full)
	s.app("backup", good)
	s.stop()
	text, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bad, text[:len(text)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		want string
		code int
		args []string
	}{
		{"no such file", exitFailure, []string{"backup", "--store", "bolt:" + empty, filepath.Join(dir, "new")}},
		{"no such file", exitFailure, []string{"ls", "--store", "bolt:" + empty}},
		{"no such file", exitUsage, []string{"restore", "--store", "bolt:" + empty, filepath.Join(dir, "none")}},
		{"ends early", exitFailure, []string{"restore", "--store", "bolt:" + empty, bad}},
		{"--replace", exitFailure, []string{"restore", "--store", full, good}},
		{"app backup", exitUsage, []string{"ls", "--store", "memory"}},
		{"no kind", exitUsage, []string{"ls", "--store", "paper:x"}},
		{"accepts 1 arg", exitUsage, []string{"restore"}},
	} {
		got := mesokit(t, t.Context(), append([]string{"store"}, tc.args...)...)
		if got.code != tc.code || !strings.Contains(got.stderr, tc.want) {
			t.Errorf("%q: %+v, want %q", tc.args, got, tc.want)
		}
	}
	if _, err := os.Stat(empty); !os.IsNotExist(err) {
		t.Errorf("a store was made: %v", err)
	}
	if got := mesokit(t, t.Context(), "store", "restore", "--replace", "--yes", "--store", full, good); got.code != 0 {
		t.Errorf("replace: %+v", got)
	}
}

func TestAFenceIsResetFromTheCommandLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	commit := func(token store.Token) error {
		t.Helper()
		s, err := bolt.Open(path, bolt.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		_, err = s.Commit(t.Context(), store.Batch{Fence: token})
		return err
	}
	if err := commit(7); err != nil {
		t.Fatal(err)
	}
	if err := commit(6); !errors.Is(err, store.ErrFenced) {
		t.Fatal(err)
	}
	if got := mesokit(t, t.Context(), "store", "reset-fence", "--yes", "--store", "bolt:"+path); got.code != 0 || !strings.Contains(got.stdout, "every leader") {
		t.Fatalf("%+v", got)
	}
	if err := commit(1); err != nil {
		t.Error(err)
	}
}
