//lint:file-ignore SA1019 old fields are on the wire.

package agent

import (
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/agentpb"
	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// Statements of docs/behaviour.md that no other test is about.

func TestOperationsAreKeptUntilTheyAreAcknowledged(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m)
	list := func() (ids []string) {
		for _, o := range ok(t, a, &agentpb.Call{Type: agentpb.Call_GET_OPERATIONS.Enum()}).GetGetOperations().GetOperations() {
			ids = append(ids, string(o.GetUuid().GetValue()))
		}
		return ids
	}
	for _, o := range []struct{ uuid, framework string }{{"0123456789abcde1", "fw-0000"}, {"0123456789abcde2", "fw-0000"}, {"0123456789abcde3", "other"}} {
		m.send(link.KeepOperation{Operation: &mesospb.Operation{
			Info:         &mesospb.Offer_Operation{Type: mesospb.Offer_Operation_UNRESERVE.Enum()},
			LatestStatus: &mesospb.OperationStatus{State: mesospb.OperationState_OPERATION_FINISHED.Enum()},
			FrameworkId:  &mesospb.FrameworkID{Value: &o.framework}, Uuid: &mesospb.UUID{Value: []byte(o.uuid)}}})
	}
	eventually(t, "they are kept", func() bool { return len(list()) == 3 })
	m.send(link.ForgetOperation{OperationID: []byte("0123456789abcde1")})
	m.send(link.ForgetOperation{OperationID: []byte("nobody knows it.")})
	eventually(t, "one is forgotten", func() bool { return len(list()) == 2 })
	m.send(link.Ping{Connected: false}) // it registers again, with what it knows
	if back := await[link.Reregister](t, m); len(back.Operations) != 2 || string(back.Operations[0].GetUuid().GetValue()) != "0123456789abcde2" {
		t.Errorf("it brings %v", back.Operations)
	}
	m.send(link.ShutdownFramework{FrameworkID: "fw-0000"})
	eventually(t, "those of a framework that was removed are forgotten", func() bool {
		left := list()
		return len(left) == 1 && left[0] == "0123456789abcde3"
	})
}

func TestDrainingIsShown(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m)
	m.send(link.RunTask{Framework: testFramework(), Task: shellTask("stubborn", "trap '' TERM; echo up; while :; do sleep 0.01; done")})
	m.updateOf(t, "stubborn", mesospb.TaskState_TASK_RUNNING)
	eventually(t, "the task is up", func() bool {
		data, _ := os.ReadFile(sandboxOf(a, "stubborn") + "/stdout")
		return len(data) > 0
	})
	grace := time.Minute
	m.send(link.Drain{MaxGrace: &grace, MarkGone: true})
	m.updateOf(t, "stubborn", mesospb.TaskState_TASK_KILLING)
	get := ok(t, a, &agentpb.Call{Type: agentpb.Call_GET_AGENT.Enum()}).GetGetAgent()
	if get.GetDrainConfig().GetMaxGracePeriod().GetNanoseconds() != int64(grace) || !get.GetDrainConfig().GetMarkGone() || get.EstimatedDrainStartTime == nil {
		t.Errorf("GET_AGENT: %v", get)
	}
	if _, body := fetch(t, a, "/state"); !strings.Contains(body, `"drain_config":{"max_grace_period":{"nanoseconds":60000000000},"mark_gone":true}`) {
		t.Errorf("/state: %s", body)
	}
	if f := ok(t, a, &agentpb.Call{Type: agentpb.Call_GET_FRAMEWORKS.Enum()}).GetGetFrameworks(); len(f.GetFrameworks()) != 1 || len(f.GetCompletedFrameworks()) != 0 {
		t.Errorf("GET_FRAMEWORKS: %v", f)
	}
	m.send(link.KillTask{FrameworkID: "fw-0000", TaskID: "stubborn", Policy: &mesospb.KillPolicy{GracePeriod: &mesospb.DurationInfo{Nanoseconds: proto.Int64(1)}}})
	if s := m.updateOf(t, "stubborn", mesospb.TaskState_TASK_GONE_BY_OPERATOR); s.GetReason() != mesospb.TaskStatus_REASON_AGENT_DRAINING {
		t.Errorf("it ends as %v", s)
	}
	waitForgotten(t, a, "stubborn")
	if get := ok(t, a, &agentpb.Call{Type: agentpb.Call_GET_AGENT.Enum()}).GetGetAgent(); get.DrainConfig != nil {
		t.Errorf("GET_AGENT in the end: %v", get)
	}
	if f := ok(t, a, &agentpb.Call{Type: agentpb.Call_GET_FRAMEWORKS.Enum()}).GetGetFrameworks(); len(f.GetFrameworks()) != 0 || len(f.GetCompletedFrameworks()) != 1 {
		t.Errorf("GET_FRAMEWORKS in the end: %v", f)
	}
}

func TestTheGracePeriodOfDrainingCapsThatOfTasks(t *testing.T) {
	ms := func(n int) *time.Duration { d := time.Duration(n) * time.Millisecond; return &d }
	for _, tc := range []struct {
		own, most *time.Duration
		want      *time.Duration // nil: its own
	}{
		{nil, nil, nil}, {ms(5000), nil, nil}, {ms(100), ms(200), nil}, {ms(300), ms(200), ms(200)}, {ms(300), ms(0), ms(0)},
		{nil, ms(2999), ms(2999)}, {nil, ms(3000), nil}, // 3 s is the default
	} {
		info := &mesospb.TaskInfo{}
		if tc.own != nil {
			info.KillPolicy = &mesospb.KillPolicy{GracePeriod: &mesospb.DurationInfo{Nanoseconds: proto.Int64(int64(*tc.own))}}
		}
		got := drainPolicy(&task{info: info}, tc.most)
		if (got == nil) != (tc.want == nil) || got != nil && time.Duration(got.GetGracePeriod().GetNanoseconds()) != *tc.want {
			t.Errorf("own %v, at most %v: %v, want %v", tc.own, tc.most, got, tc.want)
		}
	}
}

func TestResourceLimitsOfTheSystemAreSet(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m)
	task := shellTask("limited", "ulimit -Sn; ulimit -Hn; ulimit -c")
	task.Container = &mesospb.ContainerInfo{Type: mesospb.ContainerInfo_MESOS.Enum(), RlimitInfo: &mesospb.RLimitInfo{Rlimits: []*mesospb.RLimitInfo_RLimit{
		{Type: mesospb.RLimitInfo_RLimit_RLMT_NOFILE.Enum(), Soft: proto.Uint64(64), Hard: proto.Uint64(128)},
		{Type: mesospb.RLimitInfo_RLimit_RLMT_CORE.Enum(), Soft: proto.Uint64(0), Hard: proto.Uint64(0)},
	}}}
	m.send(link.RunTask{Framework: testFramework(), Task: task})
	m.updateOf(t, "limited", mesospb.TaskState_TASK_FINISHED)
	if got := readFile(t, sandboxOf(a, "limited")+"/stdout"); got != "64\n128\n0\n" {
		t.Errorf("the limits are %q", got)
	}
	task = proto.CloneOf(task) // what was sent is never changed
	task.TaskId.Value, task.Container.RlimitInfo.Rlimits[0].Soft = proto.String("absurd"), proto.Uint64(256)
	m.send(link.RunTask{Framework: testFramework(), Task: task})
	m.updateOf(t, "absurd", mesospb.TaskState_TASK_FAILED)
	if got := readFile(t, sandboxOf(a, "absurd")+"/stderr"); !strings.Contains(got, "resource limit 7 of 256, at most 128") {
		t.Errorf("stderr says %q", got)
	}
}

func TestCheckStatusesMustFitTheirType(t *testing.T) {
	typ := func(t mesospb.CheckInfo_Type) *mesospb.CheckStatusInfo {
		return &mesospb.CheckStatusInfo{Type: t.Enum()}
	}
	for want, s := range map[string]*mesospb.CheckStatusInfo{
		"":                                    {Type: mesospb.CheckInfo_TCP.Enum(), Tcp: &mesospb.CheckStatusInfo_Tcp{}},
		"CheckStatusInfo must specify 'type'": {},
		"Expecting 'command' to be set for COMMAND check's status": typ(mesospb.CheckInfo_COMMAND),
		"Expecting 'http' to be set for HTTP check's status":       typ(mesospb.CheckInfo_HTTP),
		"Expecting 'tcp' to be set for TCP check's status":         typ(mesospb.CheckInfo_TCP),
		"'UNKNOWN' is not a valid check's status type":             typ(mesospb.CheckInfo_UNKNOWN),
	} {
		if got := validateCheckStatus(s); got != want {
			t.Errorf("%v: %q, want %q", s, got, want)
		}
	}
	call := &executorpb.Call{
		Type: executorpb.Call_UPDATE.Enum(), ExecutorId: &mesospb.ExecutorID{Value: proto.String("e")}, FrameworkId: &mesospb.FrameworkID{Value: proto.String("f")},
		Update: &executorpb.Call_Update{Status: &mesospb.TaskStatus{Uuid: newUUID(), Source: mesospb.TaskStatus_SOURCE_EXECUTOR.Enum(), State: mesospb.TaskState_TASK_STAGING.Enum()}},
	}
	if got := validateExecutorCall(call); !strings.Contains(got, "TASK_STAGING") {
		t.Errorf("STAGING: %q", got)
	}
}

// heard is a peer that remembers when it was told what.
type heard struct{ events *[]string }

func (h heard) send(e *executorpb.Event) {
	*h.events = append(*h.events, e.GetType().String()+" "+time.Now().UTC().Format("15:04"))
}
func (heard) leave() {}

func TestExecutorsHearHeartbeatsEveryHalfHour(t *testing.T) {
	bubbleWith(t, simulate(nil), func(t *testing.T, m *testMaster, a *Agent) {
		var events []string
		e := &executor{peer: heard{&events}}
		_ = a.loop.Do(t.Context(), func() { a.beat(e) })
		time.Sleep(95 * time.Minute)
		synctest.Wait()
		_ = a.loop.Do(t.Context(), func() { e.heartbeat.Stop() })
		if got := strings.Join(events, ", "); got != "HEARTBEAT 00:30, HEARTBEAT 01:00, HEARTBEAT 01:30" {
			t.Errorf("heard %s", got)
		}
	})
}

func TestContainersAreKilledWithASignal(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m)
	id := &mesospb.ContainerID{Value: proto.String("polite")}
	ok(t, a, &agentpb.Call{Type: agentpb.Call_LAUNCH_CONTAINER.Enum(), LaunchContainer: &agentpb.Call_LaunchContainer{ContainerId: id, Command: &mesospb.CommandInfo{
		Value: proto.String("trap 'exit 7' USR1; echo up; while :; do sleep 0.01; done"),
	}}})
	eventually(t, "it is up", func() bool {
		data, _ := os.ReadFile(a.cfg.WorkDir + "/containers/polite/stdout")
		return len(data) > 0
	})
	kill := func(id *mesospb.ContainerID, signal *int32) (int, string) {
		_, status, text := operator(t, a, &agentpb.Call{Type: agentpb.Call_KILL_CONTAINER.Enum(), KillContainer: &agentpb.Call_KillContainer{ContainerId: id, Signal: signal}})
		return status, text
	}
	if status, text := kill(id, proto.Int32(10)); status != 200 {
		t.Errorf("%d %s", status, text)
	}
	wait := &agentpb.Call{Type: agentpb.Call_WAIT_CONTAINER.Enum(), WaitContainer: &agentpb.Call_WaitContainer{ContainerId: id}}
	if got := ok(t, a, wait).GetWaitContainer().GetExitStatus(); got != 7<<8 {
		t.Errorf("exit status %d, want %d", got, 7<<8)
	}
	if status, _ := kill(id, nil); status != 404 {
		t.Errorf("one that has ended: %d", status)
	}
	id = &mesospb.ContainerID{Value: proto.String("short")}
	ok(t, a, &agentpb.Call{Type: agentpb.Call_LAUNCH_CONTAINER.Enum(), LaunchContainer: &agentpb.Call_LaunchContainer{ContainerId: id, Command: &mesospb.CommandInfo{Value: proto.String("sleep 1000")}}})
	if status, text := kill(id, nil); status != 200 {
		t.Errorf("%d %s", status, text)
	}
	wait.WaitContainer.ContainerId = id
	if got := ok(t, a, wait).GetWaitContainer().GetExitStatus(); got != 9 {
		t.Errorf("exit status %d, want that of SIGKILL", got)
	}
}
