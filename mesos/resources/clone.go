package resources

import (
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// cell holds a resource together with what its pointer fields usually point at: one allocation instead of eight.
type cell struct {
	pb         mesospb.Resource
	scalar     mesospb.Value_Scalar
	allocation mesospb.Resource_AllocationInfo
	name       string
	allocRole  string
	typ        mesospb.Value_Type
	value      float64
	one        [1]*mesospb.Resource_ReservationInfo // the usual length of a stack
}

// reservationCell is the same for an entry of the stack.
type reservationCell struct {
	pb              mesospb.Resource_ReservationInfo
	typ             mesospb.Resource_ReservationInfo_Type
	role, principal string
}

// copyMeta fills c.pb with a deep copy of r without its value.
func (c *cell) copyMeta(r *mesospb.Resource) {
	c.name, c.typ = r.GetName(), r.GetType()
	c.pb.Name, c.pb.Type = &c.name, &c.typ
	c.pb.ProviderId = clonePB(r.ProviderId)
	setOlderRole(&c.pb, clonePtr(olderRole(r)))
	if a := r.AllocationInfo; a != nil {
		c.pb.AllocationInfo = &c.allocation
		if a.Role != nil {
			c.allocate(*a.Role)
		}
	}
	c.pb.Reservation = cloneReservation(r.Reservation)
	if n := len(r.Reservations); n > 0 {
		if n == 1 {
			c.pb.Reservations = c.one[:]
		} else {
			c.pb.Reservations = make([]*mesospb.Resource_ReservationInfo, n)
		}
		for i, e := range r.Reservations {
			c.pb.Reservations[i] = cloneReservation(e)
		}
	}
	c.pb.Disk = clonePB(r.Disk)
	if r.Revocable != nil {
		c.pb.Revocable = &mesospb.Resource_RevocableInfo{}
	}
	if r.Shared != nil {
		c.pb.Shared = &mesospb.Resource_SharedInfo{}
	}
}

func (c *cell) allocate(role string) {
	c.allocRole = role
	c.allocation.Role = &c.allocRole
	c.pb.AllocationInfo = &c.allocation
}

func (c *cell) setScalar(v float64) {
	c.value = v
	c.scalar.Value = &c.value
	c.pb.Scalar = &c.scalar
}

// Clone returns a deep copy of one resource.
func Clone(r *mesospb.Resource) *mesospb.Resource {
	if r == nil {
		return nil
	}
	c := new(cell)
	c.clone(r)
	return &c.pb
}

// clone copies everything, also values that belong to another type.
func (c *cell) clone(r *mesospb.Resource) {
	c.copyMeta(r)
	if r.Name == nil {
		c.pb.Name = nil
	}
	if r.Type == nil {
		c.pb.Type = nil
	}
	if r.Scalar != nil {
		c.setScalar(r.Scalar.GetValue())
		if r.Scalar.Value == nil {
			c.scalar.Value = nil
		}
	}
	if r.Ranges != nil {
		c.pb.Ranges = clonePB(r.Ranges)
	}
	if r.Set != nil {
		c.pb.Set = &mesospb.Value_Set{Item: append([]string(nil), r.Set.Item...)}
	}
	if u := r.ProtoReflect().GetUnknown(); len(u) > 0 {
		c.pb.ProtoReflect().SetUnknown(append([]byte(nil), u...))
	}
}

// CloneList returns a deep copy of a list.
func CloneList(list []*mesospb.Resource) []*mesospb.Resource {
	if list == nil {
		return nil
	}
	cells := make([]cell, len(list))
	out := make([]*mesospb.Resource, len(list))
	for i, r := range list {
		if r != nil {
			cells[i].clone(r)
			out[i] = &cells[i].pb
		}
	}
	return out
}

func clonePtr[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

func clonePB[T interface {
	comparable
	proto.Message
}](m T) T {
	var zero T
	if m == zero {
		return zero
	}
	return proto.Clone(m).(T)
}

func cloneReservation(r *mesospb.Resource_ReservationInfo) *mesospb.Resource_ReservationInfo {
	if r == nil {
		return nil
	}
	c := new(reservationCell)
	if r.Type != nil {
		c.typ = *r.Type
		c.pb.Type = &c.typ
	}
	if r.Role != nil {
		c.role = *r.Role
		c.pb.Role = &c.role
	}
	if r.Principal != nil {
		c.principal = *r.Principal
		c.pb.Principal = &c.principal
	}
	if r.Labels != nil {
		c.pb.Labels = clonePB(r.Labels)
	}
	return &c.pb
}
