package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mesokit/mesokit/framework/store"
)

// Patience bounds the wait for what should happen soon.
const Patience = 60 * time.Second

// Open returns a handle on one set of data. The suite closes it.
type Open func(t *testing.T) store.Store

// Backend is what the suite needs to know of a backend.
type Backend struct {
	// New makes an empty set of data and returns how to open it.
	New func(t *testing.T) Open
	// Durable says that what one handle wrote is there when, after it was closed, another one is opened.
	Durable bool
	// Shared says that several handles may be open at the same time.
	Shared bool
}

// Run holds the backend to everything that package store promises.
func Run(t *testing.T, b Backend) {
	for _, tc := range []struct {
		name string
		when bool
		test func(*suite)
	}{
		{"puts, gets, overwrites and deletes", true, (*suite).basics},
		{"lists by prefix in the order of keys", true, (*suite).lists},
		{"takes all keys and values that are allowed", true, (*suite).extremes},
		{"refuses bad keys and large values", true, (*suite).refuses},
		{"does a batch or nothing of it", true, (*suite).atomic},
		{"lets the last write of a key win, and checks the state before", true, (*suite).order},
		{"compares and swaps", true, (*suite).swaps},
		{"counts right with many writers", true, (*suite).counters},
		{"never shows half a batch", true, (*suite).torn},
		{"does large batches", true, (*suite).large},
		{"keeps what it was given", true, (*suite).aliases},
		{"refuses fenced writers", true, (*suite).fences},
		{"watches changes", true, (*suite).watches},
		{"watches while much happens", true, (*suite).follows},
		{"ends with its context", true, (*suite).contexts},
		{"is closed when closed", true, (*suite).closes},
		{"backs up and restores", true, (*suite).backups},
		{"remembers", b.Durable, (*suite).remembers},
		{"is one store through several handles", b.Shared, (*suite).shares},
		{"fences the former leader's handle", b.Shared, (*suite).takeover},
	} {
		if tc.when {
			t.Run(tc.name, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), Patience)
				t.Cleanup(cancel)
				tc.test(&suite{T: t, ctx: ctx, new: b.New(t), Backend: b})
			})
		}
	}
}

type suite struct {
	*testing.T
	Backend
	ctx context.Context
	new Open
}

// open returns a handle that is closed at the end of the test.
func (s *suite) open() store.Store {
	s.Helper()
	st := s.new(s.T)
	s.Cleanup(func() {
		if err := st.Close(); err != nil {
			s.Errorf("close: %v", err)
		}
	})
	return st
}

func (s *suite) commit(st store.Store, ops ...store.Op) store.Revision {
	s.Helper()
	revision, err := st.Commit(s.ctx, store.Batch{Ops: ops})
	if err != nil {
		s.Fatalf("commit: %v", err)
	}
	return revision
}

// attempt is commit for goroutines other than the test's.
func (s *suite) attempt(st store.Store, ops ...store.Op) {
	if _, err := st.Commit(s.ctx, store.Batch{Ops: ops}); err != nil {
		s.Errorf("commit: %v", err)
	}
}

// refused commits what must not pass.
func (s *suite) refused(st store.Store, want error, b store.Batch) {
	s.Helper()
	if _, err := st.Commit(s.ctx, b); !errors.Is(err, want) {
		s.Fatalf("commit of %s: %v, want %v", describe(b), err, want)
	}
}

func describe(b store.Batch) string {
	var out strings.Builder
	fmt.Fprintf(&out, "fence %d:", b.Fence)
	for _, op := range b.Ops {
		fmt.Fprintf(&out, " {%d %.40q %d bytes, revision %d}", op.Kind, op.Key, len(op.Value), op.Revision)
	}
	return out.String()
}

func (s *suite) get(st store.Store, key string) store.Record {
	s.Helper()
	r, err := st.Get(s.ctx, key)
	if err != nil {
		s.Fatalf("get %q: %v", key, err)
	}
	if r.Key != key || r.Revision <= 0 {
		s.Fatalf("get %q: key %q, revision %d", key, r.Key, r.Revision)
	}
	return r
}

func (s *suite) absent(st store.Store, key string) {
	s.Helper()
	if r, err := st.Get(s.ctx, key); !errors.Is(err, store.ErrNotFound) {
		s.Fatalf("get %q: %.100q, %v; want ErrNotFound", key, r.Value, err)
	}
}

// holds compares what the store lists with the pairs of keys and values that it should.
func (s *suite) holds(st store.Store, prefix string, pairs ...string) ([]store.Record, store.Revision) {
	s.Helper()
	records, revision, err := st.List(s.ctx, prefix)
	if err != nil {
		s.Fatalf("list %q: %v", prefix, err)
	}
	var got []string
	for _, r := range records {
		got = append(got, r.Key, string(r.Value))
		if r.Revision <= 0 || r.Revision > revision {
			s.Errorf("%q is at revision %d, the list at %d", r.Key, r.Revision, revision)
		}
	}
	if diff := cmp.Diff(pairs, got, cmpopts.EquateEmpty()); diff != "" {
		s.Fatalf("list %q (-want +got):\n%s", prefix, diff)
	}
	return records, revision
}

func put(key, value string) store.Op { return store.Put(key, []byte(value)) }

func (s *suite) basics() {
	st := s.open()
	s.absent(st, "a")
	first := s.commit(st, put("a", "1"), put("b/c", "2"))
	if r := s.get(st, "a"); string(r.Value) != "1" || r.Revision > first {
		s.Fatalf("a is %q at revision %d, committed at %d", r.Value, r.Revision, first)
	}
	second := s.commit(st, put("a", "3"), store.Delete("b/c"), store.Delete("nothing"))
	if second <= first {
		s.Fatalf("revision %d after %d", second, first)
	}
	if r := s.get(st, "a"); string(r.Value) != "3" || r.Revision <= first || r.Revision > second {
		s.Fatalf("a is %q at revision %d, committed at %d", r.Value, r.Revision, second)
	}
	s.absent(st, "b/c")
	s.commit(st, store.Delete("a"))
	s.absent(st, "a")
	s.commit(st, put("a", "again"))
	if r := s.get(st, "a"); string(r.Value) != "again" {
		s.Fatalf("a is %q", r.Value)
	}
	if third := s.commit(st); third < second {
		s.Fatalf("revision %d of the empty batch, after %d", third, second)
	}
}

func (s *suite) lists() {
	st := s.open()
	s.holds(st, "")
	s.commit(st, put("tasks/b", "2"), put("tasks/a", "1"), put("task", "0"), put("tasks", "t"), put("tasks/a/x", "3"), put("tasks2/a", "4"), put("zebra/deep/er", "5"))
	s.holds(st, "", "task", "0", "tasks", "t", "tasks/a", "1", "tasks/a/x", "3", "tasks/b", "2", "tasks2/a", "4", "zebra/deep/er", "5")
	s.holds(st, "tasks/", "tasks/a", "1", "tasks/a/x", "3", "tasks/b", "2")
	s.holds(st, "tasks/a", "tasks/a", "1", "tasks/a/x", "3")
	s.holds(st, "task", "task", "0", "tasks", "t", "tasks/a", "1", "tasks/a/x", "3", "tasks/b", "2", "tasks2/a", "4")
	s.holds(st, "zebra/d", "zebra/deep/er", "5")
	s.holds(st, "nothing")
	s.commit(st, store.Delete("tasks"), store.Delete("tasks/a"))
	s.holds(st, "tasks", "tasks/a/x", "3", "tasks/b", "2", "tasks2/a", "4")
}

func (s *suite) extremes() {
	st := s.open()
	keys := []string{"x", "with space", "dots..in", "per%cent/50%25", "at@sign/@", "_", "-/-", "größe/日本", "a=b&c?d#e", `back\slash"quote'`, "*",
		strings.Repeat("k", store.MaxKey), strings.Repeat("é/", store.MaxKey/3-1) + "e"}
	values := [][]byte{nil, []byte("\x00\xff\n\r "), bytes.Repeat([]byte("v"), store.MaxValue)}
	for i, key := range keys {
		value := values[i%len(values)]
		s.commit(st, store.Put(key, value))
		if r := s.get(st, key); !bytes.Equal(r.Value, value) {
			s.Fatalf("%q has %d other bytes", key, len(r.Value))
		}
	}
	records, _, err := st.List(s.ctx, "")
	if err != nil || len(records) != len(keys) {
		s.Fatalf("%d records, %v; want %d", len(records), err, len(keys))
	}
	for _, r := range records {
		s.commit(st, store.Check(r.Key, r.Revision), store.Delete(r.Key))
	}
	s.holds(st, "")
}

func (s *suite) refuses() {
	st := s.open()
	for _, key := range []string{"", "/", "/a", "a/", "a//b", ".", "a/..", "new\nline", "nul\x00", "\xff", strings.Repeat("k", store.MaxKey+1)} {
		var bad *store.KeyError
		if _, err := st.Get(s.ctx, key); !errors.As(err, &bad) {
			s.Errorf("get %.20q: %v", key, err)
		}
		for _, op := range []store.Op{store.Put(key, nil), store.Delete(key), store.Check(key, 0)} {
			if _, err := st.Commit(s.ctx, store.Batch{Ops: []store.Op{put("good", "1"), op}}); !errors.As(err, &bad) {
				s.Errorf("commit of %.20q: %v", key, err)
			}
		}
	}
	var large *store.TooLargeError
	if _, err := st.Commit(s.ctx, store.Batch{Ops: []store.Op{put("good", "1"), store.Put("large", make([]byte, store.MaxValue+1))}}); !errors.As(err, &large) {
		s.Errorf("large value: %v", err)
	} else if large.Key != "large" || large.Size != store.MaxValue+1 || large.Limit != store.MaxValue {
		s.Errorf("large value: %+v", large)
	}
	if _, err := st.Commit(s.ctx, store.Batch{Ops: []store.Op{{Kind: 77, Key: "a"}}}); err == nil {
		s.Error("an operation of unknown kind passed")
	}
	s.holds(st, "")
}

func (s *suite) atomic() {
	st := s.open()
	revision := s.commit(st, put("a", "1"), put("b", "1"))
	s.refused(st, store.ErrConflict, store.Batch{Ops: []store.Op{put("a", "2"), put("new", "2"), store.Delete("b"), store.Check("a", 0)}})
	s.refused(st, store.ErrConflict, store.Batch{Ops: []store.Op{store.Check("missing", revision), put("a", "2")}})
	s.holds(st, "", "a", "1", "b", "1")
}

func (s *suite) order() {
	st := s.open()
	s.commit(st, put("a", "1"), store.Delete("a"), put("a", "2"), put("b", "1"), store.Delete("b"))
	s.holds(st, "", "a", "2")
	a := s.get(st, "a")
	// The state before: b is absent although it is put first.
	s.commit(st, put("b", "2"), store.Check("b", 0), store.Check("a", a.Revision), store.Delete("a"), store.Check("a", a.Revision))
	s.holds(st, "", "b", "2")
}

func (s *suite) swaps() {
	st := s.open()
	s.commit(st, store.Check("a", 0), put("a", "1"))
	s.refused(st, store.ErrConflict, store.Batch{Ops: []store.Op{store.Check("a", 0), put("a", "2")}})
	one := s.get(st, "a").Revision
	s.commit(st, store.Check("a", one), put("a", "2"))
	two := s.get(st, "a").Revision
	var conflict *store.ConflictError
	_, err := st.Commit(s.ctx, store.Batch{Ops: []store.Op{store.Check("a", one), put("a", "3")}})
	if !errors.As(err, &conflict) || !errors.Is(err, store.ErrConflict) || *conflict != (store.ConflictError{Key: "a", Want: one, Have: two}) {
		s.Fatalf("conflict: %v", err)
	}
	// Deleted and put again: equal value, another revision.
	s.commit(st, store.Delete("a"))
	s.refused(st, store.ErrConflict, store.Batch{Ops: []store.Op{store.Check("a", two), put("a", "3")}})
	s.commit(st, put("a", "2"))
	s.refused(st, store.ErrConflict, store.Batch{Ops: []store.Op{store.Check("a", two), put("a", "3")}})
	// Unrelated commits do not disturb.
	three := s.get(st, "a").Revision
	s.commit(st, put("b", "1"))
	s.commit(st, store.Check("a", three), store.Delete("a"))
	s.holds(st, "", "b", "1")
}

func (s *suite) aliases() {
	st := s.open()
	value := []byte("original")
	s.commit(st, store.Put("a", value))
	copy(value, "CHANGED!")
	if r := s.get(st, "a"); string(r.Value) != "original" {
		s.Fatalf("the store changed with its argument: %q", r.Value)
	}
}
