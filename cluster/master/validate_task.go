package master

import (
	"bytes"
	"math"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// Checks of every task, in the order of Mesos (docs/behaviour.md#scheduler-calls): id, duplicate, agent, kill policy, completion time, check,
// health check, resources, command, container, limits.

func (x *acceptance) validateTask(t *mesospb.TaskInfo) error {
	id := t.GetTaskId().GetValue()
	if err := validateID(id); err != nil {
		return err
	}
	if x.framework.tasks[id] != nil {
		return wireErrorf("Task has duplicate ID: %s", id)
	}
	if x.framework.unreachable.find(id) != nil {
		return wireErrorf("Task reuses the ID of an unreachable task: %s", id)
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
	if err := validateTaskResources(t.GetResources()); err != nil {
		return err
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

func validateTaskResources(list []*mesospb.Resource) error {
	if len(list) == 0 {
		return wireError("Task uses no resources")
	}
	if err := validateResources(list); err != nil {
		return wireErrorf("Task uses invalid resources: %v", err)
	}
	if err := uniquePersistence(list); err != nil {
		return wireErrorf("Task uses duplicate persistence ID: %v", err)
	}
	if err := oneAllocation(list); err != nil {
		return wireErrorf("Invalid task resources: %v", err)
	}
	if err := notMixed(list); err != nil {
		return wireErrorf("Task mixes revocable and non-revocable resources: %v", err)
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
			if bytes.IndexByte(v.GetSecret().GetValue().GetData(), 0) >= 0 {
				return wireErrorf("Environment variable '%s' specifies a secret containing null bytes, which is not allowed in the environment", v.GetName())
			}
		case mesospb.Environment_Variable_VALUE:
			switch {
			case v.Value == nil:
				return wireErrorf("Environment variable '%s' of type 'VALUE' must have a value set", v.GetName())
			case v.Secret != nil:
				return wireErrorf("Environment variable '%s' of type 'VALUE' must not have a secret set", v.GetName())
			}
		default:
			return wireError("Environment variable of type 'UNKNOWN' is not allowed")
		}
	}
	return nil
}

func validateSecret(s *mesospb.Secret) error {
	switch reference, value := s.Reference != nil, s.Value != nil; {
	case s.GetType() == mesospb.Secret_REFERENCE && !reference:
		return wireError("Secret of type REFERENCE must have the 'reference' field set")
	case s.GetType() == mesospb.Secret_REFERENCE && value:
		return wireErrorf("Secret '%s' of type REFERENCE must not have the 'value' field set", s.GetReference().GetName())
	case s.GetType() == mesospb.Secret_VALUE && !value:
		return wireError("Secret of type VALUE must have the 'value' field set")
	case s.GetType() == mesospb.Secret_VALUE && reference:
		return wireError("Secret of type VALUE must not have the 'reference' field set")
	}
	return nil
}

func validateContainer(c *mesospb.ContainerInfo) error {
	for _, v := range c.GetVolumes() {
		if err := validateVolume(v); err != nil {
			return wireErrorf("Invalid volume: %v", err)
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
		if name != resources.NameCPUs && name != resources.NameMem {
			return wireError("Only cpus and mem may be included in a task's resource limits")
		}
	}
	for _, l := range []struct{ name, missing, below string }{
		{resources.NameCPUs, "When a CPU limit is specified, a CPU request must also be specified", "The cpu limit must be greater than or equal to the cpu request"},
		{resources.NameMem, "When a memory limit is specified, a memory request must also be specified", "The memory limit must be greater than or equal to the memory request"},
	} {
		limit, limited := t.GetLimits()[l.name]
		if !limited {
			continue
		}
		request, ok := resources.Scalar(t.GetResources(), l.name)
		switch {
		case !ok:
			return wireError(l.missing)
		case math.IsNaN(limit.GetValue()) || limit.GetValue() < request:
			return wireError(l.below)
		}
	}
	return nil
}
