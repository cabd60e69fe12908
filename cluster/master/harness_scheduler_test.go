package master

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/recordio"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// scheduler is a framework talking raw HTTP.
type scheduler struct {
	w        *world
	codec    codec.Codec
	id       string
	streamID string
	info     *mesospb.FrameworkInfo
	events   chan *schedulerpb.Event
	cancel   context.CancelFunc
}

var allCapabilities = []mesospb.FrameworkInfo_Capability_Type{
	mesospb.FrameworkInfo_Capability_MULTI_ROLE, mesospb.FrameworkInfo_Capability_PARTITION_AWARE,
	mesospb.FrameworkInfo_Capability_TASK_KILLING_STATE, mesospb.FrameworkInfo_Capability_RESERVATION_REFINEMENT,
}

func frameworkInfo(roles ...string) *mesospb.FrameworkInfo {
	if len(roles) == 0 {
		roles = []string{"*"}
	}
	return withCapabilities(&mesospb.FrameworkInfo{User: proto.String("root"), Name: proto.String("test"), Roles: roles}, allCapabilities...)
}

func withCapabilities(i *mesospb.FrameworkInfo, cs ...mesospb.FrameworkInfo_Capability_Type) *mesospb.FrameworkInfo {
	i.Capabilities = nil
	for _, c := range cs {
		i.Capabilities = append(i.Capabilities, &mesospb.FrameworkInfo_Capability{Type: c.Enum()})
	}
	return i
}

// connect opens a stream and returns it before its first event.
func (w *world) connect(s *schedulerpb.Call_Subscribe, cd codec.Codec) *scheduler {
	w.Helper()
	call := &schedulerpb.Call{Type: schedulerpb.Call_SUBSCRIBE.Enum(), Subscribe: s, FrameworkId: s.GetFrameworkInfo().GetId()}
	body, err := cd.Append(nil, call)
	if err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL()+"/api/v1/scheduler", bytes.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	req.Header.Set("Content-Type", cd.MediaType())
	req.Header.Set("Accept", cd.MediaType())
	resp, err := w.http.Do(req)
	if err != nil {
		cancel()
		w.Fatal(err)
	}
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != cd.MediaType() {
		w.Fatalf("SUBSCRIBE: %s, %v", resp.Status, resp.Header)
	}
	f := &scheduler{w: w, codec: cd, streamID: resp.Header.Get("Mesos-Stream-Id"), info: s.GetFrameworkInfo(), events: make(chan *schedulerpb.Event, 100_000), cancel: cancel}
	var wg sync.WaitGroup
	wg.Go(func() {
		defer resp.Body.Close()
		defer close(f.events)
		frames := recordio.NewReader(resp.Body, recordio.Config{})
		for {
			frame, err := frames.Next()
			if err != nil {
				return
			}
			e := &schedulerpb.Event{}
			if err := cd.Unmarshal(frame, e); err != nil {
				w.Errorf("event: %v in %q", err, frame)
				return
			}
			f.events <- e
		}
	})
	w.Cleanup(func() { cancel(); wg.Wait() })
	return f
}

// subscribe opens a stream and takes SUBSCRIBED and HEARTBEAT from it.
func (w *world) subscribe(info *mesospb.FrameworkInfo, suppressed ...string) *scheduler {
	w.Helper()
	f := w.connect(&schedulerpb.Call_Subscribe{FrameworkInfo: info, SuppressedRoles: suppressed}, codec.Protobuf)
	f.subscribed()
	return f
}

func (f *scheduler) subscribed() {
	f.w.Helper()
	e := f.expect(schedulerpb.Event_SUBSCRIBED)
	f.id = e.GetSubscribed().GetFrameworkId().GetValue()
	f.expect(schedulerpb.Event_HEARTBEAT)
}

// next returns the next event; nil if the stream has ended.
func (f *scheduler) next() *schedulerpb.Event {
	f.w.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case e := <-f.events:
		return e
	case <-timeout.C:
		f.w.Fatal("no event came")
		return nil
	}
}

// expect returns the next event, which must be of the type; other than HEARTBEATs are not skipped.
func (f *scheduler) expect(want schedulerpb.Event_Type) *schedulerpb.Event {
	f.w.Helper()
	for {
		e := f.next()
		if e == nil {
			f.w.Fatalf("the stream ended, want %v", want)
		}
		if e.GetType() == want {
			return e
		}
		if e.GetType() != schedulerpb.Event_HEARTBEAT {
			f.w.Fatalf("got %v, want %v", prototext.Format(e), want)
		}
	}
}

// ended fails unless the stream ends next.
func (f *scheduler) ended() {
	f.w.Helper()
	if e := f.next(); e != nil {
		f.w.Fatalf("got %v, want the end of the stream", e)
	}
}

// quiet fails if there is an event but HEARTBEATs.
func (f *scheduler) quiet() {
	f.w.Helper()
	f.w.on(func() {})
	f.call(&schedulerpb.Call{Type: schedulerpb.Call_REQUEST.Enum(), Request: &schedulerpb.Call_Request{}})
	// An update about an unknown task marks the place up to which nothing may have come.
	f.reconcile("marker", "")
	if s := f.status(); s.GetTaskId().GetValue() != "marker" {
		f.w.Fatalf("got %v, want nothing", s)
	}
}

// offers takes the next event, which must be OFFERS.
func (f *scheduler) offers() []*mesospb.Offer {
	f.w.Helper()
	return f.expect(schedulerpb.Event_OFFERS).GetOffers().GetOffers()
}

// offer is offers if there is one.
func (f *scheduler) offer() *mesospb.Offer {
	f.w.Helper()
	os := f.offers()
	if len(os) != 1 {
		f.w.Fatalf("got %d offers, want 1", len(os))
	}
	return os[0]
}

// status takes the next event, which must be UPDATE.
func (f *scheduler) status() *mesospb.TaskStatus {
	f.w.Helper()
	return f.expect(schedulerpb.Event_UPDATE).GetUpdate().GetStatus()
}

// try sends a call and returns the answer.
func (f *scheduler) try(c *schedulerpb.Call) (int, string) {
	f.w.Helper()
	if c.FrameworkId == nil {
		c.FrameworkId = &mesospb.FrameworkID{Value: &f.id}
	}
	body, err := f.codec.Append(nil, c)
	if err != nil {
		f.w.Fatal(err)
	}
	status, _, text := f.w.post("/api/v1/scheduler", f.codec.MediaType(), map[string]string{"Mesos-Stream-Id": f.streamID}, body)
	return status, text
}

// call sends a call that must be answered 202, or 200.
func (f *scheduler) call(c *schedulerpb.Call) {
	f.w.Helper()
	if status, text := f.try(c); status/100 != 2 {
		f.w.Fatalf("%v: %d %s", c.GetType(), status, text)
	}
}

func (f *scheduler) accept(offers []*mesospb.Offer, filter float64, ops ...*mesospb.Offer_Operation) {
	f.w.Helper()
	a := &schedulerpb.Call_Accept{Operations: ops, Filters: &mesospb.Filters{RefuseSeconds: &filter}}
	for _, o := range offers {
		a.OfferIds = append(a.OfferIds, o.Id)
	}
	f.call(&schedulerpb.Call{Type: schedulerpb.Call_ACCEPT.Enum(), Accept: a})
}

func (f *scheduler) decline(o *mesospb.Offer, filter float64) {
	f.w.Helper()
	f.call(&schedulerpb.Call{Type: schedulerpb.Call_DECLINE.Enum(), Decline: &schedulerpb.Call_Decline{
		OfferIds: []*mesospb.OfferID{o.Id}, Filters: &mesospb.Filters{RefuseSeconds: &filter},
	}})
}

func (f *scheduler) acknowledge(agent, task string, uuid []byte) {
	f.w.Helper()
	f.call(&schedulerpb.Call{Type: schedulerpb.Call_ACKNOWLEDGE.Enum(), Acknowledge: &schedulerpb.Call_Acknowledge{
		AgentId: &mesospb.AgentID{Value: &agent}, TaskId: &mesospb.TaskID{Value: &task}, Uuid: uuid,
	}})
}

func (f *scheduler) reconcile(task, agent string) {
	f.w.Helper()
	t := &schedulerpb.Call_Reconcile_Task{TaskId: &mesospb.TaskID{Value: &task}}
	if agent != "" {
		t.AgentId = &mesospb.AgentID{Value: &agent}
	}
	f.call(&schedulerpb.Call{Type: schedulerpb.Call_RECONCILE.Enum(), Reconcile: &schedulerpb.Call_Reconcile{Tasks: []*schedulerpb.Call_Reconcile_Task{t}}})
}

// teardown removes the framework.
func (f *scheduler) teardown() {
	f.w.Helper()
	f.call(&schedulerpb.Call{Type: schedulerpb.Call_TEARDOWN.Enum()})
	f.ended()
}

// command makes a command task for an offer.
func command(o *mesospb.Offer, id string, cpus, mem float64, more ...func(*mesospb.TaskInfo)) *mesospb.TaskInfo {
	t := &mesospb.TaskInfo{
		Name: &id, TaskId: &mesospb.TaskID{Value: &id}, AgentId: o.GetAgentId(),
		Resources: []*mesospb.Resource{resources.NewCPUs(cpus), resources.NewMem(mem)},
		Command:   &mesospb.CommandInfo{Value: proto.String("true")},
	}
	for _, f := range more {
		f(t)
	}
	return t
}

func launch(tasks ...*mesospb.TaskInfo) *mesospb.Offer_Operation {
	return &mesospb.Offer_Operation{Type: mesospb.Offer_Operation_LAUNCH.Enum(), Launch: &mesospb.Offer_Operation_Launch{TaskInfos: tasks}}
}

// run launches a command task and brings it to TASK_RUNNING, acknowledged.
func (f *scheduler) run(a *fakeAgent, o *mesospb.Offer, id string) {
	f.w.Helper()
	f.accept([]*mesospb.Offer{o}, 1e6, launch(command(o, id, 1, 128)))
	expectMsg[link.RunTask](a)
	f.step(a, id, mesospb.TaskState_TASK_RUNNING)
}

// step sends a status, takes the update and acknowledges it.
func (f *scheduler) step(a *fakeAgent, id string, state mesospb.TaskState) {
	f.w.Helper()
	uuid := a.update(f.id, id, state)
	if s := f.status(); s.GetTaskId().GetValue() != id || s.GetState() != state || !bytes.Equal(s.GetUuid(), uuid) {
		f.w.Fatalf("got %v, want %s %v", s, id, state)
	}
	f.acknowledge(a.id, id, uuid)
	expectMsg[link.AcknowledgeStatus](a)
}

// show describes the resources of an offer without their allocation.
func show(list []*mesospb.Resource) string {
	return strings.ReplaceAll(resources.Describe(resources.Unallocate(list)), "{}", "")
}
