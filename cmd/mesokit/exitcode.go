package main

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"github.com/mesokit/mesokit/internal/visible"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// taskExitCode returns the exit code that a task ended with, by the convention of shells: 128 and
// the signal's number for a task that a signal ended. Mesos tells the code in the text of the
// status only, and has done so in the same words since 0.20; a task that failed in another way
// counts as 1.
func taskExitCode(status *mesospb.TaskStatus) int {
	if status.GetState() == mesospb.TaskState_TASK_FINISHED {
		return 0
	}
	if code, ok := exitCodeOf(status.GetMessage()); ok && code != 0 {
		return code
	}
	return exitFailure
}

// exitCodeOf reads what Mesos' executors say of a command: "Command exited with status 3" or
// "Command terminated with signal Terminated".
func exitCodeOf(message string) (int, bool) {
	if _, text, ok := strings.Cut(message, "Command exited with status "); ok {
		digits := text[:len(text)-len(strings.TrimLeft(text, "0123456789"))]
		code, err := strconv.Atoi(digits)
		return code, err == nil && code <= 255
	}
	if _, text, ok := strings.Cut(message, "Command terminated with signal "); ok {
		text, _, _ = strings.Cut(text, " (core dumped)")
		for sig := syscall.Signal(1); sig < 65; sig++ {
			if strings.EqualFold(sig.String(), text) {
				return 128 + int(sig), true
			}
		}
	}
	return 0, false
}

// describeEnd says in one line how a task ended.
func describeEnd(name string, status *mesospb.TaskStatus) string {
	text := fmt.Sprintf("task %s: %s", name, status.GetState())
	if status.Reason != nil {
		text += ", " + strings.TrimPrefix(status.GetReason().String(), "REASON_")
	}
	if status.GetMessage() != "" {
		text += ": " + status.GetMessage()
	}
	return visible.Line(text)
}
