package placement

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mesokit/mesokit/mesos/resources"
)

// Explanation is a funnel: how many candidates there were for a task, and what turned them away. Candidates = Fits + the sum of
// all counts in Rejected. It describes the end of the cycle, when everything else was placed.
type Explanation struct {
	Offers     int // offers seen
	Candidates int // after combining the offers of one agent and role
	// Fits is how many candidates would do after all: what was placed later made room within a constraint, or they are held for
	// the task itself. They are found in the next cycle.
	Fits int
	// Rejected lists what turned candidates away, by cause, then in the order of the demand. Each candidate is counted once.
	Rejected []Rejection
	// Nearest is the candidate that lacks least; nil if none passed the checks before resources.
	Nearest *Nearest
}

// Rejection is one cause and how many candidates it turned away.
type Rejection struct {
	Cause Cause
	// What names the cause: the resource, the text of the constraint or affinity, what a Filter answered. Empty where
	// Cause says everything.
	What  string
	Count int
	// Example is the id of one agent that was turned away.
	Example string
}

// Cause is why a candidate was turned away. The order is that of the checks.
type Cause uint8

// The causes.
const (
	ByDemand      Cause = iota + 1 // nothing can be placed with what was asked for
	ByRole                         // the offers are for another role
	ByPin                          // Task.Agent is another agent
	ByHold                         // held for another task
	ByDraining                     // the agent is being drained
	ByMaintenance                  // the agent will be unavailable
	ByRegion                       // outside the home region
	ByConstraint                   // a hard constraint
	ByAffinity                     // a hard affinity
	ByFilter                       // a Filter of the configuration
	ByResources                    // not enough of a resource, or not of the kind wanted
	ByPorts                        // not enough ports, or not the ones wanted
	ByVolume                       // the volume or disk is not there
	causes
)

var causeTexts = [causes]string{
	ByDemand: "demand", ByRole: "other role", ByPin: "other agent than the task's", ByHold: "held for another task",
	ByDraining: "draining", ByMaintenance: "maintenance", ByRegion: "outside the home region", ByConstraint: "constraint",
	ByAffinity: "affinity", ByFilter: "filter", ByResources: "not enough", ByPorts: "not enough", ByVolume: "no",
}

// String returns the cause in words.
func (c Cause) String() string {
	if c == 0 || c >= causes {
		return "unknown"
	}
	return causeTexts[c]
}

// Nearest is the candidate that came closest.
type Nearest struct {
	Agent *Agent
	Role  string
	// Lacks says what is missing.
	Lacks []Lack
}

// Lack is one thing that a candidate has too little of.
type Lack struct {
	Name string  // the resource
	Need float64 // what the task wants: an amount, or a number of ports, items or volumes
	Have float64 // what there is of it
}

// String says in one line why the task waits.
func (e *Explanation) String() string {
	if e == nil {
		return "not tried yet"
	}
	var b strings.Builder
	switch {
	case e.Offers == 0:
		return "no offers"
	case e.Candidates == e.Offers:
		fmt.Fprintf(&b, "%d offers", e.Offers)
	default:
		fmt.Fprintf(&b, "%d offers of %d agents", e.Offers, e.Candidates)
	}
	for i, r := range e.Rejected {
		b.WriteString([]string{": ", ", "}[min(i, 1)])
		fmt.Fprintf(&b, "%d %s", r.Count, r.Cause)
		if r.What != "" {
			b.WriteString(" " + r.What)
		}
	}
	if e.Fits > 0 {
		fmt.Fprintf(&b, "; %d fit now", e.Fits)
	}
	if n := e.Nearest; n != nil {
		fmt.Fprintf(&b, "; nearest is %s", n.Agent.Hostname)
		for i, l := range n.Lacks {
			b.WriteString([]string{" with ", ", "}[min(i, 1)])
			fmt.Fprintf(&b, "%s %s of %s", l.Name, number(l.Have), number(l.Need))
		}
	}
	return b.String()
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// String returns a one-line text such as rack near db.
func (a Affinity) String() string {
	where := "near"
	if a.Anti {
		where = "away from"
	}
	return string(a.Field.orHostname()) + " " + where + " " + a.Group
}

func (b *board) offers() (n int) {
	for i := range b.rows {
		n += len(b.rows[i].offers)
	}
	return n
}

func (b *board) refuseAll(what string) *Explanation {
	e := &Explanation{Offers: b.offers(), Candidates: len(b.rows)}
	if e.Candidates > 0 {
		e.Rejected = []Rejection{{ByDemand, what, e.Candidates, b.row(0).agent.ID}}
	}
	return e
}

// tally counts rejections.
type tally struct {
	list  []Rejection
	first []int32 // example rows
	ranks []int   // for sorting: where in the order of the demand
	index map[tallyKey]int
	last  tallyKey // most rows fail like the one before
	at    int
}

type tallyKey struct {
	cause Cause
	index int
	what  string
}

func (t *tally) add(k tallyKey, row int) {
	if k != t.last {
		at, ok := t.index[k]
		if !ok {
			at = len(t.list)
			t.index[k] = at
			t.list = append(t.list, Rejection{Cause: k.cause, What: k.what})
			t.first, t.ranks = append(t.first, int32(row)), append(t.ranks, k.index)
		}
		t.last, t.at = k, at
	}
	t.list[t.at].Count++
}

// explain tells why the search fails.
func (s *search) explain() *Explanation {
	s.refresh()
	b := s.b
	e := &Explanation{Offers: b.offers(), Candidates: len(b.rows)}
	t := tally{index: map[tallyKey]int{}}
	nearest, distance := -1, 0.0
	var nearestLack *Lack
	for i := range b.rows {
		key := s.rejectMoving(i)
		if key.cause == 0 && len(b.cfg.Filters) > 0 {
			if why := s.filtered(i); why != "" {
				key = tallyKey{ByFilter, 0, why}
			}
		}
		if key.cause != 0 {
			t.add(key, i)
			continue
		}
		d, short := s.needs.lacks(b, i)
		far := 0.0
		var lack *Lack
		switch {
		case short:
			far = s.needs.distance(b, i)
			key = tallyKey{ByResources, d, dimNames[d]}
			if d == dimPorts {
				key.cause = ByPorts
			}
		case s.needs.odd:
			if _, why, ok := b.fit.find(b.row(i).list, &s.needs); !ok {
				key = tallyKey{why.cause, int(dims), why.what}
				if far = 1; why.lack.Need > 0 {
					far = max(0, why.lack.Need-why.lack.Have) / why.lack.Need
				}
				if nearest < 0 || far < distance {
					lack = &why.lack
				}
			}
		}
		if key.cause == 0 {
			e.Fits++
			continue
		}
		t.add(key, i)
		if nearest < 0 || far < distance {
			nearest, distance, nearestLack = i, far, lack
		}
	}
	e.Rejected = t.sorted(s)
	if nearest >= 0 {
		e.Nearest = s.nearest(nearest, nearestLack)
	}
	return e
}

// rejectMoving is reject with all rules.
func (s *search) rejectMoving(i int) tallyKey {
	if cause, index := s.reject(i); cause != 0 {
		return tallyKey{cause: cause, index: index}
	}
	for k := range s.moving {
		if r := &s.moving[k]; !r.soft && r.judge(i) > 0 {
			return r.key()
		}
	}
	for k := range s.balance {
		if r := &s.balance[k]; r.judge(i) > 0 {
			return r.key()
		}
	}
	return tallyKey{}
}

func (r *rule) key() tallyKey {
	if r.affinity {
		return tallyKey{cause: ByAffinity, index: r.index}
	}
	return tallyKey{cause: ByConstraint, index: r.index}
}

func (t *tally) sorted(s *search) []Rejection {
	order := make([]int, len(t.list))
	for i := range order {
		order[i] = i
		r := &t.list[i]
		r.Example = s.b.row(int(t.first[i])).agent.ID
		switch r.Cause {
		case ByConstraint:
			r.What = s.d.Constraints[t.ranks[i]].String()
		case ByAffinity:
			r.What = s.d.Affinities[t.ranks[i]].String()
		}
	}
	slices.SortFunc(order, func(x, y int) int {
		a, b := &t.list[x], &t.list[y]
		switch {
		case a.Cause != b.Cause:
			return int(a.Cause) - int(b.Cause)
		case t.ranks[x] != t.ranks[y]:
			return t.ranks[x] - t.ranks[y]
		}
		return strings.Compare(a.What, b.What)
	})
	out := make([]Rejection, len(order))
	for i, at := range order {
		out[i] = t.list[at]
	}
	return out
}

// nearest says what a row lacks.
func (s *search) nearest(i int, odd *Lack) *Nearest {
	r := s.b.row(i)
	n := &Nearest{Agent: r.agent, Role: r.role}
	for _, d := range s.needs.dims {
		if have, need := s.b.free[d][i], s.needs.dim[d]; have < need {
			l := Lack{dimNames[d], float64(need), float64(have)}
			if d < scalarDims {
				l.Need, l.Have = resources.FromFixed(need), resources.FromFixed(have)
			}
			n.Lacks = append(n.Lacks, l)
		}
	}
	if odd != nil {
		n.Lacks = append(n.Lacks, *odd)
	}
	return n
}
