//lint:file-ignore SA1019 the older names of the calls are part of the API.

package agent

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/auth"
	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/agentpb"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

const topSecret = "never-in-any-log"

// lockedBuffer is a log that several goroutines write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// guarded is an agent whose realms all want credentials, of ops or eng, or an executor's token.
func guarded(t *testing.T, m *testMaster, acls string) (*Agent, *lockedBuffer) {
	t.Helper()
	tokens, err := auth.NewSigner([]byte(topSecret))
	if err != nil {
		t.Fatal(err)
	}
	var authorizer *auth.Authorizer
	if acls != "" {
		parsed, err := auth.ParseACLs([]byte(acls))
		if err != nil {
			t.Fatal(err)
		}
		if authorizer, err = auth.NewAuthorizer(parsed); err != nil {
			t.Fatal(err)
		}
	}
	known := []auth.Credential{{Principal: "ops", Secret: topSecret}, {Principal: "eng", Secret: topSecret}}
	log := &lockedBuffer{}
	a := run(t, m, func(c *Config) {
		c.NoSwitchUser = true // the users of the rules are made up
		c.Tokens, c.Authorizer, c.Realms = tokens, authorizer, auth.Realms{}
		for _, r := range []string{auth.RealmAgentRead, auth.RealmAgentWrite} {
			c.Realms[r] = auth.NewAuthenticator(r, known, tokens)
		}
		c.Realms[auth.RealmAgentExecutors] = auth.NewAuthenticator(auth.RealmAgentExecutors, nil, tokens)
		c.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	return a, log
}

// named is the Authorization header of a principal.
func named(principal string) map[string]string {
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth(principal, topSecret)
	return map[string]string{"Authorization": r.Header.Get("Authorization"), "Content-Type": codec.MediaTypeJSON}
}

func bearer(token string) map[string]string {
	return map[string]string{"Authorization": "Bearer " + token, "Content-Type": codec.MediaTypeJSON}
}

// answerOf sends a body and returns status and text.
func answerOf(t *testing.T, a *Agent, path string, headers map[string]string, body string) (*http.Response, string) {
	t.Helper()
	resp := post(t, a, path, headers, body)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

// tokenOf waits for the token that an executor found in its environment.
func tokenOf(t *testing.T, a *Agent, executor string) string {
	t.Helper()
	token := ""
	eventually(t, "the executor has written its environment", func() bool {
		vars, err := os.ReadFile(sandboxOf(a, executor) + "/vars")
		for line := range strings.Lines(string(vars)) {
			if v, ok := strings.CutPrefix(line, envToken+"="); ok && strings.HasSuffix(v, "\n") {
				token = strings.TrimSpace(v)
			}
		}
		return err == nil && token != ""
	})
	return token
}

func TestExecutorsNeedTheTokenThatTheyWereGiven(t *testing.T) {
	m := newTestMaster(t)
	a, log := guarded(t, m, "")
	launchCustom(t, m, a, executorInfo("x", "env > vars; "+idle), "t")
	forged := executorInfo("y", "env > vars; "+idle)
	forged.Command.Environment = &mesospb.Environment{Variables: []*mesospb.Environment_Variable{{Name: proto.String(envToken), Value: proto.String("mine")}}}
	launchCustom(t, m, a, forged, "u")
	mine, other := tokenOf(t, a, "x"), tokenOf(t, a, "y")
	if other == "mine" || mine == other {
		t.Fatalf("the tokens are %q and %q", mine, other)
	}
	const endpoint = "/api/v1/executor"
	message := `{"type":"MESSAGE","framework_id":{"value":"fw-0000"},"executor_id":{"value":"x"},"message":{"data":"aGk="}}`
	subscribe := `{"type":"SUBSCRIBE","framework_id":{"value":"fw-0000"},"executor_id":{"value":"x"},"subscribe":{}}`
	const realm = `Bearer realm="mesos-agent-executor"`
	for _, test := range []struct {
		name      string
		headers   map[string]string
		body      string
		status    int
		challenge string
		text      string
	}{
		{"no token", map[string]string{"Content-Type": codec.MediaTypeJSON}, subscribe, 401, realm, "401 Unauthorized."},
		{"a wrong token", bearer(mine + "x"), subscribe, 401, realm + `, error="invalid_token", error_description="Invalid JWT: Token signature does not match"`, "401 Unauthorized."},
		{"basic", named("ops"), subscribe, 401, realm + `, error="invalid_token", error_description="Scheme unsupported"`, "401 Unauthorized."},
		{"that of another executor", bearer(other), subscribe, 403, "", "does not contain an 'eid' claim with the executor ID x"},
		{"that of another executor, calling", bearer(other), message, 403, "", "does not contain an 'eid' claim"},
		{"its own, not subscribed", bearer(mine), message, 403, "", "Executor is not subscribed"},
		{"unknown executor", bearer(mine), strings.ReplaceAll(message, `"x"`, `"z"`), 400, "", "Executor cannot be found"},
	} {
		resp, text := answerOf(t, a, endpoint, test.headers, test.body)
		if resp.StatusCode != test.status || resp.Header.Get("WWW-Authenticate") != test.challenge || !strings.Contains(text, test.text) {
			t.Errorf("%s: got %d %q %q, want %d %q %q", test.name, resp.StatusCode, resp.Header.Get("WWW-Authenticate"), text, test.status, test.challenge, test.text)
		}
		for _, secret := range []string{mine, other, topSecret} {
			if strings.Contains(text+resp.Header.Get("WWW-Authenticate"), secret) {
				t.Errorf("%s: the answer quotes a secret: %s", test.name, text)
			}
		}
	}
	resp := post(t, a, endpoint, bearer(mine), subscribe)
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("SUBSCRIBE with its own token: got %s", resp.Status)
	}
	if resp, text := answerOf(t, a, endpoint, bearer(mine), message); resp.StatusCode != 202 {
		t.Errorf("MESSAGE with its own token: got %s %q", resp.Status, text)
	}
	_, state := get(t, a, "/state", named("ops"))
	for _, secret := range []string{mine, other, topSecret} {
		if strings.Contains(log.String(), secret) || strings.Contains(state, secret) {
			t.Errorf("the log or /state has %q", secret)
		}
	}
}

func get(t *testing.T, a *Agent, path string, headers map[string]string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+a.Addr()+path, nil)
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
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

func TestTasksNeverSeeATokenOfTheirExecutor(t *testing.T) {
	m := newTestMaster(t)
	a, _ := guarded(t, m, "")
	m.send(link.RunTask{Framework: testFramework(), Task: shellTask("command", "env > vars")})
	m.updateOf(t, "command", mesospb.TaskState_TASK_FINISHED)
	if vars := readFile(t, sandboxOf(a, "command")+"/vars"); strings.Contains(vars, envToken) {
		t.Errorf("a command task has %s", vars)
	}
}

func TestAgentEndpointsWantTheCredentialsOfTheirRealm(t *testing.T) {
	a, _ := guarded(t, newTestMaster(t), "")
	for path, realm := range map[string]string{
		"/state": auth.RealmAgentRead, "/state.json": auth.RealmAgentRead, "/flags": auth.RealmAgentRead, "/containers": auth.RealmAgentRead,
		"/monitor/statistics": auth.RealmAgentRead, "/monitor/statistics.json": auth.RealmAgentRead, "/metrics/snapshot": auth.RealmAgentRead,
		"/files/browse?path=/": auth.RealmAgentRead, "/files/debug": auth.RealmAgentRead, "/logging/toggle": auth.RealmAgentWrite,
		"/api/v1": auth.RealmAgentWrite, "/api/v1/else": auth.RealmAgentWrite, "/nowhere": auth.RealmAgentWrite,
		"/health": "", "/version": "",
	} {
		for _, prefix := range []string{"", "/slave(1)"} {
			want := 401
			if realm == "" {
				want = 200
			}
			resp, _ := get(t, a, prefix+path, nil)
			challenge := resp.Header.Get("WWW-Authenticate")
			if resp.StatusCode != want || !strings.HasPrefix(challenge+" ", strings.TrimSuffix(`Basic realm="`+realm+`", `, `Basic realm="", `)) {
				t.Errorf("%s%s: got %d %q, want %d of realm %s", prefix, path, resp.StatusCode, challenge, want, realm)
			}
			if resp, _ := get(t, a, prefix+path, named("ops")); resp.StatusCode == 401 || resp.StatusCode == 403 {
				t.Errorf("%s%s with credentials: got %d", prefix, path, resp.StatusCode)
			}
		}
	}
}

func TestACLsGuardContainersAndFiles(t *testing.T) {
	m := newTestMaster(t)
	a, _ := guarded(t, m, `{
		"wait_nested_containers": [{"principals": {"values": ["eng"]}, "users": {"values": ["alice"]}}, {"principals": {"values": ["eng"]}, "users": {"type": "NONE"}}],
		"launch_nested_containers_as_user": [{"principals": {"values": ["eng"]}, "users": {"values": ["alice"]}}, {"principals": {"values": ["eng"]}, "users": {"type": "NONE"}}],
		"kill_standalone_containers": [{"principals": {"values": ["eng"]}, "users": {"type": "NONE"}}],
		"attach_containers_input": [{"principals": {"values": ["eng"]}, "users": {"type": "NONE"}}],
		"access_sandboxes": [{"principals": {"values": ["eng"]}, "users": {"values": ["alice"]}}, {"principals": {"values": ["eng"]}, "users": {"type": "NONE"}}],
		"view_flags": [{"principals": {"values": ["eng"]}, "flags": {"type": "NONE"}}],
		"get_endpoints": [{"principals": {"values": ["eng"]}, "paths": {"values": ["/containers"]}}, {"principals": {"values": ["eng"]}, "paths": {"type": "NONE"}}],
		"set_log_level": [{"principals": {"values": ["eng"]}, "level": {"type": "NONE"}}]
	}`)
	launchCustom(t, m, a, executorInfo("x", "env > vars; "+idle), "t") // as the framework's user, root
	alice := executorInfo("y", "env > vars; "+idle)
	alice.Command.User = proto.String("alice")
	launchCustom(t, m, a, alice, "u")
	token := tokenOf(t, a, "x")
	id := func(executor, name string) string {
		root := ""
		_ = a.loop.Do(t.Context(), func() { root = a.frameworks["fw-0000"].executors[executor].containerID.GetValue() })
		return fmt.Sprintf(`{"value":%q,"parent":{"value":%q}}`, name, root)
	}
	call := func(typ agentpb.Call_Type, id, more string) string {
		name := strings.ToLower(typ.String())
		return fmt.Sprintf(`{"type":%q,%q:{"container_id":%s%s}}`, typ, name, id, more)
	}
	wait, launch := agentpb.Call_WAIT_NESTED_CONTAINER, agentpb.Call_LAUNCH_NESTED_CONTAINER
	read := func(executor string) string {
		return fmt.Sprintf(`{"type":"READ_FILE","read_file":{"path":"/frameworks/fw-0000/executors/%s/runs/latest/vars","offset":0,"length":0}}`, executor)
	}
	for _, test := range []struct {
		name    string
		headers map[string]string
		body    string
		status  int
	}{
		{"wait in a foreign one", named("eng"), call(wait, id("x", "no"), ""), 403},
		{"wait in its own", named("eng"), call(wait, id("y", "no"), ""), 404},
		{"wait, no rule", named("ops"), call(wait, id("x", "no"), ""), 404},
		{"launch as another", named("eng"), call(launch, id("y", "n"), `,"command":{"value":"true","user":"bob"}`), 403},
		{"launch as nobody in particular", named("eng"), call(launch, id("y", "n"), `,"command":{"value":"true"}`), 403},
		{"launch as alice", named("eng"), call(launch, id("y", "n"), `,"command":{"value":"true","user":"alice"}`), 200},
		{"kill a standalone one", named("eng"), call(agentpb.Call_KILL_CONTAINER, `{"value":"alone"}`, ""), 403},
		{"flags", named("eng"), `{"type":"GET_FLAGS"}`, 403},
		{"log level", named("eng"), `{"type":"SET_LOGGING_LEVEL","set_logging_level":{"level":0,"duration":{"nanoseconds":1}}}`, 403},
		{"a foreign sandbox", named("eng"), read("x"), 403},
		{"an allowed sandbox", named("eng"), read("y"), 200},
		{"a sandbox, no rule", named("ops"), read("x"), 200},
		{"token: in its own container", bearer(token), call(wait, id("x", "no"), ""), 404},
		{"token: in another", bearer(token), call(wait, id("y", "no"), ""), 403},
		{"token: state", bearer(token), `{"type":"GET_STATE"}`, 403},
		{"token: files", bearer(token), read("x"), 403},
	} {
		if resp, text := answerOf(t, a, "/api/v1", test.headers, test.body); resp.StatusCode != test.status || test.status == 403 && text != "403 Forbidden." {
			t.Errorf("%s: got %d %q, want %d", test.name, resp.StatusCode, text, test.status)
		}
	}
	input := codecRecord(call(agentpb.Call_ATTACH_CONTAINER_INPUT, id("x", "no"), `,"type":"CONTAINER_ID"`))
	headers := named("eng")
	headers["Content-Type"], headers[headerMessageType] = codec.MediaTypeRecordIO, codec.MediaTypeJSON
	if resp, text := answerOf(t, a, "/api/v1", headers, input); resp.StatusCode != 403 {
		t.Errorf("ATTACH_CONTAINER_INPUT: got %d %q", resp.StatusCode, text)
	}
	for path, want := range map[string]int{
		"/flags": 403, "/containers": 200, "/metrics/snapshot": 403, "/slave(1)/metrics/snapshot": 403, "/files/debug": 403, "/state": 200,
		"/files/read?path=/frameworks/fw-0000/executors/x/runs/latest/vars":             403,
		"/files/read?path=/frameworks/fw-0000/executors/y/../x/runs/latest/vars":        403,
		"/files/read?path=/frameworks/fw-0000/executors/y/runs/latest/vars":             200,
		"/files/download?path=" + sandboxOf(a, "x") + "/vars":                           403,
		"/files/browse?path=/frameworks/fw-0000/executors/x/runs/latest/../../../../..": 403,
	} {
		if resp, _ := get(t, a, path, named("eng")); resp.StatusCode != want {
			t.Errorf("%s: got %d, want %d", path, resp.StatusCode, want)
		}
	}
}

// codecRecord frames one record.
func codecRecord(text string) string { return fmt.Sprintf("%d\n%s", len(text), text) }

func TestAgentsLeaveOutWhatMayNotBeSeen(t *testing.T) {
	m := newTestMaster(t)
	var rules []string
	for _, action := range []string{"view_tasks", "view_executors", "view_containers"} {
		rules = append(rules, fmt.Sprintf(`%q: [{"principals": {"values": ["eng"]}, "users": {"values": ["alice"]}}, {"principals": {"values": ["eng"]}, "users": {"type": "NONE"}}]`, action))
	}
	a, _ := guarded(t, m, `{`+strings.Join(rules, ",")+`, "view_flags": [{"principals": {"values": ["eng"]}, "flags": {"type": "NONE"}}],
		"view_standalone_containers": [{"principals": {"values": ["eng"]}, "users": {"type": "NONE"}}],
		"view_frameworks": [{"principals": {"values": ["nobody"]}, "users": {"type": "ANY"}}]}`)
	launchCustom(t, m, a, executorInfo("hidden", idle), "hidden-task") // as the framework's user, root
	alice := executorInfo("shown", idle)
	alice.Command.User = proto.String("alice")
	launchCustom(t, m, a, alice, "shown-task")
	for _, typ := range []agentpb.Call_Type{agentpb.Call_GET_EXECUTORS, agentpb.Call_GET_TASKS, agentpb.Call_GET_STATE, agentpb.Call_GET_CONTAINERS} {
		for _, principal := range []string{"eng", "ops"} {
			_, text := answerOf(t, a, "/api/v1", named(principal), fmt.Sprintf(`{"type":%q}`, typ))
			if !strings.Contains(text, `"shown`) || strings.Contains(text, `"hidden`) != (principal == "ops") {
				t.Errorf("%v shows %s: %s", typ, principal, text)
			}
		}
	}
	if resp, text := answerOf(t, a, "/api/v1", named("ops"), `{"type":"LAUNCH_CONTAINER","launch_container":{"container_id":{"value":"alone"},"command":{"value":"sleep 1000"}}}`); resp.StatusCode != 200 {
		t.Errorf("launching a standalone container: %s %s", resp.Status, text)
	}
	for _, principal := range []string{"eng", "ops"} {
		_, text := answerOf(t, a, "/api/v1", named(principal), `{"type":"GET_CONTAINERS","get_containers":{"show_standalone":true}}`)
		if strings.Contains(text, `"alone"`) != (principal == "ops") {
			t.Errorf("GET_CONTAINERS shows %s: %s", principal, text)
		}
	}
	for _, path := range []string{"/state", "/containers", "/monitor/statistics"} {
		for _, principal := range []string{"eng", "ops"} {
			_, text := get(t, a, path, named(principal))
			if !strings.Contains(text, `"shown`) || strings.Contains(text, `"hidden`) != (principal == "ops") || path == "/state" && strings.Contains(text, `"work_dir"`) != (principal == "ops") {
				t.Errorf("%s shows %s: %s", path, principal, text)
			}
		}
	}
}
