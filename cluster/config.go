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

	// Address is where the master listens; empty means a free port of 127.0.0.1.
	Address string

	// Dir holds the work directories of the agents, sandboxes included. It is created if it
	// is missing and kept by Close. Empty means a temporary directory that Close removes.
	Dir string

	// AllocationInterval is the time between rounds of offers, beside those that changes
	// bring about at once; 0 means 1 s.
	AllocationInterval time.Duration

	// Logger gets what the master and agents have to say; nil means nothing is logged.
	Logger *slog.Logger

	// Listen makes the listeners of the master and agents; nil means TCP. Tests that run
	// in a testing/synctest bubble listen in memory.
	Listen func(ctx context.Context, address string) (net.Listener, error)
}

// AgentConfig describes one agent. The zero value has the resources of this machine.
type AgentConfig struct {
	// Hostname that the agent advertises; empty means localhost.
	Hostname string

	// Address is where the agent listens; empty means a free port of 127.0.0.1.
	Address string

	// Resources in the syntax of the flag of mesos-agent, such as
	// "cpus:4;mem:2048;ports:[31000-32000]" or JSON. What is not named is detected.
	Resources string

	// Attributes in the syntax of the flag of mesos-agent, such as "rack:r1;zone:z1".
	Attributes string
}

// Agents returns n descriptions like the given one: a short way to a cluster of equal agents.
func Agents(n int, like AgentConfig) []AgentConfig {
	agents := make([]AgentConfig, n)
	for i := range agents {
		agents[i] = like
	}
	return agents
}
