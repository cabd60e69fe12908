package election

import (
	"context"
	"errors"
	"iter"

	"github.com/mesokit/mesokit/framework/store"
)

// ErrLost is the cause (context.Cause) of the end of a term that was not ended by its holder: the lease could not be renewed in time,
// or somebody removed it.
var ErrLost = errors.New("leadership was lost")

// Info is what a candidate tells the others about itself; followers redirect to the leader's URL.
type Info struct {
	// ID names the candidate, unlike all others: a hostname and process, or a UUID.
	ID string `json:"id"`
	// URL of the candidate's API.
	URL string `json:"url,omitempty"`
	// Labels for whoever is interested, such as the version.
	Labels map[string]string `json:"labels,omitempty"`
}

// Term is a time of leadership. It ends, for this candidate, before anybody else can start to lead.
type Term struct {
	// Token fences what the leader writes: store.WithFence. It is greater than the tokens of all earlier terms of the same election.
	Token store.Token

	ctx context.Context
}

// Context ends when the term does: do everything that a leader does under it. Its cause is ErrLost, or why Run was ended.
func (t *Term) Context() context.Context { return t.ctx }

// Status is how an election stands.
type Status struct {
	// Leader as far as known, nil if nobody is known to lead. It may be this candidate.
	Leader *Info
	// Term is set while this candidate leads.
	Term *Term
}

// Leading says whether this candidate leads.
func (s Status) Leading() bool { return s.Term != nil }

// Elector takes part in an election. One elector runs one candidacy at a time; use several for several.
type Elector interface {
	// Run campaigns for info until ctx ends or the loop over it is left, and yields how the election stands, first of all and whenever it
	// changes; statuses that were overtaken are left out, but the loss of a term is always seen before the next term. The lease is kept
	// in the background: the body of the loop may take its time, and lead under the term's context. Only after the
	// body has returned is a term given up, or another one begun. Problems that may pass do not end the loop; an
	// element with an error is the last one.
	Run(ctx context.Context, info Info) iter.Seq2[Status, error]
}

// Lead runs the candidacy info: it calls lead whenever and as long as the candidate leads, under the context of the term. lead must
// return soon after that context has ended. If it returns before, leadership is given up and Lead returns
// lead's error; otherwise the candidacy goes on until ctx ends, whose cause is then returned. observe, if not nil, is called with every
// status, before lead.
func Lead(ctx context.Context, e Elector, info Info, observe func(Status), lead func(context.Context, *Term) error) error {
	for status, err := range e.Run(ctx, info) {
		if err != nil {
			return err
		}
		if observe != nil {
			observe(status)
		}
		if term := status.Term; term != nil {
			err := lead(term.Context(), term)
			if term.Context().Err() == nil {
				return err
			}
		}
	}
	return context.Cause(ctx)
}
