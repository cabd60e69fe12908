package main

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/mesokit/mesokit/client/operator"
	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/examples/internal/exampletest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheCheapestAgentIsFilledFirst(t *testing.T) {
	// Two tasks of 0.1 cpus fit on each.
	c := exampletest.Cluster(t,
		cluster.AgentConfig{Hostname: "dear", Resources: "cpus:0.2;mem:512", Attributes: "price:3"},
		cluster.AgentConfig{Hostname: "cheap", Resources: "cpus:0.2;mem:512", Attributes: "price:0.1"},
		cluster.AgentConfig{Hostname: "unpriced", Resources: "cpus:0.2;mem:512"},
	)
	exampletest.Run(t, func(ctx context.Context) error { return run(ctx, c.Master(), 5) })
	m, err := operator.NewMaster(operator.MasterConfig{Masters: c.Master()})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	agents, err := m.GetAgents(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	hosts, got := map[string]string{}, map[string]int{}
	for _, a := range agents.GetAgents() {
		hosts[a.GetAgentInfo().GetId().GetValue()] = a.GetAgentInfo().GetHostname()
	}
	for _, task := range exampletest.Until(t, c.Master(), "all run", exampletest.Number(5)) {
		got[hosts[task.GetAgentId().GetValue()]]++
	}
	if diff := cmp.Diff(map[string]int{"cheap": 2, "unpriced": 2, "dear": 1}, got); diff != "" {
		t.Errorf("tasks by host (-want +got)\n%s", diff)
	}
}
