package resources

import (
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// TestRecordedReservationAndVolume repeats what a real master did to one agent: reserve, create a volume, destroy it and
// unreserve, in the JSON it was said in.
func TestRecordedReservationAndVolume(t *testing.T) {
	const (
		allocated = `"allocation_info":{"role":"eng"}`
		reserved  = allocated + `,"reservations":[{"type":"DYNAMIC","role":"eng","principal":"capture"}]`
		ports     = `{"name":"ports","type":"RANGES","ranges":{"range":[{"begin":31000,"end":32000}]},` + allocated + `}`
		mem       = `{"name":"mem","type":"SCALAR","scalar":{"value":2048.0},` + allocated + `}`
		halfCPU   = `{"name":"cpus","type":"SCALAR","scalar":{"value":0.5},` + reserved + `}`
		disk64    = `{"name":"disk","type":"SCALAR","scalar":{"value":64},` + reserved + `}`
		volume    = `{"name":"disk","type":"SCALAR","scalar":{"value":64},` + reserved + `,"disk":{"persistence":{"id":"vol1","principal":"capture"},"volume":{"container_path":"data","mode":"RW"}}}`
		restCPU   = `{"name":"cpus","type":"SCALAR","scalar":{"value":3.5},` + allocated + `}`
		restDisk  = `{"name":"disk","type":"SCALAR","scalar":{"value":4032.0},` + allocated + `}`
		fullCPU   = `{"name":"cpus","type":"SCALAR","scalar":{"value":4.0},` + allocated + `}`
		fullDisk  = `{"name":"disk","type":"SCALAR","scalar":{"value":4096.0},` + allocated + `}`
	)
	offer := func(parts ...string) list { return mustParse(t, "["+strings.Join(parts, ",")+"]") }
	first := offer(ports, fullCPU, mem, fullDisk)
	state := first
	for _, step := range []struct {
		operation string
		want      list
	}{
		{`{"type":"RESERVE","reserve":{"resources":[` + disk64 + `,` + halfCPU + `]}}`, offer(ports, disk64, halfCPU, restCPU, mem, restDisk)},
		{`{"type":"CREATE","create":{"volumes":[` + volume + `]}}`, offer(ports, halfCPU, volume, restCPU, mem, restDisk)},
		{`{"type":"LAUNCH","launch":{"task_infos":[]}}`, offer(ports, halfCPU, volume, restCPU, mem, restDisk)},
		{`{"type":"DESTROY","destroy":{"volumes":[` + volume + `]}}`, offer(ports, disk64, halfCPU, restCPU, mem, restDisk)},
		{`{"type":"UNRESERVE","unreserve":{"resources":[` + disk64 + `,` + halfCPU + `]}}`, first},
	} {
		var op mesospb.Offer_Operation
		if err := codec.JSON.Unmarshal([]byte(step.operation), &op); err != nil {
			t.Fatal(err)
		}
		cs, err := Conversions(&op)
		if err != nil {
			t.Fatal(err)
		}
		if state, err = Apply(state, cs...); err != nil {
			t.Fatal(err)
		}
		if !Equivalent(state, step.want) {
			t.Fatalf("after %v:\n%s, want\n%s", op.GetType(), Describe(state), Describe(step.want))
		}
	}

	tooMuch := Allocate(list{NewCPUs(9999, WithReservation("eng", "capture"))}, "eng")
	cs, err := Reserve(nil, tooMuch)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Apply(first, cs...)
	// The text is the master's own.
	const want = "ports(allocated: eng):[31000-32000]; cpus(allocated: eng):4; mem(allocated: eng):2048; disk(allocated: eng):4096 does not contain cpus(allocated: eng):9999"
	var nc *NotContainedError
	if !errors.As(err, &nc) || err.Error() != want || !Equivalent(nc.Pool, first) {
		t.Errorf("%v, want\n%s", err, want)
	}
}

func TestConversionsOfRefinedReservations(t *testing.T) {
	refined := list{NewCPUs(1, WithRole("eng"), WithReservation("eng/web", "ops"))}
	cs, err := Reserve(nil, refined)
	if err != nil {
		t.Fatal(err)
	}
	if got := Describe(cs[0].Consumed); got != "cpus(reservations: [(STATIC,eng)]):1" {
		t.Error("consumed", got)
	}
	if cs, err = Unreserve(refined); err != nil || Describe(cs[0].Converted) != "cpus(reservations: [(STATIC,eng)]):1" {
		t.Error(cs, err)
	}
	moved := list{NewCPUs(1, WithRole("eng"), WithReservation("eng/db", "ops"))}
	if cs, err = Reserve(refined, moved); err != nil || len(cs) != 1 {
		t.Fatal(cs, err)
	}
	got, err := Apply(Add(refined, list{NewCPUs(1)}), cs...)
	if err != nil || !Equivalent(got, Add(moved, list{NewCPUs(1)})) {
		t.Error(Describe(got), err)
	}
	older, err := Downgrade(list{NewCPUs(1, WithReservation("eng", "ops"))})
	if err != nil {
		t.Fatal(err)
	}
	if cs, err = Reserve(nil, older); err != nil || len(cs[0].Converted[0].Reservations) != 1 || !IsUnreserved(cs[0].Consumed[0]) {
		t.Error(cs, err)
	}
}

func TestResizingVolumes(t *testing.T) {
	disk := []Option{WithReservation("eng", "ops"), WithPathDisk("/a")}
	volume := NewDisk(64, append(disk, WithVolume("v", "ops", "data"))...)
	grown, err := GrowVolume(volume, NewDisk(36.5, disk...))
	if err != nil {
		t.Fatal(err)
	}
	pool := list{volume, NewDisk(100, disk...)}
	after, err := Apply(pool, grown)
	if err != nil {
		t.Fatal(err)
	}
	if s := Describe(after); s != "disk(reservations: [(DYNAMIC,eng,ops)])[PATH:/a]:63.5; disk(reservations: [(DYNAMIC,eng,ops)])[PATH:/a,v:data]:100.5" {
		t.Error(s)
	}
	shrunk, err := ShrinkVolume(grown.Converted[0], 36.5)
	if err != nil {
		t.Fatal(err)
	}
	if after, err = Apply(after, shrunk); err != nil || !Equivalent(after, pool) {
		t.Error(Describe(after), err)
	}
}

func TestSharedVolumesAreDestroyedOnlyWithTheirLastCopy(t *testing.T) {
	shared := NewDisk(64, WithReservation("eng", "ops"), WithVolume("v", "ops", "data"), WithShared())
	cs, err := Destroy(list{shared})
	if err != nil {
		t.Fatal(err)
	}
	var sc *SharedCopiesError
	pool := NewPool(list{shared, shared})
	if err := pool.Apply(cs[0]); !errors.As(err, &sc) || !Equal(sc.Volume, shared) {
		t.Errorf("got %v", err)
	}
	if !pool.Contains(list{shared, shared}) {
		t.Error("the pool changed although the conversion failed")
	}
	got, err := Apply(list{shared}, cs...)
	if err != nil || Describe(got) != "disk(reservations: [(DYNAMIC,eng,ops)]):64" {
		t.Error(Describe(got), err)
	}
	// And back.
	if cs, err = Create(list{shared}); err != nil {
		t.Fatal(err)
	}
	if got, err = Apply(got, cs...); err != nil || !Equivalent(got, list{shared}) {
		t.Error(Describe(got), err)
	}
}

func TestProviderDisks(t *testing.T) {
	raw := NewDisk(64, WithProvider("rp"), withRaw("disk-1"))
	c, err := CreateDisk(raw, mesospb.Resource_DiskInfo_Source_MOUNT, "fast")
	if err != nil {
		t.Fatal(err)
	}
	if s := Describe(c.Converted); s != "disk[MOUNT(,disk-1,fast)]:64" {
		t.Error(s)
	}
	if c, err = DestroyDisk(c.Converted[0]); err != nil || Describe(c.Converted) != "disk[RAW(,,fast)]:64" {
		t.Error(Describe(c.Converted), err)
	}
}

func TestConversionsRefuseNonsense(t *testing.T) {
	var (
		reservation = WithReservation("eng", "ops")
		volume      = NewDisk(64, reservation, WithVolume("v", "ops", "data"))
		mount       = NewDisk(64, reservation, WithMountDisk("/m"), WithVolume("v", "ops", "data"))
		shared      = NewDisk(64, reservation, WithVolume("v", "ops", "data"), WithShared())
		provided    = NewDisk(64, reservation, WithVolume("v", "ops", "data"), WithProvider("rp"))
		disagreeing = NewCPUs(1, reservation)
		raw         = NewDisk(64, WithProvider("rp"), withRaw("id"))
		profiled    = NewDisk(64, WithProvider("rp"), WithDiskSource(&mesospb.Resource_DiskInfo_Source{
			Type: mesospb.Resource_DiskInfo_Source_RAW.Enum(), Profile: proto.String("fast")}))
	)
	setOlderRole(disagreeing, proto.String("sales"))
	grow := func(v, a *mesospb.Resource) error { _, err := GrowVolume(v, a); return err }
	shrink := func(v *mesospb.Resource, by float64) error { _, err := ShrinkVolume(v, by); return err }
	create := func(s *mesospb.Resource, t mesospb.Resource_DiskInfo_Source_Type, p string) error {
		_, err := CreateDisk(s, t, p)
		return err
	}
	destroy := func(s *mesospb.Resource) error { _, err := DestroyDisk(s); return err }
	of := func(f func(list) ([]Conversion, error), r ...*mesospb.Resource) error { _, err := f(r); return err }
	reserve := func(l list) ([]Conversion, error) { return Reserve(nil, l) }
	const MOUNT, RAW = mesospb.Resource_DiskInfo_Source_MOUNT, mesospb.Resource_DiskInfo_Source_RAW

	for name, err := range map[string]error{
		"reserve nothing":                     of(reserve),
		"reserve without reservation":         of(reserve, NewCPUs(1)),
		"reserve with contradicting fields":   of(reserve, disagreeing),
		"reserve from a different source":     func() error { _, err := Reserve(list{NewCPUs(2)}, list{NewCPUs(1, reservation)}); return err }(),
		"unreserve nothing":                   of(Unreserve),
		"unreserve the unreserved":            of(Unreserve, NewCPUs(1)),
		"unreserve a static reservation":      of(Unreserve, NewCPUs(1, WithRole("eng"))),
		"unreserve a volume":                  of(Unreserve, volume),
		"create a volume without persistence": of(Create, NewDisk(1, reservation)),
		"destroy what is no volume":           of(Destroy, NewDisk(1, reservation)),
		"grow what is no volume":              grow(NewDisk(1), NewDisk(1)),
		"grow by nothing":                     grow(volume, NewDisk(0, reservation)),
		"grow by less than nothing":           grow(volume, NewDisk(-1, reservation)),
		"grow by unreserved disk":             grow(volume, NewDisk(1)),
		"grow by memory":                      grow(volume, NewMem(1, reservation)),
		"grow a shared volume":                grow(shared, NewDisk(1, reservation)),
		"grow a provider's volume":            grow(provided, NewDisk(1, reservation, WithProvider("rp"))),
		"shrink to nothing":                   shrink(volume, 64),
		"shrink by nothing":                   shrink(volume, 0.0001),
		"shrink by less than nothing":         shrink(volume, -1),
		"shrink a mount disk":                 shrink(mount, 1),
		"shrink a shared volume":              shrink(shared, 1),
		"shrink what is no volume":            shrink(NewDisk(64), 1),
		"create a disk without provider":      create(NewDisk(1, withRaw("id")), MOUNT, "p"),
		"create a disk of a mount":            create(NewDisk(1, WithProvider("rp"), WithMountDisk("/m")), MOUNT, "p"),
		"create a raw disk":                   create(raw, RAW, "p"),
		"create a disk without profile":       create(raw, MOUNT, ""),
		"create a disk with two profiles":     create(profiled, MOUNT, "p"),
		"destroy a disk without provider":     destroy(NewDisk(1, withRaw("id"))),
		"destroy a disk without id":           destroy(NewDisk(1, WithProvider("rp"), withRaw(""))),
		"destroy a disk under a volume":       destroy(NewDisk(1, WithProvider("rp"), withRaw("id"), WithVolume("v", "", "d"))),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	var oe *OperationError
	var ve *ValidationError
	_, err := Conversions(&mesospb.Offer_Operation{Type: mesospb.Offer_Operation_RESERVE.Enum(), Reserve: &mesospb.Offer_Operation_Reserve{Resources: list{disagreeing}}})
	if !errors.As(err, &oe) || oe.Operation != mesospb.Offer_Operation_RESERVE || !errors.As(err, &ve) || ve.Field != "role" {
		t.Errorf("got %#v", err)
	}
}

// TestConversionsAreInvertible reserves and makes volumes of whatever is there, and undoes it.
func TestConversionsAreInvertible(t *testing.T) {
	there := map[mesospb.Offer_Operation_Type]func(list) ([]Conversion, error){
		mesospb.Offer_Operation_RESERVE: func(l list) ([]Conversion, error) { return Reserve(nil, l) },
		mesospb.Offer_Operation_CREATE:  Create,
	}
	back := map[mesospb.Offer_Operation_Type]func(list) ([]Conversion, error){
		mesospb.Offer_Operation_RESERVE: Unreserve,
		mesospb.Offer_Operation_CREATE:  Destroy,
	}
	rapid.Check(t, func(t *rapid.T) {
		pool, part := drawList(t, "pool"), drawResource(t)
		if isEmpty(part) || IsPersistentVolume(part) {
			return // nothing to convert; volumes are not reserved again
		}
		kind := mesospb.Offer_Operation_RESERVE
		target := PushReservation(list{part}, &mesospb.Resource_ReservationInfo{
			Type: mesospb.Resource_ReservationInfo_DYNAMIC.Enum(), Role: proto.String(ReservationRole(part) + "/sub"), Principal: proto.String("p"),
		})[0]
		if part.GetName() == NameDisk {
			kind = mesospb.Offer_Operation_CREATE
			target = Clone(part)
			WithVolume("new", "p", "data")(target)
		}
		pool = Add(pool, list{part})
		cs, err := there[kind](list{target})
		if err != nil {
			t.Fatal(err)
		}
		changed, err := Apply(pool, cs...)
		if err != nil {
			t.Fatal(err)
		}
		if !Contains(changed, list{target}) || Equivalent(changed, pool) {
			t.Errorf("%v made %s of %s", kind, Describe(changed), Describe(pool))
		}
		if !QuantitiesOf(changed).Equal(QuantitiesOf(pool)) {
			t.Errorf("%v changed amounts: %s of %s", kind, Describe(changed), Describe(pool))
		}
		if cs, err = back[kind](list{target}); err != nil {
			t.Fatal(err)
		}
		restored, err := Apply(changed, cs...)
		if err != nil || !Equivalent(restored, pool) {
			t.Errorf("undone: %s, %v, want %s", Describe(restored), err, Describe(pool))
		}
	})
}
