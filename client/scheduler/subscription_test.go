package scheduler

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/mesokit/mesokit/client/internal/memnet"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/recordio"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

const address = "master:5050"

func newClient(t *testing.T, network *memnet.Network, master string) *Client {
	t.Helper()
	client, err := NewClient(ClientConfig{Master: master, Transport: newTransport(t, network, codec.JSON)})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// subscribeAt subscribes at a new fake master.
func subscribeAt(t *testing.T, info *mesospb.FrameworkInfo) (*Subscription, *fakeStream) {
	t.Helper()
	var network memnet.Network
	m := startMaster(t, &network, address)
	sub, err := newClient(t, &network, address).Subscribe(t.Context(), info, SubscribeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sub.Close() })
	return sub, <-m.subscribes
}

func types(events []*schedulerpb.Event) (out []string) {
	for _, e := range events {
		out = append(out, e.GetType().String())
	}
	return out
}

func TestSubscriptionKnowsWhatTheMasterSaid(t *testing.T) {
	sub, stream := subscribeAt(t, frameworkInfo())
	if sub.FrameworkID().GetValue() != stream.fw || sub.StreamID() != stream.id || sub.Master() != "http://"+address ||
		sub.MasterInfo().GetId() != address || sub.HeartbeatInterval() != 15*time.Second {
		t.Errorf("got %v %s %s %v %v", sub.FrameworkID(), sub.StreamID(), sub.Master(), sub.MasterInfo(), sub.HeartbeatInterval())
	}
	if diff := cmp.Diff(Subscribe(frameworkInfo(), SubscribeOptions{}), stream.call, protocmp.Transform()); diff != "" {
		t.Errorf("call (-want +got):\n%s", diff)
	}
}

func TestEventsComeInOrderUntilTheMasterEndsTheStream(t *testing.T) {
	sub, stream := subscribeAt(t, frameworkInfo())
	stream.send(offerEvent("o1"), updateEvent("t", "u"), errorEvent("over"))
	stream.end()
	var got []*schedulerpb.Event
	for event, err := range sub.Events() {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, event)
	}
	if diff := cmp.Diff([]string{"SUBSCRIBED", "HEARTBEAT", "OFFERS", "UPDATE", "ERROR"}, types(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLeavingTheLoopKeepsTheSubscription(t *testing.T) {
	sub, stream := subscribeAt(t, frameworkInfo())
	stream.send(offerEvent("o1"))
	stream.end()
	var got []*schedulerpb.Event
	for range 3 {
		for event, err := range sub.Events() {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, event)
			break
		}
	}
	if diff := cmp.Diff([]string{"SUBSCRIBED", "HEARTBEAT", "OFFERS"}, types(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBrokenStreamIsTheLastElement(t *testing.T) {
	for name, breaks := range map[string]func(*fakeStream){
		"severed":           func(s *fakeStream) { s.sever() },
		"cut in the length": func(s *fakeStream) { s.raw([]byte("12")); s.end() },
		"cut in the body":   func(s *fakeStream) { s.raw([]byte("12\n{")); s.end() },
		"no length":         func(s *fakeStream) { s.raw([]byte("{}\n")); s.end() },
	} {
		sub, stream := subscribeAt(t, frameworkInfo())
		breaks(stream)
		var last error
		n := 0
		for _, err := range sub.Events() {
			n++
			last = err
		}
		var exchange *transport.ExchangeError
		if n != 3 || !errors.As(last, &exchange) {
			t.Errorf("%s: %d elements, the last with error %v", name, n, last)
		}
	}
}

func TestEventsGoOnAfterOneThatCannotBeDecoded(t *testing.T) {
	sub, stream := subscribeAt(t, frameworkInfo())
	stream.raw(recordio.AppendFrame(nil, []byte("{]")))
	stream.send(offerEvent("o1"))
	stream.end()
	var got []string
	for event, err := range sub.Events() {
		var decode *transport.DecodeError
		if errors.As(err, &decode) {
			got = append(got, "undecodable")
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, event.GetType().String())
	}
	if diff := cmp.Diff([]string{"SUBSCRIBED", "HEARTBEAT", "undecodable", "OFFERS"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCapabilityOfANewerMasterDoesNotBreakTheStream(t *testing.T) {
	var network memnet.Network
	m := startMaster(t, &network, address)
	m.manual = true
	go func() {
		s := <-m.subscribes
		s.raw(recordio.AppendFrame(nil, []byte(`{"type":"SUBSCRIBED","new_field":[1],"subscribed":{"framework_id":{"value":"f"},"heartbeat_interval_seconds":15.0,`+
			`"master_info":{"id":"m","ip":1,"port":5050,"capabilities":[{"type":"AGENT_UPDATE"},{"type":"OF_THE_FUTURE"},{"type":"QUOTA_V2"}]}}}`)))
	}()
	sub, err := newClient(t, &network, address).Subscribe(t.Context(), frameworkInfo(), SubscribeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	if got := len(sub.MasterInfo().GetCapabilities()); got != 3 {
		t.Errorf("%d capabilities, want 3: %v", got, sub.MasterInfo())
	}
}

// An older client follows the redirect with SUBSCRIBE and sends the calls to the follower.
func TestCallsFollowTheSubscriptionToTheLeader(t *testing.T) {
	var network memnet.Network
	follower, leader := startMaster(t, &network, "follower:5050"), startMaster(t, &network, "leader:5050")
	follower.refuse = redirectTo("leader:5050")
	sub, err := newClient(t, &network, "follower:5050").Subscribe(t.Context(), frameworkInfo(), SubscribeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	if err := sub.Accept(t.Context(), []*mesospb.OfferID{offerID("o")}, nil, Launch()); err != nil {
		t.Fatal(err)
	}
	got := <-leader.calls
	if got.call.GetType() != schedulerpb.Call_ACCEPT || got.header.Get("Mesos-Stream-Id") != sub.StreamID() || got.call.GetFrameworkId().GetValue() != sub.FrameworkID().GetValue() {
		t.Errorf("the leader got %v with header %v", got.call, got.header)
	}
	if sub.Master() != "http://leader:5050" || len(follower.calls) != 0 {
		t.Errorf("subscribed at %s, %d calls went to the follower", sub.Master(), len(follower.calls))
	}
}

func TestRedirectsAreFollowedSoManyTimes(t *testing.T) {
	var network memnet.Network
	asked := 0
	m := startMaster(t, &network, address)
	m.refuse = func(call *schedulerpb.Call) (int, map[string]string, string) {
		asked++
		return redirectTo(address)(call)
	}
	for _, test := range []struct{ limit, want int }{{0, 6}, {2, 3}, {-1, 1}} {
		asked = 0
		client, err := NewClient(ClientConfig{Master: address, Transport: newTransport(t, &network, codec.JSON), MaxRedirects: test.limit})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Subscribe(t.Context(), frameworkInfo(), SubscribeOptions{}); !errors.Is(err, transport.ErrNotLeader) || asked != test.want {
			t.Errorf("limit %d: %v after %d requests, want %d", test.limit, err, asked, test.want)
		}
	}
}

// An older client ends the subscription after any failed call.
func TestFailedCallsLeaveTheSubscriptionAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sub, stream := subscribeAt(t, frameworkInfo())
		m := stream.master
		for _, test := range []struct {
			status int
			want   error
		}{{400, transport.ErrBadRequest}, {403, transport.ErrForbidden}, {429, transport.ErrTooManyRequests}, {503, transport.ErrUnavailable}, {307, transport.ErrNotLeader}, {500, transport.ErrInternal}} {
			m.set(func(m *fakeMaster) { m.refuse = refuseWith(test.status, "no") })
			if err := sub.Revive(t.Context()); !errors.Is(err, test.want) {
				t.Errorf("%d: got %v", test.status, err)
			}
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := sub.Revive(ended); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		m.set(func(m *fakeMaster) {
			m.refuse = func(*schedulerpb.Call) (int, map[string]string, string) { time.Sleep(time.Hour); return 202, nil, "" }
		})
		short, cancelShort := context.WithTimeout(t.Context(), time.Second)
		defer cancelShort()
		if err := sub.Revive(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("deadline: %v", err)
		}
		time.Sleep(time.Hour)
		m.set(func(m *fakeMaster) { m.refuse = nil })
		if err := sub.Revive(t.Context()); err != nil {
			t.Errorf("call after the failures: %v", err)
		}
		stream.send(offerEvent("still there"))
		stream.end()
		var got []*schedulerpb.Event
		for event, err := range sub.Events() {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, event)
		}
		if diff := cmp.Diff([]string{"SUBSCRIBED", "HEARTBEAT", "OFFERS"}, types(got)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestCallErrorsSayWhatTheMasterMeans(t *testing.T) {
	kinds := []error{ErrUnknownFramework, ErrNotSubscribed, ErrStaleStream}
	for _, test := range []struct {
		status int
		body   string
		want   error
	}{
		{400, "Framework cannot be found", ErrUnknownFramework},
		{403, "Framework is not subscribed", ErrNotSubscribed},
		{400, "The stream ID 'x' included in this request didn't match the stream ID currently associated with framework ID y", ErrStaleStream},
		{400, "Failed to validate scheduler::Call: Expecting 'accept' to be present", nil},
		{403, "", nil},
		{503, "Framework cannot be found", nil},
	} {
		sub, stream := subscribeAt(t, frameworkInfo())
		stream.master.set(func(m *fakeMaster) { m.refuse = refuseWith(test.status, test.body) })
		err := sub.Kill(t.Context(), taskID("t"), nil, nil)
		var callError *CallError
		if !errors.As(err, &callError) || callError.Type != schedulerpb.Call_KILL || !strings.HasPrefix(err.Error(), "call KILL: ") {
			t.Errorf("%d %q: %v (%T)", test.status, test.body, err, err)
		}
		for _, kind := range kinds {
			if errors.Is(err, kind) != (kind == test.want) {
				t.Errorf("%d %q: errors.Is(%v) = %v", test.status, test.body, kind, errors.Is(err, kind))
			}
		}
	}
}

func TestRefusalByEventIsATypedError(t *testing.T) {
	for text, want := range map[string]error{
		"Framework failed over":                                 ErrFailedOver,
		"Framework has been removed":                            ErrFrameworkRemoved,
		"'FrameworkInfo.roles' contains duplicate items: { a }": nil,
	} {
		var network memnet.Network
		m := startMaster(t, &network, address)
		m.manual = true
		go func() {
			s := <-m.subscribes
			s.send(errorEvent(text))
			s.end()
		}()
		_, err := newClient(t, &network, address).Subscribe(t.Context(), frameworkInfo(), SubscribeOptions{})
		var event *EventError
		if !errors.As(err, &event) || event.Message != text {
			t.Errorf("%q: got %v (%T)", text, err, err)
		}
		for _, kind := range []error{ErrFailedOver, ErrFrameworkRemoved} {
			if errors.Is(err, kind) != (kind == want) {
				t.Errorf("%q: errors.Is(%v) = %v", text, kind, errors.Is(err, kind))
			}
		}
	}
}

func TestStreamThatDoesNotStartWithSubscribedIsRefused(t *testing.T) {
	for name, script := range map[string]func(*fakeStream){
		"empty":           func(s *fakeStream) {},
		"other event":     func(s *fakeStream) { s.send(offerEvent("o")) },
		"no framework id": func(s *fakeStream) { s.fw = ""; s.subscribed() },
		"undecodable":     func(s *fakeStream) { s.raw([]byte("1\n}")) },
	} {
		var network memnet.Network
		m := startMaster(t, &network, address)
		m.manual = true
		go func() {
			s := <-m.subscribes
			script(s)
			s.end()
		}()
		if sub, err := newClient(t, &network, address).Subscribe(t.Context(), frameworkInfo(), SubscribeOptions{}); err == nil {
			t.Errorf("%s: subscribed: %v", name, sub.FrameworkID())
		}
	}
}

func TestFrameworkInfoOfTheCallerStaysAsItIs(t *testing.T) {
	info := frameworkInfo()
	sub, stream := subscribeAt(t, info)
	if err := sub.UpdateFramework(t.Context(), info, SubscribeOptions{SuppressedRoles: []string{"*"}}); err != nil {
		t.Fatal(err)
	}
	call := Revive()
	if err := sub.Call(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(info, frameworkInfo()) || call.FrameworkId != nil {
		t.Errorf("changed: %v, %v", info, call)
	}
	update := (<-stream.master.calls).call
	want := UpdateFramework(frameworkInfo(), SubscribeOptions{SuppressedRoles: []string{"*"}})
	want.FrameworkId = sub.FrameworkID()
	want.UpdateFramework.FrameworkInfo.Id = sub.FrameworkID()
	if diff := cmp.Diff(want, update, protocmp.Transform()); diff != "" {
		t.Errorf("UPDATE_FRAMEWORK (-want +got):\n%s", diff)
	}
}

func TestCallsThatMakeNoSenseAreNotSent(t *testing.T) {
	sub, stream := subscribeAt(t, frameworkInfo())
	impossible := resources.NewDisk(1, resources.WithReservation("eng", "p"), resources.WithVolume("a/b", "p", "data")) // would end the master
	for _, call := range []*schedulerpb.Call{nil, {}, Subscribe(frameworkInfo(), SubscribeOptions{}), Accept(nil, nil, Create(impossible))} {
		if err := sub.Call(t.Context(), call); !errors.Is(err, ErrInvalidCall) {
			t.Errorf("%v: %v", call, err)
		}
	}
	for name, err := range map[string]error{
		"status without uuid":           sub.Acknowledge(t.Context(), &mesospb.TaskStatus{}),
		"no status":                     sub.Acknowledge(t.Context(), nil),
		"operation without uuid":        sub.AcknowledgeOperationStatus(t.Context(), &mesospb.OperationStatus{OperationId: &mesospb.OperationID{}}),
		"operation without id":          sub.AcknowledgeOperationStatus(t.Context(), &mesospb.OperationStatus{Uuid: &mesospb.UUID{Value: []byte("0123456789abcdef")}}),
		"no status of an operation yet": sub.AcknowledgeOperationStatus(t.Context(), nil),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(stream.master.calls); n != 0 {
		t.Errorf("%d calls sent", n)
	}
}

func TestSubscribingEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		m := startMaster(t, &network, address)
		m.manual = true // answers with a stream, and then nothing
		ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
		defer cancel()
		_, err := newClient(t, &network, address).Subscribe(ctx, frameworkInfo(), SubscribeOptions{})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestOffersOfMoreThan8MiBArrive(t *testing.T) {
	sub, stream := subscribeAt(t, frameworkInfo())
	ids := make([]string, 9)
	for i := range ids {
		ids[i] = strings.Repeat("x", 1<<20)
	}
	stream.send(offerEvent(ids...))
	stream.end()
	offers := 0
	for event, err := range sub.Events() {
		if err != nil {
			t.Fatal(err)
		}
		offers += len(event.GetOffers().GetOffers())
	}
	if offers != len(ids) {
		t.Errorf("%d offers, want %d", offers, len(ids))
	}
}

func TestStrangeHeartbeatIntervalsMeanTheUsualOne(t *testing.T) {
	for _, seconds := range []float64{0, -1, math.NaN(), math.Inf(1), 1e300} {
		sub := &Subscription{subscribed: &schedulerpb.Event_Subscribed{HeartbeatIntervalSeconds: &seconds}}
		if got := sub.HeartbeatInterval(); got != DefaultHeartbeatInterval {
			t.Errorf("%v: got %v", seconds, got)
		}
	}
}

func TestCloseEndsTheEvents(t *testing.T) {
	sub, stream := subscribeAt(t, frameworkInfo())
	n := 0
	for _, err := range sub.Events() {
		if n++; n == 2 {
			_ = sub.Close()
		}
		if n == 3 && !errors.Is(err, transport.ErrClosed) {
			t.Errorf("got %v", err)
		}
	}
	<-stream.gone
	if n != 3 {
		t.Errorf("%d elements, want 3", n)
	}
}
