package app

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Error is one thing that is wrong with an application.
type Error struct {
	Path         string // JSON pointer, as the document spells it; empty: the whole document
	Line, Column int    // from 1, the column in characters; 0 if the application was not read from JSON
	What         string // what is wrong, with the bad value
	Fix          string // what to do about it; may be empty
}

// Error returns place, problem and remedy in one line.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Line > 0 {
		fmt.Fprintf(&b, "line %d, column %d: ", e.Line, e.Column)
	}
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	b.WriteString(e.What)
	if e.Fix != "" {
		b.WriteString(": " + e.Fix)
	}
	return b.String()
}

// Errors is everything that is wrong with an application, in the order of the document. It is what Parse and Complete return; errors.As finds
// it, and each *Error in it.
type Errors []*Error

// Error returns one line for each error.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the errors.
func (e Errors) Unwrap() []error {
	list := make([]error, len(e))
	for i, one := range e {
		list[i] = one
	}
	return list
}

// problem is an error whose place is still a path of the canonical form.
type problem struct {
	path, what, fix string
}

// problems collects what is wrong while an application is checked.
type problems []problem

func (p *problems) add(path, what, fix string) {
	*p = append(*p, problem{path, what, fix})
}

// errors returns the problems of an application that was not read from a document.
func (p problems) errors() error {
	if len(p) == 0 {
		return nil
	}
	list := make(Errors, len(p))
	for i, one := range p {
		list[i] = &Error{Path: one.path, What: one.what, Fix: one.fix}
	}
	return list
}

// pointer appends a name to a JSON pointer (RFC 6901).
func pointer(path, name string) string {
	if strings.ContainsAny(name, "~/") {
		name = strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
	}
	return path + "/" + name
}

func element(path string, i int) string { return fmt.Sprintf("%s/%d", path, i) }

// lineColumn translates an offset; both count from 1.
func lineColumn(src []byte, offset int) (line, column int) {
	offset = min(offset, len(src))
	before := src[:offset]
	line = 1
	for i, c := range before {
		if c == '\n' {
			line++
			before = src[i+1 : offset]
		}
	}
	return line, utf8.RuneCount(before) + 1
}

// sortErrors puts them into the order of the document; those of one place stay in the order in which they were found.
func sortErrors(list Errors) {
	slices.SortStableFunc(list, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}
