package core_test

import (
	"testing"
	"time"

	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/sim"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

const db = `{"name":"db","resources":{"cpus":1,"mem":64,"disk":[{"size":100,"persistence":{"id":"data"},"volume":{"container_path":"data"}}],"role":"eng"},"command":{"cmd":"run"}}`

func dbConfig() core.Config {
	return core.Config{Roles: []string{"eng"}, Principal: "me", ReservationRefinement: true}
}

// volumeOf finds the volume that an ACCEPT creates.
func volumeOf(t *testing.T, c *schedulerpb.Call) *mesospb.Resource {
	t.Helper()
	for _, op := range c.GetAccept().GetOperations() {
		if op.GetType() == mesospb.Offer_Operation_CREATE {
			return resources.Unallocate(op.GetCreate().GetVolumes())[0]
		}
	}
	t.Fatalf("no volume is created: %v", c)
	return nil
}

func with(list ...*mesospb.Resource) func(*mesospb.Offer) {
	return func(o *mesospb.Offer) { o.Resources = append(o.Resources, list...) }
}

func operations(c *schedulerpb.Call) (types []mesospb.Offer_Operation_Type) {
	for _, op := range c.GetAccept().GetOperations() {
		types = append(types, op.GetType())
	}
	return types
}

func startDB(t *testing.T) (*sim.Script, *mesospb.Resource) {
	t.Helper()
	s := sim.NewScript(t, dbConfig())
	s.Register("fw")
	s.Submit(db)
	s.Offer("a1", "cpus:4;mem:1024;disk:1000")
	v := volumeOf(t, s.ExpectCalls(schedulerpb.Call_ACCEPT, 1)[0])
	s.Run()
	s.Calls = nil
	return s, v
}

func TestAnInstanceReturnsToItsVolume(t *testing.T) {
	s, v := startDB(t)
	s.Status("db/0", failed)
	s.Pass(time.Minute)
	s.Offer("a2", "cpus:4;mem:1024;disk:1000")
	s.ExpectLaunches(0)
	s.Crash()
	s.Register("fw")
	s.Offer("a2", "cpus:4;mem:1024;disk:1000")
	s.ExpectLaunches(0)
	if why := s.Core.Snapshot().Why("db", 0); why.Running {
		t.Errorf("%+v", why)
	}
	s.Offer("a1", "cpus:4;mem:1024;disk:900", with(v))
	c := s.ExpectCalls(schedulerpb.Call_ACCEPT, 1)[0]
	if ops := operations(c); len(ops) != 1 || ops[0] != mesospb.Offer_Operation_LAUNCH {
		t.Errorf("%v", ops)
	}
}

func TestReplacingGivesUpTheVolumeAndDestroysIt(t *testing.T) {
	s, v := startDB(t)
	old := s.TaskOf("db/0")
	s.Do(core.Replace{App: "db", Index: 0})
	s.ExpectKills(old)
	s.TaskStatus(old, killed)
	s.Offer("a2", "cpus:4;mem:1024;disk:1000")
	volumeOf(t, s.ExpectCalls(schedulerpb.Call_ACCEPT, 1)[0])
	s.Crash()
	s.Register("fw")
	s.Calls = nil
	s.Offer("a1", "cpus:4;mem:1024;disk:900", with(v))
	c := s.ExpectCalls(schedulerpb.Call_ACCEPT, 1)[0]
	if ops := operations(c); len(ops) != 2 || ops[0] != mesospb.Offer_Operation_DESTROY || ops[1] != mesospb.Offer_Operation_UNRESERVE {
		t.Fatalf("%v", ops)
	}
	s.Offer("a1", "cpus:4;mem:1024;disk:1000")
	if _, left := s.Records["garbage/a1"]; left {
		t.Error("what was destroyed is still remembered")
	}
}

func TestAVolumeThatNeverCameToBeBindsNothing(t *testing.T) {
	s := sim.NewScript(t, dbConfig())
	s.Register("fw")
	s.Submit(db)
	s.Offer("a1", "cpus:4;mem:1024;disk:1000")
	s.ExpectLaunches(1)
	s.Status("db/0", mesospb.TaskState_TASK_DROPPED)
	s.Pass(2 * time.Second)
	s.Calls = nil
	s.Offer("a2", "cpus:4;mem:1024;disk:1000")
	if l := s.ExpectLaunches(1); l[0].GetAgentId().GetValue() != "a2" {
		t.Errorf("%v", l)
	}
}

func TestAnAgentThatIsGoneForGoodReleasesItsInstances(t *testing.T) {
	s, _ := startDB(t)
	s.Status("db/0", mesospb.TaskState_TASK_GONE_BY_OPERATOR)
	s.Offer("a2", "cpus:4;mem:1024;disk:1000")
	s.ExpectLaunches(1)
}

// No task of it is left that the master could report as gone: the engine has to ask.
func TestAnInstanceDoesNotWaitForAnAgentThatIsGoneForGood(t *testing.T) {
	s, _ := startDB(t)
	s.Do(core.RestartInstance{App: "db", Index: 0})
	s.Status("db/0", killed)
	s.Step(core.MesosEvent{Event: &schedulerpb.Event{Type: schedulerpb.Event_FAILURE.Enum(), Failure: &schedulerpb.Event_Failure{AgentId: &mesospb.AgentID{Value: new("a1")}}}})
	s.Take(schedulerpb.Call_RECONCILE)
	s.Pass(10 * time.Minute)
	asked := ""
	for _, c := range s.Take(schedulerpb.Call_RECONCILE) {
		for _, t := range c.GetReconcile().GetTasks() {
			if t.GetAgentId().GetValue() == "a1" {
				asked = t.GetTaskId().GetValue()
			}
		}
	}
	if asked == "" {
		t.Fatal("nobody asked for the agent")
	}
	s.Step(core.MesosEvent{Event: &schedulerpb.Event{Type: schedulerpb.Event_UPDATE.Enum(), Update: &schedulerpb.Event_Update{Status: &mesospb.TaskStatus{
		TaskId: &mesospb.TaskID{Value: &asked}, AgentId: &mesospb.AgentID{Value: new("a1")}, State: mesospb.TaskState_TASK_GONE_BY_OPERATOR.Enum(),
	}}}})
	s.Offer("a2", "cpus:4;mem:1024;disk:1000")
	s.ExpectLaunches(1)
}

func TestUninstallLeavesNothing(t *testing.T) {
	s, v := startDB(t)
	s.Do(core.Uninstall{})
	s.ExpectKills(s.TaskOf("db/0"))
	s.Refused(core.Scale{App: "db", Instances: 2}, core.ErrRemoving)
	s.Status("db/0", killed)
	s.ExpectCalls(schedulerpb.Call_TEARDOWN, 0)
	s.Crash()
	s.Register("fw")
	s.Calls = nil
	s.Offer("a1", "cpus:4;mem:1024;disk:900", with(v))
	s.ExpectCalls(schedulerpb.Call_ACCEPT, 1)
	s.ExpectCalls(schedulerpb.Call_TEARDOWN, 0)
	s.Offer("a1", "cpus:4;mem:1024;disk:1000")
	s.ExpectCalls(schedulerpb.Call_TEARDOWN, 1)
	s.Crash()
	s.Register("fw")
	s.ExpectCalls(schedulerpb.Call_TEARDOWN, 1) // it may not have arrived
	s.Step(core.TornDown{})
	if len(s.Records) != 0 {
		t.Errorf("left: %v", s.Records)
	}
}

func TestAVolumeMadeAnewIsNotDestroyedForTheOldOnesSake(t *testing.T) {
	s, v := startDB(t)
	old := s.TaskOf("db/0")
	s.Do(core.Replace{App: "db", Index: 0})
	s.TaskStatus(old, killed)
	s.Calls = nil
	s.Offer("a1", "cpus:4;mem:1024;disk:1000") // the old volume is lost, or was destroyed by somebody else
	s.ExpectLaunches(1)
	s.Run()
	s.Status("db/0", failed)
	s.Pass(time.Minute)
	s.Offer("a1", "cpus:4;mem:1024;disk:900", with(v))
	s.ExpectLaunches(1) // and no DESTROY
}
