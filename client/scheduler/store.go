package scheduler

import (
	"context"
	"fmt"
	"sync"
)

// FrameworkIDStore keeps the id of a framework over restarts of its process. A session calls it from one goroutine.
type FrameworkIDStore interface {
	// LoadFrameworkID returns the stored id, "" if there is none.
	LoadFrameworkID(ctx context.Context) (string, error)
	// StoreFrameworkID stores the id; it returns when the id will survive a crash. "" forgets it, as the framework is
	// torn down.
	StoreFrameworkID(ctx context.Context, id string) error
}

// MemoryStore is a FrameworkIDStore that lives as long as its process. The zero value is empty; it is safe for
// concurrent use.
type MemoryStore struct {
	mu sync.Mutex
	id string
}

// LoadFrameworkID implements FrameworkIDStore.
func (m *MemoryStore) LoadFrameworkID(context.Context) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.id, nil
}

// StoreFrameworkID implements FrameworkIDStore.
func (m *MemoryStore) StoreFrameworkID(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.id = id
	return nil
}

// StoreError ends a session whose store fails: without a stored id, a framework that crashes would leave its
// tasks behind.
type StoreError struct {
	// Op is "load" or "store".
	Op string
	// Err is the store's.
	Err error
}

func (e *StoreError) Error() string { return fmt.Sprintf("%s the framework id: %v", e.Op, e.Err) }

// Unwrap returns the store's error.
func (e *StoreError) Unwrap() error { return e.Err }
