//go:build zookeeper

package scheduler

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/mesokit/mesokit/client/detector"
	"github.com/mesokit/mesokit/client/internal/memnet"
	"github.com/mesokit/mesokit/internal/testzk"
)

// elect makes a master the only candidate in ZooKeeper.
func elect(t *testing.T, server *testzk.Server, address string) {
	t.Helper()
	conn, events, err := zk.Connect([]string{server.Addr}, 10*time.Second, zk.WithLogInfo(false))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		conn.Close()
		for range events {
		}
	}()
	if _, err := conn.Create("/mesos", nil, 0, zk.WorldACL(zk.PermAll)); err != nil && !errors.Is(err, zk.ErrNodeExists) {
		t.Fatal(err)
	}
	old, _, err := conn.Children("/mesos")
	if err != nil {
		t.Fatal(err)
	}
	var port int
	if _, err := fmt.Sscanf(address, "127.0.0.1:%d", &port); err != nil {
		t.Fatal(err)
	}
	info := fmt.Sprintf(`{"id":%q,"ip":16777343,"port":%d,"address":{"ip":"127.0.0.1","port":%d}}`, address, port, port)
	if _, err := conn.Create("/mesos/json.info_", []byte(info), zk.FlagSequence, zk.WorldACL(zk.PermAll)); err != nil {
		t.Fatal(err)
	}
	for _, node := range old {
		if err := conn.Delete("/mesos/"+node, -1); err != nil {
			t.Fatal(err)
		}
	}
}

// A session follows the leader in a real ZooKeeper, and outlives ZooKeeper itself.
func TestSessionFollowsTheLeaderInZooKeeper(t *testing.T) {
	server := testzk.Start(t)
	var network memnet.Network
	a, b := startMaster(t, &network, "127.0.0.1:5051"), startMaster(t, &network, "127.0.0.1:5052")
	elect(t, server, "127.0.0.1:5051")
	d, err := detector.Parse("zk://"+server.Addr+"/mesos", detector.Config{SessionTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	arrived := make(chan string, 100)
	s := play(t, &network, new(journal), func(cfg *SessionConfig) {
		cfg.Detector = d
		cfg.Handler = HandlerFuncs{ConnectedFunc: func(_ context.Context, _ *Session, c Connected) error { arrived <- c.Master; return nil }}
	})
	expect := func(m *fakeMaster) *fakeStream {
		t.Helper()
		stream := <-m.subscribes
		if got := <-arrived; got != "http://"+m.address {
			t.Fatalf("connected to %s, want %s", got, m.address)
		}
		return stream
	}
	onA := expect(a)
	start := time.Now()
	elect(t, server, "127.0.0.1:5052")
	onB := expect(b)
	t.Logf("from the election to the new subscription: %v", time.Since(start))
	<-onA.gone

	// ZooKeeper dies and comes back empty: the subscription is none of its business.
	server.Stop()
	server.Wipe()
	server.Start()
	if err := s.Revive(t.Context()); err != nil {
		t.Error(err)
	}
	select {
	case <-onB.gone:
		t.Error("the subscription was given up")
	default:
	}
	elect(t, server, "127.0.0.1:5051")
	expect(a)
}
