package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/cluster/clustertest"
)

var operatingBlock = regexp.MustCompile("(?ms)^(<!-- shown only -->\n)?```sh\n(.*?)^```")

// Blocks that are shown only follow something, or need another cluster; that their commands exist is checked with those of other documents.
func TestCommandsOfTheOperatingPageWork(t *testing.T) {
	page, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	c := clustertest.Start(t, func(c *cluster.Config) {
		c.LogDir = t.TempDir()
		c.Agents = nil
		for _, name := range []string{"node1", "node2", "node3"} {
			c.Agents = append(c.Agents, cluster.AgentConfig{Hostname: name, Resources: "cpus:2;mem:512;disk:512"})
		}
	})
	launch(t, c, "shop", task("web", "echo serving; sleep 1000"))
	ran := 0
	for _, block := range operatingBlock.FindAllStringSubmatch(string(page), -1) {
		if block[1] != "" {
			continue
		}
		for line := range strings.Lines(block[2]) {
			command, ok := strings.CutPrefix(line, "mesokit ")
			if !ok {
				continue
			}
			ran++
			if got := operate(t, c, words(command)...); got.code != 0 {
				t.Fatalf("%sexit code %d\n%s%s", line, got.code, got.stdout, got.stderr)
			}
		}
	}
	if ran < 40 {
		t.Errorf("only %d commands ran: the page has more", ran)
	}
}
