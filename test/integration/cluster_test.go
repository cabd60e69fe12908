package integration

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

func TestCloseLeavesNothingBehind(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	c, err := cluster.Start(t.Context(), cluster.Config{})
	if err != nil {
		t.Fatal(err)
	}
	f := subscribe(t, c, modern("left"), codec.Protobuf)
	offer := f.offers()[0]
	f.launch(offer, shell("left", offer, "setsid sleep 1000 & echo $!; sleep 1000"))
	f.expect(starting, running)
	pid := strings.TrimSpace(output(t, f, c, "left", 1))
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	waitGone(t, f, pid)
	if left, _ := os.ReadDir(tmp); len(left) > 0 {
		t.Errorf("files left behind: %v", left)
	}
	if err := c.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
	if _, err := c.AddAgent(t.Context(), cluster.AgentConfig{}); !errors.Is(err, cluster.ErrClosed) {
		t.Errorf("AddAgent after Close: %v, want ErrClosed", err)
	}
}

func TestDirIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "dir")
	c, err := cluster.Start(t.Context(), cluster.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	f := subscribe(t, c, modern("dir"), codec.Protobuf)
	offer := f.offers()[0]
	f.launch(offer, shell("dir", offer, "echo kept"))
	f.expect(starting, running, finished)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	// The layout of Mesos' work directory.
	match, err := filepath.Glob(filepath.Join(dir, "agent-1", "slaves", "*-S0", "frameworks", f.id.GetValue(), "executors", "dir", "runs", "latest", "stdout"))
	if err != nil || len(match) != 1 {
		t.Fatalf("found %v (%v), want one stdout", match, err)
	}
	if text, err := os.ReadFile(match[0]); string(text) != "kept\n" {
		t.Errorf("stdout holds %q (%v)", text, err)
	}
}

func TestManyClustersLiveInOneProcess(t *testing.T) {
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			c, err := cluster.Start(t.Context(), cluster.Config{Agents: cluster.Agents(2, cluster.AgentConfig{})})
			if err != nil {
				t.Error(err)
				return
			}
			if len(c.Agents()) != 2 {
				t.Errorf("%d agents, want 2", len(c.Agents()))
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestAgentsAreWhatTheyAreTold(t *testing.T) {
	c := start(t, cluster.Config{Agents: []cluster.AgentConfig{
		{Hostname: "one.example", Resources: "cpus:3;mem:64;ports:[4000-4001]", Attributes: "rack:r1;n:5"},
		{Hostname: "two.example", Resources: "cpus:1;mem:32;disk(eng):7"},
	}})
	info := modern("told")
	info.Roles = []string{"eng"}
	f := subscribe(t, c, info, codec.JSON)
	byHost := map[string]*mesospb.Offer{}
	for len(byHost) < 2 {
		for _, o := range f.offers() {
			byHost[o.GetHostname()] = o
		}
	}
	one, two := byHost["one.example"], byHost["two.example"]
	if got, err := resources.FormatAttributes(one.GetAttributes()); err != nil || got != "rack:r1;n:5" {
		t.Errorf("attributes %q (%v)", got, err)
	}
	if resources.CPUs(one.GetResources()) != 3 || resources.Ports(one.GetResources()).String() != "[4000-4001]" || resources.Disk(one.GetResources()) == 0 {
		t.Errorf("resources %s: want 3 cpus, the ports given and disk detected", resources.Describe(one.GetResources()))
	}
	if reserved := resources.ReservedFor(two.GetResources(), "eng"); resources.Disk(reserved) != 7 {
		t.Errorf("resources %s: want 7 MB disk reserved for eng", resources.Describe(two.GetResources()))
	}
	// Both share this machine: their ports must differ unless they were named.
	if a, b := resources.Ports(one.GetResources()), resources.Ports(two.GetResources()); b.Size() == 0 || a.Intersect(b).Size() != 0 {
		t.Errorf("ports %v and %v", a, b)
	}
}

// Calls without a subscription, or with another's, are refused as Mesos does.
func TestCallsBelongToTheirSubscription(t *testing.T) {
	c := start(t, cluster.Config{})
	old := subscribe(t, c, modern("again"), codec.JSON)
	again := modern("again")
	again.Id = old.id
	f := subscribe(t, c, again, codec.JSON)
	if f.id.GetValue() != old.id.GetValue() {
		t.Errorf("framework %v after %v", f.id, old.id)
	}
	if e := old.next(schedulerpb.Event_ERROR); e.GetError().GetMessage() != "Framework failed over" {
		t.Errorf("the superseded scheduler was told %v", e)
	}
	err := old.Revive(f.ctx)
	if !errors.Is(err, scheduler.ErrStaleStream) || !errors.Is(err, transport.ErrBadRequest) {
		t.Errorf("a call of the superseded scheduler: %v, want ErrStaleStream", err)
	}
	f.must(f.Revive(f.ctx))
	f.must(f.Teardown(f.ctx))
	if err := f.Revive(f.ctx); !errors.Is(err, scheduler.ErrUnknownFramework) {
		t.Errorf("a call after TEARDOWN: %v, want ErrUnknownFramework", err)
	}
}
