package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.etcd.io/bbolt"
	"go.uber.org/goleak"

	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/framework/store/bolt"
	"github.com/mesokit/mesokit/framework/store/storetest"
)

func TestMain(m *testing.M) {
	fullDiskChild()
	storetest.Child(func(target string) (store.Store, error) { return bolt.Open(target, bolt.Config{}) })
	goleak.VerifyTestMain(m)
}

func open(t testing.TB, path string) *bolt.Store {
	t.Helper()
	s, err := bolt.Open(path, bolt.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func opener(path string) storetest.Open {
	return func(t *testing.T) store.Store { return open(t, path) }
}

func TestConformance(t *testing.T) {
	storetest.Run(t, storetest.Backend{Durable: true, New: func(t *testing.T) storetest.Open { return opener(storetest.TempTarget(t)) }})
}

func TestAKilledProcessLeavesWholeBatches(t *testing.T) {
	path := storetest.TempTarget(t)
	storetest.Crash(t, path, opener(path), 8)
}

func TestASecondOpenerIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "dirs", "state.db")
	s := open(t, path)
	_, err := bolt.Open(path, bolt.Config{})
	if !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), path) {
		t.Fatalf("open a second time: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, path)
}

// Another process: the lock is not one of this process alone.
func TestAnotherProcessIsTold(t *testing.T) {
	path := storetest.TempTarget(t)
	open(t, path)
	out, err := childCommand("MESOKIT_STORETEST_CHILD=crash", "MESOKIT_STORETEST_TARGET="+path).CombinedOutput()
	if err == nil || !strings.Contains(string(out), store.ErrLocked.Error()) {
		t.Fatalf("the other process: %v\n%s", err, out)
	}
}

func childCommand(env ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), env...)
	return cmd
}

func commit(t testing.TB, s store.Store, ops ...store.Op) {
	t.Helper()
	if _, err := s.Commit(t.Context(), store.Batch{Ops: ops}); err != nil {
		t.Fatal(err)
	}
}

// filled returns a closed store with records, and what the file has.
func filled(t *testing.T) (path string, content []byte) {
	t.Helper()
	path = storetest.TempTarget(t)
	s := open(t, path)
	for i := range 200 {
		commit(t, s, store.Put(fmt.Sprintf("tasks/%03d", i), bytes.Repeat([]byte("precious "), 20)))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, content
}

func TestDamagedFilesAreReported(t *testing.T) {
	for _, tc := range []struct {
		name   string
		damage func(content []byte) []byte
	}{
		{"another kind of file", func([]byte) []byte { return bytes.Repeat([]byte("hello world\n"), 2000) }},
		{"a short file", func(c []byte) []byte { return c[:100] }},
		{"a truncated file", func(c []byte) []byte { return c[:5*4096] }},
		{"a flipped byte in a value", func(c []byte) []byte { return bytes.Replace(c, []byte("precious"), []byte("precioUs"), -1) }},
		{"pages of zeros", func(c []byte) []byte { clear(c[2*4096:]); return c }},
		{"pages of ones", func(c []byte) []byte {
			for i := 2 * 4096; i < len(c); i++ {
				c[i] = 0xff
			}
			return c
		}},
		{"both heads", func(c []byte) []byte { c[40] ^= 1; c[4096+40] ^= 1; return c }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path, content := filled(t)
			if err := os.WriteFile(path, tc.damage(content), 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := bolt.Open(path, bolt.Config{})
			if err == nil {
				defer s.Close()
				_, _, err = s.List(t.Context(), "")
			}
			var corrupt *store.CorruptError
			if !errors.As(err, &corrupt) {
				t.Fatalf("%v; want a *store.CorruptError", err)
			}
			if !strings.Contains(err.Error(), path) && !strings.Contains(err.Error(), "tasks/") {
				t.Fatalf("%q names neither file nor record", err)
			}
		})
	}
}

func TestANewerFileIsRefused(t *testing.T) {
	path, _ := filled(t)
	edit(t, path, "meta", "format", "2")
	_, err := bolt.Open(path, bolt.Config{})
	var newer *store.NewerVersionError
	if !errors.As(err, &newer) || newer.Version != 2 || newer.Supported != 1 {
		t.Fatal(err)
	}
}

func TestForeignBoltFilesAreRefused(t *testing.T) {
	path := storetest.TempTarget(t)
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = bolt.Open(path, bolt.Config{})
	if corrupt := new(store.CorruptError); !errors.As(err, &corrupt) {
		t.Fatal(err)
	}
}

func edit(t *testing.T, path, bucket, key, value string) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte(bucket)).Put([]byte(key), []byte(value)) })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// One batch may be refused while others of the same transaction pass.
func TestConcurrentCommitsAreJudgedOneByOne(t *testing.T) {
	s := open(t, storetest.TempTarget(t))
	const writers = 50
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for i := range writers {
		wg.Go(func() {
			_, err := s.Commit(context.Background(), store.Batch{Ops: []store.Op{store.Check("lock", 0), store.Put("lock", nil), store.Put(fmt.Sprint("holder/", i), nil)}})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			} else if !errors.Is(err, store.ErrConflict) {
				t.Errorf("commit: %v", err)
			}
		})
	}
	wg.Wait()
	holders, _, err := s.List(t.Context(), "holder/")
	if err != nil || won != 1 || len(holders) != 1 {
		t.Fatalf("%d commits passed, %d left records, %v", won, len(holders), err)
	}
}
