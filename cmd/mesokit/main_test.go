package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"github.com/mesokit/mesokit/cluster"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// An agent of the demo starts this test binary as the demo's executor.
	if len(os.Args) > 1 && os.Args[1] == demoExecutorCommand || os.Getenv(envTestMain) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

// result is what a command line did.
type result struct {
	code           int
	stdout, stderr string
}

// mesokit runs a command line in this process and checks that it leaves no file behind.
func mesokit(t *testing.T, ctx context.Context, args ...string) result {
	t.Helper()
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	code := run(ctx, args, strings.NewReader(""), &stdout, &stderr)
	left, err := os.ReadDir(tmp)
	if err != nil || len(left) > 0 {
		t.Errorf("mesokit %q left %v behind (%v)", args, left, err)
	}
	http.DefaultClient.CloseIdleConnections()
	return result{code, stdout.String(), stderr.String()}
}

func TestDemoCheckPrintsThePage(t *testing.T) {
	got := mesokit(t, t.Context(), "demo", "--check")
	if got.code != 0 || got.stdout != "Hello from Server\n" {
		t.Errorf("exit code %d, stdout %q; want 0 and the page\n%s", got.code, got.stdout, got.stderr)
	}
}

func TestRunIsTheCommandItRuns(t *testing.T) {
	for _, tc := range []struct {
		name   string
		args   []string
		code   int
		stdout string
		stderr string // is contained
	}{
		{"output and exit code", []string{"--", "sh", "-c", "echo hi; exit 3"}, 3, "hi\n", ""},
		{"success", []string{"--", "true"}, 0, "", ""},
		{"a single argument goes to a shell", []string{"--", "echo out; echo err >&2"}, 0, "out\n", "err\n"},
		{"a signal", []string{"--", "kill -TERM $$"}, 143, "", ""},
		{"output without a newline", []string{"--", "printf x"}, 0, "x", ""},
		{"environment", []string{"--env", "A=b c", "--", "echo $A"}, 0, "b c\n", ""},
		{"arguments are not split", []string{"--", "printf", "%s|", "a b", "c"}, 0, "a b|c|", ""},
		{"a file to fetch", []string{"--uri", "/etc/hosts", "--", "test -s hosts && echo fetched"}, 0, "fetched\n", ""},
		{"several instances", []string{"--instances", "2", "--name", "n", "--", "exit 4"}, 4, "", ""},
		{"a missing program", []string{"--", "/no/such/program", "x"}, 1, "", "/no/such/program"},
		{"an unreachable URI", []string{"--uri", "http://127.0.0.1:1/x", "--", "true"}, 1, "", "http://127.0.0.1:1/x"},
		{"more than there is", []string{"--cpus", "100000", "--", "true"}, 2, "", "no offer can fit"},
		{"a refused connection", []string{"--master", "127.0.0.1:1", "--", "true"}, 1, "", "connection refused"},
		{"an address that is none", []string{"--master", "not a host", "--", "true"}, 2, "", "not a host"},
		{"a timeout", []string{"--timeout", "300ms", "--", "sleep 60"}, 124, "", "300ms"},
		{"no command", nil, 2, "", "no command"},
		{"a bad variable", []string{"--env", "=x", "--", "true"}, 2, "", "want NAME=VALUE"},
		{"a bad role", []string{"--role", "a/../b", "--", "true"}, 2, "", "a/../b"},
		{"no resources", []string{"--cpus", "0", "--mem", "0", "--", "true"}, 2, "", "--cpus"},
		{"an unknown flag", []string{"--nope", "--", "true"}, 2, "", "--help"},
		{"an unknown format", []string{"-o", "yaml", "--", "true"}, 2, "", "yaml"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := mesokit(t, t.Context(), append([]string{"run"}, tc.args...)...)
			if got.code != tc.code || got.stdout != tc.stdout || !strings.Contains(got.stderr, tc.stderr) {
				t.Errorf("exit code %d, stdout %q, stderr %q\nwant %d, %q and a stderr with %q", got.code, got.stdout, got.stderr, tc.code, tc.stdout, tc.stderr)
			}
		})
	}
}

func TestRunPrefixesTheOutputOfSeveralInstances(t *testing.T) {
	got := mesokit(t, t.Context(), "run", "--instances", "2", "--name", "n", "--", "echo one; echo two")
	for _, line := range []string{"n.0| one\n", "n.0| two\n", "n.1| one\n", "n.1| two\n"} {
		if strings.Count(got.stdout, line) != 1 {
			t.Errorf("stdout %q, want %q once", got.stdout, line)
		}
	}
}

func TestRunInJSONTellsStatesAndOutput(t *testing.T) {
	got := mesokit(t, t.Context(), "run", "-o", "json", "--", "echo hi; exit 2")
	var kinds []string
	for line := range strings.Lines(got.stdout) {
		var r record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		kinds = append(kinds, r.Type+":"+r.State+strings.TrimSpace(r.Text))
	}
	all := strings.Join(kinds, " ")
	for _, want := range []string{"state:TASK_RUNNING", "stdout:hi", "state:TASK_FAILEDCommand exited with status 2"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %s in %s", want, all)
		}
	}
	if got.code != 2 {
		t.Errorf("exit code %d, want 2", got.code)
	}
}

// syncBuffer is a buffer that tells when something was written.
type syncBuffer struct {
	mu      sync.Mutex
	b       bytes.Buffer
	written chan struct{}
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.written <- struct{}{}:
	default:
	}
	return s.b.Write(p)
}

func TestInterruptKillsTheTask(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, interrupt := context.WithCancel(t.Context())
	stdout := &syncBuffer{written: make(chan struct{}, 1)}
	var stderr bytes.Buffer
	done := make(chan int)
	go func() {
		done <- run(ctx, []string{"run", "--", `trap 'echo caught; exit 7' TERM; echo ready; while :; do sleep 0.05; done`}, nil, stdout, &stderr)
	}()
	<-stdout.written
	interrupt()
	if code := <-done; code != exitInterrupted {
		t.Errorf("exit code %d, want %d; stderr %s", code, exitInterrupted, &stderr)
	}
	if got := stdout.b.String(); got != "ready\ncaught\n" {
		t.Errorf("stdout %q: the task should have got SIGTERM and its last words should have come through", got)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestDevTellsWhereItIsInOneLine(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	ctx, stop := context.WithCancel(t.Context())
	r, w := io.Pipe()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, agentPort, _ := net.SplitHostPort(free.Addr().String())
	free.Close()
	var stderr bytes.Buffer
	done := make(chan int)
	go func() {
		defer w.Close()
		done <- run(ctx, []string{"dev", "--port", "0", "--agent-port", agentPort, "--agents", "2", "--agent-attributes", "rack:r1", "--json"}, nil, w, &stderr)
	}()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Master string
		Agents []struct{ ID, Hostname, Address string }
	}
	if err := json.Unmarshal([]byte(line), &d); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	if len(d.Agents) != 2 || d.Agents[0].ID == "" || d.Agents[0].Hostname == "" || d.Agents[0].Hostname == d.Agents[1].Hostname {
		t.Errorf("%q: want two agents with ids and hostnames of their own", line)
	}
	if want := "127.0.0.1:" + agentPort; d.Agents[0].Address != want {
		t.Errorf("the first agent is at %s, want %s", d.Agents[0].Address, want)
	}
	for _, address := range []string{d.Master, d.Agents[0].Address, d.Agents[1].Address} {
		resp, err := http.Get("http://" + address + "/health")
		if err != nil {
			t.Error(err)
			continue
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s/health answers %s", address, resp.Status)
		}
	}
	// A run against it is one framework among others, and its end leaves the cluster alone.
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"run", "--master", d.Master, "--", "echo there"}, nil, &out, &errs); code != 0 || out.String() != "there\n" {
		t.Errorf("run --master: exit code %d, stdout %q, stderr %q", code, &out, &errs)
	}
	stop()
	if code := <-done; code != 0 {
		t.Errorf("exit code %d, want 0; %s", code, &stderr)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("dev left %v behind (%v)", left, err)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestDevSaysWhatIsWrong(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	for _, tc := range []struct {
		args   []string
		code   int
		stderr string
	}{
		{[]string{"--port", port}, 1, "address already in use"},
		{[]string{"--port", "99999"}, 2, "99999"},
		{[]string{"--port", "0", "--agents", "-1"}, 2, "-1"},
		{[]string{"--port", "0", "--agent-resources", "cpus:x"}, 2, "cpus:x"},
		{[]string{"--port", "0", "--agent-attributes", "rack"}, 2, "rack"},
	} {
		got := mesokit(t, t.Context(), append([]string{"dev"}, tc.args...)...)
		if got.code != tc.code || !strings.Contains(got.stderr, tc.stderr) {
			t.Errorf("dev %q: exit code %d, stderr %q; want %d and %q", tc.args, got.code, got.stderr, tc.code, tc.stderr)
		}
	}
}

func TestUnknownCommandIsBadUsage(t *testing.T) {
	got := mesokit(t, t.Context(), "nonsense")
	if got.code != exitUsage || !strings.Contains(got.stderr, `"nonsense"`) {
		t.Errorf("exit code %d, stderr %q", got.code, got.stderr)
	}
	if got := mesokit(t, t.Context()); got.code != 0 || !strings.Contains(got.stdout, "Available Commands") {
		t.Errorf("without arguments: exit code %d, stdout %q", got.code, got.stdout)
	}
}

func TestTimeoutSaysWhyNobodyWasReached(t *testing.T) {
	got := mesokit(t, t.Context(), "run", "--master", "127.0.0.1:1", "--timeout", "1s", "--", "true")
	if got.code != exitTimeout || !strings.Contains(got.stderr, "connection refused") {
		t.Errorf("exit code %d, stderr %q", got.code, got.stderr)
	}
}

func TestRunOutlivesAMasterThatIsOverloaded(t *testing.T) {
	c, err := cluster.Start(t.Context(), cluster.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Faults().AddText("call answer status=503 type=ACCEPT count=2"); err != nil {
		t.Fatal(err)
	}
	got := mesokit(t, t.Context(), "run", "--master", c.Master(), "--", "echo there")
	if got.code != 0 || got.stdout != "there\n" || strings.Count(got.stderr, "503") != 2 {
		t.Errorf("%+v", got)
	}
}
