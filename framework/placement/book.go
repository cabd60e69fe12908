package placement

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// BookConfig bounds what a Book does. Zero fields mean the defaults.
type BookConfig struct {
	HoldFor      time.Duration // how long an offer is kept at most, default 10 s
	ShortRefusal time.Duration // refusal of offers that nothing fits now, default 5 s
	WatchRefusal time.Duration // refusal when the role only watches for agents that are new or free again, default 5 min
	LongRefusal  time.Duration // refusal when the role wants nothing, default 1 h
	Settle       time.Duration // an agent that is not offered for so long after it could be has nothing to offer; default 5 s
	ReviveEvery  time.Duration // at most one REVIVE per role in this time, after a burst; default 5 s
	ReviveBurst  int           // REVIVE calls that may follow at once, default 3
	ReviveAgain  time.Duration // repeat REVIVE when work waits this long without any offer; default 1 min, negative: never
	// NoSuppress never asks to SUPPRESS: idle roles only refuse. For masters or proxies that lose or reorder calls, after which a
	// role could stay suppressed although it wants offers.
	NoSuppress bool
}

func (c *BookConfig) setDefaults() {
	for _, d := range []struct {
		value *time.Duration
		unset time.Duration
	}{
		{&c.HoldFor, 10 * time.Second}, {&c.ShortRefusal, 5 * time.Second}, {&c.LongRefusal, time.Hour},
		{&c.WatchRefusal, 5 * time.Minute}, {&c.Settle, 5 * time.Second},
		{&c.ReviveEvery, 5 * time.Second}, {&c.ReviveAgain, time.Minute},
	} {
		if *d.value == 0 {
			*d.value = d.unset
		}
	}
	if c.ReviveBurst <= 0 {
		c.ReviveBurst = 3
	}
}

// Decline is a DECLINE call to make.
type Decline struct {
	OfferIDs []*mesospb.OfferID
	Refuse   time.Duration
}

// Actions are calls that a Book wants made.
type Actions struct {
	Declines []Decline
	Suppress []string // roles, sorted
	Revive   []string // roles, sorted
}

// Empty reports whether there is nothing to do.
func (a *Actions) Empty() bool { return len(a.Declines)+len(a.Suppress)+len(a.Revive) == 0 }

// Book keeps the offers in hand and decides when to give them back, and when to ask for more. It is a pure state machine: time is passed
// in, and the calls to make come out of Step. It is not safe for concurrent use.
//
// Every offer leaves the book within HoldFor of its arrival: taken, rescinded or declined. The offers of one agent leave
// together, by the age of the oldest, so that what goes back is a whole that is of use to others.
type Book struct {
	cfg    BookConfig
	offers map[string]*bookOffer
	list   []*bookOffer // in order of arrival, with some that are gone
	agents map[string]*bookAgent
	roles  map[string]*bookRole
	queue  []expiry // agents by deadline; entries may be outdated
	left   []dueAgent
	past   int  // offers in bookAgent.past
	stale  bool // there are offers to be declined
}

type bookOffer struct {
	*Offer
	unfit bool // to be declined
	aside bool // for as long as if the role only watched
	gone  bool // left the book
}

type bookAgent struct {
	agent    *Agent
	draining bool
	offers   []*bookOffer
	deadline time.Time
	due      map[string]time.Time // by role: from when on the agent could be offered; not while it is in hand
	past     []pastOffer          // declined ones, which probably come again
}

type pastOffer struct {
	*Offer
	until time.Time // it is thought to be worth something
}

// dueAgent is an agent that can be offered again some time after the next Step.
type dueAgent struct {
	agent *bookAgent
	role  string
	after time.Duration
}

type expiry struct {
	agentID string
	at      time.Time
}

// bookRole is what a role wants and has been told.
type bookRole struct {
	name       string
	idle       bool
	watch      bool // wants nothing but agents that are new, or free again
	suppressed bool
	refused    bool      // there may be filters that REVIVE would lift
	revive     bool      // REVIVE is due
	since      time.Time // last offer, REVIVE, or begin of the wait
	arrival    time.Time // theoretical arrival time of the rate limit: REVIVE number n+burst may not come before
	inHand     int
	clean      time.Time // last REVIVE, or the first Step
}

// NewBook returns an empty book.
func NewBook(cfg BookConfig) *Book {
	cfg.setDefaults()
	return &Book{cfg: cfg, offers: map[string]*bookOffer{}, agents: map[string]*bookAgent{}, roles: map[string]*bookRole{}}
}

// Add takes in offers from an OFFERS event. Messages must not be changed any more. An offer that is there already is ignored.
func (b *Book) Add(now time.Time, offers ...*mesospb.Offer) {
	for _, pb := range offers {
		id := pb.GetId().GetValue()
		if b.offers[id] != nil {
			continue
		}
		a := b.agent(pb)
		o := newOffer(pb, a.agent)
		r := b.role(o.Role)
		o.Role, o.Received, o.Draining = r.name, now, a.draining // the role's name of the book outlives the offer
		held := &bookOffer{Offer: o}
		b.offers[id] = held
		b.list = append(b.list, held)
		if len(a.offers) == 0 {
			a.deadline = now.Add(b.cfg.HoldFor)
			b.queue = append(b.queue, expiry{o.Agent.ID, a.deadline})
		}
		a.offers = append(a.offers, held)
		a.learn()
		delete(a.due, o.Role)
		b.passed(a, func(p pastOffer) bool { return p.Role == o.Role })
		r.inHand++
		r.since = now
	}
}

// agent returns the record of the offer's agent, brought up to date.
func (b *Book) agent(pb *mesospb.Offer) *bookAgent {
	seen := AgentOf(pb)
	a := b.agents[seen.ID]
	switch {
	case a == nil:
		a = &bookAgent{agent: seen.detached()}
		b.agents[a.agent.ID] = a
	case a.agent == nil: // drained before its first offer
		a.agent = seen.detached()
	case !sameAgent(a.agent, seen):
		seen.Capacity = a.agent.Capacity
		a.agent = seen.detached()
	}
	return a
}

// learn remembers the most that was ever offered of the agent at one time: it has at least that.
func (a *bookAgent) learn() {
	var sum amounts
	for _, o := range a.offers {
		for d := range sum {
			sum[d] = addUp(sum[d], o.free[d])
		}
	}
	was, now := a.agent.Capacity, sum.scalars()
	most := Amounts{max(was.CPUs, now.CPUs), max(was.Mem, now.Mem), max(was.Disk, now.Disk), max(was.GPUs, now.GPUs)}
	if most == was {
		return
	}
	grown := *a.agent
	grown.Capacity = most
	a.agent = &grown
	for _, o := range a.offers {
		o.Offer = o.withAgent(&grown)
	}
}

// withAgent returns the offer with another view of its agent. The original may be in somebody's hands.
func (o *Offer) withAgent(a *Agent) *Offer {
	n := *o
	n.Agent = a
	return &n
}

func (b *Book) role(name string) *bookRole {
	r := b.roles[name]
	if r == nil {
		r = &bookRole{name: strings.Clone(name)}
		b.roles[r.name] = r
	}
	return r
}

// remove takes an offer out of the book.
func (b *Book) remove(id string) *Offer {
	o := b.offers[id]
	if o == nil {
		return nil
	}
	delete(b.offers, id)
	o.gone = true
	if len(b.list) > 2*len(b.offers)+64 {
		b.list = slices.DeleteFunc(b.list, func(x *bookOffer) bool { return x.gone })
	}
	b.role(o.Role).inHand--
	a := b.agents[o.Agent.ID]
	a.offers = slices.DeleteFunc(a.offers, func(x *bookOffer) bool { return x == o })
	offer := o.Offer
	o.Offer = nil // it may stay in the list for a while
	return offer
}

// Rescind removes an offer that the master took back, and reports whether it was there.
func (b *Book) Rescind(id string) bool {
	o := b.remove(id)
	if o != nil {
		b.left = append(b.left, dueAgent{b.agents[o.Agent.ID], o.Role, 0})
	}
	return o != nil
}

// Take removes offers that are being accepted, and returns those of them that were there.
func (b *Book) Take(ids ...*mesospb.OfferID) []*Offer {
	var taken []*Offer
	for _, id := range ids {
		if o := b.remove(id.GetValue()); o != nil {
			b.roles[o.Role].refused = true // what is left of it comes back with a filter
			a := b.agents[o.Agent.ID]
			b.passed(a, func(p pastOffer) bool { return p.Role == o.Role })
			b.left = append(b.left, dueAgent{a, o.Role, b.cfg.ShortRefusal})
			taken = append(taken, o)
		}
	}
	return taken
}

// Len returns the number of offers in hand.
func (b *Book) Len() int { return len(b.offers) }

// Offer returns an offer in hand by its id, nil if it isn't there.
func (b *Book) Offer(id string) *Offer {
	if o := b.offers[id]; o != nil {
		return o.Offer
	}
	return nil
}

// Offers returns the offers in hand, oldest first, ready for Cycle.Offers. Those that are about to be declined are left out.
func (b *Book) Offers() []*Offer {
	list := make([]*Offer, 0, len(b.offers))
	for _, o := range b.list {
		if !o.gone && !o.unfit {
			list = append(list, o.Offer)
		}
	}
	return list
}

// Of returns the offers of an agent that are in hand.
func (b *Book) Of(agentID string) []*Offer {
	var list []*Offer
	if a := b.agents[agentID]; a != nil {
		for _, o := range a.offers {
			if !o.gone && !o.unfit {
				list = append(list, o.Offer)
			}
		}
	}
	return list
}

// RecentOf is Recent for one agent.
func (b *Book) RecentOf(agentID string, now time.Time) []*Offer {
	list := b.Of(agentID)
	if a := b.agents[agentID]; a != nil {
		for _, p := range a.past {
			if now.Before(p.until) {
				list = append(list, p.Offer)
			}
		}
	}
	return list
}

// Has reports whether there is an offer of the agent in hand.
func (b *Book) Has(agentID string) bool {
	a := b.agents[agentID]
	return a != nil && len(a.offers) > 0
}

// Agent returns what is known of an agent, nil if no offer of it has been seen.
func (b *Book) Agent(id string) *Agent {
	if a := b.agents[id]; a != nil {
		return a.agent
	}
	return nil
}

// Drain marks the agent as being drained, or no longer, for offers in hand and to come.
func (b *Book) Drain(agentID string, draining bool) {
	a := b.agents[agentID]
	if a == nil {
		if !draining {
			return
		}
		a = &bookAgent{}
		b.agents[agentID] = a
	}
	a.draining = draining
	for _, o := range a.offers {
		n := *o.Offer
		n.Draining = draining
		o.Offer = &n
	}
	for i := range a.past {
		n := *a.past[i].Offer
		n.Draining = draining
		a.past[i].Offer = &n
	}
}

// Forget drops the agent, with its offers: it is gone.
func (b *Book) Forget(agentID string) {
	a := b.agents[agentID]
	if a == nil {
		return
	}
	for _, o := range slices.Clone(a.offers) {
		b.remove(o.ID())
	}
	b.past -= len(a.past)
	delete(b.agents, agentID)
}

// Reset drops all offers: after a disconnection the master has done the same. What is known of agents stays. suppressed are the roles that the
// next SUBSCRIBE names as suppressed; the others that want offers are revived, as nobody can say whether filters of before remain.
func (b *Book) Reset(suppressed ...string) {
	clear(b.offers)
	b.list, b.queue, b.left = nil, nil, nil
	for _, a := range b.agents {
		for _, o := range a.offers {
			b.left = append(b.left, dueAgent{a, o.Role, 0})
		}
		for role := range a.due {
			b.left = append(b.left, dueAgent{a, role, 0})
		}
		a.offers, a.past = nil, nil
	}
	b.past = 0
	for name, r := range b.roles {
		r.inHand, r.refused, r.suppressed, r.since = 0, true, slices.Contains(suppressed, name), time.Time{}
		r.revive, r.clean = !r.idle, time.Time{}
	}
	for _, name := range suppressed {
		b.role(name).suppressed = true
	}
}

// Want says that work waits in the role. fresh says that it differs from what earlier offers were refused for (a new application or
// version, a freed constraint), so that filters must be lifted with REVIVE. A role that was idle or watched is always revived, one
// of which nothing was declined or accepted and that was not suppressed never: then there are no filters.
func (b *Book) Want(role string, fresh bool) {
	r := b.role(role)
	if r.suppressed || r.refused && (fresh || r.idle || r.watch) {
		r.revive = true
	}
	if r.idle || r.watch {
		r.idle, r.watch, r.since = false, false, time.Time{}
	}
}

// Watch says that nothing waits in the role now, but that it wants to hear of agents that are new, or that become free: what is in hand is declined for
// WatchRefusal. It is not suppressed.
func (b *Book) Watch(role string) {
	r := b.role(role)
	r.revive = r.revive || r.suppressed // not less: it may be due for what has been told to Want
	r.idle, r.watch = false, true
}

// Awaits reports whether an offer of the agent for the role, if there is none in hand, can still be expected: it was not refused, or that is over for
// less than Settle. Agents of which that is not true have nothing to offer, at least not to this framework. It is meant for Cycle.Awaits.
func (b *Book) Awaits(agentID, role string, now time.Time) bool {
	a := b.agents[agentID]
	if a == nil {
		return false
	}
	if slices.ContainsFunc(a.offers, func(o *bookOffer) bool { return o.Role == role }) ||
		slices.ContainsFunc(b.left, func(l dueAgent) bool { return l.agent == a && l.role == role }) {
		return true
	}
	at, known := a.due[role]
	return known && now.Before(at.Add(b.cfg.Settle))
}

// passed drops what has become of declined offers.
func (b *Book) passed(a *bookAgent, gone func(pastOffer) bool) {
	n := len(a.past)
	a.past = slices.DeleteFunc(a.past, gone)
	b.past += len(a.past) - n
}

// Declined returns how many offers Recent may return beside those in hand.
func (b *Book) Declined() int { return b.past }

// Recent returns the offers in hand, and those that were declined lately and have not come again: what can be had, as far as that is known. It serves
// for explanations, not for launches.
func (b *Book) Recent(now time.Time) []*Offer {
	list := b.Offers()
	for _, id := range slices.Sorted(maps.Keys(b.agents)) {
		a := b.agents[id]
		b.passed(a, func(p pastOffer) bool { return !now.Before(p.until) })
		for _, p := range a.past {
			list = append(list, p.Offer)
		}
	}
	return list
}

// Complete says that the offers in hand and those taken are all that the master can offer the role now, for Cycle.Complete: nothing was declined
// or accepted since the last REVIVE, and that is at least settle ago. 2 s are enough for the master's usual allocation
// interval of 1 s. A caller that wants to know calls Want with fresh, and asks again when Step has revived.
func (b *Book) Complete(role string, now time.Time, settle time.Duration) bool {
	r := b.roles[role]
	return r != nil && !r.idle && !r.suppressed && !r.refused && !r.revive && !r.clean.IsZero() && now.Sub(r.clean) >= settle
}

// Idle says that the role wants nothing: its offers are declined for long, and it is suppressed.
func (b *Book) Idle(role string) {
	r := b.role(role)
	r.idle, r.watch, r.revive = true, false, false
}

// Unfit says that nothing pending fits these offers: Step declines them shortly. Offers for the agents and roles in holds are kept until
// they expire.
func (b *Book) Unfit(offers []*Offer, holds []Hold) {
	for _, o := range offers {
		held := b.offers[o.ID()]
		if held != nil && !slices.ContainsFunc(holds, func(h Hold) bool { return h.AgentID == o.Agent.ID && h.Role == o.Role }) {
			held.unfit, b.stale = true, true
		}
	}
}

// Aside says that whatever waits has no use for these offers, whatever happens on their agents: Step declines them as if their roles only watched.
func (b *Book) Aside(offers []*Offer) {
	for _, o := range offers {
		if held := b.offers[o.ID()]; held != nil {
			held.unfit, held.aside, b.stale = true, true, true
		}
	}
}
