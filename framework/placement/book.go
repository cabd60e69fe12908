package placement

import (
	"time"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// BookConfig bounds what a Book does. Zero fields mean the defaults.
type BookConfig struct {
	HoldFor      time.Duration // how long an offer is kept at most, default 10 s
	ShortRefusal time.Duration // refusal of offers that nothing fits now, default 5 s
	LongRefusal  time.Duration // refusal when the role wants nothing, default 1 h
	ReviveEvery  time.Duration // at most one REVIVE per role in this time, after a burst; default 5 s
	ReviveBurst  int           // REVIVE calls that may follow at once, default 3
	ReviveAgain  time.Duration // repeat REVIVE when work waits this long without any offer; default 1 min, negative: never
	NoSuppress   bool          // never SUPPRESS: only refuse
}

// Decline is a DECLINE call to make.
type Decline struct {
	OfferIDs []*mesospb.OfferID
	Refuse   time.Duration
}

// Actions are calls that a Book wants made.
type Actions struct {
	Declines []Decline
	Suppress []string // roles
	Revive   []string // roles
}

// Book keeps the offers in hand and decides when to give them back, and when to ask for more. It is a pure state machine: time is passed
// in, and the calls to make come out of Step. It is not safe for concurrent use.
type Book struct{ cfg BookConfig }

// NewBook returns an empty book.
func NewBook(cfg BookConfig) *Book { return &Book{cfg: cfg} }

// Add takes in offers from an OFFERS event.
func (b *Book) Add(now time.Time, offers ...*mesospb.Offer) {}

// Rescind removes an offer that the master took back, and reports whether it was there.
func (b *Book) Rescind(id string) bool { return false }

// Take removes offers that are being accepted, and returns those of them that were there.
func (b *Book) Take(ids ...*mesospb.OfferID) []*Offer { return nil }

// Offers returns the offers in hand, oldest first, ready for Cycle.Offers.
func (b *Book) Offers() []*Offer { return nil }

// Drain marks the agent as being drained, or no longer, for offers in hand and to come.
func (b *Book) Drain(agentID string, draining bool) {}

// Forget drops the agent, with its offers: it is gone.
func (b *Book) Forget(agentID string) {}

// Reset drops all offers and what was asked for: after a disconnection the master has done the same. suppressed are the roles
// that the new SUBSCRIBE names as suppressed.
func (b *Book) Reset(suppressed ...string) {}

// Want says that work waits in the role. fresh says that it differs from what the refused offers were refused
// for (a new application or version, a freed constraint), so that filters must be lifted with REVIVE.
func (b *Book) Want(role string, fresh bool) {}

// Idle says that the role wants nothing.
func (b *Book) Idle(role string) {}

// Unfit says that nothing pending fits these offers: Step declines them shortly. Offers of agents in holds are kept until
// they expire.
func (b *Book) Unfit(offers []*Offer, holds []Hold) {}

// Step returns the calls that are due. Declined offers are out of the book.
func (b *Book) Step(now time.Time) Actions { return Actions{} }

// Next returns when Step has something to do again, zero if only new input makes that happen.
func (b *Book) Next() time.Time { return time.Time{} }
