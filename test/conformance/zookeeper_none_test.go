//go:build !zookeeper

package conformance

import (
	"errors"
	"testing"
)

// startZooKeeper starts none: it takes Java. See zookeeper_test.go.
func startZooKeeper(*testing.T) string { return "" }

func readNodes(string) (map[string]string, error) { return nil, errors.ErrUnsupported }
