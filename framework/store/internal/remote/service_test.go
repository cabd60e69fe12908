package remote

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/framework/store/internal/feed"
)

var errBroken = errors.New("the connection broke")

// service is a remote service in memory.
type service struct {
	mu       sync.Mutex
	head     Head
	records  map[string]Item
	chunks   map[string]Item
	revision store.Revision
	feed     *feed.Feed
}

func newService() *service {
	return &service{records: map[string]Item{}, chunks: map[string]Item{}, feed: feed.New(0)}
}

// client is a connection to it. fault, if not nil, is asked before and after every change.
type client struct {
	*service
	fault func(what string, before bool) error
}

func (c *client) point(what string, before bool) error {
	if c.fault == nil {
		return nil
	}
	return c.fault(what, before)
}

func (c *client) Head(ctx context.Context) (Head, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.head, context.Cause(ctx)
}

func (c *client) Get(ctx context.Context, key string) (Item, Head, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.records[key], c.head, context.Cause(ctx)
}

func (c *client) Revisions(ctx context.Context, keys []string) (out []store.Revision, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range keys {
		out = append(out, c.records[key].Revision)
	}
	return out, context.Cause(ctx)
}

func (c *client) List(ctx context.Context, prefix string) (out []store.Record, _ Head, _ error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(c.records)) {
		if strings.HasPrefix(key, prefix) {
			out = append(out, store.Record{Key: key, Value: c.records[key].Data, Revision: c.records[key].Revision})
		}
	}
	return out, c.head, context.Cause(ctx)
}

func (c *client) Swap(ctx context.Context, swap Swap) (head Head, ok bool, err error) {
	if err := c.point("swap", true); err != nil {
		return Head{}, false, err
	}
	if len(swap.Writes) > 3 {
		return Head{}, false, Permanent(errors.New("too many writes"))
	}
	if ctx.Err() != nil {
		return Head{}, false, context.Cause(ctx)
	}
	c.mu.Lock()
	if ok = swap.Version == c.head.Version && (swap.Require == "" || c.chunks[swap.Require].Revision > 0); ok {
		c.revision++
		c.head = Head{Item{swap.Head, c.revision}, swap.Version + 1}
		var events []store.Event
		for _, w := range swap.Writes {
			e := store.Event{Record: store.Record{Key: w.Key, Revision: c.revision}, Deleted: w.Delete}
			if w.Delete && c.records[w.Key].Revision == 0 {
				continue
			} else if w.Delete {
				delete(c.records, w.Key)
			} else {
				e.Value = bytes.Clone(w.Data)
				c.records[w.Key] = Item{e.Value, c.revision}
			}
			events = append(events, e)
		}
		c.feed.Add(c.revision, events)
	}
	head = c.head
	c.mu.Unlock()
	if err := c.point("swap", false); err != nil {
		return Head{}, false, err
	}
	return head, ok, nil
}

func (c *client) Limits() (writes, cost int) { return 3, 1 << 21 }

func (c *client) Cost(w Write) int { return len(w.Key) + len(w.Data) }

func (c *client) Watch(ctx context.Context, prefix string, after store.Revision) iter.Seq2[[]store.Event, error] {
	return c.feed.Watch(ctx, prefix, after)
}

func (c *client) PutChunk(_ context.Context, name string, data []byte) error {
	if err := c.point("chunk", true); err != nil {
		return err
	}
	c.mu.Lock()
	c.chunks[name] = Item{data, 1}
	c.mu.Unlock()
	return c.point("chunk", false)
}

func (c *client) GetChunk(_ context.Context, name string) (Item, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.chunks[name], nil
}

func (c *client) ListChunks(context.Context) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.chunks)), nil
}

func (c *client) DeleteChunks(_ context.Context, names []string) error {
	for _, name := range names {
		if err := c.point("drop", true); err != nil {
			return err
		}
		c.mu.Lock()
		delete(c.chunks, name)
		c.mu.Unlock()
	}
	return nil
}

func (c *client) Close() error { return nil }
