package core_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

func sized(mb string) string { return strings.Replace(db, `"size":100`, `"size":`+mb, 1) }

// resized is a volume with another size.
func resized(v *mesospb.Resource, mb float64) *mesospb.Resource {
	r := resources.Clone(v)
	r.Scalar = &mesospb.Value_Scalar{Value: &mb}
	return r
}

func TestAVolumeGrowsBetweenTwoTasks(t *testing.T) {
	s, v := startDB(t)
	task := s.TaskOf("db/0")
	s.Submit(sized("250"))
	s.ExpectKills() // nobody knows yet if there is room
	s.Offer("a1", "cpus:3;mem:900;disk:900")
	s.ExpectKills(task)
	s.TaskStatus(task, killed)
	s.Calls = nil
	s.Offer("a1", "cpus:4;mem:1024;disk:900", with(v))
	c := s.ExpectCalls(schedulerpb.Call_ACCEPT, 1)[0]
	ops := c.GetAccept().GetOperations()
	if len(ops) != 2 || ops[0].GetType() != mesospb.Offer_Operation_RESERVE || ops[1].GetType() != mesospb.Offer_Operation_GROW_VOLUME {
		t.Fatalf("%v", ops)
	}
	if got := ops[1].GetGrowVolume().GetAddition(); got.GetScalar().GetValue() != 150 || resources.Owner(got) != resources.Owner(v) {
		t.Errorf("grows by %v", got)
	}
	s.Crash()
	s.Register("fw")
	s.Calls = nil
	s.Offer("a1", "cpus:4;mem:1024;disk:750", with(resized(v, 250)))
	c = s.ExpectCalls(schedulerpb.Call_ACCEPT, 1)[0]
	if ops := operations(c); len(ops) != 1 || ops[0] != mesospb.Offer_Operation_LAUNCH {
		t.Fatalf("%v", ops)
	}
	if mb := s.Instance("db/0").Volumes[0].MB; mb != 250 {
		t.Errorf("the volume is said to have %v MB", mb)
	}
}

func TestNothingIsKilledForAVolumeThatCannotGrow(t *testing.T) {
	s, _ := startDB(t)
	s.Submit(sized("250"))
	s.Offer("a1", "cpus:3;mem:900;disk:120")
	s.ExpectKills()
	d := s.Core.Snapshot().App("db").Deployment
	if d.State != core.DeploymentStalled || !strings.Contains(d.Text, "volume data of db/0 can't grow from 100 to 250 MB: its agent has 120 MB free") {
		t.Errorf("%+v", d)
	}
	s.Do(core.Rollback{App: "db"})
	// What is known is said at once: while something waits, offers are looked at.
	s.Submit(`{"name":"big","resources":{"cpus":100,"mem":64},"command":{"cmd":"x"}}`)
	s.Offer("a1", "cpus:3;mem:900;disk:120")
	def, err := app.Parse([]byte(sized("240")))
	if err != nil {
		t.Fatal(err)
	}
	var change *core.ChangeError
	if err := s.Step(core.Submit{App: def, Force: true}).Replies[0].Err; !errors.As(err, &change) || !strings.Contains(err.Error(), "can't grow from 100 to 240 MB") {
		t.Errorf("answered with %v", err)
	}
	s.ExpectKills()
}

func TestAVolumeShrinksAndWhatIsFreedIsGivenBack(t *testing.T) {
	s, v := startDB(t)
	task := s.TaskOf("db/0")
	s.Submit(sized("40"))
	s.ExpectKills(task)
	s.TaskStatus(task, killed)
	s.Calls = nil
	s.Offer("a1", "cpus:4;mem:1024;disk:900", with(v))
	c := s.ExpectCalls(schedulerpb.Call_ACCEPT, 1)[0]
	ops := c.GetAccept().GetOperations()
	if len(ops) != 1 || ops[0].GetType() != mesospb.Offer_Operation_SHRINK_VOLUME || ops[0].GetShrinkVolume().GetSubtract().GetValue() != 60 {
		t.Fatalf("%v", ops)
	}
	freed := resized(v, 60)
	freed.Disk = nil
	s.Offer("a1", "cpus:4;mem:1024;disk:900", with(resized(v, 40), freed))
	c = s.ExpectCalls(schedulerpb.Call_ACCEPT, 1)[0]
	ops = c.GetAccept().GetOperations()
	if len(ops) != 2 || ops[0].GetType() != mesospb.Offer_Operation_LAUNCH || ops[1].GetType() != mesospb.Offer_Operation_UNRESERVE || resources.Disk(ops[1].GetUnreserve().GetResources()) != 60 {
		t.Fatalf("%v", ops)
	}
}

// Masters drop the operation without a word where the agent lacks the capability.
func TestAnInstanceGoesOnWhereItsAgentDoesNotResizeVolumes(t *testing.T) {
	s, v := startDB(t)
	task := s.TaskOf("db/0")
	s.Submit(sized("40"))
	s.TaskStatus(task, killed)
	for range 3 {
		s.Calls = nil
		s.Offer("a1", "cpus:4;mem:1024;disk:900", with(v))
		if ops := operations(s.ExpectCalls(schedulerpb.Call_ACCEPT, 1)[0]); len(ops) != 1 || ops[0] != mesospb.Offer_Operation_SHRINK_VOLUME {
			t.Fatalf("%v", ops)
		}
		s.Pass(time.Second)
	}
	s.Offer("a1", "cpus:4;mem:1024;disk:900", with(v))
	s.ExpectLaunches(1)
	for _, n := range s.Notes {
		if n.State == "not-resized" && n.Kind == core.NoteWarning {
			return
		}
	}
	t.Error("nobody is warned")
}

func TestTheSizeOfAWholeDiskIsNotChanged(t *testing.T) {
	s, _ := startDB(t)
	mount := strings.Replace(db, `"name":"db"`, `"name":"whole"`, 1)
	mount = strings.Replace(mount, `"persistence"`, `"source":{"type":"mount"},"persistence"`, 1)
	s.Submit(mount)
	s.Offer("a2", "cpus:3;mem:900", with(resources.NewDisk(500, resources.WithMountDisk("/mnt"))))
	s.ExpectLaunches(1)
	s.Run()
	def, err := app.Parse([]byte(strings.Replace(mount, `"size":100`, `"size":200`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Step(core.Submit{App: def, Force: true}).Replies[0].Err; !errors.Is(err, core.ErrCannotFollow) || !strings.Contains(err.Error(), "taken as a whole") {
		t.Errorf("answered with %v", err)
	}
}
