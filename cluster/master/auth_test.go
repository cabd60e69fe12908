package master

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/auth"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/quotapb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

const topSecret = "never-in-any-log"

// guarded is a master whose realms all want credentials: of ops and eng, both with topSecret.
func guarded(t *testing.T, acls string) *world {
	t.Helper()
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
	realms := auth.Realms{}
	for _, r := range []string{auth.RealmScheduler, auth.RealmMasterRead, auth.RealmMasterWrite} {
		realms[r] = auth.NewAuthenticator(r, known, nil)
	}
	var log lockedBuffer
	w := start(t, Config{Realms: realms, Authorizer: authorizer, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	t.Cleanup(func() {
		w.Close()
		if text := log.String(); strings.Contains(text, topSecret) || strings.Contains(text, basic("ops")[6:]) {
			t.Errorf("the log has the secret:\n%s", text)
		}
	})
	return w
}

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

// basic returns the Authorization header of a principal with the right secret.
func basic(principal string) string {
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth(principal, topSecret)
	return r.Header.Get("Authorization")
}

// as is the transport of a principal.
type as struct {
	principal string
	next      http.RoundTripper
}

func (a as) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", basic(a.principal))
	return a.next.RoundTrip(r)
}

// as returns the same world, seen by a principal.
func (w *world) as(principal string) *world {
	seen := *w
	seen.http = &http.Client{Transport: as{principal, w.http.Transport}, CheckRedirect: w.http.CheckRedirect}
	return &seen
}

func TestEveryEndpointWantsTheCredentialsOfItsRealm(t *testing.T) {
	w := guarded(t, "")
	open := map[string]bool{"/health": true, "/redirect": true, "/version": true}
	read := map[string]bool{"/flags": true, "/files": true, "/metrics/snapshot": true, "/state.json": true, "/state-summary": true, "/state": true, "/slaves": true,
		"/frameworks": true, "/tasks.json": true, "/tasks": true, "/roles.json": true, "/roles": true, "/maintenance/status": true}
	for _, rt := range routes {
		realm := "mesos-master-readwrite"
		switch {
		case rt.path == "/api/v1/scheduler":
			realm = "mesos-master-scheduler"
		case read[rt.path]:
			realm = "mesos-master-readonly"
		}
		for _, prefix := range []string{"", "/master"} {
			status, header, body := w.get(prefix + rt.path)
			if open[rt.path] {
				if status == http.StatusUnauthorized {
					t.Errorf("%s wants credentials", rt.path)
				}
				continue
			}
			if want := `Basic realm="` + realm + `"`; status != 401 || header.Get("WWW-Authenticate") != want || body != "401 Unauthorized." {
				t.Errorf("%s%s without credentials: got %d %q %q, want %s", prefix, rt.path, status, header.Get("WWW-Authenticate"), body, want)
			}
			if status, _, _ := w.as("nobody").get(prefix + rt.path); status != 401 {
				t.Errorf("%s for an unknown principal: got %d", rt.path, status)
			}
			if status, _, body := w.as("ops").get(prefix + rt.path); status == 401 || status == 403 {
				t.Errorf("%s with credentials: got %d %q", rt.path, status, body)
			}
		}
	}
}

func TestWhoLeadsIsNotToldWithoutCredentials(t *testing.T) {
	w := guarded(t, "")
	if err := w.SetLeader(&mesospb.MasterInfo{Id: proto.String("other"), Ip: proto.Uint32(0), Port: proto.Uint32(1), Hostname: proto.String("h")}); err != nil {
		t.Fatal(err)
	}
	if status, header, _ := w.get("/state"); status != 401 || header.Get("Location") != "" {
		t.Errorf("got %d, %v", status, header)
	}
	if status, header, _ := w.as("ops").get("/state"); status != 307 || header.Get("Location") == "" {
		t.Errorf("with credentials: got %d, %v", status, header)
	}
}

func TestFrameworksAreWhomTheyAuthenticateAs(t *testing.T) {
	w := guarded(t, "")
	eng := w.as("eng")

	f := eng.subscribe(frameworkInfo())
	var principal string
	w.on(func() { principal = w.frameworks[f.id].info.GetPrincipal() })
	if principal != "eng" {
		t.Errorf("a framework that named no principal has %q", principal)
	}

	other := frameworkInfo()
	other.Principal = proto.String("ops")
	call := &schedulerpb.Call{Type: schedulerpb.Call_SUBSCRIBE.Enum(), Subscribe: &schedulerpb.Call_Subscribe{FrameworkInfo: other}}
	status, _, body := eng.post("/api/v1/scheduler", codec.MediaTypeJSON, nil, encode(t, call))
	if want := "Failed to validate scheduler::Call: Authenticated principal 'eng' does not match principal 'ops' set in `FrameworkInfo`"; status != 400 || body != want {
		t.Errorf("a foreign principal: got %d %q, want %q", status, body, want)
	}

	revive := encode(t, &schedulerpb.Call{Type: schedulerpb.Call_REVIVE.Enum(), FrameworkId: &mesospb.FrameworkID{Value: &f.id}})
	stream := map[string]string{"Mesos-Stream-Id": f.streamID}
	if status, _, body = eng.post("/api/v1/scheduler", codec.MediaTypeJSON, stream, revive); status != 202 {
		t.Errorf("a call of its own: got %d %q", status, body)
	}
	status, _, body = w.as("ops").post("/api/v1/scheduler", codec.MediaTypeJSON, stream, revive)
	if want := "Authenticated principal 'ops' does not match principal 'eng' set in `FrameworkInfo`"; status != 400 || body != want {
		t.Errorf("a call of somebody else: got %d %q, want %q", status, body, want)
	}
}

// encode writes a message as JSON.
func encode(t *testing.T, m proto.Message) []byte {
	t.Helper()
	b, err := codec.JSON.Append(nil, m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFrameworksAreRefusedRolesThatACLsForbid(t *testing.T) {
	w := guarded(t, `{"register_frameworks": [
		{"principals": {"values": ["eng"]}, "roles": {"values": ["eng", "eng/%"]}},
		{"principals": {"type": "NONE"}, "roles": {"type": "ANY"}}]}`)
	f := w.as("eng").connect(&schedulerpb.Call_Subscribe{FrameworkInfo: frameworkInfo("eng", "ops")}, codec.JSON)
	if got := f.expect(schedulerpb.Event_ERROR).GetError().GetMessage(); got != "Not authorized to register framework  with roles { eng, ops }" {
		t.Errorf("got %q", got)
	}
	f.ended()
	info := frameworkInfo("eng", "eng/team")
	g := w.as("eng").subscribe(info)
	update := proto.CloneOf(info)
	update.Id, update.Principal, update.Roles = &mesospb.FrameworkID{Value: &g.id}, proto.String("eng"), []string{"*"}
	call := &schedulerpb.Call{Type: schedulerpb.Call_UPDATE_FRAMEWORK.Enum(), FrameworkId: update.Id, UpdateFramework: &schedulerpb.Call_UpdateFramework{FrameworkInfo: update}}
	status, _, body := w.as("eng").post("/api/v1/scheduler", codec.MediaTypeJSON, map[string]string{"Mesos-Stream-Id": g.streamID}, encode(t, call))
	if status != 403 || !strings.HasPrefix(body, "Not authorized to register framework") {
		t.Errorf("UPDATE_FRAMEWORK: got %d %q", status, body)
	}
}

func TestTasksOfForbiddenUsersAreUnauthorized(t *testing.T) {
	w := guarded(t, `{"run_tasks": [{"principals": {"values": ["eng"]}, "users": {"values": ["alice"]}}, {"principals": {"type": "NONE"}, "users": {"type": "ANY"}}]}`)
	w.agent("h")
	f := w.as("eng").subscribe(frameworkInfo()) // its user is root
	o := f.offer()
	allowed := command(o, "allowed", 0.1, 32)
	allowed.Command.User = proto.String("alice")
	invalid := command(o, "", 0.1, 32) // unauthorized comes before invalid
	f.accept([]*mesospb.Offer{o}, 1e6, launch(command(o, "forbidden", 0.1, 32), allowed, invalid))
	for _, id := range []string{"forbidden", ""} {
		s := f.status()
		if s.GetTaskId().GetValue() != id || s.GetState() != mesospb.TaskState_TASK_ERROR || s.GetReason() != mesospb.TaskStatus_REASON_TASK_UNAUTHORIZED ||
			s.GetSource() != mesospb.TaskStatus_SOURCE_MASTER || !strings.Contains(s.GetMessage(), "under user 'root'") {
			t.Errorf("got %v", s)
		}
	}
	var known bool
	w.on(func() { known = w.frameworks[f.id].tasks["allowed"] != nil })
	if !known {
		t.Error("the task that is allowed was not launched")
	}
}

func TestTaskGroupsOfForbiddenUsersAreUnauthorized(t *testing.T) {
	w := guarded(t, `{"permissive": false, "register_frameworks": [{"principals": {"type": "ANY"}, "roles": {"type": "ANY"}}]}`)
	w.agent("h")
	f := w.as("eng").subscribe(frameworkInfo())
	o := f.offer()
	op := &mesospb.Offer_Operation{Type: mesospb.Offer_Operation_LAUNCH_GROUP.Enum(), LaunchGroup: &mesospb.Offer_Operation_LaunchGroup{
		Executor:  &mesospb.ExecutorInfo{ExecutorId: &mesospb.ExecutorID{Value: proto.String("e")}},
		TaskGroup: &mesospb.TaskGroupInfo{Tasks: []*mesospb.TaskInfo{command(o, "a", 0.1, 32), command(o, "b", 0.1, 32)}},
	}}
	f.accept([]*mesospb.Offer{o}, 1e6, op)
	for range 2 {
		s := f.status()
		if s.GetState() != mesospb.TaskState_TASK_ERROR || s.GetReason() != mesospb.TaskStatus_REASON_TASK_GROUP_UNAUTHORIZED {
			t.Errorf("got %v", s)
		}
	}
}

func TestForbiddenOperationsOfFrameworksAreDropped(t *testing.T) {
	w := guarded(t, `{
		"reserve_resources": [{"principals": {"values": ["eng"]}, "roles": {"values": ["eng"]}}, {"principals": {"type": "NONE"}, "roles": {"type": "ANY"}}],
		"unreserve_resources": [{"principals": {"values": ["eng"]}, "reserver_principals": {"type": "NONE"}}],
		"create_volumes": [{"principals": {"values": ["eng"]}, "roles": {"type": "NONE"}}]}`)
	w.agent("h")
	forbidden := w.as("eng").subscribe(frameworkInfo("ops"))
	o := forbidden.offer()
	op := reserve("no", resources.NewCPUs(1, resources.WithReservation("ops", "eng")))
	forbidden.accept([]*mesospb.Offer{o}, 1e6, op)
	s := forbidden.operationStatus()
	if s.GetState() != mesospb.OperationState_OPERATION_ERROR || !strings.Contains(s.GetMessage(), "not authorized") || s.Uuid != nil {
		t.Errorf("got %v", s)
	}
	forbidden.teardown()

	f := w.as("eng").subscribe(frameworkInfo("eng"))
	o = f.offer()
	f.accept([]*mesospb.Offer{o}, 1e6, reserve("yes", resources.NewCPUs(1, resources.WithReservation("eng", "eng"))),
		unreserve("back", resources.NewCPUs(1, resources.WithReservation("eng", "eng"))))
	first := f.operationStatus()
	second := f.operationStatus()
	if first.GetState() != mesospb.OperationState_OPERATION_FINISHED || second.GetState() != mesospb.OperationState_OPERATION_ERROR || second.GetOperationId().GetValue() != "back" {
		t.Errorf("got %v and %v", first, second)
	}
}

func TestOperatorsMayWhatACLsAllow(t *testing.T) {
	w := guarded(t, `{
		"teardown_frameworks": [{"principals": {"values": ["ops"]}, "framework_principals": {"values": ["eng"]}}, {"principals": {"type": "NONE"}, "framework_principals": {"type": "ANY"}}],
		"view_flags": [{"principals": {"values": ["ops"]}, "flags": {"type": "ANY"}}, {"principals": {"type": "NONE"}, "flags": {"type": "ANY"}}],
		"get_endpoints": [{"principals": {"values": ["eng"]}, "paths": {"type": "NONE"}}],
		"set_log_level": [{"principals": {"values": ["eng"]}, "level": {"type": "NONE"}}],
		"update_quotas": [{"principals": {"values": ["eng"]}, "roles": {"values": ["eng"]}}, {"principals": {"values": ["eng"]}, "roles": {"type": "NONE"}}],
		"get_quotas": [{"principals": {"values": ["eng"]}, "roles": {"values": ["eng"]}}, {"principals": {"values": ["eng"]}, "roles": {"type": "NONE"}}],
		"update_weights": [{"principals": {"values": ["eng"]}, "roles": {"type": "NONE"}}],
		"mark_agents_gone": [{"principals": {"values": ["eng"]}, "agents": {"type": "NONE"}}],
		"get_maintenance_schedules": [{"principals": {"values": ["eng"]}, "machines": {"type": "NONE"}}],
		"update_maintenance_schedules": [{"principals": {"values": ["eng"]}, "machines": {"type": "NONE"}}],
		"reserve_resources": [{"principals": {"values": ["eng"]}, "roles": {"type": "NONE"}}]
	}`)
	a := w.agent("h")
	agentID := &mesospb.AgentID{Value: &a.id}
	f := w.as("eng").subscribe(frameworkInfo("eng"))
	f.offer()
	ask := func(principal string, call *masterpb.Call) (int, string) {
		status, _, body := w.as(principal).post("/api/v1", codec.MediaTypeJSON, nil, encode(t, call))
		return status, body
	}
	form := map[string]string{}
	quota := func(role string) *masterpb.Call {
		config := &quotapb.QuotaConfig{Role: &role, Limits: map[string]*mesospb.Value_Scalar{"cpus": {Value: proto.Float64(100)}}}
		return &masterpb.Call{Type: masterpb.Call_UPDATE_QUOTA.Enum(), UpdateQuota: &masterpb.Call_UpdateQuota{QuotaConfigs: []*quotapb.QuotaConfig{config}}}
	}
	reserveFor := func(principal string) *masterpb.Call {
		return &masterpb.Call{Type: masterpb.Call_RESERVE_RESOURCES.Enum(), ReserveResources: &masterpb.Call_ReserveResources{
			AgentId: agentID, Resources: []*mesospb.Resource{resources.NewCPUs(1, resources.WithReservation("r", principal))}}}
	}
	for _, test := range []struct {
		name, who string
		call      *masterpb.Call
		status    int
		body      string
	}{
		{"flags", "ops", &masterpb.Call{Type: masterpb.Call_GET_FLAGS.Enum()}, 200, ""},
		{"no flags", "eng", &masterpb.Call{Type: masterpb.Call_GET_FLAGS.Enum()}, 403, "403 Forbidden."},
		{"log level", "eng", &masterpb.Call{Type: masterpb.Call_SET_LOGGING_LEVEL.Enum(), SetLoggingLevel: &masterpb.Call_SetLoggingLevel{Level: proto.Uint32(1), Duration: &mesospb.DurationInfo{Nanoseconds: proto.Int64(1e9)}}}, 403, "403 Forbidden."},
		{"own quota", "eng", quota("eng"), 200, ""},
		{"foreign quota", "eng", quota("other"), 403, "403 Forbidden."},
		{"any quota", "ops", quota("other"), 200, ""},
		{"weights", "eng", &masterpb.Call{Type: masterpb.Call_UPDATE_WEIGHTS.Enum(), UpdateWeights: &masterpb.Call_UpdateWeights{WeightInfos: []*mesospb.WeightInfo{{Role: proto.String("eng"), Weight: proto.Float64(2)}}}}, 403, "403 Forbidden."},
		{"gone", "eng", &masterpb.Call{Type: masterpb.Call_MARK_AGENT_GONE.Enum(), MarkAgentGone: &masterpb.Call_MarkAgentGone{AgentId: agentID}}, 403, "403 Forbidden."},
		{"schedule", "eng", &masterpb.Call{Type: masterpb.Call_GET_MAINTENANCE_SCHEDULE.Enum()}, 200, ""},
		{"reserve", "eng", reserveFor("eng"), 403, "403 Forbidden."},
		{"reserve", "ops", reserveFor("ops"), 202, ""},
		{"teardown", "eng", teardownOf(f.id), 403, "403 Forbidden."},
		{"unknown framework", "eng", teardownOf("x"), 400, "No framework found with specified ID"},
	} {
		status, body := ask(test.who, test.call)
		if status != test.status || test.body != "" && body != test.body {
			t.Errorf("%s by %s: got %d %q, want %d %q", test.name, test.who, status, body, test.status, test.body)
		}
	}
	if status, body := ask("ops", reserveFor("eng")); status != 400 || !strings.Contains(body, "attempted by authenticated principal 'ops'") {
		t.Errorf("a reservation in a foreign name: got %d %q", status, body)
	}
	if _, body := ask("eng", &masterpb.Call{Type: masterpb.Call_GET_QUOTA.Enum()}); strings.Contains(body, "other") || !strings.Contains(body, `"eng"`) {
		t.Errorf("GET_QUOTA shows %s", body)
	}
	for path, want := range map[string]int{"/flags": 403, "/metrics/snapshot": 403, "/master/metrics/snapshot": 403, "/files/debug": 403, "/state": 200} {
		if status, _, _ := w.as("eng").get(path); status != want {
			t.Errorf("%s by eng: got %d, want %d", path, status, want)
		}
		if status, _, _ := w.as("ops").get(path); status != 200 {
			t.Errorf("%s by ops: got %d", path, status)
		}
	}
	if status, _, body := w.as("eng").post("/teardown", "application/x-www-form-urlencoded", form, []byte("frameworkId="+f.id)); status != 403 || body != "403 Forbidden." {
		t.Errorf("/teardown by eng: got %d %q", status, body)
	}
	if status, _, body := w.as("ops").post("/teardown", "application/x-www-form-urlencoded", form, []byte("frameworkId="+f.id)); status != 200 {
		t.Errorf("/teardown by ops: got %d %q", status, body)
	}
	// Who holds the master in the program needs no permission.
	if _, err := w.Operate(t.Context(), &masterpb.Call{Type: masterpb.Call_GET_FLAGS.Enum()}); err != nil {
		t.Error(err)
	}
}

func teardownOf(id string) *masterpb.Call {
	return &masterpb.Call{Type: masterpb.Call_TEARDOWN.Enum(), Teardown: &masterpb.Call_Teardown{FrameworkId: &mesospb.FrameworkID{Value: &id}}}
}
