package store

import (
	"context"
	"errors"
)

// WithFence makes token the greatest that s has seen and returns s with all commits fenced by it. A leader calls it at the
// start of its term, before it reads: from then on its predecessor can change nothing more, so that what it reads
// holds. It returns ErrFenced if somebody leads already who was elected later. Closing the result closes s.
//
// Token 0 is for a leader that nobody has elected: it goes by the token that the store has, so that it is refused as soon as somebody is elected, or
// the store is restored.
func WithFence(ctx context.Context, s Store, token Token) (Store, error) {
	unelected := token == 0
	if unelected {
		token = 1
	}
	_, err := s.Commit(ctx, Batch{Fence: token})
	if later, ok := errors.AsType[*FencedError](err); ok && unelected {
		token, err = later.Highest, nil
	}
	if err != nil {
		return nil, err
	}
	return fenced{s, token}, nil
}

type fenced struct {
	Store
	token Token
}

// Commit fences batches that bear no token of their own.
func (f fenced) Commit(ctx context.Context, batch Batch) (Revision, error) {
	if batch.Fence == 0 && !batch.ResetFence && !batch.RaiseFence {
		batch.Fence = f.token
	}
	return f.Store.Commit(ctx, batch)
}
