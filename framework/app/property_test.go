package app

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// some draws nothing or a value.
func some[T any](t *rapid.T, label string, g func(*rapid.T) T) *T {
	if !rapid.Bool().Draw(t, label+"?") {
		return nil
	}
	v := g(t)
	return &v
}

func list[T any](t *rapid.T, label string, most int, g func(*rapid.T) T) []T {
	out := make([]T, rapid.IntRange(0, most).Draw(t, "how many "+label))
	for i := range out {
		out[i] = g(t)
	}
	return out
}

func oneOfWords[T ~string](t *rapid.T, label string, words ...T) T {
	return rapid.SampledFrom(words).Draw(t, label)
}

var anyName = rapid.StringMatching(`[a-zA-Z0-9äß日<&._@ -]{0,20}[a-z0-9ß]`)

func drawDuration(t *rapid.T) Duration {
	return Duration(rapid.Int64Range(1, int64(1000*time.Hour)).Draw(t, "duration"))
}

func drawMB(t *rapid.T) MB { return MB(rapid.Float64Range(0.001, 1e6).Draw(t, "MB")) }

func drawLabels(t *rapid.T) Labels {
	return rapid.MapOfN(rapid.StringN(1, 10, -1), rapid.String(), 0, 3).Draw(t, "labels")
}

func drawCommand(t *rapid.T) Command {
	c := Command{User: rapid.SampledFrom([]string{"", "nobody"}).Draw(t, "user")}
	if rapid.Bool().Draw(t, "argv?") {
		c.Argv = append([]string{"run"}, list(t, "arguments", 3, func(t *rapid.T) string { return rapid.StringMatching(`[^\x00]{0,9}`).Draw(t, "argument") })...)
	} else {
		c.Cmd = "x" + rapid.StringMatching(`[^\x00]{0,9}`).Draw(t, "cmd")
	}
	c.Environment = rapid.MapOfN(rapid.StringMatching(`[A-Z_]{1,5}`), rapid.StringMatching(`[^\x00]{0,9}`), 0, 3).Draw(t, "environment")
	return c
}

func drawFetchingCommand(t *rapid.T) Command {
	c := drawCommand(t)
	c.URIs = list(t, "uris", 2, func(t *rapid.T) URI {
		u := URI{URI: "http://h/f" + rapid.StringMatching(`[a-z%.]{0,9}`).Draw(t, "uri"), Execute: rapid.Bool().Draw(t, "execute"), Cache: rapid.Bool().Draw(t, "cache")}
		u.Extract = some(t, "extract", func(t *rapid.T) bool { return rapid.Bool().Draw(t, "extract") })
		return u
	})
	return c
}

func drawPortRef(t *rapid.T) PortRef {
	return rapid.SampledFrom([]PortRef{{Number: 80}, {Number: 65535}, {Name: "web"}}).Draw(t, "port")
}

func drawHTTP(t *rapid.T) HTTPCheck {
	return HTTPCheck{Port: drawPortRef(t), Path: oneOfWords(t, "path", "", "/", "/health?x")}
}

func drawCheck(t *rapid.T) Check {
	c := Check{Delay: some(t, "delay", drawDuration), Interval: drawDuration(t), Timeout: drawDuration(t)}
	switch rapid.IntRange(0, 2).Draw(t, "check type") {
	case 0:
		c.Command = new(drawCommand(t))
	case 1:
		c.HTTP = new(drawHTTP(t))
	default:
		c.TCP = &TCPCheck{Port: drawPortRef(t)}
	}
	return c
}

func drawHealthCheck(t *rapid.T) HealthCheck {
	c := drawCheck(t)
	h := HealthCheck{Command: c.Command, HTTP: c.HTTP, TCP: c.TCP, Delay: c.Delay, Interval: c.Interval, Timeout: c.Timeout,
		GracePeriod: some(t, "grace", drawDuration), Failures: rapid.IntRange(0, 9).Draw(t, "failures")}
	if h.HTTP != nil {
		h.HTTP.Scheme = oneOfWords(t, "scheme", "", "http", "HTTPS")
		h.HTTP.Statuses = list(t, "statuses", 2, func(t *rapid.T) int { return rapid.IntRange(100, 599).Draw(t, "status") })
	}
	return h
}

func drawVolume(t *rapid.T) Volume {
	v := Volume{ContainerPath: oneOfWords(t, "container path", "data", "/data", "a/b"), Mode: oneOfWords(t, "mode", "", "RW", "ro")}
	switch rapid.IntRange(0, 2).Draw(t, "volume type") {
	case 0:
		v.HostPath = "/srv"
	case 1:
		v.Source = &VolumeSource{SandboxPath: &SandboxPath{Type: oneOfWords(t, "sandbox", "", "self", "PARENT"), Path: "x"}}
	default:
		v.Source = &VolumeSource{Type: "docker", DockerVolume: &DockerVolume{Driver: "d", Name: rapid.StringN(1, 5, -1).Draw(t, "name"), DriverOptions: drawLabels(t)}}
	}
	return v
}

func drawResources(t *rapid.T, names map[string]bool) Resources {
	r := Resources{CPUs: rapid.Float64Range(0.001, 64).Draw(t, "cpus"), Mem: drawMB(t), GPUs: rapid.IntRange(0, 4).Draw(t, "gpus")}
	if rapid.Bool().Draw(t, "disk?") {
		r.Disk = append(r.Disk, Disk{Size: drawMB(t)})
	}
	if rapid.Bool().Draw(t, "volume?") {
		r.Disk = append(r.Disk, Disk{Size: drawMB(t), Persistence: &Persistence{Principal: oneOfWords(t, "principal", "", "ops")}, Volume: &Volume{ContainerPath: "v"},
			Source: some(t, "source", func(t *rapid.T) DiskSource { return DiskSource{Type: oneOfWords(t, "source", "PATH", "mount")} })})
	}
	for range rapid.IntRange(0, 3).Draw(t, "ports") {
		p := Port{Name: rapid.StringMatching(`[a-z][a-z-]{0,5}`).Draw(t, "port name"), Labels: drawLabels(t), Protocol: oneOfWords(t, "protocol", "", "udp", "TCP")}
		if v := portVariable(p.Name); !names[v] {
			names[v] = true
			r.Ports = append(r.Ports, p)
		}
	}
	return r
}

func drawContainer(t *rapid.T) Container {
	return Container{
		Image: "img" + rapid.StringMatching(`[a-z]{0,3}`).Draw(t, "image"), Tag: oneOfWords(t, "tag", "", "1.2"), ForcePull: rapid.Bool().Draw(t, "pull"),
		Volumes: list(t, "volumes", 2, drawVolume),
	}
}

func drawNetworks(t *rapid.T) []Network {
	return list(t, "networks", 2, func(t *rapid.T) Network {
		return Network{
			Name: oneOfWords(t, "network", "", "cni"), Groups: list(t, "groups", 2, func(t *rapid.T) string { return rapid.String().Draw(t, "group") }), Labels: drawLabels(t),
			IPAddresses: list(t, "addresses", 2, func(t *rapid.T) IPAddress { return IPAddress{IP: oneOfWords(t, "ip", "", "10.0.0.1", "fe80::1")} }),
			PortMappings: list(t, "mappings", 2, func(t *rapid.T) PortMapping {
				return PortMapping{HostPort: drawPortRef(t), ContainerPort: rapid.IntRange(1, 65535).Draw(t, "container port")}
			}),
		}
	})
}

func drawTask(t *rapid.T, names map[string]bool) Task {
	return Task{
		Resources: drawResources(t, names), Command: new(drawFetchingCommand(t)), Container: some(t, "container", drawContainer),
		HealthCheck: some(t, "health check", drawHealthCheck), Check: some(t, "check", drawCheck), Labels: drawLabels(t),
		KillGracePeriod: some(t, "kill grace", drawDuration), MaxCompletionTime: rapid.SampledFrom([]Duration{0, Duration(time.Hour)}).Draw(t, "max completion"),
	}
}

// drawApp draws applications that Complete accepts.
func drawApp(t *rapid.T) *App {
	a := &App{Name: "a" + anyName.Draw(t, "name"), Instances: rapid.IntRange(0, 9).Draw(t, "instances")}
	names := map[string]bool{"PORT_WEB": true}
	if rapid.Bool().Draw(t, "group?") {
		for i := range rapid.IntRange(1, 3).Draw(t, "tasks") {
			a.Group = append(a.Group, Member{Name: string(rune('a' + i)), Task: drawTask(t, names)})
		}
		a.Group[0].Resources.Ports = append(a.Group[0].Resources.Ports, Port{Name: "web"})
		a.Container = some(t, "container", func(t *rapid.T) Container { return Container{Networks: drawNetworks(t)} })
	} else {
		a.Task = drawTask(t, names)
		a.Resources.Ports = append(a.Resources.Ports, Port{Name: "web"})
		if a.Container != nil {
			a.Container.Networks = drawNetworks(t)
		}
	}
	a.Resources.Role = oneOfWords(t, "role", "", "eng/web")
	a.Resources.Reserve = oneOfWords(t, "reserve", "", ReserveVolumes, ReserveAll)
	a.Goal = oneOfWords(t, "goal", "", GoalRunning, GoalFinish, "ONCE")
	a.Strategy = oneOfWords(t, "strategy", "", StrategyColocate, "None", StrategyUnique)
	a.Constraints = list(t, "constraints", 3, func(t *rapid.T) Constraint {
		c := rapid.SampledFrom([]Constraint{{Field: "hostname", Operator: "unique"}, {Field: "@zone", Operator: OpGroupBy, Value: "3"}, {Field: "a b", Operator: OpLike, Value: "x.*"}}).Draw(t, "constraint")
		c.Soft = rapid.Bool().Draw(t, "soft")
		return c
	})
	a.Filters = list(t, "filters", 2, func(t *rapid.T) Filter { return Filter{Type: oneOfWords(t, "type", "", "scalar"), Value: Strings{"1"}} })
	a.Affinities = list(t, "affinities", 2, func(t *rapid.T) Affinity {
		return Affinity{App: "other", Anti: rapid.Bool().Draw(t, "anti"), Soft: true}
	})
	a.FaultDomain = some(t, "fault domain", func(t *rapid.T) FaultDomain {
		return FaultDomain{Regions: Strings{"r"}, Required: rapid.Bool().Draw(t, "required"), Spread: oneOfWords(t, "spread", "", "zone", "REGION")}
	})
	a.Retry = some(t, "retry", func(t *rapid.T) Retry {
		return Retry{Time: drawDuration(t), Backoff: some(t, "backoff", func(t *rapid.T) bool { return rapid.Bool().Draw(t, "backoff") }), TotalRetries: some(t, "total", func(t *rapid.T) int { return rapid.IntRange(0, 9).Draw(t, "total") })}
	})
	a.Update = some(t, "update", func(t *rapid.T) Update {
		return Update{MinHealthy: some(t, "min healthy", func(t *rapid.T) float64 { return rapid.Float64Range(0, 1).Draw(t, "share") }), BatchSize: rapid.IntRange(0, 3).Draw(t, "batch"), Rollback: rapid.Bool().Draw(t, "rollback")}
	})
	a.Unreachable = some(t, "unreachable", func(t *rapid.T) Unreachable { return Unreachable{Wait: rapid.Bool().Draw(t, "wait")} })
	return a
}

func TestParseGivesWhatMarshalWrote(t *testing.T) {
	validate := validator(t)
	rapid.Check(t, func(t *rapid.T) {
		a := drawApp(t)
		if err := a.Complete(); err != nil {
			t.Fatalf("%s\n%v", a.Marshal(), err)
		}
		doc := a.Marshal()
		b, err := Parse(doc)
		if err != nil {
			t.Fatalf("%s\n%v", doc, err)
		}
		if d := cmp.Diff(a, b); d != "" {
			t.Fatalf("%s\n%s", doc, d)
		}
		if err := validate(doc); err != nil {
			t.Fatalf("%s\n%v", doc, err)
		}
		c := a.Clone()
		if d := cmp.Diff(a, c); d != "" {
			t.Fatal("the clone differs:", d)
		}
		if !bytes.Equal(doc, c.Marshal()) || a.Hash() != b.Hash() || a.TaskHash() != b.TaskHash() || Compare(a, b) != Same || Diff(a, b) != nil {
			t.Fatal("equal applications have different forms")
		}
	})
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/valid/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		doc, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(doc)
	}
	f.Add([]byte(everyObject))
	f.Add([]byte(`{"name": "\ud83d\ude00", "instances": 1e2, "daemon": true, "x": [1, -0.5E-3, "\u00e9\n"]}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		a, err := Parse(doc)
		if err != nil {
			for _, e := range err.(Errors) {
				if e.What == "" || e.Line < 1 && len(err.(Errors)) <= maxErrors {
					t.Fatalf("an error without place or text: %#v", e)
				}
			}
			return
		}
		form := a.Marshal()
		b, err := Parse(form)
		if err != nil {
			t.Fatalf("%s\n%v", form, err)
		}
		if d := cmp.Diff(a, b); d != "" {
			t.Fatalf("%s\n%s", form, d)
		}
		// Whatever is accepted can be launched, given what it asks for.
		l := launchOf(a)
		if _, err := a.Operations(l); err != nil {
			t.Fatalf("%s\n%v", form, err)
		}
	})
}
