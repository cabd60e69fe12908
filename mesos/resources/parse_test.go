package resources

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

func TestParseText(t *testing.T) {
	for text, want := range map[string]string{
		"":                  "{}",
		";;":                "{}",
		"cpus:4":            "cpus:4",
		" cpus : 4 ":        "cpus:4",
		"cpus:4;mem:1 024":  "cpus:4; mem:1024",
		"cpus:4;\ncpus:2":   "cpus:4; cpus:2",
		"cpus:0":            "cpus:0",
		"cpus:1e3;mem:.5":   "cpus:1000; mem:0.5",
		"cpus:+2.5":         "cpus:2.5",
		"cpus(eng):4":       "cpus(reservations: [(STATIC,eng)]):4",
		"cpus( eng/web ):4": "cpus(reservations: [(STATIC,eng/web)]):4",
		"cpus(*):4":         "cpus:4",
		"ports:[1-2]":       "ports:[1-2]",
		"ports:[1-2, 3-3]":  "ports:[1-3]", // text ranges are coalesced
		"ports:[ 5-9,1-6 ]": "ports:[1-9]",
		"ports:[1-2\n4-5]":  "ports:[1-2, 4-5]",
		"ports:[1-2,]":      "ports:[1-2]",
		"ports:[]":          "ports:[]",
		"zones:{a, b}":      "zones:{a, b}",
		"zones:{b,a,}":      "zones:{b, a}",
		"zones:{}":          "zones:{}",
		"my stuff:1":        "my stuff:1",
		"x:[18446744073709551615-18446744073709551615]": "x:[18446744073709551615-18446744073709551615]",
		"x:[0-18446744073709551615]":                    "x:[0-18446744073709551615]",
	} {
		got, err := Parse(text, "*")
		if err != nil || Describe(got) != want {
			t.Errorf("%q: %s, %v, want %s", text, Describe(got), err, want)
		}
	}
	got, err := Parse("cpus:4;mem(*):1;disk(sales):1", "eng")
	if want := "cpus(reservations: [(STATIC,eng)]):4; mem:1; disk(reservations: [(STATIC,sales)]):1"; err != nil || Describe(got) != want {
		t.Errorf("with a default role: %s, %v", Describe(got), err)
	}
}

func TestParseJSON(t *testing.T) {
	got, err := Parse(` [
		{"name": "cpus", "type": "SCALAR", "scalar": {"value": "4"}, "reservations": null},
		{"name": "mem", "type": "SCALAR", "scalar": {"value": 1024}, "role": "*"},
		{"name": "mem", "type": "SCALAR", "scalar": {"value": 512}, "role": "sales", "reservation": {"principal": "ops"}},
		{"name": "disk", "type": "SCALAR", "scalar": {"value": 512}, "disk": {"source": {"type": "MOUNT", "mount": {"root": "/m"}}}},
		{"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 18446744073709551615, "end": 18446744073709551615}]},
		 "reservations": [{"type": "STATIC", "role": "x"}, {"type": "DYNAMIC", "role": "x/y"}]}
	]`, "eng")
	want := list{
		NewCPUs(4, WithRole("eng")), NewMem(1024), NewMem(512, WithReservation("sales", "ops")), NewDisk(512, WithMountDisk("/m"), WithRole("eng")),
		NewPorts(math.MaxUint64, math.MaxUint64, WithRole("x"), WithReservation("x/y", "")),
	}
	if d := cmp.Diff(want, got, protocmp.Transform()); err != nil || d != "" {
		t.Error(err, d)
	}
}

func TestParseRefuses(t *testing.T) {
	var pe *ParseError
	var ve *ValidationError
	var re *RoleError
	for _, text := range []string{
		"cpus", "cpus:", "cpus: ", "cpus:four", "cpus:4:5", "cpus::4", "cpus(eng:4", "cpus)eng(:4", "cpus(a(b)):4", "cpus(eng)x:4", "cpus:nan", "cpus:inf", "cpus:0x10", "cpus:1_000",
		"ports:[1]", "ports:[1-", "ports:1-2]", "ports:[2-1]", "ports:[-1-2]", "ports:[1-2-3]", "ports:[a-b]", "ports:[1-18446744073709551616]", "ports:[1-2][3-4]", "ports:[[1-2]]", "ports:x[1-2]",
		"zones:{a", "zones:a}", "zones:{a}{b}", "zones:{{a}}", "zones:x{a}", "zones:(a", "zones:)a(", "zones:[1-2}",
		"[", "[1]", "[null]", `["cpus:4"]`, `[{"name":"cpus"}]`, `[{"name":"cpus","type":"SCALAR","scalar":{"value":"x"}}]`, `[{}] x`, "[[]]",
	} {
		if got, err := Parse(text, ""); !errors.As(err, &pe) || pe.Text == "" {
			t.Errorf("%q: %s, %v, want a ParseError", text, Describe(got), err)
		}
	}
	for _, text := range []string{"cpus:-1", ":4", "cpus():4", "cpus(a//b):4", "zones:{a,a}", "cpus:0.0001", "cpus:1e300",
		`[{"name":"x","type":"RANGES","ranges":{"range":[{"begin":1,"end":2},{"begin":2,"end":3}]}}]`,
		`[{"name":"x","type":"SCALAR","scalar":{"value":1},"reservation":{}}]`} {
		if got, err := Parse(text, ""); !errors.As(err, &ve) {
			t.Errorf("%q: %s, %v, want a ValidationError", text, Describe(got), err)
		}
	}
	if _, err := Parse("cpus:1", "a//b"); !errors.As(err, &re) {
		t.Errorf("got %v, want a RoleError", err)
	}
}

func TestAgentsStartOnlyWithStaticResources(t *testing.T) {
	for text, field := range map[string]string{
		"cpus:1;cpus(eng):2": "",
		"cpus:1;cpus:[1-2]":  "type",
		`[{"name":"cpus","type":"SCALAR","scalar":{"value":1},"revocable":{}}]`:                                 "revocable",
		`[{"name":"cpus","type":"SCALAR","scalar":{"value":1},"role":"eng","reservation":{}}]`:                  "reservations",
		`[{"name":"disk","type":"SCALAR","scalar":{"value":1},"role":"eng","disk":{"persistence":{"id":"v"}}}]`: "disk.persistence",
	} {
		_, err := ParseAgentResources(text, "")
		var ve *ValidationError
		if field == "" && err != nil || field != "" && (!errors.As(err, &ve) || ve.Field != field) {
			t.Errorf("%s: %v, want a complaint about %q", text, err, field)
		}
	}
	if _, err := ParseAgentResources("x", ""); err == nil {
		t.Error("no error for bad text")
	}
}

func TestParseUndoesFormat(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := Sum(drawList(t, "list"))
		text, err := Format(l)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Parse(text, "")
		if err != nil || len(back) != len(l) {
			t.Fatalf("%s: %v", text, err)
		}
		for i := range l {
			if !Equal(back[i], l[i]) {
				t.Errorf("%s reads as %s, want %s", text, describe(back[i]), describe(l[i]))
			}
		}
		asJSON, err := FormatJSON(l)
		if err != nil {
			t.Fatal(err)
		}
		if back, err = Parse(asJSON, ""); err != nil || !sameList(back, mustUpgrade(t, l)) {
			t.Errorf("%s reads as %v, %v, want %v", asJSON, back, err, l)
		}
	})
}

func TestFormatPrefersText(t *testing.T) {
	l := list{NewCPUs(1.5), NewMem(64, WithRole("eng")), NewRanges("ports", Ranges{{1, 2}, {4, 4}}), NewSet("zones", []string{"b", "a"}), NewGPUs(0)}
	if got, err := Format(l); err != nil || got != "cpus:1.5;mem(eng):64;ports:[1-2, 4-4];zones:{a, b};gpus:0" {
		t.Error(got, err)
	}
	for name, r := range map[string]*mesospb.Resource{
		"dynamic":        NewCPUs(1, WithReservation("eng", "")),
		"refined":        NewCPUs(1, WithRole("eng"), WithReservation("eng/web", "")),
		"allocated":      NewCPUs(1, WithAllocation("eng")),
		"revocable":      NewCPUs(1, WithRevocable()),
		"disk":           NewDisk(1, WithPathDisk("/")),
		"volume":         NewDisk(1, WithRole("eng"), WithVolume("v", "", "d")),
		"provider":       NewDisk(1, WithProvider("rp")),
		"odd name":       NewScalar("a:b", 1),
		"odder name":     NewScalar("a(b)", 1),
		"spacious name":  NewScalar(" a", 1),
		"name of JSON":   NewScalar("[a", 1),
		"two names":      NewScalar("a:1;b", 1),
		"odd role":       NewCPUs(1, WithRole("a)b")),
		"odd item":       NewSet("s", []string{"a,b"}),
		"bracketed item": NewSet("s", []string{"{a"}),
		"empty item":     NewSet("s", []string{""}),
		"wide item":      NewSet("s", []string{"a b"}),
	} {
		var fe *FormatError
		if got, err := FormatText(list{NewCPUs(1), r}); !errors.As(err, &fe) {
			t.Errorf("%s: %s, %v, want a FormatError", name, got, err)
		}
		got, err := Format(list{NewCPUs(1), r})
		if err != nil || !strings.HasPrefix(got, "[{") {
			t.Errorf("%s: %s, %v, want JSON", name, got, err)
		}
	}
	if _, err := Format(list{nil}); err == nil {
		t.Error("no error for null")
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"cpus:4;mem(eng):2048", "ports:[31000-32000, 1-2];zones:{a,b}", "cpus:-1", "[", "a:[1-2", "x:[0-18446744073709551615]", "[{}]",
		`[{"name":"cpus","type":"SCALAR","scalar":{"value":4},"role":"eng"}]`, "cpus(a)b):1", "s:{a,a}", "x:1e308",
	} {
		f.Add(s, "*")
		f.Add(s, "eng")
	}
	f.Fuzz(func(t *testing.T, text, role string) {
		l, err := Parse(text, role)
		if err != nil {
			return
		}
		if err := Validate(l); err != nil {
			t.Fatalf("%q parsed into something invalid: %v", text, err)
		}
		again, err := Format(l)
		if err != nil {
			return // JSON takes no invalid UTF-8
		}
		back, err := Parse(again, "")
		if err != nil || !Equivalent(back, l) {
			t.Fatalf("%q printed as %q: %v", text, again, err)
		}
		if !Contains(l, l) || !Equivalent(Sum(l), l) {
			t.Fatalf("%q is not itself", text)
		}
	})
}
