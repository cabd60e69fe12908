package core_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/sim"
	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// twoApps runs web and db.
func twoApps(t *testing.T) *sim.Script {
	s := sim.NewScript(t, core.Config{})
	s.Register("fw")
	for _, name := range []string{"web", "db"} {
		s.Submit(`{"name":"` + name + `","instances":2,"resources":{"cpus":1,"mem":32},"command":{"cmd":"serve"}}`)
	}
	s.Offer("a1", "cpus:8;mem:1024")
	for _, i := range []string{"web/0", "web/1", "db/0", "db/1"} {
		s.Status(i, mesospb.TaskState_TASK_RUNNING)
	}
	return s
}

func TestAnAppWhoseRecordsDoNotFitIsSetAsideAndItsTasksAreLeftAlone(t *testing.T) {
	damages := map[string]func(s *sim.Script){
		"its version is missing":    func(s *sim.Script) { delete(s.Records, "version/db/1") },
		"its record is missing":     func(s *sim.Script) { delete(s.Records, "app/db") },
		"its record is damaged":     func(s *sim.Script) { s.Records["app/db"] = []byte("mist") },
		"an instance is damaged":    func(s *sim.Script) { s.Records["instance/db/1"] = s.Records["instance/db/1"][:20] },
		"an instance has no number": func(s *sim.Script) { s.Records["instance/db/x"] = s.Records["instance/db/1"] },
		"its version is another": func(s *sim.Script) {
			s.Records["version/db/1"] = s.Records["version/web/1"][:len(s.Records["version/web/1"])-1]
		},
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			s := twoApps(t)
			old := s.TaskOf("db/0")
			damage(s)
			stored := len(s.Records)
			if err := s.Restart(); err != nil {
				t.Fatal(err)
			}
			s.Calls, s.Notes = nil, nil
			s.Step()
			s.Register("fw")
			snap := s.Core.Snapshot()
			aside := snap.AsideOf("db")
			if aside == nil || !strings.Contains(aside.Why, "db") || snap.App("db") != nil || len(snap.Aside) != 1 {
				t.Fatalf("set aside: %+v", snap.Aside)
			}
			if snap.App("web") == nil || snap.App("web").Counts.Instances != 2 {
				t.Errorf("web: %+v", snap.App("web"))
			}
			if !slices.ContainsFunc(s.Notes, func(n core.Note) bool { return n.Kind == core.NoteWarning && n.App == "db" }) {
				t.Errorf("nobody is told: %+v", s.Notes)
			}
			// The master tells of its tasks.
			event := status(old, "a1")
			event.Update.Status.Reason = mesospb.TaskStatus_REASON_RECONCILIATION.Enum()
			s.Step(core.MesosEvent{Event: event})
			s.Step(core.KillOrphan{})
			for _, c := range s.Calls {
				if c.GetType() == schedulerpb.Call_KILL || c.GetType() == schedulerpb.Call_SHUTDOWN {
					t.Errorf("%v", c)
				}
			}
			if o := s.Core.Snapshot().Orphans; len(o) > 0 {
				t.Errorf("taken for unknown: %+v", o)
			}
			same := snap.App("web").Definition.Clone()
			same.Name = "db"
			s.Refused(core.Scale{App: "db", Instances: 5}, core.ErrAside)
			s.Refused(core.Submit{App: same}, core.ErrAside)
			s.Refused(core.Uninstall{}, core.ErrAside)
			if len(s.Records) < stored || len(aside.Keys) == 0 {
				t.Errorf("records %v are left of %d", slices.Sorted(maps.Keys(s.Records)), stored)
			}

			// Removed, it is forgotten, and its tasks come to light.
			s.Do(core.Remove{App: "db"})
			for key := range s.Records {
				if strings.Contains(key, "/db") {
					t.Errorf("%s is left", key)
				}
			}
			s.Step(core.MesosEvent{Event: event})
			if o := s.Core.Snapshot().Orphans; len(o) != 1 || o[0].TaskID != old {
				t.Errorf("unknown now: %+v", o)
			}
		})
	}
}

func TestWhatIsStoredOfAnAgentMayBeDamaged(t *testing.T) {
	s := twoApps(t)
	s.Records["agent/a1"] = []byte("mist")
	s.Records["garbage/a2"] = []byte("mist")
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	s.Notes = nil
	s.Step()
	s.Register("fw")
	if len(s.Notes) < 2 || s.Notes[0].Kind != core.NoteWarning || s.Notes[1].Kind != core.NoteWarning {
		t.Errorf("nobody is told: %+v", s.Notes)
	}
	s.Offer("a1", "cpus:1;mem:32")
	if a := s.Core.Snapshot().Agent("a1"); a == nil || a.Uses != 4 {
		t.Errorf("%+v", a)
	}
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	if a := s.Core.Snapshot().Agent("a1"); a == nil || a.Hostname == "" {
		t.Errorf("the record was not written again: %+v", a)
	}
}

func TestARecordOfALaterReleaseIsNotSetAside(t *testing.T) {
	s := twoApps(t)
	newer, err := store.Schema{Kind: "core.app", Version: 99}.Seal([]byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	s.Records["app/db"] = newer
	if err, want := s.Restart(), new(store.NewerVersionError); !errors.As(err, &want) {
		t.Errorf("got %v", err)
	}
}
