package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/mesokit/mesokit/cluster/agent"
	"github.com/mesokit/mesokit/cluster/fault"
	"github.com/mesokit/mesokit/cluster/internal/link"
)

// ErrSuspended is returned by Suspend of an agent that is suspended, and ErrNotSuspended by Resume of one that is not.
var (
	ErrSuspended    = agent.ErrSuspended
	ErrNotSuspended = agent.ErrNotSuspended
	// ErrEnded is returned by Suspend, Resume and Restart of an agent that has ended: RestartWithNewID starts it.
	ErrEnded = errors.New("cluster: the agent has ended, and its id with it; restart it with a new id")
)

// AgentState says how an agent is.
type AgentState string

// States of agents.
const (
	AgentRunning     AgentState = "running"
	AgentPartitioned AgentState = "partitioned" // runs, and cannot reach the master
	AgentSuspended   AgentState = "suspended"   // its process is away, its executors may run
	AgentEnded       AgentState = "ended"       // it was retired, or the master has shut it down, as one that was marked gone
)

// AgentError reports an agent that is not there, or a text that names several.
type AgentError struct {
	Ref   string
	Found int // how many it names
}

func (e *AgentError) Error() string {
	if e.Found == 0 {
		return fmt.Sprintf("cluster: there is no agent %q", e.Ref)
	}
	return fmt.Sprintf("cluster: %q names %d agents: use an id or an address", e.Ref, e.Found)
}

// handle is what a cluster needs to control an agent.
type handle struct {
	cluster   *Cluster
	wire      *link.Wire
	cfg       AgentConfig
	n         int // names the work directory
	hostname  string
	restarts  int                      // with new ids
	resources string                   // those of cfg, with ports
	address   string                   // where the agent before this one listened; empty if there was none
	names     atomic.Pointer[[]string] // id and host name, once there is an id
	mu        sync.Mutex               // serialises Suspend, Resume and the restarts
	away      atomic.Bool              // suspended
	ports     io.Closer                // what keeps others off the agent's ports, or nil
}

// finish ends the agent and lets go of its ports, which nobody listens on any more then.
func (a *Agent) finish(how func(*agent.Agent) error) error {
	err := how(a.agent)
	if a.ports != nil {
		_ = a.ports.Close() // again does no harm
	}
	return err
}

// control gives the configuration of an agent what it takes to control it.
func (h *handle) control(cfg *agent.Config) {
	h.wire = &link.Wire{Fault: h.cluster.faults.Link(cfg.Hostname)}
	h.names.Store(&[]string{cfg.Hostname})
	cfg.Wire = h.wire
	cfg.Middleware = h.cluster.faults.Agent(func() []string { return *h.names.Load() })
}

// Faults returns the rules by which faults are played to the clients of the cluster; see package fault. They can be
// changed at any time.
//
//	id, err := c.Faults().AddText("call lose type=REVIVE count=1")
func (c *Cluster) Faults() *fault.Set { return c.faults }

// Agent returns the agent of an id, of the end of an id such as S0, of a host name or of an address. The error is an *AgentError.
func (c *Cluster) Agent(ref string) (*Agent, error) {
	var found []*Agent
	for _, a := range c.Agents() {
		if a.ID == ref || a.Address == ref {
			return a, nil
		}
		if a.Hostname == ref || ref != "" && strings.HasSuffix(a.ID, "-"+ref) {
			found = append(found, a)
		}
	}
	if len(found) != 1 {
		return nil, &AgentError{ref, len(found)}
	}
	return found[0], nil
}

// forget takes an agent that has ended out of the list.
func (c *Cluster) forget(a *Agent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(c.agents, a); i >= 0 {
		c.agents = slices.Delete(slices.Clone(c.agents), i, i+1)
	}
}

// State returns how the agent is.
func (a *Agent) State() AgentState {
	select {
	case <-a.agent.Done():
		return AgentEnded
	default:
	}
	switch {
	case a.away.Load():
		return AgentSuspended
	case a.wire.IsCut():
		return AgentPartitioned
	}
	return AgentRunning
}

// Stop shuts the agent down: its tasks are killed and the master forgets it. It waits for the end. Stopping again does nothing.
func (a *Agent) Stop() error {
	err := a.finish((*agent.Agent).Close)
	a.cluster.forget(a)
	return err
}

// Retire shuts the agent down as SIGUSR1 does, like Stop, but it stays among the agents of the cluster, AgentEnded, and RestartWithNewID
// starts it again. Retiring again does nothing.
func (a *Agent) Retire() error {
	if err := a.agent.Close(); err != nil {
		return fmt.Errorf("cluster: an agent did not end: %w", err)
	}
	return nil
}

// Kill ends the agent as if its machine failed: executors and tasks end, and the master hears nothing any more. It
// finds out when pings stay unanswered (Config.AgentPingInterval). The agent does not come back.
func (a *Agent) Kill() error {
	a.wire.Cut()
	err := a.finish((*agent.Agent).Kill)
	a.cluster.forget(a)
	return err
}

// Partition cuts the network between the agent and the master. Nothing passes, and neither side is told; the master gives the agent
// up when pings stay unanswered, its tasks become unreachable, and the agent tries to find its master again. Tasks run on.
// Partition again does nothing.
func (a *Agent) Partition() { a.wire.Cut() }

// Heal ends a partition. What was sent meanwhile arrives, unless a side has given the connection up; then the agent
// registers again at once. Without a partition Heal does nothing.
func (a *Agent) Heal() { a.wire.Heal() }

// Suspend ends the agent as if its process were killed, but not its executors: connections break, which the master
// notices. Executors of frameworks that do not checkpoint end. The error is ErrSuspended if the agent is suspended already.
func (a *Agent) Suspend(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.State() == AgentEnded {
		return ErrEnded
	}
	err := a.agent.Suspend(ctx)
	if err == nil {
		a.away.Store(true)
	}
	return err
}

// Resume starts a suspended agent again, at its old address: executors that live connect again, and the agent registers
// with what it knows. It does not wait for that. The error is ErrNotSuspended if the agent is not suspended.
func (a *Agent) Resume(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch a.State() {
	case AgentSuspended:
	case AgentEnded:
		return ErrEnded
	default:
		return ErrNotSuspended
	}
	if a.cfg.Simulated {
		if err := a.agent.Resume(nil); err != nil {
			return err
		}
		a.away.Store(false)
		return nil
	}
	l, err := a.cluster.listenAgain(ctx, a.Address)
	if err != nil {
		return fmt.Errorf("cluster: an agent cannot listen where it did: %w", err)
	}
	if err := a.agent.Resume(l); err != nil {
		return errors.Join(err, l.Close())
	}
	a.away.Store(false)
	return nil
}

// Restart is Suspend and Resume: the agent's process ends and starts again, while executors live on. An agent that its master has shut
// down, as for maintenance, cannot (ErrEnded): see RestartWithNewID.
func (a *Agent) Restart(ctx context.Context) error {
	if err := a.Suspend(ctx); err != nil {
		return err
	}
	return a.Resume(ctx)
}

// RestartWithNewID retires the agent, and starts it again in its work directory under a new id: it unregisters, its tasks
// are lost, and the one that starts at the same address brings the reserved resources and persistent volumes of before along, with the
// data on them. So does an agent of Mesos whose master shut it down, for maintenance or because it was marked gone, when it is started
// again. An agent that has ended is only started; one that is suspended ends without a word, and its master finds out when the new one
// registers.
//
// It waits until the agent is registered, and returns it: it takes the place of this one among the agents of the cluster. If it cannot
// start or may not join, because its machine is still DOWN, this one stays and has ended; then RestartWithNewID may be tried again.
// The error is an *AgentError if the agent is none of the cluster any more: after Stop, Kill or a restart with a new id.
func (a *Agent) RestartWithNewID(ctx context.Context) (*Agent, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.cluster
	if !slices.Contains(c.Agents(), a) {
		return nil, &AgentError{a.ID, 0}
	}
	if err := a.Retire(); err != nil {
		return nil, err
	}
	h := &handle{cluster: c, cfg: a.cfg, n: a.n, hostname: a.hostname, restarts: a.restarts + 1, resources: a.resources, ports: a.ports}
	if !a.cfg.Simulated {
		h.address = a.Address
	}
	b, err := c.startAgent(ctx, h, a.agent)
	if err != nil {
		return nil, err
	}
	if err := c.join(ctx, b, a); err != nil {
		return nil, err
	}
	return b, nil
}
