package etcd

import (
	"context"
	"iter"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/framework/store/internal/remote"
)

// watchPause is the pause before a watch that broke is set again.
const watchPause = 200 * time.Millisecond

// Watch implements remote.Backend.
func (b *backend) Watch(ctx context.Context, prefix string, after store.Revision) iter.Seq2[[]store.Event, error] {
	return func(yield func([]store.Event, error) bool) {
		for ctx.Err() == nil {
			next, again, err := b.watch(ctx, prefix, after, yield)
			if err != nil {
				yield(nil, err)
				return
			}
			if !again {
				return
			}
			after = next
			select {
			case <-time.After(watchPause):
			case <-ctx.Done():
			}
		}
	}
}

// watch watches until the watch breaks; again says that it is to be set again after the revision next.
func (b *backend) watch(ctx context.Context, prefix string, after store.Revision, yield func([]store.Event, error) bool) (next store.Revision, again bool, err error) {
	// A member that lost its leader would be silent.
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	cut := len(b.recordKey(""))
	responses := b.client.Watch(ctx, b.recordKey(prefix), clientv3.WithPrefix(), clientv3.WithRev(int64(after)+1), clientv3.WithProgressNotify())
	for resp := range responses {
		if resp.CompactRevision != 0 {
			return 0, false, &store.CompactedError{After: after, Oldest: store.Revision(resp.CompactRevision - 1)}
		}
		if err := classify(ctx, resp.Err()); err != nil {
			if remote.IsPermanent(err) {
				return 0, false, err
			}
			return after, true, nil
		}
		if resp.IsProgressNotify() {
			// All up to here is known; a later attempt need not start from what was compacted since.
			after = max(after, store.Revision(resp.Header.Revision))
			continue
		}
		var events []store.Event
		for i, e := range resp.Events {
			events = append(events, store.Event{
				Record:  store.Record{Key: string(e.Kv.Key[cut:]), Value: e.Kv.Value, Revision: store.Revision(e.Kv.ModRevision)},
				Deleted: e.Type == clientv3.EventTypeDelete,
			})
			if i+1 < len(resp.Events) && resp.Events[i+1].Kv.ModRevision == e.Kv.ModRevision {
				continue
			}
			after = store.Revision(e.Kv.ModRevision)
			if !yield(events, nil) {
				return 0, false, nil
			}
			events = nil
		}
	}
	return after, true, nil
}
