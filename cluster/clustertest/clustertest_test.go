package clustertest

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/cluster/sim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// played is a test that is played: it can fail without anybody minding.
type played struct {
	testing.TB
	failed   bool
	cleanups []func()
	log      strings.Builder
}

func (p *played) Helper()                   {}
func (p *played) Name() string              { return "TestPlayed/with a/slash" }
func (p *played) Failed() bool              { return p.failed }
func (p *played) Cleanup(f func())          { p.cleanups = append(p.cleanups, f) }
func (p *played) Logf(f string, a ...any)   { fmt.Fprintf(&p.log, f+"\n", a...) }
func (p *played) Errorf(f string, a ...any) { p.failed = true; p.Logf(f, a...) }
func (p *played) Fatalf(f string, a ...any) { p.Errorf(f, a...); panic(p) }
func (p *played) end() {
	for len(p.cleanups) > 0 {
		f := p.cleanups[len(p.cleanups)-1]
		p.cleanups = p.cleanups[:len(p.cleanups)-1]
		f()
	}
}

func dirs(t *testing.T, where string) []fs.DirEntry {
	t.Helper()
	list, err := os.ReadDir(where)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestATestThatPassesLeavesNothing(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	p := &played{TB: t}
	c := Start(p)
	if len(c.Agents()) != 1 || len(dirs(t, tmp)) != 1 {
		t.Errorf("%d agents, %v", len(c.Agents()), dirs(t, tmp))
	}
	p.end()
	if p.failed || p.log.Len() > 0 || len(dirs(t, tmp)) > 0 {
		t.Errorf("failed: %v, log %q, files %v", p.failed, p.log.String(), dirs(t, tmp))
	}
	if _, err := c.AddAgent(t.Context(), cluster.AgentConfig{}); err != cluster.ErrClosed {
		t.Errorf("the cluster lives: %v", err)
	}
}

func TestATestThatFailsTellsWhatHappenedAndKeepsSandboxes(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	p := &played{TB: t}
	Start(p)
	p.Errorf("it failed")
	p.end()
	at := regexp.MustCompile(`sandboxes are in (\S+)`).FindStringSubmatch(p.log.String())
	if at == nil || !strings.Contains(p.log.String(), "agent registered") {
		t.Fatalf("log:\n%s", p.log.String())
	}
	if _, err := os.Stat(at[1]); err != nil || filepath.Dir(at[1]) != tmp {
		t.Errorf("no sandboxes in %s: %v", at[1], err)
	}
}

func TestAClusterThatCannotStartFailsTheTest(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir()) // its files are kept, as it fails
	p := &played{TB: t}
	defer func() {
		if recover() != p || !strings.Contains(p.log.String(), "cpus") {
			t.Errorf("the test went on: %s", p.log.String())
		}
		p.end()
	}()
	Start(p, Agents(1, cluster.AgentConfig{Resources: "cpus:many"}))
}

func TestOptions(t *testing.T) {
	c := Start(t, Simulated(3, sim.Commands()), Seed(7), func(c *cluster.Config) { c.AllocationInterval = time.Hour })
	if len(c.Agents()) != 3 {
		t.Errorf("%d agents", len(c.Agents()))
	}
}

func TestManyClustersAtOnceDoNotMeet(t *testing.T) {
	const clusters = 32
	seen := map[string]bool{}
	claim := func(what string) {
		t.Helper()
		if seen[what] {
			t.Errorf("two clusters have %s", what)
		}
		seen[what] = true
	}
	// All of them live until the test ends: what two of them had would be had by both at once.
	var started []*cluster.Cluster
	for i := range clusters {
		options := []Option{Agents(2, cluster.AgentConfig{Resources: "cpus:1;mem:64;disk:64"})}
		if i%2 == 1 {
			options = []Option{Simulated(20, nil)}
		}
		dir := t.TempDir()
		claim(dir)
		started = append(started, Start(t, append(options, func(c *cluster.Config) { c.Dir = dir })...))
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	var wg sync.WaitGroup
	for _, c := range started {
		claim(c.Master())
		addresses := map[string]bool{}
		for _, a := range c.Agents() {
			claim(a.ID)
			addresses[a.Address] = true
		}
		for a := range addresses {
			claim(a)
		}
		wg.Go(func() {
			resp, err := client.Get("http://" + c.Master() + "/health")
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
		})
	}
	wg.Wait()
	if len(seen) < clusters*4 {
		t.Errorf("%d addresses, directories and ids of %d clusters", len(seen), clusters)
	}
}

func TestInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network cluster.Network
		c := Start(t, In(&network), Simulated(5, nil), Seed(1))
		began := time.Now()
		time.Sleep(time.Hour)
		client := http.Client{Transport: &http.Transport{DialContext: network.DialContext, DisableKeepAlives: true}}
		for _, path := range []string{c.Master() + "/health", c.Agents()[4].Address + "/slave(5)/state"} {
			resp, err := client.Get("http://" + path)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("%s: %s", path, resp.Status)
			}
		}
		if d := time.Since(began); d > time.Hour+time.Second {
			t.Errorf("an hour took %v", d)
		}
	})
}
