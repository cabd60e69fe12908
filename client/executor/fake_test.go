package executor

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/recordio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeAgent is an agent whose every answer a test decides. It listens in memory, so that it works in synctest
// bubbles.
type fakeAgent struct {
	t      *testing.T
	conns  chan net.Conn
	down   chan struct{} // closed for good
	server *http.Server
	served sync.WaitGroup

	// subscribes and calls carry what executors ask, until the test answers.
	subscribes chan *exchange
	calls      chan *exchange

	mu      sync.Mutex
	refuses bool // connections
}

// exchange is a request that waits for its answer.
type exchange struct {
	*executorpb.Call
	Request *http.Request
	codec   codec.Codec
	status  chan int
	events  chan *executorpb.Event
	frames  chan []byte
	end     chan bool // true: in the middle of a frame
	gone    <-chan struct{}
}

func newFakeAgent(t *testing.T) *fakeAgent {
	a := &fakeAgent{
		t: t, conns: make(chan net.Conn), down: make(chan struct{}),
		subscribes: make(chan *exchange), calls: make(chan *exchange),
	}
	a.server = &http.Server{Handler: a}
	a.served.Go(func() { _ = a.server.Serve(a) })
	t.Cleanup(func() {
		close(a.down)
		_ = a.server.Close()
		a.served.Wait()
	})
	return a
}

func (a *fakeAgent) Accept() (net.Conn, error) {
	select {
	case c := <-a.conns:
		return c, nil
	case <-a.down:
		return nil, net.ErrClosed
	}
}
func (a *fakeAgent) Close() error   { return nil }
func (a *fakeAgent) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5051} }

func (a *fakeAgent) setRefusing(yes bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refuses = yes
}

func (a *fakeAgent) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	a.mu.Lock()
	refuses := a.refuses
	a.mu.Unlock()
	if refuses {
		return nil, &net.OpError{Op: "dial", Err: errRefusedForTest}
	}
	mine, theirs := net.Pipe()
	select {
	case a.conns <- theirs:
		return mine, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-a.down:
		return nil, net.ErrClosed
	}
}

var errRefusedForTest = &net.AddrError{Err: "connection refused by the test"}

func (a *fakeAgent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	cd, ok := codec.ByMediaType(r.Header.Get("Content-Type"))
	if !ok || r.Method != http.MethodPost || r.URL.Path != "/slave(1)/api/v1/executor" || r.Header.Get("Accept") != cd.MediaType() {
		http.Error(w, "what is this?", http.StatusTeapot)
		return
	}
	body, err := io.ReadAll(r.Body)
	ex := &exchange{
		Call: new(executorpb.Call), Request: r, codec: cd, status: make(chan int),
		events: make(chan *executorpb.Event), frames: make(chan []byte), end: make(chan bool), gone: r.Context().Done(),
	}
	if err == nil {
		err = cd.Unmarshal(body, ex.Call)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	to := a.calls
	if ex.GetType() == executorpb.Call_SUBSCRIBE {
		to = a.subscribes
	}
	select {
	case to <- ex:
	case <-r.Context().Done():
		return
	case <-a.down:
		return
	}
	select {
	case status := <-ex.status:
		if status != http.StatusOK {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "so says the test")
			return
		}
	case <-r.Context().Done():
		return
	}
	w.Header().Set("Content-Type", cd.MediaType())
	ex.stream(w)
}

func (ex *exchange) stream(w http.ResponseWriter) {
	flush := func() { _ = http.NewResponseController(w).Flush() }
	flush()
	for {
		var frame []byte
		select {
		case event := <-ex.events:
			frame, _ = ex.codec.Append(nil, event)
		case frame = <-ex.frames:
		case broken := <-ex.end:
			if broken {
				_, _ = io.WriteString(w, "1000\nhalf")
				flush()
				panic(http.ErrAbortHandler)
			}
			return
		case <-ex.gone:
			return
		}
		_, _ = w.Write(recordio.AppendFrame(nil, frame))
		flush()
	}
}

// patience bounds what tests wait for on real connections; in bubbles it costs nothing.
const patience = 10 * time.Second

func await[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case v := <-c:
		return v
	case <-timer.C:
		t.Fatalf("no %s within %v", what, patience)
		panic("not reached")
	}
}

func (a *fakeAgent) nextSubscribe() *exchange {
	a.t.Helper()
	return await(a.t, a.subscribes, "SUBSCRIBE call")
}

func (a *fakeAgent) nextCall(want executorpb.Call_Type) *exchange {
	a.t.Helper()
	ex := await(a.t, a.calls, want.String()+" call")
	if ex.GetType() != want {
		a.t.Fatalf("got a call %v, want %v", ex.GetType(), want)
	}
	return ex
}

// takeAll answers all that comes with one status; 0 means never.
func (a *fakeAgent) takeAll(from <-chan *exchange, status int) {
	for {
		select {
		case ex := <-from:
			if status != 0 {
				ex.answer(status)
			}
		case <-a.down:
			return
		}
	}
}

// answer gives a call its status.
func (ex *exchange) answer(status int) *exchange {
	ex.status <- status
	return ex
}

func (ex *exchange) send(events ...*executorpb.Event) {
	for _, e := range events {
		select {
		case ex.events <- e:
		case <-ex.gone:
		}
	}
}

// subscribed takes the next subscription and confirms it.
func (a *fakeAgent) subscribed() *exchange {
	a.t.Helper()
	ex := a.nextSubscribe().answer(http.StatusOK)
	ex.send(subscribedEvent())
	return ex
}

func testConfig(a *fakeAgent, cd codec.Codec) Config {
	return Config{
		FrameworkID: "fw-1", ExecutorID: "ex-1", AgentEndpoint: "127.0.0.1:5051", AgentProcess: "slave(1)",
		Transport: transport.Config{Codec: cd, DialContext: a.dial},
	}
}

func newTestClient(t *testing.T, cfg Config) *Client {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func subscribedEvent() *executorpb.Event {
	return &executorpb.Event{Type: executorpb.Event_SUBSCRIBED.Enum(), Subscribed: &executorpb.Event_Subscribed{
		ExecutorInfo: &mesospb.ExecutorInfo{
			ExecutorId: &mesospb.ExecutorID{Value: proto.String("ex-1")}, FrameworkId: &mesospb.FrameworkID{Value: proto.String("fw-1")},
			Command: &mesospb.CommandInfo{Value: proto.String("run")},
		},
		FrameworkInfo: &mesospb.FrameworkInfo{User: proto.String("u"), Name: proto.String("n")},
		AgentInfo:     &mesospb.AgentInfo{Hostname: proto.String("h"), Id: &mesospb.AgentID{Value: proto.String("agent-1")}},
		ContainerId:   &mesospb.ContainerID{Value: proto.String("c")},
	}}
}

func taskID(id string) *mesospb.TaskID { return &mesospb.TaskID{Value: proto.String(id)} }

func taskInfo(id string) *mesospb.TaskInfo {
	return &mesospb.TaskInfo{
		Name: proto.String(id), TaskId: taskID(id), AgentId: &mesospb.AgentID{Value: proto.String("agent-1")}, Data: []byte("data of " + id),
	}
}

func launchEvent(id string) *executorpb.Event {
	return &executorpb.Event{Type: executorpb.Event_LAUNCH.Enum(), Launch: &executorpb.Event_Launch{Task: taskInfo(id)}}
}

func groupEvent(ids ...string) *executorpb.Event {
	group := new(mesospb.TaskGroupInfo)
	for _, id := range ids {
		group.Tasks = append(group.Tasks, taskInfo(id))
	}
	return &executorpb.Event{Type: executorpb.Event_LAUNCH_GROUP.Enum(), LaunchGroup: &executorpb.Event_LaunchGroup{TaskGroup: group}}
}

func killEvent(id string) *executorpb.Event {
	return &executorpb.Event{Type: executorpb.Event_KILL.Enum(), Kill: &executorpb.Event_Kill{TaskId: taskID(id)}}
}

func ackEvent(s *mesospb.TaskStatus) *executorpb.Event {
	return &executorpb.Event{Type: executorpb.Event_ACKNOWLEDGED.Enum(), Acknowledged: &executorpb.Event_Acknowledged{TaskId: s.GetTaskId(), Uuid: s.GetUuid()}}
}

func messageEvent(data string) *executorpb.Event {
	return &executorpb.Event{Type: executorpb.Event_MESSAGE.Enum(), Message: &executorpb.Event_Message{Data: []byte(data)}}
}

func errorEvent(text string) *executorpb.Event {
	return &executorpb.Event{Type: executorpb.Event_ERROR.Enum(), Error: &executorpb.Event_Error{Message: proto.String(text)}}
}

func bareEvent(t executorpb.Event_Type) *executorpb.Event { return &executorpb.Event{Type: t.Enum()} }

func status(id string, state mesospb.TaskState) *mesospb.TaskStatus {
	return &mesospb.TaskStatus{TaskId: taskID(id), State: state.Enum()}
}

var codecs = map[string]codec.Codec{"json": codec.JSON, "protobuf": codec.Protobuf}
