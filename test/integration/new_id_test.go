package integration

import (
	"errors"
	"runtime"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/operator"
	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/cluster/agent"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/maintenancepb"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// onVolume subscribes a framework and makes it a volume on the first agent that is offered, with a task that writes to it and runs on.
func onVolume(t *testing.T, c *cluster.Cluster) (f *framework, volume *mesospb.Resource) {
	t.Helper()
	info := patient("volumes")
	info.Roles, info.Principal = []string{"eng"}, proto.String("p")
	f = subscribe(t, c, info, codec.Protobuf)
	offer := f.offers()[0]
	reserved := resources.NewDisk(100, resources.WithReservation("eng", "p"), resources.WithAllocation("eng"))
	volume = resources.NewDisk(64, resources.WithReservation("eng", "p"), resources.WithVolume("v", "p", "data"), resources.WithAllocation("eng"))
	task := shell("writes", offer, "echo precious > data/kept; echo written; sleep 1000")
	task.Resources = append(resources.Allocate(small(), "eng"), volume)
	f.must(f.Accept(f.ctx, scheduler.OfferIDs(offer), scheduler.RefuseSeconds(0), scheduler.Reserve(reserved), scheduler.Create(volume), scheduler.Launch(task)))
	f.expect(starting, running)
	output(t, f, c, "writes", 1)
	return f, volume
}

// loses waits for the loss of the task on an agent that is removed, and for the FAILURE that follows.
func (f *framework) loses(agent, message string) {
	f.t.Helper()
	e := f.any()
	for e.GetType() != schedulerpb.Event_UPDATE {
		e = f.any() // offers come and go
	}
	s := e.GetUpdate().GetStatus()
	if s.GetState() != mesospb.TaskState_TASK_LOST || s.GetReason() != mesospb.TaskStatus_REASON_AGENT_REMOVED ||
		s.GetSource() != mesospb.TaskStatus_SOURCE_MASTER || s.GetMessage() != message || len(s.GetUuid()) > 0 {
		f.t.Errorf("the task of the agent that left: %v", s)
	}
	for e.GetType() != schedulerpb.Event_FAILURE {
		e = f.any()
	}
	if got := e.GetFailure().GetAgentId().GetValue(); got != agent {
		f.t.Errorf("FAILURE of %s, want %s", got, agent)
	}
}

// findsData waits for an offer of the volume by an agent, and for a task that reads what was written there.
func (f *framework) findsData(agent string, volume *mesospb.Resource) {
	f.t.Helper()
	rest := resources.NewDisk(36, resources.WithReservation("eng", "p"), resources.WithAllocation("eng"))
	var offer *mesospb.Offer
	seen := f.passed
	for offer == nil {
		for _, e := range seen {
			for _, o := range e.GetOffers().GetOffers() {
				if o.GetAgentId().GetValue() == agent {
					offer = o
				}
			}
		}
		if offer == nil {
			seen = []*schedulerpb.Event{f.any()}
		}
	}
	if !resources.Contains(offer.GetResources(), []*mesospb.Resource{volume, rest}) {
		f.t.Fatalf("the agent came back with %s, without the volume or the reservation", resources.Describe(offer.GetResources()))
	}
	task := shell("reads", offer, "grep -q precious data/kept")
	task.Resources = append(resources.Allocate(small(), "eng"), volume)
	f.launch(offer, task)
	f.expect(starting, running, finished)
}

func TestAnAgentReturnsUnderANewIDWithItsVolumes(t *testing.T) {
	c := start(t, cluster.Config{Agents: []cluster.AgentConfig{{Hostname: "m1"}}})
	f, volume := onVolume(t, c)
	a := c.Agents()[0]
	b, err := a.RestartWithNewID(t.Context())
	f.must(err)
	if b.ID == a.ID || b.Address != a.Address || b.Hostname != a.Hostname {
		t.Errorf("%s at %s (%s) became %s at %s (%s)", a.ID, a.Address, a.Hostname, b.ID, b.Address, b.Hostname)
	}
	if list := c.Agents(); len(list) != 1 || list[0] != b {
		t.Errorf("the agents are %v, want the new one in the place of the old", list)
	}
	f.loses(a.ID, "Agent m1 removed: the agent unregistered")
	f.findsData(b.ID, volume)
	if _, err := a.RestartWithNewID(t.Context()); err == nil {
		t.Error("the agent that left was started again")
	}
	if err := a.Restart(t.Context()); !errors.Is(err, cluster.ErrEnded) {
		t.Errorf("Restart of the agent that left: %v, want ErrEnded", err)
	}
}

func TestASuspendedAgentReturnsUnderANewID(t *testing.T) {
	c := start(t, cluster.Config{Agents: []cluster.AgentConfig{{Hostname: "m1"}}})
	f, volume := onVolume(t, c)
	a := c.Agents()[0]
	f.must(a.Suspend(t.Context()))
	b, err := a.RestartWithNewID(t.Context())
	f.must(err)
	f.loses(a.ID, "Agent m1 removed: a new agent registered at the same address")
	f.findsData(b.ID, volume)
}

func TestAnAgentReturnsFromMaintenanceUnderANewIDWithItsVolumes(t *testing.T) {
	c := start(t, cluster.Config{Agents: []cluster.AgentConfig{{Hostname: "m1"}}})
	f, volume := onVolume(t, c)
	a := c.Agents()[0]
	machines := []*mesospb.MachineID{{Hostname: proto.String("m1"), Ip: proto.String("127.0.0.1")}}
	now := &mesospb.Unavailability{Start: &mesospb.TimeInfo{Nanoseconds: proto.Int64(0)}}
	m := operate(t, c)
	_, err := m.Call(t.Context(), &masterpb.Call{
		Type: masterpb.Call_UPDATE_MAINTENANCE_SCHEDULE.Enum(),
		UpdateMaintenanceSchedule: &masterpb.Call_UpdateMaintenanceSchedule{Schedule: &maintenancepb.Schedule{
			Windows: []*maintenancepb.Window{{MachineIds: machines, Unavailability: now}},
		}},
	})
	f.must(err)
	_, err = m.Call(t.Context(), &masterpb.Call{
		Type: masterpb.Call_START_MAINTENANCE.Enum(), StartMaintenance: &masterpb.Call_StartMaintenance{Machines: machines},
	})
	f.must(err)
	f.loses(a.ID, "Agent m1 removed: Operator initiated 'Machine DOWN'")
	for a.State() != cluster.AgentEnded { // its process ends, with its tasks
		if f.ctx.Err() != nil {
			t.Fatal("the agent is still there")
		}
		runtime.Gosched()
	}
	if _, err := a.RestartWithNewID(t.Context()); !refused(err) {
		t.Errorf("restarted while the machine is DOWN: %v, want a refusal", err)
	}
	_, err = m.Call(t.Context(), &masterpb.Call{
		Type: masterpb.Call_STOP_MAINTENANCE.Enum(), StopMaintenance: &masterpb.Call_StopMaintenance{Machines: machines},
	})
	f.must(err)
	b, err := a.RestartWithNewID(t.Context())
	f.must(err)
	if b.ID == a.ID {
		t.Errorf("the agent has the id of before, %s", a.ID)
	}
	f.findsData(b.ID, volume)
}

func refused(err error) bool {
	_, ok := errors.AsType[*agent.RefusedError](err)
	return ok
}

func TestASimulatedAgentReturnsUnderANewIDWithItsReservations(t *testing.T) {
	inBubble(t, cluster.Config{Seed: 1, Agents: cluster.Agents(2, cluster.AgentConfig{Simulated: true, Resources: "cpus:4;mem:64;disk:100"})}, func(b *bubble) {
		a := b.Agents()[0]
		m, err := operator.NewMaster(operator.MasterConfig{Masters: b.Master(), Transport: b.transport(codec.JSON)})
		if err != nil {
			b.Fatal(err)
		}
		disk := resources.NewDisk(60, resources.WithReservation("eng", "p"))
		volume := resources.NewDisk(60, resources.WithReservation("eng", "p"), resources.WithVolume("v", "p", "data"))
		id := &mesospb.AgentID{Value: &a.ID}
		for _, call := range []*masterpb.Call{
			{Type: masterpb.Call_RESERVE_RESOURCES.Enum(), ReserveResources: &masterpb.Call_ReserveResources{AgentId: id, Resources: []*mesospb.Resource{disk}}},
			{Type: masterpb.Call_CREATE_VOLUMES.Enum(), CreateVolumes: &masterpb.Call_CreateVolumes{AgentId: id, Volumes: []*mesospb.Resource{volume}}},
		} {
			if _, err := m.Call(b.Context(), call); err != nil {
				b.Fatal(err)
			}
		}
		for range 2 { // again and again
			before := b.Agents()[0]
			after, err := before.RestartWithNewID(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			if after.ID == before.ID || b.Agents()[0] != after || len(b.Agents()) != 2 {
				b.Fatalf("%s became %s among %v", before.ID, after.ID, b.Agents())
			}
			r, err := m.Call(b.Context(), &masterpb.Call{Type: masterpb.Call_GET_AGENTS.Enum()})
			if err != nil {
				b.Fatal(err)
			}
			found := 0
			for _, known := range r.GetGetAgents().GetAgents() {
				upgraded, err := resources.Upgrade(known.GetTotalResources())
				if err != nil {
					b.Fatal(err)
				}
				if known.GetAgentInfo().GetId().GetValue() == after.ID && resources.Contains(upgraded, []*mesospb.Resource{volume}) {
					found++
				}
			}
			if n := len(r.GetGetAgents().GetAgents()); n != 2 || found != 1 {
				b.Errorf("%d agents, of which %d have the id %s and the volume: %v", n, found, after.ID, r)
			}
		}
	})
}

// With a state directory the agent's checkpoint says the same as what it takes over.
func TestAVolumeIsThereOnceHoweverOftenItsAgentGetsANewID(t *testing.T) {
	c := start(t, cluster.Config{Agents: []cluster.AgentConfig{{Hostname: "m1"}}, StateDir: t.TempDir()})
	f, volume := onVolume(t, c)
	for range 2 {
		_, err := c.Agents()[0].RestartWithNewID(t.Context())
		f.must(err)
	}
	list, err := operate(t, c).GetAgents(t.Context())
	f.must(err)
	total := list.GetAgents()[0].GetTotalResources()
	var volumes []*mesospb.Resource
	for _, r := range total {
		if resources.IsPersistentVolume(r) {
			volumes = append(volumes, r)
		}
	}
	if want := volume.GetScalar().GetValue(); len(volumes) != 1 || volumes[0].GetScalar().GetValue() != want {
		t.Errorf("the agent came back with %s, want one volume of %v MB", resources.Describe(total), want)
	}
}
