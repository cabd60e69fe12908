package scheduler

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mesokit/mesokit/client/internal/memnet"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

func TestErrorEventEndsTheSessionAfterEverythingBefore(t *testing.T) {
	for text, want := range map[string]error{"Framework failed over": ErrFailedOver, "Framework has been removed": ErrFrameworkRemoved, "Not authorized": nil} {
		synctest.Test(t, func(t *testing.T) {
			_, m, stream, j, s := scene(t, nil)
			stream.send(offerEvent("o"), errorEvent(text))
			stream.end()
			_, err := s.Result()
			var event *EventError
			if !errors.As(err, &event) || event.Message != text || want != nil && !errors.Is(err, want) {
				t.Errorf("got %v", err)
			}
			kind := kindOf(err)
			j.expect(t, connectedLine, "offers o", "error "+text, "disconnected: "+kind, "terminated with <nil>, error: "+kind)
			time.Sleep(time.Hour)
			if len(m.subscribes) != 0 {
				t.Error("subscribed again")
			}
		})
	}
}

func TestRefusalThatWillNotPassEndsTheSession(t *testing.T) {
	for status, want := range map[int]error{400: transport.ErrBadRequest, 401: transport.ErrUnauthorized, 403: transport.ErrForbidden,
		405: transport.ErrMethodNotAllowed, 406: transport.ErrNotAcceptable, 415: transport.ErrUnsupportedMediaType, 501: transport.ErrNotImplemented} {
		synctest.Test(t, func(t *testing.T) {
			var network memnet.Network
			m := startMaster(t, &network, address)
			m.refuse = refuseWith(status, "no")
			start := time.Now()
			_, err := play(t, &network, new(journal), nil).Result()
			var call *CallError
			if !errors.Is(err, want) || !errors.As(err, &call) || call.Type != schedulerpb.Call_SUBSCRIBE || time.Since(start) != 0 {
				t.Errorf("%d: got %v after %v", status, err, time.Since(start))
			}
		})
	}
}

func TestRefusalThatMayPassIsTriedAgain(t *testing.T) {
	for name, refuse := range map[string]func(*schedulerpb.Call) (int, map[string]string, string){
		"no leader":      refuseWith(503, "No leader elected"),
		"not yet there":  refuseWith(404, ""),
		"redirect loop":  redirectTo(address),
		"too many":       refuseWith(429, ""),
		"internal":       refuseWith(500, ""),
		"proxy":          refuseWith(502, ""),
		"another server": refuseWith(200, "<html>"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var network memnet.Network
				m := startMaster(t, &network, address)
				m.refuse = refuse
				j := new(journal)
				play(t, &network, j, nil)
				time.Sleep(10 * time.Minute)
				j.expect(t)
				m.set(func(m *fakeMaster) { m.refuse = nil })
				time.Sleep(11 * time.Second) // the longest wait
				j.expect(t, connectedLine)
			})
		})
	}
}

func TestServerMayAskForAWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		var mu sync.Mutex
		var asked []time.Duration
		start := time.Now()
		m := startMaster(t, &network, address)
		m.refuse = func(*schedulerpb.Call) (int, map[string]string, string) {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, time.Since(start))
			return 429, map[string]string{"Retry-After": []string{"30", "1000000"}[min(len(asked)-1, 1)]}, ""
		}
		play(t, &network, new(journal), func(cfg *SessionConfig) { cfg.Backoff = Constant(0) })
		time.Sleep(100 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		if diff := cmp.Diff([]time.Duration{0, 30 * time.Second, 90 * time.Second}, asked); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestSessionGivesUpAfterSoManyAttempts(t *testing.T) {
	for _, test := range []struct{ limit, first, later int }{{1, 2, 1}, {3, 4, 3}, {-1, 1, 0}} {
		synctest.Test(t, func(t *testing.T) {
			var network memnet.Network
			m := startMaster(t, &network, address)
			asked := 0
			refuse := func(*schedulerpb.Call) (int, map[string]string, string) { asked++; return 503, nil, "" }
			m.refuse = refuse
			limit := func(cfg *SessionConfig) { cfg.MaxResubscribes = test.limit }
			_, err := play(t, &network, new(journal), limit).Result()
			if !errors.Is(err, ErrGaveUp) || !errors.Is(err, transport.ErrUnavailable) || asked != test.first {
				t.Errorf("limit %d: %v after %d attempts, want %d", test.limit, err, asked, test.first)
			}
			// After a success the count starts again, without the free first attempt.
			m.refuse, asked = nil, 0
			s := play(t, &network, new(journal), limit)
			stream := <-m.subscribes
			m.set(func(m *fakeMaster) { m.refuse = refuse })
			stream.end()
			if _, err := s.Result(); !errors.Is(err, ErrGaveUp) || asked != test.later {
				t.Errorf("limit %d: %v after %d further attempts, want %d", test.limit, err, asked, test.later)
			}
		})
	}
}

func TestAllMastersOfAListAreTried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		a, c := startMaster(t, &network, "a:5050"), startMaster(t, &network, "c:5050") // b refuses connections
		a.refuse = refuseWith(503, "No leader elected")
		j := new(journal)
		play(t, &network, j, func(cfg *SessionConfig) { cfg.Master = "a:5050,b:5050,c:5050"; cfg.MaxResubscribes = -1 })
		<-c.subscribes
		j.expect(t, "connected c:5050-0001 c:5050")
	})
}

func TestWaitsBetweenAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		m := startMaster(t, &network, address)
		m.refuse = refuseWith(503, "")
		var failures []int
		s := play(t, &network, new(journal), func(cfg *SessionConfig) {
			cfg.Backoff = func(n int) time.Duration { failures = append(failures, n); return time.Second }
		})
		time.Sleep(2500 * time.Millisecond)
		m.set(func(m *fakeMaster) { m.refuse = nil })
		brief := <-m.subscribes
		brief.end() // did not last
		lasting := <-m.subscribes
		time.Sleep(time.Minute)
		lasting.end()
		<-m.subscribes
		s.Stop(nil)
		<-s.Done()
		if diff := cmp.Diff([]int{1, 2, 3, 4, 0}, failures); diff != "" {
			t.Errorf("failures that the backoff was told (-want +got):\n%s", diff)
		}
	})
}

func TestJitterStaysWithinItsBounds(t *testing.T) {
	wait := Jitter(100*time.Millisecond, time.Second)
	for failures, most := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
		seen := make(map[time.Duration]bool)
		for range 200 {
			got := wait(failures)
			if got < 0 || got > most*time.Millisecond {
				t.Errorf("%d failures: %v", failures, got)
			}
			seen[got] = true
		}
		if len(seen) < 100 {
			t.Errorf("%d failures: only %d different waits", failures, len(seen))
		}
	}
	for _, b := range []func(int) time.Duration{Jitter(0, 0), Jitter(time.Hour, 0), Constant(0)} {
		if got := b(1 << 30); got != 0 {
			t.Errorf("got %v, want none", got)
		}
	}
}

func TestHandlerStopsTheSession(t *testing.T) {
	failure := errors.New("enough")
	for name, test := range map[string]struct {
		returns error
		value   any
		err     error
		last    string
	}{
		"with a value":         {StopWith(42), 42, nil, "terminated with 42, error: none"},
		"with a wrapped value": {fmt.Errorf("because: %w", StopWith(nil)), nil, nil, "terminated with <nil>, error: none"},
		"with an error":        {failure, nil, failure, `terminated with <nil>, error: session "test": enough`},
	} {
		for _, where := range []string{connectedLine, "offers o", "info i", "disconnected: end of stream"} {
			t.Run(name+" in "+where, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					j := new(journal)
					j.do = func(_ context.Context, _ *Session, line string) error {
						if line == where {
							return test.returns
						}
						return nil
					}
					var network memnet.Network
					m := startMaster(t, &network, address)
					s := play(t, &network, j, nil)
					stream := <-m.subscribes
					synctest.Wait()
					_ = s.Post("i")
					synctest.Wait()
					stream.send(offerEvent("o"), offerEvent("not handled"))
					stream.end()
					value, err := s.Result()
					if value != test.value || !errors.Is(err, test.err) {
						t.Errorf("got %v, %v", value, err)
					}
					lines := j.read()
					if lines[len(lines)-1] != test.last || lines[len(lines)-2] != where {
						t.Errorf("saw %q", lines)
					}
					<-stream.gone
				})
			})
		}
	}
}

func TestStopFromOutsideLetsTheHandlerFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := new(journal)
		j.do = func(ctx context.Context, s *Session, line string) error {
			if line == "offers o" {
				<-ctx.Done() // the context of the handler ends with Stop
				if err := s.Revive(context.WithoutCancel(ctx)); err != nil {
					t.Errorf("call of a handler that finishes: %v", err)
				}
			}
			return nil
		}
		var network memnet.Network
		m := startMaster(t, &network, address)
		s := play(t, &network, j, nil)
		stream := <-m.subscribes
		stream.send(offerEvent("o"))
		synctest.Wait()
		s.Stop("first")
		s.Stop("second")
		if value, err := s.Result(); value != "first" || err != nil {
			t.Errorf("got %v, %v", value, err)
		}
		j.expect(t, connectedLine, "offers o", "terminated with first, error: none")
		if err := s.Post(1); !errors.Is(err, ErrSessionEnded) {
			t.Errorf("Post: %v", err)
		}
		for _, calls := range []Calls{s.Calls, s.Waiting()} {
			if err := calls.Revive(t.Context()); !errors.Is(err, ErrSessionEnded) {
				t.Errorf("call after the end: %v", err)
			}
		}
		if _, err := s.Run(t.Context()); !errors.Is(err, ErrStarted) {
			t.Errorf("second Run: %v", err)
		}
		if call := <-m.calls; call.call.GetType() != schedulerpb.Call_REVIVE {
			t.Errorf("got %v", call.call)
		}
	})
}

func TestStopBeforeRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		startMaster(t, &network, address)
		j := new(journal)
		s, err := NewSession(SessionConfig{Master: address, Transport: newTransport(t, &network, nil), FrameworkInfo: frameworkInfo(), Handler: j})
		if err != nil {
			t.Fatal(err)
		}
		s.Stop("early")
		if value, err := s.Run(t.Context()); value != "early" || err != nil {
			t.Errorf("got %v, %v", value, err)
		}
		j.expect(t, "terminated with early, error: none")
	})
}

// Whatever a session is doing, the end of its context ends it at once.
func TestEndOfTheContextEndsTheSessionAtOnce(t *testing.T) {
	board := func(addresses ...string) func(*SessionConfig) {
		return func(cfg *SessionConfig) { cfg.Detector = newSwitchboard(addresses...) }
	}
	for name, test := range map[string]struct {
		change func(*SessionConfig)
		master func(*fakeMaster)
	}{
		"waiting for a leader":       {board(), func(*fakeMaster) {}},
		"subscribing":                {nil, func(m *fakeMaster) { m.manual = true }},
		"connected":                  {nil, func(*fakeMaster) {}},
		"between two attempts":       {func(cfg *SessionConfig) { cfg.Backoff = Constant(time.Hour) }, func(m *fakeMaster) { m.refuse = refuseWith(503, "") }},
		"with a master that is gone": {nil, func(m *fakeMaster) { m.stop() }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var network memnet.Network
				m := startMaster(t, &network, address)
				test.master(m)
				cfg := SessionConfig{Master: address, Transport: newTransport(t, &network, nil), FrameworkInfo: frameworkInfo(), Handler: new(journal)}
				if test.change != nil {
					test.change(&cfg)
				}
				if cfg.Detector != nil {
					cfg.Master = ""
				}
				s, err := NewSession(cfg)
				if err != nil {
					t.Fatal(err)
				}
				cause := errors.New("that will do")
				ctx, cancel := context.WithCancelCause(t.Context())
				start := time.Now()
				time.AfterFunc(time.Second, func() { cancel(cause) })
				if _, err := s.Run(ctx); !errors.Is(err, cause) || time.Since(start) != time.Second {
					t.Errorf("got %v after %v", err, time.Since(start))
				}
			})
		})
	}
}

func TestTeardownEndsTheSessionAndForgetsTheFramework(t *testing.T) {
	for _, streamEndsFirst := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			store := new(MemoryStore)
			j := new(journal)
			_, m, stream, _, s := scene(t, func(cfg *SessionConfig) { cfg.Store, cfg.Handler = store, j })
			synctest.Wait()
			if id, _ := store.LoadFrameworkID(t.Context()); id != stream.fw {
				t.Errorf("stored %q, want %q", id, stream.fw)
			}
			m.set(func(m *fakeMaster) {
				m.refuse = func(call *schedulerpb.Call) (int, map[string]string, string) {
					if call.GetType() != schedulerpb.Call_TEARDOWN {
						t.Errorf("the framework that is torn down calls %s", call.GetType())
					}
					if streamEndsFirst {
						stream.end()
						time.Sleep(20 * time.Second) // longer than the session waits at first
					}
					return http.StatusAccepted, nil, ""
				}
			})
			if err := s.Teardown(t.Context()); err != nil {
				t.Fatal(err)
			}
			if value, err := s.Result(); value != nil || err != nil {
				t.Errorf("got %v, %v", value, err)
			}
			if id, _ := store.LoadFrameworkID(t.Context()); id != "" {
				t.Errorf("the store still has %q", id)
			}
		})
	}
}

func TestTeardownThatFailsChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(MemoryStore)
		_, m, stream, j, s := scene(t, func(cfg *SessionConfig) { cfg.Store = store })
		m.set(func(m *fakeMaster) { m.refuse = refuseWith(403, "no") })
		if err := s.Teardown(t.Context()); !errors.Is(err, transport.ErrForbidden) {
			t.Errorf("got %v", err)
		}
		m.set(func(m *fakeMaster) { m.refuse = nil })
		stream.send(offerEvent("o"))
		stream.end()
		<-m.subscribes
		j.expect(t, connectedLine, "offers o", "disconnected: end of stream", "reconnected resumed master:5050-0001 master:5050")
		if id, _ := store.LoadFrameworkID(t.Context()); id != stream.fw {
			t.Errorf("stored %q", id)
		}
	})
}

func TestSessionConfigsThatMakeNoSenseAreRefused(t *testing.T) {
	for name, cfg := range map[string]SessionConfig{
		"no info":          {Master: address, Handler: new(journal)},
		"no handler":       {Master: address, FrameworkInfo: frameworkInfo()},
		"no master":        {FrameworkInfo: frameworkInfo(), Handler: new(journal)},
		"two ways":         {Master: address, Detector: newSwitchboard(), FrameworkInfo: frameworkInfo(), Handler: new(journal)},
		"malformed master": {Master: "zk://", FrameworkInfo: frameworkInfo(), Handler: new(journal)},
	} {
		if _, err := NewSession(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// A network that stands still for a while delivers a SUBSCRIBE that was given up after the one that was not. To the master that is
// another scheduler, but to nobody else.
func TestLateSubscribeOfItsOwnDoesNotEndASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		m := startMaster(t, &network, address)
		m.manual = true // takes SUBSCRIBE and says nothing
		j := new(journal)
		s := play(t, &network, j, nil)
		<-m.subscribes
		m.set(func(m *fakeMaster) { m.manual = false })
		second := <-m.subscribes
		second.send(offerEvent("o1"), errorEvent("Framework failed over"))
		third := <-m.subscribes
		third.send(offerEvent("o2"))
		j.expect(t, "connected master:5050-0002 master:5050", "offers o1", "disconnected: "+ErrOvertaken.Error(),
			"reconnected resumed master:5050-0002 master:5050", "offers o2")
		// The next one is meant.
		third.send(errorEvent("Framework failed over"))
		if _, err := s.Result(); !errors.Is(err, ErrFailedOver) {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestTakeoverLongAfterATroubledStartIsFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		m := startMaster(t, &network, address)
		m.manual, m.heartbeat = true, 15*time.Second
		s := play(t, &network, new(journal), nil)
		<-m.subscribes
		m.set(func(m *fakeMaster) { m.manual = false })
		second := <-m.subscribes
		time.Sleep(2 * time.Minute)
		second.send(errorEvent("Framework failed over"))
		if _, err := s.Result(); !errors.Is(err, ErrFailedOver) {
			t.Errorf("ended with %v", err)
		}
	})
}
