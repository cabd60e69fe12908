package auth

import (
	"cmp"
	"slices"
)

// Action is something that ACLs allow or forbid, by its name in the JSON of --acls.
type Action string

// Actions that the embedded master and agents ask about. Mesos has more: see Enforced.
const (
	RegisterFrameworks Action = "register_frameworks" // objects are roles
	RunTasks           Action = "run_tasks"           // users
	TeardownFrameworks Action = "teardown_frameworks" // principals of frameworks

	ReserveResources   Action = "reserve_resources"   // roles
	UnreserveResources Action = "unreserve_resources" // principals who reserved
	CreateVolumes      Action = "create_volumes"      // roles
	DestroyVolumes     Action = "destroy_volumes"     // principals who created
	ResizeVolumes      Action = "resize_volumes"      // roles

	GetQuotas                  Action = "get_quotas"     // roles
	UpdateQuotas               Action = "update_quotas"  // roles
	UpdateWeights              Action = "update_weights" // roles
	ViewRoles                  Action = "view_roles"     // roles
	GetEndpoints               Action = "get_endpoints"  // paths; see Authorizable
	ViewFlags                  Action = "view_flags"     // any or none, as those that follow
	SetLogLevel                Action = "set_log_level"
	AccessMesosLogs            Action = "access_mesos_logs"
	UpdateMaintenanceSchedules Action = "update_maintenance_schedules"
	GetMaintenanceSchedules    Action = "get_maintenance_schedules"
	StartMaintenances          Action = "start_maintenances"
	StopMaintenances           Action = "stop_maintenances"
	GetMaintenanceStatuses     Action = "get_maintenance_statuses"
	DrainAgents                Action = "drain_agents"
	DeactivateAgents           Action = "deactivate_agents"
	ReactivateAgents           Action = "reactivate_agents"
	MarkAgentsGone             Action = "mark_agents_gone"
	PruneImages                Action = "prune_images"

	// What is shown: objects are the users of frameworks, tasks and executors.
	ViewFrameworks Action = "view_frameworks"
	ViewTasks      Action = "view_tasks"
	ViewExecutors  Action = "view_executors"
	ViewContainers Action = "view_containers"

	// Containers: objects are the users of the executors that they belong to, or of the command that is to run.
	AccessSandboxes                   Action = "access_sandboxes"
	AttachContainersInput             Action = "attach_containers_input"
	AttachContainersOutput            Action = "attach_containers_output"
	KillNestedContainers              Action = "kill_nested_containers"
	WaitNestedContainers              Action = "wait_nested_containers"
	RemoveNestedContainers            Action = "remove_nested_containers"
	LaunchNestedContainersAsUser      Action = "launch_nested_containers_as_user"
	LaunchNestedContainersUnderParent Action = "launch_nested_containers_under_parent_with_user"
	LaunchNestedSessionsAsUser        Action = "launch_nested_container_sessions_as_user"
	LaunchNestedSessionsUnderParent   Action = "launch_nested_container_sessions_under_parent_with_user"
	LaunchStandaloneContainers        Action = "launch_standalone_containers"
	KillStandaloneContainers          Action = "kill_standalone_containers"
	WaitStandaloneContainers          Action = "wait_standalone_containers"
	RemoveStandaloneContainers        Action = "remove_standalone_containers"
	ViewStandaloneContainers          Action = "view_standalone_containers"
)

// kind is what is known of an action.
type kind struct {
	objects    string // the name of the field
	wholesale  bool   // objects are ANY or NONE
	roles      bool   // objects are roles; "a/%" stands for all below a
	unenforced bool   // the embedded cluster does not ask about it
}

// kinds are all actions of Mesos.
var kinds = map[Action]kind{
	RegisterFrameworks: {objects: "roles", roles: true},
	RunTasks:           {objects: "users"},
	TeardownFrameworks: {objects: "framework_principals"},
	ReserveResources:   {objects: "roles", roles: true},
	UnreserveResources: {objects: "reserver_principals"},
	CreateVolumes:      {objects: "roles", roles: true},
	DestroyVolumes:     {objects: "creator_principals"},
	ResizeVolumes:      {objects: "roles", roles: true},
	GetQuotas:          {objects: "roles", roles: true},
	UpdateQuotas:       {objects: "roles", roles: true},
	UpdateWeights:      {objects: "roles", roles: true},
	ViewRoles:          {objects: "roles", roles: true},
	GetEndpoints:       {objects: "paths"},
	ViewFlags:          {objects: "flags", wholesale: true},
	SetLogLevel:        {objects: "level", wholesale: true},
	AccessMesosLogs:    {objects: "logs", wholesale: true},

	UpdateMaintenanceSchedules: {objects: "machines", wholesale: true},
	GetMaintenanceSchedules:    {objects: "machines", wholesale: true},
	StartMaintenances:          {objects: "machines", wholesale: true},
	StopMaintenances:           {objects: "machines", wholesale: true},
	GetMaintenanceStatuses:     {objects: "machines", wholesale: true},
	DrainAgents:                {objects: "agents", wholesale: true},
	DeactivateAgents:           {objects: "agents", wholesale: true},
	ReactivateAgents:           {objects: "agents", wholesale: true},
	MarkAgentsGone:             {objects: "agents", wholesale: true},
	PruneImages:                {objects: "images", wholesale: true},

	ViewFrameworks: {objects: "users"},
	ViewTasks:      {objects: "users"},
	ViewExecutors:  {objects: "users"},
	ViewContainers: {objects: "users"},

	AccessSandboxes:                   {objects: "users"},
	AttachContainersInput:             {objects: "users"},
	AttachContainersOutput:            {objects: "users"},
	KillNestedContainers:              {objects: "users"},
	WaitNestedContainers:              {objects: "users"},
	RemoveNestedContainers:            {objects: "users"},
	LaunchNestedContainersAsUser:      {objects: "users"},
	LaunchNestedContainersUnderParent: {objects: "users"},
	LaunchNestedSessionsAsUser:        {objects: "users"},
	LaunchNestedSessionsUnderParent:   {objects: "users"},
	LaunchStandaloneContainers:        {objects: "users", wholesale: true},
	KillStandaloneContainers:          {objects: "users", wholesale: true},
	WaitStandaloneContainers:          {objects: "users", wholesale: true},
	RemoveStandaloneContainers:        {objects: "users", wholesale: true},
	ViewStandaloneContainers:          {objects: "users", wholesale: true},

	// What the embedded cluster shows whole or does not have.
	"register_agents":                  {objects: "agents", wholesale: true, unenforced: true},
	"view_resource_providers":          {objects: "resource_providers", wholesale: true, unenforced: true},
	"modify_resource_provider_configs": {objects: "resource_providers", wholesale: true, unenforced: true},
	"mark_resource_providers_gone":     {objects: "resource_providers", wholesale: true, unenforced: true},
	"create_block_disks":               {objects: "roles", roles: true, unenforced: true},
	"destroy_block_disks":              {objects: "roles", roles: true, unenforced: true},
	"create_mount_disks":               {objects: "roles", roles: true, unenforced: true},
	"destroy_mount_disks":              {objects: "roles", roles: true, unenforced: true},
	"destroy_raw_disks":                {objects: "roles", roles: true, unenforced: true},
}

// Enforced reports whether the embedded cluster asks about an action. ACLs of others are accepted, so that the files of a
// real cluster can be used, and have no effect.
func (a Action) Enforced() bool {
	k, known := kinds[a]
	return known && !k.unenforced
}

// ACLs say who may do what, as --acls of Mesos. The first rule of an action that fits decides.
type ACLs struct {
	// Rules of each action, in order.
	Rules map[Action][]Rule
	// Strict forbids what no rule fits ("permissive": false); otherwise it is allowed.
	Strict bool
}

// Rule allows principals something with objects: roles, users, principals or paths.
type Rule struct {
	Principals, Objects Entity
}

// Entity is a set of names, all or none. The zero Entity is an empty set, which fits nothing.
type Entity struct {
	kind   entityKind
	values []string
}

type entityKind uint8

const (
	some entityKind = iota
	anyone
	none
)

// Some is the set of these names.
func Some(names ...string) Entity { return Entity{some, slices.Clone(names)} }

// Any is everyone, or everything.
func Any() Entity { return Entity{kind: anyone} }

// None is no one, or nothing: a rule with it fits all and forbids.
func None() Entity { return Entity{kind: none} }

// matches reports whether an ACL's entity is about what is asked for. asked is Any or Some.
func (e Entity) matches(asked Entity) bool {
	return e.kind != some || asked.kind == some && e.holds(asked)
}

// allows reports whether an ACL's entity allows what is asked for.
func (e Entity) allows(asked Entity) bool {
	return e.kind == anyone || e.kind == some && asked.kind == some && e.holds(asked)
}

func (e Entity) holds(asked Entity) bool {
	return !slices.ContainsFunc(asked.values, func(v string) bool { return !slices.Contains(e.values, v) })
}

// Unenforced lists the actions that have rules which have no effect, sorted.
func (a *ACLs) Unenforced() []Action {
	if a == nil {
		return nil
	}
	var out []Action
	for action, rules := range a.Rules {
		if len(rules) > 0 && !action.Enforced() {
			out = append(out, action)
		}
	}
	slices.SortFunc(out, cmp.Compare[Action])
	return out
}
