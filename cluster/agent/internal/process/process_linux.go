package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func attributes(spec Spec) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Setctty: spec.Terminal, Credential: spec.Credential.attribute(), Pdeathsig: syscall.SIGKILL}
}

func guardAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// startLimited starts a process with its limits. It is traced until they are set, for it must not run a single instruction before.
func startLimited(spec Spec, attr *os.ProcAttr) (*os.Process, error) {
	attr.Sys.Ptrace = len(spec.Limits) > 0
	p, err := os.StartProcess(spec.Path, spec.Args, attr)
	if attr.Sys.Ptrace && errors.Is(err, unix.EPERM) { // where nobody may trace, limits come a moment late
		attr.Sys.Ptrace = false
		p, err = os.StartProcess(spec.Path, spec.Args, attr)
	}
	if err != nil {
		return nil, err
	}
	if attr.Sys.Ptrace {
		err = awaitStop(p.Pid)
	}
	for _, l := range spec.Limits {
		if e := unix.Prlimit(p.Pid, l.Resource, &unix.Rlimit{Cur: l.Soft, Max: l.Hard}, nil); e != nil {
			err = errors.Join(err, fmt.Errorf("process: resource limit %d of %d, at most %d: %w", l.Resource, l.Soft, l.Hard, e))
		}
	}
	if err == nil && attr.Sys.Ptrace {
		err = unix.PtraceDetach(p.Pid)
	}
	if err != nil {
		_ = p.Kill()
		_, _ = p.Wait()
		return nil, err
	}
	return p, nil
}

// awaitStop waits until a traced process has stopped in front of its first instruction.
func awaitStop(pid int) error {
	for {
		var status unix.WaitStatus
		_, err := unix.Wait4(pid, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("process: waiting for its start: %w", err)
		case status.Stopped():
			return nil
		default:
			return fmt.Errorf("process: it ended as it was started: %v", status)
		}
	}
}

// stat is what the tree needs of /proc/PID/stat.
type stat struct {
	pid, parent, group, session int
	born                        uint64
	zombie                      bool
}

// snapshot is what runs at a time.
type snapshot struct {
	list         []stat
	environments map[int][]byte // of processes that were asked for it
}

// takeSnapshot lists what runs. Processes that end meanwhile are left out.
func takeSnapshot() *snapshot {
	shot := &snapshot{environments: map[int][]byte{}}
	dir, err := os.Open("/proc")
	if err != nil {
		return shot
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return shot
	}
	buf := make([]byte, 1024)
	for _, name := range names {
		if name[0] < '0' || name[0] > '9' {
			continue
		}
		if s, ok := readStat(name, buf); ok {
			shot.list = append(shot.list, s)
		}
	}
	return shot
}

// readStat reads the stat of a process. It fails if the process is gone.
func readStat(pid string, buf []byte) (stat, bool) {
	n, err := strconv.Atoi(pid)
	if err != nil {
		return stat{}, false
	}
	fd, err := unix.Open("/proc/"+pid+"/stat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return stat{}, false
	}
	defer unix.Close(fd)
	size, err := unix.Read(fd, buf)
	if err != nil || size <= 0 {
		return stat{}, false
	}
	return parseStat(n, buf[:size])
}

// birth returns when a process was started; 0 if that is unknown.
func birth(pid int) uint64 {
	s, _ := readStat(strconv.Itoa(pid), make([]byte, 1024))
	return s.born
}

// parseStat reads "PID (name) state ppid pgrp session …"; the name may hold anything.
func parseStat(pid int, data []byte) (stat, bool) {
	end := bytes.LastIndexByte(data, ')')
	if end < 0 {
		return stat{}, false
	}
	s := stat{pid: pid}
	i := 0
	for f := range bytes.FieldsSeq(data[end+1:]) {
		switch i {
		case 0:
			s.zombie = len(f) == 1 && (f[0] == 'Z' || f[0] == 'X')
		case 1:
			s.parent = number(f)
		case 2:
			s.group = number(f)
		case 3:
			s.session = number(f)
		case 19:
			s.born = uint64(number(f))
		}
		i++
	}
	return s, i > 19 && s.parent >= 0 && s.group >= 0 && s.session >= 0
}

// number reads a decimal number that is not negative; -1 if there is none.
func number(f []byte) int {
	n := 0
	for _, c := range f {
		if c < '0' || c > '9' || n > 1<<56 {
			return -1
		}
		n = 10*n + int(c-'0')
	}
	return n
}

// tree returns the living members of r's tree: its root, the descendants, its group, its session
// and all that carry the mark, each with its own descendants. None is older than the root. If the root has
// been reaped, a process of its number is another one; then no group or session of that number is left
// either, for the kernel hands out no number that still names one.
func tree(r root, reaped bool) []stat { return takeSnapshot().tree(r, reaped) }

func (shot *snapshot) tree(r root, reaped bool) []stat {
	self := os.Getpid()
	list := slices.DeleteFunc(slices.Clone(shot.list), func(s stat) bool { return s.born < r.born || s.pid == self })
	id := r.pid
	if reaped && slices.ContainsFunc(list, func(s stat) bool { return s.pid == id }) {
		id = -1
	}
	in := make(map[int]bool, 8)
	for _, s := range list {
		if s.pid == id || s.group == id || s.session == id || shot.marked(s, r.mark) {
			in[s.pid] = true
		}
	}
	if len(in) == 0 {
		return nil
	}
	for grown := true; grown; {
		grown = false
		for _, s := range list {
			if !in[s.pid] && in[s.parent] {
				in[s.pid], grown = true, true
			}
		}
	}
	return slices.DeleteFunc(list, func(s stat) bool { return !in[s.pid] || s.zombie })
}

// strays returns the members of the tree that are not in the root's group.
func strays(r root, reaped bool) []int {
	var pids []int
	for _, s := range tree(r, reaped) {
		if s.group != r.pid {
			pids = append(pids, s.pid)
		}
	}
	return pids
}

// marked reports whether a process carries the mark in its environment.
func (shot *snapshot) marked(s stat, mark string) bool {
	if mark == "" || s.zombie {
		return false
	}
	data, ok := shot.environments[s.pid]
	if !ok {
		data, _ = os.ReadFile("/proc/" + strconv.Itoa(s.pid) + "/environ") // fails for somebody else's
		shot.environments[s.pid] = data
	}
	for entry := range bytes.SplitSeq(data, []byte{0}) {
		if rest, ok := bytes.CutPrefix(entry, []byte(mark)); ok && (len(rest) == 0 || rest[0] == '/') {
			return true
		}
	}
	return false
}

// killAll kills the tree again and again until nothing of it is left: a member may have started
// another after the list was made.
func killAll(r root, reaped bool) {
	pause := time.Millisecond
	for range 100 {
		members := tree(r, reaped)
		if len(members) == 0 {
			return
		}
		for _, m := range members {
			_ = kill(m.pid, syscall.SIGKILL)
		}
		time.Sleep(pause)
		pause = min(2*pause, 50*time.Millisecond)
	}
}
