package agent

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// bubble runs an agent without endpoints on fake time.
func bubble(t *testing.T, f func(t *testing.T, m *testMaster, a *Agent)) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		m := newTestMaster(t)
		a := run(t, m, func(c *Config) {
			c.Listener.Close()
			c.Listener, c.WorkDir = nil, dir
		})
		f(t, m, a)
	})
}

// Capture f02: an update that is never acknowledged.
func TestUnacknowledgedStatusIsSentAgain(t *testing.T) {
	bubble(t, func(t *testing.T, m *testMaster, a *Agent) {
		m.set(func(m *testMaster) { m.hold = true })
		m.send(link.RunTask{Framework: testFramework(), Task: shellTask("noack", "exit 0")})
		first := await[link.StatusUpdate](t, m)
		began := time.Now()
		var at []time.Duration
		for range 8 {
			again := awaitLong[link.StatusUpdate](t, m)
			at = append(at, time.Since(began))
			if !proto.Equal(first.Status, again.Status) || first.Status.GetState() != mesospb.TaskState_TASK_STARTING {
				t.Fatalf("sent %v, then %v; want the same TASK_STARTING", first.Status, again.Status)
			}
			if again.Latest != mesospb.TaskState_TASK_FINISHED {
				t.Errorf("latest state is %v, want FINISHED", again.Latest)
			}
		}
		for i, want := range []time.Duration{10, 30, 70, 150, 310, 630, 1230, 1830} {
			if at[i] != want*time.Second {
				t.Errorf("sent again after %v, want %v", at[i], want*time.Second)
			}
		}
		// Acknowledging the head lets the next go at once; a wrong uuid does nothing.
		m.send(link.AcknowledgeStatus{FrameworkID: "fw-0000", TaskID: "noack", UUID: newUUID()})
		m.send(link.AcknowledgeStatus{FrameworkID: "fw-0000", TaskID: "noack", UUID: first.Status.GetUuid()})
		began = time.Now()
		second := awaitLong[link.StatusUpdate](t, m)
		if second.Status.GetState() != mesospb.TaskState_TASK_RUNNING || time.Since(began) != 0 {
			t.Errorf("%v after %v, want RUNNING at once", second.Status.GetState(), time.Since(began))
		}
		awaitLong[link.StatusUpdate](t, m)
		if d := time.Since(began); d != 10*time.Second {
			t.Errorf("the next head is sent again after %v, want 10s", d)
		}
	})
}

// awaitLong is await without a timeout, for bubbles, where time jumps. It drops other messages.
func awaitLong[M link.Message](t testing.TB, m *testMaster) M {
	t.Helper()
	for msg := range m.inbox {
		if want, ok := msg.(M); ok {
			return want
		}
	}
	panic("closed")
}

func TestHeadsAreSentAgainWhenTheFrameworkIsBack(t *testing.T) {
	bubble(t, func(t *testing.T, m *testMaster, a *Agent) {
		m.set(func(m *testMaster) { m.hold = true })
		m.send(link.RunTask{Framework: testFramework(), Task: shellTask("t", "exit 0")})
		first := await[link.StatusUpdate](t, m)
		time.Sleep(25 * time.Second)
		synctest.Wait()
		for len(m.inbox) > 0 {
			<-m.inbox
		}
		began := time.Now()
		m.send(link.UpdateFramework{Framework: testFramework()})
		again := awaitLong[link.StatusUpdate](t, m)
		if !bytes.Equal(again.Status.GetUuid(), first.Status.GetUuid()) || time.Since(began) != 0 {
			t.Errorf("%v after %v, want the head at once", again.Status, time.Since(began))
		}
		awaitLong[link.StatusUpdate](t, m)
		if d := time.Since(began); d != 10*time.Second {
			t.Errorf("sent again after %v: the wait begins anew with 10s", d)
		}
	})
}

func TestAgentAsksAgainUntilItIsRegistered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newTestMaster(t)
		m.silent = true
		a := start(t, m, func(c *Config) { c.Listener.Close(); c.Listener = nil })
		awaitLong[link.Register](t, m)
		began := time.Now()
		for _, want := range []time.Duration{1, 3, 7, 15, 31, 63, 123, 183} {
			r := awaitLong[link.Register](t, m)
			if d := time.Since(began); d != want*time.Second {
				t.Errorf("asked again after %v, want %v", d, want*time.Second)
			}
			if r.Agent.Info.GetHostname() != "localhost" || r.Agent.PID != "slave(1)@127.0.0.1:5051" || len(r.Agent.Capabilities) != 8 || len(r.Agent.Total) != 4 {
				t.Errorf("the agent describes itself as %+v", r.Agent)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := a.ID(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ID of an agent that is not registered: %v", err)
		}
		m.set(func(m *testMaster) { m.silent = false })
		if id, err := a.ID(t.Context()); err != nil || id != "agent-S0" {
			t.Errorf("ID: %q, %v", id, err)
		}
	})
}

func TestAgentRegistersAgainWithAllItKnows(t *testing.T) {
	for name, lose := range map[string]func(m *testMaster, a *Agent){
		"the master hangs up":        func(m *testMaster, a *Agent) { m.end().Close() },
		"the master says so in ping": func(m *testMaster, a *Agent) { m.send(link.Ping{Connected: false}) },
		"another master leads":       func(m *testMaster, a *Agent) { a.SetMaster(m) },
	} {
		t.Run(name, func(t *testing.T) {
			m := newTestMaster(t)
			a := run(t, m)
			launchCustom(t, m, a, executorInfo("x", idle), "queued")
			m.set(func(m *testMaster) { m.hold = true })
			m.send(link.RunTask{Framework: testFramework(), Task: shellTask("ran", "exit 0")})
			head := m.updateOf(t, "ran", mesospb.TaskState_TASK_STARTING)
			eventually(t, "the task has ended", func() bool {
				ended := false
				_ = a.loop.Do(t.Context(), func() { ended = a.frameworks["fw-0000"].tasks["ran"].stage == taskTerminated })
				return ended
			})
			lose(m, a)
			r := await[link.Reregister](t, m)
			if r.Agent.Info.GetId().GetValue() != "agent-S0" {
				t.Errorf("the agent registers again as %v", r.Agent.Info.GetId())
			}
			states := map[string]mesospb.TaskState{}
			for _, task := range r.Tasks {
				states[task.GetTaskId().GetValue()] = task.GetState()
			}
			if len(states) != 2 || states["queued"] != mesospb.TaskState_TASK_STAGING || states["ran"] != mesospb.TaskState_TASK_FINISHED {
				t.Errorf("the agent knows %v", states)
			}
			if len(r.Executors) != 1 || r.Executors[0].Info.GetExecutorId().GetValue() != "x" || len(r.Frameworks) != 1 {
				t.Errorf("executors %v, frameworks %v", r.Executors, r.Frameworks)
			}
			if s := m.update(t); !bytes.Equal(s.GetUuid(), head.GetUuid()) {
				t.Errorf("the head is not sent again, but %v", s)
			}
		})
	}
}

func TestAgentLeavesASilentMaster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newTestMaster(t)
		m.answer = func(msg link.Message) link.Message {
			if _, ok := msg.(link.Register); ok {
				return link.Registered{AgentID: "agent-S0", PingWait: 75 * time.Second}
			}
			return nil
		}
		run(t, m, func(c *Config) { c.Listener.Close(); c.Listener = nil })
		began := time.Now()
		for range 3 {
			time.Sleep(60 * time.Second)
			m.send(link.Ping{Connected: true})
			awaitLong[link.Pong](t, m)
		}
		awaitLong[closedMessage](t, m)
		if d := time.Since(began); d != 180*time.Second+75*time.Second {
			t.Errorf("the agent left after %v, want 75s after the last ping", d)
		}
		awaitLong[link.Reregister](t, m)
	})
}

func TestReconciliationOfTasksThatTheAgentDoesNotKnow(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m)
	m.send(link.RunTask{Framework: testFramework(), Task: shellTask("known", "sleep 1000")})
	m.updateOf(t, "known", mesospb.TaskState_TASK_RUNNING)
	task := func(id string) *mesospb.Task {
		return &mesospb.Task{TaskId: &mesospb.TaskID{Value: &id}, FrameworkId: &mesospb.FrameworkID{Value: proto.String("fw-0000")}}
	}
	m.set(func(m *testMaster) {
		m.answer = func(msg link.Message) link.Message {
			if _, ok := msg.(link.Reregister); ok {
				return link.Reregistered{AgentID: "agent-S0", Reconcile: []*mesospb.Task{task("known"), task("unknown")}}
			}
			return nil
		}
	})
	a.SetMaster(m)
	s := m.update(t)
	for s.GetTaskId().GetValue() == "known" { // its acknowledgement was lost with the connection
		s = m.update(t)
	}
	if s.GetTaskId().GetValue() != "unknown" || s.GetState() != mesospb.TaskState_TASK_DROPPED || s.GetReason() != mesospb.TaskStatus_REASON_RECONCILIATION ||
		s.GetSource() != mesospb.TaskStatus_SOURCE_AGENT || len(s.GetUuid()) != 16 {
		t.Errorf("got %v", s)
	}
}

func TestRefusedAgentEnds(t *testing.T) {
	m := newTestMaster(t)
	m.answer = func(link.Message) link.Message { return link.Refused{Message: "not you"} }
	a := start(t, m)
	var refused *RefusedError
	if _, err := a.ID(t.Context()); !errors.As(err, &refused) || refused.Message != "not you" {
		t.Errorf("ID: %v", err)
	}
	<-a.Done()
}

func TestShutdownByTheMasterEndsTheAgentAndItsTasks(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m)
	m.send(link.RunTask{Framework: testFramework(), Task: shellTask("t", "sleep 1000")})
	m.updateOf(t, "t", mesospb.TaskState_TASK_RUNNING)
	m.send(link.Shutdown{Message: "removed"})
	<-a.Done()
	checkNothingRuns(t, a.cfg.WorkDir)
}

func TestShutdownFrameworkEndsItsExecutorsSilently(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m)
	launchCustom(t, m, a, executorInfo("x", idle), "c")
	m.send(link.RunTask{Framework: testFramework(), Task: shellTask("t", "sleep 1000")})
	m.updateOf(t, "t", mesospb.TaskState_TASK_RUNNING)
	m.send(link.ShutdownFramework{FrameworkID: "fw-0000"})
	signalExecutor(t, a, "x")
	eventually(t, "the framework is forgotten", func() bool {
		gone := false
		_ = a.loop.Do(t.Context(), func() { gone = len(a.frameworks) == 0 && len(a.streams) == 0 && len(a.containers) == 0 })
		return gone
	})
	for len(m.inbox) > 0 {
		switch msg := (<-m.inbox).(type) {
		case link.StatusUpdate, link.ExecutorExited:
			t.Errorf("the master was told %+v of a framework that it removed", msg)
		}
	}
}

func TestCloseTellsTheMaster(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	await[link.Unregister](t, m)
	if _, err := a.ID(t.Context()); err != nil {
		t.Errorf("ID after Close: %v, want the id that it had", err)
	}
}

func TestConfigurationErrors(t *testing.T) {
	for name, c := range map[string]Config{
		"resources":  {Resources: "cpus:many"},
		"attributes": {Attributes: "no colon"},
		"list":       {ResourceList: []*mesospb.Resource{{Name: proto.String("cpus")}}},
	} {
		if a, err := New(c); err == nil {
			t.Errorf("%s: no error", name)
			a.Close()
		}
	}
}

func TestResourcesAreDetectedUnlessNamed(t *testing.T) {
	a := &Agent{cfg: Config{Resources: "cpus:0;mem:100;x:{a}", WorkDir: t.TempDir()}}
	list, err := a.findResources()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, r := range list {
		got[r.GetName()] = r.GetScalar().GetValue()
	}
	if _, ok := got["cpus"]; ok || got["mem"] != 100 || got["disk"] <= 0 {
		t.Errorf("resources are %v: cpus:0 suppresses detection, disk is detected", got)
	}
	if _, ok := got["ports"]; !ok {
		t.Errorf("no ports in %v", got)
	}
	for total, want := range map[uint64]float64{0: 1024, 1000: 500, 2047: 1023, 2048: 1024, 8192: 7168} {
		if got := offeredMem(total); got != want {
			t.Errorf("of %d MB %v are offered, want %v", total, got, want)
		}
	}
	for total, want := range map[uint64]float64{0: 10240, 1001: 500, 10240: 5120, 20480: 15360} {
		if got := offeredDisk(total); got != want {
			t.Errorf("of %d MB of disk %v are offered, want %v", total, got, want)
		}
	}
}
