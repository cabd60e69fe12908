package placement

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// ConstraintError reports a constraint that can't be used.
type ConstraintError struct {
	Text   string // the constraint
	Reason string // what is wrong, and what to write instead
	Err    error  // cause, if there is one: the error of package regexp
}

func (e *ConstraintError) Error() string { return fmt.Sprintf("constraint %q: %s", e.Text, e.Reason) }

// Unwrap returns the cause.
func (e *ConstraintError) Unwrap() error { return e.Err }

// ParseConstraint reads a constraint in Marathon's text form: field, operator and value, separated by spaces, commas or colons, as in
//
//	hostname UNIQUE
//	rack:GROUP_BY:3
//	@zone LIKE eu-.*
//
// or as a JSON array: ["rack", "GROUP_BY", "3"]. A last word soft or soft(2.5) makes it a wish with that weight; where it
// could be the value as well, hard behind it says that it is. The error is a *ConstraintError.
func ParseConstraint(text string) (Constraint, error) {
	if t := strings.TrimSpace(text); strings.HasPrefix(t, "[") {
		parts, err := jsonParts([]byte(t))
		if err != nil {
			return Constraint{}, &ConstraintError{Text: text, Reason: err.Error() + `; write ["field", "OPERATOR", "value"]`, Err: err}
		}
		return newConstraint(text, parts)
	}
	field, rest := word(text)
	op, rest := word(rest)
	parts := []string{field, op}
	if op == "" {
		parts = parts[:1]
	}
	if rest != "" {
		if value, mode, ok := cutMode(rest); ok {
			parts = append(parts, value, mode)
		} else {
			parts = append(parts, rest)
		}
	}
	return newConstraint(text, parts)
}

const between = " \t\r\n,:"

// word splits off what stands before the first separator, and returns the rest without separators around it.
func word(text string) (first, rest string) {
	text = strings.Trim(text, between)
	i := strings.IndexAny(text, between)
	if i < 0 {
		return text, ""
	}
	return text[:i], strings.TrimLeft(text[i:], between)
}

// cutMode splits off a last word that says soft or hard.
func cutMode(text string) (value, mode string, ok bool) {
	i := strings.LastIndexAny(text, between)
	if i < 0 {
		return "", "", false
	}
	if _, _, err := parseMode(text[i+1:]); err != nil {
		return "", "", false
	}
	return strings.TrimRight(text[:i], between), text[i+1:], true
}

// jsonParts reads an array of strings and numbers.
func jsonParts(data []byte) ([]string, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var list []any
	if err := d.Decode(&list); err != nil {
		return nil, fmt.Errorf("not a JSON array: %w", err)
	}
	if d.More() {
		return nil, fmt.Errorf("more text behind the JSON array")
	}
	parts := make([]string, len(list))
	for i, v := range list {
		switch v := v.(type) {
		case string:
			parts[i] = v
		case json.Number:
			parts[i] = v.String()
		default:
			return nil, fmt.Errorf("element %d is neither a string nor a number", i)
		}
	}
	return parts, nil
}

// NewConstraint makes a constraint of its parts: field, operator, value if the operator takes one, and optionally soft or
// soft(weight). The error is a *ConstraintError.
func NewConstraint(parts ...string) (Constraint, error) {
	return newConstraint(strings.Join(parts, " "), parts)
}

func newConstraint(text string, parts []string) (Constraint, error) {
	var c Constraint
	fail := func(reason string) (Constraint, error) {
		return Constraint{}, &ConstraintError{Text: text, Reason: reason}
	}
	if len(parts) < 2 {
		return fail("needs a field and an operator, such as hostname UNIQUE")
	}
	if c.Field = Field(parts[0]); c.Field == "@hostname" {
		c.Field = Hostname
	}
	for o, def := range operators {
		if strings.EqualFold(def.name, parts[1]) && def.name != "" {
			c.Operator = Operator(o)
		}
	}
	if c.Operator == 0 {
		return fail(fmt.Sprintf("unknown operator %q; use %s", parts[1], operatorNames()))
	}
	rest := parts[2:]
	if len(rest) > 2 {
		return fail(fmt.Sprintf("%d parts are too many; write field, operator, value, soft", len(parts)))
	}
	switch wants := operators[c.Operator].value; {
	case len(rest) == 2:
		c.Value = rest[0]
		rest = rest[1:]
	case len(rest) == 1 && (wants == aValue || wants == aCount || wants == anExpression):
		c.Value, rest = rest[0], nil
	case len(rest) == 1:
		// A value that may be missing: soft is none.
		if _, _, err := parseMode(rest[0]); err != nil {
			c.Value, rest = rest[0], nil
		}
	}
	if len(rest) == 1 {
		var err error
		if c.Soft, c.Weight, err = parseMode(rest[0]); err != nil {
			return fail(err.Error())
		}
	}
	if err := c.Validate(); err != nil {
		err := err.(*ConstraintError)
		err.Text = text
		return Constraint{}, err
	}
	return c, nil
}

func operatorNames() string {
	var names []string
	for _, def := range operators[1:] {
		names = append(names, def.name)
	}
	return strings.Join(names, ", ")
}

func parseMode(word string) (soft bool, weight float64, err error) {
	switch {
	case word == "hard":
		return false, 0, nil
	case word == "soft":
		return true, 0, nil
	}
	if inner, ok := strings.CutPrefix(word, "soft("); ok && strings.HasSuffix(inner, ")") {
		w, err := strconv.ParseFloat(strings.TrimSuffix(inner, ")"), 64)
		if err == nil && w > 0 && w <= maxWeight {
			return true, w, nil
		}
	}
	return false, 0, fmt.Errorf("%q is neither hard, soft nor soft(weight) with a weight above 0", word)
}

// maxWeight keeps sums of weights far from infinity.
const maxWeight = 1e9

// Validate reports what is wrong with the constraint as a *ConstraintError: no field, an unknown operator, a missing or superfluous
// value, one that is no number or no expression, a negative weight.
func (c Constraint) Validate() error {
	fail := func(format string, args ...any) error {
		return &ConstraintError{Text: strings.Join(c.Parts(), " "), Reason: fmt.Sprintf(format, args...)}
	}
	if c.Operator == 0 || int(c.Operator) >= len(operators) {
		return fail("unknown operator %d; use %s", c.Operator, operatorNames())
	}
	switch f := c.Field; {
	case strings.HasPrefix(string(f), "@") && f != Zone && f != Region:
		return fail("unknown field %q; use hostname, @agent, @zone, @region or the name of an attribute", f)
	case strings.TrimSpace(string(f)) != string(f):
		return fail("the field has spaces around it")
	case f == "":
		return fail("no field; use hostname, @agent, @zone, @region or the name of an attribute")
	}
	switch wants := operators[c.Operator].value; wants {
	case noValue:
		if c.Value != "" {
			return fail("%s takes no value, but has %q; remove it", c.Operator, c.Value)
		}
	case aValue:
		if c.Value == "" {
			return fail("%s needs a value", c.Operator)
		}
	case aCount, anyCount:
		if c.Value == "" && wants == anyCount {
			break
		}
		if _, err := c.count(); err != nil {
			return fail("%s needs a whole number above 0, not %q", c.Operator, c.Value)
		}
	case anExpression:
		if c.Value == "" {
			return fail("%s needs an expression", c.Operator)
		}
		if _, err := c.expression(); err != nil {
			return &ConstraintError{Text: strings.Join(c.Parts(), " "), Reason: "no RE2 expression: " + err.Error(), Err: err}
		}
	}
	if !(c.Weight >= 0 && c.Weight <= maxWeight) {
		return fail("weight %v is not between 0 and %g", c.Weight, maxWeight)
	}
	return nil
}

// count reads the value of MAX_PER and GROUP_BY.
func (c *Constraint) count() (int32, error) {
	n, err := strconv.ParseInt(c.Value, 10, 32)
	if err == nil && n <= 0 {
		err = strconv.ErrRange
	}
	return int32(n), err
}

// expression compiles the value of LIKE and UNLIKE to match values as a whole.
func (c *Constraint) expression() (*regexp.Regexp, error) {
	if _, err := regexp.Compile(c.Value); err != nil {
		return nil, err // before it is wrapped: "a)(b" is an error
	}
	return regexp.Compile(`^(?s:` + c.Value + `)$`)
}

// Parts returns the constraint as the strings of a JSON array, as NewConstraint takes them.
func (c Constraint) Parts() []string {
	parts := []string{string(c.Field), c.Operator.String()}
	mode := "hard"
	switch {
	case c.Soft && c.Weight != 0:
		mode = "soft(" + strconv.FormatFloat(c.Weight, 'g', -1, 64) + ")"
	case c.Soft:
		mode = "soft"
	}
	_, _, notMode := parseMode(c.Value)
	switch {
	case c.Value != "" && notMode == nil:
		return append(parts, c.Value, mode) // or the value would be taken for the mode
	case c.Value != "":
		parts = append(parts, c.Value)
	}
	if c.Soft {
		parts = append(parts, mode)
	}
	return parts
}

// String returns the text form that ParseConstraint reads: words, or a JSON array where words don't do.
func (c Constraint) String() string {
	parts := c.Parts()
	text := strings.Join(parts, " ")
	if back, err := ParseConstraint(text); err == nil && back == c {
		return text
	}
	b, err := json.Marshal(parts)
	if err != nil {
		return text
	}
	return string(b)
}

// MarshalJSON writes the constraint as an array of strings.
func (c Constraint) MarshalJSON() ([]byte, error) { return json.Marshal(c.Parts()) }

// UnmarshalJSON reads an array of strings, or the text form in a string.
func (c *Constraint) UnmarshalJSON(data []byte) error {
	text := string(data)
	if len(data) > 0 && data[0] == '"' {
		if err := json.Unmarshal(data, &text); err != nil {
			return err
		}
	}
	parsed, err := ParseConstraint(text)
	if err != nil {
		return err
	}
	*c = parsed
	return nil
}
