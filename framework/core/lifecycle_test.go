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

const (
	running  = mesospb.TaskState_TASK_RUNNING
	finished = mesospb.TaskState_TASK_FINISHED
	failed   = mesospb.TaskState_TASK_FAILED
	killed   = mesospb.TaskState_TASK_KILLED
)

// start brings up an application with everything running on large agents a1 to a3.
func start(t *testing.T, def string, instances int) *sim.Script {
	t.Helper()
	return startWith(t, core.Config{}, def, instances)
}

func startWith(t *testing.T, cfg core.Config, def string, instances int) *sim.Script {
	t.Helper()
	s := sim.NewScript(t, cfg)
	s.Register("fw")
	s.Submit(def)
	offerAll(s)
	s.ExpectLaunches(instances)
	s.Run()
	s.Calls = nil
	return s
}

func offerAll(s *sim.Script) {
	for _, a := range []string{"a1", "a2", "a3"} {
		s.Offer(a, "cpus:16;mem:4096;disk:10000;ports:[31000-31100]")
	}
}

func define(name, more string) string {
	return `{"name":"` + name + `","resources":{"cpus":1,"mem":64},"command":{"cmd":"run"}` + more + `}`
}

func TestAFailureIsRetriedLaterEachTime(t *testing.T) {
	s := start(t, define("web", `,"retry":{"time":"2s","max_time":"10s","total_retries":4}`), 1)
	for k, wait := range []time.Duration{2, 4, 8, 10} {
		s.Status("web/0", failed)
		s.Pass(wait*time.Second - time.Millisecond)
		offerAll(s)
		s.ExpectLaunches(0)
		if why := s.Core.Snapshot().Why("web", 0); why.Until.IsZero() || why.Running {
			t.Fatalf("failure %d is not explained: %+v", k+1, why)
		}
		s.Pass(time.Millisecond)
		offerAll(s)
		s.ExpectLaunches(1)
		s.Run()
	}
	s.Status("web/0", failed)
	s.Pass(time.Hour)
	offerAll(s)
	s.ExpectLaunches(0)
	if i := s.Instance("web/0"); i.Outcome != core.GivenUp {
		t.Fatalf("after all retries: %v", i.Outcome)
	}
	s.Do(core.RestartInstance{App: "web", Index: 0})
	offerAll(s)
	s.ExpectLaunches(1)
}

func TestBackoffStartsAnewAfterAHealthyTime(t *testing.T) {
	s := start(t, define("web", `,"retry":{"time":"2s","reset_after":"1m"}`), 1)
	s.Status("web/0", failed)
	s.Pass(2 * time.Second)
	offerAll(s)
	s.Run()
	s.Pass(time.Minute)
	s.Status("web/0", failed)
	if n := s.Instance("web/0").Failures; n != 1 {
		t.Fatalf("%d failures in a row after a minute of health", n)
	}
}

func TestGoalsEnd(t *testing.T) {
	s := start(t, define("once", `,"goal":"once"`), 1)
	s.Status("once/0", failed)
	s.Pass(time.Hour)
	offerAll(s)
	s.ExpectLaunches(0)

	s = start(t, define("batch", `,"goal":"finish","instances":2`), 2)
	s.Status("batch/0", failed)
	s.Status("batch/1", finished)
	s.Pass(time.Minute)
	offerAll(s)
	s.ExpectLaunches(1)
	s.Run()
	s.Status("batch/0", finished)
	s.Pass(time.Hour)
	offerAll(s)
	s.ExpectLaunches(0)
	if c := s.Core.Snapshot().App("batch").Counts; c.Reached != 2 {
		t.Fatalf("%+v", c)
	}
	s.Crash()
	s.Register("fw")
	offerAll(s)
	s.ExpectLaunches(0)

	s = start(t, define("web", ""), 1)
	s.Status("web/0", finished)
	s.Pass(time.Minute)
	offerAll(s)
	s.ExpectLaunches(1)
}

func TestAKillIsRepeatedAndHurries(t *testing.T) {
	s := start(t, define("web", `,"kill_grace_period":"30s"`), 1)
	id := s.TaskOf("web/0")
	s.Do(core.Scale{App: "web", Instances: 0})
	s.ExpectKills(id)
	s.Pass(39 * time.Second)
	s.ExpectCalls(schedulerpb.Call_KILL, 0)
	s.Pass(time.Second) // grace + 10 s
	if c := s.ExpectCalls(schedulerpb.Call_KILL, 1)[0]; c.Kill.KillPolicy != nil {
		t.Error("the second kill hurries already")
	}
	s.Pass(50 * time.Second)
	if c := s.ExpectCalls(schedulerpb.Call_KILL, 1)[0]; c.Kill.KillPolicy == nil || c.Kill.KillPolicy.GetGracePeriod().GetNanoseconds() != 0 {
		t.Error("the third kill does not hurry")
	}
	s.Step(core.Disconnected{})
	s.Take(schedulerpb.Call_KILL)
	s.Pass(time.Hour)
	s.ExpectCalls(schedulerpb.Call_KILL, 0)
	s.Register("fw")
	s.ExpectKills(id)
	s.Crash()
	s.Register("fw")
	s.ExpectKills(id)
	s.TaskStatus(id, killed)
	if s.Instance("web/0") != nil {
		t.Error("it is still there")
	}
}

func TestUnreachableTasksWaitAsLongAsTheyShould(t *testing.T) {
	s := start(t, define("web", `,"unreachable":{"replace_after":"5m"}`), 1)
	old := s.TaskOf("web/0")
	unreachable := func() { s.TaskStatus(old, mesospb.TaskState_TASK_UNREACHABLE, sim.Answer) }
	unreachable()
	s.Pass(4 * time.Minute)
	s.Crash() // the clock does not start again
	s.Register("fw")
	unreachable()
	offerAll(s)
	s.ExpectLaunches(0)
	s.Pass(time.Minute)
	offerAll(s)
	s.ExpectLaunches(1)
	s.Run()
	s.TaskStatus(old, running) // it comes back
	s.ExpectKills(old)
	s.TaskStatus(old, killed)
	if i := s.Instance("web/0"); len(i.Detached) != 0 || i.Task.State != core.Running {
		t.Fatalf("%+v", i)
	}

	s = start(t, define("web", `,"unreachable":{"wait":true}`), 1)
	id := s.TaskOf("web/0")
	s.Status("web/0", mesospb.TaskState_TASK_UNREACHABLE)
	s.Pass(1000 * time.Hour)
	offerAll(s)
	s.ExpectLaunches(0)
	if why := s.Core.Snapshot().Why("web", 0); !strings.Contains(why.Text, "replace the instance") {
		t.Errorf("%q", why.Text)
	}
	s.Status("web/0", running)
	s.ExpectState("web/0", core.Running)
	s.Status("web/0", mesospb.TaskState_TASK_UNREACHABLE)
	s.Do(core.Replace{App: "web", Index: 0})
	offerAll(s)
	s.ExpectLaunches(1)
	s.Calls = nil
	s.TaskStatus(id, running)
	s.ExpectKills(id)
}

func TestALostTaskThatTurnsUpIsTakenBack(t *testing.T) {
	s := start(t, define("web", ""), 1)
	id := s.TaskOf("web/0")
	s.Status("web/0", mesospb.TaskState_TASK_GONE, sim.Answer)
	s.ExpectState("web/0", core.Lost)
	s.TaskStatus(id, running)
	s.ExpectState("web/0", core.Running)
	offerAll(s)
	s.ExpectLaunches(0)
}

func TestAPodIsOneThing(t *testing.T) {
	const pod = `{"name":"pod","group":[
		{"name":"main","resources":{"cpus":1,"mem":64},"command":{"cmd":"a"}},
		{"name":"side","resources":{"cpus":1,"mem":64},"command":{"cmd":"b"}}]}`
	s := start(t, pod, 2)
	s.ExpectState("pod/0", core.Running)
	members := s.Instance("pod/0").Task.Members
	s.TaskStatus(members[0].ID, failed)
	s.ExpectKills(members[1].ID)
	s.ExpectState("pod/0", core.Killing)
	s.TaskStatus(members[1].ID, killed)
	s.ExpectState("pod/0", core.Ended)
	if i := s.Instance("pod/0"); i.Failures != 1 {
		t.Errorf("the failure of a pod counts %d times", i.Failures)
	}
	s.Pass(time.Minute)
	offerAll(s)
	s.ExpectLaunches(2)
	s.Crash()
	s.Register("fw")
	if c := s.ExpectCalls(schedulerpb.Call_RECONCILE, 1)[0]; len(c.GetReconcile().GetTasks()) != 2 {
		t.Errorf("asks for %v", c)
	}
}

func TestDaemonsRunOnEveryMatchingAgent(t *testing.T) {
	s := sim.NewScript(t, core.Config{})
	s.Register("fw")
	s.Submit(define("log", `,"daemon":true,"instances":0,"constraints":[["hostname","LIKE","a.*"]]`))
	offerAll(s)
	s.ExpectLaunches(3)
	s.Run()
	s.Offer("b1", "cpus:4;mem:1024")
	s.ExpectLaunches(0)
	if n := s.Core.Snapshot().App("log").Counts.Instances; n != 3 {
		t.Errorf("%d instances", n)
	}
	s.Offer("a4", "cpus:4;mem:1024")
	s.ExpectLaunches(1)
	s.Run()
	s.Offer("a4", "cpus:4;mem:1024")
	s.ExpectLaunches(0)
	s.Status("log/1", failed)
	s.Pass(10 * time.Second)
	offerAll(s)
	if l := s.ExpectLaunches(1); l[0].GetAgentId().GetValue() != "a2" {
		t.Errorf("the daemon of a2 starts again on %v", l[0].GetAgentId())
	}
	s.Run()
	s.Crash()
	s.Register("fw")
	offerAll(s)
	s.ExpectLaunches(0)
	s.Do(core.Remove{App: "log"})
	s.ExpectCalls(schedulerpb.Call_KILL, 4)
}

func TestAnExecutorThatIgnoresKillsIsShutDown(t *testing.T) {
	for name, more := range map[string]string{
		"own":     `{"name":"own","resources":{"cpus":1,"mem":64},"kill_grace_period":"1s","executor":{"command":{"cmd":"run"}}}`,
		"pod":     `{"name":"pod","group":[{"name":"a","resources":{"cpus":1,"mem":64},"command":{"cmd":"run"},"kill_grace_period":"1s"}]}`,
		"command": define("command", `,"kill_grace_period":"1s"`),
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, more, 1)
			id := s.TaskOf(name + "/0")
			s.Do(core.Scale{App: name, Instances: 0})
			s.Pass(13 * time.Second) // grace + 10 s, the default being 3 s
			s.ExpectCalls(schedulerpb.Call_SHUTDOWN, 0)
			s.Pass(23 * time.Second)
			if name == "command" { // Mesos' own executor can be trusted
				s.ExpectCalls(schedulerpb.Call_SHUTDOWN, 0)
				return
			}
			first := id
			if name == "pod" {
				first += ".a"
			}
			c := s.ExpectCalls(schedulerpb.Call_SHUTDOWN, 1)[0].GetShutdown()
			if c.GetExecutorId().GetValue() != first+".executor" || c.GetAgentId().GetValue() == "" {
				t.Fatalf("%v", c)
			}
			s.TaskStatus(first, failed, by(mesospb.TaskStatus_REASON_EXECUTOR_TERMINATED, "Executor terminated"))
			if s.Instance(name+"/0") != nil {
				t.Error("it is still there")
			}
		})
	}
}

func TestAnAntiAffinityHoldsWhoeverComesFirst(t *testing.T) {
	s := start(t, define("db", `,"affinities":[{"app":"web","anti":true}]`), 1)
	agent := s.Instance("db/0").Task.Agent
	s.Submit(define("web", `,"instances":2`))
	s.Offer(agent, "cpus:16;mem:4096")
	s.ExpectLaunches(0)
	why := s.Core.Snapshot().Why("web", 0)
	if got := why.Offers.String(); got != "1 offer: 1 affinity hostname away from db, as that asks for" {
		t.Errorf("explained as %q: %q", why.Text, got)
	}
	offerAll(s)
	s.ExpectLaunches(2)
	for _, name := range []string{"web/0", "web/1"} {
		if s.Instance(name).Task.Agent == agent {
			t.Errorf("%s is beside db", name)
		}
	}
	s.Do(core.Remove{App: "db"})
	s.Do(core.Scale{App: "web", Instances: 3})
	s.TaskStatus(s.TaskOf("db/0"), killed)
	s.Offer(agent, "cpus:16;mem:4096")
	s.ExpectLaunches(1)
}

// The master knows better than the clock: before a task is given up it is asked, and what has come in counts first.
func TestNobodyIsGivenUpWhileItsReturnIsOnTheWay(t *testing.T) {
	const patient = `,"unreachable":{"replace_after":"1m"}`
	s := start(t, define("web", patient), 1)
	s.Status("web/0", mesospb.TaskState_TASK_UNREACHABLE)
	s.Take(schedulerpb.Call_RECONCILE)
	s.Pass(55 * time.Second)
	s.ExpectCalls(schedulerpb.Call_RECONCILE, 1)
	s.Now = s.Now.Add(5 * time.Second) // the store was slow: both are due in one Apply
	s.Status("web/0", running)
	if i := s.Instance("web/0"); len(i.Detached) > 0 || i.Task.State != core.Running {
		t.Fatalf("%+v", i)
	}

	s = start(t, define("web", patient), 1)
	s.Status("web/0", mesospb.TaskState_TASK_UNREACHABLE)
	s.Step(core.Disconnected{})
	s.Pass(time.Hour) // it may be back for long
	if i := s.Instance("web/0"); len(i.Detached) > 0 {
		t.Fatal("given up while nobody could be asked")
	}
	s.Register("fw")
	s.Pass(4 * time.Second)
	if i := s.Instance("web/0"); len(i.Detached) > 0 {
		t.Fatal("given up before the master could answer")
	}
	s.Pass(time.Second)
	if i := s.Instance("web/0"); len(i.Detached) != 1 {
		t.Fatalf("never given up: %+v", i.Task)
	}
}
