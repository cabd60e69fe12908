package app_test

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/placement"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

func TestTasksFindTheirEnvironment(t *testing.T) {
	f := start(t, true)
	a := f.parse(`{"name": "env", "resources": {"cpus": 0.25, "mem": 64, "disk": 10, "ports": [{"name": "http"}, {"name": "admin-api", "port": 31050}]},
		"command": {"cmd": "env > OUT/env", "environment": {"MINE": "a <b> & 'c'", "MESOKIT_DISK": "overridden"}}}`)
	_, l := f.launch(a, 3, false)
	f.expect(starting, running, finished)
	got := map[string]string{}
	for _, line := range strings.Split(f.read("env"), "\n") {
		name, value, _ := strings.Cut(line, "=")
		got[name] = value
	}
	port0 := strconv.FormatUint(l.Ports[0], 10)
	for name, want := range map[string]string{
		"HOST": "localhost", "MESOS_TASK_ID": l.TaskIDs[0], "MESOKIT_APP": "env", "MESOKIT_TASK": "env", "MESOKIT_INSTANCE": "3",
		"MESOKIT_VERSION": a.Hash(), "MESOKIT_CPUS": "0.25", "MESOKIT_MEM": "64", "MESOKIT_DISK": "overridden", "MESOKIT_GPUS": "0",
		"PORT": port0, "PORT0": port0, "PORT1": "31050", "PORTS": port0 + ",31050", "PORT_HTTP": port0, "PORT_ADMIN_API": "31050",
		"MINE": "a <b> & 'c'",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
}

func TestArgvStartsWithoutAShellAndURIsAreFetched(t *testing.T) {
	f := start(t, true)
	script := filepath.Join(f.out, "script.sh")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nprintf '%s|' \"$@\" > \"$1\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	a := f.parse(`{"name": "argv", "resources": {"cpus": 0.1, "mem": 32},
		"command": {"argv": ["./run", "OUT/args", "two words", "$HOME"], "uris": [{"uri": "file://OUT/script.sh", "execute": true, "output_file": "run"}]}}`)
	f.launch(a, 0, false)
	f.expect(starting, running, finished)
	if got, want := f.read("args"), f.out+"/args|two words|$HOME|"; got != want {
		t.Errorf("the program got %q, want %q", got, want)
	}
}

func TestHealthChecksAndChecksReport(t *testing.T) {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/health" {
			w.WriteHeader(http.StatusNotFound)
		}
	})}
	done := make(chan struct{})
	go func() { defer close(done); h.Serve(server) }()
	t.Cleanup(func() { h.Close(); <-done })
	port := strconv.Itoa(server.Addr().(*net.TCPAddr).Port)

	for name, check := range map[string]string{
		"command": `"command": {"cmd": "test \"$MINE\" = 1", "environment": {"MINE": "1"}}`,
		"http":    `"http": {"port": ` + port + `, "path": "/health"}`,
		"tcp":     `"tcp": {"port": ` + port + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, true)
			a := f.parse(`{"name": "health", "resources": {"cpus": 0.1, "mem": 32}, "command": {"cmd": "sleep 100"},
				"health_check": {` + check + `, "delay": 0, "interval": "50ms", "timeout": 5}, "check": {` + check + `, "delay": 0, "interval": "50ms", "timeout": 5}}`)
			f.launch(a, 0, false)
			f.expect(starting)
			for healthy, checked := false, false; !healthy || !checked; {
				s := f.expect(running)
				healthy = healthy || s.GetHealthy()
				c := s.GetCheckStatus()
				checked = checked || c.GetCommand() != nil && c.GetCommand().ExitCode != nil && c.GetCommand().GetExitCode() == 0 ||
					c.GetHttp().GetStatusCode() == 200 || c.GetTcp().GetSucceeded()
			}
		})
	}
}

func TestFailingHealthChecksKill(t *testing.T) {
	f := start(t, true)
	a := f.parse(`{"name": "sick", "resources": {"cpus": 0.1, "mem": 32}, "command": {"cmd": "sleep 100"},
		"health_check": {"command": {"cmd": "false"}, "delay": 0, "interval": "20ms", "grace_period": 0, "failures": 2}}`)
	f.launch(a, 0, false)
	f.expect(starting)
	for {
		s := f.status()
		if s.GetState() == running {
			continue
		}
		if s.GetState() != killed || s.GetHealthy() {
			t.Errorf("ended with %v", s)
		}
		return
	}
}

func TestTheKillGracePeriodIsTheTasks(t *testing.T) {
	f := start(t, true)
	a := f.parse(`{"name": "grace", "resources": {"cpus": 0.1, "mem": 32}, "kill_grace_period": "1s",
		"command": {"cmd": "trap 'echo term > OUT/term' TERM; echo > OUT/ready; while :; do sleep 0.02; done"},
		"check": {"command": {"cmd": "test -e OUT/ready"}, "delay": 0, "interval": "20ms"}}`)
	_, l := f.launch(a, 0, false)
	f.expect(starting)
	for {
		if c := f.expect(running).GetCheckStatus().GetCommand(); c != nil && c.ExitCode != nil && c.GetExitCode() == 0 {
			break
		}
	}
	if err := f.sub.Kill(f.ctx, &mesospb.TaskID{Value: &l.TaskIDs[0]}, &mesospb.AgentID{Value: &l.AgentID}, nil); err != nil {
		t.Fatal(err)
	}
	if s := f.expect(killed); !strings.Contains(s.GetMessage(), "Killed") || f.read("term") != "term" {
		t.Errorf("ended with %v, want SIGKILL after SIGTERM", s)
	}
}

func TestPodsStartTogetherAndShareWhatTheyDeclare(t *testing.T) {
	for _, refined := range []bool{true, false} {
		t.Run("refined="+strconv.FormatBool(refined), func(t *testing.T) {
			f := start(t, refined)
			a := f.parse(`{"name": "pod", "labels": {"common": "1", "own": "app"}, "group": [
				{"name": "a", "resources": {"cpus": 0.1, "mem": 32, "ports": ["web"]}, "labels": {"own": "a"}, "command": {"cmd": "echo $PORT0 $PORT_WEB $MESOKIT_TASK > OUT/a; sleep 0.1"}},
				{"name": "b", "resources": {"cpus": 0.2, "mem": 32, "disk": 5}, "command": {"argv": ["/bin/sh", "-c", "echo \"$PORT0\" $PORT_WEB $MESOKIT_TASK $MESOS_TASK_ID > OUT/b"]}}]}`)
			ops, l := f.launch(a, 0, false)
			if len(ops) != 1 || ops[0].GetType() != mesospb.Offer_Operation_LAUNCH_GROUP {
				t.Fatal(ops)
			}
			got := map[string][]string{}
			for len(got[l.TaskIDs[0]]) < 3 || len(got[l.TaskIDs[1]]) < 3 {
				s := f.status()
				got[s.GetTaskId().GetValue()] = append(got[s.GetTaskId().GetValue()], s.GetState().String())
			}
			for id, states := range got {
				if strings.Join(states, " ") != "TASK_STARTING TASK_RUNNING TASK_FINISHED" {
					t.Errorf("%s: %v", id, states)
				}
			}
			port := strconv.FormatUint(l.Ports[0], 10)
			if got, want := f.read("a"), port+" "+port+" pod.a"; got != want {
				t.Errorf("a saw %q, want %q", got, want)
			}
			if got, want := f.read("b"), port+" pod.b "+l.TaskIDs[1]; got != want {
				t.Errorf("b saw %q, want %q", got, want)
			}
		})
	}
}

func TestVolumesOfContainersAreThere(t *testing.T) {
	f := start(t, true)
	if err := os.WriteFile(filepath.Join(f.out, "in"), []byte("from the agent"), 0o644); err != nil {
		t.Fatal(err)
	}
	a := f.parse(`{"name": "volumes", "resources": {"cpus": 0.1, "mem": 32},
		"container": {"volumes": [{"container_path": "host", "host_path": "OUT"}, {"container_path": "scratch", "source": {"sandbox_path": {"path": "inner"}}}]},
		"command": {"cmd": "cat host/in > host/out && echo x > scratch/f && cat inner/f >> host/out"}}`)
	f.launch(a, 0, false)
	f.expect(starting, running, finished)
	if got := f.read("out"); got != "from the agentx" {
		t.Errorf("the task saw %q", got)
	}
}

func TestPersistentVolumesOutliveTheirTasks(t *testing.T) {
	for _, tc := range []struct {
		name, reserve string
		refined       bool
	}{{"refined", "volumes", true}, {"older format", "volumes", false}, {"everything reserved", "all", true}, {"everything in the older format", "all", false}} {
		t.Run(tc.name, func(t *testing.T) {
			f := start(t, tc.refined)
			a := f.parse(`{"name": "db", "resources": {"role": "eng", "reserve": "` + tc.reserve + `", "cpus": 0.1, "mem": 32, "ports": 1, "disk": [
					{"size": 7}, {"size": 16, "persistence": {}, "volume": {"container_path": "data"}}, {"size": 8, "persistence": {"id": "log"}, "volume": {"container_path": "log"}}]},
				"command": {"cmd": "echo run >> data/runs; cp data/runs OUT/runs; echo > log/x"}}`)
			ops, _ := f.launch(a, 2, false)
			types(t, ops, mesospb.Offer_Operation_RESERVE, mesospb.Offer_Operation_CREATE, mesospb.Offer_Operation_LAUNCH)
			wantReserved := 24.0
			if tc.reserve == "all" {
				wantReserved = 31
			}
			if got := resources.Disk(ops[0].GetReserve().GetResources()); got != wantReserved {
				t.Errorf("%v MB of disk are reserved, want %v", got, wantReserved)
			}
			for _, r := range ops[0].GetReserve().GetResources() {
				//lint:ignore SA1019 the older format has nothing else
				if older := r.GetReservation() != nil && r.GetRole() == "eng" && len(r.GetReservations()) == 0; older == tc.refined {
					t.Errorf("reserved as %v", r)
				}
			}
			if got := ops[1].GetCreate().GetVolumes()[1].GetDisk().GetPersistence(); got.GetId() != "db~log~2" || got.GetPrincipal() != "ops" {
				t.Errorf("created as %v", got)
			}
			f.expect(starting, running, finished)
			ops, _ = f.launch(a, 2, true)
			types(t, ops, mesospb.Offer_Operation_LAUNCH)
			f.expect(starting, running, finished)
			if got := f.read("runs"); got != "run\nrun" {
				t.Errorf("the volume held %q", got)
			}
		})
	}
}

func TestPodsHavePersistentVolumes(t *testing.T) {
	f := start(t, true)
	a := f.parse(`{"name": "pod", "resources": {"role": "eng"}, "group": [
		{"name": "a", "resources": {"cpus": 0.1, "mem": 32, "disk": {"size": 16, "persistence": {}, "volume": {"container_path": "data"}}}, "command": {"cmd": "echo a >> data/f; cat data/f > OUT/f"}},
		{"name": "b", "resources": {"cpus": 0.1, "mem": 32, "disk": {"size": 8, "persistence": {}, "volume": {"container_path": "data"}}}, "command": {"cmd": "echo b >> data/f; cat data/f > OUT/g"}}]}`)
	for existing, want := range []string{"a", "a\na"} {
		_, l := f.launch(a, 0, existing == 1)
		for ended := 0; ended < 2; {
			s := f.status()
			if s.GetState() == finished {
				ended++
			} else if s.GetState() != starting && s.GetState() != running {
				t.Fatal(s)
			}
		}
		if got := f.read("f"); got != want {
			t.Errorf("%v: a's volume held %q, want %q", l.TaskIDs, got, want)
		}
		if got := f.read("g"); got != strings.ReplaceAll(want, "a", "b") {
			t.Errorf("b's volume held %q", got)
		}
	}
}

func types(t *testing.T, ops []*mesospb.Offer_Operation, want ...mesospb.Offer_Operation_Type) {
	t.Helper()
	ok := len(ops) == len(want)
	for i := range min(len(ops), len(want)) {
		ok = ok && ops[i].GetType() == want[i]
	}
	if !ok {
		t.Fatalf("operations %v, want %v", ops, want)
	}
}

func TestImagesAreRefusedByAgentsThatHaveNone(t *testing.T) {
	f := start(t, true)
	for _, kind := range []string{"mesos", "docker"} {
		a := f.parse(`{"name": "image", "resources": {"cpus": 0.1, "mem": 32}, "container": {"type": "` + kind + `", "image": "debian"}, "command": {"cmd": "true"}}`)
		f.launch(a, 0, false)
		s := f.status()
		if s.GetState() != failed || !strings.Contains(s.GetMessage(), "the embedded agent runs plain processes") {
			t.Errorf("%s: %v", kind, s)
		}
	}
}

func TestCustomExecutorsAreStartedWithTheirTasks(t *testing.T) {
	f := start(t, true)
	// An executor that only proves that it was started, with what it was given: the agent then fails the task, because it never subscribes.
	a := f.parse(`{"name": "custom", "resources": {"cpus": 0.1, "mem": 32, "ports": ["x"]}, "data": "work",
		"executor": {"command": {"cmd": "echo $MESOKIT_APP $PORT_X $MESOS_EXECUTOR_ID > OUT/executor"}, "data": "d"}}`)
	ops, l := f.launch(a, 0, false)
	task := ops[0].GetLaunch().GetTaskInfos()[0]
	if task.GetCommand() != nil || string(task.GetData()) != "work" || task.GetExecutor().GetType() != mesospb.ExecutorInfo_CUSTOM {
		t.Errorf("launched as %v", task)
	}
	if s := f.expect(failed); s.GetReason() != mesospb.TaskStatus_REASON_EXECUTOR_TERMINATED {
		t.Errorf("ended with %v", s)
	}
	if got, want := f.read("executor"), "custom "+strconv.FormatUint(l.Ports[0], 10)+" "+l.TaskIDs[0]+".executor"; got != want {
		t.Errorf("the executor saw %q, want %q", got, want)
	}
}

func TestCustomExecutorsGetTheDataOfTheirTasks(t *testing.T) {
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f := start(t, true)
	for doc, tasks := range map[string]int{
		`{"name": "one", "resources": {"cpus": 0.1, "mem": 32}, "data": "work", EXECUTOR}`:                                                                                                 1,
		`{"name": "pod", EXECUTOR, "group": [{"name": "a", "resources": {"cpus": 0.1, "mem": 32}, "data": "work"}, {"name": "b", "resources": {"cpus": 0.1, "mem": 32}, "data": "work"}]}`: 2,
	} {
		a := f.parse(strings.Replace(doc, "EXECUTOR", `"executor": {"command": {"argv": ["`+binary+`"], "environment": {"APP_TEST_EXECUTOR": "1"}}, "shutdown_grace_period": "1s"}`, 1))
		_, l := f.launch(a, 0, false)
		for ended := 0; ended < tasks; {
			switch s := f.status(); s.GetState() {
			case running:
			case finished:
				ended++
				if s.GetMessage() != "work by "+a.Name {
					t.Errorf("%s: %v", a.Name, s)
				}
			default:
				t.Fatal(s)
			}
		}
		if err := f.sub.Shutdown(f.ctx, &mesospb.ExecutorID{Value: new(app.ExecutorID(l.TaskIDs[0]))}, &mesospb.AgentID{Value: &l.AgentID}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLimitedTasksEnd(t *testing.T) {
	f := start(t, true)
	a := f.parse(`{"name": "limited", "resources": {"cpus": 0.1, "mem": 32}, "command": {"cmd": "sleep 100"}, "max_completion_time": "50ms"}`)
	f.launch(a, 0, false)
	if s := f.expect(starting, running, failed); s.GetReason() != mesospb.TaskStatus_REASON_MAX_COMPLETION_TIME_REACHED {
		t.Errorf("ended with %v", s)
	}
}

func TestManyInstancesShareOneOffer(t *testing.T) {
	f := start(t, true)
	a := f.parse(`{"name": "many", "instances": 3, "resources": {"cpus": 0.1, "mem": 32, "ports": 1}, "command": {"cmd": "true"}}`)
	var all []*mesospb.Offer_Operation
	o, l := f.place(a, 0, false)
	rest := o.GetResources()
	for i := range 3 {
		got, ok := resources.Find(rest, a.Demand().Resources, "eng")
		ports, okPorts := resources.TakePorts(resources.Filter(rest, func(r *mesospb.Resource) bool { return r.GetName() == "ports" }), 1)
		if !ok || !okPorts {
			t.Fatal("no room")
		}
		l.Instance, l.Resources = i, append(got, ports...)
		l.Ports = []uint64{ports[0].GetRanges().GetRange()[0].GetBegin()}
		l.TaskIDs = []string{"many-" + strconv.Itoa(i)}
		rest = resources.Subtract(rest, l.Resources)
		ops, err := a.Operations(l)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, ops...)
	}
	if err := f.sub.Accept(f.ctx, scheduler.OfferIDs(o), nil, all...); err != nil {
		t.Fatal(err)
	}
	for ended := 0; ended < 3; {
		if s := f.next(schedulerpb.Event_UPDATE).GetUpdate().GetStatus(); s.GetState() == finished {
			ended++
		} else if s.GetState() == failed || s.GetState() == mesospb.TaskState_TASK_ERROR {
			t.Fatal(s)
		} else if err := f.sub.Acknowledge(f.ctx, s); err != nil {
			t.Fatal(err)
		}
	}
}

// The placement of package placement and the operations of this one understand each other.
func TestWhatThePlacementFindsCanBeLaunched(t *testing.T) {
	for _, refined := range []bool{true, false} {
		t.Run("refined="+strconv.FormatBool(refined), func(t *testing.T) {
			f := start(t, refined)
			placer, placed := placement.New(placement.Config{}), placement.NewPlaced()
			a := f.parse(`{"name": "pod", "resources": {"role": "eng", "reserve": "all"}, "constraints": [["hostname", "UNIQUE"]], "group": [
				{"name": "a", "resources": {"cpus": 0.1, "mem": 32, "ports": ["http", 31050], "disk": [3, {"size": 16, "persistence": {}, "volume": {"container_path": "data"}}]},
					"command": {"cmd": "echo a >> data/f; cp data/f OUT/f"}},
				{"name": "b", "resources": {"cpus": 0.2, "mem": 48}, "command": {"cmd": "echo $PORT_HTTP > OUT/port"}}]}`)
			for run, want := range []string{"a", "a\na"} {
				task := &placement.Task{ID: "pod-0", Demand: a.Demand()}
				if run > 0 {
					task.Volumes = a.Volumes(a.VolumeIDs(0, ""))
				}
				var as placement.Assignment
				for as.Task == nil {
					o := f.offer()
					offer := placement.NewOffer(o)
					offer.Role = "eng" // masters do not tell frameworks without MULTI_ROLE
					result := placer.Place(&placement.Cycle{Offers: []*placement.Offer{offer}, Pending: []*placement.Task{task}, Placed: placed})
					if len(result.Assignments) == 1 {
						as = result.Assignments[0]
						ops, err := a.Operations(app.Launch{
							TaskIDs: []string{"a-" + strconv.Itoa(run), "b-" + strconv.Itoa(run)}, FrameworkID: f.sub.FrameworkID().GetValue(), AgentID: as.Agent.ID,
							Hostname: as.Agent.Hostname, Principal: "ops", Role: as.Role, Resources: as.Resources, Ports: as.Ports, Volumes: as.Volumes, ReservationRefinement: refined,
						})
						if err != nil {
							t.Fatal(err)
						}
						checkOperations(t, o.GetResources(), as.Resources, ops)
						if err := f.sub.Accept(f.ctx, as.OfferIDs, scheduler.RefuseSeconds(0), ops...); err != nil {
							t.Fatal(err)
						}
					} else {
						f.decline(o)
					}
				}
				for ended := 0; ended < 2; {
					switch s := f.status(); s.GetState() {
					case starting, running:
					case finished:
						ended++
					default:
						t.Fatal(s)
					}
				}
				if got := f.read("f"); got != want {
					t.Errorf("the volume held %q, want %q", got, want)
				}
				if got := f.read("port"); got != strconv.FormatUint(as.Ports[0], 10) {
					t.Errorf("the port is %s, want %d", got, as.Ports[0])
				}
			}
		})
	}
}
