package framework_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/framework"
	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/core/replay"
	"github.com/mesokit/mesokit/framework/placement"
	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/framework/store/memory"
)

func TestMain(m *testing.M) {
	if os.Getenv(testExecutor) != "" {
		if err := runExecutor(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// patience bounds every wait of these tests; it only passes if something is wrong.
const patience = 60 * time.Second

func start(t *testing.T) *cluster.Cluster {
	t.Helper()
	c, err := cluster.Start(t.Context(), cluster.Config{Agents: cluster.Agents(2, cluster.AgentConfig{Resources: "cpus:4;mem:1024"})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// running is a framework under test.
type running struct {
	*framework.Framework
	t    *testing.T
	stop context.CancelCauseFunc
	done chan error
}

var errStopped = errors.New("stopped by the test")

func run(t *testing.T, cfg framework.Config) *running {
	t.Helper()
	if cfg.Name == "" {
		cfg.Name = "test"
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	f, err := framework.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancelCause(context.Background())
	r := &running{f, t, stop, make(chan error, 1)}
	go func() { r.done <- f.Run(ctx) }()
	t.Cleanup(r.end)
	return r
}

// end stops the framework as a signal would.
func (r *running) end() {
	r.stop(errStopped)
	if err := <-r.done; err != nil && !errors.Is(err, errStopped) {
		r.t.Errorf("Run: %v", err)
	}
	r.done <- errStopped
}

// until waits for a state.
func (r *running) until(what string, is func(*core.Snapshot) bool) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	for s := range r.Watch(ctx) {
		if is(s) {
			return
		}
	}
	s := r.Snapshot()
	for _, a := range s.Apps {
		r.t.Logf("%s: %+v", a.Name, a.Counts)
		for i := range a.All() {
			r.t.Logf("%s/%d: %+v", i.App, i.Index, s.Why(i.App, i.Index))
		}
	}
	r.t.Fatalf("waited in vain until %s; %+v, %d unanswered, orphans %v", what, r.Status(), s.Unanswered, s.Orphans)
}

func up(name string, n int) (string, func(*core.Snapshot) bool) {
	return name + " is up", func(s *core.Snapshot) bool {
		a := s.App(name)
		return a != nil && a.Counts.Up == n && a.Counts.Instances == n
	}
}

func (r *running) do(c core.Command) string {
	r.t.Helper()
	text, err := r.Do(r.t.Context(), c)
	if err != nil {
		r.t.Fatalf("%T: %v", c, err)
	}
	return text
}

func tasks(s *core.Snapshot, name string) (ids []string) {
	for i := range s.App(name).All() {
		if task := i.Live(); task != nil {
			ids = append(ids, task.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

func service(name string, instances int) *app.App {
	a := app.New(name, "sleep 1000")
	a.Instances = instances
	return a
}

func TestAServiceRunsIsScaledRestartedAndRemoved(t *testing.T) {
	c := start(t)
	r := run(t, framework.Config{Master: c.Master(), Apps: []*app.App{service("web", 2)}})
	r.until(up("web", 2))
	before := tasks(r.Snapshot(), "web")

	r.do(core.RestartInstance{App: "web", Index: 0})
	r.until("an instance is another task", func(s *core.Snapshot) bool {
		_, isUp := up("web", 2)
		return isUp(s) && !slices.Equal(tasks(s, "web"), before)
	})
	r.do(core.Scale{App: "web", Instances: 3})
	r.until(up("web", 3))
	r.do(core.Scale{App: "web", Instances: 1})
	r.until(up("web", 1))

	if _, err := r.Do(t.Context(), core.Scale{App: "nobody", Instances: 1}); !errors.Is(err, core.ErrNoApp) {
		t.Errorf("scaling an unknown application: %v", err)
	}
	r.do(core.Uninstall{})
	if err := <-r.done; err != nil {
		t.Errorf("Run after Uninstall: %v", err)
	}
	r.done <- nil
	if _, err := r.Do(t.Context(), core.Uninstall{}); !errors.Is(err, framework.ErrNotRunning) {
		t.Errorf("a command after the end: %v", err)
	}
}

func TestAnotherProcessGoesOnWhereTheLastOneWas(t *testing.T) {
	c := start(t)
	db := memory.New()
	defer db.Close()
	first := run(t, framework.Config{Master: c.Master(), Store: db, Apps: []*app.App{service("web", 3)}})
	first.until(up("web", 3))
	before := tasks(first.Snapshot(), "web")
	id := first.Snapshot().FrameworkID
	first.end()

	second := run(t, framework.Config{Master: c.Master(), Store: db})
	second.until("it is subscribed and has heard of its tasks", func(s *core.Snapshot) bool { return s.Connected && s.Unanswered == 0 })
	second.do(core.Scale{App: "web", Instances: 4})
	second.until(up("web", 4))
	s := second.Snapshot()
	if s.FrameworkID != id {
		t.Errorf("framework %s, was %s", s.FrameworkID, id)
	}
	after := tasks(s, "web")
	for _, task := range before {
		if !slices.Contains(after, task) {
			t.Errorf("task %s was replaced; now %v", task, after)
		}
	}
}

func TestALostStateIsAskedAboutAndNothingIsKilled(t *testing.T) {
	c := start(t)
	first := run(t, framework.Config{Master: c.Master(), Apps: []*app.App{service("web", 2)}})
	first.until(up("web", 2))
	id := first.Snapshot().FrameworkID
	first.end()

	second := run(t, framework.Config{Master: c.Master()}) // the state was in memory
	second.until("it stands guard", func(s *core.Snapshot) bool { return s.Guard != nil })
	if g := second.Snapshot().Guard; g.FrameworkID != id || g.Tasks != 2 {
		t.Errorf("guard: %+v", g)
	}
	if _, err := second.Do(t.Context(), core.Submit{App: service("other", 1)}); !errors.Is(err, core.ErrGuarded) {
		t.Errorf("submitting under guard: %v", err)
	}
	second.do(core.Resolve{FrameworkID: id, Choice: core.ResolveAdopt})
	second.until("the tasks are reported", func(s *core.Snapshot) bool { return s.Connected && len(s.Orphans) == 2 })
	second.do(core.Submit{App: service("web", 0)})
	for _, o := range second.Snapshot().Orphans {
		second.do(core.Adopt{TaskID: o.TaskID, App: "web", Index: -1, Grow: true})
	}
	second.until(up("web", 2))
	if n := len(second.Snapshot().Orphans); n != 0 {
		t.Errorf("%d orphans are left", n)
	}
}

// brokenStore fails commits while it is broken.
type brokenStore struct {
	store.Store
	broken chan bool // holds whether
}

func (b *brokenStore) Commit(ctx context.Context, batch store.Batch) (store.Revision, error) {
	broken := <-b.broken
	b.broken <- broken
	if broken {
		return 0, io.ErrShortWrite
	}
	return b.Store.Commit(ctx, batch)
}

func TestNothingIsLaunchedWhileTheStoreFails(t *testing.T) {
	c := start(t)
	db := &brokenStore{memory.New(), make(chan bool, 1)}
	defer db.Close()
	db.broken <- false
	r := run(t, framework.Config{Master: c.Master(), Store: db})
	r.until("it is subscribed", func(s *core.Snapshot) bool { return s.Connected })
	<-db.broken
	db.broken <- true
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := r.Do(ctx, core.Submit{App: service("web", 1)}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a submission that cannot be stored was answered: %v", err)
	}
	if s := r.Status(); s.Trouble == "" {
		t.Error("the status says nothing of the trouble")
	}
	<-db.broken
	db.broken <- false
	r.until(up("web", 1))
	if s := r.Status(); s.Trouble != "" {
		t.Errorf("the trouble is over, and the status still tells of it: %s", s.Trouble)
	}
}

func TestConfigurationsThatMakeNoSenseAreRefused(t *testing.T) {
	for name, cfg := range map[string]framework.Config{
		"no name":   {Master: "127.0.0.1:5050"},
		"no master": {Name: "x"},
		"bad app":   {Name: "x", Master: "127.0.0.1:5050", Apps: []*app.App{{Name: "a/b"}}},
		"twice":     {Name: "x", Master: "127.0.0.1:5050", Apps: []*app.App{service("a", 1), service("a", 1)}},
		"negative":  {Name: "x", Master: "127.0.0.1:5050", FailoverTimeout: -1},
	} {
		if _, err := framework.New(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		} else {
			t.Log(err)
		}
	}
}

// recorder is a file that can be read when it is closed.
type recorder struct {
	bytes.Buffer
	closed chan struct{}
}

func (r *recorder) Close() error {
	close(r.closed)
	return nil
}

func TestWhatIsRecordedIsReplayedWithoutADifference(t *testing.T) {
	c := start(t)
	file := &recorder{closed: make(chan struct{})}
	r := run(t, framework.Config{Master: c.Master(), Apps: []*app.App{service("web", 2)}, Record: func() (io.WriteCloser, error) { return file, nil }})
	r.until(up("web", 2))
	r.do(core.Scale{App: "web", Instances: 1})
	r.until(up("web", 1))
	r.end()
	<-file.closed
	report, err := replay.Replay(t.Context(), &file.Buffer, core.Config{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if report.Applies < 3 || len(report.Differences) > 0 {
		t.Errorf("%+v", report)
	}
}

func TestAMasterThatIsBusyOrRefusesLosesNothing(t *testing.T) {
	for _, rule := range []string{
		"call answer status=503 type=ACCEPT count=3", "call answer status=429 type=DECLINE count=3", "call answer status=400 type=ACCEPT count=2",
		"call answer status=503 type=ACKNOWLEDGE count=3", "call reset type=ACCEPT count=1", "call lose type=ACCEPT count=1",
	} {
		t.Run(rule, func(t *testing.T) {
			c := start(t)
			if _, err := c.Faults().AddText(rule); err != nil {
				t.Fatal(err)
			}
			quick := core.Config{Book: placement.BookConfig{ReviveEvery: 20 * time.Millisecond, ReviveAgain: 100 * time.Millisecond, ShortRefusal: 10 * time.Millisecond}, LaunchTimeout: time.Second, ReconcileRetry: 100 * time.Millisecond}
			web := service("web", 3)
			web.Retry = &app.Retry{Time: app.Duration(10 * time.Millisecond)}
			r := run(t, framework.Config{Master: c.Master(), Apps: []*app.App{web}, Core: quick})
			r.until(up("web", 3))
		})
	}
}
