package executor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// running is a session whose Run has been started.
type running struct {
	*Session
	t      *testing.T
	cancel context.CancelCauseFunc
	result chan error
}

func runSession(t *testing.T, cfg Config, h Handler) *running {
	t.Helper()
	s, err := NewSession(cfg, h)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	r := &running{s, t, cancel, make(chan error, 1)}
	go func() { r.result <- s.Run(ctx) }()
	t.Cleanup(func() { cancel(nil) })
	return r
}

// ends waits for the result of Run, however long a bubble's time that takes.
func (r *running) ends() error {
	r.t.Helper()
	select {
	case err := <-r.result:
		return err
	case <-time.After(24 * time.Hour):
		r.t.Fatal("the session does not end")
		return nil
	}
}

func (r *running) endsWith(want error) {
	r.t.Helper()
	if err := r.ends(); !errors.Is(err, want) || (err == nil) != (want == nil) {
		r.t.Errorf("Run = %v, want %v", err, want)
	}
}

// log collects what happens, in order. Callbacks run one at a time, so that it needs no lock as long as tests
// read it after the session or while nothing happens (synctest.Wait).
type eventLog struct {
	lines []string
	busy  atomic.Int32
}

func (l *eventLog) add(format string, args ...any) error {
	if l.busy.Add(1) != 1 {
		l.lines = append(l.lines, "CONCURRENT")
	}
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
	l.busy.Add(-1)
	return nil
}

func (l *eventLog) want(t *testing.T, lines ...string) {
	t.Helper()
	if diff := cmp.Diff(lines, l.lines); diff != "" {
		t.Errorf("what happened (-want +got):\n%s", diff)
	}
}

// handler logs every callback.
func (l *eventLog) handler() Handler {
	return Handler{
		Subscribing: func(_ context.Context, _ *Session, c *executorpb.Call_Subscribe) error {
			return l.add("subscribing %d %d", len(c.UnacknowledgedTasks), len(c.UnacknowledgedUpdates))
		},
		Subscribed: func(_ context.Context, _ *Session, e *executorpb.Event_Subscribed) error {
			return l.add("subscribed %s", e.GetAgentInfo().GetId().GetValue())
		},
		Resubscribed: func(context.Context, *Session, *executorpb.Event_Subscribed) error { return l.add("resubscribed") },
		Disconnected: func(_ context.Context, _ *Session, cause error) error { return l.add("disconnected") },
		Launch: func(_ context.Context, _ *Session, task *mesospb.TaskInfo) error {
			return l.add("launch %s", task.GetTaskId().GetValue())
		},
		LaunchGroup: func(_ context.Context, _ *Session, g *mesospb.TaskGroupInfo) error {
			return l.add("group of %d", len(g.GetTasks()))
		},
		Kill: func(_ context.Context, _ *Session, e *executorpb.Event_Kill) error {
			return l.add("kill %s", e.GetTaskId().GetValue())
		},
		Acknowledged: func(_ context.Context, _ *Session, e *executorpb.Event_Acknowledged) error {
			return l.add("acknowledged %s", e.GetTaskId().GetValue())
		},
		Message:  func(_ context.Context, _ *Session, data []byte) error { return l.add("message %s", data) },
		Error:    func(_ context.Context, _ *Session, err error) error { return l.add("error %v", err) },
		Shutdown: func(_ context.Context, s *Session, cause error) error { l.add("shutdown %v", cause); return ErrStop },
		Info:     func(_ context.Context, _ *Session, v any) error { return l.add("info %v", v) },
		Terminate: func(_ context.Context, _ *Session, err error) {
			l.add("terminate %v", err)
		},
	}
}

func TestSessionHandsEverythingOverInOrder(t *testing.T) {
	inBothCodecs(t, func(t *testing.T, cd codec.Codec) {
		a := newFakeAgent(t)
		var log eventLog
		h := log.handler()
		var seen []string
		h.Event = func(_ context.Context, _ *Session, e *executorpb.Event) error {
			seen = append(seen, e.GetType().String())
			return nil
		}
		s := runSession(t, testConfig(a, cd), h)
		ex := a.subscribed()
		synctest.Wait()
		if err := s.Post("between"); err != nil {
			t.Error(err)
		}
		ex.send(launchEvent("t1"), groupEvent("g1", "g2"), killEvent("t1"), messageEvent("hello"), errorEvent("oops"),
			bareEvent(executorpb.Event_HEARTBEAT), bareEvent(executorpb.Event_UNKNOWN),
			ackEvent(&mesospb.TaskStatus{TaskId: taskID("t1"), Uuid: make([]byte, 16)}), bareEvent(executorpb.Event_SHUTDOWN))
		s.endsWith(nil)
		log.want(t, "subscribing 0 0", "subscribed agent-1", "info between", "launch t1", "group of 2", "kill t1", "message hello",
			"error the agent reports an error: oops", "acknowledged t1", "shutdown <nil>", "terminate <nil>")
		if diff := cmp.Diff([]string{"SUBSCRIBED", "LAUNCH", "LAUNCH_GROUP", "KILL", "MESSAGE", "ERROR", "HEARTBEAT", "UNKNOWN", "ACKNOWLEDGED", "SHUTDOWN"}, seen); diff != "" {
			t.Errorf("Event was called with (-want +got):\n%s", diff)
		}
	})
}

func TestSessionWithoutCallbacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAgent(t)
		s := runSession(t, testConfig(a, codec.Protobuf), Handler{})
		ex := a.subscribed()
		go ex.send(killEvent("x"), messageEvent("hello"), errorEvent("oops"), launchEvent("t1"), groupEvent("g1"))
		for _, id := range []string{"t1", "g1"} {
			update := a.nextCall(executorpb.Call_UPDATE).answer(202)
			if st := update.GetUpdate().GetStatus(); st.GetTaskId().GetValue() != id || st.GetState() != mesospb.TaskState_TASK_FAILED {
				t.Errorf("an executor without Launch sends %v; want TASK_FAILED of %s", st, id)
			}
			ex.send(ackEvent(update.GetUpdate().GetStatus()))
		}
		ex.send(bareEvent(executorpb.Event_SHUTDOWN))
		s.endsWith(nil)
	})
}

func TestGroupWithoutLaunchGroupIsLaunchedTaskByTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAgent(t)
		var log eventLog
		h := log.handler()
		h.LaunchGroup, h.Subscribing, h.Subscribed = nil, nil, nil
		s := runSession(t, testConfig(a, codec.Protobuf), h)
		a.subscribed().send(groupEvent("g1", "g2"), bareEvent(executorpb.Event_SHUTDOWN))
		s.endsWith(nil)
		log.want(t, "launch g1", "launch g2", "shutdown <nil>", "terminate <nil>")
	})
}

func TestStopWaitsForAcknowledgements(t *testing.T) {
	tests := map[string]struct {
		ack  bool
		stop error
	}{
		"that come": {true, nil}, "that do not come": {false, nil}, "and gives its error": {true, errors.New("mine")}, "and gives both": {false, errors.New("mine")},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newFakeAgent(t)
				cfg := testConfig(a, codec.Protobuf)
				cfg.FinishTimeout = 20 * time.Second
				var log eventLog
				s := runSession(t, cfg, log.handler())
				ex := a.subscribed()
				synctest.Wait()
				go func() { _ = s.Update(t.Context(), status("t1", mesospb.TaskState_TASK_FINISHED)) }()
				synctest.Wait() // the update is on its way, unanswered
				start := time.Now()
				s.Stop(tt.stop)
				update := a.nextCall(executorpb.Call_UPDATE).answer(202)
				time.Sleep(10 * time.Second)
				if len(s.result) > 0 {
					t.Fatalf("the session ended before the acknowledgement: %v", <-s.result)
				}
				if tt.ack {
					ex.send(ackEvent(update.GetUpdate().GetStatus()))
				}
				err := s.ends()
				var left *UnacknowledgedError
				if errors.As(err, &left) == tt.ack || !errors.Is(err, tt.stop) && tt.stop != nil || tt.ack && tt.stop == nil && err != nil {
					t.Errorf("Run = %v", err)
				}
				if left != nil && !slices.Equal(left.TaskIDs, []string{"t1"}) {
					t.Errorf("unacknowledged: %v", left.TaskIDs)
				}
				want := 10 * time.Second
				if !tt.ack {
					want = cfg.FinishTimeout
				}
				if took := time.Since(start); took != want {
					t.Errorf("took %v, want %v", took, want)
				}
				log.want(t, "subscribing 0 0", "subscribed agent-1", fmt.Sprintf("terminate %v", err))
			})
		})
	}
}

func TestStopDoesNotWaitInVain(t *testing.T) {
	tests := map[string]struct {
		what func(ex *exchange, update *exchange)
		left bool
	}{
		"for an update that is refused":   {func(_ *exchange, update *exchange) { update.answer(400) }, false},
		"for an agent that does not wait": {func(ex *exchange, update *exchange) { update.answer(202); ex.end <- false }, true},
		"for an agent that has shut it down": {func(ex *exchange, update *exchange) {
			update.answer(202)
			ex.send(bareEvent(executorpb.Event_SHUTDOWN))
			ex.end <- false
		}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newFakeAgent(t)
				s := runSession(t, testConfig(a, codec.Protobuf), Handler{})
				ex := a.subscribed()
				synctest.Wait()
				go func() { _ = s.Update(t.Context(), status("t1", mesospb.TaskState_TASK_FINISHED)) }()
				update := a.nextCall(executorpb.Call_UPDATE)
				s.Stop(nil)
				synctest.Wait()
				start := time.Now()
				tt.what(ex, update)
				err := s.ends()
				var left *UnacknowledgedError
				if errors.As(err, &left) != tt.left || time.Since(start) != 0 {
					t.Errorf("Run = %v after %v", err, time.Since(start))
				}
			})
		})
	}
}

func TestCallbackEndsTheSession(t *testing.T) {
	mine := errors.New("mine")
	for returned, want := range map[error]error{mine: mine, ErrStop: nil, fmt.Errorf("so: %w", ErrStop): nil} {
		synctest.Test(t, func(t *testing.T) {
			a := newFakeAgent(t)
			var log eventLog
			h := log.handler()
			h.Launch = func(context.Context, *Session, *mesospb.TaskInfo) error { log.add("launch"); return returned }
			s := runSession(t, testConfig(a, codec.Protobuf), h)
			a.subscribed().send(launchEvent("t1"), launchEvent("t2"))
			s.endsWith(want)
			log.want(t, "subscribing 0 0", "subscribed agent-1", "launch", fmt.Sprintf("terminate %v", want))
		})
	}
}

func TestContextEndsTheSessionAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAgent(t)
		entered := make(chan struct{})
		var log eventLog
		h := log.handler()
		h.Launch = func(ctx context.Context, _ *Session, _ *mesospb.TaskInfo) error {
			close(entered)
			<-ctx.Done()
			return nil
		}
		s := runSession(t, testConfig(a, codec.Protobuf), h)
		a.subscribed().send(launchEvent("t1"), killEvent("t1"))
		<-entered
		start := time.Now()
		cause := errors.New("enough")
		updated := make(chan error)
		go func() { updated <- s.Update(context.Background(), status("t1", mesospb.TaskState_TASK_RUNNING)) }()
		synctest.Wait()
		s.cancel(cause)
		s.endsWith(cause)
		if took := time.Since(start); took != 0 {
			t.Errorf("took %v", took)
		}
		if err := <-updated; !errors.Is(err, ErrSessionEnded) {
			t.Errorf("an Update that waited got %v", err)
		}
		log.want(t, "subscribing 0 0", "subscribed agent-1", "terminate enough")
	})
}

func TestMethodsAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAgent(t)
		s := runSession(t, testConfig(a, codec.Protobuf), Handler{})
		a.subscribed()
		s.Stop(nil)
		s.endsWith(nil)
		s.Stop(errors.New("again"))
		for i, err := range []error{s.Post(1), s.Update(t.Context(), status("t", mesospb.TaskState_TASK_RUNNING)), s.Message(t.Context(), nil)} {
			if !errors.Is(err, ErrSessionEnded) {
				t.Errorf("method %d: %v, want %v", i, err, ErrSessionEnded)
			}
		}
		if err := s.Run(t.Context()); err == nil {
			t.Error("Run can be called again")
		}
	})
}

func TestSlowCallbackDoesNotStallTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAgent(t)
		release := make(chan struct{})
		var kills int
		s := runSession(t, testConfig(a, codec.Protobuf), Handler{
			Launch: func(context.Context, *Session, *mesospb.TaskInfo) error { <-release; return nil },
			Kill:   func(context.Context, *Session, *executorpb.Event_Kill) error { kills++; return nil },
		})
		ex := a.subscribed()
		ex.send(launchEvent("t1"))
		const n = 2000
		for range n {
			select {
			case ex.events <- killEvent("t1"):
			case <-time.After(time.Minute):
				t.Fatal("the stream stalls")
			}
		}
		close(release)
		synctest.Wait()
		if kills != n {
			t.Errorf("%d of %d events came through", kills, n)
		}
		s.Stop(nil)
		s.endsWith(nil)
	})
}

func TestPanicInACallbackLeavesNothingRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAgent(t)
		s, err := NewSession(testConfig(a, codec.Protobuf), Handler{Launch: func(context.Context, *Session, *mesospb.TaskInfo) error { panic("boom") }})
		if err != nil {
			t.Fatal(err)
		}
		go func() { a.subscribed().send(launchEvent("t1")) }()
		func() {
			defer func() {
				if r := recover(); r != "boom" {
					t.Errorf("recovered %v", r)
				}
			}()
			_ = s.Run(t.Context())
		}()
		if err := s.Post(1); !errors.Is(err, ErrSessionEnded) {
			t.Errorf("Post = %v", err)
		}
	})
}

func TestUndecodableEventIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAgent(t)
		var log eventLog
		h := log.handler()
		h.Error = func(_ context.Context, _ *Session, err error) error {
			var undecodable *transport.DecodeError
			return log.add("undecodable %v", errors.As(err, &undecodable))
		}
		s := runSession(t, testConfig(a, codec.JSON), h)
		ex := a.subscribed()
		ex.frames <- []byte("{{")
		ex.send(messageEvent("after"), bareEvent(executorpb.Event_SHUTDOWN))
		s.endsWith(nil)
		log.want(t, "subscribing 0 0", "subscribed agent-1", "undecodable true", "message after", "shutdown <nil>", "terminate <nil>")
	})
}
