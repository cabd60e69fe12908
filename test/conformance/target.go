package conformance

import (
	"context"
	"errors"
	"strings"
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

// A Need is something that a case needs of a target beside its master.
type Need uint

// What cases need.
const (
	RestartAgent Need = 1 << iota // an agent that can be killed and started again
	RenewAgent                    // an agent that can be started under a new id, and one more
	AgentHost                     // the agent's work directory on this host, and programs of ours there
	SecondMaster                  // a master that does not lead
	ZooKeeper                     // what the masters keep in ZooKeeper
)

// whatItTakes says how a remote target gets what a case needs.
var whatItTakes = map[Need]string{
	RestartAgent: "an agent to kill: -agent-pid and -agent-work-dir, or -control",
	RenewAgent:   "an agent to retire: -agent-pid and -agent-work-dir",
	AgentHost:    "an agent on this host: -agent-work-dir",
	SecondMaster: "a second master: -zk",
	ZooKeeper:    "a ZooKeeper: -zk, or for the embedded cluster the build tag zookeeper",
}

// String says what is needed.
func (n Need) String() string {
	var needs []string
	for bit := RestartAgent; bit <= ZooKeeper; bit <<= 1 {
		if n&bit != 0 {
			needs = append(needs, whatItTakes[bit])
		}
	}
	return "needs " + strings.Join(needs, "; ")
}

// Control is power over a cluster. Cases that need what it cannot do are reported as not run.
type Control interface {
	// Can lists what can be done.
	Can() Need
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
	// ControlledAgent is the id of the agent that can be killed, if there is only one such; else empty.
	ControlledAgent(ctx context.Context) string
	// WorkDir is the work directory of an agent, if it is on this host; empty if it is not.
	WorkDir(hostname string) string
	// Follower is the host:port of a master that does not lead.
	Follower(ctx context.Context) (string, error)
	// ZooKeeperNodes are the names and contents of the nodes that the masters keep.
	ZooKeeperNodes(ctx context.Context) (map[string]string, error)
}

// Uncontrolled is a Control that can do nothing, for embedding.
type Uncontrolled struct{}

// Can is nothing.
func (Uncontrolled) Can() Need { return 0 }

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

// ControlledAgent is none in particular.
func (Uncontrolled) ControlledAgent(context.Context) string { return "" }

// WorkDir knows no agent.
func (Uncontrolled) WorkDir(string) string { return "" }

// Follower is not supported.
func (Uncontrolled) Follower(context.Context) (string, error) { return "", errors.ErrUnsupported }

// ZooKeeperNodes is not supported.
func (Uncontrolled) ZooKeeperNodes(context.Context) (map[string]string, error) {
	return nil, errors.ErrUnsupported
}
