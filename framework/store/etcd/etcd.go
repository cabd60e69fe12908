package etcd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"

	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/framework/store/internal/remote"
)

// What one transaction may have: etcd's defaults of 128 operations and 1.5 MiB, less room for the head and the protocol.
const (
	maxWrites = 120
	maxBytes  = 1_400_000
)

// pageSize is how many records List asks for at once.
const pageSize = 1000

// Config says where the store is.
type Config struct {
	// Endpoints of the cluster: host:port or URLs. At least one, unless Client is set.
	Endpoints []string
	// TLS for the connections; nil for none.
	TLS *tls.Config
	// Username and Password, where the cluster asks for them.
	Username, Password string
	// Prefix of all keys, one for each framework. Default "/mesokit".
	Prefix string
	// CallTimeout bounds one attempt of a call; then another endpoint is tried, until the call's context ends. Default 5 s.
	CallTimeout time.Duration
	// Client to use instead of one of its own; Close leaves it open.
	Client *clientv3.Client
}

// Connect returns the client that the Config describes.
func (c Config) Connect() (*clientv3.Client, error) {
	if len(c.Endpoints) == 0 {
		return nil, errors.New("etcd: no endpoints; want host:port of at least one server")
	}
	client, err := clientv3.New(clientv3.Config{Endpoints: c.Endpoints, TLS: c.TLS, Username: c.Username, Password: c.Password,
		DialTimeout: c.timeout(), DialKeepAliveTime: 10 * time.Second, DialKeepAliveTimeout: 5 * time.Second, Logger: zap.NewNop()})
	if err != nil {
		return nil, fmt.Errorf("etcd %s: %w", strings.Join(c.Endpoints, ","), err)
	}
	return client, nil
}

func (c Config) timeout() time.Duration {
	if c.CallTimeout == 0 {
		return 5 * time.Second
	}
	return c.CallTimeout
}

// Open opens the store, which need not exist yet. It waits for the cluster until ctx ends; later on, ctx does not matter. Besides errors
// of the cluster it returns *store.CorruptError and *store.NewerVersionError.
func Open(ctx context.Context, cfg Config) (store.Store, error) {
	if cfg.Prefix == "" {
		cfg.Prefix = "/mesokit"
	}
	b := &backend{client: cfg.Client, prefix: strings.TrimSuffix(cfg.Prefix, "/") + "/", timeout: cfg.timeout()}
	if b.client == nil {
		client, err := cfg.Connect()
		if err != nil {
			return nil, err
		}
		b.client, b.owned = client, true
	}
	s, err := remote.Open(ctx, b, fmt.Sprintf("the store %s in etcd %s", cfg.Prefix, strings.Join(b.client.Endpoints(), ",")))
	if err != nil {
		return nil, err
	}
	return s, nil
}

// backend implements remote.Backend. A head's version is the revision of its last change.
type backend struct {
	client  *clientv3.Client
	owned   bool
	prefix  string // with a slash at its end
	timeout time.Duration
}

func (b *backend) headKey() string             { return b.prefix + "head" }
func (b *backend) recordKey(key string) string { return b.prefix + "records/" + key }
func (b *backend) chunkKey(name string) string { return b.prefix + "intents/" + name }
func (b *backend) Limits() (writes, cost int)  { return maxWrites, maxBytes }
func (b *backend) Cost(w remote.Write) int     { return len(b.prefix) + len(w.Key) + len(w.Data) + 64 }
func (b *backend) headGet() clientv3.Op        { return clientv3.OpGet(b.headKey()) }
func (b *backend) attempt(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, b.timeout, errSlow)
}

// errSlow ends an attempt.
var errSlow = errors.New("etcd does not answer")

// Close implements remote.Backend.
func (b *backend) Close() error {
	if !b.owned {
		return nil
	}
	if err := b.client.Close(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("etcd: %w", err)
	}
	return nil
}

// txn does a transaction of reads; etcd answers it from one revision.
func (b *backend) txn(ctx context.Context, ops ...clientv3.Op) (*clientv3.TxnResponse, error) {
	ctx, cancel := b.attempt(ctx)
	defer cancel()
	resp, err := b.client.Txn(ctx).Then(ops...).Commit()
	return resp, classify(ctx, err)
}

// item returns the only key of a read, or nothing.
func item(resp *clientv3.TxnResponse, i int) remote.Item {
	kvs := resp.Responses[i].GetResponseRange().GetKvs()
	if len(kvs) == 0 {
		return remote.Item{}
	}
	return remote.Item{Data: kvs[0].GetValue(), Revision: store.Revision(kvs[0].GetModRevision())}
}

func head(resp *clientv3.TxnResponse, i int) remote.Head {
	h := item(resp, i)
	return remote.Head{Item: h, Version: int64(h.Revision)}
}

// Head implements remote.Backend.
func (b *backend) Head(ctx context.Context) (remote.Head, error) {
	resp, err := b.txn(ctx, b.headGet())
	if err != nil {
		return remote.Head{}, err
	}
	return head(resp, 0), nil
}

// Get implements remote.Backend.
func (b *backend) Get(ctx context.Context, key string) (remote.Item, remote.Head, error) {
	resp, err := b.txn(ctx, clientv3.OpGet(b.recordKey(key)), b.headGet())
	if err != nil {
		return remote.Item{}, remote.Head{}, err
	}
	return item(resp, 0), head(resp, 1), nil
}

// Revisions implements remote.Backend.
func (b *backend) Revisions(ctx context.Context, keys []string) ([]store.Revision, error) {
	revisions := make([]store.Revision, 0, len(keys))
	for len(keys) > 0 {
		n := min(len(keys), maxWrites)
		ops := make([]clientv3.Op, n)
		for i, key := range keys[:n] {
			ops[i] = clientv3.OpGet(b.recordKey(key), clientv3.WithKeysOnly())
		}
		resp, err := b.txn(ctx, ops...)
		if err != nil {
			return nil, err
		}
		for i := range n {
			revisions = append(revisions, item(resp, i).Revision)
		}
		keys = keys[n:]
	}
	return revisions, nil
}

// List implements remote.Backend. All pages are of one revision.
func (b *backend) List(ctx context.Context, prefix string) ([]store.Record, remote.Head, error) {
	from := b.recordKey(prefix)
	end := clientv3.GetPrefixRangeEnd(from)
	cut := len(b.recordKey(""))
	first, err := b.txn(ctx, b.headGet(), clientv3.OpGet(from, clientv3.WithRange(end), clientv3.WithLimit(pageSize)))
	if err != nil {
		return nil, remote.Head{}, err
	}
	page := (*clientv3.GetResponse)(first.Responses[1].GetResponseRange())
	var records []store.Record
	for {
		for _, kv := range page.Kvs {
			records = append(records, store.Record{Key: string(kv.Key[cut:]), Value: kv.Value, Revision: store.Revision(kv.ModRevision)})
		}
		if !page.More {
			return records, head(first, 0), nil
		}
		from = string(page.Kvs[len(page.Kvs)-1].Key) + "\x00"
		if page, err = b.page(ctx, from, end, first.Header.Revision); err != nil {
			return nil, remote.Head{}, err // if it was compacted meanwhile, from the beginning
		}
	}
}

func (b *backend) page(ctx context.Context, from, end string, revision int64) (*clientv3.GetResponse, error) {
	ctx, cancel := b.attempt(ctx)
	defer cancel()
	resp, err := b.client.Get(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(pageSize), clientv3.WithRev(revision))
	if errors.Is(err, rpctypes.ErrCompacted) {
		return nil, fmt.Errorf("etcd: %w", err)
	}
	return resp, classify(ctx, err)
}

// Swap implements remote.Backend.
func (b *backend) Swap(ctx context.Context, swap remote.Swap) (remote.Head, bool, error) {
	conditions := []clientv3.Cmp{clientv3.Compare(clientv3.ModRevision(b.headKey()), "=", swap.Version)}
	if swap.Require != "" {
		conditions = append(conditions, clientv3.Compare(clientv3.CreateRevision(b.chunkKey(swap.Require)), ">", 0))
	}
	ops := []clientv3.Op{clientv3.OpPut(b.headKey(), string(swap.Head))}
	for _, w := range swap.Writes {
		if w.Delete {
			ops = append(ops, clientv3.OpDelete(b.recordKey(w.Key)))
		} else {
			ops = append(ops, clientv3.OpPut(b.recordKey(w.Key), string(w.Data)))
		}
	}
	ctx, cancel := b.attempt(ctx)
	defer cancel()
	resp, err := b.client.Txn(ctx).If(conditions...).Then(ops...).Commit()
	if err != nil {
		return remote.Head{}, false, classify(ctx, err)
	}
	if !resp.Succeeded {
		return remote.Head{}, false, nil
	}
	return remote.Head{Item: remote.Item{Data: swap.Head, Revision: store.Revision(resp.Header.Revision)}, Version: resp.Header.Revision}, true, nil
}

// PutChunk implements remote.Backend.
func (b *backend) PutChunk(ctx context.Context, name string, data []byte) error {
	ctx, cancel := b.attempt(ctx)
	defer cancel()
	_, err := b.client.Put(ctx, b.chunkKey(name), string(data))
	return classify(ctx, err)
}

// GetChunk implements remote.Backend.
func (b *backend) GetChunk(ctx context.Context, name string) (remote.Item, error) {
	resp, err := b.txn(ctx, clientv3.OpGet(b.chunkKey(name)))
	if err != nil {
		return remote.Item{}, err
	}
	return item(resp, 0), nil
}

// ListChunks implements remote.Backend.
func (b *backend) ListChunks(ctx context.Context) ([]string, error) {
	ctx, cancel := b.attempt(ctx)
	defer cancel()
	resp, err := b.client.Get(ctx, b.chunkKey(""), clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		return nil, classify(ctx, err)
	}
	var names []string
	for _, kv := range resp.Kvs {
		names = append(names, strings.TrimPrefix(string(kv.Key), b.chunkKey("")))
	}
	return names, nil
}

// DeleteChunks implements remote.Backend.
func (b *backend) DeleteChunks(ctx context.Context, names []string) error {
	for len(names) > 0 {
		n := min(len(names), maxWrites)
		var ops []clientv3.Op
		for _, name := range names[:n] {
			ops = append(ops, clientv3.OpDelete(b.chunkKey(name)))
		}
		if _, err := b.txn(ctx, ops...); err != nil {
			return err
		}
		names = names[n:]
	}
	return nil
}

// classify makes errors that will not pass Permanent. ctx is that of the attempt.
func classify(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil && !errors.Is(err, context.Cause(ctx)) {
		err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	err = fmt.Errorf("etcd: %w", err)
	if errors.Is(err, rpctypes.ErrNoSpace) {
		return remote.Permanent(fmt.Errorf("%w: %w", store.ErrFull, err))
	}
	if e, ok := errors.AsType[rpctypes.EtcdError](err); ok {
		switch e.Code() {
		case codes.InvalidArgument, codes.PermissionDenied, codes.Unimplemented, codes.OutOfRange:
			return remote.Permanent(err)
		}
	}
	return err
}
