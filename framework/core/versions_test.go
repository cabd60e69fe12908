package core_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/sim"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

func command(cmd, more string) string {
	return `{"name":"web","resources":{"cpus":1,"mem":64},"command":{"cmd":"` + cmd + `"}` + more + `}`
}

// rollOn answers kills and runs what is launched until nothing happens any more.
func rollOn(s *sim.Script) {
	s.Helper()
	for range 10 {
		for _, k := range s.Take(schedulerpb.Call_KILL) {
			s.TaskStatus(k.GetKill().GetTaskId().GetValue(), killed)
		}
		offerAll(s)
		s.Run()
	}
}

func version(s *sim.Script) (shown uint32, cmd string, kept []uint32) {
	a := s.Core.Snapshot().App("web")
	return a.Shown(a.Version), a.Definition.Command.Cmd, a.Versions
}

func TestARestartIsNoVersion(t *testing.T) {
	s := start(t, command("one", ""), 1)
	s.Submit(command("two", ""))
	rollOn(s)
	for range 3 {
		s.Do(core.Restart{App: "web"})
		rollOn(s)
	}
	if n, cmd, kept := version(s); n != 2 || cmd != "two" || !slices.Equal(kept, []uint32{1, 2}) {
		t.Errorf("after three restarts: version %d (%s), kept %v", n, cmd, kept)
	}
	s.Crash()
	s.Register("fw")
	s.Do(core.Rollback{App: "web"})
	rollOn(s)
	if n, cmd, _ := version(s); n != 1 || cmd != "one" {
		t.Errorf("rolled back to version %d (%s)", n, cmd)
	}
	s.Submit(command("three", ""))
	rollOn(s)
	if n, _, kept := version(s); n != 3 || !slices.Equal(kept, []uint32{1, 2, 3}) {
		t.Errorf("the next version is %d, kept %v", n, kept)
	}
}

func TestTenVersionsAreKeptToReturnTo(t *testing.T) {
	s := start(t, command("run 1", ""), 1)
	for n := 2; n <= 15; n++ {
		s.Submit(command(fmt.Sprintf("run %d", n), ""))
		rollOn(s)
	}
	_, _, kept := version(s)
	if len(kept) < 10 || len(kept) > 12 || kept[len(kept)-1] != 15 {
		t.Errorf("kept %v", kept)
	}
	s.Refused(core.Rollback{App: "web", To: 1}, core.ErrNoVersion)
	s.Refused(core.Rollback{App: "web", To: 15}, core.ErrInvalid)
	s.Crash()
	s.Register("fw")
	s.Do(core.Rollback{App: "web", To: 7})
	rollOn(s)
	if n, cmd, _ := version(s); n != 7 || cmd != "run 7" {
		t.Errorf("rolled back to version %d (%s)", n, cmd)
	}
	if d := s.Core.Snapshot().App("web").Deployment; d.State != core.DeploymentDone {
		t.Errorf("%+v", d)
	}
}

func TestAFailedCanaryIsPromotedByForceOnly(t *testing.T) {
	s := start(t, command("one", `,"instances":4,"update":{"canary":1}`), 4)
	s.Submit(command("two", `,"instances":4,"update":{"canary":1}`))
	for range 4 {
		for _, k := range s.Take(schedulerpb.Call_KILL) {
			s.TaskStatus(k.GetKill().GetTaskId().GetValue(), killed)
		}
		s.Pass(10 * time.Second)
		offerAll(s)
		for i := range s.Core.Snapshot().App("web").All() {
			if i.Task.State == core.Launching {
				s.TaskStatus(i.Task.ID, mesospb.TaskState_TASK_FAILED)
			}
		}
	}
	d := s.Core.Snapshot().App("web").Deployment
	if d.State != core.DeploymentStalled {
		t.Fatalf("%+v", d)
	}
	s.Refused(core.Promote{App: "web"}, core.ErrStalled)
	if d := s.Core.Snapshot().App("web").Deployment; d.State != core.DeploymentStalled || d.Promoted {
		t.Errorf("after a refusal: %+v", d)
	}
	s.Do(core.Promote{App: "web", Force: true})
	rollOn(s)
	if d := s.Core.Snapshot().App("web").Deployment; d.State != core.DeploymentDone {
		t.Errorf("%+v", d)
	}
}
