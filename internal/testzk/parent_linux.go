package testzk

import (
	"os/exec"
	"syscall"
)

// dieWithTest has the server end with a test that is killed.
func dieWithTest(server *exec.Cmd) {
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
