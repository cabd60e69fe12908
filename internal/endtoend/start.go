package endtoend

import (
	"context"
	"errors"
	"time"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// Started is a cluster with a scheduler that has got offers.
type Started struct {
	// First is the time from cluster.Start to the first OFFERS event of a scheduler that subscribes when Start has returned, All
	// that until there was an offer of each agent.
	First, All time.Duration
	// Bytes is how much more memory the process has than before; 0 if that was not asked for.
	Bytes uint64

	cluster *cluster.Cluster
	sub     *subscription
	cancel  context.CancelFunc
}

// StartConfig of Start.
type StartConfig struct {
	Agents []cluster.AgentConfig
	// All waits for an offer of each agent, and measures memory.
	All bool
}

// Start starts a cluster and waits for offers. The caller closes what it returns.
func Start(ctx context.Context, cfg StartConfig) (_ *Started, err error) {
	var before uint64
	if cfg.All {
		before = memory()
	}
	began := time.Now()
	s := new(Started)
	ctx, s.cancel = context.WithCancel(ctx)
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if s.cluster, err = cluster.Start(ctx, cluster.Config{Agents: cfg.Agents}); err != nil {
		return nil, err
	}
	if s.sub, err = subscribe(ctx, s.cluster.Master(), codec.Protobuf); err != nil {
		return nil, err
	}
	offers := 0
	for event, err := range s.sub.Events() {
		if err != nil {
			return nil, err
		}
		if event.GetType() != schedulerpb.Event_OFFERS {
			continue
		}
		if offers == 0 {
			s.First = time.Since(began)
		}
		if offers += len(event.GetOffers().GetOffers()); !cfg.All || offers >= len(cfg.Agents) {
			break
		}
	}
	if offers == 0 {
		return nil, errors.New("the master closed the event stream before an offer came")
	}
	if cfg.All {
		s.All = time.Since(began)
		s.sub.close()
		s.sub = nil
		s.Bytes = memory() - before
	}
	return s, nil
}

// Close ends the scheduler and the cluster.
func (s *Started) Close() error {
	if s.sub != nil {
		s.sub.close()
	}
	s.cancel()
	if s.cluster == nil {
		return nil
	}
	return s.cluster.Close()
}
