package scheduler

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/mesokit/mesokit/client/internal/memnet"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

func TestNamedSessionsRunSideBySideOncePerName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		m := startMaster(t, &network, address)
		var all Sessions
		defer all.Close()
		config := func(name string) SessionConfig {
			return SessionConfig{Name: name, Master: address, Transport: newTransport(t, &network, nil), FrameworkInfo: frameworkInfo(), Handler: HandlerFuncs{}}
		}
		for _, name := range []string{"b", "a"} {
			if _, err := all.Start(t.Context(), config(name)); err != nil {
				t.Fatal(err)
			}
			<-m.subscribes
		}
		if _, err := all.Start(t.Context(), config("a")); !errors.Is(err, ErrNameTaken) {
			t.Errorf("second a: %v", err)
		}
		if _, err := all.Start(t.Context(), SessionConfig{}); err == nil {
			t.Error("a wrong configuration was accepted")
		}
		if got := all.Names(); !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("names %v", got)
		}
		if err := all.Stop("a"); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if err := all.Stop("a"); !errors.Is(err, ErrNoSession) {
			t.Errorf("second Stop: %v", err)
		}
		if s, ok := all.Get("b"); !ok || s.Name() != "b" {
			t.Errorf("got %v, %v", s, ok)
		}
		if _, err := all.Start(t.Context(), config("a")); err != nil {
			t.Errorf("a again: %v", err)
		}
	})
}

// Who has waited for the end of a session can have another one of its name.
func TestNameIsFreeOnceASessionHasEnded(t *testing.T) {
	var all Sessions
	defer all.Close()
	cfg := SessionConfig{Name: "n", Master: address, FrameworkInfo: frameworkInfo(), Handler: HandlerFuncs{}, MaxResubscribes: -1, Transport: newTransport(t, new(memnet.Network), nil)}
	ended, err := NewSession(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ended.Run(t.Context()); !errors.Is(err, ErrGaveUp) { // nobody listens
		t.Fatal(err)
	}
	all.running = map[string]*Session{"n": ended} // as it is until its goroutine gets round to it
	if _, ok := all.Get("n"); ok || len(all.Names()) != 0 {
		t.Errorf("it is still there: %q", all.Names())
	}
	s, err := all.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Result(); !errors.Is(err, ErrGaveUp) {
		t.Error(err)
	}
}

func TestHandlerFuncsGetTheirKindOfEvent(t *testing.T) {
	var got []string
	note := func(what string) error { got = append(got, what); return nil }
	h := HandlerFuncs{
		EventFunc: func(_ context.Context, _ *Session, e *schedulerpb.Event) error { return note(e.GetType().String()) },
		Offers: func(_ context.Context, _ *Session, o []*mesospb.Offer) error {
			return note("offers " + o[0].GetId().GetValue())
		},
		InverseOffers: func(_ context.Context, _ *Session, o []*mesospb.InverseOffer) error {
			return note("inverse " + o[0].GetId().GetValue())
		},
		Rescind: func(_ context.Context, _ *Session, o *mesospb.OfferID) error { return note("rescind " + o.GetValue()) },
		RescindInverseOffer: func(_ context.Context, _ *Session, o *mesospb.OfferID) error {
			return note("rescind inverse " + o.GetValue())
		},
		Update: func(_ context.Context, _ *Session, s *mesospb.TaskStatus) error {
			return note("update " + s.GetTaskId().GetValue())
		},
		UpdateOperation: func(_ context.Context, _ *Session, s *mesospb.OperationStatus) error {
			return note("operation " + s.GetOperationId().GetValue())
		},
		Message: func(_ context.Context, _ *Session, m *schedulerpb.Event_Message) error {
			return note("message " + string(m.GetData()))
		},
		AgentLost: func(_ context.Context, _ *Session, a *mesospb.AgentID) error {
			return note("agent lost " + a.GetValue())
		},
		ExecutorLost: func(_ context.Context, _ *Session, f *schedulerpb.Event_Failure) error {
			return note("executor lost " + f.GetExecutorId().GetValue())
		},
		Error: func(_ context.Context, _ *Session, m string) error { return note("error " + m) },
	}
	event := func(kind schedulerpb.Event_Type) *schedulerpb.Event { return &schedulerpb.Event{Type: kind.Enum()} }
	inverse, rescind, rescindInverse, operation, message, agent, executor := event(schedulerpb.Event_INVERSE_OFFERS), event(schedulerpb.Event_RESCIND), event(schedulerpb.Event_RESCIND_INVERSE_OFFER),
		event(schedulerpb.Event_UPDATE_OPERATION_STATUS), event(schedulerpb.Event_MESSAGE), event(schedulerpb.Event_FAILURE), event(schedulerpb.Event_FAILURE)
	inverse.InverseOffers = &schedulerpb.Event_InverseOffers{InverseOffers: []*mesospb.InverseOffer{{Id: offerID("i")}}}
	rescind.Rescind = &schedulerpb.Event_Rescind{OfferId: offerID("r")}
	rescindInverse.RescindInverseOffer = &schedulerpb.Event_RescindInverseOffer{InverseOfferId: offerID("s")}
	operation.UpdateOperationStatus = &schedulerpb.Event_UpdateOperationStatus{Status: &mesospb.OperationStatus{OperationId: &mesospb.OperationID{Value: proto.String("op")}}}
	message.Message = &schedulerpb.Event_Message{Data: []byte("m")}
	agent.Failure = &schedulerpb.Event_Failure{AgentId: agentID("a")}
	executor.Failure = &schedulerpb.Event_Failure{AgentId: agentID("a"), ExecutorId: executorID("e")}
	for _, e := range []*schedulerpb.Event{offerEvent("o"), inverse, rescind, rescindInverse, updateEvent("t", "u"), operation, message, agent, executor, errorEvent("x"), event(schedulerpb.Event_UNKNOWN)} {
		if err := h.Event(t.Context(), nil, e); err != nil {
			t.Error(err)
		}
		if err := (HandlerFuncs{}).Event(t.Context(), nil, e); err != nil {
			t.Errorf("without functions: %v", err)
		}
	}
	want := []string{"OFFERS", "offers o", "INVERSE_OFFERS", "inverse i", "RESCIND", "rescind r", "RESCIND_INVERSE_OFFER", "rescind inverse s", "UPDATE", "update t",
		"UPDATE_OPERATION_STATUS", "operation op", "MESSAGE", "message m", "FAILURE", "agent lost a", "FAILURE", "executor lost e", "ERROR", "error x", "UNKNOWN"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	failure := errors.New("no")
	h.EventFunc = func(context.Context, *Session, *schedulerpb.Event) error { return failure }
	got = nil
	if err := h.Event(t.Context(), nil, offerEvent("o")); !errors.Is(err, failure) || got != nil {
		t.Errorf("after an error: %v, %v", err, got)
	}
}

// A queue is a list that grows at its end and shrinks at its beginning, whatever it does inside.
func TestQueueKeepsTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(0, 5).Draw(t, "limit")
		q := newQueue(limit)
		var model []item
		events := 0
		for range rapid.IntRange(0, 2000).Draw(t, "steps") {
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0, 1:
				i := item{info: &posted{}}
				q.push(i)
				model = append(model, i)
			case 2:
				e := &schedulerpb.Event{}
				if ok := q.pushEvent(e); ok != (limit == 0 || events < limit) {
					t.Fatalf("an event is taken: %v, with %d of %d there", ok, events, limit)
				} else if ok {
					model = append(model, item{event: e})
					events++
				}
			default:
				got, ok := q.take()
				if ok != (len(model) > 0) {
					t.Fatalf("got an item: %v, want %v", ok, len(model) > 0)
				}
				if ok {
					if got != model[0] {
						t.Fatalf("wrong item")
					}
					if model[0].event != nil {
						events--
					}
					model = model[1:]
				}
			}
		}
	})
}

func TestQueueGivesUpWithTheContext(t *testing.T) {
	q := newQueue(1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	q.push(item{info: &posted{}})
	if _, ok := q.pop(ctx); ok {
		t.Error("an item after the end")
	}
	q.waitForRoom(ctx)
}

func TestUUIDSetForgetsTheOldestOnly(t *testing.T) {
	uuid := func(n int) []byte { return binary.BigEndian.AppendUint64(make([]byte, 8), uint64(n)) }
	var set uuidSet
	const n = maxSettled + 1000
	for i := range n {
		set.add(uuid(i))
		set.add(uuid(i))
	}
	for i := range n {
		if set.has(uuid(i)) != (i >= 1000) {
			t.Fatalf("%d is known: %v", i, set.has(uuid(i)))
		}
	}
	if len(set.set) != maxSettled || len(set.order) != maxSettled {
		t.Errorf("%d and %d are kept", len(set.set), len(set.order))
	}
	set.add([]byte("short"))
	if set.has([]byte("short")) || set.has(nil) {
		t.Error("what is no uuid is known")
	}
}

// An older client crashes on updates without an agent id.
func TestUpdateWithoutAnAgentCannotBeAcknowledgedAndHarmsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		traces := new(traceLog)
		_, m, stream, j, s := scene(t, func(cfg *SessionConfig) { cfg.Tracer = traces })
		odd := updateEvent("t", "u")
		odd.GetUpdate().GetStatus().AgentId = nil
		stream.send(odd, updateEvent("t2", "u2"))
		j.expect(t, connectedLine, "update t", "update t2")
		if got := receivedCalls(m); !slices.Equal(got, []string{"ACKNOWLEDGE"}) || !slices.Contains(traces.kinds(), TraceAcknowledgeFailed) {
			t.Errorf("the master got %v; traced %v", got, traces.kinds())
		}
		var call *CallError
		if err := s.Acknowledge(t.Context(), odd.GetUpdate().GetStatus()); !errors.As(err, &call) {
			t.Errorf("got %v", err)
		}
	})
}

func TestPatienceWithASilentMasterIsBounded(t *testing.T) {
	for _, test := range []struct {
		interval, window time.Duration
		missed           int
		want             time.Duration
	}{
		{15 * time.Second, 0, 5, 75 * time.Second},
		{15 * time.Second, 5 * time.Second, 5, 20 * time.Second},
		{1 << 62, 0, 5, 120 * time.Hour},
		{1 << 62, 1 << 62, 5, 48 * time.Hour},
		{time.Hour, 0, 1 << 40, 1000 * time.Hour},
	} {
		s := &Session{cfg: SessionConfig{HeartbeatWindow: test.window, MissedHeartbeats: test.missed}}
		if got := s.silence(test.interval); got != test.want {
			t.Errorf("%+v: got %v", test, got)
		}
	}
}

func TestConfigsAndSessionsPrintWithoutTheirSecrets(t *testing.T) {
	tr, err := transport.New(transport.Config{Credentials: transport.Basic("boss", "s3cret"), Header: http.Header{"X-Token": {"s3cret"}}})
	if err != nil {
		t.Fatal(err)
	}
	cfg := SessionConfig{Name: "mine", Master: "zk://boss:s3cret@h:2181/mesos", Transport: tr, FrameworkInfo: frameworkInfo(), Handler: HandlerFuncs{}}
	s, err := NewSession(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, what := range []any{cfg, &cfg, s} {
			if got := fmt.Sprintf(verb, what); strings.Contains(got, "s3cret") {
				t.Errorf("%s of %T prints %s", verb, what, got)
			}
		}
		if got := fmt.Sprintf(verb, cfg); !strings.Contains(got, "mine") || !strings.Contains(got, "@h:2181/mesos") {
			t.Errorf("%s prints %s", verb, got)
		}
	}
	if got := fmt.Sprint(SessionConfig{}); !strings.Contains(got, "SessionConfig") {
		t.Errorf("the zero value prints %s", got)
	}
}
