package app

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// LaunchError reports a Launch that does not go with its application: a fault of whoever placed it, not of the user.
type LaunchError struct {
	App  string // its name
	What string
	Err  error // cause, if there is one
}

// Error names the application and the problem.
func (e *LaunchError) Error() string {
	text := fmt.Sprintf("launching %s: %s", e.App, e.What)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *LaunchError) Unwrap() error { return e.Err }

// ExecutorID is the id of the executor of the instance whose first task has this id: pods and custom executors have one per instance. Mesos'
// command executor, which runs all other tasks, has the id of its task.
func ExecutorID(firstTaskID string) string { return firstTaskID + ".executor" }

// HasExecutor reports whether the instances have an executor of that id: pods and custom executors do.
func (a *App) HasExecutor() bool { return a.Executor != nil || len(a.Group) > 0 }

// SharesDirectories says whether tasks of a group find a directory of their executor in their sandbox. Mesos makes it
// only on agents with the isolator volume/sandbox_path, and says nothing on others.
func (a *App) SharesDirectories() bool {
	for _, t := range a.tasks() {
		if t.Container == nil {
			continue
		}
		for _, v := range t.Container.Volumes {
			if v.Source != nil && v.Source.SandboxPath != nil && v.Source.SandboxPath.Type == "parent" {
				return true
			}
		}
	}
	return false
}

// NeedsGPUs reports whether the instances use GPUs. Masters offer agents that have some only to frameworks with the capability GPU_RESOURCES.
func (a *App) NeedsGPUs() bool {
	for _, t := range a.tasks() {
		if t.Resources.GPUs > 0 {
			return true
		}
	}
	return a.Executor != nil && a.Executor.Resources.GPUs > 0
}

// Operations returns the offer operations that start one placed instance of a completed application, for one ACCEPT in this order: RESERVE for
// what has to be reserved, CREATE for volumes that do not exist, then LAUNCH, or LAUNCH_GROUP for a group. The first two are there only if they are
// needed: an instance that comes back to its volumes is just launched.
//
// The operations share memory with the application and the Launch: do not change either while they are in use. What is launched is contained in l.Resources after the conversions before it; what the instance does not need is left to the master, which
// offers it again. The error is a *LaunchError.
func (a *App) Operations(l Launch) ([]*mesospb.Offer_Operation, error) {
	b, err := newBuilder(a, &l)
	if err != nil {
		return nil, err
	}
	if err := b.volumes(); err != nil {
		return nil, err
	}
	if a.Resources.Reserve == ReserveAll {
		if err := b.reserveAll(); err != nil {
			return nil, err
		}
	}
	launch, err := b.launch()
	if err != nil {
		return nil, err
	}
	var list []*mesospb.Offer_Operation
	if len(b.reserve) > 0 {
		list = append(list, &mesospb.Offer_Operation{
			Type: mesospb.Offer_Operation_RESERVE.Enum(), Reserve: &mesospb.Offer_Operation_Reserve{Resources: b.reserve},
		})
	}
	if len(b.create) > 0 {
		list = append(list, &mesospb.Offer_Operation{
			Type: mesospb.Offer_Operation_CREATE.Enum(), Create: &mesospb.Offer_Operation_Create{Volumes: b.create},
		})
	}
	list = append(list, launch)
	if !l.ReservationRefinement {
		if err := downgrade(list); err != nil {
			return nil, b.fail("the framework lacks RESERVATION_REFINEMENT, but was placed on refined reservations", err)
		}
	}
	return list, nil
}

// builder makes the operations for one launch. Resources are in post-refinement format throughout.
type builder struct {
	app      *App
	l        *Launch
	role     string // of the allocation
	pool     resources.Pool
	disks    map[*Disk]*mesospb.Resource // the volumes as they are launched
	reserve  []*mesospb.Resource
	create   []*mesospb.Resource
	ids      []string // of the volumes
	ports    []Port   // of the instance, with real numbers
	volumeOf []*mesospb.Resource
}

func (b *builder) fail(what string, err error) error {
	return &LaunchError{b.app.Name, what, err}
}

func newBuilder(a *App, l *Launch) (*builder, error) {
	b := &builder{app: a, l: l, role: a.Resources.Role, disks: map[*Disk]*mesospb.Resource{}}
	if len(l.TaskIDs) != a.Tasks() {
		return nil, b.fail(fmt.Sprintf("%d task ids for %d tasks", len(l.TaskIDs), a.Tasks()), nil)
	}
	for _, id := range l.TaskIDs {
		if id == "" || len(id) > maxMesosID {
			return nil, b.fail(fmt.Sprintf("the task id %q is empty or longer than %d bytes", short(id), maxMesosID), nil)
		}
	}
	if len(a.Group) > 0 && l.FrameworkID == "" {
		return nil, b.fail("the framework id is missing: Mesos wants it in the executors of groups", nil)
	}
	list, err := resources.Upgrade(l.Resources)
	if err != nil {
		return nil, b.fail("the resources are malformed", err)
	}
	if l.Role != "" {
		b.role = l.Role
	}
	for _, r := range list {
		if role := resources.AllocationRole(r); role != "" {
			b.role = role
		}
	}
	b.pool.Add(list)
	if b.volumeOf, err = resources.Upgrade(l.Volumes); err != nil {
		return nil, b.fail("the volumes are malformed", err)
	}
	if b.ids = l.VolumeIDs; b.ids == nil {
		b.ids = a.VolumeIDs(l.Instance, "")
	}
	b.ports = slices.Clone(a.AllPorts())
	if len(b.ports) != len(l.Ports) {
		return nil, b.fail(fmt.Sprintf("%d port numbers for %d ports", len(l.Ports), len(b.ports)), nil)
	}
	for i, number := range l.Ports {
		if want := b.ports[i].Number; want > 0 && uint64(want) != number || number > 65535 {
			return nil, b.fail(fmt.Sprintf("port %d instead of %d", number, want), nil)
		}
		b.ports[i].Number = int(number)
	}
	return b, nil
}

// volumes takes the persistent volumes out of the pool, and plans to reserve and create those that are only disk so far.
func (b *builder) volumes() error {
	i := 0
	for _, t := range b.app.tasks() {
		for k := range t.Resources.Disk {
			d := &t.Resources.Disk[k]
			if d.Persistence == nil {
				continue
			}
			if i >= len(b.ids) {
				return b.fail(fmt.Sprintf("%d ids for more volumes", len(b.ids)), nil)
			}
			id := b.ids[i]
			r := b.findVolume(d, id)
			if len(b.l.Volumes) > 0 {
				r = nil
				if i < len(b.volumeOf) {
					r = b.volumeOf[i]
				}
			}
			if r == nil {
				return b.fail("there is no disk for the volume "+id, nil)
			}
			v, err := b.volume(d, r, id)
			if err != nil {
				return err
			}
			b.disks[d] = v
			i++
		}
	}
	if i < len(b.volumeOf) {
		return b.fail(fmt.Sprintf("%d volumes for an application that has %d", len(b.volumeOf), i), nil)
	}
	return nil
}

// findVolume looks for an existing volume among the resources, or else for the smallest disk to make it from, nil if there is none. What is
// reserved goes first.
func (b *builder) findVolume(d *Disk, id string) *mesospb.Resource {
	var best *mesospb.Resource
	for _, r := range b.pool.Resources() {
		if r.GetName() != resources.NameDisk || resources.IsShared(r) {
			continue
		}
		if resources.IsPersistentVolume(r) {
			if r.GetDisk().GetPersistence().GetId() == id {
				return r
			}
			continue
		}
		if !d.Source.fits(r.GetDisk().GetSource()) || r.GetScalar().GetValue() < float64(d.Size) {
			continue
		}
		if owner := resources.Owner(r); owner != "" && owner != b.l.Owner {
			continue
		}
		ours, better := resources.ReservationRole(r) == b.role, best == nil
		if best != nil {
			theirs := resources.ReservationRole(best) == b.role
			better = ours && !theirs || ours == theirs && r.GetScalar().GetValue() < best.GetScalar().GetValue()
		}
		if better {
			best = r
		}
	}
	return best
}

// fits reports whether a disk is of the kind that is asked for.
func (s *DiskSource) fits(has *mesospb.Resource_DiskInfo_Source) bool {
	if s == nil || has == nil {
		return s == nil && has == nil
	}
	root := has.GetPath().GetRoot() + has.GetMount().GetRoot()
	return has.GetType() == s.wireType() && (s.Root == "" || s.Root == root) && (s.Profile == "" || s.Profile == has.GetProfile())
}

func (b *builder) volume(d *Disk, r *mesospb.Resource, id string) (*mesospb.Resource, error) {
	whole := []*mesospb.Resource{r}
	if !resources.IsPersistentVolume(r) && !resources.Indivisible(r) && r.GetScalar().GetValue() > float64(d.Size) {
		r.Scalar.Value = proto.Float64(float64(d.Size)) // our own copy
	}
	if r.GetScalar().GetValue() < float64(d.Size) && !resources.IsPersistentVolume(r) {
		return nil, b.fail(fmt.Sprintf("%s is too small for the volume %s", resources.Describe(whole), id), nil)
	}
	if !b.pool.Take(whole) {
		return nil, b.fail("a volume is not among the resources", &resources.NotContainedError{Pool: b.pool.Resources(), Wanted: whole})
	}
	if resources.IsPersistentVolume(r) {
		if got := r.GetDisk().GetPersistence().GetId(); got != id {
			return nil, b.fail(fmt.Sprintf("the volume %q instead of %q", got, id), nil)
		}
		r.Disk.Volume = d.mount(true)
		return r, nil
	}
	reserved, err := b.reserved(r)
	if err != nil {
		return nil, err
	}
	if reserved.Disk == nil {
		reserved.Disk = &mesospb.Resource_DiskInfo{}
	}
	principal := d.Persistence.Principal
	if principal == "" {
		principal = b.l.Principal
	}
	reserved.Disk.Persistence = &mesospb.Resource_DiskInfo_Persistence{Id: &id}
	if principal != "" {
		reserved.Disk.Persistence.Principal = &principal
	}
	reserved.Disk.Volume = d.mount(false)
	b.create = append(b.create, resources.Clone(reserved))
	reserved.Disk.Volume = d.mount(true)
	return reserved, nil
}

// mount is where tasks find the volume. Volumes are created for reading and writing, whatever this task may do.
func (d *Disk) mount(launch bool) *mesospb.Volume {
	mode := mesospb.Volume_RW
	if launch && d.Volume.Mode == "ro" {
		mode = mesospb.Volume_RO
	}
	return &mesospb.Volume{ContainerPath: &d.Volume.ContainerPath, Mode: mode.Enum()}
}

// reserved returns a resource reserved for the role, planning the reservation if it is not yet.
func (b *builder) reserved(r *mesospb.Resource) (*mesospb.Resource, error) {
	if b.role == "" || b.role == resources.Unreserved {
		return nil, b.fail("nothing can be reserved for the role *: give the application another role of the framework's", nil)
	}
	if resources.ReservationRole(r) == b.role {
		return r, nil
	}
	info := &mesospb.Resource_ReservationInfo{Type: mesospb.Resource_ReservationInfo_DYNAMIC.Enum(), Role: &b.role}
	if b.l.Principal != "" {
		info.Principal = &b.l.Principal
	}
	info.Labels = resources.OwnerLabels(b.l.Owner)
	list := resources.PushReservation([]*mesospb.Resource{r}, info)
	b.reserve = append(b.reserve, resources.Clone(list[0]))
	return list[0], nil
}

// reserveAll reserves what is left in the pool.
func (b *builder) reserveAll() error {
	var converted []*mesospb.Resource
	for _, r := range b.pool.Resources() {
		if resources.IsRevocable(r) {
			converted = append(converted, r)
			continue
		}
		reserved, err := b.reserved(r)
		if err != nil {
			return err
		}
		converted = append(converted, reserved)
	}
	b.pool.Reset()
	b.pool.Add(converted)
	return nil
}

// take finds amounts and ports in the pool, as offered.
func (b *builder) take(what string, amounts []*mesospb.Resource, ports []Port) ([]*mesospb.Resource, error) {
	for _, p := range ports {
		amounts = append(amounts, resources.NewPorts(uint64(p.Number), uint64(p.Number)))
	}
	if len(amounts) == 0 {
		return nil, nil
	}
	amounts = resources.Sum(amounts)
	got, ok := resources.FindWish(b.pool.Resources(), &resources.Wish{Resources: amounts, Role: b.role, Owner: b.l.Owner})
	if !ok || !b.pool.Take(got) {
		return nil, b.fail("the resources do not suffice for "+what, &resources.NotContainedError{Pool: b.pool.Resources(), Wanted: amounts})
	}
	return got, nil
}

func (b *builder) launch() (*mesospb.Offer_Operation, error) {
	executorResources, err := b.take("the executor", b.app.executorResources(), nil)
	if err != nil {
		return nil, err
	}
	executor := b.executor(executorResources)
	var tasks []*mesospb.TaskInfo
	ports := b.ports
	for _, t := range b.app.tasks() {
		i := len(tasks)
		own := ports[:len(t.Resources.Ports)]
		ports = ports[len(own):]
		list, err := b.take(b.app.TaskNames()[i], t.Resources.amounts(), own)
		if err != nil {
			return nil, err
		}
		for k := range t.Resources.Disk {
			if v := b.disks[&t.Resources.Disk[k]]; v != nil {
				list = append(list, v)
			}
		}
		tasks = append(tasks, b.task(i, t, own, list))
	}
	if len(b.app.Group) > 0 {
		return &mesospb.Offer_Operation{
			Type: mesospb.Offer_Operation_LAUNCH_GROUP.Enum(),
			LaunchGroup: &mesospb.Offer_Operation_LaunchGroup{
				Executor: executor, TaskGroup: &mesospb.TaskGroupInfo{Tasks: tasks},
			},
		}, nil
	}
	tasks[0].Executor = executor
	return &mesospb.Offer_Operation{
		Type: mesospb.Offer_Operation_LAUNCH.Enum(), Launch: &mesospb.Offer_Operation_Launch{TaskInfos: tasks},
	}, nil
}

// executor returns the executor of the instance, nil for the command executor.
func (b *builder) executor(list []*mesospb.Resource) *mesospb.ExecutorInfo {
	x := b.app.Executor
	if x == nil && len(b.app.Group) == 0 {
		return nil
	}
	e := &mesospb.ExecutorInfo{
		Type:       mesospb.ExecutorInfo_DEFAULT.Enum(),
		ExecutorId: &mesospb.ExecutorID{Value: proto.String(ExecutorID(b.l.TaskIDs[0]))},
		Name:       &b.app.Name,
		Resources:  list,
	}
	if b.l.FrameworkID != "" {
		e.FrameworkId = &mesospb.FrameworkID{Value: &b.l.FrameworkID}
	}
	if len(b.app.Group) > 0 {
		e.Labels = wireLabels(b.app.Labels)
		e.Container = b.container(b.app.Container)
	}
	if x != nil {
		e.Type = mesospb.ExecutorInfo_CUSTOM.Enum()
		e.Name = &x.Name
		e.Command = wireCommand(x.Command, b.environment(b.ports, x.Resources, b.app.Name, b.l.TaskIDs[0], x.Command))
		if x.Container != nil {
			e.Container = b.container(x.Container)
		}
		if x.Labels != nil {
			e.Labels = wireLabels(x.Labels)
		}
		if x.Data != "" {
			e.Data = []byte(x.Data)
		}
		if x.ShutdownGracePeriod > 0 {
			e.ShutdownGracePeriod = wireDuration(x.ShutdownGracePeriod)
		}
	}
	return e
}

// downgrade brings all resources of the operations to the format without refined reservations.
func downgrade(list []*mesospb.Offer_Operation) error {
	for _, op := range list {
		lists := []*[]*mesospb.Resource{}
		switch op.GetType() {
		case mesospb.Offer_Operation_RESERVE:
			lists = append(lists, &op.Reserve.Resources)
		case mesospb.Offer_Operation_CREATE:
			lists = append(lists, &op.Create.Volumes)
		case mesospb.Offer_Operation_LAUNCH:
			for _, t := range op.Launch.TaskInfos {
				lists = append(lists, &t.Resources)
				if t.Executor != nil {
					lists = append(lists, &t.Executor.Resources)
				}
			}
		case mesospb.Offer_Operation_LAUNCH_GROUP:
			lists = append(lists, &op.LaunchGroup.Executor.Resources)
			for _, t := range op.LaunchGroup.TaskGroup.Tasks {
				lists = append(lists, &t.Resources)
			}
		}
		for _, l := range lists {
			older, err := resources.Downgrade(*l)
			if err != nil {
				return err
			}
			*l = older
		}
	}
	return nil
}
