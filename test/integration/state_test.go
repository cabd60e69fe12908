package integration

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/operator"
	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/maintenancepb"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/quotapb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// operate returns the operator API of a cluster.
func operate(t *testing.T, c *cluster.Cluster) *operator.Master {
	t.Helper()
	tr, err := transport.New(transport.Config{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := operator.NewMaster(operator.MasterConfig{Masters: c.Master(), Transport: tr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.Close)
	return m
}

func TestAClusterIsRememberedInItsStateDirectory(t *testing.T) {
	cfg := cluster.Config{
		StateDir: filepath.Join(t.TempDir(), "state"), Masters: 2,
		Agents: cluster.Agents(2, cluster.AgentConfig{Resources: "cpus:4;mem:1024;disk:1000"}),
	}
	cfg.Agents[0].Hostname, cfg.Agents[1].Hostname = "m1", "m2"
	c := start(t, cfg)
	ids := []string{c.Agents()[0].ID, c.Agents()[1].ID}
	if _, err := operate(t, c).Call(t.Context(), &masterpb.Call{Type: masterpb.Call_UPDATE_QUOTA.Enum(), UpdateQuota: &masterpb.Call_UpdateQuota{
		QuotaConfigs: []*quotapb.QuotaConfig{{Role: proto.String("eng"), Limits: map[string]*mesospb.Value_Scalar{"cpus": {Value: proto.Float64(7)}}}},
	}}); err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.Start(t.Context(), cfg); !errors.Is(err, cluster.ErrStateInUse) {
		t.Errorf("a second cluster in the directory: %v", err)
	}

	// A framework reserves, keeps data on a volume, and runs a task.
	info := patient("remembered")
	info.Roles, info.Principal = []string{"eng"}, proto.String("p")
	f := subscribe(t, c, info, codec.Protobuf)
	offer := f.offers()[0]
	disk := resources.NewDisk(100, resources.WithReservation("eng", "p"), resources.WithAllocation("eng"))
	volume := resources.NewDisk(100, resources.WithReservation("eng", "p"), resources.WithVolume("v", "p", "data"), resources.WithAllocation("eng"))
	writes := shell("writes", offer, "echo precious > data/kept; sleep 1000")
	writes.Resources = append(resources.Allocate(small(), "eng"), volume)
	f.must(f.Accept(f.ctx, scheduler.OfferIDs(offer), nil, scheduler.Reserve(disk), scheduler.Create(volume), scheduler.Launch(writes)))
	f.expect(starting, running)
	pattern := filepath.Join(cfg.StateDir, "agents", "*", "volumes", "roles", "eng", "v", "kept")
	for deadline := f.ctx; ; {
		if match, _ := filepath.Glob(pattern); len(match) == 1 {
			break
		}
		if deadline.Err() != nil {
			t.Fatalf("no file %s", pattern)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}

	c = start(t, cfg)
	if got := []string{c.Agents()[0].ID, c.Agents()[1].ID}; got[0] != ids[0] || got[1] != ids[1] {
		t.Errorf("agents %v, want %v", got, ids)
	}
	r, err := operate(t, c).Call(t.Context(), &masterpb.Call{Type: masterpb.Call_GET_QUOTA.Enum()})
	if err != nil || len(r.GetGetQuota().GetStatus().GetConfigs()) != 1 {
		t.Errorf("quota: %v, %v", r, err)
	}
	frameworks, err := operate(t, c).Call(t.Context(), &masterpb.Call{Type: masterpb.Call_GET_FRAMEWORKS.Enum()})
	if list := frameworks.GetGetFrameworks().GetFrameworks(); err != nil || len(list) != 1 || !list[0].GetRecovered() {
		t.Errorf("frameworks: %v, %v; want one that is recovered", frameworks, err)
	}
	info.Id = f.id
	f = subscribe(t, c, info, codec.Protobuf)
	if s := f.expect(failed); s.GetTaskId().GetValue() != "writes" || s.GetReason() != mesospb.TaskStatus_REASON_EXECUTOR_TERMINATED {
		t.Errorf("got %v", s)
	}
	f = subscribe(t, c, info, codec.Protobuf) // for the offers that were passed over
	var reserved *mesospb.Offer
	for reserved == nil {
		for _, o := range f.offers() {
			if resources.Contains(o.GetResources(), []*mesospb.Resource{volume}) {
				reserved = o
			}
		}
	}
	reads := shell("reads", reserved, "grep -q precious data/kept")
	reads.Resources = append(resources.Allocate(small(), "eng"), volume)
	f.launch(reserved, reads)
	f.expect(starting, running, finished)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}

	// An agent that is marked gone is gone for good: the one in its place is a new one.
	c = start(t, cfg)
	if _, err := operate(t, c).Call(t.Context(), &masterpb.Call{Type: masterpb.Call_MARK_AGENT_GONE.Enum(), MarkAgentGone: &masterpb.Call_MarkAgentGone{
		AgentId: &mesospb.AgentID{Value: &ids[1]},
	}}); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c = start(t, cfg)
	if got := c.Agents(); got[0].ID != ids[0] || got[1].ID == ids[1] {
		t.Errorf("agents %s and %s, want %s and a new one", got[0].ID, got[1].ID, ids[0])
	}

	// An agent whose machine is down does not join, and does not keep the others from it.
	m2 := []*mesospb.MachineID{{Hostname: proto.String("m2"), Ip: proto.String("127.0.0.1")}}
	for _, call := range []*masterpb.Call{
		{Type: masterpb.Call_UPDATE_MAINTENANCE_SCHEDULE.Enum(), UpdateMaintenanceSchedule: &masterpb.Call_UpdateMaintenanceSchedule{Schedule: &maintenancepb.Schedule{
			Windows: []*maintenancepb.Window{{MachineIds: m2, Unavailability: &mesospb.Unavailability{Start: &mesospb.TimeInfo{Nanoseconds: proto.Int64(0)}}}},
		}}},
		{Type: masterpb.Call_START_MAINTENANCE.Enum(), StartMaintenance: &masterpb.Call_StartMaintenance{Machines: m2}},
	} {
		if _, err := operate(t, c).Call(t.Context(), call); err != nil {
			t.Fatal(err)
		}
	}
	for _, joined := range []int{1, 2} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		c = start(t, cfg)
		if got := c.Agents(); len(got) != joined || got[0].ID != ids[0] {
			t.Errorf("%d agents joined, want %d", len(got), joined)
		}
		if joined == 1 {
			if _, err := operate(t, c).Call(t.Context(), &masterpb.Call{Type: masterpb.Call_STOP_MAINTENANCE.Enum(), StopMaintenance: &masterpb.Call_StopMaintenance{Machines: m2}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}

	// What cannot be used is told.
	registry := filepath.Join(cfg.StateDir, "registry.json")
	content, err := os.ReadFile(registry)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(registry, content[:len(content)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = cluster.Start(t.Context(), cfg)
	if e, ok := errors.AsType[*cluster.StateError](err); !ok || e.Path != registry || !errors.Is(err, cluster.ErrCorrupt) || !strings.Contains(err.Error(), "move it away") {
		t.Errorf("with half a registry: %v", err)
	}
	if err := os.Remove(registry); err != nil {
		t.Fatal(err)
	}
	checkpoint := filepath.Join(cfg.StateDir, "agents", "agent-1.json")
	if err := os.WriteFile(checkpoint, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = cluster.Start(t.Context(), cfg)
	if e, ok := errors.AsType[*cluster.StateError](err); !ok || e.Path != checkpoint {
		t.Errorf("with an empty checkpoint: %v", err)
	}
}
