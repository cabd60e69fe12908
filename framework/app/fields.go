package app

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// field is a field of a struct as JSON knows it.
type field struct {
	name     string
	aliases  []string
	index    []int
	optional bool // left out of the canonical form if empty
	positive bool // zero stands for the default, so documents cannot mean it
	typ      reflect.Type
}

type fieldList []*field

// fieldTable has the fields of every struct that an App reaches.
var fieldTable = sync.OnceValue(func() map[reflect.Type]fieldList {
	table := map[reflect.Type]fieldList{}
	var visit func(reflect.Type)
	visit = func(t reflect.Type) {
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice:
			visit(t.Elem())
		case reflect.Struct:
			if _, done := table[t]; done || t == reflect.TypeFor[PortRef]() {
				return
			}
			table[t] = nil
			table[t] = listFields(t, nil)
			for _, f := range table[t] {
				visit(f.typ)
			}
		}
	}
	visit(reflect.TypeFor[App]())
	return table
})

func listFields(t reflect.Type, index []int) (list fieldList) {
	for i := range t.NumField() {
		sf := t.Field(i)
		at := append(slices.Clip(index), i)
		if sf.Anonymous {
			list = append(list, listFields(sf.Type, at)...)
			continue
		}
		name, options, _ := strings.Cut(sf.Tag.Get("json"), ",")
		f := &field{name: name, index: at, optional: options != "", typ: sf.Type}
		_, f.positive = sf.Tag.Lookup("positive")
		if alias := sf.Tag.Get("alias"); alias != "" {
			f.aliases = strings.Split(alias, ",")
		}
		list = append(list, f)
	}
	return list
}

func fieldsOf(t reflect.Type) fieldList { return fieldTable()[t] }

func (l fieldList) find(name string) *field {
	for _, f := range l {
		if f.name == name || slices.Contains(f.aliases, name) {
			return f
		}
	}
	return nil
}

// homes says which objects know a field name; where applications keep it, in the order of the table above.
var homes = sync.OnceValue(func() map[string]string {
	known := map[string]string{}
	add := func(where string, t reflect.Type) {
		for _, f := range fieldsOf(t) {
			for _, name := range append([]string{f.name}, f.aliases...) {
				if _, taken := known[name]; !taken {
					known[name] = where
				}
			}
		}
	}
	add("at the top of the document", reflect.TypeFor[App]())
	add("in resources", reflect.TypeFor[Resources]())
	add("in command", reflect.TypeFor[Command]())
	add("in container", reflect.TypeFor[Container]())
	add("in health_check", reflect.TypeFor[HealthCheck]())
	add("in retry", reflect.TypeFor[Retry]())
	add("in update", reflect.TypeFor[Update]())
	add("in unreachable", reflect.TypeFor[Unreachable]())
	add("in readiness", reflect.TypeFor[Readiness]())
	add("in fault_domain", reflect.TypeFor[FaultDomain]())
	return known
})

// suggest says what an unknown field may have been meant to be: the nearest name here, or where that name belongs, or what there is.
func (l fieldList) suggest(name string) string {
	best, distance := "", 1+len(name)/3
	plain := plainName(name)
	for _, f := range l {
		for _, known := range append([]string{f.name}, f.aliases...) {
			if d := editDistance(plain, plainName(known)); d < distance || d == 0 {
				best, distance = f.name, d
			}
		}
	}
	if distance == 0 {
		return "did you mean " + best + "?"
	}
	if where, known := homes()[name]; known {
		return fmt.Sprintf("%s belongs %s", name, where)
	}
	if best != "" {
		return "did you mean " + best + "?"
	}
	names := make([]string, len(l))
	for i, f := range l {
		names[i] = f.name
	}
	return "known here: " + strings.Join(names, ", ")
}

// plainName takes away what people write differently.
func plainName(s string) string {
	if len(s) > 64 {
		s = s[:64]
	}
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(s))
}

// editDistance counts the insertions, deletions, replacements and swaps of neighbours that make a into b.
func editDistance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// nearest returns the known word that is nearest to a word, if any is near.
func nearest(word string, known []string) string {
	best, distance := "", 1+len(word)/3
	for _, k := range known {
		if d := editDistance(plainName(word), plainName(k)); d < distance || d == 0 {
			best, distance = k, d
		}
	}
	return best
}
