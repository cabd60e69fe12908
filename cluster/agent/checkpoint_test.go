package agent

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/cluster/internal/statefile"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// remembering starts an agent that keeps a checkpoint.
func remembering(t testing.TB, m *testMaster, path string, change ...func(*Config)) *Agent {
	t.Helper()
	cfg := Config{Master: m, WorkDir: filepath.Join(filepath.Dir(path), "work"), Checkpoint: path, Resources: "cpus:4;mem:1024;disk:1000;ports:[1-9]"}
	for _, c := range change {
		c(&cfg)
	}
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Kill() })
	return a
}

func TestAgentGoesOnFromItsCheckpoint(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.json")
	m := newTestMaster(t)
	a := remembering(t, m, path)
	if _, err := a.ID(t.Context()); err != nil {
		t.Fatal(err)
	}
	base := await[link.Register](t, m).Agent.Total
	reserve := resources.NewCPUs(1.5, resources.WithReservation("eng", "p"))
	volume := resources.NewDisk(100, resources.WithReservation("eng", "p"), resources.WithVolume("v", "p", "data"))
	total, err := reserved(base, []*mesospb.Resource{reserve, volume})
	if err != nil {
		t.Fatal(err)
	}
	m.send(link.Checkpoint{Total: total})
	m.set(func(m *testMaster) { m.hold = true })
	forgetful := testFramework()
	forgetful.Id = &mesospb.FrameworkID{Value: proto.String("forgetful")}
	m.send(link.RunTask{Framework: checkpointing(), Task: shellTask("done", "exit 0")})
	m.updateOf(t, "done", mesospb.TaskState_TASK_STARTING)
	m.send(link.RunTask{Framework: checkpointing(), Task: shellTask("runs", "sleep 1000")})
	m.updateOf(t, "runs", mesospb.TaskState_TASK_STARTING)
	m.send(link.RunTask{Framework: forgetful, Task: shellTask("other", "sleep 1000")})
	m.updateOf(t, "other", mesospb.TaskState_TASK_STARTING)
	eventually(t, "done has ended", func() bool {
		ended := false
		_ = a.loop.Do(t.Context(), func() { s := a.streams[streamKey{"fw-0000", "done"}]; ended = s != nil && s.terminal })
		return ended
	})
	if err := a.Kill(); err != nil {
		t.Fatal(err)
	}

	m = newTestMaster(t)
	m.set(func(m *testMaster) { m.silent = true })
	a = remembering(t, m, path)
	r := await[link.Reregister](t, m)
	if id := r.Agent.Info.GetId().GetValue(); id != "agent-S0" {
		t.Errorf("reregisters as %q", id)
	}
	if !resources.Equivalent(r.Agent.Total, total) || !resources.Equivalent(r.Agent.Info.GetResources(), base) {
		t.Errorf("has %s, configured %s; want %s", resources.Describe(r.Agent.Total), resources.Describe(r.Agent.Info.GetResources()), resources.Describe(total))
	}
	if len(r.Frameworks) != 1 || len(r.Executors) != 0 || len(r.Tasks) != 2 {
		t.Fatalf("brings frameworks %v, executors %v, tasks %v", r.Frameworks, r.Executors, r.Tasks)
	}
	for i, want := range []mesospb.TaskState{mesospb.TaskState_TASK_FINISHED, mesospb.TaskState_TASK_FAILED} {
		if r.Tasks[i].GetState() != want {
			t.Errorf("task %v, want %v", r.Tasks[i], want)
		}
	}
	m.set(func(m *testMaster) { m.silent = false })
	m.send(link.Reregistered{AgentID: "agent-S0"})
	if id, err := a.ID(t.Context()); id != "agent-S0" || err != nil {
		t.Errorf("ID: %q, %v", id, err)
	}
	// Updates come in the order in which they were made, each when the one before is acknowledged. The order across tasks is open.
	got := map[string]string{}
	for !strings.HasSuffix(got["done"], "FINISHED") || !strings.HasSuffix(got["runs"], "FAILED") {
		s := m.update(t)
		got[s.GetTaskId().GetValue()] += " " + strings.TrimPrefix(s.GetState().String(), "TASK_")
		if s.GetState() == mesospb.TaskState_TASK_FAILED && (s.GetReason() != mesospb.TaskStatus_REASON_EXECUTOR_TERMINATED || s.GetSource() != mesospb.TaskStatus_SOURCE_AGENT) {
			t.Errorf("got %v", s)
		}
	}
	if got["done"] != " STARTING RUNNING FINISHED" || !strings.HasPrefix(got["runs"], " STARTING") {
		t.Errorf("updates: %v", got)
	}
	eventually(t, "nothing is left", func() bool {
		left := 1
		_ = a.loop.Do(t.Context(), func() { left = len(a.frameworks) + len(a.streams) })
		return left == 0
	})
	// An agent that leaves for good leaves its reservations and volumes to the next one, which has another id.
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	m = newTestMaster(t)
	remembering(t, m, path)
	if d := await[link.Register](t, m).Agent; d.Info.GetId() != nil || !resources.Equivalent(d.Total, total) || !resources.Equivalent(d.Info.GetResources(), base) {
		t.Errorf("the next agent registers as %v with %s, want %s", d.Info, resources.Describe(d.Total), resources.Describe(total))
	}
}

func TestRefusedAgentJoinsAsANewOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.json")
	m := newTestMaster(t)
	a := remembering(t, m, path)
	if _, err := a.ID(t.Context()); err != nil {
		t.Fatal(err)
	}
	total, err := reserved(await[link.Register](t, m).Agent.Total, []*mesospb.Resource{resources.NewCPUs(1.5, resources.WithReservation("eng", "p"))})
	if err != nil {
		t.Fatal(err)
	}
	m.send(link.Checkpoint{Total: total})
	eventually(t, "the reservation is there", func() bool {
		known := false
		_ = a.loop.Do(t.Context(), func() { known = resources.Equivalent(a.total, total) })
		return known
	})
	if err := a.Kill(); err != nil {
		t.Fatal(err)
	}
	m = newTestMaster(t)
	m.set(func(m *testMaster) {
		m.answer = func(msg link.Message) link.Message {
			switch msg.(type) {
			case link.Reregister:
				return link.Refused{Message: "Agent has been marked gone"}
			case link.Register:
				return link.Registered{AgentID: "agent-S7", Master: &mesospb.MasterInfo{}}
			}
			return nil
		}
	})
	a = remembering(t, m, path)
	if id, err := a.ID(t.Context()); id != "agent-S7" || err != nil {
		t.Errorf("ID: %q, %v", id, err)
	}
	if d := await[link.Register](t, m).Agent; !resources.Equivalent(d.Total, total) {
		t.Errorf("it brings %s, want %s", resources.Describe(d.Total), resources.Describe(total))
	}
	// One that is refused or shut down later ends, and forgets its id.
	m.send(link.Shutdown{Message: "gone"})
	<-a.Done()
	m = newTestMaster(t)
	remembering(t, m, path)
	if d := await[link.Register](t, m).Agent; d.Info.GetId() != nil || !resources.Equivalent(d.Total, total) {
		t.Errorf("the next agent registers as %v with %s, want %s", d.Info, resources.Describe(d.Total), resources.Describe(total))
	}
}

// goodCheckpoint has something of everything.
func goodCheckpoint(t testing.TB) string {
	content, err := os.ReadFile("testdata/checkpoint.json")
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestCheckpointThatCannotBeUsed(t *testing.T) {
	good := goodCheckpoint(t)
	for name, test := range map[string]struct{ old, new, says string }{
		"good":                 {"", "", ""},
		"cut":                  {good[len(good)/2:], "", "unexpected EOF"},
		"newer":                {`"version": 1`, `"version": 2`, "version 2"},
		"no id":                {`"id": "agent-S0"`, `"id": ""`, "no agent id"},
		"kind":                 {`"kind": "command"`, `"kind": "odd"`, `frameworks[0]: executors[0]: id "t", kind "odd"`},
		"update without uuid":  {`"uuid": "MDEyMzQ1Njc4OWFiY2RlZg=="`, `"uuid": "MDEy"`, "updates[0]"},
		"another task's state": {`"task": {"task_id": {"value": "t"}`, `"task": {"task_id": {"value": "u"}`, "tasks[0]"},
		"operation":            {`"uuid": {"value": "MDEyMzQ1Njc4OWFiY2RlZg=="}`, `"uuid": {"value": ""}`, "operations[0]"},
		"negative resource":    {`{"value": 1.5}`, `{"value": -1.5}`, "resources"},
		"too much reserved":    {`{"value": 1.5}`, `{"value": 15}`, "at least the resources that it had"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "agent.json")
			if !strings.Contains(good, test.old) {
				t.Fatalf("there is no %s", test.old)
			}
			if err := os.WriteFile(path, []byte(strings.Replace(good, test.old, test.new, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			a, err := New(Config{WorkDir: t.TempDir(), Checkpoint: path, Resources: "cpus:4;mem:1024;disk:1000;ports:[1-9]"})
			if err == nil {
				defer a.Kill()
			}
			if test.says == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			e, ok := errors.AsType[*statefile.Error](err)
			if !ok || e.Path != path || !strings.Contains(err.Error(), test.says) || !strings.Contains(e.Advice, "move") {
				t.Errorf("got %v, want %q", err, test.says)
			}
		})
	}
}

func FuzzCheckpoint(f *testing.F) {
	f.Add([]byte(goodCheckpoint(f)))
	f.Add([]byte(`{"kind":"mesokit agent","version":1,"data":{"id":"a","frameworks":[{"info":null}],"resources":[null]}}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		var c checkpoint
		if checkpointKind.Decode(content, &c) != nil {
			return
		}
		a := remembering(t, nil, filepath.Join(t.TempDir(), "agent.json"), func(cfg *Config) { cfg.Master, cfg.Checkpoint = nil, "" })
		_ = a.loop.Do(t.Context(), func() {
			if a.recover(&c) == nil {
				again, err := checkpointKind.Encode(a.snapshot())
				if err == nil {
					err = checkpointKind.Decode(again, new(checkpoint))
				}
				if err != nil {
					t.Errorf("what was read cannot be written: %v", err)
				}
				a.reviveRecovered()
			}
		})
		_ = a.Kill()
	})
}
