// Package elections holds the electors of framework/election to their promises against servers that are too heavy for the main module.
package elections

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mesokit/mesokit/framework/election"
	"github.com/mesokit/mesokit/framework/election/electiontest"
	"github.com/mesokit/mesokit/framework/election/etcd"
	"github.com/mesokit/mesokit/framework/store"
	etcdstore "github.com/mesokit/mesokit/framework/store/etcd"
	"github.com/mesokit/mesokit/test/external/testetcd"
)

const ttl = 2 * time.Second

func TestMain(m *testing.M) {
	electiontest.Child(func(target string) (election.Elector, store.Store, error) {
		e, err := etcd.New(config(target, "/stopped"))
		if err != nil {
			return nil, nil, err
		}
		s, err := etcdstore.Open(context.Background(), etcdstore.Config{Endpoints: []string{target}, Prefix: "/stopped"})
		return e, s, err
	})
	os.Exit(m.Run())
}

func config(addr, prefix string) etcd.Config {
	return etcd.Config{Endpoints: []string{addr}, Prefix: prefix, TTL: ttl}
}

func elector(t *testing.T, addr, prefix string) election.Elector {
	t.Helper()
	cfg := config(addr, prefix)
	cfg.Log = func(line string) { t.Log(line) }
	e, err := etcd.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func TestConformance(t *testing.T) {
	server := testetcd.Start(t)
	var n atomic.Int64
	electiontest.Run(t, func(*testing.T) electiontest.New {
		prefix := fmt.Sprint("/election/", n.Add(1))
		return func(t *testing.T) election.Elector { return elector(t, server.Addr, prefix) }
	})
}

// A leader that cannot reach the servers has stopped before another leads.
func TestAnUnreachableLeaderStopsBeforeAnotherLeads(t *testing.T) {
	server := testetcd.Start(t)
	for name, unreachable := range map[string]func(*testetcd.Proxy){"silence": (*testetcd.Proxy).Hold, "refusal": (*testetcd.Proxy).Refuse} {
		t.Run(name, func(t *testing.T) {
			proxy := testetcd.StartProxy(t, server.Addr)
			former := electiontest.Start(t, elector(t, proxy.Addr, "/"+name), "former")
			former.Leads()
			latter := electiontest.Start(t, elector(t, server.Addr, "/"+name), "latter")
			electiontest.Overtaken(t, former, latter, func() { unreachable(proxy) })
			proxy.Release()
			proxy.Accept()
			former.Follows("latter")
		})
	}
}

func TestALeaderOutlastsBrokenConnections(t *testing.T) {
	server := testetcd.Start(t)
	proxy := testetcd.StartProxy(t, server.Addr)
	leader := electiontest.Start(t, elector(t, proxy.Addr, "/broken"), "leader")
	term := leader.Leads()
	follower := electiontest.Start(t, elector(t, server.Addr, "/broken"), "follower")
	follower.Follows("leader")
	// For twice the lease.
	for end := time.Now().Add(2 * ttl); time.Now().Before(end); {
		proxy.Cut()
		select {
		case <-term.Context().Done():
			t.Fatal(context.Cause(term.Context()))
		case <-time.After(300 * time.Millisecond):
		}
	}
	follower.Follows("leader")
}

func TestALeaderWhoseKeyIsRemovedSteps(t *testing.T) {
	server := testetcd.Start(t)
	leader := electiontest.Start(t, elector(t, server.Addr, "/removed"), "leader")
	term := leader.Leads()
	if _, err := server.Client().Delete(t.Context(), "/removed/leader"); err != nil {
		t.Fatal(err)
	}
	if err := electiontest.Ended(t, term); !errors.Is(err, election.ErrLost) {
		t.Fatal(err)
	}
	if again := leader.Leads(); again.Token <= term.Token {
		t.Fatalf("token %d after %d", again.Token, term.Token)
	}
}

// The server restarts: the leader leads on, or leads again with a greater token; the follower knows.
func TestARestartOfTheServerIsSurvived(t *testing.T) {
	server := testetcd.Start(t)
	leader := electiontest.Start(t, elector(t, server.Addr, "/restart"), "leader")
	leader.Leads()
	server.Stop()
	server.Start()
	follower := electiontest.Start(t, elector(t, server.Addr, "/restart"), "follower")
	leader.Leave()
	follower.Leads()
}

func TestAStoppedLeaderIsFenced(t *testing.T) {
	server := testetcd.Start(t)
	s, err := etcdstore.Open(t.Context(), etcdstore.Config{Endpoints: []string{server.Addr}, Prefix: "/stopped"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	electiontest.Stopped(t, server.Addr, elector(t, server.Addr, "/stopped"), s)
}

func TestBadConfigurationsAreRefused(t *testing.T) {
	for name, cfg := range map[string]etcd.Config{
		"no endpoints":   {},
		"half a second":  {Endpoints: []string{"x:1"}, TTL: 500 * time.Millisecond},
		"a great margin": {Endpoints: []string{"x:1"}, TTL: 2 * time.Second, Margin: 2 * time.Second},
	} {
		if e, err := etcd.New(cfg); err == nil {
			_ = e.Close()
			t.Errorf("%s passed", name)
		}
	}
}
