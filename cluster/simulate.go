package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/mesokit/mesokit/cluster/agent"
	"github.com/mesokit/mesokit/cluster/internal/loop"
	"github.com/mesokit/mesokit/cluster/internal/memnet"
)

// Network is a network in memory: a cluster whose Config names one listens there, and clients reach it by its DialContext. It
// is what lets a whole cluster and its clients live in a testing/synctest bubble, where hours pass in milliseconds. The zero value
// is ready; it must not be copied. Several clusters can share one.
//
//	synctest.Test(t, func(t *testing.T) {
//		var network cluster.Network
//		c, err := cluster.Start(t.Context(), cluster.Config{Network: &network, Seed: 1, Agents: …})
//		…
//		defer c.Close()
//		transport.New(transport.Config{DialContext: network.DialContext})
//		…
//	})
type Network = memnet.Network

// Runner decides how the tasks of an agent run without processes; package sim makes some.
type Runner = agent.Runner

// shared is what agents and master of a cluster share.
type shared struct {
	once   sync.Once
	engine *loop.Engine // of simulated agents; with a seed of everybody
	host   *agent.Host  // of simulated agents
	err    error
}

// listenFunc returns how the cluster listens.
func (cfg *Config) listenFunc() func(ctx context.Context, address string) (net.Listener, error) {
	switch {
	case cfg.Listen != nil:
		return cfg.Listen
	case cfg.Network != nil:
		return cfg.Network.Listen
	}
	return func(ctx context.Context, address string) (net.Listener, error) {
		return new(net.ListenConfig).Listen(ctx, "tcp", address)
	}
}

// simulate makes the configuration of the n-th agent that of a simulated one. It returns what the agent's own listener would be,
// nil.
func (c *Cluster) simulate(ctx context.Context, cfg *agent.Config) error {
	s := &c.shared
	s.once.Do(func() {
		if s.engine == nil {
			s.engine = loop.NewEngine(false)
		}
		l, err := c.cfg.Listen(ctx, "127.0.0.1:0")
		if err != nil {
			s.err = fmt.Errorf("cluster: the simulated agents cannot listen: %w", err)
			return
		}
		if s.host, s.err = agent.NewHost(l); s.err != nil {
			s.err = errors.Join(s.err, l.Close())
		}
	})
	cfg.Engine, cfg.Host, cfg.Simulated = s.engine, s.host, true
	return s.err
}

// close ends what is shared, after all who share it.
func (s *shared) close() error {
	var err error
	if s.host != nil {
		err = s.host.Close()
	}
	if s.engine != nil {
		s.engine.Close()
	}
	return err
}

// startAgents starts agents. Simulated ones register all at once.
func (c *Cluster) startAgents(ctx context.Context, list []AgentConfig) error {
	var pending []*Agent
	join := func() (err error) {
		for _, a := range pending {
			if err == nil {
				err = c.join(ctx, a, nil)
			} else {
				err = errors.Join(err, a.finish((*agent.Agent).Close))
			}
		}
		pending = pending[:0]
		return err
	}
	for _, cfg := range list {
		a, err := c.newAgent(ctx, cfg)
		if err != nil {
			return errors.Join(err, join()) // so that Close knows them
		}
		if pending = append(pending, a); !cfg.Simulated {
			if err := join(); err != nil {
				return err
			}
		}
	}
	return join()
}

// seedOf derives the seed of the n-th agent.
func (cfg *Config) seedOf(n int) uint64 {
	if cfg.Seed == 0 {
		return 0
	}
	return cmp.Or(cfg.Seed+uint64(n), 1)
}
