//lint:file-ignore SA1019 old fields are on the wire.

package agent

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

func defaultExecutorInfo(id string) *mesospb.ExecutorInfo {
	return &mesospb.ExecutorInfo{
		Type: mesospb.ExecutorInfo_DEFAULT.Enum(), ExecutorId: &mesospb.ExecutorID{Value: &id}, FrameworkId: &mesospb.FrameworkID{Value: proto.String("fw-0000")},
		Resources: []*mesospb.Resource{resources.NewCPUs(0.1, resources.WithAllocation("*")), resources.NewMem(32, resources.WithAllocation("*"))},
	}
}

func group(tasks ...*mesospb.TaskInfo) link.RunTaskGroup {
	return link.RunTaskGroup{Framework: testFramework(), Executor: defaultExecutorInfo("default-1"), Group: &mesospb.TaskGroupInfo{Tasks: tasks}}
}

// history collects the statuses of tasks until all have ended: what each went through, and how it ended.
func (m *testMaster) history(t testing.TB, ids ...string) (states map[string]string, last map[string]*mesospb.TaskStatus) {
	t.Helper()
	states, last = map[string]string{}, map[string]*mesospb.TaskStatus{}
	for ended := 0; ended < len(ids); {
		s := m.update(t)
		id := s.GetTaskId().GetValue()
		states[id] = strings.TrimSpace(states[id] + " " + strings.TrimPrefix(s.GetState().String(), "TASK_"))
		last[id] = s
		if isTerminal(s.GetState()) {
			ended++
		}
	}
	return states, last
}

// Capture f08.
func TestTaskGroupRunsInNestedContainers(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m)
	m.send(group(shellTask("grp-a", "echo a; env > vars"), shellTask("grp-b", "echo b")))
	statuses := map[string][]*mesospb.TaskStatus{}
	var order []string
	for ended := 0; ended < 2; {
		s := m.update(t)
		order = append(order, s.GetState().String())
		statuses[s.GetTaskId().GetValue()] = append(statuses[s.GetTaskId().GetValue()], s)
		if isTerminal(s.GetState()) {
			ended++
		}
	}
	if order[0] != "TASK_STARTING" || order[1] != "TASK_STARTING" {
		t.Errorf("order %v: both tasks start before one runs", order)
	}
	var parent string
	for id, list := range statuses {
		if len(list) != 3 {
			t.Fatalf("%s has %d statuses, want STARTING, RUNNING, FINISHED", id, len(list))
		}
		for _, s := range list {
			cs := s.GetContainerStatus()
			if s.GetExecutorId().GetValue() != "default-1" || cs.GetContainerId().GetParent().GetValue() == "" || s.Reason != nil {
				t.Errorf("%s: %v", id, s)
			}
			parent = cs.GetContainerId().GetParent().GetValue()
		}
		runs, end := list[1].GetContainerStatus(), list[2].GetContainerStatus()
		if runs.GetExecutorPid() == 0 || len(runs.GetNetworkInfos()) != 1 {
			t.Errorf("%s runs without pid or network: %v", id, runs)
		}
		if end.ExecutorPid != nil || len(end.GetNetworkInfos()) != 0 || list[2].GetMessage() != "Command exited with status 0" {
			t.Errorf("%s ended as %v", id, list[2])
		}
	}
	if diff := cmp.Diff(link.ExecutorExited{FrameworkID: "fw-0000", ExecutorID: "default-1", Status: 0}, await[link.ExecutorExited](t, m)); diff != "" {
		t.Error(diff)
	}
	root := sandboxOf(a, "default-1")
	nested := must(os.Readlink(root)) + "/containers/" + statuses["grp-a"][0].GetContainerStatus().GetContainerId().GetValue()
	if got := readFile(t, root+"/tasks/grp-a/stdout"); got != "a\n" {
		t.Errorf("stdout of grp-a is %q", got)
	}
	vars := readFile(t, nested+"/vars")
	for _, want := range []string{"MESOS_SANDBOX=" + nested + "\n", "MESOS_CONTAINER_IP=127.0.0.1\n", "MESOS_ALLOCATION_ROLE=*\n"} {
		if !strings.Contains(vars, want) {
			t.Errorf("no %q in\n%s", want, vars)
		}
	}
	if parent == "" || strings.Contains(vars, "MESOS_EXECUTOR_ID") {
		t.Errorf("the environment is not the task's own:\n%s", vars)
	}
	if status, body := fetch(t, a, "/files/read?path=/frameworks/fw-0000/executors/default-1/runs/latest/tasks/grp-b/stdout&offset=0"); status != 200 || body != `{"data":"b\n","offset":0}` {
		t.Errorf("output of a group's task: %d %s", status, body)
	}
}

func TestFailureInAGroupKillsTheRest(t *testing.T) {
	for _, c := range []struct {
		name         string
		bad          func() *mesospb.TaskInfo
		kill         bool
		states, last string
		peer         string
	}{
		{"exit", func() *mesospb.TaskInfo { return shellTask("bad", "exit 1") }, false, "STARTING RUNNING FAILED",
			`TASK_FAILED SOURCE_EXECUTOR  "Command exited with status 1"`, "STARTING RUNNING KILLING KILLED"},
		{"kill", func() *mesospb.TaskInfo { return shellTask("bad", "exec sleep 1000") }, true, "STARTING RUNNING KILLING KILLED",
			`TASK_KILLED SOURCE_EXECUTOR  "Command terminated with signal Terminated"`, "STARTING RUNNING KILLING KILLED"},
		{"overtime", func() *mesospb.TaskInfo {
			task := shellTask("bad", "exec sleep 1000")
			task.MaxCompletionTime = &mesospb.DurationInfo{Nanoseconds: proto.Int64(int64(20 * time.Millisecond))}
			return task
		}, false, "STARTING RUNNING FAILED", `TASK_FAILED SOURCE_EXECUTOR REASON_MAX_COMPLETION_TIME_REACHED "Command terminated with signal Terminated"`, "STARTING RUNNING KILLING KILLED"},
		{"bad URI", func() *mesospb.TaskInfo {
			task := shellTask("bad", "exit 0")
			task.Command.Uris = []*mesospb.CommandInfo_URI{{Value: proto.String("/no/such")}}
			return task
		}, false, "STARTING FAILED", `TASK_FAILED SOURCE_EXECUTOR  "Command exited with status 1"`, "STARTING RUNNING KILLING KILLED"},
		{"no command", func() *mesospb.TaskInfo { return baseTask("bad") }, false, "STARTING RUNNING FAILED",
			`TASK_FAILED SOURCE_EXECUTOR  "Command exited with status 1"`, "STARTING RUNNING KILLING KILLED"},
		{"no value", func() *mesospb.TaskInfo {
			task := baseTask("bad")
			task.Command = &mesospb.CommandInfo{Shell: proto.Bool(false)}
			return task
		}, false, "STARTING RUNNING FAILED", `TASK_FAILED SOURCE_EXECUTOR  "Command exited with status 1"`, "STARTING RUNNING KILLING KILLED"},
		{"no program", func() *mesospb.TaskInfo { return argvTask("bad", "/no/such/binary") }, false, "STARTING RUNNING FAILED",
			`TASK_FAILED SOURCE_EXECUTOR  "Command exited with status 233"`, "STARTING RUNNING KILLING KILLED"},
		{"secret by reference", func() *mesospb.TaskInfo { return byReference(shellTask("bad", "exit 0")) }, false, "STARTING FAILED",
			`TASK_FAILED SOURCE_EXECUTOR  "Collect failed: Default secret resolver cannot resolve references"`, "STARTING RUNNING KILLING KILLED"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newTestMaster(t)
			run(t, m)
			m.send(group(c.bad(), shellTask("peer", "exec sleep 1000")))
			if c.kill {
				got := map[string]bool{}
				for !got["bad"] {
					s := m.update(t)
					got[s.GetTaskId().GetValue()] = s.GetState() == mesospb.TaskState_TASK_RUNNING
				}
				c.states = strings.TrimPrefix(c.states, "STARTING RUNNING ")
			}
			m.send(link.RunTaskGroup{Framework: testFramework(), Executor: defaultExecutorInfo("default-1"), Group: &mesospb.TaskGroupInfo{Tasks: []*mesospb.TaskInfo{shellTask("other", "sleep 0.1")}}})
			if c.kill {
				m.send(kill("bad"))
			}
			states, last := m.history(t, "bad", "peer", "other")
			if states["bad"] != c.states || c.last != "" && describeStatus(last["bad"]) != c.last {
				t.Errorf("bad: %s, %s\nwant %s, %s", states["bad"], describeStatus(last["bad"]), c.states, c.last)
			}
			if !strings.HasSuffix(c.peer, states["peer"]) || describeStatus(last["peer"]) != `TASK_KILLED SOURCE_EXECUTOR  "Command terminated with signal Terminated"` {
				t.Errorf("peer: %s, %s", states["peer"], describeStatus(last["peer"]))
			}
			if last["other"].GetState() != mesospb.TaskState_TASK_FINISHED {
				t.Errorf("a task of another group: %v", last["other"])
			}
			if e := await[link.ExecutorExited](t, m); e.Status != 0 {
				t.Errorf("the executor ended with %d", e.Status)
			}
		})
	}
}

// byReference gives a task a variable that is a secret, which somebody else knows.
func byReference(task *mesospb.TaskInfo) *mesospb.TaskInfo {
	task.Command.Environment = &mesospb.Environment{Variables: []*mesospb.Environment_Variable{{
		Name: proto.String("S"), Type: mesospb.Environment_Variable_SECRET.Enum(),
		Secret: &mesospb.Secret{Type: mesospb.Secret_REFERENCE.Enum(), Reference: &mesospb.Secret_Reference{Name: proto.String("x")}},
	}}}
	return task
}

func TestKillOfAGroupThatIsQueued(t *testing.T) {
	m := newTestMaster(t)
	run(t, m)
	server := stalledServer(t)
	g := group(shellTask("one", "exit 0"), shellTask("two", "exit 0"))
	g.Executor.Command = &mesospb.CommandInfo{Uris: []*mesospb.CommandInfo_URI{{Value: proto.String(server.url + "/x")}}}
	m.send(g)
	<-server.asked
	m.send(kill("two"))
	if e := await[link.ExecutorExited](t, m); e.Status != -1 || len(m.passed) > 0 && slices.ContainsFunc(m.passed, func(msg link.Message) bool { _, ok := msg.(link.StatusUpdate); return ok }) {
		t.Errorf("the end of the executor comes first, got %+v after %v", e, m.passed)
	}
	states, last := m.history(t, "one", "two")
	if diff := cmp.Diff(map[string]string{"one": "KILLED", "two": "KILLED"}, states); diff != "" {
		t.Error(diff)
	}
	const want = `TASK_KILLED SOURCE_AGENT REASON_TASK_KILLED_DURING_LAUNCH "A task within the task group was killed before delivery to the executor"`
	if got := describeStatus(last["one"]); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestKillOfAGroupTaskThatFetches(t *testing.T) {
	m := newTestMaster(t)
	run(t, m)
	server := stalledServer(t)
	slow := shellTask("slow", "exit 0")
	slow.Command.Uris = []*mesospb.CommandInfo_URI{{Value: proto.String(server.url + "/x")}}
	m.send(group(slow, shellTask("peer", "exec sleep 1000")))
	<-server.asked
	m.send(kill("slow"))
	states, _ := m.history(t, "slow", "peer")
	if diff := cmp.Diff(map[string]string{"slow": "STARTING KILLED", "peer": "STARTING RUNNING KILLING KILLED"}, states); diff != "" {
		t.Error(diff)
	}
	await[link.ExecutorExited](t, m)
}

func TestShutdownOfADefaultExecutor(t *testing.T) {
	m := newTestMaster(t)
	run(t, m)
	m.send(group(shellTask("one", "exec sleep 1000"), shellTask("two", "exec sleep 1000")))
	m.updateOf(t, "two", mesospb.TaskState_TASK_RUNNING)
	m.send(link.ShutdownExecutor{FrameworkID: "fw-0000", ExecutorID: "default-1"})
	_, last := m.history(t, "one", "two")
	for id, s := range last {
		if s.GetState() != mesospb.TaskState_TASK_KILLED {
			t.Errorf("%s: %v", id, s)
		}
	}
	if e := await[link.ExecutorExited](t, m); e.Status != 0 {
		t.Errorf("the executor ended with %d", e.Status)
	}
}

func TestReadOnlyVolumesSayThatTheyAreNot(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m)
	host := t.TempDir()
	task := shellTask("ro", "exit 0")
	task.Container = &mesospb.ContainerInfo{Type: mesospb.ContainerInfo_MESOS.Enum(), Volumes: []*mesospb.Volume{
		{Mode: mesospb.Volume_RO.Enum(), ContainerPath: proto.String("etc"), HostPath: &host},
		{Mode: mesospb.Volume_RW.Enum(), ContainerPath: proto.String("data"), HostPath: &host},
	}}
	m.send(link.RunTask{Framework: testFramework(), Task: task})
	m.updateOf(t, "ro", mesospb.TaskState_TASK_FINISHED)
	got := readFile(t, sandboxOf(a, "ro")+"/stderr")
	if !strings.HasPrefix(got, "Volume 'etc' is not read-only here") || strings.Contains(got, "data") {
		t.Errorf("stderr says %q", got)
	}
}

func TestVolumes(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m)
	host := t.TempDir()
	volume := resources.NewDisk(64, resources.WithReservation("eng", "me"), resources.WithVolume("vol1", "me", "data"), resources.WithAllocation("eng"))
	total := resources.CloneList(a.total) // the agent changes its own
	m.send(link.Checkpoint{Total: append(slices.Clip(total), volume)})
	dir := a.cfg.WorkDir + "/volumes/roles/eng/vol1"
	eventually(t, "the volume is made", func() bool { _, err := os.Stat(dir); return err == nil })

	task := shellTask("w", "echo kept > data/file; echo seen > host/file; cat secret")
	task.Resources = append(task.Resources, volume)
	task.Container = &mesospb.ContainerInfo{Type: mesospb.ContainerInfo_MESOS.Enum(), Volumes: []*mesospb.Volume{
		{Mode: mesospb.Volume_RW.Enum(), ContainerPath: proto.String("host"), HostPath: &host},
		{Mode: mesospb.Volume_RO.Enum(), ContainerPath: proto.String("secret"), Source: &mesospb.Volume_Source{
			Type: mesospb.Volume_Source_SECRET.Enum(), Secret: &mesospb.Secret{Type: mesospb.Secret_VALUE.Enum(), Value: &mesospb.Secret_Value{Data: []byte("psst")}}}},
	}}
	m.send(link.RunTask{Framework: testFramework(), Task: task})
	m.updateOf(t, "w", mesospb.TaskState_TASK_FINISHED)
	for name, want := range map[string]string{dir + "/file": "kept\n", host + "/file": "seen\n", sandboxOf(a, "w") + "/stdout": "psst"} {
		if got := readFile(t, name); got != want {
			t.Errorf("%s holds %q, want %q", name, got, want)
		}
	}
	if _, body := fetch(t, a, "/files/read?path=/frameworks/fw-0000/executors/w/runs/latest/data/file&offset=0"); body != `{"data":"kept\n","offset":0}` {
		t.Errorf("a volume is read as %s", body)
	}

	shared := func(id, script string) *mesospb.TaskInfo {
		task := shellTask(id, script)
		task.Container = &mesospb.ContainerInfo{Type: mesospb.ContainerInfo_MESOS.Enum(), Volumes: []*mesospb.Volume{{Mode: mesospb.Volume_RW.Enum(), ContainerPath: proto.String("common"),
			Source: &mesospb.Volume_Source{Type: mesospb.Volume_Source_SANDBOX_PATH.Enum(), SandboxPath: &mesospb.Volume_Source_SandboxPath{
				Type: mesospb.Volume_Source_SandboxPath_PARENT.Enum(), Path: proto.String("shared")}}}}}
		return task
	}
	m.send(group(shared("gives", "echo hello > common/x"), shared("takes", "until test -s common/x; do sleep 0.01; done; cat common/x")))
	m.history(t, "gives", "takes")
	if got := readFile(t, sandboxOf(a, "default-1")+"/tasks/takes/stdout"); got != "hello\n" {
		t.Errorf("the shared volume holds %q", got)
	}

	m.send(link.Checkpoint{Total: total})
	eventually(t, "the volume is destroyed", func() bool { _, err := os.Stat(dir); return os.IsNotExist(err) })

	bad := shellTask("bad", "exit 0")
	bad.Container = &mesospb.ContainerInfo{Type: mesospb.ContainerInfo_MESOS.Enum(), Volumes: []*mesospb.Volume{{Mode: mesospb.Volume_RW.Enum(), ContainerPath: proto.String("/etc/x"), HostPath: &host}}}
	m.send(link.RunTask{Framework: testFramework(), Task: bad})
	if s := m.updateOf(t, "bad", mesospb.TaskState_TASK_FAILED); s.GetReason() != mesospb.TaskStatus_REASON_CONTAINER_LAUNCH_FAILED {
		t.Errorf("got %v", s)
	}
}

func TestDestroyingAVolumeOnAMountDiskEmptiesIt(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m)
	root := t.TempDir()
	volume := resources.NewDisk(64, resources.WithMountDisk(root), resources.WithReservation("eng", "me"), resources.WithVolume("v", "me", "data"))
	total := resources.CloneList(a.total) // the agent changes its own
	m.send(link.Checkpoint{Total: append(slices.Clip(total), volume)})
	for _, dir := range []string{"one", "two/three"} {
		if err := os.MkdirAll(root+"/"+dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	m.send(link.Checkpoint{Total: total})
	eventually(t, "it is empty", func() bool { left, err := os.ReadDir(root); return err == nil && len(left) == 0 })
}

func quick(h *mesospb.HealthCheck) *mesospb.HealthCheck {
	h.DelaySeconds, h.IntervalSeconds, h.TimeoutSeconds, h.GracePeriodSeconds = proto.Float64(0), proto.Float64(0.02), proto.Float64(5), proto.Float64(0)
	return h
}

// healthWords tells a story of statuses.
func healthWords(list []*mesospb.TaskStatus) string {
	var words []string
	for _, s := range list {
		w := strings.TrimPrefix(s.GetState().String(), "TASK_")
		if s.Healthy != nil {
			w += fmt.Sprintf(":%v", s.GetHealthy())
		}
		if s.GetReason() == mesospb.TaskStatus_REASON_TASK_HEALTH_CHECK_STATUS_UPDATED {
			w += "!"
		}
		words = append(words, w)
	}
	return strings.Join(words, " ")
}

func (m *testMaster) until(t testing.TB, stop func(*mesospb.TaskStatus) bool) (list []*mesospb.TaskStatus) {
	t.Helper()
	for {
		s := m.update(t)
		list = append(list, s)
		if stop(s) {
			return list
		}
	}
}

func terminal(s *mesospb.TaskStatus) bool { return isTerminal(s.GetState()) }

// Capture f12, the first task.
func TestHealthCheckKillsATaskThatFails(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m)
	task := shellTask("hc", "exec sleep 1000")
	task.HealthCheck = quick(&mesospb.HealthCheck{Type: mesospb.HealthCheck_COMMAND.Enum(), Command: &mesospb.CommandInfo{Value: proto.String("test -f ok")}, ConsecutiveFailures: proto.Uint32(3)})
	m.send(link.RunTask{Framework: testFramework(), Task: task})
	list := m.until(t, func(s *mesospb.TaskStatus) bool { return s.Healthy != nil })
	ok := sandboxOf(a, "hc") + "/ok"
	if err := os.WriteFile(ok, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	list = append(list, m.until(t, func(s *mesospb.TaskStatus) bool { return s.GetHealthy() || terminal(s) })...)
	if err := os.Remove(ok); err != nil {
		t.Fatal(err)
	}
	list = append(list, m.until(t, terminal)...)
	want := "STARTING RUNNING RUNNING:false! RUNNING:true! RUNNING:false! RUNNING:false! RUNNING:false! KILLING KILLED:false"
	got := healthWords(list)
	for strings.Contains(got, "RUNNING:false! RUNNING:false! RUNNING:true!") { // how many at first is a matter of time
		got = strings.Replace(got, "RUNNING:false! RUNNING:false! RUNNING:true!", "RUNNING:false! RUNNING:true!", 1)
	}
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestHealthCheckGracePeriod(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m)
	task := shellTask("hc", "exec sleep 1000")
	task.HealthCheck = quick(&mesospb.HealthCheck{Type: mesospb.HealthCheck_COMMAND.Enum(), ConsecutiveFailures: proto.Uint32(1),
		Command: &mesospb.CommandInfo{Value: proto.String("echo x >> tries; test $(wc -l < tries) -gt 3")}})
	task.HealthCheck.GracePeriodSeconds = proto.Float64(1000)
	m.send(link.RunTask{Framework: testFramework(), Task: task})
	list := m.until(t, func(s *mesospb.TaskStatus) bool { return s.Healthy != nil || terminal(s) })
	if got := healthWords(list); got != "STARTING RUNNING RUNNING:true!" {
		t.Errorf("got %s: failures in the grace period must not count", got)
	}
	if got := readFile(t, sandboxOf(a, "hc")+"/tries"); len(got) < 8 {
		t.Errorf("tries %q", got)
	}
}

func portOf(t testing.TB, addr string) *uint32 {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	var n uint32
	fmt.Sscan(port, &n)
	return &n
}

func TestHTTPAndTCPHealthChecks(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/well" {
			w.WriteHeader(500)
		}
	}))
	defer server.Close()
	port := portOf(t, server.Listener.Addr().String())
	for name, c := range map[string]struct {
		check *mesospb.HealthCheck
		want  bool
	}{
		"http":         {&mesospb.HealthCheck{Type: mesospb.HealthCheck_HTTP.Enum(), Http: &mesospb.HealthCheck_HTTPCheckInfo{Port: port, Path: proto.String("/well")}}, true},
		"http, 500":    {&mesospb.HealthCheck{Type: mesospb.HealthCheck_HTTP.Enum(), Http: &mesospb.HealthCheck_HTTPCheckInfo{Port: port, Path: proto.String("/ill")}}, false},
		"http, nobody": {&mesospb.HealthCheck{Type: mesospb.HealthCheck_HTTP.Enum(), Http: &mesospb.HealthCheck_HTTPCheckInfo{Port: proto.Uint32(1)}}, false},
		"tcp":          {&mesospb.HealthCheck{Type: mesospb.HealthCheck_TCP.Enum(), Tcp: &mesospb.HealthCheck_TCPCheckInfo{Port: port}}, true},
		"tcp, nobody":  {&mesospb.HealthCheck{Type: mesospb.HealthCheck_TCP.Enum(), Tcp: &mesospb.HealthCheck_TCPCheckInfo{Port: proto.Uint32(1)}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := newTestMaster(t)
			run(t, m)
			task := shellTask("hc", "exec sleep 1000")
			task.HealthCheck = quick(c.check)
			m.send(link.RunTask{Framework: testFramework(), Task: task})
			list := m.until(t, func(s *mesospb.TaskStatus) bool { return s.Healthy != nil })
			if got := list[len(list)-1].GetHealthy(); got != c.want {
				t.Errorf("healthy is %v, want %v", got, c.want)
			}
		})
	}
}

// Capture f12, the second task, and its like.
func TestCheckReportsWhatChanges(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(418) }))
	defer server.Close()
	port := portOf(t, server.Listener.Addr().String())
	words := func(s *mesospb.TaskStatus) string {
		c := s.GetCheckStatus()
		w := strings.TrimPrefix(s.GetState().String(), "TASK_") + " " + c.GetType().String()
		switch {
		case c.GetCommand() != nil && c.GetCommand().ExitCode != nil:
			w += fmt.Sprint(" ", c.GetCommand().GetExitCode())
		case c.GetHttp() != nil && c.GetHttp().StatusCode != nil:
			w += fmt.Sprint(" ", c.GetHttp().GetStatusCode())
		case c.GetTcp() != nil && c.GetTcp().Succeeded != nil:
			w += fmt.Sprint(" ", c.GetTcp().GetSucceeded())
		}
		if s.GetReason() == mesospb.TaskStatus_REASON_TASK_CHECK_STATUS_UPDATED {
			w += "!"
		}
		return w
	}
	for name, c := range map[string]struct {
		check *mesospb.CheckInfo
		want  string
	}{
		"command": {&mesospb.CheckInfo{Type: mesospb.CheckInfo_COMMAND.Enum(), Command: &mesospb.CheckInfo_Command{
			Command: &mesospb.CommandInfo{Value: proto.String("echo x >> tries; case $(wc -l < tries) in 1|2) exit 1;; 3|4) exit 0;; *) touch stop;; esac")}}},
			"STARTING COMMAND, RUNNING COMMAND, RUNNING COMMAND 1!, RUNNING COMMAND 0!, FINISHED COMMAND"},
		"http": {&mesospb.CheckInfo{Type: mesospb.CheckInfo_HTTP.Enum(), Http: &mesospb.CheckInfo_Http{Port: port, Path: proto.String("/")}}, "STARTING HTTP, RUNNING HTTP, RUNNING HTTP 418!"},
		"tcp":  {&mesospb.CheckInfo{Type: mesospb.CheckInfo_TCP.Enum(), Tcp: &mesospb.CheckInfo_Tcp{Port: port}}, "STARTING TCP, RUNNING TCP, RUNNING TCP true!"},
		"tcp, nobody": {&mesospb.CheckInfo{Type: mesospb.CheckInfo_TCP.Enum(), Tcp: &mesospb.CheckInfo_Tcp{Port: proto.Uint32(1)}},
			"STARTING TCP, RUNNING TCP, RUNNING TCP false!"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newTestMaster(t)
			run(t, m)
			task := shellTask("ck", "until test -f stop; do sleep 0.01; done")
			c.check.DelaySeconds, c.check.IntervalSeconds, c.check.TimeoutSeconds = proto.Float64(0), proto.Float64(0.02), proto.Float64(5)
			task.Check = c.check
			m.send(link.RunTask{Framework: testFramework(), Task: task})
			n := strings.Count(c.want, ",") + 1
			var got []string
			for len(got) < n {
				got = append(got, words(m.update(t)))
			}
			if diff := cmp.Diff(c.want, strings.Join(got, ", ")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestACheckWithATimeoutOfZeroHasNoLimit(t *testing.T) {
	m := newTestMaster(t)
	run(t, m)
	sound := &mesospb.CommandInfo{Value: proto.String("exit 0")}
	task := shellTask("t", "exec sleep 1000")
	task.HealthCheck = &mesospb.HealthCheck{
		Type: mesospb.HealthCheck_COMMAND.Enum(), Command: sound,
		DelaySeconds: proto.Float64(0), TimeoutSeconds: proto.Float64(0), GracePeriodSeconds: proto.Float64(0), ConsecutiveFailures: proto.Uint32(1),
	}
	m.send(link.RunTask{Framework: testFramework(), Task: task})
	for {
		s := m.update(t)
		if isTerminal(s.GetState()) || s.GetState() == mesospb.TaskState_TASK_KILLING {
			t.Fatalf("got %v", s)
		}
		if s.Healthy != nil {
			if !s.GetHealthy() {
				t.Errorf("got %v", s)
			}
			break
		}
	}
	m.send(kill("t"))
	m.updateOf(t, "t", mesospb.TaskState_TASK_KILLED)

	checked := shellTask("c", "exec sleep 1000")
	checked.Check = &mesospb.CheckInfo{
		Type: mesospb.CheckInfo_COMMAND.Enum(), Command: &mesospb.CheckInfo_Command{Command: sound}, DelaySeconds: proto.Float64(0), TimeoutSeconds: proto.Float64(0),
	}
	m.send(link.RunTask{Framework: testFramework(), Task: checked})
	for s := m.update(t); ; s = m.update(t) {
		if s.GetReason() == mesospb.TaskStatus_REASON_TASK_CHECK_STATUS_UPDATED {
			if code := s.GetCheckStatus().GetCommand().ExitCode; code == nil || *code != 0 {
				t.Errorf("got %v", s)
			}
			break
		}
	}
	m.send(kill("c"))
	m.updateOf(t, "c", mesospb.TaskState_TASK_KILLED)
}
