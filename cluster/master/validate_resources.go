package master

import (
	"math"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// Checks of resources that tasks, executors and operations name, in the order and words of Mesos. The format has been checked before (normalize).

func describeOne(r *mesospb.Resource) string { return resources.Describe([]*mesospb.Resource{r}) }

// validateResources checks what is beyond the format: whole gpus, sensible disks and reservations.
func validateResources(list []*mesospb.Resource) error {
	if err := checkResources(list); err != nil {
		return wireErrorf("Invalid resources: %v", err)
	}
	if gpus, _ := resources.Scalar(list, resources.NameGPUs); gpus != math.Trunc(gpus) {
		return wireError("Invalid 'gpus' resource: The 'gpus' resource must be an unsigned integer")
	}
	for _, r := range list {
		if err := validateDisk(r); err != nil {
			return wireErrorf("Invalid DiskInfo: %v", err)
		}
	}
	for _, r := range list {
		if resources.IsDynamicallyReserved(r) && resources.IsRevocable(r) {
			return wireErrorf("Invalid ReservationInfo: Dynamically reserved resource %s cannot be created from revocable resources", describeOne(r))
		}
	}
	return nil
}

func validateDisk(r *mesospb.Resource) error {
	d := r.Disk
	switch {
	case d == nil:
	case d.Persistence == nil && d.Volume != nil:
		return wireError("Non-persistent volume not supported")
	case d.Persistence == nil && d.Source == nil:
		return wireError("DiskInfo is set but empty")
	case d.Persistence == nil:
	case resources.IsRevocable(r):
		return wireError("Persistent volumes cannot be created from revocable resources")
	case resources.IsUnreserved(r):
		return wireError("Persistent volumes cannot be created from unreserved resources")
	case d.Volume == nil:
		return wireError("Expecting 'volume' to be set for persistent volume")
	case d.Volume.HostPath != nil:
		return wireError("Expecting 'host_path' to be unset for persistent volume")
	default:
		if err := validateID(d.Persistence.GetId()); err != nil {
			return wireErrorf("Invalid persistence ID for persistent volume: %v", err)
		}
	}
	return nil
}

// validateOperands checks the resources of an operation.
func validateOperands(list []*mesospb.Resource) error {
	err := validateResources(list)
	if err == nil {
		err = oneProvider(list)
	}
	if err != nil {
		return wireErrorf("Invalid resources: %v", err)
	}
	return nil
}

// validateVolumes checks that all are persistent volumes.
func validateVolumes(list []*mesospb.Resource) error {
	for _, r := range list {
		switch d := r.Disk; {
		case d == nil:
			return wireErrorf("Resource %s does not have DiskInfo", describeOne(r))
		case d.Persistence == nil:
			return wireError("'persistence' is not set in DiskInfo")
		case d.Volume == nil:
			return wireError("Expecting 'volume' to be set for persistent volume")
		case d.Volume.GetMode() == mesospb.Volume_RO:
			return wireError("Read-only persistent volume not supported")
		}
	}
	return nil
}

// uniquePersistence checks that no persistence id occurs twice in a role.
func uniquePersistence(list []*mesospb.Resource) error {
	var volumes []*mesospb.Resource
	for _, r := range list {
		if !resources.IsPersistentVolume(r) {
			continue
		}
		if hasVolume(volumes, r) {
			return wireErrorf("Persistence ID '%s' is not unique", r.GetDisk().GetPersistence().GetId())
		}
		volumes = append(volumes, r)
	}
	return nil
}

// oneAllocation checks that all are allocated to one role.
func oneAllocation(list []*mesospb.Resource) error {
	for _, r := range list {
		if first, role := resources.AllocationRole(list[0]), resources.AllocationRole(r); role != first {
			return wireErrorf("The resources have multiple allocation roles ('%s' and '%s') but only one allocation role is allowed", role, first)
		}
	}
	return nil
}

// notMixed checks that resources of one name are all revocable or none.
func notMixed(list []*mesospb.Resource) error {
	revocable := map[string]bool{}
	for _, r := range list {
		name := r.GetName()
		if was, seen := revocable[name]; seen && was != resources.IsRevocable(r) {
			return wireErrorf("Cannot use both revocable and non-revocable '%s' at the same time", name)
		}
		revocable[name] = resources.IsRevocable(r)
	}
	return nil
}

// overlap reports whether lists have ports or items of sets in common.
func overlap(lists ...[]*mesospb.Resource) bool {
	var all []*mesospb.Resource
	apart := int64(0)
	count := func(list []*mesospb.Resource) (n int64) {
		for _, v := range quantitiesOf(resources.Filter(list, func(r *mesospb.Resource) bool { return r.GetType() != mesospb.Value_SCALAR })) {
			n += v
		}
		return n
	}
	for _, l := range lists {
		apart += count(resources.Sum(l))
		all = append(all, l...)
	}
	return apart != count(resources.Sum(all))
}

// oneProvider checks that all resources belong to one resource provider, or to the agent itself.
func oneProvider(list []*mesospb.Resource) error {
	if len(list) == 0 {
		return wireError("The resources have multiple resource providers: ")
	}
	for _, r := range list {
		switch a, b := r.GetProviderId(), list[0].GetProviderId(); {
		case (a == nil) != (b == nil):
			return wireError("Some resources have a resource provider and some do not")
		case a.GetValue() != b.GetValue():
			return wireErrorf("The resources have multiple resource providers: %s, %s", b.GetValue(), a.GetValue())
		}
	}
	return nil
}
