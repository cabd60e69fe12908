package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mesokit/mesokit/framework/store"
)

// counters increments counters by compare-and-swap, from several goroutines and, where possible, handles.
func (s *suite) counters() {
	const writers, rounds = 4, 10
	handles := []store.Store{s.open()}
	if s.Shared {
		handles = append(handles, s.open())
	}
	var wg sync.WaitGroup
	for w := range writers {
		st := handles[w%len(handles)]
		wg.Go(func() {
			for range rounds {
				if err := s.increment(st, "counter"); err != nil {
					s.Errorf("increment: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	if r := s.get(handles[0], "counter"); string(r.Value) != strconv.Itoa(writers*rounds) {
		s.Fatalf("the counter is at %s, want %d", r.Value, writers*rounds)
	}
}

func (s *suite) increment(st store.Store, key string) error {
	for {
		r, err := st.Get(s.ctx, key)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		n, _ := strconv.Atoi(string(r.Value))
		_, err = st.Commit(s.ctx, store.Batch{Ops: []store.Op{store.Check(key, r.Revision), put(key, strconv.Itoa(n+1))}})
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// torn lists while batches are committed, small and large ones: all records always bear the same number.
func (s *suite) torn() {
	st := s.open()
	reader := st
	if s.Shared {
		reader = s.open()
	}
	const width, rounds = 300, 12
	write := func(n int) {
		batch := make([]store.Op, 0, width)
		count := width
		if n%2 == 1 {
			count = 3 // leaves the others to the check below
			batch = append(batch, put("round", strconv.Itoa(n)))
		}
		for i := range count {
			batch = append(batch, put(fmt.Sprintf("set/%03d", i), strconv.Itoa(n)))
		}
		if _, err := st.Commit(s.ctx, store.Batch{Ops: batch}); err != nil {
			s.Errorf("commit: %v", err)
		}
	}
	write(0)
	var wg sync.WaitGroup
	defer wg.Wait()
	done := make(chan struct{})
	wg.Go(func() {
		defer close(done)
		for n := 1; n < rounds; n++ {
			write(n)
		}
	})
	var last store.Revision
	for ended := false; !ended; {
		select {
		case <-done:
			ended = true
		default:
		}
		records, revision, err := reader.List(s.ctx, "set/")
		if err != nil {
			s.Fatalf("list: %v", err)
		}
		if revision < last || len(records) != width {
			s.Fatalf("%d records at revision %d, after revision %d", len(records), revision, last)
		}
		last = revision
		head, _ := strconv.Atoi(string(records[0].Value))
		for i, r := range records {
			want := head
			if head%2 == 1 && i >= 3 {
				want = head - 1
			}
			if string(r.Value) != strconv.Itoa(want) {
				s.Fatalf("torn: %q bears %s, the first record %d", r.Key, r.Value, head)
			}
		}
	}
	wg.Wait()
	if r := s.get(reader, "set/000"); string(r.Value) != strconv.Itoa(rounds-1) {
		s.Fatalf("the last round is %s", r.Value)
	}
}

// large commits more than remote backends take at once, in number and in bytes.
func (s *suite) large() {
	st := s.open()
	_, before, err := st.List(s.ctx, "")
	if err != nil {
		s.Fatal(err)
	}
	s.commit(st, put("old", "1"), put("many/0005", "old"))
	old := s.get(st, "old").Revision
	const many, big = 700, 6
	var ops []store.Op
	for i := range many {
		ops = append(ops, put(fmt.Sprintf("many/%04d", i), "value"), store.Check(fmt.Sprintf("absent/%04d", i), 0))
	}
	for i := range big {
		ops = append(ops, store.Put(fmt.Sprintf("big/%d", i), bytes.Repeat([]byte{byte('a' + i)}, store.MaxValue)))
	}
	ops = append(ops, store.Delete("old"))
	s.refused(st, store.ErrConflict, store.Batch{Ops: append(ops, store.Check("old", 0))})
	s.holds(st, "", "many/0005", "old", "old", "1")
	revision := s.commit(st, append(ops, store.Check("old", old))...)
	records, at, err := st.List(s.ctx, "")
	if err != nil {
		s.Fatal(err)
	}
	if len(records) != many+big || at < revision || revision <= before {
		s.Fatalf("%d records at revision %d; want %d at %d", len(records), at, many+big, revision)
	}
	for _, r := range records {
		if r.Revision > at || r.Key[:3] == "big" && (len(r.Value) != store.MaxValue || r.Value[9] != 'a'+r.Key[4]-'0') {
			s.Fatalf("%q: %d bytes at revision %d", r.Key, len(r.Value), r.Revision)
		}
	}
	s.expect(st, "", before, func(seen map[string]string) bool {
		return len(seen) == many+big && seen["many/0005"] == "value" && len(seen["big/5"]) == store.MaxValue
	})
}

func (s *suite) fences() {
	st := s.open()
	s.commit(st, put("a", "0")) // no election yet
	five := store.Batch{Fence: 5, Ops: []store.Op{put("a", "5")}}
	if _, err := st.Commit(s.ctx, five); err != nil {
		s.Fatal(err)
	}
	s.refused(st, store.ErrFenced, store.Batch{Fence: 4, Ops: []store.Op{put("a", "4")}})
	s.refused(st, store.ErrFenced, store.Batch{Fence: 4})
	if _, err := st.Commit(s.ctx, five); err != nil {
		s.Fatal(err)
	}
	// The new leader raises the fence before it reads.
	leader, err := store.WithFence(s.ctx, st, 6)
	if err != nil {
		s.Fatal(err)
	}
	var fenced *store.FencedError
	if _, err := st.Commit(s.ctx, five); !errors.Is(err, store.ErrFenced) || !errors.As(err, &fenced) || *fenced != (store.FencedError{Token: 5, Highest: 6}) {
		s.Fatalf("the old leader: %v", err)
	}
	s.commit(leader, put("a", "6"))
	s.commit(st, put("b", "no token"))
	if _, err := store.WithFence(s.ctx, st, 5); !errors.Is(err, store.ErrFenced) {
		s.Fatalf("raising the fence to less: %v", err)
	}
	// A refused check does not raise the fence.
	s.refused(st, store.ErrConflict, store.Batch{Fence: 7, Ops: []store.Op{store.Check("a", 0)}})
	s.commit(leader, put("a", "still 6"))
	// The election service was set up again.
	if _, err := st.Commit(s.ctx, store.Batch{Fence: 2, ResetFence: true}); err != nil {
		s.Fatal(err)
	}
	if _, err := st.Commit(s.ctx, store.Batch{Fence: 2, Ops: []store.Op{put("a", "2")}}); err != nil {
		s.Fatal(err)
	}
	s.refused(st, store.ErrFenced, store.Batch{Fence: 1})
	// Whoever is elected next passes, who leads does not.
	unelected, err := store.WithFence(s.ctx, st, 0)
	if err != nil {
		s.Fatal(err)
	}
	s.commit(unelected, put("b", "of the same term"))
	if _, err := st.Commit(s.ctx, store.Batch{RaiseFence: true, Ops: []store.Op{put("a", "raised")}}); err != nil {
		s.Fatal(err)
	}
	s.refused(st, store.ErrFenced, store.Batch{Fence: 2})
	s.refused(unelected, store.ErrFenced, store.Batch{Ops: []store.Op{put("b", "late")}})
	if _, err := st.Commit(s.ctx, store.Batch{Fence: 3}); err != nil {
		s.Fatal(err)
	}
	if unelected, err = store.WithFence(s.ctx, st, 0); err != nil {
		s.Fatal(err)
	}
	s.commit(unelected, put("b", "again"))
	s.holds(st, "", "a", "raised", "b", "again")
}

func (s *suite) contexts() {
	st := s.open()
	s.commit(st, put("a", "1"))
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(s.ctx)
	cancel(gone)
	if _, err := st.Get(ctx, "a"); !errors.Is(err, gone) {
		s.Errorf("get: %v", err)
	}
	if _, _, err := st.List(ctx, ""); !errors.Is(err, gone) {
		s.Errorf("list: %v", err)
	}
	if _, err := st.Commit(ctx, store.Batch{Ops: []store.Op{put("a", "2")}}); !errors.Is(err, gone) {
		s.Errorf("commit: %v", err)
	}
	for events, err := range st.Watch(ctx, "", 0) {
		s.Errorf("watch: %v, %v", events, err)
	}
	s.holds(st, "", "a", "1")
}

func (s *suite) closes() {
	st := s.new(s.T)
	revision := s.commit(st, put("a", "1"))
	ended := make(chan error, 1)
	var wg sync.WaitGroup
	wg.Go(func() {
		var last error
		for _, err := range st.Watch(s.ctx, "", revision) {
			last = err
		}
		ended <- last
	})
	if err := st.Close(); err != nil {
		s.Fatal(err)
	}
	select {
	case err := <-ended:
		if !errors.Is(err, store.ErrClosed) {
			s.Errorf("watch: %v", err)
		}
	case <-time.After(Patience):
		s.Fatal("the watch goes on")
	}
	wg.Wait()
	if _, err := st.Get(s.ctx, "a"); !errors.Is(err, store.ErrClosed) {
		s.Errorf("get: %v", err)
	}
	if _, _, err := st.List(s.ctx, ""); !errors.Is(err, store.ErrClosed) {
		s.Errorf("list: %v", err)
	}
	if _, err := st.Commit(s.ctx, store.Batch{}); !errors.Is(err, store.ErrClosed) {
		s.Errorf("commit: %v", err)
	}
	for _, err := range st.Watch(s.ctx, "", revision) {
		if !errors.Is(err, store.ErrClosed) {
			s.Errorf("watch: %v", err)
		}
	}
	if err := st.Close(); err != nil {
		s.Errorf("close again: %v", err)
	}
}

func (s *suite) remembers() {
	st := s.new(s.T)
	first := s.commit(st, put("a", "1"), put("b/c", "2"))
	if _, err := st.Commit(s.ctx, store.Batch{Fence: 5}); err != nil {
		s.Fatal(err)
	}
	a := s.get(st, "a")
	if err := st.Close(); err != nil {
		s.Fatal(err)
	}
	st = s.open()
	s.holds(st, "", "a", "1", "b/c", "2")
	if again := s.get(st, "a"); !cmp.Equal(a, again) {
		s.Fatalf("before %v, after %v", a, again)
	}
	s.refused(st, store.ErrFenced, store.Batch{Fence: 4})
	if second := s.commit(st, store.Check("a", a.Revision), put("a", "2")); second <= first {
		s.Fatalf("revision %d after %d", second, first)
	}
}

func (s *suite) shares() {
	one, two := s.open(), s.open()
	s.commit(one, put("a", "1"))
	a := s.get(two, "a")
	s.commit(two, store.Check("a", a.Revision), put("a", "2"))
	s.refused(one, store.ErrConflict, store.Batch{Ops: []store.Op{store.Check("a", a.Revision), put("a", "3")}})
	_, revision := s.holds(one, "", "a", "2")
	s.commit(one, put("b", "1"))
	s.commit(two, put("c", "1"), store.Delete("a"))
	s.commit(one, put("d", "1"))
	s.expect(two, "", revision, func(seen map[string]string) bool {
		return cmp.Equal(seen, map[string]string{"b": "1", "c": "1", "d": "1"})
	})
}

// takeover lets the former leader write after its successor has begun.
func (s *suite) takeover() {
	one, two := s.open(), s.open()
	former, err := store.WithFence(s.ctx, one, 10)
	if err != nil {
		s.Fatal(err)
	}
	s.commit(former, put("state", "former"))
	latter, err := store.WithFence(s.ctx, two, 11)
	if err != nil {
		s.Fatal(err)
	}
	s.refused(former, store.ErrFenced, store.Batch{Ops: []store.Op{put("state", "late")}})
	s.holds(latter, "", "state", "former")
	s.commit(latter, put("state", "latter"))
	s.refused(former, store.ErrFenced, store.Batch{Ops: []store.Op{put("state", "late")}})
	s.holds(former, "", "state", "latter")
}
