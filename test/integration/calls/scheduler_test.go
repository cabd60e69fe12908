package calls

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/executor"
	"github.com/mesokit/mesokit/client/operator"
	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/maintenancepb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

func TestEveryCallAndEventOfSchedulersAndExecutors(t *testing.T) {
	for kind, cd := range media {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			l := newLedger()
			c := start(t)
			f := subscribe(t, c, l.transport(t, cd), modern("everything"))
			f.event(schedulerpb.Event_SUBSCRIBED)
			f.event(schedulerpb.Event_HEARTBEAT)
			operations(f)
			commandTask(f)
			taskGroup(f)
			customExecutor(f, c, l, cd)
			smallCalls(f)
			maintenance(f, c, l.transport(t, cd))
			failover(f, c, l.transport(t, cd))
			l.complete(t, new(schedulerpb.Call), nil)
			l.complete(t, new(schedulerpb.Event), nil)
			l.complete(t, new(mesospb.Offer_Operation), nil)
			l.complete(t, new(executorpb.Call), nil)
			l.complete(t, new(executorpb.Event), map[string]string{
				"HEARTBEAT": "comes after half an hour; the tests of client/executor have it in virtual time",
				"ERROR":     "Mesos never sends it",
			})
		})
	}
}

func operations(f *framework) {
	f.t.Helper()
	const finished, failed = mesospb.OperationState_OPERATION_FINISHED, mesospb.OperationState_OPERATION_ERROR
	disk := func(mb float64) *mesospb.Resource {
		return resources.NewDisk(mb, resources.WithReservation(role, principal), resources.WithAllocation(role))
	}
	volume := func(mb float64) *mesospb.Resource {
		return resources.NewDisk(mb, resources.WithReservation(role, principal), resources.WithVolume("v", principal, "data"), resources.WithAllocation(role))
	}
	f.operate("reserve", finished, scheduler.Reserve(disk(100)))
	f.operate("create", finished, scheduler.Create(volume(50)), disk(100))
	f.operate("grow", finished, scheduler.GrowVolume(volume(50), disk(10)), volume(50))
	f.operate("shrink", finished, scheduler.ShrinkVolume(volume(60), 20), volume(60))
	f.operate("destroy", finished, scheduler.Destroy(volume(40)), volume(40))
	// The 20 that were freed are not offered while the framework is there.
	f.operate("unreserve", finished, scheduler.Unreserve(disk(80)), disk(80))

	// What only works with a resource provider, and what is for operators, is understood and refused.
	f.operate("create disk", failed, scheduler.CreateDisk(disk(10), mesospb.Resource_DiskInfo_Source_MOUNT, "profile"))
	f.operate("destroy disk", failed, scheduler.DestroyDisk(disk(10)))
	f.operate("reserve from", failed, scheduler.ReserveFrom([]*mesospb.Resource{disk(10)}, []*mesospb.Resource{disk(10)}))

	f.must(f.ReconcileOperations(f.ctx, scheduler.ReconcileOperation(&mesospb.OperationID{Value: proto.String("nobody's")}, nil, nil)))
	f.operation("nobody's", mesospb.OperationState_OPERATION_UNKNOWN)
}

func commandTask(f *framework) {
	f.t.Helper()
	o := f.offer("m1", small()...)
	f.accept(o, scheduler.Launch(shell("command", o, "exec sleep 1000")))
	f.state("command", mesospb.TaskState_TASK_RUNNING)
	f.must(f.Reconcile(f.ctx, scheduler.ReconcileTask(taskID("command"), o.GetAgentId())))
	f.wait("the answer to RECONCILE", func(e *schedulerpb.Event) bool {
		return e.GetUpdate().GetStatus().GetReason() == mesospb.TaskStatus_REASON_RECONCILIATION
	})
	f.must(f.Kill(f.ctx, taskID("command"), o.GetAgentId(), &mesospb.KillPolicy{GracePeriod: &mesospb.DurationInfo{Nanoseconds: proto.Int64(int64(time.Second))}}))
	f.state("command", mesospb.TaskState_TASK_KILLED)
}

func taskGroup(f *framework) {
	f.t.Helper()
	o := f.offer("m1", append(small(), small()...)...)
	x := &mesospb.ExecutorInfo{Type: mesospb.ExecutorInfo_DEFAULT.Enum(), ExecutorId: executorID("group"), FrameworkId: f.FrameworkID(), Resources: small()}
	f.accept(o, scheduler.LaunchGroup(x, shell("in a group", o, "exec sleep 1000")))
	f.state("in a group", mesospb.TaskState_TASK_RUNNING)
	f.must(f.Shutdown(f.ctx, x.GetExecutorId(), o.GetAgentId()))
	f.wait("the loss of the executor", func(e *schedulerpb.Event) bool { return e.GetFailure().GetExecutorId().GetValue() == "group" })
}

// customExecutor runs an executor of this process in the name of one that the agent has started.
func customExecutor(f *framework, c *cluster.Cluster, l *ledger, cd codec.Codec) {
	f.t.Helper()
	o := f.offer("m1", append(small(), small()...)...)
	x := &mesospb.ExecutorInfo{
		Type: mesospb.ExecutorInfo_CUSTOM.Enum(), ExecutorId: executorID("custom"), FrameworkId: f.FrameworkID(), Resources: small(),
		Command: &mesospb.CommandInfo{Value: proto.String("exec sleep 1000")},
	}
	task := taskOf("custom", o)
	task.Executor = x

	ctx, cancel := context.WithTimeout(f.ctx, patience)
	defer cancel()
	beaten, subscribing, terminated := make(chan struct{}), 0, false
	cfg := executor.Config{
		FrameworkID: f.FrameworkID().GetValue(), ExecutorID: "custom", AgentEndpoint: agentNamed(f.t, c, "m1").Address,
		HeartbeatInterval: 20 * time.Millisecond, Transport: transport.Config{Codec: cd, Tracer: beats{l, beaten, new(sync.Once)}},
	}
	if cd == codec.JSON { // once over a socket of the agent's, as in containers without a network
		cfg.DomainSocket, cfg.AgentEndpoint = domainSocket(f.t, cfg.AgentEndpoint), "nowhere.localhost:1"
	}
	handler := executor.Handler{
		Subscribing: func(context.Context, *executor.Session, *executorpb.Call_Subscribe) error { subscribing++; return nil },
		Launch: func(ctx context.Context, s *executor.Session, task *mesospb.TaskInfo) error {
			return s.Update(ctx, &mesospb.TaskStatus{TaskId: task.GetTaskId(), State: mesospb.TaskState_TASK_RUNNING.Enum()})
		},
		Message: func(ctx context.Context, s *executor.Session, data []byte) error {
			return s.Message(ctx, append([]byte("re: "), data...))
		},
		Kill: func(ctx context.Context, s *executor.Session, e *executorpb.Event_Kill) error {
			return s.Update(ctx, &mesospb.TaskStatus{TaskId: e.GetTaskId(), State: mesospb.TaskState_TASK_KILLED.Enum()})
		},
		Shutdown:  func(context.Context, *executor.Session, error) error { return executor.ErrStop },
		Terminate: func(context.Context, *executor.Session, error) { terminated = true },
	}
	ended := make(chan error, 1)
	go func() {
		for {
			// Until the agent has heard of the executor. One that it starts itself never comes too early.
			if err := executor.Run(ctx, cfg, handler); !errors.Is(err, executor.ErrRefused) {
				ended <- err
				return
			}
		}
	}()
	defer func() { cancel(); <-ended }()

	f.accept(o, scheduler.Launch(task))
	f.state("custom", mesospb.TaskState_TASK_RUNNING)
	o = f.offer("m1", small()...)
	member := taskOf("in a custom group", o)
	f.accept(o, scheduler.LaunchGroup(x, member))
	f.state("in a custom group", mesospb.TaskState_TASK_RUNNING)

	f.must(f.Message(f.ctx, o.GetAgentId(), x.GetExecutorId(), []byte("hello")))
	if e := f.event(schedulerpb.Event_MESSAGE); string(e.GetMessage().GetData()) != "re: hello" {
		f.t.Errorf("message %v", e)
	}
	f.must(f.Kill(f.ctx, taskID("custom"), o.GetAgentId(), nil))
	f.state("custom", mesospb.TaskState_TASK_KILLED)
	select {
	case <-beaten:
	case <-ctx.Done():
		f.t.Fatal("no heartbeat of the executor")
	}
	f.must(f.Shutdown(f.ctx, x.GetExecutorId(), o.GetAgentId()))
	if err := <-ended; err != nil {
		f.t.Errorf("the executor's session ended with %v", err)
	}
	ended <- nil
	if subscribing == 0 || !terminated {
		f.t.Errorf("hooks: %d before subscriptions, terminate %v", subscribing, terminated)
	}
	f.wait("the loss of the executor", func(e *schedulerpb.Event) bool { return e.GetFailure().GetExecutorId().GetValue() == "custom" })
}

// beats is the ledger of an executor, which waits for a heartbeat to be taken.
type beats struct {
	*ledger
	seen chan struct{}
	once *sync.Once
}

func (b beats) TraceEnd(ctx context.Context, d transport.TraceEnd) {
	b.ledger.TraceEnd(ctx, d)
	if call, ok := ctx.Value(sentKey{}).(*executorpb.Call); ok && call.GetType() == executorpb.Call_HEARTBEAT && d.Err == nil {
		b.once.Do(func() { close(b.seen) })
	}
}

func smallCalls(f *framework) {
	f.t.Helper()
	f.must(f.Request(f.ctx, &mesospb.Request{Resources: small()}))
	f.must(f.Decline(f.ctx, scheduler.OfferIDs(f.offer("m1")), scheduler.RefuseSeconds(1000)))
	f.must(f.Suppress(f.ctx))
	info := modern("everything")
	info.Labels = &mesospb.Labels{Labels: []*mesospb.Label{{Key: proto.String("new")}}}
	f.must(f.UpdateFramework(f.ctx, info, scheduler.SubscribeOptions{SuppressedRoles: []string{role}}))
	f.must(f.Revive(f.ctx))
	o := f.offer("m1") // the filter and the suppression are gone
	f.offers = append(f.offers, o)
}

func maintenance(f *framework, c *cluster.Cluster, tr *transport.Client) {
	f.t.Helper()
	m, err := operator.NewMaster(operator.MasterConfig{Masters: c.Master(), Transport: tr})
	f.must(err)
	machine := &mesospb.MachineID{Hostname: proto.String("m2"), Ip: proto.String("127.0.0.1")}
	planned := &maintenancepb.Schedule{Windows: []*maintenancepb.Window{{
		MachineIds: []*mesospb.MachineID{machine}, Unavailability: &mesospb.Unavailability{Start: &mesospb.TimeInfo{Nanoseconds: proto.Int64(time.Now().Add(time.Hour).UnixNano())}},
	}}}
	o := f.offer("m2", small()...)
	f.accept(o, scheduler.Launch(shell("there", o, "exec sleep 1000")))
	f.state("there", mesospb.TaskState_TASK_RUNNING)
	f.offer("m2") // is rescinded, as the schedule changes

	wanted := func() []*mesospb.OfferID {
		f.t.Helper()
		return scheduler.InverseOfferIDs(f.event(schedulerpb.Event_INVERSE_OFFERS).GetInverseOffers().GetInverseOffers()...)
	}
	f.must(m.UpdateMaintenanceSchedule(f.ctx, planned))
	f.event(schedulerpb.Event_RESCIND)
	first := wanted()
	f.must(m.UpdateMaintenanceSchedule(f.ctx, nil))
	if e := f.event(schedulerpb.Event_RESCIND_INVERSE_OFFER); !proto.Equal(e.GetRescindInverseOffer().GetInverseOfferId(), first[0]) {
		f.t.Errorf("got %v, want %v rescinded", e, first)
	}
	f.must(m.UpdateMaintenanceSchedule(f.ctx, planned))
	f.must(f.DeclineInverseOffers(f.ctx, wanted(), scheduler.RefuseSeconds(0)))
	f.must(f.AcceptInverseOffers(f.ctx, wanted(), scheduler.RefuseSeconds(1000)))

	f.must(m.StartMaintenance(f.ctx, machine))
	f.wait("the loss of the agent", func(e *schedulerpb.Event) bool {
		return e.GetType() == schedulerpb.Event_FAILURE && e.GetFailure().GetExecutorId() == nil && e.GetFailure().GetAgentId().GetValue() == o.GetAgentId().GetValue()
	})
}

// failover has another scheduler take over, which ends the framework.
func failover(f *framework, c *cluster.Cluster, tr *transport.Client) {
	f.t.Helper()
	info := modern("everything")
	info.Id = f.FrameworkID()
	next := subscribe(f.t, c, tr, info)
	next.event(schedulerpb.Event_SUBSCRIBED)
	f.event(schedulerpb.Event_ERROR)
	next.must(next.Teardown(next.ctx))
}

// domainSocket returns the path of a socket that leads to an address.
func domainSocket(t *testing.T, address string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "agent.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var pumps sync.WaitGroup
	pump := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		_ = to.Close()
		_ = from.Close()
	}
	pumps.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", address)
			if err != nil {
				_ = near.Close()
				continue
			}
			pumps.Go(func() { pump(far, near) })
			pumps.Go(func() { pump(near, far) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		pumps.Wait()
		_ = os.RemoveAll(dir)
	})
	return path
}
