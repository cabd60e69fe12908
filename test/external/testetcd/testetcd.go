// Package testetcd runs a real etcd server in the process of a test, and a proxy before it whose connections a test can cut,
// hold and slow down.
package testetcd

import (
	"fmt"
	"net"
	"net/url"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
)

// patience bounds the start of a server.
const patience = 60 * time.Second

// Server is an etcd server. It is not safe for concurrent use.
type Server struct {
	// Addr is the client address, host:port; it stays the same over restarts.
	Addr string

	t    testing.TB
	dir  string
	peer string
	etcd *embed.Etcd
	mods []func(*embed.Config)
}

// Start runs a server, waits until it serves, and stops it at the end of the test.
func Start(t testing.TB, mods ...func(*embed.Config)) *Server {
	t.Helper()
	s := &Server{Addr: freeAddr(t), peer: freeAddr(t), t: t, dir: t.TempDir(), mods: mods}
	s.Start()
	t.Cleanup(s.Stop)
	return s
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Start runs a stopped server again, with the data that it had.
func (s *Server) Start() {
	s.t.Helper()
	cfg := embed.NewConfig()
	cfg.Dir, cfg.Logger, cfg.LogLevel = s.dir, "zap", "panic"
	cfg.LogOutputs = []string{"/dev/null"}
	client, peer := url.URL{Scheme: "http", Host: s.Addr}, url.URL{Scheme: "http", Host: s.peer}
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	cfg.InitialCluster = fmt.Sprintf("%s=%s", cfg.Name, peer.String())
	cfg.TickMs, cfg.ElectionMs = 50, 250
	for _, mod := range s.mods {
		mod(cfg)
	}
	etcd, err := embed.StartEtcd(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	select {
	case <-etcd.Server.ReadyNotify():
	case err := <-etcd.Err():
		s.t.Fatalf("etcd ended: %v", err)
	case <-time.After(patience):
		s.t.Fatalf("etcd does not serve after %v", patience)
	}
	s.etcd = etcd
}

// Stop ends the server. It may be started again.
func (s *Server) Stop() {
	if s.etcd != nil {
		s.etcd.Close()
		s.etcd = nil
	}
}

// Client returns a client of the test's own.
func (s *Server) Client() *clientv3.Client {
	s.t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{s.Addr}, DialTimeout: patience})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}
