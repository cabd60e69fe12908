package master

//lint:file-ignore SA1019 older frameworks use deprecated fields

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

func TestLifeOfACommandTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		a := w.agent("h")
		f := w.subscribe(frameworkInfo())
		o := f.offer()
		if o.GetId().GetValue() != "M-O0" || o.GetAgentId().GetValue() != "M-S0" || o.GetFrameworkId().GetValue() != "M-0000" {
			t.Errorf("ids of the offer: %v", o)
		}
		f.accept([]*mesospb.Offer{o}, 5, launch(command(o, "t", 1, 256)))
		run := expectMsg[link.RunTask](a)
		for _, r := range run.Task.GetResources() {
			if resources.AllocationRole(r) != "*" {
				t.Errorf("%v is not allocated", r)
			}
		}
		uuid := a.update(f.id, "t", mesospb.TaskState_TASK_RUNNING)
		want := &mesospb.TaskStatus{
			TaskId: &mesospb.TaskID{Value: proto.String("t")}, State: mesospb.TaskState_TASK_RUNNING.Enum(), Uuid: uuid,
			AgentId: o.AgentId, Source: mesospb.TaskStatus_SOURCE_EXECUTOR.Enum(), Timestamp: proto.Float64(1),
			ContainerStatus: &mesospb.ContainerStatus{ContainerId: &mesospb.ContainerID{Value: proto.String("c")}},
		}
		if d := cmp.Diff(want, f.status(), protocmp.Transform()); d != "" {
			t.Errorf("status (-want +got):\n%s", d)
		}
		f.acknowledge(a.id, "t", uuid)
		if ack := expectMsg[link.AcknowledgeStatus](a); ack.TaskID != "t" || string(ack.UUID) != string(uuid) {
			t.Errorf("agent got %+v", ack)
		}
		// The rest is filtered 5 s: 3 cpus and 1792 MB must not come sooner.
		before := time.Now()
		if rest := f.offer(); show(rest.Resources) != "ports:[31000-32000]; cpus:3; mem:1792; disk:4096" || time.Since(before) < 5*time.Second {
			t.Errorf("the rest, after %v: %s", time.Since(before), show(rest.Resources))
		} else {
			f.decline(rest, 3600)
		}
		// When the task ends the whole agent is more than was declined: an offer at the next round.
		uuid = a.update(f.id, "t", mesospb.TaskState_TASK_FINISHED)
		f.status()
		before = time.Now()
		if all := f.offer(); show(all.Resources) != "ports:[31000-32000]; cpus:4; mem:2048; disk:4096" || time.Since(before) > time.Second {
			t.Errorf("after %v: %s", time.Since(before), show(all.Resources))
		}
		if n := len(w.operatorTasks().GetTasks()); n != 1 {
			t.Errorf("%d tasks before the acknowledgement, want 1", n)
		}
		f.acknowledge(a.id, "t", uuid)
		expectMsg[link.AcknowledgeStatus](a)
		tasks := w.operatorTasks()
		if len(tasks.GetTasks()) != 0 || len(tasks.GetCompletedTasks()) != 1 || tasks.GetCompletedTasks()[0].GetState() != mesospb.TaskState_TASK_FINISHED {
			t.Errorf("tasks are %v", tasks)
		}
	})
}

// What a real Mesos said of invalid tasks (capture f04).
func TestInvalidTasks(t *testing.T) {
	w := start(t, Config{AllocationInterval: time.Millisecond})
	a := w.agent("h")
	f := w.subscribe(frameworkInfo())
	available := "ports(allocated: *):[31000-32000]; cpus(allocated: *):4; mem(allocated: *):2048; disk(allocated: *):4096"
	variable := func(v *mesospb.Environment_Variable) func(*mesospb.TaskInfo) {
		return func(t *mesospb.TaskInfo) {
			v.Name = proto.String("V")
			t.Command.Environment = &mesospb.Environment{Variables: []*mesospb.Environment_Variable{v}}
		}
	}
	container := func(c *mesospb.ContainerInfo) func(*mesospb.TaskInfo) {
		return func(t *mesospb.TaskInfo) { t.Container = c }
	}
	limits := func(name string, v float64) func(*mesospb.TaskInfo) {
		return func(t *mesospb.TaskInfo) {
			t.Limits = map[string]*mesospb.Value_Scalar{name: {Value: &v}}
		}
	}
	executor := func(e *mesospb.ExecutorInfo) func(*mesospb.TaskInfo) {
		return func(t *mesospb.TaskInfo) {
			e.ExecutorId = &mesospb.ExecutorID{Value: proto.String("e")}
			t.Command, t.Executor = nil, e
		}
	}
	for _, tc := range []struct {
		id   string
		edit func(*mesospb.TaskInfo)
		want string
	}{
		{"too-big", func(t *mesospb.TaskInfo) { t.Resources[0] = resources.NewCPUs(10000) }, "Total resources cpus(allocated: *):10000; mem(allocated: *):32 required by task and its executor is more than available " + available},
		{"no-res", func(t *mesospb.TaskInfo) { t.Resources = nil }, "Task uses no resources"},
		{"neg-cpu", func(t *mesospb.TaskInfo) { t.Resources[0] = resources.NewCPUs(-1, resources.WithAllocation("*")) }, "Resource 'cpus(allocated: *):-1' is invalid: Invalid scalar resource: value <= 0"},
		{"wrong-agent", func(t *mesospb.TaskInfo) { t.AgentId = &mesospb.AgentID{Value: proto.String("nope")} }, "Task uses invalid agent nope while agent M-S0 is expected"},
		{"empty-agent", func(t *mesospb.TaskInfo) { t.AgentId = &mesospb.AgentID{Value: proto.String("")} }, "Task uses invalid agent  while agent M-S0 is expected"},
		{"two-roles", func(t *mesospb.TaskInfo) { t.Resources[1] = resources.NewMem(32, resources.WithAllocation("a/b")) },
			"Invalid task resources: The resources have multiple allocation roles ('a/b' and '*') but only one allocation role is allowed"},
		{"shared-cpus", func(t *mesospb.TaskInfo) { t.Resources[0].Shared = &mesospb.Resource_SharedInfo{} }, "Resource 'cpus<SHARED>:0.1' is invalid: Resource cpus cannot be shared"},
		{"overlapping-ports", func(t *mesospb.TaskInfo) {
			p := resources.NewPorts(10, 12)
			p.Ranges.Range = append(p.Ranges.Range, &mesospb.Value_Range{Begin: proto.Uint64(11), End: proto.Uint64(11)})
			t.Resources = append(t.Resources, p)
		}, "Resource 'ports:[10-12]' is invalid: Invalid ranges resource: overlapping ranges"},
		{"no-cmd", func(t *mesospb.TaskInfo) { t.Command = nil }, "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present"},
		{"both", func(t *mesospb.TaskInfo) {
			t.Executor = &mesospb.ExecutorInfo{ExecutorId: &mesospb.ExecutorID{Value: proto.String("x")}, Command: &mesospb.CommandInfo{}}
		}, "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present"},
		{"bad/id", nil, "'bad/id' contains invalid characters"},
		{"bad-alloc", func(t *mesospb.TaskInfo) { t.Resources = resources.Allocate(t.Resources, "other") }, "Total resources cpus(allocated: other):0.1; mem(allocated: other):32 required by task and its executor is more than available " + available},
		{"badport", func(t *mesospb.TaskInfo) { t.Resources = append(t.Resources, resources.NewPorts(10, 11)) }, "Total resources cpus(allocated: *):0.1; mem(allocated: *):32; ports(allocated: *):[10-11] required by task and its executor is more than available " + available},
		{"kp", func(t *mesospb.TaskInfo) {
			t.KillPolicy = &mesospb.KillPolicy{GracePeriod: &mesospb.DurationInfo{Nanoseconds: proto.Int64(-1)}}
		}, "Task's 'kill_policy.grace_period' must be non-negative"},
		{"max", func(t *mesospb.TaskInfo) { t.MaxCompletionTime = &mesospb.DurationInfo{Nanoseconds: proto.Int64(-1)} }, "Task's `max_completion_time` must be non-negative"},
		{"check", func(t *mesospb.TaskInfo) { t.Check = &mesospb.CheckInfo{Type: mesospb.CheckInfo_TCP.Enum()} }, "Task uses invalid check: Expecting 'tcp' to be set for TCP check"},
		{"health", func(t *mesospb.TaskInfo) { t.HealthCheck = &mesospb.HealthCheck{} }, "Task uses invalid health check: HealthCheck must specify 'type'"},
		{"health-path", func(t *mesospb.TaskInfo) {
			t.HealthCheck = &mesospb.HealthCheck{Type: mesospb.HealthCheck_HTTP.Enum(), Http: &mesospb.HealthCheck_HTTPCheckInfo{Port: proto.Uint32(1), Path: proto.String("x")}}
		}, "Task uses invalid health check: The path 'x' of HTTP health check must start with '/'"},
		{"env-value", variable(&mesospb.Environment_Variable{}), "Task's `CommandInfo` is invalid: Environment variable 'V' of type 'VALUE' must have a value set"},
		{"env-secret", variable(&mesospb.Environment_Variable{Type: mesospb.Environment_Variable_SECRET.Enum()}), "Task's `CommandInfo` is invalid: Environment variable 'V' of type 'SECRET' must have a secret set"},
		{"docker", container(&mesospb.ContainerInfo{Type: mesospb.ContainerInfo_DOCKER.Enum()}), "Task's `ContainerInfo` is invalid: DockerInfo 'docker' is not set for DOCKER typed ContainerInfo"},
		{"volume", container(&mesospb.ContainerInfo{Type: mesospb.ContainerInfo_MESOS.Enum(), Volumes: []*mesospb.Volume{{Mode: mesospb.Volume_RW.Enum(), ContainerPath: proto.String("x")}}}), "Task's `ContainerInfo` is invalid: Invalid volume: Only one of them should be set: 'host_path', 'image' and 'source'"},
		{"gpus", func(t *mesospb.TaskInfo) { t.Resources = append(t.Resources, resources.NewGPUs(0.5)) }, "Task uses invalid resources: Invalid 'gpus' resource: The 'gpus' resource must be an unsigned integer"},
		{"mixed", func(t *mesospb.TaskInfo) {
			t.Resources = append(t.Resources, resources.NewCPUs(1, resources.WithRevocable()))
		}, "Task mixes revocable and non-revocable resources: Cannot use both revocable and non-revocable 'cpus' at the same time"},
		{"limit-low", limits("cpus", 0.01), "The cpu limit must be greater than or equal to the cpu request"},
		{"limit-disk", limits("disk", 1), "Only cpus and mem may be included in a task's resource limits"},
		{"default-executor", executor(&mesospb.ExecutorInfo{Type: mesospb.ExecutorInfo_DEFAULT.Enum()}), "'ExecutorInfo.type' must be 'CUSTOM'"},
		{"executor-dots", func(t *mesospb.TaskInfo) {
			executor(&mesospb.ExecutorInfo{Type: mesospb.ExecutorInfo_CUSTOM.Enum(), Command: &mesospb.CommandInfo{}, FrameworkId: &mesospb.FrameworkID{Value: proto.String("x")}})(t)
			t.Executor.ExecutorId.Value = proto.String("..")
		}, "'..' is disallowed"},
		{"executor-without-command", executor(&mesospb.ExecutorInfo{}), "'ExecutorInfo.command' must be set"},
		{"executor-of-other", executor(&mesospb.ExecutorInfo{Command: &mesospb.CommandInfo{}, FrameworkId: &mesospb.FrameworkID{Value: proto.String("x")}}), "ExecutorInfo has an invalid FrameworkID (Actual: x vs Expected: M-0000)"},
		{"executor-too-big", executor(&mesospb.ExecutorInfo{Command: &mesospb.CommandInfo{}, Resources: []*mesospb.Resource{resources.NewMem(2040)}}), "Total resources cpus(allocated: *):0.1; mem(allocated: *):2072 required by task and its executor is more than available " + available},
	} {
		o := f.offer()
		edit := tc.edit
		if edit == nil {
			edit = func(*mesospb.TaskInfo) {}
		}
		f.accept([]*mesospb.Offer{o}, 0, launch(command(o, tc.id, 0.1, 32, edit)))
		s := f.status()
		want := &mesospb.TaskStatus{
			TaskId: &mesospb.TaskID{Value: proto.String(tc.id)}, State: mesospb.TaskState_TASK_ERROR.Enum(), Message: proto.String(tc.want),
			Source: mesospb.TaskStatus_SOURCE_MASTER.Enum(), Reason: mesospb.TaskStatus_REASON_TASK_INVALID.Enum(), AgentId: o.AgentId, Timestamp: s.Timestamp,
		}
		switch tc.id {
		case "wrong-agent":
			want.AgentId = &mesospb.AgentID{Value: proto.String("nope")}
		case "empty-agent":
			want.AgentId = &mesospb.AgentID{Value: proto.String("")}
		}
		if d := cmp.Diff(want, s, protocmp.Transform()); d != "" {
			t.Errorf("%s (-want +got):\n%s", tc.id, d)
		}
		a.idle()
	}
}

func TestOneInvalidTaskDoesNotHinderOthers(t *testing.T) {
	w := start(t, Config{})
	a := w.agent("h")
	f := w.subscribe(frameworkInfo())
	o := f.offer()
	f.accept([]*mesospb.Offer{o}, 0, launch(command(o, "dup", 1, 32), command(o, "dup", 1, 32), command(o, "zero", 0, 32), command(o, "big", 9, 32)))
	if s := f.status(); s.GetMessage() != "Task has duplicate ID: dup" || s.GetTaskId().GetValue() != "dup" {
		t.Errorf("got %v", s)
	}
	if s := f.status(); s.GetTaskId().GetValue() != "big" {
		t.Errorf("got %v", s)
	}
	for _, want := range []string{"dup", "zero"} {
		if got := expectMsg[link.RunTask](a).Task.GetTaskId().GetValue(); got != want {
			t.Errorf("agent runs %s, want %s", got, want)
		}
	}
}

func TestIDsMayBeUsedAgainAfterTheLastAcknowledgement(t *testing.T) {
	w := start(t, Config{AllocationInterval: time.Millisecond})
	a := w.agent("h")
	f := w.subscribe(frameworkInfo())
	o := f.offer()
	f.accept([]*mesospb.Offer{o}, 0, launch(command(o, "t", 1, 32)))
	expectMsg[link.RunTask](a)
	uuid := a.update(f.id, "t", mesospb.TaskState_TASK_FAILED)
	var s *mesospb.TaskStatus
	var offers []*mesospb.Offer
	for s == nil || offers == nil {
		switch e := f.next(); e.GetType() {
		case schedulerpb.Event_UPDATE:
			s = e.GetUpdate().GetStatus()
		case schedulerpb.Event_OFFERS:
			offers = append(offers, e.GetOffers().GetOffers()...)
		}
	}
	f.accept(offers, 0, launch(command(o, "t", 1, 32)))
	for {
		e := f.next()
		if e.GetType() == schedulerpb.Event_UPDATE {
			if got := e.GetUpdate().GetStatus(); got.GetMessage() != "Task has duplicate ID: t" {
				t.Errorf("got %v", got)
			}
			break
		}
	}
	f.acknowledge(a.id, "t", uuid)
	expectMsg[link.AcknowledgeStatus](a)
	f.accept([]*mesospb.Offer{f.offer()}, 0, launch(command(o, "t", 1, 32)))
	expectMsg[link.RunTask](a)
}

func TestInvalidOffers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		w.agent("a")
		w.agent("b")
		f := w.subscribe(frameworkInfo())
		offers := f.offers()
		op := func(o *mesospb.Offer) []*mesospb.Offer_Operation {
			return []*mesospb.Offer_Operation{
				launch(command(o, "t", 1, 32)),
				{Type: mesospb.Offer_Operation_RESERVE.Enum(), Id: &mesospb.OperationID{Value: proto.String("op")}, Reserve: &mesospb.Offer_Operation_Reserve{}},
				{Type: mesospb.Offer_Operation_RESERVE.Enum(), Reserve: &mesospb.Offer_Operation_Reserve{}},
			}
		}
		for _, tc := range []struct {
			name   string
			offers func() []*mesospb.Offer
			want   string
		}{
			{"two agents", func() []*mesospb.Offer { return offers }, fmt.Sprintf("Aggregated offers must belong to one single agent. Offer %s uses agent %s and agent %s",
				offers[1].GetId().GetValue(), offers[1].GetAgentId().GetValue(), offers[0].GetAgentId().GetValue())},
			{"spent", func() []*mesospb.Offer { return []*mesospb.Offer{offers[0]} }, "Offer " + offers[0].GetId().GetValue() + " is no longer valid"},
			{"none", func() []*mesospb.Offer { return nil }, "No offers specified"},
		} {
			f.accept(tc.offers(), 0, op(offers[0])...)
			s := f.status()
			if s.GetState() != mesospb.TaskState_TASK_DROPPED || s.GetReason() != mesospb.TaskStatus_REASON_INVALID_OFFERS || s.GetMessage() != "Task launched with invalid offers: "+tc.want {
				t.Errorf("%s: got %v", tc.name, s)
			}
			os := f.expect(schedulerpb.Event_UPDATE_OPERATION_STATUS).GetUpdateOperationStatus().GetStatus()
			if os.GetState() != mesospb.OperationState_OPERATION_ERROR || os.Uuid != nil || os.AgentId != nil || os.GetOperationId().GetValue() != "op" {
				t.Errorf("%s: got %v", tc.name, os)
			}
		}
		// What was offered comes again: no filter, at the next round.
		again := f.offers()
		if len(again) != 2 {
			t.Fatalf("got %d offers, want 2", len(again))
		}
		f.accept([]*mesospb.Offer{again[0], again[0]}, 0, op(again[0])[:1]...)
		if s := f.status(); s.GetMessage() != "Task launched with invalid offers: Duplicate offer "+again[0].GetId().GetValue()+" in offer list" {
			t.Errorf("got %v", s)
		}
		other := w.subscribe(frameworkInfo())
		other.offer() // what was taken back just now
		other.accept([]*mesospb.Offer{again[1]}, 0, op(again[1])[:1]...)
		if s := other.expect(schedulerpb.Event_UPDATE).GetUpdate().GetStatus(); s.GetReason() != mesospb.TaskStatus_REASON_INVALID_OFFERS {
			t.Errorf("got %v", s)
		}
	})
}

func TestFrameworksThatAreNotPartitionAwareHearTaskLost(t *testing.T) {
	w := start(t, Config{})
	w.agent("a")
	f := w.subscribe(withCapabilities(frameworkInfo(), mesospb.FrameworkInfo_Capability_MULTI_ROLE))
	o := f.offer()
	f.accept(nil, 0, launch(command(o, "t", 1, 32)))
	if s := f.status(); s.GetState() != mesospb.TaskState_TASK_LOST || s.GetReason() != mesospb.TaskStatus_REASON_INVALID_OFFERS {
		t.Errorf("got %v", s)
	}
	f.reconcile("nope", "")
	if s := f.status(); s.GetState() != mesospb.TaskState_TASK_LOST || s.GetReason() != mesospb.TaskStatus_REASON_RECONCILIATION {
		t.Errorf("got %v", s)
	}
}

func TestCustomExecutors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		a := w.agent("h")
		f := w.subscribe(frameworkInfo())
		with := func(e *mesospb.ExecutorInfo) func(*mesospb.TaskInfo) {
			return func(t *mesospb.TaskInfo) { t.Command, t.Executor = nil, e }
		}
		exec := func(mem float64) *mesospb.ExecutorInfo {
			return &mesospb.ExecutorInfo{
				Type: mesospb.ExecutorInfo_CUSTOM.Enum(), ExecutorId: &mesospb.ExecutorID{Value: proto.String("e")},
				Command: &mesospb.CommandInfo{Value: proto.String("x")}, Resources: []*mesospb.Resource{resources.NewMem(mem)},
			}
		}
		o := f.offer()
		f.accept([]*mesospb.Offer{o}, 0, launch(command(o, "1", 1, 32, with(exec(64))), command(o, "2", 1, 32, with(exec(64))), command(o, "3", 1, 32, with(exec(65)))))
		if s := f.status(); s.GetTaskId().GetValue() != "3" || s.GetState() != mesospb.TaskState_TASK_ERROR {
			t.Errorf("got %v, want an error of the other executor", s)
		}
		for range 2 {
			if e := expectMsg[link.RunTask](a).Task.GetExecutor(); e.GetFrameworkId().GetValue() != f.id || resources.AllocationRole(e.GetResources()[0]) != "*" {
				t.Errorf("executor is %v", e)
			}
		}
		o = f.offer() // the executor counts once
		if show(o.Resources) != "ports:[31000-32000]; cpus:2; mem:1920; disk:4096" || len(o.GetExecutorIds()) != 1 || o.GetExecutorIds()[0].GetValue() != "e" {
			t.Errorf("got %s with executors %v", show(o.Resources), o.GetExecutorIds())
		}
		f.decline(o, 1e6)

		a.end.Send(link.ExecutorMessage{FrameworkID: f.id, ExecutorID: "e", Data: []byte("hi")})
		if m := f.expect(schedulerpb.Event_MESSAGE).GetMessage(); string(m.GetData()) != "hi" || m.GetExecutorId().GetValue() != "e" || m.GetAgentId().GetValue() != a.id {
			t.Errorf("got %v", m)
		}
		f.call(&schedulerpb.Call{Type: schedulerpb.Call_MESSAGE.Enum(), Message: &schedulerpb.Call_Message{
			AgentId: o.AgentId, ExecutorId: &mesospb.ExecutorID{Value: proto.String("e")}, Data: []byte("ho")}})
		if m := expectMsg[link.FrameworkMessage](a); string(m.Data) != "ho" || m.ExecutorID != "e" || m.FrameworkID != f.id {
			t.Errorf("got %+v", m)
		}
		f.call(&schedulerpb.Call{Type: schedulerpb.Call_SHUTDOWN.Enum(), Shutdown: &schedulerpb.Call_Shutdown{
			AgentId: o.AgentId, ExecutorId: &mesospb.ExecutorID{Value: proto.String("e")}}})
		expectMsg[link.ShutdownExecutor](a)
		a.end.Send(link.ExecutorExited{FrameworkID: f.id, ExecutorID: "e", Status: 9})
		if m := f.expect(schedulerpb.Event_FAILURE).GetFailure(); m.GetStatus() != 9 || m.GetExecutorId().GetValue() != "e" || m.GetAgentId().GetValue() != a.id {
			t.Errorf("got %v", m)
		}
		if o := f.offer(); show(o.Resources) != "ports:[31000-32000]; cpus:2; mem:1984; disk:4096" || len(o.GetExecutorIds()) != 0 {
			t.Errorf("got %s with executors %v", show(o.Resources), o.GetExecutorIds())
		}
	})
}

func TestTaskGroups(t *testing.T) {
	w := start(t, Config{AllocationInterval: time.Millisecond})
	a := w.agent("h")
	f := w.subscribe(frameworkInfo())
	executor := func(edit func(*mesospb.ExecutorInfo)) *mesospb.ExecutorInfo {
		e := &mesospb.ExecutorInfo{
			Type: mesospb.ExecutorInfo_DEFAULT.Enum(), ExecutorId: &mesospb.ExecutorID{Value: proto.String("d")}, FrameworkId: &mesospb.FrameworkID{Value: &f.id},
			Resources: []*mesospb.Resource{resources.NewCPUs(0.1), resources.NewMem(32), resources.NewDisk(32)},
		}
		if edit != nil {
			edit(e)
		}
		return e
	}
	group := func(e *mesospb.ExecutorInfo, tasks ...*mesospb.TaskInfo) *mesospb.Offer_Operation {
		return &mesospb.Offer_Operation{Type: mesospb.Offer_Operation_LAUNCH_GROUP.Enum(), LaunchGroup: &mesospb.Offer_Operation_LaunchGroup{
			Executor: e, TaskGroup: &mesospb.TaskGroupInfo{Tasks: tasks},
		}}
	}
	for _, tc := range []struct {
		executor func(*mesospb.ExecutorInfo)
		task     func(*mesospb.TaskInfo)
		want     string
	}{
		{nil, func(t *mesospb.TaskInfo) { t.Resources = nil }, "Task 'b' is invalid: Task uses no resources"},
		{func(e *mesospb.ExecutorInfo) { e.FrameworkId = nil }, nil, "'ExecutorInfo.framework_id' must be set"},
		{func(e *mesospb.ExecutorInfo) { e.Type = nil }, nil, "'ExecutorInfo.type' must be set"},
		{func(e *mesospb.ExecutorInfo) { e.Command = &mesospb.CommandInfo{} }, nil, "'ExecutorInfo.command' must not be set for 'DEFAULT' executor"},
		{func(e *mesospb.ExecutorInfo) { e.Type = mesospb.ExecutorInfo_CUSTOM.Enum() }, nil, "'ExecutorInfo.command' must be set for 'CUSTOM' executor"},
		{func(e *mesospb.ExecutorInfo) { e.Resources = e.Resources[:2] }, nil, "Executor 'd' uses no disk"},
		{func(e *mesospb.ExecutorInfo) { e.Resources[1] = resources.NewMem(31) }, nil, "Executor 'd' uses less memory (31MB) than the minimum required (32MB)"},
		{nil, func(t *mesospb.TaskInfo) {
			t.Container = &mesospb.ContainerInfo{Type: mesospb.ContainerInfo_DOCKER.Enum(), Docker: &mesospb.ContainerInfo_DockerInfo{Image: proto.String("x")}}
		}, "Task 'b' is invalid: Docker ContainerInfo is not supported on the task"},
		{nil, func(t *mesospb.TaskInfo) { t.TaskId.Value = proto.String("a") }, "Task 'a' is invalid: Task has duplicate ID: a"},
		{nil, func(t *mesospb.TaskInfo) {
			t.Limits = map[string]*mesospb.Value_Scalar{"cpus": {Value: proto.Float64(2)}}
		}, "Task 'b' is invalid: Resource limits may only be set for tasks within a task group when the 'share_cgroups' field is set to 'false'."},
		{nil, func(t *mesospb.TaskInfo) { t.Resources[0] = resources.NewCPUs(4) }, ""},
	} {
		o := f.offer()
		b := command(o, "b", 1, 32)
		if tc.task != nil {
			tc.task(b)
		}
		f.accept([]*mesospb.Offer{o}, 0, group(executor(tc.executor), command(o, "a", 1, 32), b))
		for range 2 {
			s := f.status()
			if s.GetState() != mesospb.TaskState_TASK_ERROR || s.GetReason() != mesospb.TaskStatus_REASON_TASK_GROUP_INVALID || tc.want != "" && s.GetMessage() != tc.want {
				t.Errorf("want %q, got %v", tc.want, s)
			}
		}
		a.idle()
	}
	o := f.offer()
	f.accept([]*mesospb.Offer{o}, 1e6, group(executor(nil), command(o, "a", 1, 32), command(o, "b", 1, 32)))
	run := expectMsg[link.RunTaskGroup](a)
	if len(run.Group.GetTasks()) != 2 || run.Executor.GetExecutorId().GetValue() != "d" {
		t.Errorf("agent got %v", run)
	}
	w.on(func() {
		if got := show(w.agents[a.id].used[f.id].Resources()); got != "cpus:2.1; mem:96; disk:32" {
			t.Errorf("in use is %s", got)
		}
	})
}

func TestOffersOfOneAgentAreAggregated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		a := w.agent("h")
		f := w.subscribe(frameworkInfo())
		o := f.offer()
		f.run(a, o, "t")
		f.call(&schedulerpb.Call{Type: schedulerpb.Call_REVIVE.Enum()})
		first := f.offer()
		f.step(a, "t", mesospb.TaskState_TASK_FINISHED)
		second := f.offer()
		f.accept([]*mesospb.Offer{first, second}, 0, launch(command(o, "big", 4, 2048)))
		expectMsg[link.RunTask](a)
	})
}

func TestKill(t *testing.T) {
	w := start(t, Config{})
	a := w.agent("h")
	f := w.subscribe(frameworkInfo())
	f.run(a, f.offer(), "t")
	kill := func(task, agent string) {
		t.Helper()
		k := &schedulerpb.Call_Kill{TaskId: &mesospb.TaskID{Value: &task}, KillPolicy: &mesospb.KillPolicy{GracePeriod: &mesospb.DurationInfo{Nanoseconds: proto.Int64(7)}}}
		if agent != "" {
			k.AgentId = &mesospb.AgentID{Value: &agent}
		}
		f.call(&schedulerpb.Call{Type: schedulerpb.Call_KILL.Enum(), Kill: k})
	}
	kill("t", "")
	if k := expectMsg[link.KillTask](a); k.TaskID != "t" || k.FrameworkID != f.id || k.Policy.GetGracePeriod().GetNanoseconds() != 7 {
		t.Errorf("agent got %+v", k)
	}
	kill("t", "other")
	a.idle()
	kill("never-was", "")
	if s := f.status(); s.GetState() != mesospb.TaskState_TASK_UNKNOWN || s.GetMessage() != "Reconciliation: Task is unknown" || s.Uuid != nil || s.AgentId != nil {
		t.Errorf("got %v", s)
	}
	kill("never-was2", a.id)
	if s := f.status(); s.GetState() != mesospb.TaskState_TASK_GONE || s.GetMessage() != "Reconciliation: Task is unknown to the agent" || s.GetAgentId().GetValue() != a.id {
		t.Errorf("got %v", s)
	}
}

func TestOlderFrameworks(t *testing.T) {
	w := start(t, Config{AllocationInterval: time.Millisecond})
	w.agent("h", resources.NewCPUs(2), resources.NewMem(64), resources.NewCPUs(1, resources.WithReservation("eng", "p")), resources.NewMem(32, resources.WithRole("eng")))
	f := w.connect(&schedulerpb.Call_Subscribe{FrameworkInfo: &mesospb.FrameworkInfo{User: proto.String("u"), Name: proto.String("old"), Role: proto.String("eng")}}, codec.JSON)
	f.subscribed()
	o := f.offer()
	if o.AllocationInfo != nil {
		t.Errorf("allocation_info is there: %v", o)
	}
	for _, r := range o.GetResources() {
		if r.AllocationInfo != nil || len(r.GetReservations()) > 0 || r.Role == nil {
			t.Errorf("not in the older format: %v", r)
		}
	}
	if got := show(o.Resources); got != "cpus(reservations: [(DYNAMIC,eng,p)]):1; mem(reservations: [(STATIC,eng)]):32; cpus:2; mem:64" {
		t.Errorf("got %s", got)
	}
}
