package scheduler

import (
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// The functions of this file build offer operations, for Accept. They share what they are given.

// Launch builds the LAUNCH operation. Each task is launched or refused on its own.
func Launch(tasks ...*mesospb.TaskInfo) *mesospb.Offer_Operation {
	return &mesospb.Offer_Operation{
		Type:   mesospb.Offer_Operation_LAUNCH.Enum(),
		Launch: &mesospb.Offer_Operation_Launch{TaskInfos: tasks},
	}
}

// LaunchGroup builds the LAUNCH_GROUP operation: the tasks are launched together by one executor, all or none.
// The executor names its type and framework id.
func LaunchGroup(executor *mesospb.ExecutorInfo, tasks ...*mesospb.TaskInfo) *mesospb.Offer_Operation {
	return &mesospb.Offer_Operation{
		Type: mesospb.Offer_Operation_LAUNCH_GROUP.Enum(),
		LaunchGroup: &mesospb.Offer_Operation_LaunchGroup{
			Executor: executor, TaskGroup: &mesospb.TaskGroupInfo{Tasks: tasks},
		},
	}
}

// Reserve builds the RESERVE operation. Each resource bears its new reservation on top of its reservations.
func Reserve(resources ...*mesospb.Resource) *mesospb.Offer_Operation {
	return &mesospb.Offer_Operation{
		Type:    mesospb.Offer_Operation_RESERVE.Enum(),
		Reserve: &mesospb.Offer_Operation_Reserve{Resources: resources},
	}
}

// ReserveFrom builds the RESERVE operation that changes reservations: source is what is reserved now, resources
// what is to be. Masters take it from operators and refuse it from schedulers.
func ReserveFrom(source, resources []*mesospb.Resource) *mesospb.Offer_Operation {
	return &mesospb.Offer_Operation{
		Type:    mesospb.Offer_Operation_RESERVE.Enum(),
		Reserve: &mesospb.Offer_Operation_Reserve{Source: source, Resources: resources},
	}
}

// Unreserve builds the UNRESERVE operation, which takes the topmost dynamic reservation away.
func Unreserve(resources ...*mesospb.Resource) *mesospb.Offer_Operation {
	return &mesospb.Offer_Operation{
		Type:      mesospb.Offer_Operation_UNRESERVE.Enum(),
		Unreserve: &mesospb.Offer_Operation_Unreserve{Resources: resources},
	}
}

// Create builds the CREATE operation. Volumes are reserved disk resources with persistence and volume set.
func Create(volumes ...*mesospb.Resource) *mesospb.Offer_Operation {
	return &mesospb.Offer_Operation{
		Type:   mesospb.Offer_Operation_CREATE.Enum(),
		Create: &mesospb.Offer_Operation_Create{Volumes: volumes},
	}
}

// Destroy builds the DESTROY operation. Volumes are as they were offered; their data is gone.
func Destroy(volumes ...*mesospb.Resource) *mesospb.Offer_Operation {
	return &mesospb.Offer_Operation{
		Type:    mesospb.Offer_Operation_DESTROY.Enum(),
		Destroy: &mesospb.Offer_Operation_Destroy{Volumes: volumes},
	}
}

// GrowVolume builds the GROW_VOLUME operation: volume becomes bigger by addition, a disk resource of the same
// reservation. The result cannot be used within the same Accept.
func GrowVolume(volume, addition *mesospb.Resource) *mesospb.Offer_Operation {
	return &mesospb.Offer_Operation{
		Type:       mesospb.Offer_Operation_GROW_VOLUME.Enum(),
		GrowVolume: &mesospb.Offer_Operation_GrowVolume{Volume: volume, Addition: addition},
	}
}

// ShrinkVolume builds the SHRINK_VOLUME operation: volume becomes smaller by so many megabytes. The result
// cannot be used within the same Accept.
func ShrinkVolume(volume *mesospb.Resource, subtract float64) *mesospb.Offer_Operation {
	return &mesospb.Offer_Operation{
		Type: mesospb.Offer_Operation_SHRINK_VOLUME.Enum(),
		ShrinkVolume: &mesospb.Offer_Operation_ShrinkVolume{
			Volume: volume, Subtract: &mesospb.Value_Scalar{Value: proto.Float64(subtract)},
		},
	}
}

// CreateDisk builds the CREATE_DISK operation: a RAW disk of a resource provider becomes one of type target, MOUNT or
// BLOCK. profile is for disks that have none; "" otherwise.
func CreateDisk(source *mesospb.Resource, target mesospb.Resource_DiskInfo_Source_Type, profile string) *mesospb.Offer_Operation {
	create := &mesospb.Offer_Operation_CreateDisk{Source: source, TargetType: target.Enum()}
	if profile != "" {
		create.TargetProfile = proto.String(profile)
	}
	return &mesospb.Offer_Operation{Type: mesospb.Offer_Operation_CREATE_DISK.Enum(), CreateDisk: create}
}

// DestroyDisk builds the DESTROY_DISK operation: a disk of a resource provider becomes RAW again; its data is gone.
func DestroyDisk(source *mesospb.Resource) *mesospb.Offer_Operation {
	return &mesospb.Offer_Operation{
		Type:        mesospb.Offer_Operation_DESTROY_DISK.Enum(),
		DestroyDisk: &mesospb.Offer_Operation_DestroyDisk{Source: source},
	}
}

// WithID gives an operation an id, so that its outcome comes as an UPDATE_OPERATION_STATUS event. Not for
// Launch and LaunchGroup.
func WithID(operation *mesospb.Offer_Operation, id string) *mesospb.Offer_Operation {
	operation.Id = &mesospb.OperationID{Value: proto.String(id)}
	return operation
}
