package process

import (
	"fmt"
	"os"
	"sync"
)

// guardScript is the guard: a shell that keeps the list of groups it is told of on its standard
// input. When the input ends without a "q", this program has died; it then kills the groups that
// are left, and on systems with /proc every process whose environment carries a mark below root.
const guardScript = `
trap '' HUP INT TERM QUIT
live=
while read -r op id; do
  case $op in
  +) live="$live $id" ;;
  -) rest=
     for p in $live; do [ "$p" = "$id" ] || rest="$rest $p"; done
     live=$rest ;;
  q) exit 0 ;;
  esac
done
for round in 1 2; do
  for p in $live; do kill -9 -- "-$p" 2>/dev/null; done
  if [ -n "$1" ]; then
    for e in /proc/[0-9]*/environ; do
      [ -r "$e" ] || continue
      if tr '\000' '\n' 2>/dev/null <"$e" | grep -qF "$1"; then
        p=${e#/proc/}
        kill -9 "${p%/environ}" 2>/dev/null
      fi
    done
  fi
done
`

// guardMark is the variable that carries the mark of all processes of a Spawner.
const guardMark = "MESOS_SANDBOX="

// guard is this program's side of the shell. A nil guard does nothing.
type guard struct {
	process *os.Process
	mu      sync.Mutex
	pipe    *os.File
}

// startGuard returns nil where there is no shell: the processes are then left to the kernel.
func startGuard(root string) *guard {
	r, w, err := os.Pipe()
	if err != nil {
		return nil
	}
	defer r.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		w.Close()
		return nil
	}
	defer null.Close()
	mark := ""
	if root != "" {
		mark = guardMark + root + "/"
	}
	p, err := os.StartProcess("/bin/sh", []string{"sh", "-c", guardScript, "mesokit-guard", mark}, &os.ProcAttr{
		Dir:   "/",
		Env:   []string{"PATH=" + DefaultPath},
		Files: []*os.File{r, null, null},
		Sys:   guardAttributes(),
	})
	if err != nil {
		w.Close()
		return nil
	}
	return &guard{process: p, pipe: w}
}

func (g *guard) add(pid int)    { g.tell(fmt.Sprintf("+ %d\n", pid)) }
func (g *guard) remove(pid int) { g.tell(fmt.Sprintf("- %d\n", pid)) }

func (g *guard) tell(line string) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	_, _ = g.pipe.WriteString(line)
}

func (g *guard) close() {
	if g == nil {
		return
	}
	g.tell("q\n")
	g.mu.Lock()
	g.pipe.Close()
	g.mu.Unlock()
	_, _ = g.process.Wait()
}

// DefaultPath is the PATH of a process whose environment names none.
const DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
