package master

import (
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// CREATE_DISK and DESTROY_DISK (contract, section 2) need a resource provider. The embedded cluster has none, so that even a
// well-formed operation can't be applied: no offer contains the disk.
//
//   - CREATE_DISK: the source is RAW and a provider's; the target is MOUNT or BLOCK; target_profile is set just if the source
//     has none.
//   - DESTROY_DISK: the source is a provider's, has an id, is MOUNT, BLOCK or RAW, and no persistent volume.

func (x *acceptance) createDisk(op *mesospb.Offer_Operation) error {
	c := op.GetCreateDisk()
	src := c.GetSource().GetDisk().GetSource()
	switch {
	case c.GetSource().ProviderId == nil:
		return wireError("'source' is not managed by a resource provider")
	case src.GetType() != mesospb.Resource_DiskInfo_Source_RAW:
		return wireError("'source' is not a RAW disk resource")
	case c.GetTargetType() != mesospb.Resource_DiskInfo_Source_MOUNT && c.GetTargetType() != mesospb.Resource_DiskInfo_Source_BLOCK:
		return wireError("'target_type' is neither MOUNT or BLOCK")
	case src.Profile == nil && c.TargetProfile == nil:
		return wireError("'target_profile' must be set when 'source' does not have a profile")
	case src.Profile != nil && c.TargetProfile != nil:
		return wireError("'target_profile' must not be set when 'source' has a profile")
	}
	return x.convert(op)
}

func (x *acceptance) destroyDisk(op *mesospb.Offer_Operation) error {
	source := op.GetDestroyDisk().GetSource()
	src := source.GetDisk().GetSource()
	switch {
	case source.ProviderId == nil:
		return wireError("'source' is not managed by a resource provider")
	case source.GetDisk().GetPersistence() != nil:
		return wireError("A disk resource containing a persistent volume cannot be destroyed directly. Please destroy the persistent volume first then destroy the disk resource")
	case src.Id == nil:
		return wireError("'source' is not backed by a CSI volume")
	}
	switch src.GetType() {
	case mesospb.Resource_DiskInfo_Source_MOUNT, mesospb.Resource_DiskInfo_Source_BLOCK, mesospb.Resource_DiskInfo_Source_RAW:
		return x.convert(op)
	}
	return wireError("'source' is neither a MOUNT, BLOCK nor RAW disk resource")
}
