package cluster

import (
	"context"
	"log/slog"
	"net"
	"time"
)

// Config of a cluster. The zero value is one agent with the resources of this machine, on free
// ports of 127.0.0.1, with its files in a temporary directory.
type Config struct {
	// Agents describes the agents to start. Nil means one agent; an empty, non-nil slice none.
	Agents []AgentConfig

	// Masters is the number of masters, of which one leads; 0 means 1. See FailOver and KillMaster.
	Masters int

	// Address is where the first master listens; empty means a free port of 127.0.0.1. Others listen on
	// free ports of the same host.
	Address string

	// ZooKeeper is the zk://[user:password@]host1:port1,host2:port2/path of a real ZooKeeper through which masters elect their
	// leader, and where clients find it; empty means that the election is built in. Masters of several processes may share
	// a path, but agents join masters of their own process only: Start waits until one of these leads, if there are agents.
	ZooKeeper string
	// ZooKeeperSessionTimeout is after how long a master that ZooKeeper does not hear of leads no more; 0 means 10 s.
	ZooKeeperSessionTimeout time.Duration

	// StateDir is a directory in which masters and agents write down what those of Mesos do, so that the next cluster that is
	// started there, by another process, remembers: agents with their ids, reservations and volumes, which are gone, quota, weights
	// and maintenance, and of frameworks that checkpoint which tasks there were. It is created if it is missing. One cluster uses
	// it at a time (ErrStateInUse). Files that cannot be used are a *StateError. Empty means that nothing outlives the cluster.
	//
	// The n-th agent is taken to be the one that was the n-th before; simulated agents remember nothing. An agent whose machine is
	// DOWN for maintenance is left out. In contrast to Mesos executors do not outlive the process: their tasks are TASK_FAILED,
	// REASON_EXECUTOR_TERMINATED, when the framework is back.
	StateDir string

	// Dir holds the work directories of the agents, sandboxes included. It is created if it
	// is missing and kept by Close. Empty means a place below StateDir or, without one, a temporary directory
	// that Close removes.
	Dir string

	// AllocationInterval is the time between rounds of offers, beside those that changes
	// bring about at once; 0 means 1 s.
	AllocationInterval time.Duration

	// HeartbeatInterval is the time between HEARTBEAT events; 0 means 15 s.
	HeartbeatInterval time.Duration

	// AgentPingInterval is the time between two pings of an agent, and AgentPingMisses how many in a row may
	// go unanswered before the agent is unreachable; 0 means 15 s and 5.
	AgentPingInterval time.Duration
	AgentPingMisses   int

	// AgentReregisterTimeout is how long an agent whose connection broke, or whose master did, may take to come back before
	// it is unreachable; 0 means 10 min.
	AgentReregisterTimeout time.Duration

	// Policy says what masters offer to whom.
	Policy Policy
	// Domain is the fault domain of the masters, "region/zone": agents of other regions are offered only to frameworks that are
	// REGION_AWARE. Empty means the one of the first agent in Agents that has one.
	Domain string

	// NoSwitchUser lets all tasks run as the user of this process, whatever user they name (--no-switch_user of all agents). Without it agents do as those of
	// Mesos: tasks of a user that this machine does not know, "" included, are TASK_DROPPED. Tasks of others run as their user if this process
	// is root's, else as the user of this process, which the log says.
	NoSwitchUser bool

	// Security says who may talk to the cluster and what they may do; the zero value lets everybody do everything.
	Security Security
	// LogDir holds log files of masters and agents, master.log, agent-1.log and so on, which /files serves as /master/log and
	// /slave/log (--log_dir). It is created if it is missing and kept by Close. Simulated agents write none. Empty means no files.
	LogDir string
	// Logger gets what the master and agents have to say; nil means nothing is logged.
	Logger *slog.Logger

	// Listen makes the listeners of the master and agents; nil means TCP, or Network.
	Listen func(ctx context.Context, address string) (net.Listener, error)

	// Network is where the cluster listens in memory, for testing/synctest bubbles; nil means TCP.
	Network *Network

	// Seed, if it is not 0, makes what happens repeatable: ids, the order of offers, and in a testing/synctest bubble with a
	// Network and simulated agents everything, down to the order of what happens at the same time. What comes from outside then
	// takes a microsecond. All of the cluster shares one goroutine.
	Seed uint64
}

// AgentConfig describes one agent. The zero value has the resources of this machine.
type AgentConfig struct {
	// Hostname that the agent advertises. Empty means one that no other agent of the cluster has, and that leads to it: localhost for the first,
	// 127.0.0.n for the n-th, where it listens then. Systems that have only 127.0.0.1, such as macOS, get localhost in another spelling, as case does
	// not matter in names. Simulated agents, which share an address, are called agentn.localhost, which browsers and curl know.
	Hostname string `json:"hostname,omitempty"`

	// Address is where the agent listens, such as 127.0.0.1:5051; empty means a free port at loopback.
	Address string `json:"address,omitempty"`

	// Resources in the syntax of the flag of mesos-agent, such as
	// "cpus:4;mem:2048;ports:[31000-32000]" or JSON. What is not named is detected. Static reservations
	// are written "cpus(eng):2".
	Resources string `json:"resources,omitempty"`

	// Role is the role to which resources that name none are reserved statically; empty means that they are
	// not reserved.
	Role string `json:"role,omitempty"`

	// Disks besides the one in Resources. Where there are some, none is detected.
	Disks []Disk `json:"disks,omitempty"`

	// Attributes in the syntax of the flag of mesos-agent, such as "rack:r1;zone:z1".
	Attributes string `json:"attributes,omitempty"`

	// Domain is the fault domain, "region/zone"; empty means none.
	Domain string `json:"domain,omitempty"`

	// ExecutorRegistrationTimeout is how long an executor may take to subscribe, fetching of its URIs included, and ExecutorShutdownGrace
	// how long to end after SHUTDOWN, unless its ExecutorInfo says so; 0 means 1 min and 5 s (--executor_registration_timeout,
	// --executor_shutdown_grace_period).
	ExecutorRegistrationTimeout time.Duration `json:"-"`
	ExecutorShutdownGrace       time.Duration `json:"-"`

	// NoSwitchUser is Config.NoSwitchUser for this agent.
	NoSwitchUser bool `json:"no_switch_user,omitempty"`

	// Simulated makes an agent that starts no processes and writes no files: its tasks run as Runner says, or until they
	// are killed. It is light: ten thousand of them are ready within a second, and share one listener, where each is served
	// below the path that its offers name, such as /slave(7). Address must be empty.
	Simulated bool `json:"simulated,omitempty"`

	// Runner decides how tasks run without a process, as package sim has it. What it does not take runs as a process, unless the
	// agent is Simulated. It must not wait.
	Runner Runner `json:"-"`
}

// Disk is a disk of an agent of its own, beside the one with the work directory.
type Disk struct {
	// Root is a directory, in which tasks may share the disk, or with Mount a mount point that is only given as a whole.
	Root  string `json:"root"`
	Mount bool   `json:"mount,omitempty"`
	// MB is the size in megabytes.
	MB float64 `json:"mb"`
	// Role to which it is reserved statically; empty means AgentConfig.Role.
	Role string `json:"role,omitempty"`
}

// Agents returns n descriptions like the given one: a short way to a cluster of equal agents.
func Agents(n int, like AgentConfig) []AgentConfig {
	agents := make([]AgentConfig, n)
	for i := range agents {
		agents[i] = like
	}
	return agents
}
