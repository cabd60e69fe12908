//go:build unix

// Package testzk runs real ZooKeeper servers for tests: Debian's package, one Java process per server, on free loopback
// ports, in temporary directories. Tests that use it are built with the tag zookeeper.
package testzk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Jar is where Debian's package puts ZooKeeper; its manifest names what it needs.
const Jar = "/usr/share/java/zookeeper.jar"

// startTimeout bounds the wait for a server or an ensemble; Java is slow on a busy machine.
const startTimeout = 60 * time.Second

// Server is one ZooKeeper server. It is not safe for concurrent use.
type Server struct {
	// Addr is the client address, host:port; it stays the same over restarts.
	Addr string

	t       testing.TB
	dir     string
	log     *os.File
	process *exec.Cmd
	exited  chan struct{}
}

// Start runs a single server and waits until it serves; it is killed at the end of the test.
func Start(t testing.TB) *Server {
	t.Helper()
	s := newServers(t, 1)[0]
	s.Start()
	return s
}

// StartEnsemble runs an ensemble of n servers and waits until all of them serve.
func StartEnsemble(t testing.TB, n int) []*Server {
	t.Helper()
	servers := newServers(t, n)
	for _, s := range servers {
		s.launch()
	}
	for _, s := range servers {
		s.await()
	}
	return servers
}

// Addrs returns the client addresses of servers, comma separated, as they stand in a zk:// URL.
func Addrs(servers ...*Server) string {
	var addrs []string
	for _, s := range servers {
		addrs = append(addrs, s.Addr)
	}
	return strings.Join(addrs, ",")
}

func newServers(t testing.TB, n int) []*Server {
	t.Helper()
	if _, err := os.Stat(Jar); err != nil {
		t.Fatalf("ZooKeeper is not installed (apt-get install zookeeper): %v", err)
	}
	ports := freePorts(t, 3*n)
	var members strings.Builder
	if n > 1 {
		for i := range n {
			fmt.Fprintf(&members, "server.%d=127.0.0.1:%d:%d\n", i+1, ports[n+2*i], ports[n+2*i+1])
		}
	}
	servers := make([]*Server, n)
	for i := range servers {
		s := &Server{Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[i])), t: t, dir: t.TempDir()}
		// A short tick allows sessions of a second.
		s.write("zoo.cfg", fmt.Sprintf("tickTime=200\ninitLimit=50\nsyncLimit=25\nmaxSessionTimeout=60000\nmaxClientCnxns=0\nadmin.enableServer=false\n"+
			"4lw.commands.whitelist=*\ndataDir=%s\nclientPortAddress=127.0.0.1\nclientPort=%d\n%s", filepath.Join(s.dir, "data"), ports[i], members.String()))
		s.write("log4j.properties", "log4j.rootLogger=WARN, out\nlog4j.appender.out=org.apache.log4j.ConsoleAppender\n"+
			"log4j.appender.out.layout=org.apache.log4j.PatternLayout\nlog4j.appender.out.layout.ConversionPattern=%d %p %c %m%n\n")
		if err := os.Mkdir(filepath.Join(s.dir, "data"), 0o700); err != nil {
			t.Fatal(err)
		}
		if n > 1 {
			s.write("data/myid", strconv.Itoa(i+1))
		}
		t.Cleanup(s.Stop)
		servers[i] = s
	}
	return servers
}

// freePorts returns ports that are free now. Another process may take one before the server does; the test then fails with the
// server's own complaint.
func freePorts(t testing.TB, n int) (ports []int) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

func (s *Server) write(name, content string) {
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// Start runs a stopped server again, with the data that it had, and waits until it serves.
func (s *Server) Start() {
	s.t.Helper()
	s.launch()
	s.await()
}

func (s *Server) launch() {
	s.t.Helper()
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	s.log = log
	s.process = exec.Command("java", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", s.dir+":"+Jar,
		"org.apache.zookeeper.server.quorum.QuorumPeerMain", filepath.Join(s.dir, "zoo.cfg"))
	s.process.Dir, s.process.Stdout, s.process.Stderr = s.dir, log, log
	dieWithTest(s.process)
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	exited := make(chan struct{})
	s.exited = exited
	process := s.process
	go func() {
		defer close(exited)
		_ = process.Wait()
	}()
}

// await waits until the server says that it serves.
func (s *Server) await() {
	s.t.Helper()
	deadline := time.NewTimer(startTimeout)
	defer deadline.Stop()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		select {
		case <-poll.C:
			if answer, err := s.ask("srvr"); err == nil && strings.Contains(answer, "Mode: ") {
				return
			}
		case <-s.exited:
			s.t.Fatalf("ZooKeeper ended:\n%s", s.tail())
		case <-deadline.C:
			s.t.Fatalf("ZooKeeper does not serve after %v:\n%s", startTimeout, s.tail())
		}
	}
}

// ask sends a four-letter command.
func (s *Server) ask(command string) (string, error) {
	conn, err := net.DialTimeout("tcp", s.Addr, time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := io.WriteString(conn, command); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(conn)
	return string(answer), err
}

// Mode returns what the server is: standalone, leader or follower.
func (s *Server) Mode() string {
	s.t.Helper()
	answer, err := s.ask("srvr")
	if err != nil {
		s.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(answer, "Mode: ")
	mode, _, _ := strings.Cut(rest, "\n")
	return mode
}

func (s *Server) tail() string {
	data, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	return string(data[max(0, len(data)-4000):])
}

// Stop kills the server at once, as a crash does, and waits until it is gone. It may be started again.
func (s *Server) Stop() {
	if s.process == nil {
		return
	}
	_ = s.process.Process.Kill()
	<-s.exited
	_ = s.log.Close()
	s.process = nil
}

// Wipe empties a stopped server: when it starts again, sessions and nodes are gone.
func (s *Server) Wipe() {
	s.t.Helper()
	if s.process != nil {
		s.t.Fatal("a running server cannot be wiped")
	}
	data := filepath.Join(s.dir, "data")
	id, err := os.ReadFile(filepath.Join(data, "myid"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.t.Fatal(err)
	}
	if err := errors.Join(os.RemoveAll(data), os.Mkdir(data, 0o700)); err != nil {
		s.t.Fatal(err)
	}
	if id = bytes.TrimSpace(id); len(id) > 0 {
		s.write("data/myid", string(id))
	}
}

// Pause freezes the server: its connections stay open and nothing is answered. Continue thaws it.
func (s *Server) Pause() {
	s.t.Helper()
	s.signal(syscall.SIGSTOP)
	awaitStop(s.process.Process.Pid)
}

// Continue thaws a server that is paused.
func (s *Server) Continue() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.process.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}
