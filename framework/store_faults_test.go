package framework_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/framework"
	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/placement"
	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/framework/store/memory"
)

// faultyStore fails commits.
type faultyStore struct {
	store.Store
	mu      sync.Mutex
	commits int
	// fault is asked before each commit, which is counted from 1. It says whether the commit is made, and with what error it ends.
	fault func(n int) (made bool, err error)
}

func (s *faultyStore) Commit(ctx context.Context, b store.Batch) (store.Revision, error) {
	s.mu.Lock()
	s.commits++
	n, fault := s.commits, s.fault
	s.mu.Unlock()
	made, err := fault(n)
	if !made {
		return 0, err
	}
	r, failed := s.Store.Commit(ctx, b)
	return r, errors.Join(failed, err)
}

func (s *faultyStore) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.commits
}

func fine(int) (bool, error) { return true, nil }

// errIO is what a store says whose disk has failed a write.
var errIO = fmt.Errorf("%w: %w", store.ErrUncertain, syscall.EIO)

var eager = core.Config{Book: placement.BookConfig{ReviveEvery: 20 * time.Millisecond, ShortRefusal: 50 * time.Millisecond}, ReconcileRetry: 100 * time.Millisecond}

// aDay submits an application, scales it and removes it, and returns how many commits that took.
func aDay(t *testing.T, c *cluster.Cluster, name string, fault func(int) (bool, error)) int {
	t.Helper()
	db := &faultyStore{Store: memory.New(), fault: fault}
	defer db.Close()
	r := run(t, framework.Config{Name: name, Master: c.Master(), Store: db, Core: eager, Apps: []*app.App{service("web", 1)}})
	defer r.end()
	r.until(up("web", 1))
	r.do(core.Scale{App: "web", Instances: 2})
	r.until(up("web", 2))
	if records, _, err := db.List(t.Context(), "instance/web/"); err != nil || len(records) != 2 {
		t.Errorf("%d records of instances, %v", len(records), err)
	}
	r.do(core.Uninstall{})
	if err := <-r.done; err != nil {
		t.Errorf("uninstall: %v", err)
	}
	r.done <- errStopped
	return db.count()
}

func TestAFaultOfTheStoreAtAnyCommitPasses(t *testing.T) {
	c := start(t)
	total := aDay(t, c, "no-fault", fine)
	for _, made := range []bool{false, true} {
		for k := 2; k <= total; k++ { // the first is the fence, before which nothing has begun
			aDay(t, c, fmt.Sprintf("fault-%v-%d", made, k), func(n int) (bool, error) {
				if n == k {
					return made, errIO
				}
				return true, nil
			})
			if t.Failed() {
				t.Fatalf("commit %d of %d failed once, made: %v", k, total, made)
			}
		}
	}
}

func TestAStoreThatStaysBrokenEndsTheTermWithAnErrorAndNoCommandHangs(t *testing.T) {
	c := start(t)
	broken := fmt.Errorf("%w: %w", store.ErrBroken, syscall.EIO)
	for k := 1; k <= 6; k++ {
		db := &faultyStore{Store: memory.New(), fault: func(n int) (bool, error) {
			if n >= k {
				return false, broken
			}
			return true, nil
		}}
		f, err := framework.New(framework.Config{Name: fmt.Sprint("broken-", k), Master: c.Master(), Store: db, Core: eager, Apps: []*app.App{service("web", 1)}})
		if err != nil {
			t.Fatal(err)
		}
		f.SetPatience(50*time.Millisecond, 300*time.Millisecond)
		done := make(chan error, 1)
		go func() { done <- f.Run(t.Context()) }()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		troubled := false
		for _, st := range f.Watch(ctx) {
			if troubled = troubled || strings.Contains(st.Trouble, "the store: "); troubled || !st.Running && k == 1 {
				break
			}
		}
		cancel()
		if !troubled && k > 1 {
			t.Errorf("from commit %d on all fail, and the status does not tell", k)
		}
		if _, err := f.Do(t.Context(), core.Scale{App: "web", Instances: 2}); err == nil {
			t.Errorf("from commit %d on all fail, and a command is answered as if it was stored", k)
		} else if stalled, ok := errors.AsType[*framework.StalledError](err); ok && !strings.Contains(stalled.Error(), "the store: ") {
			t.Errorf("the refusal does not name the trouble: %v", err)
		}
		if err := <-done; !errors.Is(err, store.ErrBroken) || !errors.Is(err, syscall.EIO) {
			t.Errorf("from commit %d on all fail, and Run ended with %v", k, err)
		}
		_ = db.Close()
	}
}

func TestACommandIsNotHeldUpByAStoreThatHangs(t *testing.T) {
	c := start(t)
	hung, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	db := &faultyStore{Store: memory.New(), fault: fine}
	defer db.Close()
	r := run(t, framework.Config{Master: c.Master(), Store: db, Core: eager, Apps: []*app.App{service("web", 1)}})
	defer r.end()
	r.until(up("web", 1))
	db.mu.Lock()
	db.fault = func(int) (bool, error) {
		once.Do(func() { close(hung) })
		<-release
		return true, nil
	}
	db.mu.Unlock()
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-hung
		cancel(errStopped)
	}()
	if _, err := r.Do(ctx, core.Scale{App: "web", Instances: 2}); !errors.Is(err, errStopped) {
		t.Errorf("got %v", err)
	}
	close(release)
	r.until(up("web", 2))
}

func TestTheTroubleOfOneThingDoesNotHideThatOfAnother(t *testing.T) {
	c := start(t)
	full := fmt.Errorf("write: %w", store.ErrFull)
	db := &faultyStore{Store: memory.New(), fault: fine}
	defer db.Close()
	r := run(t, framework.Config{Master: c.Master(), Store: db, Core: eager, Apps: []*app.App{service("web", 1)}})
	defer r.end()
	r.until(up("web", 1))
	db.mu.Lock()
	db.fault = func(int) (bool, error) { return false, full }
	db.mu.Unlock()
	go func() { _, _ = r.Do(t.Context(), core.Scale{App: "web", Instances: 2}) }()
	status := func(what string, is func(framework.Status) bool) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		for _, st := range r.Watch(ctx) {
			if is(st) {
				return
			}
		}
		t.Fatalf("waited in vain until %s: %+v", what, r.Status())
	}
	troubled := func(st framework.Status) bool { return strings.Contains(st.Trouble, "no space left") }
	status("the store is full", troubled)
	if err := c.FailOver(t.Context()); err != nil {
		t.Fatal(err)
	}
	status("the master is lost too", func(st framework.Status) bool {
		return troubled(st) && (st.Master == "" || strings.Contains(st.Trouble, "the master: "))
	})
	status("the master is back, the store is not", func(st framework.Status) bool {
		return troubled(st) && st.Master != "" && !strings.Contains(st.Trouble, "the master: ")
	})
	db.mu.Lock()
	db.fault = fine
	db.mu.Unlock()
	status("all is well", func(st framework.Status) bool { return st.Trouble == "" && st.Master != "" })
	r.until(up("web", 2))
}
