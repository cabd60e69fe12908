package app

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// What is launched for the documents in testdata/valid is beside them: in the JSON that Mesos gets to see.
func TestDocumentsBecomeTheseOperations(t *testing.T) {
	files, err := filepath.Glob("testdata/valid/*.json")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d documents, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			doc, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			a := mustParse(t, string(doc))
			before := a.Clone()
			l := launchOf(a)
			l.Version = "v1"
			ops, err := a.Operations(l)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(before, a); d != "" {
				t.Error("the application changed:", d)
			}
			checkPool(t, l.Resources, ops)
			call := &schedulerpb.Call{Accept: &schedulerpb.Call_Accept{Operations: ops}}
			raw, err := codec.JSON.Append(nil, call)
			if err != nil {
				t.Fatal(err)
			}
			got := pretty(t, raw)
			golden := strings.TrimSuffix(file, ".json") + ".operations"
			if os.Getenv("UPDATE") != "" {
				if err := os.WriteFile(golden, got, 0o666); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), string(got)); d != "" {
				t.Errorf("%s; UPDATE=1 go test accepts it\n%s", golden, d)
			}
			l.ReservationRefinement = false
			older, err := a.Operations(l)
			if err != nil {
				t.Fatal(err)
			}
			raw, err = codec.JSON.Append(nil, &schedulerpb.Call{Accept: &schedulerpb.Call_Accept{Operations: older}})
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(raw), `"reservations"`) {
				t.Errorf("for frameworks without RESERVATION_REFINEMENT: %s", raw)
			}
			checkPool(t, l.Resources, older)
		})
	}
}

// checkPool makes sure that the operations find what they need, one after the other, and use it up.
func checkPool(t *testing.T, picked []*mesospb.Resource, ops []*mesospb.Offer_Operation) {
	t.Helper()
	pool := resources.NewPool(picked)
	for _, op := range ops {
		conversions, err := resources.Conversions(op)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range conversions {
			if err := pool.Apply(c); err != nil {
				t.Fatal(err)
			}
		}
		used := op.GetLaunchGroup().GetExecutor().GetResources()
		for _, task := range append(op.GetLaunch().GetTaskInfos(), op.GetLaunchGroup().GetTaskGroup().GetTasks()...) {
			used = append(append(used, task.GetResources()...), task.GetExecutor().GetResources()...)
		}
		if !pool.Take(used) {
			t.Fatalf("%v takes %s from %s", op.GetType(), resources.Describe(used), resources.Describe(pool.Resources()))
		}
	}
	if !pool.IsEmpty() {
		t.Errorf("left over: %s", resources.Describe(pool.Resources()))
	}
}

const volumeDoc = `{"name": "db", "resources": {"cpus": 1, "mem": 32, "role": "eng", "ports": [80], "disk": {"size": 10, "persistence": {}, "volume": {"container_path": "d"}}}, "command": {"cmd": "x"}}`

func TestWhatIsReservedAlreadyIsNotReservedAgain(t *testing.T) {
	a := mustParse(t, volumeDoc)
	for name, tc := range map[string]struct {
		disk *mesospb.Resource
		want string
	}{
		"unreserved":          {resources.NewDisk(10), "RESERVE CREATE LAUNCH"},
		"reserved":            {resources.NewDisk(10, resources.WithReservation("eng", "ops")), "CREATE LAUNCH"},
		"statically":          {resources.NewDisk(10, resources.WithRole("eng")), "CREATE LAUNCH"},
		"a volume":            {resources.NewDisk(10, resources.WithReservation("eng", "ops"), resources.WithVolume("db~data~1", "ops", "elsewhere")), "LAUNCH"},
		"a larger volume":     {resources.NewDisk(99, resources.WithReservation("eng", "ops"), resources.WithVolume("db~data~1", "ops", "d")), "LAUNCH"},
		"a whole disk":        {resources.NewDisk(50, resources.WithMountDisk("/mnt")), "RESERVE CREATE LAUNCH"},
		"reserved for parent": {resources.NewDisk(10, resources.WithRole("e")), "RESERVE CREATE LAUNCH"},
	} {
		for _, named := range []bool{true, false} {
			l := launchOf(a)
			r := resources.Allocate([]*mesospb.Resource{tc.disk}, "eng")[0]
			l.Resources[len(l.Resources)-2], l.Volumes = r, []*mesospb.Resource{r}
			if !named {
				l.Volumes = nil
			}
			ops, err := a.Operations(l)
			if err != nil {
				if !named && name == "a whole disk" {
					continue // which nobody asked for: only the placement may know better
				}
				t.Errorf("%s: %v", name, err)
				continue
			}
			var got []string
			for _, op := range ops {
				got = append(got, op.GetType().String())
			}
			if strings.Join(got, " ") != tc.want {
				t.Errorf("%s: %v, want %s", name, got, tc.want)
			}
			checkPool(t, l.Resources, ops)
			task := ops[len(ops)-1].GetLaunch().GetTaskInfos()[0]
			for _, r := range task.GetResources() {
				if v := r.GetDisk().GetVolume(); v != nil && v.GetContainerPath() != "d" {
					t.Errorf("%s: mounted at %s", name, v.GetContainerPath())
				}
			}
		}
	}
}

func TestLaunchesThatDoNotFitAreErrors(t *testing.T) {
	a := mustParse(t, volumeDoc)
	pod := mustParse(t, `{"name": "p", "group": [{"name": "a", "resources": {"cpus": 1, "mem": 1}, "command": {"cmd": "x"}}]}`)
	for name, tc := range map[string]struct {
		app    *App
		change func(*Launch)
		want   string
	}{
		"no task id":       {a, func(l *Launch) { l.TaskIDs = nil }, "0 task ids for 1 tasks"},
		"empty task id":    {a, func(l *Launch) { l.TaskIDs[0] = "" }, "task id"},
		"no port":          {a, func(l *Launch) { l.Ports = nil }, "0 port numbers for 1 ports"},
		"another port":     {a, func(l *Launch) { l.Ports[0] = 81 }, "port 81 instead of 80"},
		"port not offered": {a, func(l *Launch) { l.Resources = l.Resources[:len(l.Resources)-1] }, "do not suffice"},
		"no cpus":          {a, func(l *Launch) { l.Resources = l.Resources[1:] }, "do not suffice"},
		"no volume":        {a, func(l *Launch) { l.Volumes, l.Resources = nil, l.Resources[:2] }, "no disk for the volume db~data~1"},
		"strange volume":   {a, func(l *Launch) { l.Volumes[0] = resources.NewDisk(11) }, "not among the resources"},
		"small volume":     {a, func(l *Launch) { l.Volumes[0] = resources.NewDisk(9) }, "too small"},
		"two volumes":      {a, func(l *Launch) { l.Volumes = append(l.Volumes, l.Volumes[0]) }, "2 volumes for an application that has 1"},
		"wrong volume": {a, func(l *Launch) {
			l.Volumes[0] = resources.NewDisk(10, resources.WithReservation("eng", "ops"), resources.WithVolume("db~data~2", "ops", "d"))
			l.Resources = append(l.Resources, l.Volumes[0])
		}, `the volume "db~data~2" instead of "db~data~1"`},
		"malformed": {a, func(l *Launch) {
			l.Resources[0].Reservations = []*mesospb.Resource_ReservationInfo{{}}
			l.Resources[0].Role = new("x") //lint:ignore SA1019 two formats at once
		}, "malformed"},
		"refined for an old framework": {a, func(l *Launch) {
			l.ReservationRefinement = false
			l.Resources[2] = resources.NewDisk(10, resources.WithRole("e"), resources.WithAllocation("eng"))
			l.Volumes[0] = l.Resources[2]
		}, "RESERVATION_REFINEMENT"},
		"role *": {mustParse(t, strings.Replace(volumeDoc, `"role": "eng",`, ``, 1)), func(l *Launch) {
			l.Resources = resources.Allocate(l.Resources, "*")
			l.Volumes = resources.Allocate(l.Volumes, "*")
		}, "role *"},
		"pod without framework": {pod, func(l *Launch) { l.FrameworkID = "" }, "framework id is missing"},
	} {
		l := launchOf(tc.app)
		if _, err := tc.app.Operations(l); err != nil {
			t.Fatalf("%s: before: %v", name, err)
		}
		tc.change(&l)
		ops, err := tc.app.Operations(l)
		var launch *LaunchError
		if !errors.As(err, &launch) || !strings.Contains(err.Error(), tc.want) || ops != nil {
			t.Errorf("%s: got %v and %v, want an error with %q", name, ops, err, tc.want)
		}
	}
}

func TestChecksAskTheContainersPort(t *testing.T) {
	a := mustParse(t, `{"name": "a", "resources": {"cpus": 1, "mem": 1, "ports": ["http"]}, "command": {"cmd": "x"},
		"container": {"networks": [{"name": "cni", "port_mappings": [{"host_port": "http", "container_port": 80}]}]},
		"health_check": {"http": {}}, "check": {"tcp": {"port": 9}}}`)
	ops, err := a.Operations(launchOf(a))
	if err != nil {
		t.Fatal(err)
	}
	task := ops[0].GetLaunch().GetTaskInfos()[0]
	if got := task.GetHealthCheck().GetHttp().GetPort(); got != 80 {
		t.Errorf("the health check asks port %d, want that in the container, 80", got)
	}
	if got := task.GetCheck().GetTcp().GetPort(); got != 9 {
		t.Errorf("the check asks port %d, want 9", got)
	}
}

func TestDiscoveryShowsTasksToWhomTheApplicationSays(t *testing.T) {
	const framework, cluster, external = mesospb.DiscoveryInfo_FRAMEWORK, mesospb.DiscoveryInfo_CLUSTER, mesospb.DiscoveryInfo_EXTERNAL
	for doc, want := range map[string][]mesospb.DiscoveryInfo_Visibility{
		`{"name": "a", "resources": {"cpus": 1, "mem": 1, "ports": 1}, "command": {"cmd": "x"}}`:                           {framework},
		`{"name": "a", "resources": {"cpus": 1, "mem": 1, "ports": 1}, "command": {"cmd": "x"}, "visibility": "EXTERNAL"}`: {external},
		`{"name": "a", "resources": {"cpus": 1, "mem": 1}, "command": {"cmd": "x"}, "visibility": "cluster"}`:              {cluster},
		`{"name": "p", "visibility": "cluster", "group": [{"name": "a", "resources": {"cpus": 1, "mem": 1}, "command": {"cmd": "x"}},
			{"name": "b", "visibility": "external", "resources": {"cpus": 1, "mem": 1}, "command": {"cmd": "x"}}]}`: {cluster, external},
	} {
		a := mustParse(t, doc)
		ops, err := a.Operations(launchOf(a))
		if err != nil {
			t.Fatal(err)
		}
		tasks := append(ops[0].GetLaunch().GetTaskInfos(), ops[0].GetLaunchGroup().GetTaskGroup().GetTasks()...)
		for i, task := range tasks {
			if got := task.GetDiscovery(); got == nil || got.GetVisibility() != want[i] {
				t.Errorf("%s: task %d is shown as %v, want %v", doc, i, got, want[i])
			}
		}
	}
}

func BenchmarkOperations(b *testing.B) {
	a := mustParse(b, minimal(`"labels": {"a": "b"}`))
	l := launchOf(a)
	l.Version = a.Hash()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Operations(l); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	doc, err := os.ReadFile("testdata/valid/service.json")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(doc); err != nil {
			b.Fatal(err)
		}
	}
}
