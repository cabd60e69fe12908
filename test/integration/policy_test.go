package integration

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

func TestFrameworksAreOfferedAgentsOfOtherRegionsOnlyIfTheyAsk(t *testing.T) {
	agents := cluster.Agents(4, cluster.AgentConfig{Simulated: true, Resources: "cpus:1;mem:64"})
	for i, domain := range []string{"", "eu/a", "eu/b", "us/a"} {
		agents[i].Domain, agents[i].Hostname = domain, "in-"+domain
	}
	c := start(t, cluster.Config{Agents: agents})
	hosts := func(info *mesospb.FrameworkInfo, n int) (list []string) {
		f := subscribe(t, c, info, codec.JSON)
		for len(list) < n {
			for _, o := range f.offers() {
				list = append(list, o.GetHostname())
			}
		}
		slices.Sort(list)
		if err := f.Close(); err != nil { // without failover timeout its offers are free at once
			t.Error(err)
		}
		return list
	}
	if got := hosts(modern("near"), 3); !slices.Equal(got, []string{"in-", "in-eu/a", "in-eu/b"}) {
		t.Errorf("offered %q", got)
	}
	aware := modern("aware")
	aware.Capabilities = append(aware.Capabilities, &mesospb.FrameworkInfo_Capability{Type: mesospb.FrameworkInfo_Capability_REGION_AWARE.Enum()})
	if got := hosts(aware, 4); !slices.Equal(got, []string{"in-", "in-eu/a", "in-eu/b", "in-us/a"}) {
		t.Errorf("offered %q", got)
	}
}

func TestMastersFollowTheirPolicy(t *testing.T) {
	c := start(t, cluster.Config{
		Agents: []cluster.AgentConfig{{Simulated: true, Resources: "cpus:1;mem:64", Domain: "eu/a"}, {Simulated: true, Resources: "cpus:0.5;mem:64", Domain: "eu/a"}},
		Policy: cluster.Policy{
			OfferTimeout: 100 * time.Millisecond, MinAllocatable: "cpus:1", Roles: []string{"*", "eng"}, Weights: map[string]float64{"eng": 2},
			RateLimits: &mesospb.RateLimits{Limits: []*mesospb.RateLimit{{Principal: proto.String("p"), Qps: proto.Float64(1e6)}}}, RefuseRoot: true,
		},
	})
	resp, err := http.Get("http://" + c.Master() + "/flags")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body struct{ Flags map[string]string }
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	for flag, want := range map[string]string{
		"offer_timeout": "100ms", "roles": "*,eng", "weights": "eng=2", "root_submissions": "false", "registry": "in_memory", "domain": "eu/a",
		"min_allocatable_resources": "cpus:1",
	} {
		if got := body.Flags[flag]; got != want && !(flag == "domain" && strings.Contains(got, `"eu"`)) {
			t.Errorf("--%s is %q, want %q", flag, got, want)
		}
	}
	info := modern("f")
	info.User = proto.String("nobody") // root may not submit
	f := subscribe(t, c, info, codec.Protobuf)
	for range 2 {
		if o := f.offers(); len(o) != 1 { // the other agent is not worth an offer
			t.Errorf("got %v", o)
		}
		f.next(schedulerpb.Event_RESCIND)
	}
}

func TestPoliciesThatCannotBeMeantAreRefused(t *testing.T) {
	for want, cfg := range map[string]cluster.Config{
		"minimum of an offer": {Policy: cluster.Policy{MinAllocatable: "many"}},
		"OfferTimeout":        {Policy: cluster.Policy{OfferTimeout: -1}},
		"weights":             {Policy: cluster.Policy{Weights: map[string]float64{"a": 0}}},
		"qps":                 {Policy: cluster.Policy{RateLimits: &mesospb.RateLimits{AggregateDefaultQps: proto.Float64(0)}}},
		"region/zone":         {Domain: "nowhere"},
	} {
		if c, err := cluster.Start(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
			if c != nil {
				c.Close()
			}
		}
	}
}

// stateOf reads /state of the master.
func stateOf(t *testing.T, c *cluster.Cluster) (state map[string]any) {
	t.Helper()
	resp, err := http.Get("http://" + c.Master() + "/state")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&state); err != nil {
		t.Fatal(err)
	}
	return state
}

func TestStateTellsWhereTheMasterIsAndLogs(t *testing.T) {
	c := start(t, cluster.Config{Agents: []cluster.AgentConfig{}, Domain: "eu/a", LogDir: t.TempDir()})
	s := stateOf(t, c)
	domain, _ := json.Marshal(s["domain"])
	if string(domain) != `{"fault_domain":{"region":{"name":"eu"},"zone":{"name":"a"}}}` || !strings.HasSuffix(s["external_log_file"].(string), "/master.log") {
		t.Errorf("domain %s, log %v", domain, s["external_log_file"])
	}
	c = start(t, cluster.Config{Agents: []cluster.AgentConfig{}})
	if s := stateOf(t, c); s["domain"] != nil || s["external_log_file"] != nil {
		t.Errorf("domain %v, log %v of a master without", s["domain"], s["external_log_file"])
	}
}
