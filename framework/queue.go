package framework

import (
	"context"
	"sync"

	"github.com/mesokit/mesokit/framework/core"
)

// maxInputs bounds the inputs from outside that wait for the engine. The fates of its own calls are not counted:
// were they held up, the engine would wait for itself.
const maxInputs = 8192

// input waits for the engine.
type input struct {
	core.Input
	reply   chan<- core.Reply // of a command
	counted bool
}

// queue is what the engine's loop takes its inputs from.
type queue struct {
	slots chan struct{}
	ready chan struct{}

	mu    sync.Mutex
	items []input
}

func newQueue() *queue {
	return &queue{slots: make(chan struct{}, maxInputs), ready: make(chan struct{}, 1)}
}

// put adds an input when there is room.
func (q *queue) put(ctx context.Context, in core.Input, reply chan<- core.Reply) error {
	select {
	case q.slots <- struct{}{}:
	default:
		select {
		case q.slots <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	q.add(input{in, reply, true})
	return nil
}

// push adds an input that the engine has itself caused.
func (q *queue) push(in core.Input) { q.add(input{Input: in}) }

func (q *queue) add(i input) {
	q.mu.Lock()
	q.items = append(q.items, i)
	q.mu.Unlock()
	q.wake()
}

// wake has the loop go around even without inputs.
func (q *queue) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// maxRound bounds the inputs of one round, so that a flood does not keep what follows from the first from being done.
const maxRound = 1024

// take returns the inputs that wait; ready is signalled again if there are more.
func (q *queue) take(into []input) []input {
	q.mu.Lock()
	n := min(len(q.items), maxRound)
	into = append(into, q.items[:n]...)
	rest := copy(q.items, q.items[n:])
	clear(q.items[rest:])
	q.items = q.items[:rest]
	q.mu.Unlock()
	for _, i := range into {
		if i.counted {
			<-q.slots
		}
	}
	if rest > 0 {
		q.wake()
	}
	return into
}
