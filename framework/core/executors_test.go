package core_test

import (
	"strings"
	"testing"
	"time"

	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/sim"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

const custom = `{"name":"own","instances":1,"resources":{"cpus":1,"mem":64},"executor":{"command":{"cmd":"./executor"},"resources":{"cpus":0.1,"mem":32}}}`

// executorEnds is what the master says of the executor of a task.
func executorEnds(s *sim.Script, task, agent string) {
	s.Helper()
	s.Step(core.MesosEvent{Event: &schedulerpb.Event{Type: schedulerpb.Event_FAILURE.Enum(), Failure: &schedulerpb.Event_Failure{
		AgentId: &mesospb.AgentID{Value: &agent}, ExecutorId: &mesospb.ExecutorID{Value: new(app.ExecutorID(task))}, Status: new(int32(0)),
	}}})
}

func expectShutdown(s *sim.Script, task string) {
	s.Helper()
	if id := s.ExpectCalls(schedulerpb.Call_SHUTDOWN, 1)[0].GetShutdown().GetExecutorId().GetValue(); id != app.ExecutorID(task) {
		s.Errorf("shut down %s", id)
	}
}

func TestAnExecutorOfItsOwnIsShutDownWithItsLastTaskAndRemovalWaitsForIt(t *testing.T) {
	for name, end := range map[string]func(s *sim.Script, task, agent string){
		"FAILURE": executorEnds,
		"the master does not list it": func(s *sim.Script, _, agent string) {
			s.Pass(2 * time.Minute)
			s.Step(core.ExecutorsSeen{Agents: map[string]bool{agent: true}})
		},
		"the agent is lost": func(s *sim.Script, _, agent string) {
			s.Step(core.MesosEvent{Event: &schedulerpb.Event{Type: schedulerpb.Event_FAILURE.Enum(), Failure: &schedulerpb.Event_Failure{AgentId: &mesospb.AgentID{Value: &agent}}}})
		},
		"no sign of it": func(s *sim.Script, _, _ string) { s.Pass(10 * time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, custom, 1)
			task, agent := s.TaskOf("own/0"), s.Instance("own/0").Task.Agent
			s.Do(core.Remove{App: "own"})
			s.ExpectKills(task)
			s.Status("own/0", killed)
			expectShutdown(s, task)
			s.Calls = nil
			if i := s.Instance("own/0"); i == nil || !i.Task.Lingers || s.Core.Snapshot().Agent(agent).Uses == 0 {
				t.Fatalf("its executor is forgotten: %+v", i)
			}
			if why := s.Core.Snapshot().Why("own", 0); !strings.Contains(why.Text, "executor") {
				t.Error(why.Text)
			}
			s.Crash()
			s.Register("fw")
			expectShutdown(s, task) // again: the earlier one may not have arrived
			if s.Instance("own/0") == nil || s.Core.Snapshot().Lingering != 1 {
				t.Fatal("its executor is forgotten by a restart")
			}
			end(s, task, agent)
			if a := s.Core.Snapshot().App("own"); a != nil {
				t.Errorf("not removed: %+v", a.Counts)
			}
			for a := range s.Core.Snapshot().Agents() {
				if a.Uses != 0 {
					t.Errorf("%d uses of %s are left", a.Uses, a.ID)
				}
			}
		})
	}
}

func TestTheNextTaskWaitsForTheExecutorOfTheLast(t *testing.T) {
	s := start(t, custom, 1)
	task, agent := s.TaskOf("own/0"), s.Instance("own/0").Task.Agent
	s.Status("own/0", failed)
	expectShutdown(s, task)
	s.Pass(5 * time.Second)
	s.Calls = nil
	offerAll(s)
	s.ExpectLaunches(0)
	executorEnds(s, task, agent)
	offerAll(s)
	s.ExpectLaunches(1)
}

func TestAnExecutorThatEndedBeforeItsTaskWasReportedIsNotWaitedFor(t *testing.T) {
	s := start(t, custom, 1)
	task := s.TaskOf("own/0")
	executorEnds(s, task, s.Instance("own/0").Task.Agent) // the update waits for an acknowledgement; this does not
	s.Crash()
	s.Register("fw")
	s.Status("own/0", failed)
	s.ExpectCalls(schedulerpb.Call_SHUTDOWN, 0)
	if s.Instance("own/0").Task.Lingers {
		t.Error("it is waited for")
	}
}

func TestAnExecutorThatTheMasterStillListsIsShutDownAgainAndAgain(t *testing.T) {
	s := start(t, custom, 1)
	task, agent := s.TaskOf("own/0"), s.Instance("own/0").Task.Agent
	s.Status("own/0", finished)
	for range 20 {
		s.Pass(time.Minute)
		s.Step(core.ExecutorsSeen{Agents: map[string]bool{agent: true}, Executors: []core.ExecutorSeen{{ID: app.ExecutorID(task), Agent: agent}}})
	}
	if n := len(s.Take(schedulerpb.Call_SHUTDOWN)); n < 5 || n > 12 || !s.Instance("own/0").Task.Lingers {
		t.Errorf("shut down %d times; %+v", n, s.Instance("own/0").Task)
	}
}

func TestExecutorsOfAnEarlierRunAreShutDown(t *testing.T) {
	s := start(t, custom, 1)
	s.Pass(2 * time.Minute)
	s.Calls = nil
	live := s.TaskOf("own/0")
	s.Step(core.ExecutorsSeen{Agents: map[string]bool{"a1": true}, Executors: []core.ExecutorSeen{
		{ID: app.ExecutorID("own.0.1-old"), Agent: "a1"}, {ID: app.ExecutorID(live), Agent: "a1"}, {ID: "web.0.1-old", Agent: "a1"}, // a command executor
	}})
	expectShutdown(s, "own.0.1-old")
}
