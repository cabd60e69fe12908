package master

import (
	"net/http"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/recordio"
)

// eng may see frameworks and tasks of alice and roles of its own; ops sees all.
const engSeesAlice = `{
	"view_frameworks": [{"principals": {"values": ["eng"]}, "users": {"values": ["alice"]}}, {"principals": {"values": ["eng"]}, "users": {"type": "NONE"}}],
	"view_tasks": [{"principals": {"values": ["eng"]}, "users": {"values": ["alice"]}}, {"principals": {"values": ["eng"]}, "users": {"type": "NONE"}}],
	"view_executors": [{"principals": {"values": ["eng"]}, "users": {"values": ["alice"]}}, {"principals": {"values": ["eng"]}, "users": {"type": "NONE"}}],
	"view_roles": [{"principals": {"values": ["eng"]}, "roles": {"values": ["eng"]}}, {"principals": {"values": ["eng"]}, "roles": {"type": "NONE"}}],
	"view_flags": [{"principals": {"values": ["eng"]}, "flags": {"type": "NONE"}}]}`

func TestWhatMayNotBeSeenIsLeftOut(t *testing.T) {
	w := guarded(t, engSeesAlice)
	w.agent("h")
	alice, bob := frameworkInfo("eng"), frameworkInfo("ops")
	alice.User, alice.Name, bob.User, bob.Name = proto.String("alice"), proto.String("seen-framework"), proto.String("bob"), proto.String("hidden-framework")

	watch := func(principal string) (events *recordio.Reader) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL()+"/api/v1", strings.NewReader(`{"type":"SUBSCRIBE"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", codec.MediaTypeJSON)
		resp, err := w.as(principal).http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return recordio.NewReader(resp.Body, recordio.Config{})
	}
	next := func(r *recordio.Reader, want string) string {
		t.Helper()
		for {
			frame, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(frame), "HEARTBEAT") {
				if !strings.Contains(string(frame), want) {
					t.Fatalf("got %s, want %s", frame, want)
				}
				return string(frame)
			}
		}
	}
	eng, ops := watch("eng"), watch("ops")
	next(eng, "SUBSCRIBED")
	next(ops, "SUBSCRIBED")

	b := w.as("ops").subscribe(bob)
	o := b.offer()
	hidden := command(o, "hidden-task", 0.1, 32)
	b.accept([]*mesospb.Offer{o}, 0, launch(hidden))
	a := w.as("eng").subscribe(alice)
	o = a.offer()
	seen := command(o, "seen-task", 0.1, 32)
	asBob := command(o, "hidden-task-of-bob", 0.1, 32)
	asBob.Command.User = proto.String("bob")
	a.accept([]*mesospb.Offer{o}, 0, launch(asBob, seen))

	next(ops, "hidden-framework")
	next(ops, "hidden-task")
	next(ops, "seen-framework")
	next(ops, "hidden-task-of-bob")
	next(ops, "seen-task")
	next(eng, "seen-framework")
	next(eng, "seen-task")

	calls := map[masterpb.Call_Type][2]string{ // what eng sees, and only ops
		masterpb.Call_GET_FRAMEWORKS: {"seen-framework", "hidden-framework"},
		masterpb.Call_GET_TASKS:      {"seen-task", "hidden-task"},
		masterpb.Call_GET_STATE:      {"seen-task", "hidden-"},
		masterpb.Call_GET_ROLES:      {`"eng"`, `"ops"`},
	}
	for typ, want := range calls {
		for _, principal := range []string{"eng", "ops"} {
			_, _, body := w.as(principal).post("/api/v1", codec.MediaTypeJSON, nil, encode(t, &masterpb.Call{Type: typ.Enum()}))
			if !strings.Contains(body, want[0]) || strings.Contains(body, want[1]) != (principal == "ops") {
				t.Errorf("%v shows %s: %s", typ, principal, body)
			}
		}
	}
	for path, want := range map[string][2]string{
		"/state": {"seen-task", "hidden-"}, "/frameworks": {"seen-framework", "hidden-"}, "/tasks": {"seen-task", "hidden-"},
		"/state-summary": {"seen-framework", "hidden-"}, "/roles": {`"eng"`, `"ops"`},
	} {
		for _, principal := range []string{"eng", "ops"} {
			_, _, body := w.as(principal).get(path)
			if !strings.Contains(body, want[0]) || strings.Contains(body, want[1]) != (principal == "ops") {
				t.Errorf("%s shows %s: %s", path, principal, body)
			}
		}
	}
	if _, _, body := w.as("eng").get("/state"); strings.Contains(body, "allocation_interval") {
		t.Error("/state shows the flags to who may not see them")
	}
	if got, err := w.Operate(t.Context(), &masterpb.Call{Type: masterpb.Call_GET_FRAMEWORKS.Enum()}); err != nil || len(got.GetGetFrameworks().GetFrameworks()) != 2 {
		t.Errorf("who holds the master sees %v, %v", got, err)
	}
}
