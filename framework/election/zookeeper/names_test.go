package zookeeper

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheFirstCandidateIsTheOneWithTheLowestNumber(t *testing.T) {
	got := candidates([]string{"candidate-0000000010", "log", "candidate-", "candidate-0000000009", "candidate-2147483648", "candidate-x"})
	want := []string{"candidate-0000000009", "candidate-0000000010", "candidate-2147483648"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
}

func TestBadConfigurationsAreRefused(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no servers":      {},
		"no port":         {Servers: []string{"host"}},
		"a relative path": {Servers: []string{"host:1"}, Path: "x"},
		"the root":        {Servers: []string{"host:1"}, Path: "/"},
		"a great margin":  {Servers: []string{"host:1"}, SessionTimeout: 2, Margin: 2},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s passed", name)
		}
	}
}
