package resources

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

const top = math.MaxUint64

func TestRangesAgreeWithSetsOfNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rawA, rawB := rapid.SliceOfN(rapid.Custom(drawRange), 0, 6).Draw(t, "a"), rapid.SliceOfN(rapid.Custom(drawRange), 0, 6).Draw(t, "b")
		a, b := NewRangeList(rawA...), NewRangeList(rawB...)
		both := func(keep func(inA, inB bool) bool) Ranges { return slow(rawA, rawB, keep) }
		check := func(what string, got, want Ranges) {
			if !got.Equal(want) {
				t.Errorf("%s: %v, want %v (a %v, b %v)", what, got, want, a, b)
			}
		}
		check("normal form", a, both(func(inA, _ bool) bool { return inA }))
		check("union", a.Union(b), both(func(inA, inB bool) bool { return inA || inB }))
		check("subtract", a.Subtract(b), both(func(inA, inB bool) bool { return inA && !inB }))
		check("intersect", a.Intersect(b), both(func(inA, inB bool) bool { return inA && inB }))
		ins, rem := slices.Clone(a), slices.Clone(a)
		for _, r := range rawB {
			ins, rem = ins.insert(r), rem.remove(r)
		}
		check("insert", ins, a.Union(b))
		check("remove", rem, a.Subtract(b))
		check("subtractMany", slices.Clone(a).subtractMany(b), a.Subtract(b))
		if got, want := a.Contains(b), len(b.Subtract(a)) == 0; got != want {
			t.Errorf("contains: %v, want %v", got, want)
		}
		if got := slices.Collect(a.All()); uint64(len(got)) != a.Size() {
			t.Errorf("size %d, but %d members", a.Size(), len(got))
		}
		n := rapid.Uint64Range(0, 40).Draw(t, "n")
		taken, ok := a.Take(n)
		if ok != (a.Size() >= n) || taken.Size() != min(n, a.Size()) || !a.Contains(taken) {
			t.Errorf("took %v of %v for %d, %v", taken, a, n, ok)
		}
		if back := RangesOf(a.Proto()); !back.Equal(a) {
			t.Errorf("wire form %v", back)
		}
		if back, err := parseValue(a.String()); err != nil || !back.ranges.Equal(a) {
			t.Errorf("text form %v, %v", back, err)
		}
	})
}

// slow tests each number near both ends on its own.
func slow(a, b []Range, keep func(inA, inB bool) bool) Ranges {
	var out Ranges
	has := func(rs []Range, v uint64) bool {
		return slices.ContainsFunc(rs, func(r Range) bool { return r.Contains(v) })
	}
	for i := range uint64(64) {
		v := i
		if i >= 32 {
			v = top - (63 - i)
		}
		if !keep(has(a, v), has(b, v)) {
			continue
		}
		if n := len(out); n > 0 && out[n-1].End == v-1 && v > 0 {
			out[n-1].End = v
		} else {
			out = append(out, Range{v, v})
		}
	}
	return out
}

func TestRangesAtTheEdges(t *testing.T) {
	all := Ranges{{0, top}}
	for name, c := range map[string]struct{ got, want Ranges }{
		"adjacent become one":       {NewRangeList(Range{3, 4}, Range{1, 2}), Ranges{{1, 4}}},
		"a gap stays":               {NewRangeList(Range{1, 2}, Range{4, 4}), Ranges{{1, 2}, {4, 4}}},
		"adjacent at the top":       {NewRangeList(Range{top, top}, Range{top - 1, top - 1}), Ranges{{top - 1, top}}},
		"everything and more":       {NewRangeList(Range{0, top}, Range{5, 6}, Range{top, top}), all},
		"inverted ones are nothing": {NewRangeList(Range{5, 4}), nil},
		"without the top":           {all.Subtract(Ranges{{top, top}}), Ranges{{0, top - 1}}},
		"without the bottom":        {all.Subtract(Ranges{{0, 0}}), Ranges{{1, top}}},
		"without a hole":            {all.Subtract(Ranges{{7, 8}}), Ranges{{0, 6}, {9, top}}},
		"without all":               {all.Subtract(all), nil},
	} {
		if !c.got.Equal(c.want) {
			t.Errorf("%s: %v, want %v", name, c.got, c.want)
		}
	}
	if got := all.Size(); got != top {
		t.Errorf("size of everything is %d", got)
	}
	if got := (Ranges{{0, top - 1}}).Size(); got != top {
		t.Errorf("size of all but one is %d", got)
	}
	if taken, ok := all.Take(top); !ok || !taken.Equal(Ranges{{0, top - 1}}) {
		t.Errorf("took %v, %v", taken, ok)
	}
	if got := slices.Collect(Ranges{{top - 1, top}}.All()); !slices.Equal(got, []uint64{top - 1, top}) {
		t.Errorf("members at the top: %v", got)
	}
}

func TestARequestMayNotSpanAGap(t *testing.T) {
	offered := list{NewRanges("ports", Ranges{{1, 5}, {7, 9}})}
	for want, contained := range map[[2]uint64]bool{{1, 5}: true, {2, 3}: true, {7, 7}: true, {5, 7}: false, {6, 6}: false, {9, 10}: false, {0, 1}: false} {
		if got := Contains(offered, list{NewPorts(want[0], want[1])}); got != contained {
			t.Errorf("%v: %v", want, got)
		}
	}
	// Ranges of several entries of one kind are one.
	if !Contains(list{NewPorts(1, 5), NewPorts(6, 9)}, list{NewPorts(4, 7)}) {
		t.Error("entries were not looked at together")
	}
	if !Contains(list{NewPorts(0, top)}, list{NewPorts(1, top)}) || Contains(list{NewPorts(1, top)}, list{NewPorts(0, top)}) {
		t.Error("wrong at the top")
	}
}
