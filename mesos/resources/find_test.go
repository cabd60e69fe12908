package resources

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

func TestFindPicksTheNearestReservationFirst(t *testing.T) {
	offer := Allocate(list{
		NewCPUs(4),
		NewCPUs(1, WithReservation("eng", "ops")),
		NewCPUs(2, WithReservation("eng", "ops"), WithReservation("eng/web", "ops")),
		NewCPUs(8, WithRole("sales")),
		NewMem(512), NewMem(128, WithRole("eng")),
		NewPorts(31000, 31009), NewPorts(31010, 31010, WithRole("eng")),
	}, "eng/web")
	volume := NewDisk(64, WithRole("eng"), WithVolume("v1", "", "data"), WithAllocation("eng/web"))
	offer = append(offer, NewDisk(1000, WithAllocation("eng/web")), volume)

	for name, c := range map[string]struct {
		wish Wish
		want string // "" if it can't be found
	}{
		"role of the offer": {
			Wish{Resources: list{NewCPUs(3.5), NewMem(100)}},
			"cpus(allocated: eng/web)(reservations: [(DYNAMIC,eng,ops),(DYNAMIC,eng/web,ops)]):2; cpus(allocated: eng/web)(reservations: [(DYNAMIC,eng,ops)]):1; cpus(allocated: eng/web):0.5; " +
				"mem(allocated: eng/web)(reservations: [(STATIC,eng)]):100",
		},
		"another role": {
			Wish{Resources: list{NewCPUs(2)}, Role: "eng"},
			"cpus(allocated: eng/web)(reservations: [(DYNAMIC,eng,ops)]):1; cpus(allocated: eng/web):1",
		},
		"no reservations": {
			Wish{Resources: list{NewCPUs(2)}, From: UnreservedOnly},
			"cpus(allocated: eng/web):2",
		},
		"reservations only": {
			Wish{Resources: list{NewCPUs(3)}, From: ReservedOnly},
			"cpus(allocated: eng/web)(reservations: [(DYNAMIC,eng,ops),(DYNAMIC,eng/web,ops)]):2; cpus(allocated: eng/web)(reservations: [(DYNAMIC,eng,ops)]):1",
		},
		"too much for reservations": {Wish{Resources: list{NewCPUs(3.001)}, From: ReservedOnly}, ""},
		"too much":                  {Wish{Resources: list{NewCPUs(7.001)}}, ""},
		"two entries of one kind":   {Wish{Resources: list{NewCPUs(4), NewCPUs(3.001)}}, ""},
		"a reservation of choice": {
			Wish{Resources: list{NewCPUs(6), NewCPUs(1, WithReservation("eng", "ops"))}},
			"cpus(allocated: eng/web)(reservations: [(DYNAMIC,eng,ops)]):1; cpus(allocated: eng/web)(reservations: [(DYNAMIC,eng,ops),(DYNAMIC,eng/web,ops)]):2; cpus(allocated: eng/web):4",
		},
		"competition for a reservation": {Wish{Resources: list{NewCPUs(6.5), NewCPUs(1, WithReservation("eng", "ops"))}}, ""},
		"another principal's":           {Wish{Resources: list{NewCPUs(1, WithReservation("eng", "dev"))}}, ""},
		"any ports, reserved first": {
			Wish{Ports: 3},
			"ports(allocated: eng/web)(reservations: [(STATIC,eng)]):[31010-31010]; ports(allocated: eng/web):[31000-31001]",
		},
		"any ports beside certain ones": {
			Wish{Resources: list{NewPorts(31000, 31000), NewPorts(31005, 31010)}, Ports: 4},
			"ports(allocated: eng/web):[31000-31000]; ports(allocated: eng/web)(reservations: [(STATIC,eng)]):[31010-31010]; ports(allocated: eng/web):[31005-31009]; ports(allocated: eng/web):[31001-31004]",
		},
		"more ports than there are":  {Wish{Resources: list{NewPorts(31000, 31000)}, Ports: 11}, ""},
		"ports that are not offered": {Wish{Resources: list{NewPorts(31010, 31011)}}, ""},
		"plain disk is no volume":    {Wish{Resources: list{NewDisk(1001)}}, ""},
		"a volume": {
			Wish{Resources: list{NewDisk(64, WithVolume("v1", "", "elsewhere"))}},
			"disk(allocated: eng/web)(reservations: [(STATIC,eng)])[v1:data]:64",
		},
		"a part of a volume": {Wish{Resources: list{NewDisk(32, WithVolume("v1", "", "data"))}}, ""},
		"a volume twice":     {Wish{Resources: list{NewDisk(64, WithVolume("v1", "", "a")), NewDisk(64, WithVolume("v1", "", "b"))}}, ""},
		"revocable":          {Wish{Resources: list{NewCPUs(1, WithRevocable())}}, ""},
		"malformed":          {Wish{Resources: list{NewCPUs(-1)}}, ""},
		"nothing":            {Wish{Resources: list{NewCPUs(0), nil}}, "{}"},
		"an unknown name":    {Wish{Resources: list{NewGPUs(1)}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := FindWish(offer, &c.wish)
			if !ok {
				got = nil
			}
			if s := Describe(got); ok != (c.want != "") || ok && s != c.want {
				t.Errorf("found %v\n  %s, want\n  %s", ok, s, c.want)
			}
			if !Contains(offer, got) {
				t.Error("not part of the offer")
			}
		})
	}
}

func TestFindPicksSetItems(t *testing.T) {
	offer := list{NewSet("zones", []string{"a", "b"}, WithRole("eng")), NewSet("zones", []string{"b", "c"})}
	got, ok := Find(offer, list{NewSet("zones", []string{"a", "b", "c"})}, "eng")
	if s := Describe(got); !ok || s != "zones(reservations: [(STATIC,eng)]):{a, b}; zones:{c}" {
		t.Error(ok, s)
	}
	if got, ok := Find(offer, list{NewSet("zones", []string{"d"})}, "eng"); ok {
		t.Error(Describe(got))
	}
}

func TestFindWithoutRoleTakesAnyReservation(t *testing.T) {
	got, ok := Find(mustParse(t, "cpus:1;cpus(sales):1"), list{NewCPUs(2)}, "")
	if s := Describe(got); !ok || s != "cpus(reservations: [(STATIC,sales)]):1; cpus:1" {
		t.Error(ok, s)
	}
}

// unstamped makes two lists comparable where only amounts count.
func unstamped(l list) list { return Sum(Unallocate(ToUnreserved(l))) }

func TestWhatFindReturnsIsOfferedAndIsWhatWasWanted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		offer := drawList(t, "offer")
		wanted := ToUnreserved(drawList(t, "wanted"))
		ports := rapid.IntRange(0, 3).Draw(t, "ports")
		w := &Wish{Resources: wanted, Ports: ports, Role: rapid.SampledFrom([]string{"", "eng", "eng/web", "sales"}).Draw(t, "role"),
			From: Preference(rapid.IntRange(0, 2).Draw(t, "from"))}
		found, ok := FindWish(offer, w)
		usable := Filter(offer, func(r *mesospb.Resource) bool { return w.tier(r) > 0 })
		if !ok {
			// Nothing was overlooked: neither amounts, nor ports (there may be more of these in several reservations).
			enough := Contains(unstamped(usable), unstamped(wanted)) || IsEmpty(wanted)
			var free uint64
			for _, r := range NewPool(usable).Resources() {
				if isPorts(r) {
					free += RangesOf(r.Ranges).Size()
				}
			}
			if enough && free >= uint64(ports)+NamedRanges(wanted, NamePorts).Size() && len(found) == 0 && !hasWholes(wanted) {
				t.Errorf("%s was not found in %s", Describe(wanted), Describe(usable))
			}
			return
		}
		if !Contains(usable, found) {
			t.Errorf("%s is not in %s", Describe(found), Describe(usable))
		}
		if !Contains(unstamped(found), unstamped(wanted)) {
			t.Errorf("%s does not hold %s", Describe(found), Describe(wanted))
		}
		if ports == 0 && !Contains(unstamped(wanted), unstamped(found)) {
			t.Errorf("%s is more than %s", Describe(found), Describe(wanted))
		}
		var f Finder
		f.Find(wanted, w) // leaves something behind
		again, ok := f.Find(offer, w)
		if d := cmp.Diff(found, append(list(nil), again...), protocmp.Transform()); !ok || d != "" {
			t.Errorf("a finder with a past finds something else: %v\n%s", ok, d)
		}
	})
}

// hasWholes tells about things: two reserved in different ways are not the same twice.
func hasWholes(l list) bool {
	for _, r := range l {
		if indivisible(r) {
			return true
		}
	}
	return false
}

func TestTakePorts(t *testing.T) {
	offer := mustParse(t, "cpus:1;ports:[10-11, 20-29]")
	got, ok := TakePorts(offer, 4)
	if s := Describe(got); !ok || s != "ports:[10-11, 20-21]" {
		t.Error(ok, s)
	}
	if got, ok := TakePorts(offer, 13); ok {
		t.Error(Describe(got))
	}
	if got, ok := TakePorts(offer, 0); !ok || len(got) != 0 {
		t.Error(ok, Describe(got))
	}
	if got, ok := TakePorts(list{NewPorts(1, 9, WithRevocable()), NewSet("ports", []string{"a"}), NewScalar("ports", 9)}, 1); ok {
		t.Error("took ports that can be taken back:", Describe(got))
	}
	if _, ok := TakePorts(list{NewPorts(0, top)}, 70_000); !ok {
		t.Error("not found in all numbers")
	}
}
