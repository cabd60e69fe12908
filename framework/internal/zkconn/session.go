// Package zkconn connects to ZooKeeper for the store and the election: sessions that last as long as one connection, a client
// that opens a new one when the last was lost, and sessions that resume.
//
// go-zookeeper would connect again by itself, keep the session and set its watches again; but setting watches again has a data race
// (1.0.4), and a session that changes servers unseen is harder to reason about than one that ends.
package zkconn

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-zookeeper/zk"
)

// DefaultSessionTimeout is good for local networks.
const DefaultSessionTimeout = 10 * time.Second

// connectTimeout bounds one attempt to connect to one server.
const connectTimeout = 5 * time.Second

// maxPacket bounds what a server may send at once: the names of a few hundred thousand nodes.
const maxPacket = 64 << 20

// Config says how to connect.
type Config struct {
	// Servers of the ensemble, host:port each.
	Servers []string
	// User and Password for the digest scheme; nodes that are made are then accessible to this user only.
	User, Password string
	// SessionTimeout is what the servers are asked for; they may grant another. Default DefaultSessionTimeout.
	SessionTimeout time.Duration
	// Resume lets a session outlast its connection: the library connects again, to any server, until the session expires. Then no watches may
	// be set on it.
	Resume bool
	// DialContext connects; default net.Dialer.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
}

// Validate returns what is wrong.
func (c Config) Validate() error {
	if len(c.Servers) == 0 {
		return errors.New("zookeeper: no servers; want host:port of at least one")
	}
	for _, s := range c.Servers {
		if _, _, err := net.SplitHostPort(s); err != nil {
			return fmt.Errorf("zookeeper: server %q: want host:port", s)
		}
	}
	return nil
}

// ACL returns the access list of new nodes.
func (c Config) ACL() []zk.ACL {
	if c.User != "" {
		return zk.AuthACL(zk.PermAll)
	}
	return zk.WorldACL(zk.PermAll)
}

// Session is a session of ZooKeeper, which, unless it was dialed with Resume, ends with its connection. Requests on it do not know contexts; they end, at the latest, with Close.
type Session struct {
	*zk.Conn
	lost     context.Context
	lose     context.CancelFunc
	life     context.Context
	end      context.CancelFunc
	events   <-chan zk.Event
	ready    chan struct{} // closed when the session can be used, or has failed with err
	err      error
	timeout  atomic.Int64
	close    sync.Once
	prepared sync.WaitGroup
}

// Dial begins to connect, to any of the servers, until it succeeds or Close is called.
func Dial(cfg Config) (*Session, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.SessionTimeout == 0 {
		cfg.SessionTimeout = DefaultSessionTimeout
	}
	dial := cfg.DialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	s := &Session{ready: make(chan struct{})}
	s.life, s.end = context.WithCancel(context.Background())
	s.lost, s.lose = context.WithCancel(s.life)
	had := false // a session; only the client's one goroutine changes it
	follow := func(e zk.Event) {
		switch {
		case e.Type != zk.EventSession:
		case e.State == zk.StateHasSession:
			had = true
		case e.State == zk.StateAuthFailed, had && e.State == zk.StateExpired, had && e.State == zk.StateDisconnected && !cfg.Resume:
			s.lose()
		}
	}
	var err error
	s.Conn, s.events, err = zk.Connect(cfg.Servers, cfg.SessionTimeout, zk.WithLogger(nobody{}), zk.WithLogInfo(false),
		zk.WithMaxBufferSize(maxPacket), zk.WithHostProvider(new(hosts)), zk.WithEventCallback(follow),
		zk.WithDialer(func(network, address string, _ time.Duration) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(s.lost, connectTimeout) // no second connection
			defer cancel()
			c, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &conn{Conn: c, session: s, limit: cfg.SessionTimeout, stop: context.AfterFunc(s.life, func() { _ = c.Close() })}, nil
		}))
	if err != nil {
		s.end()
		return nil, fmt.Errorf("zookeeper: %w", err)
	}
	s.prepared.Go(func() {
		defer close(s.ready)
		if cfg.User != "" {
			s.err = s.AddAuth("digest", []byte(cfg.User+":"+cfg.Password))
		}
		if s.err == nil {
			// This server must know what the last one did.
			if _, s.err = s.Sync("/"); errors.Is(s.err, zk.ErrNoAuth) {
				s.err = nil
			}
		}
		if s.err != nil {
			s.lose()
		}
	})
	return s, nil
}

// Ready waits until the session can be used. It returns why it cannot, or the cause of the end of ctx.
func (s *Session) Ready(ctx context.Context) error {
	select {
	case <-s.ready:
		return s.err
	case <-s.lost.Done():
		return zk.ErrConnectionClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Lost is closed when the session is lost or closed. Where it is lost with its connection the servers end it some time later.
func (s *Session) Lost() <-chan struct{} { return s.lost.Done() }

// Timeout returns the session timeout that the servers granted, 0 before the session is there.
func (s *Session) Timeout() time.Duration { return time.Duration(s.timeout.Load()) }

// Close ends the session, politely if the connection stands, and waits until everything has ended. It takes a second at most.
func (s *Session) Close() {
	s.close.Do(func() {
		if s.lost.Err() != nil {
			s.end() // nobody to be polite to
		}
		s.Conn.Close()
		s.end()
		for range s.events {
		}
		s.prepared.Wait()
	})
}

// Await runs a request and waits for it until ctx ends; what f returns then is dropped. wg counts it.
func Await[T any](ctx context.Context, wg *sync.WaitGroup, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	wg.Go(func() {
		value, err := f()
		done <- result{value, err}
	})
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var zero T
		return zero, context.Cause(ctx)
	}
}

// Transient says whether an error of a request may pass: those of the connection do, those of the request do not.
func Transient(err error) bool {
	for _, permanent := range []error{zk.ErrNoAuth, zk.ErrAuthFailed, zk.ErrInvalidACL, zk.ErrBadArguments, zk.ErrInvalidPath, zk.ErrNoNode, zk.ErrNodeExists} {
		if errors.Is(err, permanent) {
			return false
		}
	}
	return true
}

// MkdirAll makes the node at path, which has a slash at its beginning and none at its end, and those above it.
func MkdirAll(c *zk.Conn, path string, acl []zk.ACL) error {
	for i := 1; i <= len(path); i++ {
		if i < len(path) && path[i] != '/' {
			continue
		}
		switch exists, _, err := c.Exists(path[:i]); {
		case err == nil && exists:
			continue
		case err != nil && !errors.Is(err, zk.ErrNoAuth):
			return err
		}
		if _, err := c.Create(path[:i], nil, 0, acl); err != nil && !errors.Is(err, zk.ErrNodeExists) {
			return fmt.Errorf("create %s: %w", path[:i], err)
		}
	}
	return nil
}

// conn ends with its session, never waits longer than a session for an answer (the library would wait seven times as long for a half-open
// server's greeting), and reads in the greeting what timeout was granted, which the library keeps to itself.
type conn struct {
	net.Conn
	session *Session
	limit   time.Duration
	stop    func() bool
	greet   []byte // the first bytes that the server sent
}

// greeting is the length of what is looked at: the packet's length, the protocol's version, the timeout in milliseconds.
const greeting = 12

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if len(c.greet) < greeting {
		c.greet = append(c.greet, b[:min(n, greeting-len(c.greet))]...)
		if len(c.greet) == greeting {
			c.session.timeout.Store(int64(time.Duration(binary.BigEndian.Uint32(c.greet[8:])) * time.Millisecond))
		}
	}
	return n, err
}

func (c *conn) SetReadDeadline(t time.Time) error {
	if latest := time.Now().Add(c.limit); !t.IsZero() && t.After(latest) {
		t = latest
	}
	return c.Conn.SetReadDeadline(t)
}

func (c *conn) Close() error {
	c.stop()
	return c.Conn.Close()
}

// hosts is the list of servers. It leaves names unresolved: dialing resolves them each time, so that an ensemble may move.
type hosts struct {
	mu      sync.Mutex
	servers []string
	next    int
	tried   int // in vain since the last connection or pause
}

func (h *hosts) Init(servers []string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.servers = servers
	return nil
}

func (h *hosts) Len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.servers)
}

// Next returns the next server; pause says that all were tried in vain, which makes the library wait for a second. It does not after
// a connection that was lost: a session has little time.
func (h *hosts) Next() (server string, pause bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	server = h.servers[h.next%len(h.servers)]
	h.next++
	if pause = h.tried == len(h.servers); pause {
		h.tried = 0
	}
	h.tried++
	return server, pause
}

func (h *hosts) Connected() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tried = 0
}

// nobody takes the lines that the library would log.
type nobody struct{}

func (nobody) Printf(string, ...any) {}
