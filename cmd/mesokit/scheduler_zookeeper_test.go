//go:build zookeeper

package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mesokit/mesokit/framework/apiclient"
	"github.com/mesokit/mesokit/internal/testzk"
)

func TestAnotherSchedulerTakesOverFromOneThatIsKilled(t *testing.T) {
	zk := testzk.Start(t)
	c := testCluster(t)
	args := []string{"--master", c.Master(), "--name", "ha", "--store", "zk:" + zk.Addr + "/ha", "--election", "zk:" + zk.Addr + "/ha"}
	first := startProcess(t, args...)
	if !first.Leading {
		t.Fatalf("%+v", first.ready)
	}
	first.app("submit", "--wait", file(t, "web.json", appJSON("web", "exec sleep 1000", 3, "0.1")))
	before := live(t, c.Master())

	second := startProcess(t, args...)
	if second.Leading || second.Leader != first.API {
		t.Errorf("%+v; want a follower of %s", second.ready, first.API)
	}
	apps := decode[[]apiclient.App](t, second.app("ls", "-o", "json")) // the leader answers
	if len(apps) != 1 || apps[0].Up != 3 {
		t.Errorf("asked by way of a follower: %+v", apps)
	}
	first.kill()
	// Until the session of the killed one is over, the follower redirects to it: commands wait.
	second.app("scale", "web", "4", "--wait", "--timeout", "50s")
	after := live(t, c.Master())
	if len(after) != 4 || !cmp.Equal(before, intersection(before, after)) {
		t.Errorf("tasks %v; want those before, %v, and one more", after, before)
	}
}

func intersection(a, b []string) []string {
	in := map[string]bool{}
	for _, s := range b {
		in[s] = true
	}
	var both []string
	for _, s := range a {
		if in[s] {
			both = append(both, s)
		}
	}
	return both
}
