package zkconn

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"
)

// Client has one session at a time.
type Client struct {
	cfg Config

	mu      sync.Mutex
	current *Session
	began   time.Time // when current was dialed
	closed  bool
	wg      sync.WaitGroup // requests, and sessions that are being closed
}

// errClosed is returned after Close.
var errClosed = errors.New("the ZooKeeper client is closed")

// redialPause is the least time between sessions.
const redialPause = 100 * time.Millisecond

// NewClient returns a client that connects when it is used.
func NewClient(cfg Config) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	// Clients spread over the servers.
	cfg.Servers = slices.Clone(cfg.Servers)
	rand.Shuffle(len(cfg.Servers), func(i, j int) { cfg.Servers[i], cfg.Servers[j] = cfg.Servers[j], cfg.Servers[i] })
	return &Client{cfg: cfg}, nil
}

// ACL returns the access list of new nodes.
func (c *Client) ACL() []zk.ACL { return c.cfg.ACL() }

// Session returns a session that can be used, connecting if there is none.
func (c *Client) Session(ctx context.Context) (*Session, error) {
	s, err := c.get()
	if err != nil {
		return nil, err
	}
	return s, s.Ready(ctx)
}

func (c *Client) get() (*Session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errClosed
	}
	if old := c.current; old != nil {
		if old.lost.Err() == nil || time.Since(c.began) < redialPause {
			return old, nil
		}
		c.wg.Go(old.Close)
		c.current = nil
	}
	s, err := Dial(c.cfg)
	if err != nil {
		return nil, err
	}
	c.current, c.began = s, time.Now()
	return s, nil
}

// Do runs f with a session, and waits for it until ctx ends; f may then still run, and what it returns is dropped.
func Do[T any](ctx context.Context, c *Client, f func(*Session) (T, error)) (T, error) {
	s, err := c.Session(ctx)
	if err != nil {
		var zero T
		return zero, err
	}
	return Await(ctx, &c.wg, func() (T, error) { return f(s) })
}

// Close ends the session and waits until everything has ended. No call of Do may be under way.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	s := c.current
	c.mu.Unlock()
	if s != nil {
		s.Close()
	}
	c.wg.Wait()
}
