//go:build zookeeper

package conformance

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/mesokit/mesokit/internal/testzk"
)

// startZooKeeper starts a ZooKeeper and returns the address under which masters meet there.
func startZooKeeper(t *testing.T) string { return "zk://" + testzk.Start(t).Addr + "/mesos" }

// readNodes returns the nodes of masters and their contents.
func readNodes(url string) (map[string]string, error) {
	servers, path, _ := strings.Cut(strings.TrimPrefix(url, "zk://"), "/")
	conn, events, err := zk.Connect([]string{servers}, 10*time.Second, zk.WithLogInfo(false))
	if err != nil {
		return nil, err
	}
	defer func() {
		conn.Close()
		for range events {
		}
	}()
	children, _, err := conn.Children("/" + path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", url, err)
	}
	nodes := map[string]string{}
	for _, child := range children {
		content, _, err := conn.Get("/" + path + "/" + child)
		if err != nil {
			return nil, fmt.Errorf("%s/%s: %w", url, child, err)
		}
		nodes[child] = string(content)
	}
	return nodes, nil
}
