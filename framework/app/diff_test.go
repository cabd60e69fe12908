package app

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWhatDiffersDecidesWhatIsToBeDone(t *testing.T) {
	base := mustParse(t, minimal(`"labels": {"a": "1"}`))
	for name, tc := range map[string]struct {
		doc  string
		want Change
		diff []Difference
	}{
		"nothing":          {minimal(`"labels": [{"a": "1"}]`), Same, nil},
		"a default":        {minimal(`"labels": {"a": "1"}`, `"instances": 1`, `"goal": "running"`, `"kill_grace_period": 3`), Same, nil},
		"instances":        {minimal(`"labels": {"a": "1"}`, `"instances": 2`), Scale, []Difference{{"/instances", "1", "2", Scale}}},
		"a policy":         {minimal(`"labels": {"a": "1"}`, `"retry": {"time": "2s"}`), Policy, []Difference{{"/retry/time", `"1s"`, `"2s"`, Policy}}},
		"policy and scale": {minimal(`"labels": {"a": "1"}`, `"instances": 0`, `"update": {"canary": 1}`), Policy, []Difference{{"/instances", "1", "0", Scale}, {"/update/canary", "", "1", Policy}}},
		"a label":          {minimal(`"labels": {"b": "1"}`), Version, []Difference{{"/labels/a", `"1"`, "", Version}, {"/labels/b", "", `"1"`, Version}}},
		"a constraint":     {minimal(`"labels": {"a": "1"}`, `"constraints": [["x", "UNIQUE"]]`), Version, []Difference{{"/constraints", "", `[{"field":"x","operator":"UNIQUE"}]`, Version}}},
	} {
		b := mustParse(t, tc.doc)
		if got := Compare(base, b); got != tc.want {
			t.Errorf("%s takes %v, want %v", name, got, tc.want)
		}
		got := Diff(base, b)
		if d := cmp.Diff(tc.diff, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		largest := Same
		for _, d := range got {
			largest = max(largest, d.Change)
		}
		if largest != tc.want {
			t.Errorf("%s: the differences take %v, Compare says %v", name, largest, tc.want)
		}
		if (base.Hash() == b.Hash()) != (tc.want <= Scale) || (base.TaskHash() == b.TaskHash()) != (tc.want <= Policy) {
			t.Errorf("%s: hashes %s %s and task hashes %s %s", name, base.Hash(), b.Hash(), base.TaskHash(), b.TaskHash())
		}
	}
}

// Stored hashes must not change from one release to the next: every application would be restarted.
func TestHashesStayWhatTheyWere(t *testing.T) {
	a := mustParse(t, minimal())
	if got := a.Hash(); got != "4a0847de1d2f286c" {
		t.Errorf("the hash is %s: if the canonical form had to change, say so in the changelog", got)
	}
}

func TestDifferencesAreReadable(t *testing.T) {
	for want, d := range map[string]Difference{
		`/a: 1 -> 2`: {Path: "/a", Old: "1", New: "2"}, `/a: + 2`: {Path: "/a", New: "2"}, `/a: - 1`: {Path: "/a", Old: "1"},
	} {
		if got := d.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := Change(9).String(); got != "Change(9)" {
		t.Error(got)
	}
}
