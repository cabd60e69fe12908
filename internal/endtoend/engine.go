package endtoend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/framework"
	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/placement"
	"github.com/mesokit/mesokit/framework/store/bolt"
)

// enginePatience bounds each half of Engine.
const enginePatience = 5 * time.Minute

// EngineConfig of Engine.
type EngineConfig struct {
	// Tasks on Agents simulated agents, which have room for twice as many.
	Tasks, Agents int
	// Dir is where the state is kept.
	Dir string
}

// EngineResult is what Engine measured.
type EngineResult struct {
	// Launch is from the start of a scheduler with an application of so many instances until all are reported as running, recorded in
	// a bolt file, and all updates are acknowledged.
	Launch time.Duration
	// Restart is from the start of a second scheduler on that state until it has heard of all tasks.
	Restart time.Duration
}

// Engine measures the whole engine.
func Engine(ctx context.Context, cfg EngineConfig) (result EngineResult, err error) {
	c, err := cluster.Start(ctx, cluster.Config{Agents: SimulatedAgents(cfg.Agents, max(1, 2*cfg.Tasks/cfg.Agents))})
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	file := filepath.Join(cfg.Dir, "state.db")
	web := app.New("web", "sleep 1000")
	web.Instances = cfg.Tasks
	web.Resources.CPUs, web.Resources.Mem = 0.1, 8
	up := func(s *core.Snapshot) bool {
		a := s.App("web")
		return a != nil && a.Counts.Up == cfg.Tasks
	}
	if result.Launch, err = runUntil(ctx, c.Master(), file, []*app.App{web}, up); err != nil {
		return result, err
	}
	result.Restart, err = runUntil(ctx, c.Master(), file, nil, func(s *core.Snapshot) bool { return s.Connected && s.Unanswered == 0 && up(s) })
	return result, err
}

// runUntil runs a scheduler until its state is as wanted, and returns how long that took.
func runUntil(ctx context.Context, master, file string, apps []*app.App, is func(*core.Snapshot) bool) (time.Duration, error) {
	began := time.Now()
	db, err := bolt.Open(file, bolt.Config{})
	if err != nil {
		return 0, err
	}
	defer db.Close()
	f, err := framework.New(framework.Config{Name: "bench", Master: master, Store: db, Apps: apps, Log: slog.New(slog.DiscardHandler),
		Core: core.Config{Book: placement.BookConfig{ReviveEvery: 200 * time.Millisecond}}})
	if err != nil {
		return 0, err
	}
	ctx, stop := context.WithTimeout(ctx, enginePatience)
	defer stop()
	done := make(chan error, 1)
	go func() {
		defer stop()
		done <- f.Run(ctx)
	}()
	reached := false
	for s := range f.Watch(ctx) {
		if reached = is(s); reached {
			break
		}
	}
	took := time.Since(began)
	status := f.Status()
	stop()
	err = <-done
	if !reached {
		return 0, fmt.Errorf("the engine did not get there: %w; %+v", err, status)
	}
	if !errors.Is(err, context.Canceled) {
		return 0, err
	}
	return took, nil
}
