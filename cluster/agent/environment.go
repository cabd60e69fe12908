package agent

// The environment of executors and tasks: docs/behaviour.md#executors. Later wins:
//
//	what the agent gives, MESOS_SANDBOX, CommandInfo.environment
//
// Nothing else is inherited from this program. PATH, if nobody sets it, is the system's default.

import (
	"maps"
	"os"
	"slices"

	"github.com/mesokit/mesokit/cluster/agent/internal/process"
	"github.com/mesokit/mesokit/mesos/duration"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// environment is the variables of a process by name.
type environment map[string]string

// list returns NAME=value, sorted.
func (e environment) list() []string {
	out := make([]string, 0, len(e))
	for _, name := range slices.Sorted(maps.Keys(e)) {
		out = append(out, name+"="+e[name])
	}
	return out
}

// add puts the variables of a command over those that are there.
func (e environment) add(env *mesospb.Environment) error {
	for _, v := range env.GetVariables() {
		if v.GetType() == mesospb.Environment_Variable_SECRET {
			data, err := secretValue(v.GetSecret())
			if err != nil {
				return wording("Collect failed: " + err.Error())
			}
			e[v.GetName()] = string(data)
			continue
		}
		e[v.GetName()] = v.GetValue()
	}
	return nil
}

// agentEnvironment is what the agent gives an executor.
func (a *Agent) agentEnvironment(e *executor) environment {
	env := environment{}
	maps.Copy(env, a.cfg.Environment)
	if ip, ok := os.LookupEnv("LIBPROCESS_IP"); ok {
		env["LIBPROCESS_IP"] = ip
	}
	checkpoint := "0"
	if e.framework.info.GetCheckpoint() {
		checkpoint = "1"
		env["MESOS_RECOVERY_TIMEOUT"] = duration.Format(recoveryTimeout)
		env["MESOS_SUBSCRIPTION_BACKOFF_MAX"] = duration.Format(subscriptionBackoffMax)
	}
	maps.Copy(env, environment{
		"LIBPROCESS_PORT":                      "0",
		"MESOS_FRAMEWORK_ID":                   e.framework.id(),
		"MESOS_EXECUTOR_ID":                    e.id(),
		"MESOS_SLAVE_ID":                       a.id,
		"MESOS_SLAVE_PID":                      a.address.pid(),
		"MESOS_AGENT_ENDPOINT":                 a.address.hostPort(),
		"MESOS_DIRECTORY":                      e.dir,
		"MESOS_CHECKPOINT":                     checkpoint,
		"MESOS_HTTP_COMMAND_EXECUTOR":          "0",
		"MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": duration.Format(a.shutdownGrace(e.info)),
		"MESOS_SANDBOX":                        e.dir,
	})
	if _, ok := env["PATH"]; !ok {
		env["PATH"] = process.DefaultPath
	}
	return env
}

// executorEnvironment is the environment of a custom executor.
func (a *Agent) executorEnvironment(e *executor) ([]string, error) {
	env := a.agentEnvironment(e)
	if err := env.add(e.info.GetCommand().GetEnvironment()); err != nil {
		return nil, err
	}
	if err := a.addToken(env, e); err != nil {
		return nil, err
	}
	return env.list(), nil
}

// commandEnvironment is the environment of a command task.
func (a *Agent) commandEnvironment(e *executor, t *mesospb.TaskInfo) ([]string, error) {
	env := a.agentEnvironment(e)
	env.addRole(t)
	if err := env.add(t.GetCommand().GetEnvironment()); err != nil {
		return nil, err
	}
	return env.list(), nil
}

// addRole names the role that a task's resources are allocated to.
func (e environment) addRole(t *mesospb.TaskInfo) {
	for _, r := range t.GetResources() {
		if role := resources.AllocationRole(r); role != "" {
			e["MESOS_ALLOCATION_ROLE"] = role
			return
		}
	}
}

// groupEnvironment is the environment of a task of a group.
func (a *Agent) groupEnvironment(t *mesospb.TaskInfo, dir string) ([]string, error) {
	env := environment{"PATH": process.DefaultPath, "MESOS_SANDBOX": dir, "MESOS_CONTAINER_IP": a.address.ip}
	env.addRole(t)
	if err := env.add(t.GetCommand().GetEnvironment()); err != nil {
		return nil, err
	}
	return env.list(), nil
}
