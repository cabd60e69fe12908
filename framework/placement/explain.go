package placement

import (
	"cmp"
	"math"
	"math/bits"
	"slices"

	"github.com/mesokit/mesokit/mesos/resources"
)

func (b *board) refuseAll(what string) *Explanation {
	e := &Explanation{Offers: b.offers, Candidates: len(b.rows)}
	if e.Candidates > 0 {
		e.Rejected = []Rejection{{ByDemand, what, e.Candidates, b.row(0).agent.ID}}
	}
	return e
}

// tally counts rejections.
type tally struct {
	list  []Rejection
	keys  []tallyKey
	first []int // example rows
	last  int   // most rows fail like the one before
}

type tallyKey struct {
	cause Cause
	index int // of the constraint, affinity or dimension
	what  string
}

func (t *tally) note(k tallyKey, row, count int) {
	if t.last >= len(t.keys) || t.keys[t.last] != k {
		// Kinds are few.
		if t.last = slices.Index(t.keys, k); t.last < 0 {
			t.last = len(t.keys)
			t.keys = append(t.keys, k)
			t.list = append(t.list, Rejection{Cause: k.cause, What: k.what})
			t.first = append(t.first, row)
		}
	}
	t.list[t.last].Count += count
}

// funnel is an explanation in the making.
type funnel struct {
	*search
	tally
	fits     int
	nearest  int // row, -1
	distance float64
	lack     *Lack // of the nearest, beyond amounts
}

// explain tells why the search fails.
func (s *search) explain() *Explanation {
	s.refresh()
	b := s.b
	f := funnel{search: s, nearest: -1, distance: math.Inf(1)}
	if s.pin != "" {
		others := len(b.rows)
		for i := range b.rowsOf(s.pin) {
			f.block(i/blockSize, 1<<(i%blockSize))
			others--
		}
		if others > 0 {
			f.note(tallyKey{cause: ByPin}, slices.IndexFunc(b.order, func(at int32) bool { return b.rows[at].agent.ID != s.pin }), others)
		}
	} else {
		for k := range b.blocks {
			f.block(k, b.mask(k))
		}
	}
	e := &Explanation{Offers: b.offers, Candidates: len(b.rows), Fits: f.fits, Rejected: f.sorted()}
	if f.nearest >= 0 {
		e.Nearest = s.near(f.nearest, f.lack)
	}
	return e
}

// mask has a bit for each row of a block.
func (b *board) mask(k int) uint64 {
	return ^uint64(0) >> (blockSize - min(blockSize, len(b.rows)-k*blockSize))
}

// block takes in the rows of a block that are in mask.
func (f *funnel) block(k int, mask uint64) {
	b, n := f.search.b, &f.search.needs
	from := k * blockSize
	if !f.plain || b.wary || len(f.moving)+len(f.balance) > 0 {
		mask = f.pass(from, mask)
	}
	var lacking uint64
	least := 0.0
	for _, d := range n.dims {
		// Nothing in the block comes closer than its best row would.
		if short := n.dim[d] - b.blocks[k].most[d]; short > 0 {
			least += float64(short) * n.share[d]
		}
		short := shortsOf(b.free[d][from:min(len(b.rows), from+blockSize)], n.dim[d]) & mask
		if fresh := short &^ lacking; fresh != 0 {
			f.note(amountKey(d), from+bits.TrailingZeros64(fresh), bits.OnesCount64(fresh))
		}
		lacking |= short
	}
	if least < f.distance {
		for m := lacking; m != 0; m &= m - 1 {
			i := from + bits.TrailingZeros64(m)
			f.compare(i, n.distance(b, i), nil)
		}
	}
	if !n.odd {
		f.fits += bits.OnesCount64(mask &^ lacking)
		return
	}
	for m := mask &^ lacking; m != 0; m &= m - 1 {
		f.look(from + bits.TrailingZeros64(m))
	}
}

// pass notes which rows fail before resources, and returns the others.
func (f *funnel) pass(from int, mask uint64) uint64 {
	for m := mask; m != 0; m &= m - 1 {
		j := bits.TrailingZeros64(m)
		key := f.rejectMoving(from + j)
		if key.cause == 0 && len(f.b.cfg.Filters) > 0 {
			if why := f.filtered(from + j); why != "" {
				key = tallyKey{ByFilter, 0, why}
			}
		}
		if key.cause != 0 {
			f.note(key, from+j, 1)
			mask &^= 1 << j
		}
	}
	return mask
}

// look takes in a row that has the amounts, but may lack something that they don't tell.
func (f *funnel) look(i int) {
	_, why, ok := f.b.fit.find(f.b.row(i).list, &f.needs)
	if ok {
		f.fits++
		return
	}
	f.note(tallyKey{why.cause, dims, why.what}, i, 1)
	far := 1.0
	if why.lack.Need > 0 {
		far = max(0, why.lack.Need-why.lack.Have) / why.lack.Need
	}
	f.compare(i, far, &why.lack)
}

func (f *funnel) compare(i int, far float64, lack *Lack) {
	if far < f.distance {
		f.nearest, f.distance, f.lack = i, far, nil
		if lack != nil {
			f.lack = new(*lack)
		}
	}
}

func amountKey(d int) tallyKey {
	if d == dimPorts {
		return tallyKey{ByPorts, d, dimNames[d]}
	}
	return tallyKey{ByResources, d, dimNames[d]}
}

// rejectMoving is reject with all rules.
func (s *search) rejectMoving(i int) tallyKey {
	if cause, index := s.reject(i); cause == ByRefusal {
		return tallyKey{cause, index, s.avoid[s.b.row(i).agent.ID]}
	} else if cause != 0 {
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

func (f *funnel) sorted() []Rejection {
	order := make([]int, len(f.list))
	for i := range order {
		order[i] = i
		r := &f.list[i]
		r.Example = f.b.row(f.first[i]).agent.ID
		switch r.Cause {
		case ByConstraint:
			r.What = f.d.Constraints[f.keys[i].index].String()
		case ByAffinity:
			at := f.keys[i].index
			r.What = f.affinities[at].String()
			if at >= len(f.d.Affinities) {
				r.What += ", as that asks for"
			}
		}
	}
	slices.SortFunc(order, func(x, y int) int {
		a, b := f.keys[x], f.keys[y]
		return cmp.Or(cmp.Compare(a.cause, b.cause), cmp.Compare(a.index, b.index), cmp.Compare(a.what, b.what))
	})
	out := make([]Rejection, len(order))
	for i, at := range order {
		out[i] = f.list[at]
	}
	return out
}

// near says what a row lacks.
func (s *search) near(i int, odd *Lack) *Nearest {
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
