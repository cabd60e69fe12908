//go:build unix

package process

import (
	"os"
	"syscall"
)

func statusOf(s *os.ProcessState) Status {
	if ws, ok := s.Sys().(syscall.WaitStatus); ok {
		return Status(ws)
	}
	return Unknown
}

func kill(pid int, sig syscall.Signal) error { return syscall.Kill(pid, sig) }

func killGroup(pgid int, sig syscall.Signal, _ *os.Process) error { return syscall.Kill(-pgid, sig) }

func (c *Credential) attribute() *syscall.Credential {
	if c == nil {
		return nil
	}
	return &syscall.Credential{Uid: c.UID, Gid: c.GID, Groups: c.Groups}
}
