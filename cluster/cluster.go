package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"github.com/mesokit/mesokit/cluster/agent"
	"github.com/mesokit/mesokit/cluster/election"
	"github.com/mesokit/mesokit/cluster/fault"
	"github.com/mesokit/mesokit/cluster/internal/loop"
	"github.com/mesokit/mesokit/cluster/master"
)

// ErrClosed is returned by methods of a cluster that has been closed.
var ErrClosed = errors.New("cluster: closed")

// Cluster is a running embedded Mesos.
type Cluster struct {
	cfg      Config
	dir      string
	ownDir   bool // dir is temporary
	guard    *guard
	logs     *logFiles // nil without LogDir
	shared   shared
	faults   *fault.Set
	contest  election.Contest
	registry *master.Registry
	unlock   func() error // leaves the state directory to others

	failed  chan struct{} // closed when failure is set
	failure error

	mu       sync.Mutex
	seats    []*seat
	election chan struct{} // closed, and made again, when somebody else leads
	agents   []*Agent
	made     int // agents ever made; names their work directories
	started  bool
	closed   bool
}

// Agent is an agent of a cluster.
type Agent struct {
	// ID is the agent's id, as in offers.
	ID string `json:"id"`
	// Hostname is what the agent advertises.
	Hostname string `json:"hostname"`
	// Address is the host:port of the agent's endpoints.
	Address string `json:"address"`

	agent *agent.Agent
	*handle
}

// Start starts a cluster and returns when a master leads and all agents are registered. The
// context bounds the start only. The cluster runs until Close.
func Start(ctx context.Context, cfg Config) (_ *Cluster, err error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	cfg.Listen = cfg.listenFunc()
	if cfg.Agents == nil {
		cfg.Agents = Agents(1, AgentConfig{})
	}
	c := &Cluster{cfg: cfg, faults: fault.NewSet(), failed: make(chan struct{}), election: make(chan struct{})}
	if cfg.Seed != 0 {
		c.shared.engine = loop.NewEngine(true)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if err := c.openState(); err != nil {
		return nil, err
	}
	if err := c.makeDir(); err != nil {
		return nil, err
	}
	if err := c.secure(); err != nil {
		return nil, err
	}
	if err := c.openLogs(); err != nil {
		return nil, err
	}
	if err := c.startMasters(ctx); err != nil {
		return nil, err
	}
	if err := c.startAgents(ctx, cfg.Agents); err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.started = true
	c.mu.Unlock()
	return c, nil
}

// makeDir finds a place for the agents' work directories.
func (c *Cluster) makeDir() (err error) {
	if c.cfg.Dir == "" && c.cfg.StateDir != "" {
		c.dir = filepath.Join(c.cfg.StateDir, "agents")
	} else if c.cfg.Dir == "" {
		c.ownDir = true
		c.dir, err = os.MkdirTemp("", "mesokit-")
		if err == nil {
			err = os.Chmod(c.dir, 0o755) // tasks of other users must come to their sandboxes
		}
	} else {
		c.dir, err = filepath.Abs(c.cfg.Dir)
		if err == nil {
			err = os.MkdirAll(c.dir, 0o755)
		}
	}
	if err != nil {
		return fmt.Errorf("cluster: no directory for sandboxes: %w", err)
	}
	return nil
}

// AddAgent starts one more agent and returns when it is registered.
func (c *Cluster) AddAgent(ctx context.Context, cfg AgentConfig) (*Agent, error) {
	a, err := c.newAgent(ctx, cfg)
	if err == nil {
		err = c.join(ctx, a, nil)
	}
	if err != nil {
		return nil, err
	}
	return a, nil
}

// newAgent starts an agent.
func (c *Cluster) newAgent(ctx context.Context, cfg AgentConfig) (*Agent, error) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, ErrClosed
	}
	c.made++
	n := c.made
	c.mu.Unlock()
	text, ports := c.withPorts(&cfg, n)
	a, err := c.startAgent(ctx, &handle{cluster: c, cfg: cfg, n: n, resources: text, ports: ports}, nil)
	if err != nil && ports != nil {
		err = errors.Join(err, ports.Close())
	}
	return a, err
}

// startAgent starts the agent of a handle. before is the agent that was there before, nil if there was none.
func (c *Cluster) startAgent(ctx context.Context, h *handle, before *agent.Agent) (*Agent, error) {
	cfg := h.cfg
	domain, err := ParseDomain(cfg.Domain)
	if err != nil {
		return nil, err
	}
	config := agent.Config{
		Master:       leaders{c},
		Before:       before,
		WorkDir:      filepath.Join(c.dir, "agent-"+strconv.Itoa(h.n)),
		Checkpoint:   c.checkpointOf(h.n, cfg),
		Resources:    h.resources,
		Role:         cfg.Role,
		ResourceList: cfg.disks(),
		Domain:       domain,
		Attributes:   cfg.Attributes,

		ExecutorRegistrationTimeout: cfg.ExecutorRegistrationTimeout,
		ExecutorShutdownGrace:       cfg.ExecutorShutdownGrace,

		NoSwitchUser: c.cfg.NoSwitchUser || cfg.NoSwitchUser,

		Logger: c.cfg.Logger.With("component", "agent"),
		Runner: cfg.Runner,
		Seed:   c.cfg.seedOf(h.n + h.restarts<<20),
	}
	if cfg.Simulated {
		if cfg.Address != "" {
			return nil, fmt.Errorf("cluster: a simulated agent has no address of its own; leave out %q", cfg.Address)
		}
		if err := c.simulate(ctx, &config); err != nil {
			return nil, err
		}
		h.hostname = cmp.Or(cfg.Hostname, simulatedHostname(h.n))
	} else {
		if config.Logger, config.LogFile, err = c.logs.agent(config.Logger, h.n); err != nil {
			return nil, err
		}
		if config.Listener, err = h.listen(ctx); err != nil {
			return nil, fmt.Errorf("cluster: an agent cannot listen: %w", err)
		}
		if c.cfg.Seed != 0 {
			config.Engine = c.shared.engine
		}
	}
	config.Hostname = h.hostname
	h.control(&config)
	a, err := agent.New(c.guard.agent(config))
	if err != nil {
		err = fmt.Errorf("cluster: %w", err)
		if config.Listener != nil {
			err = errors.Join(err, config.Listener.Close())
		}
		return nil, err
	}
	return &Agent{Hostname: config.Hostname, Address: a.Addr(), agent: a, handle: h}, nil
}

// join waits until an agent is registered, and makes it one of the cluster: in the place of before, unless that is nil.
func (c *Cluster) join(ctx context.Context, a, before *Agent) (err error) {
	if a.ID, err = a.agent.ID(ctx); err != nil && c.joinsLater(err) {
		c.cfg.Logger.Warn("an agent must not join", "hostname", a.Hostname, "error", err)
		return a.finish((*agent.Agent).Close)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("cluster: an agent did not register: %w", err), a.finish((*agent.Agent).Close))
	}
	a.names.Store(&[]string{a.ID, a.Hostname})
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errors.Join(ErrClosed, a.finish((*agent.Agent).Close))
	}
	if before == nil {
		c.agents = append(c.agents, a)
		return nil
	}
	i := slices.Index(c.agents, before)
	if i < 0 {
		return errors.Join(&AgentError{before.ID, 0}, a.finish((*agent.Agent).Close))
	}
	c.agents = slices.Clone(c.agents)
	c.agents[i] = a
	return nil
}

// Agents returns the agents that run, in the order of their start.
func (c *Cluster) Agents() []*Agent {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*Agent(nil), c.agents...)
}

// Stop is a.Stop.
func (c *Cluster) Stop(a *Agent) error { return a.Stop() }

// Close kills all tasks, ends all agents and masters, waits for their processes and
// goroutines, and removes the temporary directory if there is one. Closing again does nothing. With
// a StateDir nobody says goodbye: to the next cluster there agents and masters have crashed.
func (c *Cluster) Close() error {
	c.mu.Lock()
	agents, closed := c.agents, c.closed
	c.agents, c.closed = nil, true
	c.mu.Unlock()
	if closed {
		return nil
	}
	c.faults.Close() // lets go whoever it keeps waiting
	var wg sync.WaitGroup
	errs := make([]error, len(agents))
	end := (*agent.Agent).Close
	if c.cfg.StateDir != "" {
		errs = append(errs, c.closeMasters()...)
		end = (*agent.Agent).Kill
	}
	for i, a := range agents {
		wg.Go(func() { errs[i] = a.finish(end) })
	}
	wg.Wait()
	errs = append(errs, c.closeMasters()...)
	errs = append(errs, c.closeState(), c.shared.close(), c.guard.close(), c.logs.close())
	if c.ownDir && c.dir != "" {
		errs = append(errs, os.RemoveAll(c.dir))
	}
	return errors.Join(errs...)
}
