package store

import (
	"context"
	"iter"
)

// Revision numbers the changes of a store. A later commit has a greater revision; the numbers have gaps and mean nothing
// beyond their order. 0 is the revision of a store that was never written to, and of a record that does not exist.
type Revision int64

// Token is a fencing token: the number of a term of leadership, greater for every later leader. A store remembers the
// greatest token that it has seen and refuses what bears a smaller one. 0 is no token.
type Token int64

// MaxValue is the greatest number of bytes of a value. All backends have the same limit (it is what a ZooKeeper node has room
// for), so that what worked with one works with all, and every backup can be restored everywhere.
const MaxValue = 900 << 10

// MaxKey is the greatest number of bytes of a key.
const MaxKey = 512

// Record is a key with its value.
type Record struct {
	// Key is what ValidateKey accepts: slash-separated components such as tasks/web.3.
	Key string
	// Value as it was put; nobody may change it.
	Value []byte
	// Revision of the commit that put the value; it is what Check compares.
	Revision Revision
}

// Event is one change. Record holds what was put; if Deleted, its key and the revision of the deletion.
type Event struct {
	Record
	Deleted bool
}

// OpKind says what an Op does.
type OpKind uint8

// The kinds of operations.
const (
	OpPut    OpKind = iota + 1 // set Key to Value
	OpDelete                   // remove Key if it is there
	OpCheck                    // refuse the batch unless Key has Revision
)

// Op is one operation of a batch; Put, Delete and Check make them.
type Op struct {
	Kind     OpKind
	Key      string
	Value    []byte   // of OpPut; may be empty; must not change until Commit returns
	Revision Revision // of OpCheck; 0 for a key that must not exist
}

// Put returns the operation that sets key to value.
func Put(key string, value []byte) Op { return Op{Kind: OpPut, Key: key, Value: value} }

// Delete returns the operation that removes key; a key that does not exist is no error.
func Delete(key string) Op { return Op{Kind: OpDelete, Key: key} }

// Check returns the operation that lets the batch pass only if key was last put at revision (0: does not exist). With a Put of
// the same key it is a compare-and-swap.
func Check(key string, revision Revision) Op {
	return Op{Kind: OpCheck, Key: key, Revision: revision}
}

// Batch is what one Commit does: all of it or nothing. All checks look at the state before the batch, wherever they stand among
// Ops; of several writes of one key, the last one holds.
type Batch struct {
	Ops []Op
	// Fence is the token of the term in which the writer leads. A batch whose token is smaller than the greatest that the store has
	// seen is refused with ErrFenced; a greater one is remembered. 0 is for writers without election, and always passes.
	Fence Token
	// ResetFence makes Fence the greatest token even if it is smaller (or 0). It is for operators whose election service was set up
	// again and counts from the start again.
	ResetFence bool
	// RaiseFence makes a token the greatest that is greater than all before, so that who leads is refused from now on, and whoever is elected next is
	// not. It goes without Fence.
	RaiseFence bool
}

// Store is a transactional key-value store. Its methods may be called concurrently. They return
//   - errors that say why a call was refused: ErrNotFound, ErrConflict, ErrFenced, ErrCompacted, *TooLargeError, *KeyError, ErrClosed;
//   - ErrUncertain if a commit may or may not have happened; read before doing it again;
//   - the cause of the context's end;
//   - other errors if the backend cannot be reached or does not work; nothing was changed.
//
// Remote backends (etcd, ZooKeeper) repeat what fails for a reason that may pass, until the context ends.
type Store interface {
	// Get returns the record of key, or ErrNotFound. It sees every commit that returned before the call.
	Get(ctx context.Context, key string) (Record, error)

	// List returns the records whose keys start with prefix ("" for all) in the order of keys, as they were all together at the
	// returned revision. It sees every commit that returned before the call. Watch from that revision tells what happens since.
	List(ctx context.Context, prefix string) ([]Record, Revision, error)

	// Commit does the batch, durably, and returns its revision. A batch without operations only checks and raises the fence; it
	// returns the revision of the store. Where the connection broke on the way and others committed meanwhile, the revision may be an
	// earlier one, so that a Watch from it misses nothing.
	Commit(ctx context.Context, batch Batch) (Revision, error)

	// Watch yields the changes of keys that start with prefix and that were committed after the given revision, as they happen, until
	// ctx ends. Each element is what one commit changed; a backend may deliver a large batch in parts, and may leave out values that
	// were overwritten since. The last change of every key comes in any case, and revisions only rise. An element
	// with an error is the last one: ErrCompacted if the changes after the revision are not remembered any more (List
	// again), ErrClosed, or another reason why watching is over. When ctx ends, the sequence just ends.
	Watch(ctx context.Context, prefix string, after Revision) iter.Seq2[[]Event, error]

	// Close ends all calls with ErrClosed, waits for them, and frees everything; so it must not be called within a loop over Watch. Closing
	// twice is no error.
	Close() error
}
