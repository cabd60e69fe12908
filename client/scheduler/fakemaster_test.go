package scheduler

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/internal/memnet"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/recordio"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// fakeMaster is a master that does what a test tells it, behind an in-memory network. It insists on what real masters
// insist on: media types, stream ids, framework ids.
type fakeMaster struct {
	t       *testing.T
	address string
	// subscribes delivers every SUBSCRIBE that is answered with a stream.
	subscribes chan *fakeStream
	// calls delivers every other call.
	calls chan fakeCall

	mu sync.Mutex
	// refuse, if set, answers calls of any type; status 0 means as usual. It is called without the lock.
	refuse func(*schedulerpb.Call) (status int, header map[string]string, body string)
	// manual leaves it to the test to send SUBSCRIBED.
	manual bool
	// frameworks counts the ids given out.
	frameworks int
	// current stream by framework id.
	current   map[string]string
	streams   int
	heartbeat time.Duration // interval of real heartbeats; 0 means none are sent, and 15 s are promised
	stop      func()
}

type fakeCall struct {
	call   *schedulerpb.Call
	header http.Header
}

// fakeStream is one subscription as the master sees it.
type fakeStream struct {
	master *fakeMaster
	call   *schedulerpb.Call
	header http.Header
	id     string
	fw     string
	codec  codec.Codec
	ops    chan func(http.ResponseWriter) bool
	gone   chan struct{} // closed when the client has hung up or the stream is over
}

func startMaster(t *testing.T, network *memnet.Network, address string) *fakeMaster {
	t.Helper()
	m := &fakeMaster{t: t, address: address, subscribes: make(chan *fakeStream, 1000), calls: make(chan fakeCall, 100_000), current: make(map[string]string)}
	m.start(network)
	t.Cleanup(func() { m.stop() })
	return m
}

func (m *fakeMaster) start(network *memnet.Network) {
	server := &http.Server{Handler: m, ErrorLog: log.New(io.Discard, "", 0)}
	listener := network.Listen(m.address)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	m.stop = sync.OnceFunc(func() {
		_ = listener.Close()
		_ = server.Close()
		<-done
	})
}

// set changes the master's behaviour.
func (m *fakeMaster) set(change func(*fakeMaster)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(m)
}

func refuseWith(status int, body string) func(*schedulerpb.Call) (int, map[string]string, string) {
	return func(*schedulerpb.Call) (int, map[string]string, string) { return status, nil, body }
}

func redirectTo(address string) func(*schedulerpb.Call) (int, map[string]string, string) {
	return func(*schedulerpb.Call) (int, map[string]string, string) {
		return http.StatusTemporaryRedirect, map[string]string{"Location": "//" + address + "/master/api/v1/scheduler"}, ""
	}
}

func (m *fakeMaster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	cd, ok := codec.ByMediaType(r.Header.Get("Content-Type"))
	if !ok || r.URL.Path != "/api/v1/scheduler" {
		http.Error(w, "wrong content type or path", http.StatusUnsupportedMediaType)
		return
	}
	call := new(schedulerpb.Call)
	if err := cd.Unmarshal(body, call); err != nil {
		http.Error(w, "Failed to parse body", http.StatusBadRequest)
		return
	}
	subscribe := call.GetType() == schedulerpb.Call_SUBSCRIBE
	m.mu.Lock()
	refuse := m.refuse
	m.mu.Unlock()
	if refuse != nil {
		if status, header, text := refuse(call); status != 0 {
			if !subscribe {
				m.calls <- fakeCall{call, r.Header}
			}
			for k, v := range header {
				w.Header().Set(k, v)
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text)
			return
		}
	}
	m.mu.Lock()
	if !subscribe {
		current, known := m.current[call.GetFrameworkId().GetValue()]
		m.mu.Unlock()
		switch id := r.Header.Get(streamIDHeader); {
		case !known:
			http.Error(w, "Framework cannot be found", http.StatusBadRequest)
		case current == "":
			http.Error(w, "Framework is not subscribed", http.StatusForbidden)
		case id == "":
			http.Error(w, "All non-subscribe calls should include the 'Mesos-Stream-Id' header", http.StatusBadRequest)
		case id != current:
			http.Error(w, "The stream ID '"+id+"' included in this request didn't match the stream ID currently associated with framework ID", http.StatusBadRequest)
		default:
			m.calls <- fakeCall{call, r.Header}
			w.WriteHeader(http.StatusAccepted)
		}
		return
	}
	if r.Header.Get(streamIDHeader) != "" {
		m.mu.Unlock()
		http.Error(w, "Subscribe calls should not include the 'Mesos-Stream-Id' header", http.StatusBadRequest)
		return
	}
	m.streams++
	s := &fakeStream{master: m, call: call, header: r.Header, id: fmt.Sprintf("%s-stream-%d", m.address, m.streams),
		fw: call.GetFrameworkId().GetValue(), codec: cd, ops: make(chan func(http.ResponseWriter) bool, 100_000), gone: make(chan struct{})}
	if s.fw == "" {
		m.frameworks++
		s.fw = fmt.Sprintf("%s-%04d", m.address, m.frameworks)
	}
	m.current[s.fw] = s.id
	manual, interval := m.manual, m.heartbeat
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		if m.current[s.fw] == s.id {
			m.current[s.fw] = ""
		}
		m.mu.Unlock()
		close(s.gone)
	}()

	w.Header().Set("Content-Type", cd.MediaType())
	w.Header().Set(streamIDHeader, s.id)
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush()
	if !manual {
		s.subscribed()
	}
	m.subscribes <- s
	var beats <-chan time.Time
	if interval > 0 {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		beats = ticker.C
	}
	for {
		select {
		case op := <-s.ops:
			if !op(w) {
				return
			}
		case <-beats:
			s.send(heartbeatEvent())
		case <-r.Context().Done():
			return
		}
	}
}

// raw sends bytes; the others send events, end the stream properly or break it.
func (s *fakeStream) raw(data []byte) {
	s.ops <- func(w http.ResponseWriter) bool {
		_, err := w.Write(data)
		_ = http.NewResponseController(w).Flush()
		return err == nil
	}
}

func (s *fakeStream) send(events ...*schedulerpb.Event) {
	for _, e := range events {
		s.raw(frameOf(s.codec, e))
	}
}

func (s *fakeStream) end() { s.ops <- func(http.ResponseWriter) bool { return false } }

func (s *fakeStream) sever() {
	s.ops <- func(http.ResponseWriter) bool { panic(http.ErrAbortHandler) }
}

func (s *fakeStream) subscribed() {
	s.master.mu.Lock()
	interval := s.master.heartbeat
	s.master.mu.Unlock()
	if interval == 0 {
		interval = DefaultHeartbeatInterval
	}
	s.send(&schedulerpb.Event{Type: schedulerpb.Event_SUBSCRIBED.Enum(), Subscribed: &schedulerpb.Event_Subscribed{
		FrameworkId: &mesospb.FrameworkID{Value: proto.String(s.fw)}, HeartbeatIntervalSeconds: proto.Float64(interval.Seconds()),
		MasterInfo: &mesospb.MasterInfo{Id: proto.String(s.master.address), Ip: proto.Uint32(1), Port: proto.Uint32(5050)},
	}}, heartbeatEvent())
}

func frameOf(cd codec.Codec, m proto.Message) []byte {
	body, err := cd.Append(nil, m)
	if err != nil {
		panic(err)
	}
	return recordio.AppendFrame(nil, body)
}

func heartbeatEvent() *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_HEARTBEAT.Enum()}
}

func offerEvent(ids ...string) *schedulerpb.Event {
	offers := &schedulerpb.Event_Offers{}
	for _, id := range ids {
		offers.Offers = append(offers.Offers, &mesospb.Offer{Id: offerID(id), FrameworkId: &mesospb.FrameworkID{Value: proto.String("f")},
			AgentId: agentID("a"), Hostname: proto.String("h")})
	}
	return &schedulerpb.Event{Type: schedulerpb.Event_OFFERS.Enum(), Offers: offers}
}

// updateEvent is a status update of a task; uuid "" makes it one that is not to be acknowledged.
func updateEvent(task, uuid string) *schedulerpb.Event {
	status := &mesospb.TaskStatus{TaskId: taskID(task), State: mesospb.TaskState_TASK_RUNNING.Enum(), AgentId: agentID("a")}
	if uuid != "" {
		status.Uuid = fmt.Appendf(nil, "%-16.16s", uuid)
	}
	return &schedulerpb.Event{Type: schedulerpb.Event_UPDATE.Enum(), Update: &schedulerpb.Event_Update{Status: status}}
}

func errorEvent(text string) *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_ERROR.Enum(), Error: &schedulerpb.Event_Error{Message: proto.String(text)}}
}

func offerID(s string) *mesospb.OfferID         { return &mesospb.OfferID{Value: proto.String(s)} }
func taskID(s string) *mesospb.TaskID           { return &mesospb.TaskID{Value: proto.String(s)} }
func agentID(s string) *mesospb.AgentID         { return &mesospb.AgentID{Value: proto.String(s)} }
func executorID(s string) *mesospb.ExecutorID   { return &mesospb.ExecutorID{Value: proto.String(s)} }
func frameworkID(s string) *mesospb.FrameworkID { return &mesospb.FrameworkID{Value: proto.String(s)} }

func frameworkInfo() *mesospb.FrameworkInfo {
	return &mesospb.FrameworkInfo{User: proto.String("root"), Name: proto.String("test"), Roles: []string{"*"},
		Capabilities: []*mesospb.FrameworkInfo_Capability{{Type: mesospb.FrameworkInfo_Capability_MULTI_ROLE.Enum()}}}
}

// newTransport returns a transport into an in-memory network; it is closed after the test.
func newTransport(t *testing.T, network *memnet.Network, cd codec.Codec) *transport.Client {
	t.Helper()
	client, err := transport.New(transport.Config{DialContext: network.DialContext, Codec: cd})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}
