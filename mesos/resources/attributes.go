package resources

import (
	"errors"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// ParseAttributes reads what the agent flag --attributes takes: name:value pairs separated by semicolons or newlines, such as
//
//	rack:r1;zone:eu-1;cores:64;ports:[8000-8999]
//
// Values are scalars, [ranges] or text, from which spaces are removed; numbers below 0 are text. Spaces around a name become part of it, and
// ranges may begin after their end, as in Mesos. Order and duplicates are kept. The error is a *ParseError.
func ParseAttributes(text string) ([]*mesospb.Attribute, error) {
	var list []*mesospb.Attribute
	for _, pair := range strings.FieldsFunc(text, func(c rune) bool { return c == ';' || c == '\n' }) {
		a, err := parseAttribute(pair)
		if err != nil {
			return nil, newParseError(pair, err)
		}
		list = append(list, a)
	}
	return list, nil
}

func parseAttribute(pair string) (*mesospb.Attribute, error) {
	name, text, ok := strings.Cut(pair, ":")
	switch {
	case !ok:
		return nil, errors.New("has no colon; write name:value")
	case name == "":
		return nil, errors.New("has no name; write name:value")
	}
	if rs, err := rangesAsWritten(strings.ReplaceAll(text, " ", "")); err == nil && slices.ContainsFunc(rs, Range.IsEmpty) {
		return attributeOfRanges(name, rs), nil
	}
	v, err := parseValue(text)
	if err != nil {
		return nil, err
	}
	switch v.typ {
	case mesospb.Value_SCALAR:
		if v.scalar < 0 {
			return NewTextAttribute(name, strings.ReplaceAll(text, " ", "")), nil
		}
		return NewScalarAttribute(name, v.scalar), nil
	case mesospb.Value_RANGES:
		return NewRangesAttribute(name, v.ranges), nil
	case mesospb.Value_TEXT:
		return NewTextAttribute(name, v.text), nil
	}
	return nil, errors.New("is a set, which attributes cannot be; write the name several times or use text")
}

// FormatAttributes returns the list as ParseAttributes takes it. It fails with a *FormatError on what that cannot express, such
// as text with spaces or text that looks like a number.
func FormatAttributes(list []*mesospb.Attribute) (string, error) {
	var b []byte
	for i, a := range list {
		start := len(b)
		if i > 0 {
			b = append(b, ';')
			start++
		}
		b = append(append(b, a.GetName()...), ':')
		b = appendAttributeValue(b, a)
		back, err := ParseAttributes(string(b[start:]))
		if err != nil || len(back) != 1 || !EqualAttributes(back[0], a) {
			return "", &FormatError{What: "attribute " + a.GetName(), Hint: "remove spaces and punctuation, and give it a type that looks like one"}
		}
	}
	return string(b), nil
}

func appendAttributeValue(b []byte, a *mesospb.Attribute) []byte {
	switch a.GetType() {
	case mesospb.Value_SCALAR:
		return strconv.AppendFloat(b, a.GetScalar().GetValue(), 'f', -1, 64)
	case mesospb.Value_RANGES:
		return RangesOf(a.GetRanges()).appendText(b)
	case mesospb.Value_TEXT:
		return append(b, a.GetText().GetValue()...)
	case mesospb.Value_SET:
		return append(append(append(b, '{'), strings.Join(a.GetSet().GetItem(), ", ")...), '}')
	}
	return b
}

// AttributeString returns the value of an attribute as text: r1, 64, [8000-8999], {a, b}.
func AttributeString(a *mesospb.Attribute) string { return string(appendAttributeValue(nil, a)) }

// NewTextAttribute returns an attribute of type TEXT.
func NewTextAttribute(name, text string) *mesospb.Attribute {
	return &mesospb.Attribute{Name: &name, Type: mesospb.Value_TEXT.Enum(), Text: &mesospb.Value_Text{Value: &text}}
}

// NewScalarAttribute returns an attribute of type SCALAR.
func NewScalarAttribute(name string, v float64) *mesospb.Attribute {
	return &mesospb.Attribute{Name: &name, Type: mesospb.Value_SCALAR.Enum(), Scalar: &mesospb.Value_Scalar{Value: &v}}
}

// NewRangesAttribute returns an attribute of type RANGES.
func NewRangesAttribute(name string, rs Ranges) *mesospb.Attribute {
	return &mesospb.Attribute{Name: &name, Type: mesospb.Value_RANGES.Enum(), Ranges: NewRangeList(rs...).Proto()}
}

// attributeOfRanges is NewRangesAttribute for ranges that are left as they are.
func attributeOfRanges(name string, rs Ranges) *mesospb.Attribute {
	a := NewRangesAttribute(name, nil)
	for _, r := range rs {
		a.Ranges.Range = append(a.Ranges.Range, &mesospb.Value_Range{Begin: &r.Begin, End: &r.End})
	}
	return a
}

// AttributesNamed yields the attributes of a name, in order: names may occur several times.
func AttributesNamed(list []*mesospb.Attribute, name string) iter.Seq[*mesospb.Attribute] {
	return func(yield func(*mesospb.Attribute) bool) {
		for _, a := range list {
			if a.GetName() == name && !yield(a) {
				return
			}
		}
	}
}

// AttributeText returns the value of the first attribute of a name as text, and whether there is one.
func AttributeText(list []*mesospb.Attribute, name string) (text string, ok bool) {
	for a := range AttributesNamed(list, name) {
		if a.GetType() == mesospb.Value_TEXT {
			return a.GetText().GetValue(), true
		}
		return AttributeString(a), true
	}
	return "", false
}

// EqualAttributes reports whether two attributes have the same name, type and value. Scalars are compared with three
// decimals, ranges and sets without order.
func EqualAttributes(a, b *mesospb.Attribute) bool {
	if a.GetName() != b.GetName() || a.GetType() != b.GetType() {
		return false
	}
	switch a.GetType() {
	case mesospb.Value_SCALAR:
		return ToFixed(a.GetScalar().GetValue()) == ToFixed(b.GetScalar().GetValue())
	case mesospb.Value_RANGES:
		return RangesOf(a.GetRanges()).Equal(RangesOf(b.GetRanges()))
	case mesospb.Value_SET:
		return slices.Equal(addItems(nil, a.GetSet().GetItem()), addItems(nil, b.GetSet().GetItem()))
	case mesospb.Value_TEXT:
		return a.GetText().GetValue() == b.GetText().GetValue()
	}
	return false
}

// AttributeMatches reports whether an attribute satisfies a wanted value in the notation of ParseAttributes: equal text, an
// equal number, a number or [ranges] within its ranges, or an item of its set.
func AttributeMatches(a *mesospb.Attribute, wanted string) bool {
	switch a.GetType() {
	case mesospb.Value_TEXT:
		return a.GetText().GetValue() == wanted
	case mesospb.Value_SET:
		return hasItem(a.GetSet().GetItem(), wanted)
	}
	v, err := parseValue(wanted)
	if err != nil {
		return false
	}
	switch {
	case a.GetType() == mesospb.Value_SCALAR && v.typ == mesospb.Value_SCALAR:
		return ToFixed(a.GetScalar().GetValue()) == ToFixed(v.scalar)
	case a.GetType() == mesospb.Value_RANGES && v.typ == mesospb.Value_RANGES:
		return RangesOf(a.GetRanges()).Contains(v.ranges)
	case a.GetType() == mesospb.Value_RANGES:
		n, err := strconv.ParseUint(trim(wanted), 10, 64)
		return err == nil && RangesOf(a.GetRanges()).Has(n)
	}
	return false
}

// HasAttribute reports whether any attribute of the name satisfies the wanted value, see AttributeMatches.
func HasAttribute(list []*mesospb.Attribute, name, wanted string) bool {
	for a := range AttributesNamed(list, name) {
		if AttributeMatches(a, wanted) {
			return true
		}
	}
	return false
}

// HasAttributes reports whether every wanted attribute is in list: one of the same name, type and value, or whose ranges or set
// hold all of the wanted ones.
func HasAttributes(list, wanted []*mesospb.Attribute) bool {
	for _, w := range wanted {
		if !slices.ContainsFunc(list, func(a *mesospb.Attribute) bool { return attributeHolds(a, w) }) {
			return false
		}
	}
	return true
}

func attributeHolds(a, w *mesospb.Attribute) bool {
	if a.GetName() != w.GetName() || a.GetType() != w.GetType() {
		return false
	}
	switch a.GetType() {
	case mesospb.Value_RANGES:
		return RangesOf(a.GetRanges()).Contains(RangesOf(w.GetRanges()))
	case mesospb.Value_SET:
		return containsItems(addItems(nil, a.GetSet().GetItem()), w.GetSet().GetItem())
	}
	return EqualAttributes(a, w)
}
