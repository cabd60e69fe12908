package main

import (
	"bytes"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

func TestTaskExitCode(t *testing.T) {
	for _, tc := range []struct {
		state   mesospb.TaskState
		message string
		want    int
	}{
		{mesospb.TaskState_TASK_FINISHED, "Command exited with status 0", 0},
		{mesospb.TaskState_TASK_FINISHED, "", 0},
		{mesospb.TaskState_TASK_FAILED, "Command exited with status 3", 3},
		{mesospb.TaskState_TASK_FAILED, "Command exited with status 255; and more", 255},
		{mesospb.TaskState_TASK_FAILED, "Command exited with status 256", 1},
		{mesospb.TaskState_TASK_FAILED, "Command exited with status ", 1},
		{mesospb.TaskState_TASK_FAILED, "Command terminated with signal Terminated", 143},
		{mesospb.TaskState_TASK_KILLED, "Command terminated with signal Killed", 137},
		{mesospb.TaskState_TASK_FAILED, "Command terminated with signal Segmentation fault (core dumped)", 139},
		{mesospb.TaskState_TASK_FAILED, "Command terminated with signal Aborted", 134},
		{mesospb.TaskState_TASK_KILLED, "Command exited with status 0", 1},
		{mesospb.TaskState_TASK_LOST, "", 1},
		{mesospb.TaskState_TASK_FAILED, "Failed to launch container", 1},
	} {
		status := &mesospb.TaskStatus{State: tc.state.Enum(), Message: proto.String(tc.message)}
		if got := taskExitCode(status); got != tc.want {
			t.Errorf("%v %q: exit code %d, want %d", tc.state, tc.message, got, tc.want)
		}
	}
}

func FuzzExitCodeOf(f *testing.F) {
	f.Add("Command exited with status 3")
	f.Add("Command terminated with signal Killed (core dumped)")
	f.Add("Command exited with status 99999999999999999999")
	f.Fuzz(func(t *testing.T, message string) {
		if code, ok := exitCodeOf(message); ok && (code < 0 || code > 255) {
			t.Errorf("%q: exit code %d", message, code)
		}
	})
}

func TestLineWriterKeepsLinesWhole(t *testing.T) {
	var out bytes.Buffer
	var mu sync.Mutex
	a := &lineWriter{mu: &mu, w: &out, prefix: "a| "}
	b := &lineWriter{mu: &mu, w: &out, prefix: "b| "}
	a.Write([]byte("one\ntw"))
	b.Write([]byte("eins\n"))
	a.Write([]byte("o\nthree"))
	b.Close()
	a.Close()
	if want := "a| one\nb| eins\na| two\na| three\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
