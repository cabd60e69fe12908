package conformance

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCompanionsAreReplayedButNotCompared(t *testing.T) {
	capture, err := RunOptions{Captures: "../captures"}.capture(Case{Name: "f13_operator", Companion: "testdata/f13_companion.json"})
	if err != nil {
		t.Fatal(err)
	}
	alone := load(t, "../captures/f13_operator.json")
	rows, server := against(t, capture, capture, 0)
	if len(rows) != len(alone.Exchanges) {
		t.Errorf("%d rows for %d recorded exchanges", len(rows), len(alone.Exchanges))
	}
	for _, row := range rows {
		if !row.Same() {
			t.Errorf("%+v", row)
		}
	}
	for _, p := range server.problems {
		t.Error(p)
	}
}

// TestTheProbeDoesWhatTheRecordedExecutorDid runs the probe as an agent would, against an agent that
// plays the recording back.
func TestTheProbeDoesWhatTheRecordedExecutorDid(t *testing.T) {
	recorded, err := os.ReadFile("../captures/f14_executor_side.json")
	if err != nil {
		t.Fatal(err)
	}
	capture, err := Parse(recorded)
	if err != nil {
		t.Fatal(err)
	}
	server := play(t, capture)
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	work := filepath.Join(dir, "agent")
	sandbox := filepath.Join(dir, "sandbox")
	transcript := filepath.Join(dir, "transcript.json")
	if err := os.MkdirAll(sandbox, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"stdout", "stderr"} {
		if err := os.WriteFile(filepath.Join(sandbox, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tree, err := decode(recorded)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary)
	cmd.Dir = sandbox
	cmd.Env = []string{ProbeVariable + "=" + transcript, "PATH=/bin", "MESOS_EXTRA=1"}
	for k := range get(tree, "environment").(map[string]any) {
		v := strings.ReplaceAll(server.fresh.Replace(text(tree, "environment", k)), recordedWorkDir, work)
		if k == "MESOS_AGENT_ENDPOINT" {
			v = strings.TrimPrefix(server.URL, "http://")
		}
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got, err := readTranscript(transcript)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := NewSession(plain("")).CompareTranscript("f14_executor_side", recorded, got, map[string]string{work: recordedWorkDir})
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != len(capture.Exchanges)+2 {
		t.Errorf("%d rows for %d exchanges, environment and listing", len(rows), len(capture.Exchanges))
	}
	for _, r := range rows {
		if expected := r.Path == "$.MESOS_EXTRA" && r.Kind == KindExtra; expected == r.Same() {
			if r.Exchange == "environment" || !r.Same() {
				t.Errorf("%+v", r)
			}
		}
	}
	if !slices.ContainsFunc(rows, func(r Row) bool { return r.Path == "$.MESOS_EXTRA" }) {
		t.Error("a variable that was not recorded was not found")
	}
	// The executor's own calls are not compared with the recording by the replay: do it here.
	mine, err := Parse(got)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range capture.Exchanges {
		c := &comparer{ids: newBindings(), commit: true}
		c.compare(e.Request.Body, mine.Exchanges[i].Request.Body, "$", "")
		for _, d := range c.out {
			t.Errorf("call %d: %+v", i, d)
		}
	}
}

func TestNodesOfZooKeeperAreCompared(t *testing.T) {
	recorded, err := os.ReadFile("../captures/f18_zookeeper_nodes.json")
	if err != nil {
		t.Fatal(err)
	}
	const first = `{"address":{"hostname":"h","ip":"10.0.0.1","port":1},"capabilities":[{"type":"AGENT_UPDATE"},{"type":"AGENT_DRAINING"},` +
		`{"type":"QUOTA_V2"}],"hostname":"h","id":"00000000-0000-4000-8000-000000000001","ip":1,"pid":"master@10.0.0.1:1","port":1,"version":"1"}`
	second := strings.ReplaceAll(first, "000000000001", "000000000002")
	for _, test := range []struct {
		name string
		got  map[string]string
		want []Row
	}{
		{"alike", map[string]string{"json.info_0000000007": first, "json.info_0000000009": second},
			[]Row{{Exchange: "node 0"}, {Exchange: "node 1"}}},
		{"one missing", map[string]string{"json.info_0000000007": first},
			[]Row{{Exchange: "node 0"}, {Exchange: "node 1", Difference: Difference{Kind: KindMissing, Want: "json.info_0000000001"}}}},
		{"another name", map[string]string{"json.info_0000000007": first, "info_0000000008": second},
			[]Row{
				{Exchange: "node 0", Difference: Difference{Path: "name", Kind: KindValue, Want: "json.info_0000000000", Got: "info_0000000008"}},
				{Exchange: "node 1"},
			}},
		{"no field", map[string]string{"json.info_0000000007": strings.Replace(first, `"port":1,"v`, `"v`, 1), "json.info_0000000008": second},
			[]Row{{Exchange: "node 0", Difference: Difference{Path: "$.port", Kind: KindMissing, Want: "5150"}}, {Exchange: "node 1"}}},
		{"the same master twice", map[string]string{"json.info_0000000007": first, "json.info_0000000008": first},
			[]Row{{Exchange: "node 0"}, {Exchange: "node 1", Difference: Difference{Path: "$.id", Kind: KindID}}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			rows, err := CompareNodes("f18", recorded, test.got)
			if err != nil {
				t.Fatal(err)
			}
			for i := range rows {
				rows[i].Case = ""
				if rows[i].Kind == KindID {
					rows[i].Want, rows[i].Got = "", ""
				}
			}
			if diff := cmp.Diff(test.want, rows); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCasesThatNeedPowerAreNotRunWithoutIt(t *testing.T) {
	for _, group := range Groups() {
		for _, c := range group {
			if c.Needs == 0 {
				continue
			}
			for _, target := range []Target{plain("127.0.0.1:1"), powerless{}} {
				rows, notRun, err := RunGroup(t.Context(), []Case{c}, target, RunOptions{Captures: "../captures"})
				if len(rows) > 0 || len(notRun) != 1 || notRun[0] != (NotRun{c.Name, c.Needs.String()}) || err != nil {
					t.Errorf("%s at %T: rows %v, not run %v, error %v", c.Name, target, rows, notRun, err)
				}
			}
		}
	}
}

type powerless struct {
	plain
	Uncontrolled
}

func (p powerless) Control() Control { return p }

func TestKnownDifferences(t *testing.T) {
	row := Row{Case: "f01", Exchange: "#0 SUBSCRIBE", Event: "UPDATE a TASK_RUNNING", Difference: Difference{
		Path: "$.update.status.message", Kind: KindValue, Want: "one", Got: "two",
	}}
	other := row
	other.Path = "$.update.status.reason"
	known := []Known{
		{Case: "f01", Event: "UPDATE * TASK_RUNNING", Path: "*.message"},
		{Case: "f01", Path: "$.nowhere"},
		{Case: "f01", Path: "$.seldom", Sometimes: true},
		{Case: "f02", Path: "$.not.run"},
	}
	v := Judge([]Row{row, other, {Case: "f01", Exchange: "#1 KILL"}}, known, map[string]bool{"f01": true})
	want := Verdict{Rows: v.Rows, By: []int{0, -1, -1}, New: []Row{other}, Outdated: []int{1}}
	if diff := cmp.Diff(want, v); diff != "" {
		t.Error(diff)
	}
	var table strings.Builder
	if err := WriteTable(&table, v, known, []NotRun{{"f18", "no ZooKeeper"}}); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"#0 SUBSCRIBE  known (value, 1 places)", "#0 SUBSCRIBE  DIFFERENT (value)", "#1 KILL       same", "not run",
		"1 exchanges the same, 1 differences, 1 known differences, 1 cases not run",
	} {
		if !strings.Contains(table.String(), line) {
			t.Errorf("%q is not in\n%s", line, table.String())
		}
	}
}

func TestListsOfKnownDifferencesThatSayTooLittleAreRefused(t *testing.T) {
	const good = `{"case":"f01","path":"$.x","area":"agent","reason":"because it is so"}`
	if known, err := ParseKnown([]byte(`{"differences":[` + good + `]}`)); err != nil || len(known) != 1 {
		t.Fatalf("%v, %v", known, err)
	}
	for _, bad := range []string{
		`{"path":"$.x","area":"agent","reason":"because it is so"}`,
		`{"case":"*","path":"$.x","area":"agent","reason":"because it is so"}`,
		`{"case":"f01","area":"agent","reason":"because it is so"}`,
		`{"case":"f01","path":"$.x","area":"elsewhere","reason":"because it is so"}`,
		`{"case":"f01","path":"$.x","area":"agent","reason":"so"}`,
		`{"case":"f01","path":"$.x","area":"agent","reason":"because it is so","paht":""}`,
	} {
		if _, err := ParseKnown([]byte(`{"differences":[` + bad + `]}`)); err == nil {
			t.Errorf("accepted %s", bad)
		}
	}
	if _, err := LoadKnown("no/such/file"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}

func TestGlob(t *testing.T) {
	for _, test := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "x", true}, {"x", "x", true}, {"x", "xy", false}, {"*", "", true}, {"a*c", "abbc", true}, {"a*c", "abcd", false},
		{"*b*", "abc", true}, {"*b*", "ac", false}, {"a*b*c", "a-b-c", true}, {"a*b*c", "a-c-b", false}, {"ab*ba", "aba", false},
	} {
		if got := glob(test.pattern, test.s); got != test.want {
			t.Errorf("glob(%q, %q) = %t", test.pattern, test.s, got)
		}
	}
}

func TestIDsStandForOneThing(t *testing.T) {
	const a, b = "8fd4e0b2-ece8-44b9-9b58-88a85706f49a", "2a2a17f9-5998-4518-8636-e63aad270316"
	for _, test := range []struct {
		name        string
		want, got   string
		differences int
	}{
		{"another id", a, b, 0},
		{"in a text", "offer " + a + "-O1 is gone", "offer " + b + "-O77 is gone", 0},
		{"another form", a + "-S1", b + "-O1", 1},
		{"no id", a, "S1", 1},
		{"another text around it", "x " + a, "y " + b, 1},
		{"two for one", a + " " + a, a + " " + b, 1},
		{"one for two", a + " " + b, a + " " + a, 1},
		{"addresses are not told apart", "127.0.0.1:5050 localhost:5050", "127.0.0.1:40001 10.1.1.1:1", 0},
		{"not a uuid", "AAAA", "BBBB", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := &comparer{ids: newBindings(), commit: true}
			c.compare(test.want, test.got, "$", "x")
			if len(c.out) != test.differences {
				t.Errorf("%+v", c.out)
			}
		})
	}
}

func TestSums(t *testing.T) {
	resources := func(s string) sum {
		v, err := decode([]byte(s))
		if err != nil {
			t.Fatal(err)
		}
		return sumOf(v.([]any))
	}
	const cpus, ports = `{"name":"cpus","type":"SCALAR","scalar":{"value":%}}`, `{"name":"ports","type":"RANGES","ranges":{"range":[{"begin":%}]}}`
	with := func(pattern string, values ...string) sum {
		var l []string
		for _, v := range values {
			l = append(l, strings.Replace(pattern, "%", v, 1))
		}
		return resources("[" + strings.Join(l, ",") + "]")
	}
	if a, b := with(cpus, "0.1", "0.2"), with(cpus, "0.3"); !a.equal(b) {
		t.Errorf("%v is not %v", a, b)
	}
	if a, b := with(ports, `1,"end":5`, `6,"end":9`), with(ports, `1,"end":9`); !a.equal(b) {
		t.Errorf("%v is not %v", a, b)
	}
	if a, b := with(ports, `1,"end":5`, `7,"end":9`), with(ports, `4,"end":8`); a.covers(b) {
		t.Errorf("%v covers %v", a, b)
	}
	if a, b := with(cpus, "1"), resources(`[{"name":"cpus","type":"SCALAR","scalar":{"value":1},"reservations":[{"role":"x"}]}]`); a.covers(b) {
		t.Errorf("%v covers %v", a, b)
	}
	if got := with(cpus, "0").String(); got != "nothing" {
		t.Errorf("zero is %s", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"f19_follower", "f15_protobuf", "f14_executor_side"} {
		data, err := os.ReadFile("../captures/" + name + ".json")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"exchanges":[{"request":{"method":"POST","path":"/api/v1","body":{"_raw_base64":"e30="}},"response":{"frames":[]}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse(data)
		if err != nil {
			return
		}
		givenOut(c)
		for _, e := range c.timeline() {
			_ = e.Label()
			if e.Request != nil && e.Response.Stream {
				newStream(e, true)
			}
		}
	})
}

func FuzzParseKnown(f *testing.F) {
	f.Add([]byte(`{"differences":[{"case":"f01","path":"$.x*","area":"agent","reason":"because it is so"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		known, err := ParseKnown(data)
		if err != nil {
			return
		}
		for _, k := range known {
			k.Covers(Row{Case: "f01", Difference: Difference{Path: "$.x", Kind: KindValue}})
		}
	})
}
