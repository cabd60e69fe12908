package app

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// task returns what Mesos gets to know of one task. Ports are its own, with real numbers.
func (b *builder) task(i int, t *Task, ports []Port, list []*mesospb.Resource) *mesospb.TaskInfo {
	a := b.app
	info := &mesospb.TaskInfo{
		Name:       proto.String(a.TaskNames()[i]),
		TaskId:     &mesospb.TaskID{Value: &b.l.TaskIDs[i]},
		AgentId:    &mesospb.AgentID{Value: &b.l.AgentID},
		Resources:  list,
		Container:  b.container(t.Container),
		KillPolicy: &mesospb.KillPolicy{GracePeriod: wireDuration(*t.KillGracePeriod)},
		Labels:     wireLabels(t.Labels),
		Discovery:  discovery(a.Name, cmp.Or(t.Visibility, a.Visibility), ports),
	}
	if len(a.Group) > 0 {
		all := maps.Clone(a.Labels)
		if all == nil {
			all = Labels{}
		}
		maps.Copy(all, t.Labels)
		info.Labels = wireLabels(all)
	}
	limit := t.MaxCompletionTime
	if limit == 0 {
		limit = a.MaxCompletionTime
	}
	if limit > 0 {
		info.MaxCompletionTime = wireDuration(limit)
	}
	if t.Data != "" {
		info.Data = []byte(t.Data)
	}
	// Mesos wants either a command or a custom executor, but a group's tasks may have both.
	if a.Executor == nil || len(a.Group) > 0 && t.Command != nil {
		info.Command = wireCommand(t.Command, b.environment(ports, t.Resources, a.TaskNames()[i], b.l.TaskIDs[i], t.Command))
	}
	check := portResolver{b, t, ports}
	info.HealthCheck = check.healthCheck(t.HealthCheck)
	info.Check = check.check(t.Check)
	return info
}

func wireDuration(d Duration) *mesospb.DurationInfo {
	return &mesospb.DurationInfo{Nanoseconds: proto.Int64(int64(time.Duration(d)))}
}

func wireLabels(labels Labels) *mesospb.Labels {
	if len(labels) == 0 {
		return nil
	}
	w := &mesospb.Labels{}
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		w.Labels = append(w.Labels, &mesospb.Label{Key: proto.String(key), Value: proto.String(labels[key])})
	}
	return w
}

func wireParameters(labels Labels) *mesospb.Parameters {
	if len(labels) == 0 {
		return nil
	}
	w := &mesospb.Parameters{}
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		w.Parameter = append(w.Parameter, &mesospb.Parameter{Key: proto.String(key), Value: proto.String(labels[key])})
	}
	return w
}

// wireCommand returns the command with an environment; no command means the entry point of the image.
func wireCommand(c *Command, environment *mesospb.Environment) *mesospb.CommandInfo {
	w := &mesospb.CommandInfo{Environment: environment, Shell: proto.Bool(c != nil && c.Cmd != "")}
	if c == nil {
		return w
	}
	switch {
	case c.Cmd != "":
		w.Value = &c.Cmd
	case c.Argv != nil:
		w.Value, w.Arguments = &c.Argv[0], slices.Clone(c.Argv)
	default:
		w.Arguments = slices.Clone(c.Arguments)
	}
	if c.User != "" {
		w.User = &c.User
	}
	for i := range c.URIs {
		u := &c.URIs[i]
		x := &mesospb.CommandInfo_URI{Value: &u.URI, Extract: u.Extract}
		if u.Execute {
			x.Executable = &u.Execute
		}
		if u.Cache {
			x.Cache = &u.Cache
		}
		if u.OutputFile != "" {
			x.OutputFile = &u.OutputFile
		}
		w.Uris = append(w.Uris, x)
	}
	return w
}

// environment returns what a task finds in its environment, sorted by name; the package documentation lists it. The command's own variables win.
func (b *builder) environment(ports []Port, r Resources, name, taskID string, c *Command) *mesospb.Environment {
	vars := map[string]string{
		"HOST":             b.l.Hostname,
		"MESOS_TASK_ID":    taskID,
		"MESOKIT_APP":      b.app.Name,
		"MESOKIT_TASK":     name,
		"MESOKIT_INSTANCE": strconv.Itoa(b.l.Instance),
		"MESOKIT_VERSION":  b.version(),
		"MESOKIT_CPUS":     number(r.CPUs),
		"MESOKIT_MEM":      number(float64(r.Mem)),
		"MESOKIT_DISK":     number(r.sandboxDisk()),
		"MESOKIT_GPUS":     strconv.Itoa(r.GPUs),
	}
	numbers := make([]string, len(ports))
	for i, p := range ports {
		numbers[i] = strconv.Itoa(p.Number)
		vars["PORT"+strconv.Itoa(i)] = numbers[i]
	}
	if len(ports) > 0 {
		vars["PORT"] = numbers[0]
		vars["PORTS"] = strings.Join(numbers, ",")
	}
	for _, p := range b.ports { // those of the other tasks of the pod too
		if p.Name != "" {
			vars[portVariable(p.Name)] = strconv.Itoa(p.Number)
		}
	}
	if c != nil {
		maps.Copy(vars, c.Environment)
	}
	e := &mesospb.Environment{}
	for _, key := range slices.Sorted(maps.Keys(vars)) {
		e.Variables = append(e.Variables, &mesospb.Environment_Variable{Name: proto.String(key), Value: proto.String(vars[key])})
	}
	return e
}

func (b *builder) version() string {
	if b.l.Version != "" {
		return b.l.Version
	}
	return b.app.Hash()
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// sandboxDisk is the plain disk on the agent's root disk.
func (r *Resources) sandboxDisk() float64 {
	for _, d := range r.Disk {
		if d.Persistence == nil && d.Source == nil {
			return float64(d.Size)
		}
	}
	return 0
}

var visibilities = map[Visibility]mesospb.DiscoveryInfo_Visibility{
	VisibleFramework: mesospb.DiscoveryInfo_FRAMEWORK, VisibleCluster: mesospb.DiscoveryInfo_CLUSTER, VisibleExternal: mesospb.DiscoveryInfo_EXTERNAL,
}

func discovery(name string, v Visibility, ports []Port) *mesospb.DiscoveryInfo {
	if len(ports) == 0 && v == "" {
		return nil
	}
	d := &mesospb.DiscoveryInfo{Visibility: visibilities[v].Enum(), Name: &name, Ports: &mesospb.Ports{}}
	for _, p := range ports {
		w := &mesospb.Port{Number: proto.Uint32(uint32(p.Number)), Protocol: proto.String(p.Protocol), Labels: wireLabels(p.Labels)}
		if p.Name != "" {
			w.Name = proto.String(p.Name)
		}
		d.Ports.Ports = append(d.Ports.Ports, w)
	}
	return d
}

// portResolver finds the numbers of ports that checks refer to.
type portResolver struct {
	b   *builder
	t   *Task
	own []Port
}

// port returns the number under which the task itself listens: the executor checks from within the task's network.
func (r portResolver) port(ref PortRef) *uint32 {
	n := r.b.hostPort(ref)
	if ref.IsZero() && len(r.own) > 0 {
		n = r.own[0].Number
	}
	for _, c := range []*Container{r.t.Container, r.b.app.Container} {
		if c == nil {
			continue
		}
		for _, network := range c.Networks {
			for _, m := range network.PortMappings {
				if r.b.hostPort(m.HostPort) == n {
					return proto.Uint32(uint32(m.ContainerPort))
				}
			}
		}
	}
	return proto.Uint32(uint32(n))
}

// hostPort returns the number of a port of the instance.
func (b *builder) hostPort(ref PortRef) int {
	if ref.Name != "" {
		for _, p := range b.ports {
			if p.Name == ref.Name {
				return p.Number
			}
		}
	}
	return ref.Number
}

func (r portResolver) healthCheck(h *HealthCheck) *mesospb.HealthCheck {
	if h == nil {
		return nil
	}
	w := &mesospb.HealthCheck{
		DelaySeconds:        proto.Float64(h.Delay.Seconds()),
		IntervalSeconds:     proto.Float64(h.Interval.Seconds()),
		TimeoutSeconds:      proto.Float64(h.Timeout.Seconds()),
		GracePeriodSeconds:  proto.Float64(h.GracePeriod.Seconds()),
		ConsecutiveFailures: proto.Uint32(uint32(h.Failures)),
	}
	switch h.Type {
	case CheckCommand:
		w.Type = mesospb.HealthCheck_COMMAND.Enum()
		w.Command = checkCommand(h.Command)
	case CheckHTTP:
		w.Type = mesospb.HealthCheck_HTTP.Enum()
		w.Http = &mesospb.HealthCheck_HTTPCheckInfo{Scheme: &h.HTTP.Scheme, Port: r.port(h.HTTP.Port), Path: &h.HTTP.Path}
		for _, s := range h.HTTP.Statuses {
			w.Http.Statuses = append(w.Http.Statuses, uint32(s))
		}
	case CheckTCP:
		w.Type = mesospb.HealthCheck_TCP.Enum()
		w.Tcp = &mesospb.HealthCheck_TCPCheckInfo{Port: r.port(h.TCP.Port)}
	}
	return w
}

func (r portResolver) check(c *Check) *mesospb.CheckInfo {
	if c == nil {
		return nil
	}
	w := &mesospb.CheckInfo{
		DelaySeconds:    proto.Float64(c.Delay.Seconds()),
		IntervalSeconds: proto.Float64(c.Interval.Seconds()),
		TimeoutSeconds:  proto.Float64(c.Timeout.Seconds()),
	}
	switch c.Type {
	case CheckCommand:
		w.Type = mesospb.CheckInfo_COMMAND.Enum()
		w.Command = &mesospb.CheckInfo_Command{Command: checkCommand(c.Command)}
	case CheckHTTP:
		w.Type = mesospb.CheckInfo_HTTP.Enum()
		w.Http = &mesospb.CheckInfo_Http{Port: r.port(c.HTTP.Port), Path: &c.HTTP.Path}
	case CheckTCP:
		w.Type = mesospb.CheckInfo_TCP.Enum()
		w.Tcp = &mesospb.CheckInfo_Tcp{Port: r.port(c.TCP.Port)}
	}
	return w
}

// checkCommand has only the variables that it was given: the executor adds those of the task.
func checkCommand(c *Command) *mesospb.CommandInfo {
	w := wireCommand(c, nil)
	if len(c.Environment) > 0 {
		w.Environment = &mesospb.Environment{}
		for _, key := range slices.Sorted(maps.Keys(c.Environment)) {
			w.Environment.Variables = append(w.Environment.Variables,
				&mesospb.Environment_Variable{Name: proto.String(key), Value: proto.String(c.Environment[key])})
		}
	}
	return w
}

// imageName is the image with its tag.
func (c *Container) imageName() string {
	if c.Tag == "" {
		return c.Image
	}
	return fmt.Sprintf("%s:%s", c.Image, c.Tag)
}
