//lint:file-ignore SA1019 old fields are on the wire.

package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// The captures f01 and f03 of a real Mesos: how command tasks end.
func TestCommandTasksEndAsOnARealAgent(t *testing.T) {
	m := newTestMaster(t)
	run(t, m)
	baduri := shellTask("cmd-baduri", "exit 0")
	baduri.Command.Uris = []*mesospb.CommandInfo_URI{{Value: proto.String("file:///no/such/file")}}
	overtime := shellTask("overtime", "sleep 1000")
	overtime.MaxCompletionTime = &mesospb.DurationInfo{Nanoseconds: proto.Int64(int64(50 * time.Millisecond))}
	image := shellTask("image", "exit 0")
	network := shellTask("network", "exit 0")
	novalue, secret := baseTask("no-value"), byReference(shellTask("secret", "exit 0"))
	novalue.Command = &mesospb.CommandInfo{}
	network.Container = &mesospb.ContainerInfo{Type: mesospb.ContainerInfo_MESOS.Enum(), NetworkInfos: []*mesospb.NetworkInfo{{Name: proto.String("overlay")}}}
	image.Container = &mesospb.ContainerInfo{Type: mesospb.ContainerInfo_DOCKER.Enum(), Docker: &mesospb.ContainerInfo_DockerInfo{Image: proto.String("alpine")}}
	for _, c := range []struct {
		task   *mesospb.TaskInfo
		states string
		last   string
	}{
		{shellTask("cmd-ok", "exit 0"), "STARTING RUNNING FINISHED", `TASK_FINISHED SOURCE_EXECUTOR  "Command exited with status 0"`},
		{shellTask("cmd-fail", "exit 3"), "STARTING RUNNING FAILED", `TASK_FAILED SOURCE_EXECUTOR  "Command exited with status 3"`},
		{shellTask("cmd-signal", "kill -9 $$"), "STARTING RUNNING FAILED", `TASK_FAILED SOURCE_EXECUTOR  "Command terminated with signal Killed"`},
		{argvTask("cmd-argv", "/bin/echo", "echo", "hello", "world"), "STARTING RUNNING FINISHED", `TASK_FINISHED SOURCE_EXECUTOR  "Command exited with status 0"`},
		{argvTask("cmd-nosuch", "/no/such/binary"), "STARTING RUNNING FAILED", `TASK_FAILED SOURCE_EXECUTOR  "Command exited with status 1"`},
		{overtime, "STARTING RUNNING FAILED", `TASK_FAILED SOURCE_EXECUTOR REASON_MAX_COMPLETION_TIME_REACHED "Command terminated with signal Terminated"`},
		{novalue, "STARTING FAILED", `TASK_FAILED SOURCE_AGENT REASON_EXECUTOR_TERMINATED "Executor terminated"`},
		{secret, "FAILED", `TASK_FAILED SOURCE_AGENT REASON_CONTAINER_LAUNCH_FAILED "Failed to launch container: Collect failed: Default secret resolver cannot resolve references"`},
		{network, "FAILED", `TASK_FAILED SOURCE_AGENT REASON_CONTAINER_LAUNCH_FAILED "Failed to launch container: Unknown CNI network 'overlay': the embedded agent has only the network of this machine"`},
		{image, "FAILED", `TASK_FAILED SOURCE_AGENT REASON_CONTAINER_LAUNCH_FAILED "Failed to launch container: No container runtime for type DOCKER: the embedded agent runs plain processes; use a MESOS container without an image"`},
	} {
		id := c.task.GetTaskId().GetValue()
		m.send(link.RunTask{Framework: testFramework(), Task: c.task})
		states, last := m.states(t, id)
		if diff := cmp.Diff([]string{c.states, c.last}, []string{states, describeStatus(last)}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", id, diff)
		}
	}
	m.send(link.RunTask{Framework: testFramework(), Task: baduri})
	s := m.update(t)
	got := describeStatus(s)
	const before, after = `TASK_FAILED SOURCE_AGENT REASON_CONTAINER_LAUNCH_FAILED "Failed to launch container: Failed to fetch all URIs for container '`, `': exited with status 1"`
	if !strings.HasPrefix(got, before) || !strings.HasSuffix(got, after) || s.GetContainerStatus() != nil || s.GetExecutorId().GetValue() != "cmd-baduri" {
		t.Errorf("bad URI: %s\n%v", got, s)
	}
}

// The fields of a status, as capture f01 has them.
func TestStatusOfCommandTaskIsComplete(t *testing.T) {
	m := newTestMaster(t)
	run(t, m)
	m.send(link.RunTask{Framework: testFramework(), Task: shellTask("cmd-ok", "exit 0")})
	var pid uint32
	for i, c := range []struct {
		state   mesospb.TaskState
		message *string
	}{
		{mesospb.TaskState_TASK_STARTING, nil}, {mesospb.TaskState_TASK_RUNNING, nil},
		{mesospb.TaskState_TASK_FINISHED, proto.String("Command exited with status 0")},
	} {
		u := await[link.StatusUpdate](t, m)
		s := proto.CloneOf(u.Status)
		if len(s.GetUuid()) != 16 || s.GetTimestamp() == 0 || s.GetContainerStatus().GetContainerId().GetValue() == "" {
			t.Errorf("status %d lacks facts: %v", i, s)
		}
		if got := s.GetContainerStatus().GetExecutorPid(); got == 0 || pid != 0 && got != pid {
			t.Errorf("status %d: pid %d after %d", i, got, pid)
		} else {
			pid = got
		}
		s.Uuid, s.Timestamp, s.ContainerStatus.ContainerId, s.ContainerStatus.ExecutorPid = nil, nil, nil, nil
		want := &mesospb.TaskStatus{
			TaskId: &mesospb.TaskID{Value: proto.String("cmd-ok")}, State: c.state.Enum(), Message: c.message,
			Source: mesospb.TaskStatus_SOURCE_EXECUTOR.Enum(), AgentId: &mesospb.AgentID{Value: proto.String("agent-S0")},
			ExecutorId: &mesospb.ExecutorID{Value: proto.String("cmd-ok")},
			ContainerStatus: &mesospb.ContainerStatus{NetworkInfos: []*mesospb.NetworkInfo{{IpAddresses: []*mesospb.NetworkInfo_IPAddress{{
				IpAddress: proto.String("127.0.0.1")}}}}}, // JSON shows the default protocol
		}
		if diff := cmp.Diff(want, s, protocmp.Transform()); diff != "" {
			t.Errorf("status %d (-want +got):\n%s", i, diff)
		}
	}
}

func TestCommandRunsInItsSandboxWithItsEnvironment(t *testing.T) {
	t.Setenv("LEAKED", "yes")
	t.Setenv("LIBPROCESS_IP", "127.0.0.1")
	m := newTestMaster(t)
	a := run(t, m, func(c *Config) { c.Environment = map[string]string{"GIVEN": "by agent", "OVER": "lost"} })
	task := argvTask("env", "/usr/bin/env", "env")
	task.Command.Environment = &mesospb.Environment{Variables: []*mesospb.Environment_Variable{
		{Name: proto.String("OVER"), Value: proto.String("won")},
		{Name: proto.String("SECRET"), Type: mesospb.Environment_Variable_SECRET.Enum(), Secret: &mesospb.Secret{
			Type: mesospb.Secret_VALUE.Enum(), Value: &mesospb.Secret_Value{Data: []byte("psst")}}},
	}}
	m.send(link.RunTask{Framework: testFramework(), Task: task})
	m.updateOf(t, "env", mesospb.TaskState_TASK_FINISHED)
	dir, err := filepath.EvalSymlinks(sandboxOf(a, "env"))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for line := range strings.SplitSeq(strings.TrimSpace(readFile(t, dir+"/stdout")), "\n") {
		name, value, _ := strings.Cut(line, "=")
		got[name] = value
	}
	want := map[string]string{
		"GIVEN": "by agent", "OVER": "won", "SECRET": "psst", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"LIBPROCESS_IP": "127.0.0.1", "LIBPROCESS_PORT": "0", "MESOS_FRAMEWORK_ID": "fw-0000", "MESOS_EXECUTOR_ID": "env", "MESOS_SLAVE_ID": "agent-S0",
		"MESOS_SLAVE_PID": "slave(1)@" + a.Addr(), "MESOS_AGENT_ENDPOINT": a.Addr(), "MESOS_DIRECTORY": dir, "MESOS_SANDBOX": dir,
		"MESOS_CHECKPOINT": "0", "MESOS_HTTP_COMMAND_EXECUTOR": "0", "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": "5secs", "MESOS_ALLOCATION_ROLE": "*",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o750 {
		t.Errorf("mode of the sandbox is %v, %v; want 0750", info.Mode(), err)
	}
}

func TestExecutableIsSoughtInTheSandboxFirst(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m)
	src := filepath.Join(t.TempDir(), "echo")
	if err := os.WriteFile(src, []byte("#!/bin/sh\necho mine \"$@\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]string{"echo": "mine x\n", "./echo": "mine x\n", "printf": "x"} {
		task := argvTask("t-"+strings.ReplaceAll(value, "/", "_"), value, "argv0", "x")
		task.Command.Uris = []*mesospb.CommandInfo_URI{{Value: &src, Executable: proto.Bool(true)}}
		m.send(link.RunTask{Framework: testFramework(), Task: task})
		m.updateOf(t, task.GetTaskId().GetValue(), mesospb.TaskState_TASK_FINISHED)
		if got := readFile(t, sandboxOf(a, task.GetTaskId().GetValue())+"/stdout"); got != want {
			t.Errorf("%s wrote %q, want %q", value, got, want)
		}
	}
}

func TestMissingExecutableIsNamedOnStderr(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m)
	m.send(link.RunTask{Framework: testFramework(), Task: argvTask("t", "/no/such/binary")})
	if s := m.updateOf(t, "t", mesospb.TaskState_TASK_FAILED); s.GetContainerStatus().GetExecutorPid() == 0 {
		t.Errorf("no pid in %v", s)
	}
	if got := readFile(t, sandboxOf(a, "t")+"/stderr"); got != "Failed to execute '/no/such/binary': No such file or directory\n" {
		t.Errorf("stderr is %q", got)
	}
}

func TestKillEndsATask(t *testing.T) {
	grace := func(d time.Duration) *mesospb.KillPolicy {
		return &mesospb.KillPolicy{GracePeriod: &mesospb.DurationInfo{Nanoseconds: proto.Int64(int64(d))}}
	}
	stubborn := "trap '' TERM; echo up; while true; do sleep 0.01; done"
	for _, c := range []struct {
		name    string
		script  string
		own     *mesospb.KillPolicy
		kills   []*mesospb.KillPolicy
		caps    []mesospb.FrameworkInfo_Capability_Type
		states  string
		message string
	}{
		{"a willing one", "echo up; exec sleep 1000", nil, []*mesospb.KillPolicy{nil}, nil, "STARTING RUNNING KILLING KILLED", "Command terminated with signal Terminated"},
		{"no KILLING state", "echo up; exec sleep 1000", nil, []*mesospb.KillPolicy{nil}, []mesospb.FrameworkInfo_Capability_Type{}, "STARTING RUNNING KILLED", "Command terminated with signal Terminated"},
		{"one that exits well", "trap 'exit 0' TERM; echo up; while true; do sleep 0.01; done", nil, []*mesospb.KillPolicy{nil}, nil, "STARTING RUNNING KILLING KILLED", "Command exited with status 0"},
		{"a stubborn one, its policy", stubborn, grace(20 * time.Millisecond), []*mesospb.KillPolicy{nil}, nil, "STARTING RUNNING KILLING KILLED", "Command terminated with signal Killed"},
		{"the call's policy goes first", stubborn, grace(time.Hour), []*mesospb.KillPolicy{grace(0)}, nil, "STARTING RUNNING KILLING KILLED", "Command terminated with signal Killed"},
		{"a second kill shortens", stubborn, nil, []*mesospb.KillPolicy{grace(time.Hour), grace(10 * time.Millisecond), grace(time.Hour)}, nil, "STARTING RUNNING KILLING KILLED", "Command terminated with signal Killed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newTestMaster(t)
			a := run(t, m)
			task := shellTask("t", c.script)
			task.KillPolicy = c.own
			m.send(link.RunTask{Framework: testFramework(c.caps...), Task: task})
			if c.caps != nil {
				f := testFramework()
				f.Capabilities = nil
				m.send(link.UpdateFramework{Framework: f})
			}
			eventually(t, "the task is up", func() bool {
				data, _ := os.ReadFile(sandboxOf(a, "t") + "/stdout")
				return len(data) > 0
			})
			for _, p := range c.kills {
				m.send(link.KillTask{FrameworkID: "fw-0000", TaskID: "t", Policy: p})
			}
			states, last := m.states(t, "t")
			if states != c.states || last.GetMessage() != c.message {
				t.Errorf("got %s, %q\nwant %s, %q", states, last.GetMessage(), c.states, c.message)
			}
		})
	}
}

func TestNothingIsLeftOfATask(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m)
	m.send(link.RunTask{Framework: testFramework(), Task: shellTask("t", "setsid sleep 1000 & sleep 1000 & echo $$; exit 0")})
	m.updateOf(t, "t", mesospb.TaskState_TASK_FINISHED)
	dir, err := filepath.EvalSymlinks(sandboxOf(a, "t"))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the rest is killed", func() bool {
		var probe testing.T
		checkNothingRuns(&probe, dir)
		return !probe.Failed()
	})
}

func TestKillOfATaskThatIsNotThere(t *testing.T) {
	m := newTestMaster(t)
	run(t, m)
	m.send(kill("nobody")) // the framework is unknown: nothing comes
	m.send(link.RunTask{Framework: testFramework(), Task: shellTask("t", "sleep 1000")})
	m.updateOf(t, "t", mesospb.TaskState_TASK_RUNNING)
	m.send(kill("nobody"))
	if got, want := describeStatus(m.update(t)), `TASK_DROPPED SOURCE_AGENT REASON_EXECUTOR_TERMINATED "Cannot find executor"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	m.send(kill("t"))
	m.updateOf(t, "t", mesospb.TaskState_TASK_KILLED)
}

func TestKillWhileFetching(t *testing.T) {
	m := newTestMaster(t)
	run(t, m)
	server := stalledServer(t)
	task := shellTask("t", "exit 0")
	task.Command.Uris = []*mesospb.CommandInfo_URI{{Value: proto.String(server.url + "/x")}}
	m.send(link.RunTask{Framework: testFramework(), Task: task})
	<-server.asked
	m.send(kill("t"))
	states, last := m.states(t, "t")
	if states != "KILLED" || describeStatus(last) != `TASK_KILLED SOURCE_AGENT REASON_TASK_KILLED_DURING_LAUNCH "Killed before delivery to the executor"` {
		t.Errorf("got %s, %s", states, describeStatus(last))
	}
}

func TestTaskIDCanBeUsedAgain(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m)
	for range 3 {
		m.send(link.RunTask{Framework: testFramework(), Task: shellTask("again", "exit 0")})
		m.updateOf(t, "again", mesospb.TaskState_TASK_FINISHED)
		waitForgotten(t, a, "again")
	}
}

func TestCommandTaskIDWithAnExecutorIsDropped(t *testing.T) {
	m := newTestMaster(t)
	run(t, m)
	m.send(link.RunTask{Framework: testFramework(), Task: shellTask("t", "sleep 1000")})
	m.updateOf(t, "t", mesospb.TaskState_TASK_RUNNING)
	other := shellTask("other", "exit 0")
	other.Executor = &mesospb.ExecutorInfo{ExecutorId: &mesospb.ExecutorID{Value: proto.String("x")}, Command: &mesospb.CommandInfo{Value: proto.String("sleep 1000")}}
	other.Command = nil
	m.send(link.RunTask{Framework: testFramework(), Task: other})
	m.send(link.RunTask{Framework: testFramework(), Task: shellTask("x", "exit 0")})
	if got, want := describeStatus(m.update(t)), `TASK_DROPPED SOURCE_AGENT REASON_TASK_INVALID "Cannot reuse an already existing executor for a command task"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
