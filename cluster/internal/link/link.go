// Package link is how an embedded agent and master talk: the part that Apache Mesos does over
// libprocess messages, here as Go values over an in-process connection.
//
// A connection is a pair of Ends. Messages sent on one End arrive at the other's handler in order.
// Either side may close; the other is told. What happens to messages on the way (delay, loss,
// a partition) is up to the connection's Fault.
package link

import (
	"errors"
	"sync"
)

// ErrNotLeading is returned by a master that does not lead when an agent connects to it.
var ErrNotLeading = errors.New("link: the master does not lead")

// Message is one of the types in messages.go. A message, and everything it points to, is never
// changed after it was sent.
type Message interface{ message() }

// Handler receives what arrives on an End. Its methods are called one at a time for an End, from
// the sender's goroutine: they must only queue what they get, never block, never send.
type Handler interface {
	// Receive is called for each message, in order.
	Receive(end *End, m Message)
	// Closed is called once, after the last message, when the other side has closed.
	Closed(end *End)
}

// Acceptor is the side that agents connect to: a master.
type Acceptor interface {
	// Connect opens a connection whose other end is served by agent. It returns
	// ErrNotLeading if the master does not lead.
	Connect(agent Handler) (*End, error)
}

// Fault decides the fate of messages on one direction of a connection. Pass is called in order
// of sending and calls deliver for each message that is to arrive, at once or later, from any
// goroutine, as often as it likes. It must keep order if it does not mean to break it.
type Fault interface {
	Pass(m Message, deliver func(Message))
}

// End is one side of a connection. Its methods are safe for concurrent use.
type End struct {
	pipe  *pipe
	peer  *End
	owner Handler // gets what the peer sends

	order sync.Mutex // serialises deliveries to owner
	fault Fault      // guarded by pipe.mu; on what this End sends
}

type pipe struct {
	mu     sync.Mutex
	closed bool
}

// Pipe makes a connection. What the first End sends arrives at b, what the second sends at a.
func Pipe(a, b Handler) (*End, *End) {
	p := &pipe{}
	x, y := &End{pipe: p, owner: a}, &End{pipe: p, owner: b}
	x.peer, y.peer = y, x
	return x, y
}

// Send hands m to the other side. It never blocks on the receiver; on a closed connection it
// does nothing, as a message sent into a broken socket.
func (e *End) Send(m Message) {
	e.pipe.mu.Lock()
	fault := e.fault
	e.pipe.mu.Unlock()
	if fault != nil {
		fault.Pass(m, e.deliver)
		return
	}
	e.deliver(m)
}

func (e *End) deliver(m Message) {
	e.peer.order.Lock()
	defer e.peer.order.Unlock()
	e.pipe.mu.Lock()
	closed := e.pipe.closed
	e.pipe.mu.Unlock()
	if !closed {
		e.peer.owner.Receive(e.peer, m)
	}
}

// Close ends the connection. The other side's Closed is called unless it has closed before.
func (e *End) Close() {
	e.peer.order.Lock()
	defer e.peer.order.Unlock()
	e.pipe.mu.Lock()
	was := e.pipe.closed
	e.pipe.closed = true
	e.pipe.mu.Unlock()
	if !was {
		e.peer.owner.Closed(e.peer)
	}
}

// SetFault puts f in the way of everything that is sent on this End from now on; nil removes it.
func (e *End) SetFault(f Fault) {
	e.pipe.mu.Lock()
	defer e.pipe.mu.Unlock()
	e.fault = f
}
