package executor

import (
	"context"
	"errors"
	"net/http"
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
