package election_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/mesokit/mesokit/framework/election"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// candidate runs an elector and remembers what it is told, with the time since the test began.
type candidate struct {
	mu     sync.Mutex
	lines  []string
	term   *election.Term
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

func run(t *testing.T, e election.Elector, id string) *candidate {
	t.Helper()
	c := &candidate{done: make(chan struct{})}
	var ctx context.Context
	ctx, c.cancel = context.WithCancel(t.Context())
	start := time.Now()
	go func() {
		defer close(c.done)
		for s, err := range e.Run(ctx, election.Info{ID: id}) {
			c.mu.Lock()
			line := fmt.Sprint(time.Since(start), " ")
			switch {
			case err != nil:
				line, c.err = line+err.Error(), err
			case s.Leading():
				line += fmt.Sprint("leads with ", s.Term.Token)
			case s.Leader == nil:
				line += "nobody"
			default:
				line += "follows " + s.Leader.ID
			}
			c.lines, c.term = append(c.lines, line), s.Term
			c.mu.Unlock()
		}
	}()
	t.Cleanup(func() { c.cancel(); <-c.done })
	return c
}

// leads returns the context of the present term.
func (c *candidate) leads() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.term.Context()
}

func (c *candidate) want(t *testing.T, lines ...string) {
	t.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if diff := cmp.Diff(lines, c.lines); diff != "" {
		t.Fatalf("(-want +got)\n%s", diff)
	}
}

func TestStandaloneLeadsAtOnceAndUntilTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := run(t, election.Standalone{}, "a")
		c.want(t, "0s leads with 0")
		c.cancel()
		<-c.done
		if cause := context.Cause(c.leads()); !errors.Is(cause, context.Canceled) {
			t.Fatalf("the term ended with %v", cause)
		}
	})
}

func TestLocalCandidatesLeadInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l election.Local
		a := run(t, &l, "a")
		a.want(t, "0s leads with 1")
		b := run(t, &l, "b")
		b.want(t, "0s follows a")
		former := a.leads()
		if l.Depose() != "a" {
			t.Fatal("another one was deposed")
		}
		b.want(t, "0s follows a", "0s leads with 2")
		a.want(t, "0s leads with 1", "0s nobody", "0s follows b")
		if !errors.Is(context.Cause(former), election.ErrLost) {
			t.Fatalf("the term ended with %v", context.Cause(former))
		}
		// Two lead, and the former one does not know.
		l.Overlap()
		a.want(t, "0s leads with 1", "0s nobody", "0s follows b", "0s leads with 3")
		b.want(t, "0s follows a", "0s leads with 2")
		if b.leads().Err() != nil {
			t.Fatal("the frozen leader knows")
		}
		l.Thaw()
		b.want(t, "0s follows a", "0s leads with 2", "0s nobody", "0s follows a")
		a.cancel()
		b.want(t, "0s follows a", "0s leads with 2", "0s nobody", "0s follows a", "0s leads with 4")
	})
}

// lease is a lease on a service that a test controls.
type lease struct {
	mu    sync.Mutex
	err   error
	delay time.Duration
	count int
}

func (l *lease) set(err error, delay time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err, l.delay = err, delay
}

func (l *lease) renewals() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count
}

func (l *lease) renew(ctx context.Context) error {
	l.mu.Lock()
	err, delay := l.err, l.delay
	l.count++
	l.mu.Unlock()
	select {
	case <-time.After(delay):
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// elector holds one lease, of 10 s with a margin of 2 s, and then follows somebody else.
type elector struct {
	*lease
	held chan struct{} // closed when Hold has returned
}

func (e elector) Run(ctx context.Context, info election.Info) iter.Seq2[election.Status, error] {
	return election.Campaign(ctx, func(ctx context.Context, c *election.Candidacy) error {
		c.Hold(ctx, info, election.Lease{Token: 7, TTL: 10 * time.Second, Margin: 2 * time.Second, Granted: time.Now(), Renew: e.renew})
		close(e.held)
		if ctx.Err() == nil {
			c.Follow(&election.Info{ID: "next"})
		}
		<-ctx.Done()
		return nil
	})
}

func TestALeaseIsHeldWhileItIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := elector{new(lease), make(chan struct{})}
		c := run(t, e, "a")
		time.Sleep(time.Hour)
		c.want(t, "0s leads with 7")
		if n := e.renewals(); n < 1000 || n > 1100 {
			t.Fatalf("%d renewals in an hour; want one every 3.3 s", n)
		}
		// Errors that pass, and answers that come late but in time.
		e.set(errors.New("a blip"), 0)
		time.Sleep(3 * time.Second)
		e.set(nil, 2*time.Second)
		time.Sleep(time.Minute)
		c.want(t, "0s leads with 7")
	})
}

// The term ends 8 s after the last renewal was sent, however renewals fail: 2 s before the service would give the lease to another.
func TestATermEndsBeforeTheLeaseCan(t *testing.T) {
	for name, broken := range map[string]struct {
		err   error
		delay time.Duration
	}{
		"errors":   {errors.New("unreachable"), 0},
		"silence":  {nil, time.Hour},
		"slowness": {nil, 8 * time.Second}, // the answer comes when it is too late
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := elector{new(lease), make(chan struct{})}
				c := run(t, e, "a")
				synctest.Wait()
				e.set(broken.err, broken.delay)
				ctx := c.leads()
				time.Sleep(8*time.Second - time.Nanosecond)
				if synctest.Wait(); ctx.Err() != nil {
					t.Fatal("ended too early")
				}
				time.Sleep(time.Nanosecond)
				if synctest.Wait(); !errors.Is(context.Cause(ctx), election.ErrLost) {
					t.Fatalf("after 8 s: %v", context.Cause(ctx))
				}
				c.want(t, "0s leads with 7", "8s nobody", "8s follows next")
			})
		})
	}
}

func TestALeaseThatIsGoneEndsTheTermAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := elector{new(lease), make(chan struct{})}
		c := run(t, e, "a")
		synctest.Wait()
		e.set(fmt.Errorf("removed by hand: %w", election.ErrGone), 0)
		time.Sleep(10*time.Second/3 + 1)
		c.want(t, "0s leads with 7", "3.333333333s nobody", "3.333333333s follows next")
	})
}

func TestALeaseThatWasGrantedTooLateIsNotUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for status, err := range election.Campaign(t.Context(), func(ctx context.Context, c *election.Candidacy) error {
			c.Hold(ctx, election.Info{}, election.Lease{TTL: time.Second, Margin: 500 * time.Millisecond, Granted: time.Now().Add(-time.Second / 2)})
			return errors.New("over")
		}) {
			if status.Leading() || err == nil {
				t.Fatalf("%v, %v", status, err)
			}
		}
	})
}

// A candidate that is leaving leads until its body has returned; only then is the lease given up.
func TestTheLeaseIsKeptUntilTheBodyHasReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := elector{new(lease), make(chan struct{})}
		ctx, cancel := context.WithCancel(t.Context())
		err := election.Lead(ctx, e, election.Info{ID: "a"}, nil, func(ctx context.Context, _ *election.Term) error {
			cancel()
			<-ctx.Done()
			before := e.renewals()
			time.Sleep(time.Minute) // cleaning up
			select {
			case <-e.held:
				t.Error("the lease was given up while the leader cleaned up")
			default:
			}
			if n := e.renewals() - before; n < 15 {
				t.Errorf("%d renewals in a minute", n)
			}
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		<-e.held
	})
}

// Nothing follows the loss of a term before the body that led has returned.
func TestALostTermIsNotFollowedByAnotherBeforeItsBodyHasReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l election.Local
		ctx, cancel := context.WithCancel(t.Context())
		leading := 0
		err := election.Lead(ctx, &l, election.Info{ID: "a"}, nil, func(ctx context.Context, term *election.Term) error {
			if leading++; leading == 2 {
				t.Error("two terms at once")
			}
			if term.Token == 1 {
				l.Depose() // itself: it is the only candidate and leads again
			} else {
				cancel()
			}
			<-ctx.Done()
			time.Sleep(time.Minute)
			leading--
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	})
}

func TestLeadReturnsTheErrorOfALeaderThatGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l election.Local
		broken := errors.New("broken")
		seen := 0
		err := election.Lead(t.Context(), &l, election.Info{ID: "a"}, func(election.Status) { seen++ },
			func(context.Context, *election.Term) error { return broken })
		if !errors.Is(err, broken) || seen != 1 {
			t.Fatalf("%v after %d statuses", err, seen)
		}
		run(t, &l, "b").want(t, "0s leads with 2")
	})
}

func TestAnElectorThatFailsEndsTheLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wrong := errors.New("wrong password")
		var last error
		for _, err := range election.Campaign(t.Context(), func(context.Context, *election.Candidacy) error { return wrong }) {
			last = err
		}
		if !errors.Is(last, wrong) {
			t.Fatal(last)
		}
	})
}
