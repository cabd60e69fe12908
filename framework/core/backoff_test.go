package core_test

import (
	"strings"
	"testing"
	"time"

	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/sim"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

const dropped = mesospb.TaskState_TASK_DROPPED

// by makes a status one of an agent, with a reason and a message.
func by(reason mesospb.TaskStatus_Reason, message string) func(*mesospb.TaskStatus) {
	return func(s *mesospb.TaskStatus) {
		s.Source, s.Reason, s.Message = mesospb.TaskStatus_SOURCE_AGENT.Enum(), &reason, &message
	}
}

// refuseFor counts launches while agents a1 to a3 are offered every second and every launch comes to nothing.
func refuseFor(s *sim.Script, d time.Duration, refuse func()) (launches int) {
	for range d / time.Second {
		offerAll(s)
		for range s.Take(schedulerpb.Call_ACCEPT) {
			launches++
			refuse()
		}
		s.Pass(time.Second)
		s.Calls = nil
	}
	return launches
}

func TestNoRefusedLaunchIsRepeatedWithoutEnd(t *testing.T) {
	for name, refuse := range map[string]func(*sim.Script){
		"the agent drains": func(s *sim.Script) {
			s.Status("web/0", dropped, by(mesospb.TaskStatus_REASON_AGENT_DRAINING, "Task was received while agent was already draining"))
		},
		"no such user": func(s *sim.Script) {
			s.Status("web/0", dropped, by(mesospb.TaskStatus_REASON_EXECUTOR_TERMINATED, "Failed to chown directory to 'x': No such user 'x'"))
		},
		"the executor does not register": func(s *sim.Script) {
			s.Status("web/0", failed, by(mesospb.TaskStatus_REASON_EXECUTOR_REGISTRATION_TIMEOUT, "Executor did not register within 1mins"))
		},
		"the container does not start": func(s *sim.Script) {
			s.Status("web/0", failed, by(mesospb.TaskStatus_REASON_CONTAINER_LAUNCH_FAILED, "Failed to launch container"))
		},
		"the task is invalid": func(s *sim.Script) {
			s.Status("web/0", mesospb.TaskState_TASK_ERROR, func(st *mesospb.TaskStatus) { st.Source = mesospb.TaskStatus_SOURCE_MASTER.Enum() })
		},
		"offers are void": func(s *sim.Script) {
			s.Status("web/0", dropped, by(mesospb.TaskStatus_REASON_INVALID_OFFERS, "Offer O1 is no longer valid"))
		},
		"the master does not know it": func(s *sim.Script) { s.Status("web/0", mesospb.TaskState_TASK_UNKNOWN, sim.Answer) },
		"gone as soon as it started":  func(s *sim.Script) { s.Status("web/0", running); s.Status("web/0", mesospb.TaskState_TASK_GONE) },
		"the master refuses the call": func(s *sim.Script) {
			id := s.TaskOf("web/0")
			s.Step(core.CallFailed{Refused: true, Error: "400 Bad Request", Call: &schedulerpb.Call{Type: schedulerpb.Call_ACCEPT.Enum(),
				Accept: &schedulerpb.Call_Accept{Operations: []*mesospb.Offer_Operation{{Type: mesospb.Offer_Operation_LAUNCH.Enum(),
					Launch: &mesospb.Offer_Operation_Launch{TaskInfos: []*mesospb.TaskInfo{{TaskId: &mesospb.TaskID{Value: &id}}}}}}}}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := sim.NewScript(t, core.Config{})
			s.Register("fw")
			s.Submit(define("web", ""))
			n := refuseFor(s, time.Hour, func() { refuse(s) })
			// 1 s, 2 s, 4 s … 256 s, 5 min: 9 launches in the first 9 minutes, and one in each 5 minutes after that.
			if n < 10 || n > 25 {
				t.Errorf("%d launches in an hour", n)
			}
			if i := s.Instance("web/0"); !i.Failing() || i.Failures < n-1 || i.LastFailure == "" {
				t.Errorf("after %d launches: %d failures, last %q", n, i.Failures, i.LastFailure)
			}
			if why := s.Core.Snapshot().Why("web", 0); !strings.HasPrefix(why.Text, "failing: ") || !strings.Contains(why.Text, s.Instance("web/0").LastFailure) {
				t.Errorf("explained by %q", why.Text)
			}
			warned := false
			for _, n := range s.Notes {
				warned = warned || n.Kind == core.NoteFailure && n.State == "failing" && n.Index == 0 && n.Agent != "" && strings.Contains(n.Text, "next try in 5m0s")
			}
			if !warned {
				t.Error("nobody is warned")
			}
		})
	}
}

func TestAnAgentThatRefusesIsAvoidedWhileOthersWillDo(t *testing.T) {
	s := sim.NewScript(t, core.Config{})
	s.Register("fw")
	s.Submit(define("web", ""))
	s.Offer("a1", "cpus:4;mem:1024")
	s.ExpectLaunches(1)
	s.Status("web/0", dropped, by(mesospb.TaskStatus_REASON_AGENT_DRAINING, "Task was received while agent was already draining"))
	s.Pass(time.Second)
	s.Calls = nil
	s.Offer("a1", "cpus:4;mem:1024")
	s.ExpectLaunches(0)
	if why := s.Core.Snapshot().Why("web", 0); why.Offers == nil || !strings.Contains(why.Offers.String(), "1 refused lately: dropped agent_draining") {
		t.Errorf("%s: %v", why.Text, why.Offers)
	}
	s.Crash()
	s.Register("fw")
	s.Offer("a1", "cpus:4;mem:1024")
	s.Offer("a2", "cpus:4;mem:1024")
	if l := s.ExpectLaunches(1); l[0].GetAgentId().GetValue() != "a2" {
		t.Errorf("launched on %s", l[0].GetAgentId().GetValue())
	}
}

func TestTheWaitAfterRefusalsOutlivesARestart(t *testing.T) {
	s := sim.NewScript(t, core.Config{})
	s.Register("fw")
	s.Submit(define("web", ""))
	refuse := func() {
		s.Status("web/0", dropped, by(mesospb.TaskStatus_REASON_EXECUTOR_TERMINATED, "No such user 'x'"))
	}
	if n := refuseFor(s, time.Hour, refuse); n < 10 {
		t.Fatalf("%d launches", n)
	}
	before := s.Instance("web/0")
	s.Crash()
	s.Register("fw")
	if after := s.Instance("web/0"); after.Failures != before.Failures || after.LastFailure != before.LastFailure || after.NotBefore != before.NotBefore {
		t.Errorf("%+v, before it was %+v", after, before)
	}
	if n := refuseFor(s, 10*time.Minute, refuse); n < 1 || n > 3 {
		t.Errorf("%d launches in the ten minutes after", n)
	}
}

func TestOnlyWhatWasTriedCountsAgainstTheRetryPolicy(t *testing.T) {
	s := sim.NewScript(t, core.Config{})
	s.Register("fw")
	s.Submit(define("web", `,"retry":{"total_retries":2}`))
	refuseFor(s, 10*time.Minute, func() {
		s.Status("web/0", dropped, by(mesospb.TaskStatus_REASON_AGENT_DRAINING, "draining"))
	})
	if i := s.Instance("web/0"); i.Outcome != core.Active {
		t.Fatalf("%v after refusals", i.Outcome)
	}
	s.Do(core.RestartInstance{App: "web", Index: 0})
	if n := refuseFor(s, 10*time.Minute, func() {
		s.Status("web/0", dropped, by(mesospb.TaskStatus_REASON_EXECUTOR_TERMINATED, "No such user 'x'"))
	}); n != 3 {
		t.Errorf("%d launches with two retries", n)
	}
	if i := s.Instance("web/0"); i.Outcome != core.GivenUp {
		t.Errorf("%v", i.Outcome)
	}
}

func TestADeploymentWhoseTasksAreNeverStartedStalls(t *testing.T) {
	s := start(t, define("web", `,"instances":2`), 2)
	s.Submit(strings.Replace(define("web", `,"instances":2`), `"run"`, `"run","user":"nobody-here"`, 1))
	for range 20 {
		for _, k := range s.Take(schedulerpb.Call_KILL) {
			s.TaskStatus(k.GetKill().GetTaskId().GetValue(), killed)
		}
		offerAll(s)
		for _, a := range s.Take(schedulerpb.Call_ACCEPT) {
			for _, op := range a.GetAccept().GetOperations() {
				for _, task := range op.GetLaunch().GetTaskInfos() {
					s.TaskStatus(task.GetTaskId().GetValue(), dropped, by(mesospb.TaskStatus_REASON_EXECUTOR_TERMINATED, "No such user"))
				}
			}
		}
		s.Pass(10 * time.Second)
	}
	if d := s.Core.Snapshot().App("web").Deployment; d.State != core.DeploymentStalled || !strings.Contains(d.Text, "No such user") {
		t.Errorf("%+v", d)
	}
}

func TestResultsOfChecksAreKeptAndTold(t *testing.T) {
	s := start(t, define("web", `,"check":{"type":"http","http":{"port":80}},"readiness":{"by":"check"}`), 1)
	s.Status("web/0", running, func(st *mesospb.TaskStatus) {
		st.CheckStatus = &mesospb.CheckStatusInfo{Type: mesospb.CheckInfo_HTTP.Enum(), Http: &mesospb.CheckStatusInfo_Http{StatusCode: new(uint32(404))}}
	})
	if i := s.Instance("web/0"); i.Task.Check != "HTTP status 404" || i.Task.Up != 0 {
		t.Errorf("%+v", i.Task)
	}
	if why := s.Core.Snapshot().Why("web", 0); !strings.Contains(why.Text, "HTTP status 404") {
		t.Error(why.Text)
	}
	n := s.Notes[len(s.Notes)-1]
	if n.Kind != core.NoteHealth || !strings.Contains(n.Text, "HTTP status 404") {
		t.Errorf("told %+v", n)
	}
	s.Crash()
	if i := s.Instance("web/0"); i.Task.Check != "HTTP status 404" {
		t.Errorf("after a restart: %+v", i.Task)
	}
}

func TestAPodThatAnAgentRefusesTaskByTaskBacksOff(t *testing.T) {
	s := sim.NewScript(t, core.Config{})
	s.Register("fw")
	task := `"command":{"cmd":"run"},"resources":{"cpus":1,"mem":64}}`
	s.Submit(`{"name":"web","group":[{"name":"a",` + task + `,{"name":"b",` + task + `]}`)
	n := refuseFor(s, time.Hour, func() {
		for _, m := range s.Instance("web/0").Task.Members {
			s.TaskStatus(m.ID, dropped, by(mesospb.TaskStatus_REASON_AGENT_DRAINING, "Task was received while agent was already draining"))
		}
	})
	if n < 10 || n > 25 {
		t.Errorf("%d launches in an hour", n)
	}
	if i := s.Instance("web/0"); !i.Failing() || i.Failures < n-1 {
		t.Errorf("after %d launches: %d failures, last %q", n, i.Failures, i.LastFailure)
	}
}
