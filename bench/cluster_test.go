package bench

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/mesokit/mesokit/internal/endtoend"
)

// BenchmarkStartToFirstOffer measures from cluster.Start with three agents to the first OFFERS
// event of a scheduler that subscribes when Start has returned. Budget: 50 ms.
func BenchmarkStartToFirstOffer(b *testing.B) {
	for b.Loop() {
		s, err := endtoend.Start(b.Context(), endtoend.StartConfig{Agents: endtoend.SmallAgents()})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer() // closing is not part of it
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// BenchmarkRunTrue measures the process `mesokit run -- true` from start to exit: an embedded
// cluster, a framework, a task, its end, and cleaning up.
func BenchmarkRunTrue(b *testing.B) {
	mesokit := filepath.Join(b.TempDir(), "mesokit")
	if out, err := exec.Command("go", "build", "-o", mesokit, "../cmd/mesokit").CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	for b.Loop() {
		if out, err := exec.Command(mesokit, "run", "--", "true").CombinedOutput(); err != nil {
			b.Fatalf("run: %v\n%s", err, out)
		}
	}
}
