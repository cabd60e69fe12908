//go:build zookeeper

package election

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/mesokit/mesokit/internal/testzk"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// patience bounds waits for what should happen soon.
const patience = 60 * time.Second

// runner is a candidate and what it was told.
type runner struct {
	t *testing.T
	Candidate
	told chan *mesospb.MasterInfo
}

func enter(t *testing.T, z *ZooKeeper, id string) *runner {
	r := &runner{t: t, told: make(chan *mesospb.MasterInfo, 100)}
	r.Candidate = z.Enter(master(id, 5050), func(l *mesospb.MasterInfo) { r.told <- l })
	t.Cleanup(r.Leave)
	return r
}

// hears waits until the candidate is told that id leads; empty is nobody.
func (r *runner) hears(id string) {
	r.t.Helper()
	for {
		select {
		case l := <-r.told:
			if l.GetId() == id {
				return
			}
		case <-time.After(patience):
			r.t.Fatalf("not told that %q leads", id)
		}
	}
}

func (r *runner) isLost() {
	r.t.Helper()
	select {
	case <-r.Lost():
	case <-time.After(patience):
		r.t.Fatal("the candidacy is not lost")
	}
}

func contest(t *testing.T, url string, timeout time.Duration) *ZooKeeper {
	t.Helper()
	u, err := ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	return NewZooKeeper(ZooKeeperConfig{URL: u, SessionTimeout: timeout, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
}

// observer is a plain client of the servers.
func observer(t *testing.T, servers ...*testzk.Server) *zk.Conn {
	t.Helper()
	conn, events, err := zk.Connect(strings.Split(testzk.Addrs(servers...), ","), 10*time.Second, zk.WithLogger(silence{}), zk.WithLogInfo(false))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		for range events {
		}
	})
	return conn
}

func TestLowestSequenceLeads(t *testing.T) {
	server := testzk.Start(t)
	z := contest(t, "zk://"+server.Addr+"/deep/mesos", 0)
	a := enter(t, z, "a")
	a.hears("a")
	b := enter(t, z, "b")
	b.hears("a")
	c := enter(t, z, "c")
	c.hears("a")
	nodes, _, err := observer(t, server).Children("/deep/mesos")
	if err != nil || len(nodes) != 3 {
		t.Errorf("nodes %v, %v; want 3", nodes, err)
	}
	a.Leave()
	b.hears("b")
	c.hears("b")
	again := enter(t, z, "a2")
	again.hears("b")
	b.Leave()
	c.hears("c")
	again.hears("c")
}

func TestRemovedNodeIsALostCandidacy(t *testing.T) {
	server := testzk.Start(t)
	z := contest(t, "zk://"+server.Addr+"/mesos", 0)
	a := enter(t, z, "a")
	a.hears("a")
	b := enter(t, z, "b")
	b.hears("a")
	conn := observer(t, server)
	nodes, _, err := conn.Children("/mesos")
	if err != nil {
		t.Fatal(err)
	}
	first, _ := leading(nodes)
	if err := conn.Delete("/mesos/"+first, -1); err != nil {
		t.Fatal(err)
	}
	a.isLost()
	if err := a.Err(); err != nil {
		t.Errorf("Err: %v; another candidacy may do better", err)
	}
	b.hears("b")
}

func TestRestartOfZooKeeperChangesNothing(t *testing.T) {
	server := testzk.Start(t)
	z := contest(t, "zk://"+server.Addr+"/mesos", 6*time.Second)
	a := enter(t, z, "a")
	a.hears("a")
	b := enter(t, z, "b")
	b.hears("a")
	server.Stop()
	server.Start()
	// The nodes have survived with their sessions, and watches work: when a goes, b leads, at once or, if a had not found its
	// way back yet, when its session is over.
	select {
	case <-a.Lost():
		t.Fatal("the candidacy is lost")
	default:
	}
	if nodes, _, err := observer(t, server).Children("/mesos"); err != nil || len(nodes) != 2 {
		t.Fatalf("nodes %v, %v; want 2", nodes, err)
	}
	a.Leave()
	b.hears("b")
}

func TestSessionLossIsALostCandidacy(t *testing.T) {
	server := testzk.Start(t)
	z := contest(t, "zk://"+server.Addr+"/mesos", 2*time.Second)
	a := enter(t, z, "a")
	a.hears("a")
	server.Stop()
	a.isLost()
	a.Leave()
	// Whoever stands when ZooKeeper is back leads.
	server.Start()
	b := enter(t, z, "b")
	b.hears("b")
}

func TestMembersOfAnEnsembleMayFail(t *testing.T) {
	servers := testzk.StartEnsemble(t, 3)
	z := contest(t, "zk://"+testzk.Addrs(servers...)+"/mesos", 6*time.Second)
	a := enter(t, z, "a")
	a.hears("a")
	b := enter(t, z, "b")
	b.hears("a")
	for _, s := range servers {
		if s.Mode() == "leader" {
			s.Stop()
			break
		}
	}
	a.Leave()
	b.hears("b")
	select {
	case <-b.Lost():
		t.Error("the candidacy is lost")
	default:
	}
}

func TestCredentials(t *testing.T) {
	server := testzk.Start(t)
	enter(t, contest(t, "zk://mesos:secret@"+server.Addr+"/mesos", 0), "a").hears("a")
	conn := observer(t, server)
	nodes, _, err := conn.Children("/mesos")
	if err != nil || len(nodes) != 1 {
		t.Fatalf("everybody may read: %v, %v", nodes, err)
	}
	if err := conn.Delete("/mesos/"+nodes[0], -1); !errors.Is(err, zk.ErrNoAuth) {
		t.Errorf("a stranger removes the node: %v", err)
	}
	stranger := enter(t, contest(t, "zk://"+server.Addr+"/mesos", 0), "stranger")
	stranger.isLost()
	if err := stranger.Err(); !errors.Is(err, zk.ErrNoAuth) || strings.Contains(err.Error(), "secret") {
		t.Errorf("a stranger stands for election: %v", err)
	}
}

func TestLeaveDoesNotWaitForZooKeeper(t *testing.T) {
	z := contest(t, "zk://127.0.0.1:1/mesos", 0)
	c := enter(t, z, "a")
	done := make(chan struct{})
	go func() { c.Leave(); close(done) }()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case <-done:
	case <-ctx.Done():
		t.Fatal("Leave hangs")
	}
}
