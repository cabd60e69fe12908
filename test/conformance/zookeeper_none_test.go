//go:build !zookeeper

package conformance

import "testing"

// startZooKeeper starts none: it takes Java. See zookeeper_test.go.
func startZooKeeper(*testing.T) string { return "" }
