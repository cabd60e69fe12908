package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/framework/store/bolt"
	"github.com/mesokit/mesokit/framework/store/memory"
)

func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	s, err := bolt.Open(filepath.Join(dir, "state.db"), bolt.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()

	_, err = s.Commit(ctx, store.Batch{Ops: []store.Op{
		store.Put("tasks/web.1", []byte("TASK_RUNNING")),
		store.Put("tasks/web.2", []byte("TASK_STAGING")),
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	records, _, err := s.List(ctx, "tasks/")
	for _, r := range records {
		fmt.Println(r.Key, string(r.Value))
	}
	fmt.Println(err)
	// Output:
	// tasks/web.1 TASK_RUNNING
	// tasks/web.2 TASK_STAGING
	// <nil>
}

// Compare and swap: the batch passes only if the record is as it was read.
func ExampleCheck() {
	ctx := context.Background()
	s := memory.New()
	defer s.Close()
	_, _ = s.Commit(ctx, store.Batch{Ops: []store.Op{store.Check("counter", 0), store.Put("counter", []byte("1"))}})

	r, _ := s.Get(ctx, "counter")
	_, _ = s.Commit(ctx, store.Batch{Ops: []store.Op{store.Put("counter", []byte("2"))}}) // somebody else
	_, err := s.Commit(ctx, store.Batch{Ops: []store.Op{store.Check("counter", r.Revision), store.Put("counter", []byte("3"))}})
	fmt.Println(errors.Is(err, store.ErrConflict), err)
	// Output:
	// true record "counter" is at revision 2, wanted 1
}

// A leader that was paused cannot write any more when another one has taken over.
func ExampleWithFence() {
	ctx := context.Background()
	s := memory.New()
	defer s.Close()
	former, _ := store.WithFence(ctx, s, 41)
	_, err := former.Commit(ctx, store.Batch{Ops: []store.Op{store.Put("a", nil)}})
	fmt.Println(err)

	_, _ = store.WithFence(ctx, s, 42) // the latter begins

	_, err = former.Commit(ctx, store.Batch{Ops: []store.Op{store.Put("a", nil)}})
	fmt.Println(errors.Is(err, store.ErrFenced))
	// Output:
	// <nil>
	// true
}

// Records of an older release are migrated when they are read.
func ExampleSchema() {
	old := store.Schema{Kind: "app", Version: 1}
	value, _ := old.Encode(map[string]any{"name": "web", "cpu": 2})

	now := store.Schema{Kind: "app", Version: 2, Migrations: map[int]store.Migration{
		1: func(p []byte) ([]byte, error) { return bytes.Replace(p, []byte(`"cpu"`), []byte(`"cpus"`), 1), nil },
	}}
	var app struct {
		Name string
		Cpus float64
	}
	err := now.Decode(store.Record{Key: "apps/web", Value: value}, &app)
	fmt.Println(app.Name, app.Cpus, err)
	// Output:
	// web 2 <nil>
}

// A backup moves everything from one kind of store to another.
func ExampleBackup() {
	ctx := context.Background()
	from, to := memory.New(), memory.New()
	_, _ = from.Commit(ctx, store.Batch{Ops: []store.Op{store.Put("tasks/web.1", []byte("TASK_RUNNING"))}})

	var file strings.Builder
	info, err := store.Backup(ctx, from, &file)
	fmt.Println(info.Records, err)
	_, err = store.Restore(ctx, to, strings.NewReader(file.String()), store.RestoreOptions{})
	r, _ := to.Get(ctx, "tasks/web.1")
	fmt.Println(string(r.Value), err)
	// Output:
	// 1 <nil>
	// TASK_RUNNING <nil>
}

// Following the store from what was listed.
func ExampleStore_watch() {
	ctx := context.Background()
	s := memory.New()
	defer s.Close()
	_, revision, _ := s.List(ctx, "tasks/")
	_, _ = s.Commit(ctx, store.Batch{Ops: []store.Op{store.Put("tasks/web.1", []byte("TASK_RUNNING"))}})
	_, _ = s.Commit(ctx, store.Batch{Ops: []store.Op{store.Delete("tasks/web.1")}})

	for events, err := range s.Watch(ctx, "tasks/", revision) {
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, e := range events {
			fmt.Println(e.Key, e.Deleted)
		}
		if events[0].Deleted {
			break
		}
	}
	// Output:
	// tasks/web.1 false
	// tasks/web.1 true
}
