package placement

import (
	"iter"
	"math"
	"slices"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// board is what one cycle works on: a row per agent and role, and columns over the rows, so that a search touches little memory.
type board struct {
	cfg *Config
	in  *Cycle

	rows    []row
	order   []int32                 // the rows in the order in which they are looked at; everything else counts in this order
	at      []int32                 // the inverse
	free    [dims][]int64           // what is left
	inverse [scalarDims][]float64   // 1 / capacity; 0 where there is none
	byAgent map[string]int32        // the agent's first row
	roles   map[string]int32        // ids of roles
	fields  map[Field]*column       // those that constraints of this cycle look at
	counts  map[groupField]*counter // instances by value, what was placed in this cycle included
	groups  map[string]*groupState  // instances by group
	tests   map[Constraint]*test    // constraints that depend on nothing but the agent
	needs   map[needKey]*search
	offers  int
	blocks  []block
	bases   [][blockSize]float64 // not used yet
	touched []int32              // rows whose resources or hold have changed, in order
	wary    bool                 // some row is draining, unavailable, or held
	cand    Candidate
	fit     fitter
}

type groupField struct {
	group string
	field Field
}

// row is one agent with its offers for one role.
type row struct {
	agent    *Agent
	role     string
	roleID   int32
	next     int32 // the agent's next row, -1
	offers   []*Offer
	ids      []*mesospb.OfferID  // of the offers, once needed
	list     []*mesospb.Resource // what is left
	offered  amounts
	capacity Amounts
	placed   int
	holder   int32 // index in Cycle.Pending of the task it is held for, -1
	draining bool
	window   *Window
}

// column is the value of one field for every row.
type column struct {
	field Field
	val   []int32 // by row: id of the value, 0 if the agent doesn't have the field
	text  []string
	some  []*Agent // by id: an agent with the value
	ids   map[string]int32
}

func newBoard(cfg *Config, in *Cycle) *board {
	b := &board{
		cfg: cfg, in: in, byAgent: make(map[string]int32, len(in.Offers)), roles: map[string]int32{},
		fields: map[Field]*column{}, counts: map[groupField]*counter{}, groups: map[string]*groupState{},
		tests: map[Constraint]*test{}, needs: map[needKey]*search{},
	}
	b.gather()
	return b
}

// gather combines the offers. It begins with an offer that the seed chooses, so that equal agents take turns.
func (b *board) gather() {
	n := len(b.in.Offers)
	if n == 0 {
		return
	}
	b.rows = make([]row, 0, n)
	start := int(b.in.Seed % uint64(n))
	single := make([]*Offer, 0, n) // backs the offer lists of rows with one offer
	for k := range n {
		o := b.in.Offers[(start+k)%n]
		if o == nil {
			continue
		}
		b.offers++
		first, seen := b.byAgent[o.Agent.ID]
		if seen {
			if r := b.sameRole(first, o.Role); r != nil {
				r.offers = append(slices.Clip(r.offers), o)
				r.draining = r.draining || o.Draining
				if o.Unavailable != nil {
					r.window = o.Unavailable
				}
				continue
			}
		}
		at := int32(len(b.rows))
		single = append(single, o)
		b.rows = append(b.rows, row{
			agent: o.Agent, role: o.Role, roleID: b.roleID(o.Role), next: -1, holder: -1,
			offers: single[len(single)-1 : len(single) : len(single)], draining: o.Draining, window: o.Unavailable,
		})
		if seen {
			b.rows[at].next = b.rows[first].next
			b.rows[first].next = at
		} else {
			b.byAgent[o.Agent.ID] = at
		}
	}
	for i := range b.rows {
		b.rows[i].combine()
		b.wary = b.wary || b.rows[i].draining || b.rows[i].window != nil
	}
	b.sort()
	b.fill()
	b.sumUp()
}

// sameRole returns the row of a role among those of one agent, nil if there is none. It counts as rows are stored, not
// as they are sorted.
func (b *board) sameRole(first int32, role string) *row {
	for at := first; at >= 0; at = b.rows[at].next {
		if b.rows[at].role == role {
			return &b.rows[at]
		}
	}
	return nil
}

// combine adds up the row's offers.
func (r *row) combine() {
	r.offered = r.offers[0].free
	if len(r.offers) == 1 {
		r.list = r.offers[0].Proto.GetResources()
	} else {
		pool := resources.NewPool()
		for _, o := range r.offers {
			pool.Add(o.Proto.GetResources())
		}
		r.list = pool.Resources()
		r.offered = amountsOf(r.list)
	}
	c, a := r.agent.Capacity, &r.offered
	r.capacity = Amounts{max(c.CPUs, a[dimCPUs]), max(c.Mem, a[dimMem]), max(c.Disk, a[dimDisk]), max(c.GPUs, a[dimGPUs])}
}

// sort puts rows first that are likely to win, and rows that rank alike side by side: then few blocks have to be judged. It
// goes by what the pending tasks ask for on the average; where that is the same the order of the offers stands.
func (b *board) sort() {
	n := len(b.rows)
	b.order, b.at = make([]int32, n), make([]int32, n)
	const buckets = 2048
	var starts [buckets + 1]int32
	keys := make([]int32, n)
	mean := b.meanNeeds()
	ranker, known := rankerOf(b.cfg.Scorer, &mean).(sorter)
	if known {
		for i := range b.rows {
			r := &b.rows[i]
			keys[i] = int32((buckets - 1) * (1 - clamp(ranker.estimate(&r.offered, r.capacity.list()))))
			starts[keys[i]+1]++
		}
		for k := range buckets {
			starts[k+1] += starts[k]
		}
	}
	for i, k := range keys {
		to := starts[k]
		starts[k]++
		b.order[to], b.at[i] = int32(i), to
	}
}

// meanNeeds is what the pending tasks ask for on the average.
func (b *board) meanNeeds() needs {
	var sum [dims]float64
	n := 0.0
	var last *Demand
	var of amounts
	for _, t := range b.in.Pending {
		if t == nil || t.Demand == nil {
			continue
		}
		if t.Demand != last {
			last, of = t.Demand, plainNeeds(t.Demand.Resources)
		}
		for d, v := range of {
			sum[d] += float64(v)
		}
		n++
	}
	var mean needs
	for d, v := range sum[:scalarDims] {
		if mean.dim[d] = int64(min(v/max(n, 1), 1e15)); mean.dim[d] > 0 {
			mean.dims = append(mean.dims, d)
		}
	}
	return mean
}

// fill sets the columns.
func (b *board) fill() {
	n := len(b.rows)
	ints, floats := make([]int64, n*dims), make([]float64, n*scalarDims)
	for d := range dims {
		b.free[d], ints = ints[:n:n], ints[n:]
	}
	for d := range scalarDims {
		b.inverse[d], floats = floats[:n:n], floats[n:]
	}
	for i := range b.rows {
		r := b.row(i)
		for d := range dims {
			b.free[d][i] = r.offered[d]
		}
		for d, whole := range r.capacity.list() {
			if whole > 0 {
				b.inverse[d][i] = 1 / float64(whole)
			}
		}
	}
}

// row returns a row by its place in the order.
func (b *board) row(i int) *row { return &b.rows[b.order[i]] }

// rowsOf yields the rows of an agent.
func (b *board) rowsOf(agentID string) iter.Seq[int] {
	return func(yield func(int) bool) {
		at, ok := b.byAgent[agentID]
		for ok && at >= 0 && yield(int(b.at[at])) {
			at = b.rows[at].next
		}
	}
}

func (b *board) roleID(role string) int32 {
	id, ok := b.roles[role]
	if !ok {
		id = int32(len(b.roles))
		b.roles[role] = id
	}
	return id
}

// column returns the values of a field.
func (b *board) column(f Field) *column {
	f = f.orHostname()
	c := b.fields[f]
	if c != nil {
		return c
	}
	guess := 64
	if f == Hostname || f == AgentID {
		guess = len(b.rows)
	}
	c = &column{field: f, val: make([]int32, len(b.rows)), text: []string{""}, some: []*Agent{nil}, ids: make(map[string]int32, guess)}
	// In the order in which the rows lie in memory.
	var last int32
	for i := range b.rows {
		v, ok := b.rows[i].offers[0].value(f)
		if !ok {
			continue
		}
		if v != c.text[last] || last == 0 {
			id, seen := c.ids[v]
			if !seen {
				id = int32(len(c.text))
				c.ids[v] = id
				c.text, c.some = append(c.text, v), append(c.some, b.rows[i].agent)
			}
			last = id
		}
		c.val[b.at[i]] = last
	}
	b.fields[f] = c
	return c
}

// candidate shows a row to scorers and filters.
func (b *board) candidate(i int) *Candidate {
	r := b.row(i)
	b.cand = Candidate{
		Agent: r.agent, Role: r.role, Offers: r.offers, Capacity: r.capacity, Placed: r.placed,
		Free: Amounts{b.free[dimCPUs][i], b.free[dimMem][i], b.free[dimDisk][i], b.free[dimGPUs][i]},
	}
	return &b.cand
}

// take removes what a task got from a row.
func (b *board) take(i int, got []*mesospb.Resource) {
	r := b.row(i)
	r.list = resources.Subtract(r.list, got)
	r.placed++
	a := amountsOf(r.list)
	for d := range dims {
		b.free[d][i] = a[d]
	}
	b.sumUpRow(i)
	b.touched = append(b.touched, int32(i))
}

// newBase returns memory for a block of a search.
func (b *board) newBase() *[blockSize]float64 {
	if len(b.bases) == 0 {
		b.bases = make([][blockSize]float64, 32)
	}
	base := &b.bases[0]
	b.bases = b.bases[1:]
	return base
}

// hold keeps a row for a task, or frees it with -1.
func (b *board) hold(i int, task int32) {
	b.row(i).holder = task
	b.wary = true
	b.touched = append(b.touched, int32(i))
}

// away says whether the row's agent will be unavailable, as far as the demand cares.
func (b *board) away(i int, d *Demand) bool {
	w := b.row(i).window
	if w == nil || !w.End.IsZero() && !b.in.Now.Before(w.End) {
		return false
	}
	return d.Horizon <= 0 || w.Start.Before(b.in.Now.Add(d.Horizon))
}

var never = math.Inf(-1)
