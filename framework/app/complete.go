package app

import (
	"net"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mesokit/mesokit/mesos/resources"
)

// New returns an application of one instance that runs a shell command, with 0.1 cpus and 32 MB of memory. Change it at will, then call Complete.
func New(name, cmd string) *App {
	return &App{Name: name, Instances: 1, Task: Task{Resources: Resources{CPUs: 0.1, Mem: 32}, Command: &Command{Cmd: cmd}}}
}

// Complete fills in the defaults, brings what can be said in several ways into one, and checks the application. The error is an Errors with
// everything that is wrong; the application is then not to be used. Completing again changes nothing.
func (a *App) Complete() error { return a.complete().errors() }

func (a *App) complete() problems {
	tidy(reflect.ValueOf(a).Elem())
	a.fill()
	var p problems
	a.check(&p)
	return p
}

// tidy makes empty lists and maps nil, so that equal applications are equal in Go too.
func tidy(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			tidy(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			tidy(v.Field(i))
		}
	case reflect.Slice:
		if v.Len() == 0 {
			v.SetZero()
		}
		for i := range v.Len() {
			tidy(v.Index(i))
		}
	case reflect.Map:
		if v.Len() == 0 {
			v.SetZero()
		}
	}
}

// The defaults that are not Mesos' own are chosen for services; docs/applications.md lists them all.
const (
	defaultKillGrace      = Duration(3 * time.Second) // as src/slave/constants
	defaultCheckDelay     = Duration(15 * time.Second)
	defaultCheckInterval  = Duration(10 * time.Second)
	defaultCheckTimeout   = Duration(20 * time.Second)
	defaultCheckGrace     = Duration(10 * time.Second)
	defaultCheckFailures  = 3
	defaultRetryTime      = Duration(time.Second)
	defaultRetryMaxTime   = Duration(5 * time.Minute) // the old SDK's bound
	defaultResetAfter     = Duration(10 * time.Second)
	defaultReadyTimeout   = Duration(10 * time.Minute)
	defaultReplaceAfter   = Duration(5 * time.Minute)
	defaultMinHealthy     = 0.5
	defaultPersistenceID  = "data"
	defaultExecutorCPUs   = 0.1
	defaultExecutorMem    = 32
	defaultExecutorDisk   = 10 // of groups: Mesos wants some
	defaultUpdateFailures = 1
)

// or sets v to a default if it is zero.
func or[T comparable](v *T, def T) {
	if *v == *new(T) {
		*v = def
	}
}

// orNew sets v to a new value if there is none.
func orNew[T any](v **T, def T) {
	if *v == nil {
		*v = &def
	}
}

func lower[T ~string](v *T, def T, synonyms ...T) {
	*v = T(strings.ToLower(string(*v)))
	for i := 0; i+1 < len(synonyms); i += 2 {
		if *v == synonyms[i] {
			*v = synonyms[i+1]
		}
	}
	or(v, def)
}

func (a *App) fill() {
	lower(&a.Goal, GoalRunning)
	lower(&a.Strategy, StrategyNone, "colocate", StrategyColocate, "none", StrategyNone)
	lower(&a.Resources.Reserve, ReserveVolumes)
	orNew(&a.KillGracePeriod, defaultKillGrace)
	a.Task.fill(a)
	for i := range a.Group {
		m := &a.Group[i]
		orNew(&m.KillGracePeriod, *a.KillGracePeriod)
		m.Task.fill(a)
	}
	for i := range a.Constraints {
		c := &a.Constraints[i]
		c.Operator = Operator(strings.ToUpper(string(c.Operator)))
		fillWeight(c.Soft, &c.Weight)
	}
	for i := range a.Filters {
		f := &a.Filters[i]
		f.Type = strings.ToUpper(f.Type)
		or(&f.Type, "TEXT")
	}
	for i := range a.Affinities {
		f := &a.Affinities[i]
		or(&f.Field, "hostname")
		fillWeight(f.Soft, &f.Weight)
	}
	if a.FaultDomain != nil {
		lower(&a.FaultDomain.Spread, "")
	}
	a.fillPolicies()
	if x := a.Executor; x != nil {
		or(&x.Name, a.Name)
		if x.Resources.CPUs == 0 && x.Resources.Mem == 0 {
			x.Resources.CPUs, x.Resources.Mem = defaultExecutorCPUs, defaultExecutorMem
		}
		if len(a.Group) > 0 && x.Resources.Disk == nil {
			x.Resources.Disk = Disks{{Size: defaultExecutorDisk}}
		}
		x.Resources.fill()
		x.Command.fill()
		x.Container.fill(a)
	}
}

func fillWeight(soft bool, weight *float64) {
	if soft {
		or(weight, 1)
	}
}

func (a *App) fillPolicies() {
	orNew(&a.Readiness, Readiness{})
	by := ReadyRunning
	for _, t := range a.tasks() {
		if t.HealthCheck != nil {
			by = ReadyHealthy
		}
	}
	lower(&a.Readiness.By, by)
	or(&a.Readiness.Timeout, defaultReadyTimeout)

	orNew(&a.Retry, Retry{})
	or(&a.Retry.Time, defaultRetryTime)
	orNew(&a.Retry.Backoff, true)
	or(&a.Retry.MaxTime, max(defaultRetryMaxTime, a.Retry.Time))
	or(&a.Retry.ResetAfter, defaultResetAfter)

	orNew(&a.Update, Update{})
	orNew(&a.Update.MinHealthy, defaultMinHealthy)
	or(&a.Update.BatchSize, 1)
	orNew(&a.Update.MaxFailures, defaultUpdateFailures)

	orNew(&a.Unreachable, Unreachable{})
	if !a.Unreachable.Wait {
		or(&a.Unreachable.ReplaceAfter, defaultReplaceAfter)
	}
}

func (t *Task) fill(a *App) {
	lower(&t.Visibility, "") // no default is filled in: definitions of earlier versions stay what they are
	t.Resources.fill()
	t.Command.fill()
	t.Container.fill(a)
	t.HealthCheck.fill()
	t.Check.fill()
}

// round brings an amount to the three decimals that Mesos counts. Malformed ones are left to the checks.
func round(v float64) float64 {
	if v >= leastAmount/2 && v < 1e12 {
		return resources.FromFixed(resources.ToFixed(v))
	}
	return v
}

func (r *Resources) fill() {
	r.CPUs = round(r.CPUs)
	r.Mem = MB(round(float64(r.Mem)))
	for i := range r.Disk {
		d := &r.Disk[i]
		d.Size = MB(round(float64(d.Size)))
		if d.Persistence != nil {
			or(&d.Persistence.ID, defaultPersistenceID)
		}
		if d.Volume != nil {
			lower(&d.Volume.Mode, "rw")
		}
		if d.Source != nil {
			lower(&d.Source.Type, "")
		}
	}
	for i := range r.Ports {
		lower(&r.Ports[i].Protocol, "tcp")
	}
}

func (c *Command) fill() {
	if c == nil {
		return
	}
	for i := range c.URIs {
		u := &c.URIs[i]
		if u.Execute {
			u.Extract = new(false) // Mesos ignores it then, whatever it is
		}
		orNew(&u.Extract, true)
	}
}

func (c *Container) fill(a *App) {
	if c == nil {
		return
	}
	lower(&c.Type, ContainerMesos)
	for i := range c.Networks {
		n := &c.Networks[i]
		for j := range n.IPAddresses {
			ip := &n.IPAddresses[j]
			def := "ipv4"
			if p := net.ParseIP(ip.IP); p != nil && p.To4() == nil {
				def = "ipv6"
			}
			lower(&ip.Protocol, def)
		}
		for j := range n.PortMappings {
			m := &n.PortMappings[j]
			lower(&m.Protocol, "tcp")
			// The old SDK knew no ports resource: what is mapped is needed.
			if ref := m.HostPort; ref.Number > 0 && ref.Name == "" {
				a.needPort(Port{Number: ref.Number, Protocol: m.Protocol})
			}
		}
	}
	for i := range c.Volumes {
		v := &c.Volumes[i]
		lower(&v.Mode, "rw")
		if s := v.Source; s != nil {
			def := ""
			switch {
			case s.DockerVolume != nil:
				def = "docker_volume"
			case s.SandboxPath != nil:
				def = "sandbox_path"
			case s.HostPath != "":
				def = "host_path"
			}
			lower(&s.Type, def, "docker", "docker_volume")
			if s.SandboxPath != nil {
				lower(&s.SandboxPath.Type, "self")
			}
		}
	}
}

// needPort adds a port to those of the first task, unless some task has it.
func (a *App) needPort(p Port) {
	var first *Task
	for _, t := range a.tasks() {
		if first == nil {
			first = t
		}
		if slices.ContainsFunc(t.Resources.Ports, func(has Port) bool { return has.Number == p.Number }) {
			return
		}
	}
	if len(first.Resources.Ports) > maxPorts {
		return // which is refused anyway
	}
	first.Resources.Ports = append(first.Resources.Ports, p)
}

func (h *HealthCheck) fill() {
	if h == nil {
		return
	}
	h.fillEndpoint()
	fillCheckType(&h.Type, h.Command, h.HTTP, h.TCP)
	h.Command.fill()
	h.HTTP.fill()
	orNew(&h.Delay, defaultCheckDelay)
	or(&h.Interval, defaultCheckInterval)
	or(&h.Timeout, defaultCheckTimeout)
	orNew(&h.GracePeriod, defaultCheckGrace)
	or(&h.Failures, defaultCheckFailures)
}

func (c *Check) fill() {
	if c == nil {
		return
	}
	fillCheckType(&c.Type, c.Command, c.HTTP, c.TCP)
	c.Command.fill()
	c.HTTP.fill()
	orNew(&c.Delay, defaultCheckDelay)
	or(&c.Interval, defaultCheckInterval)
	or(&c.Timeout, defaultCheckTimeout)
}

func (h *HTTPCheck) fill() {
	if h != nil {
		lower(&h.Scheme, "http")
		or(&h.Path, "/")
	}
}

func fillCheckType(t *CheckType, c *Command, h *HTTPCheck, tcp *TCPCheck) {
	var def CheckType
	switch {
	case h != nil:
		def = CheckHTTP
	case tcp != nil:
		def = CheckTCP
	case c != nil:
		def = CheckCommand
	}
	lower(t, def, "shell", CheckCommand)
}

// fillEndpoint turns the short form into HTTP or TCP. What it cannot be turned into stays and is refused.
func (h *HealthCheck) fillEndpoint() {
	if h.Endpoint == "" || h.HTTP != nil || h.TCP != nil || h.Command != nil {
		return
	}
	scheme, rest, isURL := strings.Cut(h.Endpoint, "://")
	if !isURL {
		scheme, rest = "", h.Endpoint
	}
	hostport, path, hasPath := strings.Cut(rest, "/")
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		host, port = hostport, map[string]string{"http": "80", "https": "443"}[scheme]
	}
	number, err := strconv.Atoi(port)
	if err != nil || host != "" && host != "localhost" && host != "127.0.0.1" {
		return
	}
	switch scheme {
	case "", "tcp":
		if scheme == "tcp" || !hasPath && h.Type != CheckHTTP {
			h.TCP = &TCPCheck{Port: PortRef{Number: number}}
			break
		}
		scheme = "http"
		fallthrough
	case "http", "https":
		if _, err := url.Parse("/" + path); err != nil {
			return
		}
		h.HTTP = &HTTPCheck{Scheme: scheme, Port: PortRef{Number: number}, Path: "/" + path}
	default:
		return
	}
	h.Endpoint = ""
}
