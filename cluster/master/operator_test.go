package master

//lint:file-ignore SA1019 deprecated calls are served too

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/allocatorpb"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/maintenancepb"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/recordio"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

func TestOperatorReads(t *testing.T) {
	w := start(t, Config{})
	a := w.agent("h")
	f := w.subscribe(frameworkInfo())
	f.run(a, f.offer(), "t")
	for ct := range masterpb.Call_Type_name {
		c := &masterpb.Call{Type: masterpb.Call_Type(ct).Enum(), GetMetrics: &masterpb.Call_GetMetrics{}}
		name := c.GetType().String()
		if !strings.HasPrefix(name, "GET_") {
			continue
		}
		r := w.mustOperate(c)
		if r.GetType().String() != name {
			t.Errorf("%s is answered with %v", name, r.GetType())
		}
		body, err := json.Marshal(map[string]any{"type": name, "get_metrics": map[string]any{}})
		if err != nil {
			t.Fatal(err)
		}
		status, h, text := w.post("/api/v1", codec.MediaTypeJSON, nil, body)
		var v map[string]any
		if err := json.Unmarshal([]byte(text), &v); status != 200 || h.Get("Content-Type") != codec.MediaTypeJSON || err != nil || v["type"] != name {
			t.Errorf("%s in JSON: %d %v %s", name, status, err, text)
		}
	}
	g := w.mustOperate(&masterpb.Call{Type: masterpb.Call_GET_STATE.Enum()}).GetGetState()
	if n := len(g.GetGetTasks().GetTasks()); n != 1 {
		t.Errorf("%d tasks", n)
	}
	ag := g.GetGetAgents().GetAgents()[0]
	if !ag.GetActive() || resources.CPUs(ag.GetAllocatedResources()) != 1 || ag.GetTotalResources()[0].GetRole() != "*" || ag.GetPid() != a.desc.PID {
		t.Errorf("agent is %v", ag)
	}
	fw := g.GetGetFrameworks().GetFrameworks()[0]
	if !fw.GetActive() || !fw.GetConnected() || fw.GetRecovered() || resources.CPUs(fw.GetAllocatedResources()) != 1 {
		t.Errorf("framework is %v", fw)
	}
	if status, text, _ := w.operator(&masterpb.Call{Type: masterpb.Call_GET_METRICS.Enum()}); status != 400 || text != "Failed to validate master::Call: Expecting 'get_metrics' to be present" {
		t.Errorf("GET_METRICS without get_metrics: %d %q", status, text)
	}
	// Lists of snapshots are there even if they are empty.
	_, _, text := w.post("/api/v1", codec.MediaTypeJSON, nil, []byte(`{"type":"GET_EXECUTORS"}`))
	if text != `{"type":"GET_EXECUTORS","get_executors":{"executors":[]}}` {
		t.Errorf("got %s", text)
	}
}

func TestOperatorErrors(t *testing.T) {
	w := start(t, Config{})
	for _, tc := range []struct {
		body   string
		accept string
		status int
		text   string
	}{
		{`{"type":"NOPE"}`, "", 400, "Failed to validate master::Call: Expecting 'type' to be present"},
		{`{"type":"GET_HEALTH"}`, "text/html", 406, "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'"},
		{`{"type":"LIST_FILES","list_files":{"path":"/no/such"}}`, "", 404, ""},
		{`{"type":"LIST_FILES","list_files":{"path":"/master/log"}}`, "", 404, ""},
		{`{"type":"READ_FILE","read_file":{"path":"/master/log","offset":0}}`, "", 404, ""},
		{`{"type":"READ_FILE","read_file":{"path":"/no/such","offset":0}}`, "", 404, ""},
		{`{"type":"TEARDOWN","teardown":{"framework_id":{"value":"nope"}}}`, "", 400, "No framework found with specified ID"},
		{`{"type":"MARK_AGENT_GONE","mark_agent_gone":{"agent_id":{"value":"nope"}}}`, "", 404, "Agent 'nope' not found"},
		{`{"type":"DRAIN_AGENT","drain_agent":{"agent_id":{"value":"nope"}}}`, "", 400, ""},
		{`{"type":"REACTIVATE_AGENT","reactivate_agent":{"agent_id":{"value":"nope"}}}`, "", 400, ""},
		{`{"type":"UPDATE_QUOTA","update_quota":{"quota_configs":[{"role":"a/b"}]}}`, "", 400, ""},
		{`{"type":"UPDATE_QUOTA","update_quota":{"quota_configs":[{"role":"a","guarantees":{"cpus":{"value":1}}}]}}`, "", 400, ""},
		{`{"type":"UPDATE_QUOTA","update_quota":{"quota_configs":[{"role":"a","guarantees":{"cpus":{"value":2}},"limits":{"cpus":{"value":1}}}],"force":true}}`, "", 400, ""},
		{`{"type":"UPDATE_QUOTA","update_quota":{"quota_configs":[{"role":"a","guarantees":{"cpus":{"value":1}}}],"force":true}}`, "", 200, ""},
		{`{"type":"UPDATE_WEIGHTS","update_weights":{"weight_infos":[{"role":"a","weight":0}]}}`, "", 400, ""},
		{`{"type":"START_MAINTENANCE","start_maintenance":{"machines":[{"hostname":"x"}]}}`, "", 400, `Machine '{"hostname":"x"}' is not part of a maintenance schedule`},
		{`{"type":"START_MAINTENANCE","start_maintenance":{"machines":[{"hostname":"x"},{"hostname":"x"}]}}`, "", 400, `Machine '{"hostname":"x"}' appears more than once in the schedule`},
		{`{"type":"STOP_MAINTENANCE","stop_maintenance":{"machines":[{"hostname":"x"},{}]}}`, "", 400, "Both 'hostname' and 'ip' for a machine are empty"},
		{`{"type":"DRAIN_AGENT","drain_agent":{"agent_id":{"value":"nope"},"max_grace_period":{"nanoseconds":-1}}}`, "", 400, "Unknown agent"},
		{`{"type":"UNKNOWN"}`, "", 501, ""},
		{`{"type":"SET_LOGGING_LEVEL","set_logging_level":{"level":1,"duration":{"nanoseconds":1000}}}`, "", 200, ""},
		{`{"type":"REMOVE_QUOTA","remove_quota":{"role":"none"}}`, "", 400, ""},
		{`{"type":"SET_QUOTA","set_quota":{"quota_request":{"role":"q","guarantee":[{"name":"cpus","type":"SCALAR","scalar":{"value":1}}]}}}`, "", 409, ""},
	} {
		headers := map[string]string{}
		if tc.accept != "" {
			headers["Accept"] = tc.accept
		}
		status, _, body := w.post("/api/v1", codec.MediaTypeJSON, headers, []byte(tc.body))
		if status != tc.status || tc.text != "" && body != tc.text {
			t.Errorf("%s: %d %q, want %d %q", tc.body, status, body, tc.status, tc.text)
		}
	}
}

// operatorStream opens the operator event stream in JSON.
func (w *world) operatorStream() func() map[string]any {
	w.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL()+"/api/v1", strings.NewReader(`{"type":"SUBSCRIBE"}`))
	if err != nil {
		w.Fatal(err)
	}
	req.Header.Set("Content-Type", codec.MediaTypeJSON)
	resp, err := w.http.Do(req)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { cancel(); resp.Body.Close() })
	if resp.Header.Get("Mesos-Stream-Id") != "" {
		w.Error("the operator stream has a stream id")
	}
	frames := recordio.NewReader(resp.Body, recordio.Config{})
	return func() map[string]any {
		w.Helper()
		frame, err := frames.Next()
		if err != nil {
			w.Fatal(err)
		}
		var v map[string]any
		if err := json.Unmarshal(frame, &v); err != nil {
			w.Fatal(err)
		}
		return v
	}
}

func TestOperatorEventStream(t *testing.T) {
	w := start(t, Config{})
	next := w.operatorStream()
	var got []string
	take := func(n int) {
		for range n {
			v := next()
			s := v["type"].(string)
			if u, ok := v["task_updated"].(map[string]any); ok {
				s += " " + u["state"].(string)
			}
			got = append(got, s)
		}
	}
	first := next()
	state := first["subscribed"].(map[string]any)["get_state"].(map[string]any)
	if tasks, ok := state["get_tasks"].(map[string]any)["tasks"].([]any); !ok || len(tasks) != 0 || first["subscribed"].(map[string]any)["heartbeat_interval_seconds"] != 15.0 {
		t.Errorf("got %v", first)
	}
	take(1)
	a := w.agent("h")
	f := w.subscribe(frameworkInfo())
	f.run(a, f.offer(), "t")
	f.teardown()
	a.end.Send(link.Unregister{})
	take(7)
	want := []string{"HEARTBEAT", "AGENT_ADDED", "FRAMEWORK_ADDED", "TASK_ADDED", "TASK_UPDATED TASK_RUNNING", "TASK_UPDATED TASK_KILLED", "FRAMEWORK_REMOVED", "AGENT_REMOVED"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		a := w.agent("h")
		id := &mesospb.AgentID{Value: &a.id}
		f := w.subscribe(frameworkInfo())
		f.run(a, f.offer(), "t")
		f.call(&schedulerpb.Call{Type: schedulerpb.Call_REVIVE.Enum()})
		f.offer()
		drain := &masterpb.Call{Type: masterpb.Call_DRAIN_AGENT.Enum(), DrainAgent: &masterpb.Call_DrainAgent{AgentId: id, MaxGracePeriod: durationpb.New(2 * time.Second)}}
		w.mustOperate(drain)
		f.expect(schedulerpb.Event_RESCIND)
		if d := expectMsg[link.Drain](a); d.MaxGrace == nil || *d.MaxGrace != 2*time.Second || d.MarkGone {
			t.Errorf("agent got %+v", d)
		}
		info := func() *masterpb.Response_GetAgents_Agent {
			return w.mustOperate(&masterpb.Call{Type: masterpb.Call_GET_AGENTS.Enum()}).GetGetAgents().GetAgents()[0]
		}
		if g := info(); g.GetDrainInfo().GetState() != mesospb.DrainState_DRAINING || g.GetActive() || !g.GetDeactivated() {
			t.Errorf("agent is %v", g)
		}
		reactivate := &masterpb.Call{Type: masterpb.Call_REACTIVATE_AGENT.Enum(), ReactivateAgent: &masterpb.Call_ReactivateAgent{AgentId: id}}
		if status, _, _ := w.operator(reactivate); status != 400 {
			t.Errorf("reactivated while draining: %d", status)
		}
		uuid := a.update(f.id, "t", mesospb.TaskState_TASK_KILLED)
		f.status()
		if g := info(); g.GetDrainInfo().GetState() != mesospb.DrainState_DRAINING {
			t.Error("drained before the acknowledgement")
		}
		f.acknowledge(a.id, "t", uuid)
		if g := info(); g.GetDrainInfo().GetState() != mesospb.DrainState_DRAINED || g.GetDrainInfo().GetConfig().GetMaxGracePeriod().GetNanoseconds() != 2e9 || g.EstimatedDrainStartTime == nil {
			t.Errorf("agent is %v", g)
		}
		time.Sleep(time.Minute)
		f.quiet()
		w.mustOperate(reactivate)
		f.offer()
		if status, _, _ := w.operator(reactivate); status != 400 {
			t.Errorf("reactivated twice: %d", status)
		}
		w.mustOperate(&masterpb.Call{Type: masterpb.Call_DEACTIVATE_AGENT.Enum(), DeactivateAgent: &masterpb.Call_DeactivateAgent{AgentId: id}})
		f.expect(schedulerpb.Event_RESCIND)
		w.mustOperate(reactivate)
		o := f.offer()
		expectMsg[link.AcknowledgeStatus](a)
		f.run(a, o, "t2")
		drain.DrainAgent.MarkGone = proto.Bool(true)
		w.mustOperate(drain)
		f.step2(a, "t2", mesospb.TaskState_TASK_KILLED)
		if e := f.expect(schedulerpb.Event_FAILURE); e.GetFailure().GetAgentId().GetValue() != a.id {
			t.Errorf("got %v", e)
		}
		f.reconcile("t2", a.id)
		if s := f.status(); s.GetState() != mesospb.TaskState_TASK_GONE_BY_OPERATOR {
			t.Errorf("got %v", s)
		}
	})
}

// step2 is step without waiting for the agent to hear of it.
func (f *scheduler) step2(a *fakeAgent, id string, state mesospb.TaskState) {
	f.w.Helper()
	uuid := a.update(f.id, id, state)
	f.status()
	f.acknowledge(a.id, id, uuid)
}

func TestMarkAgentGone(t *testing.T) {
	w := start(t, Config{AllocationInterval: time.Millisecond})
	a := w.agent("h")
	f, old := w.subscribe(frameworkInfo()), w.subscribe(withCapabilities(frameworkInfo(), mesospb.FrameworkInfo_Capability_MULTI_ROLE))
	o := f.offer()
	f.accept([]*mesospb.Offer{o}, 0, launch(command(o, "t", 1, 32)))
	expectMsg[link.RunTask](a)
	o = old.offer()
	old.accept([]*mesospb.Offer{o}, 1e6, launch(command(o, "u", 1, 32)))
	expectMsg[link.RunTask](a)
	gone := &masterpb.Call{Type: masterpb.Call_MARK_AGENT_GONE.Enum(), MarkAgentGone: &masterpb.Call_MarkAgentGone{AgentId: &mesospb.AgentID{Value: &a.id}}}
	w.mustOperate(gone)
	for {
		e := f.next()
		if e.GetType() != schedulerpb.Event_UPDATE {
			continue // an offer and its end may have come between
		}
		if s := e.GetUpdate().GetStatus(); s.GetState() != mesospb.TaskState_TASK_GONE_BY_OPERATOR || s.GetReason() != mesospb.TaskStatus_REASON_AGENT_REMOVED_BY_OPERATOR {
			t.Errorf("got %v", s)
		}
		break
	}
	if s := old.status(); s.GetState() != mesospb.TaskState_TASK_LOST || s.GetReason() != mesospb.TaskStatus_REASON_AGENT_REMOVED {
		t.Errorf("got %v", s)
	}
	expectMsg[link.Shutdown](a)
	w.mustOperate(gone) // again
	d := a.desc
	d.Info = proto.CloneOf(d.Info)
	d.Info.Id = &mesospb.AgentID{Value: &a.id}
	b := w.dial(d)
	b.end.Send(link.Reregister{Agent: d})
	if r := expectMsg[link.Refused](b); r.Message != "Agent has been marked gone" {
		t.Errorf("got %+v", r)
	}
}

// What a real Mesos did around maintenance (capture f17).
func TestMaintenance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		a := w.agent("H")
		f := w.subscribe(frameworkInfo())
		f.run(a, f.offer(), "t")
		u := &mesospb.Unavailability{Start: timeInfo(time.Now().Add(time.Hour)), Duration: &mesospb.DurationInfo{Nanoseconds: proto.Int64(6e11)}}
		machine := &mesospb.MachineID{Hostname: proto.String("h"), Ip: proto.String("127.0.0.1")}
		schedule := func(ws ...*maintenancepb.Window) (int, string) {
			status, text, _ := w.operator(&masterpb.Call{Type: masterpb.Call_UPDATE_MAINTENANCE_SCHEDULE.Enum(),
				UpdateMaintenanceSchedule: &masterpb.Call_UpdateMaintenanceSchedule{Schedule: &maintenancepb.Schedule{Windows: ws}}})
			return status, text
		}
		window := &maintenancepb.Window{MachineIds: []*mesospb.MachineID{machine}, Unavailability: u}
		for _, bad := range [][]*maintenancepb.Window{
			{{Unavailability: u}}, {window, window}, {{MachineIds: []*mesospb.MachineID{{}}, Unavailability: u}},
			{{MachineIds: window.MachineIds, Unavailability: &mesospb.Unavailability{Start: u.Start, Duration: &mesospb.DurationInfo{Nanoseconds: proto.Int64(-1)}}}},
		} {
			if status, _ := schedule(bad...); status != 400 {
				t.Errorf("%v: %d", bad, status)
			}
		}
		if status, text := schedule(window); status != 200 {
			t.Fatalf("got %d %q", status, text)
		}
		inverse := func() *mesospb.InverseOffer {
			t.Helper()
			list := f.expect(schedulerpb.Event_INVERSE_OFFERS).GetInverseOffers().GetInverseOffers()
			if len(list) != 1 || list[0].GetAgentId().GetValue() != a.id || !proto.Equal(list[0].Unavailability, u) || list[0].Url == nil || len(list[0].Resources) > 0 {
				t.Fatalf("got %v", list)
			}
			return list[0]
		}
		i := inverse()
		at := time.Now()
		f.call(&schedulerpb.Call{Type: schedulerpb.Call_DECLINE_INVERSE_OFFERS.Enum(), DeclineInverseOffers: &schedulerpb.Call_DeclineInverseOffers{
			InverseOfferIds: []*mesospb.OfferID{i.Id}, Filters: &mesospb.Filters{RefuseSeconds: proto.Float64(10)}}})
		i = inverse()
		if d := time.Since(at); d < 10*time.Second || d > 11*time.Second {
			t.Errorf("again after %v", d)
		}
		f.call(&schedulerpb.Call{Type: schedulerpb.Call_ACCEPT_INVERSE_OFFERS.Enum(), AcceptInverseOffers: &schedulerpb.Call_AcceptInverseOffers{
			InverseOfferIds: []*mesospb.OfferID{i.Id}, Filters: &mesospb.Filters{RefuseSeconds: proto.Float64(1e6)}}})
		status := w.mustOperate(&masterpb.Call{Type: masterpb.Call_GET_MAINTENANCE_STATUS.Enum()}).GetGetMaintenanceStatus().GetStatus()
		if ms := status.GetDrainingMachines(); len(ms) != 1 || ms[0].GetStatuses()[0].GetStatus() != allocatorpb.InverseOfferStatus_ACCEPT {
			t.Errorf("status is %v", status)
		}
		f.call(&schedulerpb.Call{Type: schedulerpb.Call_REVIVE.Enum()})
		o := f.offer()
		if !proto.Equal(o.Unavailability, u) {
			t.Errorf("the offer says %v", o.Unavailability)
		}
		i = inverse() // REVIVE clears those filters too
		down := &masterpb.Call{Type: masterpb.Call_START_MAINTENANCE.Enum(), StartMaintenance: &masterpb.Call_StartMaintenance{Machines: window.MachineIds}}
		w.mustOperate(down)
		expectMsg[link.Shutdown](a)
		if s := f.status(); s.GetState() != mesospb.TaskState_TASK_LOST || s.GetReason() != mesospb.TaskStatus_REASON_AGENT_REMOVED {
			t.Errorf("got %v", s)
		}
		f.expect(schedulerpb.Event_RESCIND)
		if r := f.expect(schedulerpb.Event_RESCIND_INVERSE_OFFER).GetRescindInverseOffer(); r.GetInverseOfferId().GetValue() != i.GetId().GetValue() {
			t.Errorf("got %v", r)
		}
		f.expect(schedulerpb.Event_FAILURE)
		b := w.dial(a.desc)
		b.end.Send(link.Register{Agent: a.desc})
		expectMsg[link.Refused](b)
		if status, _ := schedule(); status != 400 {
			t.Errorf("a machine that is down was dropped from the schedule: %d", status)
		}
		w.mustOperate(&masterpb.Call{Type: masterpb.Call_STOP_MAINTENANCE.Enum(), StopMaintenance: &masterpb.Call_StopMaintenance{Machines: window.MachineIds}})
		if s := w.mustOperate(&masterpb.Call{Type: masterpb.Call_GET_MAINTENANCE_SCHEDULE.Enum()}).GetGetMaintenanceSchedule().GetSchedule(); len(s.GetWindows()) > 0 {
			t.Errorf("schedule is %v", s)
		}
		b.end.Send(link.Register{Agent: a.desc})
		expectMsg[link.Registered](b)
		if o := f.offer(); o.Unavailability != nil {
			t.Errorf("got %v", o)
		}
	})
}
