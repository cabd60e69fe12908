package framework_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mesokit/mesokit/client/operator"
	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/framework"
	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// database is an application with a volume, and everything that it uses reserved. It marks a file in dir
// when it runs, and another one when its volume bears its mark already.
func database(t *testing.T, name, dir string, instances int) *app.App {
	t.Helper()
	a := service(name, instances)
	a.Command.Cmd = `m=` + dir + `/` + name + `-$MESOKIT_INSTANCE; [ -e data/mark ] && touch $m-again; touch data/mark $m; exec sleep 1000`
	a.Resources.Reserve = app.ReserveAll
	a.Resources.CPUs = 0.5
	a.Resources.Disk = app.Disks{{Size: 16, Persistence: &app.Persistence{ID: "data"}, Volume: &app.Volume{ContainerPath: "data"}}}
	return a
}

func oneAgent(t *testing.T) *cluster.Cluster {
	t.Helper()
	c, err := cluster.Start(t.Context(), cluster.Config{Agents: cluster.Agents(1, cluster.AgentConfig{Resources: "cpus:4;mem:1024;disk:1000"})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// reserved is what the agents have reserved, in words of owners: cpus in all by what the volumes and reservations are for.
func reserved(t *testing.T, c *cluster.Cluster) (cpus float64, volumes []string) {
	t.Helper()
	m, err := operator.NewMaster(operator.MasterConfig{Masters: c.Master()})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	answer, err := m.Call(t.Context(), &masterpb.Call{Type: masterpb.Call_GET_AGENTS.Enum()})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range answer.GetGetAgents().GetAgents() {
		for _, r := range a.GetTotalResources() {
			if !resources.IsDynamicallyReserved(r) {
				continue
			}
			if r.GetName() == "cpus" {
				cpus += r.GetScalar().GetValue()
			}
			if id := r.GetDisk().GetPersistence().GetId(); id != "" {
				volumes = append(volumes, id)
			}
		}
	}
	return cpus, volumes
}

func nothingLeft(s *core.Snapshot) bool { return len(s.Leftovers) == 0 }

func TestAnAppKeepsItsVolumeWhenItsAgentReturnsUnderANewID(t *testing.T) {
	c, dir := oneAgent(t), t.TempDir()
	r := run(t, framework.Config{Master: c.Master(), Roles: []string{"eng"}, Principal: "me", Apps: []*app.App{database(t, "db", dir, 1)}})
	r.until(up("db", 1))
	until(t, filepath.Join(dir, "db-0"))
	before := r.Snapshot().App("db").Instance(0)
	a, err := c.Agents()[0].RestartWithNewID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.until("it runs on the agent's new id", func(s *core.Snapshot) bool {
		i := s.App("db").Instance(0)
		_, isUp := up("db", 1)
		return isUp(s) && i.Task != nil && i.Task.Agent == a.ID
	})
	if i := r.Snapshot().App("db").Instance(0); i.Volumes[0].ID != before.Volumes[0].ID {
		t.Errorf("it runs on %+v, want %+v", i.Volumes, before.Volumes)
	}
	until(t, filepath.Join(dir, "db-0-again"))
}

// until waits for a file that a task makes: its RUNNING says nothing about what the command has done yet.
func until(t *testing.T, file string) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); runtime.Gosched() {
		if _, err := os.Stat(file); err == nil {
			return
		}
	}
	t.Fatalf("%s was never made", file)
}

func TestWhatARemovedAppLeftIsDestroyedUnderTheAgentsNewID(t *testing.T) {
	c, dir := oneAgent(t), t.TempDir()
	r := run(t, framework.Config{Master: c.Master(), Roles: []string{"eng"}, Principal: "me", Apps: []*app.App{database(t, "db", dir, 1)}})
	r.until(up("db", 1))
	until(t, filepath.Join(dir, "db-0"))
	old := r.Snapshot().App("db").Instance(0).Volumes[0].ID
	a := c.Agents()[0]
	if err := a.Suspend(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.do(core.Remove{App: "db"})
	if _, err := a.RestartWithNewID(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.until("the application is gone", func(s *core.Snapshot) bool { return s.App("db") == nil })
	if err := os.Remove(filepath.Join(dir, "db-0")); err != nil {
		t.Fatal(err)
	}
	r.do(core.Submit{App: database(t, "db", dir, 1)})
	r.until(up("db", 1))
	if id := r.Snapshot().App("db").Instance(0).Volumes[0].ID; id == old {
		t.Error("the new application runs on the volume of the old one")
	}
	until(t, filepath.Join(dir, "db-0"))
	if _, err := os.Stat(filepath.Join(dir, "db-0-again")); err == nil {
		t.Error("the new application found the data of the old one")
	}
	r.until("nothing is left over", nothingLeft)
	if _, volumes := reserved(t, c); len(volumes) != 1 || volumes[0] == old {
		t.Errorf("the agent has the volumes %v, want the new one alone", volumes)
	}
}

func TestReservationsOfARemovedAppAreGivenBackWhileAnotherStays(t *testing.T) {
	c, dir := oneAgent(t), t.TempDir()
	r := run(t, framework.Config{Master: c.Master(), Roles: []string{"eng"}, Principal: "me", Apps: []*app.App{database(t, "db", dir, 1), database(t, "log", dir, 1)}})
	r.until(up("db", 1))
	r.until(up("log", 1))
	if cpus, volumes := reserved(t, c); cpus != 1 || len(volumes) != 2 {
		t.Fatalf("%v cpus and %v are reserved", cpus, volumes)
	}
	r.do(core.Remove{App: "db"})
	r.until("it is gone, with what it had", func(s *core.Snapshot) bool { return s.App("db") == nil && nothingLeft(s) })
	if cpus, volumes := reserved(t, c); cpus != 0.5 || len(volumes) != 1 || !strings.HasPrefix(volumes[0], "log~") {
		t.Errorf("%v cpus and %v are reserved, want those of log", cpus, volumes)
	}
}

func TestUninstallEndsByForceWhenAnAgentWithAVolumeIsGone(t *testing.T) {
	c, dir := oneAgent(t), t.TempDir()
	r := run(t, framework.Config{Master: c.Master(), Roles: []string{"eng"}, Principal: "me", Apps: []*app.App{database(t, "db", dir, 1)}})
	r.until(up("db", 1))
	if err := c.Agents()[0].Stop(); err != nil { // it unregisters, with its volume
		t.Fatal(err)
	}
	r.do(core.Uninstall{})
	r.until("it is known what uninstalling waits for", func(s *core.Snapshot) bool {
		list := s.Uninstalling()
		return len(list) == 1 && strings.Contains(list[0], "volume db~data~0~") && strings.Contains(list[0], "is not known to the master any more")
	})
	if text := r.do(core.Uninstall{Force: true}); !strings.Contains(text, "left behind: volume db~data~0~") {
		t.Errorf("answered with %q", text)
	}
	if err := <-r.done; err != nil {
		t.Errorf("Run: %v", err)
	}
	r.done <- nil
}

func TestAVolumeFollowsTheSizeOfTheDefinition(t *testing.T) {
	c, dir := oneAgent(t), t.TempDir()
	r := run(t, framework.Config{Master: c.Master(), Roles: []string{"eng"}, Principal: "me", Apps: []*app.App{database(t, "db", dir, 1)}})
	r.until(up("db", 1))
	until(t, filepath.Join(dir, "db-0"))
	before := r.Snapshot().App("db").Instance(0).Volumes[0].ID
	for _, size := range []app.MB{48, 24} {
		a := database(t, "db", dir, 1)
		a.Resources.Disk[0].Size = size
		if err := os.RemoveAll(filepath.Join(dir, "db-0-again")); err != nil {
			t.Fatal(err)
		}
		r.do(core.Submit{App: a})
		r.until("the volume has its new size", func(s *core.Snapshot) bool {
			i, d := s.App("db").Instance(0), s.App("db").Deployment
			return i.Volumes[0].MB == float64(size) && d != nil && d.State == core.DeploymentDone
		})
		until(t, filepath.Join(dir, "db-0-again")) // with what was on it
	}
	if _, volumes := reserved(t, c); len(volumes) != 1 || volumes[0] != before {
		t.Errorf("the agent has %v, want %s", volumes, before)
	}
}

func TestAChangeThatWhatRunsCannotFollowKillsNothing(t *testing.T) {
	c, dir := oneAgent(t), t.TempDir()
	db := database(t, "db", dir, 1)
	db.Resources.Role = "eng"
	r := run(t, framework.Config{Master: c.Master(), Roles: []string{"eng", "ops"}, Principal: "me", Apps: []*app.App{db}})
	r.until(up("db", 1))
	before := tasks(r.Snapshot(), "db")
	moved := database(t, "db", dir, 1)
	moved.Resources.Role = "ops"
	if _, err := r.Do(t.Context(), core.Submit{App: moved}); !errors.Is(err, core.ErrCannotFollow) || !strings.Contains(err.Error(), `reserved for role "eng"`) {
		t.Errorf("another role: %v", err)
	}
	if _, err := r.Do(t.Context(), core.Submit{App: service("web", 1)}); !errors.Is(err, core.ErrInvalid) || !strings.Contains(err.Error(), `["eng" "ops"]`) {
		t.Errorf("no role: %v", err)
	}
	if now := tasks(r.Snapshot(), "db"); !slices.Equal(now, before) {
		t.Errorf("%v run, want %v", now, before)
	}
}

func TestTheMasterShowsTheVisibilityOfTasks(t *testing.T) {
	c := oneAgent(t)
	web := service("web", 1)
	web.Visibility = app.VisibleExternal
	r := run(t, framework.Config{Master: c.Master(), Apps: []*app.App{web}})
	r.until(up("web", 1))
	m, err := operator.NewMaster(operator.MasterConfig{Masters: c.Master()})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	answer, err := m.Call(t.Context(), &masterpb.Call{Type: masterpb.Call_GET_TASKS.Enum()})
	if err != nil {
		t.Fatal(err)
	}
	list := answer.GetGetTasks().GetTasks()
	if len(list) != 1 || list[0].GetDiscovery().GetVisibility() != mesospb.DiscoveryInfo_EXTERNAL {
		t.Errorf("the master shows %v", list)
	}
}
