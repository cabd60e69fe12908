package calls

import (
	"context"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// start starts a cluster of the agents m1 and m2 that ends with the test.
func start(t *testing.T) *cluster.Cluster {
	t.Helper()
	agents := cluster.Agents(2, cluster.AgentConfig{Resources: "cpus:4;mem:1024;disk:1000;ports:[31000-31009]", ExecutorShutdownGrace: time.Second})
	agents[0].Hostname, agents[1].Hostname = "m1", "m2"
	c, err := cluster.Start(t.Context(), cluster.Config{Agents: agents, AllocationInterval: 20 * time.Millisecond, LogDir: t.TempDir()})
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

func agentNamed(t *testing.T, c *cluster.Cluster, host string) *cluster.Agent {
	t.Helper()
	a, err := c.Agent(host)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// framework is a subscription whose events are read one by one. Updates are acknowledged as they are seen.
type framework struct {
	*scheduler.Subscription
	t      *testing.T
	ctx    context.Context
	events chan *schedulerpb.Event
	offers []*mesospb.Offer // that are held
}

func subscribe(t *testing.T, c *cluster.Cluster, tr *transport.Client, info *mesospb.FrameworkInfo) *framework {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	client, err := scheduler.NewClient(scheduler.ClientConfig{Master: c.Master(), Transport: tr})
	if err != nil {
		t.Fatal(err)
	}
	sub, err := client.Subscribe(ctx, info, scheduler.SubscribeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	f := &framework{Subscription: sub, t: t, ctx: ctx, events: make(chan *schedulerpb.Event, 1000)}
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
	})
	return f
}

func (f *framework) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// wait reads events until one is what is wanted.
func (f *framework) wait(what string, wanted func(*schedulerpb.Event) bool) *schedulerpb.Event {
	f.t.Helper()
	for {
		select {
		case e, ok := <-f.events:
			if !ok {
				f.t.Fatalf("the stream ended before %s", what)
			}
			f.note(e)
			if wanted(e) {
				return e
			}
		case <-f.ctx.Done():
			f.t.Fatalf("no %s within %v", what, patience)
		}
	}
}

func (f *framework) note(e *schedulerpb.Event) {
	f.t.Helper()
	switch e.GetType() {
	case schedulerpb.Event_OFFERS:
		f.offers = append(f.offers, e.GetOffers().GetOffers()...)
	case schedulerpb.Event_RESCIND:
		f.spend(e.GetRescind().GetOfferId())
	case schedulerpb.Event_UPDATE:
		f.must(f.Acknowledge(f.ctx, e.GetUpdate().GetStatus()))
	case schedulerpb.Event_UPDATE_OPERATION_STATUS:
		f.must(f.AcknowledgeOperationStatus(f.ctx, e.GetUpdateOperationStatus().GetStatus()))
	}
}

func (f *framework) spend(id *mesospb.OfferID) {
	for i, o := range f.offers {
		if o.GetId().GetValue() == id.GetValue() {
			f.offers = append(f.offers[:i:i], f.offers[i+1:]...)
			return
		}
	}
}

// offer takes an offer of an agent that has what is needed.
func (f *framework) offer(host string, need ...*mesospb.Resource) *mesospb.Offer {
	f.t.Helper()
	for {
		for _, o := range f.offers {
			if o.GetHostname() == host && resources.Contains(o.GetResources(), need) {
				f.spend(o.GetId())
				return o
			}
		}
		f.wait("offer of "+host+" with "+resources.Describe(need), func(e *schedulerpb.Event) bool { return e.GetType() == schedulerpb.Event_OFFERS })
	}
}

// accept uses an offer and takes the rest back at once.
func (f *framework) accept(o *mesospb.Offer, operations ...*mesospb.Offer_Operation) {
	f.t.Helper()
	f.must(f.Accept(f.ctx, scheduler.OfferIDs(o), scheduler.RefuseSeconds(0), operations...))
}

// operate has an operation done, and waits for its outcome.
func (f *framework) operate(id string, want mesospb.OperationState, op *mesospb.Offer_Operation, need ...*mesospb.Resource) {
	f.t.Helper()
	f.accept(f.offer("m1", need...), scheduler.WithID(op, id))
	f.operation(id, want)
}

func (f *framework) operation(id string, want mesospb.OperationState) {
	f.t.Helper()
	e := f.wait("status of the operation "+id, func(e *schedulerpb.Event) bool {
		return e.GetUpdateOperationStatus().GetStatus().GetOperationId().GetValue() == id
	})
	if s := e.GetUpdateOperationStatus().GetStatus(); s.GetState() != want {
		f.t.Errorf("operation %s: %v %s, want %v", id, s.GetState(), s.GetMessage(), want)
	}
}

// state waits for a task to be in a state.
func (f *framework) state(task string, want mesospb.TaskState) *mesospb.TaskStatus {
	f.t.Helper()
	return f.wait("state "+want.String()+" of "+task, func(e *schedulerpb.Event) bool {
		s := e.GetUpdate().GetStatus()
		return s.GetTaskId().GetValue() == task && s.GetState() == want
	}).GetUpdate().GetStatus()
}

func (f *framework) event(kind schedulerpb.Event_Type) *schedulerpb.Event {
	f.t.Helper()
	return f.wait(kind.String(), func(e *schedulerpb.Event) bool { return e.GetType() == kind })
}

const role, principal = "eng", "p"

func modern(name string) *mesospb.FrameworkInfo {
	info := &mesospb.FrameworkInfo{
		User: proto.String("root"), Name: value(name), Roles: []string{role}, Principal: proto.String(principal), FailoverTimeout: proto.Float64(60),
	}
	for _, c := range []mesospb.FrameworkInfo_Capability_Type{
		mesospb.FrameworkInfo_Capability_MULTI_ROLE, mesospb.FrameworkInfo_Capability_PARTITION_AWARE,
		mesospb.FrameworkInfo_Capability_RESERVATION_REFINEMENT, mesospb.FrameworkInfo_Capability_TASK_KILLING_STATE,
	} {
		info.Capabilities = append(info.Capabilities, &mesospb.FrameworkInfo_Capability{Type: c.Enum()})
	}
	return info
}

// small is what a task takes.
func small() []*mesospb.Resource {
	return resources.Allocate([]*mesospb.Resource{resources.NewCPUs(0.1), resources.NewMem(32), resources.NewDisk(1)}, role)
}

func taskOf(id string, o *mesospb.Offer) *mesospb.TaskInfo {
	return &mesospb.TaskInfo{Name: value(id), TaskId: taskID(id), AgentId: o.GetAgentId(), Resources: small()}
}

func shell(id string, o *mesospb.Offer, command string) *mesospb.TaskInfo {
	task := taskOf(id, o)
	task.Command = &mesospb.CommandInfo{Value: value(command)}
	return task
}

func taskID(id string) *mesospb.TaskID         { return &mesospb.TaskID{Value: value(id)} }
func executorID(id string) *mesospb.ExecutorID { return &mesospb.ExecutorID{Value: value(id)} }
