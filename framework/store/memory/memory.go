// Package memory is a store that forgets everything when it is closed: for tests, trials, and frameworks that need no memory.
package memory

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/framework/store/internal/feed"
)

// New returns an empty store.
func New() *Store {
	return &Store{records: map[string]store.Record{}, feed: feed.New(0)}
}

// Store is a store.Store in memory. It starts no goroutines.
type Store struct {
	mu       sync.RWMutex
	records  map[string]store.Record
	revision store.Revision
	fence    store.Token
	closed   bool
	feed     *feed.Feed
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, key string) (store.Record, error) {
	if err := store.ValidateKey(key); err != nil {
		return store.Record{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx); err != nil {
		return store.Record{}, err
	}
	r, ok := s.records[key]
	if !ok {
		return store.Record{}, fmt.Errorf("%q: %w", key, store.ErrNotFound)
	}
	return r, nil
}

// List implements store.Store.
func (s *Store) List(ctx context.Context, prefix string) ([]store.Record, store.Revision, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx); err != nil {
		return nil, 0, err
	}
	var keys []string
	for key := range s.records {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	records := make([]store.Record, 0, len(keys))
	for _, key := range keys {
		records = append(records, s.records[key])
	}
	return records, s.revision, nil
}

// Commit implements store.Store.
func (s *Store) Commit(ctx context.Context, batch store.Batch) (store.Revision, error) {
	plan, err := batch.Plan()
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return 0, err
	}
	fence, err := batch.NextFence(s.fence)
	if err != nil {
		return 0, err
	}
	if err := plan.Verify(func(key string) (store.Revision, error) { return s.records[key].Revision, nil }); err != nil {
		return 0, err
	}
	s.fence = fence
	if len(plan.Writes) == 0 {
		return s.revision, nil
	}
	s.revision++
	events := make([]store.Event, 0, len(plan.Writes))
	for _, op := range plan.Writes {
		e := store.Event{Record: store.Record{Key: op.Key, Revision: s.revision}}
		if op.Kind == store.OpPut {
			e.Value = bytes.Clone(op.Value)
			s.records[op.Key] = e.Record
		} else if _, ok := s.records[op.Key]; ok {
			e.Deleted = true
			delete(s.records, op.Key)
		} else {
			continue
		}
		events = append(events, e)
	}
	s.feed.Add(s.revision, events)
	return s.revision, nil
}

// Watch implements store.Store.
func (s *Store) Watch(ctx context.Context, prefix string, after store.Revision) iter.Seq2[[]store.Event, error] {
	return s.feed.Watch(ctx, prefix, after)
}

// Clone returns a store with the same records, revisions and fence, as a crashed process finds them when it starts again. The watchers
// of s see nothing of the clone.
func (s *Store) Clone() *Store {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return &Store{records: maps.Clone(s.records), revision: s.revision, fence: s.fence, feed: feed.New(s.revision)}
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.feed.Close()
	return nil
}

func (s *Store) usable(ctx context.Context) error {
	if s.closed {
		return store.ErrClosed
	}
	return context.Cause(ctx)
}
