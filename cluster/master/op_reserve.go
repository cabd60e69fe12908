package master

import (
	"slices"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// RESERVE and UNRESERVE (contract, sections 2 and 10):
//
//   - RESERVE: something of one provider, not revocable, no volume; the last reservation is DYNAMIC, its role is that of the
//     offer and one of the framework's; its principal is the framework's if that has one. It consumes
//     the same resources without the last reservation.
//   - UNRESERVE: the last reservation is DYNAMIC; not a persistent volume. It takes that reservation away.

// reservation says who reserves: a framework in a role, or an operator.
type reservation struct {
	principal *string // nil if unknown
	roles     []string
	role      string // of the allocation; empty for operators
	operator  bool
}

func (x *acceptance) reserver() reservation {
	return reservation{principal: x.framework.info.Principal, roles: x.framework.roles, role: x.role}
}

func (x *acceptance) reserve(op *mesospb.Offer_Operation) error {
	if err := validateReserve(op.GetReserve().GetResources(), x.reserver()); err != nil {
		return err
	}
	if err := x.authorizeOperation(op); err != nil {
		return err
	}
	return x.convert(op)
}

func (x *acceptance) unreserve(op *mesospb.Offer_Operation) error {
	if err := validateUnreserve(op.GetUnreserve().GetResources()); err != nil {
		return err
	}
	if err := x.authorizeOperation(op); err != nil {
		return err
	}
	return x.convert(op)
}

func validateReserve(list []*mesospb.Resource, by reservation) error {
	if len(list) == 0 {
		return wireError("No resources specified for reservation")
	}
	if err := oneProvider(list); err != nil {
		return err
	}
	for _, r := range list {
		what := resources.Describe([]*mesospb.Resource{r})
		role := resources.ReservationRole(r)
		switch {
		case !resources.IsDynamicallyReserved(r):
			return wireErrorf("Resource '%s' is not dynamically reserved", what)
		case resources.IsRevocable(r):
			return wireErrorf("Resource '%s' is revocable and cannot be reserved", what)
		case resources.IsPersistentVolume(r):
			return wireErrorf("A persistent volume %s must already be reserved", what)
		case by.operator && r.AllocationInfo != nil:
			return wireErrorf("Resource '%s' must not have 'Resource.AllocationInfo' set", what)
		case !by.operator && role != by.role:
			return wireErrorf("A reserve operation was attempted for a resource with role '%s', but the resource was allocated to role '%s'", role, by.role)
		case !by.operator && !slices.Contains(by.roles, role):
			return wireErrorf("A reserve operation was attempted for a resource with role '%s', but the framework can only reserve resources with roles %v", role, by.roles)
		}
		if by.principal != nil {
			switch got := r.GetReservations()[len(r.GetReservations())-1].Principal; {
			case got == nil:
				return wireErrorf("A reserve operation was attempted by principal '%s', but there is a reserved resource in the request with no principal set", *by.principal)
			case *got != *by.principal:
				return wireErrorf("A reserve operation was attempted by principal '%s', but there is a reserved resource in the request with principal '%s'", *by.principal, *got)
			}
		}
	}
	return nil
}

func validateUnreserve(list []*mesospb.Resource) error {
	for _, r := range list {
		what := resources.Describe([]*mesospb.Resource{r})
		switch {
		case !resources.IsDynamicallyReserved(r):
			return wireErrorf("Resource '%s' is not dynamically reserved", what)
		case resources.IsPersistentVolume(r):
			return wireErrorf("A dynamically reserved persistent volume %s cannot be unreserved directly. Please destroy the persistent volume first then unreserve the resource", what)
		}
	}
	return nil
}

// oneProvider checks that all resources belong to one resource provider, or to the agent itself.
func oneProvider(list []*mesospb.Resource) error {
	for _, r := range list {
		if r.GetProviderId().GetValue() != list[0].GetProviderId().GetValue() {
			return wireError("The resources have multiple resource providers")
		}
	}
	return nil
}
