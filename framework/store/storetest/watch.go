package storetest

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"strconv"
	"strings"
	"sync"

	"github.com/mesokit/mesokit/framework/store"
)

// expect watches from a revision until what is seen, as a map from keys to values, is as wanted.
func (s *suite) expect(st store.Store, prefix string, after store.Revision, enough func(map[string]string) bool) {
	s.Helper()
	seen := map[string]string{}
	last := after
	for events, err := range st.Watch(s.ctx, prefix, after) {
		if err != nil {
			s.Fatalf("watch: %v", err)
		}
		if len(events) == 0 {
			s.Fatal("watch: an element without events")
		}
		for _, e := range events {
			if e.Revision < last || e.Revision <= after || !strings.HasPrefix(e.Key, prefix) {
				s.Fatalf("watch %q after %d: %q at revision %d, after revision %d", prefix, after, e.Key, e.Revision, last)
			}
			last = e.Revision
			if e.Deleted {
				delete(seen, e.Key)
			} else {
				seen[e.Key] = string(e.Value)
			}
		}
		if enough(seen) {
			return
		}
	}
	s.Fatalf("the watch ended: %v; seen %.1000v", context.Cause(s.ctx), seen)
}

func (s *suite) watches() {
	st := s.open()
	s.commit(st, put("x/before", "1"), put("x/gone", "1"))
	_, revision, err := st.List(s.ctx, "x/")
	if err != nil {
		s.Fatal(err)
	}
	s.commit(st, put("x/a", "1"), put("y/a", "1"))
	s.commit(st, put("y/b", "1"))
	s.commit(st, store.Delete("x/gone"), put("x/b", "1"))
	s.commit(st, store.Delete("x/never"))
	end := s.commit(st, put("x/end", "1"))

	var got []string
	for events, err := range st.Watch(s.ctx, "x/", revision) {
		if err != nil {
			s.Fatal(err)
		}
		for _, e := range events {
			got = append(got, e.Key+" "+strconv.FormatBool(e.Deleted))
			if e.Deleted && len(e.Value) > 0 {
				s.Errorf("a deleted record has the value %q", e.Value)
			}
		}
		if events[len(events)-1].Key == "x/end" {
			if e := events[len(events)-1]; e.Revision != end || string(e.Value) != "1" {
				s.Errorf("the last event has value %q and revision %d, want %d", e.Value, e.Revision, end)
			}
			break
		}
	}
	// The order within a commit is free.
	want, alternative := "x/a false, x/gone true, x/b false, x/end false", "x/a false, x/b false, x/gone true, x/end false"
	if all := strings.Join(got, ", "); all != want && all != alternative {
		s.Errorf("seen %s; want %s", all, want)
	}
	// From the end on, only what is new.
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { s.attempt(st, put("x/later", "1")) })
	s.expect(st, "x/", end, func(seen map[string]string) bool { return maps.Equal(seen, map[string]string{"x/later": "1"}) })
	// A revision of the future belongs to another store, or is yet to come; never does it show what is old.
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	for events, err := range st.Watch(ctx, "x/", end+1000) {
		if !errors.Is(err, store.ErrCompacted) {
			s.Errorf("watch from the future: %v, %v", events, err)
		}
	}
}

// follows keeps a copy by List and Watch while others write, and compares in the end.
func (s *suite) follows() {
	st := s.open()
	const rounds, keys = 40, 7
	follower := st
	if s.Shared {
		follower = s.open()
	}
	s.commit(st, put("k/0", "start"))
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		for n := range rounds {
			key := "k/" + strconv.Itoa(n%keys)
			if n%5 == 4 {
				s.attempt(st, store.Delete(key))
			} else {
				s.attempt(st, put(key, strconv.Itoa(n)), put("k/other", strconv.Itoa(n)))
			}
		}
		s.attempt(st, put("k/end", "1"))
	})
	records, revision, err := follower.List(s.ctx, "k/")
	if err != nil {
		s.Fatal(err)
	}
	copied := map[string]string{}
	for _, r := range records {
		copied[r.Key] = string(r.Value)
	}
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	if copied["k/end"] != "" {
		cancel() // the list came last
	}
	for events, err := range follower.Watch(ctx, "k/", revision) {
		if err != nil {
			s.Fatal(err)
		}
		for _, e := range events {
			if copied[e.Key] = string(e.Value); e.Deleted {
				delete(copied, e.Key)
			}
		}
		if copied["k/end"] != "" {
			break
		}
	}
	wg.Wait()
	records, _, err = st.List(s.ctx, "k/")
	if err != nil {
		s.Fatal(err)
	}
	final := map[string]string{}
	for _, r := range records {
		final[r.Key] = string(r.Value)
	}
	if !maps.Equal(copied, final) {
		s.Fatalf("the copy has %v, the store %v", copied, final)
	}
}

func (s *suite) backups() {
	st := s.open()
	s.commit(st, put("a", "1"), store.Put("b/c", []byte("binary\x00\n")), store.Put("d", nil))
	var file bytes.Buffer
	info, err := store.Backup(s.ctx, st, &file)
	if err != nil || info.Records != 3 {
		s.Fatalf("backup: %+v, %v", info, err)
	}
	s.commit(st, put("a", "changed"), store.Delete("b/c"), put("new", "1"))
	if _, err := store.Restore(s.ctx, st, bytes.NewReader(file.Bytes()), store.RestoreOptions{}); !errors.Is(err, store.ErrNotEmpty) {
		s.Fatalf("restore into a store with records: %v", err)
	}
	damaged := bytes.Replace(file.Bytes(), []byte("binary"), []byte("bin4ry"), 1)
	var corrupt *store.CorruptError
	if _, err := store.Restore(s.ctx, st, bytes.NewReader(damaged), store.RestoreOptions{Replace: true}); !errors.As(err, &corrupt) {
		s.Fatalf("restore of a damaged backup: %v", err)
	}
	s.holds(st, "", "a", "changed", "d", "", "new", "1")
	if again, err := store.Restore(s.ctx, st, &file, store.RestoreOptions{Replace: true}); err != nil || again != info {
		s.Fatalf("restore: %+v, %v", again, err)
	}
	s.holds(st, "", "a", "1", "b/c", "binary\x00\n", "d", "")
}
