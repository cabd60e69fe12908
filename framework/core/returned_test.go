package core_test

import (
	"strings"
	"testing"

	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/sim"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

func TestATaskThatDidNotComeBackWithItsAgentIsAskedForAndReplaced(t *testing.T) {
	s := start(t, define("web", `,"unreachable":{"wait":true}`), 1)
	task, agent := s.TaskOf("web/0"), s.Instance("web/0").Task.Agent
	s.Status("web/0", mesospb.TaskState_TASK_UNREACHABLE)
	s.Calls = nil
	s.Offer(agent, "cpus:16;mem:4096")
	asked := s.ExpectCalls(schedulerpb.Call_RECONCILE, 1)[0].GetReconcile().GetTasks()
	if len(asked) != 1 || asked[0].GetTaskId().GetValue() != task || asked[0].GetAgentId().GetValue() != agent {
		t.Fatalf("asks for %v", asked)
	}
	s.Calls = nil
	s.Offer(agent, "cpus:16;mem:4096") // one question at a time
	s.ExpectCalls(schedulerpb.Call_RECONCILE, 0)
	s.TaskStatus(task, mesospb.TaskState_TASK_GONE, sim.Answer)
	s.Calls = nil
	offerAll(s)
	s.ExpectLaunches(1)
}

func TestWhyAReturningTaskFailedIsNotHiddenByItsReturn(t *testing.T) {
	s := start(t, define("web", ""), 1)
	task := s.TaskOf("web/0")
	s.Status("web/0", mesospb.TaskState_TASK_UNREACHABLE)
	s.TaskStatus(task, failed, sim.Answer, sim.Reason(mesospb.TaskStatus_REASON_AGENT_REREGISTERED))
	s.TaskStatus(task, failed, by(mesospb.TaskStatus_REASON_CONTAINER_LIMITATION_MEMORY, "Memory limit exceeded"))
	i := s.Instance("web/0")
	if !strings.Contains(i.Task.Message, "Memory limit exceeded") || !strings.Contains(i.LastFailure, "Memory limit exceeded") || i.Failures != 1 {
		t.Errorf("%d failures, last %q; task %s %s", i.Failures, i.LastFailure, i.Task.Reason, i.Task.Message)
	}
	s.TaskStatus(task, failed, sim.Answer, sim.Reason(mesospb.TaskStatus_REASON_AGENT_REREGISTERED))
	if i := s.Instance("web/0"); i.Task.State != core.Ended || !strings.Contains(i.Task.Message, "Memory limit exceeded") {
		t.Errorf("%s %s", i.Task.Reason, i.Task.Message)
	}
}
