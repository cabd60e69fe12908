package operator

import "sync"

// queue hands items from a reader that must not wait to one consumer, without a bound.
type queue[T any] struct {
	mu    sync.Mutex
	items []T
	ready chan struct{} // holds an element if items may be there
}

func newQueue[T any]() *queue[T] { return &queue[T]{ready: make(chan struct{}, 1)} }

func (q *queue[T]) put(item T) {
	q.mu.Lock()
	q.items = append(q.items, item)
	q.mu.Unlock()
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// take waits for an item.
func (q *queue[T]) take() T {
	for {
		q.mu.Lock()
		if len(q.items) > 0 {
			item := q.items[0]
			var zero T
			q.items[0] = zero
			q.items = q.items[1:]
			q.mu.Unlock()
			return item
		}
		q.mu.Unlock()
		<-q.ready
	}
}
