package placement

import (
	"maps"
	"slices"
	"time"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// Step returns the calls that are due. Declined offers are out of the book.
func (b *Book) Step(now time.Time) Actions {
	var a Actions
	b.expire(now)
	a.Declines = b.decline()
	for _, name := range slices.Sorted(maps.Keys(b.roles)) {
		r := b.roles[name]
		switch {
		case r.idle:
			if !r.suppressed && !b.cfg.NoSuppress {
				r.suppressed = true
				a.Suppress = append(a.Suppress, name)
			}
			continue
		case r.since.IsZero():
			r.since = now
		}
		if r.clean.IsZero() {
			r.clean = now
		}
		if at, due := b.reviveAt(r); due && !now.Before(at) {
			a.Revive = append(a.Revive, name)
			r.revive, r.suppressed, r.refused, r.since = false, false, false, now
			r.clean = now
			if r.arrival.Before(now) {
				r.arrival = now
			}
			r.arrival = r.arrival.Add(b.cfg.ReviveEvery)
		}
	}
	return a
}

// reviveAt returns when a role that wants offers should be revived, if at all.
func (b *Book) reviveAt(r *bookRole) (at time.Time, due bool) {
	if !r.revive {
		if b.cfg.ReviveAgain < 0 || r.inHand > 0 || r.since.IsZero() {
			return at, false
		}
		at = r.since.Add(b.cfg.ReviveAgain)
	}
	// The rate limit has the last word.
	if allowed := r.arrival.Add(-time.Duration(b.cfg.ReviveBurst-1) * b.cfg.ReviveEvery); !r.arrival.IsZero() && allowed.After(at) {
		at = allowed
	}
	return at, true
}

// expire marks the offers of agents whose time is up.
func (b *Book) expire(now time.Time) {
	for len(b.queue) > 0 && !now.Before(b.queue[0].at) {
		if a := b.agents[b.queue[0].agentID]; a != nil && a.deadline.Equal(b.queue[0].at) {
			for _, o := range a.offers {
				o.unfit = true
			}
		}
		b.queue = b.queue[1:]
	}
}

// decline removes the offers that are unfit or of idle roles, the oldest first.
func (b *Book) decline() []Decline {
	var gone []*bookOffer
	for _, o := range b.list {
		if !o.gone && (o.unfit || b.roles[o.Role].idle) {
			gone = append(gone, o)
		}
	}
	var short, long []*mesospb.OfferID
	for _, o := range gone {
		r := b.roles[o.Role]
		r.refused = true
		if r.idle {
			long = append(long, o.Proto.GetId())
		} else {
			short = append(short, o.Proto.GetId())
		}
		b.remove(o.ID())
	}
	var list []Decline
	if len(short) > 0 {
		list = append(list, Decline{short, b.cfg.ShortRefusal})
	}
	if len(long) > 0 {
		list = append(list, Decline{long, b.cfg.LongRefusal})
	}
	return list
}

// Next returns when Step has something to do again, zero if only new input makes that happen. It is meant to be asked after Step.
func (b *Book) Next() time.Time {
	var next time.Time
	sooner := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	for len(b.queue) > 0 {
		e := b.queue[0]
		if a := b.agents[e.agentID]; a != nil && len(a.offers) > 0 && a.deadline.Equal(e.at) {
			sooner(e.at)
			break
		}
		b.queue = b.queue[1:] // its offers are gone
	}
	for _, r := range b.roles {
		if at, due := b.reviveAt(r); due && !r.idle {
			sooner(at)
		}
	}
	return next
}
