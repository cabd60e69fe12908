package app

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mesokit/mesokit/internal/redact"
)

// node is a JSON value that remembers where it stood. encoding/json forgets that, merges duplicate keys, and stops at the first mismatch; an author
// of a document wants to hear everything at once, with places.
type node struct {
	kind    byte   // one of { [ " 0 t f n
	offset  int    // of the first byte
	text    string // of strings, decoded, and numbers, as written
	members []member
	items   []*node
}

type member struct {
	name   string
	offset int // of the name
	value  *node
}

// maxDepth is what Mesos' own reader accepts.
const maxDepth = 200

func (n *node) describe() string {
	switch n.kind {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "the string " + quoteShort(n.text)
	case '0':
		return "the number " + short(n.text)
	case 'n':
		return "null"
	case 't':
		return "true"
	default:
		return "false"
	}
}

// short keeps messages readable whatever the document holds.
func short(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

func quoteShort(s string) string { return strconv.Quote(short(redact.Passwords(s))) }

// syntaxError stops the reader: after it nothing in the text can be trusted.
type syntaxError struct {
	offset    int
	what, fix string
}

type treeReader struct {
	src string
	pos int
}

// readTree reads exactly one JSON value (RFC 8259).
func readTree(data []byte) (n *node, err *syntaxError) {
	r := &treeReader{src: string(data)}
	if strings.HasPrefix(r.src, "\ufeff") {
		r.pos = len("\ufeff")
	}
	defer func() {
		if e := recover(); e != nil {
			var ok bool
			if err, ok = e.(*syntaxError); !ok {
				panic(e)
			}
		}
	}()
	n = r.value(0)
	r.space()
	if r.pos < len(r.src) {
		r.fail("more text after the end of the document", "a document is one JSON object")
	}
	return n, nil
}

func (r *treeReader) fail(what, fix string) {
	panic(&syntaxError{r.pos, what, fix})
}

func (r *treeReader) space() {
	for r.pos < len(r.src) {
		switch r.src[r.pos] {
		case ' ', '\t', '\n', '\r':
			r.pos++
		case '/', '#':
			r.fail("a comment", "JSON has no comments: use labels for remarks")
		default:
			return
		}
	}
}

// peek returns the next byte after white space, 0 at the end.
func (r *treeReader) peek() byte {
	r.space()
	if r.pos < len(r.src) {
		return r.src[r.pos]
	}
	return 0
}

func (r *treeReader) value(depth int) *node {
	if depth > maxDepth {
		r.fail(fmt.Sprintf("nested deeper than %d levels", maxDepth), "")
	}
	c := r.peek()
	n := &node{kind: c, offset: r.pos}
	switch {
	case c == 0 && r.pos >= len(r.src):
		r.fail("the document ends too early", "close every { and [, and check that it was copied completely")
	case c == '{':
		r.object(n, depth)
	case c == '[':
		r.array(n, depth)
	case c == '"':
		n.text = r.str()
	case c == '-' || c >= '0' && c <= '9':
		n.kind = '0'
		n.text = r.number()
	default:
		for _, word := range []string{"true", "false", "null"} {
			if strings.HasPrefix(r.src[r.pos:], word) {
				r.pos += len(word)
				return n
			}
		}
		if c == '\'' {
			r.fail("a single quote", `JSON strings stand in double quotes: "…"`)
		}
		r.fail(fmt.Sprintf("unexpected %s", r.here()), "a value is an object, an array, a string, a number, true, false or null; strings stand in double quotes")
	}
	return n
}

// here returns the next character for messages.
func (r *treeReader) here() string {
	if r.pos >= len(r.src) {
		return "end of the document"
	}
	_, size := utf8.DecodeRuneInString(r.src[r.pos:])
	return strconv.Quote(r.src[r.pos : r.pos+size])
}

func (r *treeReader) object(n *node, depth int) {
	r.pos++
	if r.peek() == '}' {
		r.pos++
		return
	}
	for {
		if c := r.peek(); c != '"' {
			if c == '}' {
				r.fail("a comma before }", "remove the comma")
			}
			r.fail(fmt.Sprintf("unexpected %s instead of a field name", r.here()), `field names stand in double quotes: "name": …`)
		}
		m := member{offset: r.pos}
		m.name = r.str()
		if r.peek() != ':' {
			r.fail(fmt.Sprintf("unexpected %s after the field name %s", r.here(), quoteShort(m.name)), "write a colon between name and value")
		}
		r.pos++
		m.value = r.value(depth + 1)
		n.members = append(n.members, m)
		switch r.peek() {
		case ',':
			r.pos++
		case '}':
			r.pos++
			return
		default:
			r.fail(fmt.Sprintf("unexpected %s after the value of %s", r.here(), quoteShort(m.name)), "write a comma between fields and } after the last")
		}
	}
}

func (r *treeReader) array(n *node, depth int) {
	r.pos++
	if r.peek() == ']' {
		r.pos++
		return
	}
	for {
		if r.peek() == ']' {
			r.fail("a comma before ]", "remove the comma")
		}
		n.items = append(n.items, r.value(depth+1))
		switch r.peek() {
		case ',':
			r.pos++
		case ']':
			r.pos++
			return
		default:
			r.fail(fmt.Sprintf("unexpected %s in an array", r.here()), "write a comma between elements and ] after the last")
		}
	}
}

func (r *treeReader) number() string {
	begin := r.pos
	digits := func() {
		first := r.pos
		for r.pos < len(r.src) && r.src[r.pos] >= '0' && r.src[r.pos] <= '9' {
			r.pos++
		}
		if r.pos == first {
			r.fail(fmt.Sprintf("unexpected %s in a number", r.here()), "write numbers like 12 or 0.5")
		}
	}
	at := func(chars string) bool { return r.pos < len(r.src) && strings.IndexByte(chars, r.src[r.pos]) >= 0 }
	if at("-") {
		r.pos++
	}
	if zero := at("0"); zero {
		r.pos++
		if at("0123456789") {
			r.fail("a number with a leading zero", "remove the zero")
		}
	} else {
		digits()
	}
	if at(".") {
		r.pos++
		digits()
	}
	if at("eE") {
		r.pos++
		if at("+-") {
			r.pos++
		}
		digits()
	}
	return r.src[begin:r.pos]
}

func (r *treeReader) str() string {
	begin := r.pos
	r.pos++
	plain := r.pos
	for r.pos < len(r.src) {
		switch c := r.src[r.pos]; {
		case c == '"':
			s := r.src[plain:r.pos]
			r.pos++
			return s
		case c == '\\':
			return r.escaped(begin, plain)
		case c < 0x20:
			r.fail("a line break or control character in a string", `write \n for a line break, \t for a tab`)
		case c < utf8.RuneSelf:
			r.pos++
		default:
			r.rune()
		}
	}
	r.pos = begin
	r.fail("a string without an end", "close it with a double quote")
	return ""
}

func (r *treeReader) rune() rune {
	c, size := utf8.DecodeRuneInString(r.src[r.pos:])
	if c == utf8.RuneError && size <= 1 {
		r.fail("text that is not UTF-8", "save the document as UTF-8")
	}
	r.pos += size
	return c
}

// escaped reads the rest of a string in which a backslash was found.
func (r *treeReader) escaped(begin, plain int) string {
	var b strings.Builder
	b.WriteString(r.src[plain:r.pos])
	for r.pos < len(r.src) {
		c := r.src[r.pos]
		switch {
		case c == '"':
			r.pos++
			return b.String()
		case c < 0x20:
			r.fail("a line break or control character in a string", `write \n for a line break, \t for a tab`)
		case c != '\\':
			b.WriteRune(r.rune())
			continue
		}
		r.pos++
		if r.pos >= len(r.src) {
			break
		}
		c = r.src[r.pos]
		if c == 'u' {
			b.WriteRune(r.unicode())
			continue
		}
		i := strings.IndexByte(`"\/bfnrt`, c)
		if i < 0 {
			r.pos--
			r.fail(fmt.Sprintf("unknown escape \\%s in a string", strings.Trim(r.hereAt(1), `"`)), `write \\ for a backslash`)
		}
		b.WriteByte("\"\\/\b\f\n\r\t"[i])
		r.pos++
	}
	r.pos = begin
	r.fail("a string without an end", "close it with a double quote")
	return ""
}

func (r *treeReader) hereAt(ahead int) string {
	r.pos += ahead
	defer func() { r.pos -= ahead }()
	return r.here()
}

// unicode reads uXXXX, and a second one that completes a surrogate pair.
func (r *treeReader) unicode() rune {
	one := func() rune {
		if r.pos+5 <= len(r.src) && r.src[r.pos] == 'u' {
			if v, err := strconv.ParseUint(r.src[r.pos+1:r.pos+5], 16, 32); err == nil {
				r.pos += 5
				return rune(v)
			}
		}
		r.fail(`\u without four hexadecimal digits`, `write \u00e9 for é, or the character itself`)
		return 0
	}
	c := one()
	if c < 0xd800 || c > 0xdfff {
		return c
	}
	if c < 0xdc00 && strings.HasPrefix(r.src[r.pos:], `\u`) {
		r.pos++
		if low := one(); low >= 0xdc00 && low <= 0xdfff {
			return (c-0xd800)<<10 + (low - 0xdc00) + 0x10000
		}
	}
	r.fail("half of a surrogate pair", "write the character itself")
	return 0
}
