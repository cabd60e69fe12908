//lint:file-ignore SA1019 the older names of the calls are part of the API.

package agent

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/agentpb"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// operator sends an operator call and returns the answer.
func operator(t testing.TB, a *Agent, call *agentpb.Call) (*agentpb.Response, int, string) {
	t.Helper()
	body, err := codec.JSON.Append(nil, call)
	if err != nil {
		t.Fatal(err)
	}
	resp := post(t, a, "/api/v1", map[string]string{"Content-Type": codec.MediaTypeJSON}, string(body))
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	out := &agentpb.Response{}
	if resp.StatusCode == 200 && len(text) > 0 {
		if err := codec.JSON.Unmarshal(text, out); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	return out, resp.StatusCode, string(text)
}

func ok(t testing.TB, a *Agent, call *agentpb.Call) *agentpb.Response {
	t.Helper()
	resp, status, text := operator(t, a, call)
	if status != 200 {
		t.Fatalf("%v: %d %s", call.GetType(), status, text)
	}
	return resp
}

// fetch reads a legacy endpoint.
func fetch(t testing.TB, a *Agent, path string) (int, string) {
	t.Helper()
	req := must(http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+a.Addr()+path, nil))
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode, string(must(io.ReadAll(resp.Body)))
}

// busy runs an agent with a custom executor that has a queued task, a running command task and one that
// has ended.
func busy(t *testing.T) (*testMaster, *Agent) {
	m := newTestMaster(t)
	a := run(t, m)
	launchCustom(t, m, a, executorInfo("x", idle), "queued")
	m.send(link.RunTask{Framework: testFramework(), Task: shellTask("done", "echo output; exit 0")})
	m.updateOf(t, "done", mesospb.TaskState_TASK_FINISHED)
	waitForgotten(t, a, "done")
	m.send(link.RunTask{Framework: testFramework(), Task: shellTask("runs", "echo up; sleep 1000")})
	m.updateOf(t, "runs", mesospb.TaskState_TASK_RUNNING)
	eventually(t, "its status is acknowledged", func() bool {
		idle := false
		_ = a.loop.Do(t.Context(), func() { idle = len(a.streams[streamKey{"fw-0000", "runs"}].queue) == 0 })
		return idle
	})
	return m, a
}

func TestOperatorReads(t *testing.T) {
	_, a := busy(t)
	if !ok(t, a, &agentpb.Call{Type: agentpb.Call_GET_HEALTH.Enum()}).GetGetHealth().GetHealthy() {
		t.Error("not healthy")
	}
	if v := ok(t, a, &agentpb.Call{Type: agentpb.Call_GET_VERSION.Enum()}).GetGetVersion().GetVersionInfo().GetVersion(); v != Version {
		t.Errorf("version %q", v)
	}
	flags := map[string]string{}
	for _, f := range ok(t, a, &agentpb.Call{Type: agentpb.Call_GET_FLAGS.Enum()}).GetGetFlags().GetFlags() {
		flags[f.GetName()] = f.GetValue()
	}
	if flags["work_dir"] != a.cfg.WorkDir || flags["executor_registration_timeout"] != "1mins" {
		t.Errorf("flags %v", flags)
	}
	metrics := map[string]float64{}
	for _, m := range ok(t, a, &agentpb.Call{Type: agentpb.Call_GET_METRICS.Enum(), GetMetrics: &agentpb.Call_GetMetrics{}}).GetGetMetrics().GetMetrics() {
		metrics[m.GetName()] = m.GetValue()
	}
	for name, want := range map[string]float64{"slave/registered": 1, "slave/tasks_finished": 1, "slave/tasks_running": 1, "slave/tasks_staging": 1,
		"slave/cpus_total": 4, "slave/mem_used": 64, "slave/executors_registering": 1, "slave/executors_running": 1} {
		if metrics[name] != want {
			t.Errorf("metric %s is %v, want %v", name, metrics[name], want)
		}
	}
	state := ok(t, a, &agentpb.Call{Type: agentpb.Call_GET_STATE.Enum()}).GetGetState()
	names := func(list []*mesospb.Task) (out []string) {
		for _, t := range list {
			out = append(out, t.GetTaskId().GetValue()+" "+t.GetState().String())
		}
		return out
	}
	got := [][]string{names(state.GetGetTasks().GetQueuedTasks()), names(state.GetGetTasks().GetLaunchedTasks()),
		names(state.GetGetTasks().GetTerminatedTasks()), names(state.GetGetTasks().GetCompletedTasks())}
	if diff := cmp.Diff([][]string{{"queued TASK_STAGING"}, {"runs TASK_RUNNING"}, nil, {"done TASK_FINISHED"}}, got); diff != "" {
		t.Errorf("tasks (-want +got):\n%s", diff)
	}
	if e := state.GetGetExecutors(); len(e.GetExecutors()) != 2 || len(e.GetCompletedExecutors()) != 1 ||
		e.GetCompletedExecutors()[0].GetExecutorInfo().GetName() != "Command Executor (Task: done) (Command: sh -c 'echo output;...')" {
		t.Errorf("executors %v", e)
	}
	if f := state.GetGetFrameworks(); len(f.GetFrameworks()) != 1 || f.GetFrameworks()[0].GetFrameworkInfo().GetName() != "test" {
		t.Errorf("frameworks %v", f)
	}
	info := ok(t, a, &agentpb.Call{Type: agentpb.Call_GET_AGENT.Enum()}).GetGetAgent().GetAgentInfo()
	if info.GetId().GetValue() != "agent-S0" || info.GetResources()[0].Role != nil {
		t.Errorf("agent %v", info)
	}
	containers := ok(t, a, &agentpb.Call{Type: agentpb.Call_GET_CONTAINERS.Enum()}).GetGetContainers().GetContainers()
	if len(containers) != 2 {
		t.Fatalf("%d containers, want 2", len(containers))
	}
	for _, c := range containers {
		s := c.GetResourceStatistics()
		if c.GetContainerStatus().GetExecutorPid() == 0 || s.GetProcesses() == 0 || s.GetMemRssBytes() == 0 || s.GetMemLimitBytes() == 0 {
			t.Errorf("container %v", c)
		}
	}
}

func TestOperatorAPIAnswersAsMesosDoes(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m)
	j := map[string]string{"Content-Type": "application/json"}
	for _, c := range []struct {
		name    string
		headers map[string]string
		body    string
		status  int
		text    string
	}{
		{"no type", j, `{}`, 400, "Failed to validate agent::Call: Expecting 'type' to be present"},
		{"unknown type", j, `{"type":"NOPE"}`, 400, "Failed to validate agent::Call: Expecting 'type' to be present"},
		{"no content", j, `{"type":"GET_METRICS"}`, 400, "Failed to validate agent::Call: Expecting 'get_metrics' to be present"},
		{"other media type", map[string]string{"Content-Type": "text/plain"}, `{}`, 415, ""},
		{"unknown accept", map[string]string{"Content-Type": "application/json", "Accept": "text/html"}, `{"type":"GET_HEALTH"}`, 406, ""},
		{"no parent", j, `{"type":"WAIT_NESTED_CONTAINER","wait_nested_container":{"container_id":{"value":"x"}}}`, 400, "Failed to validate agent::Call: Expecting 'wait_nested_container.container_id.parent' to be present"},
		{"a path for an id", j, `{"type":"WAIT_CONTAINER","wait_container":{"container_id":{"value":"../x"}}}`, 400, "Failed to validate agent::Call: 'wait_container.container_id' is invalid: '../x' contains invalid characters"},
		{"dots for an id", j, `{"type":"KILL_CONTAINER","kill_container":{"container_id":{"value":".."}}}`, 400, "Failed to validate agent::Call: 'kill_container.container_id' is invalid: '..' is disallowed"},
		{"a dot in a parent", j, `{"type":"WAIT_CONTAINER","wait_container":{"container_id":{"value":"a","parent":{"value":"b.c"}}}}`, 400,
			"Failed to validate agent::Call: 'wait_container.container_id' is invalid: 'ContainerID.parent' is invalid: 'ContainerID.value' 'b.c' contains invalid characters"},
		{"an empty id", j, `{"type":"WAIT_NESTED_CONTAINER","wait_nested_container":{"container_id":{"value":""}}}`, 400, "Failed to validate agent::Call: 'wait_nested_container.container_id' is invalid: ID must not be empty"},
		{"unknown container", j, `{"type":"WAIT_CONTAINER","wait_container":{"container_id":{"value":"x"}}}`, 404, "Container x cannot be found"},
		{"no such file", j, `{"type":"LIST_FILES","list_files":{"path":"/no/such"}}`, 404, ""},
		{"records without a type", map[string]string{"Content-Type": "application/recordio"}, ``, 400, "Expecting 'Message-Content-Type' to be set for streaming requests"},
		{"records of another type", map[string]string{"Content-Type": "application/recordio", "Message-Content-Type": "x/y"}, ``, 415, ""},
		{"message type for a plain call", map[string]string{"Content-Type": "application/json", "Message-Content-Type": "application/json"}, `{"type":"GET_HEALTH"}`, 415, ""},
		{"message accept for a plain call", map[string]string{"Content-Type": "application/json", "Accept": "application/json", "Message-Accept": "application/json"}, `{"type":"GET_HEALTH"}`, 406, ""},
		{"stream of a plain call", map[string]string{"Content-Type": "application/json", "Accept": "application/recordio"}, `{"type":"GET_HEALTH"}`, 406, ""},
		{"input that is no stream", j, `{"type":"ATTACH_CONTAINER_INPUT","attach_container_input":{"type":"CONTAINER_ID","container_id":{"value":"x"}}}`, 415, ""},
		{"no such container to kill", j, `{"type":"KILL_CONTAINER","kill_container":{"container_id":{"value":"c1","parent":{"value":"p"}}}}`, 404, "Container 'p.c1' cannot be found (or is already killed)"},
		{"an unknown provider", j, `{"type":"ADD_RESOURCE_PROVIDER_CONFIG","add_resource_provider_config":{"info":{"type":"a","name":"b"}}}`, 400,
			"Failed to validate resource provider config with type 'a' and name 'b': Unknown local resource provider type 'a'"},
		{"a changed provider", j, `{"type":"UPDATE_RESOURCE_PROVIDER_CONFIG","update_resource_provider_config":{"info":{"type":"a","name":"b"}}}`, 400, ""},
		{"a provider less", j, `{"type":"REMOVE_RESOURCE_PROVIDER_CONFIG","remove_resource_provider_config":{"type":"a","name":"b"}}`, 500, ""},
		{"a provider that is gone", j, `{"type":"MARK_RESOURCE_PROVIDER_GONE","mark_resource_provider_gone":{"resource_provider_id":{"value":"x"}}}`, 200, ""},
		{"a log that is not written", j, `{"type":"LIST_FILES","list_files":{"path":"/slave/log"}}`, 404, ""},
		{"reading it", j, `{"type":"READ_FILE","read_file":{"path":"/slave/log","offset":0}}`, 404, ""},
		{"no call", j, `{"type":"UNKNOWN"}`, 501, ""},
		{"an empty list of tasks", j, `{"type":"GET_TASKS"}`, 200, `{"type":"GET_TASKS","get_tasks":{"pending_tasks":[],"queued_tasks":[],"launched_tasks":[],"terminated_tasks":[],"completed_tasks":[]}}`},
		{"an empty list of frameworks", j, `{"type":"GET_FRAMEWORKS"}`, 200, `{"type":"GET_FRAMEWORKS","get_frameworks":{"frameworks":[],"completed_frameworks":[]}}`},
		{"an empty list of executors", j, `{"type":"GET_EXECUTORS"}`, 200, `{"type":"GET_EXECUTORS","get_executors":{"executors":[],"completed_executors":[]}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp := post(t, a, "/slave(1)/api/v1", c.headers, c.body)
			defer resp.Body.Close()
			text := string(must(io.ReadAll(resp.Body)))
			if resp.StatusCode != c.status || c.text != "" && c.text != text {
				t.Errorf("%d %q, want %d %q", resp.StatusCode, text, c.status, c.text)
			}
		})
	}
}

func TestLegacyEndpoints(t *testing.T) {
	_, a := busy(t)
	for _, prefix := range []string{"", "/slave(1)"} {
		status, body := fetch(t, a, prefix+"/state")
		var state struct {
			ID, PID, Version     string
			Resources            map[string]any
			Attributes           map[string]any
			Flags                map[string]string
			Frameworks           []legacyFramework
			Completed_frameworks []legacyFramework
		}
		if err := json.Unmarshal([]byte(body), &state); err != nil || status != 200 {
			t.Fatalf("%d %v:\n%s", status, err, body)
		}
		if state.ID != "agent-S0" || state.PID != "slave(1)@"+a.Addr() || state.Flags["work_dir"] == "" || len(state.Frameworks) != 1 {
			t.Errorf("state %+v", state)
		}
		if diff := cmp.Diff(map[string]any{"cpus": 4.0, "gpus": 0.0, "mem": 2048.0, "disk": 4096.0, "ports": "[31000-32000]"}, state.Resources); diff != "" {
			t.Errorf("resources (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[string]any{"rack": "r1", "zone": "z1"}, state.Attributes); diff != "" {
			t.Errorf("attributes (-want +got):\n%s", diff)
		}
		f := state.Frameworks[0]
		if len(f.Executors) != 2 || len(f.Executors[0].Queued_tasks) != 1 || len(f.Executors[1].Tasks) != 1 || len(f.Completed_executors) != 1 {
			t.Fatalf("framework %+v", f)
		}
		done := f.Completed_executors[0]
		if got := readFile(t, done.Directory+"/stdout"); got != "output\n" || len(done.Completed_tasks) != 1 {
			t.Errorf("the directory of a completed executor holds %q", got)
		}
		if !strings.Contains(body, `"cpus":4.0`) {
			t.Error("numbers are not written as Mesos does, with a decimal point")
		}
	}
	if status, body := fetch(t, a, "/metrics/snapshot"); status != 200 || !strings.Contains(body, `"slave/tasks_running":1.0`) {
		t.Errorf("metrics: %d %s", status, body)
	}
	if status, _ := fetch(t, a, "/health"); status != 200 {
		t.Errorf("health: %d", status)
	}
	if _, body := fetch(t, a, "/version?jsonp=cb"); !strings.HasPrefix(body, "cb({") || !strings.HasSuffix(body, "});") {
		t.Errorf("version: %s", body)
	}
	if _, body := fetch(t, a, "/flags"); !strings.HasPrefix(body, `{"flags":{`) {
		t.Errorf("flags: %s", body)
	}
	for _, path := range []string{"/containers", "/monitor/statistics"} {
		var list []map[string]any
		if _, body := fetch(t, a, path); json.Unmarshal([]byte(body), &list) != nil || len(list) != 2 || list[0]["statistics"] == nil || list[0]["executor_id"] != "x" {
			t.Errorf("%s: %s", path, body)
		}
	}
	if status, _ := fetch(t, a, "/no/such"); status != 404 {
		t.Errorf("an unknown path: %d, want 404", status)
	}
}

type legacyFramework struct {
	ID                             string
	Executors, Completed_executors []struct {
		ID, Directory                        string
		Tasks, Queued_tasks, Completed_tasks []struct{ ID, State string }
	}
}

func TestOutputOfTasksCanBeFollowed(t *testing.T) {
	_, a := busy(t)
	for _, path := range []string{"/frameworks/fw-0000/executors/done/runs/latest/stdout", sandboxOf(a, "done") + "/stdout"} {
		q := "?path=" + url.QueryEscape(path)
		if status, body := fetch(t, a, "/files/read"+q+"&offset=0"); status != 200 || body != `{"data":"output\n","offset":0}` {
			t.Errorf("read: %d %s", status, body)
		}
		if status, body := fetch(t, a, "/slave(1)/files/download"+q); status != 200 || body != "output\n" {
			t.Errorf("download: %d %s", status, body)
		}
		read := ok(t, a, &agentpb.Call{Type: agentpb.Call_READ_FILE.Enum(), ReadFile: &agentpb.Call_ReadFile{Path: &path, Offset: proto.Uint64(3)}}).GetReadFile()
		if string(read.GetData()) != "put\n" || read.GetSize() != 7 {
			t.Errorf("READ_FILE: %v", read)
		}
	}
	if status, body := fetch(t, a, "/files/browse?path=/frameworks/fw-0000/executors/runs/runs/latest"); status != 200 || !strings.Contains(body, `runs/latest/stdout"`) {
		t.Errorf("browse: %d %s", status, body)
	}
	list := ok(t, a, &agentpb.Call{Type: agentpb.Call_LIST_FILES.Enum(), ListFiles: &agentpb.Call_ListFiles{Path: proto.String("/frameworks/fw-0000/executors/done/runs/latest")}})
	if n := len(list.GetListFiles().GetFileInfos()); n != 2 {
		t.Errorf("%d files listed, want stdout and stderr", n)
	}
	if status, _ := fetch(t, a, "/files/read?path=/etc/passwd&offset=0"); status != 404 {
		t.Errorf("/etc/passwd: %d, want 404", status)
	}
}
