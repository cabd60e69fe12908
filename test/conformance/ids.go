package conformance

import (
	"encoding/base64"
	"maps"
	"regexp"
	"strings"
)

// idPattern finds in a text what differs from run to run: UUIDs and the Mesos ids made from them
// (framework -0001, agent -S1, offer -O1), addresses, and an agent's work directory.
var idPattern = regexp.MustCompile(
	`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(-S\d+|-O\d+|-\d{4,})?` +
		`|(\d{1,3}(\.\d{1,3}){3}|localhost):\d+` +
		`|(/[^/\s'":]+)+/slaves/`)

// A token is an id within a text.
type token struct {
	text string
	kind string // uuid, framework, agent, offer, address, directory
}

// place says whether the token says where something is, which is compared with nothing.
func (t token) place() bool { return t.kind == "address" || t.kind == "directory" }

// split cuts a text into its tokens and what is around them: one more part than tokens.
func split(s string) (parts []string, tokens []token) {
	last := 0
	for _, m := range idPattern.FindAllStringSubmatchIndex(s, -1) {
		t := token{text: s[m[0]:m[1]], kind: "uuid"}
		if m[2] >= 0 {
			switch suffix := s[m[2]:m[3]]; suffix[1] {
			case 'S':
				t.kind = "agent"
			case 'O':
				t.kind = "offer"
			default:
				t.kind = "framework"
			}
		} else if m[4] >= 0 {
			t.kind = "address"
		} else if m[8] >= 0 {
			t.kind = "directory"
		}
		parts = append(parts, s[last:m[0]])
		tokens = append(tokens, t)
		last = m[1]
	}
	return append(parts, s[last:]), tokens
}

// isUUIDBytes says whether the text is a UUID in base64, as the uuid of an update is. The field must
// be named accordingly: sixteen bytes can be anything.
func isUUIDBytes(key, s string) bool {
	if !strings.HasSuffix(key, "uuid") {
		return false
	}
	b, err := base64.StdEncoding.DecodeString(s)
	return err == nil && len(b) == 16
}

// bindings are the pairs of recorded ids and the target's that stand in their places. Both ways are
// unique.
type bindings struct {
	there map[string]string // recorded to the target's
	back  map[string]string
}

func newBindings() *bindings {
	return &bindings{there: make(map[string]string), back: make(map[string]string)}
}

// agree says whether want and got stand for the same thing, or can from now on. With commit it
// remembers a new pair.
func (b *bindings) agree(want, got string, commit bool) bool {
	there, known := b.there[want]
	back, taken := b.back[got]
	if known || taken {
		return there == got && back == want
	}
	if commit {
		b.there[want], b.back[got] = got, want
	}
	return true
}

// translate puts the target's ids in the place of recorded ones. missing lists recorded ids for
// which there is none.
func (b *bindings) translate(key, s string, missing *[]string) string {
	if isUUIDBytes(key, s) {
		if got, ok := b.there[s]; ok {
			return got
		}
		*missing = append(*missing, s)
		return s
	}
	parts, tokens := split(s)
	if len(tokens) == 0 {
		return s
	}
	var out strings.Builder
	for i, t := range tokens {
		out.WriteString(parts[i])
		switch got, ok := b.there[t.text]; {
		case ok:
			out.WriteString(got)
		default:
			if !t.place() {
				*missing = append(*missing, t.text)
			}
			out.WriteString(t.text)
		}
	}
	out.WriteString(parts[len(parts)-1])
	return out.String()
}

func (b *bindings) clone() *bindings {
	return &bindings{there: maps.Clone(b.there), back: maps.Clone(b.back)}
}
