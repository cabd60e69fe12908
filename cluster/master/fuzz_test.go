package master

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/httpapi"
	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// silentListener never accepts: fuzzing calls the handler itself.
type silentListener struct{ done chan struct{} }

func (l silentListener) Accept() (net.Conn, error) { <-l.done; return nil, net.ErrClosed }
func (l silentListener) Close() error {
	select {
	case <-l.done:
	default:
		close(l.done)
	}
	return nil
}
func (silentListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5050} }

// fuzzed is a master with an agent and a framework that has an offer.
func fuzzed(t testing.TB) *Master {
	m, err := New(Config{Listener: silentListener{make(chan struct{})}, ID: "M", Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	a := &quietAgent{}
	end, err := m.Connect(a)
	if err != nil {
		t.Fatal(err)
	}
	d := describe("h", resources.NewCPUs(4), resources.NewMem(1024), resources.NewDisk(64))
	end.Send(link.Register{Agent: d})
	m.loop.Do(context.Background(), func() {
		m.subscribe(&schedulerpb.Call_Subscribe{FrameworkInfo: frameworkInfo()}, httpapi.NewStream(codec.Protobuf), "stream")
		m.allocate()
	})
	return m
}

// request runs one request through the handler and fails on 500, accounts that don't balance, and a loop that hangs.
func (m *Master) request(t *testing.T, path, contentType string, body []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body)).WithContext(ctx)
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Mesos-Stream-Id", "stream")
	w := httptest.NewRecorder()
	m.serveHTTP(w, r)
	if w.Code == http.StatusInternalServerError {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	var err error
	if e := m.loop.Do(ctx, func() { err = m.checkAccounts() }); e != nil || err != nil {
		t.Errorf("%v %v", e, err)
	}
}

func seedBodies(f *testing.F, messages []proto.Message) {
	for _, msg := range messages {
		for i, cd := range []codec.Codec{codec.JSON, codec.Protobuf} {
			body, err := cd.Append(nil, msg)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(body, i == 0)
		}
	}
	f.Add([]byte(`{"type":`), true)
	f.Add([]byte("\x08\x99"), false)
	f.Add([]byte(`{"type":"ACCEPT","framework_id":{"value":"M-0000"},"accept":{"offer_ids":[null],"operations":[null,{"type":"LAUNCH","launch":{"task_infos":[null]}}]}}`), true)
}

func mediaType(json bool) string {
	if json {
		return codec.MediaTypeJSON
	}
	return codec.MediaTypeProtobuf
}

func FuzzSchedulerEndpoint(f *testing.F) {
	id := &mesospb.FrameworkID{Value: proto.String("M-0000")}
	offer := &mesospb.Offer{Id: &mesospb.OfferID{Value: proto.String("M-O0")}, AgentId: &mesospb.AgentID{Value: proto.String("M-S0")}}
	accept := func(ops ...*mesospb.Offer_Operation) proto.Message {
		return &schedulerpb.Call{FrameworkId: id, Type: schedulerpb.Call_ACCEPT.Enum(), Accept: &schedulerpb.Call_Accept{OfferIds: []*mesospb.OfferID{offer.Id}, Operations: ops}}
	}
	seedBodies(f, []proto.Message{
		accept(launch(command(offer, "t", 1, 32))), accept(reserve("r", resources.NewCPUs(1, resources.WithReservation("a", "p")))),
		accept(create("c", resources.NewDisk(1, resources.WithRole("a"), resources.WithVolume("v", "p", "d")))),
		&schedulerpb.Call{FrameworkId: id, Type: schedulerpb.Call_DECLINE.Enum(), Decline: &schedulerpb.Call_Decline{OfferIds: []*mesospb.OfferID{offer.Id}}},
		&schedulerpb.Call{FrameworkId: id, Type: schedulerpb.Call_RECONCILE.Enum(), Reconcile: &schedulerpb.Call_Reconcile{}},
		&schedulerpb.Call{FrameworkId: id, Type: schedulerpb.Call_KILL.Enum(), Kill: &schedulerpb.Call_Kill{TaskId: &mesospb.TaskID{Value: proto.String("t")}}},
		&schedulerpb.Call{FrameworkId: id, Type: schedulerpb.Call_UPDATE_FRAMEWORK.Enum(), UpdateFramework: &schedulerpb.Call_UpdateFramework{FrameworkInfo: frameworkInfo("a")}},
		&schedulerpb.Call{FrameworkId: id, Type: schedulerpb.Call_TEARDOWN.Enum()},
	})
	f.Fuzz(func(t *testing.T, body []byte, json bool) {
		fuzzed(t).request(t, "/api/v1/scheduler", mediaType(json), body)
	})
}

func FuzzOperatorEndpoint(f *testing.F) {
	agent := &mesospb.AgentID{Value: proto.String("M-S0")}
	seedBodies(f, []proto.Message{
		&masterpb.Call{Type: masterpb.Call_GET_STATE.Enum()},
		&masterpb.Call{Type: masterpb.Call_RESERVE_RESOURCES.Enum(), ReserveResources: &masterpb.Call_ReserveResources{AgentId: agent, Resources: []*mesospb.Resource{resources.NewCPUs(1, resources.WithReservation("a", "p"))}}},
		&masterpb.Call{Type: masterpb.Call_CREATE_VOLUMES.Enum(), CreateVolumes: &masterpb.Call_CreateVolumes{AgentId: agent, Volumes: []*mesospb.Resource{resources.NewDisk(1, resources.WithRole("a"), resources.WithVolume("v", "p", "d"))}}},
		&masterpb.Call{Type: masterpb.Call_DRAIN_AGENT.Enum(), DrainAgent: &masterpb.Call_DrainAgent{AgentId: agent}},
		&masterpb.Call{Type: masterpb.Call_MARK_AGENT_GONE.Enum(), MarkAgentGone: &masterpb.Call_MarkAgentGone{AgentId: agent}},
	})
	f.Add([]byte(`{"type":"UPDATE_QUOTA","update_quota":{"quota_configs":[{"role":"a","limits":{"cpus":{"value":1}}}],"force":true}}`), true)
	f.Add([]byte(`{"type":"UPDATE_MAINTENANCE_SCHEDULE","update_maintenance_schedule":{"schedule":{"windows":[{"machine_ids":[{"hostname":"h"}],"unavailability":{"start":{"nanoseconds":1}}}]}}}`), true)
	f.Fuzz(func(t *testing.T, body []byte, json bool) {
		if bytes.Contains(body, []byte("SUBSCRIBE")) || !json && bytes.HasPrefix(body, []byte{8, 18}) {
			return // a stream that would last until the request ends
		}
		fuzzed(t).request(t, "/api/v1", mediaType(json), body)
	})
}

func FuzzFormEndpoints(f *testing.F) {
	for _, path := range []string{"/reserve", "/create-volumes", "/teardown", "/weights", "/quota", "/machine/down", "/maintenance/schedule"} {
		f.Add(path, []byte("slaveId=M-S0&resources=%5B%7B%22name%22%3A%22cpus%22%7D%5D"))
	}
	f.Fuzz(func(t *testing.T, path string, body []byte) {
		for i := range routes {
			if routes[i].path == path {
				fuzzed(t).request(t, path, "application/x-www-form-urlencoded", body)
			}
		}
	})
}
