package resources

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

func TestParseAttributes(t *testing.T) {
	got, err := ParseAttributes("rack:r1;zone:eu west-1\nrack:r2;cores:64;ports:[8000-8999, 1-2];url:http://x:80/;weird:a(b);dash:-;tz:-5; who :a;back:[5-1];ratio:0.0625;;nan:nan")
	want := []*mesospb.Attribute{
		NewTextAttribute("rack", "r1"), NewTextAttribute("zone", "euwest-1"), NewTextAttribute("rack", "r2"), NewScalarAttribute("cores", 64),
		NewRangesAttribute("ports", Ranges{{1, 2}, {8000, 8999}}), NewTextAttribute("url", "http://x:80/"), NewTextAttribute("weird", "a(b)"), NewTextAttribute("dash", "-"), NewTextAttribute("tz", "-5"), NewTextAttribute(" who ", "a"),
		attributeOfRanges("back", Ranges{{5, 1}}),
		NewScalarAttribute("ratio", 0.0625), NewTextAttribute("nan", "nan"),
	}
	if d := cmp.Diff(want, got, protocmp.Transform()); err != nil || d != "" {
		t.Error(err, d)
	}
	if got, err := ParseAttributes(""); err != nil || len(got) != 0 {
		t.Error(got, err)
	}
}

func TestParseAttributesRefuses(t *testing.T) {
	for _, text := range []string{"rack", ":r1", "rack:", "rack: ", " ", "rack:{a,b}", "rack:[1", "rack:a{b}", "rack:(a", "rack:[a-b]"} {
		var pe *ParseError
		if got, err := ParseAttributes(text); !errors.As(err, &pe) {
			t.Errorf("%q: %v, %v, want a ParseError", text, got, err)
		}
	}
}

func drawAttribute(t *rapid.T) *mesospb.Attribute {
	name := rapid.SampledFrom([]string{"rack", "zone", "os"}).Draw(t, "name")
	switch rapid.IntRange(0, 2).Draw(t, "type") {
	case 0:
		return NewScalarAttribute(name, rapid.Float64Range(0, 1e6).Draw(t, "scalar"))
	case 1:
		return NewRangesAttribute(name, Ranges{drawRange(t), drawRange(t)})
	}
	return NewTextAttribute(name, rapid.StringMatching(`[a-z:/][a-z0-9:/.-]{0,8}`).Draw(t, "text"))
}

func TestParseAttributesUndoesFormatAttributes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := rapid.SliceOfN(rapid.Custom(drawAttribute), 0, 5).Draw(t, "attributes")
		text, err := FormatAttributes(l)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseAttributes(text)
		if d := cmp.Diff(l, back, protocmp.Transform(), protocmp.IgnoreEmptyMessages()); err != nil || d != "" && len(l) > 0 {
			t.Errorf("%s: %v\n%s", text, err, d)
		}
		if !HasAttributes(l, back) || !HasAttributes(l, nil) {
			t.Error("a list does not have its own attributes")
		}
		for _, a := range l {
			if !HasAttribute(l, a.GetName(), AttributeString(a)) {
				t.Errorf("%v does not match its own text %s", a, AttributeString(a))
			}
		}
	})
}

func TestFormatAttributesRefusesWhatCannotBeReadBack(t *testing.T) {
	for _, a := range []*mesospb.Attribute{
		NewTextAttribute("a", "b c"), NewTextAttribute("a", "12"), NewTextAttribute("a", ""), NewTextAttribute("a", "b;c"), NewTextAttribute("a", "b\nc"), NewTextAttribute("a", "[x]"),
		NewTextAttribute("a:b", "c"), NewTextAttribute("", "c"), nil,
		{Name: NewTextAttribute("a", "").Name, Type: mesospb.Value_SET.Enum(), Set: &mesospb.Value_Set{Item: []string{"x"}}},
	} {
		var fe *FormatError
		if text, err := FormatAttributes([]*mesospb.Attribute{a}); !errors.As(err, &fe) {
			t.Errorf("%v: %q, %v, want a FormatError", a, text, err)
		}
	}
}

func TestAttributesAreMatched(t *testing.T) {
	l, err := ParseAttributes("rack:r1;rack:r2;cores:64;ports:[10-20, 30-40];os:debian")
	if err != nil {
		t.Fatal(err)
	}
	l = append(l, &mesospb.Attribute{Name: NewTextAttribute("tags", "").Name, Type: mesospb.Value_SET.Enum(), Set: &mesospb.Value_Set{Item: []string{"ssd", "gpu"}}})
	for _, c := range []struct {
		name, wanted string
		want         bool
	}{
		{"rack", "r1", true}, {"rack", "r2", true}, {"rack", "r3", false}, {"rack", "", false}, {"none", "r1", false},
		{"cores", "64", true}, {"cores", "64.0001", true}, {"cores", "64.001", false}, {"cores", "x", false}, {"cores", "", false}, {"cores", "[64-64]", false},
		{"ports", "10", true}, {"ports", " 40 ", true}, {"ports", "25", false}, {"ports", "[11-12, 31-32]", true}, {"ports", "[11-31]", false}, {"ports", "1.5", false}, {"ports", "x", false},
		{"tags", "ssd", true}, {"tags", "hdd", false},
	} {
		if got := HasAttribute(l, c.name, c.wanted); got != c.want {
			t.Errorf("%s %q: %v", c.name, c.wanted, got)
		}
	}
	wanted, err := ParseAttributes("rack:r2;ports:[12-15];cores:64")
	if err != nil || !HasAttributes(l, wanted) {
		t.Error("wanted attributes are not there", err)
	}
	for _, a := range []*mesospb.Attribute{NewTextAttribute("cores", "64"), NewTextAttribute("rack", "r3"), NewRangesAttribute("ports", Ranges{{15, 25}})} {
		if HasAttributes(l, []*mesospb.Attribute{a}) {
			t.Errorf("has %v", a)
		}
	}
	if text, ok := AttributeText(l, "rack"); text != "r1" || !ok {
		t.Error(text, ok)
	}
	if text, ok := AttributeText(l, "ports"); text != "[10-20, 30-40]" || !ok {
		t.Error(text, ok)
	}
	if text, ok := AttributeText(l, "none"); text != "" || ok {
		t.Error(text, ok)
	}
	if n := len(slices.Collect(AttributesNamed(l, "rack"))); n != 2 {
		t.Errorf("%d racks", n)
	}
	if got := AttributeString(l[len(l)-1]); got != "{ssd, gpu}" {
		t.Error(got)
	}
}

func FuzzParseAttributes(f *testing.F) {
	for _, s := range []string{"rack:r1;zone:z\ncores:64", "a:[1-2]", "a:{b}", "a:b:c", "a:(b", "a:1e3", ":", "a: "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := ParseAttributes(text)
		if err != nil {
			return
		}
		again, err := FormatAttributes(l)
		if err != nil {
			t.Fatalf("%q cannot be printed: %v", text, err)
		}
		back, err := ParseAttributes(again)
		if err != nil || !slices.EqualFunc(back, l, EqualAttributes) {
			t.Fatalf("%q printed as %q: %v", text, again, err)
		}
	})
}
