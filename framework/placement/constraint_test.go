package placement_test

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mesokit/mesokit/framework/placement"
	"github.com/mesokit/mesokit/mesos/resources"
)

func TestConstraintsAreReadInMarathonsForms(t *testing.T) {
	for _, tc := range []struct {
		text string
		want placement.Constraint
		back string
	}{
		{"hostname UNIQUE", placement.Constraint{Field: "hostname", Operator: placement.Unique}, "hostname UNIQUE"},
		{"hostname:UNIQUE", placement.Constraint{Field: "hostname", Operator: placement.Unique}, "hostname UNIQUE"},
		{`["rack","GROUP_BY","3"]`, placement.Constraint{Field: "rack", Operator: placement.GroupBy, Value: "3"}, "rack GROUP_BY 3"},
		{`["rack", "GROUP_BY", 3]`, placement.Constraint{Field: "rack", Operator: placement.GroupBy, Value: "3"}, "rack GROUP_BY 3"},
		{"rack group_by", placement.Constraint{Field: "rack", Operator: placement.GroupBy}, "rack GROUP_BY"},
		{"@zone LIKE eu-[ab] ?", placement.Constraint{Field: "@zone", Operator: placement.Like, Value: "eu-[ab] ?"}, "@zone LIKE eu-[ab] ?"},
		{"@hostname UNLIKE a.*", placement.Constraint{Field: "hostname", Operator: placement.Unlike, Value: "a.*"}, "hostname UNLIKE a.*"},
		{"rack,MAX_PER,2", placement.Constraint{Field: "rack", Operator: placement.MaxPer, Value: "2"}, "rack MAX_PER 2"},
		{"@region IS home", placement.Constraint{Field: "@region", Operator: placement.Is, Value: "home"}, "@region IS home"},
		{"os IS_NOT windows", placement.Constraint{Field: "os", Operator: placement.IsNot, Value: "windows"}, "os IS_NOT windows"},
		{"rack CLUSTER", placement.Constraint{Field: "rack", Operator: placement.Cluster}, "rack CLUSTER"},
		{"rack CLUSTER r1", placement.Constraint{Field: "rack", Operator: placement.Cluster, Value: "r1"}, "rack CLUSTER r1"},
		{"hostname UNIQUE soft", placement.Constraint{Field: "hostname", Operator: placement.Unique, Soft: true}, "hostname UNIQUE soft"},
		{"rack GROUP_BY soft(2.5)", placement.Constraint{Field: "rack", Operator: placement.GroupBy, Soft: true, Weight: 2.5}, "rack GROUP_BY soft(2.5)"},
		{"rack GROUP_BY 4 soft", placement.Constraint{Field: "rack", Operator: placement.GroupBy, Value: "4", Soft: true}, "rack GROUP_BY 4 soft"},
		{`["bed","IS","soft"]`, placement.Constraint{Field: "bed", Operator: placement.Is, Value: "soft"}, "bed IS soft hard"},
		{`["bed","IS","soft","soft"]`, placement.Constraint{Field: "bed", Operator: placement.Is, Value: "soft", Soft: true}, "bed IS soft soft"},
		{`["bed","CLUSTER","soft","hard"]`, placement.Constraint{Field: "bed", Operator: placement.Cluster, Value: "soft"}, "bed CLUSTER soft hard"},
		{`["a b","IS","x"]`, placement.Constraint{Field: "a b", Operator: placement.Is, Value: "x"}, `["a b","IS","x"]`},
	} {
		got, err := placement.ParseConstraint(tc.text)
		if err != nil {
			t.Errorf("%s: %v", tc.text, err)
			continue
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.text, diff)
		}
		if got.String() != tc.back {
			t.Errorf("%s is written as %s, want %s", tc.text, got, tc.back)
		}
	}
}

func TestBadConstraintsSayWhatToWrite(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "hostname UNIQUE",
		"hostname":                  "hostname UNIQUE",
		"hostname UNIQ":             "use UNIQUE, CLUSTER",
		"hostname UNIQUE 3":         "takes no value",
		"rack MAX_PER":              "whole number above 0",
		"rack MAX_PER -1":           "whole number above 0",
		"rack MAX_PER many":         "whole number above 0",
		"rack GROUP_BY 0":           "whole number above 0",
		"rack LIKE":                 "needs an expression",
		"rack LIKE (":               "no RE2 expression",
		"rack LIKE a)(b":            "no RE2 expression",
		"rack IS":                   "needs a value",
		"@rack IS a":                "@zone",
		`["rack","IS"`:              "JSON array",
		`["rack","IS",{}]`:          "neither a string nor a number",
		`["rack","IS","a"] x`:       "more text",
		`["a","IS","b","c"]`:        "soft(weight)",
		`["a","IS","b","c","d"]`:    "too many",
		`["a","IS","b","soft(-1)"]`: "soft(weight)",
		`["","IS","b"]`:             "no field",
	} {
		_, err := placement.ParseConstraint(text)
		var ce *placement.ConstraintError
		if !errors.As(err, &ce) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q gives %v, want a ConstraintError with %q", text, err, want)
		}
		if ce != nil && ce.Text != text {
			t.Errorf("%q: the error names %q", text, ce.Text)
		}
	}
	_, err := placement.ParseConstraint("rack LIKE (")
	var se *syntax.Error
	if !errors.As(err, &se) {
		t.Errorf("%v does not wrap the error of the expression", err)
	}
}

func FuzzParseConstraint(f *testing.F) {
	for _, s := range []string{`["rack","GROUP_BY","3"]`, "hostname UNIQUE", "rack:LIKE:r[12]", "a IS soft hard", `["a b","IS","x","soft(2)"]`,
		"@zone CLUSTER soft(1e-3)", "x IS_NOT \x00", `["a","MAX_PER",1e2]`, "a UNLIKE (?i)b:c, d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := placement.ParseConstraint(text)
		if err != nil {
			if !errors.As(err, new(*placement.ConstraintError)) {
				t.Fatalf("%T is no ConstraintError", err)
			}
			return
		}
		if err := c.Validate(); err != nil {
			t.Fatalf("parsed, but not valid: %v", err)
		}
		back, err := placement.ParseConstraint(c.String())
		if err != nil || back != c {
			t.Fatalf("%q: %+v is written as %q, which gives %+v, %v", text, c, c.String(), back, err)
		}
		// The placer takes whatever is valid.
		place(t, &placement.Cycle{
			Offers:  offers(t, offerOf{attributes: "rack:r1", resources: "cpus:1"}),
			Pending: tasks(&placement.Demand{Group: "g", Constraints: []placement.Constraint{c}}, 2),
		})
	})
}

// racks are three racks with two agents each, and one agent that has no rack.
func racks(t testing.TB) []*placement.Offer {
	var list []offerOf
	for i, at := range []string{"rack:r1", "rack:r1", "rack:r2", "rack:r2", "rack:r3", "rack:r3", ""} {
		list = append(list, offerOf{id: fmt.Sprint(i + 1), resources: "cpus:8", attributes: at, domain: fmt.Sprintf("home/z%d", i/2)})
	}
	return offers(t, list...)
}

func TestHardConstraintsHold(t *testing.T) {
	for _, tc := range []struct {
		name, constraints string
		n                 int
		want              []string // agents in order
		why               string
	}{
		{"unique host", "hostname UNIQUE", 8, []string{"1", "2", "3", "4", "5", "6", "7"}, "7 offers: 7 constraint hostname UNIQUE"},
		{"unique rack", "rack UNIQUE", 4, []string{"1", "3", "5"}, "7 offers: 7 constraint rack UNIQUE"},
		{"max per rack", "rack MAX_PER 2", 7, []string{"1", "1", "3", "3", "5", "5"}, "7 offers: 7 constraint rack MAX_PER 2"},
		{"cluster by the first", "rack CLUSTER", 3, []string{"1", "1", "1"}, ""},
		{"cluster by value", "rack CLUSTER r2", 2, []string{"3", "3"}, ""},
		{"cluster by a value that is not there", "rack CLUSTER r9", 1, nil, "7 offers: 7 constraint rack CLUSTER r9"},
		{"group", "rack GROUP_BY", 6, []string{"1", "3", "5", "1", "3", "5"}, ""},
		{"group with fewer values than stated", "rack GROUP_BY 4", 4, []string{"1", "3", "5"}, "7 offers: 7 constraint rack GROUP_BY 4"},
		{"group with as many as stated", "rack GROUP_BY 3", 4, []string{"1", "3", "5", "1"}, ""},
		{"like", "rack LIKE r[23]", 1, []string{"3"}, ""},
		{"like means the whole value", "rack LIKE r", 1, nil, "7 offers: 7 constraint rack LIKE r"},
		{"unlike", "rack UNLIKE r[12]", 1, []string{"5"}, ""},
		{"unlike holds without the attribute", "rack UNLIKE r.", 1, []string{"7"}, ""},
		{"is", "rack IS r3", 1, []string{"5"}, ""},
		{"is not", "rack IS_NOT r1", 1, []string{"3"}, ""},
		{"is not holds without the attribute", "other IS_NOT r1", 1, []string{"1"}, ""},
		{"is hostname", "hostname IS host-4", 1, []string{"4"}, ""},
		{"zone", "@zone IS z1", 1, []string{"3"}, ""},
		{"zone groups", "@zone GROUP_BY", 4, []string{"1", "3", "5", "7"}, ""},
		{"region", "@region IS_NOT home", 1, nil, "7 offers: 7 constraint @region IS_NOT home"},
		{"two", "hostname UNIQUE; rack LIKE r1", 3, []string{"1", "2"}, "7 offers: 2 constraint hostname UNIQUE, 5 constraint rack LIKE r1"},
		{"two groups", "rack GROUP_BY; hostname GROUP_BY", 6, []string{"1", "3", "5", "2", "4", "6"}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := &placement.Demand{Group: "app", Resources: parse(t, "cpus:0.1"), Constraints: constraints(t, strings.Split(tc.constraints, "; ")...)}
			r := place(t, &placement.Cycle{Offers: racks(t), Pending: tasks(d, tc.n)})
			var got []string
			for _, a := range r.Assignments {
				got = append(got, strings.TrimPrefix(a.Agent.ID, "agent-"))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("agents (-want +got):\n%s", diff)
			}
			why := ""
			if len(r.Unplaced) > 0 {
				why = r.Unplaced[0].Why.String()
			}
			if why != tc.why {
				t.Errorf("the explanation is %q, want %q", why, tc.why)
			}
		})
	}
}

func TestAnAntiAffinityKeepsTheOthersAwayToo(t *testing.T) {
	alone := placement.Affinity{Group: "db", Field: "rack", Anti: true}
	b := &placement.Demand{Group: "b", Resources: parse(t, "cpus:1")}
	list := []offerOf{{resources: "cpus:4", attributes: "rack:r1"}, {resources: "cpus:4", attributes: "rack:r1"}, {resources: "cpus:8", attributes: "rack:r2"}}
	placed := placement.NewPlaced()
	placed.Add("db", placement.AgentOf(list[0].proto(t)))
	cycle := &placement.Cycle{Offers: offers(t, list...), Placed: placed, Averse: map[string][]placement.Affinity{"b": {alone}}}

	cycle.Pending = tasks(b, 1)
	if r := place(t, cycle); len(r.Assignments) != 1 || r.Assignments[0].Agent.ID != "agent-3" {
		t.Fatalf("placed %+v, want rack r2", r.Assignments)
	}
	// Also within one cycle: whoever comes first has the rack, and the other one goes elsewhere.
	db := &placement.Demand{Group: "db", Resources: parse(t, "cpus:1"), Affinities: []placement.Affinity{{Group: "b", Field: "rack", Anti: true}}}
	cycle.Placed, cycle.Pending = placement.NewPlaced(), append(tasks(db, 1), tasks(b, 1)...)
	r := place(t, cycle)
	if len(r.Assignments) != 2 || rackOf(r.Assignments[0]) == rackOf(r.Assignments[1]) {
		t.Fatalf("placed %+v", r.Assignments)
	}
	// What it says, and that volumes are always let back to where they are.
	cycle.Placed, cycle.Offers = placed, offers(t, list[:2]...)
	cycle.Pending = tasks(b, 2)
	cycle.Pending[1] = &placement.Task{ID: "bound", Demand: b, Agent: "agent-1", Volumes: []placement.Volume{}}
	r = place(t, cycle)
	if len(r.Assignments) != 1 || r.Assignments[0].Task.ID != "bound" {
		t.Fatalf("placed %+v", r.Assignments)
	}
	if got, want := r.Unplaced[0].Why.String(), "2 offers: 2 affinity rack away from db, as that asks for"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func rackOf(a placement.Assignment) string {
	text, _ := resources.AttributeText(a.Agent.Attributes, "rack")
	return text
}
