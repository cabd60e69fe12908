package fault

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ParseError reports a text that is no rule.
type ParseError struct {
	Text  string
	Token string // the part that is wrong; empty if something is missing
	Err   error  // a *RuleError where the rule could be read but cannot be meant
}

func (e *ParseError) Error() string {
	return fmt.Sprintf("fault rule %q: %s", cutText(e.Text), strings.TrimPrefix(e.Err.Error(), "fault: "))
}

// Unwrap returns Err.
func (e *ParseError) Unwrap() error { return e.Err }

// Parse reads a rule in its text form: the target, the action, and key=value pairs, separated by spaces. A value in double quotes, as Go writes
// strings, may hold anything. The rule is valid; the error is a *ParseError.
func Parse(text string) (Rule, error) {
	var r Rule
	fields, err := splitFields(text)
	if err == nil && len(fields) < 2 {
		err = errors.New("want a target and an action, such as \"call hang\"")
	}
	if err != nil {
		return Rule{}, &ParseError{Text: text, Err: err}
	}
	r.On, r.Do = Target(fields[0]), Action(fields[1])
	seen := map[string]bool{}
	for _, f := range fields[2:] {
		key, value, ok := strings.Cut(f, "=")
		switch {
		case !ok:
			err = fmt.Errorf("%q: want key=value", cutText(f))
		case seen[key]:
			err = &RuleError{key, value, "is given twice"}
		default:
			seen[key] = true
			err = r.set(key, value)
		}
		if err != nil {
			return Rule{}, &ParseError{text, f, err}
		}
	}
	if err := r.Validate(); err != nil {
		return Rule{}, &ParseError{Text: text, Err: err}
	}
	return r, nil
}

// splitFields splits at spaces outside of quotes, and takes the quotes of values away.
func splitFields(text string) (fields []string, err error) {
	for {
		text = strings.TrimLeft(text, " \t\r\n")
		if text == "" {
			return fields, nil
		}
		end := strings.IndexAny(text, " \t\r\n\"")
		switch {
		case end < 0:
			return append(fields, text), nil
		case text[end] != '"':
			fields = append(fields, text[:end])
			text = text[end:]
		default:
			quoted, err := strconv.QuotedPrefix(text[end:])
			if err != nil {
				return nil, errors.New("a quote is not closed, or holds an escape that there is not")
			}
			value, err := strconv.Unquote(quoted)
			if err != nil {
				return nil, err
			}
			fields = append(fields, text[:end]+value)
			text = text[end+len(quoted):]
			if text != "" && !strings.ContainsRune(" \t\r\n", rune(text[0])) {
				return nil, errors.New("want a space behind a quote")
			}
		}
	}
}

// set sets the field of a key.
func (r *Rule) set(key, value string) error {
	bad := func(want string) error { return &RuleError{key, value, want} }
	if value == "" {
		return bad("a value is missing")
	}
	texts := map[string]*string{
		"id": &r.ID, "api": &r.API, "path": &r.Path, "type": &r.Type, "framework": &r.Framework, "agent": &r.Agent,
		"task": &r.Task, "state": &r.State, "body": &r.Body, "header": &r.Header,
	}
	numbers := map[string]*int{
		"skip": &r.Skip, "count": &r.Count, "status": &r.Status, "bytes": &r.Bytes, "copies": &r.Copies, "window": &r.Window,
	}
	durations := map[string]*time.Duration{"for": &r.For, "time": &r.Time}
	var err error
	switch {
	case texts[key] != nil:
		*texts[key] = value
	case numbers[key] != nil:
		if *numbers[key], err = strconv.Atoi(value); err != nil {
			return bad("want a whole number")
		}
	case durations[key] != nil:
		d, err := time.ParseDuration(value)
		if err != nil {
			return bad("want a duration, such as 1.5s")
		}
		*durations[key] = d
	case key == "p":
		if r.Probability, err = strconv.ParseFloat(value, 64); err != nil || !(r.Probability > 0) {
			return bad("want a probability, over 0 to 1")
		}
	case key == "seed":
		if r.Seed, err = strconv.ParseUint(value, 10, 64); err != nil {
			return bad("want a whole number")
		}
	case key == "rate":
		if r.Rate, err = parseRate(value); err != nil {
			return bad("want bytes per second, such as 500B/s, 1kB/s or 2MB/s")
		}
	default:
		return bad("there is no such key")
	}
	return nil
}

var rateUnits = []struct {
	suffix string
	factor int64
}{{"MB/s", 1_000_000}, {"kB/s", 1000}, {"B/s", 1}, {"", 1}}

// parseRate reads bytes per second.
func parseRate(text string) (int64, error) {
	for _, u := range rateUnits {
		number, ok := strings.CutSuffix(text, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || n < 1 || n > math.MaxInt64/u.factor {
			return 0, errors.New("no rate")
		}
		return n * u.factor, nil
	}
	return 0, errors.New("no rate")
}

func formatRate(n int64) string {
	for _, u := range rateUnits[:2] {
		if n%u.factor == 0 {
			return strconv.FormatInt(n/u.factor, 10) + u.suffix
		}
	}
	return strconv.FormatInt(n, 10) + "B/s"
}

// values yields the keys that are set, and their values, in the order of writing. It does not yield id.
func (r *Rule) values() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		number := func(n int) string {
			if n == 0 {
				return ""
			}
			return strconv.Itoa(n)
		}
		length := func(d time.Duration) string {
			if d == 0 {
				return ""
			}
			return d.String()
		}
		var p, seed, rate string
		if r.Probability != 0 {
			p = strconv.FormatFloat(r.Probability, 'g', -1, 64)
		}
		if r.Seed != 0 {
			seed = strconv.FormatUint(r.Seed, 10)
		}
		if r.Rate != 0 {
			rate = formatRate(r.Rate)
		}
		for _, kv := range [][2]string{
			{"status", number(r.Status)}, {"body", r.Body}, {"header", r.Header}, {"time", length(r.Time)}, {"rate", rate},
			{"bytes", number(r.Bytes)}, {"copies", number(r.Copies)}, {"window", number(r.Window)},
			{"api", r.API}, {"path", r.Path}, {"type", r.Type}, {"framework", r.Framework}, {"agent", r.Agent},
			{"task", r.Task}, {"state", r.State},
			{"skip", number(r.Skip)}, {"count", number(r.Count)}, {"p", p}, {"seed", seed}, {"for", length(r.For)},
		} {
			if kv[1] != "" && !yield(kv[0], kv[1]) {
				return
			}
		}
	}
}

// String returns the text form of the rule, without its id.
func (r Rule) String() string {
	b := []byte(string(r.On) + " " + string(r.Do))
	for key, value := range r.values() {
		b = append(append(append(b, ' '), key...), '=')
		plain := !slices.ContainsFunc([]rune(value), func(c rune) bool { return c <= ' ' || c == '"' || c == '\\' || c > '~' })
		if plain {
			b = append(b, value...)
		} else {
			b = strconv.AppendQuote(b, value)
		}
	}
	return string(b)
}
