package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"go.etcd.io/bbolt"

	"github.com/mesokit/mesokit/framework/store"
)

// What one transaction takes at most; a single batch may be larger.
const (
	maxGroup      = 512
	maxGroupBytes = 8 << 20
)

// request is a batch on its way through the committer.
type request struct {
	batch store.Batch
	plan  store.Plan
	done  chan struct{}

	// The outcome, complete when done is closed.
	revision store.Revision
	events   []store.Event
	err      error
}

// Commit implements store.Store. When ctx ends while the batch is being written, Commit still waits for the disk, so that the outcome is known.
func (s *Store) Commit(ctx context.Context, batch store.Batch) (store.Revision, error) {
	plan, err := batch.Plan()
	if err != nil {
		return 0, err
	}
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	r := &request{batch: batch, plan: plan, done: make(chan struct{})}
	select {
	case s.queue <- r:
		<-r.done
		return r.revision, r.err
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	case <-s.closing:
		return 0, store.ErrClosed
	}
}

// commits takes the batches that wait and writes them together, until the store is closed.
func (s *Store) commits() {
	defer close(s.committer)
	for {
		var group []*request
		select {
		case r := <-s.queue:
			group = append(group, r)
		case <-s.closing:
			return
		}
		size := group[0].plan.Bytes
	collect:
		for len(group) < maxGroup && size < maxGroupBytes {
			select {
			case r := <-s.queue:
				group = append(group, r)
				size += r.plan.Bytes
			default:
				break collect
			}
		}
		s.commitGroup(group)
	}
}

func (s *Store) commitGroup(group []*request) {
	if err := s.mend(); err == nil {
		s.write(group)
	} else {
		for _, r := range group {
			r.err = err
		}
	}
	for _, r := range group {
		if r.err == nil && len(r.plan.Writes) > 0 {
			s.feed.Add(r.revision, r.events)
		}
		close(r.done)
	}
}

// write does the batches in one transaction. A batch that is refused leaves no trace; if the transaction fails, all fail.
func (s *Store) write(group []*request) {
	revision, fence := s.revision, s.fence
	s.syncs++
	err := s.guard(func() error {
		return s.db.Update(func(tx *bbolt.Tx) error {
			for _, r := range group {
				next, token, err := r.apply(tx.Bucket(bucketRecords), revision, fence)
				if err != nil {
					return err
				}
				revision, fence = next, token
			}
			meta := tx.Bucket(bucketMeta)
			return errors.Join(putNumber(meta, metaRevision, int64(revision)), putNumber(meta, metaFence, int64(fence)))
		})
	})
	if err == nil {
		s.revision, s.fence = revision, fence
		return
	}
	err = s.failed(err)
	for _, r := range group {
		r.err = err // also of those that were refused: perhaps because of one that is now undone
	}
}

// apply does one batch after the given state and returns the state after it. Its error is one of the file; r.err is why
// the batch was refused.
func (r *request) apply(records *bbolt.Bucket, revision store.Revision, highest store.Token) (store.Revision, store.Token, error) {
	fence, err := r.batch.NextFence(highest)
	if err == nil {
		err = r.plan.Verify(func(key string) (store.Revision, error) {
			data := records.Get([]byte(key))
			if data == nil {
				return 0, nil
			}
			have, err := decode(key, data)
			return have.Revision, err
		})
	}
	if r.err = err; err != nil {
		return revision, highest, nil
	}
	if len(r.plan.Writes) > 0 {
		revision++
	}
	r.revision = revision
	for _, op := range r.plan.Writes {
		e := store.Event{Record: store.Record{Key: op.Key, Revision: revision}}
		key := []byte(op.Key)
		if op.Kind == store.OpPut {
			e.Value = bytes.Clone(op.Value)
			err = records.Put(key, encode(e.Record))
		} else if e.Deleted = true; records.Get(key) != nil {
			err = records.Delete(key)
		} else {
			continue
		}
		if err != nil {
			return 0, 0, fmt.Errorf("%q: %w", op.Key, err)
		}
		r.events = append(r.events, e)
	}
	return revision, fence, nil
}

// failed says what the failure of a transaction means. A full disk is known before anything counts; whatever else goes wrong, most
// of all a failing fsync, leaves unknown what is on the disk, and nothing may build upon it: the next commit mends that first.
func (s *Store) failed(err error) error {
	if isFull(err) {
		var now int64
		again := s.guard(func() error {
			return s.db.View(func(tx *bbolt.Tx) (err error) {
				now, err = s.number(tx.Bucket(bucketMeta), metaRevision)
				return err
			})
		})
		if again == nil && store.Revision(now) == s.revision {
			return fmt.Errorf("write to %s: %w: %w", s.path, store.ErrFull, err)
		}
	}
	s.broken = err
	return fmt.Errorf("write to %s: %w: %w", s.path, store.ErrUncertain, err)
}

// isFull recognizes the errors of disks, quotas and limits that are exhausted. bbolt does not wrap all of them.
func isFull(err error) bool {
	for _, full := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, full) || strings.Contains(err.Error(), full.Error()) {
			return true
		}
	}
	return false
}

func spaceError(err error) error {
	if isFull(err) {
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	}
	return err
}
