//lint:file-ignore SA1019 deprecated calls are calls, too

package calls

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/operator"
	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/mesos/agentpb"
	"github.com/mesokit/mesokit/mesos/maintenancepb"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/quotapb"
	"github.com/mesokit/mesokit/mesos/resources"
)

func TestEveryCallAndEventOfOperators(t *testing.T) {
	for kind, cd := range media {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			l := newLedger()
			c := start(t)
			tr := l.transport(t, cd)
			m, err := operator.NewMaster(operator.MasterConfig{Masters: c.Master(), Transport: tr})
			if err != nil {
				t.Fatal(err)
			}
			watched := watchCluster(t, m)
			f := subscribe(t, c, newLedger().transport(t, cd), modern("operated"))
			o := f.offer("m1", small()...)
			f.accept(o, scheduler.Launch(shell("task", o, "echo hello; exec sleep 1000")))
			f.state("task", mesospb.TaskState_TASK_RUNNING)

			masterReads(f, m)
			masterWrites(f, c, m)
			agentCalls(f, m, tr)
			f.must(f.Kill(f.ctx, taskID("task"), o.GetAgentId(), nil))
			f.state("task", mesospb.TaskState_TASK_KILLED)
			// The framework goes, and with it the last events.
			info := modern("operated")
			info.Id, info.Labels = f.FrameworkID(), &mesospb.Labels{Labels: []*mesospb.Label{{Key: proto.String("new")}}}
			f.must(f.UpdateFramework(f.ctx, info, scheduler.SubscribeOptions{}))
			f.must(m.Teardown(f.ctx, f.FrameworkID().GetValue()))
			watched()

			l.complete(t, new(masterpb.Call), nil)
			l.complete(t, new(masterpb.Event), nil)
			l.complete(t, new(agentpb.Call), map[string]string{
				"ADD_RESOURCE_PROVIDER_CONFIG":    noProviders,
				"UPDATE_RESOURCE_PROVIDER_CONFIG": noProviders,
				"REMOVE_RESOURCE_PROVIDER_CONFIG": noProviders,
			})
		})
	}
}

const noProviders = "the embedded cluster has no resource providers, and refuses what is about them"

// watchCluster watches events; the function that it returns waits for the removal of the framework.
func watchCluster(t *testing.T, m *operator.Master) (end func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	subscribed, removed := make(chan struct{}), make(chan error, 1)
	ready := sync.OnceFunc(func() { close(subscribed) })
	go func() {
		for e, err := range m.Watch(ctx, operator.WatchConfig{}) {
			switch {
			case err != nil:
				removed <- err
				ready()
				return
			case e.GetType() == masterpb.Event_SUBSCRIBED:
				ready()
			case e.GetType() == masterpb.Event_FRAMEWORK_REMOVED:
				removed <- nil
				return
			}
		}
	}()
	<-subscribed
	return func() {
		t.Helper()
		if err := <-removed; err != nil {
			t.Errorf("the removal of the framework: %v", err)
		}
	}
}

// got fails the test if a call failed or its result is not what it should be.
func got[T any](f *framework, what string, good func(T) bool) func(T, error) {
	return func(v T, err error) {
		f.t.Helper()
		if err != nil || !good(v) {
			f.t.Errorf("%s: %v, %v", what, v, err)
		}
	}
}

func some[T any](list []T) bool              { return len(list) > 0 }
func names(m map[string]string) bool         { return len(m) > 0 }
func set[T comparable](v T) bool             { var none T; return v != none }
func whatever[T any](T) bool                 { return true }
func numbers(m map[string]float64) bool      { return len(m) > 0 }
func chunkOfHello(c operator.FileChunk) bool { return strings.HasPrefix(string(c.Data), "hello") }

func masterReads(f *framework, m *operator.Master) {
	f.t.Helper()
	ctx := f.ctx
	got(f, "GetHealth", set[bool])(m.GetHealth(ctx))
	got(f, "GetFlags", names)(m.GetFlags(ctx))
	got(f, "GetVersion", set[*mesospb.VersionInfo])(m.GetVersion(ctx))
	got(f, "GetMetrics", numbers)(m.GetMetrics(ctx, time.Second))
	f.must(m.SetLoggingLevel(ctx, 2, time.Hour))
	got(f, "GetLoggingLevel", func(n int) bool { return n == 2 })(m.GetLoggingLevel(ctx))
	got(f, "ListFiles", whatever[[]*mesospb.FileInfo])(m.ListFiles(ctx, "/master/log"))
	got(f, "ReadFile", whatever[operator.FileChunk])(m.ReadFile(ctx, "/master/log", 0, 0))
	got(f, "GetState", set[*masterpb.Response_GetState])(m.GetState(ctx))
	got(f, "GetAgents", func(a *masterpb.Response_GetAgents) bool { return len(a.GetAgents()) == 2 })(m.GetAgents(ctx))
	got(f, "GetFrameworks", func(a *masterpb.Response_GetFrameworks) bool { return len(a.GetFrameworks()) == 1 })(m.GetFrameworks(ctx))
	got(f, "GetExecutors", whatever[[]*masterpb.Response_GetExecutors_Executor])(m.GetExecutors(ctx))
	got(f, "GetOperations", whatever[[]*mesospb.Operation])(m.GetOperations(ctx))
	got(f, "GetTasks", func(a *masterpb.Response_GetTasks) bool { return len(a.GetTasks()) == 1 })(m.GetTasks(ctx))
	got(f, "GetRoles", some[*mesospb.Role])(m.GetRoles(ctx))
	got(f, "GetMaster", set[*masterpb.Response_GetMaster])(m.GetMaster(ctx))
	got(f, "GetMaintenanceStatus", set[*maintenancepb.ClusterStatus])(m.GetMaintenanceStatus(ctx))
}

func masterWrites(f *framework, c *cluster.Cluster, m *operator.Master) {
	f.t.Helper()
	ctx, m1, m2 := f.ctx, agentNamed(f.t, c, "m1").ID, agentNamed(f.t, c, "m2").ID
	f.must(m.UpdateWeights(ctx, map[string]float64{role: 2.5}))
	got(f, "GetWeights", func(w map[string]float64) bool { return w[role] == 2.5 })(m.GetWeights(ctx))
	f.must(m.UpdateQuota(ctx, false, &quotapb.QuotaConfig{Role: proto.String("q"), Limits: map[string]*mesospb.Value_Scalar{"cpus": {Value: proto.Float64(3)}}}))
	got(f, "GetQuota", func(q *quotapb.QuotaStatus) bool { return len(q.GetConfigs()) == 1 })(m.GetQuota(ctx))
	f.must(m.SetQuota(ctx, &quotapb.QuotaRequest{Role: proto.String("older"), Guarantee: []*mesospb.Resource{resources.NewCPUs(1)}}))
	f.must(m.RemoveQuota(ctx, "older"))

	disk := func(mb float64, role string) *mesospb.Resource {
		return resources.NewDisk(mb, resources.WithReservation(role, principal))
	}
	volume := func(mb float64) *mesospb.Resource {
		return resources.NewDisk(mb, resources.WithReservation("ops", principal), resources.WithVolume("v", principal, "data"))
	}
	list := func(r ...*mesospb.Resource) []*mesospb.Resource { return r }
	f.must(m.ReserveResources(ctx, m1, nil, list(disk(100, "old"))))
	f.must(m.ReserveResources(ctx, m1, list(disk(100, "old")), list(disk(100, "ops")))) // with a source
	f.must(m.CreateVolumes(ctx, m1, list(volume(50))))
	f.must(m.GrowVolume(ctx, m1, volume(50), disk(10, "ops")))
	f.must(m.ShrinkVolume(ctx, m1, volume(60), 20))
	f.must(m.DestroyVolumes(ctx, m1, list(volume(40))))
	f.must(m.UnreserveResources(ctx, m1, list(disk(100, "ops"))))

	f.must(m.DeactivateAgent(ctx, m2))
	f.must(m.ReactivateAgent(ctx, m2))
	machine := &mesospb.MachineID{Hostname: proto.String("m2"), Ip: proto.String("127.0.0.1")}
	f.must(m.UpdateMaintenanceSchedule(ctx, &maintenancepb.Schedule{Windows: []*maintenancepb.Window{{
		MachineIds: []*mesospb.MachineID{machine}, Unavailability: &mesospb.Unavailability{Start: &mesospb.TimeInfo{Nanoseconds: proto.Int64(1)}},
	}}}))
	got(f, "GetMaintenanceSchedule", func(s *maintenancepb.Schedule) bool { return len(s.GetWindows()) == 1 })(m.GetMaintenanceSchedule(ctx))
	f.must(m.StartMaintenance(ctx, machine))
	f.must(m.StopMaintenance(ctx, machine))
	another, err := c.AddAgent(ctx, cluster.AgentConfig{Hostname: "m3", Simulated: true, Resources: "cpus:1;mem:1024"})
	f.must(err)
	f.must(m.DrainAgent(ctx, another.ID, operator.DrainConfig{MaxGracePeriod: new(time.Second)}))
	f.must(m.MarkAgentGone(ctx, another.ID))
}

func agentCalls(f *framework, m *operator.Master, tr *transport.Client) {
	f.t.Helper()
	ctx := f.ctx
	place, err := m.FindTask(ctx, f.FrameworkID().GetValue(), "task")
	f.must(err)
	a, err := operator.NewAgent(operator.AgentConfig{Address: place.Agent, Transport: tr})
	f.must(err)
	got(f, "GetHealth", set[bool])(a.GetHealth(ctx))
	got(f, "GetFlags", names)(a.GetFlags(ctx))
	got(f, "GetVersion", set[*mesospb.VersionInfo])(a.GetVersion(ctx))
	got(f, "GetMetrics", numbers)(a.GetMetrics(ctx, time.Second))
	f.must(a.SetLoggingLevel(ctx, 2, time.Hour))
	got(f, "GetLoggingLevel", func(n int) bool { return n == 2 })(a.GetLoggingLevel(ctx))
	got(f, "ListFiles", some[*mesospb.FileInfo])(a.ListFiles(ctx, place.Sandbox()))
	for piece, err := range a.Follow(ctx, place.Sandbox()+"/stdout", operator.FollowConfig{}) {
		if f.must(err); bytes.HasPrefix(piece, []byte("hello")) {
			break
		}
	}
	got(f, "ReadFile", chunkOfHello)(a.ReadFile(ctx, place.Sandbox()+"/stdout", 0, -1))
	got(f, "GetState", set[*agentpb.Response_GetState])(a.GetState(ctx))
	got(f, "GetFrameworks", func(r *agentpb.Response_GetFrameworks) bool { return len(r.GetFrameworks()) == 1 })(a.GetFrameworks(ctx))
	got(f, "GetExecutors", func(r *agentpb.Response_GetExecutors) bool { return len(r.GetExecutors()) == 1 })(a.GetExecutors(ctx))
	got(f, "GetOperations", whatever[[]*mesospb.Operation])(a.GetOperations(ctx))
	got(f, "GetTasks", func(r *agentpb.Response_GetTasks) bool { return len(r.GetLaunchedTasks()) == 1 })(a.GetTasks(ctx))
	got(f, "GetAgent", set[*agentpb.Response_GetAgent])(a.GetAgent(ctx))
	got(f, "GetResourceProviders", whatever[[]*agentpb.Response_GetResourceProviders_ResourceProvider])(a.GetResourceProviders(ctx))
	got(f, "GetContainers", some[*agentpb.Response_GetContainers_Container])(a.GetContainers(ctx, operator.ContainersConfig{Nested: true, Standalone: true}))
	f.must(a.PruneImages(ctx))
	info := &mesospb.ResourceProviderInfo{Type: proto.String("t.t"), Name: proto.String("n")}
	for _, refused := range []struct{ err, want error }{
		{a.AddResourceProviderConfig(ctx, info), transport.ErrBadRequest}, {a.UpdateResourceProviderConfig(ctx, info), transport.ErrBadRequest},
		{a.RemoveResourceProviderConfig(ctx, "t.t", "n"), transport.ErrInternal},
	} {
		if !errors.Is(refused.err, refused.want) {
			f.t.Errorf("got %v, want %v", refused.err, refused.want)
		}
	}
	f.must(a.MarkResourceProviderGone(ctx, "r"))
	containers(f, a, place.ContainerID)
	terminal(f, a, place.ContainerID)
}

func containers(f *framework, a *operator.Agent, parent *mesospb.ContainerID) {
	f.t.Helper()
	ctx := f.ctx
	nested := func(name string) *mesospb.ContainerID {
		return &mesospb.ContainerID{Value: value(name), Parent: parent}
	}
	sleep := &mesospb.CommandInfo{Value: proto.String("exec sleep 1000")}
	killedBy9 := func(e operator.ContainerExit) bool { signal, ok := e.Signaled(); return ok && signal == 9 }

	existed, err := a.LaunchContainer(ctx, &agentpb.Call_LaunchContainer{ContainerId: nested("c1"), Command: sleep})
	if err != nil || existed {
		f.t.Errorf("LaunchContainer: existed %v, %v", existed, err)
	}
	f.must(a.KillContainer(ctx, nested("c1"), 9))
	got(f, "WaitContainer", killedBy9)(a.WaitContainer(ctx, nested("c1")))
	f.must(a.RemoveContainer(ctx, nested("c1")))

	f.must(a.LaunchNestedContainer(ctx, nested("c2"), sleep, nil))
	f.must(a.KillNestedContainer(ctx, nested("c2"), 9))
	got(f, "WaitNestedContainer", killedBy9)(a.WaitNestedContainer(ctx, nested("c2")))
	f.must(a.RemoveNestedContainer(ctx, nested("c2")))

	e, err := a.Exec(ctx, operator.ExecConfig{
		Parent: parent, Command: &mesospb.CommandInfo{Value: proto.String("read line; echo $line; echo oops >&2; exit 3")}, Input: true,
	})
	f.must(err)
	defer e.Close()
	second, err := a.AttachContainerOutput(ctx, e.ID)
	f.must(err)
	defer second.Close()
	if _, err := e.Input.Write([]byte("line of input\n")); err != nil {
		f.t.Error(err)
	}
	f.must(e.Input.CloseWrite())
	var stdout, stderr, again bytes.Buffer
	f.must(e.Copy(&stdout, &stderr))
	f.must(second.Copy(&again, nil))
	if stdout.String() != "line of input\n" || stderr.String() != "oops\n" || again.String() != stdout.String() {
		f.t.Errorf("stdout %q, attached %q, stderr %q", stdout.String(), again.String(), stderr.String())
	}
	got(f, "Wait", func(e operator.ContainerExit) bool { code, ok := e.Exited(); return ok && code == 3 })(e.Wait(ctx))
}

// terminal has a process ask for the size of its terminal, before and after that changes.
func terminal(f *framework, a *operator.Agent, parent *mesospb.ContainerID) {
	f.t.Helper()
	e, err := a.Exec(f.ctx, operator.ExecConfig{
		Parent: parent, TTY: true, Rows: 40, Columns: 100, Input: true,
		Command: &mesospb.CommandInfo{Value: proto.String(`stty -echo; until test "$(stty size)" = "40 100"; do sleep 0.01; done; trap 'stty size; exit 5' WINCH; stty size; while :; do sleep 0.05; done`)},
	})
	f.must(err)
	defer e.Close()
	var shown strings.Builder
	resized := false
	for record, err := range e.Output.Records() {
		f.must(err)
		shown.Write(record.GetData().GetData())
		if !resized && strings.Contains(shown.String(), "40 100") {
			f.must(e.Input.Resize(50, 120))
			resized = true
		}
	}
	if got := strings.Fields(shown.String()); !slices.Equal(got, []string{"40", "100", "50", "120"}) {
		f.t.Errorf("the terminal showed %q", shown.String())
	}
	got(f, "Wait", func(e operator.ContainerExit) bool { code, ok := e.Exited(); return ok && code == 5 })(e.Wait(f.ctx))
}
