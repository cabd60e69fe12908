// Package resources is the arithmetic of Mesos resources: adding, subtracting, comparing, picking from offers, reserving
// and making volumes, exactly as a Mesos master counts. Everybody who handles resources needs it: frameworks, the
// placement engine, the embedded master and its allocator.
//
//	need := []*mesospb.Resource{resources.NewCPUs(0.5), resources.NewMem(64)}
//	if picked, ok := resources.Find(offer.Resources, need, "eng"); ok {
//		task.Resources = picked // the reserved ones first, named as the offer names them
//	}
//	rest := resources.Subtract(offer.Resources, task.Resources)
//
// Functions take and return plain []*mesospb.Resource. They never change their arguments, results share no
// memory with them (Filter, whose result is a choice of the same pointers, and Finder excepted), and they don't care which of the three reservation formats is
// used. They are safe for concurrent use, as are concurrent reads of the same resources.
//
// # How Mesos counts
//
// Scalars have three decimals: 0.0004 is nothing, 0.1+0.2 is exactly 0.3. Ranges and sets are sets of numbers and
// names: adding what is there already changes nothing. Two resources add up if they are of the same kind: name, type, allocation,
// the whole stack of reservations, disk, revocable, shared and provider are equal. Persistent volumes and exclusive
// disks (MOUNT, BLOCK, RAW with an id) are things, not amounts: they are counted, never merged or split.
// Copies of a shared volume are entries that occur several times.
//
// # What to use when
//
//   - Scalar, CPUs, Mem, Disk, GPUs, Ports: how much is there?
//   - NewCPUs, NewMem, NewPorts, … with options: describe resources.
//   - Contains, Find, FindWish, TakePorts: does it fit, and which ones exactly?
//   - Add, Sum, Subtract, Equivalent, Flatten: arithmetic.
//   - Reserve, Create, …, Conversions, Apply: what offer operations do.
//   - Upgrade, Downgrade, Endpoint: formats of reservations.
//   - Validate, ValidateRole, IsStrictSubrole: what a master refuses, and role names.
//   - Parse, Format, ParseAgentResources, ParseAttributes, HasAttribute: the notation of Mesos flags.
//   - Pool, Finder, Quantities: the same without allocations, for loops over thousands of offers or agents.
//
// Rules follow docs/behaviour.md#resources and #defaults (Mesos: src/common/resources.cpp).
package resources
