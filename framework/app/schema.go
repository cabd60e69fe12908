package app

import (
	_ "embed"
	"strings"
)

//go:embed schema.json
var schema string

// Schema returns the JSON Schema (draft 2020-12) of applications: for editors, and for programs that write applications. It accepts what Parse
// accepts, up to null for fields that are not given and up to what a schema cannot say, such as that a name refers to a port.
func Schema() []byte { return []byte(strings.Clone(schema)) }
