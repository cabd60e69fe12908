package conformance

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/mesokit/mesokit/cluster"
)

// embedded is the embedded cluster as a target.
type embedded struct {
	Uncontrolled
	*cluster.Cluster
	setup     Setup
	dir       string
	zooKeeper string // where the masters meet; empty if the election is built in
}

// startEmbedded starts an embedded cluster like the one that a case was recorded with.
func startEmbedded(ctx context.Context, t *testing.T, setup Setup) (Target, error) {
	dir, err := sandboxes(t)
	if err != nil {
		return nil, err
	}
	cfg := cluster.Config{
		Agents: []cluster.AgentConfig{}, Dir: dir,
		AgentPingInterval: setup.PingTimeout, AgentPingMisses: setup.PingTimeouts, Masters: setup.Masters,
	}
	if setup.Masters > 1 {
		cfg.ZooKeeper = startZooKeeper(t)
	}
	for _, a := range setup.Agents {
		agent := cluster.AgentConfig{Hostname: a.Hostname, Resources: a.Resources, Attributes: a.Attributes}
		if a.MountMB > 0 {
			agent.Disks = []cluster.Disk{{Root: t.TempDir(), Mount: true, MB: a.MountMB}}
		}
		cfg.Agents = append(cfg.Agents, agent)
	}
	c, err := cluster.Start(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &embedded{Cluster: c, setup: setup, dir: cfg.Dir, zooKeeper: cfg.ZooKeeper}, nil
}

// sandboxes makes a directory that tasks of all users can come to.
func sandboxes(t *testing.T) (string, error) {
	dir, err := os.MkdirTemp("", "conformance-")
	if err != nil {
		return "", err
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir, os.Chmod(dir, 0o755)
}

func (e *embedded) Control() Control { return e }

func (e *embedded) Can() Need {
	can := RestartAgent | RenewAgent | AgentHost
	if e.setup.Masters > 1 {
		can |= SecondMaster
	}
	if e.zooKeeper != "" {
		can |= ZooKeeper
	}
	return can
}

func (e *embedded) KillAgent(ctx context.Context, hostname string) error {
	a, err := e.Agent(hostname)
	if err != nil {
		return err
	}
	return a.Suspend(ctx)
}

func (e *embedded) StartAgent(ctx context.Context, hostname string) error {
	a, err := e.Agent(hostname)
	if err != nil {
		return err
	}
	return a.Resume(ctx)
}

func (e *embedded) RetireAgent(_ context.Context, hostname string) error {
	a, err := e.Agent(hostname)
	if err != nil {
		return err
	}
	return a.Retire()
}

func (e *embedded) StartAgentWithNewID(ctx context.Context, hostname string) error {
	a, err := e.Agent(hostname)
	if err != nil {
		return err
	}
	_, err = a.RestartWithNewID(ctx)
	return err
}

func (e *embedded) AddAgent(ctx context.Context) error {
	like := e.setup.Agents[0]
	_, err := e.Cluster.AddAgent(ctx, cluster.AgentConfig{Hostname: like.Hostname, Resources: like.Resources, Attributes: like.Attributes})
	return err
}

func (e *embedded) Follower(context.Context) (string, error) {
	for _, m := range e.Masters() {
		if !m.Leading {
			return m.Address, nil
		}
	}
	return "", errors.New("all masters lead")
}

func (e *embedded) ZooKeeperNodes(context.Context) (map[string]string, error) {
	return readNodes(e.zooKeeper)
}

func (e *embedded) WorkDir(hostname string) string {
	if _, err := e.Agent(hostname); err != nil {
		return ""
	}
	return filepath.Join(e.dir, "agent-1")
}
