package resources

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// Parse reads resources as Mesos flags take them: a JSON array of Resource objects, or text like
//
//	cpus:4; mem(eng):2048; ports:[31000-32000, 33000-33999]; disks:{sda, sdb}
//
// where the role in parentheses reserves statically; without one, defaultRole does ("" and "*": nobody). Entries come back in
// post-refinement format, as they are written: not merged, and those of amount 0 included, because cpus:0
// tells an agent not to look for cpus of its own. Sum merges them.
//
// Each entry passes Validate. Errors are a *ParseError for notation, a *ValidationError for content, or a *RoleError for
// defaultRole.
func Parse(text, defaultRole string) ([]*mesospb.Resource, error) {
	if defaultRole == "" {
		defaultRole = Unreserved
	}
	if err := ValidateRole(defaultRole); err != nil {
		return nil, err
	}
	text = trim(text)
	var list []*mesospb.Resource
	var err error
	if strings.HasPrefix(text, "[") {
		list, err = parseJSON(text, defaultRole)
	} else {
		list, err = parseText(text, defaultRole)
	}
	if err != nil {
		return nil, err
	}
	if err := Validate(list); err != nil {
		return nil, err
	}
	for _, r := range list {
		upgrade(r)
	}
	return list, nil
}

// ParseAgentResources is Parse with ValidateAgentResources: what the agent flag --resources takes.
func ParseAgentResources(text, defaultRole string) ([]*mesospb.Resource, error) {
	list, err := Parse(text, defaultRole)
	if err != nil {
		return nil, err
	}
	if err := ValidateAgentResources(list); err != nil {
		return nil, err
	}
	return list, nil
}

// ValidateAgentResources refuses what an agent may not start with: persistent volumes, revocable resources, dynamic reservations,
// and one name with two types. The error is a *ValidationError.
func ValidateAgentResources(list []*mesospb.Resource) error {
	types := make(map[string]mesospb.Value_Type)
	for i, r := range list {
		t, seen := types[r.GetName()]
		var p problem
		switch {
		case IsPersistentVolume(r):
			p = problem{"disk.persistence", "agents cannot start with persistent volumes; a framework or operator creates them"}
		case IsRevocable(r):
			p = problem{"revocable", "agents cannot start with revocable resources; estimators add them"}
		case IsDynamicallyReserved(r):
			p = problem{"reservations", "agents cannot start with dynamic reservations; use a static one, name(role):value"}
		case seen && t != r.GetType():
			p = problem{"type", fmt.Sprintf("%v, but another entry of this name is %v", r.GetType(), t)}
		default:
			types[r.GetName()] = r.GetType()
			continue
		}
		return p.at(i, r)
	}
	return nil
}

func parseJSON(text, defaultRole string) ([]*mesospb.Resource, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		return nil, newParseError(text, err)
	}
	list := make([]*mesospb.Resource, len(raw))
	for i, data := range raw {
		r := new(mesospb.Resource)
		if len(data) == 0 || data[0] != '{' {
			return nil, newParseError(string(data), errors.New("not a JSON object with the fields of a Resource"))
		}
		if err := codec.JSON.Unmarshal(data, r); err != nil {
			return nil, newParseError(string(data), err)
		}
		if olderRole(r) == nil && len(r.Reservations) == 0 {
			role := defaultRole
			setOlderRole(r, &role)
		}
		list[i] = r
	}
	return list, nil
}

func parseText(text, defaultRole string) ([]*mesospb.Resource, error) {
	var list []*mesospb.Resource
	for entry := range strings.SplitSeq(text, ";") {
		if entry == "" {
			continue
		}
		r, err := parseEntry(entry, defaultRole)
		if err != nil {
			return nil, newParseError(entry, err)
		}
		list = append(list, r)
	}
	return list, nil
}

func parseEntry(entry, role string) (*mesospb.Resource, error) {
	key, text, ok := strings.Cut(entry, ":")
	if !ok || strings.Contains(text, ":") {
		return nil, errors.New("needs exactly one colon, as in name:value or name(role):value")
	}
	name := trim(key)
	if open := strings.IndexByte(name, '('); open >= 0 {
		inner, ok := strings.CutSuffix(name[open+1:], ")")
		if !ok || strings.ContainsAny(inner, "()") {
			return nil, errors.New("the parentheses around the role do not match up; write name(role):value")
		}
		name, role = trim(name[:open]), trim(inner)
	}
	v, err := parseValue(text)
	if err != nil {
		return nil, err
	}
	var r *mesospb.Resource
	switch v.typ {
	case mesospb.Value_SCALAR:
		r = NewScalar(name, v.scalar)
	case mesospb.Value_RANGES:
		r = NewRanges(name, v.ranges)
	case mesospb.Value_SET:
		r = NewSet(name, nil)
		r.Set.Item = v.set // duplicates included, for Validate to find
	default:
		return nil, fmt.Errorf("%q is not a number, [ranges] or a {set}", cut(v.text))
	}
	setOlderRole(r, &role)
	return r, nil
}

// trim removes the white space that Mesos removes.
func trim(s string) string { return strings.Trim(s, " \t\n\r") }

// Format returns the list as Parse and Mesos flags take it: in text if that can express it, else as a JSON array.
func Format(list []*mesospb.Resource) (string, error) {
	if s, err := FormatText(list); err == nil {
		return s, nil
	}
	return FormatJSON(list)
}

// FormatText returns the list in text, e.g. cpus:4;mem(eng):2048. It fails with a *FormatError on what text cannot
// express: dynamic or refined reservations, disks, allocations, names with punctuation and the like.
func FormatText(list []*mesospb.Resource) (string, error) {
	var b []byte
	for i, r := range list {
		start := len(b)
		if i > 0 {
			b = append(b, ';')
			start++
		}
		b = append(b, r.GetName()...)
		if role := ReservationRole(r); role != Unreserved {
			b = append(append(append(b, '('), role...), ')')
		}
		b = appendValue(append(b, ':'), r)
		// Whether text can express an entry is best known to the one who reads it.
		back, err := Parse(string(b[start:]), "")
		if err != nil || len(back) != 1 || !Equal(back[0], r) || r.Disk != nil {
			return "", &FormatError{What: describe(r), Hint: "use the JSON form"}
		}
	}
	return string(b), nil
}

// FormatJSON returns the list as a JSON array of Resource objects.
func FormatJSON(list []*mesospb.Resource) (string, error) {
	b := []byte{'['}
	for i, r := range list {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if r == nil {
			return "", &FormatError{What: "null", Hint: "remove it from the list"}
		}
		if b, err = codec.JSON.Append(b, r); err != nil {
			return "", fmt.Errorf("resource %d: %w", i, err)
		}
	}
	return string(append(b, ']')), nil
}

// FormatError reports something that the text form cannot express.
type FormatError struct {
	What string
	Hint string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("%s cannot be written as text: %s", cut(e.What), e.Hint)
}
