// Package memnet is a network in memory: listeners and connections that need no sockets, so that
// servers and clients can live in a testing/synctest bubble, and tests of many clusters don't run
// out of ports.
//
//	var network memnet.Network
//	l, err := network.Listen(ctx, "127.0.0.1:0")
//	go http.Serve(l, handler)
//	client := &http.Client{Transport: &http.Transport{DialContext: network.DialContext}}
//	client.Get("http://" + l.Addr().String())
package memnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"syscall"
)

// Network is a set of listeners that find each other by address. The zero value is ready; it must not
// be copied. Its methods are safe for concurrent use.
type Network struct {
	mu        sync.Mutex
	listeners map[string]*Listener // by port
	last      int
}

// firstPort is where free ports are looked for, as an operating system does.
const firstPort = 32768

// Listen opens a listener. Port 0 picks a free one. Hosts don't matter: all are this one.
func (n *Network) Listen(_ context.Context, address string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("memnet: %w", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners == nil {
		n.listeners, n.last = map[string]*Listener{}, firstPort-1
	}
	if port == "0" {
		for {
			n.last++
			if port = strconv.Itoa(n.last); n.listeners[port] == nil {
				break
			}
		}
	}
	if n.listeners[port] != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Err: syscall.EADDRINUSE}
	}
	number, err := strconv.Atoi(port)
	if err != nil || number < 1 || number > 65535 {
		return nil, fmt.Errorf("memnet: %q is not a port", port)
	}
	ip := net.ParseIP(host)
	if ip == nil {
		ip = net.IPv4(127, 0, 0, 1)
	}
	l := &Listener{
		network: n, port: port, addr: &net.TCPAddr{IP: ip, Port: number},
		conns: make(chan net.Conn), done: make(chan struct{}),
	}
	n.listeners[port] = l
	return l, nil
}

// DialContext connects to a listener of this network; it fits http.Transport.DialContext. Nobody listening there is
// ECONNREFUSED, as with TCP.
func (n *Network) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("memnet: %w", err)
	}
	n.mu.Lock()
	l := n.listeners[port]
	n.mu.Unlock()
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	if l == nil {
		return nil, refused
	}
	mine, theirs := net.Pipe()
	select {
	case l.conns <- conn{theirs, l.addr}:
		return conn{mine, l.addr}, nil
	case <-l.done:
		err = refused
	case <-ctx.Done():
		err = ctx.Err()
	}
	return nil, errors.Join(err, mine.Close(), theirs.Close())
}

// Listener is one end that can be dialled.
type Listener struct {
	network *Network
	port    string
	addr    net.Addr
	conns   chan net.Conn
	done    chan struct{}
	once    sync.Once
}

// Accept waits for the next connection.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.addr, Err: net.ErrClosed}
	}
}

// Close frees the address. Connections stay.
func (l *Listener) Close() error {
	l.once.Do(func() {
		close(l.done)
		l.network.mu.Lock()
		delete(l.network.listeners, l.port)
		l.network.mu.Unlock()
	})
	return nil
}

// Addr returns a *net.TCPAddr.
func (l *Listener) Addr() net.Addr { return l.addr }

// conn is a pipe that names its listener, so that servers can log and check addresses.
type conn struct {
	net.Conn
	addr net.Addr
}

func (c conn) LocalAddr() net.Addr  { return c.addr }
func (c conn) RemoteAddr() net.Addr { return c.addr }
