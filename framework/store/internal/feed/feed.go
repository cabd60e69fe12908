// Package feed remembers the latest changes of a local store for those who watch it.
package feed

import (
	"context"
	"iter"
	"strings"
	"sync"

	"github.com/mesokit/mesokit/framework/store"
)

// What is remembered at most; a watcher that falls further behind must list again.
const (
	maxCommits = 4096
	maxBytes   = 32 << 20
)

type commit struct {
	revision store.Revision
	events   []store.Event
	bytes    int
}

// Feed is the latest changes, oldest first.
type Feed struct {
	mu      sync.Mutex
	commits []commit
	bytes   int
	oldest  store.Revision // changes after it are remembered
	newest  store.Revision
	changed chan struct{} // closed by the next Add
	closed  bool
}

// New returns a feed that begins after the given revision.
func New(after store.Revision) *Feed {
	return &Feed{oldest: after, newest: after, changed: make(chan struct{})}
}

// Add appends a commit; revisions must rise.
func (f *Feed) Add(revision store.Revision, events []store.Event) {
	c := commit{revision: revision, events: events}
	for _, e := range events {
		c.bytes += len(e.Key) + len(e.Value)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	f.commits = append(f.commits, c)
	f.bytes += c.bytes
	f.newest = revision
	for len(f.commits) > maxCommits || f.bytes > maxBytes && len(f.commits) > 1 {
		f.oldest = f.commits[0].revision
		f.bytes -= f.commits[0].bytes
		f.commits[0] = commit{}
		f.commits = f.commits[1:]
	}
	close(f.changed)
	f.changed = make(chan struct{})
}

// Skip begins again after a revision: there were commits that nobody knows in detail. Whoever watches must list again.
func (f *Feed) Skip(to store.Revision) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || to == f.newest {
		return
	}
	f.commits, f.bytes, f.oldest, f.newest = nil, 0, to, to
	close(f.changed)
	f.changed = make(chan struct{})
}

// Close ends all watches with store.ErrClosed.
func (f *Feed) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.closed = true
		f.commits = nil
		close(f.changed)
	}
}

// Watch is store.Store.Watch.
func (f *Feed) Watch(ctx context.Context, prefix string, after store.Revision) iter.Seq2[[]store.Event, error] {
	return func(yield func([]store.Event, error) bool) {
		for ctx.Err() == nil {
			c, changed, err := f.next(after)
			if err != nil {
				yield(nil, err)
				return
			}
			if changed != nil {
				select {
				case <-changed:
				case <-ctx.Done():
				}
				continue
			}
			after = c.revision
			if events := matching(c.events, prefix); len(events) > 0 && !yield(events, nil) {
				return
			}
		}
	}
}

// next returns the first commit after a revision, or a channel that tells when to ask again.
func (f *Feed) next(after store.Revision) (c commit, changed <-chan struct{}, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		return c, nil, store.ErrClosed
	case after < f.oldest, after > f.newest: // the latter: a revision of another store
		return c, nil, &store.CompactedError{After: after, Oldest: f.oldest}
	case after == f.newest:
		return c, f.changed, nil
	}
	// Revisions of local stores count commits, but those before a failed one may be missing.
	low, high := 0, len(f.commits)
	for low < high {
		if mid := (low + high) / 2; f.commits[mid].revision <= after {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return f.commits[low], nil, nil
}

func matching(events []store.Event, prefix string) []store.Event {
	var out []store.Event
	for _, e := range events {
		if strings.HasPrefix(e.Key, prefix) {
			out = append(out, e)
		}
	}
	return out
}
