package app

import (
	"fmt"
	"maps"
	"math"
	"net"
	"slices"
	"strings"

	"github.com/mesokit/mesokit/internal/redact"
)

// taskRole says what a Task is part of.
type taskRole int

const (
	taskOfApp taskRole = iota
	taskOfGroup
)

func (t *Task) check(p *problems, at string, role taskRole, a *App) {
	t.Resources.check(p, at+"/resources", true)
	custom := a.Executor != nil
	image := t.Container != nil && t.Container.Image != ""
	switch {
	case t.Command == nil && !image && !custom:
		p.add(at+"/command", "missing", `say what to run: "command": {"cmd": "…"}, or give a container with an image`)
	case t.Command != nil && custom && role == taskOfApp:
		p.add(at+"/command", "a command for a custom executor", "Mesos allows either: put what the executor is to do into data")
	case t.Command != nil:
		t.Command.check(p, at+"/command", image)
	}
	if t.Container != nil {
		t.Container.check(p, at+"/container", t, a)
		if role == taskOfGroup {
			if t.Container.Type == ContainerDocker {
				p.add(at+"/container/type", "docker in a group", "give mesos: Mesos refuses the Docker daemon there; it runs Docker images too")
			}
			if t.Container.Networks != nil {
				p.add(at+"/container/networks", "networks of a task in a group", "move them to the application's container: a pod has one network")
			}
		}
	}
	if t.Visibility != "" {
		oneOf(p, at+"/visibility", t.Visibility, VisibleFramework, VisibleCluster, VisibleExternal)
	}
	if h := t.HealthCheck; h != nil {
		path := at + "/health_check"
		if h.Endpoint != "" {
			p.add(path+"/endpoint", "is "+quoteShort(h.Endpoint), "write localhost:8080 or http://localhost:8080/path, or use http or tcp: executors check on their own agent only")
		} else {
			t.checkCheck(p, path, h.Type, h.Command, h.HTTP, h.TCP, a)
		}
		notNegative(p, path+"/delay", *h.Delay)
		positive(p, path+"/interval", h.Interval)
		positive(p, path+"/timeout", h.Timeout)
		notNegative(p, path+"/grace_period", *h.GracePeriod)
		if h.Failures < 1 || h.Failures > math.MaxInt32 {
			p.add(path+"/failures", fmt.Sprintf("is %d", h.Failures), "give 1 or more")
		}
	}
	if c := t.Check; c != nil {
		path := at + "/check"
		t.checkCheck(p, path, c.Type, c.Command, c.HTTP, c.TCP, a)
		notNegative(p, path+"/delay", *c.Delay)
		positive(p, path+"/interval", c.Interval)
		positive(p, path+"/timeout", c.Timeout)
		if c.HTTP != nil && c.HTTP.Statuses != nil {
			p.add(path+"/http/statuses", "statuses in a check", "remove them: a check reports the status whatever it is")
		}
		if c.HTTP != nil && c.HTTP.Scheme == "https" {
			p.add(path+"/http/scheme", "https in a check", "use health_check: Mesos' checks know http only")
		}
	}
	checkLabels(p, at+"/labels", t.Labels)
	notNegative(p, at+"/kill_grace_period", *t.KillGracePeriod)
	notNegative(p, at+"/max_completion_time", t.MaxCompletionTime)
	if t.Data != "" && !custom {
		p.add(at+"/data", "data without an executor", "add executor, or use the environment: Mesos' own executors ignore data")
	}
}

// maxAmount keeps sums within what Mesos can count exactly.
const maxAmount = 1e12

// leastAmount is the least that Mesos counts.
const leastAmount = 0.001

func checkAmount(p *problems, path string, v float64, fix string) {
	if v > 0 && v < leastAmount {
		p.add(path, fmt.Sprintf("is %v, which is too small", v), "give at least 0.001: Mesos counts in thousandths")
	} else if !(v > 0 && v <= maxAmount) {
		p.add(path, fmt.Sprintf("is %v", v), fix)
	}
}

func (r *Resources) check(p *problems, at string, needed bool) {
	const cpusFix, memFix = "give a number of cpus above 0, such as 0.1", "give megabytes above 0, such as 64"
	if r.CPUs == 0 && needed {
		p.add(at+"/cpus", "missing", cpusFix)
	} else if r.CPUs != 0 {
		checkAmount(p, at+"/cpus", r.CPUs, cpusFix)
	}
	if r.Mem == 0 && needed {
		p.add(at+"/mem", "missing", memFix)
	} else if r.Mem != 0 {
		checkAmount(p, at+"/mem", float64(r.Mem), memFix)
	}
	if r.GPUs < 0 || r.GPUs > 1_000_000 {
		p.add(at+"/gpus", fmt.Sprintf("is %d", r.GPUs), "give a number of GPUs, 0 or more")
	}
	plain := map[string]bool{}
	for i := range r.Disk {
		d := &r.Disk[i]
		path := element(at+"/disk", i)
		checkAmount(p, path+"/size", float64(d.Size), "give megabytes above 0")
		if s := d.Source; s != nil {
			oneOf(p, path+"/source/type", s.Type, "path", "mount")
		}
		switch {
		case d.Persistence != nil && d.Volume == nil:
			p.add(path+"/volume", "missing", `say where the task finds the volume: "volume": {"container_path": "data"}`)
		case d.Persistence == nil && d.Volume != nil:
			p.add(path+"/persistence", "missing", `add "persistence": {} to make it a volume that outlives the task, or use the container's volumes`)
		case d.Persistence == nil:
			key := ""
			if d.Source != nil {
				key = d.Source.Type + "\x00" + d.Source.Root + "\x00" + d.Source.Profile
			}
			if d.Source != nil && d.Source.Root == "" {
				p.add(path+"/source/root", "missing", "give the directory or mount point: only persistent volumes can be anywhere")
			}
			if plain[key] {
				p.add(path, "disk of this kind is asked for already", "add the sizes up")
			}
			plain[key] = true
		}
		if v := d.Volume; v != nil && d.Persistence != nil {
			checkContainerPath(p, path+"/volume/container_path", v.ContainerPath)
			oneOf(p, path+"/volume/mode", v.Mode, "rw", "ro")
			if v.HostPath != "" || v.Source != nil {
				p.add(path+"/volume", "a host path or source for a persistent volume", "remove it: the volume is made from disk")
			}
		}
	}
}

func checkContainerPath(p *problems, path, value string) {
	switch {
	case value == "":
		p.add(path, "missing", "give a path in the sandbox such as data, or an absolute one")
	case strings.ContainsAny(value, "\x00:") || slices.Contains(strings.Split(value, "/"), ".."):
		p.add(path, "is "+quoteShort(value), "give a path without colons and ..")
	}
}

func (c *Command) check(p *problems, at string, image bool) {
	switch {
	case c.Cmd != "" && c.Argv != nil:
		p.add(at+"/argv", "given beside cmd", "give one of them: cmd is for the shell, argv starts a program without")
	case c.Cmd == "" && c.Argv == nil && !image && c.Arguments == nil:
		p.add(at+"/cmd", "missing", "say what to run: cmd for the shell, or argv")
	case c.Argv != nil && c.Argv[0] == "":
		p.add(at+"/argv/0", "is empty", "give the program to start")
	case c.Arguments != nil && (c.Cmd != "" || c.Argv != nil || !image):
		p.add(at+"/arguments", "without the entry point of an image", "use argv: arguments are passed to an image's entry point")
	}
	noZeroByte(p, at+"/cmd", c.Cmd)
	for name, list := range map[string][]string{"/argv": c.Argv, "/arguments": c.Arguments} {
		for i, word := range list {
			noZeroByte(p, element(at+name, i), word)
		}
	}
	if strings.TrimSpace(c.User) != c.User || strings.ContainsAny(c.User, ":/\x00\n") {
		p.add(at+"/user", "is "+quoteShort(c.User), "give the name of a user, or leave it out for the framework's")
	}
	for i, u := range c.URIs {
		path := element(at+"/uris", i)
		if u.URI == "" {
			p.add(path+"/uri", "missing", "give the address of a file")
		} else if !namesFile(u.URI) {
			p.add(path+"/uri", quoteShort(u.URI)+" names no file", "add the path of a file: Mesos takes the last part of it as the name in the sandbox")
		} else if strings.ContainsAny(u.URI, "\x00\n\\'") {
			p.add(path+"/uri", "is "+quoteShort(redact.URIs(u.URI)), "escape unusual characters, as URLs do: Mesos refuses quotes, backslashes and line breaks")
		}
		if f := u.OutputFile; strings.HasPrefix(f, "/") || strings.Contains(f, "\x00") || slices.Contains(strings.Split(f, "/"), "..") {
			p.add(path+"/output_file", "is "+quoteShort(f), "give a path inside the sandbox")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Environment)) {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.Contains(c.Environment[name], "\x00") {
			p.add(pointer(at+"/environment", name), "no variable", "give names without = and values without zero bytes")
		}
	}
}

// noZeroByte refuses what no system call takes.
func noZeroByte(p *problems, path, text string) {
	if strings.Contains(text, "\x00") {
		p.add(path, "contains a zero byte", "remove it: programs get text that ends there")
	}
}

// namesFile says whether Mesos' fetcher finds a file name in a URI: after the host something has to follow.
func namesFile(uri string) bool {
	_, rest, schemed := strings.Cut(uri, "://")
	if !schemed {
		return strings.Trim(uri, "/") != ""
	}
	_, file, _ := strings.Cut(rest, "/")
	return strings.Trim(file, "/") != ""
}

func (c *Container) check(p *problems, at string, t *Task, a *App) {
	oneOf(p, at+"/type", c.Type, ContainerMesos, ContainerDocker)
	docker := c.Type == ContainerDocker
	if docker && c.Image == "" {
		p.add(at+"/image", "missing", "give a Docker image, or the type mesos, which can do without")
	}
	if strings.ContainsAny(c.Image+c.Tag, " \t\n\x00") {
		p.add(at+"/image", "is "+quoteShort(c.Image), "give an image such as debian or registry.example.org/app")
	}
	if c.Tag != "" && c.Image == "" {
		p.add(at+"/tag", "a tag without image", "add the image")
	} else if c.Tag != "" && strings.Contains(c.Image[strings.LastIndexByte(c.Image, '/')+1:], ":") {
		p.add(at+"/tag", "the image has a tag already", "remove one of them")
	}
	if !docker && (c.Privileged || c.Parameters != nil) {
		p.add(at+"/type", "privileged and parameters are for docker", "give the type docker, or remove them")
	}
	for i, param := range c.Parameters {
		if param.Key == "" || param.Key == "name" {
			p.add(element(at+"/parameters", i)+"/key", "is "+quoteShort(param.Key), "give an option of docker run other than name, which belongs to Mesos")
		}
	}
	if docker && len(c.Networks) > 1 {
		p.add(at+"/networks", "are several", "give one: the Docker daemon attaches containers to one")
	}
	for i := range c.Networks {
		c.Networks[i].check(p, element(at+"/networks", i), a, t)
	}
	for i := range c.Volumes {
		c.Volumes[i].check(p, element(at+"/volumes", i))
	}
}

func (n *Network) check(p *problems, at string, a *App, t *Task) {
	for i, ip := range n.IPAddresses {
		path := element(at+"/ip_addresses", i)
		parsed := net.ParseIP(ip.IP)
		if ip.IP != "" && parsed == nil {
			p.add(path+"/ip", quoteShort(ip.IP)+" is no address", "write 10.0.0.1 or fe80::1")
		}
		oneOf(p, path+"/protocol", ip.Protocol, "ipv4", "ipv6")
		if parsed != nil && (parsed.To4() != nil) != (ip.Protocol == "ipv4") && (ip.Protocol == "ipv4" || ip.Protocol == "ipv6") {
			p.add(path+"/protocol", fmt.Sprintf("%s is no %s address", ip.IP, ip.Protocol), "leave protocol out")
		}
	}
	checkLabels(p, at+"/labels", n.Labels)
	for i, m := range n.PortMappings {
		path := element(at+"/port_mappings", i)
		if m.ContainerPort < 1 || m.ContainerPort > math.MaxUint16 {
			p.add(path+"/container_port", fmt.Sprintf("is %d", m.ContainerPort), "give a port from 1 to 65535")
		}
		oneOf(p, path+"/protocol", m.Protocol, "tcp", "udp")
		if m.HostPort.IsZero() {
			p.add(path+"/host_port", "missing", "give the name or number of one of the ports in resources")
		} else {
			a.checkPortRef(p, path+"/host_port", m.HostPort)
		}
	}
}

// checkPortRef makes sure that a name is that of a port.
func (a *App) checkPortRef(p *problems, at string, ref PortRef) {
	if ref.Name == "" {
		if ref.Number < 0 || ref.Number > math.MaxUint16 {
			p.add(at, fmt.Sprintf("is %d", ref.Number), "give a port from 1 to 65535")
		}
		return
	}
	var names []string
	for _, t := range a.tasks() {
		for _, port := range t.Resources.Ports {
			if port.Name == ref.Name {
				return
			}
			if port.Name != "" {
				names = append(names, port.Name)
			}
		}
	}
	fix := `name one of the ports in resources: "ports": [{"name": "http"}]`
	if near := nearest(ref.Name, names); near != "" {
		fix = "did you mean " + near + "?"
	}
	p.add(at, "no port is called "+quoteShort(ref.Name), fix)
}

func (v *Volume) check(p *problems, at string) {
	checkContainerPath(p, at+"/container_path", v.ContainerPath)
	oneOf(p, at+"/mode", v.Mode, "rw", "ro")
	s := v.Source
	if s == nil {
		if v.HostPath == "" {
			p.add(at+"/host_path", "missing", "give a path on the agent, or a source")
		}
		return
	}
	if v.HostPath != "" {
		p.add(at+"/host_path", "given beside source", "give one of them")
	}
	oneOf(p, at+"/source/type", s.Type, "docker_volume", "sandbox_path", "host_path")
	for _, x := range []struct {
		name  string
		given bool
	}{{"docker_volume", s.DockerVolume != nil}, {"sandbox_path", s.SandboxPath != nil}, {"host_path", s.HostPath != ""}} {
		switch {
		case x.given && x.name != s.Type:
			p.add(at+"/source/"+x.name, "given for the type "+s.Type, "remove it, or give the type "+x.name)
		case !x.given && x.name == s.Type:
			p.add(at+"/source/"+x.name, "missing", "say which")
		}
	}
	if d := s.DockerVolume; d != nil && d.Name == "" {
		p.add(at+"/source/docker_volume/name", "missing", "give the name of the volume")
	}
	if x := s.SandboxPath; x != nil {
		oneOf(p, at+"/source/sandbox_path/type", x.Type, "self", "parent")
		if x.Path == "" || strings.HasPrefix(x.Path, "/") || slices.Contains(strings.Split(x.Path, "/"), "..") {
			p.add(at+"/source/sandbox_path/path", "is "+quoteShort(x.Path), "give a path inside the sandbox")
		}
	}
}

// checkCheck checks what health checks and checks have in common.
func (t *Task) checkCheck(p *problems, at string, kind CheckType, c *Command, h *HTTPCheck, tcp *TCPCheck, a *App) {
	oneOf(p, at+"/type", kind, CheckCommand, CheckHTTP, CheckTCP)
	for _, x := range []struct {
		kind  CheckType
		given bool
	}{{CheckCommand, c != nil}, {CheckHTTP, h != nil}, {CheckTCP, tcp != nil}} {
		switch {
		case x.given && x.kind != kind:
			p.add(at+"/"+string(x.kind), "given for the type "+string(kind), "give one way to check")
		case !x.given && x.kind == kind:
			p.add(at+"/"+string(x.kind), "missing", "say what to check")
		}
	}
	if c != nil {
		c.check(p, at+"/command", false)
		if c.URIs != nil {
			p.add(at+"/command/uris", "files to fetch for a check", "fetch them with the task's command")
		}
	}
	port := func(ref PortRef, path string) {
		if ref.IsZero() {
			if len(t.Resources.Ports) == 0 {
				p.add(path, "missing", "give a port, or add ports to the task's resources: the first is then meant")
			}
			return
		}
		a.checkPortRef(p, path, ref)
	}
	if h != nil {
		oneOf(p, at+"/http/scheme", h.Scheme, "http", "https")
		port(h.Port, at+"/http/port")
		if !strings.HasPrefix(h.Path, "/") {
			p.add(at+"/http/path", "is "+quoteShort(h.Path), "begin it with /")
		}
		for i, s := range h.Statuses {
			if s < 100 || s > 599 {
				p.add(element(at+"/http/statuses", i), fmt.Sprintf("is %d", s), "give an HTTP status from 100 to 599")
			}
		}
	}
	if tcp != nil {
		port(tcp.Port, at+"/tcp/port")
	}
}

func checkLabels(p *problems, at string, labels Labels) {
	if _, empty := labels[""]; empty {
		p.add(at, "a label without a name", "give it a name")
	}
}

func (x *Executor) check(p *problems, a *App) {
	const at = "/executor"
	if x.Command == nil {
		p.add(at+"/command", "missing", `say what to run: "command": {"cmd": "./executor", "uris": […]}`)
	} else {
		x.Command.check(p, at+"/command", x.Container != nil && x.Container.Image != "")
	}
	x.Resources.check(p, at+"/resources", false)
	if x.Resources.Ports != nil || x.Resources.Role != "" || x.Resources.Reserve != "" {
		p.add(at+"/resources", "ports, role or reserve of an executor", "move them to the application's resources")
	}
	for i, d := range x.Resources.Disk {
		if d.Persistence != nil {
			p.add(element(at+"/resources/disk", i)+"/persistence", "a persistent volume of an executor", "move it to the application's resources: volumes belong to tasks")
		}
	}
	if len(a.Group) > 0 {
		if x.Resources.CPUs < 0.01 {
			p.add(at+"/resources/cpus", fmt.Sprintf("is %v", x.Resources.CPUs), "give at least 0.01: Mesos wants it of a pod's executor")
		}
		if x.Resources.Mem < 32 {
			p.add(at+"/resources/mem", fmt.Sprintf("is %v", x.Resources.Mem), "give at least 32: Mesos wants it of a pod's executor")
		}
	}
	if x.Container != nil {
		x.Container.check(p, at+"/container", &Task{Resources: x.Resources}, a)
	}
	checkLabels(p, at+"/labels", x.Labels)
	notNegative(p, at+"/shutdown_grace_period", x.ShutdownGracePeriod)
}
