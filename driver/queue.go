package driver

import (
	"context"
	"sync"
)

// fifo is a queue without bound. Its bound is what the other side does: a master sends no more offers than there are, and no
// second update of a task before the first is acknowledged.
type fifo[T any] struct {
	items []T
	head  int
}

func (q *fifo[T]) push(v T) { q.items = append(q.items, v) }

func (q *fifo[T]) pop() (v T, ok bool) {
	if q.head == len(q.items) {
		return v, false
	}
	var zero T
	v, q.items[q.head] = q.items[q.head], zero
	q.head++
	switch {
	case q.head == len(q.items):
		q.items, q.head = q.items[:0], 0
	case q.head >= 1024 && q.head*2 >= len(q.items):
		// More than half is spent: move the rest, or the queue grows for ever while it is never quite empty.
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	return v, true
}

func (q *fifo[T]) clear() { *q = fifo[T]{} }

// senders is the most calls that a driver has under way on its own behalf.
const senders = 16

// sender makes calls that nobody waits for, such as acknowledgements, a few at a time and in no particular order.
type sender struct {
	wg      sync.WaitGroup
	mu      sync.Mutex
	queue   fifo[func(context.Context)]
	workers int
}

// send calls f soon. It never waits. done is called when f has returned.
func (s *sender) send(ctx context.Context, f func(context.Context), done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue.push(func(ctx context.Context) {
		defer done()
		f(ctx)
	})
	if s.workers < senders {
		s.workers++
		s.wg.Go(func() { s.work(ctx) })
	}
}

func (s *sender) work(ctx context.Context) {
	for {
		s.mu.Lock()
		f, ok := s.queue.pop()
		if !ok {
			s.workers--
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		f(ctx)
	}
}

// wait waits until everything is sent. Nothing may be sent any more.
func (s *sender) wait() { s.wg.Wait() }
