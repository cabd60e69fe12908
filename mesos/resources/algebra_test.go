package resources

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

func TestArithmeticAgreesWithCountingByHand(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawList(t, "a"), drawList(t, "b")
		if got := modelOf(Add(a, b)); !got.equal(modelOf(a, b)) {
			t.Errorf("Add = %v\nmodel  %v", got, modelOf(a, b))
		}
		diff := modelOf(a)
		for _, r := range b {
			diff.change(r, -1)
		}
		if got := modelOf(Subtract(a, b)); !got.equal(diff) {
			t.Errorf("Subtract = %v\nmodel  %v", got, diff)
		}
		want := modelOf(a).contains(modelOf(b))
		if got := Contains(a, b); got != want {
			t.Errorf("Contains = %v, want %v", got, want)
		}
		if got := NewPool(a).Contains(b); got != want {
			t.Errorf("Pool.Contains = %v, want %v", got, want)
		}
		if got := NewPool(a).ContainsPool(NewPool(b)); got != want {
			t.Errorf("Pool.ContainsPool = %v, want %v", got, want)
		}
		if got := containsLarge(a, b); got != want {
			t.Errorf("containsLarge = %v, want %v", got, want)
		}
		if got := NewPool(a).containsLarge(b); got != want {
			t.Errorf("Pool.containsLarge = %v, want %v", got, want)
		}
	})
}

func TestLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := drawList(t, "a"), drawList(t, "b"), drawList(t, "c")
		laws := map[string]bool{
			"a+b = b+a":               Equivalent(Add(a, b), Add(b, a)),
			"(a+b)+c = a+(b+c)":       Equivalent(Add(Add(a, b), c), Add(a, Add(b, c))),
			"a+0 = a":                 Equivalent(Add(a, nil), a),
			"a-a = 0":                 len(Subtract(a, a)) == 0 && IsEmpty(Subtract(a, a)),
			"a contains a":            Contains(a, a),
			"a contains 0":            Contains(a, nil),
			"a+b contains a":          Contains(Add(a, b), a),
			"a contains a-b":          Contains(a, Subtract(a, b)),
			"sum is idempotent":       sameList(Sum(Sum(a)), Sum(a)),
			"a = b iff b = a":         Equivalent(a, b) == Equivalent(b, a),
			"empty iff nothing":       IsEmpty(a) == Contains(nil, a),
			"(a-b)+b = a if b in a":   !Contains(a, b) || Equivalent(Add(Subtract(a, b), b), a),
			"contains is transitive":  !(Contains(a, b) && Contains(b, c)) || Contains(a, c),
			"contains is monotone":    !Contains(a, b) || Contains(Add(a, c), b),
			"antisymmetric":           !(Contains(a, b) && Contains(b, a)) || len(Subtract(a, b)) == 0,
			"no zero entries":         noEmptyEntries(Add(a, b)) && noEmptyEntries(Subtract(a, b)),
			"format does not matter":  Equivalent(a, mustUpgrade(t, a)),
			"allocation is undone":    Equivalent(Unallocate(Allocate(a, "x")), Unallocate(a)),
			"flatten loses no scalar": CPUs(Flatten(a)) == CPUs(Sum(a)) && Mem(Flatten(a)) == Mem(Sum(a)),
		}
		for law, holds := range laws {
			if !holds {
				t.Errorf("%s does not hold for\na = %v\nb = %v\nc = %v", law, Describe(a), Describe(b), Describe(c))
			}
		}
	})
}

// TestAddingThenSubtractingGivesTheSame leaves out ranges and sets: a union forgets who brought what.
func TestAddingThenSubtractingGivesTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		amounts := func(r *mesospb.Resource) bool { return r.GetType() == mesospb.Value_SCALAR }
		a, b := Filter(drawList(t, "a"), amounts), Filter(drawList(t, "b"), amounts)
		if got := Subtract(Add(a, b), b); !Equivalent(got, a) {
			t.Errorf("(a+b)-b = %v\na = %v\nb = %v", Describe(got), Describe(a), Describe(b))
		}
	})
}

func noEmptyEntries(l list) bool {
	for _, r := range l {
		if isEmpty(r) {
			return false
		}
	}
	return true
}

func mustUpgrade(t rapid.TB, l list) list {
	up, err := Upgrade(l)
	if err != nil {
		t.Fatal(err)
	}
	return up
}

// everyFunction calls everything that takes lists, and returns all that comes out.
func everyFunction(a, b list) []any {
	found, _ := FindWish(a, &Wish{Resources: ToUnreserved(b), Ports: 1})
	up, _ := Upgrade(a)
	down, _ := Downgrade(a)
	ports, _ := TakePorts(a, 1)
	applied, _ := Apply(a, Conversion{Consumed: nil, Converted: b})
	out := []any{
		Add(a, b), Sum(a, b), Subtract(a, b), CloneList(a), found, up, down, ports, Endpoint(a), applied,
		AllocatableTo(a, "eng"), ReservedFor(a, "eng"), Allocate(a, "eng"), Unallocate(a), PopReservation(a), ToUnreserved(a), Flatten(a),
		PushReservation(a, &mesospb.Resource_ReservationInfo{}), NewPool(a, b).OfferTo("eng"), QuantitiesOf(a).Resources(),
	}
	for _, f := range []func(list) ([]Conversion, error){
		func(l list) ([]Conversion, error) { return Reserve(nil, l) },
		func(l list) ([]Conversion, error) { return Reserve(l, l) }, Unreserve, Create, Destroy,
	} {
		for _, r := range a {
			cs, _ := f(list{r})
			for _, c := range cs {
				out = append(out, c.Consumed, c.Converted)
			}
		}
	}
	for _, r := range a {
		for _, s := range b {
			if c, err := GrowVolume(r, s); err == nil {
				out = append(out, c.Consumed, c.Converted)
			}
		}
		if c, err := ShrinkVolume(r, 0.001); err == nil {
			out = append(out, c.Consumed, c.Converted)
		}
	}
	_ = Validate(a)
	_, _ = FormatText(a)
	_, _ = FormatJSON(a)
	Contains(a, b)
	IsEmpty(a)
	Describe(a)
	return out
}

func TestArgumentsAreNeitherChangedNorShared(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawList(t, "a"), drawList(t, "b")
		wasA, wasB := cloneByProto(a), cloneByProto(b)
		results := everyFunction(a, b)
		if d := cmp.Diff([]list{wasA, wasB}, []list{a, b}, protocmp.Transform()); d != "" {
			t.Fatal("an argument was changed:\n", d)
		}
		for _, r := range results {
			scramble(r)
		}
		if d := cmp.Diff([]list{wasA, wasB}, []list{a, b}, protocmp.Transform()); d != "" {
			t.Fatal("a result shares memory with an argument:\n", d)
		}
	})
}

func TestNothingPanicsOnIncompleteMessages(t *testing.T) {
	holes := list{
		nil, {}, {Type: mesospb.Value_SCALAR.Enum()}, {Type: mesospb.Value_TEXT.Enum()}, {Type: mesospb.Value_Type(9).Enum()},
		{Type: mesospb.Value_RANGES.Enum(), Ranges: &mesospb.Value_Ranges{Range: []*mesospb.Value_Range{nil, {}}}},
		{Type: mesospb.Value_SET.Enum(), Set: &mesospb.Value_Set{Item: []string{""}}},
		{Reservations: []*mesospb.Resource_ReservationInfo{nil}}, {Reservation: &mesospb.Resource_ReservationInfo{}},
		{Reservations: []*mesospb.Resource_ReservationInfo{{Labels: &mesospb.Labels{Labels: []*mesospb.Label{nil}}}}},
		{Disk: &mesospb.Resource_DiskInfo{Source: &mesospb.Resource_DiskInfo_Source{}}}, {Disk: &mesospb.Resource_DiskInfo{}},
		{Disk: &mesospb.Resource_DiskInfo{Persistence: &mesospb.Resource_DiskInfo_Persistence{}}, Shared: &mesospb.Resource_SharedInfo{}},
		NewCPUs(math.NaN()), NewCPUs(math.Inf(1)), NewCPUs(-1), NewCPUs(math.MaxFloat64),
		NewPorts(0, math.MaxUint64), {AllocationInfo: &mesospb.Resource_AllocationInfo{}},
	}
	for i, r := range holes {
		everyFunction(list{r}, holes)
		everyFunction(holes[i:], list{r})
		_, _ = CreateDisk(r, mesospb.Resource_DiskInfo_Source_MOUNT, "")
		_, _ = DestroyDisk(r)
		Equal(r, nil)
		SameKind(nil, r)
		Indivisible(r)
		IsAllocatableTo(r, "eng")
	}
	if _, err := Conversions(nil); err == nil {
		t.Error("no error for no operation")
	}
}

func cloneByProto(l list) list {
	out := make(list, len(l))
	for i, r := range l {
		out[i] = clonePB(r)
	}
	return out
}

func TestCloneIsComplete(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawResource(t)
		r.ProtoReflect().SetUnknown([]byte{0xf8, 0x07, 0x01})
		if d := cmp.Diff(clonePB(r), Clone(r), protocmp.Transform()); d != "" {
			t.Error(d)
		}
	})
}

func TestScalarsHaveThreeDecimals(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{0.1, 0.2}, 0.3},
		{[]float64{0.0004}, 0},
		{[]float64{0.0004, 0.0004, 0.0004}, 0}, // each is rounded on its own
		{[]float64{0.0005}, 0.001},
		{[]float64{1.0015}, 1.002}, // half away from zero, as llround
		{[]float64{-1, 2}, 2},
		{[]float64{math.NaN(), 2}, 2},
		{[]float64{1e15, 0.001}, 1e15 + 0.001},
	} {
		var l list
		for _, v := range c.values {
			l = append(l, NewCPUs(v))
		}
		if got := CPUs(Sum(l)); got != c.want {
			t.Errorf("sum of %v = %v, want %v", c.values, got, c.want)
		}
	}
	if !Equivalent(list{NewCPUs(0.1 + 0.2)}, list{NewCPUs(0.3)}) {
		t.Error("0.1+0.2 differs from 0.3")
	}
	if got := CPUs(Sum(list{NewCPUs(9e15), NewCPUs(9e15)})); got != FromFixed(math.MaxInt64) {
		t.Errorf("sum beyond the range is %v", got)
	}
}

func TestMalformedValuesAreInNoList(t *testing.T) {
	bad := list{
		NewCPUs(-1), NewCPUs(math.NaN()), NewCPUs(math.Inf(-1)), {Name: NewCPUs(1).Name, Type: mesospb.Value_TEXT.Enum()},
		{Type: mesospb.Value_RANGES.Enum(), Ranges: Ranges{{2, 1}}.Proto()},
	}
	for _, r := range bad {
		if Contains(list{NewCPUs(4), r}, list{r}) || NewPool(list{NewCPUs(4), r}).Contains(list{r}) {
			t.Errorf("contained: %v", r)
		}
	}
}

func TestOrderOfFirstAppearanceIsKept(t *testing.T) {
	got := Add(mustParse(t, "ports:[1-2];cpus:1;mem(eng):32"), mustParse(t, "mem:1;cpus:1;ports:[3-4]"))
	if s := Describe(got); s != "ports:[1-4]; cpus:2; mem(reservations: [(STATIC,eng)]):32; mem:1" {
		t.Error(s)
	}
	got = Subtract(got, mustParse(t, "cpus:2"))
	if s := Describe(got); s != "ports:[1-4]; mem(reservations: [(STATIC,eng)]):32; mem:1" {
		t.Error(s)
	}
}

func TestExclusiveDisksAndVolumesAreThings(t *testing.T) {
	mount := NewDisk(100, WithMountDisk("/m"))
	volume := NewDisk(100, WithRole("eng"), WithVolume("v", "", "data"))
	shared := NewDisk(100, WithRole("eng"), WithVolume("v", "", "data"), WithShared())
	raw := NewDisk(100, withRaw("id"))
	for name, r := range map[string]*mesospb.Resource{"mount": mount, "volume": volume, "shared": shared, "raw with id": raw} {
		smaller := Clone(r)
		*smaller.Scalar.Value = 40
		two := Add(list{r}, list{r})
		switch {
		case len(two) != 2:
			t.Errorf("%s: two became %v", name, Describe(two))
		case !Contains(two, list{r, r}) || Contains(list{r}, list{r, r}):
			t.Errorf("%s: not counted", name)
		case Contains(list{r}, list{smaller}):
			t.Errorf("%s: contains a part of itself", name)
		case !Equivalent(Subtract(list{r}, list{smaller}), list{r}):
			t.Errorf("%s: a part was cut off", name)
		}
	}
	for name, r := range map[string]*mesospb.Resource{"path": NewDisk(100, WithPathDisk("/a")), "raw": NewDisk(100, withRaw(""))} {
		if two := Add(list{r}, list{r}); len(two) != 1 || Disk(two) != 200 {
			t.Errorf("%s: two became %v", name, Describe(two))
		}
	}
	if got := Disk(list{shared, shared}); got != 100 {
		t.Errorf("two copies of 100 MB hold %v MB", got)
	}
	if got := NewPool(list{shared, shared}).Scalar(NameDisk); got != 100 {
		t.Errorf("in a pool two copies of 100 MB hold %v MB", got)
	}
	elsewhere := Clone(volume)
	*elsewhere.Disk.Volume.ContainerPath = "elsewhere"
	if !Contains(list{volume}, list{elsewhere}) {
		t.Error("where a volume is mounted should not matter")
	}
}

func TestKindsDifferInEveryPieceOfMetadata(t *testing.T) {
	source := func(change func(*mesospb.Resource_DiskInfo_Source)) Option {
		s := &mesospb.Resource_DiskInfo_Source{
			Type: mesospb.Resource_DiskInfo_Source_PATH.Enum(), Path: &mesospb.Resource_DiskInfo_Source_Path{Root: proto.String("/a")},
			Vendor: proto.String("v"), Id: proto.String("i"), Profile: proto.String("p"),
			Metadata: &mesospb.Labels{Labels: []*mesospb.Label{{Key: proto.String("k")}, {Key: proto.String("l")}}},
		}
		change(s)
		return WithDiskSource(s)
	}
	same := source(func(*mesospb.Resource_DiskInfo_Source) {})
	kind := func(opts ...Option) *mesospb.Resource { return NewDisk(1, opts...) }
	full := func(opts ...Option) *mesospb.Resource {
		return kind(append([]Option{WithReservation("eng", "ops"), WithAllocation("eng"), WithProvider("rp"), WithVolume("v", "ops", "data"), WithRevocable(), same}, opts...)...)
	}
	for name, different := range map[string]*mesospb.Resource{
		"name":                  full(func(r *mesospb.Resource) { r.Name = proto.String("other") }),
		"type":                  full(func(r *mesospb.Resource) { r.Type, r.Set = mesospb.Value_SET.Enum(), NewSet("", []string{"x"}).Set }),
		"allocation":            full(WithAllocation("eng/web")),
		"no allocation":         Unallocate(list{full()})[0],
		"provider":              full(WithProvider("other")),
		"no provider":           full(func(r *mesospb.Resource) { r.ProviderId = nil }),
		"shared":                full(WithShared()),
		"not revocable":         full(func(r *mesospb.Resource) { r.Revocable = nil }),
		"refined":               full(WithReservation("eng/web", "ops")),
		"reservation type":      full(func(r *mesospb.Resource) { r.Reservations[0].Type = mesospb.Resource_ReservationInfo_STATIC.Enum() }),
		"reservation role":      full(func(r *mesospb.Resource) { r.Reservations[0].Role = proto.String("sales") }),
		"reservation principal": full(func(r *mesospb.Resource) { r.Reservations[0].Principal = proto.String("dev") }),
		"no principal":          full(func(r *mesospb.Resource) { r.Reservations[0].Principal = nil }),
		"labels":                full(withLabels("x")),
		"volume":                full(WithVolume("w", "ops", "data")),
		"no volume":             full(func(r *mesospb.Resource) { r.Disk.Persistence = nil }),
		"no disk":               full(func(r *mesospb.Resource) { r.Disk = nil }),
		"no source":             full(func(r *mesospb.Resource) { r.Disk.Source = nil }),
		"source type":           full(source(func(s *mesospb.Resource_DiskInfo_Source) { s.Type = mesospb.Resource_DiskInfo_Source_RAW.Enum() })),
		"source path":           full(source(func(s *mesospb.Resource_DiskInfo_Source) { s.Path.Root = proto.String("/b") })),
		"no source path":        full(source(func(s *mesospb.Resource_DiskInfo_Source) { s.Path = nil })),
		"source mount":          full(WithMountDisk("/a")),
		"source vendor":         full(source(func(s *mesospb.Resource_DiskInfo_Source) { s.Vendor = proto.String("w") })),
		"source id":             full(source(func(s *mesospb.Resource_DiskInfo_Source) { s.Id = nil })),
		"source profile":        full(source(func(s *mesospb.Resource_DiskInfo_Source) { s.Profile = proto.String("q") })),
		"source metadata":       full(source(func(s *mesospb.Resource_DiskInfo_Source) { s.Metadata.Labels[0].Value = proto.String("x") })),
		"source metadata count": full(source(func(s *mesospb.Resource_DiskInfo_Source) { s.Metadata.Labels = s.Metadata.Labels[:1] })),
	} {
		if SameKind(full(), different) || SameKind(different, full()) || Equal(full(), different) || Contains(list{full()}, list{different}) {
			t.Errorf("%s makes no difference", name)
		}
	}
	if SameKind(kind(WithMountDisk("/a")), kind(WithMountDisk("/b"))) {
		t.Error("source mount makes no difference")
	}
	for name, alike := range map[string]*mesospb.Resource{
		"mode of use":           full(WithVolume("v", "ops", "elsewhere")),
		"principal of a volume": full(WithVolume("v", "dev", "data")),
		"order of labels":       full(source(func(s *mesospb.Resource_DiskInfo_Source) { slices.Reverse(s.Metadata.Labels) })),
		"format":                Endpoint(list{full()})[0],
	} {
		if !SameKind(full(), alike) || !Equal(full(), alike) {
			t.Errorf("%s makes a difference", name)
		}
	}
	larger := full(func(r *mesospb.Resource) { r.Scalar.Value = proto.Float64(2) })
	if !SameKind(full(), larger) || Equal(full(), larger) {
		t.Error("amounts are not told from kinds")
	}
}

func TestLongListsAreHandledWithoutComparingAllPairs(t *testing.T) {
	const n = 100_000
	var single, pairs Ranges
	items := make([]string, n)
	for i := range uint64(n) {
		single = append(single, Range{3 * i, 3 * i})
		pairs = append(pairs, Range{3 * i, 3*i + 1})
		items[i] = string(rune('a'+i%26)) + string(rune(0x4e00+i%20000)) + string(rune('a'+i/20000))
	}
	a, b := list{NewRanges("ports", pairs), NewSet("s", items)}, list{NewRanges("ports", single), NewSet("s", items)}
	if !Contains(a, b) || Contains(b, a) {
		t.Error("wrong answer")
	}
	rest := Subtract(a, b)
	if got := Ports(rest).Size(); got != n || len(rest) != 1 {
		t.Errorf("%d ports left in %d entries", got, len(rest))
	}
	many := make(list, 20_000)
	for i := range many {
		many[i] = NewCPUs(1)
	}
	if !Contains(list{NewCPUs(20_000)}, many) || Contains(list{NewCPUs(19_999)}, many) || !NewPool(list{NewCPUs(20_000)}).Contains(many) {
		t.Error("wrong answer for many entries")
	}
}
