package app

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/mesokit/mesokit/internal/redact"
)

// Redacted stands in definitions where a secret has been taken away. A definition that has it is refused, so that it cannot overwrite the
// secret.
const Redacted = redact.Marker

// Redact returns a copy without what may be secret: values of environments, data for executors, parameters of Docker and options of
// volume drivers; and, of URIs to fetch, users with passwords and the values in queries. Names, labels, command lines and paths stay: agents
// and masters show these to whoever may look at tasks.
func (a *App) Redact() *App {
	b := a.Clone()
	b.eachSecret(func(_, value string) string {
		if value == "" {
			return ""
		}
		return Redacted
	}, func(_, uri string) string { return redact.URIs(uri) })
	return b
}

// checkRedacted refuses what Redact left.
func (a *App) checkRedacted(p *problems) {
	look := func(path, value string) string {
		if strings.Contains(value, Redacted) || strings.Contains(value, url.QueryEscape(Redacted)) {
			p.add(path, "is "+Redacted+", which stands for a secret that was not shown", "give the secret itself, or get the definition with the right to write")
		}
		return value
	}
	a.eachSecret(look, look)
}

// eachSecret replaces everything that may be secret, and URIs, by what value and uri return for it and its place.
func (a *App) eachSecret(value, uri func(path, s string) string) {
	s := secrets{value, uri}
	s.task("", &a.Task)
	for i := range a.Group {
		s.task(element("/group", i), &a.Group[i].Task)
	}
	if x := a.Executor; x != nil {
		s.command("/executor/command", x.Command)
		s.container("/executor/container", x.Container)
		s.resources("/executor/resources", &x.Resources)
		x.Data = value("/executor/data", x.Data)
	}
}

// secrets goes through the parts of an application.
type secrets struct{ value, uri func(path, s string) string }

func (s secrets) task(at string, t *Task) {
	s.command(at+"/command", t.Command)
	s.container(at+"/container", t.Container)
	s.resources(at+"/resources", &t.Resources)
	t.Data = s.value(at+"/data", t.Data)
	if t.HealthCheck != nil {
		s.command(at+"/health_check/command", t.HealthCheck.Command)
	}
	if t.Check != nil {
		s.command(at+"/check/command", t.Check.Command)
	}
}

func (s secrets) command(at string, c *Command) {
	if c == nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(c.Environment)) {
		c.Environment[name] = s.value(pointer(at+"/environment", name), c.Environment[name])
	}
	for i := range c.URIs {
		c.URIs[i].URI = s.uri(element(at+"/uris", i)+"/uri", c.URIs[i].URI)
	}
}

func (s secrets) container(at string, c *Container) {
	if c == nil {
		return
	}
	for i := range c.Parameters {
		c.Parameters[i].Value = s.value(element(at+"/parameters", i)+"/value", c.Parameters[i].Value)
	}
	for i := range c.Volumes {
		s.volume(element(at+"/volumes", i), &c.Volumes[i])
	}
}

func (s secrets) volume(at string, v *Volume) {
	if v == nil || v.Source == nil || v.Source.DockerVolume == nil {
		return
	}
	options := v.Source.DockerVolume.DriverOptions
	for _, name := range slices.Sorted(maps.Keys(options)) {
		options[name] = s.value(pointer(at+"/source/docker_volume/driver_options", name), options[name])
	}
}

func (s secrets) resources(at string, r *Resources) {
	for i := range r.Disk {
		s.volume(element(at+"/disk", i)+"/volume", r.Disk[i].Volume)
	}
}
