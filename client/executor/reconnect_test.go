package executor

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

func checkpointing(a *fakeAgent, cd codec.Codec) Config {
	cfg := testConfig(a, cd)
	cfg.Checkpoint = true
	return cfg
}

func TestResubscriptionListsWhatIsNotAcknowledged(t *testing.T) {
	inBothCodecs(t, func(t *testing.T, cd codec.Codec) {
		a := newFakeAgent(t)
		var log eventLog
		s := runSession(t, checkpointing(a, cd), log.handler())
		ex := a.subscribed()
		ex.send(launchEvent("t1"), launchEvent("t2"), launchEvent("t3"))
		synctest.Wait()

		update := func(id string, state mesospb.TaskState) {
			if err := s.Update(t.Context(), status(id, state)); err != nil {
				t.Errorf("Update of %s: %v", id, err)
			}
		}
		// t1 is acknowledged; t2 is taken, but not acknowledged; t3 is on its way when the agent dies.
		go update("t1", mesospb.TaskState_TASK_RUNNING)
		first := a.nextCall(executorpb.Call_UPDATE).answer(202)
		ex.send(ackEvent(first.GetUpdate().GetStatus()))
		go update("t2", mesospb.TaskState_TASK_RUNNING)
		a.nextCall(executorpb.Call_UPDATE).answer(202)
		go update("t3", mesospb.TaskState_TASK_RUNNING)
		a.nextCall(executorpb.Call_UPDATE)
		a.setRefusing(true)
		ex.end <- true
		synctest.Wait()
		// Updates are taken while there is no agent, and nobody waits for it.
		before := time.Now()
		update("t2", mesospb.TaskState_TASK_FINISHED)
		if took := time.Since(before); took != 0 || s.Connected() {
			t.Errorf("Update without agent took %v; connected: %v", took, s.Connected())
		}

		time.Sleep(5 * time.Minute)
		a.setRefusing(false)
		again := a.nextSubscribe()
		if diff := cmp.Diff(s.Unacknowledged(), again.GetSubscribe(), protocmp.Transform()); diff != "" {
			t.Errorf("listed (-want +got):\n%s", diff)
		}
		var tasks, updates []string
		for _, task := range again.GetSubscribe().GetUnacknowledgedTasks() {
			tasks = append(tasks, task.GetTaskId().GetValue())
		}
		for _, u := range again.GetSubscribe().GetUnacknowledgedUpdates() {
			updates = append(updates, u.GetStatus().GetTaskId().GetValue()+" "+u.GetStatus().GetState().String())
		}
		if diff := cmp.Diff([]string{"t2", "t3"}, tasks); diff != "" {
			t.Errorf("tasks (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"t2 TASK_RUNNING", "t3 TASK_RUNNING", "t2 TASK_FINISHED"}, updates); diff != "" {
			t.Errorf("updates (-want +got):\n%s", diff)
		}
		again.answer(200).send(subscribedEvent())
		// What the subscription carried is not sent again, what comes later is.
		go update("t3", mesospb.TaskState_TASK_FINISHED)
		last := a.nextCall(executorpb.Call_UPDATE).answer(202)
		if got := last.GetUpdate().GetStatus(); got.GetState() != mesospb.TaskState_TASK_FINISHED || got.GetTaskId().GetValue() != "t3" {
			t.Errorf("sent again: %v", got)
		}
		for _, u := range append(again.GetSubscribe().GetUnacknowledgedUpdates(), last.GetUpdate()) {
			again.send(ackEvent(u.GetStatus()))
		}
		synctest.Wait()
		if left := s.Unacknowledged(); len(left.UnacknowledgedTasks)+len(left.UnacknowledgedUpdates) != 0 {
			t.Errorf("left after all acknowledgements: %v", left)
		}
		s.Stop(nil)
		s.endsWith(nil)
		attempts := slices.DeleteFunc(slices.Clone(log.lines), func(l string) bool { return l == "subscribing 2 3" })
		if len(log.lines)-len(attempts) < 10 {
			t.Errorf("Subscribing was called %d times in five minutes", len(log.lines)-len(attempts))
		}
		log.lines = attempts
		log.want(t, "subscribing 0 0", "subscribed agent-1", "launch t1", "launch t2", "launch t3", "acknowledged t1", "disconnected",
			"resubscribed", "acknowledged t2", "acknowledged t3", "acknowledged t2", "acknowledged t3", "terminate <nil>")
	})
}

func TestNobodyWaitsForAnAgentThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAgent(t)
		s := runSession(t, checkpointing(a, codec.Protobuf), Handler{})
		ex := a.subscribed()
		synctest.Wait()
		updated := make(chan error, 1)
		go func() { updated <- s.Update(t.Context(), status("t1", mesospb.TaskState_TASK_RUNNING)) }()
		a.nextCall(executorpb.Call_UPDATE) // and no answer
		a.setRefusing(true)
		start := time.Now()
		ex.end <- true
		if err := <-updated; err != nil || time.Since(start) != 0 {
			t.Errorf("Update = %v after %v", err, time.Since(start))
		}
		if n := len(s.Unacknowledged().UnacknowledgedUpdates); n != 1 {
			t.Errorf("%d updates kept, want 1", n)
		}
		s.cancel(nil)
		s.endsWith(context.Canceled)
	})
}

func TestUpdatesBeforeTheFirstSubscriptionAreListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAgent(t)
		s, err := NewSession(testConfig(a, codec.Protobuf), Handler{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Update(t.Context(), status("t1", mesospb.TaskState_TASK_RUNNING)); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- s.Run(t.Context()) }()
		ex := a.nextSubscribe()
		listed := ex.GetSubscribe().GetUnacknowledgedUpdates()
		if len(listed) != 1 {
			t.Fatalf("listed: %v", listed)
		}
		ex.answer(200).send(subscribedEvent(), ackEvent(listed[0].GetStatus()))
		s.Stop(nil)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestReconnectingWaitsARandomTimeUpToTheLimit(t *testing.T) {
	tests := map[string]struct {
		code int // 0: no connection
		max  time.Duration
	}{
		"without connection": {0, 2 * time.Second}, "with an agent that recovers": {503, 500 * time.Millisecond},
		"with an agent that starts": {404, 500 * time.Millisecond}, "with an agent in trouble": {500, 2 * time.Second},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newFakeAgent(t)
				cfg := checkpointing(a, codec.Protobuf)
				cfg.SubscriptionBackoffMax = 2 * time.Second
				var attempts []time.Time
				s := runSession(t, cfg, Handler{Subscribing: func(context.Context, *Session, *executorpb.Call_Subscribe) error {
					attempts = append(attempts, time.Now())
					return nil
				}})
				ex := a.subscribed()
				a.setRefusing(tt.code == 0)
				attempts = append(attempts[:0], time.Now())
				ex.end <- true // the connection dies with it
				if tt.code == 0 {
					time.Sleep(2 * time.Minute)
				} else {
					for range 100 {
						a.nextSubscribe().answer(tt.code)
					}
				}
				synctest.Wait()
				if len(attempts) < 50 {
					t.Errorf("only %d attempts", len(attempts))
				}
				var sum time.Duration
				for i := range attempts[2:] { // the first wait is for a stream that ended
					wait := attempts[i+2].Sub(attempts[i+1])
					sum += wait
					if wait > tt.max {
						t.Errorf("waited %v, at most %v are allowed", wait, tt.max)
					}
				}
				if mean := sum / time.Duration(len(attempts)-2); mean < tt.max/4 || mean > tt.max*3/4 {
					t.Errorf("mean wait of %v between 0 and %v is not that of random times", mean, tt.max)
				}
				s.Stop(nil)
				s.endsWith(nil)
			})
		})
	}
}

func TestAgentThatDoesNotComeBackIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAgent(t)
		cfg := checkpointing(a, codec.Protobuf)
		cfg.RecoveryTimeout = 10 * time.Minute
		var log eventLog
		h := log.handler()
		h.Subscribing = nil
		h.Shutdown = func(_ context.Context, s *Session, cause error) error {
			return log.add("shutdown %v", errors.Is(cause, ErrRecoveryTimeout))
		}
		h.Info = func(_ context.Context, s *Session, v any) error { log.add("info %v", v); return ErrStop }
		s := runSession(t, cfg, h)
		ex := a.subscribed()
		ex.send(launchEvent("t1"))
		a.setRefusing(true)
		start := time.Now()
		ex.end <- true
		time.Sleep(cfg.RecoveryTimeout + time.Second) // Shutdown stops the tasks, in its own time
		if err := s.Post("task ended"); err != nil {
			t.Error(err)
		}
		err := s.ends()
		var lost *AgentLostError
		if !errors.As(err, &lost) || !errors.Is(err, ErrRecoveryTimeout) || !errors.Is(err, errRefusedForTest) || lost.Waited != cfg.RecoveryTimeout {
			t.Errorf("Run = %v", err)
		}
		if took := time.Since(start); took != cfg.RecoveryTimeout+time.Second {
			t.Errorf("took %v", took)
		}
		log.want(t, "subscribed agent-1", "launch t1", "disconnected", "shutdown true", "info task ended", fmt.Sprintf("terminate %v", err))
	})
}

func TestWithoutCheckpointingADisconnectionIsTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAgent(t)
		var log eventLog
		h := log.handler()
		h.Shutdown = func(_ context.Context, s *Session, cause error) error {
			log.add("shutdown %v %v", errors.Is(cause, ErrNotCheckpointing), errors.Is(cause, ErrStreamEnded))
			return nil // and never stops
		}
		s := runSession(t, testConfig(a, codec.Protobuf), h)
		ex := a.subscribed()
		ex.send(launchEvent("t1"))
		start := time.Now()
		ex.end <- false
		err := s.ends()
		if !errors.Is(err, ErrNotCheckpointing) || !errors.Is(err, ErrStreamEnded) {
			t.Errorf("Run = %v", err)
		}
		if took, want := time.Since(start), s.Config().GracePeriod(); took != want {
			t.Errorf("took %v, want the grace period of %v", took, want)
		}
		log.want(t, "subscribing 0 0", "subscribed agent-1", "launch t1", "disconnected", "shutdown true true", fmt.Sprintf("terminate %v", err))
	})
}

func TestFirstSubscriptionIsTriedUntilItSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAgent(t)
		a.setRefusing(true)
		var log eventLog
		h := log.handler()
		h.Subscribing = nil
		s := runSession(t, testConfig(a, codec.Protobuf), h)
		time.Sleep(10 * time.Second)
		a.setRefusing(false)
		for _, code := range []int{503, 404, 503, 429} {
			a.nextSubscribe().answer(code)
		}
		a.nextSubscribe().answer(200).end <- false // an agent that dies again
		a.nextSubscribe().answer(200).end <- true
		a.subscribed().send(bareEvent(executorpb.Event_SHUTDOWN))
		s.endsWith(nil)
		log.want(t, "subscribed agent-1", "shutdown <nil>", "terminate <nil>")
	})
}

func TestFirstSubscriptionIsTriedNoLongerThanAllowed(t *testing.T) {
	for name, silent := range map[string]bool{"no connection": false, "silence": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newFakeAgent(t)
				a.setRefusing(!silent)
				var log eventLog
				h := log.handler()
				h.Subscribing = nil
				start := time.Now()
				s := runSession(t, testConfig(a, codec.Protobuf), h)
				if silent {
					go a.takeAll(a.subscribes, 0)
				}
				err := s.ends()
				if !errors.Is(err, ErrSubscribeTimeout) {
					t.Errorf("Run = %v", err)
				}
				if took := time.Since(start); took != DefaultSubscribeTimeout {
					t.Errorf("took %v, want %v", took, DefaultSubscribeTimeout)
				}
				log.want(t, fmt.Sprintf("terminate %v", err))
			})
		})
	}
}

func TestRefusedSubscriptionIsNotRepeated(t *testing.T) {
	for _, code := range []int{400, 401, 403, 405, 406, 415, 501} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newFakeAgent(t)
				var log eventLog
				start := time.Now()
				s := runSession(t, checkpointing(a, codec.Protobuf), log.handler())
				a.nextSubscribe().answer(code)
				err := s.ends()
				var refusal *transport.StatusError
				if !errors.Is(err, ErrRefused) || !errors.As(err, &refusal) || refusal.Code != code || time.Since(start) != 0 {
					t.Errorf("Run = %v after %v", err, time.Since(start))
				}
				log.want(t, "subscribing 0 0", fmt.Sprintf("terminate %v", err))
			})
		})
	}
}

func TestRefusedResubscriptionShutsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAgent(t)
		var log eventLog
		s := runSession(t, checkpointing(a, codec.Protobuf), log.handler())
		a.subscribed().end <- false
		a.nextSubscribe().answer(400)
		err := s.ends()
		if !errors.Is(err, ErrRefused) {
			t.Errorf("Run = %v", err)
		}
		log.want(t, "subscribing 0 0", "subscribed agent-1", "disconnected", "subscribing 0 0", fmt.Sprintf("shutdown %v", err), fmt.Sprintf("terminate %v", err))
	})
}

func TestCallThatIsNotSubscribedLeadsToANewSubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAgent(t)
		var log eventLog
		h := log.handler()
		h.Disconnected = func(_ context.Context, _ *Session, cause error) error {
			return log.add("disconnected %v", errors.Is(cause, ErrNotSubscribed))
		}
		s := runSession(t, checkpointing(a, codec.Protobuf), h)
		a.subscribed()
		synctest.Wait()
		updated := make(chan error, 1)
		go func() { updated <- s.Update(t.Context(), status("t1", mesospb.TaskState_TASK_RUNNING)) }()
		a.nextCall(executorpb.Call_UPDATE).answer(403)
		again := a.nextSubscribe()
		if n := len(again.GetSubscribe().GetUnacknowledgedUpdates()); n != 1 {
			t.Errorf("%d updates listed, want 1", n)
		}
		again.answer(200).send(subscribedEvent(), ackEvent(again.GetSubscribe().GetUnacknowledgedUpdates()[0].GetStatus()))
		if err := <-updated; err != nil {
			t.Error(err)
		}
		s.Stop(nil)
		s.endsWith(nil)
		if !slices.Contains(log.lines, "disconnected true") {
			t.Errorf("what happened: %q", log.lines)
		}
	})
}

func TestSubscribingMayChangeTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAgent(t)
		s := runSession(t, checkpointing(a, codec.Protobuf), Handler{Subscribing: func(_ context.Context, _ *Session, c *executorpb.Call_Subscribe) error {
			for _, task := range c.UnacknowledgedTasks {
				task.Data = nil // to keep the call small
			}
			c.UnacknowledgedTasks = append(c.UnacknowledgedTasks, taskInfo("from an earlier life"))
			return nil
		}})
		ex := a.nextSubscribe()
		want := &executorpb.Call_Subscribe{UnacknowledgedTasks: []*mesospb.TaskInfo{taskInfo("from an earlier life")}}
		if diff := cmp.Diff(want, ex.GetSubscribe(), protocmp.Transform()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}

		ex.answer(200).send(subscribedEvent(), launchEvent("t1"))
		ex.end <- false
		if got := a.nextSubscribe().GetSubscribe().GetUnacknowledgedTasks(); len(got) != 2 || got[0].Data != nil {
			t.Errorf("second call: %v", got)
		}
		if diff := cmp.Diff([]*mesospb.TaskInfo{taskInfo("t1")}, s.Unacknowledged().GetUnacknowledgedTasks(), protocmp.Transform()); diff != "" {
			t.Errorf("the change is kept (-want +got):\n%s", diff)
		}
		s.cancel(nil)
		s.endsWith(context.Canceled)
	})
}

func TestSubscribingMayEndTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAgent(t)
		mine := errors.New("not today")
		s := runSession(t, testConfig(a, codec.Protobuf), Handler{Subscribing: func(context.Context, *Session, *executorpb.Call_Subscribe) error { return mine }})
		s.endsWith(mine)
		select {
		case <-a.subscribes:
			t.Error("subscribed nevertheless")
		default:
		}
	})
}

func TestSilentAgentIsLeftOnceItHasSentAHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAgent(t)
		var cause error
		cfg := checkpointing(a, codec.Protobuf)
		cfg.HeartbeatInterval = -1
		s := runSession(t, cfg, Handler{Disconnected: func(_ context.Context, _ *Session, err error) error { cause = err; return nil }})
		ex := a.subscribed()
		time.Sleep(10 * DefaultHeartbeatTimeout) // an old agent sends none
		if !s.Connected() {
			t.Fatal("left an agent that never sent a heartbeat")
		}
		ex.send(bareEvent(executorpb.Event_HEARTBEAT))
		time.Sleep(DefaultHeartbeatTimeout - time.Second)
		ex.send(messageEvent("alive")) // any sign of life counts
		start := time.Now()
		again := <-a.subscribes
		silence := time.Since(start)
		again.answer(200).send(subscribedEvent(), bareEvent(executorpb.Event_SHUTDOWN))
		s.endsWith(nil)
		if !errors.Is(cause, ErrNoHeartbeat) || silence < DefaultHeartbeatTimeout || silence > DefaultHeartbeatTimeout+DefaultSubscriptionBackoffMax {
			t.Errorf("subscribed again after %v of silence, because: %v", silence, cause)
		}
	})
}
