package bench

import (
	"fmt"
	"testing"
	"time"

	"github.com/mesokit/mesokit/internal/endtoend"
)

// BenchmarkFramework measures the engine end to end: an application with 50,000 instances, from its submission until all are reported as running,
// the records are in a bolt file and all updates acknowledged, on 1,000 simulated agents in the same process; and then the time from the start
// of a second scheduler on the same state until it has heard of all tasks. Budget: 10 s for the first, 5 s for the second with 100,000.
func BenchmarkFramework(b *testing.B) {
	const agents = 1000
	for _, tasks := range []int{50_000, 100_000} {
		b.Run(fmt.Sprintf("tasks=%d", tasks), func(b *testing.B) {
			var launch, restart time.Duration
			n := 0
			for b.Loop() {
				r, err := endtoend.Engine(b.Context(), endtoend.EngineConfig{Tasks: tasks, Agents: agents, Dir: b.TempDir()})
				if err != nil {
					b.Fatal(err)
				}
				launch, restart = launch+r.Launch, restart+r.Restart
				n++
			}
			b.ReportMetric(launch.Seconds()/float64(n), "launch-s")
			b.ReportMetric(float64(tasks)*float64(n)/launch.Seconds(), "tasks/s")
			b.ReportMetric(restart.Seconds()/float64(n), "restart-s")
		})
	}
}
