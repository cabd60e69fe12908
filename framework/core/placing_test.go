package core_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/sim"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

func rack(name string) func(*mesospb.Offer) {
	return func(o *mesospb.Offer) { o.Attributes = append(o.Attributes, resources.NewTextAttribute("rack", name)) }
}

func TestGroupByDoesNotWaitForARackThatHasNothing(t *testing.T) {
	for name, lose := range map[string]func(*sim.Script){
		"full": func(*sim.Script) {}, // the master makes no offers of it
		"cut off": func(s *sim.Script) {
			s.Status("full/0", mesospb.TaskState_TASK_UNREACHABLE)
			s.Step(core.MesosEvent{Event: &schedulerpb.Event{Type: schedulerpb.Event_FAILURE.Enum(), Failure: &schedulerpb.Event_Failure{AgentId: &mesospb.AgentID{Value: new("a2")}}}})
		},
		"after a restart": func(s *sim.Script) {
			s.Crash()
			s.Register("fw")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := sim.NewScript(t, core.Config{})
			s.Register("fw")
			s.Submit(define("full", `,"constraints":[["rack","IS","r2"]]`))
			s.Offer("a2", "cpus:1;mem:64", rack("r2"))
			s.ExpectLaunches(1)
			s.Run()
			lose(s)
			s.Submit(define("web", `,"instances":4,"constraints":[["rack","GROUP_BY"]]`))
			for range 15 {
				s.Pass(time.Second)
				s.Offer("a1", "cpus:16;mem:4096", rack("r1"))
			}
			if c := s.Core.Snapshot().App("web").Counts; c.Waiting != 0 {
				t.Fatalf("%d of 4 wait: %s", c.Waiting, s.Core.Snapshot().Why("web", 3).Offers)
			}
		})
	}
}

func TestGroupByWaitsForARackThatIsRefusedOnlyNow(t *testing.T) {
	s := sim.NewScript(t, core.Config{})
	s.Register("fw")
	s.Submit(strings.ReplaceAll(define("big", ""), `"cpus":1`, `"cpus":99`))
	s.Offer("a2", "cpus:16;mem:4096", rack("r2"))
	s.ExpectCalls(schedulerpb.Call_DECLINE, 1)
	s.Submit(define("web", `,"instances":4,"constraints":[["rack","GROUP_BY"]]`))
	s.Offer("a1", "cpus:16;mem:4096", rack("r1"))
	s.ExpectLaunches(1)
	s.Offer("a2", "cpus:16;mem:4096", rack("r2"))
	s.ExpectLaunches(2)
}

func TestExplanationsTellOfAllAgentsThoughOffersComeOneByOne(t *testing.T) {
	s := sim.NewScript(t, core.Config{})
	s.Register("fw")
	s.Submit(strings.ReplaceAll(define("big", ""), `"cpus":1`, `"cpus":8`))
	s.Submit(define("ssd", `,"constraints":[["disk","IS","ssd"]]`))
	agents := []string{"a1", "a2", "a3", "a4"}
	for range 3 {
		for k, a := range agents {
			s.Offer(a, "cpus:"+string('1'+rune(k))+";mem:4096")
			s.Pass(1500 * time.Millisecond)
		}
	}
	snap := s.Core.Snapshot()
	if got, want := snap.Why("big", 0).Offers.String(), "4 offers: 4 not enough cpus; nearest is a4 with cpus 4 of 8"; got != want {
		t.Errorf("big: got %s\nwant %s", got, want)
	}
	if got, want := snap.Why("ssd", 0).Offers.String(), "4 offers: 4 constraint disk IS ssd"; got != want {
		t.Errorf("ssd: got %s\nwant %s", got, want)
	}
	s.Pass(time.Minute) // nothing of that is offered any more
	s.Offer("a1", "cpus:1;mem:4096")
	s.Pass(5 * time.Second)
	if got := s.Core.Snapshot().Why("big", 0).Offers; got.Candidates != 1 {
		t.Errorf("a minute later: %s", got)
	}
	s.ExpectLaunches(0)
}

// Offers of agents that a daemon runs on are of no use to it. New agents are, at once.
func TestDaemonsLetGoOfOffersForLong(t *testing.T) {
	s := start(t, `{"name":"log","daemon":true,"resources":{"cpus":1,"mem":64},"command":{"cmd":"run"},"constraints":[["rack","IS","r1"]]}`, 0)
	refused := func() (list []float64) {
		for _, c := range s.Take(schedulerpb.Call_DECLINE) {
			list = append(list, c.GetDecline().GetFilters().GetRefuseSeconds())
		}
		return list
	}
	refused()
	s.Pass(time.Minute)
	s.ExpectCalls(schedulerpb.Call_SUPPRESS, 0)
	s.Take(schedulerpb.Call_REVIVE)
	s.Offer("a4", "cpus:16;mem:4096", rack("r1"))
	s.ExpectLaunches(1)
	s.Run()
	s.Offer("a4", "cpus:15;mem:4032", rack("r1")) // the rest
	s.Offer("a5", "cpus:16;mem:4096", rack("r2"))
	if got := refused(); !slices.Equal(got, []float64{300, 300}) {
		t.Errorf("refused for %v", got)
	}
	s.ExpectCalls(schedulerpb.Call_REVIVE, 0)

	// One that has no room waits for its agent; the others are of no use meanwhile.
	s.Offer("a6", "cpus:0.5;mem:4096", rack("r1"))
	s.Offer("a4", "cpus:15;mem:4032", rack("r1"))
	if got := refused(); !slices.Equal(got, []float64{5, 300}) {
		t.Errorf("refused for %v", got)
	}
	s.Take(schedulerpb.Call_REVIVE)
	s.Offer("a6", "cpus:1;mem:4096", rack("r1"))
	s.ExpectLaunches(1)
	s.Run()
	s.Take(schedulerpb.Call_REVIVE)

	// Another version suits other agents, which have to be offered again.
	s.Pass(time.Minute)
	s.Submit(`{"name":"log","daemon":true,"resources":{"cpus":1,"mem":64},"command":{"cmd":"run"},"constraints":[["rack","LIKE","r."]]}`)
	s.ExpectCalls(schedulerpb.Call_REVIVE, 1)
	s.Offer("a5", "cpus:16;mem:4096", rack("r2"))
	if l := s.ExpectLaunches(1); !strings.HasPrefix(l[0].GetTaskId().GetValue(), "log.") {
		t.Error(l)
	}
}
