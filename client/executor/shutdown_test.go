package executor

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// An executor whose tasks end some time after they are told to.
func TestShutdownLeavesTimeToStopTasks(t *testing.T) {
	inBothCodecs(t, func(t *testing.T, cd codec.Codec) {
		a := newFakeAgent(t)
		var log eventLog
		h := log.handler()
		h.Shutdown = func(_ context.Context, s *Session, cause error) error {
			time.AfterFunc(time.Second, func() { _ = s.Post("task t1 has ended") })
			return log.add("shutdown %v", cause)
		}
		h.Info = func(ctx context.Context, s *Session, v any) error {
			log.add("info %v", v)
			if err := s.Update(ctx, status("t1", mesospb.TaskState_TASK_KILLED)); err != nil {
				return err
			}
			return ErrStop
		}
		s := runSession(t, testConfig(a, cd), h)
		ex := a.subscribed()
		ex.send(launchEvent("t1"), bareEvent(executorpb.Event_SHUTDOWN))
		update := a.nextCall(executorpb.Call_UPDATE).answer(202)
		ex.send(ackEvent(update.GetUpdate().GetStatus()))
		s.endsWith(nil)
		log.want(t, "subscribing 0 0", "subscribed agent-1", "launch t1", "shutdown <nil>", "info task t1 has ended", "terminate <nil>")
	})
}

func TestShutdownEndsWithTheGracePeriod(t *testing.T) {
	tests := map[string]func(ctx context.Context, s *Session) error{
		"if nobody stops":             func(context.Context, *Session) error { return nil },
		"if the callback is too slow": func(ctx context.Context, _ *Session) error { <-ctx.Done(); return nil },
		"if acknowledgements are missing": func(ctx context.Context, s *Session) error {
			if err := s.Update(ctx, status("t1", mesospb.TaskState_TASK_KILLED)); err != nil {
				return err
			}
			return ErrStop
		},
	}
	for name, shutdown := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newFakeAgent(t)
				cfg := testConfig(a, codec.Protobuf)
				cfg.ShutdownGracePeriod = 30 * time.Second
				s := runSession(t, cfg, Handler{Shutdown: func(ctx context.Context, s *Session, _ error) error { return shutdown(ctx, s) }})
				ex := a.subscribed()
				ex.send(bareEvent(executorpb.Event_SHUTDOWN))
				start := time.Now()
				go a.takeAll(a.calls, 202)
				err := s.ends()
				if took, want := time.Since(start), 28*time.Second; took != want {
					t.Errorf("took %v, want %v", took, want)
				}
				var left *UnacknowledgedError
				if errors.As(err, &left) != (name == "if acknowledgements are missing") || left == nil && err != nil {
					t.Errorf("Run = %v", err)
				}
			})
		})
	}
}

func TestShutdownIsCalledEvenIfAnotherCallbackUsedUpTheGracePeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAgent(t)
		var log eventLog
		h := log.handler()
		h.Subscribing, h.Subscribed = nil, nil
		h.Launch = func(ctx context.Context, _ *Session, _ *mesospb.TaskInfo) error {
			<-ctx.Done()
			return log.add("launch: %v", context.Cause(ctx))
		}
		s := runSession(t, testConfig(a, codec.Protobuf), h)
		a.subscribed().send(launchEvent("t1"), bareEvent(executorpb.Event_SHUTDOWN))
		s.endsWith(nil)
		log.want(t, "launch: the grace period of 3.75s is over", "shutdown <nil>", "terminate <nil>")
	})
}

func TestShutdownInsteadOfASubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAgent(t)
		var log eventLog
		s := runSession(t, checkpointing(a, codec.Protobuf), log.handler())
		ex := a.nextSubscribe().answer(200)
		ex.send(bareEvent(executorpb.Event_SHUTDOWN))
		s.endsWith(nil)
		log.want(t, "subscribing 0 0", "shutdown <nil>", "terminate <nil>")
	})
}

// Agents close the stream of an executor that they shut down; that is no reason to come back.
func TestEndOfTheStreamAfterShutdownIsExpected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFakeAgent(t)
		var log eventLog
		h := log.handler()
		h.Shutdown = func(_ context.Context, s *Session, cause error) error { return log.add("shutdown %v", cause) }
		s := runSession(t, checkpointing(a, codec.Protobuf), h)
		ex := a.subscribed()
		ex.send(bareEvent(executorpb.Event_SHUTDOWN), bareEvent(executorpb.Event_SHUTDOWN))
		ex.end <- false
		time.Sleep(time.Second)
		s.Stop(nil)
		s.endsWith(nil)
		log.want(t, "subscribing 0 0", "subscribed agent-1", "shutdown <nil>", "terminate <nil>")
	})
}
