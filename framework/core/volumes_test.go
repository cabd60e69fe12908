package core_test

import (
	"strings"
	"testing"
	"time"

	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/sim"
	"github.com/mesokit/mesokit/framework/store"
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

func TestAVolumeIDIsNeverUsedTwice(t *testing.T) {
	s, v := startDB(t)
	old := s.TaskOf("db/0")
	s.Do(core.Replace{App: "db", Index: 0})
	s.TaskStatus(old, killed)
	s.Calls = nil
	s.Offer("a1", "cpus:4;mem:1024;disk:900") // another framework of the role holds the old volume at the moment
	w := volumeOf(t, s.ExpectCalls(schedulerpb.Call_ACCEPT, 1)[0])
	if id := v.GetDisk().GetPersistence().GetId(); id == w.GetDisk().GetPersistence().GetId() {
		t.Fatalf("both volumes are %s", id)
	}
	s.Run()
	s.Offer("a1", "cpus:3;mem:900;disk:800", with(v))
	c := s.ExpectCalls(schedulerpb.Call_ACCEPT, 1)[0]
	if got := resources.Unallocate(c.GetAccept().GetOperations()[0].GetDestroy().GetVolumes()); len(got) != 1 || !resources.Equal(got[0], v) {
		t.Errorf("%v is destroyed, want the old volume", got)
	}
}

func agentRemoved(s *sim.Script, agent string) {
	s.Step(core.MesosEvent{Event: &schedulerpb.Event{Type: schedulerpb.Event_FAILURE.Enum(), Failure: &schedulerpb.Event_Failure{AgentId: &mesospb.AgentID{Value: &agent}}}})
}

func TestAnInstanceFollowsItsVolumeToTheNewIDOfItsAgent(t *testing.T) {
	for name, before := range map[string]func(s *sim.Script){
		"removed":          func(s *sim.Script) { s.Status("db/0", mesospb.TaskState_TASK_LOST); agentRemoved(s, "a1") },
		"unreachable":      func(s *sim.Script) { s.Status("db/0", mesospb.TaskState_TASK_UNREACHABLE); agentRemoved(s, "a1") },
		"between launches": func(s *sim.Script) { s.Status("db/0", failed); agentRemoved(s, "a1"); s.Pass(time.Minute) },
		"scheduler was down": func(s *sim.Script) {
			s.Status("db/0", mesospb.TaskState_TASK_LOST)
			s.Crash()
			s.Register("fw")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, v := startDB(t)
			before(s)
			s.Calls = nil
			s.Offer("a2", "cpus:4;mem:1024;disk:900", with(v))
			c := s.ExpectCalls(schedulerpb.Call_ACCEPT, 1)[0]
			if ops := operations(c); len(ops) != 1 || ops[0] != mesospb.Offer_Operation_LAUNCH {
				t.Fatalf("%v, want a LAUNCH on the volume that is there", ops)
			}
			s.Run()
			s.Crash()
			s.Register("fw")
			if i := s.Instance("db/0"); i.Pin != "a2" || len(i.Volumes) != 1 || i.Volumes[0].ID != v.GetDisk().GetPersistence().GetId() {
				t.Errorf("after a restart: %+v", i)
			}
		})
	}
}

// The offer of the new agent may be there before the end of the task is known.
func TestAnInstanceFollowsItsVolumeThatWasOfferedTooEarly(t *testing.T) {
	s, v := startDB(t)
	s.Take(schedulerpb.Call_RECONCILE)
	s.Offer("a2", "cpus:4;mem:1024;disk:900", with(v))
	s.ExpectLaunches(0)
	s.ExpectCalls(schedulerpb.Call_RECONCILE, 1)
	s.Status("db/0", mesospb.TaskState_TASK_LOST)
	s.Pass(10 * time.Second)
	s.Offer("a2", "cpus:4;mem:1024;disk:900", with(v))
	s.ExpectLaunches(1)
}

func TestAVolumeOfAnotherPrincipalIsNotTaken(t *testing.T) {
	s, v := startDB(t)
	s.Status("db/0", mesospb.TaskState_TASK_LOST)
	v.Disk.Persistence.Principal = new("somebody")
	v.Reservations[0].Principal = new("somebody")
	s.Offer("a2", "cpus:4;mem:1024;disk:900", with(v))
	s.ExpectLaunches(0)
}

func TestANewAppOfTheSameNameNeverGetsTheVolumeOfARemovedOne(t *testing.T) {
	s, v := startDB(t)
	s.Do(core.Remove{App: "db"})
	s.Status("db/0", killed)
	if left := s.Core.Snapshot().Leftovers; len(left) != 1 || left[0].App != "db" || left[0].Agent != "a1" || len(left[0].Volumes) != 1 {
		t.Fatalf("left over: %+v", left)
	}
	agentRemoved(s, "a1")
	s.Submit(db)
	s.Calls = nil
	s.Offer("a9", "cpus:4;mem:1024;disk:900", with(v)) // the same agent under another id
	for _, c := range s.Take(schedulerpb.Call_ACCEPT) {
		for _, op := range c.GetAccept().GetOperations() {
			for _, task := range op.GetLaunch().GetTaskInfos() {
				for _, r := range task.GetResources() {
					if r.GetDisk().GetPersistence().GetId() == v.GetDisk().GetPersistence().GetId() {
						t.Fatal("the new application runs on the volume of the old one")
					}
				}
			}
		}
	}
	s.Pass(time.Second)
	s.Offer("a9", "cpus:2;mem:500;disk:700")
	if left := s.Core.Snapshot().Leftovers; len(left) != 0 {
		t.Errorf("left over: %+v, though it was destroyed", left)
	}
}

func TestALeftoverIsKeptUntilItIsReallyGone(t *testing.T) {
	s, v := startDB(t)
	s.Do(core.Remove{App: "db"})
	s.Status("db/0", killed)
	s.Calls = nil
	o := s.Offer("a1", "cpus:4;mem:1024;disk:900", with(v))
	s.ExpectCalls(schedulerpb.Call_ACCEPT, 1)
	s.Step(core.MesosEvent{Event: &schedulerpb.Event{Type: schedulerpb.Event_RESCIND.Enum(), Rescind: &schedulerpb.Event_Rescind{OfferId: &mesospb.OfferID{Value: &o}}}})
	s.Offer("a1", "cpus:1;mem:100") // a part of the agent that has nothing to do with it
	if left := s.Core.Snapshot().Leftovers; len(left) != 1 {
		t.Fatal("the volume is forgotten, though the offer was rescinded before DESTROY arrived")
	}
	s.Offer("a1", "cpus:3;mem:924;disk:900", with(v))
	s.ExpectCalls(schedulerpb.Call_ACCEPT, 1)
}

const dbAll = `{"name":"db","instances":2,"resources":{"cpus":1,"mem":64,"reserve":"all","disk":[{"size":100,"persistence":{"id":"data"},"volume":{"container_path":"data"}}],"role":"eng"},"command":{"cmd":"run"}}`

// Both instances of one role are on one agent; what one of them had reserved is given back while the other stays.
func TestReservationsOfOneInstanceAreGivenBackAlone(t *testing.T) {
	s := sim.NewScript(t, dbConfig())
	s.Register("fw")
	s.Submit(dbAll)
	s.Offer("a1", "cpus:4;mem:1024;disk:1000")
	var reserved []*mesospb.Resource
	volumes := map[string]*mesospb.Resource{}
	for _, c := range s.ExpectCalls(schedulerpb.Call_ACCEPT, 1) {
		for _, op := range c.GetAccept().GetOperations() {
			for _, r := range resources.Unallocate(op.GetReserve().GetResources()) {
				if r.GetName() != "disk" {
					reserved = append(reserved, r)
				}
			}
			for _, v := range resources.Unallocate(op.GetCreate().GetVolumes()) {
				volumes[resources.Owner(v)] = v
			}
		}
	}
	s.Run()
	first, second := s.Instance("db/0").Owner, s.Instance("db/1").Owner
	if first == second || first == "" || len(volumes) != 2 {
		t.Fatalf("owners %q and %q, volumes %v", first, second, volumes)
	}
	s.Do(core.Scale{App: "db", Instances: 1})
	s.Status("db/1", killed)
	s.Calls = nil
	freed := resources.Filter(reserved, func(r *mesospb.Resource) bool { return resources.Owner(r) == second })
	s.Offer("a1", "cpus:2;mem:896;disk:800", with(append(freed, volumes[second])...))
	c := s.ExpectCalls(schedulerpb.Call_ACCEPT, 1)[0]
	ops := c.GetAccept().GetOperations()
	if len(ops) != 2 || ops[1].GetType() != mesospb.Offer_Operation_UNRESERVE {
		t.Fatalf("%v", ops)
	}
	got := ops[1].GetUnreserve().GetResources()
	if resources.CPUs(got) != 1 || resources.Mem(got) != 64 || resources.Disk(got) != 100 {
		t.Errorf("given back: %s", resources.Describe(got))
	}
}

func TestAnInstanceLeavesTheReservationsOfOthersAlone(t *testing.T) {
	s, v := startDB(t)
	s.Status("db/0", failed)
	s.Pass(time.Minute)
	s.Calls = nil
	other := resources.NewCPUs(4, resources.WithReservation("eng", "me"), resources.WithOwner("db.7.z-other"))
	s.Offer("a1", "mem:1024;disk:900", with(v, other))
	s.ExpectLaunches(0)
	s.Pass(10 * time.Second)
	s.Offer("a1", "cpus:1;mem:1024;disk:900", with(v, other))
	task := s.ExpectLaunches(1)[0]
	for _, r := range task.GetResources() {
		if resources.Owner(r) == "db.7.z-other" {
			t.Errorf("uses %v", r)
		}
	}
}

// A store of an earlier version: volumes with ids that were not unique, no labels, and garbage by agent.
func TestVolumesOfEarlierVersionsStayWhatTheyAre(t *testing.T) {
	s, v := startDB(t)
	v.Disk.Persistence.Id = new("db~data~0")
	v.Reservations[0].Labels = nil
	s.Records["instance/db/0"] = seal(t, "core.instance", 1, `{"version":1,"pin":"a1","volumes":[{"id":"db~data~0","confirmed":true}]}`)
	s.Records["garbage/a3"] = seal(t, "core.garbage", 1, `{"volumes":["old~data~2"],"reserved":true}`)
	s.Crash()
	s.Register("fw")
	s.Calls = nil
	s.Offer("a2", "cpus:4;mem:1024;disk:900", with(v)) // under a new id already
	c := s.ExpectCalls(schedulerpb.Call_ACCEPT, 1)[0]
	if ops := operations(c); len(ops) != 1 || ops[0] != mesospb.Offer_Operation_LAUNCH {
		t.Fatalf("%v", ops)
	}
	s.Run()
	left := s.Core.Snapshot().Leftovers
	if len(left) != 1 || left[0].App != "old" || left[0].Index != 2 || left[0].Agent != "a3" {
		t.Fatalf("left over: %+v", left)
	}
	old := resources.NewDisk(50, resources.WithReservation("eng", "me"), resources.WithVolume("old~data~2", "me", "data"))
	s.Offer("a3", "cpus:1", with(old, resources.NewCPUs(2, resources.WithReservation("eng", "me"))))
	c = s.ExpectCalls(schedulerpb.Call_ACCEPT, 1)[0]
	if got := c.GetAccept().GetOperations()[1].GetUnreserve().GetResources(); resources.CPUs(got) != 2 || resources.Disk(got) != 50 {
		t.Errorf("given back: %s", resources.Describe(got))
	}
}

func seal(t *testing.T, kind string, version int, payload string) []byte {
	t.Helper()
	b, err := store.Schema{Kind: kind, Version: version}.Seal([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestUninstallKeepsNoOffersWhileItWaits(t *testing.T) {
	s, _ := startDB(t)
	s.Do(core.Uninstall{})
	s.Status("db/0", killed)
	agentRemoved(s, "a1")
	s.Calls = nil
	s.Offer("a2", "cpus:4;mem:1024;disk:1000")
	s.ExpectCalls(schedulerpb.Call_DECLINE, 1)
	s.ExpectCalls(schedulerpb.Call_TEARDOWN, 0)
}

func TestUninstallByForceGivesUpWhatIsOnAgentsThatAreGone(t *testing.T) {
	s, _ := startDB(t)
	s.Do(core.Uninstall{})
	s.Status("db/0", killed)
	agentRemoved(s, "a1")
	s.Pass(time.Hour)
	s.ExpectCalls(schedulerpb.Call_TEARDOWN, 0)
	if text := s.Do(core.Uninstall{Force: true}); !strings.Contains(text, "db~data~0~") || !strings.Contains(text, "a1") {
		t.Errorf("%q does not say what is left behind", text)
	}
	s.ExpectCalls(schedulerpb.Call_TEARDOWN, 1)
}

func TestRemovingByForceDoesNotWaitForAgentsThatAreCutOff(t *testing.T) {
	s, _ := startDB(t)
	s.Status("db/0", mesospb.TaskState_TASK_UNREACHABLE)
	agentRemoved(s, "a1")
	s.Do(core.Remove{App: "db"})
	s.Pass(time.Hour)
	if s.Core.Snapshot().App("db") == nil {
		t.Fatal("the application is gone, although its task may run")
	}
	s.Do(core.Remove{App: "db", Force: true})
	if s.Core.Snapshot().App("db") != nil || len(s.Core.Snapshot().Leftovers) != 0 {
		t.Fatalf("%+v, left over %+v", s.Core.Snapshot().App("db"), s.Core.Snapshot().Leftovers)
	}
}

// What the master says of an agent is told to those who wait for it.
func TestTheFateOfAnAgentThatIsWaitedForIsAsked(t *testing.T) {
	s, _ := startDB(t)
	s.Do(core.Remove{App: "db"})
	s.Status("db/0", killed)
	agentRemoved(s, "a1")
	s.Do(core.Uninstall{})
	var probe string
	for _, c := range s.Take(schedulerpb.Call_RECONCILE) {
		for _, x := range c.GetReconcile().GetTasks() {
			if x.GetAgentId().GetValue() == "a1" {
				probe = x.GetTaskId().GetValue()
			}
		}
	}
	if probe == "" {
		t.Fatal("nobody asks after the agent")
	}
	s.Step(core.MesosEvent{Event: &schedulerpb.Event{Type: schedulerpb.Event_UPDATE.Enum(), Update: &schedulerpb.Event_Update{Status: &mesospb.TaskStatus{
		TaskId: &mesospb.TaskID{Value: &probe}, AgentId: &mesospb.AgentID{Value: new("a1")}, State: mesospb.TaskState_TASK_UNREACHABLE.Enum(),
		Reason: mesospb.TaskStatus_REASON_RECONCILIATION.Enum(), Source: mesospb.TaskStatus_SOURCE_MASTER.Enum(),
	}}}})
	snap := s.Core.Snapshot()
	if ag := snap.Agent("a1"); ag == nil || ag.Fate != "is unreachable" {
		t.Errorf("%+v", ag)
	}
	if len(snap.Orphans) != 0 {
		t.Errorf("the question became a task: %v", snap.Orphans)
	}
}
