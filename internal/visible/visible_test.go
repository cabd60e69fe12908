package visible

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
)

func TestWhatIsNotPrintedIsEscaped(t *testing.T) {
	for in, want := range map[string]string{
		"web/0 läuft – ✓ 日本 100 %":  "web/0 läuft – ✓ 日本 100 %",
		"a\x1b[2Jb":                 `a\u001b[2Jb`,
		"a\r\nb\tc\x00":             `a\u000d\u000ab\u0009c\u0000`,
		"\u009b31m\u0085\x7f":       `\u009b31m\u0085\u007f`,
		"\u202egpj.exe\u2066\u200f": `\u202egpj.exe\u2066\u200f`,
		"a\u2028b\ufeff\U000e0041":  `a\u2028b\ufeff\udb40\udc41`,
		"\x9b2J\xff":                "\ufffd2J\ufffd",
		"\ufffd":                    "\ufffd",
		"":                          "",
	} {
		if got := Line(in); got != want {
			t.Errorf("Line(%q) = %q, want %q", in, got, want)
		}
	}
	if got := Text("a\n\tb\r\x1b"); got != "a\n\tb"+`\u000d\u001b` {
		t.Errorf("got %q", got)
	}
}

func TestJSONStaysJSON(t *testing.T) {
	const hostile = "\x1b]0;x\a\u009b\u202e\U000e0041\x7f"
	data, err := json.Marshal(hostile)
	if err != nil {
		t.Fatal(err)
	}
	var got string
	if err := json.Unmarshal([]byte(Line(string(data))), &got); err != nil || got != hostile {
		t.Errorf("got %q (%v)", got, err)
	}
}

func TestAWriterPassesOnColoursAndNothingElse(t *testing.T) {
	for colours, want := range map[bool]string{
		false: `\u001b[1mA\u001b[0m` + "\n" + `\u001b[2J\u001b]0;x\u0007\u001b[1`,
		true:  "\x1b[1mA\x1b[0m\n" + `\u001b[2J\u001b]0;x\u0007\u001b[1`,
	} {
		var b bytes.Buffer
		w := NewWriter(&b, colours)
		const in = "\x1b[1mA\x1b[0m\n\x1b[2J\x1b]0;x\a\x1b[1"
		if n, err := fmt.Fprint(w, in); n != len(in) || err != nil || b.String() != want {
			t.Errorf("with colours %v: %d %v %q, want %q", colours, n, err, b.String(), want)
		}
		if Raw(w) != &b || Raw(&b) != &b {
			t.Error("Raw is another writer")
		}
	}
}
