package election

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// DefaultSessionTimeout is that of Mesos.
const DefaultSessionTimeout = 10 * time.Second

const (
	retryPause     = 250 * time.Millisecond // after a request that may do better later
	connectTimeout = 5 * time.Second        // for one connection to one server
	maxPacket      = 16 << 20
)

// ZooKeeperConfig describes an election through ZooKeeper.
type ZooKeeperConfig struct {
	// URL names the ensemble and the path.
	URL URL
	// SessionTimeout is how long a master that ZooKeeper does not hear of is taken to be alive; 0 means
	// DefaultSessionTimeout. Servers may have limits of their own.
	SessionTimeout time.Duration
	// Logger gets what happens; nil means nothing is logged.
	Logger *slog.Logger
}

// ZooKeeper is an election as Mesos masters hold it: each candidate keeps an ephemeral, sequential node json.info_NNNNNNNNNN with
// its MasterInfo; the lowest sequence leads, across all kinds of nodes that masters ever kept.
//
// Like a master of Mesos, a candidate has two sessions: one bears its node, the other watches. The node is lost, and the candidacy with it,
// when its session expires, when it has been disconnected for a session timeout, or when somebody removes the node. While ZooKeeper
// cannot be reached the last leader holds, for a session timeout.
type ZooKeeper struct{ cfg ZooKeeperConfig }

// NewZooKeeper returns an election; nothing is connected before the first candidate enters.
func NewZooKeeper(cfg ZooKeeperConfig) *ZooKeeper {
	if cfg.SessionTimeout <= 0 {
		cfg.SessionTimeout = DefaultSessionTimeout
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &ZooKeeper{cfg}
}

// Enter implements Contest. It does not wait for ZooKeeper: servers that cannot be reached are tried for ever. The candidate is told who
// leads when its node is there.
func (z *ZooKeeper) Enter(info *mesospb.MasterInfo, told func(leader *mesospb.MasterInfo)) Candidate {
	c := &zkCandidate{ZooKeeper: z, told: told, lost: make(chan struct{}), log: z.cfg.Logger.With("zookeeper", z.cfg.URL.String(), "master", info.GetId())}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	data, err := encodeInfo(info)
	if err != nil {
		c.lose(err)
		return c
	}
	enrolled := make(chan struct{})
	c.work.Go(func() { c.stand(data, enrolled) })
	c.work.Go(func() {
		select {
		case <-enrolled:
			c.watch()
		case <-c.ctx.Done():
		}
	})
	return c
}

type zkCandidate struct {
	*ZooKeeper
	log    *slog.Logger
	told   func(*mesospb.MasterInfo)
	ctx    context.Context // ends with the candidacy
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu   sync.Mutex
	node string // our node's name; empty until it is there
	gone bool   // lost is closed
	err  error
	lost chan struct{}
}

func (c *zkCandidate) Lost() <-chan struct{} { return c.lost }

func (c *zkCandidate) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *zkCandidate) Leave() {
	c.cancel()
	c.work.Wait()
}

// lose ends the candidacy; err is nil if another may do better.
func (c *zkCandidate) lose(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone || c.ctx.Err() != nil {
		return
	}
	c.gone, c.err = true, err
	c.log.Warn("candidacy lost", "error", err)
	close(c.lost)
	c.cancel()
}

// client is a connection to ZooKeeper that ends with ctx.
type client struct {
	*zk.Conn
	done chan struct{} // closed when the client's goroutines are gone
}

// dial makes a client. Requests block until there is a session, and fail when ctx has ended. states is told of the session, on the
// client's goroutine; dials says whether the client may connect, perhaps again.
func (c *zkCandidate) dial(ctx context.Context, states func(zk.State), dials func() bool) (*client, error) {
	conn, events, err := zk.Connect(c.cfg.URL.Servers, c.cfg.SessionTimeout,
		zk.WithLogger(silence{}), zk.WithLogInfo(false), zk.WithMaxBufferSize(maxPacket), zk.WithHostProvider(&servers{}),
		zk.WithEventCallback(func(e zk.Event) {
			if e.Type == zk.EventSession {
				states(e.State)
			}
		}),
		zk.WithDialer(func(network, address string, _ time.Duration) (net.Conn, error) {
			if !dials() {
				return nil, net.ErrClosed
			}
			ctx, cancel := context.WithTimeout(ctx, connectTimeout)
			defer cancel()
			inner, err := new(net.Dialer).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &impatient{inner, c.cfg.SessionTimeout}, nil
		}))
	if err != nil {
		return nil, fmt.Errorf("election: %s: %w", c.cfg.URL, err)
	}
	cl := &client{conn, make(chan struct{})}
	go func() {
		defer close(cl.done)
		<-ctx.Done()
		conn.Close() // ends the session, and the ephemeral node with it
		for range events {
		}
	}()
	return cl, nil
}

// authenticate uses the credentials of the URL, if it has some.
func (c *zkCandidate) authenticate(cl *client) error {
	if c.cfg.URL.auth == nil {
		return nil
	}
	return cl.AddAuth("digest", c.cfg.URL.auth())
}

// acl is who may do what with the nodes: with credentials all may read them and who made them may do the rest; else everybody
// may do everything.
func (c *zkCandidate) acl() []zk.ACL {
	if c.cfg.URL.auth == nil {
		return zk.WorldACL(zk.PermAll)
	}
	return append(zk.WorldACL(zk.PermRead), zk.AuthACL(zk.PermAll)...)
}

// stand keeps the node of the candidate until the candidacy ends; it closes enrolled when it is there.
func (c *zkCandidate) stand(data []byte, enrolled chan<- struct{}) {
	var deadline *time.Timer // set while disconnected; touched by the client's goroutine only
	var once sync.Once
	session := make(chan struct{})
	ctx, cancel := context.WithCancel(c.ctx)
	cl, err := c.dial(ctx, func(s zk.State) {
		switch s {
		case zk.StateHasSession:
			once.Do(func() { close(session) })
			if deadline != nil {
				deadline.Stop()
				deadline = nil
			}
		case zk.StateDisconnected:
			select {
			case <-session:
				if deadline == nil {
					deadline = time.AfterFunc(c.cfg.SessionTimeout, func() { c.lose(nil) })
				}
			default:
			}
		case zk.StateExpired:
			c.lose(nil)
		}
	}, func() bool { return true })
	if err != nil {
		cancel()
		c.lose(err)
		return
	}
	defer func() {
		cancel()
		<-cl.done
		if deadline != nil {
			deadline.Stop()
		}
	}()
	select {
	case <-session:
	case <-c.ctx.Done():
		return
	}
	for c.ctx.Err() == nil {
		node, err := c.enroll(cl, data)
		if err == nil {
			c.mu.Lock()
			c.node = node
			c.mu.Unlock()
			c.log.Info("standing for election", "node", node)
			close(enrolled)
			<-c.ctx.Done()
			return
		}
		if permanent(err) {
			c.lose(fmt.Errorf("election: %s: cannot register: %w", c.cfg.URL, err))
			return
		}
		pause(c.ctx, retryPause)
	}
}

// permanent reports whether trying again is of no use.
func permanent(err error) bool {
	return errors.Is(err, zk.ErrNoAuth) || errors.Is(err, zk.ErrAuthFailed) || errors.Is(err, zk.ErrInvalidACL)
}

// enroll makes the node, unless an attempt whose answer was lost has made it.
func (c *zkCandidate) enroll(cl *client, data []byte) (string, error) {
	if err := c.authenticate(cl); err != nil {
		return "", err
	}
	path := c.cfg.URL.Path
	for i := 1; i <= len(path); i++ {
		if i < len(path) && path[i] != '/' {
			continue
		}
		_, err := cl.Create(path[:i], nil, 0, c.acl())
		if err != nil && !errors.Is(err, zk.ErrNodeExists) {
			// It may be there without our being allowed to make it.
			if found, _, other := cl.Exists(path[:i]); other != nil || !found {
				return "", err
			}
		}
	}
	children, _, err := cl.Children(path)
	if err != nil {
		return "", err
	}
	for _, child := range children {
		if !strings.HasPrefix(child, nodePrefix) {
			continue
		}
		_, stat, err := cl.Exists(path + "/" + child)
		if err != nil {
			return "", err
		}
		if stat.EphemeralOwner == cl.SessionID() {
			return child, nil
		}
	}
	node, err := cl.Create(path+"/"+nodePrefix, data, zk.FlagEphemeral|zk.FlagSequence, c.acl())
	return strings.TrimPrefix(node, path+"/"), err
}

// watch tells who leads until the candidacy ends. It uses a new client for each connection: reading everything again is
// safer than watches that go-zookeeper sets again, and it has a data race there.
func (c *zkCandidate) watch() {
	w := &zkWatch{zkCandidate: c}
	defer func() {
		w.forget.Stop()
		w.telling.Lock() // until nobody is told any more
		defer w.telling.Unlock()
	}()
	// While nothing is known for a session timeout, nobody leads.
	w.forget = time.AfterFunc(c.cfg.SessionTimeout, func() { w.tell("", nil) })
	for c.ctx.Err() == nil {
		began := time.Now()
		w.connected()
		if time.Since(began) < retryPause {
			pause(c.ctx, retryPause)
		}
	}
}

type zkWatch struct {
	*zkCandidate
	forget *time.Timer

	telling sync.Mutex
	any     bool   // something was told
	leader  string // the node of the leader that was told last
}

// tell tells who leads, if that is news.
func (w *zkWatch) tell(node string, info *mesospb.MasterInfo) {
	w.telling.Lock()
	defer w.telling.Unlock()
	if w.ctx.Err() != nil || w.any && w.leader == node {
		return
	}
	w.any, w.leader = true, node
	w.told(info)
}

// connected watches over one connection.
func (w *zkWatch) connected() {
	ctx, cancel := context.WithCancel(w.ctx)
	had := false // touched by the client's goroutine only
	cl, err := w.dial(ctx, func(s zk.State) {
		switch {
		case s == zk.StateHasSession:
			had = true
		case had && (s == zk.StateDisconnected || s == zk.StateExpired):
			cancel()
		}
	}, func() bool { return ctx.Err() == nil })
	if err != nil {
		cancel()
		w.lose(err)
		return
	}
	defer func() { <-cl.done }()
	defer cancel()
	defer w.forget.Reset(w.cfg.SessionTimeout)
	if err := w.authenticate(cl); err != nil {
		w.failed(err)
		return
	}
	for ctx.Err() == nil {
		changed, err := w.read(cl)
		if err != nil {
			w.failed(err)
			return
		}
		w.forget.Stop()
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

func (w *zkWatch) failed(err error) {
	if permanent(err) {
		w.lose(fmt.Errorf("election: %s: cannot watch: %w", w.cfg.URL, err))
	}
}

// read finds out who leads, tells it, and returns a channel that says when to read again.
func (w *zkWatch) read(cl *client) (<-chan zk.Event, error) {
	path := w.cfg.URL.Path
	w.mu.Lock()
	mine := w.node
	w.mu.Unlock()
	synced := false
	for {
		children, _, changed, err := cl.ChildrenW(path)
		if errors.Is(err, zk.ErrNoNode) {
			exists, _, made, err := cl.ExistsW(path)
			if err == nil && exists {
				continue
			}
			if err == nil {
				w.tell("", nil)
			}
			return made, err
		}
		if err != nil {
			return nil, err
		}
		if mine != "" && !slices.Contains(children, mine) {
			if !synced { // the server that is asked may be behind the one that made the node
				synced = true
				if _, err := cl.Sync(path); err != nil {
					return nil, err
				}
				continue
			}
			w.lose(nil) // somebody has removed the node, or its session has expired
			return changed, nil
		}
		name, label := leading(children)
		if name == "" {
			w.tell("", nil)
			return changed, nil
		}
		data, _, err := cl.Get(path + "/" + name)
		if errors.Is(err, zk.ErrNoNode) {
			continue
		}
		if err != nil {
			return nil, err
		}
		info, err := decodeInfo(label, data)
		if err != nil {
			w.log.Warn("the leader's node makes no sense", "node", name, "error", err)
			name, info = "", nil
		}
		w.tell(name, info)
		return changed, nil
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// impatient is a connection on which no answer takes longer than a session lasts: the client would wait much longer for the
// first.
type impatient struct {
	net.Conn
	limit time.Duration
}

func (c *impatient) SetReadDeadline(t time.Time) error {
	if latest := time.Now().Add(c.limit); !t.IsZero() && t.After(latest) {
		t = latest
	}
	return c.Conn.SetReadDeadline(t)
}

// servers hands out the servers in turn; names are resolved by the dialer, whenever it connects.
type servers struct {
	mu   sync.Mutex
	list []string
	next int
	left int // before all have been tried
}

func (s *servers) Init(list []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list, s.next, s.left = list, 0, len(list)
	return nil
}

func (s *servers) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.list)
}

// Next returns a server; retryStart makes the client pause, as all have been tried.
func (s *servers) Next() (server string, retryStart bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if retryStart = s.left == 0; retryStart {
		s.left = len(s.list)
	}
	s.left--
	server = s.list[s.next]
	s.next = (s.next + 1) % len(s.list)
	return server, retryStart
}

func (s *servers) Connected() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = len(s.list)
}

// silence takes what the client would log.
type silence struct{}

func (silence) Printf(string, ...any) {}
