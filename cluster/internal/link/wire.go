package link

import (
	"context"
	"sync"
)

// Wire is the network between one agent and its masters. While it is cut nothing passes either way, and neither side is told:
//
//   - Messages wait, as those that TCP sends again and again. They arrive in order when the wire heals, unless a
//     side has closed the connection meanwhile.
//   - A side that closes a connection thinks it is closed; the other learns of it when the wire heals.
//   - Connect waits.
//
// The zero value is a wire that is whole; so is nil. Its methods are safe for concurrent use.
type Wire struct {
	// Fault is put in the way of what the agent sends. It must not be changed after the first Connect.
	Fault Fault

	mu     sync.Mutex
	healed chan struct{} // closed by Heal; nil while the wire is whole
	ends   []*End        // of connections that may be open
}

// Connect is to.Connect over this wire. While the wire is cut it waits, as long as ctx lasts.
func (w *Wire) Connect(ctx context.Context, to Acceptor, agent Handler) (*End, error) {
	if w == nil {
		return to.Connect(agent)
	}
	w.mu.Lock()
	for w.healed != nil {
		healed := w.healed
		w.mu.Unlock()
		select {
		case <-healed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		w.mu.Lock()
	}
	defer w.mu.Unlock()
	end, err := to.Connect(agent)
	if err != nil {
		return nil, err
	}
	end.SetFault(w.Fault)
	w.forgetClosed()
	w.ends = append(w.ends, end)
	return end, nil
}

func (w *Wire) forgetClosed() {
	open := w.ends[:0]
	for _, e := range w.ends {
		if !e.pipe.isClosed() {
			open = append(open, e)
		}
	}
	clear(w.ends[len(open):])
	w.ends = open
}

// Cut lets nothing pass any more. It reports false if the wire was cut before.
func (w *Wire) Cut() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.healed != nil {
		return false
	}
	w.healed = make(chan struct{})
	w.forgetClosed()
	for _, e := range w.ends {
		e.pipe.cut()
	}
	return true
}

// Heal mends a cut. It reports false if there was none.
func (w *Wire) Heal() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.healed == nil {
		return false
	}
	for _, e := range w.ends {
		e.pipe.heal()
	}
	close(w.healed)
	w.healed = nil
	return true
}

// IsCut reports whether the wire is cut.
func (w *Wire) IsCut() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.healed != nil
}
