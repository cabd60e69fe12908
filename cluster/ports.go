package cluster

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// Agents of the embedded cluster share a machine, with each other, with those of other clusters and with whatever else listens on
// it, and two tasks cannot listen on one port. So each agent has a block of ports of its own: the first has what Mesos gives by default, 31000
// to 32000, the next as many below it, and so on.
const (
	portBlock  = 1001
	firstBlock = 31000
	portBlocks = 20 // the last begins at 11981
)

// withPorts adds ports to the resources of the n-th agent, unless they name some or are not in text form. It takes a block that no cluster on
// this machine has, and leaves out ports that somebody listens on already. What it returns beside the text, if not nil, is to be closed
// when the agent has ended. With a state directory, where agents come back, and with simulated agents, which listen on nothing, the block
// depends on n alone.
func (c *Cluster) withPorts(cfg *AgentConfig, n int) (string, io.Closer) {
	text := strings.TrimRight(strings.TrimSpace(cfg.Resources), ";")
	list, err := resources.Parse(text, resources.Unreserved)
	if err != nil || strings.HasPrefix(text, "[") || slices.ContainsFunc(list, func(r *mesospb.Resource) bool { return r.GetName() == resources.NamePorts }) {
		return cfg.Resources, nil
	}
	if text != "" {
		text += ";"
	}
	begin, claim := firstBlock-portBlock*((n-1)%portBlocks), net.Listener(nil)
	var taken []uint64
	if !cfg.Simulated && c.cfg.Network == nil && c.cfg.StateDir == "" {
		begin, claim = claimPorts(begin)
		taken = listening(uint64(begin), uint64(begin+portBlock-1))
	}
	var ranges []string
	from := uint64(begin)
	for _, p := range append(taken, uint64(begin+portBlock)) {
		if p > from {
			ranges = append(ranges, fmt.Sprintf("%d-%d", from, p-1))
		}
		from = p + 1
	}
	text += "ports:[" + strings.Join(ranges, ",") + "]"
	if claim == nil {
		return text, nil
	}
	return text, claim
}

// claimPorts returns the first block that nobody has; without a claim, that of the n-th agent if all are taken, or if the system
// has no sockets in its abstract name space, which end with the process and are seen by all users.
func claimPorts(own int) (begin int, claim net.Listener) {
	if runtime.GOOS != "linux" {
		return own, nil
	}
	for k := range portBlocks {
		begin := firstBlock - portBlock*k
		if l, err := net.Listen("unix", fmt.Sprintf("@mesokit/ports/%d", begin)); err == nil {
			return begin, l
		}
	}
	return own, nil
}
