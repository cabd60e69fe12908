package integration

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"testing"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// descriptors counts what this process has open, by what it is.
func descriptors(t *testing.T) map[string]int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	open := map[string]int{}
	for _, e := range entries {
		to, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err != nil {
			continue // that of the directory itself
		}
		for _, kind := range []string{"pipe", "socket"} {
			if strings.HasPrefix(to, kind+":[") {
				to = kind // and no number
			}
		}
		open[to]++
	}
	return open
}

// children lists the processes that this one has started, zombies included.
func children(t *testing.T) (list []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, _ := os.ReadFile(f)
		for _, pid := range strings.Fields(string(text)) {
			stat, _ := os.ReadFile("/proc/" + pid + "/stat")
			list = append(list, string(stat))
		}
	}
	return list
}

// What a cluster opened and started is closed and has ended after Close: files, sockets, pipes and processes, also those of tasks that
// failed to start, were killed, left orphans, or were running still.
func TestAClusterLeavesNoDescriptorsAndNoZombies(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Logf("what is open is looked up in /proc, which %s has not", runtime.GOOS)
		return
	}
	life := func(t *testing.T) {
		c := start(t, cluster.Config{
			Agents:   []cluster.AgentConfig{{Resources: "cpus:8;mem:4096;disk:4096"}, {Resources: "cpus:0.1;mem:32", Simulated: true}},
			StateDir: t.TempDir(), LogDir: t.TempDir(), Masters: 2,
		})
		info := modern("leaks")
		f := subscribe(t, c, info, codec.Protobuf)
		var offer *mesospb.Offer
		for offer == nil {
			for _, o := range f.offers() {
				if len(o.GetResources()) > 2 && o.GetAgentId().GetValue() == c.Agents()[0].ID {
					offer = o
				}
			}
		}
		tasks := []*mesospb.TaskInfo{shell("lives", offer, "sleep 1000"), shell("orphan", offer, "setsid sleep 1000 & exit 0"), shell("missing", offer, "x")}
		tasks[2].Command.Uris = []*mesospb.CommandInfo_URI{{Value: new("/no/such/file")}}
		for i := range 20 {
			tasks = append(tasks, shell(fmt.Sprint("quick", i), offer, "exit 1"))
		}
		f.launch(offer, tasks...)
		for ended := 0; ended < len(tasks)-1; {
			if terminal(f.update().GetState()) {
				ended++
			}
		}
		if err := c.Agents()[0].Restart(t.Context()); err != nil {
			t.Error(err)
		}
	}
	t.Run("the first opens what the runtime keeps", life)
	before := descriptors(t)
	for i := range 2 {
		t.Run(fmt.Sprint(i), life)
	}
	http.DefaultClient.CloseIdleConnections()
	after := descriptors(t)
	for kind, n := range after {
		if n > before[kind] {
			t.Errorf("%d %s are open, before it were %d", n, kind, before[kind])
		}
	}
	left := children(t)
	sort.Strings(left)
	for _, stat := range left {
		t.Errorf("a process is left: %.80s", stat)
	}
}
