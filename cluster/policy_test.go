package cluster

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mesokit/mesokit/cluster/allocator"
)

func TestParseMinAllocatable(t *testing.T) {
	for text, want := range map[string][]allocator.Quantities{
		"":                       nil,
		"|":                      {},
		"cpus:0.01|mem:32":       {{"cpus": 10}, {"mem": 32000}},
		"cpus:1;mem:64 | gpus:1": {{"cpus": 1000, "mem": 64000}, {"gpus": 1000}},
	} {
		got, err := ParseMinAllocatable(text)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%q: %v (-want +got)\n%s", text, err, diff)
		}
	}
	for _, text := range []string{"cpus", "cpus:1|", "ports:[1-2]", "cpus:1;cpus:2", "cpus:-1"} {
		if got, err := ParseMinAllocatable(text); err == nil || !strings.Contains(err.Error(), "minimum of an offer") {
			t.Errorf("%q became %v (%v)", text, got, err)
		}
	}
}

func FuzzParseMinAllocatable(f *testing.F) {
	for _, s := range []string{"", "|", "cpus:0.01|mem:32", "cpus:1;mem:2", "[{}]", "a:{b}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		sets, err := ParseMinAllocatable(text)
		for _, s := range sets {
			if err != nil || len(s) == 0 {
				t.Fatalf("%q became %v (%v)", text, sets, err)
			}
		}
	})
}

func TestTheMasterIsWhereItsFirstAgentIs(t *testing.T) {
	for _, tc := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, ""},
		{Config{Agents: []AgentConfig{{}, {Domain: "eu/b"}, {Domain: "us/a"}}}, "eu/b"},
		{Config{Domain: "us/x", Agents: []AgentConfig{{Domain: "eu/b"}}}, "us/x"},
	} {
		if d, err := tc.cfg.domain(); FormatDomain(d) != tc.want || err != nil {
			t.Errorf("%v (%v), want %s", d, err, tc.want)
		}
	}
}
