package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/framework"
	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/placement"
	"github.com/mesokit/mesokit/framework/store/bolt"
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
				l, r := launchAndRestart(b, agents, tasks)
				launch, restart = launch+l, restart+r
				n++
			}
			b.ReportMetric(launch.Seconds()/float64(n), "launch-s")
			b.ReportMetric(float64(tasks)*float64(n)/launch.Seconds(), "tasks/s")
			b.ReportMetric(restart.Seconds()/float64(n), "restart-s")
		})
	}
}

func launchAndRestart(b *testing.B, agents, tasks int) (launch, restart time.Duration) {
	c, err := cluster.Start(b.Context(), cluster.Config{Agents: simulatedAgents(agents, 2*tasks/agents)})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	file := filepath.Join(b.TempDir(), "state.db")
	run := func(apps []*app.App, is func(*core.Snapshot) bool) time.Duration {
		began := time.Now()
		db, err := bolt.Open(file, bolt.Config{})
		if err != nil {
			b.Fatal(err)
		}
		defer db.Close()
		f, err := framework.New(framework.Config{Name: "bench", Master: c.Master(), Store: db, Apps: apps,
			Log:  slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelError})),
			Core: core.Config{Book: placement.BookConfig{ReviveEvery: 200 * time.Millisecond}}})
		if err != nil {
			b.Fatal(err)
		}
		ctx, stop := context.WithTimeout(b.Context(), 5*time.Minute)
		defer stop()
		done := make(chan error, 1)
		go func() { done <- f.Run(ctx) }()
		for s := range f.Watch(ctx) {
			if is(s) {
				break
			}
		}
		took := time.Since(began)
		if ctx.Err() != nil {
			b.Fatalf("not done in time; %+v", f.Status())
		}
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) {
			b.Fatal(err)
		}
		return took
	}
	web := app.New("web", "sleep 1000")
	web.Instances = tasks
	web.Resources.CPUs, web.Resources.Mem = 0.1, 8
	launch = run([]*app.App{web}, func(s *core.Snapshot) bool {
		a := s.App("web")
		return a != nil && a.Counts.Up == tasks
	})
	restart = run(nil, func(s *core.Snapshot) bool {
		a := s.App("web")
		return s.Connected && s.Unanswered == 0 && a != nil && a.Counts.Up == tasks
	})
	return launch, restart
}
