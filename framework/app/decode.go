package app

import (
	"bytes"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// maxErrors bounds how many errors one document gets: beyond, it is not an application.
const maxErrors = 100

// Parse reads an application from JSON, fills in the defaults and checks it. Field names of the old SDK are accepted beside ours. The error is an
// Errors with everything that is wrong, in the order of the document; only a document that is no JSON at all has just one.
func Parse(data []byte) (*App, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	root, bad := readTree(data)
	if bad != nil {
		line, column := lineColumn(data, bad.offset)
		return nil, Errors{{Line: line, Column: column, What: "not JSON: " + bad.what, Fix: bad.fix}}
	}
	d := &decoder{places: map[string]place{}}
	a := &App{}
	d.decode(reflect.ValueOf(a).Elem(), root, "", place{"", root.offset})
	if _, given := d.places["/instances"]; !given && !a.Daemon {
		a.Instances = 1
	}
	d.addProblems(a.complete())
	if len(d.errs) == 0 {
		return a, nil
	}
	for _, e := range d.errs {
		e.Line, e.Column = lineColumn(data, e.Column)
	}
	sortErrors(d.errs)
	if more := len(d.errs) - maxErrors; more > 0 {
		d.errs = append(d.errs[:maxErrors], &Error{What: fmt.Sprintf("%d more errors", more)})
	}
	return nil, d.errs
}

// place is where a document has something.
type place struct {
	path   string // JSON pointer as the document spells it
	offset int
}

// decoder fills Go values from nodes, going on after errors.
type decoder struct {
	errs   Errors           // Column holds the offset until Parse knows the lines
	places map[string]place // by pointer into the canonical form
}

func (d *decoder) fail(at place, what, fix string) {
	if len(d.errs) <= maxErrors {
		d.errs = append(d.errs, &Error{Path: at.path, Column: at.offset, What: what, Fix: fix})
	}
}

// addProblems translates what the checks found to places of the document: their own, or that of the object where something is missing. Where the
// decoder has complained already, nothing is said twice.
func (d *decoder) addProblems(list problems) {
	before := map[string]bool{}
	for _, e := range d.errs {
		before[e.Path] = true
	}
	for _, p := range list {
		known, missing := p.path, ""
		at, ok := d.places[known]
		for !ok {
			i := strings.LastIndexByte(known, '/')
			known, missing = known[:i], known[i:]+missing
			at, ok = d.places[known]
		}
		at.path += missing
		if !complained(before, at.path) {
			d.fail(at, p.what, p.fix)
		}
	}
}

// complained reports whether there was an error at the path or at what it is in.
func complained(before map[string]bool, path string) bool {
	for !before[path] {
		i := strings.LastIndexByte(path, '/')
		if i < 0 {
			return false
		}
		path = path[:i]
	}
	return true
}

// formDecoder is a type with JSON forms of its own.
type formDecoder interface {
	decodeForm(d *decoder, n *node, canonical string, at place)
}

// decode fills v from n, whose canonical pointer is canonical.
func (d *decoder) decode(v reflect.Value, n *node, canonical string, at place) {
	d.places[canonical] = at
	if form, ok := v.Addr().Interface().(formDecoder); ok {
		form.decodeForm(d, n, canonical, at)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		d.decode(p.Elem(), n, canonical, at)
		v.Set(p)
	case reflect.Struct:
		d.object(v, n, canonical, at)
	case reflect.Slice:
		d.array(v, n, canonical, at)
	case reflect.Map:
		d.stringMap(v, n, canonical, at)
	case reflect.String:
		if d.is(n, '"', "a string", at) {
			v.SetString(n.text)
		}
	case reflect.Bool:
		switch n.kind {
		case 't', 'f':
			v.SetBool(n.kind == 't')
		default:
			d.fail(at, "is "+n.describe(), "give true or false, without quotes")
		}
	case reflect.Int:
		if d.is(n, '0', "a whole number", at) {
			i, ok := wholeNumber(n.text)
			if !ok {
				d.fail(at, "is "+n.describe(), "give a whole number")
			}
			v.SetInt(i)
		}
	case reflect.Float64:
		if d.is(n, '0', "a number", at) {
			f, err := strconv.ParseFloat(n.text, 64)
			if err != nil {
				d.fail(at, "is "+n.describe(), "give a smaller number")
				f = 0
			}
			v.SetFloat(f)
		}
	default:
		panic("app: no JSON form for " + v.Type().String())
	}
}

// wholeNumber reads integers, also those written as 1e3 or 2.0.
func wholeNumber(text string) (int64, bool) {
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return i, true
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f != float64(int64(f)) || f > 1<<53 || f < -(1<<53) {
		return 0, false
	}
	return int64(f), true
}

func (d *decoder) is(n *node, kind byte, want string, at place) bool {
	if n.kind == kind {
		return true
	}
	fix := "give " + want
	if n.kind == '"' && kind == '0' {
		fix += ", without quotes"
	} else if kind == '"' && strings.IndexByte("0tf", n.kind) >= 0 {
		fix += ": write it in quotes"
	}
	d.fail(at, "is "+n.describe(), fix)
	return false
}

func (d *decoder) array(v reflect.Value, n *node, canonical string, at place) {
	if !d.is(n, '[', "an array: […]", at) || len(n.items) == 0 {
		return
	}
	list := reflect.MakeSlice(v.Type(), len(n.items), len(n.items))
	for i, item := range n.items {
		d.decode(list.Index(i), item, element(canonical, i), place{element(at.path, i), item.offset})
	}
	v.Set(list)
}

// stringMap reads an object of strings.
func (d *decoder) stringMap(v reflect.Value, n *node, canonical string, at place) {
	if !d.is(n, '{', `an object of strings: {"name": "value", …}`, at) || len(n.members) == 0 {
		return
	}
	if v.IsNil() {
		v.Set(reflect.MakeMapWithSize(v.Type(), len(n.members)))
	}
	for _, m := range n.members {
		here := place{pointer(at.path, m.name), m.value.offset}
		key := reflect.ValueOf(m.name)
		if v.MapIndex(key).IsValid() {
			d.fail(place{here.path, m.offset}, "given twice", "remove one of them")
			continue
		}
		d.places[pointer(canonical, m.name)] = here
		if d.is(m.value, '"', "a string", here) {
			v.SetMapIndex(key, reflect.ValueOf(m.value.text))
		} else {
			v.SetMapIndex(key, reflect.ValueOf(""))
		}
	}
}

func (d *decoder) object(v reflect.Value, n *node, canonical string, at place) {
	d.objectAs(v, v.Type(), n, canonical, at)
}

// objectAs reads an object with the fields of type t, which v is at least similar to.
func (d *decoder) objectAs(v reflect.Value, t reflect.Type, n *node, canonical string, at place) {
	if !d.is(n, '{', "an object: {…}", at) {
		return
	}
	fields := fieldsOf(t)
	seen := make(map[*field]string, len(n.members))
	unknown := map[string]bool{}
	for _, m := range n.members {
		here := place{pointer(at.path, m.name), m.offset}
		f := fields.find(m.name)
		if f == nil {
			if unknown[m.name] {
				d.fail(here, "given twice", "remove one of them")
			} else if unknown[m.name] = true; len(d.errs) <= maxErrors { // suggestions cost more than the rest
				d.fail(here, "unknown field", fields.suggest(m.name))
			}
			continue
		}
		if first, twice := seen[f]; twice {
			what := "given twice"
			if first != m.name {
				what = "given twice, also as " + first
			}
			d.fail(here, what, "remove one of them")
			continue
		}
		seen[f] = m.name
		if m.value.kind == 'n' {
			continue // as if it were not there
		}
		here.offset = m.value.offset
		to, errors := v.FieldByIndex(f.index), len(d.errs)
		d.decode(to, m.value, pointer(canonical, f.name), here)
		if f.positive && to.IsZero() && len(d.errs) == errors {
			fix := "give more, or leave it out for the default"
			if f.typ == reflect.TypeFor[Duration]() {
				fix = "give more, such as 1ms, or leave it out for the default"
			}
			d.fail(here, "is 0", fix)
		}
	}
}
