package agent

import (
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// ofUser names the user of a framework.
func ofUser(name string) *mesospb.FrameworkInfo {
	f := testFramework()
	f.User = proto.String(name)
	return f
}

func TestATaskOfAUserWhoDoesNotExistIsDropped(t *testing.T) {
	for _, test := range []struct {
		name, framework string
		command         *string
		missing         string
	}{
		{"no user", "", nil, ""},
		{"the command has the empty one", "root", proto.String(""), ""},
		{"of the framework", "no-such-user", nil, "no-such-user"},
		{"of the command", "root", proto.String("no-such-user"), "no-such-user"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := newTestMaster(t)
			run(t, m)
			info := shellTask("t", "true")
			info.Command.User = test.command
			m.send(link.RunTask{Framework: ofUser(test.framework), Task: info})
			got := m.update(t)
			if got.GetState() != mesospb.TaskState_TASK_DROPPED || got.GetReason() != mesospb.TaskStatus_REASON_EXECUTOR_TERMINATED ||
				got.GetSource() != mesospb.TaskStatus_SOURCE_AGENT || got.GetExecutorId().GetValue() != "t" || got.ContainerStatus != nil {
				t.Errorf("status %v", got)
			}
			if before, after, ok := strings.Cut(got.GetMessage(), "/slaves/agent-S0/frameworks/fw-0000/executors/t/runs/"); !ok ||
				!strings.HasPrefix(before, "Failed to create executor directory '/") ||
				!strings.HasSuffix(after, "': Failed to chown directory to '"+test.missing+"': No such user '"+test.missing+"'") {
				t.Errorf("message %q", got.GetMessage())
			}
		})
	}
}

func TestASimulatedAgentAsksForTheUserToo(t *testing.T) {
	m := newTestMaster(t)
	run(t, m, func(c *Config) { c.Simulated = true })
	m.send(link.RunTask{Framework: ofUser(""), Task: shellTask("t", "true")})
	if got := m.update(t); got.GetState() != mesospb.TaskState_TASK_DROPPED {
		t.Errorf("status %v", got)
	}
}

func TestAnExecutorOfAUserWhoDoesNotExistEndsBeforeItsTasksAreDropped(t *testing.T) {
	m := newTestMaster(t)
	run(t, m)
	group := &mesospb.TaskGroupInfo{Tasks: []*mesospb.TaskInfo{shellTask("a", "true"), shellTask("b", "true")}}
	m.send(link.RunTaskGroup{Framework: ofUser("no-such-user"), Executor: defaultExecutorInfo("e"), Group: group})
	if exit := await[link.ExecutorExited](t, m); exit.ExecutorID != "e" || exit.Status != -1 {
		t.Errorf("exit %+v", exit)
	}
	for _, id := range []string{"a", "b"} {
		if got := m.update(t); got.GetTaskId().GetValue() != id || got.GetState() != mesospb.TaskState_TASK_DROPPED || got.GetExecutorId().GetValue() != "e" {
			t.Errorf("status %v", got)
		}
	}
}

func TestANestedContainerOfAUserWhoDoesNotExistFails(t *testing.T) {
	m := newTestMaster(t)
	run(t, m)
	ghost := shellTask("ghost", "true")
	ghost.Command.User = proto.String("no-such-user")
	m.send(link.RunTaskGroup{Framework: ofUser("root"), Executor: defaultExecutorInfo("e"), Group: &mesospb.TaskGroupInfo{Tasks: []*mesospb.TaskInfo{ghost}}})
	got := m.updateOf(t, "ghost", mesospb.TaskState_TASK_FAILED)
	if got.Reason != nil || !strings.HasPrefix(got.GetMessage(), "Failed to create nested sandbox '/") ||
		!strings.HasSuffix(got.GetMessage(), "': Failed to chown directory to 'no-such-user': No such user 'no-such-user'") {
		t.Errorf("status %v", got)
	}
}

func TestNoSwitchUserAsksForNoUser(t *testing.T) {
	m := newTestMaster(t)
	run(t, m, func(c *Config) { c.NoSwitchUser = true })
	m.send(link.RunTask{Framework: ofUser(""), Task: shellTask("t", "true")})
	m.updateOf(t, "t", mesospb.TaskState_TASK_FINISHED)
}

// As root the task is the user's; else that of the user of this program, who exists as well.
func TestATaskRunsAsItsUserWhereThatCanBe(t *testing.T) {
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid := nobody.Uid
	if os.Geteuid() != 0 {
		uid = strconv.Itoa(os.Geteuid())
	}
	dir, err := os.MkdirTemp("", "mesokit-user-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	m := newTestMaster(t)
	run(t, m, func(c *Config) { c.WorkDir = dir })
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("hello"), 0o644); err != nil {
		t.Fatal(err)
	}
	info := shellTask("t", "test $(id -u) = "+uid+" && test -O . && test -O script && test -O stdout && echo more >> script && touch new")
	info.Command.User = proto.String("nobody")
	info.Command.Uris = []*mesospb.CommandInfo_URI{{Value: proto.String(script)}}
	m.send(link.RunTask{Framework: ofUser("no-such-user"), Task: info})
	for {
		s := m.update(t)
		if s.GetState() == mesospb.TaskState_TASK_FINISHED {
			return
		}
		if isTerminal(s.GetState()) {
			t.Fatal(s)
		}
	}
}
