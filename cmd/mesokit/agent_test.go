package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/operator"
	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/cluster/clustertest"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// processes is a cluster of agents a1 and a2 that run processes, with a framework that has the tasks.
func processes(t *testing.T, tasks ...*mesospb.TaskInfo) *cluster.Cluster {
	t.Helper()
	c := clustertest.Start(t, func(c *cluster.Config) {
		c.LogDir = t.TempDir()
		c.Agents = nil
		for _, name := range []string{"a1", "a2"} {
			c.Agents = append(c.Agents, cluster.AgentConfig{Hostname: name, Resources: "cpus:2;mem:512;disk:512;ports:[1-2]"})
		}
	})
	launch(t, c, "shop", tasks...)
	return c
}

// agentOf returns the address of the agent of a task.
func agentOf(t *testing.T, c *cluster.Cluster, id string) string {
	t.Helper()
	m, err := operator.NewMaster(operator.MasterConfig{Masters: c.Master()})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	p, err := m.FindTask(t.Context(), "", id)
	if err != nil {
		t.Fatal(err)
	}
	_, address, _ := strings.Cut(p.Agent, "@")
	return address
}

func TestAgentCommandsShowAnAgent(t *testing.T) {
	c := processes(t, task("web", "echo serving; sleep 1000"), task("web2", "sleep 1000"))
	on := " --agent " + agentOf(t, c, "web.0")
	runSteps(t, c, []step{
		{"agent state" + on, 0, []string{"address     http://X", "hostname    a", "TASK_RUNNING", "cpus:"}},
		{"agent state --agent S1", 0, []string{"hostname    a"}},
		{"agent state --agent a2", 0, []string{"hostname    a2"}},
		{"agent state", 2, []string{"which agent?", "X-S0", "a1"}},
		{"agent state --agent a3", 1, []string{`no registered agent "a3"`}},
		{"agent state --agent 127.0.0.1:1", 1, []string{"connection refused", "--agent"}},
		{"agent state --agent bad:host:1", 2, []string{"--agent"}},
		{"agent tasks" + on, 0, []string{"web.0", "shop", "TASK_RUNNING"}},
		{"agent containers" + on, 0, []string{"web.0", "X-0000", "of 0.5"}},
		{"agent health" + on, 0, []string{"healthy"}},
		{"agent version" + on, 0, []string{"Mesos 1."}},
		{"agent flags work_dir" + on, 0, []string{"--work_dir="}},
		{"agent metrics slave/tasks_running" + on, 0, []string{"slave/tasks_running "}},
		{"agent logging 1 --for 1m" + on, 0, []string{"the agent logs at level 1"}},
		{"agent files ls --task web.0", 0, []string{"stdout", "stderr", "-rw"}},
		{"agent files ls --task web.0 nonsense", 1, []string{"there is no directory"}},
		{"agent files cat --task web.0 nonsense", 1, []string{"there is no", "its directory has:", "stdout"}},
		{"agent files ls --task nonsense", 1, []string{`no task "nonsense"`, "mesokit master tasks"}},
		{"agent files ls --task we", 2, []string{"any of 2", "web.0", "web2.0"}},
		{"agent files ls", 2, []string{"--task"}},
		{"agent files cat --task web stdout", 0, []string{"serving\n"}},
		{"agent files cat --task web.0 stdout -o json", 0, []string{`{"data":"serving\n","path":"stdout"}`}},
		{"agent files cat --task web.0 ../..", 1, nil},
		{"agent files tail --task web.0 stdout -n 0", 0, []string{"!serving"}},
		{"agent files tail -n 1 /slave/log" + on, 0, nil},
		{"agent files tail -n -1 /slave/log" + on, 2, []string{"--lines"}},
		{"master files tail -n 2 /master/log", 0, []string{"level="}},
		{"master files cat /master/log", 0, []string{"framework subscribed"}},
	})
	for _, args := range []string{"state", "tasks", "containers", "health", "version", "flags", "metrics", "logging"} {
		got := operate(t, c, append([]string{"agent", args, "-o", "json"}, strings.Fields(on)...)...)
		object := map[string]any{}
		if err := json.Unmarshal([]byte(got.stdout), &object); err != nil || len(object) == 0 {
			t.Errorf("%s -o json: %v: %s%s", args, err, got.stdout, got.stderr)
		}
	}
}

func TestExecIsTheCommandItRuns(t *testing.T) {
	t.Setenv("TERM", "vt220")
	c := processes(t, task("web", "env -u TERM sleep 1000"))
	for _, tc := range []struct {
		name, stdin    string
		args           []string
		code           int
		stdout, stderr string // stderr is contained
	}{
		{"output and exit code", "", []string{"web", "--", "sh", "-c", "echo out; echo err >&2; exit 7"}, 7, "out\n", "err\n"},
		{"a single argument goes to a shell", "", []string{"web.0", "--", "echo $A"}, 0, "\n", ""},
		{"environment", "", []string{"-e", "A=b c", "web.0", "--", "echo $A"}, 0, "b c\n", ""},
		{"arguments are not split", "", []string{"web.0", "--", "printf", "%s|", "a b", "-c"}, 0, "a b|-c|", ""},
		{"a signal", "", []string{"web.0", "--", "kill -9 $$"}, 137, "", ""},
		{"input", "hello", []string{"-i", "web.0", "--", "tr a-z A-Z"}, 0, "HELLO", ""},
		{"no input is its end", "hello", []string{"web.0", "--", "cat"}, 0, "", ""},
		{"a terminal of a usual size", "", []string{"-t", "web.0", "--", `until test "$(stty size)" = "24 80"; do sleep 0.01; done; stty size`}, 0, "24 80\r\n", ""},
		{"the end of what a terminal is given", "x\n", []string{"-t", "web.0", "--", "cat > /dev/null; echo ended"}, 0, "x\r\nended\r\n", ""},
		{"a terminal of the same kind", "", []string{"-t", "web/0", "--", "echo $TERM"}, 0, "vt220\r\n", ""},
		{"a terminal of another kind", "", []string{"-t", "-e", "TERM=vt52", "web.0", "--", "echo $TERM"}, 0, "vt52\r\n", ""},
		{"no terminal", "", []string{"web.0", "--", "env | grep -c vt220"}, 1, "0\n", ""},
		{"by its agent, without the master", "", []string{"--master", "127.0.0.1:1", "--agent", agentOf(t, c, "web.0"), "web", "--", "echo there"}, 0, "there\n", ""},
		{"in JSON", "", []string{"-o", "json", "web.0", "--", "echo hi; exit 2"}, 2, `{"text":"hi\n","type":"stdout"}` + "\n", ""},
		{"a missing program", "", []string{"web.0", "--", "/no/such/program", "x"}, 1, "", "/no/such/program"},
		{"no command", "", []string{"web.0"}, 2, "", "TASK -- COMMAND"},
		{"an unknown task", "", []string{"nobody", "--", "true"}, 1, "", `no task "nobody"`},
		{"another agent", "", []string{"--agent", "a9", "web.0", "--", "true"}, 1, "", `"a9"`},
		{"a bad variable", "", []string{"-e", "x", "web.0", "--", "true"}, 2, "", "NAME=VALUE"},
		{"a timeout", "", []string{"--timeout", "100ms", "web.0", "--", "sleep 1000"}, exitTimeout, "", "100ms"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := operateWith(t, c, strings.NewReader(tc.stdin), append([]string{"agent", "exec"}, tc.args...)...)
			if got.code != tc.code || got.stdout != tc.stdout || !strings.Contains(got.stderr, tc.stderr) {
				t.Errorf("exit code %d, stdout %q, stderr %q\nwant %d, %q and a stderr with %q", got.code, got.stdout, got.stderr, tc.code, tc.stdout, tc.stderr)
			}
		})
	}
	if got := operate(t, c, "master", "teardown", "--yes", "shop"); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	if got := operate(t, c, "agent", "exec", "web.0", "--", "true"); got.code != 1 || !strings.Contains(got.stderr, "does not run: it is TASK_KILLED") {
		t.Errorf("in a task that has ended: %+v", got)
	}
}

func TestAttachFollowsATerminal(t *testing.T) {
	shell := task("shell", `while read line; do echo "got $line"; test "$line" != quit || exit 0; done`)
	shell.Container = &mesospb.ContainerInfo{Type: mesospb.ContainerInfo_MESOS.Enum(), TtyInfo: &mesospb.TTYInfo{WindowSize: &mesospb.TTYInfo_WindowSize{Rows: proto.Uint32(10), Columns: proto.Uint32(40)}}}
	c := processes(t, shell, task("web", "sleep 1000"))
	runSteps(t, c, []step{
		{"agent attach web", 1, []string{"no terminal", "files tail -f --task web stdout"}},
		{"agent attach", 2, []string{"TASK"}},
		{"agent attach web --container x", 2, []string{"TASK"}},
		{"agent attach --agent a1 --container nonsense", 1, []string{"404"}},
	})
	t.Setenv(envMaster, c.Master())
	stdin, keys := io.Pipe()
	out := &syncBuffer{written: make(chan struct{}, 1)}
	var stderr bytes.Buffer
	done := make(chan int, 1)
	go func() { done <- run(t.Context(), []string{"agent", "attach", "-i", "shell"}, stdin, out, &stderr) }()
	fmt.Fprintln(keys, "hello")
	for !strings.Contains(out.text(), "got hello") {
		<-out.written
	}
	fmt.Fprintln(keys, "quit")
	if code := <-done; code != 0 || !strings.Contains(out.text(), "got quit") {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, out.text(), &stderr)
	}
	keys.Close()
}

func TestTailShowsTheLastLines(t *testing.T) {
	long := strings.Repeat("0123456789abcdef\n", 3000)
	for _, tc := range []struct {
		content string
		lines   int
		want    string
	}{
		{"", 10, ""},
		{"a\nb\nc\n", 2, "b\nc\n"},
		{"a\nb\nc", 2, "b\nc"},
		{"a\nb\nc\n", 3, "a\nb\nc\n"},
		{"a\nb\nc\n", 10, "a\nb\nc\n"},
		{"a\n\n\n", 2, "\n\n"},
		{"\n", 1, "\n"},
		{"a\nb", 0, ""},
		{long, 1, "0123456789abcdef\n"},
		{long, 2500, long[500*17:]},
		{long, 5000, long},
	} {
		offset, err := lastLines(t.Context(), textFile(tc.content), "f", tc.lines)
		if err != nil || tc.content[offset:] != tc.want {
			t.Errorf("the last %d lines of %.20q: from %d, %v; want %.20q", tc.lines, tc.content, offset, err, tc.want)
		}
	}
}

// textFile is a node with one file.
type textFile string

func (s textFile) ReadFile(_ context.Context, _ string, offset, length int64) (operator.FileChunk, error) {
	end := min(int64(len(s)), offset+min(length, 64<<10))
	return operator.FileChunk{Size: int64(len(s)), Data: []byte(s[offset:max(end, offset)])}, nil
}

func TestTailGoesOnAsTheFileGrows(t *testing.T) {
	c := processes(t, task("web", "echo one; until test -e go; do sleep 0.05; done; echo two; sleep 1000"))
	t.Setenv(envMaster, c.Master())
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	out := &syncBuffer{written: make(chan struct{}, 1)}
	done := make(chan int)
	go func() {
		done <- run(ctx, []string{"agent", "files", "tail", "-f", "--task", "web", "stdout"}, nil, out, io.Discard)
	}()
	<-out.written
	if got := operate(t, c, "agent", "exec", "web", "--", "touch go"); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	for out.text() != "one\ntwo\n" {
		<-out.written
	}
	interrupt()
	if code := <-done; code != exitInterrupted {
		t.Errorf("exit code %d", code)
	}
}

func TestDetachKeysEndInput(t *testing.T) {
	for _, tc := range []struct {
		in, want string
		detached bool
	}{
		{"hello", "hello", false},
		{"a\x10\x11b", "a", true},
		{"a\x10b\x10\x10\x11", "a\x10b\x10", true},
		{"\x11\x10", "\x11\x10", false},
		{"", "", false},
	} {
		for _, cut := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.DataErrReader} {
			detached := false
			got, err := io.ReadAll(&detacher{from: cut(strings.NewReader(tc.in)), detach: func() { detached = true }})
			if err != nil || string(got) != tc.want || detached != tc.detached {
				t.Errorf("%q: %q, %v, detached %v; want %q, %v", tc.in, got, err, detached, tc.want, tc.detached)
			}
		}
	}
}

func FuzzDetacher(f *testing.F) {
	f.Add([]byte("a\x10b\x10\x11c"), uint8(1))
	f.Add([]byte("\x10\x10\x11"), uint8(2))
	f.Fuzz(func(t *testing.T, in []byte, piece uint8) {
		want, _, cut := bytes.Cut(in, detachKeys)
		detached := false
		from := &pieces{in, int(piece)%7 + 1}
		got, err := io.ReadAll(&detacher{from: from, detach: func() { detached = true }})
		if err != nil || !bytes.Equal(got, want) || detached != cut {
			t.Errorf("%q in pieces of %d: %q, %v, detached %v", in, from.most, got, err, detached)
		}
	})
}

// pieces reads no more than so many bytes at once.
type pieces struct {
	rest []byte
	most int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.rest[:min(p.most, len(p.rest))])
	p.rest = p.rest[n:]
	return n, nil
}

func TestContainersAreNamedByTheirIDs(t *testing.T) {
	for _, name := range []string{"a", "a.b", "a.b.c", ""} {
		if got := containerName(parseContainer(name)); got != name {
			t.Errorf("%q became %q", name, got)
		}
	}
}
