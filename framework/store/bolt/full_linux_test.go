package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/framework/store/bolt"
	"github.com/mesokit/mesokit/framework/store/storetest"
)

const envFull = "MESOKIT_BOLT_FULL"

// fullDiskChild is the child process of the test below: it fills a store up to a limit on the size of files, which
// writes meet as they meet a full disk.
func fullDiskChild() {
	path := os.Getenv(envFull)
	if path == "" {
		return
	}
	if err := fillUp(path); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	fmt.Println("done")
	os.Exit(0)
}

func fillUp(path string) error {
	signal.Ignore(syscall.SIGXFSZ)
	ctx := context.Background()
	s, err := bolt.Open(path, bolt.Config{})
	if err != nil {
		return err
	}
	defer s.Close()
	limit := func(bytes uint64) error {
		return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: bytes, Max: 1 << 40})
	}
	if err := limit(1 << 20); err != nil {
		return err
	}
	put := func(n int) store.Batch {
		return store.Batch{Ops: []store.Op{store.Put(fmt.Sprintf("a/%04d", n), make([]byte, 20<<10)), store.Put(fmt.Sprintf("b/%04d", n), nil)}}
	}
	n := 0
	for ; err == nil && n < 1000; n++ {
		_, err = s.Commit(ctx, put(n))
	}
	n-- // was refused
	if !errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrUncertain) {
		return fmt.Errorf("commit %d to the full disk: %w", n, err)
	}
	holds := func(want int) error {
		for _, prefix := range []string{"a/", "b/"} {
			if records, _, err := s.List(ctx, prefix); err != nil || len(records) != want {
				return fmt.Errorf("%d records %s, want %d: %w", len(records), prefix, want, err)
			}
		}
		return nil
	}
	if err := holds(n); err != nil {
		return err
	}
	// Still full, still the same answer; then there is space.
	if _, err := s.Commit(ctx, put(n)); !errors.Is(err, store.ErrFull) {
		return fmt.Errorf("second commit to the full disk: %w", err)
	}
	if err := limit(1 << 30); err != nil {
		return err
	}
	if _, err := s.Commit(ctx, put(n)); err != nil {
		return fmt.Errorf("commit with space: %w", err)
	}
	return holds(n + 1)
}

func TestAFullDiskRefusesCommitsAndLosesNothing(t *testing.T) {
	path := storetest.TempTarget(t)
	out, err := childCommand(envFull + "=" + path).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "done" {
		t.Fatalf("%v\n%s", err, out)
	}
	if records, _, err := open(t, path).List(t.Context(), "a/"); err != nil || len(records) == 0 {
		t.Fatalf("%d records, %v", len(records), err)
	}
}
