package placement

// ranker is a Scorer on the columns of a board. Ranks lie between 0 and 1.
type ranker interface {
	rank(b *board, d *Demand, row int) float64
	// bound is what no row of a block exceeds, but for rounding.
	bound(b *board, block int) float64
}

// sorter is a ranker that can tell before there are columns.
type sorter interface {
	estimate(free *amounts, capacity [scalarDims]int64) float64
}

// rankerOf spares the scorers of this package the Candidate.
func rankerOf(s Scorer, n *needs) ranker {
	switch s := s.(type) {
	case nil:
		return rankerOf(packer{}, n)
	case packer:
		p := &packing{packer: s}
		for _, d := range n.dims {
			if d < scalarDims {
				p.dims = append(p.dims, d)
				p.need[d] = float64(n.dim[d])
			}
		}
		return p
	case mix:
		m := make(mixing, len(s))
		sortable := true
		for i, part := range s {
			m[i].weight, m[i].ranker = part.Weight, rankerOf(part.Scorer, n)
			_, ok := m[i].ranker.(sorter)
			sortable = sortable && ok
		}
		if sortable {
			return sortedMixing{m}
		}
		return m
	}
	return custom{s}
}

// packing is packer.
type packing struct {
	packer
	dims []int
	need [scalarDims]float64
}

func (p *packing) rank(b *board, _ *Demand, row int) float64 {
	left := 0.0
	for _, d := range p.dims {
		left += (float64(b.free[d][row]) - p.need[d]) * b.inverse[d][row]
	}
	return p.of(left, len(p.dims))
}

func (p *packing) estimate(free *amounts, capacity [scalarDims]int64) float64 {
	left := 0.0
	for _, d := range p.dims {
		if whole := capacity[d]; whole > 0 {
			left += (float64(free[d]) - p.need[d]) / float64(whole)
		}
	}
	return p.of(left, len(p.dims))
}

func (p *packing) bound(b *board, block int) float64 {
	if len(p.dims) == 0 {
		return 1
	}
	s, left := &b.blocks[block], 0.0
	for _, d := range p.dims {
		if p.spread {
			left += s.mostLeft[d] - p.need[d]*s.leastInverse[d]
		} else {
			left += s.leastLeft[d] - p.need[d]*s.mostInverse[d]
		}
	}
	if left /= float64(len(p.dims)); p.spread {
		return left
	}
	return 1 - left
}

type mixing []struct {
	weight float64
	ranker ranker
}

func (m mixing) rank(b *board, d *Demand, row int) float64 {
	sum := 0.0
	for i := range m {
		sum += m[i].weight * m[i].ranker.rank(b, d, row)
	}
	return sum
}

func (m mixing) bound(b *board, block int) float64 {
	sum := 0.0
	for i := range m {
		sum += m[i].weight * min(1, m[i].ranker.bound(b, block))
	}
	return sum
}

// sortedMixing is a mix of nothing but scorers that can be sorted by.
type sortedMixing struct{ mixing }

func (m sortedMixing) estimate(free *amounts, capacity [scalarDims]int64) float64 {
	sum := 0.0
	for i := range m.mixing {
		sum += m.mixing[i].weight * m.mixing[i].ranker.(sorter).estimate(free, capacity)
	}
	return sum
}

type custom struct{ scorer Scorer }

func (c custom) rank(b *board, d *Demand, row int) float64 {
	return clamp(c.scorer.Score(d, b.candidate(row)))
}

func (c custom) bound(*board, int) float64 { return 1 }

// blockSize is how many rows a block has; masks have a bit for each.
const blockSize = 64

// block sums up some rows: what none of them exceeds. It may say more than there is, never less.
type block struct {
	most         amounts // free
	mostLeft     [scalarDims]float64
	leastLeft    [scalarDims]float64 // free / capacity
	mostInverse  [scalarDims]float64
	leastInverse [scalarDims]float64
}

// sumUp makes the blocks.
func (b *board) sumUp() {
	n := len(b.rows)
	b.blocks = make([]block, (n+blockSize-1)/blockSize)
	for k := range b.blocks {
		s := &b.blocks[k]
		from, to := k*blockSize, min(n, (k+1)*blockSize)
		for d := range dims {
			for _, v := range b.free[d][from:to] {
				s.most[d] = max(s.most[d], v)
			}
		}
		for d := range scalarDims {
			s.leastLeft[d], s.leastInverse[d] = 1, 1
			free := b.free[d][from:to]
			for i, v := range b.inverse[d][from:to] {
				s.mostInverse[d], s.leastInverse[d] = max(s.mostInverse[d], v), min(s.leastInverse[d], v)
				left := float64(free[i]) * v
				s.mostLeft[d], s.leastLeft[d] = max(s.mostLeft[d], left), min(s.leastLeft[d], left)
			}
		}
	}
}

// sumUpRow takes in that a row has become less.
func (b *board) sumUpRow(i int) {
	s := &b.blocks[i/blockSize]
	for d := range scalarDims {
		s.leastLeft[d] = min(s.leastLeft[d], float64(b.free[d][i])*b.inverse[d][i])
	}
}

// guess is what no row of a block can exceed, before any is judged.
func (s *search) guess(k int) float64 {
	for _, d := range s.needs.dims {
		if s.b.blocks[k].most[d] < s.needs.dim[d] {
			return never
		}
	}
	return min(1, s.rank.bound(s.b, k))
}

// shorts returns which rows of a block lack something, as a mask.
func (n *needs) shorts(b *board, from, to int) (mask uint64) {
	for _, d := range n.dims {
		mask |= shortsOf(b.free[d][from:to], n.dim[d])
	}
	return mask
}

func shortsOf(free []int64, need int64) (mask uint64) {
	for j, v := range free {
		mask |= uint64(v-need) >> 63 << (j & 63)
	}
	return mask
}

// ranks computes rank for all rows of a block at once.
func (p *packing) ranks(b *board, from, to int, out []float64) {
	clear(out)
	for _, d := range p.dims {
		free, inverse, need := b.free[d][from:to], b.inverse[d][from:to], p.need[d]
		inverse, out := inverse[:len(free)], out[:len(free)]
		for j, v := range free {
			out[j] += (float64(v) - need) * inverse[j]
		}
	}
	kinds := len(p.dims)
	if kinds == 0 {
		for j := range out {
			out[j] = p.of(0, 0)
		}
		return
	}
	for j, left := range out {
		out[j] = p.of(left, kinds)
	}
}
