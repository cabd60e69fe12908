package executor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

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

// log collects what happens, in order. Callbacks run one at a time, so that it needs no lock as long as tests read it after
// the session or while nothing happens (synctest.Wait).
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

func TestUpdatesAreDeliveredOneByOneInOrder(t *testing.T) {
	inBothCodecs(t, func(t *testing.T, cd codec.Codec) {
		a := newFakeAgent(t)
		s := runSession(t, testConfig(a, cd), Handler{})
		ex := a.subscribed()
		synctest.Wait()
		states := []mesospb.TaskState{mesospb.TaskState_TASK_STARTING, mesospb.TaskState_TASK_RUNNING, mesospb.TaskState_TASK_FINISHED}
		for _, state := range states {
			go func() {
				if err := s.Update(t.Context(), status("t1", state)); err != nil {
					t.Error(err)
				}
			}()
			synctest.Wait()
		}
		for i, state := range states {
			update := a.nextCall(executorpb.Call_UPDATE)
			if got := update.GetUpdate().GetStatus().GetState(); got != state {
				t.Errorf("update %d is %v, want %v", i, got, state)
			}
			time.Sleep(time.Second)
			select {
			case other := <-a.calls:
				t.Errorf("%v is sent while %v is not answered", other.Call, state)
			default:
			}
			update.answer(202)
			if n := len(s.Unacknowledged().UnacknowledgedUpdates); n != len(states)-i {
				t.Errorf("%d unacknowledged updates, want %d", n, len(states)-i)
			}
			ex.send(ackEvent(update.GetUpdate().GetStatus()))
			synctest.Wait()
		}
		s.Stop(nil)
		s.endsWith(nil)
	})
}

func TestTaskCountsUntilItsFirstAcknowledgement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAgent(t)
		s := runSession(t, testConfig(a, codec.Protobuf), Handler{Launch: func(_ context.Context, _ *Session, task *mesospb.TaskInfo) error {
			task.Data = []byte("handlers may do what they like with their task")
			return nil
		}})
		ex := a.subscribed()
		ex.send(launchEvent("t2"), groupEvent("t1", "t3"))
		synctest.Wait()
		want := &executorpb.Call_Subscribe{UnacknowledgedTasks: []*mesospb.TaskInfo{taskInfo("t2"), taskInfo("t1"), taskInfo("t3")}}
		if diff := cmp.Diff(want, s.Unacknowledged(), protocmp.Transform()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		go func() { _ = s.Update(t.Context(), status("t1", mesospb.TaskState_TASK_RUNNING)) }()
		update := a.nextCall(executorpb.Call_UPDATE).answer(202)
		ex.send(ackEvent(update.GetUpdate().GetStatus()))
		synctest.Wait()
		want.UnacknowledgedTasks = slices.Delete(want.UnacknowledgedTasks, 1, 2)
		if diff := cmp.Diff(want, s.Unacknowledged(), protocmp.Transform()); diff != "" {
			t.Errorf("after the acknowledgement of t1 (-want +got):\n%s", diff)
		}
		s.Stop(nil)
		s.endsWith(nil)
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

func TestRefusedUpdateIsTheCallersErrorAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAgent(t)
		var log eventLog
		h := log.handler()
		h.Error = func(_ context.Context, _ *Session, err error) error {
			var refused *RefusedError
			return log.add("refused %v", errors.As(err, &refused) && refused.TaskID == "t2")
		}
		s := runSession(t, testConfig(a, codec.Protobuf), h)
		ex := a.subscribed()
		synctest.Wait()
		go func() { a.nextCall(executorpb.Call_UPDATE).answer(http.StatusBadRequest) }()
		err := s.Update(t.Context(), status("t1", mesospb.TaskState_TASK_RUNNING))
		var refused *RefusedError
		if !errors.As(err, &refused) || !errors.Is(err, transport.ErrBadRequest) || refused.TaskID != "t1" {
			t.Errorf("Update = %v, want a *RefusedError of t1 around %v", err, transport.ErrBadRequest)
		}

		// Who has stopped waiting hears of it through Error.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Update(ctx, status("t2", mesospb.TaskState_TASK_RUNNING)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Update = %v, want %v", err, context.DeadlineExceeded)
		}
		a.nextCall(executorpb.Call_UPDATE).answer(http.StatusBadRequest)
		synctest.Wait()
		ex.send(messageEvent("still here"))
		synctest.Wait()
		if pending := s.Unacknowledged(); len(pending.UnacknowledgedUpdates) != 0 {
			t.Errorf("refused updates are kept: %v", pending)
		}
		s.Stop(nil)
		s.endsWith(nil)
		log.want(t, "subscribing 0 0", "subscribed agent-1", "refused true", "message still here", "terminate <nil>")
	})
}

func TestUpdateIsRepeatedWhileTheAgentIsNotReady(t *testing.T) {
	for _, code := range []int{503, 500, 429, 401, 404} {
		synctest.Test(t, func(t *testing.T) {
			a := newFakeAgent(t)
			var log eventLog
			s := runSession(t, testConfig(a, codec.Protobuf), log.handler())
			ex := a.subscribed()
			synctest.Wait()
			updated := make(chan error, 1)
			go func() { updated <- s.Update(t.Context(), status("t1", mesospb.TaskState_TASK_RUNNING)) }()
			first := a.nextCall(executorpb.Call_UPDATE).answer(code)
			second := a.nextCall(executorpb.Call_UPDATE).answer(202)
			if diff := cmp.Diff(first.Call, second.Call, protocmp.Transform()); diff != "" {
				t.Errorf("repeated differently (-first +second):\n%s", diff)
			}
			if err := <-updated; err != nil {
				t.Error(err)
			}
			ex.send(ackEvent(second.GetUpdate().GetStatus()))
			s.Stop(nil)
			s.endsWith(nil)
			if slices.Contains(log.lines, "disconnected") {
				t.Errorf("a call answered with %d ended the subscription", code)
			}
		})
	}
}

func TestSameUpdateTwiceIsOneUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAgent(t)
		s := runSession(t, testConfig(a, codec.Protobuf), Handler{})
		ex := a.subscribed()
		synctest.Wait()
		st := status("t1", mesospb.TaskState_TASK_RUNNING)
		st.Uuid = []byte{1, 2, 3, 4, 5, 6, 0x47, 8, 9, 10, 11, 12, 13, 14, 15, 16}
		go func() { a.nextCall(executorpb.Call_UPDATE).answer(202) }()
		for range 2 {
			if err := s.Update(t.Context(), st); err != nil {
				t.Error(err)
			}
		}
		ex.send(ackEvent(st))
		s.Stop(nil)
		s.endsWith(nil)
	})
}

func TestMessageGoesOutWhileSubscribed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAgent(t)
		s := runSession(t, testConfig(a, codec.Protobuf), Handler{})
		ex := a.nextSubscribe()
		if err := s.Message(t.Context(), []byte("early")); !errors.Is(err, ErrNotSubscribed) || s.Connected() {
			t.Errorf("Message before the subscription: %v, connected %v", err, s.Connected())
		}
		ex.answer(200).send(subscribedEvent())
		synctest.Wait()
		if !s.Connected() || s.Subscribed().GetContainerId().GetValue() != "c" {
			t.Errorf("connected %v, subscribed %v", s.Connected(), s.Subscribed())
		}
		go func() {
			if got := string(a.nextCall(executorpb.Call_MESSAGE).answer(202).GetMessage().GetData()); got != "now" {
				t.Errorf("message %q", got)
			}
		}()
		if err := s.Message(t.Context(), []byte("now")); err != nil {
			t.Error(err)
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

func TestHeartbeatCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAgent(t)
		s := runSession(t, testConfig(a, codec.Protobuf), Handler{})
		start := time.Now()
		a.subscribed()
		for i := range 3 {
			call := <-a.calls
			if call.GetType() != executorpb.Call_HEARTBEAT || call.GetExecutorId().GetValue() != "ex-1" {
				t.Errorf("call %v", call.Call)
			}
			if at, want := time.Since(start), time.Duration(i+1)*DefaultHeartbeatInterval; at != want {
				t.Errorf("heartbeat %d after %v, want %v", i, at, want)
			}
			call.answer([]int{202, 503, 501}[i])
		}
		// An agent that does not know the call is not bothered again.
		time.Sleep(5 * DefaultHeartbeatInterval)
		select {
		case call := <-a.calls:
			t.Errorf("another call: %v", call.Call)
		default:
		}
		if !s.Connected() {
			t.Error("heartbeats that the agent does not take ended the subscription")
		}
		s.Stop(nil)
		s.endsWith(nil)
	})
}

func TestHeartbeatCallsAreTriedAgainWithANewSubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAgent(t)
		s := runSession(t, checkpointing(a, codec.Protobuf), Handler{})
		ex := a.subscribed()
		(<-a.calls).answer(400) // an old agent, which is then replaced
		ex.end <- false
		a.subscribed()
		if call := (<-a.calls).answer(202); call.GetType() != executorpb.Call_HEARTBEAT {
			t.Errorf("call %v", call.Call)
		}
		s.Stop(nil)
		s.endsWith(nil)
	})
}

func TestNoHeartbeatCallsIfTurnedOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAgent(t)
		cfg := testConfig(a, codec.Protobuf)
		cfg.HeartbeatInterval = -1
		s := runSession(t, cfg, Handler{})
		a.subscribed()
		time.Sleep(24 * time.Hour)
		select {
		case call := <-a.calls:
			t.Errorf("a call: %v", call.Call)
		default:
		}
		s.Stop(nil)
		s.endsWith(nil)
	})
}
