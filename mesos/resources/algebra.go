package resources

import "github.com/mesokit/mesokit/mesos/mesospb"

// Add returns everything in a and b, equal kinds merged. Neither is changed, and nothing is shared with the result.
func Add(a, b []*mesospb.Resource) []*mesospb.Resource { return Sum(a, b) }

// Sum returns everything in the lists, equal kinds merged, in order of first appearance. Scalars are rounded to three
// decimals, adjacent ranges become one, empty resources vanish. Sum(list) brings one list into this form.
func Sum(lists ...[]*mesospb.Resource) []*mesospb.Resource {
	var p Pool
	for _, l := range lists {
		p.Add(l)
	}
	return p.Resources()
}

// Subtract returns a without b. What b has more than a disappears without trace: ask Contains first where that
// matters.
func Subtract(a, b []*mesospb.Resource) []*mesospb.Resource {
	var p Pool
	p.Add(a)
	p.Subtract(b)
	return p.Resources()
}

// IsEmpty reports whether the list holds nothing: no entries, or only zero scalars, empty ranges and empty sets.
func IsEmpty(list []*mesospb.Resource) bool {
	for _, r := range list {
		if !isEmpty(r) {
			return false
		}
	}
	return true
}

// Equivalent reports whether two lists hold the same resources, whatever the order, the splitting into
// entries and the reservation format.
func Equivalent(a, b []*mesospb.Resource) bool { return Contains(a, b) && Contains(b, a) }

// Equal reports whether two resources are of the same kind and amount, whatever their reservation format.
func Equal(a, b *mesospb.Resource) bool {
	if a == nil || b == nil {
		return a == b
	}
	return sameWhole(a, b, everything)
}

// SameKind reports whether two resources agree in everything but the amount (and disk.volume, which says how a volume is
// used): name, type, allocation, reservations, disk, revocable, shared and provider. Resources of one kind add up unless
// they are Indivisible.
func SameKind(a, b *mesospb.Resource) bool {
	if a == nil || b == nil {
		return a == b
	}
	return sameMeta(a, b, everything)
}

// Indivisible reports whether a resource is a thing rather than an amount, which is counted but never merged, split or
// resized by the algebra: persistent volumes, MOUNT and BLOCK disks, RAW disks with an id.
func Indivisible(r *mesospb.Resource) bool { return r != nil && indivisible(r) }

// Contains reports whether a holds all of b at the same time: amounts of one kind are added up on both sides, and
// each persistent volume or exclusive disk counts once per entry. Malformed values (negative, NaN) are in
// no list. It allocates nothing, but for lists of many thousand ranges or items, which it sorts first.
func Contains(a, b []*mesospb.Resource) bool {
	if large(a)*large(b) > smallWork {
		return containsLarge(a, b)
	}
	for i, r := range b {
		if r == nil {
			continue
		}
		if malformed(r) {
			return false
		}
		if isEmpty(r) {
			continue
		}
		whole := indivisible(r)
		switch {
		case whole || r.GetType() == mesospb.Value_SCALAR:
			need, first := demand(b, i, whole, everything)
			if first && supply(a, r, whole) < need {
				return false
			}
		case r.GetType() == mesospb.Value_RANGES:
			for _, x := range r.GetRanges().GetRange() {
				reach := func(at uint64) (uint64, bool) { return reachOf(a, r, at) }
				if !coveredBy(Range{x.GetBegin(), x.GetEnd()}, reach) {
					return false
				}
			}
		case r.GetType() == mesospb.Value_SET:
			for _, it := range r.GetSet().GetItem() {
				if !holdsItem(a, r, it) {
					return false
				}
			}
		}
	}
	return true
}

// smallWork is how many comparisons of entries, ranges and items Contains makes without sorting anything first.
const smallWork = 1 << 16

// large counts entries, ranges and items.
func large(list []*mesospb.Resource) int {
	n := len(list)
	for _, r := range list {
		n += len(r.GetRanges().GetRange()) + len(r.GetSet().GetItem())
	}
	return n
}

// containsLarge is Contains for lists that are too long to compare everything with everything.
func containsLarge(a, b []*mesospb.Resource) bool {
	for _, r := range b {
		if r != nil && malformed(r) {
			return false
		}
	}
	return NewPool(a).ContainsPool(NewPool(b))
}

// supply sums what list has of the kind of r: thousandths of a scalar, copies of a whole.
func supply(list []*mesospb.Resource, r *mesospb.Resource, whole bool) (n int64) {
	for _, o := range list {
		if isEmpty(o) || !sameMeta(o, r, everything) {
			continue
		}
		if !whole {
			n = addFixed(n, ToFixed(o.GetScalar().GetValue()))
		} else if sameValue(o, r) {
			n++
		}
	}
	return n
}

// reachOf returns the furthest end of a range in list, of the kind of r, that holds at.
func reachOf(list []*mesospb.Resource, r *mesospb.Resource, at uint64) (end uint64, ok bool) {
	for _, o := range list {
		if o == nil || !sameMeta(o, r, everything) {
			continue
		}
		if e, found := reachIn(o.Ranges, at); found && (!ok || e > end) {
			end, ok = e, true
		}
	}
	return end, ok
}

func holdsItem(list []*mesospb.Resource, r *mesospb.Resource, item string) bool {
	for _, o := range list {
		if o != nil && sameMeta(o, r, everything) && hasItem(o.GetSet().GetItem(), item) {
			return true
		}
	}
	return false
}
