package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/mesokit/mesokit/framework/internal/zkconn"
	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/framework/store/internal/remote"
)

// What one request may have: the servers' default limit is 1,048,575 bytes, less room for the head and the protocol.
const (
	maxWrites = 5000
	maxBytes  = 1_000_000
)

// parallel is how many requests are under way at once when many nodes are read.
const parallel = 64

// Config says where the store is.
type Config struct {
	// Servers of the ensemble, host:port each; at least one.
	Servers []string
	// Path of the node above everything, one for each framework; it is made. Default "/mesokit".
	Path string
	// User and Password for ZooKeeper's digest scheme. With a user, only that user has access to what is stored.
	User, Password string
	// SessionTimeout bounds the time until a silent server is given up. Default 10 s.
	SessionTimeout time.Duration
	// DialContext connects to a server; nil for plain TCP.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
}

// Open opens the store, and makes it if it does not exist. It waits for the ensemble until ctx ends; later on, ctx does not matter.
// Besides errors of the ensemble it returns *store.CorruptError and *store.NewerVersionError.
func Open(ctx context.Context, cfg Config) (store.Store, error) {
	path := strings.TrimSuffix(cfg.Path, "/")
	if cfg.Path == "" {
		path = "/mesokit"
	}
	if !strings.HasPrefix(path, "/") || store.ValidateKey(path[1:]) != nil {
		return nil, fmt.Errorf("zookeeper: path %q: want an absolute path below the root, such as /mesokit", cfg.Path)
	}
	client, err := zkconn.NewClient(zkconn.Config{Servers: cfg.Servers, User: cfg.User, Password: cfg.Password,
		SessionTimeout: cfg.SessionTimeout, DialContext: cfg.DialContext})
	if err != nil {
		return nil, err
	}
	b := &backend{client: client, root: path, dirs: map[string]bool{}}
	where := fmt.Sprintf("the store %s in ZooKeeper %s", path, strings.Join(cfg.Servers, ","))
	if err := b.create(ctx); err != nil {
		client.Close()
		return nil, fmt.Errorf("open %s: %w", where, err)
	}
	s, err := remote.Open(ctx, b, where)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// create makes the nodes that everything else stands below.
func (b *backend) create(ctx context.Context) error {
	for {
		_, err := zkconn.Do(ctx, b.client, func(s *zkconn.Session) (none, error) {
			for _, path := range []string{b.root, b.root + "/records", b.root + "/log", b.root + "/intents"} {
				if err := zkconn.MkdirAll(s.Conn, path, b.client.ACL()); err != nil {
					return none{}, err
				}
			}
			_, err := s.Create(b.headPath(), remote.EmptyHead(), 0, b.client.ACL())
			if errors.Is(err, zk.ErrNodeExists) {
				err = nil
			}
			return none{}, err
		})
		if err == nil || !zkconn.Transient(err) || ctx.Err() != nil {
			return err
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%w; before that: %w", context.Cause(ctx), err)
		}
	}
}

type none struct{}

// backend implements remote.Backend. Revisions are ZooKeeper's transaction numbers; all that one swap changes has the same. A head's
// version is one more than ZooKeeper's, so that there is none below 1.
type backend struct {
	client *zkconn.Client
	root   string

	mu   sync.Mutex
	dirs map[string]bool // below records, known to exist; they stay for ever
}

func (b *backend) headPath() string             { return b.root + "/head" }
func (b *backend) logPath(version int32) string { return fmt.Sprintf("%s/log/%010d", b.root, version) }
func (b *backend) chunkPath(name string) string { return b.root + "/intents/" + name }
func (b *backend) Limits() (writes, cost int)   { return maxWrites, maxBytes }

// Cost counts paths twice: they stand in the log, too.
func (b *backend) Cost(w remote.Write) int { return 2*len(b.recordPath(w.Key)) + len(w.Data) + 150 }

// Close implements remote.Backend.
func (b *backend) Close() error {
	b.client.Close()
	return nil
}

// do runs f with a session and marks errors that will not pass.
func do[T any](ctx context.Context, b *backend, f func(*zkconn.Session) (T, error)) (T, error) {
	value, err := zkconn.Do(ctx, b.client, f)
	if err != nil && !remote.IsPermanent(err) && ctx.Err() == nil {
		if err = fmt.Errorf("zookeeper: %w", err); !zkconn.Transient(err) {
			err = remote.Permanent(err)
		}
	}
	return value, err
}

// current makes the session's server know all that was done before: another one may have done it.
func current(s *zkconn.Session) error {
	_, err := s.Sync("/")
	return err
}

// head reads the head from the session's server.
func (b *backend) head(s *zkconn.Session) (remote.Head, error) {
	data, stat, err := s.Get(b.headPath())
	if errors.Is(err, zk.ErrNoNode) {
		return remote.Head{}, remote.Permanent(&store.CorruptError{Where: b.root, Reason: "its head is gone"})
	}
	if err != nil {
		return remote.Head{}, err
	}
	return remote.Head{Item: remote.Item{Data: data, Revision: store.Revision(stat.Mzxid)}, Version: int64(stat.Version) + 1}, nil
}

// item reads a node, which need not exist.
func item(s *zkconn.Session, path string) (remote.Item, error) {
	data, stat, err := s.Get(path)
	if errors.Is(err, zk.ErrNoNode) {
		return remote.Item{}, nil
	}
	if err != nil {
		return remote.Item{}, err
	}
	return remote.Item{Data: data, Revision: store.Revision(stat.Mzxid)}, nil
}

// Head implements remote.Backend.
func (b *backend) Head(ctx context.Context) (remote.Head, error) {
	return do(ctx, b, func(s *zkconn.Session) (remote.Head, error) {
		if err := current(s); err != nil {
			return remote.Head{}, err
		}
		return b.head(s)
	})
}

// Get implements remote.Backend. The head is read last: if it shows no unfinished intent, the record is no part of one either.
func (b *backend) Get(ctx context.Context, key string) (remote.Item, remote.Head, error) {
	type both struct {
		item remote.Item
		head remote.Head
	}
	r, err := do(ctx, b, func(s *zkconn.Session) (r both, err error) {
		if err := current(s); err != nil {
			return both{}, err
		}
		if r.item, err = item(s, b.recordPath(key)); err != nil {
			return both{}, err
		}
		r.head, err = b.head(s)
		return r, err
	})
	return r.item, r.head, err
}

// Revisions implements remote.Backend.
func (b *backend) Revisions(ctx context.Context, keys []string) ([]store.Revision, error) {
	return do(ctx, b, func(s *zkconn.Session) ([]store.Revision, error) {
		if err := current(s); err != nil {
			return nil, err
		}
		revisions := make([]store.Revision, len(keys))
		err := each(len(keys), func(i int) error {
			exists, stat, err := s.Exists(b.recordPath(keys[i]))
			if exists && err == nil {
				revisions[i] = store.Revision(stat.Mzxid)
			}
			return err
		})
		return revisions, err
	})
}

// each calls f for 0 to n-1, several at once, and returns the first error.
func each(n int, f func(i int) error) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var first error
	next := 0
	take := func() (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		next++
		return next - 1, next <= n && first == nil
	}
	for range min(n, parallel) {
		wg.Go(func() {
			for i, ok := take(); ok; i, ok = take() {
				if err := f(i); err != nil {
					mu.Lock()
					first = errors.Join(first, err)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return first
}

// PutChunk implements remote.Backend.
func (b *backend) PutChunk(ctx context.Context, name string, data []byte) error {
	_, err := do(ctx, b, func(s *zkconn.Session) (none, error) {
		_, err := s.Create(b.chunkPath(name), data, 0, b.client.ACL())
		if errors.Is(err, zk.ErrNodeExists) {
			_, err = s.Set(b.chunkPath(name), data, -1)
		}
		return none{}, err
	})
	return err
}

// GetChunk implements remote.Backend.
func (b *backend) GetChunk(ctx context.Context, name string) (remote.Item, error) {
	return do(ctx, b, func(s *zkconn.Session) (remote.Item, error) {
		if err := current(s); err != nil {
			return remote.Item{}, err
		}
		return item(s, b.chunkPath(name))
	})
}

// ListChunks implements remote.Backend.
func (b *backend) ListChunks(ctx context.Context) ([]string, error) {
	return do(ctx, b, func(s *zkconn.Session) ([]string, error) {
		names, _, err := s.Children(b.root + "/intents")
		return names, err
	})
}

// DeleteChunks implements remote.Backend.
func (b *backend) DeleteChunks(ctx context.Context, names []string) error {
	_, err := do(ctx, b, func(s *zkconn.Session) (none, error) {
		for _, name := range names {
			if err := s.Delete(b.chunkPath(name), -1); err != nil && !errors.Is(err, zk.ErrNoNode) {
				return none{}, err
			}
		}
		return none{}, nil
	})
	return err
}
