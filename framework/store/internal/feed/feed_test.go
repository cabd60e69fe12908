package feed

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/mesokit/mesokit/framework/store"
)

func add(f *Feed, revision store.Revision, size int) {
	f.Add(revision, []store.Event{{Record: store.Record{Key: fmt.Sprint("k/", revision), Value: make([]byte, size), Revision: revision}}})
}

// first returns the revision of the first change after one.
func first(t *testing.T, f *Feed, after store.Revision) (store.Revision, error) {
	t.Helper()
	for events, err := range f.Watch(t.Context(), "k/", after) {
		if err != nil {
			return 0, err
		}
		return events[0].Revision, nil
	}
	return 0, nil
}

func TestOnlySoManyCommitsAreRemembered(t *testing.T) {
	f := New(10)
	for r := range store.Revision(maxCommits + 5) {
		add(f, 11+r, 1)
	}
	var compacted *store.CompactedError
	if r, err := first(t, f, 10); !errors.As(err, &compacted) || *compacted != (store.CompactedError{After: 10, Oldest: 15}) {
		t.Fatalf("%d, %v", r, err)
	}
	for after, want := range map[store.Revision]store.Revision{15: 16, 100: 101, 10 + maxCommits: 11 + maxCommits} {
		if r, err := first(t, f, after); err != nil || r != want {
			t.Errorf("after %d: %d, %v", after, r, err)
		}
	}
}

func TestOnlySoManyBytesAreRemembered(t *testing.T) {
	f := New(0)
	add(f, 1, maxBytes/2)
	add(f, 3, maxBytes/2)
	if _, err := first(t, f, 0); !errors.Is(err, store.ErrCompacted) {
		t.Fatal(err)
	}
	if r, err := first(t, f, 1); err != nil || r != 3 {
		t.Fatalf("%d, %v", r, err)
	}
	// A revision that was never committed lies between two that were.
	if r, err := first(t, f, 2); err != nil || r != 3 {
		t.Fatalf("%d, %v", r, err)
	}
	// The latest commit is remembered however large it is.
	add(f, 4, 2*maxBytes)
	if r, err := first(t, f, 3); err != nil || r != 4 {
		t.Fatalf("%d, %v", r, err)
	}
}

func TestARevisionOfTheFutureBelongsToAnotherStore(t *testing.T) {
	f := New(5)
	if _, err := first(t, f, 6); !errors.Is(err, store.ErrCompacted) {
		t.Fatal(err)
	}
}

func TestCloseEndsWatches(t *testing.T) {
	f := New(5)
	ended := make(chan error)
	go func() {
		_, err := first(t, f, 5)
		ended <- err
	}()
	f.Close()
	if err := <-ended; !errors.Is(err, store.ErrClosed) {
		t.Fatal(err)
	}
	f.Close()
	add(f, 6, 1)
	for range f.Watch(context.WithoutCancel(t.Context()), "", 5) {
		return
	}
	t.Fatal("a watch of a closed feed ended without a word")
}
