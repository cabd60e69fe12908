package agent

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

func TestExecutorAPIRefusesBadCalls(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m)
	launchCustom(t, m, a, executorInfo("x", idle), "t")
	id := `"framework_id":{"value":"fw-0000"},"executor_id":{"value":"x"}`
	status := func(extra string) string {
		return `{"type":"UPDATE",` + id + `,"update":{"status":{"task_id":{"value":"t"},"state":"TASK_RUNNING"` + extra + `}}}`
	}
	uuid := base64.StdEncoding.EncodeToString(newUUID())
	json := map[string]string{"Content-Type": "application/json"}
	const invalid = "Failed to validate executor::Call: "
	for _, c := range []struct {
		name    string
		headers map[string]string
		body    string
		status  int
		text    string
	}{
		{"no content type", nil, `{}`, 400, "Expecting 'Content-Type' to be present"},
		{"other content type", map[string]string{"Content-Type": "application/json; charset=utf-8"}, `{}`, 415, "Expecting 'Content-Type' of application/json or application/x-protobuf"},
		{"no type", json, `{` + id + `}`, 400, invalid + "Expecting 'type' to be present"},
		{"no subscribe", json, `{"type":"SUBSCRIBE",` + id + `}`, 400, invalid + "Expecting 'subscribe' to be present"},
		{"no update", json, `{"type":"UPDATE",` + id + `}`, 400, invalid + "Expecting 'update' to be present"},
		{"no message", json, `{"type":"MESSAGE",` + id + `}`, 400, invalid + "Expecting 'message' to be present"},
		{"no uuid", json, status(``), 400, invalid + "Expecting 'uuid' to be present"},
		{"short uuid", json, status(`,"uuid":"AAAA"`), 400, invalid + "Not a valid UUID"},
		{"no source", json, status(`,"uuid":"` + uuid + `"`), 400, ""},
		{"other executor", json, status(`,"uuid":"` + uuid + `","source":"SOURCE_EXECUTOR","executor_id":{"value":"y"}`), 400, ""},
		{"unknown accept", map[string]string{"Content-Type": "application/json", "Accept": "text/plain"}, `{"type":"SUBSCRIBE",` + id + `,"subscribe":{}}`, 406, "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'"},
		{"unknown framework", json, `{"type":"SUBSCRIBE","framework_id":{"value":"no"},"executor_id":{"value":"x"},"subscribe":{}}`, 400, "Framework cannot be found"},
		{"unknown executor", json, `{"type":"SUBSCRIBE","framework_id":{"value":"fw-0000"},"executor_id":{"value":"no"},"subscribe":{}}`, 400, "Executor cannot be found"},
		{"not subscribed", json, status(`,"uuid":"` + uuid + `","source":"SOURCE_EXECUTOR"`), 403, "Executor is not subscribed"},
		{"heartbeat of anybody", json, `{"type":"HEARTBEAT","framework_id":{"value":"no"},"executor_id":{"value":"no"}}`, 202, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp := post(t, a, "/api/v1/executor", c.headers, c.body)
			defer resp.Body.Close()
			text, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != c.status || c.text != "" && c.text != string(text) {
				t.Errorf("%d %q, want %d %q", resp.StatusCode, text, c.status, c.text)
			}
		})
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(must(http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+a.Addr()+"/api/v1/executor", nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 405 || resp.Header.Get("Allow") != "POST" {
		t.Errorf("GET: %d, Allow %q", resp.StatusCode, resp.Header.Get("Allow"))
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A real program as an executor: a shell script with curl's job done by the environment it gets.
func TestExecutorGetsWhatItNeedsToSubscribe(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m)
	info := executorInfo("probe", "env > vars; "+idle)
	info.Command.Environment = &mesospb.Environment{Variables: []*mesospb.Environment_Variable{{Name: proto.String("FROM_COMMAND"), Value: proto.String("yes")}}}
	f := testFramework()
	f.Checkpoint = proto.Bool(true)
	m.send(link.RunTask{Framework: f, Task: customTask("t", info)})
	eventually(t, "the executor wrote its environment", func() bool {
		data, _ := os.ReadFile(sandboxOf(a, "probe") + "/vars")
		return strings.Contains(string(data), "MESOS_SLAVE_PID") && strings.Contains(string(data), "\n")
	})
	dir, err := filepath.EvalSymlinks(sandboxOf(a, "probe"))
	if err != nil {
		t.Fatal(err)
	}
	got := readFile(t, dir+"/vars")
	for name, value := range map[string]string{
		"MESOS_AGENT_ENDPOINT": a.Addr(), "MESOS_FRAMEWORK_ID": "fw-0000", "MESOS_EXECUTOR_ID": "probe", "MESOS_DIRECTORY": dir, "MESOS_SANDBOX": dir,
		"MESOS_CHECKPOINT": "1", "MESOS_RECOVERY_TIMEOUT": "15mins", "MESOS_SUBSCRIPTION_BACKOFF_MAX": "2secs", "FROM_COMMAND": "yes",
	} {
		if !strings.Contains(got, fmt.Sprintf("%s=%s\n", name, value)) {
			t.Errorf("no %s=%s in:\n%s", name, value, got)
		}
	}
	if strings.Contains(got, "MESOS_ALLOCATION_ROLE") {
		t.Error("executors have no allocation role, but there is one in the environment")
	}
}

// Programs that are fetched while others are started must be executable at once.
func TestFetchedProgramsStartWhileOthersDo(t *testing.T) {
	m := newTestMaster(t)
	run(t, m)
	src := filepath.Join(t.TempDir(), "prog")
	data, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(src, data, 0o644); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for i := range 24 {
		task := argvTask(fmt.Sprint("t", i), "./prog")
		task.Command.Uris = []*mesospb.CommandInfo_URI{{Value: &src, Executable: proto.Bool(true)}}
		ids = append(ids, task.GetTaskId().GetValue())
		m.send(link.RunTask{Framework: testFramework(), Task: task})
	}
	_, last := m.history(t, ids...)
	for id, s := range last {
		if s.GetState() != mesospb.TaskState_TASK_FINISHED {
			t.Errorf("%s: %v", id, s)
		}
	}
}
