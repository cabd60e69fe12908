package mesosjson

import (
	"fmt"
	"unicode/utf8"
)

// lexer reads JSON tokens.
type lexer struct {
	text []byte
	pos  int
}

// next skips white space and returns the byte that follows, without taking it; 0 at the end.
func (l *lexer) next() byte {
	for l.pos < len(l.text) {
		switch c := l.text[l.pos]; c {
		case ' ', '\t', '\n', '\r':
			l.pos++
		default:
			return c
		}
	}
	return 0
}

// expect takes the byte c after white space.
func (l *lexer) expect(c byte, where string) *Error {
	if l.next() != c {
		return l.unexpected("'" + string(c) + "' " + where)
	}
	l.pos++
	return nil
}

func (l *lexer) unexpected(want string) *Error {
	got := "the end of the text"
	if l.pos < len(l.text) {
		got = fmt.Sprintf("%q", rune(l.text[l.pos]))
	}
	return l.syntax("expected " + want + ", found " + got)
}

func (l *lexer) syntax(detail string) *Error {
	return &Error{Syntax: true, Offset: l.pos, Detail: "bad JSON: " + detail}
}

// literal takes a word such as true.
func (l *lexer) literal(word string) *Error {
	if len(l.text)-l.pos < len(word) || string(l.text[l.pos:l.pos+len(word)]) != word {
		return l.unexpected("a value")
	}
	l.pos += len(word)
	return nil
}

// plain marks the bytes of a string that stand for themselves.
var plain = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= ' ' && c != '"' && c != '\\'
	}
	return t
}()

// raw takes a string, without its quotes. escaped tells whether unescape is due. The escapes are not
// checked here.
func (l *lexer) raw() (s []byte, escaped bool, err *Error) {
	l.pos++ // the opening quote
	start := l.pos
	for i := start; i < len(l.text); {
		switch c := l.text[i]; {
		case plain[c]:
			i++
		case c == '"':
			l.pos = i + 1
			return l.text[start:i], escaped, nil
		case c == '\\':
			escaped = true
			i += 2
		default:
			l.pos = i
			return nil, false, l.syntax(fmt.Sprintf("control character %#02x in a string; write it as an escape", c))
		}
	}
	l.pos = len(l.text)
	return nil, false, l.unexpected("the end of a string")
}

// unescape appends what the string s, which starts at l.text[at], stands for.
func (l *lexer) unescape(dst, s []byte, at int) ([]byte, *Error) {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c != '\\' {
			dst = append(dst, c)
			continue
		}
		i++ // raw has made sure that there is one
		switch s[i] {
		case '"', '\\', '/':
			dst = append(dst, s[i])
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r, ok := hex4(s[i+1:])
			if !ok {
				l.pos = at + i
				return dst, l.syntax("expected four hexadecimal digits after \\u")
			}
			i += 4
			if r >= 0xd800 && r < 0xdc00 && len(s)-i > 6 && s[i+1] == '\\' && s[i+2] == 'u' {
				if low, ok := hex4(s[i+3:]); ok && low >= 0xdc00 && low < 0xe000 {
					r = 0x10000 + (r-0xd800)<<10 + (low - 0xdc00)
					i += 6
				}
			}
			dst = utf8.AppendRune(dst, r) // U+FFFD for what is left of surrogates
		default:
			l.pos = at + i
			return dst, l.syntax(fmt.Sprintf("unknown escape \\%c", s[i]))
		}
	}
	return dst, nil
}

func hex4(s []byte) (r rune, ok bool) {
	if len(s) < 4 {
		return 0, false
	}
	for _, c := range s[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// number takes what looks like a number; parseNumber decides.
func (l *lexer) number() []byte {
	start := l.pos
	for l.pos < len(l.text) && numeric[l.text[l.pos]] {
		l.pos++
	}
	return l.text[start:l.pos]
}

var numeric = [256]bool{
	'0': true, '1': true, '2': true, '3': true, '4': true, '5': true, '6': true, '7': true, '8': true, '9': true,
	'+': true, '-': true, '.': true, 'e': true, 'E': true,
}

// skip takes any value, checking that it is JSON. depth counts the containers around it.
func (l *lexer) skip(depth int) *Error {
	switch c := l.next(); c {
	case '{':
		if depth == MaxDepth {
			return l.syntax(tooDeep)
		}
		l.pos++
		if l.next() == '}' {
			l.pos++
			return nil
		}
		for {
			if l.next() != '"' {
				return l.unexpected("a field name")
			}
			if err := l.skipString(); err != nil {
				return err
			}
			if err := l.expect(':', "after a field name"); err != nil {
				return err
			}
			if err := l.skip(depth + 1); err != nil {
				return err
			}
			if done, err := l.separator('}'); done || err != nil {
				return err
			}
		}
	case '[':
		if depth == MaxDepth {
			return l.syntax(tooDeep)
		}
		l.pos++
		if l.next() == ']' {
			l.pos++
			return nil
		}
		for {
			if err := l.skip(depth + 1); err != nil {
				return err
			}
			if done, err := l.separator(']'); done || err != nil {
				return err
			}
		}
	case '"':
		return l.skipString()
	case 't':
		return l.literal("true")
	case 'f':
		return l.literal("false")
	case 'n':
		return l.literal("null")
	default:
		if c != '-' && (c < '0' || c > '9') {
			return l.unexpected("a value")
		}
		start := l.pos
		if _, ok := parseNumber(l.number()); !ok {
			l.pos = start
			return l.syntax("malformed number")
		}
		return nil
	}
}

const tooDeep = "objects and arrays are nested more than 200 deep"

// separator takes the comma between two elements, or the end of the container.
func (l *lexer) separator(end byte) (done bool, err *Error) {
	switch l.next() {
	case end:
		l.pos++
		return true, nil
	case ',':
		l.pos++
		return false, nil
	}
	return false, l.unexpected("',' or '" + string(end) + "'")
}

func (l *lexer) skipString() *Error {
	s, escaped, err := l.raw()
	if err != nil || !escaped {
		return err
	}
	end := l.pos
	if _, err = l.unescape(nil, s, end-1-len(s)); err == nil {
		l.pos = end
	}
	return err
}

// check reports the first thing that makes the text no JSON object.
func (l *lexer) check() *Error {
	l.pos = 0
	if err := l.top(); err != nil {
		return err
	}
	if err := l.skip(0); err != nil {
		return err
	}
	return l.end()
}

// top makes sure that an object follows.
func (l *lexer) top() *Error {
	if l.next() != '{' {
		return l.unexpected("an object")
	}
	return nil
}

// end makes sure that nothing follows.
func (l *lexer) end() *Error {
	if l.next(); l.pos < len(l.text) {
		return l.unexpected("the end of the text")
	}
	return nil
}
