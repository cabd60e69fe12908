//go:build !unix

package process

import (
	"os"
	"syscall"
)

func statusOf(s *os.ProcessState) Status { return ExitStatus(s.ExitCode()) }

// Without groups and signals only the process itself can be ended.
func killGroup(_ int, _ syscall.Signal, p *os.Process) error { return p.Kill() }

func kill(int, syscall.Signal) error { return nil }
func strays(root, bool) []int        { return nil }
func killAll(root, bool)             {}
func birth(int) uint64               { return 0 }

// startLimited sets no limits here.
func startLimited(spec Spec, attr *os.ProcAttr) (*os.Process, error) {
	return os.StartProcess(spec.Path, spec.Args, attr)
}

func attributes(Spec) *syscall.SysProcAttr  { return nil }
func guardAttributes() *syscall.SysProcAttr { return nil }
