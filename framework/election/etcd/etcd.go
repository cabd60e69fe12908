package etcd

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"

	"github.com/mesokit/mesokit/framework/election"
	"github.com/mesokit/mesokit/framework/store"
)

// retryPause is the pause after a request that failed for a reason that may pass.
const retryPause = 250 * time.Millisecond

// Config says where the election is held, and with which patience.
type Config struct {
	// Endpoints of the cluster: host:port or URLs. At least one, unless Client is set.
	Endpoints []string
	// TLS for the connections; nil for none.
	TLS *tls.Config
	// Username and Password, where the cluster asks for them.
	Username, Password string
	// Prefix of the key; candidates of one election have the same. Default "/mesokit".
	Prefix string
	// TTL of the lease: how long nobody leads after a leader has vanished. Whole seconds; default 10 s. Servers may insist
	// on more.
	TTL time.Duration
	// Margin before the end of the lease at which the term of a leader ends that cannot renew it. Default a quarter of TTL.
	Margin time.Duration
	// Client to use instead of one of its own; Close leaves it open.
	Client *clientv3.Client
	// Log takes what an operator may want to know; nil drops it. It is called from several goroutines.
	Log func(line string)
}

// Elector is an election.Elector.
type Elector struct {
	cfg    Config
	client *clientv3.Client
	key    string
}

// New returns an elector. It does not wait for the cluster.
func New(cfg Config) (*Elector, error) {
	if cfg.TTL == 0 {
		cfg.TTL = 10 * time.Second
	}
	if cfg.Margin == 0 {
		cfg.Margin = cfg.TTL / 4
	}
	if cfg.TTL%time.Second != 0 || cfg.TTL < time.Second || cfg.Margin < 0 || cfg.Margin >= cfg.TTL {
		return nil, fmt.Errorf("election: TTL %v and margin %v: want whole seconds, and less than that", cfg.TTL, cfg.Margin)
	}
	if cfg.Prefix == "" {
		cfg.Prefix = "/mesokit"
	}
	if cfg.Log == nil {
		cfg.Log = func(string) {}
	}
	e := &Elector{cfg: cfg, client: cfg.Client, key: strings.TrimSuffix(cfg.Prefix, "/") + "/leader"}
	if e.client == nil {
		if len(cfg.Endpoints) == 0 {
			return nil, errors.New("election: no endpoints of etcd; want host:port of at least one server")
		}
		var err error
		e.client, err = clientv3.New(clientv3.Config{Endpoints: cfg.Endpoints, TLS: cfg.TLS, Username: cfg.Username, Password: cfg.Password,
			DialTimeout: cfg.TTL / 2, DialKeepAliveTime: 10 * time.Second, DialKeepAliveTimeout: 5 * time.Second, Logger: zap.NewNop()})
		if err != nil {
			return nil, fmt.Errorf("election in etcd %s: %w", strings.Join(cfg.Endpoints, ","), err)
		}
	}
	return e, nil
}

// Close frees the connections. No Run may be under way.
func (e *Elector) Close() error {
	if e.cfg.Client != nil {
		return nil
	}
	if err := e.client.Close(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("election: %w", err)
	}
	return nil
}

// Run implements election.Elector. The only errors that end it are refusals: of credentials, or of access to the key.
func (e *Elector) Run(ctx context.Context, info election.Info) iter.Seq2[election.Status, error] {
	return election.Campaign(ctx, func(ctx context.Context, c *election.Candidacy) error {
		for ctx.Err() == nil {
			if err := e.round(ctx, c, info); err != nil && ctx.Err() == nil {
				if permanent(err) {
					return fmt.Errorf("election in etcd: %s: %w", e.key, err)
				}
				e.cfg.Log(fmt.Sprintf("election in etcd: %v", err))
				select {
				case <-time.After(retryPause):
				case <-ctx.Done():
				}
			}
		}
		return nil
	})
}

func permanent(err error) bool {
	e, ok := errors.AsType[rpctypes.EtcdError](err)
	return ok && (e.Code() == codes.PermissionDenied || e.Code() == codes.InvalidArgument)
}

// attempt bounds one request.
func (e *Elector) attempt(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, e.cfg.TTL/2)
}

// round follows until nobody leads, and then leads, or another is faster.
func (e *Elector) round(ctx context.Context, c *election.Candidacy, info election.Info) error {
	if err := e.follow(ctx, c, info.ID); err != nil || ctx.Err() != nil {
		return err
	}
	asked := time.Now()
	grant, cancel := e.attempt(ctx)
	lease, err := e.client.Grant(grant, int64(e.cfg.TTL/time.Second))
	cancel()
	if err != nil {
		return fmt.Errorf("ask for a lease: %w", err)
	}
	// Also when it is not known whether the key was written: the key goes with the lease.
	defer e.revoke(ctx, lease.ID)
	data, err := json.Marshal(info)
	if err != nil {
		return err
	}
	txn, cancel := e.attempt(ctx)
	resp, err := e.client.Txn(txn).If(clientv3.Compare(clientv3.CreateRevision(e.key), "=", 0)).
		Then(clientv3.OpPut(e.key, string(data), clientv3.WithLease(lease.ID))).Commit()
	cancel()
	if err != nil || !resp.Succeeded {
		return err
	}
	revision := resp.Header.Revision
	e.cfg.Log(fmt.Sprintf("election in etcd: %s leads with token %d", info.ID, revision))
	c.Hold(ctx, info, election.Lease{Token: store.Token(revision), TTL: time.Duration(lease.TTL) * time.Second, Margin: e.cfg.Margin, Granted: asked,
		Renew: func(ctx context.Context) error { return e.renew(ctx, lease.ID, revision) }})
	return nil
}

// follow tells who leads until nobody does.
func (e *Elector) follow(ctx context.Context, c *election.Candidacy, me string) error {
	get, cancel := e.attempt(ctx)
	resp, err := e.client.Get(get, e.key)
	cancel()
	if err != nil {
		return fmt.Errorf("read the leader: %w", err)
	}
	if len(resp.Kvs) == 0 {
		c.Follow(nil)
		return nil
	}
	c.Follow(e.leader(resp.Kvs[0].Value, me))
	watch, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	for change := range e.client.Watch(watch, e.key, clientv3.WithRev(resp.Header.Revision+1)) {
		if err := change.Err(); err != nil {
			return fmt.Errorf("watch the leader: %w", err) // also if the revision was compacted; read again
		}
		for _, event := range change.Events {
			if event.Type == clientv3.EventTypeDelete {
				c.Follow(nil)
				return nil
			}
			c.Follow(e.leader(event.Kv.Value, me))
		}
	}
	return nil
}

// leader reads what a leader wrote. A former term of the candidate itself, which has not expired yet, leads nobody.
func (e *Elector) leader(data []byte, me string) *election.Info {
	var info election.Info
	if err := json.Unmarshal(data, &info); err != nil {
		e.cfg.Log(fmt.Sprintf("election in etcd: %s: the leader has written %.100q: %v", e.key, data, err))
	}
	if info.ID == me {
		return nil
	}
	return &info
}

// renew prolongs the lease and looks whether the key is still ours.
func (e *Elector) renew(ctx context.Context, id clientv3.LeaseID, revision int64) error {
	ctx, cancel := e.attempt(ctx)
	defer cancel()
	if resp, err := e.client.KeepAliveOnce(ctx, id); errors.Is(err, rpctypes.ErrLeaseNotFound) || err == nil && resp.TTL <= 0 {
		return fmt.Errorf("%w: it has expired", election.ErrGone)
	} else if err != nil {
		return err
	}
	resp, err := e.client.Get(ctx, e.key)
	if err == nil && (len(resp.Kvs) == 0 || resp.Kvs[0].CreateRevision != revision) {
		return fmt.Errorf("%w: the key was removed", election.ErrGone)
	}
	return err
}

// revoke gives the lease, and with it the key, back. If that fails it expires.
func (e *Elector) revoke(ctx context.Context, id clientv3.LeaseID) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(2*time.Second, e.cfg.TTL))
	defer cancel()
	if _, err := e.client.Revoke(ctx, id); err != nil && !errors.Is(err, rpctypes.ErrLeaseNotFound) {
		e.cfg.Log(fmt.Sprintf("election in etcd: give the lease back: %v", err))
	}
}
