package resources

import (
	"slices"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// In-place changes of normal-form values: what Pool is made of. A few changes are made one by one, which allocates nothing; many
// are sorted and merged, so that lists of 100,000 ranges or items (anybody may send them) don't take quadratic time.
const few = 16

// insert adds r to rs in place.
func (rs Ranges) insert(r Range) Ranges {
	if r.IsEmpty() {
		return rs
	}
	i := 0
	if r.Begin > 0 {
		i = rs.search(r.Begin - 1) // the first interval that r may continue
	}
	j := i
	for j < len(rs) && touches(r.End, rs[j].Begin) {
		r.Begin, r.End = min(r.Begin, rs[j].Begin), max(r.End, rs[j].End)
		j++
	}
	if i == j {
		return slices.Insert(rs, i, r)
	}
	rs[i] = r
	return slices.Delete(rs, i+1, j)
}

// addWire adds v to rs in place: one by one if there are few, else by sorting once.
func (rs Ranges) addWire(v *mesospb.Value_Ranges) Ranges {
	list := v.GetRange()
	if len(list) > few {
		return normalize(appendWire(rs, v))
	}
	for _, r := range list {
		rs = rs.insert(Range{r.GetBegin(), r.GetEnd()})
	}
	return rs
}

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

// subtractWire takes v out of rs in place.
func (rs Ranges) subtractWire(v *mesospb.Value_Ranges) Ranges {
	list := v.GetRange()
	if len(list) > few {
		return rs.subtractMany(RangesOf(v))
	}
	for _, r := range list {
		rs = rs.remove(Range{r.GetBegin(), r.GetEnd()})
	}
	return rs
}

// subtract takes o, in normal form, out of rs in place.
func (rs Ranges) subtract(o Ranges) Ranges {
	if len(o) > few {
		return rs.subtractMany(o)
	}
	for _, r := range o {
		rs = rs.remove(r)
	}
	return rs
}

func (rs Ranges) subtractMany(o Ranges) Ranges {
	return append(rs[:0], rs.Subtract(o)...)
}

// addItems adds items to a sorted set in place.
func addItems(set, items []string) []string {
	if len(items) > few {
		set = append(set, items...)
		slices.Sort(set)
		return slices.Compact(set)
	}
	for _, it := range items {
		if i, found := slices.BinarySearch(set, it); !found {
			set = slices.Insert(set, i, it)
		}
	}
	return set
}

// removeItems takes items, in any order, out of a sorted set in place.
func removeItems(set, items []string) []string {
	if len(items) > few {
		gone := addItems(nil, items)
		return slices.DeleteFunc(set, func(it string) bool {
			_, found := slices.BinarySearch(gone, it)
			return found
		})
	}
	for _, it := range items {
		if i, found := slices.BinarySearch(set, it); found {
			set = slices.Delete(set, i, i+1)
		}
	}
	return set
}

func containsItems(set, items []string) bool {
	for _, it := range items {
		if !containsItem(set, it) {
			return false
		}
	}
	return true
}

func containsItem(set []string, it string) bool {
	_, found := slices.BinarySearch(set, it)
	return found
}
