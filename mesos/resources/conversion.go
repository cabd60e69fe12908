package resources

import (
	"errors"
	"fmt"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// Conversion is what an offer operation does to a pool: it takes Consumed out and puts Converted in.
type Conversion struct {
	Consumed, Converted []*mesospb.Resource

	gone []*mesospb.Resource // must not be in the pool afterwards
}

// NotContainedError reports resources that are not in the pool they should come from.
type NotContainedError struct{ Pool, Wanted []*mesospb.Resource }

func (e *NotContainedError) Error() string {
	return fmt.Sprintf("%s does not contain %s", Describe(e.Pool), Describe(e.Wanted))
}

// SharedCopiesError reports a DESTROY of a shared volume of which other copies are in the pool.
type SharedCopiesError struct{ Volume *mesospb.Resource }

func (e *SharedCopiesError) Error() string {
	return fmt.Sprintf("volume %s cannot be destroyed while other copies of it exist", describe(e.Volume))
}

// OperationError reports an offer operation that cannot be turned into conversions.
type OperationError struct {
	Operation mesospb.Offer_Operation_Type
	Reason    string
	Err       error // cause, if there is one
}

func (e *OperationError) Error() string { return fmt.Sprintf("%v: %s", e.Operation, e.Reason) }

// Unwrap returns the cause.
func (e *OperationError) Unwrap() error { return e.Err }

// Apply returns list after the conversions, one after the other. list is not changed. It fails with a *NotContainedError or
// a *SharedCopiesError.
func Apply(list []*mesospb.Resource, conversions ...Conversion) ([]*mesospb.Resource, error) {
	p := NewPool(list)
	for _, c := range conversions {
		if err := p.Apply(c); err != nil {
			return nil, err
		}
	}
	return p.Resources(), nil
}

// Apply converts resources in the pool; on error the pool is as before.
func (p *Pool) Apply(c Conversion) error {
	if !p.Contains(c.Consumed) {
		return &NotContainedError{p.Resources(), CloneList(c.Consumed)}
	}
	for _, v := range c.gone {
		if i := p.index(v, true, p.aspects()); i >= 0 && p.entries[i].copies > 1 {
			return &SharedCopiesError{Clone(v)}
		}
	}
	p.Subtract(c.Consumed)
	p.Add(c.Converted)
	return nil
}

// Conversions returns what an operation does to the resources it is applied to, in post-refinement format. Launches
// convert nothing. It checks only what it needs to: master-side rules (principals, roles, capabilities) are not its
// business. The error is an *OperationError.
//
// The outcome of CREATE_DISK and DESTROY_DISK is up to the resource provider, which assigns ids and metadata:
// the conversion here is the prediction, with type and profile set.
func Conversions(op *mesospb.Offer_Operation) ([]Conversion, error) {
	var (
		cs  []Conversion
		err error
	)
	switch op.GetType() {
	case mesospb.Offer_Operation_LAUNCH, mesospb.Offer_Operation_LAUNCH_GROUP:
	case mesospb.Offer_Operation_RESERVE:
		cs, err = Reserve(op.GetReserve().GetSource(), op.GetReserve().GetResources())
	case mesospb.Offer_Operation_UNRESERVE:
		cs, err = Unreserve(op.GetUnreserve().GetResources())
	case mesospb.Offer_Operation_CREATE:
		cs, err = Create(op.GetCreate().GetVolumes())
	case mesospb.Offer_Operation_DESTROY:
		cs, err = Destroy(op.GetDestroy().GetVolumes())
	case mesospb.Offer_Operation_GROW_VOLUME:
		cs, err = one(GrowVolume(op.GetGrowVolume().GetVolume(), op.GetGrowVolume().GetAddition()))
	case mesospb.Offer_Operation_SHRINK_VOLUME:
		cs, err = one(ShrinkVolume(op.GetShrinkVolume().GetVolume(), op.GetShrinkVolume().GetSubtract().GetValue()))
	case mesospb.Offer_Operation_CREATE_DISK:
		d := op.GetCreateDisk()
		cs, err = one(CreateDisk(d.GetSource(), d.GetTargetType(), d.GetTargetProfile()))
	case mesospb.Offer_Operation_DESTROY_DISK:
		cs, err = one(DestroyDisk(op.GetDestroyDisk().GetSource()))
	default:
		err = errors.New("unknown operation")
	}
	if err != nil {
		return nil, &OperationError{op.GetType(), err.Error(), err}
	}
	return cs, nil
}

func one(c Conversion, err error) ([]Conversion, error) { return []Conversion{c}, err }

// Reserve returns the conversions of RESERVE: each resource is made from itself without its last reservation. With a
// source, the reservations of source are replaced by those of resources in one step.
func Reserve(source, resources []*mesospb.Resource) ([]Conversion, error) {
	src, err := Upgrade(source)
	if err != nil {
		return nil, err
	}
	list, err := Upgrade(resources)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, errors.New("no resources")
	}
	if len(src) > 0 {
		if !Equivalent(ToUnreserved(src), ToUnreserved(list)) {
			return nil, fmt.Errorf("source %s differs from resources %s in more than reservations", Describe(src), Describe(list))
		}
		return []Conversion{{Consumed: src, Converted: list}}, nil
	}
	return each(list, func(r *mesospb.Resource) (Conversion, error) {
		if IsUnreserved(r) {
			return Conversion{}, fmt.Errorf("%s carries no reservation; add the one to make", describe(r))
		}
		from := Clone(r)
		pop(from)
		return convert(from, r), nil
	})
}

// Unreserve returns the conversions of UNRESERVE: each resource loses its last reservation.
func Unreserve(resources []*mesospb.Resource) ([]Conversion, error) {
	return eachUpgraded(resources, func(r *mesospb.Resource) (Conversion, error) {
		switch {
		case !IsDynamicallyReserved(r):
			return Conversion{}, fmt.Errorf("%s is not dynamically reserved", describe(r))
		case IsPersistentVolume(r):
			return Conversion{}, fmt.Errorf("%s is a persistent volume; destroy it first", describe(r))
		}
		to := Clone(r)
		pop(to)
		return convert(r, to), nil
	})
}

// Create returns the conversions of CREATE: each volume is made from the disk under it.
func Create(volumes []*mesospb.Resource) ([]Conversion, error) {
	return eachUpgraded(volumes, func(v *mesospb.Resource) (Conversion, error) {
		if !IsPersistentVolume(v) {
			return Conversion{}, fmt.Errorf("%s is not a persistent volume; set disk.persistence", describe(v))
		}
		return convert(diskUnder(v), v), nil
	})
}

// Destroy returns the conversions of DESTROY: each volume becomes disk again.
func Destroy(volumes []*mesospb.Resource) ([]Conversion, error) {
	return eachUpgraded(volumes, func(v *mesospb.Resource) (Conversion, error) {
		if !IsPersistentVolume(v) {
			return Conversion{}, fmt.Errorf("%s is not a persistent volume", describe(v))
		}
		c := convert(v, diskUnder(v))
		c.gone = c.Consumed
		return c, nil
	})
}

// diskUnder returns the disk that a volume is made from: the same without persistence, volume and sharing; the source stays.
func diskUnder(v *mesospb.Resource) *mesospb.Resource {
	d := Clone(v)
	d.Shared = nil
	if d.Disk.GetSource() == nil {
		d.Disk = nil
	} else {
		d.Disk.Persistence, d.Disk.Volume = nil, nil
	}
	return d
}

// GrowVolume returns the conversion of GROW_VOLUME: volume and addition become one larger volume.
func GrowVolume(volume, addition *mesospb.Resource) (Conversion, error) {
	l, err := Upgrade([]*mesospb.Resource{volume, addition})
	if err != nil {
		return Conversion{}, err
	}
	volume, addition = l[0], l[1]
	if err := resizable(volume); err != nil {
		return Conversion{}, err
	}
	switch {
	case isEmpty(addition):
		return Conversion{}, errors.New("addition is not greater than 0")
	case !sameMeta(diskUnder(volume), addition, everything):
		return Conversion{}, fmt.Errorf("addition %s is not of the disk of volume %s", describe(addition), describe(volume))
	}
	grown := resized(volume, addFixed(ToFixed(volume.GetScalar().GetValue()), ToFixed(addition.GetScalar().GetValue())))
	return Conversion{Consumed: l, Converted: []*mesospb.Resource{grown}}, nil
}

// ShrinkVolume returns the conversion of SHRINK_VOLUME: a smaller volume and the disk (in MB) freed from it.
func ShrinkVolume(volume *mesospb.Resource, subtract float64) (Conversion, error) {
	l, err := Upgrade([]*mesospb.Resource{volume})
	if err != nil {
		return Conversion{}, err
	}
	volume = l[0]
	if err := resizable(volume); err != nil {
		return Conversion{}, err
	}
	size, less := ToFixed(volume.GetScalar().GetValue()), ToFixed(subtract)
	switch {
	case volume.GetDisk().GetSource().GetType() == mesospb.Resource_DiskInfo_Source_MOUNT:
		return Conversion{}, errors.New("a volume on a MOUNT disk takes all of it and cannot shrink")
	case less <= 0 || less >= size:
		return Conversion{}, fmt.Errorf("cannot take %v of %v", FromFixed(less), FromFixed(size))
	}
	return Conversion{
		Consumed:  l,
		Converted: []*mesospb.Resource{resized(volume, size-less), resized(diskUnder(volume), less)},
	}, nil
}

func resizable(volume *mesospb.Resource) error {
	switch {
	case !IsPersistentVolume(volume) || volume.GetType() != mesospb.Value_SCALAR:
		return fmt.Errorf("%s is not a persistent volume", describe(volume))
	case IsShared(volume):
		return fmt.Errorf("%s is shared; only volumes of their own can be resized", describe(volume))
	case volume.ProviderId != nil:
		return fmt.Errorf("%s belongs to a resource provider; only the agent's own disk can be resized", describe(volume))
	}
	return nil
}

// CreateDisk returns the expected conversion of CREATE_DISK: a RAW disk of a resource provider becomes a MOUNT or BLOCK
// disk. The provider may set more (source id, metadata) than is in Converted.
func CreateDisk(source *mesospb.Resource, target mesospb.Resource_DiskInfo_Source_Type, profile string) (Conversion, error) {
	s := source.GetDisk().GetSource()
	switch {
	case source.GetProviderId() == nil:
		return Conversion{}, errors.New("source does not belong to a resource provider")
	case s.GetType() != mesospb.Resource_DiskInfo_Source_RAW:
		return Conversion{}, fmt.Errorf("source is %v, not RAW", s.GetType())
	case target != mesospb.Resource_DiskInfo_Source_MOUNT && target != mesospb.Resource_DiskInfo_Source_BLOCK:
		return Conversion{}, fmt.Errorf("target type is %v, not MOUNT or BLOCK", target)
	case (s.Profile == nil) != (profile != ""):
		return Conversion{}, errors.New("target profile must be set if and only if source has none")
	}
	l, err := Upgrade([]*mesospb.Resource{source})
	if err != nil {
		return Conversion{}, err
	}
	to := Clone(l[0])
	to.Disk.Source.Type = &target
	if profile != "" {
		to.Disk.Source.Profile = &profile
	}
	return convert(l[0], to), nil
}

// DestroyDisk returns the expected conversion of DESTROY_DISK: back to RAW, without id and metadata. The
// provider may keep the disk as a RAW one with its id, or make it vanish if it has no profile.
func DestroyDisk(source *mesospb.Resource) (Conversion, error) {
	s := source.GetDisk().GetSource()
	switch t := s.GetType(); {
	case source.GetProviderId() == nil:
		return Conversion{}, errors.New("source does not belong to a resource provider")
	case s.GetId() == "":
		return Conversion{}, errors.New("source has no id")
	case IsPersistentVolume(source):
		return Conversion{}, errors.New("source is a persistent volume; destroy it first")
	case t != mesospb.Resource_DiskInfo_Source_MOUNT && t != mesospb.Resource_DiskInfo_Source_BLOCK && t != mesospb.Resource_DiskInfo_Source_RAW:
		return Conversion{}, fmt.Errorf("source is %v, not MOUNT, BLOCK or RAW", t)
	}
	l, err := Upgrade([]*mesospb.Resource{source})
	if err != nil {
		return Conversion{}, err
	}
	to := Clone(l[0])
	to.Disk.Source = &mesospb.Resource_DiskInfo_Source{
		Type: mesospb.Resource_DiskInfo_Source_RAW.Enum(), Profile: clonePtr(s.Profile), Vendor: clonePtr(s.Vendor),
	}
	return convert(l[0], to), nil
}

func resized(r *mesospb.Resource, fixed int64) *mesospb.Resource {
	r = Clone(r)
	v := FromFixed(fixed)
	r.Scalar = &mesospb.Value_Scalar{Value: &v}
	return r
}

func convert(from, to *mesospb.Resource) Conversion {
	return Conversion{Consumed: []*mesospb.Resource{from}, Converted: []*mesospb.Resource{to}}
}

func eachUpgraded(list []*mesospb.Resource, f func(*mesospb.Resource) (Conversion, error)) ([]Conversion, error) {
	list, err := Upgrade(list)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, errors.New("no resources")
	}
	return each(list, f)
}

func each(list []*mesospb.Resource, f func(*mesospb.Resource) (Conversion, error)) ([]Conversion, error) {
	out := make([]Conversion, 0, len(list))
	for _, r := range list {
		c, err := f(r)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}
