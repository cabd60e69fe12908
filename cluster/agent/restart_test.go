package agent

import (
	"errors"
	"net"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

func resume(t testing.TB, a *Agent) {
	t.Helper()
	var l net.Listener
	// A process that is just being started has a copy of the old listener for a moment.
	eventually(t, "the address is free", func() bool {
		var err error
		l, err = net.Listen("tcp", a.Addr())
		return err == nil
	})
	if err := a.Resume(l); err != nil {
		t.Fatal(err)
	}
}

func checkpointing() *mesospb.FrameworkInfo {
	f := testFramework()
	f.Checkpoint = proto.Bool(true)
	return f
}

func TestExecutorsLiveThroughARestartOfTheirAgent(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m)
	m.send(link.RunTask{Framework: checkpointing(), Task: shellTask("command", "sleep 1000")})
	m.updateOf(t, "command", mesospb.TaskState_TASK_RUNNING)
	m.send(link.RunTask{Framework: checkpointing(), Task: customTask("returns", executorInfo("loyal", idle))})
	m.send(link.RunTask{Framework: checkpointing(), Task: customTask("stays", executorInfo("lost", idle))})
	var loyal *testExecutor
	for _, id := range []string{"loyal", "lost"} {
		eventually(t, id+" is known", func() bool {
			known := false
			_ = a.loop.Do(t.Context(), func() { f := a.frameworks["fw-0000"]; known = f.executors[id] != nil })
			return known
		})
		x, _ := subscribe(t, a, id, codec.JSON, nil)
		x.want(executorpb.Event_SUBSCRIBED)
		task := x.want(executorpb.Event_LAUNCH).GetLaunch().GetTask().GetTaskId().GetValue()
		x.update(task, mesospb.TaskState_TASK_RUNNING)
		x.want(executorpb.Event_ACKNOWLEDGED)
		m.updateOf(t, task, mesospb.TaskState_TASK_RUNNING)
		loyal = x
	}

	if err := a.Suspend(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.Suspend(t.Context()); !errors.Is(err, ErrSuspended) {
		t.Errorf("a second Suspend: %v", err)
	}
	await[closedMessage](t, m)
	for loyal.next() != nil { // its stream ends
	}
	resume(t, a)

	x, _ := subscribe(t, a, "loyal", codec.JSON, nil)
	x.want(executorpb.Event_SUBSCRIBED)
	if status, _ := x.call(&executorpb.Call{Type: executorpb.Call_MESSAGE.Enum(), Message: &executorpb.Call_Message{Data: []byte("x")}}); status != 503 {
		t.Errorf("a message during recovery: %d, want 503", status)
	}
	if resp := post(t, a, "/api/v1", map[string]string{"Content-Type": "application/json"}, `{"type":"GET_HEALTH"}`); resp.StatusCode != 503 {
		t.Errorf("an operator call during recovery: %d, want 503", resp.StatusCode)
	}

	r := await[link.Reregister](t, m)
	got := map[string]mesospb.TaskState{}
	for _, task := range r.Tasks {
		got[task.GetTaskId().GetValue()] = task.GetState()
	}
	if len(got) != 3 || got["command"] != mesospb.TaskState_TASK_RUNNING || got["returns"] != mesospb.TaskState_TASK_RUNNING {
		t.Errorf("the agent comes back with %v", got)
	}
	s := m.updateOf(t, "stays", mesospb.TaskState_TASK_GONE)
	if want := `TASK_GONE SOURCE_AGENT REASON_EXECUTOR_REREGISTRATION_TIMEOUT "Executor did not reregister within 2secs"`; describeStatus(s) != want {
		t.Errorf("got %s, want %s", describeStatus(s), want)
	}
	m.send(kill("command"))
	m.updateOf(t, "command", mesospb.TaskState_TASK_KILLED)
	x.update("returns", mesospb.TaskState_TASK_FINISHED)
	m.updateOf(t, "returns", mesospb.TaskState_TASK_FINISHED)
}

func TestExecutorsWithoutCheckpointsEndWithTheirAgent(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m)
	m.send(link.RunTask{Framework: testFramework(), Task: shellTask("t", "sleep 1000")})
	m.updateOf(t, "t", mesospb.TaskState_TASK_RUNNING)
	if err := a.Suspend(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the task is gone", func() bool {
		gone := false
		_ = a.loop.Do(t.Context(), func() { gone = len(a.containers) == 0 && len(a.frameworks) == 0 })
		return gone
	})
	resume(t, a)
	if r := await[link.Reregister](t, m); len(r.Tasks) != 0 {
		t.Errorf("the agent comes back with %v", r.Tasks)
	}
}

func TestStatusesOfASuspendedAgentAreKept(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m)
	m.send(link.RunTask{Framework: checkpointing(), Task: shellTask("t", "until test -f end; do sleep 0.01; done")})
	m.updateOf(t, "t", mesospb.TaskState_TASK_RUNNING)
	if err := a.Suspend(t.Context()); err != nil {
		t.Fatal(err)
	}
	touch(t, sandboxOf(a, "t")+"/end")
	eventually(t, "the task has ended", func() bool {
		ended := false
		_ = a.loop.Do(t.Context(), func() { ended = len(a.containers) == 0 })
		return ended
	})
	resume(t, a)
	m.updateOf(t, "t", mesospb.TaskState_TASK_FINISHED)
}

func TestResumeNeedsTheAddressOfBefore(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := a.Resume(l); err == nil {
		t.Error("no error for another address")
	}
}
