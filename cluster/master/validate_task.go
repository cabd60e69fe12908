package master

import (
	"math"
	"slices"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// Checks of every task, in the order of Mesos (contract, section 2): id, duplicate, agent, kill policy, completion time, check,
// health check, resources, command, container, limits.

func (x *acceptance) validateTask(t *mesospb.TaskInfo) error {
	id := t.GetTaskId().GetValue()
	if err := validateID(id); err != nil {
		return err
	}
	if x.framework.tasks[id] != nil || x.framework.unreachable.find(id) != nil {
		return wireErrorf("Task has duplicate ID: %s", id)
	}
	if got := t.GetAgentId().GetValue(); got != x.agent.id {
		return wireErrorf("Task uses invalid agent %s while agent %s is expected", got, x.agent.id)
	}
	if t.GetKillPolicy().GetGracePeriod().GetNanoseconds() < 0 {
		return wireError("Task's 'kill_policy.grace_period' must be non-negative")
	}
	if t.GetMaxCompletionTime().GetNanoseconds() < 0 {
		return wireError("Task's `max_completion_time` must be non-negative")
	}
	if t.Check != nil {
		if err := validateCheck(t.Check); err != nil {
			return wireErrorf("Task uses invalid check: %v", err)
		}
	}
	if t.HealthCheck != nil {
		if err := validateHealthCheck(t.HealthCheck); err != nil {
			return wireErrorf("Task uses invalid health check: %v", err)
		}
	}
	if resources.IsEmpty(t.GetResources()) {
		return wireError("Task uses no resources")
	}
	if err := validateResourceUse(t.GetResources()); err != nil {
		return wireErrorf("Task uses invalid resources: %v", err)
	}
	if t.Command != nil {
		if err := validateCommand(t.Command); err != nil {
			return wireErrorf("Task's `CommandInfo` is invalid: %v", err)
		}
	}
	if t.Container != nil {
		if err := validateContainer(t.Container); err != nil {
			return wireErrorf("Task's `ContainerInfo` is invalid: %v", err)
		}
	}
	return validateLimits(t)
}

// validateResourceUse checks what tasks and executors ask for, beyond what makes resources valid.
func validateResourceUse(list []*mesospb.Resource) error {
	revocable, plain, volumes := map[string]bool{}, map[string]bool{}, []*mesospb.Resource{}
	for i, r := range list {
		if a, b := resources.AllocationRole(list[0]), resources.AllocationRole(r); a != b {
			return wireErrorf("The resources are allocated to both role '%s' and role '%s'", a, b)
		}
		name := r.GetName()
		if resources.IsRevocable(r) {
			revocable[name] = true
		} else {
			plain[name] = true
		}
		if revocable[name] && plain[name] {
			return wireErrorf("Cannot use both revocable and non-revocable '%s' at the same time", name)
		}
		if resources.IsPersistentVolume(r) {
			if hasVolume(volumes, r) {
				return wireErrorf("Persistent volume '%s' is used more than once", r.GetDisk().GetPersistence().GetId())
			}
			if err := validateID(r.GetDisk().GetPersistence().GetId()); err != nil {
				return wireErrorf("Persistence ID is invalid: %v", err)
			}
			volumes = append(volumes, list[i])
		}
		if v := r.GetScalar().GetValue(); name == resources.NameGPUs && v != math.Trunc(v) {
			return wireError("The 'gpus' resource must be an unsigned integer")
		}
	}
	return nil
}

func validateCommand(c *mesospb.CommandInfo) error {
	for _, v := range c.GetEnvironment().GetVariables() {
		switch v.GetType() {
		case mesospb.Environment_Variable_SECRET:
			switch {
			case v.Secret == nil:
				return wireErrorf("Environment variable '%s' of type 'SECRET' must have a secret set", v.GetName())
			case v.Value != nil:
				return wireErrorf("Environment variable '%s' of type 'SECRET' must not have a value set", v.GetName())
			}
			if err := validateSecret(v.Secret); err != nil {
				return wireErrorf("Environment variable '%s' specifies an invalid secret: %v", v.GetName(), err)
			}
		case mesospb.Environment_Variable_VALUE:
			switch {
			case v.Value == nil:
				return wireErrorf("Environment variable '%s' of type 'VALUE' must have a value set", v.GetName())
			case v.Secret != nil:
				return wireErrorf("Environment variable '%s' of type 'VALUE' must not have a secret set", v.GetName())
			}
		default:
			return wireErrorf("Environment variable '%s' of type 'UNKNOWN' is not allowed", v.GetName())
		}
	}
	return nil
}

func validateSecret(s *mesospb.Secret) error {
	switch s.GetType() {
	case mesospb.Secret_REFERENCE:
		if s.Reference == nil || s.Value != nil {
			return wireError("Secret of type REFERENCE must have the 'reference' field set, and nothing else")
		}
	case mesospb.Secret_VALUE:
		if s.Value == nil || s.Reference != nil {
			return wireError("Secret of type VALUE must have the 'value' field set, and nothing else")
		}
	default:
		return wireError("Secret of type UNKNOWN is not allowed")
	}
	return nil
}

func validateContainer(c *mesospb.ContainerInfo) error {
	for _, v := range c.GetVolumes() {
		if err := validateVolume(v); err != nil {
			return err
		}
	}
	if c.GetType() == mesospb.ContainerInfo_DOCKER {
		if c.Docker == nil {
			return wireError("DockerInfo 'docker' is not set for DOCKER typed ContainerInfo")
		}
		for _, p := range c.GetDocker().GetParameters() {
			if p.GetKey() == "name" {
				return wireError("Parameter in DockerInfo must not be 'name'")
			}
		}
	}
	return nil
}

func validateVolume(v *mesospb.Volume) error {
	n := 0
	for _, set := range []bool{v.HostPath != nil, v.Image != nil, v.Source != nil} {
		if set {
			n++
		}
	}
	if n != 1 {
		return wireError("Only one of them should be set: 'host_path', 'image' and 'source'")
	}
	s := v.GetSource()
	if s == nil {
		return nil
	}
	for _, k := range []struct {
		t   mesospb.Volume_Source_Type
		set bool
	}{
		{mesospb.Volume_Source_DOCKER_VOLUME, s.DockerVolume != nil},
		{mesospb.Volume_Source_HOST_PATH, s.HostPath != nil},
		{mesospb.Volume_Source_SANDBOX_PATH, s.SandboxPath != nil},
		{mesospb.Volume_Source_SECRET, s.Secret != nil},
		{mesospb.Volume_Source_CSI_VOLUME, s.CsiVolume != nil},
	} {
		if s.GetType() == k.t {
			if !k.set {
				return wireErrorf("'source.%s' is not set for %v volume", lower(k.t.String()), k.t)
			}
			return nil
		}
	}
	return wireError("'source.type' is unknown")
}

// validateLimits checks limits: of cpus and mem only, both requested, and not below the request.
func validateLimits(t *mesospb.TaskInfo) error {
	for _, name := range sortedKeys(t.GetLimits()) {
		if !slices.Contains([]string{resources.NameCPUs, resources.NameMem}, name) {
			return wireErrorf("The limit of resource '%s' is not supported: only 'cpus' and 'mem' have limits", name)
		}
		limit := t.GetLimits()[name].GetValue()
		request, ok := resources.Scalar(t.GetResources(), name)
		switch {
		case !ok:
			return wireErrorf("The limit of resource '%s' is set, but it is not requested", name)
		case math.IsNaN(limit) || limit < request:
			return wireErrorf("The limit of resource '%s' (%v) is less than the request (%v)", name, limit, request)
		}
	}
	return nil
}
