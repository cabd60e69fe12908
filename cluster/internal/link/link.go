// Package link is how an embedded agent and master talk: the part that Apache Mesos does over
// libprocess messages, here as Go values over an in-process connection.
//
// A connection is a pair of Ends. Messages sent on one End arrive at the other's handler in order.
// Either side may close; the other is told. What happens to messages on the way (delay, loss, repetition) is up to the
// connection's Fault; a partition is a Wire that is cut.
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
	// Connect, which must not wait, opens a connection whose other end is served by agent. It returns
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
	isCut  bool     // see Wire
	held   []func() // what is to happen when the cut heals
	hung   [2]*End  // which sides have closed during the cut
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

// deliver hands a message to the other side, or holds it while the connection is cut.
func (e *End) deliver(m Message) {
	if e.pipe.hold(func() { e.pass(m) }) {
		return
	}
	e.pass(m)
}

func (e *End) pass(m Message) {
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
	if e.pipe.hangUp(e) {
		return
	}
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

// hold keeps what is to happen until the cut heals. It reports false if there is none.
func (p *pipe) hold(f func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.isCut && p.hung[0] == nil && !p.closed {
		p.held = append(p.held, f)
	}
	return p.isCut
}

// hangUp notes that a side has closed, if the connection is cut. What is held is lost.
func (p *pipe) hangUp(e *End) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !p.isCut:
		return false
	case p.hung[0] == nil:
		p.hung[0], p.held = e, nil
	case p.hung[0] != e:
		p.hung[1] = e
	}
	return true
}

func (p *pipe) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.isCut = true
}

// heal lets what was held happen, in order with what is sent meanwhile.
func (p *pipe) heal() {
	for {
		p.mu.Lock()
		held := p.held
		p.held = nil
		if len(held) == 0 {
			p.isCut = false
			one, both := p.hung[0], p.hung[1] != nil
			if both {
				p.closed = true // nobody is there to be told
			}
			p.mu.Unlock()
			if one != nil && !both {
				one.Close()
			}
			return
		}
		p.mu.Unlock()
		for _, f := range held {
			f()
		}
	}
}

// isClosed reports whether both sides know that the connection is closed.
func (p *pipe) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// SetFault puts f in the way of everything that is sent on this End from now on; nil removes it.
func (e *End) SetFault(f Fault) {
	e.pipe.mu.Lock()
	defer e.pipe.mu.Unlock()
	e.fault = f
}
