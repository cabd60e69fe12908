package agent

import (
	"fmt"
	"net"
	"strconv"
)

// defaultPort is where a mesos-agent listens.
const defaultPort = 5051

// address is where an agent can be reached.
type address struct {
	host string // as the listener has it: an IP address, or a name if it listens in memory
	ip   string
	port int

	process int // number of the agent among those at this address, but for the first
}

// addressOf derives the address from a listener. One that listens on all addresses is reached at
// the loopback address: everything in an embedded cluster is on one machine.
func addressOf(l net.Listener) (address, error) {
	if l == nil {
		return address{host: "127.0.0.1", ip: "127.0.0.1", port: defaultPort}, nil
	}
	host, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return address{}, fmt.Errorf("agent: listener address %q is not host:port: %w", l.Addr(), err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return address{}, fmt.Errorf("agent: listener port %q is not a number", port)
	}
	at := address{host: host, ip: "127.0.0.1", port: n}
	switch ip := net.ParseIP(host); {
	case ip == nil:
	case ip.IsUnspecified():
		at.host = at.ip
	default:
		at.ip = host
	}
	return at, nil
}

func (a address) hostPort() string { return net.JoinHostPort(a.host, strconv.Itoa(a.port)) }

// name is that of the agent's process in libprocess.
func (a address) name() string { return "slave(" + strconv.Itoa(1+a.process) + ")" }

// pid is the name with the address.
func (a address) pid() string { return a.name() + "@" + a.hostPort() }
