package control

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/cluster/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// controlled runs a test with a cluster of simulated agents a1 and a2 and a client of its control interface, in a bubble.
func controlled(t *testing.T, test func(t *testing.T, c *cluster.Cluster, ctl *Client, dial *cluster.Network)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var network cluster.Network
		ctx := t.Context()
		agent := cluster.AgentConfig{Simulated: true, Resources: "cpus:4;mem:1024;disk:100;ports:[1-2]", Attributes: "rack:r1", Domain: "eu/a"}
		agents := cluster.Agents(2, agent)
		agents[0].Hostname, agents[1].Hostname = "a1", "a2"
		c, err := cluster.Start(ctx, cluster.Config{Network: &network, Agents: agents})
		if err != nil {
			t.Fatal(err)
		}
		l, err := network.Listen(ctx, "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := Serve(c, l, "token")
		ctl, err := newClient(s.Addr(), "token", network.DialContext)
		if err != nil {
			t.Fatal(err)
		}
		test(t, c, ctl, &network)
		ctl.Close()
		if err := errors.Join(s.Close(), c.Close()); err != nil {
			t.Error(err)
		}
	})
}

func states(t *testing.T, ctl *Client) (list []string) {
	t.Helper()
	s, err := ctl.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range s.Agents {
		text := a.Hostname + " " + string(a.State)
		if !a.Registered {
			text += ", unreachable"
		}
		list = append(list, text)
	}
	return list
}

func TestStatusTellsWhatRuns(t *testing.T) {
	controlled(t, func(t *testing.T, c *cluster.Cluster, ctl *Client, _ *cluster.Network) {
		got, err := ctl.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		agents := c.Agents()
		agent := func(i int, hostname string) cluster.AgentStatus {
			return cluster.AgentStatus{
				ID: agents[i].ID, Hostname: hostname, Address: agents[i].Address, State: cluster.AgentRunning, Registered: true, Active: true, Simulated: true,
				Attributes: "rack:r1", Domain: "eu/a", Resources: "cpus:4;mem:1024;disk:100;ports:[1-2]",
			}
		}
		want := cluster.Status{
			Masters:    []cluster.MasterStatus{{Address: c.Master(), Leading: true, Running: true}},
			Agents:     []cluster.AgentStatus{agent(0, "a1"), agent(1, "a2")},
			Frameworks: []cluster.FrameworkStatus{},
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(cluster.MasterStatus{}, "ID"), cmpopts.IgnoreFields(cluster.AgentStatus{}, "Resources", "Used")); diff != "" {
			t.Errorf("status (-want +got):\n%s", diff)
		}
		if r := got.Agents[0].Resources; !strings.Contains(r, "cpus:4") {
			t.Errorf("resources %q", r)
		}
	})
}

func TestAgentsAreAddedAndStopped(t *testing.T) {
	controlled(t, func(t *testing.T, c *cluster.Cluster, ctl *Client, _ *cluster.Network) {
		ctx := t.Context()
		a, err := ctl.AddAgent(ctx, cluster.AgentConfig{Simulated: true, Hostname: "a3", Resources: "cpus(eng):1", Disks: []cluster.Disk{{Root: "/d", MB: 7, Role: "eng"}}})
		if err != nil {
			t.Fatal(err)
		}
		status, err := ctl.Status(ctx)
		if err != nil || !strings.Contains(status.Agents[2].Resources, "STATIC,eng") {
			t.Errorf("%+v (%v)", status.Agents[2], err)
		}
		for _, ref := range []string{a.ID, c.Agents()[1].ID[len(a.ID)-2:], "a1"} {
			if _, err := ctl.Act(ctx, ref, Stop); err != nil {
				t.Error(err)
			}
		}
		if left := c.Agents(); len(left) != 0 {
			t.Errorf("left: %v", left)
		}
	})
}

func TestAgentsAreKilledSuspendedAndPartitioned(t *testing.T) {
	controlled(t, func(t *testing.T, c *cluster.Cluster, ctl *Client, _ *cluster.Network) {
		ctx := t.Context()
		do := func(agent string, action Action) {
			t.Helper()
			if _, err := ctl.Act(ctx, agent, action); err != nil {
				t.Errorf("%s %s: %v", action, agent, err)
			}
		}
		expect := func(after time.Duration, want ...string) {
			t.Helper()
			time.Sleep(after)
			if diff := cmp.Diff(want, states(t, ctl)); diff != "" {
				t.Errorf("agents (-want +got):\n%s", diff)
			}
		}
		do("a1", Partition)
		expect(time.Second, "a1 partitioned", "a2 running")
		do("a1", Heal)
		expect(time.Hour, "a1 running", "a2 running")
		do("a1", Partition)
		do("a1", Partition)
		expect(2*time.Minute, "a1 partitioned, unreachable", "a2 running")
		do("a1", Heal)
		expect(time.Millisecond, "a1 running", "a2 running")
		do("a1", Suspend)
		expect(time.Second, "a1 suspended", "a2 running")
		if _, err := ctl.Act(ctx, "a1", Suspend); err == nil || !strings.Contains(err.Error(), "suspended") {
			t.Errorf("Suspend again: %v", err)
		}
		expect(10*time.Minute, "a1 suspended, unreachable", "a2 running")
		do("a1", Resume)
		do("a2", Restart)
		expect(time.Second, "a1 running", "a2 running")
		if a, err := ctl.Act(ctx, "a1", RestartWithNewID); err != nil || a.ID != c.Agents()[0].ID || !strings.HasSuffix(a.ID, "-S2") {
			t.Errorf("RestartWithNewID: %+v, %v", a, err)
		}
		expect(0, "a1 running", "a2 running")
		do("a1", Kill)
		expect(0, "a2 running")
	})
}

func TestFaultsAreAddedListedAndRemoved(t *testing.T) {
	controlled(t, func(t *testing.T, c *cluster.Cluster, ctl *Client, network *cluster.Network) {
		ctx := t.Context()
		one, err := ctl.AddFault(ctx, "call answer status=503 path=/health count=1")
		if err != nil {
			t.Fatal(err)
		}
		two, err := ctl.AddRule(ctx, fault.Rule{On: fault.Update, Do: fault.Delay, Time: 3 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		tr := &http.Transport{DialContext: network.DialContext}
		defer tr.CloseIdleConnections()
		resp, err := (&http.Client{Transport: tr}).Get("http://" + c.Master() + "/health")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 503 {
			t.Errorf("answered %s", resp.Status)
		}
		one.Hits, one.Seen, one.Over = 1, 1, true
		got, err := ctl.Faults(ctx)
		if diff := cmp.Diff([]fault.State{one, two}, got); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
		if err := ctl.RemoveFault(ctx, two.ID); err != nil {
			t.Error(err)
		}
		if err := ctl.ClearFaults(ctx); err != nil {
			t.Error(err)
		}
		if got, err := ctl.Faults(ctx); err != nil || len(got) != 0 {
			t.Errorf("left: %v (%v)", got, err)
		}
	})
}

func TestMastersFailOver(t *testing.T) {
	controlled(t, func(t *testing.T, c *cluster.Cluster, ctl *Client, _ *cluster.Network) {
		ctx := t.Context()
		before := c.Masters()[0].ID
		masters, err := ctl.FailOver(ctx)
		if err != nil || len(masters) != 1 || masters[0].ID == before || !masters[0].Leading {
			t.Errorf("after FailOver: %+v (%v), before it led %s", masters, err, before)
		}
		address := c.Master()
		if masters, err = ctl.KillMaster(ctx, address); err != nil || masters[0].Running {
			t.Errorf("after KillMaster: %+v (%v)", masters, err)
		}
		if status, err := ctl.Status(ctx); err != nil || len(status.Agents) != 2 || status.Agents[0].Registered {
			t.Errorf("without a master: %+v (%v)", status, err)
		}
		if masters, err = ctl.StartMaster(ctx, address); err != nil || !masters[0].Running {
			t.Errorf("after StartMaster: %+v (%v)", masters, err)
		}
		time.Sleep(time.Minute)
		if diff := cmp.Diff([]string{"a1 running", "a2 running"}, states(t, ctl)); diff != "" {
			t.Errorf("agents (-want +got):\n%s", diff)
		}
		_, err = ctl.KillMaster(ctx, "127.0.0.1:1")
		if e, ok := errors.AsType[*Error](err); !ok || e.Status != 409 {
			t.Errorf("a master that there is not: %v", err)
		}
	})
}

func TestErrorsSayWhatIsWrong(t *testing.T) {
	controlled(t, func(t *testing.T, c *cluster.Cluster, ctl *Client, _ *cluster.Network) {
		ctx := t.Context()
		for _, tc := range []struct {
			name   string
			do     func() error
			status int
			text   string
		}{
			{"an agent that there is not", func() error { _, err := ctl.Act(ctx, "a9/x", Stop); return err }, 404, "a9/x"},
			{"an action that there is not", func() error { _, err := ctl.Act(ctx, "a1", "explode"); return err }, 404, "explode"},
			{"an agent that is not suspended", func() error { _, err := ctl.Act(ctx, "a1", Resume); return err }, 409, "not suspended"},
			{"a domain that is none", func() error { _, err := ctl.AddAgent(ctx, cluster.AgentConfig{Domain: "x"}); return err }, 400, "region/zone"},
			{"resources that are none", func() error {
				_, err := ctl.AddAgent(ctx, cluster.AgentConfig{Simulated: true, Resources: "cpus:x"})
				return err
			}, 400, "cpus:x"},
			{"a rule that is none", func() error { _, err := ctl.AddFault(ctx, "call explode"); return err }, 400, "explode"},
			{"a rule that is not there", func() error { return ctl.RemoveFault(ctx, "f9") }, 404, "f9"},
			{"a fault on nothing", func() error { _, err := ctl.AddRule(ctx, fault.Rule{}); return err }, 400, "call, event or update"},
		} {
			err := tc.do()
			if e, ok := errors.AsType[*Error](err); !ok || e.Status != tc.status || !strings.Contains(e.Text, tc.text) {
				t.Errorf("%s: %v, want status %d and %q", tc.name, err, tc.status, tc.text)
			}
		}
	})
}

func TestBrowsersAreRefused(t *testing.T) {
	controlled(t, func(t *testing.T, c *cluster.Cluster, ctl *Client, _ *cluster.Network) {
		for _, tc := range []struct {
			name, key, value string
			status           int
		}{
			{"a page of elsewhere", "Origin", "http://evil.example", 403},
			{"a name that leads here", "Host", "evil.example", 403},
			{"a form", "Content-Type", "text/plain", 415},
			{"nothing special", "X", "", 404},
		} {
			req, err := http.NewRequest(http.MethodPost, ctl.base+"/agents", strings.NewReader("{"))
			if tc.status == 404 {
				req, err = http.NewRequest(http.MethodPost, ctl.base+"/nothing", strings.NewReader("{}"))
			}
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Authorization", "Bearer "+ctl.token)
			if req.Header.Set(tc.key, tc.value); tc.key == "Host" {
				req.Host = tc.value
			}
			resp, err := ctl.http.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode != tc.status {
				t.Errorf("%s: %s, want %d", tc.name, resp.Status, tc.status)
			}
		}
	})
}

func TestWhoHasNotTheTokenControlsNothing(t *testing.T) {
	controlled(t, func(t *testing.T, c *cluster.Cluster, ctl *Client, network *cluster.Network) {
		for _, token := range []string{"", "tok", "token2", "other"} {
			other, err := newClient(strings.TrimSuffix(strings.TrimPrefix(ctl.base, "http://"), "/mesokit/v1"), token, network.DialContext)
			if err != nil {
				t.Fatal(err)
			}
			_, status := other.Status(t.Context())
			_, act := other.Act(t.Context(), "a1", Kill)
			for _, err := range []error{status, act, other.ClearFaults(t.Context())} {
				if e, ok := errors.AsType[*Error](err); !ok || e.Status != 401 || !strings.Contains(e.Text, "token") {
					t.Errorf("with token %q: %v", token, err)
				}
			}
			other.Close()
		}
		if got := states(t, ctl); len(got) != 2 {
			t.Errorf("agents %q", got)
		}
	})
}

func TestTheServerOutlivesItsCluster(t *testing.T) {
	controlled(t, func(t *testing.T, c *cluster.Cluster, ctl *Client, _ *cluster.Network) {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := ctl.AddAgent(ctx, cluster.AgentConfig{Simulated: true})
		if e, ok := errors.AsType[*Error](err); !ok || e.Status != 503 {
			t.Errorf("AddAgent: %v", err)
		}
		_, err = ctl.AddFault(ctx, "call hang")
		if e, ok := errors.AsType[*Error](err); !ok || e.Status != 503 {
			t.Errorf("AddFault: %v", err)
		}
	})
}

func TestAddressesAreChecked(t *testing.T) {
	for _, bad := range []string{"", "localhost", ":5055", "x:"} {
		if _, err := NewClient(bad, ""); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
