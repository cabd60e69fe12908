//go:build zookeeper

package integration

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/mesokit/mesokit/client/detector"
	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/internal/testzk"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// TestClientsFindEmbeddedMastersInZooKeeper lets a session that knows nothing but a zk:// address follow masters that step down, die, and lose
// their sessions.
func TestClientsFindEmbeddedMastersInZooKeeper(t *testing.T) {
	server := testzk.Start(t)
	url := "zk://" + server.Addr + "/mesos"
	c := start(t, cluster.Config{
		Masters: 3, ZooKeeper: url, ZooKeeperSessionTimeout: 2 * time.Second,
		Agents: cluster.Agents(2, cluster.AgentConfig{Simulated: true, Resources: "cpus:1;mem:64;disk:1;ports:[1-2]"}),
	})
	if first := c.Masters()[0]; !first.Leading {
		t.Errorf("the first master does not lead: %v", c.Masters())
	}
	tr, err := transport.New(transport.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.Close)
	offered := make(chan string, 1000)
	s, err := scheduler.NewSession(scheduler.SessionConfig{
		Master: url, Transport: tr, FrameworkInfo: patient("follower"), Backoff: scheduler.Constant(50 * time.Millisecond),
		Handler: scheduler.HandlerFuncs{Offers: func(ctx context.Context, s *scheduler.Session, offers []*mesospb.Offer) error {
			offered <- offers[0].GetId().GetValue()
			return nil
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })

	// works waits for offers of the master that leads.
	works := func() (address string) {
		t.Helper()
		for {
			select {
			case offer := <-offered:
				for _, m := range c.Masters() {
					if m.Leading && strings.HasPrefix(offer, m.ID) {
						return m.Address
					}
				}
			case <-ctx.Done():
				t.Fatalf("no offers of the leader: %v", c.Masters())
			}
		}
	}
	first := works()
	if err := c.FailOver(ctx); err != nil {
		t.Fatal(err)
	}
	second := works()
	if second == first {
		t.Errorf("%s leads again", second)
	}
	found, err := detector.Parse(url, detector.Config{})
	if err != nil {
		t.Fatal(err)
	}
	now, err := detector.Leader(ctx, found)
	if err != nil || now.Info.GetAddress().GetIp() == "" || len(now.Candidates) != 1 || now.Candidates[0] != "http://"+second {
		t.Errorf("the detector finds %v, %v; want %s", now, err, second)
	}
	if err := c.KillMaster(second); err != nil {
		t.Fatal(err)
	}
	if third := works(); third == second || third == first {
		t.Errorf("%s leads", third)
	}
	if err := c.StartMaster(ctx, second); err != nil {
		t.Fatal(err)
	}
	// Without ZooKeeper nobody leads for long; when it is back, somebody does.
	server.Stop()
	for len(leading(c)) > 0 && ctx.Err() == nil {
		time.Sleep(20 * time.Millisecond)
	}
	server.Start()
	works()
	if n := len(leading(c)); n != 1 {
		t.Errorf("%d masters lead", n)
	}
}

func TestMastersOfSeveralClustersShareAnElection(t *testing.T) {
	server := testzk.Start(t)
	cfg := cluster.Config{ZooKeeper: "zk://user:secret@" + server.Addr + "/shared", Agents: []cluster.AgentConfig{}}
	a, b := start(t, cfg), start(t, cfg)
	if len(leading(a)) != 1 || len(leading(b)) != 0 {
		t.Errorf("%v and %v lead, want one of the first cluster", leading(a), leading(b))
	}
	if where, err := b.AwaitLeader(t.Context()); err != nil || where != a.Master() {
		t.Errorf("the second cluster's leader is %s, %v; want %s", where, err, a.Master())
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	for len(leading(b)) == 0 {
		if _, err := b.AwaitLeader(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	stranger := cfg
	stranger.ZooKeeper = "zk://" + server.Addr + "/shared"
	if _, err := cluster.Start(t.Context(), stranger); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a stranger starts: %v", err)
	}
}
