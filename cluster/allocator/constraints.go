package allocator

import (
	"fmt"
	"regexp"
	"regexp/syntax"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// Constraints select the agents that a framework wants offers from. A nil *Constraints admits all.
type Constraints struct {
	roles map[string][]group
}

// group holds if all its constraints hold.
type group []constraint

type constraint struct {
	value func(*Agent) *mesospb.Attribute // what the selector selects, nil if the agent has none
	holds func(*mesospb.Attribute) bool
}

// CompileConstraints prepares the constraints of a framework. The error says which one is malformed, in Mesos' words.
func CompileConstraints(oc *schedulerpb.OfferConstraints) (*Constraints, error) {
	if len(oc.GetRoleConstraints()) == 0 {
		return nil, nil
	}
	c := &Constraints{roles: map[string][]group{}}
	for role, rc := range oc.GetRoleConstraints() {
		if len(rc.GetGroups()) == 0 {
			return nil, wireErrorf("Role '%s' has no constraint groups: 'OfferConstraints.RoleConstraints.groups' must not be empty", role)
		}
		for _, g := range rc.GetGroups() {
			if len(g.GetAttributeConstraints()) == 0 {
				return nil, wireErrorf("Role '%s' has an empty constraint group: 'OfferConstraints.RoleConstraints.Group.attribute_constraints' must not be empty", role)
			}
			var compiled group
			for _, ac := range g.GetAttributeConstraints() {
				one, err := compileConstraint(ac)
				if err != nil {
					return nil, wireErrorf("Role '%s' has an invalid constraint: %v", role, err)
				}
				compiled = append(compiled, one)
			}
			c.roles[role] = append(c.roles[role], compiled)
		}
	}
	return c, nil
}

func compileConstraint(ac *schedulerpb.AttributeConstraint) (constraint, error) {
	var c constraint
	switch s := ac.GetSelector().GetSelector().(type) {
	case *schedulerpb.AttributeConstraint_Selector_AttributeName:
		c.value = func(a *Agent) *mesospb.Attribute {
			for _, attr := range a.Attributes {
				if attr.GetName() == s.AttributeName {
					return attr
				}
			}
			return nil
		}
	case *schedulerpb.AttributeConstraint_Selector_PseudoattributeType_:
		get := pseudoattributes[s.PseudoattributeType]
		if get == nil {
			return c, wireErrorf("Unknown pseudoattribute type %v", s.PseudoattributeType)
		}
		c.value = func(a *Agent) *mesospb.Attribute {
			if v, ok := get(a); ok {
				return &mesospb.Attribute{Type: mesospb.Value_TEXT.Enum(), Text: &mesospb.Value_Text{Value: &v}}
			}
			return nil
		}
	default:
		return c, wireErrorf("AttributeConstraint.Selector has no selector")
	}
	var err error
	c.holds, err = compilePredicate(ac.GetPredicate())
	return c, err
}

var pseudoattributes = map[schedulerpb.AttributeConstraint_Selector_PseudoattributeType]func(*Agent) (string, bool){
	schedulerpb.AttributeConstraint_Selector_HOSTNAME: func(a *Agent) (string, bool) { return a.Hostname, true },
	schedulerpb.AttributeConstraint_Selector_REGION: func(a *Agent) (string, bool) {
		d := a.Domain.GetFaultDomain()
		return d.GetRegion().GetName(), d != nil
	},
	schedulerpb.AttributeConstraint_Selector_ZONE: func(a *Agent) (string, bool) {
		d := a.Domain.GetFaultDomain()
		return d.GetZone().GetName(), d != nil
	},
}

// compilePredicate returns the test of a predicate. Those on text look at the first attribute of the name. They don't exclude
// attributes of other types; of an attribute that is not there only the negated ones hold.
func compilePredicate(p *schedulerpb.AttributeConstraint_Predicate) (func(*mesospb.Attribute) bool, error) {
	text := func(match func(string) bool, absent bool) func(*mesospb.Attribute) bool {
		return func(v *mesospb.Attribute) bool {
			switch {
			case v == nil:
				return absent
			case v.GetType() != mesospb.Value_TEXT:
				return true
			}
			return match(v.GetText().GetValue()) != absent
		}
	}
	equals := func(want string) func(string) bool { return func(s string) bool { return s == want } }
	switch k := p.GetPredicate().(type) {
	case *schedulerpb.AttributeConstraint_Predicate_Exists_:
		return func(v *mesospb.Attribute) bool { return v != nil }, nil
	case *schedulerpb.AttributeConstraint_Predicate_NotExists_:
		return func(v *mesospb.Attribute) bool { return v == nil }, nil
	case *schedulerpb.AttributeConstraint_Predicate_TextEquals_:
		return text(equals(k.TextEquals.GetValue()), false), nil
	case *schedulerpb.AttributeConstraint_Predicate_TextNotEquals_:
		return text(equals(k.TextNotEquals.GetValue()), true), nil
	case *schedulerpb.AttributeConstraint_Predicate_TextMatches_:
		re, err := fullMatch(k.TextMatches.GetRegex())
		return text(re, false), err
	case *schedulerpb.AttributeConstraint_Predicate_TextNotMatches_:
		re, err := fullMatch(k.TextNotMatches.GetRegex())
		return text(re, true), err
	}
	return nil, wireErrorf("AttributeConstraint.Predicate has no predicate")
}

// MaxProgram bounds what a regular expression is compiled to, in instructions, as a master does (--offer_constraints_re2_max_program_size).
const MaxProgram = 100

// fullMatch compiles an RE2 that must match the whole text.
func fullMatch(pattern string) (func(string) bool, error) {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, wireErrorf("Failed to construct regex from pattern '%s': %v", pattern, err)
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return nil, wireErrorf("Failed to construct regex from pattern '%s': %v", pattern, err)
	}
	if n := len(program.Inst); n > MaxProgram {
		return nil, wireErrorf("Failed to construct regex from pattern '%s': program of size %d exceeds the limit of %d", pattern, n, MaxProgram)
	}
	re, err := regexp.Compile(`\A(?:` + pattern + `)\z`)
	if err != nil {
		return nil, wireErrorf("Failed to construct regex from pattern '%s': %v", pattern, err)
	}
	return re.MatchString, nil
}

// admit reports whether the agent may be offered to the framework in a role: one of the role's groups holds.
func (c *Constraints) admit(role string, a *Agent) bool {
	if c == nil {
		return true
	}
	groups, ok := c.roles[role]
	if !ok {
		return true
	}
	for _, g := range groups {
		if g.holds(a) {
			return true
		}
	}
	return false
}

func (g group) holds(a *Agent) bool {
	for _, c := range g {
		if !c.holds(c.value(a)) {
			return false
		}
	}
	return true
}

// wireError is a text that goes to the framework as Mesos writes it, capital first.
type wireError string

func (e wireError) Error() string { return string(e) }

func wireErrorf(format string, args ...any) error { return wireError(fmt.Sprintf(format, args...)) }
