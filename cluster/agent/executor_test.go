//lint:file-ignore SA1019 old fields are on the wire.

package agent

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/recordio"
	"github.com/mesokit/mesokit/mesos/resources"
)

// testExecutor is an executor that a test plays, while a process of its own stands in for it.
type testExecutor struct {
	t      testing.TB
	agent  *Agent
	id     string
	codec  codec.Codec
	events chan *executorpb.Event // closed when the stream ends
	cancel context.CancelFunc
}

func executorInfo(id, script string) *mesospb.ExecutorInfo {
	return &mesospb.ExecutorInfo{
		Type: mesospb.ExecutorInfo_CUSTOM.Enum(), ExecutorId: &mesospb.ExecutorID{Value: &id}, Name: proto.String("probe"),
		FrameworkId: &mesospb.FrameworkID{Value: proto.String("fw-0000")},
		Command:     &mesospb.CommandInfo{Value: &script},
		Resources:   []*mesospb.Resource{resources.NewCPUs(0.1, resources.WithAllocation("*"))},
	}
}

func customTask(id string, info *mesospb.ExecutorInfo) *mesospb.TaskInfo {
	t := baseTask(id)
	t.Executor = info
	t.Data = []byte("task data")
	return t
}

// post sends a request to the agent and returns the answer.
func post(t testing.TB, a *Agent, path string, headers map[string]string, body string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+a.Addr()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range headers {
		req.Header.Set(k, v)
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// subscribe connects the executor and returns it with the answer's status.
func subscribe(t testing.TB, a *Agent, id string, c codec.Codec, s *executorpb.Call_Subscribe) (*testExecutor, int) {
	t.Helper()
	x := &testExecutor{t: t, agent: a, id: id, codec: c, events: make(chan *executorpb.Event, 1000)}
	if s == nil {
		s = &executorpb.Call_Subscribe{}
	}
	body, err := c.Append(nil, &executorpb.Call{
		Type: executorpb.Call_SUBSCRIBE.Enum(), FrameworkId: &mesospb.FrameworkID{Value: proto.String("fw-0000")},
		ExecutorId: &mesospb.ExecutorID{Value: &id}, Subscribe: s,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	x.cancel = cancel
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+a.Addr()+"/api/v1/executor", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", c.MediaType())
	req.Header.Set("Accept", c.MediaType())
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return x, resp.StatusCode
	}
	if got := resp.Header.Get("Content-Type"); got != c.MediaType() {
		t.Errorf("Content-Type of the stream is %q, want %q", got, c.MediaType())
	}
	go func() {
		defer close(x.events)
		defer resp.Body.Close()
		r := recordio.NewReader(resp.Body, recordio.Config{})
		for {
			frame, err := r.Next()
			if err != nil {
				return
			}
			event := &executorpb.Event{}
			if err := c.Unmarshal(frame, event); err != nil {
				t.Errorf("event %q: %v", frame, err)
				return
			}
			x.events <- event
		}
	}()
	return x, resp.StatusCode
}

// next returns the next event, nil at the end of the stream.
func (x *testExecutor) next() *executorpb.Event {
	x.t.Helper()
	select {
	case e := <-x.events:
		return e
	case <-time.After(patience):
		x.t.Fatal("no event came")
		return nil
	}
}

// want returns the next event, which must be of a type.
func (x *testExecutor) want(typ executorpb.Event_Type) *executorpb.Event {
	x.t.Helper()
	e := x.next()
	if e == nil || e.GetType() != typ {
		x.t.Fatalf("event %v, want %v", e, typ)
	}
	return e
}

// call sends a call and returns the status and body of the answer.
func (x *testExecutor) call(call *executorpb.Call) (int, string) {
	x.t.Helper()
	call.FrameworkId = &mesospb.FrameworkID{Value: proto.String("fw-0000")}
	call.ExecutorId = &mesospb.ExecutorID{Value: &x.id}
	body, err := x.codec.Append(nil, call)
	if err != nil {
		x.t.Fatal(err)
	}
	resp := post(x.t, x.agent, "/slave(1)/api/v1/executor", map[string]string{"Content-Type": x.codec.MediaType()}, string(body))
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

// update sends a status and returns it.
func (x *testExecutor) update(task string, state mesospb.TaskState) *mesospb.TaskStatus {
	x.t.Helper()
	s := &mesospb.TaskStatus{
		TaskId: &mesospb.TaskID{Value: &task}, State: state.Enum(), Source: mesospb.TaskStatus_SOURCE_EXECUTOR.Enum(),
		Uuid: newUUID(), Timestamp: proto.Float64(12.5), Message: proto.String("probe"), Data: []byte("d"),
	}
	if status, text := x.call(&executorpb.Call{Type: executorpb.Call_UPDATE.Enum(), Update: &executorpb.Call_Update{Status: s}}); status != http.StatusAccepted {
		x.t.Fatalf("UPDATE: %d %s", status, text)
	}
	return s
}

const idle = "trap 'exit 0' TERM; echo up; while :; do sleep 0.01; done"

// launchCustom launches a task on a custom executor whose process has started.
func launchCustom(t testing.TB, m *testMaster, a *Agent, info *mesospb.ExecutorInfo, task string) {
	t.Helper()
	m.send(link.RunTask{Framework: testFramework(), Task: customTask(task, info)})
	eventually(t, "the executor is known", func() bool {
		known := false
		_ = a.loop.Do(t.Context(), func() {
			if f := a.frameworks["fw-0000"]; f != nil {
				e := f.executors[info.GetExecutorId().GetValue()]
				known = e != nil && e.container.pid != 0
			}
		})
		return known
	})
}

// Capture f14: what an executor and its scheduler see of each other.
func TestCustomExecutorConversation(t *testing.T) {
	for _, c := range []codec.Codec{codec.JSON, codec.Protobuf} {
		t.Run(c.MediaType(), func(t *testing.T) {
			m := newTestMaster(t)
			a := run(t, m)
			info := executorInfo("probe", idle)
			launchCustom(t, m, a, info, "ex-1")
			x, _ := subscribe(t, a, "probe", c, nil)

			s := x.want(executorpb.Event_SUBSCRIBED).GetSubscribed()
			wantAgent := &mesospb.AgentInfo{
				Id: &mesospb.AgentID{Value: proto.String("agent-S0")}, Hostname: proto.String("localhost"), Port: proto.Int32(int32(a.address.port)),
				Resources:  []*mesospb.Resource{resources.NewCPUs(4), resources.NewMem(2048), resources.NewDisk(4096), resources.NewPorts(31000, 32000)},
				Attributes: []*mesospb.Attribute{resources.NewTextAttribute("rack", "r1"), resources.NewTextAttribute("zone", "z1")},
			}
			if diff := cmp.Diff(wantAgent, s.GetAgentInfo(), protocmp.Transform()); diff != "" {
				t.Errorf("agent info (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(info, s.GetExecutorInfo(), protocmp.Transform(), protocmp.IgnoreFields(&mesospb.CommandInfo{}, "shell")); diff != "" {
				t.Errorf("executor info (-want +got):\n%s", diff)
			}
			if s.GetContainerId().GetValue() == "" || s.GetFrameworkInfo().GetId().GetValue() != "fw-0000" {
				t.Errorf("SUBSCRIBED lacks facts: %v", s)
			}
			if got := x.want(executorpb.Event_LAUNCH).GetLaunch().GetTask(); got.GetTaskId().GetValue() != "ex-1" || string(got.GetData()) != "task data" {
				t.Errorf("LAUNCH of %v", got)
			}
			sent := x.update("ex-1", mesospb.TaskState_TASK_RUNNING)
			if ack := x.want(executorpb.Event_ACKNOWLEDGED).GetAcknowledged(); !bytes.Equal(ack.GetUuid(), sent.GetUuid()) || ack.GetTaskId().GetValue() != "ex-1" {
				t.Errorf("ACKNOWLEDGED %v for %v", ack, sent)
			}
			got := proto.CloneOf(m.update(t))
			if got.GetContainerStatus().GetExecutorPid() == 0 {
				t.Error("no pid of the executor in the status")
			}
			got.ContainerStatus.ExecutorPid = nil
			want := proto.CloneOf(sent)
			want.AgentId = &mesospb.AgentID{Value: proto.String("agent-S0")}
			want.ContainerStatus = &mesospb.ContainerStatus{ContainerId: s.GetContainerId(), NetworkInfos: a.networkInfos()}
			if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
				t.Errorf("status at the scheduler (-want +got):\n%s", diff)
			}

			m.send(link.FrameworkMessage{FrameworkID: "fw-0000", ExecutorID: "probe", Data: []byte("to executor")})
			if got := x.want(executorpb.Event_MESSAGE).GetMessage().GetData(); string(got) != "to executor" {
				t.Errorf("MESSAGE %q", got)
			}
			if status, text := x.call(&executorpb.Call{Type: executorpb.Call_MESSAGE.Enum(), Message: &executorpb.Call_Message{Data: []byte("echo")}}); status != 202 {
				t.Errorf("MESSAGE: %d %s", status, text)
			}
			if diff := cmp.Diff(link.ExecutorMessage{FrameworkID: "fw-0000", ExecutorID: "probe", Data: []byte("echo")}, await[link.ExecutorMessage](t, m)); diff != "" {
				t.Error(diff)
			}
			if status, _ := x.call(&executorpb.Call{Type: executorpb.Call_HEARTBEAT.Enum()}); status != 202 {
				t.Errorf("HEARTBEAT: %d", status)
			}

			m.send(link.RunTask{Framework: testFramework(), Task: customTask("ex-2", info)}) // the same executor
			x.want(executorpb.Event_LAUNCH)
			x.update("ex-2", mesospb.TaskState_TASK_RUNNING)
			x.want(executorpb.Event_ACKNOWLEDGED)
			m.updateOf(t, "ex-2", mesospb.TaskState_TASK_RUNNING)

			policy := &mesospb.KillPolicy{GracePeriod: &mesospb.DurationInfo{Nanoseconds: proto.Int64(5)}}
			m.send(link.KillTask{FrameworkID: "fw-0000", TaskID: "ex-1", Policy: policy})
			if k := x.want(executorpb.Event_KILL).GetKill(); k.GetTaskId().GetValue() != "ex-1" || k.GetKillPolicy().GetGracePeriod().GetNanoseconds() != 5 {
				t.Errorf("KILL %v", k)
			}
			x.update("ex-1", mesospb.TaskState_TASK_KILLED)
			x.want(executorpb.Event_ACKNOWLEDGED)
			m.updateOf(t, "ex-1", mesospb.TaskState_TASK_KILLED)

			m.send(link.ShutdownExecutor{FrameworkID: "fw-0000", ExecutorID: "probe"})
			x.want(executorpb.Event_SHUTDOWN)
			signalExecutor(t, a, "probe") // it does as it is told
			if diff := cmp.Diff(link.ExecutorExited{FrameworkID: "fw-0000", ExecutorID: "probe", Status: 0}, await[link.ExecutorExited](t, m)); diff != "" {
				t.Error(diff)
			}
			last := m.update(t)
			if got, want := describeStatus(last), `TASK_FAILED SOURCE_AGENT REASON_EXECUTOR_TERMINATED "Executor terminated"`; got != want || last.GetTaskId().GetValue() != "ex-2" || last.GetContainerStatus() != nil {
				t.Errorf("last status %v of %v, want %s", got, last, want)
			}
			if e := x.next(); e != nil {
				t.Errorf("event %v after the executor's end, want the end of the stream", e)
			}
		})
	}
}

// signalExecutor sends SIGTERM to the process that stands in for an executor.
func signalExecutor(t testing.TB, a *Agent, id string) {
	t.Helper()
	eventually(t, "the executor heeds signals", func() bool {
		out, _ := os.ReadFile(sandboxOf(a, id) + "/stdout")
		return len(out) > 0
	})
	_ = a.loop.Do(t.Context(), func() { a.signal(a.frameworks["fw-0000"].executors[id].container, 15) })
}

func TestExecutorEndsBeforeItSubscribes(t *testing.T) {
	for _, c := range []struct {
		name, script string
		status       int32
	}{{"exit code", "exit 7", 1792}, {"signal", "kill -9 $$", 9}, {"zero", "exit 0", 0}} {
		t.Run(c.name, func(t *testing.T) {
			m := newTestMaster(t)
			run(t, m)
			m.send(link.RunTask{Framework: testFramework(), Task: customTask("t", executorInfo("dies", c.script))})
			if got := await[link.ExecutorExited](t, m); got.Status != c.status {
				t.Errorf("status %d, want %d", got.Status, c.status)
			}
			if got, want := describeStatus(m.update(t)), `TASK_FAILED SOURCE_AGENT REASON_EXECUTOR_TERMINATED "Executor terminated"`; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestExecutorThatCannotBeFetched(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m)
	info := executorInfo("x", idle)
	info.Command.Uris = []*mesospb.CommandInfo_URI{{Value: proto.String("http://127.0.0.1:1/executor")}}
	m.send(link.RunTask{Framework: testFramework(), Task: customTask("t", info)})
	if got := await[link.ExecutorExited](t, m); got.Status != -1 {
		t.Errorf("status %d, want -1", got.Status)
	}
	s := m.update(t)
	if s.GetReason() != mesospb.TaskStatus_REASON_CONTAINER_LAUNCH_FAILED || s.GetExecutorId().GetValue() != "x" {
		t.Errorf("got %v", s)
	}
	if got := readFile(t, sandboxOf(a, "x")+"/stderr"); !strings.Contains(got, "failed to fetch 'http://127.0.0.1:1/executor'") {
		t.Errorf("stderr does not name the URI: %q", got)
	}
}

func TestExecutorThatNeverRegisters(t *testing.T) {
	m := newTestMaster(t)
	run(t, m, func(c *Config) { c.ExecutorRegistrationTimeout = 50 * time.Millisecond })
	m.send(link.RunTask{Framework: testFramework(), Task: customTask("t", executorInfo("mute", "sleep 1000"))})
	if got := await[link.ExecutorExited](t, m); got.Status != 9 {
		t.Errorf("status %d, want 9", got.Status)
	}
	if got, want := describeStatus(m.update(t)), `TASK_FAILED SOURCE_AGENT REASON_EXECUTOR_REGISTRATION_TIMEOUT "Executor did not register within 50ms"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestExecutorThatIgnoresShutdownIsKilled(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m)
	info := executorInfo("deaf", "trap '' TERM; while :; do sleep 0.01; done")
	info.ShutdownGracePeriod = &mesospb.DurationInfo{Nanoseconds: proto.Int64(int64(20 * time.Millisecond))}
	launchCustom(t, m, a, info, "t")
	x, _ := subscribe(t, a, "deaf", codec.JSON, nil)
	x.want(executorpb.Event_SUBSCRIBED)
	m.send(link.ShutdownExecutor{FrameworkID: "fw-0000", ExecutorID: "deaf"})
	if got := await[link.ExecutorExited](t, m); got.Status != 9 {
		t.Errorf("status %d, want 9", got.Status)
	}
	m.updateOf(t, "t", mesospb.TaskState_TASK_FAILED)
}

func TestLaunchOnAnEndingExecutorIsDropped(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m)
	info := executorInfo("x", "trap '' TERM; while :; do sleep 0.01; done")
	launchCustom(t, m, a, info, "t")
	x, _ := subscribe(t, a, "x", codec.JSON, nil)
	x.want(executorpb.Event_SUBSCRIBED)
	m.send(link.ShutdownExecutor{FrameworkID: "fw-0000", ExecutorID: "x"})
	x.want(executorpb.Event_LAUNCH)
	x.want(executorpb.Event_SHUTDOWN)
	m.send(link.RunTask{Framework: testFramework(), Task: customTask("late", info)})
	if got, want := describeStatus(m.update(t)), `TASK_DROPPED SOURCE_AGENT REASON_EXECUTOR_TERMINATED "Executor terminating/terminated"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if y, _ := subscribe(t, a, "x", codec.JSON, nil); y.want(executorpb.Event_SHUTDOWN) != nil && y.next() != nil {
		t.Error("a stream of an ending executor is not closed after SHUTDOWN")
	}
}

func TestQueuedTasksAreKilledAndTheExecutorTurnedAway(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m)
	launchCustom(t, m, a, executorInfo("x", idle), "t")
	m.send(kill("t"))
	if got, want := describeStatus(m.update(t)), `TASK_KILLED SOURCE_AGENT REASON_TASK_KILLED_DURING_LAUNCH "Killed before delivery to the executor"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	x, _ := subscribe(t, a, "x", codec.JSON, nil)
	x.want(executorpb.Event_SHUTDOWN)
	if e := x.next(); e != nil {
		t.Errorf("event %v after SHUTDOWN", e)
	}
}

func TestExecutorReconnects(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m)
	info := executorInfo("x", idle)
	launchCustom(t, m, a, info, "kept")
	m.send(link.RunTask{Framework: testFramework(), Task: customTask("lost", info)})
	x, _ := subscribe(t, a, "x", codec.JSON, nil)
	x.want(executorpb.Event_SUBSCRIBED)
	kept := x.want(executorpb.Event_LAUNCH).GetLaunch().GetTask()
	x.want(executorpb.Event_LAUNCH)
	known := x.update("kept", mesospb.TaskState_TASK_STARTING)
	m.updateOf(t, "kept", mesospb.TaskState_TASK_STARTING)

	fresh := &mesospb.TaskStatus{TaskId: kept.GetTaskId(), State: mesospb.TaskState_TASK_RUNNING.Enum(), Uuid: newUUID(), Source: mesospb.TaskStatus_SOURCE_EXECUTOR.Enum()}
	y, _ := subscribe(t, a, "x", codec.JSON, &executorpb.Call_Subscribe{
		UnacknowledgedTasks:   []*mesospb.TaskInfo{kept},
		UnacknowledgedUpdates: []*executorpb.Call_Update{{Status: known}, {Status: fresh}},
	})
	y.want(executorpb.Event_SUBSCRIBED)
	for _, s := range []*mesospb.TaskStatus{known, fresh} {
		if ack := y.want(executorpb.Event_ACKNOWLEDGED).GetAcknowledged(); !bytes.Equal(ack.GetUuid(), s.GetUuid()) {
			t.Errorf("ACKNOWLEDGED %v, want that of %v", ack, s.GetState())
		}
	}
	for range 2 { // the tasks' streams are independent of each other
		switch s := m.update(t); s.GetTaskId().GetValue() {
		case "kept":
			if !bytes.Equal(s.GetUuid(), fresh.GetUuid()) {
				t.Errorf("status %v, want the fresh one: the known one must not be sent again", s)
			}
		case "lost":
			if got, want := describeStatus(s), `TASK_DROPPED SOURCE_AGENT REASON_AGENT_RESTARTED "Task launched during agent restart"`; got != want {
				t.Errorf("the task that the executor does not know: %s, want %s", got, want)
			}
		}
	}
	for e := x.next(); e != nil; e = x.next() { // the old stream ends
		if e.GetType() != executorpb.Event_ACKNOWLEDGED {
			t.Errorf("event %v on the stream that was replaced", e)
		}
	}
}

func TestBrokenStreamChangesNothing(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m)
	info := executorInfo("x", idle)
	launchCustom(t, m, a, info, "t")
	x, _ := subscribe(t, a, "x", codec.JSON, nil)
	x.want(executorpb.Event_SUBSCRIBED)
	x.want(executorpb.Event_LAUNCH)
	x.cancel()
	for x.next() != nil {
	}
	x.update("t", mesospb.TaskState_TASK_RUNNING)
	m.updateOf(t, "t", mesospb.TaskState_TASK_RUNNING)
}

func TestUpdatesOfOddTasks(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m)
	launchCustom(t, m, a, executorInfo("x", idle), "t")
	x, _ := subscribe(t, a, "x", codec.JSON, nil)
	x.want(executorpb.Event_SUBSCRIBED)
	x.want(executorpb.Event_LAUNCH)
	x.update("stranger", mesospb.TaskState_TASK_RUNNING) // forwarded, not acknowledged
	m.updateOf(t, "stranger", mesospb.TaskState_TASK_RUNNING)
	x.update("t", mesospb.TaskState_TASK_FINISHED)
	x.want(executorpb.Event_ACKNOWLEDGED)
	m.updateOf(t, "t", mesospb.TaskState_TASK_FINISHED)
	late := x.update("t", mesospb.TaskState_TASK_FAILED) // acknowledged, not forwarded
	if ack := x.want(executorpb.Event_ACKNOWLEDGED).GetAcknowledged(); !bytes.Equal(ack.GetUuid(), late.GetUuid()) {
		t.Errorf("ACKNOWLEDGED %v, want the late one", ack)
	}
	x.update("stranger", mesospb.TaskState_TASK_KILLED)
	if s := m.update(t); s.GetTaskId().GetValue() != "stranger" {
		t.Errorf("the scheduler got %v after the end of the task", s)
	}
}
