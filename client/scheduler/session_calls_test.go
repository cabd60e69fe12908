package scheduler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/mesokit/mesokit/client/internal/memnet"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// receivedCalls returns the types of the calls that the master has got, once nothing moves any more.
func receivedCalls(m *fakeMaster) (got []string) {
	synctest.Wait()
	for len(m.calls) > 0 {
		got = append(got, (<-m.calls).call.GetType().String())
	}
	return got
}

func TestCallsOfADisconnectedSessionFailAtOnceOrWaitAsTheyLike(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, m, stream, j, s := scene(t, nil)
		m.set(func(m *fakeMaster) { m.manual = true }) // the next SUBSCRIBE is answered, but not confirmed
		stream.end()
		<-m.subscribes
		synctest.Wait()
		start := time.Now()
		if err := s.Decline(t.Context(), nil, nil); !errors.Is(err, ErrDisconnected) || time.Since(start) != 0 {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		// An older client makes calls wait for the subscription whatever their contexts say.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Waiting().Decline(ctx, nil, nil); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrDisconnected) || time.Since(start) != time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if err := s.Waiting().Revive(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		m.set(func(m *fakeMaster) { m.manual = false })
		time.Sleep(DefaultSubscribeTimeout + 11*time.Second)
		wg.Wait()
		if diff := cmp.Diff([]string{"REVIVE", "REVIVE", "REVIVE"}, receivedCalls(m)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		j.expect(t, connectedLine, "disconnected: end of stream", "reconnected resumed master:5050-0001 master:5050")
	})
}

func TestAllCallsWaitIfTheSessionIsToldSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		m := startMaster(t, &network, address)
		m.refuse = refuseWith(503, "")
		s := play(t, &network, new(journal), func(cfg *SessionConfig) { cfg.WaitForConnection = true })
		time.AfterFunc(time.Minute, func() { m.set(func(m *fakeMaster) { m.refuse = nil }) })
		if err := s.Revive(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"REVIVE"}, receivedCalls(m)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestWaitingCallsEndWithTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		s := play(t, &network, new(journal), nil) // there is no master
		time.AfterFunc(time.Minute, func() { s.Stop(nil) })
		if err := s.Waiting().Revive(t.Context()); !errors.Is(err, ErrSessionEnded) {
			t.Errorf("got %v", err)
		}
	})
}

// An older client ends its subscription after any failed call.
func TestFailedCallsDoNotDisconnectASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, m, stream, j, s := scene(t, nil)
		for _, status := range []int{307, 400, 401, 403, 404, 429, 500, 503} {
			m.set(func(m *fakeMaster) { m.refuse = refuseWith(status, "no") })
			if err := s.Revive(t.Context()); err == nil {
				t.Errorf("%d: no error", status)
			}
		}
		m.set(func(m *fakeMaster) { m.refuse = nil })
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Revive(ended); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		time.Sleep(time.Minute)
		stream.send(offerEvent("o"))
		j.expect(t, connectedLine, "offers o")
		if err := s.Revive(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestUpdatesAreAcknowledgedWhenTheHandlerIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := new(journal)
		j.do = func(_ context.Context, _ *Session, line string) error {
			if line == "update t1" {
				time.Sleep(time.Hour)
			}
			return nil
		}
		_, m, stream, _, s := scene(t, func(cfg *SessionConfig) { cfg.Handler = j })
		stream.send(updateEvent("t1", "u1"), updateEvent("from the master", ""))
		time.Sleep(time.Minute)
		if got := receivedCalls(m); got != nil {
			t.Errorf("before the handler was done the master got %v", got)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		want := Acknowledge(updateEvent("t1", "u1").GetUpdate().GetStatus())
		want.FrameworkId = s.FrameworkID()
		if diff := cmp.Diff(want, (<-m.calls).call, protocmp.Transform()); diff != "" || len(m.calls) != 0 {
			t.Errorf("%d more calls; (-want +got):\n%s", len(m.calls), diff)
		}
	})
}

func TestOperationUpdatesAreAcknowledgedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, m, stream, _, _ := scene(t, nil)
		status := &mesospb.OperationStatus{OperationId: &mesospb.OperationID{Value: proto.String("op")}, State: mesospb.OperationState_OPERATION_FINISHED.Enum(),
			Uuid: &mesospb.UUID{Value: []byte("0123456789abcdef")}, AgentId: agentID("a")}
		event := &schedulerpb.Event{Type: schedulerpb.Event_UPDATE_OPERATION_STATUS.Enum(), UpdateOperationStatus: &schedulerpb.Event_UpdateOperationStatus{Status: status}}
		reconciled := proto.CloneOf(event)
		reconciled.UpdateOperationStatus.Status.Uuid = nil
		anonymous := proto.CloneOf(event)
		anonymous.UpdateOperationStatus.Status.OperationId = nil
		stream.send(event, reconciled, anonymous)
		synctest.Wait() // until it is handled
		stream.send(event)
		if diff := cmp.Diff([]string{"ACKNOWLEDGE_OPERATION_STATUS", "ACKNOWLEDGE_OPERATION_STATUS"}, receivedCalls(m)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestUpdateIsNotAcknowledgedIfTheHandlerFails(t *testing.T) {
	for _, test := range []struct {
		returns error
		want    []string
	}{{errors.New("disk full"), nil}, {StopWith("done"), []string{"ACKNOWLEDGE"}}} {
		synctest.Test(t, func(t *testing.T) {
			j := new(journal)
			j.do = func(_ context.Context, _ *Session, line string) error {
				if line == "update t" {
					return test.returns
				}
				return nil
			}
			_, m, stream, _, s := scene(t, func(cfg *SessionConfig) { cfg.Handler = j })
			stream.send(updateEvent("t", "u"))
			_, _ = s.Result()
			if diff := cmp.Diff(test.want, receivedCalls(m)); diff != "" {
				t.Errorf("%v (-want +got):\n%s", test.returns, diff)
			}
		})
	}
}

// An agent that misses the acknowledgement sends the update again, also over a reconnection.
func TestRepeatedUpdateIsAcknowledgedAgainAndNotHandledAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, m, stream, j, _ := scene(t, nil)
		stream.send(updateEvent("t", "u1"))
		synctest.Wait() // until it is handled
		stream.send(updateEvent("t", "u1"), updateEvent("t", "u2"))
		synctest.Wait()
		stream.end()
		again := <-m.subscribes
		again.send(updateEvent("t", "u2"), updateEvent("t", "u3"))
		j.expect(t, connectedLine, "update t", "update t", "disconnected: end of stream", "reconnected resumed master:5050-0001 master:5050", "update t")
		if got := receivedCalls(m); len(got) != 5 {
			t.Errorf("the master got %v, want 5 acknowledgements", got)
		}
	})
}

func TestExplicitAcknowledgementsAreLeftToTheHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, m, stream, j, s := scene(t, func(cfg *SessionConfig) { cfg.ExplicitAcknowledgements = true })
		update := updateEvent("t", "u")
		stream.send(update)
		synctest.Wait()
		stream.send(update) // not acknowledged: it comes again, and counts
		j.expect(t, connectedLine, "update t", "update t")
		if got := receivedCalls(m); got != nil {
			t.Errorf("the master got %v", got)
		}
		if err := s.Acknowledge(t.Context(), update.GetUpdate().GetStatus()); err != nil {
			t.Fatal(err)
		}
		stream.send(update)
		j.expect(t, connectedLine, "update t", "update t")
		if diff := cmp.Diff([]string{"ACKNOWLEDGE", "ACKNOWLEDGE"}, receivedCalls(m)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestFailedAcknowledgementIsTracedAndMadeGoodByTheRepetition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		traces := new(traceLog)
		_, m, stream, j, _ := scene(t, func(cfg *SessionConfig) { cfg.Tracer = traces })
		m.set(func(m *fakeMaster) { m.refuse = refuseWith(503, "") })
		stream.send(updateEvent("t", "u"))
		_ = receivedCalls(m)
		m.set(func(m *fakeMaster) { m.refuse = nil })
		stream.send(updateEvent("t", "u"))
		if diff := cmp.Diff([]string{"ACKNOWLEDGE"}, receivedCalls(m)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		j.expect(t, connectedLine, "update t")
		if !slices.Contains(traces.kinds(), TraceAcknowledgeFailed) || !slices.Contains(traces.kinds(), TraceRepeatedUpdate) {
			t.Errorf("traced %v", traces.kinds())
		}
	})
}

// A burst of updates is acknowledged in parallel, and completely before a session that is stopped ends.
func TestAcknowledgementsAreFinishedBeforeTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 500
		j := new(journal)
		j.do = func(_ context.Context, _ *Session, line string) error {
			if line == fmt.Sprint("update t", n-1) {
				return StopWith(nil)
			}
			return nil
		}
		_, m, stream, _, s := scene(t, func(cfg *SessionConfig) { cfg.Handler = j })
		for i := range n {
			stream.send(updateEvent(fmt.Sprint("t", i), fmt.Sprint("u", i)))
		}
		_, _ = s.Result()
		if got := receivedCalls(m); len(got) != n {
			t.Errorf("%d acknowledgements, want %d", len(got), n)
		}
	})
}

func TestAcknowledgementsThatHangDoNotKeepASessionForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, m, stream, _, s := scene(t, nil)
		m.set(func(m *fakeMaster) {
			m.refuse = func(*schedulerpb.Call) (int, map[string]string, string) { time.Sleep(time.Hour); return 202, nil, "" }
		})
		stream.send(updateEvent("t", "u"))
		synctest.Wait()
		start := time.Now()
		s.Stop(nil)
		<-s.Done()
		if waited := time.Since(start); waited != finishTimeout {
			t.Errorf("ended after %v, want %v", waited, finishTimeout)
		}
		time.Sleep(time.Hour)
	})
}

func TestMessagesArriveInOrderWithTheEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := new(journal)
		j.do = func(_ context.Context, s *Session, line string) error {
			if line == "offers o1" {
				return s.Post("from the handler")
			}
			return nil
		}
		_, _, stream, _, s := scene(t, func(cfg *SessionConfig) { cfg.Handler = j })
		synctest.Wait()
		for i := range 3 {
			if err := s.Post(i); err != nil {
				t.Fatal(err)
			}
		}
		_ = s.Post(nil)
		synctest.Wait()
		stream.send(offerEvent("o1"))
		synctest.Wait()
		stream.send(offerEvent("o2"))
		j.expect(t, connectedLine, "info 0", "info 1", "info 2", "info <nil>", "offers o1", "info from the handler", "offers o2")
	})
}

func TestResubscriptionDoesNotUndoCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		info := frameworkInfo()
		info.Roles = []string{"a", "b", "c"}
		_, m, stream, _, s := scene(t, func(cfg *SessionConfig) {
			cfg.FrameworkInfo, cfg.Options = info, SubscribeOptions{SuppressedRoles: []string{"a"}}
		})
		check := func(when string, want ...string) {
			t.Helper()
			stream.end()
			<-stream.gone
			stream = <-m.subscribes
			synctest.Wait()
			if got := stream.call.GetSubscribe().GetSuppressedRoles(); !slices.Equal(got, want) {
				t.Errorf("%s: suppressed roles %v, want %v", when, got, want)
			}
		}
		do := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		check("at first", "a")
		do(s.Suppress(t.Context(), "b"))
		check("after SUPPRESS", "a", "b")
		do(s.Suppress(t.Context(), "c", "unknown")) // ignored by the master
		check("after a SUPPRESS of an unknown role", "a", "b")
		do(s.Revive(t.Context(), "a"))
		check("after REVIVE", "b")
		do(s.Suppress(t.Context()))
		check("after SUPPRESS of all", "a", "b", "c")
		m.set(func(m *fakeMaster) { m.refuse = refuseWith(503, "") })
		if err := s.Revive(t.Context()); !errors.Is(err, transport.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		m.set(func(m *fakeMaster) { m.refuse = nil })
		check("after a REVIVE that failed", "a", "b", "c")
		do(s.Revive(t.Context()))
		check("after REVIVE of all")
		info.Name = proto.String("renamed")
		info.Roles = []string{"d"}
		do(s.UpdateFramework(t.Context(), info, SubscribeOptions{SuppressedRoles: []string{"d"}}))
		check("after UPDATE_FRAMEWORK", "d")
		if got := stream.call.GetSubscribe().GetFrameworkInfo(); got.GetName() != "renamed" || got.GetId().GetValue() != stream.fw {
			t.Errorf("after UPDATE_FRAMEWORK: %v", got)
		}
	})
}

func TestRolesOfAFrameworkWithOneRole(t *testing.T) {
	old := &mesospb.FrameworkInfo{}
	if roles, ok := affectedRoles(old, nil); !ok || !slices.Equal(roles, []string{"*"}) {
		t.Errorf("got %v, %v", roles, ok)
	}
	old.Role = proto.String("r") //lint:ignore SA1019 frameworks without MULTI_ROLE have nothing else
	if roles, ok := affectedRoles(old, []string{"r"}); !ok || !slices.Equal(roles, []string{"r"}) {
		t.Errorf("got %v, %v", roles, ok)
	}
	if _, ok := affectedRoles(old, []string{"*"}); ok {
		t.Error("a role that the framework does not have")
	}
}

// traceLog is a SessionTracer that keeps what it is told.
type traceLog struct {
	mu     sync.Mutex
	traces []SessionTrace
}

func (l *traceLog) TraceSession(_ context.Context, d SessionTrace) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.traces = append(l.traces, d)
}

func (l *traceLog) kinds() (kinds []TraceKind) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range l.traces {
		kinds = append(kinds, d.Kind)
	}
	return kinds
}

func (l *traceLog) read() []SessionTrace {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.traces)
}

// An agent repeats an update for as long as it is not acknowledged. A handler that is busy for long must not find it many times.
func TestRepeatedUpdatesDoNotPileUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := new(journal)
		j.do = func(_ context.Context, _ *Session, line string) error {
			if line == connectedLine {
				time.Sleep(time.Hour)
			}
			return nil
		}
		_, _, stream, _, _ := scene(t, func(cfg *SessionConfig) {
			cfg.Handler, cfg.ExplicitAcknowledgements, cfg.MissedHeartbeats = j, true, 1000
		})
		for range 1000 {
			stream.send(updateEvent("t1", "u1"), updateEvent("t2", "u2"), updateEvent("t3", ""))
		}
		time.Sleep(2 * time.Hour)
		// Those without a uuid are never repeated: each says something.
		if n1, n2, n3 := j.count("update t1"), j.count("update t2"), j.count("update t3"); n1 != 1 || n2 != 1 || n3 != 1000 {
			t.Errorf("%d, %d and %d updates handled, want 1, 1 and 1000", n1, n2, n3)
		}
		stream.send(updateEvent("t1", "u1"))
		synctest.Wait()
		if n := j.count("update t1"); n != 2 {
			t.Errorf("%d updates handled, want that one that nobody has acknowledged comes again", n)
		}
	})
}
