// Package remote is what the stores on etcd and ZooKeeper have in common: it makes a store.Store of a service that can change
// a few keys at once if one of them, the head, is as expected.
//
// Every commit replaces the head. It bears the fencing token and the identities of the latest commits, by which a writer
// whose connection broke finds out whether its commit happened. Whoever reads the head, then whatever else, and then swaps the head,
// knows that what was read still held: that is how checks are made, without limit in number.
//
// A batch that is too large for one transaction is written ahead as an intent, in chunks. One swap of the head commits it by naming
// the intent; then the chunks are applied, one swap each, by whoever comes first: every reader and writer that finds an unfinished intent
// finishes it before it goes on, so that nobody sees half of it and a crashed writer leaves nothing undone.
package remote

import (
	"context"
	"errors"
	"iter"

	"github.com/mesokit/mesokit/framework/store"
)

// Item is something stored.
type Item struct {
	Data     []byte
	Revision store.Revision // of the transaction that wrote it; 0: does not exist
}

// Head is the head as it was read.
type Head struct {
	Item
	Version int64 // changes with every swap; 0: there is none yet
}

// Write is one change of a swap.
type Write struct {
	Key    string
	Data   []byte
	Delete bool
}

// Swap is a transaction: if the head is at Version, and Require, if any, exists, the head becomes Head and the writes are made.
type Swap struct {
	Version int64
	Head    []byte
	Require string // an intent chunk
	Writes  []Write
}

// Backend is such a service. Its methods are called concurrently, except Swap. Errors may pass, and are then
// tried again, unless they are Permanent. Reads see every transaction that was finished before the call.
type Backend interface {
	// Head reads the head.
	Head(ctx context.Context) (Head, error)
	// Get reads a record, and the head at the same time or later.
	Get(ctx context.Context, key string) (Item, Head, error)
	// Revisions reads the revisions of records.
	Revisions(ctx context.Context, keys []string) ([]store.Revision, error)
	// List reads all records with a prefix, in the order of keys, as they were together with the head.
	List(ctx context.Context, prefix string) ([]store.Record, Head, error)
	// Swap does a transaction. ok is false if the head, or what is required, is not as expected. After an error it may have happened.
	Swap(ctx context.Context, swap Swap) (head Head, ok bool, err error)
	// Limits of a swap: the number of writes, and the sum of their Cost.
	Limits() (writes, cost int)
	// Cost of a write.
	Cost(Write) int
	// Watch is store.Store.Watch; it need not care for Close.
	Watch(ctx context.Context, prefix string, after store.Revision) iter.Seq2[[]store.Event, error]

	// PutChunk stores a chunk of an intent. Chunks are named by ChunkName.
	PutChunk(ctx context.Context, name string, data []byte) error
	// GetChunk reads a chunk; Revision 0 if there is none.
	GetChunk(ctx context.Context, name string) (Item, error)
	// ListChunks returns the names of all chunks.
	ListChunks(ctx context.Context) ([]string, error)
	// DeleteChunks deletes chunks, in this order; some may not exist.
	DeleteChunks(ctx context.Context, names []string) error

	// Close frees everything; no call is under way.
	Close() error
}

// Permanent marks an error as one that will not pass.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanentError{err}
}

type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

// IsPermanent says whether an error is marked.
func IsPermanent(err error) bool {
	_, ok := errors.AsType[permanentError](err)
	return ok
}
