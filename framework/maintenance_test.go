package framework_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/operator"
	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/framework"
	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/mesos/allocatorpb"
	"github.com/mesokit/mesokit/mesos/maintenancepb"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// plan schedules maintenance of a machine an hour from now, and waits for the answer of the only framework.
func plan(t *testing.T, c *cluster.Cluster, host string) allocatorpb.InverseOfferStatus_Status {
	t.Helper()
	m, err := operator.NewMaster(operator.MasterConfig{Masters: c.Master()})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	machine := &mesospb.MachineID{Hostname: &host, Ip: proto.String("127.0.0.1")}
	later := &mesospb.Unavailability{Start: &mesospb.TimeInfo{Nanoseconds: proto.Int64(time.Now().Add(time.Hour).UnixNano())}}
	if _, err := m.Call(t.Context(), &masterpb.Call{
		Type: masterpb.Call_UPDATE_MAINTENANCE_SCHEDULE.Enum(),
		UpdateMaintenanceSchedule: &masterpb.Call_UpdateMaintenanceSchedule{Schedule: &maintenancepb.Schedule{
			Windows: []*maintenancepb.Window{{MachineIds: []*mesospb.MachineID{machine}, Unavailability: later}},
		}},
	}); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(patience); time.Now().Before(end); {
		got, err := m.Call(t.Context(), &masterpb.Call{Type: masterpb.Call_GET_MAINTENANCE_STATUS.Enum()})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range got.GetGetMaintenanceStatus().GetStatus().GetDrainingMachines() {
			for _, s := range d.GetStatuses() {
				if s.GetStatus() != allocatorpb.InverseOfferStatus_UNKNOWN {
					return s.GetStatus()
				}
			}
		}
	}
	t.Fatal("the inverse offer was never answered")
	return 0
}

func machines(t *testing.T) *cluster.Cluster {
	t.Helper()
	c, err := cluster.Start(t.Context(), cluster.Config{Agents: []cluster.AgentConfig{
		{Hostname: "m1", Resources: "cpus:4;mem:1024;disk:1000"}, {Hostname: "m2", Resources: "cpus:4;mem:1024;disk:1000"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// hostOf is where an instance runs.
func hostOf(s *core.Snapshot, name string) string {
	return s.Agent(s.App(name).Instance(0).Live().Agent).Hostname
}

func TestMaintenanceIsAcceptedWhereEverythingCanMove(t *testing.T) {
	c := machines(t)
	r := run(t, framework.Config{Master: c.Master(), Apps: []*app.App{service("web", 1)}})
	r.until(up("web", 1))
	host := hostOf(r.Snapshot(), "web")
	if got := plan(t, c, host); got != allocatorpb.InverseOfferStatus_ACCEPT {
		t.Errorf("the inverse offer is answered with %v", got)
	}
	r.until("it runs elsewhere", func(s *core.Snapshot) bool {
		_, isUp := up("web", 1)
		return isUp(s) && s.App("web").Instance(0).Live() != nil && hostOf(s, "web") != host
	})
}

func TestMaintenanceIsDeclinedWhereAVolumeHasToStay(t *testing.T) {
	c, dir := machines(t), t.TempDir()
	r := run(t, framework.Config{Master: c.Master(), Roles: []string{"eng"}, Principal: "me", Apps: []*app.App{database(t, "db", dir, 1)}})
	r.until(up("db", 1))
	if got := plan(t, c, hostOf(r.Snapshot(), "db")); got != allocatorpb.InverseOfferStatus_DECLINE {
		t.Errorf("the inverse offer is answered with %v", got)
	}
}
