// Package process starts the processes of tasks and executors and ends them with everything that
// they started.
//
// Rules it keeps:
//   - a process begins a session of its own, so that its group can be signalled as one and no
//     signal meant for this program's terminal reaches it;
//   - it inherits nothing: environment, directory and standard files are those of its Spec;
//   - when this program dies, however it dies, so do the processes: the kernel kills the first of
//     each (Linux), and a guard, a small shell that notices the end of a pipe, kills the rest;
//   - Kill reaches descendants that have left the group, as far as they can be found: through
//     their parents, their session, or the mark in their environment. One that has cleared its
//     environment, begun a session and lost its parent has left for good; only a PID namespace or
//     cgroup, which need privileges, would hold it.
package process

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
)

// ErrClosed is returned by Start when the Spawner was closed.
var ErrClosed = errors.New("process: the spawner is closed")

// Spec says what to start.
type Spec struct {
	// Path is the executable, absolute or relative to Dir.
	Path string
	// Args is the whole argument vector, with the name of the program first.
	Args []string
	// Env is the whole environment, NAME=value.
	Env []string
	// Dir is the working directory.
	Dir string
	// Stdin, Stdout and Stderr may be nil, which is /dev/null.
	Stdin, Stdout, Stderr *os.File
	// Terminal makes Stdin the controlling terminal of the process.
	Terminal bool
	// Mark is a NAME=value of Env by which descendants are recognised. A process belongs to
	// the tree if its environment has NAME with this value, or with a value that continues
	// it after a slash.
	Mark string
	// Credential is who the process runs as; nil is the user of this program. Only root can name another.
	Credential *Credential
	// Limits are the resource limits to set, by their number of setrlimit(2).
	Limits []Limit
}

// Credential is a user with groups.
type Credential struct {
	UID, GID uint32
	Groups   []uint32
}

// Limit is one resource limit.
type Limit struct {
	Resource   int
	Soft, Hard uint64
}

// Status is how a process ended, as waitpid(2) reports it.
type Status int32

// Statuses that are made up rather than waited for.
const (
	// Unknown is the status of a process that could not be waited for.
	Unknown Status = -1
)

// ExitStatus returns the Status of a process that exited with code.
func ExitStatus(code int) Status { return Status(code&0xff) << 8 }

// Exited reports whether the process exited by itself, and with which code.
func (s Status) Exited() (code int, ok bool) { return int(s>>8) & 0xff, s >= 0 && s&0x7f == 0 }

// Signaled reports whether a signal ended the process, which, and whether it dumped core.
func (s Status) Signaled() (sig syscall.Signal, core, ok bool) {
	if s < 0 || s&0x7f == 0 || s&0x7f == 0x7f {
		return 0, false, false
	}
	return syscall.Signal(s & 0x7f), s&0x80 != 0, true
}

// String words a status as Mesos does: "exited with status 3", "terminated with signal Killed".
func (s Status) String() string {
	if code, ok := s.Exited(); ok {
		return fmt.Sprintf("exited with status %d", code)
	}
	if sig, core, ok := s.Signaled(); ok {
		text := "terminated with signal " + SignalText(int(sig))
		if core {
			text += " (core dumped)"
		}
		return text
	}
	return fmt.Sprintf("wait status %d", int32(s))
}

// root is what the members of a process's tree are known by.
type root struct {
	pid  int
	born uint64 // when it was started, on the system's own clock; 0 is unknown
	mark string
}

// Process is a started process. Its methods are safe for concurrent use.
type Process struct {
	root
	os    *os.Process
	guard *guard

	reaped sync.Mutex // held while signalling the pid, and to note that it was reaped
	gone   bool       // reaped: the pid may belong to somebody else
}

// PID returns the process id; its session and its group have the same.
func (p *Process) PID() int { return p.pid }

// Wait returns when the process has ended. What it left running still runs: see Sweep. Wait must
// be called exactly once.
func (p *Process) Wait() Status {
	state, err := p.os.Wait()
	p.reaped.Lock()
	p.gone = true
	p.reaped.Unlock()
	if err != nil {
		return Unknown
	}
	return statusOf(state)
}

// Signal sends sig to the whole tree. It does nothing if nothing is left.
//
// The group comes first and at once, so that a shell gets the signal no later than the command it
// waits for. The list of those outside the group is made before: they are known by their parents
// only while these live.
func (p *Process) Signal(sig syscall.Signal) {
	outside := strays(p.root, p.ended())
	p.signalGroup(sig)
	for _, pid := range outside {
		_ = kill(pid, sig)
	}
}

// signalGroup reaches the group. While the leader lives, or any other member, its number cannot
// have been given to another.
func (p *Process) signalGroup(sig syscall.Signal) {
	p.reaped.Lock()
	defer p.reaped.Unlock()
	if !p.gone {
		_ = killGroup(p.pid, sig, p.os)
	}
}

// Kill ends the whole tree with SIGKILL. It returns when no member is left but zombies that are
// being waited for.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	killAll(p.root, p.ended())
}

// Sweep is Kill for a process that has ended: it kills what it left behind. The guard forgets the
// process. It must be called after Wait.
func (p *Process) Sweep() {
	killAll(p.root, true)
	p.guard.remove(p.pid)
}

func (p *Process) ended() bool {
	p.reaped.Lock()
	defer p.reaped.Unlock()
	return p.gone
}
