package core_test

import (
	"testing"
	"time"

	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/sim"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

const impatient = `{"name":"web","resources":{"cpus":1,"mem":32},"command":{"cmd":"serve"},"retry":{"time":"10s","max_time":"20s"},"unreachable":{"replace_after":"60s"}}`

func TestAWaitThatWasStoredByAWrongClockIsNoLongerThanItsPolicyAllows(t *testing.T) {
	for name, step := range map[string]time.Duration{"back": -5 * time.Hour, "forth": 5 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			s := sim.NewScript(t, core.Config{})
			s.Register("fw")
			s.Submit(impatient)
			s.Offer("a1", "cpus:4;mem:1024")
			s.Status("web/0", mesospb.TaskState_TASK_RUNNING)
			s.Status("web/0", mesospb.TaskState_TASK_FAILED)
			s.Now = s.Now.Add(step)
			if err := s.Restart(); err != nil {
				t.Fatal(err)
			}
			s.Step()
			s.Register("fw")
			if i := s.Instance("web/0"); i.NotBefore > s.Now.Add(20*time.Second).UnixMilli() {
				t.Fatalf("it waits until %v, and now it is %v", time.UnixMilli(i.NotBefore).UTC(), s.Now)
			}
			s.Pass(21 * time.Second)
			s.Offer("a1", "cpus:4;mem:1024")
			if i := s.Instance("web/0"); i.Live() == nil {
				t.Errorf("it was not launched again: %+v", i)
			}
		})
	}
}

func TestATaskThatIsCutOffIsReplacedInTimeAlthoughTheClockWasSetBack(t *testing.T) {
	s := sim.NewScript(t, core.Config{})
	s.Register("fw")
	s.Submit(impatient)
	s.Offer("a1", "cpus:4;mem:1024")
	s.Status("web/0", mesospb.TaskState_TASK_RUNNING)
	s.Status("web/0", mesospb.TaskState_TASK_UNREACHABLE)
	s.Now = s.Now.Add(-5 * time.Hour)
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	s.Step()
	s.Register("fw")
	s.Pass(70 * time.Second)
	if i := s.Instance("web/0"); len(i.Detached) != 1 {
		t.Errorf("not replaced after 70 s: %+v %+v", i, i.Task)
	}
}

func TestTheWallClockIsForPeopleAndForMaintenanceOnly(t *testing.T) {
	s := sim.NewScript(t, core.Config{})
	s.Register("fw")
	s.Submit(impatient)
	s.Offer("a1", "cpus:4;mem:1024")
	s.Status("web/0", mesospb.TaskState_TASK_RUNNING)
	s.Status("web/0", mesospb.TaskState_TASK_FAILED)
	next := s.Instance("web/0").NotBefore
	s.Notes = nil
	s.Step(core.WallClock{Ahead: -3 * time.Hour})
	snap := s.Core.Snapshot()
	if len(s.Notes) != 1 || s.Notes[0].Kind != core.NoteWarning {
		t.Errorf("a clock that was set is worth a warning: %+v", s.Notes)
	}
	if got, want := snap.Wall(next), time.UnixMilli(next).UTC().Add(-3*time.Hour); !got.Equal(want) {
		t.Errorf("the next try is shown for %v, want %v", got, want)
	}
	if !snap.App("web").Changed.Before(s.Now.Add(-2 * time.Hour)) {
		t.Errorf("changed at %v", snap.App("web").Changed)
	}
	s.Pass(11 * time.Second)
	s.Notes = nil
	s.Offer("a1", "cpus:4;mem:1024")
	if s.Instance("web/0").Live() == nil {
		t.Error("not launched in time")
	}
	for _, n := range s.Notes {
		if d := s.Now.Add(-3 * time.Hour).Sub(n.Time).Abs(); d > time.Second {
			t.Errorf("a note of %v, which is not the wall's time: %+v", n.Time, n)
		}
	}
}
