package eventcontroller

import (
	"context"
	"log/slog"
	"maps"
	"os/user"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const tasks = `[
	{"name": "good", "resources": {"cpu": 0.1, "mem": 32}, "command": {"cmd": "true"}},
	{"name": "bad", "resources": {"cpu": 0.1, "mem": 32}, "command": {"cmd": "exit 3"}},
	{"name": "big", "resources": {"cpu": 1, "mem": 128}, "command": {"cmd": "true"}}
]`

func TestAllTasksOfAFileRunToTheirEnds(t *testing.T) { runFile(t, "") }

func TestABusyMasterIsAskedAgain(t *testing.T) {
	runFile(t, "call answer status=503 type=ACCEPT count=2")
}

// runFile runs the tasks of the file while a fault disturbs the calls.
func runFile(t *testing.T, fault string) {
	t.Helper()
	c, err := cluster.Start(t.Context(), cluster.Config{AllocationInterval: 50 * time.Millisecond, Agents: []cluster.AgentConfig{{Resources: "cpus:1;mem:256"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	if fault != "" {
		if _, err := c.Faults().AddText(fault); err != nil {
			t.Fatal(err)
		}
	}
	list, err := ParseTasks([]byte(tasks))
	if err != nil {
		t.Fatal(err)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	states, err := Run(ctx, c.Master(), me.Username, &Controller{Tasks: NewTaskManager(list), Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]mesospb.TaskState{
		"good": mesospb.TaskState_TASK_FINISHED, "bad": mesospb.TaskState_TASK_FAILED, "big": mesospb.TaskState_TASK_FINISHED,
	}
	if !maps.Equal(states, want) {
		t.Errorf("states %v, want %v", states, want)
	}
}

func TestALostTaskIsQueuedAgainAndAFailedOneIsNot(t *testing.T) {
	list, err := ParseTasks([]byte(tasks))
	if err != nil {
		t.Fatal(err)
	}
	m := NewTaskManager(list)
	take := func() string {
		id, _, ok := m.Next(func(Task) bool { return true })
		if !ok {
			t.Fatal("nothing is queued")
		}
		return id
	}
	end := func(id string, state mesospb.TaskState) {
		m.Update(&mesospb.TaskStatus{TaskId: &mesospb.TaskID{Value: proto.String(id)}, State: state.Enum()})
	}
	end(take(), mesospb.TaskState_TASK_LOST)
	end(take(), mesospb.TaskState_TASK_FAILED)
	end("nobody knows", mesospb.TaskState_TASK_FINISHED)
	var names []string
	for _, task := range m.queued {
		names = append(names, task.Name)
	}
	if !slices.Equal(names, []string{"big", "good"}) || m.Done() || len(m.Active()) != 0 {
		t.Errorf("queued %q, active %v; want big and good, and nothing", names, m.Active())
	}
}

func TestWrongTasksAreRefused(t *testing.T) {
	for _, data := range []string{`[{"name": "x"}]`, `[{"name": "x", "resources": {"cpu": 1, "mem": -1}, "command": {"cmd": "true"}}]`, `{`} {
		if got, err := ParseTasks([]byte(data)); err == nil {
			t.Errorf("%s: no error, got %v", data, got)
		}
	}
}
