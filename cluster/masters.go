package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/mesokit/mesokit/cluster/election"
	"github.com/mesokit/mesokit/cluster/internal/link"
	"github.com/mesokit/mesokit/cluster/master"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// MasterError reports a master that is not there, or that is not as it would have to be.
type MasterError struct {
	Ref    string // what was named
	Reason string
}

func (e *MasterError) Error() string { return fmt.Sprintf("cluster: master %q: %s", e.Ref, e.Reason) }

// MasterStatus is a master.
type MasterStatus struct {
	// Address is the host:port of its endpoints, which it keeps when it is started again.
	Address string `json:"address"`
	// ID is another one after each term and each start; empty while the master is killed.
	ID      string `json:"id"`
	Leading bool   `json:"leading"`
	Running bool   `json:"running"`
}

// seat is the place of one master: its address, whoever sits there.
type seat struct {
	cluster *Cluster
	n       int // 0 is the first
	address string

	control sync.Mutex // serialises starting and killing
	starts  int        // guarded by control

	mu     sync.Mutex
	master *master.Master // nil while killed
	run    *run           // nil while killed
}

// run is a master's taking part in elections, from its start to its end.
type run struct {
	resign chan struct{} // asks it to leave the election and enter again
	cancel context.CancelFunc
	done   chan struct{}
}

// sitting returns the master, nil if it was killed.
func (s *seat) sitting() *master.Master {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.master
}

// startMasters starts the masters, one after the other, so that the first leads unless somebody else does already.
func (c *Cluster) startMasters(ctx context.Context) error {
	if c.cfg.ZooKeeper == "" {
		c.contest = new(election.Local)
	} else {
		url, err := election.ParseURL(c.cfg.ZooKeeper)
		if err != nil {
			return fmt.Errorf("cluster: %w", err)
		}
		c.contest = election.NewZooKeeper(election.ZooKeeperConfig{
			URL: url, SessionTimeout: c.cfg.ZooKeeperSessionTimeout, Logger: c.cfg.Logger.With("component", "election"),
		})
	}
	first := cmp.Or(c.cfg.Address, "127.0.0.1:0")
	host, _, err := net.SplitHostPort(first)
	if err != nil {
		return fmt.Errorf("cluster: the address of the master: %w", err)
	}
	for n := range max(1, c.cfg.Masters) {
		s := &seat{cluster: c, n: n, address: first}
		if n > 0 {
			s.address = net.JoinHostPort(host, "0")
		}
		if err := s.start(ctx); err != nil {
			return err
		}
		c.seats = append(c.seats, s)
	}
	if len(c.cfg.Agents) == 0 {
		_, err := c.await(ctx, func(string) bool { return true })
		return err
	}
	// Agents can join masters of this process only.
	_, err = c.await(ctx, func(string) bool { return c.leader() != nil })
	return err
}

// start starts a master and lets it stand for election.
func (s *seat) start(ctx context.Context) error {
	c := s.cluster
	s.control.Lock()
	defer s.control.Unlock()
	if s.sitting() != nil {
		return &MasterError{s.address, "it runs already"}
	}
	logger, logFile, err := c.logs.master(c.cfg.Logger.With("component", "master"))
	if err != nil {
		return err
	}
	listener, err := s.listen(ctx)
	if err != nil {
		return fmt.Errorf("cluster: a master cannot listen: %w", err)
	}
	cfg := master.Config{
		Listener:           listener,
		Hostname:           "localhost",
		AllocationInterval: c.cfg.AllocationInterval,
		HeartbeatInterval:  c.cfg.HeartbeatInterval,
		AgentPingInterval:  c.cfg.AgentPingInterval, AgentPingMisses: c.cfg.AgentPingMisses,
		AgentReregisterTimeout: c.cfg.AgentReregisterTimeout,
		Logger:                 logger,
		LogFile:                logFile,
		Engine:                 c.shared.engine,
		Middleware:             c.faults.Masters,
		Standby:                true,
		Registry:               c.registry,
	}
	if cfg.Domain, err = c.cfg.domain(); err == nil {
		err = c.cfg.Policy.apply(&cfg)
	}
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	if c.cfg.Seed != 0 {
		cfg.Seed = cmp.Or(c.cfg.Seed+uint64(s.n)<<32+uint64(s.starts)<<48, 1) // no two may give the same ids
	}
	m, err := master.New(c.guard.master(cfg))
	if err != nil {
		return errors.Join(fmt.Errorf("cluster: %w", err), listener.Close())
	}
	s.starts++
	s.address = m.Addr()
	life, cancel := context.WithCancel(context.Background())
	r := &run{resign: make(chan struct{}, 1), cancel: cancel, done: make(chan struct{})}
	s.mu.Lock()
	s.master, s.run = m, r
	s.mu.Unlock()
	heard := make(chan struct{})
	go r.elections(life, c, m, sync.OnceFunc(func() { close(heard) }))
	select {
	case <-heard:
		return nil
	case <-c.failed:
		err = c.failure
	case <-ctx.Done():
		err = fmt.Errorf("cluster: no election yet: %w", context.Cause(ctx))
	}
	return errors.Join(err, s.kill())
}

// portPatience is how long to wait for a port that was left: a process that is just being started has a copy of the old
// listener, and the port may be the local one of a short connection.
const portPatience = 10 * time.Second

// listen listens where the master has its place.
func (s *seat) listen(ctx context.Context) (net.Listener, error) {
	if s.starts == 0 {
		return s.cluster.cfg.Listen(ctx, s.address)
	}
	return s.cluster.listenAgain(ctx, s.address)
}

// listenAgain listens at an address that was left a moment ago.
func (c *Cluster) listenAgain(ctx context.Context, address string) (net.Listener, error) {
	ctx, cancel := context.WithTimeout(ctx, portPatience)
	defer cancel()
	for {
		l, err := c.cfg.Listen(ctx, address)
		if err == nil {
			return l, nil
		}
		again := time.NewTimer(20 * time.Millisecond)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return nil, err
		}
	}
}

// elections lets a master stand in one election after the other, until ctx ends. heard is called when it knows how the first is.
func (r *run) elections(ctx context.Context, c *Cluster, m *master.Master, heard func()) {
	defer close(r.done)
	for {
		candidate := c.contest.Enter(m.Info(), func(leader *mesospb.MasterInfo) {
			_ = m.SetLeader(leader) // fails when the master is closed
			c.leaderChanged()
			heard()
		})
		select {
		case <-candidate.Lost():
		case <-r.resign:
		case <-ctx.Done():
		}
		_ = m.SetLeader(nil) // before another one leads
		candidate.Leave()
		c.leaderChanged()
		if err := candidate.Err(); err != nil {
			c.fail(err)
			return
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// kill ends a master. It reports nil if there is none.
func (s *seat) kill() error {
	s.mu.Lock()
	m, r := s.master, s.run
	s.master, s.run = nil, nil
	s.mu.Unlock()
	if m == nil {
		return nil
	}
	err := m.Close()
	r.cancel()
	<-r.done
	s.cluster.leaderChanged()
	return err
}

// leaders is where agents find whoever leads.
type leaders struct{ *Cluster }

// Connect implements link.Acceptor.
func (l leaders) Connect(agent link.Handler) (*link.End, error) {
	if m := l.leader(); m != nil {
		return m.Connect(agent)
	}
	return nil, link.ErrNotLeading
}

// leader returns the leading master, nil if there is none in this process.
func (c *Cluster) leader() *master.Master {
	for _, m := range c.running() {
		if m.Leads() {
			return m
		}
	}
	return nil
}

// running returns the masters that are not killed.
func (c *Cluster) running() (list []*master.Master) {
	for _, s := range c.places() {
		if m := s.sitting(); m != nil {
			list = append(list, m)
		}
	}
	return list
}

func (c *Cluster) places() []*seat {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*seat(nil), c.seats...)
}

// leaderChanged wakes who waits for a leader, and agents that look for one.
func (c *Cluster) leaderChanged() {
	c.mu.Lock()
	close(c.election)
	c.election = make(chan struct{})
	c.mu.Unlock()
	if c.leader() == nil {
		return
	}
	for _, a := range c.Agents() {
		a.agent.Redetect()
	}
}

// fail notes that elections have failed for good.
func (c *Cluster) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failure == nil {
		c.failure = fmt.Errorf("cluster: %w", err)
		c.cfg.Logger.Error("a master cannot stand for election", "error", err)
		close(c.failed)
	}
}

// await waits until there is a leader that will do, perhaps of another process, and returns its address.
func (c *Cluster) await(ctx context.Context, will func(id string) bool) (string, error) {
	for {
		c.mu.Lock()
		changed, closed := c.election, c.closed
		c.mu.Unlock()
		if closed {
			return "", ErrClosed
		}
		running := c.running()
		if m := c.leader(); m != nil {
			running = append([]*master.Master{m}, running...)
		}
		for _, m := range running {
			if info := m.Leader(); info != nil && will(info.GetId()) {
				return net.JoinHostPort(info.GetAddress().GetIp(), fmt.Sprint(info.GetAddress().GetPort())), nil
			}
		}
		select {
		case <-changed:
		case <-c.failed:
			return "", c.failure
		case <-ctx.Done():
			return "", fmt.Errorf("cluster: no master has been elected: %w", context.Cause(ctx))
		}
	}
}

// Master returns the host:port of the leading master; while none leads, of the first that runs.
func (c *Cluster) Master() string {
	if m := c.leader(); m != nil {
		return m.Addr()
	}
	for _, m := range c.running() {
		return m.Addr()
	}
	for _, s := range c.places() {
		return s.address
	}
	return ""
}

// Masters returns the masters, killed ones too, in the order of their first start.
func (c *Cluster) Masters() []MasterStatus {
	list := []MasterStatus{}
	for _, s := range c.places() {
		status := MasterStatus{Address: s.address}
		if m := s.sitting(); m != nil {
			status.Running, status.ID, status.Leading = true, m.Info().GetId(), m.Leads()
		}
		list = append(list, status)
	}
	return list
}

// AwaitLeader waits until a master leads and returns its host:port. With ZooKeeper it may be one of another process.
func (c *Cluster) AwaitLeader(ctx context.Context) (string, error) {
	return c.await(ctx, func(string) bool { return true })
}

// FailOver makes the leading master step down, and waits until another one leads: the next in the row or, if there is
// none, the same under a new id. Like a process of Mesos that has ended and was started again, a master that steps down
// closes all streams and connections and forgets everything but the registry. Agents and frameworks come back by themselves, which
// FailOver does not wait for. If nobody leads it waits until somebody does.
func (c *Cluster) FailOver(ctx context.Context) error {
	for _, s := range c.places() {
		s.mu.Lock()
		m, r := s.master, s.run
		s.mu.Unlock()
		if m == nil || !m.Leads() {
			continue
		}
		before := m.Info().GetId()
		select {
		case r.resign <- struct{}{}:
		default: // somebody else has just asked
		}
		_, err := c.await(ctx, func(id string) bool { return id != before })
		return err
	}
	_, err := c.AwaitLeader(ctx)
	return err
}

// seat finds a master by its address.
func (c *Cluster) seat(address string) (*seat, error) {
	for _, s := range c.places() {
		if s.address == address {
			return s, nil
		}
	}
	return nil, &MasterError{address, "there is no such master; see Masters"}
}

// KillMaster ends the master at an address: nobody listens there any more. If it leads, another one is elected, if there is one; KillMaster
// does not wait for that. The error is a *MasterError if there is no such master, or it is killed already.
func (c *Cluster) KillMaster(address string) error {
	s, err := c.seat(address)
	if err != nil {
		return err
	}
	s.control.Lock()
	defer s.control.Unlock()
	if s.sitting() == nil {
		return &MasterError{address, "it is killed already"}
	}
	return s.kill()
}

// StartMaster starts a killed master again, at its address and under a new id, and lets it stand for election. The error is a
// *MasterError if there is no such master, or it runs.
func (c *Cluster) StartMaster(ctx context.Context, address string) error {
	s, err := c.seat(address)
	if err != nil {
		return err
	}
	c.mu.Lock()
	closed := c.closed
	c.mu.Unlock()
	if closed {
		return ErrClosed
	}
	return s.start(ctx)
}

// closeMasters ends all masters, the leader last, so that nobody is elected meanwhile.
func (c *Cluster) closeMasters() (errs []error) {
	seats := c.places()
	for _, leading := range []bool{false, true} {
		for _, s := range seats {
			s.control.Lock()
			if m := s.sitting(); m != nil && (leading || !m.Leads()) {
				errs = append(errs, s.kill())
			}
			s.control.Unlock()
		}
	}
	return errs
}
