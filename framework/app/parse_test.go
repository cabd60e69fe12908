package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// minimal is the least that is an application, with more fields after it.
func minimal(fields ...string) string {
	more := ""
	for _, f := range fields {
		more += ", " + f
	}
	return `{"name": "web", "resources": {"cpus": 0.1, "mem": 32}, "command": {"cmd": "sleep 60"}` + more + `}`
}

func mustParse(t testing.TB, doc string) *App {
	t.Helper()
	a, err := Parse([]byte(doc))
	if err != nil {
		t.Fatalf("%s\n%v", doc, err)
	}
	return a
}

func TestTheLeastApplicationGetsAllDefaults(t *testing.T) {
	want := &App{
		Name: "web", Instances: 1,
		Task: Task{
			Resources: Resources{CPUs: 0.1, Mem: 32, Reserve: ReserveVolumes}, Command: &Command{Cmd: "sleep 60"},
			KillGracePeriod: new(Duration(3 * time.Second)),
		},
		Goal: GoalRunning, Strategy: StrategyNone,
		Readiness:   &Readiness{By: ReadyRunning, Timeout: Duration(10 * time.Minute)},
		Retry:       &Retry{Time: Duration(time.Second), Backoff: new(true), MaxTime: Duration(5 * time.Minute), ResetAfter: Duration(10 * time.Second)},
		Update:      &Update{MinHealthy: new(0.5), BatchSize: 1, MaxFailures: new(1)},
		Unreachable: &Unreachable{ReplaceAfter: Duration(5 * time.Minute)},
	}
	if d := cmp.Diff(want, mustParse(t, minimal())); d != "" {
		t.Error(d)
	}
	built := New("web", "sleep 60")
	if err := built.Complete(); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, built); d != "" {
		t.Error("built in Go:", d)
	}
}

// canonical documents are in testdata/valid, each with the canonical form that it is read as.
func TestDocumentsAreReadAsTheirCanonicalForm(t *testing.T) {
	files, err := filepath.Glob("testdata/valid/*.json")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d documents, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			doc, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			a := mustParse(t, string(doc))
			golden := strings.TrimSuffix(file, ".json") + ".canonical"
			got := pretty(t, a.Marshal())
			if os.Getenv("UPDATE") != "" {
				if err := os.WriteFile(golden, got, 0o666); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), string(got)); d != "" {
				t.Errorf("%s; UPDATE=1 go test accepts it\n%s", golden, d)
			}
			again := mustParse(t, string(a.Marshal()))
			if d := cmp.Diff(a, again); d != "" {
				t.Error("the canonical form is read as something else:", d)
			}
			if err := again.Complete(); err != nil {
				t.Error(err)
			}
			if d := cmp.Diff(a, again); d != "" {
				t.Error("completing again changes it:", d)
			}
		})
	}
}

func TestErrorsNameThePlaceTheProblemAndTheRemedy(t *testing.T) {
	for _, tc := range []struct{ name, doc, want string }{
		{"empty", ``, "line 1, column 1: not JSON: the document ends too early: close every { and [, and check that it was copied completely"},
		{"array", `[]`, "line 1, column 1: is an array: give an object: {…}"},
		{"null", `null`, "line 1, column 1: is null: give an object: {…}"},
		{"cut", "{\n  \"name\": \"web\"", `line 2, column 16: not JSON: unexpected end of the document after the value of "name": write a comma between fields and } after the last`},
		{"trailing comma", "{\n  \"name\": \"web\",\n}", "line 3, column 1: not JSON: a comma before }: remove the comma"},
		{"comment", "{\n  // my app\n}", "line 2, column 3: not JSON: a comment: JSON has no comments: use labels for remarks"},
		{"comma in an array", `{"a": [1, ]}`, "line 1, column 11: not JSON: a comma before ]: remove the comma"},
		{"no comma in an array", `{"a": [1 2]}`, `line 1, column 10: not JSON: unexpected "2" in an array: write a comma between elements and ] after the last`},
		{"no colon", `{"a" 1}`, `line 1, column 6: not JSON: unexpected "1" after the field name "a": write a colon between name and value`},
		{"bare name", `{name: 1}`, `line 1, column 2: not JSON: unexpected "n" instead of a field name: field names stand in double quotes: "name": …`},
		{"half a number", `{"a": -}`, `line 1, column 8: not JSON: unexpected "}" in a number: write numbers like 12 or 0.5`},
		{"half a string", `{"a": "b\"}`, "line 1, column 7: not JSON: a string without an end: close it with a double quote"},
		{"half a unicode escape", `{"a": "\u12"}`, `line 1, column 9: not JSON: \u without four hexadecimal digits: write \u00e9 for é, or the character itself`},
		{"line break after an escape", "{\"a\": \"\\t\n\"}", `line 1, column 10: not JSON: a line break or control character in a string: write \n for a line break, \t for a tab`},
		{"single quotes", `{"name": 'web'}`, `line 1, column 10: not JSON: a single quote: JSON strings stand in double quotes: "…"`},
		{"leading zero", `{"instances": 03}`, "line 1, column 16: not JSON: a number with a leading zero: remove the zero"},
		{"not UTF-8", "{\"name\": \"w\xffb\"}", "line 1, column 12: not JSON: text that is not UTF-8: save the document as UTF-8"},
		{"line break in a string", "{\"name\": \"w\n\"}", `line 1, column 12: not JSON: a line break or control character in a string: write \n for a line break, \t for a tab`},
		{"escape", `{"name": "w\d"}`, `line 1, column 12: not JSON: unknown escape \d in a string: write \\ for a backslash`},
		{"half a surrogate", `{"name": "\ud800"}`, "line 1, column 17: not JSON: half of a surrogate pair: write the character itself"},
		{"two documents", `{} {}`, "line 1, column 4: not JSON: more text after the end of the document: a document is one JSON object"},
		{"deep", strings.Repeat("[", 300), "line 1, column 202: not JSON: nested deeper than 200 levels"},
		{"columns count characters", `{"näme": 1, "name": "ä", "x": }`, `line 1, column 31: not JSON: unexpected "}": a value is an object, an array, a string, a number, true, false or null; strings stand in double quotes`},

		{"nothing", `{}`, "line 1, column 1: /name: missing: give a name" +
			"\nline 1, column 1: /resources/cpus: missing: give a number of cpus above 0, such as 0.1" +
			"\nline 1, column 1: /resources/mem: missing: give megabytes above 0, such as 64" +
			"\nline 1, column 1: /command: missing: say what to run: \"command\": {\"cmd\": \"…\"}, or give a container with an image"},
		{"unknown field", minimal(`"instnaces": 2`), "line 1, column 88: /instnaces: unknown field: did you mean instances?"},
		{"camel case", minimal(`"healthCheck": {}`), "line 1, column 88: /healthCheck: unknown field: did you mean health_check?"},
		{"wrong level", minimal(`"cpus": 1`), "line 1, column 88: /cpus: unknown field: cpus belongs in resources"},
		{"wrong level for retries", minimal(`"exp_backoff": true`), "line 1, column 88: /exp_backoff: unknown field: exp_backoff belongs in retry"},
		{"nothing like it", minimal(`"retry": {"zzzzzz": 1}`), "line 1, column 98: /retry/zzzzzz: unknown field: known here: time, exp_backoff, total_retries, max_time, reset_after"},
		{"twice", minimal(`"instances": 1`, `"instances": 2`), "line 1, column 104: /instances: given twice: remove one of them"},
		{"twice under two names", minimal(`"health_check": {"tcp": {"port": 1}}`, `"healthcheck": {"tcp": {"port": 1}}`), "line 1, column 126: /healthcheck: given twice, also as health_check: remove one of them"},
		{"label twice", minimal(`"labels": [{"a": "1"}, {"a": "2"}]`), "line 1, column 112: /labels/1/a: given twice: remove one of them"},
		{"variable twice", `{"name": "web", "resources": {"cpus": 1, "mem": 1}, "command": {"cmd": "x", "environment": {"A": "1", "A": "2"}}}`,
			"line 1, column 103: /command/environment/A: given twice: remove one of them"},
		{"string for a number", minimal(`"instances": "3"`), `line 1, column 101: /instances: is the string "3": give a whole number, without quotes`},
		{"fraction", minimal(`"instances": 1.5`), "line 1, column 101: /instances: is the number 1.5: give a whole number"},
		{"number for a string", minimal(`"labels": {"a": 1}`), "line 1, column 104: /labels/a: is the number 1: give a string: write it in quotes"},
		{"zero where it means nothing", minimal(`"retry": {"time": 0}`), "line 1, column 106: /retry/time: is 0: give more, such as 1ms, or leave it out for the default"},
		{"bad duration", minimal(`"kill_grace_period": "5 parsecs"`), `line 1, column 109: /kill_grace_period: is the string "5 parsecs", no duration: write "1m30s", "15secs", "1.5hrs" or a number of seconds`},
		{"bad size", `{"name": "web", "resources": {"cpus": 1, "mem": "1 heap"}, "command": {"cmd": "x"}}`,
			`line 1, column 49: /resources/mem: is the string "1 heap", no size: write a number of megabytes or a size such as "512MB" or "1.5GB"`},
		{"places use the document's names", `{"name": "web", "resources": {"cpu": -1, "memory": 1}, "command": {"cmd": "x"}}`,
			"line 1, column 38: /resources/cpu: is -1: give a number of cpus above 0, such as 0.1"},
		{"cpus below what Mesos counts", `{"name": "web", "resources": {"cpus": 0.0004, "mem": 1}, "command": {"cmd": "x"}}`,
			"line 1, column 39: /resources/cpus: is 0.0004, which is too small: give at least 0.001: Mesos counts in thousandths"},
		{"mem below what Mesos counts", `{"name": "web", "resources": {"cpus": 1, "mem": 0.0004}, "command": {"cmd": "x"}}`,
			"line 1, column 49: /resources/mem: is 0.0004, which is too small: give at least 0.001: Mesos counts in thousandths"},
		{"zero byte in a command", `{"name": "web", "resources": {"cpus": 1, "mem": 1}, "command": {"cmd": "x\u0000y"}}`,
			"line 1, column 72: /command/cmd: contains a zero byte: remove it: programs get text that ends there"},
		{"zero byte in an argument", `{"name": "web", "resources": {"cpus": 1, "mem": 1}, "command": {"argv": ["x", "\u0000"]}}`,
			"line 1, column 79: /command/argv/1: contains a zero byte: remove it: programs get text that ends there"},
		{"address without a file", `{"name": "web", "resources": {"cpus": 1, "mem": 1}, "command": {"cmd": "x", "uris": [{"uri": "http://h/"}]}}`,
			`line 1, column 94: /command/uris/0/uri: "http://h/" names no file: add the path of a file: Mesos takes the last part of it as the name in the sandbox`},
		{"word", minimal(`"goal": "runing"`), `line 1, column 96: /goal: is "runing": did you mean running?`},
		{"word unlike any", minimal(`"goal": "xyz"`), `line 1, column 96: /goal: is "xyz": give one of running, finish, once`},
		{"operator", minimal(`"constraints": [["rack", "UNIQE"]]`), `line 1, column 113: /constraints/0/1: is "UNIQE": did you mean UNIQUE?`},
		{"constraint value", minimal(`"constraints": [["rack", "LIKE", "("]]`), "line 1, column 121: /constraints/0/2: error parsing regexp: missing closing ): `(`: give a regular expression in RE2 syntax"},
		{"port name", minimal(`"health_check": {"http": {"port": "htpt"}}`), `line 1, column 122: /health_check/http/port: no port is called "htpt": name one of the ports in resources: "ports": [{"name": "http"}]`},
		{"no port", minimal(`"health_check": {"http": {}}`), "line 1, column 113: /health_check/http/port: missing: give a port, or add ports to the task's resources: the first is then meant"},
		{"name", `{"name": "a/b", "resources": {"cpus": 1, "mem": 1}, "command": {"cmd": "x"}}`, `line 1, column 10: /name: "a/b" contains '/': give letters, digits, dots, hyphens and the like`},
		{"all at once", "{\n\"name\": \"\",\n\"instances\": -1,\n\"resources\": {\"cpus\": true, \"mem\": 32, \"disc\": 1},\n\"goal\": 1}",
			"line 1, column 1: /command: missing: say what to run: \"command\": {\"cmd\": \"…\"}, or give a container with an image" +
				"\nline 2, column 9: /name: missing: give a name" +
				"\nline 3, column 14: /instances: is -1: give 0 or more" +
				"\nline 4, column 23: /resources/cpus: is true: give a number" +
				"\nline 4, column 40: /resources/disc: unknown field: did you mean disk?" +
				"\nline 5, column 9: /goal: is the number 1: give a string: write it in quotes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, err := Parse([]byte(tc.doc))
			if err == nil {
				t.Fatalf("accepted as %s", a.Marshal())
			}
			if a != nil {
				t.Error("an application beside the error")
			}
			if d := cmp.Diff(tc.want, err.Error()); d != "" {
				t.Errorf("got\n%v\n%s", err, d)
			}
		})
	}
}

func TestErrorsCanBeTakenApart(t *testing.T) {
	_, err := Parse([]byte(minimal(`"instnaces": 2`, `"goal": "x"`)))
	list, ok := errors.AsType[Errors](fmt.Errorf("submitting: %w", err))
	if !ok || len(list) != 2 {
		t.Fatalf("%#v", err)
	}
	one, ok := errors.AsType[*Error](err)
	want := &Error{Path: "/instnaces", Line: 1, Column: 88, What: "unknown field", Fix: "did you mean instances?"}
	if d := cmp.Diff(want, one); !ok || d != "" {
		t.Error(d)
	}
}

func TestManyErrorsAreCutOff(t *testing.T) {
	var b strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&b, `"x%d": 1,`, i)
	}
	_, err := Parse([]byte("{" + b.String() + `"name": "a"}`))
	if list, _ := errors.AsType[Errors](err); len(list) != maxErrors+1 || !strings.Contains(list[maxErrors].What, "more errors") {
		t.Errorf("%d errors, the last %v", len(list), list[len(list)-1])
	}
}

func TestApplicationsCanBePartOfSomethingElse(t *testing.T) {
	var body struct{ App *App }
	if err := json.Unmarshal([]byte(`{"app": `+minimal(`"goal": "once"`)+`}`), &body); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	want := body.App
	if body.App = nil; json.Unmarshal(again, &body) != nil {
		t.Fatal(string(again))
	}
	if d := cmp.Diff(want, body.App); d != "" {
		t.Error(d)
	}
	err = json.Unmarshal([]byte(`{"app": `+minimal(`"gaol": "once"`)+`}`), &body)
	if list, ok := errors.AsType[Errors](err); !ok || list[0].Fix != "did you mean goal?" {
		t.Error(err)
	}
}

func TestUnits(t *testing.T) {
	for text, want := range map[string]time.Duration{
		`5`: 5 * time.Second, `0.25`: 250 * time.Millisecond, `"1m30s"`: 90 * time.Second, `"15secs"`: 15 * time.Second,
		`"1.5hrs"`: 90 * time.Minute, `"2 mins"`: 2 * time.Minute, `"7"`: 7 * time.Second, `"1e2"`: 100 * time.Second,
	} {
		a := mustParse(t, minimal(`"kill_grace_period": `+text))
		if got := time.Duration(*a.KillGracePeriod); got != want {
			t.Errorf("%s is read as %v, want %v", text, got, want)
		}
	}
	for text, want := range map[string]MB{
		`64`: 64, `"64"`: 64, `"64MB"`: 64, `"64 MiB"`: 64, `"64m"`: 64, `"1.5GB"`: 1536, `"2T"`: 2 << 20, `"512KiB"`: 0.5, `"1048576B"`: 1, `0.0004001e3`: 0.4,
	} {
		a := mustParse(t, `{"name": "a", "resources": {"cpus": 1, "mem": `+text+`}, "command": {"cmd": "x"}}`)
		if a.Resources.Mem != want {
			t.Errorf("%s is read as %v MB, want %v", text, a.Resources.Mem, want)
		}
	}
	for d, want := range map[Duration]string{0: "0s", Duration(5 * time.Minute): "5m", Duration(2 * time.Hour): "2h", Duration(90 * time.Second): "1m30s", Duration(10 * time.Second): "10s"} {
		if got := d.String(); got != want {
			t.Errorf("%d is written as %s, want %s", d, got, want)
		}
	}
}
