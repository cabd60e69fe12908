package app

import "github.com/mesokit/mesokit/mesos/mesospb"

// App describes one application: what each instance runs, what it needs, where it may run and how the engine looks after it. Parse reads one from
// JSON; in Go, start with New or a literal and call Complete, which fills in the defaults that are named below and checks everything.
//
// The tags are what Parse knows: json is the name, alias lists older names that are accepted too. An App is a plain value: nothing in this
// package changes one but Complete, and concurrent reads are safe.
type App struct {
	// Name identifies the application within its framework, and is the beginning of task ids: 1 to 128 bytes without / \ ~ and control
	// characters.
	Name string `json:"name"`
	// Instances is how many run at the same time. Parse sets 1 if the document does not say; a literal has to say it. Must be 0 for daemons.
	Instances int `json:"instances"`

	Task `json:",inline"` // what an instance runs, unless Group says so

	// Group makes each instance a pod: these tasks start together on one agent, under one executor, share its network, and end together. The
	// application itself then has no command; its Resources.Role, Container (networks only) and Executor apply to the pod.
	Group []Member `json:"group,omitempty"`
	// Executor runs the tasks instead of the executors that Mesos has built in.
	Executor *Executor `json:"executor,omitempty"`

	// Goal says what becomes of instances that end. Default: running.
	Goal Goal `json:"goal,omitempty"`
	// Daemon runs one instance on each agent that satisfies the constraints, also on those that come later.
	Daemon bool `json:"daemon,omitempty"`
	// Strategy places instances relative to each other. Default: non-mux.
	Strategy Strategy `json:"strategy,omitempty"`
	// Constraints restrict the agents; all hard ones hold.
	Constraints []Constraint `json:"constraints,omitempty"`
	// Filters are the old SDK's: an agent is suitable if any of its attributes has any of the values of any filter.
	Filters []Filter `json:"filters,omitempty"`
	// Affinities place instances close to, or away from, other applications.
	Affinities []Affinity `json:"affinities,omitempty" alias:"affinity"`
	// FaultDomain prefers or demands regions and zones.
	FaultDomain *FaultDomain `json:"fault_domain,omitempty"`

	// Readiness says when an instance counts as up: for updates, and for the reset of the retry delay.
	Readiness *Readiness `json:"readiness,omitempty"`
	// Retry says how soon and how often an instance that ended without reaching its goal is started again.
	Retry *Retry `json:"retry,omitempty"`
	// Update says how a new version replaces the old one.
	Update *Update `json:"update,omitempty"`
	// Unreachable says what happens to instances on agents that the master lost contact with.
	Unreachable *Unreachable `json:"unreachable,omitempty"`
}

// Task is what one process needs and does: the part that an application and the tasks of a group have in common.
type Task struct {
	Resources Resources `json:"resources"`
	// Command is what runs. Optional with an image that has an entry point and with a custom executor.
	Command   *Command   `json:"command,omitempty"`
	Container *Container `json:"container,omitempty"`
	// HealthCheck kills tasks that fail it too often.
	HealthCheck *HealthCheck `json:"health_check,omitempty" alias:"healthcheck"`
	// Check only reports its result, see Readiness.
	Check  *Check `json:"check,omitempty"`
	Labels Labels `json:"labels,omitempty"`
	// KillGracePeriod is the time between SIGTERM and SIGKILL. Default: 3s, as Mesos; in groups, the application's.
	KillGracePeriod *Duration `json:"kill_grace_period,omitempty"`
	// MaxCompletionTime makes the executor kill tasks that run longer; 0: no limit.
	MaxCompletionTime Duration `json:"max_completion_time,omitempty"`
	// Data is passed to a custom executor with the task, as it is.
	Data string `json:"data,omitempty"`
	// Visibility says for whom service discovery is to show the task: DiscoveryInfo.visibility. Empty: framework; in groups, the application's.
	Visibility Visibility `json:"visibility,omitempty"`
}

// Visibility says how far service discovery spreads the name and ports of a task. Mesos passes it on only; what comes of it is the discovery's business.
type Visibility string

// The visibilities.
const (
	VisibleFramework Visibility = "framework" // to the tasks of the framework
	VisibleCluster   Visibility = "cluster"   // in the cluster
	VisibleExternal  Visibility = "external"  // outside, too
)

// Member is one task of a group.
type Member struct {
	// Name is unique in the group; rules as for App.Name.
	Name string `json:"name"`
	Task `json:",inline"`
}

// Resources is what a task, or an executor, takes from its agent. Amounts have three decimals, as Mesos counts.
type Resources struct {
	CPUs float64 `json:"cpus,omitempty" alias:"cpu"`
	Mem  MB      `json:"mem,omitempty" alias:"memory"`
	GPUs int     `json:"gpus,omitempty" alias:"gpu"`
	// Disk is space in the sandbox and volumes that outlive the task.
	Disk Disks `json:"disk,omitempty"`
	// Ports are ports on the agent, in the order in which tasks see them as PORT0, PORT1, …
	Ports Ports `json:"ports,omitempty"`
	// Role is whose offers are used: one of the framework's roles. Empty: the framework's only one; with several, it has to be
	// said. Not in groups' tasks and executors.
	Role string `json:"role,omitempty"`
	// Reserve is how much is reserved for Role when an instance first starts. Default: volumes, i.e. only what persistent volumes are made of.
	Reserve Reserve `json:"reserve,omitempty"`
}

// Reserve says which resources an instance reserves.
type Reserve string

// What is reserved.
const (
	ReserveVolumes Reserve = "volumes" // only the disk under persistent volumes, which Mesos demands
	ReserveAll     Reserve = "all"     // everything the instance uses, so that nobody can take it while the instance is down
)

// Disk is disk space: of the sandbox, or, with Persistence, a volume that outlives the task.
type Disk struct {
	Size MB `json:"size"`
	// Persistence makes it a persistent volume, one for each instance. Needs Volume and a role.
	Persistence *Persistence `json:"persistence,omitempty"`
	// Volume is where tasks find a persistent volume; container_path and mode only.
	Volume *Volume `json:"volume,omitempty"`
	// Source selects a disk other than the agent's root disk.
	Source *DiskSource `json:"source,omitempty"`
}

// Persistence identifies a persistent volume.
type Persistence struct {
	// ID tells the volumes of an application apart; see App.VolumeIDs for what Mesos gets to see. Default: data.
	ID string `json:"id,omitempty"`
	// Principal is who creates the volume. Empty: the framework's.
	Principal string `json:"principal,omitempty" alias:"principle"`
}

// DiskSource selects disks that the operator gave a type.
type DiskSource struct {
	// Type is path (a directory, shared by several volumes) or mount (a file system of its own, taken as a whole).
	Type string `json:"type"`
	// Root is the directory or mount point on the agent. Empty: any.
	Root string `json:"root,omitempty" alias:"path,mount"`
	// Profile is the profile of a disk from a resource provider.
	Profile string `json:"profile,omitempty"`
}

// Port is one port on the agent.
type Port struct {
	// Name is unique in the application; the task finds the number in PORT_<NAME>. Letters, digits, - and _.
	Name string `json:"name,omitempty"`
	// Number is a fixed port; 0: any that is free.
	Number int `json:"port,omitempty" alias:"number,host_port"`
	// Protocol is tcp or udp, for service discovery. Default: tcp.
	Protocol string `json:"protocol,omitempty"`
	// Labels are for service discovery.
	Labels Labels `json:"labels,omitempty"`
}

// Command is a process to start.
type Command struct {
	// Cmd is a line for /bin/sh -c.
	Cmd string `json:"cmd,omitempty"`
	// Argv starts a program without a shell; argv[0] is looked up in the sandbox and PATH. With an image and neither Cmd nor Argv, the image's
	// entry point runs.
	Argv []string `json:"argv,omitempty"`
	// Arguments are passed to the entry point of the image.
	Arguments []string `json:"arguments,omitempty" alias:"args"`
	// User runs the command. Empty: the framework's.
	User string `json:"user,omitempty"`
	// URIs are fetched into the sandbox before the command starts.
	URIs []URI `json:"uris,omitempty" alias:"uri"`
	// Environment is added to what tasks get anyway (see the package documentation), and takes precedence.
	Environment map[string]string `json:"environment,omitempty" alias:"env"`
}

// URI is a file to fetch.
type URI struct {
	URI string `json:"uri" alias:"value"`
	// Extract unpacks archives into the sandbox. Default: true; with Execute always false, as in Mesos.
	Extract *bool `json:"extract,omitempty"`
	// Execute makes the file executable.
	Execute bool `json:"execute,omitempty" alias:"executable"`
	// Cache keeps a copy on the agent.
	Cache bool `json:"cache,omitempty"`
	// OutputFile is the name in the sandbox. Empty: the last part of the URI.
	OutputFile string `json:"output_file,omitempty"`
}

// Container is what a task sees instead of its agent: image, networks, volumes.
type Container struct {
	// Type is mesos (the universal container runtime) or docker (the Docker daemon of the agent). Default: mesos.
	Type ContainerType `json:"type,omitempty"`
	// Image is a Docker image, for both types. Empty: the file system of the agent (type mesos only).
	Image string `json:"image,omitempty"`
	// Tag is appended to Image.
	Tag string `json:"tag,omitempty"`
	// ForcePull fetches the image even if the agent has it.
	ForcePull bool `json:"force_pull,omitempty"`
	// Hostname is what the container calls itself. Only with networks.
	Hostname string    `json:"hostname,omitempty"`
	Networks []Network `json:"networks,omitempty" alias:"network"`
	Volumes  []Volume  `json:"volumes,omitempty" alias:"volume"`
	// Privileged and Parameters are for type docker only: --privileged and other options of docker run.
	Privileged bool        `json:"privileged,omitempty"`
	Parameters []Parameter `json:"parameters,omitempty"`
}

// ContainerType names a containerizer.
type ContainerType string

// The containerizers.
const (
	ContainerMesos  ContainerType = "mesos"
	ContainerDocker ContainerType = "docker"
)

// Parameter is one option of docker run or of a volume driver.
type Parameter struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Network attaches a container to a network.
type Network struct {
	// Name is a CNI network, or a Docker one. Empty: the agent's own network.
	Name        string      `json:"name,omitempty"`
	IPAddresses []IPAddress `json:"ip_addresses,omitempty" alias:"ipaddress,ip_address"`
	Groups      []string    `json:"groups,omitempty" alias:"group"`
	Labels      Labels      `json:"labels,omitempty"`
	// PortMappings make ports of the container reachable on the agent.
	PortMappings []PortMapping `json:"port_mappings,omitempty" alias:"port_mapping"`
}

// IPAddress asks for an address.
type IPAddress struct {
	// IP is the address. Empty: any of Protocol.
	IP string `json:"ip,omitempty" alias:"ip_address"`
	// Protocol is ipv4 or ipv6. Default: that of IP.
	Protocol string `json:"protocol,omitempty"`
}

// PortMapping makes a port of the container reachable on the agent.
type PortMapping struct {
	// HostPort is the name or number of one of Resources.Ports; a number that is not among them is added to them.
	HostPort      PortRef `json:"host_port,omitzero"`
	ContainerPort int     `json:"container_port"`
	// Protocol is tcp or udp. Default: tcp.
	Protocol string `json:"protocol,omitempty"`
}

// PortRef is a port by number, or by the name of one of the application's ports. In JSON: a number or a string.
type PortRef struct {
	Number int
	Name   string
}

// Volume is a directory or file in a container.
type Volume struct {
	// ContainerPath is where the task finds it: absolute, or relative to the sandbox.
	ContainerPath string `json:"container_path"`
	// HostPath is a path on the agent.
	HostPath string `json:"host_path,omitempty"`
	// Mode is rw or ro. Default: rw.
	Mode string `json:"mode,omitempty"`
	// Source is anything other than a path on the agent.
	Source *VolumeSource `json:"source,omitempty"`
}

// VolumeSource says where a volume comes from.
type VolumeSource struct {
	// Type is docker_volume (or docker), sandbox_path or host_path.
	Type         string        `json:"type"`
	DockerVolume *DockerVolume `json:"docker_volume,omitempty"`
	SandboxPath  *SandboxPath  `json:"sandbox_path,omitempty"`
	// HostPath is a path on the agent, as Volume.HostPath.
	HostPath string `json:"host_path,omitempty"`
}

// DockerVolume is a volume of a Docker volume driver.
type DockerVolume struct {
	Driver string `json:"driver,omitempty" alias:"Driver"`
	Name   string `json:"name" alias:"Name"`
	// DriverOptions are passed to the driver.
	DriverOptions Labels `json:"driver_options,omitempty" alias:"driver_opts,DriverOptions"`
}

// SandboxPath is a directory in the sandbox, of the task itself or of its executor, so that tasks of a group can share it.
type SandboxPath struct {
	// Type is self or parent. Default: self.
	Type string `json:"type,omitempty"`
	Path string `json:"path"`
}

// Executor is a custom executor: a program that speaks the executor API and runs the tasks.
type Executor struct {
	// Name is for people. Default: the application's.
	Name      string     `json:"name,omitempty"`
	Command   *Command   `json:"command"`
	Container *Container `json:"container,omitempty"`
	// Resources are added to those of the tasks. In a group, Mesos wants at least 0.01 cpus, 32 MB of memory and some disk. Default: 0.1 cpus, 32 MB
	// and in groups 10 MB of disk.
	Resources Resources `json:"resources"`
	Labels    Labels    `json:"labels,omitempty"`
	// Data is passed to the executor as it is.
	Data string `json:"data,omitempty"`
	// ShutdownGracePeriod is how long the executor may take to stop. Empty: the agent's default.
	ShutdownGracePeriod Duration `json:"shutdown_grace_period,omitempty"`
}

// Launch is one placed instance: what Operations needs to know beyond the application.
type Launch struct {
	// TaskIDs has one id, or one for each task of a group in their order.
	TaskIDs []string
	// Instance is the number of the instance, from 0: part of the ids of persistent volumes and of the environment.
	Instance    int
	FrameworkID string
	AgentID     string
	Hostname    string // of the agent, for HOST
	// Version is for MESOKIT_VERSION. Empty: Hash, which costs more than the rest.
	Version string
	// Principal is the framework's, for reservations and volumes. May be empty.
	Principal string
	// Role is that of the offers. Empty: the role that Resources are allocated to, which masters tell frameworks with MULTI_ROLE only, else the
	// application's.
	Role string
	// Resources are the ones that the placement picked for the instance, executor included, exactly as offered: with allocation and reservations.
	Resources []*mesospb.Resource
	// Ports are the numbers for App.AllPorts, in that order; they are part of Resources.
	Ports []uint64
	// Volumes are the disks for App.Volumes, in that order: existing volumes, or disk to make one from. They are elements of Resources.
	// Empty: they are looked for there.
	Volumes []*mesospb.Resource
	// VolumeIDs are the persistence ids of the volumes, in the order of App.VolumeIDs, for new ones and existing ones alike. Nil: App.VolumeIDs without
	// a unique part.
	VolumeIDs []string
	// Owner labels the reservations that are made, so that they can be told from those of other instances: see resources.OwnerLabel. Reservations
	// of other owners are not used. Empty: no label.
	Owner string
	// ReservationRefinement says whether the framework has that capability; without, the older format of reservations is used.
	ReservationRefinement bool
}
