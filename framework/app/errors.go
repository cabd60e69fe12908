package app

// Error is one thing that is wrong with an application.
type Error struct {
	Path         string // JSON pointer, as the document spells it
	Line, Column int    // from 1; 0 if the application was not read from JSON
	What         string // what is wrong, with the bad value
	Fix          string // what to do about it; may be empty
}

// Errors is everything that is wrong with an application, in the order of the document. It is what Parse and Complete return.
type Errors []*Error
