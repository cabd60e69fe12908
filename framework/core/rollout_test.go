package core_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/sim"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

func webVersion(v, instances int, update string) string {
	return fmt.Sprintf(`{"name":"web","instances":%d,"resources":{"cpus":1,"mem":64},"command":{"cmd":"run %d"},"update":{%s},"retry":{"time":"1s"}}`, instances, v, update)
}

// settle answers kills and launches until nothing moves, and returns the least number of ready instances and the greatest number of tasks seen.
func settle(s *sim.Script, ready, most int) (least, tasks int) {
	least = ready
	look := func() {
		n, live := 0, 0
		for i := range s.Core.Snapshot().App("web").All() {
			if t := i.Live(); t != nil {
				live++
				if t.State == core.Running && !t.Doomed {
					n++
				}
			}
		}
		least, tasks = min(least, n), max(tasks, live)
	}
	for range 100 {
		s.Calls = nil
		look()
		var doomed []string
		for i := range s.Core.Snapshot().App("web").All() {
			if t := i.Live(); t != nil && t.Doomed {
				doomed = append(doomed, t.ID)
			}
		}
		for _, id := range doomed {
			s.TaskStatus(id, killed)
			look()
		}
		offerAll(s)
		look()
		s.Run()
		s.Pass(time.Second)
		d := s.Core.Snapshot().App("web").Deployment
		if len(doomed) == 0 && (d == nil || d.State != core.DeploymentRunning) {
			break
		}
	}
	return least, tasks
}

func deployment(s *sim.Script) core.Deployment {
	if d := s.Core.Snapshot().App("web").Deployment; d != nil {
		return *d
	}
	return core.Deployment{}
}

func versions(s *sim.Script) map[uint32]int {
	m := map[uint32]int{}
	for i := range s.Core.Snapshot().App("web").All() {
		if t := i.Live(); t != nil {
			m[t.Version]++
		}
	}
	return m
}

func TestARollingUpdateKeepsEnoughInstancesReady(t *testing.T) {
	for _, c := range []struct {
		update      string
		least, most int
	}{
		{`"min_healthy":0.5,"batch_size":2`, 2, 4},
		{`"min_healthy":0.75,"batch_size":4`, 3, 4},
		{`"min_healthy":0,"batch_size":4`, 0, 4},
		{`"min_healthy":1,"batch_size":2`, 4, 6},
		{`"min_healthy":1,"batch_size":1`, 4, 5},
	} {
		s := start(t, webVersion(1, 4, c.update), 4)
		s.Submit(webVersion(2, 4, c.update))
		least, most := settle(s, 4, 4)
		if least != c.least || most > c.most {
			t.Errorf("%s: at least %d were ready, at most %d there; want %d, %d", c.update, least, most, c.least, c.most)
		}
		if d := deployment(s); d.State != core.DeploymentDone || versions(s)[2] != 4 || len(versions(s)) != 1 {
			t.Errorf("%s: %+v %v", c.update, d, versions(s))
		}
	}
}

func TestACanaryWaitsForSomebody(t *testing.T) {
	const update = `"canary":1,"batch_size":3,"min_healthy":0`
	s := start(t, webVersion(1, 4, update), 4)
	s.Submit(webVersion(2, 4, update))
	settle(s, 4, 4)
	if d := deployment(s); d.State != core.DeploymentCanary || versions(s)[2] != 1 {
		t.Fatalf("%+v %v", d, versions(s))
	}
	s.Crash()
	s.Register("fw")
	// What ends meanwhile starts again as what it was.
	s.Status("web/3", failed)
	s.Pass(2 * time.Second)
	offerAll(s)
	s.Run()
	if v := versions(s); v[1] != 3 || v[2] != 1 {
		t.Fatalf("%v", v)
	}
	s.Do(core.Scale{App: "web", Instances: 5})
	offerAll(s)
	s.Run()
	if v := versions(s); v[1] != 4 || v[2] != 1 {
		t.Fatalf("new instances are guinea pigs: %v", v)
	}
	s.Do(core.Promote{App: "web"})
	settle(s, 5, 5)
	if d := deployment(s); d.State != core.DeploymentDone || versions(s)[2] != 5 {
		t.Fatalf("%+v %v", d, versions(s))
	}
	s.Do(core.Rollback{App: "web"})
	settle(s, 5, 5)
	if d := deployment(s); d.State != core.DeploymentDone || versions(s)[1] != 5 {
		t.Fatalf("%+v %v", d, versions(s))
	}
}

func TestADeploymentPausesAndStalls(t *testing.T) {
	const update = `"min_healthy":0.5,"batch_size":1,"max_failures":1`
	s := start(t, webVersion(1, 3, update), 3)
	s.Submit(webVersion(2, 3, update))
	s.Do(core.Pause{App: "web"})
	settle(s, 3, 3)
	if v := versions(s); v[2] != 1 || v[1] != 2 {
		t.Fatalf("paused: %v", v)
	}
	s.Refused(core.Pause{App: "web"}, core.ErrNoDeployment)
	s.Refused(core.Restart{App: "web"}, core.ErrDeploying)
	s.Do(core.Resume{App: "web"})
	for range 2 {
		for i := range s.Core.Snapshot().App("web").All() {
			if task := i.Live(); task != nil && task.Doomed {
				s.TaskStatus(task.ID, killed)
			}
		}
		s.Pass(2 * time.Second)
		offerAll(s)
		for i := range s.Core.Snapshot().App("web").All() {
			if task := i.Live(); task != nil && task.State == core.Launching {
				s.TaskStatus(task.ID, failed)
			}
		}
	}
	if d := deployment(s); d.State != core.DeploymentStalled || d.Text == "" {
		t.Fatalf("%+v", d)
	}
	if v := versions(s); v[1] == 0 {
		t.Fatalf("a stalled deployment took everything down: %v", v)
	}
	s.Do(core.Rollback{App: "web"})
	settle(s, 1, 3)
	if d := deployment(s); d.State != core.DeploymentDone || !d.Rollback || versions(s)[1] != 3 {
		t.Fatalf("%+v %v", d, versions(s))
	}
}

func TestADeploymentThatFailsRollsBackByItself(t *testing.T) {
	const update = `"min_healthy":0.5,"batch_size":1,"max_failures":0,"rollback":true`
	s := start(t, webVersion(1, 2, update), 2)
	s.Submit(webVersion(2, 2, update))
	id := s.TaskOf("web/0")
	s.TaskStatus(id, killed)
	offerAll(s)
	s.Status("web/0", failed)
	settle(s, 2, 2)
	if d := deployment(s); d.State != core.DeploymentDone || !d.Rollback || versions(s)[1] != 2 {
		t.Fatalf("%+v %v", d, versions(s))
	}
}

func TestPoliciesChangeWithoutRestarts(t *testing.T) {
	s := start(t, webVersion(1, 2, `"batch_size":1`), 2)
	s.Submit(webVersion(1, 3, `"batch_size":2`))
	s.ExpectCalls(schedulerpb.Call_KILL, 0)
	if a := s.Core.Snapshot().App("web"); a.Instances != 3 || a.Definition.Update.BatchSize != 2 || a.Version != 1 {
		t.Errorf("%+v", a)
	}
}

func TestInverseOffersAreHonouredWithinTheRules(t *testing.T) {
	s := start(t, webVersion(1, 2, `"min_healthy":1`), 2)
	agent := s.Instance("web/0").Task.Agent
	inverse := &mesospb.InverseOffer{
		Id: &mesospb.OfferID{Value: new("i1")}, FrameworkId: &mesospb.FrameworkID{Value: new("fw")}, AgentId: &mesospb.AgentID{Value: &agent},
		Unavailability: &mesospb.Unavailability{Start: &mesospb.TimeInfo{Nanoseconds: new(s.Now.Add(time.Hour).UnixNano())}},
	}
	send := func() {
		s.Step(core.MesosEvent{Event: &schedulerpb.Event{Type: schedulerpb.Event_INVERSE_OFFERS.Enum(),
			InverseOffers: &schedulerpb.Event_InverseOffers{InverseOffers: []*mesospb.InverseOffer{inverse}}}})
	}
	s.Calls = nil
	send()
	s.ExpectCalls(schedulerpb.Call_KILL, 0) // a third one has to be ready first
	s.ExpectCalls(schedulerpb.Call_ACCEPT_INVERSE_OFFERS, 1)
	gone := func() bool {
		for i := range s.Core.Snapshot().App("web").All() {
			if task := i.Live(); task != nil && task.Agent == agent {
				return false
			}
		}
		return true
	}
	var accepted int
	for range 20 {
		ready := 0
		for i := range s.Core.Snapshot().App("web").All() {
			if task := i.Live(); task != nil && task.Doomed {
				s.TaskStatus(task.ID, killed)
			} else if task != nil && task.State == core.Running {
				ready++
			}
		}
		if ready < 2 {
			t.Fatalf("%d ready", ready)
		}
		for _, a := range []string{"a1", "a2", "a3"} {
			s.Offer(a, "cpus:16;mem:4096", func(o *mesospb.Offer) {
				if a == agent {
					o.Unavailability = inverse.Unavailability
				}
			})
		}
		s.Run()
		accepted += len(s.Take(schedulerpb.Call_ACCEPT_INVERSE_OFFERS))
	}
	if !gone() || accepted != 0 {
		t.Fatalf("left: %v, accepted %d times more", gone(), accepted)
	}
	if a := s.Core.Snapshot().App("web"); a.Counts.Up != 2 || a.Counts.Instances != 2 {
		t.Errorf("%+v", a.Counts)
	}
	// Called off: the agent is used again.
	s.Offer(agent, "cpus:16;mem:4096")
	for a := range s.Core.Snapshot().Agents() {
		if a.Draining {
			t.Errorf("%s still drains", a.ID)
		}
	}
}

func inverseOffer(s *sim.Script, agent string) {
	s.Step(core.MesosEvent{Event: &schedulerpb.Event{Type: schedulerpb.Event_INVERSE_OFFERS.Enum(),
		InverseOffers: &schedulerpb.Event_InverseOffers{InverseOffers: []*mesospb.InverseOffer{{
			Id: &mesospb.OfferID{Value: new("i1")}, FrameworkId: &mesospb.FrameworkID{Value: new("fw")}, AgentId: &mesospb.AgentID{Value: &agent},
			Unavailability: &mesospb.Unavailability{Start: &mesospb.TimeInfo{Nanoseconds: new(int64(0))}},
		}}}}})
}

func TestAnAcceptedInverseOfferIsDeclinedWhenItComesAgainAndTheAgentIsNotLeftInTime(t *testing.T) {
	s := start(t, webVersion(1, 1, `"min_healthy":1`), 1)
	agent := s.Instance("web/0").Task.Agent
	inverseOffer(s, agent)
	s.ExpectCalls(schedulerpb.Call_ACCEPT_INVERSE_OFFERS, 1)
	s.Pass(6 * time.Minute) // no other agent is offered
	inverseOffer(s, agent)
	s.ExpectCalls(schedulerpb.Call_DECLINE_INVERSE_OFFERS, 1)
	if got := s.Core.Snapshot().Agent(agent).Maintenance; !strings.Contains(got, "declined: not everything could be moved within 5m") {
		t.Errorf("the agent is shown as %q", got)
	}
}

func TestAnInverseOfferIsDeclinedWhereAVolumeHasToStay(t *testing.T) {
	s, _ := startDB(t)
	inverseOffer(s, "a1")
	s.ExpectCalls(schedulerpb.Call_DECLINE_INVERSE_OFFERS, 1)
	last := s.Notes[len(s.Notes)-1]
	if last.Kind != core.NoteWarning || last.Agent != "a1" || !strings.Contains(last.Text, "db/0 has its volumes there") {
		t.Errorf("%+v", last)
	}
}

// A job is not doubled for a move: while the only other one is not ready, it has to stay.
func TestAnInverseOfferIsDeclinedWhereTooFewWouldBeReady(t *testing.T) {
	s := start(t, strings.Replace(webVersion(1, 3, `"min_healthy":0.6`), `"name"`, `"goal":"finish","name"`, 1), 3)
	agent := s.Instance("web/0").Task.Agent
	s.Status("web/1", failed)
	inverseOffer(s, agent)
	s.ExpectCalls(schedulerpb.Call_DECLINE_INVERSE_OFFERS, 1)
	s.Pass(time.Minute)
	offerAll(s)
	s.Run()
	inverseOffer(s, agent)
	s.ExpectCalls(schedulerpb.Call_ACCEPT_INVERSE_OFFERS, 1)
}

func TestAgentsDrainedByTheOperatorAreLeft(t *testing.T) {
	s := start(t, webVersion(1, 3, `"min_healthy":0.5,"batch_size":1`), 3)
	agent := s.Instance("web/0").Task.Agent
	s.Step(core.AgentDraining{AgentID: agent, Draining: true})
	settleDrain(s)
	for i := range s.Core.Snapshot().App("web").All() {
		if i.Live() == nil || i.Live().Agent == agent {
			t.Errorf("web/%d: %+v", i.Index, i.Task)
		}
	}
}

func settleDrain(s *sim.Script) {
	for range 20 {
		for i := range s.Core.Snapshot().App("web").All() {
			if task := i.Live(); task != nil && task.Doomed {
				s.TaskStatus(task.ID, killed)
			}
		}
		offerAll(s)
		s.Run()
	}
}
