package placement

import "fmt"

// ParseConstraint reads a constraint in Marathon's text form: field, operator and value separated by spaces, commas or colons, as in
//
//	hostname UNIQUE
//	rack:GROUP_BY:3
//	@zone LIKE eu-.*
//
// or as a JSON array: ["rack", "GROUP_BY", "3"]. A last word soft or soft(2.5) makes it a wish with that weight. The error
// is a *ConstraintError.
func ParseConstraint(text string) (Constraint, error) {
	return Constraint{}, &ConstraintError{Text: text, Reason: "not written yet"}
}

// NewConstraint makes a constraint of its parts: field, operator, value if the operator takes one, and optionally soft or
// soft(weight). The error is a *ConstraintError.
func NewConstraint(parts ...string) (Constraint, error) {
	return Constraint{}, &ConstraintError{Text: fmt.Sprint(parts), Reason: "not written yet"}
}

// Validate reports what is wrong with the constraint as a *ConstraintError: no field, an unknown operator, a missing or superfluous
// value, one that is no number or no expression, a negative weight.
func (c Constraint) Validate() error { return nil }

// String returns the text form that ParseConstraint reads.
func (c Constraint) String() string { return "" }

// Parts returns the constraint as the strings of a JSON array, as NewConstraint takes them.
func (c Constraint) Parts() []string { return nil }

// ConstraintError reports a constraint that can't be used.
type ConstraintError struct {
	Text   string // the constraint
	Reason string // what is wrong, and what to write instead
}

func (e *ConstraintError) Error() string { return fmt.Sprintf("constraint %s: %s", e.Text, e.Reason) }
