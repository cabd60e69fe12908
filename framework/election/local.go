package election

import (
	"context"
	"iter"
	"slices"
	"sync"

	"github.com/mesokit/mesokit/framework/store"
)

// Standalone is the elector of a scheduler without competitors: it leads at once and until the end. Its terms have no fencing
// token of their own (see store.WithFence); a lock, such as that of store/bolt, must keep a second one away.
type Standalone struct{}

// Run implements Elector.
func (Standalone) Run(ctx context.Context, info Info) iter.Seq2[Status, error] {
	return Campaign(ctx, func(ctx context.Context, c *Candidacy) error {
		c.Begin(info, 0)
		<-ctx.Done()
		return nil
	})
}

// Local is an election among candidates of one process: for tests of what is to fail over. Candidates lead in the order in which they came. The
// zero value is ready; it may be used concurrently.
type Local struct {
	mu      sync.Mutex
	term    store.Token // latest
	members []*localCandidate
	changed chan struct{} // closed by the next change; nil if nobody waits
}

// localCandidate is one Run.
type localCandidate struct {
	info   Info
	token  store.Token // of the last term that it knows of
	frozen bool
}

// Run implements Elector. Unlike other electors, one Local may run several candidates.
func (l *Local) Run(ctx context.Context, info Info) iter.Seq2[Status, error] {
	return Campaign(ctx, func(ctx context.Context, c *Candidacy) error {
		me := &localCandidate{info: info}
		l.join(me)
		defer l.leave(me)
		for ctx.Err() == nil {
			leader, token, changed := l.look(me)
			switch {
			case leader == me:
				c.Begin(info, token)
				for now := token; leader == me && now == token && ctx.Err() == nil; leader, now, changed = l.look(me) {
					select {
					case <-changed:
					case <-ctx.Done():
					}
				}
				if ctx.Err() == nil {
					c.End(ctx)
				}
				continue
			case leader != nil:
				c.Follow(&leader.info)
			}
			select {
			case <-changed:
			case <-ctx.Done():
			}
		}
		return nil
	})
}

// Depose takes leadership away from the leader and gives it to the candidate that waits longest; the former leader waits behind the others.
// It returns the former leader's ID, "" if there is none.
func (l *Local) Depose() string { return l.depose(false) }

// Overlap is Depose, but the former leader does not learn of it until Thaw, like a process that was stopped: until then two
// believe that they lead.
func (l *Local) Overlap() string { return l.depose(true) }

// Thaw lets those that were deposed by Overlap learn of it.
func (l *Local) Thaw() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.members {
		m.frozen = false
	}
	l.wake()
}

func (l *Local) depose(freeze bool) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.members) == 0 {
		return ""
	}
	former := l.members[0]
	former.frozen = freeze
	l.members = append(slices.Clone(l.members[1:]), former)
	l.term++
	l.wake()
	return former.info.ID
}

func (l *Local) join(c *localCandidate) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.members = append(l.members, c); len(l.members) == 1 {
		l.term++
	}
	l.wake()
}

func (l *Local) leave(c *localCandidate) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.members, c)
	l.members = slices.Delete(slices.Clone(l.members), i, i+1)
	if i == 0 && len(l.members) > 0 {
		l.term++
	}
	l.wake()
}

// look returns who leads as far as c may know, and when to look again.
func (l *Local) look(c *localCandidate) (leader *localCandidate, token store.Token, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	if c.frozen {
		return c, c.token, l.changed
	}
	if l.members[0] == c {
		c.token = l.term
	}
	return l.members[0], l.term, l.changed
}

func (l *Local) wake() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}
