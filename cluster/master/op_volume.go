package master

import (
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// CREATE, DESTROY, GROW_VOLUME and SHRINK_VOLUME (contract, sections 2 and 10):
//
//   - CREATE: persistence and a volume that is not read-only and has no host_path, on reserved disk that is not revocable;
//     the id is unique in its role on the agent; persistence.principal is the framework's if that has
//     one; shared needs SHARED_RESOURCES.
//   - DESTROY: the volume is there and nothing uses it; other offers that have it are rescinded first.
//   - GROW and SHRINK: not shared, not a provider's; addition and subtrahend are positive, the latter smaller than the volume;
//     a MOUNT disk can't shrink. The result can't be used in the same ACCEPT.

func (x *acceptance) create(op *mesospb.Offer_Operation) error {
	if err := validateCreate(op.GetCreate().GetVolumes(), x.m.alloc.Total(x.agent.id), x.framework.info.Principal, x.framework.caps.shared); err != nil {
		return err
	}
	if err := x.authorizeOperation(op); err != nil {
		return err
	}
	return x.convert(op)
}

func (x *acceptance) destroy(op *mesospb.Offer_Operation) error {
	volumes := op.GetDestroy().GetVolumes()
	if err := x.m.validateDestroy(x.agent, volumes); err != nil {
		return err
	}
	if err := x.authorizeOperation(op); err != nil {
		return err
	}
	for _, v := range volumes {
		for _, o := range x.agent.offersWith(func(o *offer) bool { return hasVolume(o.resources, v) }) {
			x.m.rescind(o, nil)
		}
	}
	return x.convert(op)
}

func (x *acceptance) growVolume(op *mesospb.Offer_Operation) error {
	if err := validateGrow(op.GetGrowVolume().GetVolume(), op.GetGrowVolume().GetAddition()); err != nil {
		return err
	}
	if err := x.authorizeOperation(op); err != nil {
		return err
	}
	return x.convertForLater(op)
}

func (x *acceptance) shrinkVolume(op *mesospb.Offer_Operation) error {
	if err := validateShrink(op.GetShrinkVolume().GetVolume(), op.GetShrinkVolume().GetSubtract().GetValue()); err != nil {
		return err
	}
	if err := x.authorizeOperation(op); err != nil {
		return err
	}
	return x.convertForLater(op)
}

// convertForLater is convert, but its result is not in the pool of this ACCEPT.
func (x *acceptance) convertForLater(op *mesospb.Offer_Operation) error {
	conversions, err := resources.Conversions(op)
	if err != nil {
		return err
	}
	if err := x.convert(op); err != nil {
		return err
	}
	for _, c := range conversions {
		x.pool.Subtract(c.Converted)
		x.late.Add(c.Converted)
	}
	return nil
}

func validateCreate(volumes, total []*mesospb.Resource, principal *string, mayShare bool) error {
	if err := oneProvider(volumes); err != nil {
		return err
	}
	for i, v := range volumes {
		what := resources.Describe([]*mesospb.Resource{v})
		d := v.GetDisk()
		switch {
		case d == nil:
			return wireErrorf("Resource %s does not have DiskInfo", what)
		case d.Persistence == nil:
			return wireErrorf("'persistence' is not set in DiskInfo of %s", what)
		case d.Volume == nil:
			return wireErrorf("Expecting 'volume' to be set for persistent volume %s", what)
		case d.Volume.GetMode() == mesospb.Volume_RO:
			return wireErrorf("Read-only persistent volume %s is not supported", what)
		case d.Volume.HostPath != nil:
			return wireErrorf("Expecting 'host_path' to be unset for persistent volume %s", what)
		case resources.IsUnreserved(v):
			return wireErrorf("Persistent volumes cannot be created from unreserved resources: %s", what)
		case resources.IsRevocable(v):
			return wireErrorf("Persistent volumes cannot be created from revocable resources: %s", what)
		case resources.IsShared(v) && !mayShare:
			return wireErrorf("Create volume operation has been attempted by framework with no SHARED_RESOURCES capability")
		}
		if err := validateID(d.GetPersistence().GetId()); err != nil {
			return wireErrorf("Persistence ID is invalid: %v", err)
		}
		if principal != nil {
			switch got := d.GetPersistence().Principal; {
			case got == nil:
				return wireErrorf("Create volume operation attempted by principal '%s', but 'Persistence.principal' is not set", *principal)
			case *got != *principal:
				return wireErrorf("Create volume operation attempted by principal '%s', but the volume has principal '%s'", *principal, *got)
			}
		}
		if hasVolume(total, v) || hasVolume(volumes[:i], v) {
			return wireErrorf("Persistence ID '%s' already exists", d.GetPersistence().GetId())
		}
	}
	return nil
}

func (m *Master) validateDestroy(a *agent, volumes []*mesospb.Resource) error {
	total := m.alloc.Total(a.id)
	for _, v := range volumes {
		what := resources.Describe([]*mesospb.Resource{v})
		switch {
		case !resources.IsPersistentVolume(v):
			return wireErrorf("'%s' is not a persistent volume", what)
		case !hasVolume(total, v):
			return wireErrorf("Persistent volumes not found: %s", what)
		}
		for _, f := range sortedKeys(a.used) {
			if hasVolume(a.used[f].Resources(), v) {
				return wireErrorf("Persistent volumes in use: %s", what)
			}
		}
	}
	return nil
}

func validateGrow(volume, addition *mesospb.Resource) error {
	switch {
	case !resources.IsPersistentVolume(volume):
		return wireError("'volume' must be a persistent volume")
	case resources.IsShared(volume):
		return wireError("Growing a shared persistent volume is not supported")
	case volume.ProviderId != nil || addition.ProviderId != nil:
		return wireError("Growing a volume from a resource provider is not supported")
	case !(addition.GetScalar().GetValue() > 0):
		return wireError("The size of 'GrowVolume.addition' must be greater than zero")
	}
	return nil
}

func validateShrink(volume *mesospb.Resource, subtract float64) error {
	switch {
	case !resources.IsPersistentVolume(volume):
		return wireError("'volume' must be a persistent volume")
	case resources.IsShared(volume):
		return wireError("Shrinking a shared persistent volume is not supported")
	case volume.ProviderId != nil:
		return wireError("Shrinking a volume from a resource provider is not supported")
	case volume.GetDisk().GetSource().GetType() == mesospb.Resource_DiskInfo_Source_MOUNT:
		return wireError("Shrinking a volume on a MOUNT disk is not supported")
	case !(subtract > 0):
		return wireError("'subtract' of 'ShrinkVolume' must be greater than zero")
	case subtract >= volume.GetScalar().GetValue():
		return wireError("'subtract' of 'ShrinkVolume' must be less than the size of the volume")
	}
	return nil
}
