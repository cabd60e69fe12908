// Package memnet is a network in memory for tests of clients: a listener and the dialer that reaches it. It
// works inside testing/synctest bubbles, where real sockets do not.
package memnet

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
)

// Network is a set of listeners by address. The zero value is ready to use; it is safe for concurrent use.
type Network struct {
	mu        sync.Mutex
	listeners map[string]*Listener
	dials     atomic.Int64
}

// Dials returns how many connections were opened.
func (n *Network) Dials() int { return int(n.dials.Load()) }

// Listen returns a listener at addr (host:port, any names). One that is closed makes room for another.
func (n *Network) Listen(addr string) *Listener {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := &Listener{addr: addr, conns: make(chan net.Conn), done: make(chan struct{})}
	if n.listeners == nil {
		n.listeners = make(map[string]*Listener)
	}
	n.listeners[addr] = l
	return l
}

// DialContext connects to the listener at addr, or refuses the connection if there is none.
func (n *Network) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	n.mu.Lock()
	l := n.listeners[addr]
	n.mu.Unlock()
	refused := &net.OpError{Op: "dial", Net: network, Err: refusedError(addr)}
	if l == nil {
		return nil, refused
	}
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		n.dials.Add(1)
		return client, nil
	case <-l.done:
		return nil, refused
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type refusedError string

func (e refusedError) Error() string { return "connection to " + string(e) + " refused" }

// Listener is a net.Listener in memory.
type Listener struct {
	addr  string
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr implements net.Listener.
func (l *Listener) Addr() net.Addr { return addr(l.addr) }

type addr string

func (addr) Network() string  { return "mem" }
func (a addr) String() string { return string(a) }
