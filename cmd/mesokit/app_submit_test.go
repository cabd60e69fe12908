package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mesokit/mesokit/framework/apiclient"
	"github.com/mesokit/mesokit/framework/store"
)

func TestOfSeveralFilesAllAreSubmittedOrNone(t *testing.T) {
	c := testCluster(t)
	s := startScheduler(t, "--master", c.Master(), "--store", "memory")
	one, two := file(t, "one.json", appJSON("one", "sleep 1000", 1, "0.1")), file(t, "two.json", appJSON("two", "sleep 1000", 1, "0.1"))
	again := file(t, "again.json", appJSON("one", "sleep 2000", 1, "0.1"))
	refused := file(t, "refused.json", strings.Replace(appJSON("other", "sleep 1", 1, "0.1"), `"mem":16`, `"mem":16,"role":"nobodys"`, 1))
	for _, tc := range []struct {
		name   string
		files  []string
		code   int
		stderr string
	}{
		{"the last is refused by the scheduler", []string{one, two, refused}, exitFailure, "nobodys"},
		{"one name twice", []string{one, again}, exitFailure, `"one" is also in`},
	} {
		got := mesokit(t, t.Context(), append([]string{"app", "submit"}, tc.files...)...)
		if got.code != tc.code || !strings.Contains(got.stderr, tc.stderr) || !strings.Contains(got.stderr, "nothing was submitted") {
			t.Errorf("%s: exit code %d, %s", tc.name, got.code, got.stderr)
		}
		if got := s.app("ls", "-o", "name"); got != "" {
			t.Errorf("%s: %q is there", tc.name, got)
		}
	}
	if got := mesokit(t, t.Context(), "app", "validate", one, again); got.code != exitFailure {
		t.Errorf("validate of one name twice: exit code %d", got.code)
	}
	s.app("submit", "--wait", one, two)
	if got := s.app("ls", "-o", "name"); got != "one\ntwo\n" {
		t.Errorf("ls: %q", got)
	}
	if got := s.app("ls", "-o", "yaml"); !strings.HasPrefix(got, "---\n- name: \"one\"\n") {
		t.Errorf("ls in YAML: %s", got)
	}
}

func TestABackupGoesToStdoutAndReplacesNoFileUnasked(t *testing.T) {
	c := testCluster(t)
	s := startScheduler(t, "--master", c.Master(), "--store", "bolt:"+filepath.Join(t.TempDir(), "state.db"))
	out := s.app("backup", "-")
	if info, err := store.ReadBackup(strings.NewReader(out), nil); err != nil || info.Records == 0 {
		t.Errorf("backup on stdout: %+v, %v", info, err)
	}
	if _, err := os.Lstat("-"); err == nil {
		t.Error("there is a file called -")
	}
	there := file(t, "there", "precious")
	if got := mesokit(t, t.Context(), "app", "backup", there); got.code != exitUsage || !strings.Contains(got.stderr, "--force") {
		t.Errorf("exit code %d, %s", got.code, got.stderr)
	}
	if text, err := os.ReadFile(there); err != nil || string(text) != "precious" {
		t.Errorf("the file is now %q (%v)", text, err)
	}
	s.app("backup", "--force", there)
}

func TestWhatCannotBeUndoneSaysWhatItDestroysAndIsNotDoneUnasked(t *testing.T) {
	c := testCluster(t)
	s := startScheduler(t, "--master", c.Master(), "--store", "memory")
	s.app("submit", "--wait", file(t, "web.json", appJSON("web", "exec sleep 1000", 2, "0.1")))
	agent := c.Agents()[0].ID
	for _, tc := range []struct {
		args []string
		what string
	}{
		{[]string{"app", "rm", "web"}, "web (2 instances)"},
		{[]string{"app", "restart", "--replace", "web/0"}, "web/0"},
		{[]string{"app", "orphans", "kill", "--all"}, "0 orphans"},
		{[]string{"master", "--master", c.Master(), "teardown", "mesokit"}, "kills 2 tasks of framework mesokit"},
		{[]string{"master", "--master", c.Master(), "mark-gone", agent}, agent},
		{[]string{"master", "--master", c.Master(), "drain", "--mark-gone", agent}, agent},
		{[]string{"scheduler", "--uninstall", "--master", c.Master(), "--store", "memory"}, "kills all tasks of framework mesokit"},
		{[]string{"store", "reset-fence", "--store", "bolt:" + filepath.Join(t.TempDir(), "x")}, ""},
	} {
		got := mesokit(t, t.Context(), tc.args...)
		if tc.what == "" {
			continue // there is no such store: nothing to ask about
		}
		if got.code != exitUsage || !strings.Contains(got.stderr, tc.what) || !strings.Contains(got.stderr, "--yes") {
			t.Errorf("%q: exit code %d, %s; want %q and --yes", tc.args, got.code, got.stderr, tc.what)
		}
	}
	apps := decode[[]apiclient.App](t, s.app("ls", "-o", "json"))
	if len(apps) != 1 || apps[0].Up != 2 {
		t.Errorf("something was done: %+v", apps)
	}
}

func TestFlagsThatWouldSayNothingAreRefused(t *testing.T) {
	for _, args := range [][]string{
		{"scheduler", "--master", "127.0.0.1:1", "--agents", "2"},
		{"scheduler", "--ca", "/dev/null"},
		{"run", "--principal", "me", "--", "true"},
		{"app", "scale", "web", "3", "--timeout", "1s"},
		{"app", "restart", "web/1", "--force"},
		{"app", "restart", "web", "--replace", "--yes"},
		{"app", "show", "web", "--version", "1", "--definition"},
	} {
		if got := mesokit(t, t.Context(), args...); got.code != exitUsage {
			t.Errorf("%q: exit code %d, %s", args, got.code, got.stderr)
		}
	}
}

func TestRunAndSchedulerUseTheMasterOfTheEnvironment(t *testing.T) {
	c := testCluster(t)
	t.Setenv(envMaster, c.Master())
	s := startScheduler(t, "--store", "memory")
	if s.Embedded || s.Master != "http://"+c.Master() {
		t.Errorf("the scheduler is at %s, embedded: %v; want %s", s.Master, s.Embedded, c.Master())
	}
	tasks := len(live(t, c.Master()))
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	done := make(chan int, 1)
	go func() {
		code := run(ctx, []string{"run", "--", "echo here; exec sleep 1000"}, nil, w, io.Discard)
		w.Close()
		done <- code
	}()
	buf := make([]byte, 5)
	if _, err := io.ReadFull(r, buf); err != nil {
		t.Fatal(err)
	}
	if got := len(live(t, c.Master())); got != tasks+1 {
		t.Errorf("%d tasks, want one more than %d", got, tasks)
	}
	cancel()
	go io.Copy(io.Discard, r)
	<-done
}
