package placement

import (
	"regexp"
	"slices"
)

// test is a constraint that looks at the agent alone: LIKE, UNLIKE, IS, IS_NOT, and CLUSTER with a value. The answer is found
// once per value.
type test struct {
	constraint Constraint
	col        *column
	expr       *regexp.Regexp
	broken     bool
	answer     []int8 // by value: 0 not known yet, 1 yes, -1 no
}

func (b *board) test(c Constraint) *test {
	key := c
	key.Field, key.Soft, key.Weight = c.field(), false, 0
	t := b.tests[key]
	if t != nil {
		return t
	}
	t = &test{constraint: key, col: b.column(key.Field)}
	if key.Operator == Like || key.Operator == Unlike {
		var err error
		t.expr, err = key.expression()
		t.broken = err != nil
	}
	t.answer = make([]int8, len(t.col.text))
	b.tests[key] = t
	return t
}

func (t *test) ok(row int) bool {
	v := t.col.val[row]
	if t.answer[v] == 0 {
		t.answer[v] = -1
		if t.judge(v) {
			t.answer[v] = 1
		}
	}
	return t.answer[v] > 0
}

func (t *test) judge(v int32) bool {
	if v == 0 {
		return t.passes(&Agent{})
	}
	return t.passes(t.col.some[v])
}

// passes judges an agent that may not be on the board.
func (t *test) passes(a *Agent) bool {
	c := &t.constraint
	if t.broken {
		return false // an expression that Validate refuses matches nothing, nor does its contrary
	}
	switch c.Operator {
	case Like, Unlike:
		for text := range a.texts(c.Field) {
			if t.expr.MatchString(text) {
				return c.Operator == Like
			}
		}
		return c.Operator == Unlike
	case Is, IsNot:
		return a.is(c.Field, c.Value) == (c.Operator == Is)
	}
	text, ok := a.value(c.Field) // CLUSTER
	return ok && (text == c.Value || a.is(c.Field, c.Value))
}

// groupState counts all instances of a group.
type groupState struct {
	n        int
	rows     []int32 // where instances were placed in this cycle
	counters []*counter
}

func (b *board) group(name string) *groupState {
	g := b.groups[name]
	if g == nil {
		g = &groupState{n: b.in.Placed.Total(name)}
		b.groups[name] = g
	}
	return g
}

// counter counts the instances of one group by the values of one field.
type counter struct {
	col   *column
	n     []int32 // by value
	group *groupState
	moves int // how often it was counted up in this cycle
	// elsewhere is the most instances on a value that no offer has, and one such value.
	elsewhere     int
	elsewhereText string
}

func (b *board) counter(group string, f Field) *counter {
	f = f.orHostname()
	key := groupField{group, f}
	c := b.counts[key]
	if c != nil {
		return c
	}
	c = &counter{col: b.column(f), group: b.group(group)}
	c.n = make([]int32, len(c.col.text))
	for v, n := range b.in.Placed.counts(group, f) {
		if id, ok := c.col.ids[v]; ok {
			c.n[id] = int32(n)
		} else if n > c.elsewhere || n == c.elsewhere && v < c.elsewhereText {
			c.elsewhere, c.elsewhereText = n, v
		}
	}
	for _, row := range c.group.rows {
		c.up(row)
	}
	c.group.counters = append(c.group.counters, c)
	b.counts[key] = c
	return c
}

func (c *counter) up(row int32) {
	if v := c.col.val[row]; v != 0 {
		c.n[v]++
	}
	c.moves++
}

// count notes that an instance of the group was placed on a row.
func (b *board) count(group string, row int) {
	g := b.group(group)
	g.n++
	g.rows = append(g.rows, int32(row))
	for _, c := range g.counters {
		c.up(int32(row))
	}
}

type ruleKind uint8

const (
	ruleTest ruleKind = iota
	ruleUnique
	ruleMaxPer
	ruleCluster
	ruleBalance // GROUP_BY
	ruleNear
	ruleFar
)

// rule is a constraint or affinity of one demand.
type rule struct {
	kind     ruleKind
	soft     bool
	weight   float64
	limit    int32 // MAX_PER; the floor of GROUP_BY
	affinity bool
	own      bool // affinity to the own group
	test     *test
	cnt      *counter
	val      []int32 // by row, of cnt's column
	seen     int     // cnt.moves when target and least were found
	target   int32   // CLUSTER: -1 free choice, 0 a value that no offer has
	least    int32   // GROUP_BY: least count over the values
	atLeast  int     // GROUP_BY: how many values have it, at most
	index    int     // in Constraints, or in Affinities
}

// grows says that a candidate rejected now may be accepted later in the same cycle.
func (r *rule) grows() bool { return !r.soft && (r.kind == ruleNear || r.kind == ruleCluster) }

func (b *board) constraintRule(d *Demand, index int) rule {
	c := &d.Constraints[index]
	r := rule{soft: c.Soft, weight: weightOr1(c.Weight), index: index, seen: -1, target: -1}
	switch c.Operator {
	case Unique:
		r.kind = ruleUnique
	case MaxPer:
		r.kind = ruleMaxPer
		r.limit, _ = c.count() // a bad one allows nothing
	case GroupBy:
		r.kind = ruleBalance
	case Cluster:
		r.kind = ruleCluster
	}
	if r.kind == ruleTest || r.kind == ruleCluster && c.Value != "" {
		r.kind = ruleTest
		r.test = b.test(*c)
		r.val = r.test.col.val
		return r
	}
	r.cnt = b.counter(d.Group, c.Field)
	r.val = r.cnt.col.val
	return r
}

// floor is how many instances a value may have and take one more, whatever the other values in the offers have.
func (s *search) floor(c *Constraint, cnt *counter) int32 {
	placed, known := s.b.in.Placed, len(cnt.col.ids)
	var waiting []string // values that have no offer now
	for v := range placed.values(c.Field) {
		if _, offered := cnt.col.ids[v]; !offered {
			waiting = append(waiting, v)
		}
	}
	if wanted, err := c.count(); c.Value != "" && (err != nil || known+len(waiting) < int(wanted)) {
		return 0 // some of the values have not been seen yet, and have nothing
	}
	least := int32(1<<31 - 1)
	if s.b.in.Complete || len(waiting) == 0 {
		return least
	}
	running := placed.counts(s.d.Group, c.Field)
	possible := s.possible(c.Field)
	for _, v := range waiting {
		if possible == nil || possible[v] {
			least = min(least, int32(running[v]))
		}
	}
	return least
}

// possible returns the values of the known agents that the demand could run on, as far as these may be offered; nil means all.
func (s *search) possible(f Field) map[string]bool {
	hard := slices.DeleteFunc(slices.Clone(s.fixed), func(r rule) bool { return r.soft })
	awaits := s.b.in.Awaits
	if len(hard) == 0 && !s.region && awaits == nil {
		return nil
	}
	values := map[string]bool{}
	for _, r := range s.b.in.Placed.agents {
		a := r.agent
		if awaits != nil && !awaits(a.ID, s.d.Role) {
			continue
		}
		if s.region && a.Region != "" && a.Region != s.b.in.HomeRegion || slices.ContainsFunc(hard, func(r rule) bool { return !r.test.passes(a) }) {
			continue
		}
		if v, ok := a.value(f); ok && r.known {
			values[v] = true
		}
	}
	return values
}

func (b *board) affinityRule(d *Demand, a *Affinity, index int) rule {
	r := rule{kind: ruleNear, affinity: true, soft: a.Soft, weight: weightOr1(a.Weight), index: index, seen: -1, own: a.Group == d.Group}
	if a.Anti {
		r.kind = ruleFar
	}
	r.cnt = b.counter(a.Group, a.Field)
	r.val = r.cnt.col.val
	return r
}

// refresh brings up to date what a rule derives from all counts.
func (r *rule) refresh() {
	if r.cnt == nil || r.seen == r.cnt.moves {
		return
	}
	before := r.seen
	r.seen = r.cnt.moves
	switch r.kind {
	case ruleCluster:
		if before < 0 {
			if r.cnt.elsewhere > 0 {
				r.target = 0
			}
			for v := 1; v < len(r.cnt.n); v++ {
				r.follow(int32(v))
			}
			return
		}
		for _, row := range r.cnt.group.rows[before:] { // each move was one of them
			if v := r.cnt.col.val[row]; v != 0 {
				r.follow(v)
			}
		}
	case ruleBalance:
		if before >= 0 { // counts only grow in a cycle: the least one changes when no value has it any more
			for _, row := range r.cnt.group.rows[before:] {
				if r.cnt.col.val[row] != 0 {
					r.atLeast--
				}
			}
			if r.atLeast > 0 {
				return
			}
		}
		r.least, r.atLeast = 1<<31-1, 0
		for v := 1; v < len(r.cnt.n); v++ {
			switch n := r.cnt.n[v]; {
			case n < r.least:
				r.least, r.atLeast = n, 1
			case n == r.least:
				r.atLeast++
			}
		}
	}
}

// follow makes a value that more instances are on the target of CLUSTER.
func (r *rule) follow(v int32) {
	n, most := r.cnt.n[v], int32(0)
	switch {
	case r.target > 0:
		most = r.cnt.n[r.target]
	case r.target == 0:
		most = int32(r.cnt.elsewhere)
	}
	if n > most || n == most && n > 0 && r.cnt.col.text[v] < r.targetText() {
		r.target = v
	}
}

func (r *rule) targetText() string {
	if r.target == 0 {
		return r.cnt.elsewhereText
	}
	return r.cnt.col.text[r.target]
}

// judge returns how much a row violates the rule: 0 not at all. Hard rules reject what is above 0; for soft ones it grows with
// the violation up to 2.
func (r *rule) judge(row int) float64 {
	if r.kind == ruleTest {
		if r.test.ok(row) {
			return 0
		}
		return 1
	}
	v := r.val[row]
	if v == 0 { // without the field
		switch r.kind {
		case ruleFar:
			return 0
		case ruleUnique, ruleMaxPer, ruleBalance:
			return 2 // worse than any value that has too many
		}
		return 1
	}
	n := r.cnt.n[v]
	switch r.kind {
	case ruleUnique, ruleFar:
		return grade(n)
	case ruleMaxPer:
		return grade(n - r.limit + 1)
	case ruleCluster:
		if r.target < 0 || r.target == v {
			return 0
		}
		return 1
	case ruleBalance:
		if r.soft {
			return grade(n - r.least)
		}
		return grade(n - r.limit)
	case ruleNear:
		if n > 0 || r.own && r.cnt.group.n == 0 {
			return 0
		}
	}
	return 1
}

func grade(over int32) float64 {
	if over <= 0 {
		return 0
	}
	return 2 - 1/float64(over)
}
