package storetest

import "syscall"

// parentDeath lets a child process end with a test that is killed.
func parentDeath() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
