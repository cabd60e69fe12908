package scheduler

import (
	"context"
	"sync"

	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// item is one thing for the handler, exactly one of its fields is set.
type item struct {
	connected    *Connected
	disconnected *Disconnected
	event        *schedulerpb.Event
	info         *posted
	end          error // the session ends by this
}

// posted is a message of Session.Post, which may be nil.
type posted struct{ message any }

// queue holds what is to be handled, in order. Events of the stream may be limited in number; all else always fits, so
// that Post never blocks.
type queue struct {
	limit int // of events; 0 means none

	mu      sync.Mutex
	items   []item
	head    int // index of the first item
	events  int
	updates map[[16]byte]struct{} // uuids of the updates among them
	ready   chan struct{}         // has an element if there may be items
	room    chan struct{}         // has an element if there may be room for an event
}

func newQueue(limit int) *queue {
	return &queue{limit: limit, ready: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// push appends an item that always fits.
func (q *queue) push(i item) {
	q.mu.Lock()
	q.append(i)
	q.mu.Unlock()
}

// pushEvent appends an event, if there is room. An update that waits already is not queued again: agents repeat updates for as long as
// a handler is busy, and would fill the memory.
func (q *queue) pushEvent(e *schedulerpb.Event) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if uuid, ok := updateUUID(e); ok {
		if _, waits := q.updates[uuid]; waits {
			return true
		}
	}
	if q.limit > 0 && q.events >= q.limit {
		return false
	}
	q.append(item{event: e})
	return true
}

// waitForRoom returns when there may be room for an event or ctx ends.
func (q *queue) waitForRoom(ctx context.Context) {
	select {
	case <-q.room:
	case <-ctx.Done():
	}
}

// append is called with the lock held.
func (q *queue) append(i item) {
	q.items = append(q.items, i)
	if i.event != nil {
		q.events++
		if uuid, ok := updateUUID(i.event); ok {
			if q.updates == nil {
				q.updates = make(map[[16]byte]struct{})
			}
			q.updates[uuid] = struct{}{}
		}
	}
	signal(q.ready)
}

// updateUUID returns the uuid of an update of a task or an operation.
func updateUUID(e *schedulerpb.Event) (uuid [16]byte, ok bool) {
	bytes := e.GetUpdate().GetStatus().GetUuid()
	if bytes == nil {
		bytes = e.GetUpdateOperationStatus().GetStatus().GetUuid().GetValue()
	}
	if len(bytes) != len(uuid) {
		return uuid, false
	}
	return [16]byte(bytes), true
}

// pop waits for the next item; ok is false if ctx ends.
func (q *queue) pop(ctx context.Context) (i item, ok bool) {
	for ctx.Err() == nil {
		if i, ok := q.take(); ok {
			return i, true
		}
		select {
		case <-q.ready:
		case <-ctx.Done():
		}
	}
	return item{}, false
}

func (q *queue) take() (i item, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.head == len(q.items) {
		return item{}, false
	}
	i, q.items[q.head] = q.items[q.head], item{}
	q.head++
	switch {
	case q.head == len(q.items):
		q.items, q.head = q.items[:0], 0
		if cap(q.items) > 1024 {
			q.items, q.updates = nil, nil // a burst is over
		}
	case q.head >= 64 && q.head > len(q.items)/2:
		// A queue that never runs empty must not keep what was handled.
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	if i.event != nil {
		q.events--
		if uuid, ok := updateUUID(i.event); ok {
			delete(q.updates, uuid)
		}
		signal(q.room)
	}
	return i, true
}
