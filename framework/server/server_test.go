package server_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.uber.org/goleak"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/framework"
	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/election"
	"github.com/mesokit/mesokit/framework/placement"
	"github.com/mesokit/mesokit/framework/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 60 * time.Second

// world is a framework on an embedded cluster, and its API.
type world struct {
	t    *testing.T
	f    *framework.Framework
	url  string
	spec *spec
}

func start(t *testing.T, cfg server.Config) *world {
	t.Helper()
	c, err := cluster.Start(t.Context(), cluster.Config{Agents: cluster.Agents(2, cluster.AgentConfig{Resources: "cpus:4;mem:1024"})})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	f, err := framework.New(framework.Config{Name: "test", Master: c.Master(), Log: log,
		Core: core.Config{Book: placement.BookConfig{ReviveEvery: 20 * time.Millisecond, ReviveAgain: 100 * time.Millisecond}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	cfg.Log = log
	s, err := server.New(f, cfg)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(s)
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		web.CloseClientConnections()
		web.Close()
		http.DefaultClient.CloseIdleConnections()
		_ = c.Close()
	})
	w := &world{t: t, f: f, url: web.URL}
	w.until(func(s *core.Snapshot) bool { return s.Connected })
	w.spec = readSpec(t, web.URL)
	return w
}

func (w *world) until(is func(*core.Snapshot) bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	for s := range w.f.Watch(ctx) {
		if is(s) {
			return
		}
	}
	w.t.Fatalf("waited in vain; %+v", w.f.Status())
}

func up(name string, n int) func(*core.Snapshot) bool {
	return func(s *core.Snapshot) bool {
		a := s.App(name)
		return a != nil && a.Counts.Up == n && a.Counts.Instances == n
	}
}

// call makes a request and checks the answer against the API's document.
func (w *world) call(method, path, body string, status int) map[string]any {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if resp.StatusCode != status {
		w.t.Fatalf("%s %s: %s, want %d: %s", method, path, resp.Status, status, raw)
	}
	w.spec.check(w.t, method, path, resp, raw)
	var v map[string]any
	if err := json.Unmarshal(raw, &v); err != nil {
		w.t.Fatalf("%s %s: %v: %s", method, path, err, raw)
	}
	return v
}

func items(v map[string]any) []any { return v["items"].([]any) }

const web = `{"name": "web", "instances": 2, "command": {"cmd": "sleep 1000"}, "resources": {"cpus": 0.1, "mem": 32}}`

func TestApplicationsAreSubmittedScaledExplainedAndRemoved(t *testing.T) {
	w := start(t, server.Config{Name: "test"})
	w.call("POST", "/v1/apps?dry_run", web, 200)
	if got := items(w.call("GET", "/v1/apps", "", 200)); len(got) != 0 {
		t.Errorf("a dry run has left %v", got)
	}
	w.call("POST", "/v1/apps", web, 201)
	w.until(up("web", 2))
	w.call("PUT", "/v1/apps/web", web, 200)
	a := w.call("GET", "/v1/apps/web", "", 200)
	if a["up"] != 2.0 || a["definition"].(map[string]any)["name"] != "web" {
		t.Errorf("got %v", a)
	}
	w.call("GET", "/v1/apps/web/versions/1", "", 200)
	first := w.call("GET", "/v1/apps/web/instances/0", "", 200)
	if first["state"] != "running" || first["hostname"] == "" {
		t.Errorf("got %v", first)
	}
	w.call("POST", "/v1/apps/web/instances/0/restart", "", 202)
	w.until(func(s *core.Snapshot) bool {
		i := s.App("web").Instance(0)
		return up("web", 2)(s) && i.Task.ID != first["task"]
	})
	w.call("POST", "/v1/apps/web/scale", `{"instances": 3}`, 202)
	w.until(up("web", 3))
	if got := items(w.call("GET", "/v1/tasks?app=web&state=running&limit=2", "", 200)); len(got) != 2 {
		t.Errorf("got %v", got)
	}
	var seen []string
	for next := ""; ; {
		p := w.call("GET", "/v1/tasks?limit=2&after="+next, "", 200)
		for _, i := range items(p) {
			seen = append(seen, i.(map[string]any)["task"].(string))
		}
		if next, _ = p["next"].(string); next == "" {
			break
		}
	}
	if slices.Sort(seen); len(slices.Compact(seen)) != 3 {
		t.Errorf("the pages have %v", seen)
	}

	w.call("POST", "/v1/apps", `{"name": "huge", "instances": 1, "command": {"cmd": "true"}, "resources": {"cpus": 100, "mem": 32}}`, 201)
	w.until(func(s *core.Snapshot) bool { return s.Why("huge", 0).Offers != nil })
	why := w.call("GET", "/v1/apps/huge/instances/0/why", "", 200)
	if funnel, _ := why["offers"].(map[string]any); funnel == nil || funnel["nearest"] == nil {
		t.Errorf("got %v", why)
	}
	if got := items(w.call("GET", "/v1/explanations", "", 200)); len(got) != 1 {
		t.Errorf("got %v", got)
	}
	w.call("DELETE", "/v1/apps/huge", "", 202)
	w.until(func(s *core.Snapshot) bool { return s.App("huge") == nil })

	changed := strings.Replace(web, "sleep 1000", "sleep 2000", 1)
	w.call("POST", "/v1/apps?keep_instances=true", changed, 200)
	w.call("GET", "/v1/deployments?active=true", "", 200)
	w.until(func(s *core.Snapshot) bool {
		d := s.App("web").Deployment
		return d != nil && d.State == core.DeploymentDone && up("web", 3)(s)
	})
	w.call("POST", "/v1/apps/web/deployment/rollback", "", 202)
	w.until(func(s *core.Snapshot) bool {
		d := s.App("web").Deployment
		return d.Rollback && d.State == core.DeploymentDone && up("web", 3)(s)
	})
	w.call("POST", "/v1/apps/web/restart", "", 202)
	for _, what := range []string{"pause", "resume"} {
		w.call("POST", "/v1/apps/web/deployment/"+what, "", 202)
	}
	for _, path := range []string{"/v1/status", "/v1/agents", "/v1/orphans", "/v1/guard", "/readyz", "/healthz"} {
		w.call("GET", path, "", 200)
	}
	w.call("POST", "/v1/uninstall", `{"confirm": "other"}`, 400)
	w.call("POST", "/v1/uninstall", `{"confirm": "test"}`, 202)
}

func TestProblemsSayWhatIsWrong(t *testing.T) {
	w := start(t, server.Config{MaxBody: 1000})
	for _, tc := range []struct {
		method, path, body string
		status             int
		detail             string
	}{
		{"GET", "/v1/apps/nobody", "", 404, "nobody"},
		{"GET", "/v1/apps/nobody/instances/0/why", "", 404, "nobody"},
		{"POST", "/v1/apps/nobody/scale", `{"instances": 1}`, 404, "nobody"},
		{"POST", "/v1/apps/nobody/scale", `{"instances": -1}`, 400, "instances"},
		{"POST", "/v1/apps/nobody/scale", `{}`, 400, "instances"},
		{"POST", "/v1/apps/nobody/scale", `{"instances": 1, "more": 2}`, 400, "more"},
		{"POST", "/v1/apps/nobody/scale", `{"instances": 1} x`, 400, "end"},
		{"GET", "/v1/apps?limit=0", "", 400, "limit"},
		{"GET", "/v1/apps?what=0", "", 400, "what"},
		{"GET", "/v1/tasks?state=odd", "", 400, "odd"},
		{"GET", "/v1/apps?limit=1&limit=2", "", 400, "2 times"},
		{"POST", "/v1/apps", `{"name": "x", "comand": {}}`, 422, "comand"},
		{"POST", "/v1/apps", strings.Repeat(" ", 2000), 413, "1000"},
		{"PUT", "/v1/apps/other", web, 400, "other"},
		{"POST", "/v1/orphans/kill", `{}`, 400, "all"},
		{"POST", "/v1/orphans/adopt", `{"task_id": "x"}`, 400, "app"},
		{"POST", "/v1/guard/resolve", `{"choice": "new"}`, 409, "nothing"},
		{"DELETE", "/v1/apps", "", 405, "GET"},
		{"GET", "/v1/nothing", "", 404, "openapi"},
		{"GET", "/v1/events?after=x", "", 400, "number"},
	} {
		p := w.call(tc.method, tc.path, tc.body, tc.status)
		if detail, _ := p["detail"].(string); !strings.Contains(detail, tc.detail) {
			t.Errorf("%s %s: %v: want %q in it", tc.method, tc.path, p, tc.detail)
		}
	}
	p := w.call("POST", "/v1/apps", "{\"name\": \"x\",\n \"comand\": {}}", 422)
	if !slices.ContainsFunc(p["errors"].([]any), func(e any) bool {
		at := e.(map[string]any)
		return at["pointer"] == "/comand" && at["line"] == 2.0 && at["fix"] != nil
	}) {
		t.Errorf("got %v", p)
	}
}

func TestEventsAreStreamedFilteredAndResumed(t *testing.T) {
	w := start(t, server.Config{Heartbeat: 10 * time.Millisecond})
	stream := func(path, last string) (*bufio.Scanner, func()) {
		req, err := http.NewRequestWithContext(t.Context(), "GET", w.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if last != "" {
			req.Header.Set("Last-Event-ID", last)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatalf("%s %v", resp.Status, resp.Header)
		}
		return bufio.NewScanner(resp.Body), func() { _ = resp.Body.Close() }
	}
	next := func(in *bufio.Scanner) (id, kind string, n core.Note) {
		for in.Scan() {
			switch key, value, _ := strings.Cut(in.Text(), ": "); key {
			case "id":
				id = value
			case "event":
				kind = value
			case "data":
				if err := json.Unmarshal([]byte(value), &n); err != nil {
					t.Fatal(err)
				}
				return id, kind, n
			}
		}
		t.Fatal(in.Err())
		return
	}
	live, closeLive := stream("/v1/events?app=web&kind=task", "")
	defer closeLive()
	w.call("POST", "/v1/apps", strings.Replace(web, `"web"`, `"other"`, 1), 201)
	w.call("POST", "/v1/apps", web, 201)
	id, kind, n := next(live)
	if kind != "task" || n.App != "web" {
		t.Errorf("got %s %s %+v", id, kind, n)
	}
	w.until(up("web", 2))
	all, closeAll := stream("/v1/events?after=0", "")
	defer closeAll()
	first, _, _ := next(all)
	second, _, _ := next(all)
	resumed, closeResumed := stream("/v1/events", first)
	defer closeResumed()
	if got, _, _ := next(resumed); got != second {
		t.Errorf("resumed after %s with %s, want %s", first, got, second)
	}
	for live.Scan() && live.Text() != ":" { // heartbeats keep it alive
	}
}

// fake is an engine in a state that is hard to come by.
type fake struct {
	*framework.Framework
	status framework.Status
}

func (f fake) Status() framework.Status { return f.status }

func idle(t *testing.T, st framework.Status) server.Engine {
	f, err := framework.New(framework.Config{Name: "x", Master: "127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	return fake{f, st}
}

func TestFollowersRedirectToTheLeader(t *testing.T) {
	get := func(st framework.Status, path string) *http.Response {
		s, err := server.New(idle(t, st), server.Config{})
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w.Result()
	}
	follower := framework.Status{Running: true, Leader: &election.Info{ID: "a", URL: "http://a:8080/base/"}}
	if r := get(follower, "/v1/apps?limit=2"); r.StatusCode != 307 || r.Header.Get("Location") != "http://a:8080/base/v1/apps?limit=2" {
		t.Errorf("got %s to %s", r.Status, r.Header.Get("Location"))
	}
	if r := get(framework.Status{Running: true}, "/v1/apps"); r.StatusCode != 503 || r.Header.Get("Retry-After") == "" {
		t.Errorf("nobody leads: got %s", r.Status)
	}
	for path, want := range map[string]int{"/v1/status": 200, "/readyz": 200, "/healthz": 200, "/v1/openapi.json": 200} {
		if r := get(follower, path); r.StatusCode != want {
			t.Errorf("%s: got %s", path, r.Status)
		}
	}
	if r := get(framework.Status{}, "/readyz"); r.StatusCode != 503 {
		t.Errorf("not running: got %s", r.Status)
	}
}

func TestCredentials(t *testing.T) {
	auth := server.Auth{Read: []server.Credential{{Token: "reader"}}, Write: []server.Credential{{User: "op", Password: "pw"}}}
	s, err := server.New(idle(t, framework.Status{Running: true, Leading: true}), server.Config{Auth: auth})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		method, path, how string
		status            int
	}{
		{"GET", "/v1/apps", "", 401}, {"GET", "/v1/apps", "reader", 200}, {"GET", "/v1/apps", "op", 200}, {"GET", "/v1/apps", "other", 401},
		{"DELETE", "/v1/apps/x", "reader", 403}, {"DELETE", "/v1/apps/x", "op", 503}, {"GET", "/healthz", "", 200}, {"GET", "/v1/openapi.json", "", 200},
	} {
		r := httptest.NewRequest(tc.method, tc.path, nil)
		switch tc.how {
		case "op":
			r.SetBasicAuth("op", "pw")
		case "":
		default:
			r.Header.Set("Authorization", "Bearer "+tc.how)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != tc.status {
			t.Errorf("%s %s as %q: %d, want %d: %s", tc.method, tc.path, tc.how, w.Code, tc.status, w.Body)
		}
		if w.Code == 401 && w.Header().Get("WWW-Authenticate") == "" {
			t.Error("a 401 without a challenge")
		}
	}
	for name, bad := range map[string]server.Auth{
		"nothing": {Write: []server.Credential{{}}}, "both": {Write: []server.Credential{{Token: "t", User: "u"}}},
		"no password": {Write: []server.Credential{{User: "u"}}}, "read only": {Read: []server.Credential{{Token: "t"}}},
	} {
		if _, err := server.New(idle(t, framework.Status{}), server.Config{Auth: bad}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// spec checks answers against the OpenAPI document.
type spec struct {
	doc      map[string]any
	compiler *jsonschema.Compiler
	mux      *http.ServeMux // finds the path of the document
}

func readSpec(t *testing.T, url string) *spec {
	t.Helper()
	resp, err := http.Get(url + "/v1/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	s := &spec{doc: doc.(map[string]any), compiler: jsonschema.NewCompiler(), mux: http.NewServeMux()}
	if err := s.compiler.AddResource("api.json", doc); err != nil {
		t.Fatal(err)
	}
	for path := range s.doc["paths"].(map[string]any) {
		s.mux.Handle(path, http.NotFoundHandler())
	}
	return s
}

func (s *spec) check(t *testing.T, method, path string, resp *http.Response, raw []byte) {
	t.Helper()
	_, pattern := s.mux.Handler(httptest.NewRequest(method, path, nil))
	at, _ := s.doc["paths"].(map[string]any)[pattern].(map[string]any)
	op, _ := at[strings.ToLower(method)].(map[string]any)
	media := resp.Header.Get("Content-Type")
	if op == nil {
		if media != "application/problem+json" {
			t.Errorf("%s %s is not in the document, and answers %s", method, path, resp.Status)
		}
		return
	}
	status := resp.Status[:3]
	if op["responses"].(map[string]any)[status] == nil {
		status = "default"
	}
	escape := strings.NewReplacer("~", "~0", "/", "~1").Replace
	sch, err := s.compiler.Compile("api.json#/paths/" + escape(pattern) + "/" + strings.ToLower(method) + "/responses/" + status + "/content/" + escape(media) + "/schema")
	if err != nil {
		t.Errorf("%s %s answers %s as %s, which the document does not say: %v", method, path, resp.Status, media, err)
		return
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Error(err)
		return
	}
	if err := sch.Validate(v); err != nil {
		t.Errorf("%s %s: the answer is not what the document says: %v\n%s", method, path, err, raw)
	}
}

func TestTheDocumentNamesEveryOperationOnce(t *testing.T) {
	w := start(t, server.Config{})
	ids := map[string]bool{}
	for path, at := range w.spec.doc["paths"].(map[string]any) {
		for method, op := range at.(map[string]any) {
			id := op.(map[string]any)["operationId"].(string)
			if ids[id] {
				t.Errorf("two operations %s", id)
			}
			ids[id] = true
			// What is in the document is served.
			real := strings.NewReplacer("{app}", "x", "{index}", "0", "{version}", "1").Replace(path)
			if path == "/v1/events" || path == "/v1/openapi.json" {
				continue
			}
			req, err := http.NewRequestWithContext(t.Context(), strings.ToUpper(method), w.url+real, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			raw, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode == 405 || bytes.Contains(raw, []byte("there is nothing at")) {
				t.Errorf("%s %s is not served: %s", method, real, resp.Status)
			}
		}
	}
	for name := range w.spec.doc["components"].(map[string]any)["schemas"].(map[string]any) {
		if _, err := w.spec.compiler.Compile("api.json#/components/schemas/" + name); err != nil {
			t.Errorf("schema %s: %v", name, err)
		}
	}
	if len(ids) < 30 {
		t.Errorf("only %d operations: %v", len(ids), slices.Sorted(maps.Keys(ids)))
	}
}

// snapshotted is an engine whose snapshot is given.
type snapshotted struct {
	server.Engine
	snap *core.Snapshot
}

func (e snapshotted) Snapshot() *core.Snapshot { return e.snap }

func TestAnAppThatIsSetAsideIsShownWithItsTrouble(t *testing.T) {
	snap := &core.Snapshot{Apps: []*core.App{{Name: "api"}, {Name: "web"}}, Aside: []core.Aside{{App: "db", Why: "its version is missing", Definition: []byte(`{"name":"db"}`)}}}
	engine := snapshotted{idle(t, framework.Status{Running: true, Leading: true}), snap}
	public, err := server.New(engine, server.Config{Auth: server.Auth{PublicRead: true, Write: []server.Credential{{Token: "writer"}}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/v1/status", "/v1/apps/db"} {
		w := httptest.NewRecorder()
		if public.ServeHTTP(w, httptest.NewRequest("GET", path, nil)); strings.Contains(w.Body.String(), `{"name":"db"}`) || !strings.Contains(w.Body.String(), "its version") {
			t.Errorf("readers get from %s: %s", path, w.Body)
		}
	}
	s, err := server.New(engine, server.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/v1/apps": `"name":"db"`, "/v1/apps?limit=1&after=api": `"trouble":"set aside: its version is missing"`, "/v1/apps/db": `"definition":{"name":"db"}`,
		"/v1/status": `"aside":[{"app":"db","why":"its version is missing"`, "/v1/apps/db/instances/0": `set-aside`,
	} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s; want %s", path, w.Code, w.Body, want)
		}
	}
}

func TestReadersSeeDefinitionsWithoutSecrets(t *testing.T) {
	auth := server.Auth{Read: []server.Credential{{Token: "reader"}}, Write: []server.Credential{{Token: "writer"}}}
	w := start(t, server.Config{Auth: auth})
	ask := func(token, method, path, body string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), method, w.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		got, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(got)
	}
	const secret = `{"name": "web", "command": {"cmd": "sleep 1000", "env": {"PASSWORD": "hush"}}, "resources": {"cpus": 0.1, "mem": 32}}`
	if status, answer := ask("writer", "POST", "/v1/apps", secret); status != 201 {
		t.Fatal(answer)
	}
	w.until(up("web", 1))
	for _, path := range []string{"/v1/apps/web", "/v1/apps/web/versions/1"} {
		if _, got := ask("writer", "GET", path, ""); !strings.Contains(got, `"PASSWORD":"hush"`) {
			t.Errorf("who may write gets from %s: %s", path, got)
		}
		if _, got := ask("reader", "GET", path, ""); strings.Contains(got, "hush") || !strings.Contains(got, `"PASSWORD":"[redacted]"`) {
			t.Errorf("who may read gets from %s: %s", path, got)
		}
	}
	_, shown := ask("reader", "GET", "/v1/apps/web/versions/1", "")
	if status, got := ask("writer", "PUT", "/v1/apps/web", shown); status != 422 || !strings.Contains(got, "/command/environment/PASSWORD") {
		t.Errorf("a definition without its secrets is answered %d %s", status, got)
	}
}

func TestWithCredentialsOnlyToWriteNobodyElseReads(t *testing.T) {
	for _, tc := range []struct {
		public bool
		want   int
	}{{false, 401}, {true, 200}} {
		auth := server.Auth{Write: []server.Credential{{Token: "writer"}}, PublicRead: tc.public}
		s, err := server.New(idle(t, framework.Status{Running: true, Leading: true}), server.Config{Auth: auth, Metrics: prometheus.NewRegistry()})
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/v1/apps", "/v1/status", "/metrics"} {
			w := httptest.NewRecorder()
			s.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
			if w.Code != tc.want {
				t.Errorf("PublicRead %v: %s is answered %d, want %d", tc.public, path, w.Code, tc.want)
			}
		}
	}
}

func TestReadinessFollowsEveryTroubleAndNamesIt(t *testing.T) {
	leading := framework.Status{Running: true, Leading: true, Master: "10.0.0.1:5050"}
	with := func(change func(*framework.Status)) framework.Status {
		st := leading
		change(&st)
		return st
	}
	for _, tc := range []struct {
		st      framework.Status
		snap    core.Snapshot
		ready   string // "" if it is
		healthy bool
	}{
		{st: leading, healthy: true},
		{st: framework.Status{Running: true, Leader: &election.Info{ID: "a"}}, healthy: true},
		{st: framework.Status{}, ready: "does not run"},
		{st: framework.Status{Running: true}, ready: "nobody is known to lead", healthy: true},
		{st: with(func(st *framework.Status) { st.Master = "" }), ready: "not subscribed", healthy: true},
		{st: with(func(st *framework.Status) { st.Trouble = "the store: no space left" }), ready: "no space left", healthy: true},
		{st: with(func(st *framework.Status) { st.Master, st.Trouble = "", "the master: connection refused" }), ready: "connection refused", healthy: true},
		{st: with(func(st *framework.Status) { st.Stalled = "a commit has not ended" }), ready: "a commit has not ended"},
		{st: leading, snap: core.Snapshot{Guard: &core.Guard{Why: "the store is empty"}}, ready: "the store is empty", healthy: true},
	} {
		s, err := server.New(snapshotted{idle(t, tc.st), &tc.snap}, server.Config{})
		if err != nil {
			t.Fatal(err)
		}
		for path, problem := range map[string]string{"/readyz": tc.ready, "/healthz": map[bool]string{true: "", false: cmp.Or(tc.ready, "no")}[tc.healthy]} {
			w := httptest.NewRecorder()
			s.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
			if want := map[bool]int{true: 200, false: 503}[problem == ""]; w.Code != want || !strings.Contains(w.Body.String(), problem) {
				t.Errorf("%+v: %s: %d %s; want %d %s", tc.st, path, w.Code, w.Body, want, problem)
			}
		}
	}
}

// A form of another page's can send bodies without a media type, or as text.
func TestBodiesSayThatTheyAreJSON(t *testing.T) {
	s, err := server.New(idle(t, framework.Status{Running: true, Leading: true}), server.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for media, want := range map[string]int{
		"": 415, "text/plain": 415, "application/x-www-form-urlencoded": 415, "application/json; charset=utf-8": 200, "application/json": 200,
	} {
		r := httptest.NewRequest("POST", "/v1/apps?dry_run", strings.NewReader(web))
		if media != "" {
			r.Header.Set("Content-Type", media)
		}
		w := httptest.NewRecorder()
		if s.ServeHTTP(w, r); w.Code != want {
			t.Errorf("%q is answered %d, want %d: %s", media, w.Code, want, w.Body)
		}
	}
}
