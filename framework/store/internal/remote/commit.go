package remote

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/mesokit/mesokit/framework/store"
)

// Commit implements store.Store. The commits of one handle happen one after the other.
func (s *Store) Commit(ctx context.Context, batch store.Batch) (revision store.Revision, err error) {
	plan, err := batch.Plan()
	if err != nil {
		return 0, err
	}
	err = s.call(ctx, func(ctx context.Context) error {
		select {
		case s.turn <- struct{}{}:
			defer func() { <-s.turn }()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		c := &commit{Store: s, batch: batch, plan: plan, id: newID()}
		defer c.dropChunks()
		revision, err = c.run(ctx)
		return err
	})
	return revision, err
}

// commit is one batch on its way.
type commit struct {
	*Store
	batch store.Batch
	plan  store.Plan
	id    string

	chunks int // written ahead; negative if perhaps not all of them are there
	// tried says that a swap failed such that it may have happened, or may yet happen as long as the head stays; base is
	// the state before the first such swap.
	tried bool
	base  struct {
		commits  int64
		revision store.Revision
	}
}

func (c *commit) run(ctx context.Context) (store.Revision, error) {
	var last error // the latest problem
	for pause := firstPause; ; {
		revision, done, err := c.attempt(ctx)
		switch {
		case done:
			return revision, err
		case err != nil: // may pass
			last = err
			if !sleep(ctx, pause) {
				return 0, c.uncertain(ended(ctx, last))
			}
			pause = min(2*pause, lastPause)
		case ctx.Err() != nil:
			return 0, c.uncertain(ended(ctx, last))
		}
	}
}

// uncertain adds to an error that ends the commit that it may have happened, if so.
func (c *commit) uncertain(err error) error {
	if c.tried {
		return fmt.Errorf("%w: %w", store.ErrUncertain, err)
	}
	return err
}

// attempt tries once; done says that the result is final. Without error, another attempt may be made at once.
func (c *commit) attempt(ctx context.Context) (revision store.Revision, done bool, err error) {
	var head Head
	var d headData
	cached := c.head != nil && !c.tried && len(c.plan.Writes) > 0
	if cached {
		head = *c.head
		d, err = parseHead(head, c.where)
	} else {
		head, d, err = c.finished(ctx)
	}
	c.head = nil // until something is known again
	if err != nil {
		return 0, IsPermanent(err), c.final(err)
	}
	if c.tried {
		if has, sure := d.has(c.id, c.base.commits); has {
			c.chunks = 0
			if d.Commits == c.base.commits+1 {
				return head.Revision, true, nil
			}
			return c.base.revision, true, nil // others have followed: rather too early than too late
		} else if !sure {
			return 0, true, c.uncertain(errors.New("the connection broke, and many commits followed"))
		}
	}
	fence, err := c.batch.NextFence(d.Fence)
	if err == nil {
		err = c.verify(ctx)
	}
	refused := errors.Is(err, store.ErrFenced) || errors.Is(err, store.ErrConflict)
	switch {
	case refused && cached:
		return 0, false, nil // the present head may judge otherwise
	case refused:
		// If an earlier swap may still arrive, its head has changed: by the same head it was not refused.
		return 0, true, err
	case err != nil:
		return 0, IsPermanent(err), c.final(err)
	case len(c.batch.Ops) == 0 && fence == d.Fence && !c.tried:
		c.head = &head
		return head.Revision, true, nil
	}
	return c.swap(ctx, head, d, fence)
}

// final adds uncertainty to errors that will not pass.
func (c *commit) final(err error) error {
	if IsPermanent(err) {
		return c.uncertain(unmark(err))
	}
	return err
}

// swap commits after the given head.
func (c *commit) swap(ctx context.Context, head Head, d headData, fence store.Token) (revision store.Revision, done bool, err error) {
	swap := Swap{Version: head.Version, Writes: writes(c.plan)}
	next := d.with(c.id, fence, nil)
	if !c.fits(swap.Writes) {
		chunks := c.split(swap.Writes)
		if err := c.writeAhead(ctx, chunks); err != nil {
			return 0, IsPermanent(err), c.final(err)
		}
		next.Pending = &intent{ID: c.id, Chunks: len(chunks)}
		swap.Writes, swap.Require = nil, ChunkName(c.id, 0)
	}
	swap.Head = next.encode()
	now, ok, err := c.backend.Swap(ctx, swap)
	switch {
	case errors.Is(err, store.ErrFull):
		return c.full(ctx, head, d, err)
	case err != nil && IsPermanent(err):
		return 0, true, c.final(err)
	case err != nil:
		if !c.tried {
			c.tried, c.base.commits, c.base.revision = true, d.Commits, head.Revision
		}
		return 0, false, err
	case !ok:
		if c.chunks > 0 {
			c.chunks = -c.chunks // perhaps that is what was missing
		}
		return 0, false, nil
	}
	if next.Pending == nil {
		c.head = &now
		return now.Revision, true, nil
	}
	// Committed. Whoever comes finishes it, so errors do not matter; but readers that do not come by the head see it when it is.
	c.chunks = 0
	last, all, err := c.finish(ctx, now, next)
	if err == nil && all {
		c.head = &last
		return last.Revision, true, nil
	}
	_, _, _ = c.finished(ctx)
	return now.Revision, true, nil
}

// full finds out what an answer means that there is no space: etcd gives it to the write that used up the space, too, and does it.
func (c *commit) full(ctx context.Context, before Head, was headData, problem error) (revision store.Revision, done bool, err error) {
	var head Head
	err = c.retry(ctx, func() (err error) {
		head, err = c.backend.Head(ctx)
		return err
	})
	var d headData
	if err == nil {
		d, err = parseHead(head, c.where)
	}
	if err != nil {
		return 0, true, fmt.Errorf("%w: %w: %w", store.ErrUncertain, unmark(problem), unmark(err))
	}
	if has, sure := d.has(c.id, was.Commits); has {
		c.chunks = 0
		_, _, _ = c.finished(ctx)
		if d.Commits > was.Commits+1 {
			return before.Revision, true, nil // others have followed: rather too early than too late
		}
		return head.Revision, true, nil
	} else if !sure {
		return 0, true, fmt.Errorf("%w: %w", store.ErrUncertain, unmark(problem))
	}
	return 0, true, c.final(problem)
}

// verify makes the checks against what the backend has.
func (c *commit) verify(ctx context.Context) error {
	if len(c.plan.Checks) == 0 {
		return nil
	}
	keys := make([]string, len(c.plan.Checks))
	for i, op := range c.plan.Checks {
		keys[i] = op.Key
	}
	revisions, err := c.backend.Revisions(ctx, keys)
	if err != nil {
		return err
	}
	next := 0
	return c.plan.Verify(func(string) (store.Revision, error) {
		next++
		return revisions[next-1], nil
	})
}

func writes(p store.Plan) []Write {
	out := make([]Write, len(p.Writes))
	for i, op := range p.Writes {
		out[i] = Write{Key: op.Key, Data: op.Value, Delete: op.Kind == store.OpDelete}
	}
	return out
}

func (s *Store) fits(writes []Write) bool {
	most, limit := s.backend.Limits()
	if len(writes) > most {
		return false
	}
	cost := 0
	for _, w := range writes {
		cost += s.backend.Cost(w)
	}
	return cost <= limit
}

// split cuts the writes in chunks that fit.
func (s *Store) split(writes []Write) (chunks [][]Write) {
	most, limit := s.backend.Limits()
	start, cost := 0, 0
	for i, w := range writes {
		c := s.backend.Cost(w)
		if i > start && (i-start == most || cost+c > limit) {
			chunks = append(chunks, writes[start:i])
			start, cost = i, 0
		}
		cost += c
	}
	return append(chunks, writes[start:])
}

// writeAhead stores the chunks, unless they are stored already.
func (c *commit) writeAhead(ctx context.Context, chunks [][]Write) error {
	if c.chunks == len(chunks) {
		return nil
	}
	c.chunks = len(chunks)
	const parallel = 4
	errs := make([]error, parallel)
	var wg sync.WaitGroup
	for p := range min(parallel, len(chunks)) {
		wg.Go(func() {
			for n := p; n < len(chunks) && errs[p] == nil; n += parallel {
				data := encodeChunk(chunks[n])
				errs[p] = c.retry(ctx, func() error { return c.backend.PutChunk(ctx, ChunkName(c.id, n), data) })
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			c.chunks = -len(chunks)
			return err
		}
	}
	return nil
}

// dropChunks removes what was written ahead of a commit that did not happen. If it is not sure, they stay until they are old.
func (c *commit) dropChunks() {
	if c.chunks == 0 || c.tried {
		return
	}
	ctx, cancel := context.WithTimeout(c.life, time.Second)
	defer cancel()
	names := []string{}
	for n := range max(c.chunks, -c.chunks) {
		names = append(names, ChunkName(c.id, n))
	}
	_ = c.backend.DeleteChunks(ctx, names) // otherwise they stay until they are old
}

// finish applies the chunks of the intent that head names, until that is done or somebody else goes on with it. All who find an
// intent may do so at the same time: each chunk moves the head, so it is applied once. all says that this call applied the last chunk,
// after which last is the head.
func (s *Store) finish(ctx context.Context, head Head, d headData) (last Head, all bool, err error) {
	id, chunks := d.Pending.ID, d.Pending.Chunks
	for d.Pending != nil {
		name := ChunkName(id, d.Pending.Next)
		var chunk Item
		if err := s.retry(ctx, func() (err error) {
			chunk, err = s.backend.GetChunk(ctx, name)
			return err
		}); err != nil {
			return head, false, err
		}
		if chunk.Revision == 0 {
			return head, false, s.missing(ctx, head, name)
		}
		writes, err := decodeChunk(name, chunk.Data)
		if err != nil {
			return head, false, err
		}
		next := d
		next.Pending = &intent{ID: id, Chunks: chunks, Next: d.Pending.Next + 1}
		if next.Pending.Next == chunks {
			next.Pending = nil
		}
		now, ok, err := s.backend.Swap(ctx, Swap{Version: head.Version, Head: next.encode(), Writes: writes})
		if err != nil && !IsPermanent(err) {
			if !sleep(ctx, firstPause) {
				err = ended(ctx, err)
			} else {
				err = nil // the caller reads again where it stands
			}
		}
		if err != nil || !ok { // not ok: somebody else was faster
			return head, false, err
		}
		head, d = now, next
	}
	names := make([]string, chunks)
	for n := range names {
		names[n] = ChunkName(id, n)
	}
	_ = s.backend.DeleteChunks(ctx, names) // nobody needs them; what stays is removed when it is old
	return head, true, nil
}

// missing finds out why a chunk is: usually because the intent is finished.
func (s *Store) missing(ctx context.Context, head Head, name string) error {
	var now Head
	if err := s.retry(ctx, func() (err error) {
		now, err = s.backend.Head(ctx)
		return err
	}); err != nil || now.Version != head.Version {
		return err
	}
	return Permanent(&store.CorruptError{Where: s.where, Reason: "intent " + name + " of a committed batch is missing"})
}

// removeOrphans removes the chunks of intents that were never committed. The first chunk, which a swap requires, goes first: a writer that
// is still alive, however late, cannot commit an intent without chunks.
func (s *Store) removeOrphans(ctx context.Context, d headData) error {
	return s.retry(ctx, func() error {
		names, err := s.backend.ListChunks(ctx)
		if err != nil {
			return err
		}
		var old []string
		for _, name := range names {
			id, made, ok := chunkAge(name)
			if ok && time.Since(made) > orphanAge && (d.Pending == nil || d.Pending.ID != id) {
				old = append(old, name)
			}
		}
		if len(old) == 0 {
			return nil
		}
		return s.backend.DeleteChunks(ctx, old)
	})
}
