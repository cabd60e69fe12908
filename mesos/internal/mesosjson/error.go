package mesosjson

import "fmt"

// MaxDepth is how deep objects and arrays may nest.
const MaxDepth = 200

// Error is a text that is not JSON, or JSON that does not fit the message.
type Error struct {
	// Syntax tells the first from the second.
	Syntax bool
	// Offset is the position in the text, in bytes.
	Offset int
	// Path leads to the field, as in "a.b[2].c". It is empty for a syntax error.
	Path string
	// Detail says what is wrong.
	Detail string
}

func (e *Error) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("%s (at byte %d)", e.Detail, e.Offset)
	}
	return fmt.Sprintf("field %s: %s (at byte %d)", e.Path, e.Detail, e.Offset)
}

// in prepends a field, an index or a map key to the path of e, on the way up.
func (e *Error) in(element string) *Error {
	if e.Path != "" && e.Path[0] != '[' {
		element += "."
	}
	e.Path = element + e.Path
	return e
}
