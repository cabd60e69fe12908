package placement

import (
	"time"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// Demand is what every instance of one version of an application asks for. Instances share it by pointer: the placer looks
// at the agents once per Demand, not once per Task. It must not be changed while a cycle runs.
type Demand struct {
	// Group is the application: constraints count the instances of a group.
	Group string
	// Role is the role whose offers may be used. Empty means any.
	Role string

	// Resources are amounts, usually unreserved as resources.NewCPUs and the like make them: then what is reserved for Role
	// is taken first, then what is reserved for its ancestors, then unreserved. An entry with reservations asks for exactly these; one
	// that is revocable or has a provider for such resources, which nobody gets without asking.
	// Ports belong into Ports and persistent volumes into Volumes, but ranges with given numbers and any kind of disk can be
	// asked for here as well.
	Resources []*mesospb.Resource
	// From restricts Resources and Ports to reserved or unreserved ones.
	From resources.Preference
	// Ports asks for host ports, one entry per port.
	Ports []Port
	// Volumes asks for persistent volumes, or room to make them.
	Volumes []Volume

	Constraints []Constraint
	Affinities  []Affinity
	Domains     Domains

	// Maintenance and Draining say what to do about agents that will be unavailable, or that are being emptied. By default the
	// former are avoided and the latter refused.
	Maintenance Caution
	Draining    Caution
	// Horizon is how far ahead maintenance matters: an agent whose unavailability begins later counts as available. 0 means that
	// any announced unavailability matters.
	Horizon time.Duration
}

// Task is one pending instance. A pod is one Task with the sum of its needs.
type Task struct {
	ID string
	*Demand

	// Agent binds the task to one agent, by id: where its volumes are. Empty means any.
	Agent string
	// Resources and Volumes replace those of the Demand if not nil: the reservations and volumes that this instance owns.
	Resources []*mesospb.Resource
	Volumes   []Volume
	// Owner is whose reservations the task may use, and uses first: see resources.OwnerLabel. Those of other owners are out of reach.
	Owner string
	// Hold asks to keep the nearest agent free for this task if it can't be placed, so that smaller tasks don't eat up forever what
	// it waits for: see Result.Holds.
	Hold bool
}

// Port asks for one host port with From <= number <= To. The zero Port is satisfied with any.
type Port struct{ From, To uint64 }

// FixedPort asks for one port by number.
func FixedPort(n uint64) Port { return Port{n, n} }

// AnyPorts asks for n ports, whichever they are.
func AnyPorts(n int) []Port { return make([]Port, max(0, n)) }

// Volume asks for a persistent volume.
type Volume struct {
	// ID is the persistence id of an existing volume to use again. Empty asks for disk to make a new one from: a single
	// piece, as CREATE needs it.
	ID string
	// MB is the least size. For an existing volume 0 means whatever it has.
	MB float64
	// Type says what kind of disk a new volume is taken from: unset (UNKNOWN) is the root disk; PATH; MOUNT, which is taken as a
	// whole; BLOCK and RAW likewise.
	Type mesospb.Resource_DiskInfo_Source_Type
	// Root and Profile restrict the disks to those with this path or mount root, or this profile, if not empty.
	Root, Profile string
}

// Affinity asks to be near to instances of another group, or away from them. Only the group that declares it is moved by it, but
// see Cycle.Averse.
type Affinity struct {
	// Group is the other application. An affinity to the own group is satisfied as long as it has no instance.
	Group string
	// Field is what near means: the same hostname (the zero value), attribute, @zone or @region.
	Field Field
	// Anti asks to be away from them.
	Anti bool
	// Soft makes it a wish, with a Weight (0 means 1).
	Soft   bool
	Weight float64
}

// Domains says where an application may run and where it would rather do so.
type Domains struct {
	// AnyRegion allows agents outside Cycle.HomeRegion. So does any constraint on @region. Agents without a fault domain
	// count as being at home.
	AnyRegion bool
	// Regions and Zones are preferred, the earlier the more. Agents elsewhere come last.
	Regions, Zones []string
	// Weight of the preferences in the score; 0 means 1.
	Weight float64
}

// Caution says what to do about agents that will go away.
type Caution uint8

// The ways to deal with them.
const (
	Default Caution = iota // Avoid those with unavailability announced, Refuse draining ones
	Avoid                  // take them last
	Refuse                 // never take them
	Ignore                 // treat them like the others
)
