package agent

import (
	"context"
	"testing"
)

// BenchmarkAgent is the start of an agent that only simulates, until it is registered. Its memory is what each
// of many agents costs.
func BenchmarkAgent(b *testing.B) {
	m := newTestMaster(b)
	b.ReportAllocs()
	var agents []*Agent
	for b.Loop() {
		a, err := New(Config{Master: m, Resources: "cpus:4;mem:2048;disk:4096;ports:[31000-32000]", Runner: simulateAll})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := a.ID(context.Background()); err != nil {
			b.Fatal(err)
		}
		agents = append(agents, a)
	}
	b.StopTimer()
	for _, a := range agents {
		if err := a.Kill(); err != nil {
			b.Error(err)
		}
	}
}
