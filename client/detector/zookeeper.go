package detector

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"sync"
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

// Watch keeps one ZooKeeper session while it runs. While ZooKeeper cannot be reached, the last leader
// holds: it may well lead on, and if it does not, it will say so.
func (z *zooKeeper) Watch(ctx context.Context) iter.Seq2[Masters, error] {
	return func(yield func(Masters, error) bool) {
		conn, closeConn, err := z.connect()
		if err != nil {
			yield(Masters{}, err)
			return
		}
		// Requests to ZooKeeper know no context: closing the connection is what ends them.
		done := make(chan struct{})
		stop := context.AfterFunc(ctx, func() { defer close(done); closeConn() })
		defer func() {
			if stop() {
				closeConn()
			} else {
				<-done
			}
		}()
		w := &zkWatch{zooKeeper: z, conn: conn, ctx: ctx, yield: yield}
		if err := w.run(); err != nil && ctx.Err() == nil {
			yield(Masters{}, fmt.Errorf("%s: %w", z.url, err))
		}
	}
}

// connect starts a client, which connects by itself and again. close ends it and waits until it has ended.
func (z *zooKeeper) connect() (conn *zk.Conn, close func(), err error) {
	dialContext := z.cfg.DialContext
	if dialContext == nil {
		dialContext = new(net.Dialer).DialContext
	}
	life, end := context.WithCancel(context.Background())
	conn, events, err := zk.Connect(z.url.Servers, z.cfg.SessionTimeout,
		zk.WithLogger(nobody{}), zk.WithLogInfo(false), zk.WithMaxBufferSize(zkMaxPacket),
		zk.WithHostProvider(new(hosts)), zk.WithEventCallback(z.log),
		zk.WithDialer(func(network, address string, _ time.Duration) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(life, zkConnectTimeout)
			defer cancel()
			c, err := dialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &boundConn{Conn: c, limit: z.cfg.SessionTimeout, stop: context.AfterFunc(life, func() { _ = c.Close() })}, nil
		}))
	if err != nil {
		end()
		return nil, nil, fmt.Errorf("%s: %w", z.url, err)
	}
	return conn, func() {
		conn.Close() // politely, which takes a second at most
		end()
		for range events { // until the client's goroutines are gone
		}
	}, nil
}

func (z *zooKeeper) log(e zk.Event) {
	if e.Type != zk.EventSession {
		return
	}
	switch e.State {
	case zk.StateHasSession:
		z.cfg.Log("session with ZooKeeper at " + e.Server)
	case zk.StateDisconnected:
		z.cfg.Log("ZooKeeper at " + e.Server + " disconnected; the last known leader holds")
	case zk.StateExpired:
		z.cfg.Log("session with ZooKeeper expired")
	}
}

// zkWatch is one run of Watch.
type zkWatch struct {
	*zooKeeper
	conn  *zk.Conn
	ctx   context.Context
	yield func(Masters, error) bool
	last  *Masters // what was yielded last
}

// errStopped ends a run whose consumer has had enough.
var errStopped = errors.New("stopped")

// run returns an error that will not pass, or nil when ctx ends or the consumer stops.
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
		if w.emit(now) != nil {
			return nil
		}
		select {
		case <-changed: // with an error if the session expired, which is read anew like any change
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
			w.cfg.Log(fmt.Sprintf("ignoring %s/%s: %v", w.url.Path, leader.name, err))
		}
		return now, changed, nil
	}
}

// failed returns err if it will not pass, and otherwise nil after a pause.
func (w *zkWatch) failed(what string, err error) error {
	if errors.Is(err, zk.ErrNoAuth) || errors.Is(err, zk.ErrAuthFailed) || errors.Is(err, zk.ErrInvalidACL) {
		return fmt.Errorf("%s: %w", what, err)
	}
	pause := time.NewTimer(zkRetry)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-w.ctx.Done():
	}
	return nil
}

// emit yields what is new.
func (w *zkWatch) emit(now Masters) error {
	if w.last != nil && w.last.Equal(now) {
		return nil
	}
	w.last = &now
	if !w.yield(now, nil) {
		return errStopped
	}
	return nil
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
