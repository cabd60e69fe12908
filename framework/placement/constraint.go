package placement

import (
	"slices"
	"strings"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// Field is what a constraint looks at: the name of an attribute, or one of the constants.
type Field string

// Fields that are no attributes. The zero Field is Hostname too.
const (
	Hostname Field = "hostname"
	AgentID  Field = "@agent" // several agents may run on one host
	Zone     Field = "@zone"
	Region   Field = "@region"
)

// Operator is what a constraint asks of the field.
type Operator uint8

// The operators. Agents without the attribute satisfy only Unlike and IsNot. Repeated attributes of one name
// satisfy Like and Is if any of them does; the other operators take them together as one value.
const (
	Unique  Operator = iota + 1 // at most one instance per value
	Cluster                     // all instances on one value: the given one, or the one that most instances are on
	GroupBy                     // instances spread evenly over the values; Value may say how many values there are
	Like                        // the value matches the RE2 expression Value, as a whole
	Unlike                      // it does not match
	MaxPer                      // at most Value instances per value
	Is                          // the value is Value, in the notation of resources.AttributeMatches
	IsNot                       // it is not
)

// wants says whether an operator takes a value.
type wants uint8

const (
	noValue wants = iota
	anyValue
	aValue
	aCount
	anyCount
	anExpression
)

var operators = [...]struct {
	name  string
	value wants
}{
	Unique: {"UNIQUE", noValue}, Cluster: {"CLUSTER", anyValue}, GroupBy: {"GROUP_BY", anyCount},
	Like: {"LIKE", anExpression}, Unlike: {"UNLIKE", anExpression},
	MaxPer: {"MAX_PER", aCount}, Is: {"IS", aValue}, IsNot: {"IS_NOT", aValue},
}

// String returns the operator as Marathon writes it, e.g. GROUP_BY.
func (o Operator) String() string {
	if o == 0 || int(o) >= len(operators) {
		return "UNKNOWN"
	}
	return operators[o].name
}

// Constraint restricts the agents that instances of a group may run on, or ranks them if it is soft. The text form is
// Marathon's: see ParseConstraint.
//
// GROUP_BY balances over the values of the agents that could take another instance at that moment, so that a full or lost rack
// doesn't stop the others. Agents that Placed knows and that have no offer now could as well, unless Cycle.Complete or Cycle.Awaits says
// that they couldn't. Several GROUP_BY are balanced one after the other, the first one first. With a number it
// places one instance per value until that many values are known.
type Constraint struct {
	Field    Field
	Operator Operator
	Value    string
	// Soft makes it a wish: agents that violate it come later, the more so the greater Weight (0 means 1) is. Scores of
	// a Scorer lie between 0 and 1, so a weight of 1 outweighs them.
	Soft   bool
	Weight float64
}

func (c *Constraint) field() Field { return c.Field.orHostname() }

func (f Field) orHostname() Field {
	if f == "" {
		return Hostname
	}
	return f
}

func weightOr1(w float64) float64 {
	if w == 0 {
		return 1
	}
	return w
}

// value returns the text by which constraints count, and whether the agent has the field at all.
func (a *Agent) value(f Field) (string, bool) {
	switch f {
	case Hostname, "":
		return a.Hostname, a.Hostname != ""
	case AgentID:
		return a.ID, a.ID != ""
	case Zone:
		return a.Zone, a.Zone != ""
	case Region:
		return a.Region, a.Region != ""
	}
	text, found := "", 0
	for at := range resources.AttributesNamed(a.Attributes, string(f)) {
		if found++; found > 1 {
			break
		}
		if text = at.GetText().GetValue(); at.GetType() != mesospb.Value_TEXT {
			text = resources.AttributeString(at)
		}
	}
	if found < 2 {
		return text, found == 1
	}
	all := slices.Sorted(a.texts(f))
	return strings.Join(slices.Compact(all), ", "), true
}

// texts yields all values of the field.
func (a *Agent) texts(f Field) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		switch f {
		case Hostname, AgentID, "", Zone, Region:
			if v, ok := a.value(f); ok {
				yield(v)
			}
			return
		}
		for at := range resources.AttributesNamed(a.Attributes, string(f)) {
			if !yield(resources.AttributeString(at)) {
				return
			}
		}
	}
}

// is reports whether the field has the value.
func (a *Agent) is(f Field, value string) bool {
	switch f {
	case Hostname, AgentID, "", Zone, Region:
		v, ok := a.value(f)
		return ok && v == value
	}
	return resources.HasAttribute(a.Attributes, string(f), value)
}
