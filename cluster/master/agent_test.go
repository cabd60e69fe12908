package master

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// checkpointing is a framework whose tasks survive the loss of an agent's connection.
func checkpointing() *mesospb.FrameworkInfo {
	i := frameworkInfo()
	i.Checkpoint, i.FailoverTimeout = proto.Bool(true), proto.Float64(600)
	return i
}

func taskOf(f *scheduler, a *fakeAgent, id string, state mesospb.TaskState) *mesospb.Task {
	return &mesospb.Task{
		Name: &id, TaskId: &mesospb.TaskID{Value: &id}, FrameworkId: &mesospb.FrameworkID{Value: &f.id}, AgentId: &mesospb.AgentID{Value: &a.id},
		State: &state, Resources: resources.Allocate([]*mesospb.Resource{resources.NewCPUs(1), resources.NewMem(128)}, "*"),
	}
}

// What a real Mesos told when an agent died and came back (capture f16).
func TestAnAgentDiesAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{AgentPingInterval: time.Second, AgentPingMisses: 2})
		a := w.agent("a1")
		f := w.subscribe(checkpointing())
		f.run(a, f.offer(), "t")
		f.call(&schedulerpb.Call{Type: schedulerpb.Call_REVIVE.Enum()})
		o := f.offer()
		a.end.Close()
		if r := f.expect(schedulerpb.Event_RESCIND).GetRescind(); r.GetOfferId().GetValue() != o.GetId().GetValue() {
			t.Errorf("got %v", r)
		}
		at := time.Now()
		s := f.status()
		if d := time.Since(at); d < 2*time.Second || d > 3*time.Second {
			t.Errorf("unreachable after %v, want 2 to 3 s", d)
		}
		want := &mesospb.TaskStatus{
			TaskId: &mesospb.TaskID{Value: proto.String("t")}, State: mesospb.TaskState_TASK_UNREACHABLE.Enum(), Message: proto.String("health check timed out"),
			Source: mesospb.TaskStatus_SOURCE_MASTER.Enum(), Reason: mesospb.TaskStatus_REASON_AGENT_REMOVED.Enum(), AgentId: &mesospb.AgentID{Value: &a.id},
			Timestamp: s.Timestamp, UnreachableTime: s.UnreachableTime,
		}
		if d := cmp.Diff(want, s, protocmp.Transform()); d != "" || s.UnreachableTime == nil {
			t.Errorf("status (-want +got):\n%s", d)
		}
		if e := f.expect(schedulerpb.Event_FAILURE).GetFailure(); e.GetAgentId().GetValue() != a.id || e.ExecutorId != nil || e.Status != nil {
			t.Errorf("got %v", e)
		}
		since := s.UnreachableTime
		for _, agentID := range []string{a.id} {
			f.reconcile("t", agentID)
			s = f.status()
			if s.GetState() != mesospb.TaskState_TASK_UNREACHABLE || s.GetReason() != mesospb.TaskStatus_REASON_RECONCILIATION || !proto.Equal(s.UnreachableTime, since) ||
				s.GetMessage() != "Reconciliation: Task is unreachable" {
				t.Errorf("got %v", s)
			}
		}
		known := taskOf(f, a, "t", mesospb.TaskState_TASK_RUNNING)
		known.Statuses = []*mesospb.TaskStatus{{TaskId: known.TaskId, State: known.State, ContainerStatus: &mesospb.ContainerStatus{ContainerId: &mesospb.ContainerID{Value: proto.String("c")}}}}
		b, _ := a.back([]*mesospb.Task{known}, nil, f.identified(600))
		s = f.status()
		want = &mesospb.TaskStatus{
			TaskId: &mesospb.TaskID{Value: proto.String("t")}, State: mesospb.TaskState_TASK_RUNNING.Enum(), Message: proto.String("Unreachable agent re-reregistered"),
			Source: mesospb.TaskStatus_SOURCE_MASTER.Enum(), Reason: mesospb.TaskStatus_REASON_AGENT_REREGISTERED.Enum(), AgentId: &mesospb.AgentID{Value: &a.id},
			Timestamp: s.Timestamp, ContainerStatus: known.Statuses[0].ContainerStatus,
		}
		if d := cmp.Diff(want, s, protocmp.Transform()); d != "" {
			t.Errorf("status (-want +got):\n%s", d)
		}
		if o := f.offer(); show(o.Resources) != "ports:[31000-32000]; cpus:3; mem:1920; disk:4096" || o.GetAgentId().GetValue() != a.id {
			t.Errorf("got %s", show(o.Resources))
		}
		expectMsg[link.UpdateFramework](b)
		b.idle()
	})
}

func TestADisconnectedAgentIsGivenUpAfterItsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Pings would be sooner: they are made to last.
		w := start(t, Config{AgentPingInterval: time.Hour, AgentReregisterTimeout: 10 * time.Minute})
		a := w.agent("h")
		f := w.subscribe(checkpointing())
		f.run(a, f.offer(), "t")
		a.end.Close()
		at := time.Now()
		s := f.status()
		if time.Since(at) != 10*time.Minute || s.GetState() != mesospb.TaskState_TASK_UNREACHABLE || s.GetMessage() != "agent did not re-register within 10mins after disconnecting" {
			t.Errorf("after %v: %v", time.Since(at), s)
		}
	})
}

func TestTasksWithoutCheckpointAreLostWithTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		a := w.agent("h")
		f := w.subscribe(frameworkInfo())
		f.run(a, f.offer(), "t")
		a.end.Close()
		if s := f.status(); s.GetState() != mesospb.TaskState_TASK_LOST || s.GetReason() != mesospb.TaskStatus_REASON_AGENT_DISCONNECTED {
			t.Errorf("got %v", s)
		}
		time.Sleep(30 * time.Second)
		f.quiet() // no offers of it
		b, r := a.back(nil, nil)
		if len(r.Reconcile) != 0 {
			t.Errorf("got %v", r)
		}
		if o := f.offer(); show(o.Resources) != "ports:[31000-32000]; cpus:4; mem:2048; disk:4096" {
			t.Errorf("got %s", show(o.Resources))
		}
		b.idle()
	})
}

func TestReregistrationReconciles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		a := w.agent("h")
		f := w.subscribe(checkpointing())
		o := f.offer()
		f.accept([]*mesospb.Offer{o}, 1e6, launch(command(o, "known", 1, 128), command(o, "lost", 1, 128)))
		expectMsg[link.RunTask](a)
		expectMsg[link.RunTask](a)
		a.end.Close()
		synctest.Wait()
		f.call(&schedulerpb.Call{Type: schedulerpb.Call_KILL.Enum(), Kill: &schedulerpb.Call_Kill{TaskId: &mesospb.TaskID{Value: proto.String("known")}}})
		b, r := a.back([]*mesospb.Task{taskOf(f, a, "known", mesospb.TaskState_TASK_RUNNING), taskOf(f, a, "new", mesospb.TaskState_TASK_RUNNING)}, nil, f.identified(600))
		if len(r.Reconcile) != 1 || r.Reconcile[0].GetTaskId().GetValue() != "lost" {
			t.Errorf("to reconcile: %v", r.Reconcile)
		}
		if k := expectMsg[link.KillTask](b); k.TaskID != "known" {
			t.Errorf("the kill was kept as %v", k)
		}
		expectMsg[link.UpdateFramework](b)
		f.call(&schedulerpb.Call{Type: schedulerpb.Call_REVIVE.Enum()})
		if o := f.offer(); show(o.Resources) != "ports:[31000-32000]; cpus:1; mem:1664; disk:4096" {
			t.Errorf("with three tasks known the rest is %s", show(o.Resources))
		}
	})
}

func TestPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		a := w.agent("h")
		f := w.subscribe(checkpointing())
		f.run(a, f.offer(), "t")
		time.Sleep(time.Hour)
		a.mu.Lock()
		if a.pings < 239 || a.pings > 240 {
			t.Errorf("%d pings in an hour", a.pings)
		}
		a.mute = true
		a.mu.Unlock()
		at := time.Now()
		f.status()
		if d := time.Since(at); d < 75*time.Second || d > 90*time.Second {
			t.Errorf("unreachable after %v, want 75 to 90 s", d)
		}
		// It was only deaf: it comes back over the same connection.
		d := a.desc
		d.Info = proto.CloneOf(d.Info)
		d.Info.Id = &mesospb.AgentID{Value: &a.id}
		f.expect(schedulerpb.Event_FAILURE)
		a.end.Send(link.Reregister{Agent: d, Tasks: []*mesospb.Task{taskOf(f, a, "t", mesospb.TaskState_TASK_RUNNING)}, Frameworks: []*mesospb.FrameworkInfo{f.identified(600)}})
		expectMsg[link.Reregistered](a)
		if s := f.status(); s.GetReason() != mesospb.TaskStatus_REASON_AGENT_REREGISTERED {
			t.Errorf("got %v", s)
		}
	})
}

func TestUnregister(t *testing.T) {
	w := start(t, Config{})
	a := w.agent("h")
	f := w.subscribe(checkpointing())
	f.run(a, f.offer(), "t")
	a.end.Send(link.Unregister{})
	if s := f.status(); s.GetState() != mesospb.TaskState_TASK_LOST || s.GetReason() != mesospb.TaskStatus_REASON_AGENT_REMOVED {
		t.Errorf("got %v", s)
	}
	f.expect(schedulerpb.Event_FAILURE)
	f.reconcile("t", a.id)
	if s := f.status(); s.GetState() != mesospb.TaskState_TASK_UNKNOWN {
		t.Errorf("got %v", s)
	}
}

func TestRegisteringAgain(t *testing.T) {
	w := start(t, Config{})
	a := w.agent("h")
	a.end.Send(link.Register{Agent: a.desc})
	if r := expectMsg[link.Registered](a); r.AgentID != a.id || r.PingWait != 75*time.Second || r.Master.GetId() != "M" {
		t.Errorf("the second answer is %+v", r)
	}
	f := w.subscribe(checkpointing())
	f.run(a, f.offer(), "t")
	// A new agent at the same address: the old one has lost its state.
	b := w.dial(a.desc)
	b.end.Send(link.Register{Agent: a.desc})
	if r := expectMsg[link.Registered](b); r.AgentID == a.id {
		t.Error("the id was given again")
	}
	if s := f.status(); s.GetState() != mesospb.TaskState_TASK_LOST || s.GetReason() != mesospb.TaskStatus_REASON_AGENT_REMOVED {
		t.Errorf("got %v", s)
	}
}

func TestAgentsThatAreRefused(t *testing.T) {
	w := start(t, Config{})
	for name, d := range map[string]link.Description{
		"bad resources": describe("h", resources.NewCPUs(-1)),
		"no info":       {PID: "x"},
	} {
		a := w.dial(d)
		a.end.Send(link.Register{Agent: d})
		if r := expectMsg[link.Refused](a); r.Message == "" {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestNothingBreaksOnMessagesOutOfPlace(t *testing.T) {
	w := start(t, Config{})
	stranger := w.dial(describe("h"))
	a := w.agent("h2")
	f := w.subscribe(frameworkInfo())
	f.offer()
	for _, m := range []link.Message{
		link.Unregister{}, link.Pong{}, link.StatusUpdate{Status: &mesospb.TaskStatus{}}, link.ExecutorExited{FrameworkID: "x"},
		link.ExecutorMessage{FrameworkID: "x"}, link.OperationStatus{}, link.UpdateAgent{}, link.Ping{},
	} {
		stranger.end.Send(m)
		if _, last := m.(link.Unregister); !last {
			a.end.Send(m)
		}
	}
	a.update(f.id, "unknown", mesospb.TaskState_TASK_RUNNING)
	f.expect(schedulerpb.Event_RESCIND) // by UpdateAgent
	if s := f.status(); s.GetTaskId().GetValue() != "unknown" {
		t.Errorf("updates of unknown tasks must be forwarded, got %v", s)
	}
}

func TestFrameworksAreRecoveredFromAgents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		a := w.dial(describe("h"))
		a.id = "OLD-S7"
		info := checkpointing()
		info.Id = &mesospb.FrameworkID{Value: proto.String("OLD-0001")}
		f := &scheduler{id: "OLD-0001"}
		b, _ := a.back([]*mesospb.Task{taskOf(f, a, "t", mesospb.TaskState_TASK_RUNNING)}, nil, info)
		b.idle()
		g := w.subscribe(info)
		expectMsg[link.UpdateFramework](b)
		if o := g.offer(); show(o.Resources) != "ports:[31000-32000]; cpus:3; mem:1920; disk:4096" {
			t.Errorf("got %s", show(o.Resources))
		}
		g.reconcile("t", "")
		if s := g.status(); s.GetState() != mesospb.TaskState_TASK_RUNNING {
			t.Errorf("got %v", s)
		}
		g.teardown()
		expectMsg[link.ShutdownFramework](b)
		b.end.Close()
		synctest.Wait()
		c, _ := a.back([]*mesospb.Task{taskOf(f, a, "t", mesospb.TaskState_TASK_RUNNING)}, nil, info)
		expectMsg[link.ShutdownFramework](c) // it was removed meanwhile
	})
}

func TestUpdateAgentChangesResources(t *testing.T) {
	w := start(t, Config{})
	a := w.agent("h")
	f := w.subscribe(frameworkInfo())
	f.offer()
	a.end.Send(link.UpdateAgent{Total: []*mesospb.Resource{resources.NewCPUs(8), resources.NewMem(100)}})
	f.expect(schedulerpb.Event_RESCIND)
	if o := f.offer(); show(o.Resources) != "cpus:8; mem:100" {
		t.Errorf("got %s", show(o.Resources))
	}
}

func TestReconciliation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		a := w.agent("h")
		f := w.subscribe(frameworkInfo())
		o := f.offer()
		f.accept([]*mesospb.Offer{o}, 1e6, launch(command(o, "staging", 1, 32), command(o, "running", 1, 32), command(o, "ended", 1, 32)))
		for range 3 {
			expectMsg[link.RunTask](a)
		}
		a.update(f.id, "running", mesospb.TaskState_TASK_RUNNING, func(s *mesospb.TaskStatus) { s.Data, s.Healthy = []byte("d"), proto.Bool(true) })
		f.status()
		a.update(f.id, "ended", mesospb.TaskState_TASK_FAILED)
		f.status()
		check := func(id string, state mesospb.TaskState) {
			t.Helper()
			s := f.status()
			if s.GetTaskId().GetValue() != id || s.GetState() != state || s.GetSource() != mesospb.TaskStatus_SOURCE_MASTER || s.GetReason() != mesospb.TaskStatus_REASON_RECONCILIATION ||
				s.Uuid != nil || s.Data != nil || s.Timestamp == nil {
				t.Errorf("want %s %v, got %v", id, state, s)
			}
			if id == "running" && (!s.GetHealthy() || s.ContainerStatus == nil || s.GetMessage() != "Reconciliation: Latest task state") {
				t.Errorf("got %v", s)
			}
		}
		f.call(&schedulerpb.Call{Type: schedulerpb.Call_RECONCILE.Enum(), Reconcile: &schedulerpb.Call_Reconcile{}})
		check("ended", mesospb.TaskState_TASK_FAILED)
		check("running", mesospb.TaskState_TASK_RUNNING)
		check("staging", mesospb.TaskState_TASK_STAGING)
		for _, q := range []struct {
			id, agent string
			want      mesospb.TaskState
		}{
			{"running", "wrong agent", mesospb.TaskState_TASK_RUNNING},
			{"nope", "", mesospb.TaskState_TASK_UNKNOWN},
			{"nope", a.id, mesospb.TaskState_TASK_GONE},
			{"nope", "no-such-agent", mesospb.TaskState_TASK_UNKNOWN},
		} {
			f.reconcile(q.id, q.agent)
			check(q.id, q.want)
		}
	})
}

// The state that was forwarded last counts for reconciliation, the latest for resources.
func TestAnUpdateTellsTheLatestState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		a := w.agent("h")
		f := w.subscribe(frameworkInfo())
		o := f.offer()
		f.accept([]*mesospb.Offer{o}, 0, launch(command(o, "t", 4, 32)))
		expectMsg[link.RunTask](a)
		a.end.Send(link.StatusUpdate{FrameworkID: f.id, Latest: mesospb.TaskState_TASK_FINISHED, Status: &mesospb.TaskStatus{
			TaskId: &mesospb.TaskID{Value: proto.String("t")}, State: mesospb.TaskState_TASK_RUNNING.Enum(), Uuid: []byte("0123456789abcdef"), AgentId: o.AgentId}})
		f.status()
		f.reconcile("t", "")
		if s := f.status(); s.GetState() != mesospb.TaskState_TASK_RUNNING {
			t.Errorf("got %v", s)
		}
		if o := f.offer(); show(o.Resources) != "ports:[31000-32000]; cpus:4; mem:2048; disk:4096" {
			t.Errorf("got %s", show(o.Resources))
		}
	})
}
