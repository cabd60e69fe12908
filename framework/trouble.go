package framework

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Where trouble comes from.
const (
	fromMaster = "the master"
	fromStore  = "the store"
)

// trouble says what is wrong with something that the framework needs; "" ends it.
func (f *Framework) trouble(from, what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.troubles[from] == what {
		return
	}
	if f.troubles[from] = what; what == "" {
		delete(f.troubles, from)
	}
	var all []string
	for from, what := range f.troubles {
		all = append(all, from+": "+what)
	}
	slices.Sort(all)
	f.status.Trouble = strings.Join(all, "; ")
	f.changedLocked()
}

// How long a commit takes until it counts as trouble, and until nobody should wait for it any more.
const (
	slowCommit = 5 * time.Second
	hungCommit = time.Minute
)

// watchCommit tells of a commit that does not come to its end, until the function that it returns is called.
func (t *term) watchCommit() (done func()) {
	var mu sync.Mutex
	over := false
	unlessOver := func(f func()) func() {
		return func() {
			mu.Lock()
			defer mu.Unlock()
			if !over {
				f()
			}
		}
	}
	slow := time.AfterFunc(slowCommit, unlessOver(func() {
		t.cfg.Log.Warn("the store is slow: nothing is launched or acknowledged until it answers", "after", slowCommit)
		t.trouble(fromStore, fmt.Sprintf("it has not answered for %v", slowCommit))
	}))
	hung := time.AfterFunc(hungCommit, unlessOver(func() {
		t.cfg.Log.Error("the store does not answer; restart this process if that helps", "after", hungCommit)
		t.set(func(s *Status) { s.Stalled = fmt.Sprintf("a commit to the store has not ended for %v", hungCommit) })
	}))
	return func() {
		mu.Lock()
		over = true
		mu.Unlock()
		if slow.Stop(); !hung.Stop() {
			t.set(func(s *Status) { s.Stalled = "" })
		}
	}
}
