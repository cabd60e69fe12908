package placement

import (
	"math"
	"slices"

	"github.com/mesokit/mesokit/mesos/resources"
)

// needKey tells searches apart: tasks of one Demand share one, unless they ask for something of their own.
type needKey struct {
	demand *Demand
	task   *Task
}

// search looks for the best rows for one Demand. It judges every row once, and again when something was placed there;
// what depends on the other instances, it asks of the rules for the rows that may win.
type search struct {
	b *board
	d *Demand
	// affinities are those of the demand, then those that others have to it.
	affinities []Affinity
	needs      needs
	pin        string
	wrong      []int // pinned: rows that turned out not to fit
	role       int32 // -1: any
	rank       ranker

	region  bool   // only the home region
	fixed   []rule // tests, which are part of base
	moving  []rule
	balance []rule // hard GROUP_BY: rows compete by their counts
	zones   []preference

	base  []*[blockSize]float64 // by block and row, without moving rules; -Inf where it can't be; nil if not judged yet
	bound []float64             // by block: nothing in it is above
	plain bool                  // base depends on amounts alone, unless the board is wary
	// uniform says that the agents themselves make no difference, unless the board is wary.
	uniform bool
	avoid   map[string]string // agents, see Cycle.Avoid
	seen    int               // position in board.touched
	levels  []int32           // scratch of find: counts of the best row

	failed int  // changes of the board at the last failure, -1
	dead   bool // failed for good
	why    *Explanation
}

type preference struct {
	col    *column
	weight []float64 // by value: what to take off
}

func (b *board) search(t *Task) *search {
	key := needKey{demand: t.Demand}
	if t.Agent != "" || t.Resources != nil || t.Volumes != nil || t.Owner != "" {
		key.task = t
	}
	s := b.needs[key]
	if s == nil {
		s = b.newSearch(t.Demand, key.task)
		b.needs[key] = s
	}
	return s
}

func (b *board) newSearch(d *Demand, t *Task) *search {
	s := &search{b: b, d: d, needs: needsOf(d, t), role: -1, failed: -1}
	if t != nil {
		s.pin = t.Agent
	}
	if d.Role != "" {
		s.role = -2
		if id, ok := b.roles[d.Role]; ok {
			s.role = id
		}
	}
	if _, mixed := b.roles[""]; mixed && d.Role != "" {
		s.needs.odd = true // offers that don't tell their role may hold what is reserved for others
	}
	s.region = b.in.HomeRegion != "" && !d.Domains.AnyRegion
	for i := range d.Constraints {
		if d.Constraints[i].Field == Region {
			s.region = false
		}
		s.add(b.constraintRule(d, i))
	}
	s.affinities = d.Affinities
	if t == nil || t.Volumes == nil { // what cannot run elsewhere is not locked out by those who came later
		for _, a := range b.in.Averse[d.Group] {
			if a.Group != d.Group && a.Anti && !slices.Contains(d.Affinities, a) {
				s.affinities = append(slices.Clip(s.affinities), a)
			}
		}
	}
	for i := range s.affinities {
		s.add(b.affinityRule(d, &s.affinities[i], i))
	}
	for k := range s.balance {
		r := &s.balance[k]
		r.limit = s.floor(&d.Constraints[r.index], r.cnt)
	}
	s.prefer(Region, d.Domains.Regions)
	s.prefer(Zone, d.Domains.Zones)
	s.levels = make([]int32, len(s.balance))
	sameRole := len(b.roles) == 1 && (s.role >= 0 || s.role == -1) // then all rows have it
	s.avoid = b.in.Avoid[d.Group]
	s.uniform = sameRole && s.pin == "" && !s.region && len(s.avoid) == 0
	s.plain = s.uniform && len(s.fixed) == 0 && len(s.zones) == 0 && len(b.cfg.Filters) == 0 && !s.needs.odd
	s.rank = rankerOf(b.cfg.Scorer, &s.needs)
	return s
}

func (s *search) add(r rule) {
	switch {
	case r.kind == ruleTest:
		s.fixed = append(s.fixed, r)
	case r.kind == ruleBalance && !r.soft:
		s.balance = append(s.balance, r)
	default:
		s.moving = append(s.moving, r)
	}
}

func (s *search) prefer(f Field, order []string) {
	if len(order) == 0 {
		return
	}
	c := s.b.column(f)
	p := preference{col: c, weight: make([]float64, len(c.text))}
	w := weightOr1(s.d.Domains.Weight)
	for v := range p.weight {
		p.weight[v] = w
		for at, want := range order {
			if v > 0 && c.text[v] == want {
				p.weight[v] = w * float64(at) / float64(len(order))
				break
			}
		}
	}
	s.zones = append(s.zones, p)
}

// grows says that a failed search may succeed later in the cycle.
func (s *search) grows() bool {
	for i := range s.moving {
		if s.moving[i].grows() {
			return true
		}
	}
	return false
}

// reject is the first check before resources that a row fails; 0 if it passes. Moving rules are left out.
func (s *search) reject(i int) (cause Cause, index int) {
	if !s.uniform || s.b.wary {
		if cause := s.rejectAgent(s.b.row(i), i); cause != 0 {
			return cause, 0
		}
	}
	for k := range s.fixed {
		if f := &s.fixed[k]; !f.soft && !f.test.ok(i) {
			return ByConstraint, f.index
		}
	}
	return 0, 0
}

func (s *search) rejectAgent(r *row, i int) Cause {
	b := s.b
	switch {
	case s.pin != "" && r.agent.ID != s.pin:
		return ByPin
	case s.role != -1 && r.roleID != s.role && r.role != "":
		return ByRole
	case r.holder >= 0:
		return ByHold
	case r.draining && (s.d.Draining == Default || s.d.Draining == Refuse):
		return ByDraining
	case s.d.Maintenance == Refuse && b.away(i, s.d):
		return ByMaintenance
	case s.region && r.agent.Region != "" && r.agent.Region != b.in.HomeRegion:
		return ByRegion
	}
	if _, refuses := s.avoid[r.agent.ID]; refuses {
		return ByRefusal
	}
	return 0
}

// penalty is what a row loses for the wishes that don't depend on other instances.
func (s *search) penalty(i int) (p float64) {
	if s.b.wary {
		r := s.b.row(i)
		if r.draining && s.d.Draining == Avoid {
			p++
		}
		if (s.d.Maintenance == Avoid || s.d.Maintenance == Default) && s.b.away(i, s.d) {
			p++
		}
	}
	for k := range s.fixed {
		if f := &s.fixed[k]; f.soft && !f.test.ok(i) {
			p += f.weight
		}
	}
	for k := range s.zones {
		p += s.zones[k].weight[s.zones[k].col.val[i]]
	}
	return p
}

// judge computes a row's base.
func (s *search) judge(i int) float64 {
	if _, short := s.needs.lacks(s.b, i); short || !s.passes(i) {
		return never
	}
	return s.rank.rank(s.b, s.d, i) - s.penalty(i)
}

// passes checks everything but amounts and moving rules.
func (s *search) passes(i int) bool {
	if cause, _ := s.reject(i); cause != 0 || s.filtered(i) != "" {
		return false
	}
	if s.needs.odd {
		_, _, ok := s.b.fit.find(s.b.row(i).list, &s.needs)
		return ok
	}
	return true
}

func (s *search) filtered(i int) string {
	for _, f := range s.b.cfg.Filters {
		if why := f.Reject(s.d, s.b.candidate(i)); why != "" {
			return why
		}
	}
	return ""
}

// ready makes base reflect what happened since.
func (s *search) ready() {
	if s.base == nil {
		s.base, s.bound = make([]*[blockSize]float64, len(s.b.blocks)), make([]float64, len(s.b.blocks))
		for k := range s.bound {
			s.bound[k] = s.guess(k)
		}
		s.seen = len(s.b.touched)
	}
	for _, at := range s.b.touched[s.seen:] {
		k := int(at) / blockSize
		if s.base[k] != nil {
			v := s.judge(int(at))
			s.base[k][at%blockSize] = v
			s.bound[k] = max(s.bound[k], v)
		} else {
			s.bound[k] = max(s.bound[k], s.guess(k))
		}
	}
	s.seen = len(s.b.touched)
	s.refresh()
}

// refresh brings the rules up to date.
func (s *search) refresh() {
	for k := range s.moving {
		s.moving[k].refresh()
	}
	for k := range s.balance {
		s.balance[k].refresh()
	}
}

// rounding is more than what bounds may be too low by. Scores that differ by less are equal.
const rounding = 1e-9

// find returns the best row, or -1.
func (s *search) find() (best int, score float64) {
	if s.pin != "" {
		return s.findPinned()
	}
	s.ready()
	best, score = -1, never
	enough := math.Inf(1)
	if s.b.cfg.GoodEnough > 0 && len(s.balance) == 0 {
		enough = s.b.cfg.GoodEnough
	}
	settled := len(s.balance) == 0 // no other row can have lower counts
	for k, bound := range s.bound {
		if bound == never || settled && bound <= score+rounding {
			continue
		}
		if s.base[k] == nil {
			s.fill(k)
		}
		from := k * blockSize
		for j, v := range s.base[k][:min(blockSize, len(s.b.rows)-from)] {
			if v == never || settled && v <= score {
				continue
			}
			i := from + j
			v, ok := s.weigh(i, v)
			if !ok {
				continue
			}
			if len(s.balance) > 0 {
				if best >= 0 {
					if c := s.compare(i); c > 0 || c == 0 && v <= score {
						continue
					}
				}
				settled = true
				for c := range s.balance {
					s.levels[c] = s.balance[c].cnt.n[s.balance[c].val[i]]
					settled = settled && s.levels[c] <= s.balance[c].least
				}
			} else if v <= score {
				continue
			}
			best, score = i, v
			if v >= enough {
				return best, score
			}
		}
	}
	return best, score
}

// findPinned is find among the rows of one agent, which all have the same values.
func (s *search) findPinned() (best int, score float64) {
	s.refresh()
	best, score = -1, never
	for i := range s.b.rowsOf(s.pin) {
		if v := s.judge(i); v > score && !slices.Contains(s.wrong, i) {
			if v, ok := s.weigh(i, v); ok && v > score {
				best, score = i, v
			}
		}
	}
	return best, score
}

// misjudged says that a row that was found doesn't do.
func (s *search) misjudged(i int) {
	if s.pin != "" {
		s.wrong = append(s.wrong, i)
	} else {
		s.base[i/blockSize][i%blockSize] = never
	}
}

// fill judges a block.
func (s *search) fill(k int) {
	base := s.b.newBase()
	s.base[k] = base
	from := k * blockSize
	to := min(len(s.b.rows), from+blockSize)
	short := s.needs.shorts(s.b, from, to)
	packing, quick := s.rank.(*packing)
	if quick {
		packing.ranks(s.b, from, to, base[:to-from])
	}
	top := never
	for j := range to - from {
		v := never
		switch {
		case short>>j&1 != 0:
		case !quick:
			v = s.judge(from + j)
		case s.plain && !s.b.wary:
			v = base[j]
		case s.passes(from + j):
			v = base[j] - s.penalty(from+j)
		}
		base[j] = v
		top = max(top, v)
	}
	s.bound[k] = top
}

// weigh applies the moving rules to a row.
func (s *search) weigh(i int, v float64) (float64, bool) {
	for k := range s.moving {
		r := &s.moving[k]
		if g := r.judge(i); g > 0 {
			if !r.soft {
				return 0, false
			}
			v -= r.weight * g
		}
	}
	for k := range s.balance {
		if s.balance[k].judge(i) > 0 {
			return 0, false
		}
	}
	return v, true
}

// compare says whether the row's values have fewer instances than those of the best row (-1), as many (0) or more (1). The first
// GROUP_BY that differs decides.
func (s *search) compare(i int) int {
	for c := range s.balance {
		n := s.balance[c].cnt.n[s.balance[c].val[i]]
		if n != s.levels[c] {
			if n < s.levels[c] {
				return -1
			}
			return 1
		}
	}
	return 0
}

// assign gives the task the row; false if it turns out not to fit.
func (s *search) assign(t *Task, i int, score float64) (Assignment, bool) {
	b, r := s.b, s.b.row(i)
	found, _, ok := b.fit.find(r.list, &s.needs)
	if !ok {
		return Assignment{}, false
	}
	a := Assignment{Task: t, Agent: r.agent, Role: r.role, Score: score, Resources: resources.CloneList(found)}
	for _, v := range b.fit.volumes {
		v = resources.Clone(v)
		a.Volumes = append(a.Volumes, v)
		a.Resources = append(a.Resources, v)
	}
	if len(b.fit.numbers) > 0 {
		a.Ports = append(a.Ports, b.fit.numbers...)
	}
	a.OfferIDs = r.offerIDs()
	b.take(i, a.Resources)
	b.count(s.d.Group, i)
	return a, true
}
