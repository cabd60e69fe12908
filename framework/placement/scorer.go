package placement

// Scorer ranks the candidates for a demand: 0 is the worst, 1 the best; anything beyond is cut off. It must be a pure function of
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
	// all agents; so do tasks with a hard GROUP_BY.
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

// BinPack prefers the agents that are full, so that others stay free for big tasks or can be given back. The score is the share of
// the agent's capacity that is in use with the task, the mean over the resources that the task asks for.
func BinPack() Scorer { return packer{} }

// Spread prefers the agents that are empty: its score is 1 - that of BinPack.
func Spread() Scorer { return packer{spread: true} }

type packer struct{ spread bool }

func (p packer) Score(d *Demand, c *Candidate) float64 {
	left, kinds := 0.0, 0
	free := [scalarDims]int64{c.Free.CPUs, c.Free.Mem, c.Free.Disk, c.Free.GPUs}
	need := plainNeeds(d.Resources)
	for k, whole := range [scalarDims]int64{c.Capacity.CPUs, c.Capacity.Mem, c.Capacity.Disk, c.Capacity.GPUs} {
		if need[k] > 0 && whole > 0 {
			left += float64(free[k]-need[k]) / float64(whole)
			kinds++
		}
	}
	return p.of(left, kinds)
}

// of makes a score of the sum of what is left over several kinds of resources.
func (p packer) of(left float64, kinds int) float64 {
	share := 1.0
	if kinds > 0 {
		share = min(1, max(0, left/float64(kinds)))
	}
	if p.spread {
		return share
	}
	return 1 - share
}

// Weighted is one part of a Mix.
type Weighted struct {
	Scorer Scorer
	Weight float64
}

// Mix is the mean of several scorers by weight. Parts with a weight of 0 or less don't count.
func Mix(parts ...Weighted) Scorer {
	var m mix
	sum := 0.0
	for _, p := range parts {
		if p.Weight > 0 {
			m = append(m, p)
			sum += p.Weight
		}
	}
	for i := range m {
		m[i].Weight /= sum
	}
	return m
}

// mix has weights that add up to 1.
type mix []Weighted

func (m mix) Score(d *Demand, c *Candidate) float64 {
	sum := 0.0
	for i := range m {
		sum += m[i].Weight * clamp(m[i].Scorer.Score(d, c))
	}
	return sum
}

func clamp(v float64) float64 {
	if v != v {
		return 0
	}
	return min(1, max(0, v))
}
