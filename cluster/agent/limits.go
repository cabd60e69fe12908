package agent

import (
	"syscall"
	"time"

	"github.com/mesokit/mesokit/cluster/agent/internal/process"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// Times of Mesos that nobody configures here.
const (
	recoveryTimeout        = 15 * time.Minute // for which executors wait for their agent
	subscriptionBackoffMax = 2 * time.Second  // within which they subscribe again
	defaultKillGrace       = 3 * time.Second  // from SIGTERM to SIGKILL
)

func signalOf(n int) syscall.Signal { return syscall.Signal(n) }

// limitsOf returns the resource limits that a container asks for.
func limitsOf(c *mesospb.ContainerInfo) []process.Limit {
	var list []process.Limit
	for _, l := range c.GetRlimitInfo().GetRlimits() {
		if n, ok := rlimitNumbers[l.GetType()]; ok {
			limit := process.Limit{Resource: n, Soft: unlimited, Hard: unlimited}
			if l.Soft != nil && l.Hard != nil {
				limit.Soft, limit.Hard = l.GetSoft(), l.GetHard()
			}
			list = append(list, limit)
		}
	}
	return list
}

const unlimited = ^uint64(0)
