//go:build unix

package storetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mesokit/mesokit/framework/store"
)

// The environment of a child process: what to do, and with which store.
const (
	envChild  = "MESOKIT_STORETEST_CHILD"
	envTarget = "MESOKIT_STORETEST_TARGET"
)

// Width is the number of records that the children of Crash write together; it is more than the remote backends take at once.
const Width = 260

// Child is what a TestMain calls first if its package uses Crash or Takeover: they run the test binary again as the process that
// suffers. In such a process it opens the store with the target that the test named, works, and exits; otherwise it does nothing.
func Child(open func(target string) (store.Store, error)) {
	mode := os.Getenv(envChild)
	if mode == "" {
		return
	}
	s, err := open(os.Getenv(envTarget))
	if err == nil {
		switch mode {
		case "crash":
			err = writeForever(s)
		case "leader":
			err = leadUntilFenced(s)
		}
	}
	fmt.Println("error:", err)
	os.Exit(1)
}

// writeForever commits rising numbers, all records at once, and prints each number when it is committed.
func writeForever(s store.Store) error {
	ctx := context.Background()
	n := 0
	if r, err := s.Get(ctx, "set/000"); err == nil {
		n, _ = strconv.Atoi(string(r.Value))
	}
	for {
		n++
		ops := make([]store.Op, 0, Width)
		for i := range Width {
			ops = append(ops, put(fmt.Sprintf("set/%03d", i), strconv.Itoa(n)))
		}
		if _, err := s.Commit(ctx, store.Batch{Ops: ops}); err != nil {
			return err
		}
		fmt.Println(n)
	}
}

// leadUntilFenced writes in the name of a leader until the store refuses it.
func leadUntilFenced(s store.Store) error {
	ctx := context.Background()
	leader, err := store.WithFence(ctx, s, 1)
	if err != nil {
		return err
	}
	for n := 1; ; n++ {
		if _, err := leader.Commit(ctx, store.Batch{Ops: []store.Op{put("state", "former")}}); errors.Is(err, store.ErrFenced) {
			fmt.Println("fenced")
			return nil
		} else if err != nil {
			return err
		}
		fmt.Println(n)
	}
}

// child is a process that Child runs in.
type child struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan string // closed when the process has ended
}

func startChild(t *testing.T, mode, target string) *child {
	t.Helper()
	c := &child{t: t, cmd: exec.Command(os.Args[0], "-test.run=^$"), lines: make(chan string, 1<<16)}
	c.cmd.Env = append(os.Environ(), envChild+"="+mode, envTarget+"="+target)
	c.cmd.Stderr = os.Stderr
	c.cmd.SysProcAttr = parentDeath()
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.lines)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			c.lines <- scanner.Text()
		}
		_ = c.cmd.Wait()
	}()
	t.Cleanup(func() { c.kill() })
	return c
}

// line returns the next line that the child prints, "" at its end.
func (c *child) line() string {
	c.t.Helper()
	select {
	case line := <-c.lines:
		return line
	case <-time.After(Patience):
		c.t.Fatal("the child process says nothing")
		return ""
	}
}

// kill ends the process with SIGKILL and returns the lines that it printed unread, when it is gone.
func (c *child) kill() (rest []string) {
	_ = c.cmd.Process.Kill()
	for line := range c.lines {
		rest = append(rest, line)
	}
	return rest
}

func (c *child) signal(sig os.Signal) {
	c.t.Helper()
	if err := c.cmd.Process.Signal(sig); err != nil {
		c.t.Fatal(err)
	}
}

// Crash kills processes that write, rounds times, in the middle of their commits, opens the store again and holds it to all or nothing: every batch whose
// commit returned is there, and no batch is there in part. target tells Child's function which store to open.
func Crash(t *testing.T, target string, open Open, rounds int) {
	for round := range rounds {
		c := startChild(t, "crash", target)
		last := 0
		for range 2 + 3*round%7 {
			line := c.line()
			n, err := strconv.Atoi(line)
			if err != nil {
				t.Fatalf("the child process: %q", line)
			}
			last = n
		}
		for _, line := range c.kill() {
			if n, err := strconv.Atoi(line); err == nil {
				last = n
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), Patience)
		s := open(t)
		records, _, err := s.List(ctx, "set/")
		if err != nil || len(records) != Width {
			t.Fatalf("after crash %d: %d records, %v", round, len(records), err)
		}
		n, _ := strconv.Atoi(string(records[0].Value))
		for _, r := range records {
			if string(r.Value) != strconv.Itoa(n) {
				t.Fatalf("after crash %d: %q bears %s, the first record %d", round, r.Key, r.Value, n)
			}
		}
		if n < last || n > last+1 {
			t.Fatalf("after crash %d: the records bear %d, the last commit that returned %d", round, n, last)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		cancel()
	}
}

// Takeover stops a process that leads (SIGSTOP), takes over from it, and lets it go on: it must be refused. The backend must be Shared.
func Takeover(t *testing.T, target string, open Open) {
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	s := open(t)
	defer s.Close()
	former := startChild(t, "leader", target)
	for range 3 {
		if line := former.line(); line == "" || strings.HasPrefix(line, "error") {
			t.Fatalf("the former leader: %q", line)
		}
	}
	former.signal(syscall.SIGSTOP)
	latter, err := store.WithFence(ctx, s, 2)
	if err != nil {
		t.Fatal(err)
	}
	before, err := latter.Get(ctx, "state")
	if err != nil || string(before.Value) != "former" {
		t.Fatalf("the state before: %q, %v", before.Value, err)
	}
	// What the leader has read holds, as long as it leads.
	if _, err := latter.Commit(ctx, store.Batch{Ops: []store.Op{store.Check("state", before.Revision), put("state", "latter")}}); err != nil {
		t.Fatal(err)
	}
	former.signal(syscall.SIGCONT)
	for line := former.line(); line != "fenced"; line = former.line() {
		if line == "" || strings.HasPrefix(line, "error") {
			t.Fatalf("the former leader: %q", line)
		}
	}
	if r, err := latter.Get(ctx, "state"); err != nil || string(r.Value) != "latter" {
		t.Fatalf("the state after: %q, %v", r.Value, err)
	}
}

// TempTarget returns a path below a new directory: a target for local backends.
func TempTarget(t *testing.T) string { return filepath.Join(t.TempDir(), "state.db") }
