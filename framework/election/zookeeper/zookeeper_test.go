//go:build zookeeper

package zookeeper_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"go.uber.org/goleak"

	"github.com/mesokit/mesokit/framework/election"
	"github.com/mesokit/mesokit/framework/election/electiontest"
	"github.com/mesokit/mesokit/framework/election/zookeeper"
	"github.com/mesokit/mesokit/framework/store"
	zkstore "github.com/mesokit/mesokit/framework/store/zookeeper"
	"github.com/mesokit/mesokit/internal/testzk"
)

const timeout = 3 * time.Second

func TestMain(m *testing.M) {
	electiontest.Child(func(target string) (election.Elector, store.Store, error) {
		e, err := zookeeper.New(config("/stopped/election", target))
		if err != nil {
			return nil, nil, err
		}
		s, err := zkstore.Open(context.Background(), zkstore.Config{Servers: []string{target}, Path: "/stopped"})
		return e, s, err
	})
	goleak.VerifyTestMain(m)
}

func config(path, servers string) zookeeper.Config {
	return zookeeper.Config{Servers: strings.Split(servers, ","), Path: path, SessionTimeout: timeout}
}

func elector(t *testing.T, cfg zookeeper.Config) election.Elector {
	t.Helper()
	cfg.Log = func(line string) { t.Log(line) }
	e, err := zookeeper.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// network is what a candidate's connections go through.
type network struct {
	mu    sync.Mutex
	down  bool
	conns []net.Conn
}

func (n *network) dial(ctx context.Context, network, address string) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.down {
		return nil, errors.New("the network is down")
	}
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err == nil {
		n.conns = append(n.conns, c)
	}
	return c, err
}

// cut ends all connections; while the network is down there are no new ones.
func (n *network) cut(down bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = down
	for _, c := range n.conns {
		_ = c.Close()
	}
	n.conns = nil
}

func TestConformance(t *testing.T) {
	server := testzk.Start(t)
	ensemble := testzk.StartEnsemble(t, 3)
	for name, servers := range map[string]string{"one server": server.Addr, "an ensemble": testzk.Addrs(ensemble...)} {
		t.Run(name, func(t *testing.T) {
			var n atomic.Int64
			electiontest.Run(t, func(*testing.T) electiontest.New {
				cfg := config(fmt.Sprint("/election/", n.Add(1)), servers)
				return func(t *testing.T) election.Elector { return elector(t, cfg) }
			})
		})
	}
}

// A leader that cannot reach the servers has stopped before another leads.
func TestAnUnreachableLeaderStopsBeforeAnotherLeads(t *testing.T) {
	server := testzk.Start(t)
	var n network
	cfg := config("/unreachable", server.Addr)
	latter := elector(t, cfg)
	cfg.DialContext = n.dial
	former := electiontest.Start(t, elector(t, cfg), "former")
	former.Leads()
	next := electiontest.Start(t, latter, "latter")
	electiontest.Overtaken(t, former, next, func() { n.cut(true) })
	n.cut(false)
	former.Follows("latter")
}

func TestALeaderOutlastsBrokenConnections(t *testing.T) {
	server := testzk.Start(t)
	var n network
	cfg := config("/broken", server.Addr)
	quiet := elector(t, cfg)
	cfg.DialContext = n.dial
	leader := electiontest.Start(t, elector(t, cfg), "leader")
	term := leader.Leads()
	follower := electiontest.Start(t, quiet, "follower")
	follower.Follows("leader")
	// For twice the session.
	for end := time.Now().Add(2 * timeout); time.Now().Before(end); {
		n.cut(false)
		select {
		case <-term.Context().Done():
			t.Fatal(context.Cause(term.Context()))
		case <-time.After(500 * time.Millisecond):
		}
	}
	follower.Follows("leader")
}

func TestALeaderWhoseNodeIsRemovedSteps(t *testing.T) {
	server := testzk.Start(t)
	leader := electiontest.Start(t, elector(t, config("/removed", server.Addr)), "leader")
	term := leader.Leads()
	conn, events, err := zk.Connect([]string{server.Addr}, 10*time.Second, zk.WithLogInfo(false))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		conn.Close()
		for range events {
		}
	}()
	names, _, err := conn.Children("/removed")
	if err != nil || len(names) != 1 {
		t.Fatalf("%v, %v", names, err)
	}
	if err := conn.Delete("/removed/"+names[0], -1); err != nil {
		t.Fatal(err)
	}
	if err := electiontest.Ended(t, term); !errors.Is(err, election.ErrLost) {
		t.Fatal(err)
	}
	if again := leader.Leads(); again.Token <= term.Token {
		t.Fatalf("token %d after %d", again.Token, term.Token)
	}
}

// The server of an ensemble that the leader talks to goes away, and comes back.
func TestAnEnsembleLosesItsServersOneAfterTheOther(t *testing.T) {
	servers := testzk.StartEnsemble(t, 3)
	cfg := config("/rolling", testzk.Addrs(servers...))
	leader := electiontest.Start(t, elector(t, cfg), "leader")
	leader.Leads()
	follower := electiontest.Start(t, elector(t, cfg), "follower")
	follower.Follows("leader")
	for _, s := range servers {
		s.Stop()
		s.Start()
	}
	// Whoever leads now: it can be left to the other.
	leader.Leave()
	follower.Leads()
}

// All servers are silent; nobody leads; then somebody does.
func TestASilentServerEndsTheTerm(t *testing.T) {
	server := testzk.Start(t)
	leader := electiontest.Start(t, elector(t, config("/silent", server.Addr)), "leader")
	term := leader.Leads()
	server.Pause()
	err := electiontest.Ended(t, term)
	server.Continue()
	if !errors.Is(err, election.ErrLost) {
		t.Fatal(err)
	}
	leader.Leads()
}

func TestAStoppedLeaderIsFenced(t *testing.T) {
	server := testzk.Start(t)
	s, err := zkstore.Open(t.Context(), zkstore.Config{Servers: []string{server.Addr}, Path: "/stopped"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	electiontest.Stopped(t, server.Addr, elector(t, config("/stopped/election", server.Addr)), s)
}

func TestAWrongPasswordEndsTheCandidacy(t *testing.T) {
	server := testzk.Start(t)
	cfg := config("/secret", server.Addr)
	cfg.User, cfg.Password = "framework", "password"
	electiontest.Start(t, elector(t, cfg), "leader").Leads()
	cfg.Password = "wrong"
	var last error
	for _, err := range elector(t, cfg).Run(t.Context(), election.Info{ID: "intruder"}) {
		last = err
	}
	if !errors.Is(last, zk.ErrNoAuth) {
		t.Fatal(last)
	}
}
