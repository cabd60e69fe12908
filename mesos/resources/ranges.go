package resources

import (
	"cmp"
	"iter"
	"math"
	"slices"
	"strconv"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// Range is an interval of integers, both ends included. Begin > End is an empty range.
type Range struct{ Begin, End uint64 }

// IsEmpty reports whether the range holds no integer.
func (r Range) IsEmpty() bool { return r.Begin > r.End }

// Contains reports whether v lies in the range.
func (r Range) Contains(v uint64) bool { return r.Begin <= v && v <= r.End }

// Ranges is a set of integers as a list of intervals. The functions and methods of this package return
// it in normal form: sorted, without empty, overlapping or adjacent intervals. Ranges are never expanded into
// their members, so [0-18446744073709551615] costs as much as [1-1].
//
// Methods need their receiver and arguments in normal form; NewRangeList brings any list into it.
type Ranges []Range

// NewRangeList returns the normal form of rs, which it leaves alone.
func NewRangeList(rs ...Range) Ranges { return normalize(slices.Clone(Ranges(rs))) }

// RangesOf returns the normal form of a wire value; nil gives an empty list.
func RangesOf(v *mesospb.Value_Ranges) Ranges { return normalize(appendWire(nil, v)) }

// Proto returns the wire form.
func (rs Ranges) Proto() *mesospb.Value_Ranges {
	// One cell per range instead of three allocations.
	cells := make([]rangeCell, len(rs))
	ptrs := make([]*mesospb.Value_Range, len(rs))
	for i, r := range rs {
		c := &cells[i]
		c.begin, c.end = r.Begin, r.End
		c.pb.Begin, c.pb.End = &c.begin, &c.end
		ptrs[i] = &c.pb
	}
	return &mesospb.Value_Ranges{Range: ptrs}
}

type rangeCell struct {
	pb         mesospb.Value_Range
	begin, end uint64
}

// Size returns how many integers the ranges hold, saturating at the largest uint64.
func (rs Ranges) Size() uint64 {
	var n uint64
	for _, r := range rs {
		span := r.End - r.Begin
		if span == math.MaxUint64 || n > math.MaxUint64-span-1 {
			return math.MaxUint64
		}
		n += span + 1
	}
	return n
}

// Has reports whether v is in one of the ranges.
func (rs Ranges) Has(v uint64) bool { return rs.covers(Range{v, v}) }

// Contains reports whether every integer of o is in rs.
func (rs Ranges) Contains(o Ranges) bool {
	for _, r := range o {
		if !rs.covers(r) {
			return false
		}
	}
	return true
}

// covers reports whether one interval of rs holds all of r.
func (rs Ranges) covers(r Range) bool {
	i := rs.search(r.Begin)
	return i < len(rs) && rs[i].Begin <= r.Begin && r.End <= rs[i].End
}

// search returns the index of the first interval that ends at or after v.
func (rs Ranges) search(v uint64) int {
	lo, hi := 0, len(rs)
	for lo < hi {
		m := int(uint(lo+hi) >> 1)
		if rs[m].End < v {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo
}

// Union returns the integers that are in rs or in o.
func (rs Ranges) Union(o Ranges) Ranges {
	out := make(Ranges, 0, len(rs)+len(o))
	return normalize(append(append(out, rs...), o...))
}

// Subtract returns the integers of rs that are not in o.
func (rs Ranges) Subtract(o Ranges) Ranges {
	return appendDifference(make(Ranges, 0, len(rs)+len(o)), rs, o)
}

// Intersect returns the integers that are in both.
func (rs Ranges) Intersect(o Ranges) Ranges {
	var out Ranges
	for i, j := 0, 0; i < len(rs) && j < len(o); {
		if b, e := max(rs[i].Begin, o[j].Begin), min(rs[i].End, o[j].End); b <= e {
			out = append(out, Range{b, e})
		}
		if rs[i].End < o[j].End {
			i++
		} else {
			j++
		}
	}
	return out
}

// Take returns the n smallest integers of rs, or false if there are fewer.
func (rs Ranges) Take(n uint64) (Ranges, bool) {
	out, left := rs.appendTake(nil, n)
	return out, left == 0
}

// appendTake appends the n smallest integers to dst and returns how many are missing.
func (rs Ranges) appendTake(dst Ranges, n uint64) (Ranges, uint64) {
	for _, r := range rs {
		if n == 0 {
			break
		}
		if r.End-r.Begin >= n-1 {
			return append(dst, Range{r.Begin, r.Begin + n - 1}), 0
		}
		n -= r.End - r.Begin + 1
		dst = append(dst, r)
	}
	return dst, n
}

// All yields every integer in ascending order. Look at Size first: it may be large.
func (rs Ranges) All() iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for _, r := range rs {
			for v := r.Begin; ; v++ {
				if !yield(v) {
					return
				}
				if v >= r.End { // not in the loop condition: v+1 may overflow
					break
				}
			}
		}
	}
}

// Equal reports whether both hold the same integers.
func (rs Ranges) Equal(o Ranges) bool { return slices.Equal(rs, o) }

// String returns the text form of Mesos flags: [31000-32000, 33000-33000].
func (rs Ranges) String() string { return string(rs.appendText(nil)) }

func (rs Ranges) appendText(b []byte) []byte {
	b = append(b, '[')
	for i, r := range rs {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = strconv.AppendUint(b, r.Begin, 10)
		b = append(b, '-')
		b = strconv.AppendUint(b, r.End, 10)
	}
	return append(b, ']')
}

// touches reports whether an interval that begins at begin continues or overlaps one that ends at end.
func touches(end, begin uint64) bool { return begin <= end || begin-1 == end }

// normalize sorts and coalesces in place.
func normalize(rs Ranges) Ranges {
	rs = slices.DeleteFunc(rs, Range.IsEmpty)
	if len(rs) < 2 {
		return rs
	}
	byBegin := func(a, b Range) int { return cmp.Compare(a.Begin, b.Begin) }
	if !slices.IsSortedFunc(rs, byBegin) {
		slices.SortFunc(rs, byBegin)
	}
	out := rs[:1]
	for _, r := range rs[1:] {
		if last := &out[len(out)-1]; touches(last.End, r.Begin) {
			last.End = max(last.End, r.End)
		} else {
			out = append(out, r)
		}
	}
	return out
}

// appendDifference appends a - b to dst, which shares no memory with a or b.
func appendDifference(dst, a, b Ranges) Ranges {
	j := 0
	for _, r := range a {
		for j < len(b) && b[j].End < r.Begin {
			j++
		}
		rest := true
		for k := j; k < len(b) && b[k].Begin <= r.End; k++ {
			if b[k].Begin > r.Begin {
				dst = append(dst, Range{r.Begin, b[k].Begin - 1})
			}
			if b[k].End >= r.End {
				rest = false
				break
			}
			r.Begin = b[k].End + 1
		}
		if rest {
			dst = append(dst, r)
		}
	}
	return dst
}

// appendWire appends the intervals of a wire value as they are, empty ones left out.
func appendWire(dst Ranges, v *mesospb.Value_Ranges) Ranges {
	for _, r := range v.GetRange() {
		if p := (Range{r.GetBegin(), r.GetEnd()}); !p.IsEmpty() {
			dst = append(dst, p)
		}
	}
	return dst
}
