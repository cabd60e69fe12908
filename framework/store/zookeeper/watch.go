package zookeeper

import (
	"context"
	"errors"
	"iter"
	"sort"
	"strings"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/mesokit/mesokit/framework/internal/zkconn"
	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/framework/store/internal/remote"
)

// watchPause is the pause after an attempt that failed for a reason that may pass.
const watchPause = 100 * time.Millisecond

// watcher follows the log.
type watcher struct {
	*backend
	prefix string
	after  store.Revision // of the last entry that was read
	placed bool           // version is known
	// version of the head that wrote the last entry that was read.
	version int32
}

// Watch implements remote.Backend. Values come from the records, not from the log: a record that has changed again since is left to its later
// entry.
func (b *backend) Watch(ctx context.Context, prefix string, after store.Revision) iter.Seq2[[]store.Event, error] {
	return func(yield func([]store.Event, error) bool) {
		w := &watcher{backend: b, prefix: prefix, after: after}
		for ctx.Err() == nil {
			n, err := do(ctx, b, w.next)
			var lost <-chan struct{}
			switch {
			case ctx.Err() != nil:
				return
			case remote.IsPermanent(err):
				yield(nil, err)
				return
			case err != nil:
				select {
				case <-time.After(watchPause):
				case <-ctx.Done():
				}
				continue
			case n.wait != nil:
				lost = n.session.Lost()
			}
			// Only now: a step that was given up must not have moved the watcher.
			*w = n.watcher
			if len(n.events) > 0 && !yield(n.events, nil) {
				return
			}
			if n.wait != nil {
				select {
				case <-n.wait:
				case <-lost:
				case <-ctx.Done():
				}
			}
		}
	}
}

// step is what next found: one entry of the log, or that there is none yet.
type step struct {
	watcher
	session *zkconn.Session
	events  []store.Event
	wait    <-chan zk.Event
}

// next reads the next entry of the log.
func (w *watcher) next(s *zkconn.Session) (step, error) {
	st := step{watcher: *w, session: s}
	_, stat, changed, err := s.GetW(w.headPath())
	if err != nil {
		return st, err
	}
	if !st.placed {
		if st.version, err = w.place(s, stat); err != nil {
			return st, err
		}
		st.placed = true
	}
	if st.version >= stat.Version {
		st.wait = changed
		return st, nil
	}
	c, ok, err := w.change(s, st.version+1)
	if err != nil {
		return st, err
	}
	if !ok {
		return st, remote.Permanent(&store.CompactedError{After: w.after})
	}
	st.version++
	st.after = c.revision
	st.events, err = w.events(s, c)
	return st, err
}

// place returns the version of the head of the last swap up to the revision that the watch starts from.
func (w *watcher) place(s *zkconn.Session, stat *zk.Stat) (int32, error) {
	if w.after >= store.Revision(stat.Mzxid) {
		if w.after > store.Revision(stat.Mzxid) { // of another store, or one that was removed since
			return 0, remote.Permanent(&store.CompactedError{After: w.after})
		}
		return stat.Version, nil
	}
	lowest := max(1, stat.Version-logLength+1)
	var failed error
	first := lowest + int32(sort.Search(int(stat.Version-lowest), func(i int) bool {
		c, ok, err := w.change(s, lowest+int32(i))
		if err != nil {
			failed = err
		}
		// What has been removed meanwhile is old.
		return ok && c.revision > w.after
	}))
	if failed != nil {
		return 0, failed
	}
	if first == lowest && lowest > 1 {
		c, _, err := w.change(s, lowest)
		if err != nil {
			return 0, err
		}
		return 0, remote.Permanent(&store.CompactedError{After: w.after, Oldest: c.revision})
	}
	return first - 1, nil
}

// events returns what an entry of the log tells about keys with the prefix.
func (w *watcher) events(s *zkconn.Session, c change) ([]store.Event, error) {
	var keys []string
	for _, key := range c.keys {
		if len(key) > 1 && strings.HasPrefix(key[1:], w.prefix) {
			keys = append(keys, key)
		}
	}
	found := make([]*store.Event, len(keys))
	err := each(len(keys), func(i int) error {
		e := store.Event{Record: store.Record{Key: keys[i][1:], Revision: c.revision}}
		if keys[i][0] == '-' {
			e.Deleted = true
			found[i] = &e
			return nil
		}
		data, stat, err := s.Get(w.recordPath(e.Key))
		if errors.Is(err, zk.ErrNoNode) {
			return nil
		}
		if err == nil && store.Revision(stat.Mzxid) == c.revision {
			e.Value = data
			found[i] = &e
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var events []store.Event
	for _, e := range found {
		if e != nil {
			events = append(events, *e)
		}
	}
	return events, nil
}
