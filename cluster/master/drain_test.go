package master

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

func drainCall(a *fakeAgent) *masterpb.Call {
	return &masterpb.Call{Type: masterpb.Call_DRAIN_AGENT.Enum(), DrainAgent: &masterpb.Call_DrainAgent{AgentId: &mesospb.AgentID{Value: &a.id}}}
}

func reactivateCall(a *fakeAgent) *masterpb.Call {
	return &masterpb.Call{Type: masterpb.Call_REACTIVATE_AGENT.Enum(), ReactivateAgent: &masterpb.Call_ReactivateAgent{AgentId: &mesospb.AgentID{Value: &a.id}}}
}

// An agent that is given up while it drains must not be written down as one that has come to the end of it: the loss of its tasks is
// no draining.
func TestAnAgentThatIsLostWhileItDrainsIsWrittenDownAsLost(t *testing.T) {
	for name, tc := range map[string]struct {
		lose        func(*world, *fakeAgent)
		unreachable bool
	}{
		"marked gone": {lose: func(w *world, a *fakeAgent) {
			w.mustOperate(&masterpb.Call{Type: masterpb.Call_MARK_AGENT_GONE.Enum(), MarkAgentGone: &masterpb.Call_MarkAgentGone{AgentId: &mesospb.AgentID{Value: &a.id}}})
		}},
		"unreachable": {unreachable: true, lose: func(w *world, a *fakeAgent) {
			if err := w.MarkUnreachable(t.Context(), a.id); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "registry.json")
			r, err := OpenRegistry(path, nil)
			if err != nil {
				t.Fatal(err)
			}
			w := start(t, Config{Registry: r})
			a := w.agent("h")
			f := w.subscribe(checkpointing())
			f.run(a, f.offer(), "t")
			w.mustOperate(drainCall(a))
			tc.lose(w, a)
			w.Close()
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			again, err := OpenRegistry(path, nil)
			if err != nil {
				content, _ := os.ReadFile(path)
				t.Fatalf("%v\n%s", err, content)
			}
			_, d := again.begin()
			if len(d.agents) != 0 || (len(d.unreachable) == 1) != tc.unreachable || (len(d.gone) == 1) == tc.unreachable {
				t.Errorf("agents %v, unreachable %v, gone %v", d.agents, d.unreachable, d.gone)
			}
			if l := d.unreachable[a.id]; tc.unreachable && l.drain.GetState() != mesospb.DrainState_DRAINING {
				t.Errorf("it is remembered as %v", l.drain)
			}
			if err := again.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestAnAgentThatIsAwayWhileItDrainsCannotBeReactivated(t *testing.T) {
	w := start(t, Config{})
	a := w.agent("h")
	if err := w.MarkUnreachable(t.Context(), a.id); err != nil {
		t.Fatal(err)
	}
	if status, text := w.call(reactivateCall(a)); status != 400 || text != "Agent is not deactivated" {
		t.Errorf("before: %d %s", status, text)
	}
	w.mustOperate(drainCall(a))
	if status, text := w.call(reactivateCall(a)); status != 400 || text != "Agent is still in the DRAINING state" {
		t.Errorf("while it drains: %d %s", status, text)
	}
	b, _ := a.back(nil, nil)
	expectMsg[link.Drain](b)
	w.mustOperate(reactivateCall(a))
	if status, text := w.call(reactivateCall(&fakeAgent{id: "nobody"})); status != 400 || text != "Unknown agent" {
		t.Errorf("of nobody: %d %s", status, text)
	}
}

func TestDrainingWaitsForTheAcknowledgementOfOperations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		a := w.agent("h")
		f := w.subscribe(engineering())
		o := f.offer()
		f.accept([]*mesospb.Offer{o}, 60, reserve("op", resources.NewCPUs(0.5, resources.WithReservation("eng", "p"))))
		uuid := f.operationStatus().GetUuid().GetValue()
		w.mustOperate(drainCall(a))
		state := func() mesospb.DrainState {
			return w.mustOperate(&masterpb.Call{Type: masterpb.Call_GET_AGENTS.Enum()}).GetGetAgents().GetAgents()[0].GetDrainInfo().GetState()
		}
		if s := state(); s != mesospb.DrainState_DRAINING {
			t.Errorf("before the acknowledgement: %v", s)
		}
		f.call(&schedulerpb.Call{Type: schedulerpb.Call_ACKNOWLEDGE_OPERATION_STATUS.Enum(), AcknowledgeOperationStatus: &schedulerpb.Call_AcknowledgeOperationStatus{
			AgentId: &mesospb.AgentID{Value: proto.String(a.id)}, OperationId: opID("op"), Uuid: uuid,
		}})
		if s := state(); s != mesospb.DrainState_DRAINED {
			t.Errorf("after it: %v", s)
		}
	})
}

func TestFlagsTellWhatIsConfigured(t *testing.T) {
	r, err := OpenRegistry(filepath.Join(t.TempDir(), "registry.json"), nil)
	if err != nil {
		t.Fatal(err)
	}
	w := start(t, Config{Registry: r, Weights: map[string]float64{"eng": 2.5, "ads": 1}})
	flags := w.getJSON("/flags")["flags"].(map[string]any)
	if flags["registry"] != "file" || flags["work_dir"] != filepath.Dir(r.path) || flags["weights"] != "ads=1,eng=2.5" {
		t.Errorf("flags %v", flags)
	}
	w.Close()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAgentsThatHaveBeenAwayForTwoWeeksAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{AllocationInterval: time.Hour, HeartbeatInterval: time.Hour})
		a, b := w.agent("a"), w.agent("b")
		f := w.subscribe(frameworkInfo())
		f.call(&schedulerpb.Call{Type: schedulerpb.Call_SUPPRESS.Enum()})
		if err := w.MarkUnreachable(t.Context(), a.id); err != nil {
			t.Fatal(err)
		}
		w.mustOperate(&masterpb.Call{Type: masterpb.Call_MARK_AGENT_GONE.Enum(), MarkAgentGone: &masterpb.Call_MarkAgentGone{AgentId: &mesospb.AgentID{Value: &b.id}}})
		state := func(agent string) mesospb.TaskState {
			f.reconcile("t", agent)
			for {
				e := f.next()
				if s := e.GetUpdate().GetStatus(); s != nil {
					return s.GetState()
				}
			}
		}
		time.Sleep(13 * 24 * time.Hour)
		if x, y := state(a.id), state(b.id); x != mesospb.TaskState_TASK_UNREACHABLE || y != mesospb.TaskState_TASK_GONE_BY_OPERATOR {
			t.Errorf("after 13 days: %v, %v", x, y)
		}
		time.Sleep(25 * time.Hour)
		if x, y := state(a.id), state(b.id); x != mesospb.TaskState_TASK_UNKNOWN || y != mesospb.TaskState_TASK_UNKNOWN {
			t.Errorf("after two weeks: %v, %v", x, y)
		}
	})
}

func TestDrainingWaitsForTheAcknowledgementOfTheEndOfATask(t *testing.T) {
	w := start(t, Config{})
	a := w.agent("h")
	f := w.subscribe(frameworkInfo())
	f.run(a, f.offer(), "t")
	uuid := a.update(f.id, "t", mesospb.TaskState_TASK_FINISHED)
	f.status()
	w.mustOperate(drainCall(a))
	state := func() mesospb.DrainState {
		return w.mustOperate(&masterpb.Call{Type: masterpb.Call_GET_AGENTS.Enum()}).GetGetAgents().GetAgents()[0].GetDrainInfo().GetState()
	}
	if s := state(); s != mesospb.DrainState_DRAINING {
		t.Errorf("before the acknowledgement: %v", s)
	}
	if status, text := w.call(reactivateCall(a)); status != 400 || text != "Agent is still in the DRAINING state" {
		t.Errorf("reactivated before the acknowledgement: %d %s", status, text)
	}
	f.acknowledge(a.id, "t", uuid)
	if s := state(); s != mesospb.DrainState_DRAINED {
		t.Errorf("after it: %v", s)
	}
	w.mustOperate(reactivateCall(a))
}
