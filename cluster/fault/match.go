package fault

import "strings"

// thing is something that passes where rules apply.
type thing struct {
	api, path, typ  string
	framework, name string
	agent           []string // id and host name
	task, state     string
}

// matches reports whether a rule is about a thing.
func (r *Rule) matches(t *thing) bool {
	return (r.API == "" || r.API == t.api) &&
		glob(r.Path, t.path) && glob(r.Type, t.typ) &&
		(glob(r.Framework, t.framework) || t.name != "" && glob(r.Framework, t.name)) &&
		globAny(r.Agent, t.agent) && glob(r.Task, t.task) && glob(r.State, t.state)
}

func globAny(pattern string, names []string) bool {
	if pattern == "" {
		return true
	}
	for _, n := range names {
		if n != "" && glob(pattern, n) {
			return true
		}
	}
	return false
}

// glob matches a text with a pattern in which * stands for anything; the empty pattern matches all.
func glob(pattern, s string) bool {
	if pattern == "" {
		return true
	}
	first, rest, star := strings.Cut(pattern, "*")
	if !star {
		return s == pattern
	}
	if !strings.HasPrefix(s, first) {
		return false
	}
	s = s[len(first):]
	for {
		part, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(s, part)
		}
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s, rest = s[i+len(part):], after
	}
}
