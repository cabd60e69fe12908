package main

import (
	"github.com/spf13/cobra"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/cluster/election"
)

// devMasters are the flags of dev about masters and what they remember.
type devMasters struct {
	masters  int
	zk       string
	stateDir string
}

func (m *devMasters) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.IntVar(&m.masters, "masters", 1, "number of masters, of which one leads; the first has --port")
	f.StringVar(&m.zk, "zk", "", "zk://host:port,…/path of a ZooKeeper through which masters elect their leader and clients find it (default: elected in this process)")
	f.StringVar(&m.stateDir, "state-dir", "", "remember agents, reservations, volumes, quota and the like in this directory, for the next dev that is started with it")
}

// apply puts the flags into the configuration of a cluster.
func (m *devMasters) apply(cfg *cluster.Config) error {
	if m.masters < 1 {
		return usagef("--masters %d: want 1 or more", m.masters)
	}
	if m.zk != "" {
		if _, err := election.ParseURL(m.zk); err != nil {
			return usagef("--zk: %w", err)
		}
	}
	cfg.Masters, cfg.ZooKeeper, cfg.StateDir = m.masters, m.zk, m.stateDir
	return nil
}

// mastersDescription is what dev --json prints of several masters.
type mastersDescription struct {
	// Masters are the addresses of all of them, the leader's too; nothing if there is only one.
	Masters []string `json:"masters,omitempty"`
}

func describeMasters(c *cluster.Cluster) (d mastersDescription) {
	if list := c.Masters(); len(list) > 1 {
		for _, m := range list {
			d.Masters = append(d.Masters, m.Address)
		}
	}
	return d
}
