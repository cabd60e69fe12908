package fault

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRulesReadWriteAndSurviveJSON(t *testing.T) {
	for _, tc := range []struct {
		text, canonical string
		want            Rule
	}{
		{"call answer status=503", "", Rule{On: Call, Do: Answer, Status: 503}},
		{`call answer header="Retry-After: 3" body="too \"many\"" count=2 type=ACCEPT status=429`, `call answer status=429 body="too \"many\"" header="Retry-After: 3" type=ACCEPT count=2`,
			Rule{On: Call, Do: Answer, Status: 429, Body: `too "many"`, Header: "Retry-After: 3", Type: "ACCEPT", Count: 2}},
		{"  call\tlose  type=REVIVE framework=web-* ", "call lose type=REVIVE framework=web-*", Rule{On: Call, Do: Lose, Type: "REVIVE", Framework: "web-*"}},
		{"call limit rate=1kB/s type=SUBSCRIBE", "", Rule{On: Call, Do: Limit, Rate: 1000, Type: "SUBSCRIBE"}},
		{"call limit rate=1500", "call limit rate=1500B/s", Rule{On: Call, Do: Limit, Rate: 1500}},
		{"call limit rate=2MB/s path=/master/*", "", Rule{On: Call, Do: Limit, Rate: 2e6, Path: "/master/*"}},
		{"call delay time=90s api=operator agent=a1", "call delay time=1m30s api=operator agent=a1", Rule{On: Call, Do: Delay, Time: 90 * time.Second, API: "operator", Agent: "a1"}},
		{"event drop type=HEARTBEAT for=1m", "event drop type=HEARTBEAT for=1m0s", Rule{On: Event, Do: Drop, Type: "HEARTBEAT", For: time.Minute}},
		{"event reset bytes=3 skip=1 type=OFFERS", "event reset bytes=3 type=OFFERS skip=1", Rule{On: Event, Do: Reset, Bytes: 3, Skip: 1, Type: "OFFERS"}},
		{"update drop p=0.25 seed=7 task=t.*", "update drop task=t.* p=0.25 seed=7", Rule{On: Update, Do: Drop, Probability: 0.25, Seed: 7, Task: "t.*"}},
		{"update reorder window=3 time=2s state=TASK_RUNNING", "update reorder time=2s window=3 state=TASK_RUNNING", Rule{On: Update, Do: Reorder, Window: 3, Time: 2 * time.Second, State: "TASK_RUNNING"}},
		{"update duplicate copies=3 id=mine", "update duplicate copies=3", Rule{ID: "mine", On: Update, Do: Duplicate, Copies: 3}},
	} {
		got, err := Parse(tc.text)
		if diff := cmp.Diff(tc.want, got); err != nil || diff != "" {
			t.Errorf("Parse(%q): %v (-want +got):\n%s", tc.text, err, diff)
			continue
		}
		if tc.canonical == "" {
			tc.canonical = tc.text
		}
		if got.String() != tc.canonical {
			t.Errorf("Parse(%q).String() is %q, want %q", tc.text, got, tc.canonical)
		}
		data, err := json.Marshal(got)
		if err != nil {
			t.Error(err)
			continue
		}
		var back Rule
		if err := json.Unmarshal(data, &back); err != nil || back != got {
			t.Errorf("%s became %+v (%v)", data, back, err)
		}
		state := State{Rule: got, Text: got.String(), Seen: 3, Hits: 2, Over: true}
		if data, err = json.Marshal(state); err != nil {
			t.Error(err)
			continue
		}
		var again State
		if err := json.Unmarshal(data, &again); err != nil || again != state {
			t.Errorf("%s became %+v (%v)", data, again, err)
		}
	}
}

func TestRulesThatCannotBeMeantSayWhy(t *testing.T) {
	for _, tc := range []struct{ text, field, want string }{
		{"", "", "target and an action"},
		{"call", "", "target and an action"},
		{"cal hang", "on", "call, event or update"},
		{"call stall", "do", "answer, cut, delay, hang, limit, lose, reset"},
		{"call answer", "status", "is missing"},
		{"call answer status=99", "status", "200 to 599"},
		{"call answer status=5o3", "status", "whole number"},
		{"call hang status=503", "status", "no meaning"},
		{"call hang task=t", "task", "no meaning"},
		{"call hang nonsense=1", "nonsense", "no such key"},
		{"call hang type", "", "key=value"},
		{"call hang type=A type=B", "type", "twice"},
		{"call hang type=", "type", "missing"},
		{`call hang type="A`, "", "quote"},
		{`call hang type="A"B`, "", "space"},
		{"call hang api=v2", "api", "scheduler, executor or operator"},
		{"call hang count=-1", "count", "0 to"},
		{"call hang p=1.5", "p", "probability"},
		{"call hang p=0", "p", "probability"},
		{"call hang p=NaN", "p", "probability"},
		{"call hang id=a/b", "id", "plain word"},
		{"call delay time=fast", "time", "duration"},
		{"call delay time=-1s", "time", "up to"},
		{"call delay time=100h", "time", "up to"},
		{"call hang for=-1s", "for", "negative"},
		{"call limit rate=0", "rate", "1kB/s"},
		{"call limit rate=9223372036854775807MB/s", "rate", "1kB/s"},
		{"call answer status=200 header=X", "header", "Name: value"},
		{`call answer status=200 header="X: a\r\nY: b"`, "header", "Name: value"},
		{"update duplicate copies=1000", "copies", "100"},
		{"event drop type=" + strings.Repeat("x", 300), "type", "longer"},
	} {
		_, err := Parse(tc.text)
		p, ok := errors.AsType[*ParseError](err)
		if !ok || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("Parse(%q): %v, want a *ParseError with %q", tc.text, err, tc.want)
			continue
		}
		if e, _ := errors.AsType[*RuleError](p); tc.field != "" && (e == nil || e.Field != tc.field) {
			t.Errorf("Parse(%q): %v, want a *RuleError of %s", tc.text, err, tc.field)
		}
	}
	var r Rule
	for _, data := range []string{`{"on":"call","do":"hang","nonsense":1}`, `{"on":"call","time":"soon"}`, `[]`} {
		if err := json.Unmarshal([]byte(data), &r); err == nil {
			t.Errorf("%s was taken", data)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"call answer status=503 body=\"a b\" header=\"A: b\"", "call limit rate=1kB/s", "update reorder window=3 time=1s p=0.5 seed=9",
		"event drop type=\"\\x00\" for=1h", "call hang id=x", "event sever", `call lose type="`, "update delay time=1ns task=é",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Parse(text)
		if err != nil {
			if _, ok := errors.AsType[*ParseError](err); !ok {
				t.Fatalf("%T is no *ParseError", err)
			}
			return
		}
		id := r.ID
		again, err := Parse(r.String())
		if again.ID = id; err != nil || again != r {
			t.Fatalf("%q became %+v, which is written %q and read as %+v (%v)", text, r, r.String(), again, err)
		}
	})
}

func FuzzRuleJSON(f *testing.F) {
	for _, s := range []string{`{"on":"call","do":"hang"}`, `{"on":"update","do":"delay","time":"1s","p":0.5}`, `{"on":"event","do":"drop","for":"1h","count":3,"type":"*"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var r Rule
		if json.Unmarshal(data, &r) != nil || r.Validate() != nil {
			return
		}
		out, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var back Rule
		if err := json.Unmarshal(out, &back); err != nil || back.String() != r.String() {
			t.Fatalf("%s became %s, then %+v (%v)", data, out, back, err)
		}
	})
}

func TestGlob(t *testing.T) {
	for _, tc := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "x", true}, {"x", "x", true}, {"x", "xy", false}, {"*", "", true}, {"a*", "abc", true}, {"*c", "abc", true},
		{"a*c*e", "abcde", true}, {"a*c*e", "abde", false}, {"ab*ba", "aba", false}, {"**", "z", true},
	} {
		if got := glob(tc.pattern, tc.text); got != tc.want {
			t.Errorf("glob(%q, %q) = %v", tc.pattern, tc.text, got)
		}
	}
}
