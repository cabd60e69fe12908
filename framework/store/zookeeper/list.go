package zookeeper

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/go-zookeeper/zk"

	"github.com/mesokit/mesokit/framework/internal/zkconn"
	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/framework/store/internal/remote"
)

// change is an entry of the log: what one swap changed.
type change struct {
	revision store.Revision
	keys     []string // each with + or - before it
}

// change reads an entry of the log; ok is false if it is not remembered any more.
func (b *backend) change(s *zkconn.Session, version int32) (c change, ok bool, err error) {
	data, stat, err := s.Get(b.logPath(version))
	if errors.Is(err, zk.ErrNoNode) {
		return change{}, false, nil
	}
	if err != nil {
		return change{}, false, err
	}
	c.revision = store.Revision(stat.Czxid)
	for line := range strings.Lines(string(data)) {
		c.keys = append(c.keys, strings.TrimSuffix(line, "\n"))
	}
	return c, true, nil
}

// List implements remote.Backend. ZooKeeper has no snapshots: what changes while the nodes are read, as the log tells, is read again, until nothing
// has changed.
func (b *backend) List(ctx context.Context, prefix string) ([]store.Record, remote.Head, error) {
	l := listing{backend: b, ctx: ctx, prefix: prefix}
	head, err := do(ctx, b, l.read)
	if err != nil {
		return nil, remote.Head{}, err
	}
	records := make([]store.Record, 0, len(l.records))
	for _, key := range slices.Sorted(maps.Keys(l.records)) {
		records = append(records, store.Record{Key: key, Value: l.records[key].Data, Revision: l.records[key].Revision})
	}
	return records, head, nil
}

type listing struct {
	*backend
	ctx     context.Context
	prefix  string
	records map[string]remote.Item
}

func (l *listing) read(s *zkconn.Session) (remote.Head, error) {
	if err := current(s); err != nil {
		return remote.Head{}, err
	}
restart:
	l.records = map[string]remote.Item{}
	head, err := l.head(s)
	if err != nil {
		return head, err
	}
	keys, err := l.keys(s)
	if err != nil {
		return head, err
	}
	for {
		if err := l.fetch(s, keys); err != nil {
			return head, err
		}
		now, err := l.head(s)
		if err != nil || now.Version == head.Version {
			return now, err
		}
		if err := context.Cause(l.ctx); err != nil {
			return now, err
		}
		changed := map[string]bool{}
		for v := head.Version; v < now.Version; v++ {
			c, ok, err := l.change(s, int32(v))
			if err != nil {
				return now, err
			}
			if !ok {
				goto restart // more has happened than the log remembers
			}
			for _, key := range c.keys {
				if strings.HasPrefix(key[1:], l.prefix) {
					changed[key[1:]] = true
				}
			}
		}
		keys, head = slices.Collect(maps.Keys(changed)), now
	}
}

// keys returns the keys with the prefix.
func (l *listing) keys(s *zkconn.Session) (keys []string, err error) {
	var dirs []string
	if strings.Contains(l.prefix, "/") {
		dir, _ := split(l.prefix)
		dirs = []string{dir}
	} else if dirs, _, err = s.Children(l.root + "/records"); err != nil {
		return nil, err
	}
	for _, dir := range dirs {
		names, _, err := s.Children(l.root + "/records/" + dir)
		if errors.Is(err, zk.ErrNoNode) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if key, ok := join(dir, name); ok && strings.HasPrefix(key, l.prefix) {
				keys = append(keys, key)
			}
		}
	}
	return keys, nil
}

// fetch reads records, which may have vanished.
func (l *listing) fetch(s *zkconn.Session, keys []string) error {
	items := make([]remote.Item, len(keys))
	if err := each(len(keys), func(i int) (err error) {
		if l.ctx.Err() != nil {
			return context.Cause(l.ctx)
		}
		items[i], err = item(s, l.recordPath(keys[i]))
		return err
	}); err != nil {
		return err
	}
	for i, key := range keys {
		if items[i].Revision > 0 {
			l.records[key] = items[i]
		} else {
			delete(l.records, key)
		}
	}
	return nil
}
