package master

import (
	"strings"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// Checks and health checks of tasks: the part that belongs to their type must be there and make sense, durations must not be
// negative.

func validateCheck(c *mesospb.CheckInfo) error {
	if c.Type == nil {
		return wireError("CheckInfo must specify 'type'")
	}
	switch c.GetType() {
	case mesospb.CheckInfo_COMMAND:
		if c.Command == nil {
			return wireError("Expecting 'command' to be set for COMMAND check")
		}
		if err := validateCheckCommand(c.GetCommand().GetCommand(), "Command check", "Check"); err != nil {
			return err
		}
	case mesospb.CheckInfo_HTTP:
		if c.Http == nil {
			return wireError("Expecting 'http' to be set for HTTP check")
		}
		if err := validatePath(c.GetHttp().Path, "HTTP check"); err != nil {
			return err
		}
	case mesospb.CheckInfo_TCP:
		if c.Tcp == nil {
			return wireError("Expecting 'tcp' to be set for TCP check")
		}
	default:
		return wireErrorf("'%v' is not a valid check type", c.GetType())
	}
	return validateSeconds(map[string]float64{
		"delay_seconds": c.GetDelaySeconds(), "interval_seconds": c.GetIntervalSeconds(), "timeout_seconds": c.GetTimeoutSeconds(),
	})
}

// nameHealthCheck names the type of a health check that leaves it out and has just one of command and http, as was usual before there were types.
func nameHealthCheck(t *mesospb.TaskInfo) {
	switch c := t.GetHealthCheck(); {
	case c == nil || c.Type != nil:
	case c.Command != nil && c.Http == nil:
		c.Type = mesospb.HealthCheck_COMMAND.Enum()
	case c.Command == nil && c.Http != nil:
		c.Type = mesospb.HealthCheck_HTTP.Enum()
	}
}

func validateHealthCheck(c *mesospb.HealthCheck) error {
	if c.Type == nil {
		return wireError("HealthCheck must specify 'type'")
	}
	switch c.GetType() {
	case mesospb.HealthCheck_COMMAND:
		if c.Command == nil {
			return wireError("Expecting 'command' to be set for COMMAND health check")
		}
		if err := validateCheckCommand(c.GetCommand(), "Command health check", "Health check"); err != nil {
			return err
		}
	case mesospb.HealthCheck_HTTP:
		if c.Http == nil {
			return wireError("Expecting 'http' to be set for HTTP health check")
		}
		if s := c.GetHttp().GetScheme(); c.GetHttp().Scheme != nil && s != "http" && s != "https" {
			return wireErrorf("Unsupported HTTP health check scheme: '%s'", s)
		}
		if err := validatePath(c.GetHttp().Path, "HTTP health check"); err != nil {
			return err
		}
	case mesospb.HealthCheck_TCP:
		if c.Tcp == nil {
			return wireError("Expecting 'tcp' to be set for TCP health check")
		}
	default:
		return wireErrorf("'%v' is not a valid health check type", c.GetType())
	}
	return validateSeconds(map[string]float64{
		"delay_seconds": c.GetDelaySeconds(), "grace_period_seconds": c.GetGracePeriodSeconds(),
		"interval_seconds": c.GetIntervalSeconds(), "timeout_seconds": c.GetTimeoutSeconds(),
	})
}

func validateCheckCommand(c *mesospb.CommandInfo, what, whose string) error {
	if c.Value == nil {
		command := "shell command"
		if !c.GetShell() {
			command = "executable path"
		}
		return wireErrorf("%s must contain '%s'", what, command)
	}
	if err := validateCommand(c); err != nil {
		return wireErrorf("%s's `CommandInfo` is invalid: %v", whose, err)
	}
	return nil
}

func validatePath(path *string, what string) error {
	if path != nil && !strings.HasPrefix(*path, "/") {
		return wireErrorf("The path '%s' of %s must start with '/'", *path, what)
	}
	return nil
}

func validateSeconds(fields map[string]float64) error {
	for _, name := range sortedKeys(fields) {
		if !(fields[name] >= 0) {
			return wireErrorf("Expecting '%s' to be non-negative", name)
		}
	}
	return nil
}
