package conformance

import (
	"fmt"
	"strings"
	"time"

	"github.com/go-zookeeper/zk"
)

// readNodes returns the nodes of masters and their contents.
func readNodes(url string) (map[string]string, error) {
	servers, path, _ := strings.Cut(strings.TrimPrefix(url, "zk://"), "/")
	conn, events, err := zk.Connect(strings.Split(servers, ","), 10*time.Second, zk.WithLogInfo(false))
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
