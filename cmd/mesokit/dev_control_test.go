package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/cluster/fault"
)

// runningDev is a mesokit dev that runs in this process.
type runningDev struct {
	description
	t    *testing.T
	stop func()
}

// startDev starts one; its files go to a directory of the test's own, in which nothing may stay.
func startDev(t *testing.T, args ...string) *runningDev {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	var stderr bytes.Buffer
	done := make(chan int)
	go func() {
		defer w.Close()
		done <- run(ctx, append([]string{"dev", "--port", "0", "--json", "--agent-resources", "cpus:2;mem:64;disk:64;ports:[1-2]"}, args...), nil, w, &stderr)
	}()
	d := &runningDev{t: t}
	stopped := false
	d.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if code := <-done; code != 0 {
			t.Errorf("dev ended with exit code %d: %s", code, &stderr)
		}
		http.DefaultClient.CloseIdleConnections()
	}
	t.Cleanup(d.stop)
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		cancel()
		t.Fatalf("no line: %v; %s", err, &stderr)
	}
	if err := json.Unmarshal([]byte(line), &d.description); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return d
}

// ownRecords makes tests keep their records to themselves, and checks that none is left.
func ownRecords(t *testing.T) (tmp string) {
	t.Helper()
	tmp = t.TempDir()
	t.Setenv("TMPDIR", tmp)
	t.Setenv("XDG_RUNTIME_DIR", "")
	t.Cleanup(func() {
		if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v (%v)", left, err)
		}
	})
	return tmp
}

// devCommand runs a subcommand and returns its output.
func devCommand(t *testing.T, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), append([]string{"dev"}, args...), strings.NewReader(""), &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

// must is devCommand for commands that have to succeed. It returns the output, ids replaced.
func must(t *testing.T, args ...string) string {
	t.Helper()
	r := devCommand(t, args...)
	if r.code != 0 {
		t.Fatalf("dev %q: exit code %d, %s", args, r.code, r.stderr)
	}
	return regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}|127\.0\.0\.1:\d+`).ReplaceAllString(r.stdout, "X")
}

// agents tells how the agents are.
func (d *runningDev) agents() (list []string) {
	d.t.Helper()
	var status cluster.Status
	r := devCommand(d.t, "ls", "-o", "json", "--control", d.Control)
	if err := json.Unmarshal([]byte(r.stdout), &status); err != nil {
		d.t.Fatalf("%v: %s %s", err, r.stdout, r.stderr)
	}
	for _, a := range status.Agents {
		list = append(list, fmt.Sprintf("%s %s", a.Hostname, a.State))
	}
	return list
}

func (d *runningDev) expect(want ...string) {
	d.t.Helper()
	if diff := cmp.Diff(want, d.agents()); diff != "" {
		d.t.Errorf("agents (-want +got):\n%s", diff)
	}
}

func TestDevAgentsAreControlledFromTheCommandLine(t *testing.T) {
	ownRecords(t)
	d := startDev(t)
	if got := must(t, "agent", "add", "--hostname", "a9", "--resources", "cpus(eng):1;mem:32", "--attributes", "rack:r2", "--domain", "eu/b", "--disk", "path:/d:9"); got != "added X-S1 (a9, X)\n" {
		t.Errorf("add printed %q", got)
	}
	if got := must(t, "agent", "add", "--simulated", "--count", "2", "--hostname", "sim", "-o", "json"); strings.Count(got, `"hostname":"sim"`) != 2 {
		t.Errorf("add printed %q", got)
	}
	d.expect("localhost running", "a9 running", "sim running", "sim running")
	text := must(t, "ls")
	for _, want := range []string{"leads", "a9", "rack:r2 eu/b", "running", "X-S3"} {
		if !strings.Contains(text, want) {
			t.Errorf("ls does not show %q:\n%s", want, text)
		}
	}
	for _, step := range []struct {
		args []string
		said string
		a9   string
	}{
		{[]string{"partition", "a9"}, "partitioned X-S1 (a9, X)\n", "a9 partitioned"},
		{[]string{"heal", "S1"}, "healed X-S1 (a9, X)\n", "a9 running"},
		{[]string{"suspend", d.Agents[0].Address, "a9"}, "suspended X-S0 (localhost, X)\nsuspended X-S1 (a9, X)\n", "a9 suspended"},
		{[]string{"resume", d.Agents[0].ID, "a9"}, "resumed X-S0 (localhost, X)\nresumed X-S1 (a9, X)\n", "a9 running"},
		{[]string{"restart", "a9"}, "restarted X-S1 (a9, X)\n", "a9 running"},
		{[]string{"restart", "--new-id", "a9"}, "restarted X-S4 (a9, X)\n", "a9 running"},
		{[]string{"kill", "S2"}, "killed X-S2 (sim, X)\n", "a9 running"},
		{[]string{"stop", "S3"}, "stopped X-S3 (sim, X)\n", "a9 running"},
	} {
		if got := must(t, append([]string{"agent"}, step.args...)...); got != step.said {
			t.Errorf("agent %q printed %q, want %q", step.args, got, step.said)
		}
		if got := d.agents()[1]; got != step.a9 {
			t.Errorf("after agent %q: %s, want %s", step.args, got, step.a9)
		}
	}
	d.expect("localhost running", "a9 running")
	d.stop()
}

func TestDevFaultsAreControlledFromTheCommandLine(t *testing.T) {
	ownRecords(t)
	d := startDev(t)
	if got := must(t, "fault", "add", "call", "answer", "status=418", "path=/health", `body=a "teapot"`, "count=1"); got != "added f1: call answer status=418 body=\"a \\\"teapot\\\"\" path=/health count=1\n" {
		t.Errorf("add printed %q", got)
	}
	must(t, "fault", "add", "update delay time=5s")
	resp, err := http.Get("http://" + d.Master + "/health")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != 418 || string(body) != `a "teapot"` {
		t.Errorf("answered %s %q", resp.Status, body)
	}
	if text := must(t, "fault", "ls"); !strings.Contains(text, "over") || !strings.Contains(text, "update delay time=5s") {
		t.Errorf("ls printed\n%s", text)
	}
	var list []fault.State
	if err := json.Unmarshal([]byte(devCommand(t, "fault", "ls", "-o", "json").stdout), &list); err != nil || len(list) != 2 || list[0].Hits != 1 {
		t.Errorf("ls -o json: %+v (%v)", list, err)
	}
	if got := must(t, "fault", "rm", "f2"); got != "removed f2\n" {
		t.Errorf("rm printed %q", got)
	}
	must(t, "fault", "rm", "--all")
	if got := must(t, "fault", "ls", "-o", "json"); got != "[]\n" {
		t.Errorf("left: %s", got)
	}
	d.stop()
}

func TestDevMastersFailOver(t *testing.T) {
	ownRecords(t)
	d := startDev(t)
	if got := must(t, "failover"); got != "X leads (X)\n" {
		t.Errorf("failover printed %q", got)
	}
	must(t, "master", "kill", d.Master)
	if text := must(t, "ls"); !strings.Contains(text, "killed") {
		t.Errorf("ls without a master:\n%s", text)
	}
	must(t, "master", "start", d.Master)
	d.stop()
}

func TestDevSubcommandsSayWhatIsWrong(t *testing.T) {
	ownRecords(t)
	if r := devCommand(t, "ls"); r.code != exitUsage || !strings.Contains(r.stderr, "no mesokit dev runs here") {
		t.Errorf("without a cluster: %+v", r)
	}
	d := startDev(t)
	for _, tc := range []struct {
		args   []string
		code   int
		stderr string
	}{
		{[]string{"agent", "stop", "a7"}, exitFailure, `"a7"`},
		{[]string{"agent", "stop"}, exitUsage, "arg"},
		{[]string{"agent", "resume", "S0"}, exitFailure, "not suspended"},
		{[]string{"agent", "add", "--domain", "x"}, exitUsage, "region/zone"},
		{[]string{"agent", "add", "--disk", "x"}, exitUsage, "path:ROOT:MB"},
		{[]string{"agent", "add", "--count", "0"}, exitUsage, "--count"},
		{[]string{"agent", "add", "--resources", "cpus:x"}, exitUsage, "cpus:x"},
		{[]string{"fault", "add", "call", "explode"}, exitUsage, "explode"},
		{[]string{"fault", "rm"}, exitUsage, "--all"},
		{[]string{"fault", "rm", "f9"}, exitFailure, "f9"},
		{[]string{"master", "kill", "127.0.0.1:1"}, exitFailure, "127.0.0.1:1"},
		{[]string{"ls", "--control", "nowhere"}, exitUsage, "nowhere"},
		{[]string{"ls", "--control", "127.0.0.1:1"}, exitFailure, "refused"},
		{[]string{"ls", "--control", d.Master}, exitFailure, "is this the control interface"},
		{[]string{"agent", "explode"}, exitUsage, "explode"},
	} {
		r := devCommand(t, tc.args...)
		if r.code == 0 || !strings.Contains(r.stderr, tc.stderr) || tc.code == exitUsage && r.code != exitUsage {
			t.Errorf("dev %q: %+v, want exit code %d and %q", tc.args, r, tc.code, tc.stderr)
		}
	}
	d.stop()
}

func TestDevIsFoundAmongOthersAndAfterACrash(t *testing.T) {
	tmp := ownRecords(t)
	one := startDev(t, "--agents", "0")
	dir, err := filepath.Glob(filepath.Join(tmp, "mesokit-dev-*"))
	if err != nil || len(dir) != 1 {
		t.Fatalf("records in %v (%v)", dir, err)
	}
	// What a crash left: somebody who does not answer, and half a file.
	for name, text := range map[string]string{"dev-1-1.json": `{"pid":1,"control":"127.0.0.1:1"}`, "dev-2-2.json": `{"pi`} {
		if err := os.WriteFile(filepath.Join(dir[0], name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	must(t, "ls")
	if left, _ := filepath.Glob(filepath.Join(dir[0], "*")); len(left) != 1 {
		t.Errorf("records left: %v", left)
	}
	two := startDev(t, "--agents", "0")
	r := devCommand(t, "ls")
	if r.code != exitUsage || !strings.Contains(r.stderr, "--control "+one.Control) || !strings.Contains(r.stderr, "--control "+two.Control) {
		t.Errorf("with two clusters: %+v", r)
	}
	must(t, "ls", "--control", two.Control)
	two.stop()
	must(t, "ls")
	if err := os.Chmod(dir[0], 0o777); err != nil {
		t.Fatal(err)
	}
	if r := devCommand(t, "ls"); r.code == 0 || !strings.Contains(r.stderr, "only you") {
		t.Errorf("records that anybody may have written: %+v", r)
	}
	one.stop()
}

func TestDevIsControlledByItsOwnerOnly(t *testing.T) {
	tmp := ownRecords(t)
	d := startDev(t, "--agents", "0")
	files, err := filepath.Glob(filepath.Join(tmp, "mesokit-dev-*", "dev-*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("records %v (%v)", files, err)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the record can be read by others: %v (%v)", info, err)
	}
	if d.ControlToken == "" {
		t.Error("--json does not tell the token")
	}
	t.Setenv("TMPDIR", t.TempDir()) // somebody else's
	if r := devCommand(t, "ls", "--control", d.Control); r.code != exitFailure || !strings.Contains(r.stderr, "token") {
		t.Errorf("without the token: %+v", r)
	}
	t.Setenv("MESOKIT_CONTROL_TOKEN", "guessed")
	if r := devCommand(t, "failover", "--control", d.Control); r.code != exitFailure || !strings.Contains(r.stderr, "token") {
		t.Errorf("with another token: %+v", r)
	}
	t.Setenv("MESOKIT_CONTROL_TOKEN", d.ControlToken)
	must(t, "ls", "--control", d.Control)
	t.Setenv("TMPDIR", tmp)
	d.stop()
}

func TestDevPolicy(t *testing.T) {
	ownRecords(t)
	file := filepath.Join(t.TempDir(), "limits.json")
	if err := os.WriteFile(file, []byte(`{"limits":[{"principal":"p","qps":5,"capacity":9}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	d := startDev(t, "--offer-timeout", "90s", "--min-allocatable", "cpus:1", "--roles", "*,eng", "--weights", "eng=2.5", "--rate-limits", file, "--agent-domain", "eu/a")
	resp, err := http.Get("http://" + d.Master + "/flags")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body struct{ Flags map[string]string }
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	for flag, want := range map[string]string{
		"offer_timeout": "90secs", "min_allocatable_resources": "cpus:1", "roles": "*,eng", "weights": "eng=2.5",
		"rate_limits": `{"limits":[{"qps":5.0,"principal":"p","capacity":9}]}`, "domain": `{"fault_domain":{"region":{"name":"eu"},"zone":{"name":"a"}}}`,
	} {
		if body.Flags[flag] != want {
			t.Errorf("--%s is %s, want %s", flag, body.Flags[flag], want)
		}
	}
	d.stop()
	for _, tc := range [][]string{
		{"--offer-timeout", "-1s"}, {"--min-allocatable", "x"}, {"--weights", "a=0"}, {"--weights", "a=1,a=2"}, {"--weights", "=1"},
		{"--rate-limits", "{"}, {"--rate-limits", "nowhere.json"}, {"--domain", "eu"}, {"--agent-domain", "eu"},
	} {
		if r := devCommand(t, tc...); r.code != exitUsage || !strings.Contains(r.stderr, tc[0]) {
			t.Errorf("dev %q: %+v", tc, r)
		}
	}
}

func TestDevPrintsWhatRunsWhenItChanges(t *testing.T) {
	ownRecords(t)
	ctx, stop := context.WithCancel(t.Context())
	r, w := io.Pipe()
	var stderr bytes.Buffer
	done := make(chan int)
	go func() {
		defer w.Close()
		done <- run(ctx, []string{"dev", "--port", "0", "--agent-resources", "cpus:2"}, nil, w, &stderr)
	}()
	lines := bufio.NewScanner(r)
	var seen strings.Builder
	await := func(text string) {
		t.Helper()
		for lines.Scan() {
			seen.WriteString(lines.Text() + "\n")
			if strings.Contains(lines.Text(), text) {
				return
			}
		}
		t.Fatalf("no %q in\n%s%s", text, &seen, &stderr)
	}
	await("leads")
	await("cpus:2")
	await("Stop with Ctrl-C")
	must(t, "agent", "add", "--simulated", "--hostname", "newcomer")
	await("newcomer")
	rest := make(chan struct{})
	go func() {
		defer close(rest)
		for lines.Scan() {
		}
	}()
	stop()
	if code := <-done; code != 0 {
		t.Errorf("exit code %d; %s", code, &stderr)
	}
	<-rest
	http.DefaultClient.CloseIdleConnections()
}

func TestDevTellsEachChangeInOneLine(t *testing.T) {
	master := cluster.MasterStatus{Address: "127.0.0.1:1", Running: true, Leading: true}
	agent := cluster.AgentStatus{ID: "m-S0", Hostname: "a0", State: cluster.AgentRunning, Registered: true, Active: true}
	framework := cluster.FrameworkStatus{ID: "m-0000", Name: "web", Connected: true, Active: true, Used: "cpus:1", Tasks: 1}
	before := cluster.Status{Masters: []cluster.MasterStatus{master}, Agents: []cluster.AgentStatus{agent}, Frameworks: []cluster.FrameworkStatus{framework}}
	for _, tc := range []struct {
		name   string
		change func(s *cluster.Status)
		want   []string
	}{
		{"another amount in use", func(s *cluster.Status) { s.Frameworks[0].Used = "cpus:2" }, nil},
		{"a task", func(s *cluster.Status) { s.Frameworks[0].Tasks = 2 }, []string{"framework web (0000): connected, 2 tasks"}},
		{"an agent is lost", func(s *cluster.Status) { s.Agents[0].Registered = false }, []string{"agent S0 (a0): running, not registered"}},
		{"another agent", func(s *cluster.Status) { s.Agents[0].ID = "m-S1" }, []string{"agent S1 (a0): running", "agent S0 (a0): gone"}},
		{"the master and its frameworks go", func(s *cluster.Status) { s.Masters[0].Leading, s.Masters[0].Running, s.Frameworks = false, false, nil },
			[]string{"master 127.0.0.1:1: killed", "framework web (0000): gone"}},
	} {
		now := cluster.Status{Masters: slices.Clone(before.Masters), Agents: slices.Clone(before.Agents), Frameworks: slices.Clone(before.Frameworks)}
		tc.change(&now)
		if got := changesOf(before, now); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestRuleOf(t *testing.T) {
	for _, tc := range []struct{ args, want []string }{
		{[]string{"call hang type=A"}, []string{"call hang type=A"}},
		{[]string{"call", "answer", "status=200", "body=a b"}, []string{`call answer status=200 body="a b"`}},
		{[]string{"call", "answer", `body="`}, []string{`call answer body="\""`}},
	} {
		if got := ruleOf(tc.args); got != tc.want[0] {
			t.Errorf("ruleOf(%q) = %s, want %s", tc.args, got, tc.want[0])
		}
	}
}

func FuzzParseDisk(f *testing.F) {
	for _, s := range []string{"path:/d:9", "mount:/a:b:1.5", "path::1", "mount:/x:NaN", ":"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if d, err := parseDisk(text); err == nil && (d.Root == "" || !(d.MB > 0)) {
			t.Fatalf("%q became %+v", text, d)
		}
	})
}

func FuzzParseWeights(f *testing.F) {
	for _, s := range []string{"", "eng=2.5", "a=1,b/c=3", "a=", "=1", "a=NaN", "a=1,a=2", "a=1e999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		weights, err := parseWeights(text)
		for role, w := range weights {
			if err != nil || role == "" || !(w > 0) {
				t.Fatalf("%q became %v (%v)", text, weights, err)
			}
		}
	})
}
