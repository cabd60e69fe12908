package resources

import "github.com/mesokit/mesokit/mesos/mesospb"

// Wish says what to look for in an offer.
type Wish struct {
	// Resources are amounts, usually unreserved as the New functions make them: then any reservation the role may use will do.
	// An entry with reservations of its own is only satisfied by resources with exactly these. Everything else
	// (disk source, volume, revocable, shared, provider) must match. Allocations don't matter.
	Resources []*mesospb.Resource
	// Ports is how many ports are wanted beyond those in Resources, whichever they are. The lowest free ones are taken.
	Ports int
	// Role is the role to find for: resources reserved for it come first, then those of its ancestors, nearest first, then
	// unreserved ones; never those of other roles. Empty means the role each resource is allocated to;
	// if it isn't allocated, any reservation will do.
	Role string
	// From restricts the search.
	From Preference
	// Owner is whose reservations may be used besides those of nobody in particular, and come first: see OwnerLabel.
	Owner string
}

// Preference says whether reserved resources may be used.
type Preference int

// The preferences.
const (
	ReservedFirst  Preference = iota // reserved for the role, then unreserved
	ReservedOnly                     // reserved for the role or its ancestors
	UnreservedOnly                   // leave reservations alone
)

// Find picks concrete resources for wanted from an offer, those reserved for role first, then unreserved ones, with their
// reservations and allocation as offered: what ACCEPT has to name. It returns false, having allocated nothing, if
// available does not hold them. The result shares nothing with the arguments. An empty role means that of the offer's
// allocation.
func Find(available, wanted []*mesospb.Resource, role string) ([]*mesospb.Resource, bool) {
	return FindWish(available, &Wish{Resources: wanted, Role: role})
}

// FindWish is Find with all options.
func FindWish(available []*mesospb.Resource, w *Wish) ([]*mesospb.Resource, bool) {
	if !mayFit(available, w) {
		return nil, false
	}
	var f Finder
	found, ok := f.Find(available, w)
	return CloneList(found), ok
}

// TakePorts picks the n lowest ports of list, with their metadata, entry by entry in the order of list.
func TakePorts(list []*mesospb.Resource, n int) ([]*mesospb.Resource, bool) {
	return FindWish(list, &Wish{Ports: n})
}

// mayFit is a quick look that allocates nothing: false means that w can't be found. Only wishes that compete for the same
// resource with different metadata need the full search.
func mayFit(available []*mesospb.Resource, w *Wish) bool {
	if w.Ports > 0 && !w.enoughPorts(available) {
		return false
	}
	for i, r := range w.Resources {
		if r == nil || isEmpty(r) {
			if r != nil && malformed(r) {
				return false
			}
			continue
		}
		what, whole := wishAspects(r), indivisible(r)
		need, have := int64(1), int64(0)
		if whole || r.GetType() == mesospb.Value_SCALAR {
			var first bool
			if need, first = demand(w.Resources, i, whole, what); !first {
				continue
			}
		}
		for _, o := range available {
			if have >= need {
				break
			}
			if o == nil || !sameMeta(o, r, what) || w.tier(o) == 0 {
				continue
			}
			switch {
			case whole:
				if sameValue(o, r) {
					have++
				}
			case r.GetType() == mesospb.Value_SCALAR:
				have = addFixed(have, max(0, ToFixed(o.GetScalar().GetValue())))
			default: // ranges and sets: the search decides
				have = need
			}
		}
		if have < need {
			return false
		}
	}
	return true
}

// enoughPorts counts ports, those that several entries have in common more than once.
func (w *Wish) enoughPorts(available []*mesospb.Resource) bool {
	var have uint64
	for _, r := range available {
		if r == nil || !isPorts(r) || w.tier(r) == 0 {
			continue
		}
		for _, x := range r.GetRanges().GetRange() {
			if b, e := x.GetBegin(), x.GetEnd(); b <= e {
				if e-b >= uint64(w.Ports) {
					return true
				}
				have += e - b + 1
			}
			if have >= uint64(w.Ports) {
				return true
			}
		}
	}
	return false
}

// isPorts reports whether ports may be taken from the resource without being asked for by number.
func isPorts(r *mesospb.Resource) bool {
	return r.GetName() == NamePorts && r.GetType() == mesospb.Value_RANGES && r.Revocable == nil && !indivisible(r)
}

// wishAspects leaves out the reservations unless the wish names some.
func wishAspects(r *mesospb.Resource) aspects {
	if IsUnreserved(r) {
		return 0
	}
	return withReservations
}

// tier ranks an available resource for the wish: 0 if it may not be used, else the higher the better.
func (w *Wish) tier(r *mesospb.Resource) int {
	const unreservedTier, reservedTier, ownedTier = 1, 2, 1 << 20
	top, reserved := stackOf(r).top()
	if !reserved {
		if w.From == ReservedOnly {
			return 0
		}
		return unreservedTier
	}
	if w.From == UnreservedOnly {
		return 0
	}
	owned := 0
	if top.labels != nil {
		if owner := Owner(r); owner != "" && owner != w.Owner {
			return 0
		} else if owner != "" {
			owned = ownedTier
		}
	}
	role := w.Role
	if role == "" {
		if role = AllocationRole(r); role == "" {
			return reservedTier + owned
		}
	}
	if top.role == role || IsStrictSubrole(role, top.role) {
		return reservedTier + owned + len(top.role) // the longer, the nearer to role
	}
	return 0
}

// Finder is Find for loops over many offers: it uses its memory again. The zero Finder is ready. It is not safe for
// concurrent use.
type Finder struct {
	pool  Pool
	out   []*mesospb.Resource
	cells []*foundCell
	used  int

	// What is still missing of the resource in hand.
	ranges Ranges
	items  []string
}

type foundCell struct {
	cell
	ranges mesospb.Value_Ranges
	slots  []*mesospb.Value_Range
	set    mesospb.Value_Set
}

// Find is FindWish without allocations in steady state. The result is valid until the next call, and its metadata (name,
// reservations, allocation, disk, …) is that of available, not a copy: do not change it, and CloneList what
// you keep.
func (f *Finder) Find(available []*mesospb.Resource, w *Wish) ([]*mesospb.Resource, bool) {
	if !mayFit(available, w) {
		return nil, false
	}
	f.pool.Reset()
	f.pool.Add(available)
	f.out, f.used = f.out[:0], 0
	// Entries that say which reservation they want first: the others have a choice.
	for _, choosy := range [...]bool{true, false} {
		for _, r := range w.Resources {
			if r != nil && IsUnreserved(r) != choosy && !f.take(r, w) {
				return nil, false
			}
		}
	}
	if w.Ports > 0 && !f.takePorts(w) {
		return nil, false
	}
	return f.out, true
}

// next returns the best entry that matches: of the highest tier not above below, and in tier below only entries behind index
// after. So a caller that passes its last answer walks through all entries in order of preference.
func (f *Finder) next(w *Wish, below, after int, matches func(*entry) bool) (at, tier int) {
	at = -1
	for i := range f.pool.entries {
		e := &f.pool.entries[i]
		if !matches(e) {
			continue
		}
		t := w.tier(e.kind)
		if t > tier && (t < below || t == below && i > after) {
			at, tier = i, t
		}
	}
	return at, tier
}

const topTier = int(^uint(0) >> 1)

func (f *Finder) take(r *mesospb.Resource, w *Wish) bool {
	if isEmpty(r) {
		return !malformed(r)
	}
	what, whole := wishAspects(r), indivisible(r)
	matches := func(e *entry) bool {
		return e.whole == whole && !e.empty() && sameMeta(e.kind, r, what) && (!whole || sameValue(e.kind, r))
	}
	need := ToFixed(r.GetScalar().GetValue())
	f.ranges = normalize(appendWire(f.ranges[:0], r.GetRanges()))
	f.items = addItems(f.items[:0], r.GetSet().GetItem())
	for tier, at := topTier, -1; ; {
		if at, tier = f.next(w, tier, at, matches); at < 0 {
			return false
		}
		e := &f.pool.entries[at]
		switch {
		case whole:
			e.copies--
			f.emit(e.kind).setWhole(e.kind)
			return true
		case r.GetType() == mesospb.Value_SCALAR:
			n := min(need, e.fixed)
			e.fixed -= n
			need -= n
			f.emit(e.kind).setScalar(FromFixed(n))
			if need == 0 {
				return true
			}
		case r.GetType() == mesospb.Value_RANGES:
			f.takeRanges(e)
			if len(f.ranges) == 0 {
				return true
			}
		case r.GetType() == mesospb.Value_SET:
			f.takeItems(e)
			if len(f.items) == 0 {
				return true
			}
		}
	}
}

// takeRanges takes from e what it has of f.ranges.
func (f *Finder) takeRanges(e *entry) {
	c := f.emit(e.kind)
	for i, j := 0, 0; i < len(f.ranges) && j < len(e.ranges); {
		x, y := f.ranges[i], e.ranges[j]
		if both := (Range{max(x.Begin, y.Begin), min(x.End, y.End)}); !both.IsEmpty() {
			c.addRange(both)
		}
		if x.End < y.End {
			i++
		} else {
			j++
		}
	}
	f.settle(c, e)
}

// takeItems takes from e what it has of f.items.
func (f *Finder) takeItems(e *entry) {
	c := f.emit(e.kind)
	for _, it := range f.items {
		if containsItem(e.set, it) {
			c.set.Item = append(c.set.Item, it)
		}
	}
	if len(c.set.Item) == 0 {
		f.unemit()
		return
	}
	e.set = removeItems(e.set, c.set.Item)
	f.items = removeItems(f.items, c.set.Item)
	c.pb.Set = &c.set
}

// settle moves what c got from e out of both e and the wish.
func (f *Finder) settle(c *foundCell, e *entry) {
	if len(c.ranges.Range) == 0 {
		f.unemit()
		return
	}
	for _, x := range c.ranges.Range {
		r := Range{x.GetBegin(), x.GetEnd()}
		e.ranges = e.ranges.remove(r)
		f.ranges = f.ranges.remove(r)
	}
	c.pb.Ranges = &c.ranges
}

func (f *Finder) takePorts(w *Wish) bool {
	need := uint64(w.Ports)
	matches := func(e *entry) bool { return isPorts(e.kind) && len(e.ranges) > 0 }
	for tier, at := topTier, -1; need > 0; {
		if at, tier = f.next(w, tier, at, matches); at < 0 {
			return false
		}
		e := &f.pool.entries[at]
		f.ranges, need = e.ranges.appendTake(f.ranges[:0], need)
		c := f.emit(e.kind)
		for _, r := range f.ranges {
			c.addRange(r)
		}
		f.settle(c, e)
	}
	return true
}

// emit appends a resource of the given kind, sharing its metadata.
func (f *Finder) emit(kind *mesospb.Resource) *foundCell {
	if f.used == len(f.cells) {
		f.cells = append(f.cells, new(foundCell))
	}
	c := f.cells[f.used]
	f.used++
	p := &c.pb
	p.Name, p.Type, p.ProviderId = kind.Name, kind.Type, kind.ProviderId
	setOlderRole(p, olderRole(kind))
	p.Reservation, p.Reservations = kind.Reservation, kind.Reservations
	p.AllocationInfo, p.Disk, p.Revocable, p.Shared = kind.AllocationInfo, kind.Disk, kind.Revocable, kind.Shared
	p.Scalar, p.Ranges, p.Set = nil, nil, nil
	c.ranges.Range = c.ranges.Range[:0]
	c.set.Item = c.set.Item[:0]
	f.out = append(f.out, p)
	return c
}

func (f *Finder) unemit() {
	f.used--
	f.out = f.out[:len(f.out)-1]
}

func (c *foundCell) setWhole(kind *mesospb.Resource) {
	c.pb.Scalar, c.pb.Ranges, c.pb.Set = kind.Scalar, kind.Ranges, kind.Set
}

func (c *foundCell) addRange(r Range) {
	n := len(c.ranges.Range)
	if n == len(c.slots) {
		s := new(rangeCell)
		s.pb.Begin, s.pb.End = &s.begin, &s.end
		c.slots = append(c.slots, &s.pb)
	}
	*c.slots[n].Begin, *c.slots[n].End = r.Begin, r.End
	c.ranges.Range = append(c.ranges.Range, c.slots[n])
}
