package executor

import "sync"

// mailbox is a queue without bound between what must not wait, the reader of the event stream above all, and
// one consumer. It is bounded by what an agent sends while a callback runs.
type mailbox struct {
	mu     sync.Mutex
	items  []any
	closed bool
	ready  chan struct{} // holds an element if items may be there
}

func newMailbox() *mailbox { return &mailbox{ready: make(chan struct{}, 1)} }

// put appends item unless the mailbox is closed, and reports whether it did.
func (m *mailbox) put(item any) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	m.items = append(m.items, item)
	select {
	case m.ready <- struct{}{}:
	default:
	}
	return true
}

// take removes the first item.
func (m *mailbox) take() (item any, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.items) == 0 {
		return nil, false
	}
	item, m.items[0] = m.items[0], nil
	m.items = m.items[1:]
	return item, true
}

// close drops all items and those to come.
func (m *mailbox) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed, m.items = true, nil
}
