package scheduler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Errors of Sessions.
var (
	// ErrNameTaken: a session of that name runs already.
	ErrNameTaken = errors.New("a session of this name runs already")
	// ErrNoSession: no session of that name runs.
	ErrNoSession = errors.New("no session of this name runs")
)

// Sessions runs sessions in the background under names, each of which is there once at a time. The zero value
// is empty; it is safe for concurrent use. Who owns it waits for its sessions with Close, or for each with
// Stop.
type Sessions struct {
	mu      sync.Mutex
	running map[string]*Session
	wg      sync.WaitGroup
}

// Start runs a new session in a goroutine, until it stops as Session.Run says.
func (g *Sessions) Start(ctx context.Context, cfg SessionConfig) (*Session, error) {
	s, err := NewSession(cfg)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, ok := g.getLocked(s.Name()); ok {
		return nil, fmt.Errorf("session %q: %w", s.Name(), ErrNameTaken)
	}
	if g.running == nil {
		g.running = make(map[string]*Session)
	}
	g.running[s.Name()] = s
	g.wg.Go(func() {
		_, _ = s.Run(ctx) // for Session.Result
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.running[s.Name()] == s { // and not one that has followed it
			delete(g.running, s.Name())
		}
	})
	return s, nil
}

// Get returns the running session of a name.
func (g *Sessions) Get(name string) (s *Session, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.getLocked(name)
}

// getLocked leaves out a session that has ended already: whoever has waited for its end may use its name.
func (g *Sessions) getLocked(name string) (s *Session, ok bool) {
	if s = g.running[name]; s == nil {
		return nil, false
	}
	select {
	case <-s.Done():
		return nil, false
	default:
		return s, true
	}
}

// Names returns the names of the running sessions, sorted.
func (g *Sessions) Names() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var names []string
	for name := range g.running {
		if _, ok := g.getLocked(name); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Stop stops the session of a name and waits for its end; the error is that of the session, or ErrNoSession. It
// must not be called by the session's own handler, which would wait for itself; Session.Stop is for that.
func (g *Sessions) Stop(name string) error {
	s, ok := g.Get(name)
	if !ok {
		return fmt.Errorf("session %q: %w", name, ErrNoSession)
	}
	s.Stop(nil)
	_, err := s.Result()
	return err
}

// Close stops all sessions and waits for their end.
func (g *Sessions) Close() {
	g.mu.Lock()
	for _, s := range g.running {
		s.Stop(nil)
	}
	g.mu.Unlock()
	g.wg.Wait()
}
