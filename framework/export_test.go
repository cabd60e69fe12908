package framework

import "time"

// SetPatience changes how long commands wait for their answers, and how long a broken store is tried. Call it before Run.
func (f *Framework) SetPatience(commands, broken time.Duration) {
	f.commandPatience, f.brokenPatience = commands, broken
}
