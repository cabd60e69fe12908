package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/mesokit/mesokit/cluster/agent"
	"github.com/mesokit/mesokit/cluster/internal/statefile"
	"github.com/mesokit/mesokit/cluster/master"
)

// StateError reports a file in Config.StateDir that cannot be used, and says what to do. It wraps ErrCorrupt or ErrStateVersion if the
// content is the reason.
type StateError = statefile.Error

// Errors that a StateError wraps.
var (
	ErrCorrupt      = statefile.ErrCorrupt
	ErrStateVersion = statefile.ErrVersion
	// ErrStateInUse is returned by Start if another cluster uses the state directory.
	ErrStateInUse = errors.New("cluster: another cluster uses the state directory")
)

// The state directory:
//
//	lock                who uses the directory; taken while a cluster runs
//	registry.json       what masters remember
//	agents/agent-N.json what the N-th agent remembers
//	agents/agent-N/     its work directory, unless Config.Dir says otherwise

// openState opens the state directory, if there is one, and the registry.
func (c *Cluster) openState() error {
	if c.cfg.StateDir == "" {
		c.registry = master.NewRegistry()
		return nil
	}
	dir, err := filepath.Abs(c.cfg.StateDir)
	if err == nil {
		c.cfg.StateDir = dir
		err = os.MkdirAll(filepath.Join(dir, "agents"), 0o755)
	}
	if err != nil {
		return fmt.Errorf("cluster: the state directory: %w", err)
	}
	c.unlock, err = statefile.Lock(filepath.Join(dir, "lock"))
	if errors.Is(err, statefile.ErrLocked) {
		return fmt.Errorf("%w %s", ErrStateInUse, dir)
	}
	if err != nil {
		return fmt.Errorf("cluster: the state directory: %w", err)
	}
	c.registry, err = master.OpenRegistry(filepath.Join(dir, "registry.json"), c.cfg.Logger.With("component", "registry"))
	if err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	return nil
}

// joinsLater reports whether a cluster starts without an agent that its master refused: a cluster that was under maintenance when it
// ended must be able to start.
func (c *Cluster) joinsLater(err error) bool {
	_, refused := errors.AsType[*agent.RefusedError](err)
	c.mu.Lock()
	defer c.mu.Unlock()
	return refused && c.cfg.StateDir != "" && !c.started
}

// checkpointOf returns where the n-th agent keeps what it remembers; empty if nowhere.
func (c *Cluster) checkpointOf(n int, cfg AgentConfig) string {
	if c.cfg.StateDir == "" || cfg.Simulated {
		return ""
	}
	return filepath.Join(c.cfg.StateDir, "agents", "agent-"+strconv.Itoa(n)+".json")
}

// closeState closes the registry and leaves the directory to others.
func (c *Cluster) closeState() error {
	var err error
	if c.registry != nil {
		err = c.registry.Close()
	}
	if c.unlock != nil {
		err = errors.Join(err, c.unlock())
	}
	return err
}
