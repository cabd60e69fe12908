package master

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/cluster/internal/memnet"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/recordio"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
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
	a.inbox = append(a.inbox, m)
	a.signal()
}

func (a *fakeAgent) Closed(*link.End) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	a.signal()
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
	b.end.Send(link.Reregister{Agent: d, Tasks: tasks, Executors: executors, Frameworks: frameworks})
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

// scheduler is a framework talking raw HTTP.
type scheduler struct {
	w        *world
	codec    codec.Codec
	id       string
	streamID string
	info     *mesospb.FrameworkInfo
	events   chan *schedulerpb.Event
	cancel   context.CancelFunc
}

var allCapabilities = []mesospb.FrameworkInfo_Capability_Type{
	mesospb.FrameworkInfo_Capability_MULTI_ROLE, mesospb.FrameworkInfo_Capability_PARTITION_AWARE,
	mesospb.FrameworkInfo_Capability_TASK_KILLING_STATE, mesospb.FrameworkInfo_Capability_RESERVATION_REFINEMENT,
}

func frameworkInfo(roles ...string) *mesospb.FrameworkInfo {
	if len(roles) == 0 {
		roles = []string{"*"}
	}
	return withCapabilities(&mesospb.FrameworkInfo{User: proto.String("root"), Name: proto.String("test"), Roles: roles}, allCapabilities...)
}

func withCapabilities(i *mesospb.FrameworkInfo, cs ...mesospb.FrameworkInfo_Capability_Type) *mesospb.FrameworkInfo {
	i.Capabilities = nil
	for _, c := range cs {
		i.Capabilities = append(i.Capabilities, &mesospb.FrameworkInfo_Capability{Type: c.Enum()})
	}
	return i
}

// connect opens a stream and returns it before its first event.
func (w *world) connect(s *schedulerpb.Call_Subscribe, cd codec.Codec) *scheduler {
	w.Helper()
	call := &schedulerpb.Call{Type: schedulerpb.Call_SUBSCRIBE.Enum(), Subscribe: s, FrameworkId: s.GetFrameworkInfo().GetId()}
	body, err := cd.Append(nil, call)
	if err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL()+"/api/v1/scheduler", bytes.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	req.Header.Set("Content-Type", cd.MediaType())
	req.Header.Set("Accept", cd.MediaType())
	resp, err := w.http.Do(req)
	if err != nil {
		cancel()
		w.Fatal(err)
	}
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != cd.MediaType() {
		w.Fatalf("SUBSCRIBE: %s, %v", resp.Status, resp.Header)
	}
	f := &scheduler{w: w, codec: cd, streamID: resp.Header.Get("Mesos-Stream-Id"), info: s.GetFrameworkInfo(), events: make(chan *schedulerpb.Event, 100_000), cancel: cancel}
	var wg sync.WaitGroup
	wg.Go(func() {
		defer resp.Body.Close()
		defer close(f.events)
		frames := recordio.NewReader(resp.Body, recordio.Config{})
		for {
			frame, err := frames.Next()
			if err != nil {
				return
			}
			e := &schedulerpb.Event{}
			if err := cd.Unmarshal(frame, e); err != nil {
				w.Errorf("event: %v in %q", err, frame)
				return
			}
			f.events <- e
		}
	})
	w.Cleanup(func() { cancel(); wg.Wait() })
	return f
}

// subscribe opens a stream and takes SUBSCRIBED and HEARTBEAT from it.
func (w *world) subscribe(info *mesospb.FrameworkInfo, suppressed ...string) *scheduler {
	w.Helper()
	f := w.connect(&schedulerpb.Call_Subscribe{FrameworkInfo: info, SuppressedRoles: suppressed}, codec.Protobuf)
	f.subscribed()
	return f
}

func (f *scheduler) subscribed() {
	f.w.Helper()
	e := f.expect(schedulerpb.Event_SUBSCRIBED)
	f.id = e.GetSubscribed().GetFrameworkId().GetValue()
	f.expect(schedulerpb.Event_HEARTBEAT)
}

// next returns the next event; nil if the stream has ended.
func (f *scheduler) next() *schedulerpb.Event {
	f.w.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case e := <-f.events:
		return e
	case <-timeout.C:
		f.w.Fatal("no event came")
		return nil
	}
}

// expect returns the next event, which must be of the type; other than HEARTBEATs are not skipped.
func (f *scheduler) expect(want schedulerpb.Event_Type) *schedulerpb.Event {
	f.w.Helper()
	for {
		e := f.next()
		if e == nil {
			f.w.Fatalf("the stream ended, want %v", want)
		}
		if e.GetType() == want {
			return e
		}
		if e.GetType() != schedulerpb.Event_HEARTBEAT {
			f.w.Fatalf("got %v, want %v", prototext.Format(e), want)
		}
	}
}

// ended fails unless the stream ends next.
func (f *scheduler) ended() {
	f.w.Helper()
	if e := f.next(); e != nil {
		f.w.Fatalf("got %v, want the end of the stream", e)
	}
}

// quiet fails if there is an event but HEARTBEATs.
func (f *scheduler) quiet() {
	f.w.Helper()
	f.w.on(func() {})
	f.call(&schedulerpb.Call{Type: schedulerpb.Call_REQUEST.Enum(), Request: &schedulerpb.Call_Request{}})
	// An update about an unknown task marks the place up to which nothing may have come.
	f.reconcile("marker", "")
	if s := f.status(); s.GetTaskId().GetValue() != "marker" {
		f.w.Fatalf("got %v, want nothing", s)
	}
}

// offers takes the next event, which must be OFFERS.
func (f *scheduler) offers() []*mesospb.Offer {
	f.w.Helper()
	return f.expect(schedulerpb.Event_OFFERS).GetOffers().GetOffers()
}

// offer is offers if there is one.
func (f *scheduler) offer() *mesospb.Offer {
	f.w.Helper()
	os := f.offers()
	if len(os) != 1 {
		f.w.Fatalf("got %d offers, want 1", len(os))
	}
	return os[0]
}

// status takes the next event, which must be UPDATE.
func (f *scheduler) status() *mesospb.TaskStatus {
	f.w.Helper()
	return f.expect(schedulerpb.Event_UPDATE).GetUpdate().GetStatus()
}

// try sends a call and returns the answer.
func (f *scheduler) try(c *schedulerpb.Call) (int, string) {
	f.w.Helper()
	if c.FrameworkId == nil {
		c.FrameworkId = &mesospb.FrameworkID{Value: &f.id}
	}
	body, err := f.codec.Append(nil, c)
	if err != nil {
		f.w.Fatal(err)
	}
	status, _, text := f.w.post("/api/v1/scheduler", f.codec.MediaType(), map[string]string{"Mesos-Stream-Id": f.streamID}, body)
	return status, text
}

// call sends a call that must be answered 202, or 200.
func (f *scheduler) call(c *schedulerpb.Call) {
	f.w.Helper()
	if status, text := f.try(c); status/100 != 2 {
		f.w.Fatalf("%v: %d %s", c.GetType(), status, text)
	}
}

func (f *scheduler) accept(offers []*mesospb.Offer, filter float64, ops ...*mesospb.Offer_Operation) {
	f.w.Helper()
	a := &schedulerpb.Call_Accept{Operations: ops, Filters: &mesospb.Filters{RefuseSeconds: &filter}}
	for _, o := range offers {
		a.OfferIds = append(a.OfferIds, o.Id)
	}
	f.call(&schedulerpb.Call{Type: schedulerpb.Call_ACCEPT.Enum(), Accept: a})
}

func (f *scheduler) decline(o *mesospb.Offer, filter float64) {
	f.w.Helper()
	f.call(&schedulerpb.Call{Type: schedulerpb.Call_DECLINE.Enum(), Decline: &schedulerpb.Call_Decline{
		OfferIds: []*mesospb.OfferID{o.Id}, Filters: &mesospb.Filters{RefuseSeconds: &filter},
	}})
}

func (f *scheduler) acknowledge(agent, task string, uuid []byte) {
	f.w.Helper()
	f.call(&schedulerpb.Call{Type: schedulerpb.Call_ACKNOWLEDGE.Enum(), Acknowledge: &schedulerpb.Call_Acknowledge{
		AgentId: &mesospb.AgentID{Value: &agent}, TaskId: &mesospb.TaskID{Value: &task}, Uuid: uuid,
	}})
}

func (f *scheduler) reconcile(task, agent string) {
	f.w.Helper()
	t := &schedulerpb.Call_Reconcile_Task{TaskId: &mesospb.TaskID{Value: &task}}
	if agent != "" {
		t.AgentId = &mesospb.AgentID{Value: &agent}
	}
	f.call(&schedulerpb.Call{Type: schedulerpb.Call_RECONCILE.Enum(), Reconcile: &schedulerpb.Call_Reconcile{Tasks: []*schedulerpb.Call_Reconcile_Task{t}}})
}

// teardown removes the framework.
func (f *scheduler) teardown() {
	f.w.Helper()
	f.call(&schedulerpb.Call{Type: schedulerpb.Call_TEARDOWN.Enum()})
	f.ended()
}

// command makes a command task for an offer.
func command(o *mesospb.Offer, id string, cpus, mem float64, more ...func(*mesospb.TaskInfo)) *mesospb.TaskInfo {
	t := &mesospb.TaskInfo{
		Name: &id, TaskId: &mesospb.TaskID{Value: &id}, AgentId: o.GetAgentId(),
		Resources: []*mesospb.Resource{resources.NewCPUs(cpus), resources.NewMem(mem)},
		Command:   &mesospb.CommandInfo{Value: proto.String("true")},
	}
	for _, f := range more {
		f(t)
	}
	return t
}

func launch(tasks ...*mesospb.TaskInfo) *mesospb.Offer_Operation {
	return &mesospb.Offer_Operation{Type: mesospb.Offer_Operation_LAUNCH.Enum(), Launch: &mesospb.Offer_Operation_Launch{TaskInfos: tasks}}
}

// run launches a command task and brings it to TASK_RUNNING, acknowledged.
func (f *scheduler) run(a *fakeAgent, o *mesospb.Offer, id string) {
	f.w.Helper()
	f.accept([]*mesospb.Offer{o}, 1e6, launch(command(o, id, 1, 128)))
	expectMsg[link.RunTask](a)
	f.step(a, id, mesospb.TaskState_TASK_RUNNING)
}

// step sends a status, takes the update and acknowledges it.
func (f *scheduler) step(a *fakeAgent, id string, state mesospb.TaskState) {
	f.w.Helper()
	uuid := a.update(f.id, id, state)
	if s := f.status(); s.GetTaskId().GetValue() != id || s.GetState() != state || !bytes.Equal(s.GetUuid(), uuid) {
		f.w.Fatalf("got %v, want %s %v", s, id, state)
	}
	f.acknowledge(a.id, id, uuid)
	expectMsg[link.AcknowledgeStatus](a)
}

// show describes the resources of an offer without their allocation.
func show(list []*mesospb.Resource) string {
	return strings.ReplaceAll(resources.Describe(resources.Unallocate(list)), "{}", "")
}

func (w *world) operatorTasks() *masterpb.Response_GetTasks {
	w.Helper()
	return w.mustOperate(&masterpb.Call{Type: masterpb.Call_GET_TASKS.Enum()}).GetGetTasks()
}
