package storetest

import (
	"context"

	"github.com/mesokit/mesokit/framework/store"
)

// Hooked is a store whose calls a test can delay or fail: for tests of what uses a store. Nil hooks do nothing. The fields must not
// change while the store is used.
type Hooked struct {
	store.Store
	// Read is called before Get and List with the key or prefix; its error is returned instead.
	Read func(ctx context.Context, key string) error
	// Before is called before a commit; its error is returned instead of committing.
	Before func(context.Context, store.Batch) error
	// After is called after a commit that passed; its error is returned although the commit happened, as when the connection
	// breaks before the answer (store.ErrUncertain).
	After func(context.Context, store.Batch, store.Revision) error
}

// Get implements store.Store.
func (h *Hooked) Get(ctx context.Context, key string) (store.Record, error) {
	if h.Read != nil {
		if err := h.Read(ctx, key); err != nil {
			return store.Record{}, err
		}
	}
	return h.Store.Get(ctx, key)
}

// List implements store.Store.
func (h *Hooked) List(ctx context.Context, prefix string) ([]store.Record, store.Revision, error) {
	if h.Read != nil {
		if err := h.Read(ctx, prefix); err != nil {
			return nil, 0, err
		}
	}
	return h.Store.List(ctx, prefix)
}

// Commit implements store.Store.
func (h *Hooked) Commit(ctx context.Context, batch store.Batch) (store.Revision, error) {
	if h.Before != nil {
		if err := h.Before(ctx, batch); err != nil {
			return 0, err
		}
	}
	revision, err := h.Store.Commit(ctx, batch)
	if err == nil && h.After != nil {
		if err := h.After(ctx, batch, revision); err != nil {
			return 0, err
		}
	}
	return revision, err
}
