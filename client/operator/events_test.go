package operator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/recordio"
)

// streams serves SUBSCRIBE at addr; each subscription is handed to the test, which says what comes.
type streams struct {
	t    *testing.T
	cd   codec.Codec
	subs chan *eventStream
}

type eventStream struct {
	*streams
	events chan string // JSON
	end    chan bool   // true: abruptly
	gone   <-chan struct{}
}

func serveEvents(n *network, addr string, cd codec.Codec) (*streams, func()) {
	s := &streams{t: n.t, cd: cd, subs: make(chan *eventStream)}
	stop := n.serve(addr, func(w http.ResponseWriter, r *http.Request) {
		call := new(masterpb.Call)
		readCall(s.t, r, call)
		if call.GetType() != masterpb.Call_SUBSCRIBE {
			s.t.Errorf("call %v", call)
		}
		w.Header().Set("Content-Type", cd.MediaType())
		_ = http.NewResponseController(w).Flush()
		e := &eventStream{s, make(chan string), make(chan bool), r.Context().Done()}
		select {
		case s.subs <- e:
		case <-e.gone:
			return
		}
		for {
			select {
			case text := <-e.events:
				if text == "garbage" {
					_, _ = w.Write(recordio.AppendFrame(nil, []byte("{{{")))
					_ = http.NewResponseController(w).Flush()
					continue
				}
				writeFrame(s.t, w, cd, parse(s.t, new(masterpb.Event), text))
			case abrupt := <-e.end:
				if abrupt {
					_, _ = io.WriteString(w, "999\nhalf")
					_ = http.NewResponseController(w).Flush()
					panic(http.ErrAbortHandler)
				}
				return
			case <-e.gone:
				return
			}
		}
	})
	return s, stop
}

func (e *eventStream) send(texts ...string) {
	for _, text := range texts {
		select {
		case e.events <- text:
		case <-e.gone:
		}
	}
}

const (
	subscribedJSON = `{"type":"SUBSCRIBED","subscribed":{"get_state":{},"heartbeat_interval_seconds":15}}`
	heartbeatJSON  = `{"type":"HEARTBEAT"}`
	removedJSON    = `{"type":"AGENT_REMOVED","agent_removed":{"agent_id":{"value":"a"}}}`
)

func TestSubscriptionYieldsRecordedEvents(t *testing.T) {
	inBothCodecs(t, func(t *testing.T, cd codec.Codec) {
		n := newNetwork(t, cd)
		s, _ := serveEvents(n, "m:5050", cd)
		var want, got []*masterpb.Event
		for _, frame := range readCapture(t, "f13_operator.json")[0].Response.Frames {
			event := new(masterpb.Event)
			if err := codec.JSON.Unmarshal(frame.Event, event); err != nil {
				t.Fatal(err)
			}
			want = append(want, event)
		}
		go func() {
			e := <-s.subs
			for _, event := range want {
				text, _ := codec.JSON.Append(nil, event)
				e.send(string(text))
			}
			e.end <- false
		}()
		sub, err := n.master("m:5050").Subscribe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer sub.Close()
		for event, err := range sub.Events() {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, event)
		}
		if diff := cmp.Diff(types(want), types(got)); diff != "" || len(got) < 7 {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		if sub.Master() != "http://m:5050" || time.Since(sub.LastReceived()) != 0 {
			t.Errorf("master %s, last received %v", sub.Master(), sub.LastReceived())
		}
	})
}

func types(events []*masterpb.Event) (out []string) {
	for _, e := range events {
		out = append(out, e.GetType().String()+" "+e.GetTaskUpdated().GetState().String())
	}
	return out
}

func TestSubscriptionEnds(t *testing.T) {
	tests := map[string]struct {
		end  func(e *eventStream, sub *Subscription, cancel func())
		want error
	}{
		"by the master": {func(e *eventStream, _ *Subscription, _ func()) { e.end <- false }, nil},
		"abruptly":      {func(e *eventStream, _ *Subscription, _ func()) { e.end <- true }, io.ErrUnexpectedEOF},
		"by Close":      {func(_ *eventStream, sub *Subscription, _ func()) { _ = sub.Close() }, transport.ErrClosed},
		"by context":    {func(_ *eventStream, _ *Subscription, cancel func()) { cancel() }, context.Canceled},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t, codec.JSON)
				s, _ := serveEvents(n, "m:5050", codec.JSON)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				streams := make(chan *eventStream, 1)
				go func() {
					e := <-s.subs
					streams <- e
					e.send(subscribedJSON, "garbage", heartbeatJSON)
				}()
				sub, err := n.master("m:5050").Subscribe(ctx)
				if err != nil {
					t.Fatal(err)
				}
				defer sub.Close()
				var last error
				var got []string
				for event, err := range sub.Events() {
					last = err
					var undecodable *transport.DecodeError
					switch {
					case errors.As(err, &undecodable):
						got = append(got, "undecodable")
					case err == nil:
						got = append(got, event.GetType().String())
					}
					if event.GetType() == masterpb.Event_HEARTBEAT {
						go tt.end(<-streams, sub, cancel)
					}
				}
				if diff := cmp.Diff([]string{"SUBSCRIBED", "undecodable", "HEARTBEAT"}, got); diff != "" || !errors.Is(last, tt.want) {
					t.Errorf("last error %v, want %v; events (-want +got):\n%s", last, tt.want, diff)
				}
			})
		})
	}
}

func TestWatchComesBackAfterEveryLoss(t *testing.T) {
	inBothCodecs(t, func(t *testing.T, cd codec.Codec) {
		n := newNetwork(t, cd)
		first, stopFirst := serveEvents(n, "a:5050", cd)
		go func() {
			e := <-first.subs
			e.send(subscribedJSON, removedJSON)
			e.end <- false
			e = <-first.subs // again at once, as it was a leader that ended the stream
			e.send(subscribedJSON)
			e.end <- true
			e = <-first.subs
			e.send(subscribedJSON)
			synctest.Wait()
			go stopFirst() // and its machine is gone
			n.Listen("a:5050").Close()
			second, _ := serveEvents(n, "b:5050", cd)
			(<-second.subs).send(subscribedJSON, removedJSON)
		}()
		var got []string
		start := time.Now()
		for event, err := range n.master("a:5050,b:5050").Watch(t.Context(), WatchConfig{Disconnected: func(err error) {
			if err == nil {
				t.Error("disconnected without a reason")
			}
			got = append(got, "-")
		}}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, event.GetType().String())
			if got[len(got)-1] == "AGENT_REMOVED" && len(got) > 3 {
				break
			}
		}
		if diff := cmp.Diff([]string{"SUBSCRIBED", "AGENT_REMOVED", "-", "SUBSCRIBED", "-", "SUBSCRIBED", "-", "SUBSCRIBED", "AGENT_REMOVED"}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestWatchWaitsLongerOnlyWhileItFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, codec.Protobuf)
		s, stop := serveEvents(n, "m:5050", codec.Protobuf)
		const losses = 100
		go func() {
			for range losses {
				e := <-s.subs
				e.send(subscribedJSON)
				e.end <- false
			}
			stop()
			n.Listen("m:5050").Close()
		}()
		var at []time.Time
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		for range n.master("m:5050").Watch(ctx, WatchConfig{Disconnected: func(error) { at = append(at, time.Now()) }}) {
		}
		var longest time.Duration
		for i := range losses - 1 {
			longest = max(longest, at[i+1].Sub(at[i]))
		}
		if longest > firstBackoff+time.Millisecond {
			t.Errorf("waited %v for a master that is there", longest)
		}
		if failures := len(at) - losses; failures < 300 || failures > 900 { // 7.5 s on average
			t.Errorf("%d attempts in an hour without a master", failures)
		}
	})
}

func TestWatchEndsForGood(t *testing.T) {
	for _, code := range []int{400, 401, 403, 501} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t, codec.Protobuf)
				asked := 0
				n.serve("m:5050", func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body)
					if asked++; asked < 3 {
						w.WriteHeader(http.StatusServiceUnavailable)
						return
					}
					w.WriteHeader(code)
				})
				var last error
				for _, err := range n.master("m:5050").Watch(t.Context(), WatchConfig{}) {
					last = err
				}
				var status *transport.StatusError
				if !errors.As(last, &status) || status.Code != code || asked != 3 {
					t.Errorf("asked %d times, last error %v", asked, last)
				}
			})
		})
	}
}

func TestWatchEndsWithItsContext(t *testing.T) {
	for name, serve := range map[string]bool{"while subscribed": true, "without a master": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t, codec.Protobuf)
				if serve {
					s, _ := serveEvents(n, "m:5050", codec.Protobuf)
					go func() { (<-s.subs).send(subscribedJSON) }()
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				var last error
				start := time.Now()
				for _, err := range n.master("m:5050").Watch(ctx, WatchConfig{}) {
					last = err
				}
				if !errors.Is(last, context.DeadlineExceeded) || time.Since(start) != time.Minute {
					t.Errorf("ended after %v with %v", time.Since(start), last)
				}
			})
		})
	}
}

func TestWatchLeavesASilentMaster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, codec.Protobuf)
		s, _ := serveEvents(n, "m:5050", codec.Protobuf)
		go func() {
			e := <-s.subs
			e.send(`{"type":"SUBSCRIBED","subscribed":{"heartbeat_interval_seconds":2}}`)
			for range 20 {
				time.Sleep(9 * time.Second) // late, but not too late
				e.send(heartbeatJSON)
			}
			<-s.subs
		}()
		var reason error
		var at time.Duration
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		for range n.master("m:5050").Watch(ctx, WatchConfig{Disconnected: func(err error) {
			if reason == nil {
				reason, at = err, time.Since(start)
			}
		}}) {
		}
		if !errors.Is(reason, ErrNoHeartbeat) || at != 190*time.Second {
			t.Errorf("left after %v because of %v; want %v after 190s", at, reason, ErrNoHeartbeat)
		}
	})
}

func TestWatchNeverLeavesIfToldSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, codec.Protobuf)
		s, _ := serveEvents(n, "m:5050", codec.Protobuf)
		go func() { (<-s.subs).send(subscribedJSON) }()
		ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
		defer cancel()
		for range n.master("m:5050").Watch(ctx, WatchConfig{MissedHeartbeats: -1, Disconnected: func(err error) { t.Errorf("disconnected: %v", err) }}) {
		}
	})
}

// A loop that is busy holds up neither the master nor the watch for its heartbeats.
func TestWatchReadsOnWhileTheLoopIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, codec.Protobuf)
		s, _ := serveEvents(n, "m:5050", codec.Protobuf)
		const many = 1000
		sent := make(chan struct{})
		go func() {
			e := <-s.subs
			e.send(subscribedJSON)
			for range many {
				e.send(removedJSON)
			}
			close(sent)
			for {
				select {
				case <-time.After(15 * time.Second):
					e.send(heartbeatJSON)
				case <-e.gone:
					return
				}
			}
		}()
		removed := 0
		for event, err := range n.master("m:5050").Watch(t.Context(), WatchConfig{Disconnected: func(err error) { t.Errorf("disconnected: %v", err) }}) {
			if err != nil {
				t.Fatal(err)
			}
			switch event.GetType() {
			case masterpb.Event_SUBSCRIBED:
				<-sent
				time.Sleep(time.Hour)
			case masterpb.Event_AGENT_REMOVED:
				removed++
			}
			if removed == many {
				break
			}
		}
	})
}
