package master

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/cluster/internal/statefile"
	"github.com/mesokit/mesokit/mesos/maintenancepb"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/quotapb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// failOver makes the master somebody new, as when its process ends and another takes over.
func (w *world) failOver() {
	w.Helper()
	if err := w.SetLeader(nil); err != nil {
		w.Fatal(err)
	}
	if err := w.SetLeader(w.Info()); err != nil {
		w.Fatal(err)
	}
}

// known names a framework as it resubscribes.
func known(f *scheduler) *mesospb.FrameworkInfo {
	info := checkpointing()
	info.Id = &mesospb.FrameworkID{Value: &f.id}
	return info
}

func (w *world) call(c *masterpb.Call) (int, string) {
	w.Helper()
	status, text, _ := w.operator(c)
	return status, text
}

func TestAgentsAreRecoveredAfterAFailover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{AgentReregisterTimeout: 10 * time.Minute})
		a, b := w.agent("a"), w.agent("b")
		f := w.subscribe(checkpointing())
		f.run(a, f.offers()[0], "t")
		before := w.Info().GetId()
		w.failOver()
		if after := w.Info().GetId(); after == before || after == "" {
			t.Errorf("the id was %q and is %q, want another one", before, after)
		}
		if !a.isClosed() || !b.isClosed() {
			t.Error("agents are still connected")
		}
		s := w.getJSON("/state")
		if n := len(s["recovered_slaves"].([]any)); n != 2 || len(s["slaves"].([]any)) != 0 {
			t.Errorf("/state shows %v recovered agents and slaves %v", n, s["slaves"])
		}
		agents := w.mustOperate(&masterpb.Call{Type: masterpb.Call_GET_AGENTS.Enum()}).GetGetAgents()
		if len(agents.GetRecoveredAgents()) != 2 || agents.GetRecoveredAgents()[0].GetId().GetValue() != a.id {
			t.Errorf("GET_AGENTS: %v", agents)
		}

		// The framework is there before its agents: it hears nothing of tasks of which the master may hear still.
		f = w.subscribe(known(f))
		f.reconcile("t", a.id)
		f.reconcile("t", "")
		f.reconcile("x", "unknown-S7")
		if s := f.status(); s.GetTaskId().GetValue() != "x" || s.GetState() != mesospb.TaskState_TASK_UNKNOWN {
			t.Errorf("got %v, want TASK_UNKNOWN of x only", s)
		}
		a, answer := a.back([]*mesospb.Task{taskOf(f, a, "t", mesospb.TaskState_TASK_RUNNING)}, nil, known(f))
		if answer.Master.GetId() != w.Info().GetId() {
			t.Errorf("the agent is told of master %v", answer.Master)
		}
		if u := expectMsg[link.UpdateFramework](a).Framework; u.GetId().GetValue() != f.id {
			t.Errorf("the agent is told of framework %v", u)
		}
		f.offer()
		f.reconcile("t", a.id)
		if s := f.status(); s.GetState() != mesospb.TaskState_TASK_RUNNING || s.GetReason() != mesospb.TaskStatus_REASON_RECONCILIATION {
			t.Errorf("got %v", s)
		}

		// The other agent does not come back.
		time.Sleep(10*time.Minute - time.Second)
		f.reconcile("u", b.id) // no answer
		time.Sleep(2 * time.Second)
		if e := f.expect(schedulerpb.Event_FAILURE).GetFailure(); e.GetAgentId().GetValue() != b.id {
			t.Errorf("got %v", e)
		}
		f.reconcile("u", b.id)
		if s := f.status(); s.GetState() != mesospb.TaskState_TASK_UNREACHABLE || s.UnreachableTime == nil {
			t.Errorf("got %v", s)
		}
		f.reconcile("u", "")
		if s := f.status(); s.GetState() != mesospb.TaskState_TASK_UNKNOWN {
			t.Errorf("got %v", s)
		}
		if v, _ := w.Metrics(t.Context()); v["master/recovery_slave_removals"] != 1 || v["master/elected"] != 1 {
			t.Errorf("metrics: %v removals, elected %v", v["master/recovery_slave_removals"], v["master/elected"])
		}
		// It may still return, now or to yet another master.
		w.failOver()
		if s := w.getJSON("/state"); s["unreachable_slaves"] != 1.0 || len(s["recovered_slaves"].([]any)) != 1 {
			t.Errorf("after another failover: %v unreachable, %v recovered", s["unreachable_slaves"], s["recovered_slaves"])
		}
		b.back(nil, nil)
		if s := w.getJSON("/state"); s["unreachable_slaves"] != 0.0 {
			t.Errorf("%v unreachable", s["unreachable_slaves"])
		}
	})
}

func TestFrameworksAreRecoveredUntilTheySubscribe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		a := w.agent("a")
		f := w.subscribe(checkpointing())
		f.run(a, f.offer(), "t")
		w.failOver()
		f.ended()
		a, _ = a.back([]*mesospb.Task{taskOf(f, a, "t", mesospb.TaskState_TASK_RUNNING)}, nil, known(f))
		a.idle() // the framework is not there
		got := w.mustOperate(&masterpb.Call{Type: masterpb.Call_GET_FRAMEWORKS.Enum()}).GetGetFrameworks().GetFrameworks()
		if len(got) != 1 || !got[0].GetRecovered() || got[0].GetConnected() || got[0].GetActive() {
			t.Fatalf("got %v, want one that is recovered", got)
		}
		fresh := w.subscribe(frameworkInfo())
		if fresh.id == f.id || !strings.HasPrefix(fresh.id, w.Info().GetId()) {
			t.Errorf("a new framework has id %s, the old one %s", fresh.id, f.id)
		}
		f = w.subscribe(known(f))
		expectMsg[link.UpdateFramework](a)
		got = w.mustOperate(&masterpb.Call{Type: masterpb.Call_GET_FRAMEWORKS.Enum()}).GetGetFrameworks().GetFrameworks()
		for _, g := range got {
			if g.GetRecovered() || !g.GetConnected() {
				t.Errorf("got %v", g)
			}
		}
		f.step(a, "t", mesospb.TaskState_TASK_FINISHED)
	})
}

func TestASuccessorKnowsWhatOperatorsWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		var agents []*fakeAgent
		for _, name := range []string{"gone", "drain", "off", "plain", "down", "lost", "left"} {
			agents = append(agents, w.agent(name))
		}
		id := func(i int) *mesospb.AgentID { return &mesospb.AgentID{Value: &agents[i].id} }
		down := &mesospb.MachineID{Hostname: proto.String("down"), Ip: proto.String("127.0.0.1")}
		for _, c := range []*masterpb.Call{
			{Type: masterpb.Call_MARK_AGENT_GONE.Enum(), MarkAgentGone: &masterpb.Call_MarkAgentGone{AgentId: id(0)}},
			{Type: masterpb.Call_DRAIN_AGENT.Enum(), DrainAgent: &masterpb.Call_DrainAgent{AgentId: id(1)}},
			{Type: masterpb.Call_DEACTIVATE_AGENT.Enum(), DeactivateAgent: &masterpb.Call_DeactivateAgent{AgentId: id(2)}},
			{Type: masterpb.Call_UPDATE_MAINTENANCE_SCHEDULE.Enum(), UpdateMaintenanceSchedule: &masterpb.Call_UpdateMaintenanceSchedule{
				Schedule: &maintenancepb.Schedule{Windows: []*maintenancepb.Window{{MachineIds: []*mesospb.MachineID{down}, Unavailability: &mesospb.Unavailability{Start: timeInfo(time.Now())}}}},
			}},
			{Type: masterpb.Call_START_MAINTENANCE.Enum(), StartMaintenance: &masterpb.Call_StartMaintenance{Machines: []*mesospb.MachineID{down}}},
			{Type: masterpb.Call_UPDATE_QUOTA.Enum(), UpdateQuota: &masterpb.Call_UpdateQuota{QuotaConfigs: []*quotapb.QuotaConfig{{
				Role: proto.String("eng"), Limits: map[string]*mesospb.Value_Scalar{"cpus": {Value: proto.Float64(3)}},
			}}}},
			{Type: masterpb.Call_UPDATE_WEIGHTS.Enum(), UpdateWeights: &masterpb.Call_UpdateWeights{WeightInfos: []*mesospb.WeightInfo{{Role: proto.String("eng"), Weight: proto.Float64(2.5)}}}},
		} {
			w.mustOperate(c)
		}
		if err := w.MarkUnreachable(t.Context(), agents[5].id); err != nil {
			t.Fatal(err)
		}
		agents[6].end.Send(link.Unregister{})

		reads := func() map[string]any {
			all := map[string]any{}
			for _, path := range []string{"/quota", "/weights", "/maintenance/schedule", "/maintenance/status"} {
				_, _, body := w.get(path)
				all[path] = body
			}
			return all
		}
		before := reads()
		w.failOver()
		if d := cmp.Diff(before, reads()); d != "" {
			t.Errorf("after the failover (-before +after):\n%s", d)
		}
		var recovered []string
		for _, info := range w.mustOperate(&masterpb.Call{Type: masterpb.Call_GET_AGENTS.Enum()}).GetGetAgents().GetRecoveredAgents() {
			recovered = append(recovered, info.GetHostname())
		}
		if d := cmp.Diff([]string{"drain", "off", "plain"}, recovered); d != "" {
			t.Errorf("recovered (-want +got):\n%s", d)
		}

		refused := func(a *fakeAgent, why string) {
			t.Helper()
			d := a.desc
			d.Info = proto.CloneOf(d.Info)
			d.Info.Id = &mesospb.AgentID{Value: &a.id}
			b := w.dial(d)
			b.end.Send(link.Reregister{Agent: d})
			if m := expectMsg[link.Refused](b).Message; !strings.Contains(m, why) {
				t.Errorf("refused: %q, want %q", m, why)
			}
		}
		refused(agents[0], "gone")
		refused(agents[4], "DOWN")
		drained, _ := agents[1].back(nil, nil)
		off, _ := agents[2].back(nil, nil)
		for _, a := range w.mustOperate(&masterpb.Call{Type: masterpb.Call_GET_AGENTS.Enum()}).GetGetAgents().GetAgents() {
			if !a.GetDeactivated() || a.GetActive() {
				t.Errorf("%s is deactivated: %v, active: %v", a.GetAgentInfo().GetHostname(), a.GetDeactivated(), a.GetActive())
			}
			if state := a.GetDrainInfo().GetState(); a.GetAgentInfo().GetHostname() == "drain" && state != mesospb.DrainState_DRAINED {
				t.Errorf("drain state %v", state)
			}
		}
		drained.idle()
		off.idle()

		// Agents that are not back yet are in the hands of operators too.
		for _, c := range []*masterpb.Call{
			{Type: masterpb.Call_DEACTIVATE_AGENT.Enum(), DeactivateAgent: &masterpb.Call_DeactivateAgent{AgentId: id(3)}},
			{Type: masterpb.Call_REACTIVATE_AGENT.Enum(), ReactivateAgent: &masterpb.Call_ReactivateAgent{AgentId: id(3)}},
			{Type: masterpb.Call_DRAIN_AGENT.Enum(), DrainAgent: &masterpb.Call_DrainAgent{AgentId: id(3)}},
			{Type: masterpb.Call_MARK_AGENT_GONE.Enum(), MarkAgentGone: &masterpb.Call_MarkAgentGone{AgentId: id(3)}},
		} {
			if status, text := w.call(c); status != 200 {
				t.Errorf("%v: %d %s", c.GetType(), status, text)
			}
		}
		refused(agents[3], "gone")
		// What was undone is undone for good.
		w.mustOperate(&masterpb.Call{Type: masterpb.Call_STOP_MAINTENANCE.Enum(), StopMaintenance: &masterpb.Call_StopMaintenance{Machines: []*mesospb.MachineID{down}}})
		w.mustOperate(&masterpb.Call{Type: masterpb.Call_UPDATE_QUOTA.Enum(), UpdateQuota: &masterpb.Call_UpdateQuota{QuotaConfigs: []*quotapb.QuotaConfig{{Role: proto.String("eng")}}}})
		w.mustOperate(&masterpb.Call{Type: masterpb.Call_REACTIVATE_AGENT.Enum(), ReactivateAgent: &masterpb.Call_ReactivateAgent{AgentId: id(2)}})
		before = reads()
		if before["/quota"] != `{"infos":[{"role":"eng"}],"configs":[{"role":"eng"}]}` {
			t.Errorf("a quota that was reset: %v", before["/quota"])
		}
		before["/quota"] = "{}" // which only this master remembers
		w.failOver()
		if d := cmp.Diff(before, reads()); d != "" {
			t.Errorf("after the second failover (-before +after):\n%s", d)
		}
		off.back(nil, nil)
		if a := w.mustOperate(&masterpb.Call{Type: masterpb.Call_GET_AGENTS.Enum()}).GetGetAgents().GetAgents()[0]; a.GetDeactivated() || !a.GetActive() {
			t.Errorf("reactivated agent: %v", a)
		}
	})
}

func TestWhoLedBeforeChangesNothing(t *testing.T) {
	r := NewRegistry()
	old, _ := r.begin()
	old.change(func(d *registryData) { d.gone["a"] = time.Now() })
	young, d := r.begin()
	if len(d.gone) != 1 {
		t.Errorf("gone: %v", d.gone)
	}
	old.change(func(*registryData) { t.Error("a master that leads no more writes") })
	young.change(func(d *registryData) { delete(d.gone, "a") })
	if len(d.gone) != 1 {
		t.Error("what was read is changed by what is written")
	}
}

func TestAFollowerAnswersForItself(t *testing.T) {
	leader := start(t, Config{})
	w := start(t, Config{ID: "F", Standby: true, Registry: leader.cfg.Registry})
	if status, _, body := w.get("/state"); status != 503 || body != "No leader elected" {
		t.Errorf("without leader: %d %q", status, body)
	}
	if status, _, _ := w.get("/redirect"); status != 503 {
		t.Errorf("/redirect without leader: %d", status)
	}
	if err := w.SetLeader(leader.Info()); err != nil {
		t.Fatal(err)
	}
	where := "//" + leaderAddress(leader.Info())
	for _, path := range []string{"/api/v1", "/api/v1/scheduler", "/state", "/state-summary", "/slaves", "/tasks", "/frameworks", "/roles", "/quota", "/weights",
		"/maintenance/schedule", "/maintenance/status", "/machine/up", "/machine/down", "/teardown", "/reserve", "/unreserve", "/create-volumes", "/destroy-volumes"} {
		if status, h, body := w.get(path); status != 307 || h.Get("Location") != where+"/master"+path || body != "" {
			t.Errorf("%s: %d to %q %q", path, status, h.Get("Location"), body)
		}
	}
	if status, h, _ := w.get("/redirect"); status != 307 || h.Get("Location") != where {
		t.Errorf("/redirect: %d to %q", status, h.Get("Location"))
	}
	if status, _, _ := w.get("/redirect/x"); status != 404 {
		t.Errorf("/redirect/x: %d", status)
	}
	for _, path := range []string{"/health", "/version", "/flags", "/metrics/snapshot", "/logging/toggle", "/logging/toggle?level=1&duration=1mins"} {
		if status, _, body := w.get(path); status != 200 {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if m := w.getJSON("/metrics/snapshot"); m["master/elected"] != 0.0 {
		t.Errorf("elected: %v", m["master/elected"])
	}
	if _, err := w.Operate(t.Context(), &masterpb.Call{Type: masterpb.Call_GET_STATE.Enum()}); err == nil {
		t.Error("a follower operates")
	}
}

func TestRegistryInAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "registry.json")
	open := func() *Registry {
		t.Helper()
		r, err := OpenRegistry(path, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := open()
	tm, _ := r.begin()
	full := fullRegistry(t)
	tm.change(func(d *registryData) { *d = full.clone() })
	if err := tm.sync(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		r = open()
	}
	_, got := r.begin()
	if d := cmp.Diff(text(t, full), text(t, got)); d != "" {
		t.Errorf("(-written +read):\n%s", d)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOperatorsHearThatTheDiskIsFull(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dir")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	r, err := OpenRegistry(filepath.Join(dir, "registry.json"), nil)
	if err != nil {
		t.Fatal(err)
	}
	w := start(t, Config{Registry: r})
	weights := &masterpb.Call{Type: masterpb.Call_UPDATE_WEIGHTS.Enum(), UpdateWeights: &masterpb.Call_UpdateWeights{WeightInfos: []*mesospb.WeightInfo{{Role: proto.String("eng"), Weight: proto.Float64(2)}}}}
	w.mustOperate(weights)
	if err := os.Rename(dir, dir+"-gone"); err != nil {
		t.Fatal(err)
	}
	if status, text := w.call(weights); status != 500 || !strings.Contains(text, "could not be written down") {
		t.Errorf("%d %s", status, text)
	}
	w.Close()
	if err := r.Close(); err == nil {
		t.Error("Close says nothing")
	}
}

// fullRegistry has something of everything.
func fullRegistry(t testing.TB) registryData {
	content, err := os.ReadFile("testdata/registry.json")
	if err != nil {
		t.Fatal(err)
	}
	var f registryFile
	if err := registryKind.Decode(content, &f); err != nil {
		t.Fatal(err)
	}
	d, err := f.data()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func text(t testing.TB, d registryData) string {
	b, err := registryKind.Encode(d.file())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestDamagedRegistry(t *testing.T) {
	good := text(t, fullRegistry(t))
	unsummed := good[:strings.Index(good, ` "sum"`)] + good[strings.Index(good, ` "data"`):]
	for name, test := range map[string]struct{ old, new, says string }{
		"agent twice":      {`"value": "M-S1"`, `"value": "M-S0"`, `agent id "M-S0" occurs twice`},
		"agent without id": {`"value": "M-S1"`, `"value": ""`, "unreachable[0]: agent id"},
		"unknown field":    {`"hostname": "a0"`, `"hostnames": "a0"`, "hostnames"},
		"negative weight":  {`"weight": 2.5`, `"weight": -1`, "weights[0]"},
		"nested quota":     {`"role": "eng"`, `"role": "eng/x"`, "quotas[0]"},
		"machine UP":       {`"mode": "DOWN"`, `"mode": "UP"`, "want DRAINING or DOWN"},
		"unknown enum":     {`"DRAINED"`, `"SOAKED"`, "SOAKED"},
		"not planned":      {`"maintenance_schedule"`, `"maintenance_scheduel"`, "maintenance_scheduel"},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(unsummed, test.old) {
				t.Fatalf("no %s in:\n%s", test.old, unsummed)
			}
			path := filepath.Join(t.TempDir(), "registry.json")
			if err := os.WriteFile(path, []byte(strings.Replace(unsummed, test.old, test.new, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := OpenRegistry(path, nil)
			if e, ok := errors.AsType[*statefile.Error](err); !ok || e.Path != path || !errors.Is(err, statefile.ErrCorrupt) || !strings.Contains(err.Error(), test.says) || !strings.Contains(e.Advice, "move it away") {
				t.Errorf("got %v, want %q", err, test.says)
			}
		})
	}
}

func FuzzRegistry(f *testing.F) {
	good := text(f, fullRegistry(f))
	f.Add([]byte(good))
	f.Add([]byte(good[:strings.Index(good, ` "sum"`)] + good[strings.Index(good, ` "data"`):]))
	f.Add([]byte(`{"kind":"mesokit master registry","version":1,"data":{"agents":[{"info":{}}],"machines":[{}],"weights":[{}],"quotas":[null]}}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		var file registryFile
		if registryKind.Decode(content, &file) != nil {
			return
		}
		d, err := file.data()
		if err != nil {
			return
		}
		again := text(t, d)
		var second registryFile
		if err := registryKind.Decode([]byte(again), &second); err != nil {
			t.Fatalf("what was read cannot be read again: %v", err)
		}
		d2, err := second.data()
		if err != nil {
			t.Fatalf("what was read cannot be read again: %v", err)
		}
		if diff := cmp.Diff(again, text(t, d2)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestOperationsOutliveTheirMaster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		a := w.agent("a")
		info := func() *mesospb.FrameworkInfo {
			i := checkpointing()
			i.Roles, i.Principal = []string{"eng"}, proto.String("p")
			return i
		}
		f := w.subscribe(info())
		cpus := func() *mesospb.Resource { return resources.NewCPUs(0.5, resources.WithReservation("eng", "p")) }
		f.accept([]*mesospb.Offer{f.offer()}, 0, reserve("acknowledged", cpus()), reserve("open", cpus()))
		acknowledge := func(s *mesospb.OperationStatus) {
			f.call(&schedulerpb.Call{Type: schedulerpb.Call_ACKNOWLEDGE_OPERATION_STATUS.Enum(), AcknowledgeOperationStatus: &schedulerpb.Call_AcknowledgeOperationStatus{
				AgentId: s.AgentId, OperationId: s.OperationId, Uuid: s.GetUuid().GetValue(),
			}})
		}
		next := func() *mesospb.OperationStatus { // offers come when they like
			t.Helper()
			for {
				e := f.next()
				if e.GetType() == schedulerpb.Event_UPDATE_OPERATION_STATUS {
					return e.GetUpdateOperationStatus().GetStatus()
				} else if e.GetType() != schedulerpb.Event_OFFERS && e.GetType() != schedulerpb.Event_HEARTBEAT {
					t.Fatalf("got %v", e)
				}
			}
		}
		acknowledge(next())
		want := next()
		ask := func() *mesospb.OperationStatus {
			f.call(&schedulerpb.Call{Type: schedulerpb.Call_RECONCILE_OPERATIONS.Enum(), ReconcileOperations: &schedulerpb.Call_ReconcileOperations{
				Operations: []*schedulerpb.Call_ReconcileOperations_Operation{{OperationId: opID("open"), AgentId: &mesospb.AgentID{Value: &a.id}}},
			}})
			return next()
		}
		again := func() *mesospb.FrameworkInfo {
			i := info()
			i.Id = &mesospb.FrameworkID{Value: &f.id}
			return i
		}

		// The framework is back before the agent.
		w.failOver()
		f = w.subscribe(again())
		if s := ask(); s.GetState() != mesospb.OperationState_OPERATION_RECOVERING {
			t.Errorf("got %v", s)
		}
		a, _ = a.back(nil, nil, again())
		for _, s := range []*mesospb.OperationStatus{next(), ask()} {
			if s.GetState() != mesospb.OperationState_OPERATION_FINISHED {
				t.Errorf("got %v", s)
			}
		}
		// The agent is back before the framework, and knows nothing else of it.
		w.failOver()
		a, _ = a.back(nil, nil)
		f = w.subscribe(again())
		got := next()
		if d := cmp.Diff(want, got, protocmp.Transform()); d != "" {
			t.Errorf("(-before +after):\n%s", d)
		}
		acknowledge(got)
		if left := a.operations(); len(left) != 0 {
			t.Errorf("the agent remembers %v", left)
		}
	})
}
