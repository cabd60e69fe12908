package process

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func attributes(spec Spec) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Setctty: spec.Terminal, Pdeathsig: syscall.SIGKILL}
}

func guardAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

func setLimit(pid int, l Limit) error {
	return unix.Prlimit(pid, l.Resource, &unix.Rlimit{Cur: l.Soft, Max: l.Hard}, nil)
}

// stat is what the tree needs of /proc/PID/stat.
type stat struct {
	pid, parent, group, session int
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
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		data, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue
		}
		if s, ok := parseStat(pid, data); ok {
			shot.list = append(shot.list, s)
		}
	}
	return shot
}

// parseStat reads "PID (name) state ppid pgrp session …"; the name may hold anything.
func parseStat(pid int, data []byte) (stat, bool) {
	end := bytes.LastIndexByte(data, ')')
	if end < 0 {
		return stat{}, false
	}
	f := strings.Fields(string(data[end+1:]))
	if len(f) < 4 {
		return stat{}, false
	}
	s := stat{pid: pid, zombie: f[0] == "Z" || f[0] == "X"}
	for i, to := range []*int{&s.parent, &s.group, &s.session} {
		n, err := strconv.Atoi(f[i+1])
		if err != nil {
			return stat{}, false
		}
		*to = n
	}
	return s, true
}

// tree returns the living members of root's tree: root, its descendants, its group, its session
// and all that carry the mark, each with its own descendants. If root has been reaped, a process
// of its number is another one; then no group or session of that number is left either, for the
// kernel hands out no number that still names one.
func tree(root int, reaped bool, mark string) []stat { return takeSnapshot().tree(root, reaped, mark) }

func (shot *snapshot) tree(root int, reaped bool, mark string) []stat {
	list := shot.list
	self := os.Getpid()
	if reaped && slices.ContainsFunc(list, func(s stat) bool { return s.pid == root }) {
		root = -1
	}
	in := make(map[int]bool, 8)
	for _, s := range list {
		if s.pid == self {
			continue
		}
		if s.pid == root || s.group == root || s.session == root || shot.marked(s, mark) {
			in[s.pid] = true
		}
	}
	if len(in) == 0 {
		return nil
	}
	for grown := true; grown; {
		grown = false
		for _, s := range list {
			if !in[s.pid] && s.pid != self && in[s.parent] {
				in[s.pid], grown = true, true
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(list), func(s stat) bool { return !in[s.pid] || s.zombie })
}

// strays returns the members of the tree that are not in root's group.
func strays(root int, reaped bool, mark string) []int {
	var pids []int
	for _, s := range tree(root, reaped, mark) {
		if s.group != root {
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
func killAll(root int, reaped bool, mark string) {
	pause := time.Millisecond
	for range 100 {
		members := tree(root, reaped, mark)
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
