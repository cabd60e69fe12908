package agent

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/cluster/internal/loop"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// testMaster is a master that a test plays: it lets agents register, acknowledges statuses
// unless told not to, and keeps all messages for the test to read in their order.
type testMaster struct {
	loop *loop.Loop

	mu     sync.Mutex
	ends   []*link.End
	hold   bool // statuses are not acknowledged
	silent bool // registrations are not answered
	refuse error
	inbox  chan link.Message
	passed []link.Message                  // taken from inbox by a test that looked for another type
	answer func(link.Message) link.Message // overrides the answer to registrations
}

func newTestMaster(t testing.TB) *testMaster {
	m := &testMaster{loop: loop.New(), inbox: make(chan link.Message, 1<<16)}
	t.Cleanup(m.loop.Close)
	return m
}

func (m *testMaster) Connect(agent link.Handler) (*link.End, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refuse != nil {
		return nil, m.refuse
	}
	x, y := link.Pipe(agent, m)
	m.ends = append(m.ends, y)
	return x, nil
}

// set changes the master's behaviour.
func (m *testMaster) set(f func(*testMaster)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(m)
}

func (m *testMaster) end() *link.End {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ends[len(m.ends)-1]
}

// send sends a message to the agent that connected last.
func (m *testMaster) send(msg link.Message) { m.end().Send(msg) }

type closedMessage struct{ link.Unregister }

func (m *testMaster) Closed(*link.End) { m.inbox <- closedMessage{} }

func (m *testMaster) Receive(end *link.End, msg link.Message) {
	m.mu.Lock()
	hold, silent, answer := m.hold, m.silent, m.answer
	m.mu.Unlock()
	var reply link.Message
	switch msg := msg.(type) {
	case link.Register:
		reply = link.Registered{AgentID: "agent-S0", Master: &mesospb.MasterInfo{Id: proto.String("m")}}
		if silent {
			reply = nil
		}
	case link.Reregister:
		reply = link.Reregistered{AgentID: msg.Agent.Info.GetId().GetValue()}
		if silent {
			reply = nil
		}
	case link.StatusUpdate:
		if !hold {
			reply = link.AcknowledgeStatus{FrameworkID: msg.FrameworkID, TaskID: msg.Status.GetTaskId().GetValue(), UUID: msg.Status.GetUuid()}
		}
	}
	if answer != nil {
		if a := answer(msg); a != nil {
			reply = a
		}
	}
	m.inbox <- msg
	if reply != nil {
		m.loop.Post(func() { end.Send(reply) })
	}
}

// await returns the next message of type M. Others stay for later.
func await[M link.Message](t testing.TB, m *testMaster) M {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for i, msg := range m.passed {
		if want, ok := msg.(M); ok {
			m.passed = slices.Delete(m.passed, i, i+1)
			return want
		}
	}
	for {
		select {
		case msg := <-m.inbox:
			if want, ok := msg.(M); ok {
				return want
			}
			m.passed = append(m.passed, msg)
		case <-timeout.C:
			var want M
			t.Fatalf("no %T came", want)
		}
	}
}

// update returns the next status.
func (m *testMaster) update(t testing.TB) *mesospb.TaskStatus {
	t.Helper()
	return await[link.StatusUpdate](t, m).Status
}

// updateOf skips statuses until the task has the state.
func (m *testMaster) updateOf(t testing.TB, id string, state mesospb.TaskState) *mesospb.TaskStatus {
	t.Helper()
	for {
		s := m.update(t)
		if s.GetTaskId().GetValue() != id {
			continue
		}
		if s.GetState() == state {
			return s
		}
		if isTerminal(s.GetState()) {
			t.Fatalf("%s is %v (%s), want %v", id, s.GetState(), s.GetMessage(), state)
		}
	}
}

// states collects the states of a task until it has ended, and returns its last status.
func (m *testMaster) states(t testing.TB, id string) (string, *mesospb.TaskStatus) {
	t.Helper()
	var list []string
	for {
		s := m.update(t)
		if s.GetTaskId().GetValue() != id {
			continue
		}
		list = append(list, strings.TrimPrefix(s.GetState().String(), "TASK_"))
		if isTerminal(s.GetState()) {
			return strings.Join(list, " "), s
		}
	}
}

// start runs an agent with the test's master. It is closed with the test.
func start(t testing.TB, m *testMaster, change ...func(*Config)) *Agent {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "agent-test-")
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Listener: l, Master: m, WorkDir: dir, Resources: "cpus:4;mem:2048;disk:4096;ports:[31000-32000]", Attributes: "rack:r1;zone:z1"}
	if os.Getenv("AGENT_TEST_LOG") != "" {
		cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	for _, f := range change {
		f(&cfg)
	}
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		checkNothingRuns(t, dir)
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return a
}

// run starts an agent and waits until it is registered.
func run(t testing.TB, m *testMaster, change ...func(*Config)) *Agent {
	t.Helper()
	a := start(t, m, change...)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := a.ID(ctx); err != nil {
		t.Fatal(err)
	}
	return a
}

// checkNothingRuns fails the test if a process has dir in its environment.
func checkNothingRuns(t testing.TB, dir string) {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return
	}
	for _, e := range entries {
		env, err := os.ReadFile("/proc/" + e.Name() + "/environ")
		if err == nil && strings.Contains(string(env), dir) {
			cmd, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline")
			t.Errorf("process %s still runs: %q", e.Name(), cmd)
		}
	}
}

func testFramework(caps ...mesospb.FrameworkInfo_Capability_Type) *mesospb.FrameworkInfo {
	if caps == nil {
		caps = []mesospb.FrameworkInfo_Capability_Type{
			mesospb.FrameworkInfo_Capability_PARTITION_AWARE, mesospb.FrameworkInfo_Capability_TASK_KILLING_STATE,
		}
	}
	f := &mesospb.FrameworkInfo{User: proto.String("root"), Name: proto.String("test"), Id: &mesospb.FrameworkID{Value: proto.String("fw-0000")}}
	for _, c := range caps {
		f.Capabilities = append(f.Capabilities, &mesospb.FrameworkInfo_Capability{Type: c.Enum()})
	}
	return f
}

func baseTask(id string) *mesospb.TaskInfo {
	return &mesospb.TaskInfo{
		Name: proto.String(id), TaskId: &mesospb.TaskID{Value: proto.String(id)}, AgentId: &mesospb.AgentID{Value: proto.String("agent-S0")},
		Resources: []*mesospb.Resource{resources.NewCPUs(0.1, resources.WithAllocation("*")), resources.NewMem(32, resources.WithAllocation("*"))},
	}
}

func shellTask(id, script string) *mesospb.TaskInfo {
	t := baseTask(id)
	t.Command = &mesospb.CommandInfo{Value: proto.String(script)}
	return t
}

func argvTask(id string, value string, args ...string) *mesospb.TaskInfo {
	t := baseTask(id)
	t.Command = &mesospb.CommandInfo{Shell: proto.Bool(false), Value: &value, Arguments: args}
	return t
}

// sandboxOf returns the sandbox of a task's executor.
func sandboxOf(a *Agent, executor string) string {
	return a.runsDir("fw-0000", executor) + "/latest"
}

func readFile(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// eventually polls for what has no event to wait for, such as a file that a task writes.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func kill(id string) link.KillTask {
	return link.KillTask{FrameworkID: "fw-0000", TaskID: id}
}

func describeStatus(s *mesospb.TaskStatus) string {
	reason := ""
	if s.Reason != nil {
		reason = s.GetReason().String()
	}
	return fmt.Sprintf("%v %v %s %q", s.GetState(), s.GetSource(), reason, s.GetMessage())
}
