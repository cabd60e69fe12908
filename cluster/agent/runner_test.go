package agent

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// simulate runs an agent without endpoints or files whose Runner knows tasks by their command.
func simulate(runs map[string]Run) func(*Config) {
	return func(c *Config) {
		c.Runner = func(_ *mesospb.FrameworkInfo, t *mesospb.TaskInfo) *Run {
			if r, ok := runs[t.GetCommand().GetValue()]; ok {
				return &r
			}
			return nil
		}
	}
}

func TestScriptedTasks(t *testing.T) {
	bubbleWith(t, simulate(map[string]Run{
		"quick":    {End: mesospb.TaskState_TASK_FINISHED, Message: "done", Data: []byte("d")},
		"slow":     {Start: 5 * time.Second, For: time.Hour},
		"fails":    {For: time.Minute, End: mesospb.TaskState_TASK_FAILED, Message: "no", Reason: mesospb.TaskStatus_REASON_CONTAINER_LIMITATION_MEMORY.Enum()},
		"lasts":    {KillTakes: 3 * time.Second},
		"function": {Func: func(ctx context.Context, task FuncTask) error { return errors.New("it broke: " + task.Info.GetName()) }},
		"waits":    {Func: func(ctx context.Context, _ FuncTask) error { <-ctx.Done(); return ctx.Err() }},
	}), func(t *testing.T, m *testMaster, a *Agent) {
		for _, c := range []struct {
			command string
			kill    bool
			states  string
			takes   time.Duration
			last    string
		}{
			{"quick", false, "STARTING RUNNING FINISHED", 0, `TASK_FINISHED SOURCE_EXECUTOR  "done"`},
			{"slow", false, "STARTING RUNNING FINISHED", time.Hour + 5*time.Second, `TASK_FINISHED SOURCE_EXECUTOR  ""`},
			{"fails", false, "STARTING RUNNING FAILED", time.Minute, `TASK_FAILED SOURCE_EXECUTOR REASON_CONTAINER_LIMITATION_MEMORY "no"`},
			{"lasts", true, "STARTING RUNNING KILLING KILLED", 3 * time.Second, `TASK_KILLED SOURCE_EXECUTOR  ""`},
			{"function", false, "STARTING RUNNING FAILED", 0, `TASK_FAILED SOURCE_EXECUTOR  "it broke: function"`},
			{"waits", true, "STARTING RUNNING KILLING KILLED", 0, `TASK_KILLED SOURCE_EXECUTOR  ""`},
		} {
			began := time.Now()
			m.send(link.RunTask{Framework: testFramework(), Task: shellTask(c.command, c.command)})
			if c.kill {
				synctest.Wait()
				m.send(kill(c.command))
			}
			var list []string
			for {
				s := awaitLong[link.StatusUpdate](t, m).Status
				list = append(list, strings.TrimPrefix(s.GetState().String(), "TASK_"))
				if !isTerminal(s.GetState()) {
					continue
				}
				if got := strings.Join(list, " "); got != c.states || describeStatus(s) != c.last || time.Since(began) != c.takes {
					t.Errorf("%s: %s, %s after %v\nwant %s, %s after %v", c.command, got, describeStatus(s), time.Since(began), c.states, c.last, c.takes)
				}
				break
			}
			synctest.Wait()
			if n := len(a.frameworks); n != 0 {
				t.Errorf("%s: the framework is not forgotten", c.command)
			}
		}
	})
}

func TestSimulatedTasksLeaveNoFiles(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m, simulate(map[string]Run{"x": {End: mesospb.TaskState_TASK_FINISHED}}))
	m.send(link.RunTask{Framework: testFramework(), Task: shellTask("x", "x")})
	m.updateOf(t, "x", mesospb.TaskState_TASK_FINISHED)
	if entries := must(os.ReadDir(a.cfg.WorkDir)); len(entries) != 0 {
		t.Errorf("the work directory holds %v", entries)
	}
	m.send(link.RunTask{Framework: testFramework(), Task: shellTask("real", "exit 4")})
	if s := m.updateOf(t, "real", mesospb.TaskState_TASK_FAILED); s.GetMessage() != "Command exited with status 4" {
		t.Errorf("a task that the runner does not take: %v", s)
	}
}

func TestFunctionHasASandbox(t *testing.T) {
	m := newTestMaster(t)
	a := run(t, m, simulate(map[string]Run{"x": {Func: func(_ context.Context, task FuncTask) error {
		dir, err := task.Sandbox()
		if err != nil {
			return err
		}
		return os.WriteFile(dir+"/stdout", []byte("from Go"), 0o644)
	}}}))
	m.send(link.RunTask{Framework: testFramework(), Task: shellTask("x", "x")})
	m.updateOf(t, "x", mesospb.TaskState_TASK_FINISHED)
	if _, body := fetch(t, a, "/files/read?path=/frameworks/fw-0000/executors/x/runs/latest/stdout&offset=0"); body != `{"data":"from Go","offset":0}` {
		t.Errorf("read %s", body)
	}
}

func TestCloseEndsFunctions(t *testing.T) {
	m := newTestMaster(t)
	ended := make(chan struct{})
	a := run(t, m, simulate(map[string]Run{"x": {Func: func(ctx context.Context, _ FuncTask) error { defer close(ended); <-ctx.Done(); return nil }}}))
	m.send(link.RunTask{Framework: testFramework(), Task: shellTask("x", "x")})
	m.updateOf(t, "x", mesospb.TaskState_TASK_RUNNING)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	default:
		t.Error("Close returned before the function")
	}
}

func TestNeverStartingTaskCanBeKilled(t *testing.T) {
	m := newTestMaster(t)
	f := testFramework()
	run(t, m, simulate(map[string]Run{"x": {Never: true}}))
	m.send(link.RunTask{Framework: f, Task: shellTask("x", "x")})
	m.send(kill("x"))
	if states, _ := m.states(t, "x"); states != "KILLED" {
		t.Errorf("got %s", states)
	}
}

// bubbleWith is bubble with another configuration.
func bubbleWith(t *testing.T, change func(*Config), f func(t *testing.T, m *testMaster, a *Agent)) {
	synctest.Test(t, func(t *testing.T) {
		m := newTestMaster(t)
		a := run(t, m, func(c *Config) {
			c.Listener.Close()
			c.Listener = nil
			change(c)
		})
		f(t, m, a)
	})
}

// BenchmarkSimulatedTask is one scripted task after another, from launch to its acknowledged end.
func BenchmarkSimulatedTask(b *testing.B) {
	m := newTestMaster(b)
	run(b, m, simulate(map[string]Run{"x": {End: mesospb.TaskState_TASK_FINISHED}}))
	benchmarkTasks(b, m, func(id string) *mesospb.TaskInfo { return shellTask(id, "x") })
}

// BenchmarkCommandTask is the same with a process.
func BenchmarkCommandTask(b *testing.B) {
	m := newTestMaster(b)
	run(b, m)
	benchmarkTasks(b, m, func(id string) *mesospb.TaskInfo { return argvTask(id, "/bin/true") })
}

func benchmarkTasks(b *testing.B, m *testMaster, task func(id string) *mesospb.TaskInfo) {
	f := testFramework()
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		m.send(link.RunTask{Framework: f, Task: task("t" + strconv.Itoa(n))})
		for !isTerminal(m.update(b).GetState()) {
		}
	}
}

func simulateAll(*mesospb.FrameworkInfo, *mesospb.TaskInfo) *Run { return &Run{} }
