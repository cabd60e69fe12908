package app_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/executor"
	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

func TestMain(m *testing.M) {
	if os.Getenv("APP_TEST_EXECUTOR") != "" {
		if err := runExecutor(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// runExecutor is a custom executor: this binary, started with APP_TEST_EXECUTOR. Each task is done when it comes, and its result is its data.
func runExecutor() error {
	cfg, err := executor.FromEnvironment()
	if err != nil {
		return err
	}
	return executor.Run(context.Background(), cfg, executor.Handler{Launch: func(ctx context.Context, s *executor.Session, task *mesospb.TaskInfo) error {
		if err := s.Update(ctx, &mesospb.TaskStatus{TaskId: task.TaskId, State: running.Enum()}); err != nil {
			return err
		}
		return s.Update(ctx, &mesospb.TaskStatus{
			TaskId: task.TaskId, State: finished.Enum(), Message: proto.String(string(task.GetData()) + " by " + os.Getenv("MESOKIT_APP")),
		})
	}})
}

const patience = 30 * time.Second

const (
	starting = mesospb.TaskState_TASK_STARTING
	running  = mesospb.TaskState_TASK_RUNNING
	finished = mesospb.TaskState_TASK_FINISHED
	failed   = mesospb.TaskState_TASK_FAILED
	killed   = mesospb.TaskState_TASK_KILLED
)

// framework is a subscribed framework of role eng on a cluster of its own.
type framework struct {
	t       *testing.T
	ctx     context.Context
	sub     *scheduler.Subscription
	events  chan *schedulerpb.Event
	refined bool // has RESERVATION_REFINEMENT
	out     string
	offers  []*mesospb.Offer // not looked at yet
}

// start starts a cluster with one agent, and subscribes. Refined is a framework of today; others have none of the capabilities.
func start(t *testing.T, refined bool) *framework {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	c, err := cluster.Start(ctx, cluster.Config{
		AllocationInterval: 20 * time.Millisecond,
		Agents:             []cluster.AgentConfig{{Hostname: "localhost", Resources: "cpus:8;mem:4096;disk:4096;ports:[31000-31099]"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	info := &mesospb.FrameworkInfo{User: proto.String("root"), Name: proto.String(t.Name()), Principal: proto.String("ops")}
	if refined {
		info.Roles = []string{"eng"}
		for _, k := range []mesospb.FrameworkInfo_Capability_Type{
			mesospb.FrameworkInfo_Capability_MULTI_ROLE, mesospb.FrameworkInfo_Capability_PARTITION_AWARE, mesospb.FrameworkInfo_Capability_RESERVATION_REFINEMENT,
		} {
			info.Capabilities = append(info.Capabilities, &mesospb.FrameworkInfo_Capability{Type: k.Enum()})
		}
	}
	if !refined {
		info.Role = proto.String("eng") //lint:ignore SA1019 frameworks without MULTI_ROLE have nothing else
	}
	client, err := scheduler.NewClient(scheduler.ClientConfig{Master: c.Master()})
	if err != nil {
		t.Fatal(err)
	}
	sub, err := client.Subscribe(ctx, info, scheduler.SubscribeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	f := &framework{t: t, ctx: ctx, sub: sub, events: make(chan *schedulerpb.Event, 1000), refined: refined, out: t.TempDir()}
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
	})
	f.next(schedulerpb.Event_SUBSCRIBED)
	return f
}

// next returns the next event of a type, passing over heartbeats and putting offers aside.
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
				f.offers = append(f.offers, e.GetOffers().GetOffers()...)
			case e.GetType() != schedulerpb.Event_HEARTBEAT && e.GetType() != schedulerpb.Event_FAILURE:
				f.t.Fatalf("got %v, want %v", e, kind)
			}
		case <-f.ctx.Done():
			f.t.Fatalf("no %v within %v", kind, patience)
		}
	}
}

// status returns the next status, acknowledged.
func (f *framework) status() *mesospb.TaskStatus {
	f.t.Helper()
	s := f.next(schedulerpb.Event_UPDATE).GetUpdate().GetStatus()
	if err := f.sub.Acknowledge(f.ctx, s); err != nil {
		f.t.Fatal(err)
	}
	return s
}

// expect checks the states to come and returns the last status.
func (f *framework) expect(states ...mesospb.TaskState) *mesospb.TaskStatus {
	f.t.Helper()
	var s *mesospb.TaskStatus
	for _, want := range states {
		if s = f.status(); s.GetState() != want {
			f.t.Fatalf("got %v, want %v", s, want)
		}
	}
	return s
}

// parse reads an application; OUT in it is a directory that the test looks into.
func (f *framework) parse(doc string) *app.App {
	f.t.Helper()
	a, err := app.Parse([]byte(strings.ReplaceAll(doc, "OUT", f.out)))
	if err != nil {
		f.t.Fatal(err)
	}
	return a
}

// offer returns the next offer.
func (f *framework) offer() *mesospb.Offer {
	f.t.Helper()
	if len(f.offers) == 0 {
		f.offers = f.next(schedulerpb.Event_OFFERS).GetOffers().GetOffers()
	}
	o := f.offers[0]
	f.offers = f.offers[1:]
	return o
}

// decline gives an offer back, to have it again together with what has become free meanwhile.
func (f *framework) decline(o *mesospb.Offer) {
	f.t.Helper()
	if err := f.sub.Decline(f.ctx, scheduler.OfferIDs(o), scheduler.RefuseSeconds(0)); err != nil {
		f.t.Fatal(err)
	}
}

// place picks what an instance needs from the first offer that has it, as the placement does.
func (f *framework) place(a *app.App, instance int, existing bool) (*mesospb.Offer, app.Launch) {
	f.t.Helper()
	for {
		o := f.offer()
		if l, ok := f.pick(o, a, instance, existing); ok {
			return o, l
		}
		f.decline(o)
	}
}

// pick picks what an instance needs from an offer, if the offer has it.
func (f *framework) pick(o *mesospb.Offer, a *app.App, instance int, existing bool) (app.Launch, bool) {
	d, rest := a.Demand(), o.GetResources()
	l := app.Launch{
		Instance: instance, FrameworkID: f.sub.FrameworkID().GetValue(), AgentID: o.GetAgentId().GetValue(), Hostname: o.GetHostname(),
		Principal: "ops", ReservationRefinement: f.refined,
	}
	for i := range a.Tasks() {
		l.TaskIDs = append(l.TaskIDs, fmt.Sprintf("%s.%d.%s.%d", a.Name, instance, time.Now().Format("150405.000000000"), i))
	}
	var ids []string
	if existing {
		ids = a.VolumeIDs(instance, "")
	}
	for _, v := range a.Volumes(ids) {
		var r *mesospb.Resource
		for _, have := range rest {
			if v.ID != "" && have.GetDisk().GetPersistence().GetId() == v.ID {
				r = have
			} else if v.ID == "" && have.GetName() == "disk" && !resources.IsPersistentVolume(have) && have.GetScalar().GetValue() >= v.MB {
				r = resources.Clone(have)
				r.Scalar.Value = &v.MB
			}
		}
		if r == nil {
			return l, false
		}
		l.Volumes = append(l.Volumes, r)
		l.Resources = append(l.Resources, r)
		rest = resources.Subtract(rest, []*mesospb.Resource{r})
	}
	got, ok := resources.Find(rest, d.Resources, "eng")
	if !ok {
		return l, false
	}
	l.Resources = append(l.Resources, got...)
	rest = resources.Subtract(rest, got)
	for _, p := range d.Ports {
		ports, ok := resources.TakePorts(resources.Filter(rest, func(r *mesospb.Resource) bool { return r.GetName() == "ports" }), 1)
		if p.From > 0 {
			ports, ok = resources.Find(rest, []*mesospb.Resource{resources.NewPorts(p.From, p.From)}, "eng")
		}
		if !ok {
			return l, false
		}
		l.Ports = append(l.Ports, ports[0].GetRanges().GetRange()[0].GetBegin())
		l.Resources = append(l.Resources, ports...)
		rest = resources.Subtract(rest, ports)
	}
	return l, true
}

// launch starts one instance and returns what was launched.
func (f *framework) launch(a *app.App, instance int, existing bool) ([]*mesospb.Offer_Operation, app.Launch) {
	f.t.Helper()
	o, l := f.place(a, instance, existing)
	ops, err := a.Operations(l)
	if err != nil {
		f.t.Fatal(err)
	}
	checkOperations(f.t, o.GetResources(), l.Resources, ops)
	if err := f.sub.Accept(f.ctx, scheduler.OfferIDs(o), scheduler.RefuseSeconds(0), ops...); err != nil {
		f.t.Fatal(err)
	}
	return ops, l
}

// checkOperations makes sure that operations take no more than was picked, and that each finds what it needs.
func checkOperations(t *testing.T, offered, picked []*mesospb.Resource, ops []*mesospb.Offer_Operation) {
	t.Helper()
	if !resources.Contains(offered, picked) {
		t.Fatalf("the placement took %s from %s", resources.Describe(picked), resources.Describe(offered))
	}
	pool := resources.NewPool(picked)
	for _, op := range ops {
		conversions, err := resources.Conversions(op)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range conversions {
			if err := pool.Apply(c); err != nil {
				t.Fatalf("%v: %v", op.GetType(), err)
			}
		}
		var used []*mesospb.Resource
		for _, task := range append(op.GetLaunch().GetTaskInfos(), op.GetLaunchGroup().GetTaskGroup().GetTasks()...) {
			used = append(append(used, task.GetResources()...), task.GetExecutor().GetResources()...)
		}
		used = append(used, op.GetLaunchGroup().GetExecutor().GetResources()...)
		if !pool.Take(used) {
			t.Fatalf("%v takes %s from %s", op.GetType(), resources.Describe(used), resources.Describe(pool.Resources()))
		}
	}
	if !pool.IsEmpty() {
		t.Errorf("picked but not used: %s", resources.Describe(pool.Resources()))
	}
}

// read returns what a task wrote to a file in OUT.
func (f *framework) read(name string) string {
	f.t.Helper()
	b, err := os.ReadFile(filepath.Join(f.out, name))
	if err != nil {
		f.t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}
