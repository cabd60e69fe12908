package sim_test

import (
	"strings"
	"testing"
	"time"

	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/sim"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

const web = `{"name":"web","instances":2,"resources":{"cpus":1,"mem":64},"command":{"cmd":"serve"}}`

func TestAnInstanceRunsFromSubmissionToRemoval(t *testing.T) {
	s := sim.NewScript(t, core.Config{})
	s.Register("fw")
	s.Submit(web)
	s.ExpectLaunches(0)
	s.Offer("a1", "cpus:4;mem:1024")
	s.ExpectLaunches(2)
	s.ExpectState("web/0", core.Launching)
	s.Status("web/0", mesospb.TaskState_TASK_STARTING)
	s.Status("web/0", mesospb.TaskState_TASK_RUNNING)
	s.ExpectState("web/0", core.Running)
	s.ExpectCalls(schedulerpb.Call_ACKNOWLEDGE, 2)
	s.Run()
	s.ExpectState("web/1", core.Running)

	first := s.TaskOf("web/0")
	s.Status("web/0", mesospb.TaskState_TASK_FAILED)
	s.ExpectState("web/0", core.Ended)
	s.Offer("a1", "cpus:4;mem:1024")
	s.ExpectLaunches(0) // backoff
	s.Pass(2 * time.Second)
	s.Offer("a1", "cpus:4;mem:1024")
	s.ExpectLaunches(1)
	if again := s.TaskOf("web/0"); again == first {
		t.Fatalf("task id %s was used twice", first)
	}
	s.Run()

	s.Do(core.Scale{App: "web", Instances: 1})
	s.ExpectKills(s.TaskOf("web/1"))
	s.Status("web/1", mesospb.TaskState_TASK_KILLED)
	if s.Instance("web/1") != nil {
		t.Fatal("web/1 is still there")
	}
	s.Do(core.Remove{App: "web"})
	s.ExpectKills(s.TaskOf("web/0"))
	s.Status("web/0", mesospb.TaskState_TASK_KILLED)
	if n := len(s.Core.Snapshot().Apps); n != 0 {
		t.Fatalf("%d applications left", n)
	}
	for key := range s.Records {
		if key != "framework" && !strings.HasPrefix(key, "events/") {
			t.Errorf("record %s is left", key)
		}
	}
}
