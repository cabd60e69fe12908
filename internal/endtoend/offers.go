package endtoend

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// Offers is a scheduler that declines all offers without a filter as they come, of a cluster whose master makes them again at once.
type Offers struct {
	ctx     context.Context
	cancel  context.CancelFunc
	cluster *cluster.Cluster
	sub     *subscription
	reader  sync.WaitGroup
	next    chan []*mesospb.Offer // closed at the end of the stream
}

// NewOffers starts a cluster of simulated agents and the scheduler. The caller closes it.
func NewOffers(ctx context.Context, media codec.Codec, agents int) (*Offers, error) {
	c, err := cluster.Start(ctx, cluster.Config{Agents: SimulatedAgents(agents, 8), AllocationInterval: time.Millisecond})
	if err != nil {
		return nil, err
	}
	o := &Offers{cluster: c, next: make(chan []*mesospb.Offer)}
	o.ctx, o.cancel = context.WithCancel(ctx)
	if o.sub, err = subscribe(o.ctx, c.Master(), media); err != nil {
		o.cancel()
		return nil, errors.Join(err, c.Close())
	}
	o.reader.Go(func() {
		defer close(o.next)
		for event, err := range o.sub.Events() {
			if err != nil {
				return
			}
			if event.GetType() == schedulerpb.Event_OFFERS {
				select {
				case o.next <- event.GetOffers().GetOffers():
				case <-o.ctx.Done():
					return
				}
			}
		}
	})
	return o, nil
}

// Next takes the offers of an event, declines them, and returns how many there were.
func (o *Offers) Next() (int, error) {
	list, ok := <-o.next
	if !ok {
		return 0, errors.Join(errors.New("the event stream ended"), o.ctx.Err())
	}
	return len(list), o.sub.Decline(o.ctx, scheduler.OfferIDs(list...), scheduler.RefuseSeconds(0))
}

// Close ends the scheduler and the cluster.
func (o *Offers) Close() error {
	o.cancel()
	o.reader.Wait()
	o.sub.close()
	return o.cluster.Close()
}
