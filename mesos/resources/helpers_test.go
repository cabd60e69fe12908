package resources

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

type list = []*mesospb.Resource

// drawResource makes resources of few names, roles and small values, so that collisions are the rule.
func drawResource(t *rapid.T) *mesospb.Resource {
	var opts []Option
	older := false
	switch rapid.IntRange(0, 7).Draw(t, "reservation") {
	case 0:
		opts = append(opts, WithRole("eng"))
	case 1:
		opts = append(opts, WithReservation("eng", rapid.SampledFrom([]string{"", "ops"}).Draw(t, "principal")))
	case 2:
		opts = append(opts, WithRole("eng"), WithReservation("eng/web", "ops"))
	case 3:
		opts = append(opts, WithReservation("eng", "ops"), withLabels("b", "a"))
	case 4:
		opts = append(opts, WithReservation("eng", "ops"), withLabels("a", "b"))
	case 5:
		opts = append(opts, WithReservation("eng", "ops"))
		older = true
	case 6:
		opts = append(opts, WithRole("eng"))
		older = true
	}
	if rapid.IntRange(0, 3).Draw(t, "allocated") == 0 {
		opts = append(opts, WithAllocation("eng"))
	}
	if rapid.IntRange(0, 5).Draw(t, "revocable") == 0 {
		opts = append(opts, WithRevocable())
	}
	var r *mesospb.Resource
	switch rapid.IntRange(0, 5).Draw(t, "type") {
	case 0, 1:
		r = NewScalar(rapid.SampledFrom([]string{"cpus", "mem"}).Draw(t, "name"), drawScalar(t), opts...)
	case 2:
		r = drawDisk(t, opts)
	case 3, 4:
		r = NewRanges("ports", nil, opts...)
		r.Ranges = drawWireRanges(t)
	default:
		r = NewSet("zones", nil, opts...)
		r.Set.Item = rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 4).Draw(t, "items")
	}
	if older {
		l, err := Downgrade(list{r})
		if err != nil {
			t.Fatal(err)
		}
		r = l[0]
	}
	return r
}

func drawScalar(t *rapid.T) float64 {
	return rapid.SampledFrom([]float64{0, 0.1, 0.2, 0.3, 0.001, 0.0004, 0.0005, 1, 2, 2.5}).Draw(t, "value")
}

func drawDisk(t *rapid.T, opts []Option) *mesospb.Resource {
	kinds := [][]Option{
		nil,
		{WithPathDisk("/a")},
		{WithPathDisk("/b")},
		{WithMountDisk("/m")},
		{withRaw("id1")},
		{withRaw("")},
		{WithVolume("v1", "ops", "data")},
		{WithVolume("v1", "ops", "elsewhere")},
		{WithVolume("v2", "ops", "data"), WithShared()},
		{WithMountDisk("/m"), WithVolume("v3", "", "data")},
	}
	opts = append(slices.Clip(opts), kinds[rapid.IntRange(0, len(kinds)-1).Draw(t, "disk")]...)
	if rapid.IntRange(0, 3).Draw(t, "provider") == 0 {
		opts = append(opts, WithProvider("rp"))
	}
	return NewDisk(drawScalar(t), opts...)
}

func drawWireRanges(t *rapid.T) *mesospb.Value_Ranges {
	out := &mesospb.Value_Ranges{}
	for range rapid.IntRange(0, 4).Draw(t, "n") {
		r := drawRange(t)
		out.Range = append(out.Range, &mesospb.Value_Range{Begin: &r.Begin, End: &r.End})
	}
	return out
}

// drawRange stays near both ends of the integers, where arithmetic overflows.
func drawRange(t *rapid.T) Range {
	begin, size := rapid.Uint64Range(0, 12).Draw(t, "begin"), rapid.Uint64Range(0, 4).Draw(t, "size")
	if rapid.Bool().Draw(t, "high") {
		return Range{math.MaxUint64 - begin - size, math.MaxUint64 - begin}
	}
	return Range{begin, begin + size}
}

func withLabels(keys ...string) Option {
	return func(r *mesospb.Resource) {
		ls := &mesospb.Labels{}
		for _, k := range keys {
			ls.Labels = append(ls.Labels, &mesospb.Label{Key: proto.String(k), Value: proto.String("v")})
		}
		r.Reservations[len(r.Reservations)-1].Labels = ls
	}
}

func withRaw(id string) Option {
	s := &mesospb.Resource_DiskInfo_Source{Type: mesospb.Resource_DiskInfo_Source_RAW.Enum()}
	if id != "" {
		s.Id = &id
	}
	return WithDiskSource(s)
}

func drawList(t *rapid.T, name string) list {
	return rapid.SliceOfN(rapid.Custom(drawResource), 0, 7).Draw(t, name)
}

// model counts resources the slow way, with none of the code under test: amounts by the text of their metadata, ranges expanded.
type model map[string]any

func modelOf(lists ...list) model {
	m := model{}
	for _, l := range lists {
		for _, r := range l {
			m.change(r, +1)
		}
	}
	return m
}

func (m model) change(r *mesospb.Resource, sign int) {
	key := modelKey(r)
	switch r.GetType() {
	case mesospb.Value_SCALAR:
		milli := int(math.Floor(r.GetScalar().GetValue()*1000 + 0.5))
		if milli <= 0 {
			return
		}
		step := sign * milli
		if modelWhole(r) {
			key += fmt.Sprint(" size ", milli)
			step = sign
		}
		have, _ := m[key].(int)
		if m[key] = have + step; have+step <= 0 {
			delete(m, key)
		}
	case mesospb.Value_RANGES:
		for _, x := range r.GetRanges().GetRange() {
			for i := uint64(0); i <= x.GetEnd()-x.GetBegin(); i++ {
				m.member(key, fmt.Sprint(x.GetBegin()+i), sign)
			}
		}
	case mesospb.Value_SET:
		for _, it := range r.GetSet().GetItem() {
			m.member(key, it, sign)
		}
	}
}

func (m model) member(key, member string, sign int) {
	if key += " member " + member; sign > 0 {
		m[key] = true
	} else {
		delete(m, key)
	}
}

func modelWhole(r *mesospb.Resource) bool {
	s := r.GetDisk().GetSource()
	switch s.GetType() {
	case mesospb.Resource_DiskInfo_Source_MOUNT, mesospb.Resource_DiskInfo_Source_BLOCK:
		return true
	case mesospb.Resource_DiskInfo_Source_RAW:
		if s.GetId() != "" {
			return true
		}
	}
	return r.GetDisk().GetPersistence() != nil || r.GetShared() != nil
}

func modelKey(r *mesospb.Resource) string {
	r = proto.Clone(r).(*mesospb.Resource)
	r.Scalar, r.Ranges, r.Set = nil, nil, nil
	if r.Disk != nil {
		r.Disk.Volume = nil
		if r.Disk.Persistence != nil {
			r.Disk.Persistence.Principal = nil
		}
	}
	if role := olderRoleName(r); role != "*" {
		e := &mesospb.Resource_ReservationInfo{Type: mesospb.Resource_ReservationInfo_STATIC.Enum(), Role: &role}
		if r.Reservation != nil {
			e.Type = mesospb.Resource_ReservationInfo_DYNAMIC.Enum()
			e.Principal, e.Labels = r.Reservation.Principal, r.Reservation.Labels
		}
		r.Reservations = []*mesospb.Resource_ReservationInfo{e}
	}
	setOlderRole(r, nil)
	r.Reservation = nil
	for _, e := range r.Reservations {
		slices.SortFunc(e.GetLabels().GetLabels(), func(a, b *mesospb.Label) int { return strings.Compare(a.GetKey(), b.GetKey()) })
	}
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(r)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func (m model) equal(o model) bool { return reflect.DeepEqual(m, o) }

func (m model) contains(o model) bool {
	for k, want := range o {
		have, ok := m[k]
		if !ok {
			return false
		}
		if n, number := want.(int); number && have.(int) < n {
			return false
		}
	}
	return true
}

// scramble overwrites everything that v points at, so that whoever shares memory with it notices.
func scramble(v any) { scrambleValue(reflect.ValueOf(v)) }

func scrambleValue(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			scrambleValue(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				scrambleValue(v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			scrambleValue(v.Index(i))
		}
	case reflect.String:
		v.SetString("scrambled")
	case reflect.Float64:
		v.SetFloat(-77)
	case reflect.Uint64:
		v.SetUint(77)
	case reflect.Int32:
		v.SetInt(77)
	case reflect.Bool:
		v.SetBool(!v.Bool())
	}
}

func sameList(a, b list) bool {
	return slices.EqualFunc(a, b, func(x, y *mesospb.Resource) bool { return proto.Equal(x, y) })
}

func mustParse(t testing.TB, text string) list {
	t.Helper()
	l, err := Parse(text, "")
	if err != nil {
		t.Fatal(err)
	}
	return l
}
