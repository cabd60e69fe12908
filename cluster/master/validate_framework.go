package master

//lint:file-ignore SA1019 deprecated fields and calls are part of what a master serves

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mesokit/mesokit/cluster/allocator"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// Checks of FrameworkInfo (docs/behaviour.md#scheduler-calls, SUBSCRIBE): what fails here is an ERROR event on subscription and a 400 for
// UPDATE_FRAMEWORK. Texts are those of Mesos.

// validateFramework checks a framework's description.
func (m *Master) validateFramework(info *mesospb.FrameworkInfo) error {
	if err := validateRoles(info); err != nil {
		return err
	}
	if id := info.GetId().GetValue(); id != "" {
		if err := validateID(id); err != nil {
			return err
		}
	}
	if err := validateOfferFilters(info); err != nil {
		return err
	}
	if _, err := durationOfSeconds(info.GetFailoverTimeout()); err != nil {
		return wireErrorf("The framework failover_timeout (%s) is invalid", strconv.FormatFloat(info.GetFailoverTimeout(), 'g', 6, 64))
	}
	var unknown []string
	for _, r := range rolesOf(info) {
		if !m.admitsRole(r) {
			unknown = append(unknown, r)
		}
	}
	if len(unknown) > 0 {
		return wireErrorf("Roles %s are not present in the master's --roles", setText(unknown))
	}
	if m.cfg.RefuseRoot && info.GetUser() == "root" {
		return wireError("User 'root' is not allowed to run frameworks without --root_submissions set")
	}
	if m.isCompleted(info.GetId().GetValue()) {
		return wireError("Framework has been removed")
	}
	return nil
}

// validateOfferWishes checks what a framework wants to be offered, and compiles its constraints.
func validateOfferWishes(info *mesospb.FrameworkInfo, suppressed []string, oc *schedulerpb.OfferConstraints) (*allocator.Constraints, error) {
	roles := rolesOf(info)
	var foreign []string
	for _, r := range suppressed {
		if !contains(roles, r) {
			foreign = append(foreign, r)
		}
	}
	if len(foreign) > 0 {
		return nil, wireErrorf("Suppressed roles %s are not contained in the set of roles", setText(foreign))
	}
	for _, r := range sortedKeys(oc.GetRoleConstraints()) {
		if !contains(roles, r) {
			// The missing space is Mesos'.
			return nil, wireErrorf("Offer constraints specify `role_constraints` for a role '%s'not contained in the set of roles", r)
		}
	}
	compiled, err := allocator.CompileConstraints(oc)
	if err != nil {
		return nil, wireErrorf("Offer constraints are not valid: %v", err)
	}
	return compiled, nil
}

// setText writes a set of names as Mesos does: { a, b }.
func setText(names []string) string {
	slices.Sort(names)
	return "{ " + strings.Join(slices.Compact(names), ", ") + " }"
}

// validateChange checks what a framework must not change. A user or checkpoint that differs only matters to UPDATE_FRAMEWORK.
func validateChange(was, info *mesospb.FrameworkInfo) error {
	switch {
	case was.GetPrincipal() != info.GetPrincipal():
		return wireError("Changing framework's principal is not allowed.")
	case was.GetUser() != info.GetUser():
		return wireErrorf("Updating 'FrameworkInfo.user' is unsupported; attempted to update from '%s' to '%s'", was.GetUser(), info.GetUser())
	case was.GetCheckpoint() != info.GetCheckpoint():
		return wireErrorf("Updating 'FrameworkInfo.checkpoint' is unsupported; attempted to update from '%v' to '%v'", was.GetCheckpoint(), info.GetCheckpoint())
	}
	return nil
}

func contains(list []string, s string) bool {
	for _, o := range list {
		if o == s {
			return true
		}
	}
	return false
}

func validateRoles(info *mesospb.FrameworkInfo) error {
	if !capabilitiesOf(info).multiRole {
		if len(info.GetRoles()) > 0 {
			return wireError("'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable")
		}
		if err := validateRole(info.GetRole()); err != nil {
			return wireErrorf("'FrameworkInfo.role' is not a valid role: %v", err)
		}
		return nil
	}
	if info.Role != nil {
		return wireError("'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable")
	}
	seen, twice := map[string]bool{}, []string{}
	for _, r := range info.GetRoles() {
		if seen[r] && !contains(twice, r) {
			twice = append(twice, r)
		}
		seen[r] = true
	}
	if len(twice) > 0 {
		return wireErrorf("'FrameworkInfo.roles' contains duplicate items: { %s }", strings.Join(twice, ", "))
	}
	for _, r := range info.GetRoles() {
		if err := validateRole(r); err != nil {
			return wireErrorf("'FrameworkInfo.roles' contains invalid role: %v", err)
		}
	}
	return nil
}

// validateRole is resources.ValidateRole in Mesos' words.
func validateRole(role string) error {
	if resources.ValidRole(role) {
		return nil
	}
	switch {
	case role == "":
		return wireError("Role names cannot be the empty string")
	case strings.HasPrefix(role, "/"):
		return wireErrorf("Role '%s' cannot start with a slash", role)
	case strings.HasSuffix(role, "/"):
		return wireErrorf("Role '%s' cannot end with a slash", role)
	}
	for c := range strings.SplitSeq(role, "/") {
		switch {
		case c == "":
			return wireErrorf("Role '%s' cannot contain two adjacent slashes", role)
		case c == "." || c == ".." || c == "*":
			return wireErrorf("Role '%s' cannot include '%s' as a component", role, c)
		case c[0] == '-':
			return wireErrorf("Role component '%s' is invalid because it starts with a dash", c)
		case !resources.ValidRole(c):
			return wireErrorf("Role component '%s' is invalid because it contains backspace or whitespace", c)
		}
	}
	return wireErrorf("Role '%s' is invalid", role)
}

func validateOfferFilters(info *mesospb.FrameworkInfo) error {
	roles := rolesOf(info)
	for _, role := range sortedKeys(info.GetOfferFilters()) {
		if !contains(roles, role) {
			return wireErrorf("Offer filters specify role '%s' which is not contained in the set of framework roles", role)
		}
		for _, set := range info.GetOfferFilters()[role].GetMinAllocatableResources().GetQuantities() {
			if len(set.GetQuantities()) == 0 {
				return wireErrorf("Invalid resource quantities for role '%s': Resource quantities must contain at least one quantity", role)
			}
			for _, name := range sortedKeys(set.GetQuantities()) {
				if v := set.GetQuantities()[name].GetValue(); v < 0 || math.IsNaN(v) || math.IsInf(v, 0) {
					return wireErrorf("Invalid resource quantities for role '%s': Invalid value for '%s': %v", role, name, v)
				}
			}
		}
	}
	return nil
}

// durationOfSeconds converts seconds, and fails if they don't fit into 64 bits of nanoseconds.
func durationOfSeconds(s float64) (time.Duration, error) {
	ns := s * 1e9
	if math.IsNaN(ns) || ns >= math.MaxInt64 || ns <= math.MinInt64 {
		return 0, wireError("Argument out of the range that a Duration can represent due to int64_t's size limit")
	}
	return time.Duration(ns), nil
}

// maxID is the length of an id, in bytes.
const maxID = 255

// validateID checks an id of a task, executor, framework, agent or volume.
func validateID(id string) error {
	switch {
	case id == "":
		return wireError("ID must not be empty")
	case len(id) > maxID:
		return wireErrorf("ID must not be greater than %d characters", maxID)
	case id == "." || id == "..":
		return wireErrorf("'%s' is disallowed", id)
	}
	for i := range len(id) {
		if c := id[i]; c < ' ' || c == 0x7f || c == '/' || c == '\\' {
			return wireErrorf("'%s' contains invalid characters", id)
		}
	}
	return nil
}

// validUUID reports whether b is a UUID of a version that exists.
func validUUID(b []byte) bool {
	return len(b) == 16 && b[6]>>4 >= 1 && b[6]>>4 <= 5
}
