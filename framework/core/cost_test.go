package core_test

import (
	"fmt"
	"testing"

	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/sim"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// oneChange returns a function that changes the health of one task on a cluster of so many agents, each of which runs one, and takes a snapshot.
func oneChange(t testing.TB, agents int) func() {
	s := sim.NewScript(quiet{}, core.Config{})
	s.Register("fw")
	s.Step(core.Submit{App: benchApp(t, agents)})
	offers := make([]*mesospb.Offer, agents)
	for k := range offers {
		offers[k] = s.NewOffer(fmt.Sprintf("agent-%d", k), "cpus:0.1;mem:32")
	}
	var running []core.Input
	for _, c := range s.Step(core.MesosEvent{Event: sim.OffersEvent(offers...)}).Calls {
		for _, op := range c.GetAccept().GetOperations() {
			for _, task := range op.GetLaunch().GetTaskInfos() {
				running = append(running, core.MesosEvent{Event: status(task.GetTaskId().GetValue(), task.GetAgentId().GetValue())})
			}
		}
	}
	s.Step(running...)
	snap := s.Core.Snapshot()
	if n := snap.App("web").Counts.Up; n != agents {
		t.Fatalf("%d of %d instances are up", n, agents)
	}
	last := snap.App("web").Instance(agents / 2).Task
	event, healthy := status(last.ID, last.Agent), false
	return func() {
		healthy = !healthy
		event.Update.Status.Healthy = &healthy
		s.Engine.Apply(core.MesosEvent{Event: event})
		s.Core.Snapshot()
	}
}

func BenchmarkOneChange(b *testing.B) {
	for _, n := range []int{1000, 10000, 40000} {
		change := oneChange(b, n)
		b.Run(fmt.Sprintf("agents=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				change()
			}
		})
	}
}

func TestARoundCostsWhatHasChangedHoweverManyAgentsThereAre(t *testing.T) {
	few := testing.AllocsPerRun(100, oneChange(t, 500))
	many := testing.AllocsPerRun(100, oneChange(t, 5000))
	if most := 100.0; few > most || many > most {
		t.Errorf("one change makes %v allocations with 500 agents and %v with 5,000, want at most %v", few, many, most)
	}
	if many > few+10 {
		t.Errorf("one change makes %v allocations with 500 agents, and %v with 5,000", few, many)
	}
}
