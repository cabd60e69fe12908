package resources

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// ValidationError reports a resource that Mesos refuses.
type ValidationError struct {
	Index    int    // position in the list
	Name     string // name of the resource, may be empty
	Resource string // the resource as Describe writes it, cut if long
	Field    string // path of the offending field, e.g. reservations[1].role
	Reason   string // what is wrong with it, and what to do
	Err      error  // cause, if there is one: a *RoleError
}

func (e *ValidationError) Error() string {
	return fmt.Sprintf("resource %d, %s, is invalid: %s: %s", e.Index, e.Resource, e.Field, e.Reason)
}

// Unwrap returns the cause.
func (e *ValidationError) Unwrap() error { return e.Err }

func newValidationError(i int, r *mesospb.Resource, field, reason string, cause error) *ValidationError {
	return &ValidationError{i, r.GetName(), cut(describe(r)), field, reason, cause}
}

// cut keeps messages readable when a resource has thousands of ranges or items.
func cut(s string) string {
	const limit = 200
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}

// problem is a finding before it has a place; no reason, no problem.
type problem struct{ field, reason string }

func (p problem) at(i int, r *mesospb.Resource) *ValidationError {
	return newValidationError(i, r, p.field, p.reason, nil)
}

// Validate checks each resource as a Mesos master does before it accepts them (docs/behaviour.md#resources). All three reservation
// formats are fine. The error is a *ValidationError naming resource and field.
func Validate(list []*mesospb.Resource) error {
	for i, r := range list {
		if r == nil {
			return problem{"resource", "is null"}.at(i, r)
		}
		for _, check := range []func(*mesospb.Resource) problem{nameProblem, valueProblem, mirrorProblem, diskProblem} {
			if p := check(r); p.reason != "" {
				return p.at(i, r)
			}
		}
		if err := reservationProblem(i, r); err != nil {
			return err
		}
	}
	return nil
}

func nameProblem(r *mesospb.Resource) problem {
	if r.GetName() == "" {
		return problem{"name", "empty"}
	}
	return problem{}
}

func valueProblem(r *mesospb.Resource) problem {
	if r.Type == nil {
		return problem{"type", "not set"}
	}
	fields := [...]struct {
		name string
		typ  mesospb.Value_Type
		set  bool
	}{
		{"scalar", mesospb.Value_SCALAR, r.Scalar != nil},
		{"ranges", mesospb.Value_RANGES, r.Ranges != nil},
		{"set", mesospb.Value_SET, r.Set != nil},
	}
	known := false
	for _, f := range fields {
		mine := f.typ == r.GetType()
		known = known || mine
		if mine && !f.set {
			return problem{f.name, fmt.Sprintf("not set although the type is %v", r.GetType())}
		}
		if !mine && f.set {
			return problem{f.name, fmt.Sprintf("set although the type is %v", r.GetType())}
		}
	}
	switch {
	case !known:
		return problem{"type", fmt.Sprintf("%v is not SCALAR, RANGES or SET", r.GetType())}
	case r.Scalar != nil:
		return scalarProblem(r.Scalar.GetValue())
	case r.Ranges != nil:
		return rangesProblem(r.Ranges)
	}
	return setProblem(r.Set)
}

func scalarProblem(v float64) problem {
	switch {
	case math.IsNaN(v) || math.Abs(v) >= fixedLimit:
		return problem{"scalar.value", fmt.Sprintf("%v is not a usable number", v)}
	case v < 0:
		return problem{"scalar.value", fmt.Sprintf("%v is negative", v)}
	case v > 0 && ToFixed(v) == 0:
		return problem{"scalar.value", fmt.Sprintf("%v is 0 when rounded to three decimals", v)}
	}
	return problem{}
}

func rangesProblem(v *mesospb.Value_Ranges) problem {
	for i, r := range v.GetRange() {
		if r.GetBegin() > r.GetEnd() {
			return problem{fmt.Sprintf("ranges.range[%d]", i), fmt.Sprintf("begins at %d, after its end %d", r.GetBegin(), r.GetEnd())}
		}
	}
	sorted := appendWire(nil, v)
	slices.SortFunc(sorted, func(a, b Range) int { return cmp.Compare(a.Begin, b.Begin) })
	for i := 1; i < len(sorted); i++ {
		if a, b := sorted[i-1], sorted[i]; b.Begin <= a.End {
			return problem{"ranges", fmt.Sprintf("%d-%d and %d-%d overlap", a.Begin, a.End, b.Begin, b.End)}
		}
	}
	return problem{}
}

func setProblem(v *mesospb.Value_Set) problem {
	seen := make(map[string]bool, len(v.GetItem()))
	for i, it := range v.GetItem() {
		if seen[it] {
			return problem{fmt.Sprintf("set.item[%d]", i), fmt.Sprintf("%q occurs twice", it)}
		}
		seen[it] = true
	}
	return problem{}
}

func diskProblem(r *mesospb.Resource) problem {
	if r.Shared != nil && !IsPersistentVolume(r) {
		return problem{"shared", "set on something that is not a persistent volume"}
	}
	if r.Disk == nil {
		return problem{}
	}
	if r.GetName() != NameDisk {
		return problem{"disk", `set on something not named "disk"`}
	}
	if s := r.Disk.Source; s != nil {
		switch s.GetType() {
		case mesospb.Resource_DiskInfo_Source_BLOCK, mesospb.Resource_DiskInfo_Source_RAW:
			if s.Path != nil || s.Mount != nil {
				return problem{"disk.source", fmt.Sprintf("%v disk with a path or mount", s.GetType())}
			}
		case mesospb.Resource_DiskInfo_Source_UNKNOWN:
			return problem{"disk.source.type", "unknown"}
		}
	}
	return problem{}
}

func reservationProblem(i int, r *mesospb.Resource) error {
	fail := func(field, reason string, cause error) error {
		return newValidationError(i, r, field, reason, cause)
	}
	if role := olderRole(r); role != nil {
		if err := ValidateRole(*role); err != nil {
			return fail("role", err.Error(), err)
		}
	}
	for k, e := range r.Reservations {
		at := fmt.Sprintf("reservations[%d].", k)
		if err := ValidateRole(e.GetRole()); err != nil {
			return fail(at+"role", err.Error(), err)
		}
		switch t := e.GetType(); {
		case e.GetRole() == Unreserved:
			return fail(at+"role", `"*" cannot be reserved`, nil)
		case t != mesospb.Resource_ReservationInfo_STATIC && t != mesospb.Resource_ReservationInfo_DYNAMIC:
			return fail(at+"type", "not STATIC or DYNAMIC", nil)
		case k > 0 && t == mesospb.Resource_ReservationInfo_STATIC:
			return fail(at+"type", "only the first reservation may be STATIC", nil)
		case k > 0 && !IsStrictSubrole(e.GetRole(), r.Reservations[k-1].GetRole()):
			return fail(at+"role", fmt.Sprintf("%q is not a subrole of %q", e.GetRole(), r.Reservations[k-1].GetRole()), nil)
		}
	}
	return nil
}
