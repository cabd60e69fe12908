package process

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"time"
)

// ticks are how many a second has in /proc: USER_HZ, which is 100 for all of Linux's own ABIs.
const ticks = 100

func measure(groups [][]*Process) []Usage {
	out := make([]Usage, len(groups))
	snapshot := takeSnapshot()
	for i, group := range groups {
		counted := map[int]bool{}
		for _, p := range group {
			for _, s := range snapshot.tree(p.root, p.ended()) {
				if !counted[s.pid] {
					counted[s.pid] = true
					out[i].add(s.pid)
				}
			}
		}
	}
	return out
}

// add counts one process.
func (u *Usage) add(pid int) {
	dir := "/proc/" + strconv.Itoa(pid)
	data, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return
	}
	f := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(f) < 18 {
		return
	}
	u.Processes++
	u.UserTime += time.Duration(parse(f[11])) * time.Second / ticks
	u.SystemTime += time.Duration(parse(f[12])) * time.Second / ticks
	u.Threads += int(parse(f[17]))
	data, err = os.ReadFile(dir + "/statm")
	if f := strings.Fields(string(data)); err == nil && len(f) > 2 {
		page := uint64(os.Getpagesize())
		resident, shared := parse(f[1]), parse(f[2])
		u.RSS += resident * page
		u.Anonymous += (resident - min(shared, resident)) * page
	}
}

func parse(s string) uint64 {
	n, _ := strconv.ParseUint(s, 10, 64)
	return n
}
