package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-zookeeper/zk"

	"github.com/mesokit/mesokit/framework/internal/zkconn"
	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/framework/store/internal/remote"
)

// logLength is how many commits the log remembers.
const logLength = 1024

// Swap implements remote.Backend. Whether a record is created or set is looked up before: as long as the head stays, that stays, too.
func (b *backend) Swap(ctx context.Context, swap remote.Swap) (remote.Head, bool, error) {
	type result struct {
		head remote.Head
		ok   bool
	}
	r, err := do(ctx, b, func(s *zkconn.Session) (result, error) {
		ops, err := b.swapOps(s, swap)
		if err != nil {
			return result{}, err
		}
		responses, err := s.Multi(ops...)
		failed := func(i int) bool { return i < len(responses) && errors.Is(responses[i].Error, err) }
		switch {
		case errors.Is(err, zk.ErrBadVersion) && failed(0), swap.Require != "" && errors.Is(err, zk.ErrNoNode) && failed(1):
			return result{}, nil
		case errors.Is(err, zk.ErrNoNode) || errors.Is(err, zk.ErrNodeExists):
			// The head is as it was read, but nodes are not: somebody else's hand, or a server that was behind when they were looked up.
			return result{}, errors.New("nodes below " + b.root + " have changed without the head: " + err.Error())
		case err != nil:
			return result{}, err
		case len(responses) != len(ops) || responses[0].Stat == nil:
			return result{}, fmt.Errorf("%d answers to %d operations", len(responses), len(ops))
		}
		stat := responses[0].Stat
		return result{remote.Head{Item: remote.Item{Data: swap.Head, Revision: store.Revision(stat.Mzxid)}, Version: int64(stat.Version) + 1}, true}, nil
	})
	return r.head, r.ok, err
}

// swapOps returns the operations of a swap; the first is the head, the second what is required.
func (b *backend) swapOps(s *zkconn.Session, swap remote.Swap) ([]any, error) {
	present := make([]bool, len(swap.Writes))
	if err := each(len(swap.Writes), func(i int) (err error) {
		present[i], _, err = s.Exists(b.recordPath(swap.Writes[i].Key))
		return err
	}); err != nil {
		return nil, err
	}
	acl := b.client.ACL()
	version := int32(swap.Version) // of the head afterwards: one more than ZooKeeper's now, which is one less than ours
	ops := []any{&zk.SetDataRequest{Path: b.headPath(), Data: swap.Head, Version: version - 1}}
	if swap.Require != "" {
		ops = append(ops, &zk.CheckVersionRequest{Path: b.chunkPath(swap.Require), Version: -1})
	}
	var log strings.Builder
	for i, w := range swap.Writes {
		path := b.recordPath(w.Key)
		switch {
		case w.Delete && present[i]:
			ops = append(ops, &zk.DeleteRequest{Path: path, Version: -1})
			log.WriteString("-" + w.Key + "\n")
			continue
		case w.Delete:
			continue
		case present[i]:
			ops = append(ops, &zk.SetDataRequest{Path: path, Data: w.Data, Version: -1})
		default:
			if err := b.ensureDir(s, w.Key); err != nil {
				return nil, err
			}
			ops = append(ops, &zk.CreateRequest{Path: path, Data: w.Data, Acl: acl})
		}
		log.WriteString("+" + w.Key + "\n")
	}
	ops = append(ops, &zk.CreateRequest{Path: b.logPath(version), Data: []byte(log.String()), Acl: acl})
	if version > logLength {
		ops = append(ops, &zk.DeleteRequest{Path: b.logPath(version - logLength), Version: -1})
	}
	return ops, nil
}

// ensureDir makes the directory of a key's node.
func (b *backend) ensureDir(s *zkconn.Session, key string) error {
	dir, _ := split(key)
	b.mu.Lock()
	known := b.dirs[dir]
	b.mu.Unlock()
	if known {
		return nil
	}
	if err := zkconn.MkdirAll(s.Conn, b.root+"/records/"+dir, b.client.ACL()); err != nil {
		return err
	}
	b.mu.Lock()
	b.dirs[dir] = true
	b.mu.Unlock()
	return nil
}
