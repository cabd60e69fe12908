// Package stores holds the backends of framework/store to their promises against servers that are too heavy for the main module.
package stores

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"

	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/framework/store/etcd"
	"github.com/mesokit/mesokit/framework/store/memory"
	"github.com/mesokit/mesokit/framework/store/storetest"
	"github.com/mesokit/mesokit/test/external/testetcd"
)

func TestMain(m *testing.M) {
	storetest.Child(func(target string) (store.Store, error) {
		addr, prefix, _ := strings.Cut(target, " ")
		return etcd.Open(context.Background(), etcd.Config{Endpoints: []string{addr}, Prefix: prefix})
	})
	os.Exit(m.Run())
}

func open(t testing.TB, addr, prefix string) store.Store {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), storetest.Patience)
	defer cancel()
	s, err := etcd.Open(ctx, etcd.Config{Endpoints: []string{addr}, Prefix: prefix, CallTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// backend gives every test a prefix of its own on one server.
func backend(addr string) storetest.Backend {
	var n atomic.Int64
	return storetest.Backend{Durable: true, Shared: true, New: func(*testing.T) storetest.Open {
		prefix := fmt.Sprintf("/test/%d", n.Add(1))
		return func(t *testing.T) store.Store { return open(t, addr, prefix) }
	}}
}

func TestConformance(t *testing.T) { storetest.Run(t, backend(testetcd.Start(t).Addr)) }

// The connections break all the time.
func TestConformanceOverBadConnections(t *testing.T) {
	proxy := testetcd.StartProxy(t, testetcd.Start(t).Addr)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		ticker := time.NewTicker(400 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				proxy.Cut()
			case <-done:
				return
			}
		}
	})
	storetest.Run(t, backend(proxy.Addr))
	close(done)
	wg.Wait()
}

func TestASlowServerIsWaitedFor(t *testing.T) {
	proxy := testetcd.StartProxy(t, testetcd.Start(t).Addr)
	s := open(t, proxy.Addr, "/slow")
	proxy.Delay(100 * time.Millisecond)
	storetest.Put(t, s, "a", "1")
	storetest.Want(t, s, "a", "1")
}

func TestASilentServerLeavesACommitUncertain(t *testing.T) {
	proxy := testetcd.StartProxy(t, testetcd.Start(t).Addr)
	s := open(t, proxy.Addr, "/silent")
	storetest.Silence(t, s, proxy.Hold, proxy.Release)
}

// Commits and watches go on after the server was down.
func TestARestartOfTheServerIsSurvived(t *testing.T) {
	server := testetcd.Start(t)
	s := open(t, server.Addr, "/restart")
	storetest.Restart(t, s, server.Stop, server.Start)
}

func TestAWatchFromACompactedRevisionIsTold(t *testing.T) {
	server := testetcd.Start(t)
	s := open(t, server.Addr, "/compact")
	storetest.Put(t, s, "a", "1")
	storetest.Put(t, s, "a", "2")
	r, err := s.Get(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.Client().Compact(t.Context(), int64(r.Revision)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), storetest.Patience)
	defer cancel()
	var compacted *store.CompactedError
	for events, err := range s.Watch(ctx, "", 1) {
		if !errors.As(err, &compacted) || compacted.After != 1 || compacted.Oldest < 1 {
			t.Fatalf("watch: %v, %v", events, err)
		}
	}
	if compacted == nil {
		t.Fatal("the watch ended without a word")
	}
}

func TestAFullServerIsTold(t *testing.T) {
	server := testetcd.Start(t, func(c *embed.Config) { c.QuotaBackendBytes = 4 << 20 })
	s := open(t, server.Addr, "/full")
	var err error
	n := 0
	for ; err == nil && n < 100; n++ {
		_, err = s.Commit(t.Context(), store.Batch{Ops: []store.Op{store.Put(fmt.Sprintf("a/%02d", n), make([]byte, 500<<10))}})
	}
	if !errors.Is(err, store.ErrFull) {
		t.Fatalf("commit %d: %v", n, err)
	}
	if records, _, err := s.List(t.Context(), "a/"); err != nil || len(records) != n-1 {
		t.Fatalf("%d records, but %d commits passed, %v", len(records), n-1, err)
	}
}

func TestDamageIsTold(t *testing.T) {
	server := testetcd.Start(t)
	open(t, server.Addr, "/damaged")
	client := server.Client()
	for head, want := range map[string]any{"{": new(*store.CorruptError), `{"format":2}`: new(*store.NewerVersionError)} {
		if _, err := client.Put(t.Context(), "/damaged/head", head); err != nil {
			t.Fatal(err)
		}
		_, err := etcd.Open(t.Context(), etcd.Config{Endpoints: []string{server.Addr}, Prefix: "/damaged"})
		if !errors.As(err, want) {
			t.Errorf("%s: %v", head, err)
		}
	}
}

// What is stored is what was put, for whoever looks with etcdctl.
func TestRecordsAreReadable(t *testing.T) {
	server := testetcd.Start(t)
	s := open(t, server.Addr, "/readable")
	storetest.Put(t, s, "tasks/web.1", `{"state":"TASK_RUNNING"}`)
	resp, err := server.Client().Get(t.Context(), "/readable/records/tasks/web.1")
	if err != nil || len(resp.Kvs) != 1 || string(resp.Kvs[0].Value) != `{"state":"TASK_RUNNING"}` {
		t.Fatalf("%v, %v", resp, err)
	}
}

func TestAKilledWriterLeavesWholeBatches(t *testing.T) {
	server := testetcd.Start(t)
	storetest.Crash(t, server.Addr+" /crash", func(t *testing.T) store.Store { return open(t, server.Addr, "/crash") }, 8)
}

func TestAStoppedLeaderIsRefused(t *testing.T) {
	server := testetcd.Start(t)
	storetest.Takeover(t, server.Addr+" /takeover", func(t *testing.T) store.Store { return open(t, server.Addr, "/takeover") })
}

// The whole state goes from memory to etcd and back, much more than one transaction takes.
func TestABackupMovesBetweenBackends(t *testing.T) {
	from, to, back := memory.New(), open(t, testetcd.Start(t).Addr, "/backup"), memory.New()
	storetest.Fill(t, from, 5000, 600)
	path := t.TempDir() + "/backup"
	for _, step := range [][2]store.Store{{from, to}, {to, back}} {
		if _, err := store.BackupFile(t.Context(), step[0], path); err != nil {
			t.Fatal(err)
		}
		if info, err := store.RestoreFile(t.Context(), step[1], path, store.RestoreOptions{}); err != nil || info.Records != 5000 {
			t.Fatalf("%+v, %v", info, err)
		}
	}
	want, _, _ := from.List(t.Context(), "")
	got, _, err := back.List(t.Context(), "")
	if err != nil || len(got) != len(want) {
		t.Fatalf("%d records, want %d, %v", len(got), len(want), err)
	}
	for i := range want {
		if got[i].Key != want[i].Key || string(got[i].Value) != string(want[i].Value) {
			t.Fatalf("%q became %q", want[i].Key, got[i].Key)
		}
	}
}

func BenchmarkEtcd(b *testing.B) {
	s := open(b, testetcd.Start(b, func(c *embed.Config) { c.QuotaBackendBytes = 2 << 30 }).Addr, "/bench")
	value := make([]byte, 600)
	b.Run("commit", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.Commit(b.Context(), store.Batch{Ops: []store.Op{store.Put("a", value)}}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("list 100000", func(b *testing.B) {
		storetest.Fill(b, s, 100_000, 600)
		for b.Loop() {
			if records, _, err := s.List(b.Context(), "tasks/"); err != nil || len(records) != 100_000 {
				b.Fatal(len(records), err)
			}
		}
	})
}
