package resources

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// The notation of values that resources and attributes share (docs/behaviour.md#defaults; Mesos: src/common/values.cpp).

// ParseError reports text that is not what --resources or --attributes take.
type ParseError struct {
	Text   string // the part that is wrong, cut if long
	Reason string
	Err    error // cause, if there is one
}

func (e *ParseError) Error() string { return fmt.Sprintf("cannot parse %q: %s", e.Text, e.Reason) }

// Unwrap returns the cause.
func (e *ParseError) Unwrap() error { return e.Err }

func newParseError(text string, err error) *ParseError {
	return &ParseError{Text: cut(text), Reason: err.Error(), Err: err}
}

// value is a parsed value; typ says which field counts.
type value struct {
	typ    mesospb.Value_Type
	scalar float64
	ranges Ranges
	set    []string // as written
	text   string
}

// parseValue reads 1.5, [1-2, 5-9], {a, b} or any other text. Spaces are removed everywhere, inside text too.
func parseValue(s string) (value, error) {
	s = strings.ReplaceAll(s, " ", "")
	if s == "" {
		return value{}, errors.New("has no value")
	}
	for _, pair := range [...]string{"{}", "[]", "()"} {
		if !balanced(s, pair[0], pair[1]) {
			return value{}, fmt.Errorf("%s do not match up", pair)
		}
	}
	switch {
	case s[0] == '[':
		rs, err := parseRanges(s)
		return value{typ: mesospb.Value_RANGES, ranges: rs}, err
	case s[0] == '{':
		items, err := inside(s)
		return value{typ: mesospb.Value_SET, set: items}, err
	case strings.ContainsAny(s, "[{"):
		return value{}, errors.New("has [ or { in the middle of a text; quoting does not exist")
	}
	if f, ok := parseScalar(s); ok {
		return value{typ: mesospb.Value_SCALAR, scalar: f}, nil
	}
	return value{typ: mesospb.Value_TEXT, text: s}, nil
}

func balanced(s string, open, closing byte) bool {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case open:
			depth++
		case closing:
			if depth--; depth < 0 {
				return false
			}
		}
	}
	return depth == 0
}

// parseScalar reads a decimal number. Unlike Mesos it takes nan and inf for text: no JSON could carry them.
func parseScalar(s string) (float64, bool) {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && !strings.ContainsRune("+-.eE", rune(c)) {
			return 0, false
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil
}

// inside splits what the brackets around s hold at commas and newlines. Empty items are left out.
func inside(s string) ([]string, error) {
	body := s[1 : len(s)-1]
	if s[len(s)-1] != s[0]+2 || strings.ContainsAny(body, "[]{}") { // ] is [+2, and } is {+2
		return nil, fmt.Errorf("more than one pair of %c%c", s[0], s[0]+2)
	}
	return strings.FieldsFunc(body, func(c rune) bool { return c == ',' || c == '\n' }), nil
}

func parseRanges(s string) (Ranges, error) {
	rs, err := rangesAsWritten(s)
	if err != nil {
		return nil, err
	}
	for _, r := range rs {
		if r.IsEmpty() {
			return nil, fmt.Errorf("range %d-%d begins after its end", r.Begin, r.End)
		}
	}
	return normalize(rs), nil
}

// rangesAsWritten reads ranges in their order, those that begin after their end too.
func rangesAsWritten(s string) (Ranges, error) {
	if s == "" || s[0] != '[' {
		return nil, errors.New("is no list of ranges")
	}
	items, err := inside(s)
	if err != nil {
		return nil, err
	}
	rs := make(Ranges, 0, len(items))
	for _, it := range items {
		begin, end, ok := strings.Cut(it, "-")
		if !ok {
			return nil, fmt.Errorf("%q is not a range; write begin-end, such as %s-%s", cut(it), cut(it), cut(it))
		}
		var r Range
		if r.Begin, err = strconv.ParseUint(begin, 10, 64); err != nil {
			return nil, fmt.Errorf("%q is not an integer from 0 to 18446744073709551615", cut(begin))
		}
		if r.End, err = strconv.ParseUint(end, 10, 64); err != nil {
			return nil, fmt.Errorf("%q is not an integer from 0 to 18446744073709551615", cut(end))
		}
		rs = append(rs, r)
	}
	return rs, nil
}
