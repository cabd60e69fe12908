//go:build zookeeper

package zookeeper_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"go.uber.org/goleak"

	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/framework/store/memory"
	"github.com/mesokit/mesokit/framework/store/storetest"
	"github.com/mesokit/mesokit/framework/store/zookeeper"
	"github.com/mesokit/mesokit/internal/testzk"
)

func TestMain(m *testing.M) {
	storetest.Child(func(target string) (store.Store, error) {
		addr, path, _ := strings.Cut(target, " ")
		return zookeeper.Open(context.Background(), zookeeper.Config{Servers: []string{addr}, Path: path})
	})
	goleak.VerifyTestMain(m)
}

// wires are connections that a test can cut.
type wires struct {
	mu    sync.Mutex
	conns []net.Conn
}

func (w *wires) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err == nil {
		w.mu.Lock()
		w.conns = append(w.conns, c)
		w.mu.Unlock()
	}
	return c, err
}

func (w *wires) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		_ = c.Close()
	}
	w.conns = nil
}

func config(path string, servers ...*testzk.Server) zookeeper.Config {
	return zookeeper.Config{Servers: strings.Split(testzk.Addrs(servers...), ","), Path: path, SessionTimeout: 4 * time.Second}
}

func open(t testing.TB, cfg zookeeper.Config) store.Store {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), storetest.Patience)
	defer cancel()
	s, err := zookeeper.Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// backend gives every test a path of its own.
func backend(base string, w *wires, servers ...*testzk.Server) storetest.Backend {
	var n atomic.Int64
	return storetest.Backend{Durable: true, Shared: true, New: func(*testing.T) storetest.Open {
		cfg := config(fmt.Sprintf("/%s/%d", base, n.Add(1)), servers...)
		if w != nil {
			cfg.DialContext = w.dial
		}
		return func(t *testing.T) store.Store { return open(t, cfg) }
	}}
}

func TestConformance(t *testing.T) {
	server := testzk.Start(t)
	t.Run("one server", func(t *testing.T) { storetest.Run(t, backend("good", nil, server)) })
	t.Run("bad connections", func(t *testing.T) {
		var w wires
		var wg sync.WaitGroup
		done := make(chan struct{})
		wg.Go(func() {
			ticker := time.NewTicker(700 * time.Millisecond)
			defer ticker.Stop()
			for {
				select {
				case <-ticker.C:
					w.cut()
				case <-done:
					return
				}
			}
		})
		storetest.Run(t, backend("bad", &w, server))
		close(done)
		wg.Wait()
	})
}

// The handles of one store talk to different servers, which lag behind each other.
func TestConformanceOfAnEnsemble(t *testing.T) {
	storetest.Run(t, backend("ensemble", nil, testzk.StartEnsemble(t, 3)...))
}

func TestASilentServerLeavesACommitUncertain(t *testing.T) {
	server := testzk.Start(t)
	s := open(t, config("/silent", server))
	storetest.Silence(t, s, server.Pause, server.Continue)
}

// Commits and watches go on after the server was down.
func TestARestartOfTheServerIsSurvived(t *testing.T) {
	server := testzk.Start(t)
	s := open(t, config("/restart", server))
	storetest.Restart(t, s, server.Stop, server.Start)
}

func TestAWatchFromBeforeTheLogIsTold(t *testing.T) {
	s := open(t, config("/compact", testzk.Start(t)))
	storetest.Put(t, s, "first", "1")
	first, err := s.Get(t.Context(), "first")
	if err != nil {
		t.Fatal(err)
	}
	var half store.Revision
	for i := range 1100 {
		r, err := s.Commit(t.Context(), store.Batch{Ops: []store.Op{store.Put("a", fmt.Append(nil, i))}})
		if err != nil {
			t.Fatal(err)
		}
		if i == 550 {
			half = r
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), storetest.Patience)
	defer cancel()
	var compacted *store.CompactedError
	for events, err := range s.Watch(ctx, "", first.Revision) {
		if !errors.As(err, &compacted) || compacted.After != first.Revision || compacted.Oldest <= first.Revision {
			t.Fatalf("watch: %v, %v", events, err)
		}
	}
	if compacted == nil {
		t.Fatal("the watch ended without a word")
	}
	// What is told to be the oldest is, and what is between is remembered.
	for _, from := range []store.Revision{compacted.Oldest, half} {
		for events, err := range s.Watch(ctx, "", from) {
			if err != nil {
				t.Fatal(err)
			}
			if string(events[0].Value) != "1099" {
				t.Fatalf("the last value is %q", events[0].Value)
			}
			break
		}
	}
}

func TestDamageIsTold(t *testing.T) {
	server := testzk.Start(t)
	cfg := config("/damaged", server)
	if err := open(t, cfg).Close(); err != nil {
		t.Fatal(err)
	}
	conn := admin(t, server)
	for head, want := range map[string]any{"{": new(*store.CorruptError), `{"format":2}`: new(*store.NewerVersionError)} {
		if _, err := conn.Set("/damaged/head", []byte(head), -1); err != nil {
			t.Fatal(err)
		}
		if _, err := zookeeper.Open(t.Context(), cfg); !errors.As(err, want) {
			t.Errorf("%s: %v", head, err)
		}
	}
}

func admin(t *testing.T, server *testzk.Server) *zk.Conn {
	t.Helper()
	conn, events, err := zk.Connect([]string{server.Addr}, 10*time.Second, zk.WithLogInfo(false))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		for range events {
		}
	})
	return conn
}

// With credentials, nobody else has access; without, a store of somebody's is refused and not waited for.
func TestAnotherUserHasNoAccess(t *testing.T) {
	server := testzk.Start(t)
	cfg := config("/secret/store", server)
	cfg.User, cfg.Password = "framework", "password"
	storetest.Put(t, open(t, cfg), "a", "1")
	if data, _, err := admin(t, server).Get("/secret/store/records/@/a"); !errors.Is(err, zk.ErrNoAuth) {
		t.Fatalf("somebody reads %q, %v", data, err)
	}
	cfg.Password = "wrong"
	if _, err := zookeeper.Open(t.Context(), cfg); !errors.Is(err, zk.ErrNoAuth) {
		t.Fatalf("open: %v", err)
	}
}

// What is stored is what was put, for whoever looks with zkCli.
func TestRecordsAreReadable(t *testing.T) {
	server := testzk.Start(t)
	storetest.Put(t, open(t, config("/readable", server)), "tasks/web.1", `{"state":"TASK_RUNNING"}`)
	data, _, err := admin(t, server).Get("/readable/records/tasks/web.1")
	if err != nil || string(data) != `{"state":"TASK_RUNNING"}` {
		t.Fatalf("%q, %v", data, err)
	}
}

func TestAKilledWriterLeavesWholeBatches(t *testing.T) {
	server := testzk.Start(t)
	storetest.Crash(t, server.Addr+" /crash", func(t *testing.T) store.Store { return open(t, config("/crash", server)) }, 6)
}

func TestAStoppedLeaderIsRefused(t *testing.T) {
	server := testzk.Start(t)
	storetest.Takeover(t, server.Addr+" /takeover", func(t *testing.T) store.Store { return open(t, config("/takeover", server)) })
}

// Much more than one request takes, there and back.
func TestABackupMovesBetweenBackends(t *testing.T) {
	from, to, back := memory.New(), open(t, config("/backup", testzk.Start(t))), memory.New()
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
	if records, _, err := back.List(t.Context(), "tasks/"); err != nil || len(records) != 5000 {
		t.Fatalf("%d records, %v", len(records), err)
	}
}

func BenchmarkZooKeeper(b *testing.B) {
	b.Setenv("_JAVA_OPTIONS", "-Xmx1g") // the server holds everything in memory
	s := open(b, config("/bench", testzk.Start(b)))
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
