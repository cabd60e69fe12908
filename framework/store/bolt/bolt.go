package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/framework/store/internal/feed"
)

// Store is a store.Store in a file. Its one goroutine ends with Close.
type Store struct {
	path string
	cfg  Config
	feed *feed.Feed

	mu sync.RWMutex // held for reading while db is in use, and for writing while it is replaced
	db *bbolt.DB

	queue     chan *request
	closing   chan struct{} // closed when Close begins
	committer chan struct{} // closed when the committer has ended
	closeOnce sync.Once
	closeErr  error

	// Of the committer; set before it starts.
	revision store.Revision
	fence    store.Token
	broken   error // nothing may be written before the file is opened again
	syncs    int64 // transactions, for benchmarks
}

// Path returns the path of the file.
func (s *Store) Path() string { return s.path }

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, key string) (r store.Record, err error) {
	if err := store.ValidateKey(key); err != nil {
		return store.Record{}, err
	}
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		data := tx.Bucket(bucketRecords).Get([]byte(key))
		if data == nil {
			return fmt.Errorf("%q: %w", key, store.ErrNotFound)
		}
		r, err = decode(key, data)
		r.Value = bytes.Clone(r.Value) // the map does not outlive the transaction
		return err
	})
	return r, err
}

// List implements store.Store. All records are read in one transaction, whose writers wait only if the file's map must grow.
func (s *Store) List(ctx context.Context, prefix string) (records []store.Record, revision store.Revision, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		n, err := s.number(tx.Bucket(bucketMeta), metaRevision)
		if err != nil {
			return err
		}
		revision = store.Revision(n)
		start := []byte(prefix)
		cursor := tx.Bucket(bucketRecords).Cursor()
		for key, data := cursor.Seek(start); key != nil && bytes.HasPrefix(key, start); key, data = cursor.Next() {
			r, err := decode(string(key), data)
			if err != nil {
				return err
			}
			r.Value = bytes.Clone(r.Value)
			if records = append(records, r); len(records)%1024 == 0 && ctx.Err() != nil {
				return context.Cause(ctx)
			}
		}
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	return records, revision, nil
}

// Watch implements store.Store. It remembers what was committed since the file was opened, up to a bound.
func (s *Store) Watch(ctx context.Context, prefix string, after store.Revision) iter.Seq2[[]store.Event, error] {
	return s.feed.Watch(ctx, prefix, after)
}

// Close implements store.Store. It waits for commits that are being written.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		close(s.closing)
		<-s.committer
		s.feed.Close()
		s.closeErr = s.db.Close()
	})
	return s.closeErr
}

// view runs f in a transaction that reads.
func (s *Store) view(ctx context.Context, f func(*bbolt.Tx) error) error {
	select {
	case <-s.closing:
		return store.ErrClosed
	default:
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	err := s.guard(func() error { return s.db.View(f) })
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return store.ErrClosed
	}
	return err
}
