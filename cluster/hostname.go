package cluster

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"strings"
)

// Frameworks tell machines apart by the hostnames of agents, so agents of a cluster have different ones; and clients
// connect to them, so all of them lead to this machine, whatever client it is and without anybody having configured
// anything.
//
// The first agent is localhost. The n-th listens at 127.0.0.n and is called that: on Linux and Windows all of
// 127.0.0.0/8 is the loopback interface. macOS has only 127.0.0.1 there. Names below .localhost are known to browsers
// and curl, but not to the resolvers of Go and glibc. What every resolver does is to ignore the case of a name: where
// 127.0.0.n cannot be had, the n-th agent is localhost in another spelling, such as Localhost.

// listen listens where the agent has its place, and gives it a hostname if it has none.
func (h *handle) listen(ctx context.Context) (net.Listener, error) {
	if h.address != "" {
		return h.cluster.listenAgain(ctx, h.address)
	}
	if h.cfg.Address == "" && h.cfg.Hostname == "" && h.n > 1 {
		own := loopbackAddress(h.n)
		if l, err := h.cluster.cfg.Listen(ctx, net.JoinHostPort(own, "0")); err == nil {
			h.hostname = own
			return l, nil
		}
	}
	h.hostname = cmp.Or(h.cfg.Hostname, hostnameAt(h.cfg.Address, h.n))
	return h.cluster.cfg.Listen(ctx, cmp.Or(h.cfg.Address, "127.0.0.1:0"))
}

// loopbackAddress is the n-th of 127.0.0.0/8.
func loopbackAddress(n int) string {
	return net.IPv4(127, byte(n>>16), byte(n>>8), byte(n)).String()
}

// hostnameAt names the n-th agent by where it listens.
func hostnameAt(address string, n int) string {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	if err != nil || host == "" || host == "localhost" || host == "127.0.0.1" || ip.IsUnspecified() {
		return spelling("localhost", n-1)
	}
	return host
}

// simulatedHostname names the n-th agent if it is simulated: all those share an address.
func simulatedHostname(n int) string {
	if n == 1 {
		return "localhost"
	}
	return fmt.Sprintf("agent%d.localhost", n)
}

// spelling writes a name with the letters in upper case whose bits are set in k. There are as many spellings as sets
// of letters.
func spelling(name string, k int) string {
	return strings.Map(func(r rune) rune {
		if k&1 != 0 {
			r += 'A' - 'a'
		}
		k >>= 1
		return r
	}, name)
}
