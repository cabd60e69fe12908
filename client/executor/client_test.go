package executor

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// inBothCodecs runs a test in a bubble, for each codec.
func inBothCodecs(t *testing.T, f func(t *testing.T, cd codec.Codec)) {
	for name, cd := range codecs {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { f(t, cd) }) })
	}
}

func TestSubscriptionYieldsEveryEvent(t *testing.T) {
	inBothCodecs(t, func(t *testing.T, cd codec.Codec) {
		a := newFakeAgent(t)
		cfg := testConfig(a, cd)
		cfg.Transport.Credentials = transport.Bearer("tok")
		c := newTestClient(t, cfg)
		events := []*executorpb.Event{
			subscribedEvent(), launchEvent("t1"), groupEvent("g1", "g2"), killEvent("t1"), ackEvent(&mesospb.TaskStatus{TaskId: taskID("t1"), Uuid: make([]byte, 16)}),
			messageEvent("hello"), errorEvent("oops"), bareEvent(executorpb.Event_HEARTBEAT), bareEvent(executorpb.Event_SHUTDOWN),
		}
		pending := &executorpb.Call_Subscribe{UnacknowledgedTasks: []*mesospb.TaskInfo{taskInfo("t0")}}
		go func() {
			ex := a.nextSubscribe()
			if auth := ex.Request.Header.Get("Authorization"); auth != "Bearer tok" {
				t.Errorf("Authorization: %q", auth)
			}
			want := &executorpb.Call{
				Type: executorpb.Call_SUBSCRIBE.Enum(), FrameworkId: &mesospb.FrameworkID{Value: proto.String("fw-1")},
				ExecutorId: &mesospb.ExecutorID{Value: proto.String("ex-1")}, Subscribe: pending,
			}
			if diff := cmp.Diff(want, ex.Call, protocmp.Transform()); diff != "" {
				t.Errorf("call (-want +got):\n%s", diff)
			}
			ex.answer(200).send(events...)
			ex.end <- false
		}()
		sub, err := c.Subscribe(t.Context(), pending)
		if err != nil {
			t.Fatal(err)
		}
		defer sub.Close()
		var got []*executorpb.Event
		for e, err := range sub.Events() {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e)
		}
		if diff := cmp.Diff(events, got, protocmp.Transform()); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

func TestSubscriptionEnds(t *testing.T) {
	tests := map[string]struct {
		end  func(ex *exchange, sub *Subscription, cancel context.CancelFunc)
		want error // nil for an orderly end
	}{
		"by the agent":              {func(ex *exchange, _ *Subscription, _ context.CancelFunc) { ex.end <- false }, nil},
		"in the middle of an event": {func(ex *exchange, _ *Subscription, _ context.CancelFunc) { ex.end <- true }, io.ErrUnexpectedEOF},
		"by Close":                  {func(_ *exchange, sub *Subscription, _ context.CancelFunc) { _ = sub.Close() }, transport.ErrClosed},
		"with its context":          {func(_ *exchange, _ *Subscription, cancel context.CancelFunc) { cancel() }, context.Canceled},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inBothCodecs(t, func(t *testing.T, cd codec.Codec) {
				a := newFakeAgent(t)
				c := newTestClient(t, testConfig(a, cd))
				exc := make(chan *exchange, 1)
				go func() { exc <- a.subscribed() }()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				sub, err := c.Subscribe(ctx, nil)
				if err != nil {
					t.Fatal(err)
				}
				defer sub.Close()
				ex := <-exc
				n := 0
				var last error
				for e, err := range sub.Events() {
					last = err
					if e.GetType() == executorpb.Event_SUBSCRIBED {
						n++
						go tt.end(ex, sub, cancel)
					}
				}
				if n != 1 || !errors.Is(last, tt.want) {
					t.Errorf("%d SUBSCRIBED events, then %v; want 1, then %v", n, last, tt.want)
				}
			})
		})
	}
}

func TestSubscriptionSurvivesAnUndecodableEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAgent(t)
		c := newTestClient(t, testConfig(a, codec.JSON))
		go func() {
			ex := a.subscribed()
			ex.frames <- []byte(`{"type":`)
			ex.send(messageEvent("after"))
			ex.end <- false
		}()
		sub, err := c.Subscribe(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer sub.Close()
		var got []string
		for e, err := range sub.Events() {
			var undecodable *transport.DecodeError
			if errors.As(err, &undecodable) {
				got = append(got, "undecodable")
				continue
			}
			got = append(got, e.GetType().String())
		}
		if diff := cmp.Diff([]string{"SUBSCRIBED", "undecodable", "MESSAGE"}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestUpdateFillsInWhatTheAgentWants(t *testing.T) {
	inBothCodecs(t, func(t *testing.T, cd codec.Codec) {
		a := newFakeAgent(t)
		c := newTestClient(t, testConfig(a, cd))
		mine := &mesospb.TaskStatus{TaskId: taskID("t1"), State: mesospb.TaskState_TASK_RUNNING.Enum(), Message: proto.String("m"), Data: []byte("d")}
		before := proto.CloneOf(mine)
		received := make(chan *executorpb.Call, 1)
		go func() {
			ex := a.nextCall(executorpb.Call_UPDATE)
			ex.answer(http.StatusAccepted)
			received <- ex.Call
		}()
		sent, err := c.Update(t.Context(), mine)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, mine, protocmp.Transform()); diff != "" {
			t.Errorf("the caller's status was changed (-before +after):\n%s", diff)
		}
		want := proto.CloneOf(mine)
		want.Uuid = sent.GetUuid()
		want.Source = mesospb.TaskStatus_SOURCE_EXECUTOR.Enum()
		want.Timestamp = proto.Float64(float64(time.Now().UnixMicro()) / 1e6)
		want.ExecutorId = &mesospb.ExecutorID{Value: proto.String("ex-1")}
		if diff := cmp.Diff(want, sent, protocmp.Transform()); diff != "" {
			t.Errorf("sent (-want +got):\n%s", diff)
		}
		if err := checkUUID(sent.GetUuid()); err != nil || len(sent.GetUuid()) != 16 {
			t.Errorf("uuid %x: %v", sent.GetUuid(), err)
		}
		call := <-received
		if diff := cmp.Diff(sent, call.GetUpdate().GetStatus(), protocmp.Transform()); diff != "" {
			t.Errorf("the agent got something else (-sent +received):\n%s", diff)
		}
		if call.GetFrameworkId().GetValue() != "fw-1" || call.GetExecutorId().GetValue() != "ex-1" {
			t.Errorf("ids of the call: %v", call)
		}
	})
}

func TestUpdateKeepsWhatIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAgent(t)
		c := newTestClient(t, testConfig(a, codec.Protobuf))
		uuid := []byte{1, 2, 3, 4, 5, 6, 0x47, 8, 9, 10, 11, 12, 13, 14, 15, 16}
		mine := status("t1", mesospb.TaskState_TASK_KILLED)
		mine.Uuid, mine.Timestamp = uuid, proto.Float64(12.5)
		go func() { a.nextCall(executorpb.Call_UPDATE).answer(202) }()
		sent, err := c.Update(t.Context(), mine)
		if err != nil {
			t.Fatal(err)
		}
		if string(sent.GetUuid()) != string(uuid) || sent.GetTimestamp() != 12.5 {
			t.Errorf("sent uuid %x, timestamp %v", sent.GetUuid(), sent.GetTimestamp())
		}
	})
}

func TestUpdateRefusesWhatNoAgentTakes(t *testing.T) {
	running := func(change func(s *mesospb.TaskStatus)) *mesospb.TaskStatus {
		s := status("t1", mesospb.TaskState_TASK_RUNNING)
		change(s)
		return s
	}
	tests := map[string]struct {
		status *mesospb.TaskStatus
		text   string
	}{
		"nil":            {nil, "task_id"},
		"no task id":     {&mesospb.TaskStatus{State: mesospb.TaskState_TASK_RUNNING.Enum()}, "task_id"},
		"no state":       {&mesospb.TaskStatus{TaskId: taskID("t1")}, "state is not set"},
		"staging":        {status("t1", mesospb.TaskState_TASK_STAGING), "TASK_STAGING"},
		"foreign source": {running(func(s *mesospb.TaskStatus) { s.Source = mesospb.TaskStatus_SOURCE_MASTER.Enum() }), "SOURCE_EXECUTOR"},
		"other executor": {running(func(s *mesospb.TaskStatus) { s.ExecutorId = &mesospb.ExecutorID{Value: proto.String("ex-2")} }), `"ex-1"`},
		"short uuid":     {running(func(s *mesospb.TaskStatus) { s.Uuid = []byte("short") }), "want 16"},
		"strange uuid":   {running(func(s *mesospb.TaskStatus) { s.Uuid = []byte("0123456789abcdef")[:16]; s.Uuid[6] = 0xf0 }), "version"},
		"incomplete":     {running(func(s *mesospb.TaskStatus) { s.Labels = &mesospb.Labels{Labels: []*mesospb.Label{{}}} }), "key"},
	}
	c := newTestClient(t, Config{FrameworkID: "fw-1", ExecutorID: "ex-1", AgentEndpoint: "127.0.0.1:1"})
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := c.Update(t.Context(), tt.status)
			var bad *UpdateError
			if !errors.As(err, &bad) || !strings.Contains(err.Error(), tt.text) || bad.TaskID != tt.status.GetTaskId().GetValue() {
				t.Errorf("error %v; want an *UpdateError of task %q with %q", err, tt.status.GetTaskId().GetValue(), tt.text)
			}
		})
	}
}

func TestCallsCarryTheirContentAndReturnTheAnswer(t *testing.T) {
	answers := map[int]error{
		202: nil, 400: transport.ErrBadRequest, 401: transport.ErrUnauthorized, 403: transport.ErrForbidden,
		415: transport.ErrUnsupportedMediaType, 501: transport.ErrNotImplemented, 503: transport.ErrUnavailable,
	}
	inBothCodecs(t, func(t *testing.T, cd codec.Codec) {
		a := newFakeAgent(t)
		c := newTestClient(t, testConfig(a, cd))
		for code, want := range answers {
			go func() {
				ex := a.nextCall(executorpb.Call_MESSAGE).answer(code)
				if got := string(ex.GetMessage().GetData()); got != "to scheduler" {
					t.Errorf("message %q", got)
				}
				a.nextCall(executorpb.Call_MESSAGE).answer(code)
				a.nextCall(executorpb.Call_HEARTBEAT).answer(code)
				a.nextCall(executorpb.Call_UPDATE).answer(code)
			}()
			errs := []error{c.Message(t.Context(), []byte("to scheduler")), c.Message(t.Context(), nil), c.Heartbeat(t.Context())}
			_, err := c.Update(t.Context(), status("t", mesospb.TaskState_TASK_RUNNING))
			for i, err := range append(errs, err) {
				if !errors.Is(err, want) {
					t.Errorf("call %d answered with %d: error %v, want %v", i, code, err, want)
				}
			}
		}
		go func() { a.nextSubscribe().answer(503) }()
		if _, err := c.Subscribe(t.Context(), nil); !errors.Is(err, transport.ErrUnavailable) {
			t.Errorf("Subscribe answered with 503: %v", err)
		}
	})
}

func TestDomainSocketIsDialledWhateverItsLength(t *testing.T) {
	t.Chdir(t.TempDir())
	deep := strings.Repeat("long-name-of-a-sandbox/", 5)
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Join(wd, deep)) // as an executor, which runs in its sandbox
	for _, path := range []string{"agent.sock", filepath.Join(wd, deep, "agent.sock")} {
		t.Run(filepath.Base(filepath.Dir(path)), func(t *testing.T) {
			listener, err := net.Listen("unix", "agent.sock")
			if err != nil {
				t.Fatal(err)
			}
			server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/slave(1)/api/v1/executor" {
					t.Errorf("path %s", r.URL.Path)
				}
				w.WriteHeader(http.StatusAccepted)
			})}
			done := make(chan struct{})
			go func() { defer close(done); _ = server.Serve(listener) }()
			t.Cleanup(func() { _ = server.Close(); <-done })

			e := agentEnv()
			e["MESOS_DOMAIN_SOCKET"] = path
			cfg, err := FromEnv(e.lookup)
			if err != nil {
				t.Fatal(err)
			}
			if err := newTestClient(t, cfg).Heartbeat(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
