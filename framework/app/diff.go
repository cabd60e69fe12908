package app

import (
	"fmt"
	"slices"
	"strings"
)

// Change says what it takes to get from one application to another.
type Change int

// The changes, from nothing to everything. Larger ones may include the smaller.
const (
	Same    Change = iota // nothing differs
	Scale                 // only the number of instances
	Policy                // only how the engine treats the application: a new Hash, but the same TaskHash, and running tasks stay as they are
	Version               // tasks have to be replaced
)

// String returns the name in lower case.
func (c Change) String() string {
	if c < Same || c > Version {
		return fmt.Sprintf("Change(%d)", int(c))
	}
	return [...]string{"same", "scale", "policy", "version"}[c]
}

// changeOf says what it takes if the field at the top of the document differs.
func changeOf(path string) Change {
	top, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch top {
	case "instances":
		return Scale
	case "goal", "readiness", "retry", "update", "unreachable":
		return Policy
	}
	return Version
}

// Compare returns what it takes to get from old to new, both completed: the largest Change in their Diff.
func Compare(old, new *App) Change {
	switch {
	case old.Hash() == new.Hash():
		if old.Instances != new.Instances {
			return Scale
		}
		return Same
	case old.TaskHash() == new.TaskHash():
		return Policy
	}
	return Version
}

// Difference is one value that differs.
type Difference struct {
	Path     string // JSON pointer into the canonical form
	Old, New string // JSON; empty: not there
	Change   Change // what this one takes by itself
}

// String returns one line: /instances: 1 -> 3.
func (d Difference) String() string {
	switch {
	case d.Old == "":
		return d.Path + ": + " + d.New
	case d.New == "":
		return d.Path + ": - " + d.Old
	}
	return d.Path + ": " + d.Old + " -> " + d.New
}

// Diff lists what differs between two completed applications, in the order of the canonical form: for humans who want to know what an update
// would do, and why. Secrets are shown as Redact shows them.
func Diff(old, new *App) []Difference {
	a, bad := showTree(old)
	b, worse := showTree(new)
	if bad != nil || worse != nil {
		return nil // not completed
	}
	var list []Difference
	diffNodes(&list, "", a, b)
	return list
}

// shown is a value, and the same as it is shown.
type shown struct{ value, redacted *node }

func showTree(a *App) (shown, *syntaxError) {
	value, bad := readTree(a.Marshal())
	if bad != nil {
		return shown{}, bad
	}
	redacted, bad := readTree(a.Redact().Marshal())
	return shown{value, redacted}, bad
}

func (s shown) json() string { return s.redacted.json() }

// item returns an element of a list. Redacting changes no shape.
func (s shown) item(i int) shown { return shown{s.value.items[i], s.redacted.items[i]} }

func (s shown) member(name string) shown { return shown{s.value.member(name), s.redacted.member(name)} }

func diffNodes(list *[]Difference, path string, a, b shown) {
	switch {
	case a.value.kind == '{' && b.value.kind == '{':
		for _, m := range a.value.members {
			at := pointer(path, m.name)
			if other := b.member(m.name); other.value != nil {
				diffNodes(list, at, a.member(m.name), other)
			} else {
				*list = append(*list, Difference{at, a.member(m.name).json(), "", changeOf(at)})
			}
		}
		for _, m := range b.value.members {
			if a.value.member(m.name) == nil {
				at := pointer(path, m.name)
				*list = append(*list, Difference{at, "", b.member(m.name).json(), changeOf(at)})
			}
		}
	case a.value.kind == '[' && b.value.kind == '[':
		for i := range max(len(a.value.items), len(b.value.items)) {
			at := element(path, i)
			switch {
			case i >= len(b.value.items):
				*list = append(*list, Difference{at, a.item(i).json(), "", changeOf(at)})
			case i >= len(a.value.items):
				*list = append(*list, Difference{at, "", b.item(i).json(), changeOf(at)})
			default:
				diffNodes(list, at, a.item(i), b.item(i))
			}
		}
	default:
		if a.value.json() != b.value.json() {
			*list = append(*list, Difference{path, a.json(), b.json(), changeOf(path)})
		}
	}
}

func (n *node) member(name string) *node {
	if i := slices.IndexFunc(n.members, func(m member) bool { return m.name == name }); i >= 0 {
		return n.members[i].value
	}
	return nil
}

// json writes the value again, without spaces.
func (n *node) json() string {
	var b strings.Builder
	n.write(&b)
	return b.String()
}

func (n *node) write(b *strings.Builder) {
	text := func(s string) {
		if q, err := encode(s); err == nil {
			b.Write(q)
		}
	}
	switch n.kind {
	case '{':
		b.WriteByte('{')
		for i, m := range n.members {
			if i > 0 {
				b.WriteByte(',')
			}
			text(m.name)
			b.WriteByte(':')
			m.value.write(b)
		}
		b.WriteByte('}')
	case '[':
		b.WriteByte('[')
		for i, item := range n.items {
			if i > 0 {
				b.WriteByte(',')
			}
			item.write(b)
		}
		b.WriteByte(']')
	case '"':
		text(n.text)
	case '0':
		b.WriteString(n.text)
	default:
		b.WriteString(n.describe())
	}
}
