package conformance

import "slices"

// A pairing is a recorded event and what the target sent in its place; one of them may be missing.
type pairing struct {
	want      *expectation
	got       *event
	gotAt     int // position among the events of the target
	misplaced bool
}

// align pairs the events of a stream. Unlike the pairing on the way it knows the whole stream, so it
// finds the one with the fewest gaps: per lane, first the longest common sequence of events that look
// alike, then what is left between them.
func align(want []*expectation, got []*event) []pairing {
	lanes := make(map[string][]int)
	var order []string
	for i, g := range got {
		lanes[g.lane] = append(lanes[g.lane], i)
	}
	wants := make(map[string][]*expectation)
	for _, w := range want {
		if wants[w.lane] == nil {
			order = append(order, w.lane)
		}
		wants[w.lane] = append(wants[w.lane], w)
	}
	for _, g := range got {
		if wants[g.lane] == nil && !slices.Contains(order, g.lane) {
			order = append(order, g.lane)
		}
	}
	var pairs []pairing
	for _, lane := range order {
		pairs = append(pairs, alignLane(wants[lane], lanes[lane], got)...)
	}
	markOrder(pairs)
	return pairs
}

// alignLane pairs the events of one lane. got are positions in all.
func alignLane(want []*expectation, got []int, all []*event) []pairing {
	common := longestCommon(len(want), len(got), func(i, j int) bool { return want[i].ident == all[got[j]].ident })
	common = append(common, [2]int{len(want), len(got)})
	var pairs []pairing
	var missing []*expectation
	var extra []int
	i, j := 0, 0
	for _, c := range common {
		gapWant, gapGot := want[i:c[0]], got[j:c[1]]
		weak := longestCommon(len(gapWant), len(gapGot), func(a, b int) bool { return gapWant[a].weak == all[gapGot[b]].weak })
		a, b := 0, 0
		for _, w := range append(weak, [2]int{len(gapWant), len(gapGot)}) {
			for ; a < w[0] && b < w[1]; a, b = a+1, b+1 { // nothing in common but the place
				pairs = append(pairs, pairing{want: gapWant[a], got: all[gapGot[b]], gotAt: gapGot[b]})
			}
			missing = append(missing, gapWant[a:w[0]]...)
			extra = append(extra, gapGot[b:w[1]]...)
			if w[0] < len(gapWant) {
				pairs = append(pairs, pairing{want: gapWant[w[0]], got: all[gapGot[w[1]]], gotAt: gapGot[w[1]]})
			}
			a, b = w[0]+1, w[1]+1
		}
		if c[0] < len(want) {
			pairs = append(pairs, pairing{want: want[c[0]], got: all[got[c[1]]], gotAt: got[c[1]]})
		}
		i, j = c[0]+1, c[1]+1
	}
	// What is missing in one place and extra in another has moved.
	for _, w := range missing {
		k := slices.IndexFunc(extra, func(g int) bool { return all[g].ident == w.ident })
		if k < 0 {
			pairs = append(pairs, pairing{want: w})
			continue
		}
		pairs = append(pairs, pairing{want: w, got: all[extra[k]], gotAt: extra[k], misplaced: true})
		extra = slices.Delete(extra, k, k+1)
	}
	for _, g := range extra {
		pairs = append(pairs, pairing{got: all[g], gotAt: g})
	}
	return pairs
}

// markOrder finds the fewest events of different lanes that are out of order.
func markOrder(pairs []pairing) {
	var strict []int
	for i, p := range pairs {
		if p.want != nil && p.got != nil && !p.misplaced && !p.want.loose {
			strict = append(strict, i)
		}
	}
	slices.SortFunc(strict, func(a, b int) int { return pairs[a].want.frame - pairs[b].want.frame })
	inOrder := longestRising(strict, func(i int) int { return pairs[i].gotAt })
	for _, i := range strict {
		if !inOrder[i] {
			pairs[i].misplaced = true
		}
	}
}

// longestCommon is the longest common subsequence of two sequences, as pairs of positions.
func longestCommon(n, m int, same func(i, j int) bool) [][2]int {
	length := make([][]int, n+1)
	for i := range length {
		length[i] = make([]int, m+1)
	}
	for i := n - 1; i >= 0; i-- {
		for j := m - 1; j >= 0; j-- {
			if same(i, j) {
				length[i][j] = length[i+1][j+1] + 1
			} else {
				length[i][j] = max(length[i+1][j], length[i][j+1])
			}
		}
	}
	var common [][2]int
	for i, j := 0, 0; i < n && j < m; {
		switch {
		case same(i, j):
			common = append(common, [2]int{i, j})
			i, j = i+1, j+1
		case length[i+1][j] >= length[i][j+1]:
			i++
		default:
			j++
		}
	}
	return common
}

// longestRising is the set of elements in the longest subsequence whose values rise.
func longestRising(elements []int, value func(int) int) map[int]bool {
	n := len(elements)
	length, next := make([]int, n), make([]int, n)
	best := -1
	for i := n - 1; i >= 0; i-- {
		length[i], next[i] = 1, -1
		for j := i + 1; j < n; j++ {
			if value(elements[j]) > value(elements[i]) && length[j]+1 > length[i] {
				length[i], next[i] = length[j]+1, j
			}
		}
		if best < 0 || length[i] >= length[best] {
			best = i
		}
	}
	in := make(map[int]bool)
	for i := best; i >= 0; i = next[i] {
		in[elements[i]] = true
	}
	return in
}
