package resources

import (
	"slices"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// Option adds metadata to a resource under construction.
type Option func(*mesospb.Resource)

// NewScalar returns a scalar resource, unreserved unless an option says otherwise.
func NewScalar(name string, value float64, opts ...Option) *mesospb.Resource {
	c := &cell{name: name, typ: mesospb.Value_SCALAR}
	c.pb.Name, c.pb.Type = &c.name, &c.typ
	c.setScalar(value)
	return apply(&c.pb, opts)
}

// NewRanges returns a ranges resource.
func NewRanges(name string, rs Ranges, opts ...Option) *mesospb.Resource {
	c := &cell{name: name, typ: mesospb.Value_RANGES}
	c.pb.Name, c.pb.Type = &c.name, &c.typ
	c.pb.Ranges = NewRangeList(rs...).Proto()
	return apply(&c.pb, opts)
}

// NewSet returns a set resource; an item given twice is in it once.
func NewSet(name string, items []string, opts ...Option) *mesospb.Resource {
	c := &cell{name: name, typ: mesospb.Value_SET}
	c.pb.Name, c.pb.Type = &c.name, &c.typ
	c.pb.Set = &mesospb.Value_Set{Item: addItems(nil, items)}
	return apply(&c.pb, opts)
}

// NewCPUs returns cpus, in cores.
func NewCPUs(cores float64, opts ...Option) *mesospb.Resource {
	return NewScalar(NameCPUs, cores, opts...)
}

// NewMem returns mem, in MB.
func NewMem(mb float64, opts ...Option) *mesospb.Resource { return NewScalar(NameMem, mb, opts...) }

// NewDisk returns disk, in MB.
func NewDisk(mb float64, opts ...Option) *mesospb.Resource { return NewScalar(NameDisk, mb, opts...) }

// NewGPUs returns gpus, a whole number.
func NewGPUs(n float64, opts ...Option) *mesospb.Resource { return NewScalar(NameGPUs, n, opts...) }

// NewPorts returns one range of ports, both ends included.
func NewPorts(begin, end uint64, opts ...Option) *mesospb.Resource {
	return NewRanges(NamePorts, Ranges{{begin, end}}, opts...)
}

func apply(r *mesospb.Resource, opts []Option) *mesospb.Resource {
	for _, o := range opts {
		o(r)
	}
	return r
}

// WithRole reserves the resource statically, as --resources=cpus(role):1 on an agent does. "*" and "" leave it unreserved.
func WithRole(role string) Option {
	return func(r *mesospb.Resource) {
		if role != "" && role != Unreserved {
			pushReservation(r, mesospb.Resource_ReservationInfo_STATIC, role, "")
		}
	}
}

// WithReservation reserves the resource dynamically on top of earlier reservations; an empty principal stays unset.
func WithReservation(role, principal string) Option {
	return func(r *mesospb.Resource) {
		pushReservation(r, mesospb.Resource_ReservationInfo_DYNAMIC, role, principal)
	}
}

func pushReservation(r *mesospb.Resource, t mesospb.Resource_ReservationInfo_Type, role, principal string) {
	e := &mesospb.Resource_ReservationInfo{Type: &t, Role: &role}
	if principal != "" {
		e.Principal = &principal
	}
	r.Reservations = append(slices.Clip(r.Reservations), e)
}

// WithAllocation marks the resource as allocated to a role.
func WithAllocation(role string) Option {
	return func(r *mesospb.Resource) { setAllocation(r, role) }
}

// WithRevocable marks the resource as revocable.
func WithRevocable() Option {
	return func(r *mesospb.Resource) { r.Revocable = &mesospb.Resource_RevocableInfo{} }
}

// WithShared marks a persistent volume as shared.
func WithShared() Option {
	return func(r *mesospb.Resource) { r.Shared = &mesospb.Resource_SharedInfo{} }
}

// WithProvider sets the resource provider.
func WithProvider(id string) Option {
	return func(r *mesospb.Resource) { r.ProviderId = &mesospb.ResourceProviderID{Value: &id} }
}

// WithVolume makes a disk a persistent volume, mounted read-write at containerPath (relative to the sandbox). An empty
// principal stays unset; the master wants the framework's if that has one.
func WithVolume(id, principal, containerPath string) Option {
	return func(r *mesospb.Resource) {
		d := diskInfo(r)
		d.Persistence = &mesospb.Resource_DiskInfo_Persistence{Id: &id}
		if principal != "" {
			d.Persistence.Principal = &principal
		}
		d.Volume = &mesospb.Volume{ContainerPath: &containerPath, Mode: mesospb.Volume_RW.Enum()}
	}
}

// WithPathDisk takes a disk from the directory root, which several resources may share.
func WithPathDisk(root string) Option {
	return withSource(&mesospb.Resource_DiskInfo_Source{
		Type: mesospb.Resource_DiskInfo_Source_PATH.Enum(),
		Path: &mesospb.Resource_DiskInfo_Source_Path{Root: &root},
	})
}

// WithMountDisk takes a disk from the file system mounted at root, only as a whole.
func WithMountDisk(root string) Option {
	return withSource(&mesospb.Resource_DiskInfo_Source{
		Type:  mesospb.Resource_DiskInfo_Source_MOUNT.Enum(),
		Mount: &mesospb.Resource_DiskInfo_Source_Mount{Root: &root},
	})
}

// WithDiskSource sets any disk source; it is copied.
func WithDiskSource(s *mesospb.Resource_DiskInfo_Source) Option { return withSource(s) }

func withSource(s *mesospb.Resource_DiskInfo_Source) Option {
	return func(r *mesospb.Resource) { diskInfo(r).Source = clonePB(s) }
}

func diskInfo(r *mesospb.Resource) *mesospb.Resource_DiskInfo {
	if r.Disk == nil {
		r.Disk = &mesospb.Resource_DiskInfo{}
	}
	return r.Disk
}

func setAllocation(r *mesospb.Resource, role string) {
	r.AllocationInfo = &mesospb.Resource_AllocationInfo{Role: &role}
}
