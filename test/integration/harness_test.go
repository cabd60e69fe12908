// Package integration tests client and cluster together, as a framework author meets them.
package integration

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds what a test waits for; nothing should come near it.
const patience = 30 * time.Second

// start starts a cluster that ends with the test.
func start(t testing.TB, cfg cluster.Config) *cluster.Cluster {
	t.Helper()
	if cfg.AllocationInterval == 0 {
		cfg.AllocationInterval = 20 * time.Millisecond
	}
	c, err := cluster.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("closing the cluster: %v", err)
		}
	})
	return c
}

// framework is a subscribed framework and what it was told.
type framework struct {
	t  testing.TB
	id *mesospb.FrameworkID
	*scheduler.Subscription
	events chan *schedulerpb.Event
	passed []*schedulerpb.Event // OFFERS that came while something else was waited for
	ctx    context.Context
}

// modern has the capabilities of a framework of today.
func modern(name string) *mesospb.FrameworkInfo {
	info := &mesospb.FrameworkInfo{User: proto.String("root"), Name: &name, Roles: []string{"*"}}
	for _, c := range []mesospb.FrameworkInfo_Capability_Type{
		mesospb.FrameworkInfo_Capability_MULTI_ROLE, mesospb.FrameworkInfo_Capability_PARTITION_AWARE,
		mesospb.FrameworkInfo_Capability_RESERVATION_REFINEMENT, mesospb.FrameworkInfo_Capability_TASK_KILLING_STATE,
	} {
		info.Capabilities = append(info.Capabilities, &mesospb.FrameworkInfo_Capability{Type: c.Enum()})
	}
	return info
}

// subscribe subscribes a framework until the end of the test.
func subscribe(t testing.TB, c *cluster.Cluster, info *mesospb.FrameworkInfo, media codec.Codec) *framework {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	tr, err := transport.New(transport.Config{Codec: media})
	if err != nil {
		t.Fatal(err)
	}
	client, err := scheduler.NewClient(scheduler.ClientConfig{Master: c.Master(), Transport: tr})
	if err != nil {
		t.Fatal(err)
	}
	sub, err := client.Subscribe(ctx, info, scheduler.SubscribeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	f := &framework{t: t, Subscription: sub, events: make(chan *schedulerpb.Event, 1000), ctx: ctx}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(f.events)
		for e, err := range sub.Events() {
			if err != nil {
				return
			}
			f.events <- e
		}
	}()
	t.Cleanup(func() {
		sub.Close()
		cancel()
		<-done
		client.Close()
		tr.Close()
	})
	f.id = f.next(schedulerpb.Event_SUBSCRIBED).GetSubscribed().GetFrameworkId()
	return f
}

// next returns the next event of a type, passing over heartbeats, keeping offers for later, and nothing else.
func (f *framework) next(kind schedulerpb.Event_Type) *schedulerpb.Event {
	f.t.Helper()
	for {
		select {
		case e, ok := <-f.events:
			switch {
			case !ok:
				f.t.Fatalf("the stream ended before %v", kind)
			case e.GetType() == kind:
				return e
			case e.GetType() == schedulerpb.Event_OFFERS:
				f.passed = append(f.passed, e)
			case e.GetType() != schedulerpb.Event_HEARTBEAT:
				f.t.Fatalf("got %v, want %v", e, kind)
			}
		case <-f.ctx.Done():
			f.t.Fatalf("no %v within %v", kind, patience)
		}
	}
}

// offers returns the offers of the next OFFERS event, which may have come before the last update was seen.
func (f *framework) offers() []*mesospb.Offer {
	f.t.Helper()
	if len(f.passed) > 0 {
		e := f.passed[0]
		f.passed = f.passed[1:]
		return e.GetOffers().GetOffers()
	}
	return f.next(schedulerpb.Event_OFFERS).GetOffers().GetOffers()
}

// update returns the next status, acknowledged if it is to be.
func (f *framework) update() *mesospb.TaskStatus {
	f.t.Helper()
	status := f.next(schedulerpb.Event_UPDATE).GetUpdate().GetStatus()
	f.must(f.Acknowledge(f.ctx, status))
	return status
}

// expect checks the states of the updates to come and returns the last.
func (f *framework) expect(states ...mesospb.TaskState) *mesospb.TaskStatus {
	f.t.Helper()
	var status *mesospb.TaskStatus
	for _, want := range states {
		if status = f.update(); status.GetState() != want {
			f.t.Fatalf("got %v, want %v", status, want)
		}
	}
	return status
}

func (f *framework) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// small is what a test's task takes.
func small() []*mesospb.Resource {
	return []*mesospb.Resource{resources.NewCPUs(0.1), resources.NewMem(32)}
}

// shell describes a task that runs a shell command.
func shell(id string, offer *mesospb.Offer, command string) *mesospb.TaskInfo {
	return &mesospb.TaskInfo{
		Name: &id, TaskId: &mesospb.TaskID{Value: &id}, AgentId: offer.GetAgentId(),
		Resources: small(), Command: &mesospb.CommandInfo{Value: &command},
	}
}

// launch accepts an offer with tasks.
func (f *framework) launch(offer *mesospb.Offer, tasks ...*mesospb.TaskInfo) {
	f.t.Helper()
	f.must(f.Accept(f.ctx, scheduler.OfferIDs(offer), scheduler.RefuseSeconds(0), scheduler.Launch(tasks...)))
}

// States that tests expect often.
const (
	starting = mesospb.TaskState_TASK_STARTING
	running  = mesospb.TaskState_TASK_RUNNING
	finished = mesospb.TaskState_TASK_FINISHED
	failed   = mesospb.TaskState_TASK_FAILED
	killing  = mesospb.TaskState_TASK_KILLING
	killed   = mesospb.TaskState_TASK_KILLED
)
