package remote

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/mesokit/mesokit/framework/store"
)

// Pauses between attempts.
const (
	firstPause = 20 * time.Millisecond
	lastPause  = time.Second
)

// orphanAge is the age from which on the chunks of an intent that was never committed are removed.
const orphanAge = time.Hour

// Store is a store.Store on a Backend.
type Store struct {
	backend Backend
	where   string // the store, for errors

	life  context.Context
	end   context.CancelCauseFunc
	mu    sync.Mutex // guards closed and Add against Wait
	calls sync.WaitGroup
	done  bool

	closeOnce sync.Once
	closeErr  error

	turn chan struct{} // held by the commit under way; it guards head
	head *Head         // after the last commit of this handle, nil if not known
}

// Open returns the store in a backend, which it closes, also if it fails. where describes it in errors. ctx bounds the opening only.
func Open(ctx context.Context, backend Backend, where string) (*Store, error) {
	s := &Store{backend: backend, where: where, turn: make(chan struct{}, 1)}
	s.life, s.end = context.WithCancelCause(context.Background())
	err := s.call(ctx, func(ctx context.Context) error {
		head, d, err := s.finished(ctx)
		if err != nil {
			return err
		}
		s.head = &head
		return s.removeOrphans(ctx, d)
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", where, err), s.Close())
	}
	return s, nil
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, key string) (r store.Record, err error) {
	if err := store.ValidateKey(key); err != nil {
		return store.Record{}, err
	}
	err = s.call(ctx, func(ctx context.Context) error {
		return s.read(ctx, func() (Head, error) {
			item, head, err := s.backend.Get(ctx, key)
			r = store.Record{Key: key, Value: item.Data, Revision: item.Revision}
			return head, err
		})
	})
	if err == nil && r.Revision == 0 {
		err = fmt.Errorf("%q: %w", key, store.ErrNotFound)
	}
	if err != nil {
		return store.Record{}, err
	}
	return r, nil
}

// List implements store.Store.
func (s *Store) List(ctx context.Context, prefix string) (records []store.Record, revision store.Revision, err error) {
	err = s.call(ctx, func(ctx context.Context) error {
		return s.read(ctx, func() (head Head, err error) {
			records, head, err = s.backend.List(ctx, prefix)
			revision = head.Revision
			return head, err
		})
	})
	if err != nil {
		return nil, 0, err
	}
	return records, revision, nil
}

// Watch implements store.Store.
func (s *Store) Watch(ctx context.Context, prefix string, after store.Revision) iter.Seq2[[]store.Event, error] {
	return func(yield func([]store.Event, error) bool) {
		stopped := false
		err := s.call(ctx, func(ctx context.Context) error {
			for events, err := range s.backend.Watch(ctx, prefix, after) {
				if err != nil {
					return err
				}
				if stopped = !yield(events, nil); stopped {
					return nil
				}
			}
			return context.Cause(ctx)
		})
		if err != nil && !stopped && (ctx.Err() == nil || errors.Is(err, store.ErrClosed)) {
			yield(nil, err)
		}
	}
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		s.mu.Lock()
		s.done = true
		s.mu.Unlock()
		s.end(store.ErrClosed)
		s.calls.Wait()
		s.closeErr = s.backend.Close()
	})
	return s.closeErr
}

// call runs f under a context that ends with ctx and with the store.
func (s *Store) call(ctx context.Context, f func(context.Context) error) error {
	s.mu.Lock()
	if s.done {
		s.mu.Unlock()
		return store.ErrClosed
	}
	s.calls.Add(1)
	s.mu.Unlock()
	defer s.calls.Done()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.life, func() { cancel(store.ErrClosed) })()
	return unmark(f(ctx))
}

// unmark takes off the mark of a permanent error where it is outermost.
func unmark(err error) error {
	if p, ok := err.(permanentError); ok {
		return p.error
	}
	return err
}

// read repeats f until it has read a state without unfinished intents.
func (s *Store) read(ctx context.Context, f func() (Head, error)) error {
	for {
		var head Head
		err := s.retry(ctx, func() (err error) {
			head, err = f()
			return err
		})
		if err != nil {
			return err
		}
		d, err := parseHead(head, s.where)
		if err != nil || d.Pending == nil {
			return err
		}
		if _, _, err := s.finish(ctx, head, d); err != nil {
			return err
		}
	}
}

// finished returns the head without an unfinished intent.
func (s *Store) finished(ctx context.Context) (head Head, d headData, err error) {
	err = s.read(ctx, func() (Head, error) {
		head, err = s.backend.Head(ctx)
		return head, err
	})
	if err == nil {
		d, err = parseHead(head, s.where)
	}
	return head, d, err
}

// retry repeats f while it fails for reasons that may pass, until ctx ends.
func (s *Store) retry(ctx context.Context, f func() error) error {
	pause := firstPause
	for {
		err := f()
		if err == nil || IsPermanent(err) {
			return err
		}
		if !sleep(ctx, pause) {
			return ended(ctx, err)
		}
		pause = min(2*pause, lastPause)
	}
}

// ended is the error when ctx has ended, last being what was wrong before.
func ended(ctx context.Context, last error) error {
	cause := context.Cause(ctx)
	if last == nil || errors.Is(last, cause) || errors.Is(last, ctx.Err()) {
		return cause
	}
	return fmt.Errorf("%w; before that: %w", cause, last)
}

// sleep waits; it says whether ctx still goes on.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
