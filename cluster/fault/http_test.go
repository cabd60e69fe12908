package fault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/httpapi"
	"github.com/mesokit/mesokit/cluster/internal/memnet"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/recordio"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// site is a server whose faults a set plays. It answers calls with their body, and SUBSCRIBE with a stream.
type site struct {
	t      testing.TB
	set    *Set
	url    string
	client *http.Client
	server *http.Server
	served chan struct{}
	calls  atomic.Int32
	stream atomic.Pointer[httpapi.Stream]
	stop   context.CancelFunc
}

func newSite(t testing.TB, s *Set, l net.Listener, dial func(context.Context, string, string) (net.Conn, error)) *site {
	ctx, cancel := context.WithCancel(context.Background())
	x := &site{t: t, set: s, url: "http://" + l.Addr().String(), served: make(chan struct{}), stop: cancel}
	x.client = &http.Client{Transport: &http.Transport{DialContext: dial}}
	x.server = &http.Server{
		Handler:     s.Masters(http.HandlerFunc(x.serve)),
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    log.New(io.Discard, "", 0),
	}
	go func() {
		defer close(x.served)
		_ = x.server.Serve(l)
	}()
	return x
}

func (x *site) close() {
	x.stop()
	_ = x.server.Close()
	<-x.served
	x.client.CloseIdleConnections()
}

func (x *site) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		x.t.Error(err)
	}
	x.calls.Add(1)
	if !bytes.Contains(body, []byte("SUBSCRIBE")) {
		_, _ = w.Write(body)
		return
	}
	stream := httpapi.NewStream(codec.JSON)
	x.stream.Store(stream)
	stream.ServeAs(r.Context(), w, httpapi.StreamInfo{API: "scheduler", Framework: "F-0001", Name: "web"})
}

func (x *site) send(kind schedulerpb.Event_Type) {
	x.stream.Load().Send(&schedulerpb.Event{Type: kind.Enum()})
}

func (x *site) update(task string) {
	x.stream.Load().Send(&schedulerpb.Event{Type: schedulerpb.Event_UPDATE.Enum(), Update: &schedulerpb.Event_Update{Status: &mesospb.TaskStatus{
		TaskId: &mesospb.TaskID{Value: &task}, State: running.Enum(), AgentId: &mesospb.AgentID{Value: proto.String("S3")},
	}}})
}

// post sends a call and tells how it went, and after how many seconds.
func (x *site) post(body string) string {
	began := time.Now()
	result := func(format string, args ...any) string {
		return fmt.Sprintf(format, args...) + fmt.Sprintf(" @%g", time.Since(began).Seconds())
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, x.url+"/api/v1/scheduler", strings.NewReader(body))
	if err != nil {
		x.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := x.client.Do(req)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return result("no answer")
	case err != nil:
		return result("broken")
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return result("%d broken after %q", resp.StatusCode, text)
	}
	return result("%d %q%s", resp.StatusCode, text, resp.Header.Get("Retry-After"))
}

// subscribe opens a stream and writes down its events, with the seconds, and its end.
func (x *site) subscribe() *reader {
	x.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, x.url+"/api/v1/scheduler", strings.NewReader(`{"type":"SUBSCRIBE"}`))
	if err != nil {
		x.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := x.client.Do(req)
	if err != nil {
		x.t.Fatal(err)
	}
	r := &reader{began: time.Now(), cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		defer resp.Body.Close()
		frames := recordio.NewReader(resp.Body, recordio.Config{})
		for {
			frame, err := frames.Next()
			if err != nil {
				r.end = err
				r.endAt = time.Since(r.began)
				return
			}
			var e schedulerpb.Event
			if err := codec.JSON.Unmarshal(frame, &e); err != nil {
				r.end = err
				return
			}
			r.got = append(r.got, fmt.Sprintf("%s%s@%g", e.GetType(), e.GetUpdate().GetStatus().GetTaskId().GetValue(), time.Since(r.began).Seconds()))
		}
	}()
	return r
}

type reader struct {
	began  time.Time
	cancel context.CancelFunc
	done   chan struct{}
	got    []string
	end    error
	endAt  time.Duration
}

func (r *reader) expect(t *testing.T, end string, want ...string) {
	t.Helper()
	synctest.Wait()
	if diff := cmp.Diff(want, r.got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	got := "open"
	select {
	case <-r.done:
		switch {
		case r.end == io.EOF:
			got = "ended"
		default:
			got = "broken"
		}
		got += fmt.Sprintf("@%g", r.endAt.Seconds())
	default:
	}
	if got != end {
		t.Errorf("the stream is %s (%v), want %s", got, r.end, end)
	}
}

// atSite runs a test with a site in a bubble.
func atSite(t *testing.T, test func(t *testing.T, x *site)) {
	t.Helper()
	inBubble(t, func(t *testing.T, s *Set) {
		var network memnet.Network
		l, err := network.Listen(t.Context(), "127.0.0.1:5050")
		if err != nil {
			t.Fatal(err)
		}
		x := newSite(t, s, l, network.DialContext)
		defer x.close()
		test(t, x)
	})
}

const (
	revive  = `{"type":"REVIVE","framework_id":{"value":"F-0001"}}`
	decline = `{"type":"DECLINE","framework_id":{"value":"F-0002"}}`
)

func TestCallsMeetTheirFaults(t *testing.T) {
	untouched := fmt.Sprintf("200 %q @0", revive)
	for _, tc := range []struct {
		rule    string
		want    string // of REVIVE
		handled int32
	}{
		{"call answer status=503 type=REVIVE", `503 "" @0`, 0},
		{`call answer status=429 body="slow down" header="Retry-After:7"`, `429 "slow down"7 @0`, 0},
		{"call answer status=204", `204 "" @0`, 0},
		{"call answer status=503 type=DECLINE", untouched, 1},
		{"call answer status=503 framework=F-0002", untouched, 1},
		{"call answer status=503 framework=*-0001 api=scheduler path=/api/v1/* type=REV*", `503 "" @0`, 0},
		{"call answer status=503 api=operator", untouched, 1},
		{"call answer status=503 agent=a1", untouched, 1},
		{"call lose type=REVIVE", `202 "" @0`, 0},
		{"call delay time=3s", fmt.Sprintf("200 %q @3", revive), 1},
		{"call delay time=90s", "no answer @60", 0},
		{"call hang", "no answer @60", 0},
		{"call hang for=5s", "broken @5", 0},
		{"call reset", "broken @0", 0},
		{"call cut", fmt.Sprintf("200 broken after %q @0", revive[:len(revive)/2]), 1},
		{"call limit rate=10B/s", fmt.Sprintf("200 %q @%g", revive, float64(len(revive))/10), 1},
		{"call answer status=503 count=1 skip=1", untouched, 1},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			atSite(t, func(t *testing.T, x *site) {
				id := add(t, x.set, tc.rule)
				if got := x.post(revive); got != tc.want {
					t.Errorf("got  %s\nwant %s", got, tc.want)
				}
				if n := x.calls.Load(); n != tc.handled {
					t.Errorf("the call was carried out %d times, want %d", n, tc.handled)
				}
				_ = x.set.Remove(id)
				if got := x.post(revive); got != untouched {
					t.Errorf("without the rule: %s", got)
				}
			})
		})
	}
}

func TestOnlySoManyCallsAreHit(t *testing.T) {
	atSite(t, func(t *testing.T, x *site) {
		add(t, x.set, "call answer status=500 count=2 type=REVIVE")
		var got []string
		for _, call := range []string{revive, decline, revive, revive} {
			got = append(got, x.post(call)[:3])
		}
		if diff := cmp.Diff([]string{"500", "200", "500", "200"}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestDelaysAddUpBeforeWhatDecides(t *testing.T) {
	atSite(t, func(t *testing.T, x *site) {
		add(t, x.set, "call delay time=1s")
		add(t, x.set, "call delay time=2s")
		add(t, x.set, "call answer status=418")
		if got := x.post(revive); got != `418 "" @3` {
			t.Error(got)
		}
	})
}

func TestFrameworksAreKnownByName(t *testing.T) {
	atSite(t, func(t *testing.T, x *site) {
		r := x.subscribe()
		defer r.cancel()
		synctest.Wait()
		add(t, x.set, "call answer status=503 framework=web")
		if got := x.post(revive); got != `503 "" @0` {
			t.Error(got)
		}
		if got := x.post(decline)[:3]; got != "200" {
			t.Errorf("another framework: %s", got)
		}
	})
}

func TestStreamsMeetTheirFaults(t *testing.T) {
	const (
		offers    = schedulerpb.Event_OFFERS
		rescind   = schedulerpb.Event_RESCIND
		heartbeat = schedulerpb.Event_HEARTBEAT
	)
	for _, tc := range []struct {
		rule string
		end  string
		want []string // of OFFERS, HEARTBEAT and UPDATE t at once, RESCIND a second later, in 20 s
	}{
		{"event drop type=HEARTBEAT", "open", []string{"OFFERS@0", "UPDATEt@0", "RESCIND@1"}},
		{"event drop count=1", "open", []string{"HEARTBEAT@0", "UPDATEt@0", "RESCIND@1"}},
		{"event drop task=t state=TASK_RUNNING agent=S3", "open", []string{"OFFERS@0", "HEARTBEAT@0", "RESCIND@1"}},
		{"event drop framework=other", "open", []string{"OFFERS@0", "HEARTBEAT@0", "UPDATEt@0", "RESCIND@1"}},
		{"event delay time=5s", "open", []string{"OFFERS@5", "HEARTBEAT@5", "UPDATEt@5", "RESCIND@6"}},
		{"event stall type=HEARTBEAT", "open", []string{"OFFERS@0"}},
		{"event stall type=HEARTBEAT for=4s", "open", []string{"OFFERS@0", "HEARTBEAT@4", "UPDATEt@4", "RESCIND@4"}},
		{"event sever framework=web", "ended@0", nil},
		{"event sever api=operator", "open", []string{"OFFERS@0", "HEARTBEAT@0", "UPDATEt@0", "RESCIND@1"}},
		{"event sever type=RESCIND", "ended@1", []string{"OFFERS@0", "HEARTBEAT@0", "UPDATEt@0"}},
		{"event reset", "broken@0", nil},
		{"event reset type=UPDATE", "broken@0", []string{"OFFERS@0", "HEARTBEAT@0"}},
		{"event reset bytes=1 type=RESCIND", "broken@1", []string{"OFFERS@0", "HEARTBEAT@0", "UPDATEt@0"}},
		{"call limit rate=1B/s", "open", []string{"OFFERS@19"}}, // 20 bytes, the first at once
	} {
		t.Run(tc.rule, func(t *testing.T) {
			atSite(t, func(t *testing.T, x *site) {
				r := x.subscribe()
				defer r.cancel()
				synctest.Wait()
				id := add(t, x.set, tc.rule)
				x.send(offers)
				x.send(heartbeat)
				x.update("t")
				time.Sleep(time.Second)
				x.send(rescind)
				time.Sleep(19 * time.Second)
				r.expect(t, tc.end, tc.want...)
				// Another stream is well when the rule has done its work.
				_ = x.set.Remove(id)
				r2 := x.subscribe()
				defer r2.cancel()
				synctest.Wait()
				x.send(offers)
				r2.expect(t, "open", "OFFERS@0")
			})
		})
	}
}

func TestAStalledStreamGoesOnWhenTheRuleIsRemoved(t *testing.T) {
	atSite(t, func(t *testing.T, x *site) {
		r := x.subscribe()
		defer r.cancel()
		synctest.Wait()
		id := add(t, x.set, "event stall framework=web")
		x.send(schedulerpb.Event_OFFERS)
		time.Sleep(time.Hour)
		r.expect(t, "open")
		_ = x.set.Remove(id)
		r.expect(t, "open", "OFFERS@3600")
	})
}

func TestAStalledStreamCanBeSevered(t *testing.T) {
	atSite(t, func(t *testing.T, x *site) {
		r := x.subscribe()
		defer r.cancel()
		synctest.Wait()
		add(t, x.set, "event stall")
		x.send(schedulerpb.Event_OFFERS)
		synctest.Wait()
		id := add(t, x.set, "event sever")
		r.expect(t, "ended@0")
		if err := x.set.Wait(t.Context(), id, 1); err != nil {
			t.Error(err)
		}
	})
}

func TestASubscriptionCanBeCut(t *testing.T) {
	atSite(t, func(t *testing.T, x *site) {
		add(t, x.set, "call cut type=SUBSCRIBE")
		if got := x.post(`{"type":"SUBSCRIBE"}`); got != "broken @0" {
			t.Error(got)
		}
		if x.calls.Load() != 1 {
			t.Error("the call was not carried out")
		}
	})
}

// The rest needs a real socket: pipes know no RST.
func TestResetIsAResetOnTCP(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := NewSet()
	defer s.Close()
	x := newSite(t, s, l, nil)
	defer x.close()
	add(t, s, "call reset count=1")
	resp, err := x.client.Post(x.url+"/api/v1/scheduler", "application/json", strings.NewReader(revive))
	if err == nil {
		resp.Body.Close()
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the call: %v, want ECONNRESET", err)
	}
}

func TestWithoutRulesNothingIsDecoded(t *testing.T) {
	s := NewSet()
	h := s.Masters(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, wrapped := r.Body.(readCloser); wrapped {
			t.Error("the body was read")
		}
	}))
	r, err := http.NewRequest(http.MethodPost, "/api/v1/scheduler", strings.NewReader(revive))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	allocs := testing.AllocsPerRun(100, func() { h.ServeHTTP(nil, r) })
	if allocs > 1 {
		t.Errorf("%v allocations per call, want one", allocs)
	}
}

func FuzzInspect(f *testing.F) {
	f.Add("/api/v1/scheduler", "application/json", []byte(revive), false)
	f.Add("/master/api/v1", "application/x-protobuf", []byte("\x08\x01"), false)
	f.Add("/slave(1)/api/v1", "application/json", []byte(`{"type":"GET_STATE"}`), true)
	f.Add("/api/v1/executor", "application/json", []byte(`{"type":"UPDATE","update":{"status":{}}}`), true)
	f.Fuzz(func(t *testing.T, path, contentType string, body []byte, agent bool) {
		r, err := http.NewRequest(http.MethodPost, "http://h/", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.URL.Path = path
		r.Header["Content-Type"] = []string{contentType}
		inspect(r, agent)
		got, err := io.ReadAll(r.Body)
		if err != nil || !bytes.Equal(got, body) {
			t.Fatalf("the body %q reads as %q afterwards (%v)", body, got, err)
		}
	})
}
