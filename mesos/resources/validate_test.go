package resources

import (
	"errors"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

func TestValidateNamesResourceAndField(t *testing.T) {
	change := func(r *mesospb.Resource, f func(*mesospb.Resource)) *mesospb.Resource { f(r); return r }
	older := func(role string, e *mesospb.Resource_ReservationInfo) *mesospb.Resource {
		r := NewCPUs(1)
		if role != "" {
			setOlderRole(r, &role)
		}
		r.Reservation = e
		return r
	}
	mirrored := func(role string, e *mesospb.Resource_ReservationInfo, opts ...Option) *mesospb.Resource {
		r := older(role, e)
		for _, o := range opts {
			o(r)
		}
		return r
	}
	source := func(t mesospb.Resource_DiskInfo_Source_Type) *mesospb.Resource_DiskInfo_Source {
		return &mesospb.Resource_DiskInfo_Source{Type: &t, Path: &mesospb.Resource_DiskInfo_Source_Path{}}
	}
	principal := func(p string) *mesospb.Resource_ReservationInfo {
		return &mesospb.Resource_ReservationInfo{Principal: &p}
	}
	for name, c := range map[string]struct {
		r     *mesospb.Resource
		field string // "" if valid
	}{
		"scalar":                    {NewCPUs(1), ""},
		"zero":                      {NewCPUs(0), ""},
		"smallest":                  {NewCPUs(0.0005), ""},
		"rounds to zero":            {NewCPUs(0.0004), "scalar.value"},
		"negative":                  {NewCPUs(-1), "scalar.value"},
		"hardly negative":           {NewCPUs(-0.0001), "scalar.value"},
		"not a number":              {NewCPUs(math.NaN()), "scalar.value"},
		"infinite":                  {NewCPUs(math.Inf(1)), "scalar.value"},
		"too large":                 {NewCPUs(1e16), "scalar.value"},
		"no name":                   {NewScalar("", 1), "name"},
		"null":                      {nil, "resource"},
		"no type":                   {change(NewCPUs(1), func(r *mesospb.Resource) { r.Type = nil }), "type"},
		"text":                      {&mesospb.Resource{Name: proto.String("x"), Type: mesospb.Value_TEXT.Enum()}, "type"},
		"unknown type":              {&mesospb.Resource{Name: proto.String("x"), Type: mesospb.Value_Type(7).Enum()}, "type"},
		"no value":                  {change(NewCPUs(1), func(r *mesospb.Resource) { r.Scalar = nil }), "scalar"},
		"second value":              {change(NewCPUs(1), func(r *mesospb.Resource) { r.Set = &mesospb.Value_Set{} }), "set"},
		"wrong value":               {change(NewPorts(1, 2), func(r *mesospb.Resource) { r.Type = mesospb.Value_SET.Enum() }), "ranges"},
		"ranges":                    {change(NewPorts(1, 2), func(r *mesospb.Resource) { r.Ranges = Ranges{{5, 6}, {0, top - 5}, {top, top}}.Proto() }), "ranges"},
		"apart":                     {change(NewPorts(1, 2), func(r *mesospb.Resource) { r.Ranges = Ranges{{5, 6}, {1, 4}, {top, top}}.Proto() }), ""},
		"one overlaps":              {change(NewPorts(1, 2), func(r *mesospb.Resource) { r.Ranges = Ranges{{5, 6}, {6, 6}}.Proto() }), "ranges"},
		"inverted":                  {change(NewPorts(1, 2), func(r *mesospb.Resource) { r.Ranges = Ranges{{1, 1}, {3, 2}}.Proto() }), "ranges.range[1]"},
		"no ranges":                 {NewRanges("ports", nil), ""},
		"set":                       {NewSet("s", []string{"a", "b"}), ""},
		"item twice":                {change(NewSet("s", nil), func(r *mesospb.Resource) { r.Set.Item = []string{"a", "b", "a"} }), "set.item[2]"},
		"disk info on memory":       {NewMem(1, WithPathDisk("/")), "disk"},
		"volume":                    {NewDisk(1, WithRole("eng"), WithVolume("v", "", "d")), ""},
		"shared volume":             {NewDisk(1, WithRole("eng"), WithVolume("v", "", "d"), WithShared()), ""},
		"shared disk":               {NewDisk(1, WithShared()), "shared"},
		"shared cpus":               {NewCPUs(1, WithShared()), "shared"},
		"unknown source":            {NewDisk(1, WithDiskSource(source(mesospb.Resource_DiskInfo_Source_UNKNOWN))), "disk.source.type"},
		"raw with path":             {NewDisk(1, WithDiskSource(source(mesospb.Resource_DiskInfo_Source_RAW))), "disk.source"},
		"block with path":           {NewDisk(1, WithDiskSource(source(mesospb.Resource_DiskInfo_Source_BLOCK))), "disk.source"},
		"path with path":            {NewDisk(1, WithDiskSource(source(mesospb.Resource_DiskInfo_Source_PATH))), ""},
		"static":                    {NewCPUs(1, WithRole("eng")), ""},
		"refined":                   {NewCPUs(1, WithRole("eng"), WithReservation("eng/web", "")), ""},
		"refined by itself":         {NewCPUs(1, WithRole("eng"), WithReservation("eng", "")), "reservations[1].role"},
		"refined by another":        {NewCPUs(1, WithRole("eng"), WithReservation("english", "")), "reservations[1].role"},
		"refined statically":        {NewCPUs(1, WithReservation("eng", ""), WithRole("eng/web")), "reservations[1].type"},
		"reserved for all":          {NewCPUs(1, WithReservation("*", "")), "reservations[0].role"},
		"bad role":                  {NewCPUs(1, WithReservation("a//b", "")), "reservations[0].role"},
		"reservation without type":  {change(NewCPUs(1, WithRole("eng")), func(r *mesospb.Resource) { r.Reservations[0].Type = nil }), "reservations[0].type"},
		"older, unreserved":         {older("*", nil), ""},
		"older, static":             {older("eng", nil), ""},
		"older, dynamic":            {older("eng", principal("p")), ""},
		"older, bad role":           {older("/eng", nil), "role"},
		"older, all reserved":       {older("*", principal("p")), "reservation"},
		"older, nobody's":           {older("", principal("p")), "reservation"},
		"older, with type":          {older("eng", &mesospb.Resource_ReservationInfo{Type: mesospb.Resource_ReservationInfo_DYNAMIC.Enum()}), "reservation.type"},
		"older, with role":          {older("eng", &mesospb.Resource_ReservationInfo{Role: proto.String("eng")}), "reservation.role"},
		"mirrored, static":          {mirrored("eng", nil, WithRole("eng")), ""},
		"mirrored, dynamic":         {mirrored("eng", principal("p"), WithReservation("eng", "p")), ""},
		"mirrored, other role":      {mirrored("sales", nil, WithRole("eng")), "role"},
		"mirrored, static reserved": {mirrored("eng", principal("p"), WithRole("eng")), "reservation"},
		"mirrored, half of it":      {mirrored("eng", nil, WithReservation("eng", "p")), "role"},
		"mirrored, other half":      {mirrored("", principal("p"), WithReservation("eng", "p")), "role"},
		"mirrored, other principal": {mirrored("eng", principal("q"), WithReservation("eng", "p")), "reservation.principal"},
		"mirrored, other labels":    {mirrored("eng", principal("p"), WithReservation("eng", "p"), withLabels("x")), "reservation.labels"},
		"mirrored, refined":         {mirrored("eng", nil, WithRole("eng"), WithReservation("eng/web", "")), "role"},
		"refined and older dynamic": {mirrored("", principal("p"), WithRole("eng"), WithReservation("eng/web", "")), "reservation"},
	} {
		t.Run(name, func(t *testing.T) {
			err := Validate(list{NewMem(1), c.r})
			if c.field == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var ve *ValidationError
			if !errors.As(err, &ve) {
				t.Fatalf("got %v, want a complaint about %s", err, c.field)
			}
			if ve.Index != 1 || ve.Field != c.field || ve.Name != c.r.GetName() || !strings.Contains(err.Error(), c.field) {
				t.Errorf("%v (index %d, field %s), want index 1, field %s", err, ve.Index, ve.Field, c.field)
			}
			var re *RoleError
			if strings.Contains(name, "bad role") != errors.As(err, &re) {
				t.Errorf("cause is %v", errors.Unwrap(err))
			}
		})
	}
}

func TestLongMessagesAreCut(t *testing.T) {
	items := make([]string, 5000)
	for i := range items {
		items[i] = "äöü"
	}
	r := NewSet("s", nil)
	r.Set.Item = items
	if n := len(Validate(list{r}).Error()); n > 400 {
		t.Errorf("message of %d bytes", n)
	}
}

func TestRoleNames(t *testing.T) {
	for _, role := range []string{"*", "eng", "eng/web", "a/b/c/d", "a-b", "a*", "**", "a.b", "...", "ä", "a)b", "a:b", "a\x00b", "a\u00a0b"} {
		if err := ValidateRole(role); err != nil {
			t.Error(err)
		}
	}
	for _, role := range []string{"", "/", "/eng", "eng/", "eng//web", ".", "..", "eng/.", "a/../b", "-x", "a/-x", "a/*", "*/a", "a b", "a\tb", "a\nb", "a\vb", "a\fb", "a\rb", "a\x7fb", " ", "*/"} {
		err := ValidateRole(role)
		var re *RoleError
		if !errors.As(err, &re) || re.Role != role || ValidRole(role) {
			t.Errorf("%q: %v", role, err)
		}
	}
}

func TestSubroles(t *testing.T) {
	for _, c := range []struct {
		role, ancestor string
		want           bool
	}{
		{"eng/web", "eng", true}, {"eng/web/1", "eng", true}, {"eng/web/1", "eng/web", true},
		{"eng", "eng", false}, {"eng", "eng/web", false}, {"english", "eng", false}, {"engi/web", "eng", false}, {"x", "*", false}, {"*", "x", false}, {"/x", "", false},
	} {
		if got := IsStrictSubrole(c.role, c.ancestor); got != c.want {
			t.Errorf("%q below %q: %v", c.role, c.ancestor, got)
		}
	}
	if p, ok := ParentRole("a/b/c"); p != "a/b" || !ok {
		t.Error(p, ok)
	}
	if p, ok := ParentRole("a"); p != "" || ok {
		t.Error(p, ok)
	}
}

func TestAllocatableTo(t *testing.T) {
	l := mustParse(t, "cpus:1;cpus(eng):2;cpus(eng/web):4;cpus(sales):8")
	for role, want := range map[string]float64{"*": 1, "eng": 3, "eng/web": 7, "eng/web/1": 7, "eng/db": 3, "sales": 9, "english": 1} {
		if got := CPUs(AllocatableTo(l, role)); got != want {
			t.Errorf("%s: %v cpus, want %v", role, got, want)
		}
		if got := CPUs(NewPool(l).OfferTo(role)); got != want {
			t.Errorf("pool, %s: %v cpus, want %v", role, got, want)
		}
	}
	for role, want := range map[string]float64{"*": 1, "eng": 2, "sales": 8, "x": 0} {
		if got := CPUs(ReservedFor(l, role)); got != want {
			t.Errorf("reserved for %s: %v cpus, want %v", role, got, want)
		}
		if got := CPUs(ByReservation(l)[role]); got != want {
			t.Errorf("grouped by %s: %v cpus, want %v", role, got, want)
		}
	}
}

func TestFormatsOfReservations(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := drawList(t, "list")
		up, err := Upgrade(l)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range up {
			if olderRole(r) != nil || r.Reservation != nil {
				t.Fatalf("older fields left: %v", r)
			}
		}
		end := Endpoint(l)
		refined := false
		for i, r := range end {
			refined = refined || IsRefined(r)
			if (olderRole(r) == nil) != IsRefined(r) || (r.Reservation != nil) != (!IsRefined(r) && IsDynamicallyReserved(r)) {
				t.Fatalf("not mirrored: %v", r)
			}
			if olderRole(r) != nil && *olderRole(r) != ReservationRole(up[i]) {
				t.Fatalf("wrong role: %v", r)
			}
		}
		back, err := Upgrade(end)
		if err != nil || !sameList(back, up) {
			t.Errorf("endpoint format and back: %v, %v, want %v", back, err, up)
		}
		down, err := Downgrade(l)
		var re *RefinedError
		switch {
		case refined:
			if !errors.As(err, &re) || !IsRefined(re.Resource) {
				t.Errorf("got %v", err)
			}
			return
		case err != nil:
			t.Fatal(err)
		}
		for _, r := range down {
			if len(r.Reservations) > 0 || olderRole(r) == nil {
				t.Fatalf("not in the older format: %v", r)
			}
		}
		if back, err = Upgrade(down); err != nil || !sameList(back, up) {
			t.Errorf("older format and back: %v, %v, want %v", back, err, up)
		}
		if !Equivalent(l, down) || !Equivalent(l, up) || !Equivalent(l, end) {
			t.Error("formats are not equivalent")
		}
	})
	bad := NewCPUs(1, WithRole("eng"))
	setOlderRole(bad, proto.String("sales"))
	var ve *ValidationError
	if _, err := Upgrade(list{NewCPUs(1), bad}); !errors.As(err, &ve) || ve.Index != 1 {
		t.Errorf("got %v", err)
	}
}

func TestReservationsArePushedAndPopped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := drawList(t, "list")
		e := &mesospb.Resource_ReservationInfo{Type: mesospb.Resource_ReservationInfo_DYNAMIC.Enum(), Role: proto.String("x/y"), Principal: proto.String("p")}
		pushed := PushReservation(l, e)
		for _, r := range pushed {
			if ReservationRole(r) != "x/y" || !IsReserved(r, "x/y") || !IsReserved(r, "") || IsReserved(r, "x") || !IsDynamicallyReserved(r) {
				t.Fatalf("not reserved: %v", r)
			}
		}
		if got := PopReservation(pushed); !sameList(got, mustUpgrade(t, l)) {
			t.Errorf("popped: %v, want %v", got, l)
		}
		for _, r := range ToUnreserved(pushed) {
			if !IsUnreserved(r) || ReservationRole(r) != Unreserved || IsDynamicallyReserved(r) {
				t.Fatalf("still reserved: %v", r)
			}
		}
	})
}
