package master

import (
	"slices"
	"strings"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// RESERVE and UNRESERVE (docs/behaviour.md#scheduler-calls, #resources):
//
//   - RESERVE: something of one provider, not revocable, no volume; the last reservation is DYNAMIC, its role is that of the
//     offer and one of the framework's; its principal is the framework's if that has one. It consumes
//     the same resources without the last reservation.
//   - UNRESERVE: the last reservation is DYNAMIC; not a persistent volume. It takes that reservation away.

// reservation says who reserves: a framework in a role, or an operator.
type reservation struct {
	principal *string // nil if unknown
	roles     []string
	operator  bool
}

func (x *acceptance) reserver() reservation {
	return reservation{principal: x.framework.info.Principal, roles: x.framework.roles}
}

func (x *acceptance) reserve(op *mesospb.Offer_Operation) error {
	if err := x.authorizeOperation(op); err != nil {
		return err
	}
	if err := validateReserve(op.GetReserve().GetResources(), x.reserver()); err != nil {
		return x.onAgent(err)
	}
	return x.convert(op)
}

func (x *acceptance) unreserve(op *mesospb.Offer_Operation) error {
	if err := x.authorizeOperation(op); err != nil {
		return err
	}
	if err := validateUnreserve(op.GetUnreserve().GetResources()); err != nil {
		return x.onAgent(err)
	}
	return x.convert(op)
}

func validateReserve(list []*mesospb.Resource, by reservation) error {
	if err := validateOperands(list); err != nil {
		return err
	}
	roles := "{ " + strings.Join(by.roles, ", ") + " }"
	for _, r := range list {
		if !resources.IsDynamicallyReserved(r) {
			return wireErrorf("Resource %s is not dynamically reserved", describeOne(r))
		}
		if by.principal != nil {
			switch got := r.GetReservations()[len(r.GetReservations())-1].Principal; {
			case got == nil:
				return wireErrorf("A reserve operation was attempted by principal '%s', but there is a reserved resource in the request with no principal set", *by.principal)
			case *got != *by.principal:
				return wireErrorf("A reserve operation was attempted by authenticated principal '%s', which does not match a reserved resource in the request with principal '%s'",
					*by.principal, *got)
			}
		}
		role, allocated := resources.ReservationRole(r), resources.AllocationRole(r)
		switch {
		case by.operator && r.AllocationInfo != nil:
			return wireError("A reserve operation was attempted with an allocated resource, but the operator API only allows reservations to be made to unallocated resources")
		case by.operator:
		case role != allocated:
			return wireErrorf("A reserve operation was attempted for a resource with role '%s', but the resource was allocated to role '%s'", role, allocated)
		case !slices.Contains(by.roles, allocated):
			return wireErrorf("A reserve operation was attempted for a resource allocated to role '%s', but the framework only has roles '%s'", allocated, roles)
		}
	}
	if !by.operator {
		if err := oneAllocation(list); err != nil {
			return wireErrorf("Invalid reservation resources: %v", err)
		}
	}
	return nil
}

func validateUnreserve(list []*mesospb.Resource) error {
	if err := validateOperands(list); err != nil {
		return err
	}
	for _, r := range list {
		switch {
		case !resources.IsDynamicallyReserved(r):
			return wireErrorf("Resource %s is not dynamically reserved", describeOne(r))
		case resources.IsPersistentVolume(r):
			return wireErrorf("A dynamically reserved persistent volume %s cannot be unreserved directly. Please destroy the persistent volume first then unreserve the resource", describeOne(r))
		}
	}
	return nil
}
