package placement

// Scorer ranks the candidates for a demand: 0 is the worst, 1 the best; anything else is cut off. It must be a pure function of
// its arguments. A score is kept until something is placed on that agent, so it may look at everything the Candidate shows.
type Scorer interface {
	Score(d *Demand, c *Candidate) float64
}

// ScorerFunc makes a function a Scorer.
type ScorerFunc func(d *Demand, c *Candidate) float64

// Score calls f.
func (f ScorerFunc) Score(d *Demand, c *Candidate) float64 { return f(d, c) }

// Filter turns candidates away for reasons of its own. It must be a pure function of its arguments, see Scorer.
type Filter interface {
	// Reject returns why the candidate must not be used, "" if it may. Keep the texts few: they are counted in explanations.
	Reject(d *Demand, c *Candidate) string
}

// FilterFunc makes a function a Filter.
type FilterFunc func(d *Demand, c *Candidate) string

// Reject calls f.
func (f FilterFunc) Reject(d *Demand, c *Candidate) string { return f(d, c) }

// Config says how a placer decides. The zero Config packs tightly.
type Config struct {
	// Scorer ranks the agents; nil means BinPack.
	Scorer Scorer
	// Filters turn agents away.
	Filters []Filter
	// GoodEnough stops the search for a task at the first agent with at least this total score, before the best is found. 0 looks at
	// all agents.
	GoodEnough float64
}

// Candidate is what Scorers and Filters see: the combined offers of one agent for one role. It is valid during the call only, and must not be changed.
type Candidate struct {
	Agent  *Agent
	Role   string
	Offers []*Offer
	// Free is what is left of the offers, beyond what was placed in this cycle already. Revocable resources and disks other
	// than the root disk are not in it.
	Free Amounts
	// Capacity is Agent.Capacity, or what was offered at the beginning of the cycle if that is more.
	Capacity Amounts
	// Placed is how many tasks of this cycle are on the agent already.
	Placed int
}

// BinPack prefers the agents that are full, so that others stay free for big tasks or can be given back.
func BinPack() Scorer { return ScorerFunc(func(*Demand, *Candidate) float64 { return 0 }) }

// Spread prefers the agents that are empty.
func Spread() Scorer { return ScorerFunc(func(*Demand, *Candidate) float64 { return 0 }) }

// Weighted is one part of a Mix.
type Weighted struct {
	Scorer Scorer
	Weight float64
}

// Mix is the mean of several scorers by weight.
func Mix(parts ...Weighted) Scorer { return ScorerFunc(func(*Demand, *Candidate) float64 { return 0 }) }
