package resources

import (
	"slices"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// In-place changes of normal-form values: what Pool is made of.

// remove takes r out of rs in place.
func (rs Ranges) remove(r Range) Ranges {
	if r.IsEmpty() {
		return rs
	}
	i := rs.search(r.Begin)
	if i == len(rs) || rs[i].Begin > r.End {
		return rs
	}
	if rs[i].Begin < r.Begin {
		if rs[i].End > r.End { // a hole in the middle
			rs = slices.Insert(rs, i+1, Range{r.End + 1, rs[i].End})
			rs[i].End = r.Begin - 1
			return rs
		}
		rs[i].End = r.Begin - 1
		i++
	}
	j := i
	for j < len(rs) && rs[j].End <= r.End {
		j++
	}
	if j < len(rs) && rs[j].Begin <= r.End {
		rs[j].Begin = r.End + 1
	}
	return slices.Delete(rs, i, j)
}

// containsWire reports whether rs, in normal form, holds all of v, in any form.
func (rs Ranges) containsWire(v *mesospb.Value_Ranges) bool {
	for _, r := range v.GetRange() {
		// An interval inside one of normal form; one that spans several can't be held.
		if !rs.covers(Range{r.GetBegin(), r.GetEnd()}) {
			return false
		}
	}
	return true
}

// addItems adds items to a sorted set in place.
func addItems(set, items []string) []string {
	for _, it := range items {
		if i, found := slices.BinarySearch(set, it); !found {
			set = slices.Insert(set, i, it)
		}
	}
	return set
}

func removeItems(set, items []string) []string {
	for _, it := range items {
		if i, found := slices.BinarySearch(set, it); found {
			set = slices.Delete(set, i, i+1)
		}
	}
	return set
}

func containsItems(set, items []string) bool {
	for _, it := range items {
		if _, found := slices.BinarySearch(set, it); !found {
			return false
		}
	}
	return true
}
