package placement

import (
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
	free    [dims][]int64           // what is left
	inverse [scalarDims][]float64   // 1 / capacity; 0 where there is none
	byAgent map[string]int32        // the agent's first row
	roles   map[string]int32        // ids of roles
	fields  map[Field]*column       // those that constraints of this cycle look at
	counts  map[groupField]*counter // instances by value, what was placed in this cycle included
	groups  map[string]*groupState  // instances by group
	tests   map[Constraint]*test    // constraints that depend on nothing but the agent
	needs   map[needKey]*search
	touched []int32 // rows whose resources or hold have changed, in order
	wary    bool    // some row is draining, unavailable, or held
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

const blockSize = 64

func newBoard(cfg *Config, in *Cycle) *board {
	b := &board{
		cfg: cfg, in: in, byAgent: make(map[string]int32, len(in.Offers)), roles: map[string]int32{},
		fields: map[Field]*column{}, counts: map[groupField]*counter{}, groups: map[string]*groupState{},
		tests: map[Constraint]*test{}, needs: map[needKey]*search{},
	}
	b.gather()
	return b
}

// gather combines the offers. Rows begin with an offer that the seed chooses, so that equal agents take turns.
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
		first, seen := b.byAgent[o.Agent.ID]
		if seen {
			if at := b.rowOf(first, o.Role); at >= 0 {
				r := &b.rows[at]
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
	b.fill()
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
		r := &b.rows[i]
		b.wary = b.wary || r.draining || r.window != nil
		a := r.offers[0].free
		if len(r.offers) == 1 {
			r.list = r.offers[0].Proto.GetResources()
		} else {
			pool := resources.NewPool()
			for _, o := range r.offers {
				pool.Add(o.Proto.GetResources())
			}
			r.list = pool.Resources()
			a = amountsOf(r.list)
		}
		for d := range dims {
			b.free[d][i] = a[d]
		}
		c := r.agent.Capacity
		r.capacity = Amounts{max(c.CPUs, a[dimCPUs]), max(c.Mem, a[dimMem]), max(c.Disk, a[dimDisk]), max(c.GPUs, a[dimGPUs])}
		for d, whole := range [scalarDims]int64{r.capacity.CPUs, r.capacity.Mem, r.capacity.Disk, r.capacity.GPUs} {
			if whole > 0 {
				b.inverse[d][i] = 1 / float64(whole)
			}
		}
	}
}

// rowOf returns the row of a role among those of one agent, -1 if there is none.
func (b *board) rowOf(first int32, role string) int32 {
	for at := first; at >= 0; at = b.rows[at].next {
		if b.rows[at].role == role {
			return at
		}
	}
	return -1
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
	c = &column{field: f, val: make([]int32, len(b.rows)), text: []string{""}, some: []*Agent{nil}, ids: make(map[string]int32, len(b.rows)/8)}
	var last *Agent
	for i := range b.rows {
		a := b.rows[i].agent
		if a == last {
			c.val[i] = c.val[i-1]
			continue
		}
		last = a
		v, ok := a.value(f)
		if !ok {
			continue
		}
		id, seen := c.ids[v]
		if !seen {
			id = int32(len(c.text))
			c.ids[v] = id
			c.text, c.some = append(c.text, v), append(c.some, a)
		}
		c.val[i] = id
	}
	b.fields[f] = c
	return c
}

// candidate shows a row to scorers and filters.
func (b *board) candidate(i int) *Candidate {
	r := &b.rows[i]
	b.cand = Candidate{
		Agent: r.agent, Role: r.role, Offers: r.offers, Capacity: r.capacity, Placed: r.placed,
		Free: Amounts{b.free[dimCPUs][i], b.free[dimMem][i], b.free[dimDisk][i], b.free[dimGPUs][i]},
	}
	return &b.cand
}

// take removes what a task got from a row.
func (b *board) take(i int, got []*mesospb.Resource) {
	r := &b.rows[i]
	r.list = resources.Subtract(r.list, got)
	r.placed++
	a := amountsOf(r.list)
	for d := range dims {
		b.free[d][i] = a[d]
	}
	b.touched = append(b.touched, int32(i))
}

// hold keeps a row for a task, or frees it with -1.
func (b *board) hold(i int, task int32) {
	b.rows[i].holder = task
	b.wary = true
	b.touched = append(b.touched, int32(i))
}

// away says whether the row's agent will be unavailable, as far as the demand cares.
func (b *board) away(i int, d *Demand) bool {
	w := b.rows[i].window
	if w == nil || !w.End.IsZero() && !b.in.Now.Before(w.End) {
		return false
	}
	return d.Horizon <= 0 || w.Start.Before(b.in.Now.Add(d.Horizon))
}

var never = math.Inf(-1)
