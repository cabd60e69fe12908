package placement

// Field is what a constraint looks at: the name of an attribute, or one of the constants.
type Field string

// Fields that are no attributes. The zero Field is Hostname too.
const (
	Hostname Field = "hostname"
	Zone     Field = "@zone"
	Region   Field = "@region"
)

// Operator is what a constraint asks of the field.
type Operator uint8

// The operators. Agents without the attribute satisfy only Unlike and IsNot. Repeated attributes of one name
// satisfy Like and Is if any of them does; the other operators take them together as one value.
const (
	Unique  Operator = iota + 1 // at most one instance per value
	Cluster                     // all instances on one value: the given one, or that of the first instance
	GroupBy                     // instances spread evenly over the values; Value may say how many values there are
	Like                        // the value matches the RE2 expression Value, as a whole
	Unlike                      // it does not match
	MaxPer                      // at most Value instances per value
	Is                          // the value is Value, in the notation of resources.AttributeMatches
	IsNot                       // it is not
)

// Constraint restricts the agents that instances of a group may run on, or ranks them if it is soft. The text form is
// Marathon's: see ParseConstraint.
type Constraint struct {
	Field    Field
	Operator Operator
	Value    string
	// Soft makes it a wish: agents that violate it come later, the more so the greater Weight (0 means 1) is. Scores of
	// a Scorer lie between 0 and 1, so a weight of 1 outweighs them.
	Soft   bool
	Weight float64
}
