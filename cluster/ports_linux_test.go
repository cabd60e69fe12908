package cluster

import (
	"context"
	"fmt"
	"net"
	"slices"
	"testing"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// portsOf returns the ports that an agent would be given.
func portsOf(t *testing.T, c *Cluster, cfg AgentConfig, n int) (ports resources.Ranges, free func()) {
	t.Helper()
	text, claim := c.withPorts(&cfg, n)
	list, err := resources.Parse(text, resources.Unreserved)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	i := slices.IndexFunc(list, func(r *mesospb.Resource) bool { return r.GetName() == resources.NamePorts })
	for _, r := range list[i].GetRanges().GetRange() {
		ports = append(ports, resources.Range{Begin: r.GetBegin(), End: r.GetEnd()})
	}
	free = func() {
		if claim != nil {
			claim.Close()
		}
	}
	t.Cleanup(free)
	return ports, free
}

func TestNoTwoAgentsOfThisMachineHaveAPort(t *testing.T) {
	clusters := []*Cluster{{}, {}}
	seen := map[uint64]bool{}
	for n := range 6 {
		ports, _ := portsOf(t, clusters[n%2], AgentConfig{Resources: "cpus:1;"}, n/2+1)
		for _, r := range ports {
			if seen[r.Begin] || seen[r.End] {
				t.Errorf("agent %d has %v, which another one has", n, ports)
			}
			seen[r.Begin], seen[r.End] = true, true
		}
	}
}

func TestPortsThatSomebodyListensOnAreNotOffered(t *testing.T) {
	l, port := net.Listener(nil), uint64(0)
	for l == nil {
		first, free := portsOf(t, new(Cluster), AgentConfig{}, 1)
		port = first[0].Begin
		l, _ = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)) // where nobody has been quicker
		free()
	}
	defer l.Close()
	own := []uint64{port}
	if l6, err := net.Listen("tcp6", "[::1]:0"); err == nil { // where there is IPv6
		defer l6.Close()
		own = append(own, uint64(l6.Addr().(*net.TCPAddr).Port))
	}
	slices.Sort(own)
	for _, p := range own {
		if got := listening(p, p); !slices.Equal(got, []uint64{p}) {
			t.Errorf("listening on %d: %v", p, got)
		}
	}
	if got := listening(port+1, port); got != nil {
		t.Errorf("listening on nothing: %v", got)
	}
	again, _ := portsOf(t, new(Cluster), AgentConfig{}, 1)
	for _, r := range again {
		if port >= r.Begin && port <= r.End {
			t.Errorf("%d is in use, and in %v", port, again)
		}
	}
}

func TestPortsThatAreNamedStay(t *testing.T) {
	for _, text := range []string{"cpus:1;ports:[5-6]", `[{"name": "cpus", "type": "SCALAR", "scalar": {"value": 1}}]`, "cpus:many"} {
		if got, claim := new(Cluster).withPorts(&AgentConfig{Resources: text}, 1); got != text || claim != nil {
			t.Errorf("%q became %q", text, got)
		}
	}
	// Simulated agents and those that come back have the same ports every time.
	for name, c := range map[string]*Cluster{"state": {cfg: Config{StateDir: "x"}}, "network": {cfg: Config{Network: new(Network)}}} {
		for n, want := range map[int]string{1: "ports:[31000-32000]", 2: "ports:[29999-30999]", 21: "ports:[31000-32000]"} {
			if got, claim := c.withPorts(&AgentConfig{}, n); got != want || claim != nil {
				t.Errorf("%s: agent %d has %s, want %s", name, n, got, want)
			}
		}
	}
}

func TestClustersLetGoOfTheirPorts(t *testing.T) {
	c, err := Start(context.Background(), Config{Agents: Agents(2, AgentConfig{Resources: "cpus:1;mem:64;disk:64"})})
	if err != nil {
		t.Fatal(err)
	}
	claims := []net.Listener{}
	for _, a := range c.Agents() {
		claims = append(claims, a.ports.(net.Listener))
	}
	if err := c.Agents()[0].Stop(); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	for _, l := range claims {
		if l.Close() == nil {
			t.Errorf("%s was still taken", l.Addr())
		}
	}
}
