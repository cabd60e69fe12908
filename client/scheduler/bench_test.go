package scheduler

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// loopbackMaster confirms every subscription, takes every call, and sends what is put into events. It lives on a real
// loopback socket.
func loopbackMaster(b *testing.B, events <-chan []byte, acknowledged chan<- struct{}) *httptest.Server {
	b.Helper()
	var id atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		call := new(schedulerpb.Call)
		if err := codec.Protobuf.UnmarshalOwned(body, call); err != nil {
			b.Error(err)
		}
		if call.GetType() != schedulerpb.Call_SUBSCRIBE {
			if call.GetType() == schedulerpb.Call_ACKNOWLEDGE && acknowledged != nil {
				acknowledged <- struct{}{}
			}
			w.WriteHeader(http.StatusAccepted)
			return
		}
		w.Header().Set("Content-Type", codec.MediaTypeProtobuf)
		w.Header().Set(streamIDHeader, fmt.Sprint(id.Add(1)))
		flush := http.NewResponseController(w)
		_, _ = w.Write(frameOf(codec.Protobuf, &schedulerpb.Event{Type: schedulerpb.Event_SUBSCRIBED.Enum(), Subscribed: &schedulerpb.Event_Subscribed{FrameworkId: frameworkID("f")}}))
		_ = flush.Flush()
		for {
			select {
			case frame := <-events:
				_, _ = w.Write(frame)
				_ = flush.Flush()
			case <-r.Context().Done():
				return
			}
		}
	}))
	b.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return server
}

func startSession(b *testing.B, cfg SessionConfig) *Session {
	b.Helper()
	cfg.FrameworkInfo = frameworkInfo()
	s, err := NewSession(cfg)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { _, _ = s.Run(ctx) }()
	b.Cleanup(func() { cancel(); <-s.Done() })
	return s
}

// Calls per second over loopback, with so many goroutines calling at once.
func BenchmarkCalls(b *testing.B) {
	for _, goroutines := range []int{1, 8, 64} {
		b.Run(fmt.Sprint(goroutines), func(b *testing.B) {
			server := loopbackMaster(b, nil, nil)
			s := startSession(b, SessionConfig{Master: server.URL, Handler: HandlerFuncs{}})
			if err := s.Waiting().Revive(context.Background()); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.ResetTimer()
			var left atomic.Int64
			left.Store(int64(b.N))
			done := make(chan error, goroutines)
			for range goroutines {
				go func() {
					for left.Add(-1) >= 0 {
						if err := s.Decline(context.Background(), []*mesospb.OfferID{offerID("o")}, nil); err != nil {
							done <- err
							return
						}
					}
					done <- nil
				}()
			}
			for range goroutines {
				if err := <-done; err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
		})
	}
}

// The time from sending an update to receiving its acknowledgement, one at a time.
func BenchmarkEventToAcknowledge(b *testing.B) {
	events, acknowledged := make(chan []byte), make(chan struct{})
	server := loopbackMaster(b, events, acknowledged)
	startSession(b, SessionConfig{Master: server.URL, Handler: HandlerFuncs{}})
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		frame := frameOf(codec.Protobuf, updateEvent("t", fmt.Sprint(i)))
		start := time.Now()
		events <- frame
		<-acknowledged
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
}

// Updates per second that are received, handled and acknowledged.
func BenchmarkUpdates(b *testing.B) {
	events, acknowledged := make(chan []byte, 1000), make(chan struct{}, 1000)
	server := loopbackMaster(b, events, acknowledged)
	startSession(b, SessionConfig{Master: server.URL, Handler: HandlerFuncs{}})
	b.ResetTimer()
	go func() {
		for i := range b.N {
			events <- frameOf(codec.Protobuf, updateEvent("t", fmt.Sprint(i)))
		}
	}()
	for range b.N {
		<-acknowledged
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "updates/s")
}

// The time from the death of the leader to the new subscription: with a detector that says so at once, and with
// a list of masters, where the wait of the backoff is a part of it.
func BenchmarkLeaderDeathToResubscribed(b *testing.B) {
	for _, how := range []string{"detected", "list"} {
		b.Run(how, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				connected := make(chan string, 2)
				leader, next := loopbackMaster(b, nil, nil), loopbackMaster(b, nil, nil)
				cfg := SessionConfig{Handler: HandlerFuncs{ConnectedFunc: func(_ context.Context, _ *Session, c Connected) error { connected <- c.Master; return nil }}}
				board := newSwitchboard(strings.TrimPrefix(leader.URL, "http://"))
				board.now.Info = nil
				if how == "list" {
					cfg.Master = leader.URL + "," + next.URL
				} else {
					cfg.Detector = board
				}
				s := startSession(b, cfg)
				<-connected
				b.StartTimer()
				leader.CloseClientConnections()
				leader.Listener.Close()
				if how == "detected" {
					board.mu.Lock()
					board.now.Candidates = []string{next.URL}
					changed := board.changed
					board.changed = make(chan struct{})
					board.mu.Unlock()
					close(changed)
				}
				if got := <-connected; got != next.URL {
					b.Fatalf("connected to %s", got)
				}
				b.StopTimer()
				s.Stop(nil)
				<-s.Done()
				b.StartTimer()
			}
		})
	}
}

// A subscription alone: decoding what is not an update costs no more than the codec.
func BenchmarkSubscriptionEvents(b *testing.B) {
	offers := &schedulerpb.Event{Type: schedulerpb.Event_OFFERS.Enum(), Offers: &schedulerpb.Event_Offers{}}
	for i := range 100 {
		offers.Offers.Offers = append(offers.Offers.Offers, proto.CloneOf(offerEvent(fmt.Sprint(i)).GetOffers().GetOffers()[0]))
	}
	frame := frameOf(codec.Protobuf, offers)
	events := make(chan []byte, 100)
	server := loopbackMaster(b, events, nil)
	client, err := NewClient(ClientConfig{Master: server.URL})
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	sub, err := client.Subscribe(context.Background(), frameworkInfo(), SubscribeOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer sub.Close()
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	b.ResetTimer()
	go func() {
		for range b.N {
			events <- frame
		}
	}()
	n := 0
	for event, err := range sub.Events() {
		if err != nil {
			b.Fatal(err)
		}
		if event.GetType() == schedulerpb.Event_OFFERS {
			if n++; n == b.N {
				break
			}
		}
	}
}
