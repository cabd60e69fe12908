package resources

import (
	"fmt"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// The three ways to write reservations (docs/behaviour.md#resources). The algebra of this package takes all of them;
// frameworks without the capability RESERVATION_REFINEMENT, and the endpoints, want one in particular.

// Upgrade returns a copy of list in post-refinement format, the one in use between current masters, agents and frameworks:
// everything in reservations. The error, a *ValidationError, names entries that say two different things.
func Upgrade(list []*mesospb.Resource) ([]*mesospb.Resource, error) {
	for i, r := range list {
		if p := mirrorProblem(r); p.reason != "" {
			return nil, p.at(i, r)
		}
	}
	return mapList(list, upgrade), nil
}

// upgrade converts in place.
func upgrade(r *mesospb.Resource) {
	if len(r.Reservations) == 0 {
		if top, ok := stackOf(r).top(); ok {
			e := &mesospb.Resource_ReservationInfo{Type: &top.typ, Role: &top.role, Principal: clonePtr(top.principal)}
			if top.labels != nil {
				e.Labels = clonePB(top.labels)
			}
			r.Reservations = []*mesospb.Resource_ReservationInfo{e}
		}
	}
	setOlderRole(r, nil)
	r.Reservation = nil
}

// Downgrade returns a copy of list in pre-refinement format: role, and reservation if dynamic. It fails with a *RefinedError
// on a refined reservation, which that format cannot say.
func Downgrade(list []*mesospb.Resource) ([]*mesospb.Resource, error) {
	for _, r := range list {
		if IsRefined(r) {
			return nil, &RefinedError{Clone(r)}
		}
	}
	return mapList(list, func(r *mesospb.Resource) {
		upgrade(r)
		mirror(r)
		r.Reservations = nil
	}), nil
}

// Endpoint returns a copy of list in endpoint format: post-refinement, with role and reservation filled in as well where
// there is at most one reservation.
func Endpoint(list []*mesospb.Resource) []*mesospb.Resource {
	return mapList(list, func(r *mesospb.Resource) {
		upgrade(r)
		mirror(r)
	})
}

// mirror sets the older fields from a stack of at most one reservation.
func mirror(r *mesospb.Resource) {
	switch len(r.Reservations) {
	case 0:
		role := Unreserved
		setOlderRole(r, &role)
	case 1:
		e := r.Reservations[0]
		role := e.GetRole()
		setOlderRole(r, &role)
		if e.GetType() == mesospb.Resource_ReservationInfo_DYNAMIC {
			r.Reservation = cloneReservation(e)
			r.Reservation.Type, r.Reservation.Role = nil, nil
		}
	}
}

// RefinedError reports a resource whose reservation was refined, where only one reservation can be expressed.
type RefinedError struct{ Resource *mesospb.Resource }

func (e *RefinedError) Error() string {
	return fmt.Sprintf("%s has %d reservations: the pre-refinement format holds one; give the framework the capability RESERVATION_REFINEMENT",
		e.Resource.GetName(), len(e.Resource.GetReservations()))
}

// mirrorProblem checks that the older fields agree with reservations and among themselves.
func mirrorProblem(r *mesospb.Resource) problem {
	switch len(r.GetReservations()) {
	case 0:
		return olderProblem(r)
	case 1:
		return singleMirrorProblem(r, r.Reservations[0])
	}
	const severalSet = "set together with several reservations; leave it unset"
	switch {
	case olderRole(r) != nil:
		return problem{"role", severalSet}
	case r.Reservation != nil:
		return problem{"reservation", severalSet}
	}
	return problem{}
}

// olderProblem checks the pre-refinement format.
func olderProblem(r *mesospb.Resource) problem {
	const inside = "set in the older format; role and type are told by the field role and by reservation being there"
	m := r.GetReservation()
	switch {
	case m == nil:
		return problem{}
	case m.Type != nil:
		return problem{"reservation.type", inside}
	case m.Role != nil:
		return problem{"reservation.role", inside}
	case olderRoleName(r) == Unreserved:
		return problem{"reservation", `role "*" cannot be reserved; set role`}
	}
	return problem{}
}

// singleMirrorProblem checks the endpoint format with its only reservation e.
func singleMirrorProblem(r *mesospb.Resource, e *mesospb.Resource_ReservationInfo) problem {
	m, role := r.Reservation, olderRole(r)
	switch {
	case role != nil && *role != e.GetRole():
		return problem{"role", fmt.Sprintf("%q differs from %q in reservations; leave it unset", *role, e.GetRole())}
	case e.GetType() != mesospb.Resource_ReservationInfo_DYNAMIC:
		if m != nil {
			return problem{"reservation", "set although the entry in reservations is not DYNAMIC; leave it unset"}
		}
	case (role == nil) != (m == nil):
		return problem{"role", "only one of role and reservation is set beside a DYNAMIC entry in reservations; leave both unset"}
	case m != nil && m.GetPrincipal() != e.GetPrincipal():
		return problem{"reservation.principal", fmt.Sprintf("%q differs from %q in reservations; leave reservation unset", m.GetPrincipal(), e.GetPrincipal())}
	case m != nil && !sameLabels(m.Labels, e.GetLabels()):
		return problem{"reservation.labels", "differ from those in reservations; leave reservation unset"}
	}
	return problem{}
}
