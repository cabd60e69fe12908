//go:build unix && !linux

package process

import (
	"os"
	"syscall"
)

func attributes(spec Spec) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Setctty: spec.Terminal, Credential: spec.Credential.attribute()}
}

func guardAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// strays returns nothing: there is no portable way to list processes, the group is all there is.
func strays(root, bool) []int { return nil }

func killAll(r root, _ bool) { _ = kill(-r.pid, syscall.SIGKILL) }

func birth(int) uint64 { return 0 }

// startLimited sets no limits here.
func startLimited(spec Spec, attr *os.ProcAttr) (*os.Process, error) {
	return os.StartProcess(spec.Path, spec.Args, attr)
}
