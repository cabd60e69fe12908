package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// ParseACLs reads the JSON of --acls of Mesos, such as
//
//	{"permissive": false,
//	 "register_frameworks": [{"principals": {"values": ["marathon"]}, "roles": {"type": "ANY"}}],
//	 "run_tasks":           [{"principals": {"type": "ANY"}, "users": {"values": ["nobody"]}}]}
//
// Unlike Mesos it refuses names that it does not know: a misspelled action would allow what it was to forbid. Errors are of
// type *ConfigError.
func ParseACLs(text []byte) (*ACLs, error) {
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(text, &doc); err != nil || doc == nil {
		if err == nil {
			err = errors.New("it is null")
		}
		return nil, aclError("", "want a JSON object: %w", err)
	}
	acls := &ACLs{Rules: map[Action][]Rule{}}
	for _, name := range slices.Sorted(maps.Keys(doc)) {
		if name == "permissive" {
			permissive := true
			if err := json.Unmarshal(doc[name], &permissive); err != nil {
				return nil, aclError(name, "want true or false")
			}
			acls.Strict = !permissive
			continue
		}
		rules, err := parseRules(Action(name), doc[name])
		if err != nil {
			return nil, err
		}
		acls.Rules[Action(name)] = rules
	}
	return acls, nil
}

func aclError(path, format string, args ...any) error {
	return &ConfigError{"ACLs", path, fmt.Errorf(format, args...)}
}

func parseRules(action Action, text json.RawMessage) ([]Rule, error) {
	k, known := kinds[action]
	if !known {
		return nil, aclError(string(action), "is not an action of Mesos; those that have an effect are %s", enforced())
	}
	var list []map[string]json.RawMessage
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, aclError(string(action), "want a list of objects with principals and %s", k.objects)
	}
	rules := make([]Rule, len(list))
	for i, entry := range list {
		path := fmt.Sprintf("%s[%d]", action, i)
		for name := range entry {
			if name != "principals" && name != k.objects {
				return nil, aclError(path, "has %q; want principals and %s", name, k.objects)
			}
		}
		for _, part := range []struct {
			name string
			to   *Entity
		}{{"principals", &rules[i].Principals}, {k.objects, &rules[i].Objects}} {
			raw, ok := entry[part.name]
			if !ok {
				return nil, aclError(path, "lacks %s", part.name)
			}
			var err error
			if *part.to, err = parseEntity(path+"."+part.name, raw); err != nil {
				return nil, err
			}
		}
	}
	return rules, checkRules(action, rules)
}

func parseEntity(path string, text json.RawMessage) (Entity, error) {
	var e struct {
		Type   *string  `json:"type"`
		Values []string `json:"values"`
	}
	if err := json.Unmarshal(text, &e); err != nil || string(text) == "null" {
		return Entity{}, aclError(path, `want an object such as {"type": "ANY"} or {"values": ["a", "b"]}`)
	}
	typ := "SOME"
	if e.Type != nil {
		typ = *e.Type
	}
	switch typ {
	case "SOME":
		return Some(e.Values...), nil
	case "ANY":
		return Any(), nil
	case "NONE":
		return None(), nil
	}
	return Entity{}, aclError(path+".type", "is %q; want SOME, ANY or NONE", typ)
}

// checkRules finds rules that cannot be meant.
func checkRules(action Action, rules []Rule) error {
	k, known := kinds[action]
	if !known {
		return aclError(string(action), "is not an action of Mesos; those that have an effect are %s", enforced())
	}
	for i, r := range rules {
		path := fmt.Sprintf("%s[%d].%s", action, i, k.objects)
		if k.wholesale && r.Objects.kind == some {
			return aclError(path, "must be of type ANY or NONE")
		}
		if action != GetEndpoints || r.Objects.kind != some {
			continue
		}
		for _, p := range r.Objects.values {
			if !Authorizable(p) {
				return aclError(path, "%q is not a path that can be guarded; want some of %q", p, authorizable)
			}
		}
	}
	return nil
}

// enforced lists the actions that have an effect.
func enforced() []Action {
	var out []Action
	for _, a := range slices.Sorted(maps.Keys(kinds)) {
		if a.Enforced() {
			out = append(out, a)
		}
	}
	return out
}

// MarshalJSON writes what ParseACLs reads.
func (a ACLs) MarshalJSON() ([]byte, error) {
	doc := map[string]any{"permissive": !a.Strict}
	for action, rules := range a.Rules {
		list := []map[string]any{}
		for _, r := range rules {
			list = append(list, map[string]any{"principals": r.Principals.json(), kinds[action].objects: r.Objects.json()})
		}
		doc[string(action)] = list
	}
	return json.Marshal(doc)
}

func (e Entity) json() map[string]any {
	switch e.kind {
	case anyone:
		return map[string]any{"type": "ANY"}
	case none:
		return map[string]any{"type": "NONE"}
	}
	return map[string]any{"type": "SOME", "values": append([]string{}, e.values...)}
}
