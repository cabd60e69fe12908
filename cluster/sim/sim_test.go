package sim

import (
	"context"
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

func shell(line string) *mesospb.TaskInfo {
	return &mesospb.TaskInfo{TaskId: &mesospb.TaskID{Value: &line}, Command: &mesospb.CommandInfo{Value: &line}}
}

func TestCommandsDoWhatAShellWouldBeSeenToDo(t *testing.T) {
	const none = "a process"
	for _, c := range []struct{ line, want string }{
		{"true", "FINISHED after 0s: Command exited with status 0"},
		{"sleep 10", "FINISHED after 10s: Command exited with status 0"},
		{"  sleep   1.5 ; exit 3", "FAILED after 1.5s: Command exited with status 3"},
		{"false; true", "FINISHED after 0s: Command exited with status 0"},
		{"false && sleep 5", "FAILED after 0s: Command exited with status 1"},
		{"sleep 1 && sleep 2 && false; sleep 4", "FINISHED after 7s: Command exited with status 0"},
		{"exit 2; sleep 5", "FAILED after 0s: Command exited with status 2"},
		{"false; exit", "FAILED after 0s: Command exited with status 1"},
		{"echo it works", "FINISHED after 0s: Command exited with status 0"},
		{"sleep infinity", "for ever"},
		{"sleep 3; sleep infinity", "for ever"},
		{"", none}, {"sleep", none}, {"sleep -1", none}, {"sleep NaN", none}, {"exit 256", none}, {"sleep 1 &", none}, {"true | false", none},
		{"sleep $N", none}, {"echo 'x;y'", none}, {"./server --port 1", none}, {"true;", none}, {"exit 1 2", none}, {"a || true", none},
	} {
		got := none
		if run := Commands()(nil, shell(c.line)); run != nil && run.End == 0 {
			got = "for ever"
		} else if run != nil {
			got = fmt.Sprintf("%s after %v: %s", run.End.String()[len("TASK_"):], run.For, run.Message)
		}
		if got != c.want {
			t.Errorf("%q: %s, want %s", c.line, got, c.want)
		}
	}
}

func TestCommandsWithoutAShellAreOneProgram(t *testing.T) {
	argv := func(path string, args ...string) *mesospb.TaskInfo {
		return &mesospb.TaskInfo{Command: &mesospb.CommandInfo{Shell: proto.Bool(false), Value: &path, Arguments: args}}
	}
	if run := Commands()(nil, argv("/bin/sleep", "sleep", "5")); run == nil || run.For != 5*time.Second {
		t.Errorf("/bin/sleep: %+v", run)
	}
	if run := Commands()(nil, argv("/bin/true")); run == nil || run.End != mesospb.TaskState_TASK_FINISHED {
		t.Errorf("/bin/true: %+v", run)
	}
	if run := Commands()(nil, argv("/bin/echo", "echo", "a;b")); run != nil {
		t.Errorf("a list without a shell: %+v", run)
	}
}

func TestSeededTasksGoTheSameWayAgain(t *testing.T) {
	spread := Spread{Start: Between(time.Second, 2*time.Second), For: Between(0, time.Hour), Fail: 0.25, Never: 0.25, Message: "no luck"}
	failed, never, same := 0, 0, 0
	const tasks = 4000
	for i := range tasks {
		task := shell(fmt.Sprint("task-", i))
		a, b, other := Seeded(1, spread)(nil, task), Seeded(1, spread)(nil, task), Seeded(2, spread)(nil, task)
		if a.Start != b.Start || a.For != b.For || a.End != b.End || a.Never != b.Never {
			t.Fatalf("one seed, one task: %+v and %+v", a, b)
		}
		if a.For == other.For {
			same++
		}
		if a.Start < time.Second || a.Start > 2*time.Second || a.For < 0 || a.For > time.Hour {
			t.Fatalf("out of range: %+v", a)
		}
		if a.End == mesospb.TaskState_TASK_FAILED {
			failed++
			if a.Message != "no luck" {
				t.Fatalf("message %q", a.Message)
			}
		}
		if a.Never {
			never++
		}
	}
	if failed < tasks/5 || failed > tasks/3 || never < tasks/5 || never > tasks/3 || same > 10 {
		t.Errorf("of %d tasks %d failed and %d never started, want a quarter each; %d are the same with another seed", tasks, failed, never, same)
	}
}

func TestFirstAndFuncs(t *testing.T) {
	called := false
	r := First(Funcs(map[string]Func{"work": func(context.Context, Task) error { called = true; return nil }}), Commands(), Always(Run{KillTakes: time.Minute}))
	if run := r(nil, &mesospb.TaskInfo{Executor: &mesospb.ExecutorInfo{Command: &mesospb.CommandInfo{Value: proto.String("work")}}}); run == nil || run.Func == nil || run.Func(t.Context(), Task{}) != nil || !called {
		t.Errorf("a function by the name of the executor's command: %+v", run)
	}
	if run := r(nil, shell("sleep 1")); run == nil || run.For != time.Second {
		t.Errorf("a command: %+v", run)
	}
	if run := r(nil, shell("unknown")); run == nil || run.KillTakes != time.Minute {
		t.Errorf("anything else: %+v", run)
	}
}

// No command line makes a script that cannot be run.
func FuzzCommands(f *testing.F) {
	for _, s := range []string{"true", "sleep 1; exit 2", "sleep infinity && x", ";", "&&", "sleep 99999999 ; sleep 99999999", "exit 1 && true;"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if run := Commands()(nil, shell(line)); run != nil && run.For < 0 {
			t.Errorf("%q takes %v", line, run.For)
		}
	})
}
