package zookeeper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/mesokit/mesokit/framework/election"
	"github.com/mesokit/mesokit/framework/internal/zkconn"
	"github.com/mesokit/mesokit/framework/store"
)

// retryPause is the pause after a request that failed for a reason that may pass.
const retryPause = 250 * time.Millisecond

// nodePrefix begins the names of candidates' nodes; ZooKeeper adds a number.
const nodePrefix = "candidate-"

// Config says where the election is held, and with which patience.
type Config struct {
	// Servers of the ensemble, host:port each; at least one.
	Servers []string
	// Path of the node above the candidates'; it is made. Default "/mesokit/election".
	Path string
	// User and Password for ZooKeeper's digest scheme. With a user, only that user may take part.
	User, Password string
	// SessionTimeout is how long nobody leads after a leader has vanished. Servers may insist on another (by default 4 to 40 s); that
	// is respected. Default 10 s.
	SessionTimeout time.Duration
	// Margin before the end of the session at which the term of a leader ends that cannot reach the servers. It should be longer
	// than a tick of theirs. Default a quarter of the session timeout.
	Margin time.Duration
	// DialContext connects to a server; nil for plain TCP.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// Log takes what an operator may want to know; nil drops it.
	Log func(line string)
}

// Elector is an election.Elector. It holds nothing between runs.
type Elector struct {
	cfg  Config
	conn zkconn.Config
}

// New returns an elector. It does not wait for the ensemble.
func New(cfg Config) (*Elector, error) {
	path := strings.TrimSuffix(cfg.Path, "/")
	if cfg.Path == "" {
		path = "/mesokit/election"
	}
	if !strings.HasPrefix(path, "/") || store.ValidateKey(path[1:]) != nil {
		return nil, fmt.Errorf("election: path %q: want an absolute path below the root of ZooKeeper, such as /mesokit/election", cfg.Path)
	}
	cfg.Path = path
	if cfg.SessionTimeout == 0 {
		cfg.SessionTimeout = zkconn.DefaultSessionTimeout
	}
	if cfg.SessionTimeout < 0 || cfg.Margin < 0 || cfg.Margin >= cfg.SessionTimeout {
		return nil, fmt.Errorf("election: session timeout %v and margin %v: want a margin less than the timeout", cfg.SessionTimeout, cfg.Margin)
	}
	if cfg.Log == nil {
		cfg.Log = func(string) {}
	}
	conn := zkconn.Config{Servers: cfg.Servers, User: cfg.User, Password: cfg.Password, SessionTimeout: cfg.SessionTimeout, DialContext: cfg.DialContext}
	if err := conn.Validate(); err != nil {
		return nil, err
	}
	return &Elector{cfg, conn}, nil
}

// Run implements election.Elector. The only errors that end it are refusals: of credentials, or of access to the nodes.
func (e *Elector) Run(ctx context.Context, info election.Info) iter.Seq2[election.Status, error] {
	return election.Campaign(ctx, func(ctx context.Context, c *election.Candidacy) error {
		// Watches are set on sessions of their own, one a connection; see zkconn.
		client, err := zkconn.NewClient(e.conn)
		if err != nil {
			return err
		}
		defer client.Close()
		r := &race{Elector: e, client: client, candidacy: c, info: info}
		for ctx.Err() == nil {
			if err := r.round(ctx); err != nil && ctx.Err() == nil {
				if errors.Is(err, zk.ErrNoAuth) || errors.Is(err, zk.ErrAuthFailed) || errors.Is(err, zk.ErrInvalidACL) {
					return fmt.Errorf("election in ZooKeeper: %s: %w", e.cfg.Path, err)
				}
				e.cfg.Log(fmt.Sprintf("election in ZooKeeper: %v", err))
				select {
				case <-time.After(retryPause):
				case <-ctx.Done():
				}
			}
		}
		return nil
	})
}

// race is one candidate's run.
type race struct {
	*Elector
	client    *zkconn.Client
	candidacy *election.Candidacy
	info      election.Info
}

// entry is the candidate's node.
type entry struct {
	*race
	session *zkconn.Session
	wg      sync.WaitGroup // requests
	name    string
	token   store.Token
}

// round enters the race with a new session, waits until it is the candidate's turn, and leads.
func (r *race) round(ctx context.Context) error {
	cfg := r.conn
	cfg.Resume = true
	session, err := zkconn.Dial(cfg)
	if err != nil {
		return err
	}
	e := &entry{race: r, session: session}
	// A session that ends politely takes its node along at once.
	defer e.wg.Wait()
	defer session.Close()
	if err := session.Ready(ctx); err != nil {
		return err
	}
	if err := e.enter(ctx); err != nil {
		return err
	}
	for ctx.Err() == nil {
		turn, err := e.follow(ctx)
		if err != nil {
			return err
		}
		if !turn {
			continue
		}
		asked := time.Now()
		if err := e.renew(ctx); err != nil {
			return err
		}
		ttl := session.Timeout()
		margin := r.cfg.Margin
		if margin == 0 || margin >= ttl {
			margin = ttl / 4
		}
		r.cfg.Log(fmt.Sprintf("election in ZooKeeper: %s leads with token %d", r.info.ID, e.token))
		r.candidacy.Hold(ctx, r.info, election.Lease{Token: e.token, TTL: ttl, Margin: margin, Granted: asked, Renew: e.renew})
		return nil
	}
	return nil
}

// enter makes the candidate's node. If it is not known whether that has happened, the session ends, and the node with it.
func (e *entry) enter(ctx context.Context) error {
	data, err := json.Marshal(e.info)
	if err != nil {
		return err
	}
	acl := e.client.ACL()
	type made struct {
		path string
		stat *zk.Stat
	}
	node, err := zkconn.Await(ctx, &e.wg, func() (m made, err error) {
		if err := zkconn.MkdirAll(e.session.Conn, e.cfg.Path, acl); err != nil {
			return made{}, err
		}
		if m.path, err = e.session.Create(e.cfg.Path+"/"+nodePrefix, data, zk.FlagEphemeral|zk.FlagSequence, acl); err != nil {
			return made{}, err
		}
		_, m.stat, err = e.session.Get(m.path)
		return m, err
	})
	if err != nil {
		return fmt.Errorf("enter: %w", err)
	}
	e.name = node.path[strings.LastIndexByte(node.path, '/')+1:]
	e.token = store.Token(node.stat.Czxid)
	return nil
}

// follow looks who leads, and says whether it is the candidate's turn; if not, it waits until that may have changed.
func (e *entry) follow(ctx context.Context) (turn bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type look struct {
		names   []string
		leader  []byte
		session *zkconn.Session
		changed <-chan zk.Event
	}
	seen, err := zkconn.Do(ctx, e.client, func(s *zkconn.Session) (l look, err error) {
		l.session = s
		// The candidate's node was made by another session, which may talk to another server.
		if _, err := s.Sync(e.cfg.Path); err != nil {
			return look{}, err
		}
		if l.names, _, l.changed, err = s.ChildrenW(e.cfg.Path); err != nil {
			return look{}, err
		}
		l.names = candidates(l.names)
		if len(l.names) > 0 {
			if l.leader, _, err = s.Get(e.cfg.Path + "/" + l.names[0]); errors.Is(err, zk.ErrNoNode) {
				err, l.changed = nil, nil // vanished since; look again
			}
		}
		return l, err
	})
	switch {
	case err != nil:
		return false, fmt.Errorf("look who leads: %w", err)
	case !slices.Contains(seen.names, e.name):
		return false, errors.New("the candidate's node has vanished; entering anew")
	case seen.names[0] == e.name:
		return true, nil // and so it stays: those who come have higher numbers
	case seen.changed == nil:
		return false, nil
	}
	e.candidacy.Follow(e.leader(seen.names[0], seen.leader))
	select {
	case <-seen.changed:
	case <-seen.session.Lost():
	case <-e.session.Lost():
		return false, errors.New("the session has expired; entering anew")
	case <-ctx.Done():
	}
	return false, nil
}

// candidates returns the names of candidates' nodes, the first one first.
func candidates(names []string) []string {
	number := func(name string) (int64, bool) {
		digits, ok := strings.CutPrefix(name, nodePrefix)
		n, err := strconv.ParseInt(digits, 10, 64)
		return n, ok && err == nil
	}
	var out []string
	for _, name := range names {
		if _, ok := number(name); ok {
			out = append(out, name)
		}
	}
	slices.SortFunc(out, func(a, b string) int {
		x, _ := number(a)
		y, _ := number(b)
		return int(max(-1, min(1, x-y)))
	})
	return out
}

// leader reads what a leader wrote. A former entry of the candidate itself, whose session has not expired yet, leads nobody.
func (e *entry) leader(name string, data []byte) *election.Info {
	var info election.Info
	if err := json.Unmarshal(data, &info); err != nil {
		e.cfg.Log(fmt.Sprintf("election in ZooKeeper: %s/%s: the leader has written %.100q: %v", e.cfg.Path, name, data, err))
	}
	if info.ID == e.info.ID {
		return nil
	}
	return &info
}

// renew touches the session and looks whether the node is still there.
func (e *entry) renew(ctx context.Context) error {
	exists, err := zkconn.Await(ctx, &e.wg, func() (bool, error) {
		exists, _, err := e.session.Exists(e.cfg.Path + "/" + e.name)
		return exists, err
	})
	select {
	case <-e.session.Lost():
		return fmt.Errorf("%w: the session has expired", election.ErrGone)
	default:
	}
	if err == nil && !exists {
		return fmt.Errorf("%w: the node was removed", election.ErrGone)
	}
	return err
}
