package detector

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-zookeeper/zk"
)

// zkConnectTimeout bounds one attempt to connect to one server.
const zkConnectTimeout = 5 * time.Second

// zkRetry is the pause after a request that failed for a reason that may pass.
const zkRetry = 500 * time.Millisecond

// zkMaxPacket bounds what a server may send at once.
const zkMaxPacket = 16 << 20

// zooKeeper detects the leader among the masters that register in ZooKeeper.
type zooKeeper struct {
	url ZooKeeperURL
	cfg Config
}

func newZooKeeper(u ZooKeeperURL, cfg Config) *zooKeeper { return &zooKeeper{url: u, cfg: cfg} }

func (z *zooKeeper) String() string { return z.url.String() }

// Watch keeps a ZooKeeper session while it runs. While ZooKeeper cannot be reached, the last leader holds: it
// may well lead on, and if it does not, it will say so.
func (z *zooKeeper) Watch(ctx context.Context) iter.Seq2[Masters, error] {
	return func(yield func(Masters, error) bool) {
		w := &zkWatch{zooKeeper: z, yield: yield}
		for ctx.Err() == nil {
			began := time.Now()
			err := w.connected(ctx)
			switch {
			case errors.Is(err, errStopped):
				return
			case err != nil && ctx.Err() == nil:
				yield(Masters{}, fmt.Errorf("%s: %w", z.url, err))
				return
			case time.Since(began) < zkRetry:
				pause(ctx, zkRetry)
			}
		}
	}
}

// connection is a client of ZooKeeper that serves for one connection. The library would connect again by
// itself, keep the session and set the watches again, but nothing here needs the session, reading everything
// again is safer, and an ensemble that was set up again would never be good enough for a client that has seen the
// old one. (Setting watches again is also where go-zookeeper 1.0.4 has a data race.)
type connection struct {
	*zk.Conn
	lost  context.Context // ends when the connection is lost
	close func()          // ends the client and waits until it has ended
}

func (z *zooKeeper) connect() (*connection, error) {
	dialContext := z.cfg.DialContext
	if dialContext == nil {
		dialContext = new(net.Dialer).DialContext
	}
	life, end := context.WithCancel(context.Background())
	lost, lose := context.WithCancel(life)
	// Only the client's one goroutine changes these.
	had := false                      // a session
	var closing atomic.Bool           // by close: not a loss
	complaints := map[string]string{} // the last failure by server
	follow := func(e zk.Event) {
		switch {
		case e.Type != zk.EventSession:
		case e.State == zk.StateHasSession:
			had = true
			z.cfg.Log("connected to ZooKeeper at " + e.Server)
		case had && (e.State == zk.StateDisconnected || e.State == zk.StateExpired):
			had = false
			if !closing.Load() {
				z.cfg.Warn("ZooKeeper at " + e.Server + " disconnected; the last known leader holds")
			}
			lose()
		}
	}
	conn, events, err := zk.Connect(z.url.Servers, z.cfg.SessionTimeout,
		zk.WithLogger(nobody{}), zk.WithLogInfo(false), zk.WithMaxBufferSize(zkMaxPacket),
		zk.WithHostProvider(new(hosts)), zk.WithEventCallback(follow),
		zk.WithDialer(func(network, address string, _ time.Duration) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(lost, zkConnectTimeout) // no second connection
			defer cancel()
			c, err := dialContext(ctx, network, address)
			if err != nil {
				if lost.Err() == nil && complaints[address] != err.Error() {
					complaints[address] = err.Error()
					z.cfg.Warn(fmt.Sprintf("no connection to ZooKeeper at %s: %v; trying on", address, err))
				}
				return nil, err
			}
			delete(complaints, address)
			return &boundConn{Conn: c, limit: z.cfg.SessionTimeout, stop: context.AfterFunc(life, func() { _ = c.Close() })}, nil
		}))
	if err != nil {
		end()
		return nil, err
	}
	return &connection{Conn: conn, lost: lost, close: func() {
		closing.Store(true)
		conn.Close() // politely, which takes a second at most
		end()
		for range events { // until the client's goroutines are gone
		}
	}}, nil
}

// zkWatch is one run of Watch.
type zkWatch struct {
	*zooKeeper
	yield func(Masters, error) bool
	last  *Masters // what was yielded last

	// Of the current client:
	conn *zk.Conn
	ctx  context.Context
}

// errStopped ends a run whose consumer has had enough.
var errStopped = errors.New("stopped")

// connected watches over one connection, until it is lost. It returns an error that will not pass, errStopped, or
// nil.
func (w *zkWatch) connected(parent context.Context) error {
	conn, err := w.connect()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	defer context.AfterFunc(conn.lost, cancel)()
	// Requests to ZooKeeper know no context: closing the client is what ends them.
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { defer close(closed); conn.close() })
	defer func() {
		if stop() {
			conn.close()
		} else {
			<-closed
		}
	}()
	w.conn, w.ctx = conn.Conn, ctx
	return w.run()
}

// run returns when ctx ends or for a reason that connected returns.
func (w *zkWatch) run() error {
	authenticated := false
	for w.ctx.Err() == nil {
		if user, password, ok := w.url.Credentials(); ok && !authenticated {
			if err := w.conn.AddAuth("digest", []byte(user+":"+password)); err != nil {
				if err := w.failed("authenticate", err); err != nil {
					return err
				}
				continue
			}
			authenticated = true
		}
		now, changed, err := w.read()
		if err != nil {
			if err := w.failed("read the masters", err); err != nil {
				return err
			}
			continue
		}
		if w.last == nil || !w.last.Equal(now) {
			w.last = &now
			if !w.yield(now, nil) {
				return errStopped
			}
		}
		select {
		case <-changed:
		case <-w.ctx.Done():
		}
	}
	return nil
}

// read returns who leads and a channel that tells when to read again.
func (w *zkWatch) read() (now Masters, changed <-chan zk.Event, err error) {
	for {
		children, _, changed, err := w.conn.ChildrenW(w.url.Path)
		if errors.Is(err, zk.ErrNoNode) {
			// No master has ever registered.
			exists, _, created, err := w.conn.ExistsW(w.url.Path)
			if err == nil && exists {
				continue
			}
			return Masters{}, created, err
		}
		if err != nil {
			return Masters{}, nil, err
		}
		leader, ok := leadingNode(children)
		if !ok {
			return Masters{}, changed, nil
		}
		data, _, err := w.conn.Get(w.url.Path + "/" + leader.name)
		switch {
		case errors.Is(err, zk.ErrNoNode):
			continue // it vanished since; the next in the row leads
		case err != nil:
			return Masters{}, nil, err
		}
		info, err := ParseMasterNode(leader.label, data)
		if err == nil {
			now, err = mastersOf(info, w.cfg.Scheme)
		}
		if err != nil {
			// As good as no leader; another one may follow who writes better.
			w.cfg.Warn(fmt.Sprintf("ignoring %s/%s: %v", w.url.Path, leader.name, err))
		}
		return now, changed, nil
	}
}

// failed returns err if it will not pass, and otherwise nil after a pause.
func (w *zkWatch) failed(what string, err error) error {
	if errors.Is(err, zk.ErrNoAuth) || errors.Is(err, zk.ErrAuthFailed) || errors.Is(err, zk.ErrInvalidACL) {
		return fmt.Errorf("%s: %w", what, err)
	}
	pause(w.ctx, zkRetry)
	return nil
}

// pause waits, but not beyond ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// hosts is the list of servers for the client. It leaves names unresolved: the dialer resolves them whenever it
// connects, so that an ensemble may move.
type hosts struct {
	mu         sync.Mutex
	servers    []string
	curr, last int
}

func (h *hosts) Init(servers []string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.servers, h.curr, h.last = servers, -1, -1
	return nil
}

func (h *hosts) Len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.servers)
}

// Next returns the next server; retryStart says that all were tried without success, which makes the client pause.
func (h *hosts) Next() (server string, retryStart bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.curr = (h.curr + 1) % len(h.servers)
	retryStart = h.curr == h.last
	if h.last == -1 {
		h.last = 0
	}
	return h.servers[h.curr], retryStart
}

func (h *hosts) Connected() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = h.curr
}

// boundConn is a connection that ends with its detector and never waits longer than a session for an answer;
// the client would wait seven times as long for a half-open server's greeting.
type boundConn struct {
	net.Conn
	limit time.Duration
	stop  func() bool
}

func (c *boundConn) SetReadDeadline(t time.Time) error {
	if latest := time.Now().Add(c.limit); !t.IsZero() && t.After(latest) {
		t = latest
	}
	return c.Conn.SetReadDeadline(t)
}

func (c *boundConn) Close() error {
	c.stop()
	return c.Conn.Close()
}

// nobody takes the lines that the client would log; what matters comes as events.
type nobody struct{}

func (nobody) Printf(string, ...any) {}
