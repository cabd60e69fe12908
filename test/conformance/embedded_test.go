package conformance

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/mesokit/mesokit/cluster"
)

// embedded is the embedded cluster as a target.
type embedded struct {
	Uncontrolled
	*cluster.Cluster
	dir string
}

// startEmbedded starts an embedded cluster like the one that a case was recorded with.
func startEmbedded(ctx context.Context, t *testing.T, setup Setup) (Target, error) {
	cfg := cluster.Config{Agents: []cluster.AgentConfig{}, Dir: t.TempDir()}
	for _, a := range setup.Agents {
		cfg.Agents = append(cfg.Agents, cluster.AgentConfig{Hostname: a.Hostname, Resources: a.Resources, Attributes: a.Attributes})
	}
	c, err := cluster.Start(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &embedded{Cluster: c, dir: cfg.Dir}, nil
}

func (e *embedded) Control() Control { return e }

func (e *embedded) AgentAddress(hostname string) string {
	for _, a := range e.Agents() {
		if a.Hostname == hostname {
			return a.Address
		}
	}
	return ""
}

func (e *embedded) WorkDir(hostname string) string {
	if e.AgentAddress(hostname) == "" {
		return ""
	}
	return filepath.Join(e.dir, "agent-1")
}
