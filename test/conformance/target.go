package conformance

import (
	"context"
	"errors"
)

// A Target is a Mesos to which captures are replayed.
type Target interface {
	// Master is the host:port of the leading master.
	Master() string
	// Control gives power over the cluster; it is nil if there is none, as with a Mesos that
	// somebody else runs. Cases that need it are then reported as not run.
	Control() Control
	// Close ends what was started for this target.
	Close() error
}

// Control is power over a cluster. Whatever a target cannot do returns errors.ErrUnsupported; the
// cases that need it are reported as not run.
type Control interface {
	// KillAgent ends the agent of that host name at once, without a word to the master, as
	// SIGKILL does. Its executors go on.
	KillAgent(ctx context.Context, hostname string) error
	// StartAgent starts a killed agent again, with its work directory.
	StartAgent(ctx context.Context, hostname string) error
	// RetireAgent ends the agent of that host name in good order, as SIGUSR1 does: its tasks are killed, and the master
	// forgets it. Its work directory stays.
	RetireAgent(ctx context.Context, hostname string) error
	// StartAgentWithNewID starts an agent again that has been retired, with its work directory, after its id was
	// forgotten there (meta/slaves/latest removed).
	StartAgentWithNewID(ctx context.Context, hostname string) error
	// AddAgent starts one more agent like the first.
	AddAgent(ctx context.Context) error
	// AgentAddress is the host:port of an agent's endpoints; empty if there is no such agent.
	AgentAddress(hostname string) string
	// WorkDir is the work directory of an agent, if it is on this host; empty if it is not.
	WorkDir(hostname string) string
	// Follower is the host:port of a master that does not lead.
	Follower(ctx context.Context) (string, error)
	// ZooKeeperNodes are the names and contents of the nodes that the masters keep.
	ZooKeeperNodes(ctx context.Context) (map[string]string, error)
}

// Uncontrolled is a Control that can do nothing, for embedding.
type Uncontrolled struct{}

// KillAgent is not supported.
func (Uncontrolled) KillAgent(context.Context, string) error { return errors.ErrUnsupported }

// StartAgent is not supported.
func (Uncontrolled) StartAgent(context.Context, string) error { return errors.ErrUnsupported }

// RetireAgent is not supported.
func (Uncontrolled) RetireAgent(context.Context, string) error { return errors.ErrUnsupported }

// StartAgentWithNewID is not supported.
func (Uncontrolled) StartAgentWithNewID(context.Context, string) error { return errors.ErrUnsupported }

// AddAgent is not supported.
func (Uncontrolled) AddAgent(context.Context) error { return errors.ErrUnsupported }

// AgentAddress knows no agent.
func (Uncontrolled) AgentAddress(string) string { return "" }

// WorkDir knows no agent.
func (Uncontrolled) WorkDir(string) string { return "" }

// Follower is not supported.
func (Uncontrolled) Follower(context.Context) (string, error) { return "", errors.ErrUnsupported }

// ZooKeeperNodes is not supported.
func (Uncontrolled) ZooKeeperNodes(context.Context) (map[string]string, error) {
	return nil, errors.ErrUnsupported
}

// Remote is a Mesos that somebody else runs, known by the host:port of its leading master.
type Remote string

// Master returns the address itself.
func (r Remote) Master() string { return string(r) }

// Control is nil: nothing is known about a remote Mesos.
func (Remote) Control() Control { return nil }

// Close does nothing.
func (Remote) Close() error { return nil }
