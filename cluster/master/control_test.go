package master

import (
	"errors"
	"testing"

	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

func TestControl(t *testing.T) {
	w := start(t, Config{})
	ctx := t.Context()
	a := w.agent("h")
	f := w.subscribe(checkpointing())
	f.offer()

	if err := w.RescindOffers(ctx, ""); err != nil {
		t.Fatal(err)
	}
	f.expect(schedulerpb.Event_RESCIND)
	if err := w.Allocate(ctx); err != nil {
		t.Fatal(err)
	}
	f.run(a, f.offer(), "t")
	s, err := w.State(ctx)
	if err != nil || len(s.GetGetTasks().GetTasks()) != 1 {
		t.Errorf("state: %v %v", s, err)
	}
	if v, err := w.Metrics(ctx); err != nil || v["master/tasks_running"] != 1 {
		t.Errorf("metrics: %v %v", v, err)
	}
	if _, err := w.Operate(ctx, &masterpb.Call{Type: masterpb.Call_DEACTIVATE_AGENT.Enum(), DeactivateAgent: &masterpb.Call_DeactivateAgent{AgentId: &mesospb.AgentID{Value: &a.id}}}); err != nil {
		t.Error(err)
	}
	_, err = w.Operate(ctx, &masterpb.Call{Type: masterpb.Call_TEARDOWN.Enum()})
	if e, ok := errors.AsType[*CallError](err); !ok || e.Status != 400 {
		t.Errorf("got %v", err)
	}
	_, err = w.Operate(ctx, &masterpb.Call{Type: masterpb.Call_SUBSCRIBE.Enum()})
	if e, ok := errors.AsType[*CallError](err); !ok || e.Status != 501 {
		t.Errorf("got %v", err)
	}
	if err := w.MarkUnreachable(ctx, a.id); err != nil {
		t.Error(err)
	}
	if s := f.status(); s.GetState() != mesospb.TaskState_TASK_UNREACHABLE {
		t.Errorf("got %v", s)
	}
	f.expect(schedulerpb.Event_FAILURE)
	if err := w.SeverStream(ctx, f.id); err != nil {
		t.Error(err)
	}
	f.ended()
	for _, err := range []error{w.SeverStream(ctx, f.id), w.MarkUnreachable(ctx, "nope"), w.RescindOffers(ctx, "nope")} {
		if _, ok := errors.AsType[*UnknownError](err); !ok {
			t.Errorf("got %v, want an *UnknownError", err)
		}
	}
	w.Close()
	if _, err := w.State(ctx); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
