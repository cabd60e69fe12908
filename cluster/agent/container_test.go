//lint:file-ignore SA1019 the older names of the calls are part of the API.

package agent

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/agentpb"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/recordio"
)

// nested returns the id of a container nested in that of executor x.
func nested(t testing.TB, a *Agent, id string) *mesospb.ContainerID {
	t.Helper()
	c := &mesospb.ContainerID{Value: &id}
	_ = a.loop.Do(t.Context(), func() { c.Parent = a.frameworks["fw-0000"].executors["x"].containerID })
	return c
}

func TestNestedContainersOfTheOperator(t *testing.T) {
	_, a := busy(t)
	id := nested(t, a, "n1")
	launch := func(id *mesospb.ContainerID, script string) int {
		_, status, _ := operator(t, a, &agentpb.Call{Type: agentpb.Call_LAUNCH_NESTED_CONTAINER.Enum(),
			LaunchNestedContainer: &agentpb.Call_LaunchNestedContainer{ContainerId: id, Command: &mesospb.CommandInfo{Value: &script}}})
		return status
	}
	if s := launch(id, "echo $MESOS_CONTAINER_IP; read x < /dev/null; exit 5"); s != 200 {
		t.Fatalf("launch: %d", s)
	}
	wait := &agentpb.Call{Type: agentpb.Call_WAIT_NESTED_CONTAINER.Enum(), WaitNestedContainer: &agentpb.Call_WaitNestedContainer{ContainerId: id}}
	if got := ok(t, a, wait).GetWaitNestedContainer().GetExitStatus(); got != 5<<8 {
		t.Errorf("exit status %d, want %d", got, 5<<8)
	}
	ok(t, a, wait) // again
	if s := launch(id, "true"); s != 202 {
		t.Errorf("launch of one that is there: %d, want 202", s)
	}
	dir := sandboxOf(a, "x") + "/containers/n1"
	if got := readFile(t, dir+"/stdout"); got != "127.0.0.1\n" {
		t.Errorf("stdout %q", got)
	}
	ok(t, a, &agentpb.Call{Type: agentpb.Call_REMOVE_NESTED_CONTAINER.Enum(), RemoveNestedContainer: &agentpb.Call_RemoveNestedContainer{ContainerId: id}})
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the sandbox of a removed container: %v", err)
	}
	if _, status, _ := operator(t, a, wait); status != 404 {
		t.Errorf("wait for a removed container: %d, want 404", status)
	}

	id2 := nested(t, a, "n2")
	if s := launch(id2, "trap '' TERM; sleep 1000"); s != 200 {
		t.Fatalf("launch: %d", s)
	}
	if _, status, _ := operator(t, a, &agentpb.Call{Type: agentpb.Call_REMOVE_CONTAINER.Enum(), RemoveContainer: &agentpb.Call_RemoveContainer{ContainerId: id2}}); status != 500 {
		t.Errorf("removal of a running container: %d, want 500", status)
	}
	all := ok(t, a, &agentpb.Call{Type: agentpb.Call_GET_CONTAINERS.Enum(), GetContainers: &agentpb.Call_GetContainers{ShowNested: proto.Bool(true)}})
	if n := len(all.GetGetContainers().GetContainers()); n != 3 {
		t.Errorf("%d containers, want 3", n)
	}
	ok(t, a, &agentpb.Call{Type: agentpb.Call_KILL_NESTED_CONTAINER.Enum(), KillNestedContainer: &agentpb.Call_KillNestedContainer{ContainerId: id2}})
	if got := ok(t, a, &agentpb.Call{Type: agentpb.Call_WAIT_CONTAINER.Enum(), WaitContainer: &agentpb.Call_WaitContainer{ContainerId: id2}}).GetWaitContainer().GetExitStatus(); got != 9 {
		t.Errorf("exit status %d, want 9", got)
	}
	if s := launch(&mesospb.ContainerID{Value: proto.String("y"), Parent: &mesospb.ContainerID{Value: proto.String("nobody")}}, "true"); s != 400 {
		t.Errorf("launch in a container that is not there: %d, want 400", s)
	}
}

func TestStandaloneContainer(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m)
	id := &mesospb.ContainerID{Value: proto.String("alone")}
	ok(t, a, &agentpb.Call{Type: agentpb.Call_LAUNCH_CONTAINER.Enum(), LaunchContainer: &agentpb.Call_LaunchContainer{ContainerId: id, Command: &mesospb.CommandInfo{Value: proto.String("pwd")}}})
	if got := ok(t, a, &agentpb.Call{Type: agentpb.Call_WAIT_CONTAINER.Enum(), WaitContainer: &agentpb.Call_WaitContainer{ContainerId: id}}).GetWaitContainer().GetExitStatus(); got != 0 {
		t.Errorf("exit status %d", got)
	}
	dir := a.cfg.WorkDir + "/containers/alone"
	if got := readFile(t, dir+"/stdout"); got != dir+"\n" {
		t.Errorf("it ran in %q, want %q", got, dir)
	}
}

// records reads ProcessIO of a stream.
type records struct {
	t    testing.TB
	resp *http.Response
	r    *recordio.Reader
	stop context.CancelFunc
}

func openStream(t testing.TB, a *Agent, call *agentpb.Call) *records {
	t.Helper()
	body := must(codec.Protobuf.Append(nil, call))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	req := must(http.NewRequestWithContext(ctx, http.MethodPost, "http://"+a.Addr()+"/api/v1", bytes.NewReader(body)))
	req.Header.Set("Content-Type", codec.MediaTypeProtobuf)
	req.Header.Set("Accept", codec.MediaTypeRecordIO)
	req.Header.Set("Message-Accept", codec.MediaTypeProtobuf)
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != 200 {
		t.Fatalf("%v: %d %s", call.GetType(), resp.StatusCode, must(io.ReadAll(resp.Body)))
	}
	if got := resp.Header.Get("Content-Type") + " " + resp.Header.Get("Message-Content-Type"); got != "application/recordio application/x-protobuf" {
		t.Errorf("headers say %q", got)
	}
	return &records{t: t, resp: resp, r: recordio.NewReader(resp.Body, recordio.Config{}), stop: cancel}
}

// until reads what the process writes, marked o and e, until it contains text or the stream ends.
func (r *records) until(text string) string {
	r.t.Helper()
	got := map[string]string{}
	for {
		frame, err := r.r.Next()
		if err != nil {
			return got["o"] + "|" + got["e"]
		}
		m := &agentpb.ProcessIO{}
		if err := codec.Protobuf.Unmarshal(frame, m); err != nil {
			r.t.Fatal(err)
		}
		switch m.GetData().GetType() {
		case agentpb.ProcessIO_Data_STDOUT:
			got["o"] += string(m.GetData().GetData())
		case agentpb.ProcessIO_Data_STDERR:
			got["e"] += string(m.GetData().GetData())
		}
		if text != "" && strings.Contains(got["o"]+got["e"], text) {
			return got["o"] + "|" + got["e"]
		}
	}
}

// attachInput sends records as input.
func attachInput(t testing.TB, a *Agent, id *mesospb.ContainerID, list ...*agentpb.ProcessIO) (int, string) {
	t.Helper()
	var body []byte
	add := func(in *agentpb.Call_AttachContainerInput) {
		frame := must(codec.Protobuf.Append(nil, &agentpb.Call{Type: agentpb.Call_ATTACH_CONTAINER_INPUT.Enum(), AttachContainerInput: in}))
		body = recordio.AppendFrame(body, frame)
	}
	add(&agentpb.Call_AttachContainerInput{Type: agentpb.Call_AttachContainerInput_CONTAINER_ID.Enum(), ContainerId: id})
	for _, m := range list {
		add(&agentpb.Call_AttachContainerInput{Type: agentpb.Call_AttachContainerInput_PROCESS_IO.Enum(), ProcessIo: m})
	}
	resp := post(t, a, "/api/v1", map[string]string{"Content-Type": codec.MediaTypeRecordIO, "Message-Content-Type": codec.MediaTypeProtobuf}, string(body))
	defer resp.Body.Close()
	return resp.StatusCode, string(must(io.ReadAll(resp.Body)))
}

func stdin(data string) *agentpb.ProcessIO {
	return &agentpb.ProcessIO{Type: agentpb.ProcessIO_DATA.Enum(), Data: &agentpb.ProcessIO_Data{Type: agentpb.ProcessIO_Data_STDIN.Enum(), Data: []byte(data)}}
}

func session(id *mesospb.ContainerID, script string, tty *mesospb.TTYInfo) *agentpb.Call {
	l := &agentpb.Call_LaunchNestedContainerSession{ContainerId: id, Command: &mesospb.CommandInfo{Value: &script}}
	if tty != nil {
		l.Container = &mesospb.ContainerInfo{Type: mesospb.ContainerInfo_MESOS.Enum(), TtyInfo: tty}
	}
	return &agentpb.Call{Type: agentpb.Call_LAUNCH_NESTED_CONTAINER_SESSION.Enum(), LaunchNestedContainerSession: l}
}

func TestSessionStreamsInputAndOutput(t *testing.T) {
	_, a := busy(t)
	id := nested(t, a, "s1")
	s := openStream(t, a, session(id, "echo out; echo err >&2; cat; echo $MESOS_EXECUTOR_ID; pwd", nil))
	s.until("out")
	if status, text := attachInput(t, a, id, stdin("typed\n"), stdin("")); status != 200 {
		t.Fatalf("ATTACH_CONTAINER_INPUT: %d %s", status, text)
	}
	got := s.until("")
	dir := must(os.Readlink(sandboxOf(a, "x")))
	want := fmt.Sprintf("typed\nx\n%s\n", dir)
	if !strings.HasPrefix(got, want) {
		t.Errorf("output %q, want it to begin with %q: the environment and directory of the parent", got, want)
	}
}

func TestEndOfASessionIsRemembered(t *testing.T) {
	_, a := busy(t)
	for name, typ := range map[string]agentpb.Call_Type{"s1": agentpb.Call_WAIT_NESTED_CONTAINER, "s2": agentpb.Call_WAIT_CONTAINER} {
		id := nested(t, a, name)
		openStream(t, a, session(id, "exit 4", nil)).until("")
		got := ok(t, a, &agentpb.Call{Type: typ.Enum(), WaitNestedContainer: &agentpb.Call_WaitNestedContainer{ContainerId: id}, WaitContainer: &agentpb.Call_WaitContainer{ContainerId: id}})
		if status := got.GetWaitNestedContainer().GetExitStatus() + got.GetWaitContainer().GetExitStatus(); status != 4<<8 {
			t.Errorf("%v after the end of the session: exit status %d, want %d", typ, status, 4<<8)
		}
	}
}

func TestSessionEndsWithItsClient(t *testing.T) {
	_, a := busy(t)
	id := nested(t, a, "s1")
	s := openStream(t, a, session(id, "echo up; sleep 1000", nil))
	s.until("up")
	s.stop()
	eventually(t, "the session is gone", func() bool {
		gone := false
		_ = a.loop.Do(t.Context(), func() { gone = a.containers[containerKey(id)] == nil })
		return gone
	})
}

// A window_size at launch counts for nothing (capture f27).
func TestATerminalHasNoSizeUntilInputSetsIt(t *testing.T) {
	_, a := busy(t)
	id := nested(t, a, "tty")
	size := &mesospb.TTYInfo{WindowSize: &mesospb.TTYInfo_WindowSize{Rows: proto.Uint32(24), Columns: proto.Uint32(80)}}
	s := openStream(t, a, session(id, "test -t 0 && test -t 1 && test -t 2 && stty size; trap 'stty size; exit 3' WINCH; echo ready; while :; do sleep 0.01; done", size))
	if got := s.until("ready"); !strings.Contains(got, "0 0\r\n") {
		t.Errorf("output %q, want a terminal of 0 0", got)
	}
	watch := openStream(t, a, &agentpb.Call{Type: agentpb.Call_ATTACH_CONTAINER_OUTPUT.Enum(), AttachContainerOutput: &agentpb.Call_AttachContainerOutput{ContainerId: id}})
	resize := &agentpb.ProcessIO{Type: agentpb.ProcessIO_CONTROL.Enum(), Control: &agentpb.ProcessIO_Control{
		Type:    agentpb.ProcessIO_Control_TTY_INFO.Enum(),
		TtyInfo: &mesospb.TTYInfo{WindowSize: &mesospb.TTYInfo_WindowSize{Rows: proto.Uint32(50), Columns: proto.Uint32(132)}},
	}}
	if status, text := attachInput(t, a, id, resize); status != 200 {
		t.Fatalf("ATTACH_CONTAINER_INPUT: %d %s", status, text)
	}
	for name, r := range map[string]*records{"session": s, "attached": watch} {
		if got := r.until(""); !strings.Contains(got, "50 132") {
			t.Errorf("%s: output %q, want the new size", name, got)
		}
	}
}

func TestAttachNeedsASession(t *testing.T) {
	_, a := busy(t)
	id := nested(t, a, "n1")
	ok(t, a, &agentpb.Call{Type: agentpb.Call_LAUNCH_NESTED_CONTAINER.Enum(),
		LaunchNestedContainer: &agentpb.Call_LaunchNestedContainer{ContainerId: id, Command: &mesospb.CommandInfo{Value: proto.String("sleep 1000")}}})
	if status, _ := attachInput(t, a, id, stdin("x")); status != 500 {
		t.Errorf("input for a container without: %d, want 500", status)
	}
	for _, test := range []struct {
		id     *mesospb.ContainerID
		input  *agentpb.ProcessIO
		status int
		text   string
	}{
		{id, stdin("x"), 500, "I/O switchboard server was disabled for this container"},
		{nested(t, a, "none"), stdin("x"), 500, "Unknown container " + containerKey(nested(t, a, "none"))},
		{&mesospb.ContainerID{Value: proto.String("none")}, stdin("x"), 404, "Container none cannot be found"},
	} {
		if status, text := attachInput(t, a, test.id, test.input); status != test.status || text != test.text {
			t.Errorf("%s: %d %q, want %d %q", containerKey(test.id), status, text, test.status, test.text)
		}
	}
}

func TestMemoryLimitEndsATask(t *testing.T) {
	m := newTestMaster(t)
	run(t, m)
	// A shell variable of 200 MB; 32 MB were granted.
	m.send(link.RunTask{Framework: testFramework(), Task: shellTask("hog", `x=0123456789abcdef; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23; do x=$x$x; done; sleep 1000`)})
	states, last := m.states(t, "hog")
	if states != "STARTING RUNNING FAILED" || last.GetReason() != mesospb.TaskStatus_REASON_CONTAINER_LIMITATION_MEMORY ||
		!strings.HasPrefix(last.GetMessage(), "Memory limit exceeded: Requested: 64MB Maximum Used: ") || len(last.GetLimitation().GetResources()) != 1 {
		t.Errorf("%s, %v", states, last)
	}
}

func TestATaskWithCgroupsOfItsOwnHasItsOwnMemoryLimit(t *testing.T) {
	m := newTestMaster(t)
	run(t, m)
	own := func(id, command string, mem float64) *mesospb.TaskInfo {
		task := shellTask(id, command)
		task.Container = &mesospb.ContainerInfo{Type: mesospb.ContainerInfo_MESOS.Enum(), LinuxInfo: &mesospb.LinuxInfo{ShareCgroups: proto.Bool(false)}}
		task.Limits = map[string]*mesospb.Value_Scalar{"mem": {Value: &mem}}
		return task
	}
	// The group as a whole may use it, but not the one task: 200 MB, where 40 were granted.
	m.send(group(own("hog", `x=0123456789abcdef; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23; do x=$x$x; done; sleep 1000`, 40), own("rich", "sleep 1000", 4096)))
	states, last := m.history(t, "hog", "rich")
	if states["hog"] != "STARTING RUNNING FAILED" || last["hog"].GetReason() != mesospb.TaskStatus_REASON_CONTAINER_LIMITATION_MEMORY ||
		!strings.HasPrefix(last["hog"].GetMessage(), "Memory limit exceeded: Requested: 40MB Maximum Used: ") || len(last["hog"].GetLimitation().GetResources()) != 1 {
		t.Errorf("%s, %v", states["hog"], last["hog"])
	}
	if states["rich"] != "STARTING RUNNING KILLING KILLED" || last["rich"].Reason != nil { // with its group
		t.Errorf("%s, %v", states["rich"], last["rich"])
	}
}

func TestDrainKillsTasksAndTakesNoNewOnes(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m)
	m.send(link.RunTask{Framework: testFramework(), Task: shellTask("stubborn", "trap '' TERM; echo up; while :; do sleep 0.01; done")})
	m.updateOf(t, "stubborn", mesospb.TaskState_TASK_RUNNING)
	eventually(t, "the task is up", func() bool {
		data, _ := os.ReadFile(sandboxOf(a, "stubborn") + "/stdout")
		return len(data) > 0
	})
	grace := 20 * time.Millisecond
	m.send(link.Drain{MaxGrace: &grace})
	m.send(link.RunTask{Framework: testFramework(), Task: shellTask("late", "exit 0")})
	var got []string
	for len(got) < 3 {
		s := m.update(t)
		got = append(got, s.GetTaskId().GetValue()+" "+describeStatus(s))
	}
	want := []string{
		`late TASK_DROPPED SOURCE_AGENT REASON_AGENT_DRAINING "Task was received while agent was already draining"`,
		`stubborn TASK_KILLING SOURCE_EXECUTOR REASON_AGENT_DRAINING ""`,
		`stubborn TASK_KILLED SOURCE_EXECUTOR REASON_AGENT_DRAINING "Command terminated with signal Killed"`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	waitForgotten(t, a, "stubborn")
	m.send(link.RunTask{Framework: testFramework(), Task: shellTask("later", "exit 0")})
	m.updateOf(t, "later", mesospb.TaskState_TASK_FINISHED)
}

func TestASessionWithoutATerminalHasNoWindow(t *testing.T) {
	_, a := busy(t)
	id := nested(t, a, "pipe")
	s := openStream(t, a, session(id, "echo up; cat", nil))
	s.until("up")
	size := &agentpb.ProcessIO{Type: agentpb.ProcessIO_CONTROL.Enum(), Control: &agentpb.ProcessIO_Control{
		Type:    agentpb.ProcessIO_Control_TTY_INFO.Enum(),
		TtyInfo: &mesospb.TTYInfo{WindowSize: &mesospb.TTYInfo_WindowSize{Rows: proto.Uint32(5), Columns: proto.Uint32(5)}},
	}}
	if status, text := attachInput(t, a, id, size); status != 400 || text != "Unable to set the window size: Inappropriate ioctl for device" {
		t.Errorf("got %d %q", status, text)
	}
}

func TestATerminalTakesNoDataForNothing(t *testing.T) {
	_, a := busy(t)
	id := nested(t, a, "tty")
	s := openStream(t, a, session(id, "echo up; read a; read b; echo got:$a:$b", &mesospb.TTYInfo{}))
	s.until("up")
	if status, text := attachInput(t, a, id, stdin("one\n"), stdin(""), stdin("two\n")); status != 200 && text != "Disconnected" {
		t.Errorf("got %d %q", status, text)
	}
	if got := s.until(""); !strings.Contains(got, "got:one:two") {
		t.Errorf("output %q", got)
	}
}

// Capture f27: a request that is still open when its process ends.
func TestInputOfAProcessThatEndsIsDisconnected(t *testing.T) {
	_, a := busy(t)
	id := nested(t, a, "tty")
	openStream(t, a, session(id, "read a", &mesospb.TTYInfo{}))
	if status, text := attachOpenInput(t, a, id, stdin("x\n")); status != 500 || text != "Disconnected" {
		t.Errorf("got %d %q", status, text)
	}
}

func TestInputIsRefusedBeforeTheRequestEnds(t *testing.T) {
	_, a := busy(t)
	if status, text := attachOpenInput(t, a, nested(t, a, "none")); status != 500 || !strings.HasPrefix(text, "Unknown container ") {
		t.Errorf("got %d %q", status, text)
	}
}

// attachOpenInput is attachInput with a request that does not end before its answer.
func attachOpenInput(t *testing.T, a *Agent, id *mesospb.ContainerID, list ...*agentpb.ProcessIO) (int, string) {
	t.Helper()
	body, input := io.Pipe()
	defer input.Close()
	calls := []*agentpb.Call_AttachContainerInput{{Type: agentpb.Call_AttachContainerInput_CONTAINER_ID.Enum(), ContainerId: id}}
	for _, m := range list {
		calls = append(calls, &agentpb.Call_AttachContainerInput{Type: agentpb.Call_AttachContainerInput_PROCESS_IO.Enum(), ProcessIo: m})
	}
	go func() {
		for _, c := range calls {
			data := must(codec.JSON.Append(nil, &agentpb.Call{Type: agentpb.Call_ATTACH_CONTAINER_INPUT.Enum(), AttachContainerInput: c}))
			if _, err := input.Write(recordio.AppendFrame(nil, data)); err != nil {
				return
			}
		}
	}()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+a.Addr()+"/api/v1", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", codec.MediaTypeRecordIO)
	req.Header.Set(headerMessageType, codec.MediaTypeJSON)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode, string(must(io.ReadAll(resp.Body)))
}
