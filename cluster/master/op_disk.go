package master

import (
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// CREATE_DISK and DESTROY_DISK (docs/behaviour.md#scheduler-calls) need a resource provider. The embedded cluster has none, so that even a
// well-formed operation can't be applied: no offer contains the disk.
//
//   - CREATE_DISK: the source is RAW and a provider's; the target is MOUNT or BLOCK; target_profile is set just if the source
//     has none.
//   - DESTROY_DISK: the source is a provider's, has an id, is MOUNT, BLOCK or RAW, and no persistent volume.

func (x *acceptance) createDisk(op *mesospb.Offer_Operation) error {
	c := op.GetCreateDisk()
	src := c.GetSource().GetDisk().GetSource()
	if err := validateResources([]*mesospb.Resource{c.GetSource()}); err != nil {
		return x.onAgent(wireErrorf("Invalid resource: %v", err))
	}
	var err error
	switch {
	case c.GetSource().ProviderId == nil:
		err = wireError("'source' is not managed by a resource provider")
	case src.GetType() != mesospb.Resource_DiskInfo_Source_RAW:
		err = wireError("'source' is not a RAW disk resource")
	case c.GetTargetType() != mesospb.Resource_DiskInfo_Source_MOUNT && c.GetTargetType() != mesospb.Resource_DiskInfo_Source_BLOCK:
		err = wireError("'target_type' is neither MOUNT or BLOCK")
	case src.Profile == nil && c.TargetProfile == nil:
		err = wireError("'target_profile' must be set when 'source' has no profile")
	case src.Profile != nil && c.TargetProfile != nil:
		err = wireError("'target_profile' must not be set when 'source' has a profile")
	}
	if err != nil {
		return x.onAgent(err)
	}
	return x.convert(op)
}

func (x *acceptance) destroyDisk(op *mesospb.Offer_Operation) error {
	source := op.GetDestroyDisk().GetSource()
	if err := validateResources([]*mesospb.Resource{source}); err != nil {
		return x.onAgent(wireErrorf("Invalid resource: %v", err))
	}
	if source.ProviderId == nil {
		return x.onAgent(wireError("'source' is not managed by a resource provider"))
	}
	src := source.GetDisk().GetSource()
	switch src.GetType() {
	case mesospb.Resource_DiskInfo_Source_MOUNT, mesospb.Resource_DiskInfo_Source_BLOCK, mesospb.Resource_DiskInfo_Source_RAW:
	default:
		return x.onAgent(wireError("'source' is neither a MOUNT, BLOCK or RAW disk resource"))
	}
	if src.Id == nil {
		return x.onAgent(wireError("'source' is not backed by a CSI volume"))
	}
	if source.GetDisk().GetPersistence() != nil {
		return x.onAgent(wireErrorf("A disk resource containing a persistent volume %s cannot be destroyed directly. Please destroy the persistent volume first then destroy "+
			"the disk resource", describeOne(source)))
	}
	return x.convert(op)
}
