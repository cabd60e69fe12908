//go:build unix && !linux

package process

import "syscall"

func attributes(spec Spec) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Setctty: spec.Terminal}
}

func guardAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// strays returns nothing: there is no portable way to list processes, the group is all there is.
func strays(int, bool, string) []int { return nil }

func killAll(pgid int, _ bool, _ string) { _ = kill(-pgid, syscall.SIGKILL) }

func setLimit(int, Limit) error { return nil }
