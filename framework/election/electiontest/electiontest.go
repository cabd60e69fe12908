// Package electiontest is the conformance suite of framework/election: what an elector must do to be one.
package electiontest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/mesokit/mesokit/framework/election"
	"github.com/mesokit/mesokit/framework/store"
)

// Patience bounds the wait for what should happen soon.
const Patience = 60 * time.Second

// New returns a further elector of one election.
type New func(t *testing.T) election.Elector

// Run holds electors to everything that package election promises, but for what happens when servers fail. each returns a new election.
func Run(t *testing.T, each func(t *testing.T) New) {
	t.Run("the next one leads when the leader leaves", func(t *testing.T) { successions(t, each(t)) })
	t.Run("a leader that gives up may lead again", func(t *testing.T) { again(t, each(t)) })
	t.Run("only one leads", func(t *testing.T) { oneLeads(t, each(t)) })
}

// Candidate is a candidate that remembers what it is told.
type Candidate struct {
	t      *testing.T
	id     string
	cancel context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex
	status  election.Status
	err     error
	seen    []string
	changed chan struct{}
}

// Start runs a candidate until the end of the test, or Leave.
func Start(t *testing.T, e election.Elector, id string) *Candidate {
	t.Helper()
	c := &Candidate{t: t, id: id, done: make(chan struct{}), changed: make(chan struct{})}
	var ctx context.Context
	ctx, c.cancel = context.WithCancel(t.Context())
	info := election.Info{ID: id, URL: "http://" + id + ".example:8080", Labels: map[string]string{"version": "1"}}
	go func() {
		defer close(c.done)
		for s, err := range e.Run(ctx, info) {
			c.mu.Lock()
			c.status, c.err = s, err
			line := "nobody"
			if s.Leader != nil {
				line = s.Leader.ID
			}
			c.seen = append(c.seen, line)
			close(c.changed)
			c.changed = make(chan struct{})
			c.mu.Unlock()
		}
	}()
	t.Cleanup(c.Leave)
	return c
}

// Leave ends the candidacy and waits for it.
func (c *Candidate) Leave() {
	c.cancel()
	<-c.done
}

// await waits until the status is as wanted.
func (c *Candidate) await(what string, ok func(election.Status) bool) election.Status {
	c.t.Helper()
	timeout := time.After(Patience)
	for {
		c.mu.Lock()
		status, err, seen, changed := c.status, c.err, c.seen, c.changed
		c.mu.Unlock()
		if err != nil {
			c.t.Fatalf("%s: %v", c.id, err)
		}
		if len(seen) > 0 && ok(status) {
			return status
		}
		select {
		case <-changed:
		case <-timeout:
			c.t.Fatalf("%s does not %s; it has seen the leaders %v", c.id, what, seen)
		}
	}
}

// Leads waits until the candidate leads.
func (c *Candidate) Leads() *election.Term {
	c.t.Helper()
	return c.await("lead", func(s election.Status) bool {
		return s.Leading() && s.Term.Context().Err() == nil && s.Leader.ID == c.id
	}).Term
}

// Follows waits until the candidate knows that another one leads.
func (c *Candidate) Follows(id string) {
	c.t.Helper()
	s := c.await("follow "+id, func(s election.Status) bool { return !s.Leading() && s.Leader != nil && s.Leader.ID == id })
	if s.Leader.URL != "http://"+id+".example:8080" || s.Leader.Labels["version"] != "1" {
		c.t.Fatalf("%s knows %+v", c.id, *s.Leader)
	}
}

// Ended waits until a term has ended and returns its cause.
func Ended(t *testing.T, term *election.Term) error {
	t.Helper()
	select {
	case <-term.Context().Done():
		return context.Cause(term.Context())
	case <-time.After(Patience):
		t.Fatal("the term goes on")
		return nil
	}
}

func successions(t *testing.T, elector New) {
	var last store.Token
	leader := Start(t, elector(t), "candidate-0")
	for n := 1; n <= 4; n++ {
		term := leader.Leads()
		if term.Token <= last {
			t.Fatalf("token %d after %d", term.Token, last)
		}
		last = term.Token
		next := Start(t, elector(t), fmt.Sprint("candidate-", n))
		next.Follows(leader.id)
		if term.Context().Err() != nil {
			t.Fatal("the term ended for no reason")
		}
		leader.Leave()
		if err := Ended(t, term); !errors.Is(err, context.Canceled) {
			t.Fatalf("the term ended with %v", err)
		}
		leader = next
	}
	leader.Leads()
}

func again(t *testing.T, elector New) {
	e := elector(t)
	var last store.Token
	for range 3 {
		err := election.Lead(t.Context(), e, election.Info{ID: "only"}, nil, func(_ context.Context, term *election.Term) error {
			if term.Token <= last {
				t.Errorf("token %d after %d", term.Token, last)
			}
			last = term.Token
			return errors.New("enough")
		})
		if err == nil || err.Error() != "enough" {
			t.Fatal(err)
		}
	}
}

// oneLeads lets candidates lead for a moment again and again; they never do at the same time, and tokens rise.
func oneLeads(t *testing.T, elector New) {
	const terms = 12
	ctx, enough := context.WithTimeout(t.Context(), Patience)
	defer enough()
	var mu sync.Mutex
	var last store.Token
	leading, count := 0, 0
	lead := func(_ context.Context, term *election.Term) error {
		mu.Lock()
		if leading++; leading != 1 || term.Token <= last {
			t.Errorf("%d lead, with token %d after %d", leading, term.Token, last)
		}
		last = term.Token
		mu.Unlock()
		time.Sleep(5 * time.Millisecond) // work
		mu.Lock()
		defer mu.Unlock()
		leading--
		if count++; count == terms {
			enough()
		}
		return nil
	}
	var wg sync.WaitGroup
	for n := range 3 {
		e := elector(t)
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := election.Lead(ctx, e, election.Info{ID: fmt.Sprint(n)}, nil, lead); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if count < terms {
		t.Fatalf("%d terms only", count)
	}
}

// Overtaken checks the order of a takeover: the former term must be over when the latter leads. unreachable makes the former leader
// lose sight of the servers.
func Overtaken(t *testing.T, former, latter *Candidate, unreachable func()) (*election.Term, *election.Term) {
	t.Helper()
	old := former.Leads()
	latter.Follows(former.id)
	unreachable()
	now := latter.Leads()
	if err := context.Cause(old.Context()); !errors.Is(err, election.ErrLost) {
		t.Fatalf("the latter leads, and the former's term has ended with %v", err)
	}
	if now.Token <= old.Token {
		t.Fatalf("token %d after %d", now.Token, old.Token)
	}
	return old, now
}
