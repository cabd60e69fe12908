//go:build unix

package electiontest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mesokit/mesokit/framework/election"
	"github.com/mesokit/mesokit/framework/store"
)

const envTarget = "MESOKIT_ELECTIONTEST_TARGET"

// Child is what a TestMain calls first if its package uses Stopped, which runs the test binary again as the leader that is stopped. In that process
// it makes elector and store for the target that the test named, leads, and exits; otherwise it does nothing.
func Child(open func(target string) (election.Elector, store.Store, error)) {
	target := os.Getenv(envTarget)
	if target == "" {
		return
	}
	e, s, err := open(target)
	if err == nil {
		ctx, end := context.WithCancelCause(context.Background())
		err = election.Lead(ctx, e, election.Info{ID: "child"}, nil, func(_ context.Context, term *election.Term) error {
			end(writeOn(s, term))
			return context.Cause(ctx)
		})
	}
	fmt.Println("ended:", err)
	os.Exit(0)
}

// writeOn writes as a leader that does not look at the end of its term: only the store can stop it.
func writeOn(s store.Store, term *election.Term) error {
	s, err := store.WithFence(context.Background(), s, term.Token)
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		if _, err := s.Commit(context.Background(), store.Batch{Ops: []store.Op{store.Put("leader", []byte("child"))}}); err != nil {
			if errors.Is(err, store.ErrFenced) && term.Context().Err() == nil {
				<-term.Context().Done() // it learns of its loss, too, if a little later
			}
			return err
		}
		fmt.Println("wrote", n)
	}
}

// Stopped stops a process that leads and writes (SIGSTOP) until another candidate has taken over, and lets it go on: the store refuses it.
func Stopped(t *testing.T, target string, e election.Elector, s store.Store) {
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), envTarget+"="+target)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	lines := bufio.NewScanner(out)
	for n := 0; n < 3 && lines.Scan(); n++ {
		if !strings.HasPrefix(lines.Text(), "wrote") {
			t.Fatalf("the child process: %q", lines.Text())
		}
	}
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	latter := Start(t, e, "latter")
	term := latter.Leads()
	fenced, err := store.WithFence(ctx, s, term.Token)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fenced.Commit(ctx, store.Batch{Ops: []store.Op{store.Put("leader", []byte("latter"))}}); err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	last := ""
	for lines.Scan() {
		last = lines.Text()
	}
	if !strings.HasPrefix(last, "ended: ") || !strings.Contains(last, "refused the fencing token") {
		t.Fatalf("the former leader, after %v: %q", time.Since(before), last)
	}
	if r, err := fenced.Get(ctx, "leader"); err != nil || string(r.Value) != "latter" {
		t.Fatalf("the leader's record is %q, %v", r.Value, err)
	}
	if term.Context().Err() != nil {
		t.Fatal("the latter leads no more")
	}
}
