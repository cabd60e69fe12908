package master

import (
	"errors"
	"slices"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// CREATE, DESTROY, GROW_VOLUME and SHRINK_VOLUME (docs/behaviour.md#scheduler-calls, #resources):
//
//   - CREATE: persistence and a volume that is not read-only and has no host_path, on reserved disk that is not revocable;
//     the id is unique in its role on the agent; persistence.principal is the framework's if that has
//     one; shared needs SHARED_RESOURCES.
//   - DESTROY: the volume is there and nothing uses it; other offers that have it are rescinded first.
//   - GROW and SHRINK: not shared, not a provider's; addition and subtrahend are positive, the latter smaller than the volume;
//     a MOUNT disk can't shrink. The result can't be used in the same ACCEPT.
//   - What a framework frees by SHRINK is not offered again while the framework is registered and the agent is there: Mesos keeps counting it
//     as the framework's.

func (x *acceptance) create(op *mesospb.Offer_Operation) error {
	if err := x.authorizeOperation(op); err != nil {
		return err
	}
	if err := validateCreate(op.GetCreate().GetVolumes(), x.m.alloc.Total(x.agent.id), x.framework.info.Principal, x.framework); err != nil {
		return x.onAgent(err)
	}
	return x.convert(op)
}

func (x *acceptance) destroy(op *mesospb.Offer_Operation) error {
	if err := x.authorizeOperation(op); err != nil {
		return err
	}
	volumes := op.GetDestroy().GetVolumes()
	if err := x.m.validateDestroy(x.agent, volumes); err != nil {
		return x.onAgent(err)
	}
	for _, v := range volumes {
		for _, o := range x.agent.offersWith(func(o *offer) bool { return hasVolume(o.resources, v) }) {
			x.m.rescind(o, nil)
		}
	}
	return x.convert(op)
}

func (x *acceptance) growVolume(op *mesospb.Offer_Operation) error {
	if err := x.authorizeOperation(op); err != nil {
		return err
	}
	if err := validateGrow(op.GetGrowVolume().GetVolume(), op.GetGrowVolume().GetAddition()); err != nil {
		return x.onAgent(err)
	}
	_, err := x.convertForLater(op)
	return err
}

func (x *acceptance) shrinkVolume(op *mesospb.Offer_Operation) error {
	if err := x.authorizeOperation(op); err != nil {
		return err
	}
	if err := validateShrink(op.GetShrinkVolume().GetVolume(), op.GetShrinkVolume().GetSubtract().GetValue()); err != nil {
		return x.onAgent(err)
	}
	made, err := x.convertForLater(op)
	if err != nil {
		return err
	}
	freed := resources.Filter(made, func(r *mesospb.Resource) bool { return !resources.IsPersistentVolume(r) })
	x.late.Subtract(freed)
	x.agent.withhold(x.framework.id, freed)
	return nil
}

// onAgent names the agent in the error of an operation.
func (x *acceptance) onAgent(err error) error {
	return wireErrorf("%v; on agent %s", err, x.agent)
}

// convertForLater is convert, but its result, which it returns, is not in the pool of this ACCEPT.
func (x *acceptance) convertForLater(op *mesospb.Offer_Operation) (made []*mesospb.Resource, err error) {
	conversions, err := resources.Conversions(op)
	if err != nil {
		return nil, err
	}
	if err := x.convert(op); err != nil {
		if short, ok := errors.AsType[*resources.NotContainedError](err); ok {
			return nil, wireErrorf("Invalid %v operation: %v", op.GetType(), short)
		}
		return nil, err
	}
	for _, c := range conversions {
		x.pool.Subtract(c.Converted)
		x.late.Add(c.Converted)
		made = append(made, c.Converted...)
	}
	return made, nil
}

// validateCreate checks the volumes to be made beside what is there. by is the framework, nil if it is an operator.
func validateCreate(volumes, total []*mesospb.Resource, principal *string, by *framework) error {
	if err := validateOperands(volumes); err != nil {
		return err
	}
	if err := validateVolumes(volumes); err != nil {
		return wireErrorf("Not a persistent volume: %v", err)
	}
	if err := uniquePersistence(slices.Concat(total, volumes)); err != nil {
		return err
	}
	for _, v := range volumes {
		if resources.IsShared(v) && by != nil && !by.caps.shared {
			return wireErrorf("Create volume operation for '%s' has been attempted by framework '%s' with no SHARED_RESOURCES capability", describeOne(v), by.id)
		}
		if principal == nil {
			continue
		}
		switch got := v.GetDisk().GetPersistence().Principal; {
		case got == nil:
			return wireErrorf("Create volume operation attempted by principal '%s', but there is a volume in the operation with no principal set in 'disk.persistence'", *principal)
		case *got != *principal:
			return wireErrorf("Create volume operation attempted by authenticated principal '%s', which does not match a volume in the operation with principal '%s' "+
				"set in 'disk.persistence'", *principal, *got)
		}
	}
	if by != nil {
		if err := oneAllocation(volumes); err != nil {
			return wireErrorf("Invalid volume resources: %v", err)
		}
	}
	return nil
}

func (m *Master) validateDestroy(a *agent, volumes []*mesospb.Resource) error {
	if err := validateOperands(volumes); err != nil {
		return err
	}
	if err := validateVolumes(volumes); err != nil {
		return wireErrorf("Not a persistent volume: %v", err)
	}
	total := m.alloc.Total(a.id)
	for _, v := range volumes {
		if !resources.Contains(total, resources.Unallocate([]*mesospb.Resource{v})) {
			return wireError("Persistent volumes not found")
		}
	}
	for _, f := range sortedKeys(a.used) {
		for _, v := range volumes {
			if hasVolume(a.used[f].Resources(), v) {
				return wireError("Persistent volumes in use")
			}
		}
	}
	return nil
}

func validateGrow(volume, addition *mesospb.Resource) error {
	if resources.ToFixed(addition.GetScalar().GetValue()) <= 0 {
		return wireError("The size of 'GrowVolume.addition' field must be greater than zero")
	}
	if volume.ProviderId != nil {
		return wireError("Growing a volume from a resource provider is not supported")
	}
	if err := validateVolumes([]*mesospb.Resource{volume}); err != nil {
		return wireErrorf("Invalid persistent volume in the 'GrowVolume.volume' field: %v", err)
	}
	if resources.IsShared(volume) {
		return wireError("Growing a shared persistent volume is not supported")
	}
	under := resources.Clone(volume)
	if under.Disk.Persistence, under.Disk.Volume = nil, nil; under.Disk.Source == nil {
		under.Disk = nil
	}
	if len(resources.Sum([]*mesospb.Resource{under, addition})) != 1 {
		return wireError("Incompatible resources in the 'GrowVolume.volume' and 'GrowVolume.addition' fields")
	}
	return nil
}

func validateShrink(volume *mesospb.Resource, subtract float64) error {
	less := resources.ToFixed(subtract)
	switch {
	case less <= 0:
		return wireError("Value of 'ShrinkVolume.subtract' must be greater than zero")
	case resources.ToFixed(volume.GetScalar().GetValue()) <= less:
		return wireError("Value of 'ShrinkVolume.subtract' must be smaller than the size of 'ShrinkVolume.volume'")
	case volume.ProviderId != nil:
		return wireError("Shrinking a volume from a resource provider is not supported")
	case volume.GetDisk().GetSource().GetType() == mesospb.Resource_DiskInfo_Source_MOUNT:
		return wireError("Shrinking a volume on a MOUNT disk is not supported")
	}
	if err := validateVolumes([]*mesospb.Resource{volume}); err != nil {
		return wireErrorf("Invalid persistent volume in the 'ShrinkVolume.volume' field: %v", err)
	}
	if resources.IsShared(volume) {
		return wireError("Shrinking a shared persistent volume is not supported")
	}
	return nil
}
