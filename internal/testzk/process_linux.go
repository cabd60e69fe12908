package testzk

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// dieWithTest has the server end with a test that is killed.
func dieWithTest(server *exec.Cmd) {
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// awaitStop waits until all threads of a process that was sent SIGSTOP have stopped: on a busy machine some go on for a while.
func awaitStop(pid int) {
	for running := true; running; time.Sleep(time.Millisecond) {
		stats, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		running = false
		for _, name := range stats {
			stat, _ := os.ReadFile(name)
			if i := bytes.LastIndexByte(stat, ')'); i >= 0 && i+2 < len(stat) && stat[i+2] != 'T' && stat[i+2] != 'Z' && stat[i+2] != 'X' {
				running = true
			}
		}
	}
}
