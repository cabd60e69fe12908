package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/mesokit/mesokit/framework/store"
)

// Put commits one record, and fails the test if that does not work within Patience.
func Put(t testing.TB, s store.Store, key, value string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	if _, err := s.Commit(ctx, store.Batch{Ops: []store.Op{store.Put(key, []byte(value))}}); err != nil {
		t.Fatalf("commit: %v", err)
	}
}

// Want fails the test if the record is not there with that value.
func Want(t testing.TB, s store.Store, key, value string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	if r, err := s.Get(ctx, key); err != nil || string(r.Value) != value {
		t.Fatalf("get %q: %q, %v; want %q", key, r.Value, err, value)
	}
}

// Silence checks what a commit to a server that says nothing ends with, and that the store works when the server does again. hold makes the
// server silent, release ends that.
func Silence(t testing.TB, s store.Store, hold, release func()) {
	t.Helper()
	Put(t, s, "a", "1")
	hold()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err := s.Commit(ctx, store.Batch{Ops: []store.Op{store.Put("a", []byte("2"))}})
	release()
	if !errors.Is(err, store.ErrUncertain) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("commit: %v", err)
	}
	Put(t, s, "a", "3")
	Want(t, s, "a", "3")
}

// Restart checks that commits and watches go on after the server was down.
func Restart(t testing.TB, s store.Store, stop, start func()) {
	t.Helper()
	Put(t, s, "before", "1")
	_, revision, err := s.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	watching, seen := make(chan struct{}), make(chan error, 1)
	go func() {
		var last error
		for events, err := range s.Watch(ctx, "", revision) {
			switch last = err; {
			case err != nil:
			case events[0].Key == "first":
				close(watching)
			case events[0].Key == "after":
				seen <- nil
				return
			}
		}
		seen <- fmt.Errorf("the watch ended: %w", errors.Join(last, ctx.Err()))
	}()
	Put(t, s, "first", "1")
	<-watching
	stop()
	committed := make(chan error, 1)
	go func() {
		_, err := s.Commit(ctx, store.Batch{Ops: []store.Op{store.Put("after", []byte("1"))}})
		committed <- err
	}()
	start()
	if err := <-committed; err != nil {
		t.Fatalf("commit: %v", err)
	}
	if err := <-seen; err != nil {
		t.Fatal(err)
	}
	Want(t, s, "before", "1")
}
