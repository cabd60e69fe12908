package master

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestHelpIsAPage(t *testing.T) {
	status, header, body := start(t, Config{}).get("/help")
	if status != 200 || header.Get("Content-Type") != "text/html" || !strings.Contains(body, "<li>/state</li>") {
		t.Errorf("%d %v %s", status, header, body)
	}
}

func TestLegacyState(t *testing.T) {
	w := start(t, Config{})
	a := w.agent("h")
	f := w.subscribe(frameworkInfo())
	f.run(a, f.offer(), "t")
	dig := func(v any, path ...any) any {
		t.Helper()
		for _, p := range path {
			switch p := p.(type) {
			case string:
				v = v.(map[string]any)[p]
			case int:
				v = v.([]any)[p]
			}
		}
		return v
	}
	for _, tc := range []struct {
		endpoint string
		path     []any
		want     any
	}{
		{"/state", []any{"version"}, Version},
		{"/state", []any{"leader"}, "master@127.0.0.1:5050"},
		{"/state", []any{"leader_info", "port"}, 5050.0},
		{"/state", []any{"activated_slaves"}, 1.0},
		{"/state", []any{"slaves", 0, "pid"}, a.desc.PID},
		{"/state", []any{"slaves", 0, "hostname"}, "h"},
		{"/state", []any{"slaves", 0, "resources", "ports"}, "[31000-32000]"},
		{"/state", []any{"slaves", 0, "resources", "gpus"}, 0.0},
		{"/state", []any{"slaves", 0, "used_resources", "cpus"}, 1.0},
		{"/state", []any{"frameworks", 0, "tasks", 0, "executor_id"}, ""},
		{"/state", []any{"frameworks", 0, "tasks", 0, "slave_id"}, a.id},
		{"/state", []any{"frameworks", 0, "tasks", 0, "state"}, "TASK_RUNNING"},
		{"/state", []any{"frameworks", 0, "roles", 0}, "*"},
		{"/state", []any{"flags", "allocation_interval"}, "1secs"},
		{"/master/state", []any{"id"}, "M"},
		{"/state-summary", []any{"slaves", 0, "TASK_RUNNING"}, 1.0},
		{"/state-summary", []any{"frameworks", 0, "slave_ids", 0}, a.id},
		{"/slaves", []any{"slaves", 0, "used_resources_full", 0, "name"}, "cpus"},
		{"/frameworks", []any{"frameworks", 0, "user"}, "root"},
		{"/tasks", []any{"tasks", 0, "id"}, "t"},
		{"/roles", []any{"roles", 0, "name"}, "*"},
		{"/metrics/snapshot", []any{"master/tasks_running"}, 1.0},
		{"/metrics/snapshot", []any{"master/cpus_used"}, 1.0},
		{"/metrics/snapshot", []any{"master/slaves_active"}, 1.0},
		{"/metrics/snapshot", []any{"master/frameworks_connected"}, 1.0},
		{"/version", []any{"version"}, Version},
	} {
		if got := dig(w.getJSON(tc.endpoint), tc.path...); got != tc.want {
			t.Errorf("%s %v is %v, want %v", tc.endpoint, tc.path, got, tc.want)
		}
	}
	if _, h, body := w.get("/version?jsonp=f"); body != `f({"version":"1.12.0"});` || h.Get("Content-Type") != "text/javascript" {
		t.Errorf("jsonp: %q %v", body, h)
	}
	if n := len(w.getJSON("/tasks?limit=0")["tasks"].([]any)); n != 0 {
		t.Errorf("%d tasks with limit=0", n)
	}
	if status, _, _ := w.get("/tasks?limit=x"); status != 400 {
		t.Errorf("limit=x: %d", status)
	}
}

func TestLegacyWrites(t *testing.T) {
	w := start(t, Config{})
	a := w.agent("h")
	f := w.subscribe(frameworkInfo())
	form := func(path string, v url.Values) (int, string) {
		status, _, body := w.post(path, "application/x-www-form-urlencoded", nil, []byte(v.Encode()))
		return status, body
	}
	reserved := `[{"name":"cpus","type":"SCALAR","scalar":{"value":1},"role":"eng","reservation":{"principal":"p"}}]`
	if status, body := form("/reserve", url.Values{"slaveId": {a.id}, "resources": {reserved}}); status != 202 {
		t.Errorf("/reserve: %d %q", status, body)
	}
	if status, body := form("/unreserve", url.Values{"slaveId": {a.id}, "resources": {reserved}}); status != 202 {
		t.Errorf("/unreserve: %d %q", status, body)
	}
	for path, v := range map[string]url.Values{
		"/reserve": {"slaveId": {a.id}}, "/create-volumes": {"slaveId": {a.id}, "volumes": {"{"}}, "/destroy-volumes": {}, "/teardown": {},
	} {
		if status, _ := form(path, v); status != 400 {
			t.Errorf("%s %v: %d, want 400", path, v, status)
		}
	}
	do := func(method, path, body string) (int, string) {
		req, err := http.NewRequest(method, w.URL()+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		status, _, text := w.do(req)
		return status, text
	}
	for _, tc := range []struct {
		method, path, body string
		status             int
	}{
		{"PUT", "/weights", `[{"role":"a","weight":2.0}]`, 200}, {"PUT", "/weights", `{}`, 400}, {"DELETE", "/weights", "", 405}, {"GET", "/weights", "", 200},
		{"POST", "/quota", `{"role":"a","guarantee":[{"name":"cpus","type":"SCALAR","scalar":{"value":1}}]}`, 200}, {"DELETE", "/quota/a", "", 200}, {"DELETE", "/quota/a", "", 400}, {"GET", "/quota", "", 200},
		{"POST", "/maintenance/schedule", `{"windows":[{"machine_ids":[{"hostname":"x","ip":"1.2.3.4"}],"unavailability":{"start":{"nanoseconds":1}}}]}`, 200},
		{"GET", "/maintenance/schedule", "", 200}, {"GET", "/maintenance/status", "", 200},
		{"POST", "/machine/down", `[{"hostname":"x","ip":"1.2.3.4"}]`, 200}, {"POST", "/machine/up", `[{"hostname":"x","ip":"1.2.3.4"}]`, 200}, {"POST", "/machine/up", `x`, 400},
		{"GET", "/machine/up", "", 405},
	} {
		if status, text := do(tc.method, tc.path, tc.body); status != tc.status {
			t.Errorf("%s %s %s: %d %q, want %d", tc.method, tc.path, tc.body, status, text, tc.status)
		}
	}
	if status, body := form("/teardown", url.Values{"frameworkId": {f.id}}); status != 200 {
		t.Errorf("/teardown: %d %q", status, body)
	}
}

func TestLargeAnswersAreCompressed(t *testing.T) {
	w := start(t, Config{})
	req, err := http.NewRequest(http.MethodGet, w.URL()+"/state", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "gzip")
	resp, err := w.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.Header.Get("Content-Encoding") != "gzip" || !bytes.HasPrefix(b, []byte{0x1f, 0x8b}) {
		t.Errorf("got %v %q", err, resp.Header)
	}
}
