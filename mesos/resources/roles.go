package resources

import (
	"fmt"
	"strings"
)

// Unreserved is the role of resources that nobody reserved.
const Unreserved = "*"

// RoleError reports a role name that Mesos refuses.
type RoleError struct {
	Role   string
	Reason string
}

func (e *RoleError) Error() string { return fmt.Sprintf("invalid role %q: %s", e.Role, e.Reason) }

// ValidateRole checks a role name: "*", or components separated by "/" (docs/behaviour.md#resources). The error is a
// *RoleError.
func ValidateRole(role string) error {
	if reason := roleProblem(role); reason != "" {
		return &RoleError{role, reason}
	}
	return nil
}

// ValidRole reports whether ValidateRole accepts the name.
func ValidRole(role string) bool { return roleProblem(role) == "" }

func roleProblem(role string) string {
	switch {
	case role == Unreserved:
		return ""
	case role == "":
		return "empty; use * for unreserved"
	case role[0] == '/':
		return "starts with a slash"
	case role[len(role)-1] == '/':
		return "ends with a slash"
	}
	for c := range strings.SplitSeq(role, "/") {
		switch {
		case c == "":
			return "contains two slashes in a row"
		case c == "." || c == "..":
			return "has " + c + " as a component"
		case c == Unreserved:
			return "has * as a component"
		case c[0] == '-':
			return "component " + c + " starts with a dash"
		}
		for i := range len(c) {
			if b := c[i]; b >= '\t' && b <= '\r' || b == ' ' || b == 0x7f {
				return fmt.Sprintf("contains the character %q", b)
			}
		}
	}
	return ""
}

// IsStrictSubrole reports whether role lies below ancestor: "eng/web" is a strict subrole of "eng", not of itself.
// "*" has no subroles and is none.
func IsStrictSubrole(role, ancestor string) bool {
	return len(role) > len(ancestor) && ancestor != "" && role[len(ancestor)] == '/' && role[:len(ancestor)] == ancestor
}

// ParentRole returns the role one level up, or false for a top-level role.
func ParentRole(role string) (string, bool) {
	i := strings.LastIndexByte(role, '/')
	if i < 0 {
		return "", false
	}
	return role[:i], true
}
