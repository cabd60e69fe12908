//go:build zookeeper

package conformance

import (
	"testing"

	"github.com/mesokit/mesokit/internal/testzk"
)

// startZooKeeper starts a ZooKeeper and returns the address under which masters meet there.
func startZooKeeper(t *testing.T) string { return "zk://" + testzk.Start(t).Addr + "/mesos" }
