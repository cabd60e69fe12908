package master

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/cluster/internal/memnet"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/recordio"
	"github.com/mesokit/mesokit/mesos/resources"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long tests wait for something that must come. In a synctest bubble it takes no time.
const patience = 30 * time.Second

// world is a master on a network in memory.
type world struct {
	testing.TB
	*Master
	net  *memnet.Network
	http *http.Client
}

func start(t testing.TB, cfg Config) *world {
	t.Helper()
	w := &world{TB: t, net: &memnet.Network{}}
	l, err := w.net.Listen(t.Context(), "127.0.0.1:5050")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Listener = l
	if cfg.Seed == 0 {
		cfg.Seed = 1
	}
	if cfg.ID == "" {
		cfg.ID = "M"
	}
	if testing.Verbose() && cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	m, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.Master = m
	tr := &http.Transport{DialContext: w.net.DialContext, MaxIdleConnsPerHost: 100}
	w.http = &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(func() {
		m.Close()
		tr.CloseIdleConnections()
	})
	return w
}

// on runs f on the master's loop.
func (w *world) on(f func()) {
	w.Helper()
	if err := w.loop.Do(context.Background(), f); err != nil {
		w.Fatal(err)
	}
}

// post sends a body and returns status, headers and body.
func (w *world) post(path, contentType string, headers map[string]string, body []byte) (int, http.Header, string) {
	w.Helper()
	req, err := http.NewRequest(http.MethodPost, w.URL()+path, bytes.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for k, v := range headers {
		req.Header.Set(k, v)
	}
	return w.do(req)
}

func (w *world) do(req *http.Request) (int, http.Header, string) {
	w.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	resp, err := w.http.Do(req.WithContext(ctx))
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.Header.Get("Mesos-Stream-Id") != "" {
		// A stream: its first record is enough.
		frame, err := recordio.NewReader(resp.Body, recordio.Config{}).Next()
		if err != nil {
			w.Fatal(err)
		}
		return resp.StatusCode, resp.Header, string(frame)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(b)
}

func (w *world) get(path string) (int, http.Header, string) {
	w.Helper()
	req, err := http.NewRequest(http.MethodGet, w.URL()+path, nil)
	if err != nil {
		w.Fatal(err)
	}
	return w.do(req)
}

// getJSON decodes the answer of an older endpoint.
func (w *world) getJSON(path string) map[string]any {
	w.Helper()
	status, _, body := w.get(path)
	if status != 200 {
		w.Fatalf("GET %s: %d %s", path, status, body)
	}
	var v map[string]any
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		w.Fatalf("GET %s: %v in %s", path, err, body)
	}
	return v
}

// operator sends an operator call and returns status, text and response.
func (w *world) operator(c *masterpb.Call) (int, string, *masterpb.Response) {
	w.Helper()
	body, err := proto.Marshal(c)
	if err != nil {
		w.Fatal(err)
	}
	status, _, text := w.post("/api/v1", codec.MediaTypeProtobuf, map[string]string{"Accept": codec.MediaTypeProtobuf}, body)
	r := &masterpb.Response{}
	if status == 200 && len(text) > 0 {
		if err := proto.Unmarshal([]byte(text), r); err != nil {
			w.Fatal(err)
		}
	}
	return status, text, r
}

// mustOperate is an operator call that has to succeed.
func (w *world) mustOperate(c *masterpb.Call) *masterpb.Response {
	w.Helper()
	status, text, r := w.operator(c)
	if status/100 != 2 {
		w.Fatalf("%v: %d %s", c.GetType(), status, text)
	}
	return r
}

// fakeAgent is the other side of a link, scripted by the test.
type fakeAgent struct {
	w    *world
	end  *link.End
	desc link.Description
	id   string

	mu     sync.Mutex
	inbox  []link.Message
	wake   chan struct{}
	closed bool
	mute   bool // does not answer pings
	pings  int
	ops    []*mesospb.Operation // to be remembered
}

func (a *fakeAgent) Receive(_ *link.End, m link.Message) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := m.(link.Ping); ok {
		a.pings++
		if !a.mute {
			go a.end.Send(link.Pong{})
		}
		return
	}
	switch m := m.(type) {
	case link.KeepOperation:
		a.ops = append(a.ops, m.Operation)
		return
	case link.ForgetOperation:
		a.ops = slices.DeleteFunc(a.ops, func(o *mesospb.Operation) bool { return string(o.GetUuid().GetValue()) == string(m.OperationID) })
		return
	}
	a.inbox = append(a.inbox, m)
	a.signal()
}

func (a *fakeAgent) Closed(*link.End) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	a.signal()
}

// operations are those that the agent is to remember.
func (a *fakeAgent) operations() []*mesospb.Operation {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.ops)
}

func (a *fakeAgent) isClosed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.closed
}

func (a *fakeAgent) signal() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// expect returns the next message, which must be a T.
func expectMsg[T link.Message](a *fakeAgent) T {
	a.w.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		a.mu.Lock()
		if len(a.inbox) > 0 {
			m := a.inbox[0]
			a.inbox = a.inbox[1:]
			a.mu.Unlock()
			got, ok := m.(T)
			if !ok {
				a.w.Fatalf("agent %s got %T %+v, want %T", a.id, m, m, got)
			}
			return got
		}
		a.mu.Unlock()
		select {
		case <-a.wake:
		case <-timeout.C:
			var want T
			a.w.Fatalf("agent %s got no %T", a.id, want)
		}
	}
}

// idle fails if there is a message.
func (a *fakeAgent) idle() {
	a.w.Helper()
	a.w.on(func() {}) // all that was caused before has happened
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, m := range a.inbox {
		a.w.Errorf("agent %s got %T %+v, want nothing", a.id, m, m)
	}
	a.inbox = nil
}

// nextPort makes the addresses of agents differ.
var nextPort = func() func() int {
	var mu sync.Mutex
	port := 5050
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		port++
		return port
	}
}()

// describe makes an agent's description.
func describe(hostname string, total ...*mesospb.Resource) link.Description {
	port := nextPort()
	if len(total) == 0 {
		total = []*mesospb.Resource{resources.NewCPUs(4), resources.NewMem(2048), resources.NewDisk(4096), resources.NewPorts(31000, 32000)}
	}
	return link.Description{
		Info:    &mesospb.AgentInfo{Hostname: &hostname, Port: proto.Int32(int32(port)), Resources: total},
		Version: Version,
		PID:     fmt.Sprintf("slave(1)@127.0.0.1:%d", port),
		Address: fmt.Sprintf("127.0.0.1:%d", port),
		Total:   total,
		Capabilities: []mesospb.AgentInfo_Capability_Type{
			mesospb.AgentInfo_Capability_MULTI_ROLE, mesospb.AgentInfo_Capability_RESERVATION_REFINEMENT,
		},
	}
}

// dial connects an agent without registering it.
func (w *world) dial(d link.Description) *fakeAgent {
	w.Helper()
	a := &fakeAgent{w: w, desc: d, wake: make(chan struct{}, 1)}
	end, err := w.Connect(a)
	if err != nil {
		w.Fatal(err)
	}
	a.end = end
	return a
}

// agent registers an agent.
func (w *world) agent(hostname string, total ...*mesospb.Resource) *fakeAgent {
	w.Helper()
	a := w.dial(describe(hostname, total...))
	a.end.Send(link.Register{Agent: a.desc})
	a.id = expectMsg[link.Registered](a).AgentID
	return a
}

// back reregisters the agent over a new connection.
func (a *fakeAgent) back(tasks []*mesospb.Task, executors []link.Executor, frameworks ...*mesospb.FrameworkInfo) (*fakeAgent, link.Reregistered) {
	a.w.Helper()
	d := a.desc
	d.Info = proto.CloneOf(d.Info)
	d.Info.Id = &mesospb.AgentID{Value: &a.id}
	b := a.w.dial(d)
	b.id = a.id
	b.ops = a.operations()
	b.end.Send(link.Reregister{Agent: d, Tasks: tasks, Executors: executors, Frameworks: frameworks, Operations: b.ops})
	return b, expectMsg[link.Reregistered](b)
}

// update sends a status of a task and returns its uuid.
func (a *fakeAgent) update(framework, task string, state mesospb.TaskState, more ...func(*mesospb.TaskStatus)) []byte {
	uuid := []byte(fmt.Sprintf("%-16.16s", task+state.String()))
	uuid[6] = 0x40
	s := &mesospb.TaskStatus{
		TaskId: &mesospb.TaskID{Value: &task}, State: &state, Uuid: uuid, AgentId: &mesospb.AgentID{Value: &a.id},
		Source: mesospb.TaskStatus_SOURCE_EXECUTOR.Enum(), Timestamp: proto.Float64(1),
		ContainerStatus: &mesospb.ContainerStatus{ContainerId: &mesospb.ContainerID{Value: proto.String("c")}},
	}
	for _, f := range more {
		f(s)
	}
	a.end.Send(link.StatusUpdate{FrameworkID: framework, Status: s, Latest: state})
	return uuid
}

// operatorTasks asks in JSON, where all tasks are shown.
func (w *world) operatorTasks() *masterpb.Response_GetTasks {
	w.Helper()
	status, _, text := w.post("/api/v1", codec.MediaTypeJSON, nil, []byte(`{"type":"GET_TASKS"}`))
	r := &masterpb.Response{}
	if err := codec.JSON.Unmarshal([]byte(text), r); status != 200 || err != nil {
		w.Fatalf("GET_TASKS: %d %s (%v)", status, text, err)
	}
	return r.GetGetTasks()
}
