package app

// Change says what it takes to get from one application to another.
type Change int

// The changes, from nothing to everything. Larger ones include the smaller.
const (
	Same    Change = iota // nothing differs
	Scale                 // only the number of instances
	Policy                // only how the engine treats the application: running tasks stay as they are
	Version               // tasks have to be replaced
)

// Compare returns what it takes to get from old to new.
func Compare(old, new *App) Change { return Same }

// Difference is one value that differs.
type Difference struct {
	Path     string // JSON pointer into the canonical form
	Old, New string // JSON; empty: not there
	Change   Change // what this one alone takes
}

// Diff lists what differs, in the order of the canonical form; for humans, and for those who want to know which Change it is and why.
func Diff(old, new *App) []Difference { return nil }
