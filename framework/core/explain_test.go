package core_test

import (
	"strings"
	"testing"
	"time"

	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/sim"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// lastText is what the last note of a kind says.
func lastText(s *sim.Script, kind core.NoteKind) string {
	for k := len(s.Notes) - 1; k >= 0; k-- {
		if s.Notes[k].Kind == kind {
			return s.Notes[k].Text
		}
	}
	return ""
}

func TestNotesSayWhyATaskEnded(t *testing.T) {
	message := func(text string) func(*mesospb.TaskStatus) {
		return func(st *mesospb.TaskStatus) { st.Message = &text }
	}
	s := start(t, define("web", `,"instances":2`), 2)
	s.Status("web/1", killed, message("Command terminated with signal Terminated"), func(st *mesospb.TaskStatus) { st.Healthy = new(false) })
	if got, want := lastText(s, core.NoteTask), "killed unhealthy: Command terminated with signal Terminated"; got != want {
		t.Errorf("killed by its health check: %q, want %q", got, want)
	}
	i := s.Instance("web/1")
	if i.LastFailure != "killed unhealthy: Command terminated with signal Terminated" {
		t.Errorf("last failure: %q", i.LastFailure)
	}
	s.Pass(time.Second)
	offerAll(s)
	s.Run()
	s.Crash()
	if again := s.Instance("web/1"); again.LastFailure != i.LastFailure || again.Failures != 1 {
		t.Errorf("after a restart: %d failures, last %q", again.Failures, again.LastFailure)
	}
	s.Register("fw")

	s.Do(core.Scale{App: "web", Instances: 1})
	s.Status("web/1", mesospb.TaskState_TASK_KILLING)
	s.Status("web/1", killed, message("Command terminated with signal Terminated"))
	if got := lastText(s, core.NoteTask); got != "scaled down" {
		t.Errorf("scaled down: %q", got)
	}
	s.Do(core.Remove{App: "web"})
	if got := lastText(s, core.NoteTask); got != "the application is removed" {
		t.Errorf("removed: %q", got)
	}
	s.Status("web/0", failed, message("it did not want to go"))
	if got := lastText(s, core.NoteTask); got != "failed: it did not want to go" {
		t.Errorf("failed while it was killed: %q", got)
	}

	s = start(t, `{"name":"pod","group":[
		{"name":"a","resources":{"cpus":1,"mem":64},"command":{"cmd":"run"}},{"name":"b","resources":{"cpus":1,"mem":64},"command":{"cmd":"run"}}]}`, 2)
	id := s.TaskOf("pod/0")
	s.TaskStatus(id+".b", failed, message("Command exited with status 3"))
	s.TaskStatus(id+".a", killed)
	if got, want := s.Instance("pod/0").LastFailure, "task "+id+".b of the pod has ended, failed: Command exited with status 3"; got != want {
		t.Errorf("a pod: %q, want %q", got, want)
	}
}

func TestAnInstanceBoundToADrainingAgentSaysSo(t *testing.T) {
	s := startWith(t, core.Config{Roles: []string{"eng"}}, `{"name":"db","resources":{"cpus":1,"mem":64,"role":"eng",
		"disk":{"size":10,"persistence":{"id":"d"},"volume":{"container_path":"d"}}},"command":{"cmd":"run"}}`, 1)
	agent := s.Instance("db/0").Task.Agent
	s.Step(core.AgentDraining{AgentID: agent, Draining: true})
	s.Status("db/0", killed, func(st *mesospb.TaskStatus) { st.Reason = mesospb.TaskStatus_REASON_AGENT_DRAINING.Enum() })
	why := s.Core.Snapshot().Why("db", 0).Text
	if !strings.Contains(why, agent) || !strings.Contains(why, "drained") {
		t.Errorf("it says: %s", why)
	}
	s.Step(core.AgentDraining{AgentID: agent})
	if why := s.Core.Snapshot().Why("db", 0).Text; strings.Contains(why, "drained") || !strings.Contains(why, "not been offered") {
		t.Errorf("afterwards: %s", why)
	}
}

func TestARollbackSaysWhy(t *testing.T) {
	s := start(t, define("web", `,"update":{"rollback":true,"max_failures":0},"retry":{"time":"1s"}`), 1)
	s.Submit(strings.Replace(define("web", `,"update":{"rollback":true,"max_failures":0},"retry":{"time":"1s"}`), `"run"`, `"bad"`, 1))
	s.Status("web/0", killed)
	offerAll(s)
	s.Status("web/0", failed)
	s.Pass(time.Second)
	offerAll(s)
	s.Run()
	d := s.Core.Snapshot().App("web").Deployment
	if d.State != core.DeploymentDone || !d.Rollback || !strings.Contains(d.Text, "1 new instances have failed") {
		t.Errorf("%+v", d)
	}
}
