package auth

import (
	"maps"
	"slices"
	"strings"
)

// Authorizer judges by ACLs. A nil one allows everything.
type Authorizer struct {
	rules  map[Action][]Rule
	strict bool
}

// NewAuthorizer returns an authorizer. The error is a *ConfigError.
func NewAuthorizer(acls *ACLs) (*Authorizer, error) {
	if acls == nil {
		return nil, nil
	}
	a := &Authorizer{rules: map[Action][]Rule{}, strict: acls.Strict}
	for _, action := range slices.Sorted(maps.Keys(acls.Rules)) {
		rules := slices.Clone(acls.Rules[action])
		if err := checkRules(action, rules); err != nil {
			return nil, err
		}
		a.rules[action] = rules
		if kinds[action].roles {
			a.rules[action] = splitRoles(rules)
		}
	}
	return a, nil
}

// splitRoles gives every "a/%" among roles a rule of its own, in place.
func splitRoles(rules []Rule) []Rule {
	var out []Rule
	for _, r := range rules {
		if r.Objects.kind != some {
			out = append(out, r)
			continue
		}
		plain := Entity{}
		for _, role := range r.Objects.values {
			if strings.HasSuffix(role, "/%") {
				out = append(out, Rule{r.Principals, Some(role)})
			} else {
				plain.values = append(plain.values, role)
			}
		}
		if len(plain.values) > 0 {
			out = append(out, Rule{r.Principals, plain})
		}
	}
	return out
}

// Approve reports whether a principal may act on all of the objects. Without objects it is about all there are. The
// bearer of a token may nothing: what executors may do is for the agent to say.
func (a *Authorizer) Approve(p *Principal, action Action, objects ...string) bool {
	if a == nil {
		return true
	}
	subject := Any()
	if p != nil {
		if p.Claims != nil {
			return false
		}
		subject = Some(p.Name)
	}
	if len(objects) == 0 {
		return a.approve(subject, action, Any())
	}
	for _, o := range objects {
		if !a.approve(subject, action, Some(o)) {
			return false
		}
	}
	return true
}

func (a *Authorizer) approve(subject Entity, action Action, object Entity) bool {
	roles := kinds[action].roles
	for _, r := range a.rules[action] {
		objects := r.Objects
		if roles {
			if parent, ok := recursive(objects); ok {
				if object.kind != some || !strings.HasPrefix(object.values[0], parent) {
					continue
				}
				objects = Any()
			}
		}
		if r.Principals.matches(subject) && objects.matches(object) {
			return r.Principals.allows(subject) && objects.allows(object)
		}
	}
	return !a.strict
}

// recursive returns "a/" for the entity "a/%".
func recursive(e Entity) (string, bool) {
	if e.kind != some || len(e.values) != 1 {
		return "", false
	}
	parent, ok := strings.CutSuffix(e.values[0], "%")
	return parent, ok && strings.HasSuffix(parent, "/")
}

// Permissive reports whether what no rule fits is allowed.
func (a *Authorizer) Permissive() bool { return a == nil || !a.strict }
