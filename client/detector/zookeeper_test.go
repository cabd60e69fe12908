//go:build zookeeper

package detector

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/mesokit/mesokit/internal/testzk"
)

// patience bounds waits for what should happen soon.
const patience = 60 * time.Second

// registrar keeps nodes in ZooKeeper as masters do, but for one thing: they outlive its session.
type registrar struct {
	t    *testing.T
	conn *zk.Conn
}

func register(t *testing.T, servers string) *registrar {
	t.Helper()
	conn, events, err := zk.Connect(strings.Split(servers, ","), 2*time.Second, zk.WithLogger(nobody{}), zk.WithLogInfo(false),
		zk.WithDialer(func(network, address string, timeout time.Duration) (net.Conn, error) {
			c, err := net.DialTimeout(network, address, timeout)
			if err != nil {
				return nil, err
			}
			return &boundConn{Conn: c, limit: 2 * time.Second, stop: func() bool { return true }}, nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		for range events {
		}
	})
	return &registrar{t, conn}
}

// retry repeats what fails while servers come and go.
func (r *registrar) retry(what func() error) {
	r.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := what()
		if err == nil {
			return
		}
		if time.Now().After(deadline) || errors.Is(err, zk.ErrNoAuth) {
			r.t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (r *registrar) mkdir(path string, acl []zk.ACL) {
	r.t.Helper()
	r.retry(func() error {
		_, err := r.conn.Create(path, nil, 0, acl)
		if errors.Is(err, zk.ErrNodeExists) {
			return nil
		}
		return err
	})
}

// add registers a master at a port and returns its node.
func (r *registrar) add(path string, port int, acl []zk.ACL) (node string) {
	r.t.Helper()
	return r.node(path+"/json.info_", fmt.Sprintf(`{"id":"m%d","ip":16777343,"port":%d,"address":{"hostname":"localhost","ip":"127.0.0.1","port":%d}}`, port, port, port), acl)
}

func (r *registrar) node(prefix, data string, acl []zk.ACL) (node string) {
	r.t.Helper()
	r.retry(func() (err error) {
		node, err = r.conn.Create(prefix, []byte(data), zk.FlagSequence, acl)
		return err
	})
	return node
}

func (r *registrar) remove(node string) {
	r.t.Helper()
	r.retry(func() error {
		err := r.conn.Delete(node, -1)
		if errors.Is(err, zk.ErrNoNode) {
			return nil
		}
		return err
	})
}

// elect makes a new master the one with the lowest sequence. A node may be created although its creation failed, so all
// others are removed, and only then.
func (r *registrar) elect(path string, port int) {
	r.t.Helper()
	leader := r.add(path, port, open)
	r.retry(func() error {
		nodes, _, err := r.conn.Children(path)
		for _, node := range nodes {
			if full := path + "/" + node; full != leader && err == nil {
				if err = r.conn.Delete(full, -1); errors.Is(err, zk.ErrNoNode) {
					err = nil
				}
			}
		}
		return err
	})
}

var open = zk.WorldACL(zk.PermAll)

func expect(t *testing.T, seen <-chan observed, want string) {
	t.Helper()
	select {
	case got := <-seen:
		if got.err != nil || got.masters.String() != want {
			t.Fatalf("got %v, %v; want %s", got.masters, got.err, want)
		}
	case <-time.After(patience):
		t.Fatalf("nothing detected, want %s", want)
	}
}

func leads(port int) string { return fmt.Sprintf("http://127.0.0.1:%d", port) }

// logbook collects what a detector says.
type logbook struct {
	mu    sync.Mutex
	lines []string
	grown chan struct{}
}

func newLogbook() *logbook { return &logbook{grown: make(chan struct{}, 1)} }

func (l *logbook) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	select {
	case l.grown <- struct{}{}:
	default:
	}
}

// await waits for a line.
func (l *logbook) await(t *testing.T, part string) {
	t.Helper()
	deadline := time.After(patience)
	for {
		l.mu.Lock()
		all := strings.Join(l.lines, "\n")
		l.mu.Unlock()
		if strings.Contains(all, part) {
			return
		}
		select {
		case <-l.grown:
		case <-deadline:
			t.Fatalf("no line with %q in:\n%s", part, all)
		}
	}
}

func detect(t *testing.T, spec string, cfg Config) Detector {
	t.Helper()
	d, err := Parse(spec, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestLeaderFollowsTheNodesInZooKeeper(t *testing.T) {
	server := testzk.Start(t)
	r := register(t, server.Addr)
	log := newLogbook()
	seen := watch(t, detect(t, "zk://"+server.Addr+"/some/where", Config{Log: log.add}))
	expect(t, seen, "no master") // not even the path exists
	r.mkdir("/some", open)
	r.mkdir("/some/where", open)
	first := r.add("/some/where", 5051, open)
	expect(t, seen, leads(5051))
	second := r.add("/some/where", 5052, open)
	r.mkdir("/some/where/log_replicas", open)
	third := r.node("/some/where/info_", "\x0a\x01m\x10\xff\x80\x80\x08\x18\xbc\x27", open) // 127.0.0.1:5052 in protobuf
	r.remove(first)
	expect(t, seen, leads(5052))
	r.remove(second)
	select { // the third is another master at the same address
	case got := <-seen:
		if got.masters.String() != "http://127.0.0.1:5052" || got.masters.Info.GetId() != "m" {
			t.Fatalf("got %v, %v", got.masters, got.masters.Info)
		}
	case <-time.After(patience):
		t.Fatal("nothing detected")
	}
	r.remove(third)
	expect(t, seen, "no master")
	bad := r.node("/some/where/json.info_", "{", open)
	log.await(t, "ignoring "+bad)
	good := r.add("/some/where", 5055, open)
	r.remove(bad)
	expect(t, seen, leads(5055))
	r.remove(good)
	expect(t, seen, "no master")
}

func TestLeaderHoldsWhileZooKeeperIsAway(t *testing.T) {
	server := testzk.Start(t)
	r := register(t, server.Addr)
	r.mkdir("/mesos", open)
	first := r.add("/mesos", 5051, open)
	log := newLogbook()
	seen := watch(t, detect(t, "zk://"+server.Addr+"/mesos", Config{Log: log.add}))
	expect(t, seen, leads(5051))
	server.Stop()
	log.await(t, "disconnected")
	server.Start()
	second := r.add("/mesos", 5052, open)
	r.remove(first)
	expect(t, seen, leads(5052)) // and nothing in between
	r.remove(second)
	expect(t, seen, "no master")
}

func TestLostSessionIsReplaced(t *testing.T) {
	server := testzk.Start(t)
	r := register(t, server.Addr)
	r.mkdir("/mesos", open)
	r.add("/mesos", 5051, open)
	seen := watch(t, detect(t, "zk://"+server.Addr+"/mesos", Config{SessionTimeout: time.Second}))
	expect(t, seen, leads(5051))
	server.Stop()
	server.Wipe() // the ensemble is set up again, and knows nothing of the session
	server.Start()
	expect(t, seen, "no master")
	r = register(t, server.Addr)
	r.mkdir("/mesos", open)
	r.add("/mesos", 5052, open)
	expect(t, seen, leads(5052))
}

func TestFrozenServerIsLeftForAnother(t *testing.T) {
	servers := testzk.StartEnsemble(t, 3)
	all := testzk.Addrs(servers...)
	r := register(t, all)
	r.mkdir("/mesos", open)
	r.elect("/mesos", 5051)
	seen := watch(t, detect(t, "zk://"+all+"/mesos", Config{SessionTimeout: 2 * time.Second}))
	expect(t, seen, leads(5051))
	// Whichever server the detector is connected to, its turn comes.
	port := 5052
	for _, server := range servers {
		server.Pause()
		r.elect("/mesos", port)
		expect(t, seen, leads(port))
		server.Continue()
		port++
	}
	// The same with crashes, of the leader among the servers too.
	for _, server := range servers {
		server.Stop()
		r.elect("/mesos", port)
		expect(t, seen, leads(port))
		server.Start()
		port++
	}
}

func TestZooKeeperThatComesLaterIsWaitedFor(t *testing.T) {
	server := testzk.Start(t)
	r := register(t, server.Addr)
	r.mkdir("/mesos", open)
	server.Stop()
	seen := watch(t, detect(t, "zk://"+server.Addr+"/mesos", Config{}))
	select {
	case got := <-seen:
		t.Fatalf("detected %v, %v without a ZooKeeper", got.masters, got.err)
	default:
	}
	server.Start()
	r.add("/mesos", 5051, open)
	for got := range seen {
		if got.err != nil {
			t.Fatal(got.err)
		}
		if got.masters.String() == leads(5051) {
			break
		}
	}
}

func TestCredentialsOpenProtectedNodes(t *testing.T) {
	server := testzk.Start(t)
	r := register(t, server.Addr)
	// As masters with credentials do it: everybody reads, the creator does the rest. And a stricter one.
	const user, password = "mesos", "p@ss:w0rd"
	r.retry(func() error { return r.conn.AddAuth("digest", []byte(user+":"+password)) })
	worldReads := append(zk.WorldACL(zk.PermRead), zk.AuthACL(zk.PermAll)...)
	r.mkdir("/usual", worldReads)
	r.add("/usual", 5051, worldReads)
	r.mkdir("/strict", zk.AuthACL(zk.PermAll))
	r.add("/strict", 5052, zk.AuthACL(zk.PermAll))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for spec, want := range map[string]string{
		"zk://" + server.Addr + "/usual":                         leads(5051),
		"zk://mesos:" + password + "@" + server.Addr + "/strict": leads(5052),
		"zk://" + server.Addr + "/strict":                        "",
		"zk://mesos:wr0ng@" + server.Addr + "/strict":            "",
	} {
		now, err := Leader(ctx, detect(t, spec, Config{}))
		switch {
		case want == "" && (!errors.Is(err, zk.ErrNoAuth) || strings.Contains(err.Error(), "wr0ng")):
			t.Errorf("%s: got %v, %v; want not authenticated", spec, now, err)
		case want != "" && (err != nil || now.String() != want):
			t.Errorf("%s: got %v, %v; want %s", spec, now, err, want)
		}
	}
}

func TestCredentialsSurviveAReconnection(t *testing.T) {
	server := testzk.Start(t)
	r := register(t, server.Addr)
	r.retry(func() error { return r.conn.AddAuth("digest", []byte("u:p")) })
	r.mkdir("/strict", zk.AuthACL(zk.PermAll))
	first := r.add("/strict", 5051, zk.AuthACL(zk.PermAll))
	log := newLogbook()
	seen := watch(t, detect(t, "zk://u:p@"+server.Addr+"/strict", Config{Log: log.add}))
	expect(t, seen, leads(5051))
	server.Stop()
	log.await(t, "disconnected")
	server.Start()
	r.add("/strict", 5052, zk.AuthACL(zk.PermAll))
	r.remove(first)
	expect(t, seen, leads(5052))
}

func TestWatchEndsPromptlyWhateverZooKeeperDoes(t *testing.T) {
	server := testzk.Start(t)
	r := register(t, server.Addr)
	r.mkdir("/mesos", open)
	r.add("/mesos", 5051, open)
	for _, step := range []struct {
		name    string
		disturb func()
	}{{"serving", func() {}}, {"frozen", server.Pause}, {"gone", server.Stop}} {
		t.Run(step.name, func(t *testing.T) {
			d := detect(t, "zk://"+server.Addr+"/mesos", Config{})
			if step.name != "gone" {
				ctx, cancel := context.WithCancel(t.Context())
				seen := make(chan struct{})
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					for range d.Watch(ctx) {
						close(seen)
					}
				}()
				<-seen
				step.disturb()
				cancel()
				select {
				case <-ended:
				case <-time.After(patience):
					t.Fatal("Watch does not end")
				}
				return
			}
			step.disturb()
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			start := time.Now()
			if _, err := Leader(ctx, d); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
			if time.Since(start) > 10*time.Second {
				t.Errorf("ended after %v", time.Since(start))
			}
		})
	}
}
