package core_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/sim"
	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

func TestWritesComeBeforeTheCallsThatNeedThem(t *testing.T) {
	s := sim.NewScript(t, core.Config{})
	out := s.Register("fw")
	if !slices.ContainsFunc(out.Writes, func(op store.Op) bool {
		return op.Key == "framework" && strings.Contains(string(op.Value), `"id":"fw"`)
	}) {
		t.Error("the framework id is not written with the first SUBSCRIBED")
	}
	s.Submit(define("web", ""))
	o := s.NewOffer("a1", "cpus:4;mem:1024")
	out = s.Step(core.MesosEvent{Event: sim.OffersEvent(o)})
	id := s.TaskOf("web/0")
	if !slices.ContainsFunc(out.Writes, func(op store.Op) bool {
		return op.Key == "instance/web/0" && strings.Contains(string(op.Value), id)
	}) || len(out.Calls) == 0 || out.Calls[0].GetType() != schedulerpb.Call_ACCEPT {
		t.Errorf("launch: writes %v, calls %v", out.Writes, out.Calls)
	}
	out = s.Status("web/0", running)
	if !slices.ContainsFunc(out.Writes, func(op store.Op) bool {
		return op.Key == "instance/web/0" && strings.Contains(string(op.Value), `"state":"running"`)
	}) || len(out.Calls) != 1 || out.Calls[0].GetType() != schedulerpb.Call_ACKNOWLEDGE {
		t.Errorf("status: writes %v, calls %v", out.Writes, out.Calls)
	}
	out = s.Status("web/0", running)
	if len(out.Writes) != 0 || len(out.Calls) != 1 {
		t.Errorf("a repeated status: %d writes, %d calls", len(out.Writes), len(out.Calls))
	}
	out = s.Status("web/0", running, sim.Answer)
	if len(out.Writes) != 0 || len(out.Calls) != 0 {
		t.Errorf("an answer: %d writes, calls %v", len(out.Writes), out.Calls)
	}
}

func TestALaunchThatNeverArrivedIsFoundOutAndMadeAgain(t *testing.T) {
	s := sim.NewScript(t, core.Config{})
	s.Register("fw")
	s.Submit(define("web", ""))
	s.Offer("a1", "cpus:4;mem:1024")
	id := s.ExpectLaunches(1)[0].GetTaskId().GetValue()
	s.Crash() // before the ACCEPT was made
	s.Register("fw")
	s.Offer("a1", "cpus:4;mem:1024")
	s.ExpectLaunches(0) // not before it is certain
	c := s.ExpectCalls(schedulerpb.Call_RECONCILE, 1)[0]
	if got := c.GetReconcile().GetTasks(); len(got) != 1 || got[0].GetTaskId().GetValue() != id || got[0].GetAgentId().GetValue() != "a1" {
		t.Fatalf("asks %v", c)
	}
	s.TaskStatus(id, mesospb.TaskState_TASK_GONE, sim.Answer)
	s.Pass(2 * time.Second)
	s.Offer("a1", "cpus:4;mem:1024")
	if again := s.ExpectLaunches(1)[0].GetTaskId().GetValue(); again == id {
		t.Error("with the same id")
	}
}

func TestARefusedCallIsAsIfItWasNeverMade(t *testing.T) {
	s := sim.NewScript(t, core.Config{})
	s.Register("fw")
	s.Submit(define("web", ""))
	s.Offer("a1", "cpus:4;mem:1024")
	accept := s.ExpectCalls(schedulerpb.Call_ACCEPT, 1)[0]
	s.Step(core.CallFailed{Call: accept, Refused: true, Error: "503"})
	s.Pass(2 * time.Second)
	s.Offer("a1", "cpus:4;mem:1024")
	s.ExpectLaunches(1)
	if i := s.Instance("web/0"); i.Failures != i.Excused {
		t.Errorf("%d of %d failures count against the retry policy", i.Failures-i.Excused, i.Failures)
	}
}

func TestReconciliationInsistsUntilAnswered(t *testing.T) {
	s := start(t, define("web", `,"instances":3`), 3)
	ids := []string{s.TaskOf("web/0"), s.TaskOf("web/1"), s.TaskOf("web/2")}
	s.Register("fw")
	if c := s.ExpectCalls(schedulerpb.Call_RECONCILE, 1)[0]; len(c.GetReconcile().GetTasks()) != 3 {
		t.Fatalf("%v", c)
	}
	s.TaskStatus(ids[0], running, sim.Answer)
	for _, wait := range []time.Duration{5, 10, 20, 40, 60, 60} {
		s.Pass(wait*time.Second - time.Millisecond)
		s.ExpectCalls(schedulerpb.Call_RECONCILE, 0)
		s.Pass(time.Millisecond)
		if c := s.ExpectCalls(schedulerpb.Call_RECONCILE, 1)[0]; len(c.GetReconcile().GetTasks()) != 2 {
			t.Fatalf("asks again for %v", c)
		}
	}
	s.TaskStatus(ids[1], running, sim.Answer)
	s.TaskStatus(ids[2], running, sim.Answer)
	if c := s.ExpectCalls(schedulerpb.Call_RECONCILE, 1)[0]; len(c.GetReconcile().GetTasks()) != 0 {
		t.Fatalf("want an implicit one: %v", c)
	}
	s.Pass(10 * time.Minute)
	c := s.ExpectCalls(schedulerpb.Call_RECONCILE, 2)
	if len(c[0].GetReconcile().GetTasks()) != 0 || len(c[1].GetReconcile().GetTasks()) != 3 {
		t.Fatalf("periodic: %v", c)
	}
}

func TestOrphansAreReportedAndLeftAlone(t *testing.T) {
	s := start(t, define("web", `,"instances":1`), 1)
	s.TaskStatus("web.7.zz-other", running) // perhaps late
	if n := len(s.Core.Snapshot().Orphans); n != 0 {
		t.Fatalf("%d orphans after one status", n)
	}
	s.ExpectCalls(schedulerpb.Call_ACKNOWLEDGE, 1)
	if c := s.ExpectCalls(schedulerpb.Call_RECONCILE, 1)[0]; c.GetReconcile().GetTasks()[0].GetTaskId().GetValue() != "web.7.zz-other" {
		t.Fatalf("%v", c)
	}
	s.TaskStatus("web.7.zz-other", running, sim.Answer)
	s.TaskStatus("second", running, sim.Answer)
	if o := s.Core.Snapshot().Orphans; len(o) != 2 {
		t.Fatalf("%v", o)
	}
	s.Pass(time.Hour)
	s.ExpectCalls(schedulerpb.Call_KILL, 0)
	s.Refused(core.Adopt{TaskID: "second", App: "web", Index: -1}, core.ErrNoInstance)
	s.Do(core.Scale{App: "web", Instances: 2})
	s.Do(core.Adopt{TaskID: "second", App: "web", Index: -1})
	s.TaskStatus("second", running, sim.Answer)
	s.ExpectState("web/1", core.Running)
	s.Refused(core.KillOrphan{TaskID: "third"}, core.ErrNoTask)
	s.Do(core.KillOrphan{})
	s.ExpectKills("web.7.zz-other")
	s.TaskStatus("web.7.zz-other", killed)
	if o := s.Core.Snapshot().Orphans; len(o) != 0 {
		t.Fatalf("%v", o)
	}
}

func TestTheKillOfAnOrphanIsRepeatedAndHurries(t *testing.T) {
	s := start(t, define("web", ""), 1)
	s.TaskStatus("own.0.zz-other", running)
	s.TaskStatus("own.0.zz-other", running, sim.Answer)
	s.Do(core.KillOrphan{TaskID: "own.0.zz-other"})
	s.ExpectKills("own.0.zz-other")
	s.Pass(10 * time.Second)
	s.ExpectKills("own.0.zz-other")
	s.ExpectCalls(schedulerpb.Call_SHUTDOWN, 0)
	s.Pass(20 * time.Second)
	s.ExpectKills("own.0.zz-other")
	if c := s.ExpectCalls(schedulerpb.Call_SHUTDOWN, 1)[0]; c.GetShutdown().GetExecutorId().GetValue() != "own.0.zz-other.executor" {
		t.Errorf("%v", c)
	}
	s.TaskStatus("own.0.zz-other", failed)
	s.Pass(time.Hour)
	s.ExpectCalls(schedulerpb.Call_KILL, 0)
}

func TestAnEmptyStoreAndAKnownFrameworkMeanHandsOff(t *testing.T) {
	s := sim.NewScript(t, core.Config{})
	s.Step(core.FrameworkKnown{FrameworkID: "old", Tasks: 5})
	if _, ok := s.Core.FrameworkID(); ok {
		t.Fatal("it would subscribe")
	}
	g := s.Core.Snapshot().Guard
	if g == nil || !strings.Contains(g.Advice, "backup") {
		t.Fatalf("%+v", g)
	}
	s.Refused(core.Scale{App: "web", Instances: 1}, core.ErrGuarded)
	s.Refused(core.Resolve{FrameworkID: "other", Choice: core.ResolveKill}, core.ErrInvalid)
	s.Refused(core.Resolve{FrameworkID: "old", Choice: "perhaps"}, core.ErrInvalid)
	s.Do(core.Resolve{FrameworkID: "old", Choice: core.ResolveAdopt})
	if id, ok := s.Core.FrameworkID(); id != "old" || !ok {
		t.Fatalf("%q %v", id, ok)
	}
	s.Register("old")
	s.TaskStatus("t1", running, sim.Answer)
	s.ExpectCalls(schedulerpb.Call_KILL, 0)
	if o := s.Core.Snapshot().Orphans; len(o) != 1 {
		t.Fatalf("%v", o)
	}

	s = sim.NewScript(t, core.Config{})
	s.Step(core.FrameworkKnown{FrameworkID: "old", Tasks: 5})
	s.Do(core.Resolve{FrameworkID: "old", Choice: core.ResolveKill})
	s.Register("old")
	s.TaskStatus("t1", running, sim.Answer)
	s.ExpectKills("t1")

	s = sim.NewScript(t, core.Config{})
	s.Step(core.FrameworkKnown{FrameworkID: "old", Tasks: 0}) // nothing to protect
	if _, ok := s.Core.FrameworkID(); !ok {
		t.Error("guards nothing")
	}
}

func TestAnotherFrameworkIDIsNotTakenForGranted(t *testing.T) {
	s := start(t, define("web", ""), 1)
	s.Register("another")
	s.Refused(core.Scale{App: "web", Instances: 3}, core.ErrGuarded)
	offerAll(s)
	s.ExpectLaunches(0)
	s.Do(core.Resolve{FrameworkID: "another", Choice: core.ResolveNew})
	s.Register("third")
	offerAll(s)
	s.ExpectLaunches(1)
}

func TestOffersAreGivenBackAndIdleRolesAreQuiet(t *testing.T) {
	s := sim.NewScript(t, core.Config{})
	s.Register("fw")
	s.Pass(time.Second)
	s.ExpectCalls(schedulerpb.Call_SUPPRESS, 1)
	offerAll(s)
	s.Pass(11 * time.Second)
	n := 0
	for _, c := range s.Take(schedulerpb.Call_DECLINE) {
		n += len(c.GetDecline().GetOfferIds())
	}
	if n != 3 {
		t.Fatalf("%d offers declined", n)
	}
	s.Submit(define("web", ""))
	s.ExpectCalls(schedulerpb.Call_REVIVE, 1)
	offerAll(s)
	s.ExpectLaunches(1)
	s.Pass(11 * time.Second)
	s.ExpectCalls(schedulerpb.Call_SUPPRESS, 1)
	if s.Core.Snapshot().Offers != 0 {
		t.Error("offers are kept")
	}
}

func TestWhatDoesNotFitSaysWhy(t *testing.T) {
	s := sim.NewScript(t, core.Config{})
	s.Register("fw")
	s.Submit(`{"name":"big","resources":{"cpus":100,"mem":64},"command":{"cmd":"run"}}`)
	s.Step(core.MesosEvent{Event: sim.OffersEvent(s.NewOffer("a1", "cpus:16;mem:64"), s.NewOffer("a2", "cpus:16;mem:64"), s.NewOffer("a3", "cpus:1;mem:1"))})
	why := s.Core.Snapshot().Why("big", 0)
	if why.Running || why.Offers == nil || why.Offers.Offers != 3 || !strings.Contains(why.Offers.String(), "cpus") {
		t.Fatalf("%+v: %v", why, why.Offers)
	}
}

func TestBadRecordsAreNamed(t *testing.T) {
	s := start(t, define("web", ""), 1)
	for key := range s.Records {
		for _, bad := range []string{"", "{}", "mesokit core.app/1 00000000 2\n{}", string(s.Records[key][:len(s.Records[key])/2])} {
			e := *s.Engine
			e.Records = map[string][]byte{}
			for k, v := range s.Records {
				e.Records[k] = v
			}
			e.Records[key] = []byte(bad)
			err := e.Restart()
			if key == "framework" {
				var re *core.RecordError
				if !errors.As(err, &re) || re.Key != key {
					t.Errorf("%s = %.30q: %v", key, bad, err)
				}
			} else if err != nil || !slices.ContainsFunc(e.Apply().Notes, func(n core.Note) bool { return n.Kind == core.NoteWarning && strings.Contains(n.Text, key) }) {
				t.Errorf("%s = %.30q: %v, and no warning", key, bad, err)
			}
		}
	}
}

func TestNotesCountOnOverRestarts(t *testing.T) {
	s := start(t, define("web", ""), 1)
	last := s.Notes[len(s.Notes)-1].Seq
	for k, n := range s.Notes {
		if k > 0 && n.Seq <= s.Notes[k-1].Seq {
			t.Fatalf("note %d after %d", n.Seq, s.Notes[k-1].Seq)
		}
	}
	s.Crash()
	s.Register("fw")
	if n := s.Notes[len(s.Notes)-1].Seq; n <= last {
		t.Errorf("note %d after %d", n, last)
	}
}

func TestSnapshotsDoNotChange(t *testing.T) {
	s := start(t, define("web", `,"instances":2`), 2)
	before := s.Core.Snapshot()
	i, c := before.App("web").Instance(0), before.App("web").Counts
	state := i.Task.State
	s.Status("web/0", failed)
	s.Do(core.Scale{App: "web", Instances: 1})
	s.Status("web/1", killed)
	if i.Task.State != state || before.App("web").Counts != c || before.App("web").Instance(1) == nil || before.App("web").Instances != 2 {
		t.Error("an old snapshot shows new things")
	}
}

func TestALostTaskThatTurnsUpAfterItWasReplacedIsKilled(t *testing.T) {
	s := start(t, define("web", ""), 1)
	old := s.TaskOf("web/0")
	s.Status("web/0", mesospb.TaskState_TASK_GONE, sim.Answer)
	offerAll(s)
	s.ExpectLaunches(1)
	s.Run()
	s.TaskStatus(old, running)
	s.ExpectKills(old)
	if o := s.Core.Snapshot().Orphans; len(o) != 0 {
		t.Errorf("%v", o)
	}
}
