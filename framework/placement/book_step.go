package placement

import (
	"maps"
	"slices"
	"time"

	"github.com/mesokit/mesokit/mesos/codec"
)

// Step returns the calls that are due. Declined offers are out of the book.
func (b *Book) Step(now time.Time) Actions {
	var a Actions
	for _, l := range b.left {
		l.agent.expect(l.role, now.Add(l.after))
	}
	b.left = b.left[:0]
	b.expire(now)
	a.Declines = b.decline(now)
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
			b.expect(name, now)
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
		if r.watch {
			at = at.Add(b.cfg.WatchRefusal)
		}
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
				o.unfit, b.stale = true, true
			}
		}
		b.queue = b.queue[1:]
	}
}

// expect says that all agents can be offered to the role from now on.
func (b *Book) expect(role string, now time.Time) {
	for _, a := range b.agents {
		if at, known := a.due[role]; (!known || now.Before(at)) && !slices.ContainsFunc(a.offers, func(o *bookOffer) bool { return o.Role == role }) {
			a.expect(role, now)
		}
	}
}

func (a *bookAgent) expect(role string, at time.Time) {
	if a.due == nil {
		a.due = map[string]time.Time{}
	}
	a.due[role] = at
}

// decline removes the offers that are unfit, or of roles that are idle or only watch, the oldest first.
func (b *Book) decline(now time.Time) []Decline {
	if !b.stale && !b.unwanted() {
		return nil
	}
	b.stale = false
	var gone []*bookOffer
	for _, o := range b.list {
		if o.gone {
			continue
		}
		if r := b.roles[o.Role]; o.unfit || r.idle || r.watch {
			gone = append(gone, o)
		}
	}
	var declines [3]Decline
	for k, d := range [...]time.Duration{b.cfg.ShortRefusal, b.cfg.WatchRefusal, b.cfg.LongRefusal} {
		declines[k].Refuse = d
	}
	for _, o := range gone {
		r := b.roles[o.Role]
		r.refused = true
		k := 0
		switch {
		case r.idle:
			k = 2
		case r.watch || o.aside:
			k = 1
		}
		d := &declines[k]
		d.OfferIDs = append(d.OfferIDs, o.Proto.GetId())
		offer := b.remove(o.ID())
		a := b.agents[offer.Agent.ID]
		a.expect(offer.Role, now.Add(d.Refuse))
		if !r.idle {
			b.past++
			past := *offer // kept for long, perhaps as the only one of its event
			past.Proto = codec.Detach(past.Proto)
			a.past = append(a.past, pastOffer{&past, now.Add(d.Refuse + b.cfg.HoldFor + b.cfg.Settle)})
		}
	}
	return slices.DeleteFunc(declines[:], func(d Decline) bool { return len(d.OfferIDs) == 0 })
}

// unwanted reports whether there are offers of roles that want none.
func (b *Book) unwanted() bool {
	for _, r := range b.roles {
		if r.inHand > 0 && (r.idle || r.watch) {
			return true
		}
	}
	return false
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
