package resources

import (
	"slices"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// ReservationRole returns the role that holds the resource: that of its last reservation, or "*".
func ReservationRole(r *mesospb.Resource) string {
	if top, ok := stackOf(r).top(); ok {
		return top.role
	}
	return Unreserved
}

// IsUnreserved reports whether nobody reserved the resource.
func IsUnreserved(r *mesospb.Resource) bool { return stackOf(r).len() == 0 }

// IsReserved reports whether the resource is reserved, for role, or for anybody if role is empty.
func IsReserved(r *mesospb.Resource, role string) bool {
	top, ok := stackOf(r).top()
	return ok && (role == "" || top.role == role)
}

// IsDynamicallyReserved reports whether the last reservation was made by an operation, so that UNRESERVE
// can undo it.
func IsDynamicallyReserved(r *mesospb.Resource) bool {
	top, ok := stackOf(r).top()
	return ok && top.typ == mesospb.Resource_ReservationInfo_DYNAMIC
}

// IsRefined reports whether the resource carries more than one reservation.
func IsRefined(r *mesospb.Resource) bool { return stackOf(r).len() > 1 }

// IsPersistentVolume reports whether the resource is a persistent volume.
func IsPersistentVolume(r *mesospb.Resource) bool { return r.GetDisk().GetPersistence() != nil }

// IsShared reports whether the resource is a shared volume.
func IsShared(r *mesospb.Resource) bool { return r.GetShared() != nil }

// IsRevocable reports whether the resource can be taken back at any time.
func IsRevocable(r *mesospb.Resource) bool { return r.GetRevocable() != nil }

// AllocationRole returns the role the resource is allocated to, "" if to none.
func AllocationRole(r *mesospb.Resource) string { return r.GetAllocationInfo().GetRole() }

// IsAllocatableTo reports whether the allocator may offer the resource to role: unreserved, reserved for the role or for
// one of its ancestors.
func IsAllocatableTo(r *mesospb.Resource, role string) bool {
	top, ok := stackOf(r).top()
	return !ok || top.role == role || IsStrictSubrole(role, top.role)
}

// AllocatableTo returns copies of the entries that are allocatable to role.
func AllocatableTo(list []*mesospb.Resource, role string) []*mesospb.Resource {
	return CloneList(Filter(list, func(r *mesospb.Resource) bool { return IsAllocatableTo(r, role) }))
}

// ReservedFor returns copies of the entries whose last reservation is for role ("*": the unreserved ones).
func ReservedFor(list []*mesospb.Resource, role string) []*mesospb.Resource {
	return CloneList(Filter(list, func(r *mesospb.Resource) bool { return ReservationRole(r) == role }))
}

// Allocate returns a copy of list, allocated to role.
func Allocate(list []*mesospb.Resource, role string) []*mesospb.Resource {
	return mapList(list, func(r *mesospb.Resource) { setAllocation(r, role) })
}

// Unallocate returns a copy of list without allocation.
func Unallocate(list []*mesospb.Resource) []*mesospb.Resource {
	return mapList(list, func(r *mesospb.Resource) { r.AllocationInfo = nil })
}

// PushReservation returns a copy of list, in post-refinement format, with one more reservation on each entry. It does
// not check the role: Validate does.
func PushReservation(list []*mesospb.Resource, e *mesospb.Resource_ReservationInfo) []*mesospb.Resource {
	return mapList(list, func(r *mesospb.Resource) {
		upgrade(r)
		r.Reservations = append(slices.Clip(r.Reservations), cloneReservation(e))
	})
}

// PopReservation returns a copy of list, in post-refinement format, without the last reservation of each entry.
// Unreserved entries stay as they are.
func PopReservation(list []*mesospb.Resource) []*mesospb.Resource {
	return mapList(list, pop)
}

func pop(r *mesospb.Resource) {
	upgrade(r)
	if n := len(r.Reservations); n > 1 {
		r.Reservations = r.Reservations[: n-1 : n-1]
	} else {
		r.Reservations = nil
	}
}

// ToUnreserved returns a copy of list without any reservation; entries stay separate. Use Flatten to merge them too.
func ToUnreserved(list []*mesospb.Resource) []*mesospb.Resource {
	return mapList(list, unreserve)
}

func unreserve(r *mesospb.Resource) {
	setOlderRole(r, nil)
	r.Reservation, r.Reservations = nil, nil
}

// Flatten returns the resources without reservations and allocations, merged: how much there is of everything,
// whoever holds it.
func Flatten(list []*mesospb.Resource) []*mesospb.Resource {
	return Sum(mapList(list, func(r *mesospb.Resource) {
		unreserve(r)
		r.AllocationInfo = nil
	}))
}

func mapList(list []*mesospb.Resource, f func(*mesospb.Resource)) []*mesospb.Resource {
	out := CloneList(list)
	for _, r := range out {
		if r != nil {
			f(r)
		}
	}
	return out
}
