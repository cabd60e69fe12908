package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mesokit/mesokit/client/operator"
	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/framework/apiclient"
)

// envTestMain makes the test binary the program.
const envTestMain = "MESOKIT_TEST_MAIN"

// patience bounds waits of these tests; it only passes if something is wrong.
const patience = 60 * time.Second

// testCluster starts a cluster of two agents.
func testCluster(t *testing.T) *cluster.Cluster {
	t.Helper()
	c, err := cluster.Start(t.Context(), cluster.Config{AllocationInterval: 50 * time.Millisecond,
		Agents: cluster.Agents(2, cluster.AgentConfig{Resources: "cpus:2;mem:1024"})})
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

// scheduling is a scheduler under test, in this process.
type scheduling struct {
	ready
	t      *testing.T
	cancel context.CancelFunc
	done   chan int
	stderr *syncBuffer
	code   int
}

// startScheduler runs the command line in this process until it is ready; app commands find it.
func startScheduler(t *testing.T, args ...string) *scheduling {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &scheduling{t: t, cancel: cancel, done: make(chan int, 1), stderr: &syncBuffer{written: make(chan struct{}, 1)}}
	r, w := io.Pipe()
	go func() {
		code := run(ctx, append([]string{"scheduler", "-o", "json", "--listen", "127.0.0.1:0", "--log-level", "warn"}, args...), nil, w, s.stderr)
		w.Close()
		s.done <- code
	}()
	t.Cleanup(func() { s.stop() })
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatalf("no line when ready: exit code %d, %s", s.stop(), &s.stderr.b)
	}
	s.read(line)
	return s
}

func (s *scheduling) read(line string) {
	s.t.Helper()
	if err := json.Unmarshal([]byte(line), &s.ready); err != nil {
		s.t.Fatalf("%q: %v", line, err)
	}
	s.t.Setenv(envAPI, s.API)
}

// stop interrupts it and returns its exit code.
func (s *scheduling) stop() int {
	s.cancel()
	if s.done != nil {
		s.code, s.done = <-s.done, nil
	}
	return s.code
}

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func appJSON(name, cmd string, instances int, cpus string) string {
	text, _ := json.Marshal(map[string]any{"name": name, "instances": instances, "command": map[string]any{"cmd": cmd},
		"resources": map[string]any{"cpus": json.Number(cpus), "mem": 16}})
	return string(text)
}

// app runs an app command that has to succeed, and returns what it prints.
func (s *scheduling) app(args ...string) string {
	s.t.Helper()
	got := mesokit(s.t, s.t.Context(), append([]string{"app"}, args...)...)
	if got.code != 0 {
		s.t.Fatalf("app %q: exit code %d, %s%s", args, got.code, got.stdout, got.stderr)
	}
	return got.stdout
}

// logs repeats app logs until it shows what is wanted: a task that runs need not have written yet.
func (s *scheduling) logs(want result, args ...string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	var last result
	for ctx.Err() == nil {
		got := mesokit(s.t, ctx, append([]string{"app", "logs"}, args...)...)
		got.stdout, got.stderr = sortedLines(got.stdout), sortedLines(got.stderr)
		if got == want {
			return
		}
		if ctx.Err() == nil {
			last = got
		}
	}
	s.t.Errorf("logs %q (-want +got)\n%s", args, cmp.Diff(want, last, cmp.AllowUnexported(result{})))
}

// sortedLines sorts lines: those of several tasks come in any order.
func sortedLines(text string) string {
	return strings.Join(slices.Sorted(strings.Lines(text)), "")
}

func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return v
}

// live returns the ids of the tasks that the master knows to be running.
func live(t *testing.T, master string) []string {
	t.Helper()
	m, err := operator.NewMaster(operator.MasterConfig{Masters: master})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	tasks, err := m.GetTasks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, task := range tasks.GetTasks() {
		ids = append(ids, task.GetTaskId().GetValue())
	}
	slices.Sort(ids)
	return ids
}

func TestAnApplicationFromSubmissionToRemoval(t *testing.T) {
	c := testCluster(t)
	s := startScheduler(t, "--master", c.Master(), "--store", "bolt:"+filepath.Join(t.TempDir(), "state.db"))
	web := file(t, "web.json", appJSON("web", `echo "I am $MESOKIT_INSTANCE"; exec sleep 1000`, 2, "0.1"))

	if got := s.app("ls", "-o", "json"); got != "[]\n" {
		t.Errorf("ls of nothing: %q", got)
	}
	s.app("submit", "--wait", web)
	apps := decode[[]apiclient.App](t, s.app("ls", "-o", "json"))
	if len(apps) != 1 || apps[0].Name != "web" || apps[0].Up != 2 || apps[0].Version != 1 {
		t.Errorf("ls: %+v", apps)
	}
	if got := s.app("ls"); !strings.Contains(got, "2 of 2") {
		t.Errorf("ls: %s", got)
	}
	scaled := decode[struct {
		Text    string
		Details apiclient.AppDetails
	}](t, s.app("scale", "web", "3", "--wait", "-o", "json"))
	if scaled.Details.Up != 3 || scaled.Text == "" {
		t.Errorf("scale: %+v", scaled)
	}
	if got, want := live(t, c.Master()), 3; len(got) != want {
		t.Errorf("%d tasks run, want %d", len(got), want)
	}
	s.logs(result{stdout: "web/0| I am 0\nweb/1| I am 1\nweb/2| I am 2\n"}, "web")
	s.logs(result{stdout: "I am 1\n"}, "web.1", "--tail", "1")
	if got := mesokit(t, t.Context(), "app", "logs", "web/1", "--file", "nope"); got.code != exitFailure || !strings.Contains(got.stderr, "its directory has:") || !strings.Contains(got.stderr, "stdout") {
		t.Errorf("logs of a file that is not there: exit code %d, %s%s", got.code, got.stdout, got.stderr)
	}
	if got := s.app("explain"); !strings.Contains(got, "does") {
		t.Errorf("explain of what runs: %q", got)
	}
	before := decode[struct {
		List []apiclient.Task `json:"instance_list"`
	}](t, s.app("show", "web", "-o", "json"))
	s.app("restart", "web/1", "--wait")
	after := decode[struct {
		List []apiclient.Task `json:"instance_list"`
	}](t, s.app("show", "web", "-o", "json"))
	for i := range before.List {
		if same := before.List[i].Task == after.List[i].Task; same != (i != 1) {
			t.Errorf("instance %d: task %s, was %s", i, after.List[i].Task, before.List[i].Task)
		}
	}
	if got := s.app("update", web, "--dry-run"); !strings.Contains(got, "no difference") {
		t.Errorf("an update to the same: %s", got)
	}
	changed := file(t, "web2.json", appJSON("web", `echo "now $MESOKIT_INSTANCE"; exec sleep 1000`, 1, "0.1"))
	s.app("update", changed, "--wait")
	s.logs(result{stdout: "now 2\n"}, "web/2") // the update leaves the number of instances
	s.app("rollback", "web", "--wait")
	s.logs(result{stdout: "I am 2\n"}, "web/2")
	s.app("rm", "--yes", "web", "--wait")
	if got := live(t, c.Master()); len(got) != 0 {
		t.Errorf("after rm %v run", got)
	}
	if got := s.app("events", "--after", "0", "--count", "2", "--kind", "app", "-o", "json"); !strings.Contains(got, `"submitted"`) || !strings.Contains(got, `"scaled"`) {
		t.Errorf("events: %s", got)
	}
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d when interrupted, want 0; %s", code, &s.stderr.b)
	}
}

func TestAnApplicationLargerThanTheClusterIsExplained(t *testing.T) {
	c := testCluster(t)
	s := startScheduler(t, "--master", c.Master(), "--store", "memory")
	s.app("submit", file(t, "big.json", appJSON("big", "exec sleep 1000", 2, "64")))
	got := mesokit(t, t.Context(), "app", "submit", "--wait", "--timeout", "1500ms", file(t, "big.json", appJSON("big", "exec sleep 1000", 2, "64")))
	if got.code != exitTimeout || !strings.Contains(got.stderr, "not enough cpus") {
		t.Errorf("waiting in vain: exit code %d, %s", got.code, got.stderr)
	}
	if text := s.app("explain", "big"); !strings.Contains(text, "big/0,1: no offer fits") || !strings.Contains(text, "cpus: 64 wanted, 2 there") {
		t.Errorf("explain: %s", text)
	}
	whys := decode[explanation](t, s.app("explain", "big/1", "-o", "json")).Instances
	if len(whys) != 1 || whys[0].Running || whys[0].Offers == nil || whys[0].Offers.Nearest == nil {
		t.Fatalf("explain: %+v", whys)
	}
	if diff := cmp.Diff([]apiclient.Lack{{Name: "cpus", Need: 64, Have: 2}}, whys[0].Offers.Nearest.Lacks); diff != "" {
		t.Errorf("what is missing (-want +got)\n%s", diff)
	}
	if got := mesokit(t, t.Context(), "app", "logs", "big"); got.code != 1 || !strings.Contains(got.stderr, "mesokit app explain big") {
		t.Errorf("logs of what never ran: exit code %d, %s", got.code, got.stderr)
	}
}

func TestLogsFollowABatchToItsEnd(t *testing.T) {
	c := testCluster(t)
	flag := filepath.Join(t.TempDir(), "go")
	def := `{"name":"job","goal":"finish","command":{"cmd":"echo one; until [ -e ` + flag + ` ]; do sleep 0.02; done; echo two"},"resources":{"cpus":0.1,"mem":16}}`
	s := startScheduler(t, "--master", c.Master(), "--store", "memory", "--app", file(t, "job.json", def))
	s.app("scale", "job", "1", "--wait")
	t.Setenv("TMPDIR", t.TempDir())
	stdout := &syncBuffer{written: make(chan struct{}, 1)}
	var stderr bytes.Buffer
	done := make(chan int)
	go func() {
		done <- run(t.Context(), []string{"app", "logs", "-f", "job/0"}, nil, stdout, &stderr)
	}()
	<-stdout.written
	if err := os.WriteFile(flag, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if code := <-done; code != 0 || stdout.b.String() != "one\ntwo\n" {
		t.Errorf("exit code %d, stdout %q, %s", code, &stdout.b, &stderr)
	}
}

func TestAStoppedSchedulerLeavesItsTasksAndUninstallRemovesThem(t *testing.T) {
	c := testCluster(t)
	store := "bolt:" + filepath.Join(t.TempDir(), "state.db")
	s := startScheduler(t, "--master", c.Master(), "--store", store, "--name", "stayer")
	s.app("submit", "--wait", file(t, "web.json", appJSON("web", "exec sleep 1000", 2, "0.1")))
	before := live(t, c.Master())
	if got := mesokit(t, t.Context(), "scheduler", "--master", c.Master(), "--store", store, "--listen", "127.0.0.1:0"); got.code != 1 || !strings.Contains(got.stderr, "running already") {
		t.Errorf("another one with the same store: exit code %d, %s", got.code, got.stderr)
	}
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d; %s", code, &s.stderr.b)
	}
	if diff := cmp.Diff(before, live(t, c.Master())); diff != "" || len(before) != 2 {
		t.Errorf("tasks after the scheduler has stopped (-want +got)\n%s", diff)
	}
	got := mesokit(t, t.Context(), "scheduler", "--master", c.Master(), "--store", store, "--name", "stayer", "--listen", "127.0.0.1:0", "--uninstall", "--yes")
	if got.code != 0 || !strings.Contains(got.stdout, "stayer is removed") {
		t.Errorf("--uninstall: exit code %d, %s%s", got.code, got.stdout, got.stderr)
	}
	if left := live(t, c.Master()); len(left) != 0 {
		t.Errorf("after --uninstall %v run", left)
	}
}

// process is a scheduler in a process of its own, to be killed.
type process struct {
	scheduling
	cmd *exec.Cmd
}

func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{scheduling: scheduling{t: t, stderr: &syncBuffer{written: make(chan struct{}, 1)}}}
	p.cmd = exec.Command(self, append([]string{"scheduler", "-o", "json", "--listen", "127.0.0.1:0", "--log-level", "warn"}, args...)...)
	p.cmd.Env = append(os.Environ(), envTestMain+"=1")
	p.cmd.Stderr = p.stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("no line when ready: %v; %s", err, &p.stderr.b)
	}
	p.read(line)
	return p
}

// kill is SIGKILL.
func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
}

func TestAKilledSchedulerGoesOnWithTheSameTasks(t *testing.T) {
	c := testCluster(t)
	diary := filepath.Join(t.TempDir(), "diary")
	args := []string{"--master", c.Master(), "--store", "bolt:" + filepath.Join(t.TempDir(), "state.db")}
	web := file(t, "web.json", appJSON("web", "echo $MESOKIT_INSTANCE >>"+diary+"; exec sleep 1000", 6, "0.1"))

	// Killed while it launches: as soon as it tells of the first launch.
	p := startProcess(t, args...)
	api, err := apiclient.New(apiclient.Config{Addresses: []string{p.API}})
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	text, err := os.ReadFile(web)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := api.Submit(ctx, text, apiclient.SubmitOptions{}); err != nil {
		t.Fatal(err)
	}
	var first uint64
	for n, err := range api.Events(ctx, apiclient.EventOptions{Kinds: []string{"task"}, After: &first}) {
		if err != nil {
			t.Fatal(err)
		}
		if n.State == "launching" {
			break
		}
	}
	p.kill()

	// Killed while they run.
	p = startProcess(t, args...)
	p.app("scale", "web", "6", "--wait", "--timeout", "50s")
	id, before := p.FrameworkID, live(t, c.Master())
	p.kill()
	if diff := cmp.Diff(before, live(t, c.Master())); diff != "" || len(before) != 6 {
		t.Errorf("tasks after the kill (-before +after)\n%s", diff)
	}

	p = startProcess(t, args...)
	if p.FrameworkID != id {
		t.Errorf("framework %s, was %s", p.FrameworkID, id)
	}
	p.app("scale", "web", "7", "--wait", "--timeout", "50s") // which takes a working scheduler
	after := live(t, c.Master())
	if len(after) != 7 {
		t.Errorf("tasks %v; want 7", after)
	}
	for _, task := range before {
		if !slices.Contains(after, task) {
			t.Errorf("task %s is gone; now there are %v", task, after)
		}
	}
	var starts []string
	for len(starts) < 7 && ctx.Err() == nil { // the last one may run and not have written yet
		written, err := os.ReadFile(diary)
		if err != nil {
			t.Fatal(err)
		}
		starts = strings.Fields(string(written))
	}
	slices.Sort(starts)
	if diff := cmp.Diff([]string{"0", "1", "2", "3", "4", "5", "6"}, starts); diff != "" {
		t.Errorf("instances that were started (-want +got)\n%s", diff)
	}
}

func TestTheAPIAsksWhoIsThere(t *testing.T) {
	c := testCluster(t)
	auth := file(t, "auth.json", `{"read":[{"token":"reader"}],"write":[{"user":"admin","password":"secret"}]}`)
	s := startScheduler(t, "--master", c.Master(), "--store", "memory", "--auth-file", auth)
	web := file(t, "web.json", appJSON("web", "exec sleep 1000", 1, "0.1"))
	if got := mesokit(t, t.Context(), "app", "ls"); got.code != 1 || !strings.Contains(got.stderr, "--token-file") {
		t.Errorf("without credentials: exit code %d, %s", got.code, got.stderr)
	}
	t.Setenv(envToken, "reader")
	s.app("ls")
	if got := mesokit(t, t.Context(), "app", "submit", web); got.code != 1 || !strings.Contains(got.stderr, "may write") {
		t.Errorf("submitting as a reader: exit code %d, %s", got.code, got.stderr)
	}
	s.app("submit", "--wait", web, "--api-user", "admin", "--token-file", file(t, "secret", "secret\n"))
}

func TestArtifactsAreServedUnderTheirURL(t *testing.T) {
	c := testCluster(t)
	tool := file(t, "tool.sh", "echo made by tool")
	s := startScheduler(t, "--master", c.Master(), "--store", "memory", "--artifact", tool)
	def := `{"name":"user","goal":"finish","command":{"cmd":"sh ./tool.sh","uris":[{"uri":"` + s.Artifacts["tool.sh"] + `"}]},"resources":{"cpus":0.1,"mem":16}}`
	s.app("submit", file(t, "user.json", def))
	if got := s.app("logs", "-f", "user/0"); got != "made by tool\n" {
		t.Errorf("logs: %q", got)
	}
	resp, err := http.Get(s.API + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if !bytes.Contains(body, []byte(`mesokit_leading{framework="mesokit"} 1`)) {
		t.Error("the metrics do not tell that it leads")
	}
}

func TestASchedulerWithoutAMasterBringsItsOwn(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	s := startScheduler(t, "--app", file(t, "web.json", appJSON("web", "exec sleep 1000", 2, "0.1")))
	if !s.Embedded || s.Store != "memory" || s.Master == "" {
		t.Errorf("%+v", s.ready)
	}
	s.app("scale", "web", "2", "--wait")
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d; %s", code, &s.stderr.b)
	}
}

func TestSchedulerSaysWhatIsWrong(t *testing.T) {
	bad := file(t, "bad.json", `{"name":"x"}`)
	for _, tc := range []struct {
		name   string
		args   []string
		code   int
		stderr string
	}{
		{"an unknown store", []string{"--store", "redis:x"}, 2, "redis"},
		{"a store that is none", []string{"--store", "standalone"}, 2, "no store"},
		{"an election that is none", []string{"--election", "bolt:x"}, 2, "no elections"},
		{"an election without a shared store", []string{"--election", "zk:127.0.0.1:1/x", "--store", "memory"}, 2, "would know nothing"},
		{"a bad application", []string{"--app", bad}, 2, bad + ":1:"},
		{"an empty directory", []string{"--app", t.TempDir()}, 2, "no *.json"},
		{"a missing artifact", []string{"--artifact", "/no/such/file"}, 2, "/no/such/file"},
		{"a bad role", []string{"--role", "a/../b"}, 2, "a/../b"},
		{"a bad level", []string{"--log-level", "loud"}, 2, "loud"},
		{"a bad format", []string{"--log", "xml"}, 2, "xml"},
		{"a certificate alone", []string{"--tls-cert", "x"}, 2, "--tls-key"},
		{"credentials that let nobody write", []string{"--auth-file", file(t, "auth.json", `{"read":[{"token":"x"}]}`)}, 2, "nobody who may write"},
		{"an address that is taken", []string{"--listen", "127.0.0.1:99999"}, 1, "99999"},
		{"uninstalling what is not there", []string{"--uninstall"}, 2, "--master"},
		{"a file that is no store", []string{"--master", "127.0.0.1:1", "--store", "bolt:" + bad}, 1, "restore a backup"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := mesokit(t, t.Context(), append([]string{"scheduler"}, tc.args...)...)
			if got.code != tc.code || !strings.Contains(got.stderr, tc.stderr) {
				t.Errorf("exit code %d, stderr %q; want %d and %q", got.code, got.stderr, tc.code, tc.stderr)
			}
		})
	}
}

func TestAppSaysWhatIsWrong(t *testing.T) {
	c := testCluster(t)
	startScheduler(t, "--master", c.Master(), "--store", "memory")
	bad := file(t, "bad.json", "{\"name\":\"x\",\n \"instnaces\":2}")
	for _, tc := range []struct {
		name   string
		args   []string
		code   int
		stderr string
	}{
		{"an unknown application", []string{"show", "nobody"}, 1, "mesokit app ls"},
		{"an explanation of an unknown application", []string{"explain", "nobody"}, 1, "mesokit app ls"},
		{"an invalid definition", []string{"submit", bad}, 1, bad + ":2:2: /instnaces: unknown field"},
		{"an update of nothing", []string{"update", file(t, "new.json", appJSON("new", "true", 1, "0.1"))}, 1, "mesokit app submit"},
		{"no number", []string{"scale", "web", "many"}, 2, "many"},
		{"no instance", []string{"logs", "web/x"}, 2, "web/x"},
		{"nothing to resolve", []string{"guard", "resolve", "kill"}, 1, "nothing to resolve"},
		{"no choice", []string{"guard", "resolve", "maybe"}, 2, "maybe"},
		{"a missing file", []string{"submit", "/no/such/file"}, 2, "/no/such/file"},
		{"nobody there", []string{"ls", "--api", "127.0.0.1:1"}, 1, "mesokit scheduler"},
		{"another server", []string{"ls", "--api", "http://" + c.Master()}, 1, "does not answer as a scheduler"},
		{"no address", []string{"ls", "--api", "ftp://x"}, 2, "ftp://x"},
		{"an unknown command", []string{"dance"}, 2, "dance"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := mesokit(t, t.Context(), append([]string{"app"}, tc.args...)...)
			if got.code != tc.code || !strings.Contains(got.stderr, tc.stderr) {
				t.Errorf("exit code %d, stderr %q; want %d and %q", got.code, got.stderr, tc.code, tc.stderr)
			}
		})
	}
}

func TestValidateNamesThePlaceOfEachError(t *testing.T) {
	good := file(t, "good.json", appJSON("web", "true", 1, "0.1"))
	bad := file(t, "bad.json", "{\"name\":\"x\",\n \"instnaces\":2,\n \"command\":{\"cmd\":\"true\"},\"resources\":{\"cpus\":-1,\"mem\":1}}")
	got := mesokit(t, t.Context(), "app", "validate", good, bad)
	want := good + ": web is valid\n" + bad + ":2:2: /instnaces: unknown field: did you mean instances?\n" + bad + ":3:"
	if got.code != 1 || !strings.HasPrefix(got.stdout, want) {
		t.Errorf("exit code %d, stdout %s; want %s…", got.code, got.stdout, want)
	}
	got = mesokit(t, t.Context(), "app", "validate", "-o", "json", bad)
	v := decode[validity](t, got.stdout)
	if v.Valid || len(v.Errors) != 2 || v.Errors[0].Line != 2 || v.Errors[0].Pointer != "/instnaces" {
		t.Errorf("%+v", v)
	}
}

func TestAdviceNamesWhatToDo(t *testing.T) {
	for kind, want := range map[string]string{"deploying": "--force", "guarded": "app guard", "other": ""} {
		err := advise(&apiclient.Problem{Type: kind, Status: 409, Detail: "no"})
		if !strings.HasPrefix(err.Error(), "no") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", kind, err)
		}
		if _, ok := errors.AsType[*apiclient.Problem](err); !ok {
			t.Errorf("%s: the problem is lost", kind)
		}
	}
}

func TestLogsOfAPodAreThoseOfItsTasks(t *testing.T) {
	c := testCluster(t)
	s := startScheduler(t, "--master", c.Master(), "--store", "memory")
	def := `{"name":"pod","group":[
		{"name":"a","command":{"cmd":"echo from a; exec sleep 1000"},"resources":{"cpus":0.1,"mem":16}},
		{"name":"b","command":{"cmd":"echo from b >&2; exec sleep 1000"},"resources":{"cpus":0.1,"mem":16}}]}`
	s.app("submit", "--wait", file(t, "pod.json", def))
	s.logs(result{stdout: "pod/0/a| from a\n", stderr: "pod/0/b| from b\n"}, "pod/0")
}
