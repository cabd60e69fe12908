package master

//lint:file-ignore SA1019 deprecated fields and calls are part of what a master serves

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// What a real Mesos answered to bad requests (capture f10), byte for byte where the text is the master's own.
func TestBadRequestsAreAnsweredAsMesosDoes(t *testing.T) {
	w := start(t, Config{})
	f := w.subscribe(frameworkInfo())
	const j = codec.MediaTypeJSON
	good := `{"type":"SUBSCRIBE","subscribe":{"framework_info":{"user":"root","name":"x","roles":["*"],"capabilities":[{"type":"MULTI_ROLE"}]}}}`
	id := fmt.Sprintf(`"framework_id":{"value":"%s"}`, f.id)
	mine := map[string]string{"Mesos-Stream-Id": f.streamID}
	invalid := "Failed to validate scheduler::Call: "
	for _, tc := range []struct {
		name, contentType string
		headers           map[string]string
		body              string
		status            int
		text              string
	}{
		{"other content type", "text/plain", nil, good, 415, "Expecting 'Content-Type' of application/json or application/x-protobuf"},
		{"content type with parameters", j + "; charset=utf-8", nil, good, 415, ""},
		{"no content type", "", nil, good, 400, "Expecting 'Content-Type' to be present"},
		{"unusable accept", j, map[string]string{"Accept": "text/plain"}, good, 406, "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'"},
		{"unusable accept does not matter to others", j, map[string]string{"Accept": "text/plain", "Mesos-Stream-Id": f.streamID}, `{"type":"REVIVE",` + id + `}`, 202, ""},
		{"malformed JSON", j, nil, "{nonsense", 400, ""},
		{"malformed protobuf", codec.MediaTypeProtobuf, nil, "\x08\x99", 400, "Failed to parse body into Call protobuf"},
		{"no type", j, nil, `{}`, 400, invalid + "Expecting 'type' to be present"},
		{"unknown type", j, nil, `{"type":"NO_SUCH"}`, 400, invalid + "Expecting 'type' to be present"},
		{"subscribe without subscribe", j, nil, `{"type":"SUBSCRIBE"}`, 400, invalid + "Expecting 'subscribe' to be present"},
		{"framework ids differ", j, nil, `{"type":"SUBSCRIBE","framework_id":{"value":"a"},"subscribe":{"framework_info":{"user":"root","name":"x","id":{"value":"b"}}}}`, 400, invalid + "'framework_id' differs from 'subscribe.framework_info.id'"},
		{"unknown framework", j, nil, `{"type":"REVIVE","framework_id":{"value":"nope"}}`, 400, "Framework cannot be found"},
		{"no framework id", j, nil, `{"type":"REVIVE"}`, 400, invalid + "Expecting 'framework_id' to be present"},
		{"subscribe with a stream id", j, map[string]string{"Mesos-Stream-Id": "x"}, good, 400, "Subscribe calls should not include the 'Mesos-Stream-Id' header"},
		{"no stream id", j, nil, `{"type":"REVIVE",` + id + `}`, 400, "All non-subscribe calls should include the 'Mesos-Stream-Id' header"},
		{"wrong stream id", j, map[string]string{"Mesos-Stream-Id": "x"}, `{"type":"REVIVE",` + id + `}`, 400, "The stream ID 'x' included in this request didn't match the stream ID currently associated with framework ID " + f.id},
		{"accept without accept", j, mine, `{"type":"ACCEPT",` + id + `}`, 400, invalid + "Expecting 'accept' to be present"},
		{"decline without decline", j, mine, `{"type":"DECLINE",` + id + `}`, 400, invalid + "Expecting 'decline' to be present"},
		{"reconcile without reconcile", j, mine, `{"type":"RECONCILE",` + id + `}`, 400, invalid + "Expecting 'reconcile' to be present"},
		{"uuid that is none", j, mine, `{"type":"ACKNOWLEDGE",` + id + `,"acknowledge":{"agent_id":{"value":"x"},"task_id":{"value":"y"},"uuid":"bm90LXV1aWQ="}}`, 400, invalid + "Not a valid UUID"},
		{"operation without agent", j, mine, `{"type":"ACKNOWLEDGE_OPERATION_STATUS",` + id + `,"acknowledge_operation_status":{"operation_id":{"value":"y"},"uuid":"VpBftx5iSV+uJfxgaECgvg=="}}`, 400, invalid + "Expecting 'agent_id' to be present"},
		{"revive of another's role", j, mine, `{"type":"REVIVE",` + id + `,"revive":{"roles":["other"]}}`, 202, ""},
		{"null and unknown fields", j, mine, `{"type":"REVIVE",` + id + `,"revive":null,"what":{"is":["this"]}}`, 202, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status, h, body := w.post("/api/v1/scheduler", tc.contentType, tc.headers, []byte(tc.body))
			if status != tc.status || tc.text != "" && body != tc.text {
				t.Errorf("got %d %q, want %d %q", status, body, tc.status, tc.text)
			}
			if status/100 != 2 && h.Get("Content-Type") != "text/plain; charset=utf-8" {
				t.Errorf("Content-Type of an error is %q", h.Get("Content-Type"))
			}
		})
	}
	t.Run("not POST", func(t *testing.T) {
		status, h, body := w.get("/api/v1/scheduler")
		if status != 405 || h.Get("Allow") != "POST" || body != "405 Method Not Allowed. Expecting one of { 'POST' }, but received 'GET'." {
			t.Errorf("got %d %q, Allow %q", status, body, h.Get("Allow"))
		}
	})
	t.Run("UNKNOWN in protobuf", func(t *testing.T) {
		body, err := proto.Marshal(&schedulerpb.Call{Type: schedulerpb.Call_UNKNOWN.Enum(), FrameworkId: &mesospb.FrameworkID{Value: &f.id}})
		if err != nil {
			t.Fatal(err)
		}
		if status, _, _ := w.post("/api/v1/scheduler", codec.MediaTypeProtobuf, mine, body); status != 501 {
			t.Errorf("got %d, want 501", status)
		}
	})
	t.Run("below the operator endpoint", func(t *testing.T) {
		status, _, body := w.post("/api/v1/nope", j, nil, []byte("{}"))
		if status != 400 || body != "Failed to validate master::Call: Expecting 'type' to be present" {
			t.Errorf("got %d %q", status, body)
		}
	})
}

func TestPaths(t *testing.T) {
	w := start(t, Config{})
	for path, want := range map[string]int{
		"/health": 200, "/master/health": 200, "/redirect": 307, "/redirect/x": 404, "/version": 200, "/nope": 404, "/masterful": 404,
		"/state": 200, "/master/state": 200, "/state.json": 200, "/metrics/snapshot": 200, "/files/browse?path=/x": 404, "/logging/toggle": 200, "/flags": 200, "/": 404, "/master": 404,
	} {
		if status, _, body := w.get(path); status != want {
			t.Errorf("GET %s: %d %q, want %d", path, status, body, want)
		}
	}
	if _, h, _ := w.get("/redirect"); h.Get("Location") != "//localhost:5050" {
		t.Errorf("/redirect leads to %q", h.Get("Location"))
	}
	f := w.subscribe(frameworkInfo())
	body := fmt.Sprintf(`{"type":"REVIVE","framework_id":{"value":"%s"}}`, f.id)
	if status, _, text := w.post("/master/api/v1/scheduler", codec.MediaTypeJSON, map[string]string{"Mesos-Stream-Id": f.streamID}, []byte(body)); status != 202 {
		t.Errorf("below /master: %d %q", status, text)
	}
}

// A framework that is wrong in itself gets an ERROR event (capture f10).
func TestBadFrameworksGetAnErrorEvent(t *testing.T) {
	w := start(t, Config{Roles: []string{"*", "a", "a/x"}, RefuseRoot: true})
	multi := mesospb.FrameworkInfo_Capability_MULTI_ROLE
	user := func(i *mesospb.FrameworkInfo) *mesospb.FrameworkInfo {
		i.User, i.Name = proto.String("nobody"), proto.String("x")
		return i
	}
	of := func(roles ...string) *mesospb.FrameworkInfo {
		return user(withCapabilities(&mesospb.FrameworkInfo{Roles: roles}, multi))
	}
	with := func(i *mesospb.FrameworkInfo, f func(*mesospb.FrameworkInfo)) *mesospb.FrameworkInfo { f(i); return i }
	for _, tc := range []struct {
		info       *mesospb.FrameworkInfo
		suppressed []string
		want       string
	}{
		{of("a/../b"), nil, "'FrameworkInfo.roles' contains invalid role: Role 'a/../b' cannot include '..' as a component"},
		{of("-x"), nil, "'FrameworkInfo.roles' contains invalid role: Role component '-x' is invalid because it starts with a dash"},
		{of("a", "a"), nil, "'FrameworkInfo.roles' contains duplicate items: { a }"},
		{with(of("*"), func(i *mesospb.FrameworkInfo) { i.Role = proto.String("x") }), nil, "'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable"},
		{user(&mesospb.FrameworkInfo{Roles: []string{"*"}}), nil, "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable"},
		{of("b"), nil, "Roles { b } are not present in the master's --roles"},
		{with(of("a"), func(i *mesospb.FrameworkInfo) { i.User = proto.String("root") }), nil, "User 'root' is not allowed to run frameworks without --root_submissions set"},
		{of("a"), []string{"a/x"}, "Suppressed roles { a/x } are not contained in the set of roles"},
		{with(of("a"), func(i *mesospb.FrameworkInfo) { i.FailoverTimeout = proto.Float64(1e300) }), nil, ""},
		{with(of("a"), func(i *mesospb.FrameworkInfo) { i.Id = &mesospb.FrameworkID{Value: proto.String("a/b")} }), nil, "'a/b' contains invalid characters"},
		{with(of("a"), func(i *mesospb.FrameworkInfo) {
			i.OfferFilters = map[string]*mesospb.OfferFilters{"a": {MinAllocatableResources: &mesospb.OfferFilters_MinAllocatableResources{
				Quantities: []*mesospb.OfferFilters_ResourceQuantities{{}}}}}
		}), nil, "Invalid resource quantities for role 'a': Resource quantities must contain at least one quantity"},
	} {
		f := w.connect(&schedulerpb.Call_Subscribe{FrameworkInfo: tc.info, SuppressedRoles: tc.suppressed}, codec.JSON)
		e := f.next()
		if e.GetType() != schedulerpb.Event_ERROR || tc.want != "" && e.GetError().GetMessage() != tc.want {
			t.Errorf("got %v, want ERROR %q", e, tc.want)
		}
		f.ended()
	}
	for _, info := range []*mesospb.FrameworkInfo{
		with(of("a"), func(i *mesospb.FrameworkInfo) { i.FailoverTimeout = proto.Float64(-1) }),
		with(of("a"), func(i *mesospb.FrameworkInfo) { i.User = proto.String("") }),
		with(of("a"), func(i *mesospb.FrameworkInfo) { i.Name = proto.String("") }),
		of(),
		user(&mesospb.FrameworkInfo{}),
	} {
		w.subscribe(info) // legal, however odd
	}
}

func TestBothCodecsTellTheSame(t *testing.T) {
	w := start(t, Config{})
	a := w.agent("h")
	for _, cd := range []codec.Codec{codec.JSON, codec.Protobuf} {
		f := w.connect(&schedulerpb.Call_Subscribe{FrameworkInfo: frameworkInfo()}, cd)
		f.subscribed()
		o := f.offer()
		if o.GetHostname() != "h" || o.GetUrl().GetPath() != "/slave(1)" || o.GetUrl().GetAddress().GetIp() != "127.0.0.1" ||
			show(o.Resources) != "ports:[31000-32000]; cpus:4; mem:2048; disk:4096" || o.GetAllocationInfo().GetRole() != "*" {
			t.Errorf("offer is %v", o)
		}
		f.accept([]*mesospb.Offer{o}, 0, launch(command(o, "t", 1, 32)))
		if got := expectMsg[link.RunTask](a); got.Task.GetTaskId().GetValue() != "t" || got.Framework.GetId().GetValue() != f.id {
			t.Errorf("agent got %v", got)
		}
		f.teardown()
		expectMsg[link.ShutdownFramework](a)
	}
}

func TestSubscribedTellsOfTheMaster(t *testing.T) {
	w := start(t, Config{ID: "some-uuid"})
	f := w.connect(&schedulerpb.Call_Subscribe{FrameworkInfo: frameworkInfo()}, codec.JSON)
	s := f.expect(schedulerpb.Event_SUBSCRIBED).GetSubscribed()
	if s.GetFrameworkId().GetValue() != "some-uuid-0000" || s.GetHeartbeatIntervalSeconds() != 15 {
		t.Errorf("got %v", s)
	}
	mi := s.GetMasterInfo()
	if mi.GetIp() != 16777343 || mi.GetPort() != 5050 || mi.GetPid() != "master@127.0.0.1:5050" || mi.GetHostname() != "localhost" || len(mi.GetCapabilities()) != 3 {
		t.Errorf("master info is %v", mi)
	}
}

func TestHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		f := w.subscribe(frameworkInfo())
		began := time.Now()
		for i := range 3 {
			if e := f.next(); e.GetType() != schedulerpb.Event_HEARTBEAT {
				t.Fatalf("got %v", e)
			}
			if d, want := time.Since(began), time.Duration(i+1)*15*time.Second; d != want {
				t.Errorf("heartbeat after %v, want %v", d, want)
			}
		}
	})
}

func TestRedirectOfAFollower(t *testing.T) {
	w := start(t, Config{})
	f := w.subscribe(frameworkInfo())
	a := w.agent("h")
	other := &mesospb.MasterInfo{Id: proto.String("other"), Hostname: proto.String("leader.example"), Port: proto.Uint32(5051)}
	if err := w.SetLeader(other); err != nil {
		t.Fatal(err)
	}
	f.expect(schedulerpb.Event_OFFERS)
	f.ended()
	if !a.isClosed() {
		t.Error("the agent's connection is still open")
	}
	if _, err := w.Connect(a); err != link.ErrNotLeading {
		t.Errorf("connect: %v, want ErrNotLeading", err)
	}
	for path, want := range map[string]string{
		"/api/v1/scheduler": "//leader.example:5051/master/api/v1/scheduler", "/api/v1": "//leader.example:5051/master/api/v1",
		"/state?a=b": "//leader.example:5051/master/state?a=b", "/redirect": "//leader.example:5051", "/master/tasks": "//leader.example:5051/master/tasks",
	} {
		if status, h, _ := w.get(path); status != 307 || h.Get("Location") != want {
			t.Errorf("%s: %d to %q, want 307 to %q", path, status, h.Get("Location"), want)
		}
	}
	if status, _, _ := w.get("/health"); status != 200 {
		t.Errorf("/health: %d", status)
	}
	w.SetLeader(nil)
	if status, _, body := w.get("/state"); status != 503 || body != "No leader elected" {
		t.Errorf("without leader: %d %q", status, body)
	}
	w.SetLeader(w.Info())
	w.agent("again")
	w.subscribe(frameworkInfo()).offer()
}

func TestCloseEndsStreams(t *testing.T) {
	w := start(t, Config{})
	f := w.subscribe(frameworkInfo())
	a := w.agent("h")
	f.offer()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for e := range f.events {
		t.Errorf("got %v", e)
	}
	if !a.isClosed() {
		t.Error("the agent was not told")
	}
	w.Close()
}

func TestConfigIsChecked(t *testing.T) {
	for _, cfg := range []Config{{}, {AllocationInterval: -1}, {Weights: map[string]float64{"a": 0}}} {
		if m, err := New(cfg); err == nil || !strings.HasPrefix(err.Error(), "master: ") {
			t.Errorf("New(%+v): %v, %v", cfg, m, err)
		}
	}
}

func TestMiddleware(t *testing.T) {
	w := start(t, Config{Middleware: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/state" {
				w.WriteHeader(http.StatusTeapot)
				return
			}
			next.ServeHTTP(w, r)
		})
	}})
	if status, _, _ := w.get("/state"); status != http.StatusTeapot {
		t.Errorf("got %d", status)
	}
	if status, _, _ := w.get("/health"); status != 200 {
		t.Errorf("got %d", status)
	}
}
