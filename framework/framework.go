package framework

import (
	"context"
	"errors"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/election"
	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/framework/store/memory"
)

// Framework keeps applications running on Mesos. Its methods may be called from any goroutine.
type Framework struct {
	cfg     Config
	hub     *hub
	metrics *metrics
	spans   spans

	commandPatience, brokenPatience time.Duration // see the constants; other ones in tests

	started atomic.Bool
	snap    atomic.Pointer[core.Snapshot]

	mu     sync.Mutex
	term   *term // nil while this process does not lead
	status Status
	// troubles by where they come from: what Status.Trouble is made of.
	troubles map[string]string
	changed  chan struct{} // closed with the next change of snapshot or status
}

// Status says how this process stands.
type Status struct {
	// Running: Run has begun and not ended.
	Running bool `json:"running"`
	// Leading: this process acts.
	Leading bool `json:"leading"`
	// Leader, if known; it may be this process.
	Leader *election.Info `json:"leader,omitempty"`
	// Master that the framework is subscribed to, "" if it is not.
	Master string `json:"master,omitempty"`
	// Trouble is what keeps the framework from working, such as a store or master that cannot be reached. "" if there is none.
	Trouble string `json:"trouble,omitempty"`
	// Stalled says why this process will not go on by itself, so that it should be restarted; "" while it works, or may again.
	Stalled string `json:"stalled,omitempty"`
}

// New checks a configuration and returns the framework, which does nothing before Run.
func New(cfg Config) (*Framework, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	f := &Framework{cfg: cfg, hub: newHub(cfg.NoteHistory), spans: newSpans(cfg.Traces), changed: make(chan struct{}),
		troubles: map[string]string{}, commandPatience: commandPatience, brokenPatience: brokenPatience}
	f.snap.Store(&core.Snapshot{})
	m, err := newMetrics(cfg.Metrics, f)
	if err != nil {
		return nil, err
	}
	f.metrics = m
	return f, nil
}

// Run takes part in the election and acts while it leads, until ctx ends, whose cause it returns; the framework stays
// registered then, and its tasks run on. After Uninstall it returns nil. Other errors are those that will not pass: of the
// store, the election, or a subscription that the master refuses.
func (f *Framework) Run(ctx context.Context) error {
	if f.started.Swap(true) {
		return ErrStarted
	}
	f.set(func(s *Status) { s.Running = true })
	defer f.set(func(s *Status) { *s = Status{} })
	defer f.metrics.unregister()

	db := f.cfg.Store
	if db == nil {
		db = memory.New()
		defer func() { _ = db.Close() }()
		f.cfg.Log.Warn("no store is configured: what runs is forgotten when this process ends")
	}
	lead := func(ctx context.Context, fence store.Token) error {
		fenced, err := store.WithFence(ctx, db, fence)
		if err != nil {
			return err
		}
		return f.lead(ctx, fenced)
	}
	if f.cfg.Elector == nil {
		f.observe(election.Status{Leader: &f.cfg.Info})
		return f.result(ctx, lead(ctx, 0))
	}
	return f.result(ctx, election.Lead(ctx, f.cfg.Elector, f.cfg.Info, f.observe, func(ctx context.Context, t *election.Term) error {
		return lead(ctx, t.Token)
	}))
}

// errUninstalled ends a term after the framework has been removed.
var errUninstalled = errors.New("the framework is uninstalled")

func (f *Framework) result(ctx context.Context, err error) error {
	if errors.Is(err, errUninstalled) {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (f *Framework) observe(s election.Status) {
	leader := s.Leader
	if leader != nil && leader.ID == f.cfg.Info.ID {
		leader = nil // not before it acts: nobody is to be sent here in vain
	}
	f.set(func(st *Status) { st.Leader = leader })
	if s.Leader != nil && s.Term == nil && f.cfg.Elector != nil {
		f.cfg.Log.Info("another scheduler leads", "leader", s.Leader.ID, "url", s.Leader.URL)
	}
}

func (f *Framework) set(change func(*Status)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.status)
	f.changedLocked()
}

func (f *Framework) changedLocked() {
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *Framework) publish(s *core.Snapshot) {
	f.snap.Store(s)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changedLocked()
}

// Status returns how this process stands.
func (f *Framework) Status() Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.status
}

// Snapshot returns the state of the engine as it was last stored. While another process leads it is what this one knew last, or
// empty; see Status. It may be kept and read without any lock.
func (f *Framework) Snapshot() *core.Snapshot { return f.snap.Load() }

// Watch yields the snapshot and the status as they are and whenever they have changed, until ctx ends. A slow reader misses what was
// overtaken, never the latest.
func (f *Framework) Watch(ctx context.Context) iter.Seq2[*core.Snapshot, Status] {
	return func(yield func(*core.Snapshot, Status) bool) {
		for ctx.Err() == nil {
			f.mu.Lock()
			changed, status := f.changed, f.status
			f.mu.Unlock()
			if !yield(f.Snapshot(), status) {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
			}
		}
	}
}

// Do gives the engine a command and returns, when its effects are stored, what is going to happen. The error is one of the
// core's (core.ErrNoApp, …), a *NotLeadingError, ErrNotRunning, ErrInterrupted, a *StalledError, or the cause of the end of ctx; after
// the latter three the command may have been carried out, or may yet be.
//
// The application of a core.Submit is completed here; an error of that is an app.Errors.
func (f *Framework) Do(ctx context.Context, c core.Command) (string, error) {
	if s, ok := c.(core.Submit); ok {
		if err := s.App.Complete(); err != nil {
			return "", err
		}
	}
	f.mu.Lock()
	t, status := f.term, f.status
	f.mu.Unlock()
	switch {
	case t != nil:
		return t.do(ctx, c)
	case status.Running:
		return "", &NotLeadingError{Leader: status.Leader}
	}
	return "", ErrNotRunning
}
