package framework_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/framework"
	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/placement"
	"github.com/mesokit/mesokit/framework/store/bolt"
)

// runs waits until the agents run so many tasks, as the master sees it.
func runs(t *testing.T, c *cluster.Cluster, want int) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for {
		st, err := c.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, a := range st.Agents {
			n += a.Tasks
		}
		if n == want {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("%d tasks run, want %d: %+v", n, want, st.Agents)
		}
	}
}

// leader is the id of the master that leads.
func leader(t *testing.T, c *cluster.Cluster) string {
	t.Helper()
	for _, m := range c.Masters() {
		if m.Leading {
			return m.ID
		}
	}
	t.Fatal("no master leads")
	return ""
}

// tasksBut are the ids of the services' running tasks that are not on an agent.
func tasksBut(s *core.Snapshot, agent string) map[string]bool {
	ids := make(map[string]bool)
	for _, name := range []string{"web", "duo", "log"} {
		for i := range s.App(name).All() {
			if i.Task != nil && i.Task.State == core.Running && i.Task.Agent != agent {
				ids[i.Task.ID] = true
			}
		}
	}
	return ids
}

// TestEverythingRunsOnceThroughTheFaultsOfACluster: a service, a pod and a daemon, as processes, while agents are cut off and come back, the master fails
// over, an agent vanishes for good, and the process is replaced by another in the middle of that.
func TestEverythingRunsOnceThroughTheFaultsOfACluster(t *testing.T) {
	agent := func(host string) cluster.AgentConfig {
		return cluster.AgentConfig{Hostname: host, Resources: "cpus:4;mem:1024;disk:1000"}
	}
	c, err := cluster.Start(t.Context(), cluster.Config{
		Agents: []cluster.AgentConfig{agent("h1"), agent("h2"), agent("h3")}, AgentPingInterval: 50 * time.Millisecond, AgentPingMisses: 3,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	var apps []*app.App
	for _, text := range []string{
		`{"name":"web","instances":3,"strategy":"unique","resources":{"cpus":0.5,"mem":32},"command":{"cmd":"exec sleep 1000"},"kill_grace_period":"0.5s",
			"unreachable":{"replace_after":"1s"},"update":{"min_healthy":0.3}}`,
		`{"name":"duo","kill_grace_period":"0.5s","unreachable":{"wait":true},"group":[
			{"name":"a","resources":{"cpus":0.1,"mem":32},"command":{"cmd":"exec sleep 1000"}},{"name":"b","resources":{"cpus":0.1,"mem":32},"command":{"cmd":"exec sleep 1000"}}]}`,
		`{"name":"log","daemon":true,"resources":{"cpus":0.1,"mem":32},"command":{"cmd":"exec sleep 1000"},"kill_grace_period":"0.5s"}`,
	} {
		a, err := app.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		apps = append(apps, a)
	}
	db, err := bolt.Open(t.TempDir()+"/store.db", bolt.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	quick := core.Config{Book: placement.BookConfig{ReviveEvery: 50 * time.Millisecond, ShortRefusal: 100 * time.Millisecond, Settle: 500 * time.Millisecond},
		ReconcileRetry: 200 * time.Millisecond, KillRetry: time.Second}
	cfg := framework.Config{Master: c.Master(), Apps: apps, Store: db, Core: quick}
	all := func(agents int) (string, func(*core.Snapshot) bool) {
		return fmt.Sprintf("everything runs once on %d agents", agents), func(s *core.Snapshot) bool {
			for name, n := range map[string]int{"web": min(3, agents), "duo": 1, "log": agents} {
				a := s.App(name)
				if a == nil || a.Counts.Up != n {
					return false
				}
				for i := range a.All() {
					if len(i.Detached) > 0 || i.Live() != nil && i.Task.State != core.Running {
						return false
					}
				}
			}
			return s.Connected && len(s.Orphans) == 0 && s.Unanswered == 0
		}
	}
	r := run(t, cfg)
	settled := func(agents int) {
		t.Helper()
		r.until(all(agents))
		runs(t, c, min(3, agents)+2+agents)
	}
	settled(3)

	agents := c.Agents()
	victim := func() *cluster.Agent { // the one without the pod, which waits for its agent
		for i := range r.Snapshot().App("duo").All() {
			for _, a := range agents {
				if a.ID != i.Task.Agent {
					return a
				}
			}
		}
		return nil
	}()
	victim.Partition()
	r.until("the web of an agent that is cut off is given up", func(s *core.Snapshot) bool {
		for i := range s.App("web").All() {
			if len(i.Detached) > 0 {
				return true
			}
		}
		return false
	})
	before := leader(t, c)
	if err := c.FailOver(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := leader(t, c); after == before {
		t.Errorf("the master %s leads before and after the failover", after)
	}
	unharmed := tasksBut(r.Snapshot(), victim.ID)
	r.end()
	r = run(t, cfg) // another process, which finds what is stored
	if victim.State() != cluster.AgentPartitioned {
		t.Errorf("the agent that is cut off is %s", victim.State())
	}
	victim.Heal()
	settled(3)
	for id := range unharmed {
		if !tasksBut(r.Snapshot(), "")[id] {
			t.Errorf("task %s has not lived through what did not concern it", id)
		}
	}

	if err := victim.Stop(); err != nil {
		t.Fatal(err)
	}
	settled(2)
	if _, err := c.AddAgent(t.Context(), agent("h4")); err != nil {
		t.Fatal(err)
	}
	settled(3)
}
