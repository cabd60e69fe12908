package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/cluster/clustertest"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// operate runs a command of an operator against a cluster. Ids are the same in all runs: X-S0.
func operate(t *testing.T, c *cluster.Cluster, args ...string) result {
	t.Helper()
	return operateWith(t, c, nil, args...)
}

func operateWith(t *testing.T, c *cluster.Cluster, stdin io.Reader, args ...string) result {
	t.Helper()
	if stdin == nil {
		stdin = strings.NewReader("")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	t.Setenv(envMaster, c.Master())
	var stdout, stderr bytes.Buffer
	code := run(ctx, args, stdin, &stdout, &stderr)
	http.DefaultClient.CloseIdleConnections()
	return result{code, anonymous(stdout.String()), anonymous(stderr.String())}
}

var someID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}|127\.0\.0\.1:\d+`)

func anonymous(s string) string { return someID.ReplaceAllString(s, "X") }

// machines is a cluster of simulated agents node1, node2 and so on in rack r1.
func machines(t *testing.T, n int) *cluster.Cluster {
	t.Helper()
	return clustertest.Start(t, func(c *cluster.Config) {
		c.Agents = nil
		for i := range n {
			c.Agents = append(c.Agents, cluster.AgentConfig{Hostname: "node" + string(rune('1'+i)), Resources: "cpus:4;mem:1024;disk:2048;ports:[1-2]", Attributes: "rack:r1", Simulated: true})
		}
	})
}

// task describes a task; its id is its name and .0.
func task(name, command string) *mesospb.TaskInfo {
	return &mesospb.TaskInfo{
		Name: &name, TaskId: &mesospb.TaskID{Value: proto.String(name + ".0")}, Command: &mesospb.CommandInfo{Value: &command},
		Resources: []*mesospb.Resource{resources.NewCPUs(0.5), resources.NewMem(64)},
	}
}

// launch subscribes a framework and waits until its tasks run. Then it does nothing until the end of the test. It returns its id.
func launch(t *testing.T, c *cluster.Cluster, name string, tasks ...*mesospb.TaskInfo) string {
	t.Helper()
	id := ""
	pending, running, want := slices.Clone(tasks), map[string]bool{}, len(tasks)
	ready := make(chan struct{})
	if want == 0 {
		close(ready)
	}
	connected := make(chan struct{})
	s, err := scheduler.NewSession(scheduler.SessionConfig{
		Master: c.Master(), FrameworkInfo: &mesospb.FrameworkInfo{User: proto.String("root"), Name: &name, FailoverTimeout: proto.Float64(3600)},
		Handler: scheduler.HandlerFuncs{
			ConnectedFunc: func(_ context.Context, _ *scheduler.Session, conn scheduler.Connected) error {
				if !conn.Reconnected {
					id = conn.FrameworkID.GetValue()
					close(connected)
				}
				return nil
			},
			Offers: func(ctx context.Context, s *scheduler.Session, offers []*mesospb.Offer) error {
				for _, offer := range offers {
					if len(pending) == 0 {
						_ = s.Decline(ctx, scheduler.OfferIDs(offer), nil)
						continue
					}
					next := pending[0]
					pending = pending[1:]
					next.AgentId = offer.GetAgentId()
					if err := s.Accept(ctx, scheduler.OfferIDs(offer), scheduler.RefuseSeconds(0), scheduler.Launch(next)); err != nil {
						return err
					}
				}
				return nil
			},
			Update: func(_ context.Context, _ *scheduler.Session, status *mesospb.TaskStatus) error {
				if id := status.GetTaskId().GetValue(); status.GetState() == mesospb.TaskState_TASK_RUNNING && !running[id] {
					if running[id] = true; len(running) == want {
						close(ready)
					}
				}
				return nil
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(context.WithoutCancel(t.Context()))
	}()
	t.Cleanup(func() {
		s.Stop(nil)
		<-done
		http.DefaultClient.CloseIdleConnections()
	})
	for _, event := range []chan struct{}{connected, ready} {
		select {
		case <-event:
		case <-done:
			t.Fatal("the framework ended")
		}
	}
	return id
}

// step is a command and what it should do.
type step struct {
	args string // split at spaces
	code int
	want []string // in stdout, or in stderr if the code is not 0
}

func runSteps(t *testing.T, c *cluster.Cluster, steps []step) {
	t.Helper()
	for _, s := range steps {
		got := operate(t, c, strings.Fields(s.args)...)
		text := got.stdout
		if s.code != 0 {
			text = cmp.Or(got.stderr, got.stdout)
		}
		if got.code != s.code {
			t.Errorf("%s: exit code %d, want %d\n%s%s", s.args, got.code, s.code, got.stdout, got.stderr)
		}
		for _, want := range s.want {
			if not, forbidden := strings.CutPrefix(want, "!"); forbidden && strings.Contains(text, not) || !forbidden && !strings.Contains(text, want) {
				t.Errorf("%s: want %q in\n%s", s.args, want, text)
			}
		}
	}
}

func TestMasterCommandsShowTheCluster(t *testing.T) {
	c := machines(t, 2)
	launch(t, c, "shop", task("web", "serve"), task("db", "store"))
	launch(t, c, "idle")
	runSteps(t, c, []step{
		{"master state", 0, []string{"agents      2 active", "frameworks  2 active", "tasks       2 TASK_RUNNING", "cpus      8      1"}},
		{"master agents", 0, []string{"node1", "node2", "active", "rack:r1", "X-S1"}},
		{"master agents S1 node2", 0, []string{"node2"}},
		{"master agents node1", 0, []string{"node1", "!node2"}},
		{"master agents S7", 1, []string{`no registered agent "S7"; mesokit master agents shows`}},
		{"master tasks", 0, []string{"web.0", "db.0", "TASK_RUNNING", "shop"}},
		{"master tasks --framework shop --state running", 0, []string{"web.0", "db.0"}},
		{"master tasks --framework idle", 0, []string{"!web.0"}},
		{"master tasks --framework 0000 --state TASK_FAILED", 0, []string{"!web.0"}},
		{"master tasks --framework none", 1, []string{`no framework "none"`}},
		{"master tasks --state nonsense", 2, []string{`--state "nonsense"`}},
		{"master frameworks", 0, []string{"shop", "idle", "cpus:1;mem:128"}},
		{"master roles", 0, []string{"cpus:1;mem:128"}},
		{"master operations", 0, []string{"No operation"}},
		{"master health", 0, []string{"healthy"}},
		{"master leader", 0, []string{"http://X leads"}},
		{"master version", 0, []string{"Mesos 1."}},
		{"master flags hostname port", 0, []string{"--hostname=localhost", "--port="}},
		{"master flags nonsense", 1, []string{"nonsense"}},
		{"master metrics master/tasks_running", 0, []string{"master/tasks_running 2\n"}},
		{"master metrics *_tot[ --", 2, []string{"syntax"}},
		{"master logging", 0, []string{"0"}},
		{"master logging 1 --for 1m", 0, []string{"level 1 for 1m0s"}},
		{"master logging 9", 2, []string{`level "9"`}},
		{"master nonsense", 2, []string{`no command "nonsense"`}},
		{"master state --master 127.0.0.1:1", 1, []string{"connection refused", "--master", "mesokit dev"}},
		{"master events --master 127.0.0.1:1", 1, []string{"connection refused", "--master"}},
		{"master state --master not/a/host:x", 2, []string{"--master"}},
		{"master state --timeout -1s", 2, []string{"--timeout"}},
	})
	// In JSON it is what Mesos answers.
	for args, field := range map[string]string{
		"state": "get_tasks", "agents": "agents", "tasks": "tasks", "frameworks": "frameworks", "roles": "roles", "leader": "master_info", "health": "healthy",
		"version": "version", "flags": "port", "metrics": "master/elected", "logging": "level", "events --count 1": "subscribed",
	} {
		got := operate(t, c, append([]string{"master", "-o", "json"}, strings.Fields(args)...)...)
		object := map[string]any{}
		if err := json.Unmarshal([]byte(got.stdout), &object); err != nil || object[field] == nil || strings.Count(got.stdout, "\n") != 1 {
			t.Errorf("%s -o json: want one line with %q (%v): %s%s", args, field, err, got.stdout, got.stderr)
		}
	}
}

func TestMasterCommandsChangeTheCluster(t *testing.T) {
	c := machines(t, 3)
	shop := launch(t, c, "shop", task("web", "serve"))
	where := operate(t, c, "master", "tasks")
	busy, other := regexp.MustCompile(`node\d`).FindString(where.stdout), "node1"
	if busy == other {
		other = "node2"
	}
	runSteps(t, c, []step{
		{"master reserve node3 cpus:1;disk:512 --role db", 0, []string{"reserved", "on X-S"}},
		{"master reserve node3 cpus:100 --role db", 1, []string{"409"}},
		{"master reserve node3 cpus:1", 2, []string{"--role"}},
		{"master reserve node3 cpus(db):1 --role db", 2, []string{"--role"}},
		{"master reserve node3 disk:1 --role *", 2, []string{"--role"}},
		{"master reserve node3 nonsense --role db", 2, []string{"nonsense"}},
		{"master volumes create node3 data 128 --role db --path var/data", 0, []string{"[data:var/data]:128"}},
		{"master volumes create node3 more 1000 --role db", 1, []string{"has not reserved disk:1000 for role db"}},
		{"master volumes create node3 more big --role db", 2, []string{"MB"}},
		{"master volumes ls", 0, []string{"data", "var/data", "128", "node3"}},
		{"master volumes ls node3 -o json", 0, []string{`[{"id":"data","role":"db","mb":128,"container_path":"var/data","hostname":"node3"`}},
		{"master volumes ls node2 -o json", 0, []string{"[]\n"}},
		{"master unreserve node3 disk:512 --role db", 1, []string{"it has"}},
		{"master volumes destroy --yes node3 none", 1, []string{`no volume "none"`}},
		{"master volumes destroy --yes node3 data", 0, []string{"destroyed"}},
		{"master unreserve node3 cpus:1;disk:512 --role db", 0, []string{"unreserved"}},
		{"master unreserve node3 cpus:1 --role db", 1, []string{"has not reserved"}},

		{"master quota set db --guarantee cpus:1 --limit cpus:2;mem:256 -o json", 0, []string{`"guarantees":{"cpus":{"value":1.0}}`}},
		{"master quota show", 0, []string{"db", "cpus:1", "cpus:2;mem:256"}},
		{"master quota set db", 2, []string{"--limit"}},
		{"master quota set db --limit ports:[1-2]", 2, []string{"amounts"}},
		{"master quota set db --guarantee cpus:1000", 1, []string{"400"}},
		{"master quota rm db", 0, []string{"no quota for db"}},
		{"master quota show", 0, []string{"No role"}},
		{"master weights show", 0, []string{"No weight"}},
		{"master weights set db=2.5", 0, []string{"2.5"}},
		{"master weights set db=0", 2, []string{"ROLE=WEIGHT"}},
		{"master weights show -o json", 0, []string{`{"weight":2.5,"role":"db"}`}},

		{"master deactivate node3 " + other + " -o json", 0, []string{`"text":"deactivated X-S`}},
		{"master agents node3", 0, []string{"deactivated"}},
		{"master reactivate node3 " + other, 0, []string{"reactivated"}},
		{"master drain " + busy + " --max-grace-period 1s --wait", 0, []string{"draining X", "drained X"}},
		{"master agents " + busy, 0, []string{"drained"}},
		{"master tasks --all", 0, []string{"TASK_KILLED", "AGENT_DRAINING"}},
		{"master drain " + busy + " --max-grace-period -1s", 2, []string{"--max-grace-period"}},
		{"master reactivate " + busy, 0, nil},
		{"master drain " + other + " --mark-gone --yes --wait", 0, []string{"drained, and gone: X"}},
		{"master mark-gone --yes node3", 0, []string{"marked gone"}},
		{"master agents", 0, []string{"!node3"}},
		{"master mark-gone --yes node3", 1, []string{`"node3"`}},
		{"master mark-gone --yes 00000000-0000-0000-0000-000000000000-S1", 1, []string{"404"}},

		{"master teardown nobody", 1, []string{`"nobody"`}},
		{"master teardown --yes shop", 0, []string{"tore down framework shop (X-0000)"}},
		{"master frameworks", 0, []string{"!shop"}},
		{"master frameworks --all", 0, []string{"shop", "completed"}},
		{"master teardown --yes " + shop, 1, []string{"no framework"}},
	})
}

func TestMaintenanceFromPlanToEnd(t *testing.T) {
	c := machines(t, 2)
	runSteps(t, c, []step{
		{"master maintenance schedule show", 0, []string{"No maintenance"}},
		{"master maintenance schedule add node1 --start 2h --duration 30m", 0, []string{"node1/127.0.0.1"}},
		{"master maintenance schedule add node2 node1 --start 2035-01-31T22:00:00Z", 0, []string{"node1/127.0.0.1", "node2/127.0.0.1", "open"}},
		{"master maintenance schedule show -o json", 0, []string{`{"windows":[{"machine_ids":[{"hostname":"node2","ip":"127.0.0.1"},{"hostname":"node1","ip":"127.0.0.1"}],"unavailability":{"start":{"nanoseconds":2053893600000000000}}}]}`}},
		{"master maintenance status", 0, []string{"draining"}},
		{"master maintenance schedule rm node2", 0, []string{"node1", "!node2"}},
		{"master maintenance start node1", 0, []string{"down: node1/127.0.0.1"}},
		{"master maintenance status -o json", 0, []string{"down_machines"}},
		{"master agents", 0, []string{"node2", "!node1"}},
		{"master maintenance start node2", 1, []string{"400"}}, // it is not on the schedule
		{"master maintenance stop node1", 0, []string{"up: node1/127.0.0.1"}},
		{"master maintenance status", 0, []string{"No machine"}},
		{"master maintenance schedule add nowhere", 1, []string{"HOSTNAME/IP"}},
		{"master maintenance schedule add 127.0.0.1 --start now", 0, []string{"node2/127.0.0.1"}},
		{"master maintenance schedule add x/10.0.0.1 --start sometime", 2, []string{`"sometime"`}},
		{"master maintenance schedule add x/10.0.0.1 --duration -1s", 2, []string{"--duration"}},
		{"master maintenance schedule update /none", 2, []string{"/none"}},
		{"master maintenance schedule update " + write(t, "schedule", `{"windows":[{"machine_ids":[{"hostname":"far","ip":"10.0.0.1"}]}]}`), 2, []string{"unavailability"}},
	})
	in := `{"windows":[{"machine_ids":[{"hostname":"far","ip":"10.0.0.1"}],"unavailability":{"start":{"nanoseconds":1}}}]}`
	if got := operateWith(t, c, strings.NewReader(in), "master", "maintenance", "schedule", "update", "-"); got.code != 0 || !strings.Contains(got.stdout, "far/10.0.0.1") {
		t.Errorf("update from stdin: %+v", got)
	}
}

func TestMasterEventsAreFollowed(t *testing.T) {
	c := machines(t, 1)
	t.Setenv(envMaster, c.Master())
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	out := &syncBuffer{written: make(chan struct{}, 1)}
	var stderr bytes.Buffer
	done := make(chan int)
	go func() {
		done <- run(ctx, []string{"master", "events", "--type", "SUBSCRIBED,TASK_ADDED,TASK_UPDATED"}, nil, out, &stderr)
	}()
	<-out.written // it is subscribed
	launch(t, c, "shop", task("web", "serve"))
	for !strings.Contains(out.text(), "TASK_RUNNING") {
		<-out.written
	}
	if err := c.FailOver(t.Context()); err != nil {
		t.Fatal(err)
	}
	for strings.Count(out.text(), "SUBSCRIBED") < 2 {
		<-out.written
	}
	interrupt()
	if code := <-done; code != exitInterrupted {
		t.Errorf("exit code %d; %s", code, &stderr)
	}
	for _, want := range []string{"SUBSCRIBED  1 agents  0 frameworks  0 tasks", "TASK_ADDED  web.0", "TASK_UPDATED  web.0  TASK_RUNNING"} {
		if !strings.Contains(out.text(), want) {
			t.Errorf("no %q in\n%s", want, out.text())
		}
	}
	if !strings.Contains(stderr.String(), "trying again") {
		t.Errorf("stderr does not tell of the lost connection: %q", &stderr)
	}
	runSteps(t, c, []step{
		{"master events --type NONSENSE", 2, []string{"TASK_UPDATED"}},
		{"master events --count -1", 2, []string{"--count"}},
		{"master events --type AGENT_ADDED --timeout 1ms", exitTimeout, []string{"timeout"}},
	})
}

func (s *syncBuffer) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestAMasterThatCannotBeFoundIsSaidWhyNot(t *testing.T) {
	got := mesokit(t, t.Context(), "master", "state", "--master", "zk://127.0.0.1:1/mesos", "--timeout", "500ms")
	if got.code != exitTimeout || !strings.Contains(got.stderr, "did not end within 500ms") || !strings.Contains(got.stderr, "no connection to ZooKeeper at 127.0.0.1:1") {
		t.Errorf("%+v", got)
	}
}

func TestOperatorsAreBoundByTheirTimeout(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	got := mesokit(t, t.Context(), "master", "state", "--master", silent.Addr().String(), "--timeout", "50ms")
	if got.code != exitTimeout || !strings.Contains(got.stderr, "mesokit master state did not end within 50ms") {
		t.Errorf("%+v", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := mesokit(t, ctx, "master", "state", "--master", silent.Addr().String()); got.code != exitInterrupted {
		t.Errorf("%+v", got)
	}
}

func TestOperatorsShowWhoTheyAre(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	d := dev(t, "--tls", "--credentials", write(t, "credentials", `{"credentials":[{"principal":"ops","secret":"`+hush+`"},{"principal":"guest","secret":"`+hush+`"}]}`),
		"--acls", `{"update_weights": [{"principals": {"values": ["ops"]}, "roles": {"type": "ANY"}}, {"principals": {"type": "ANY"}, "roles": {"type": "NONE"}}]}`)
	secret := write(t, "secret", hush)
	for _, tc := range []struct {
		args   []string
		code   int
		stderr string
	}{
		{[]string{"--principal", "ops", "--secret-file", secret, "master", "weights", "set", "a=2"}, 0, ""},
		{[]string{"--principal", "guest", "--secret-file", secret, "master", "weights", "set", "a=2"}, 1, `do not let principal "guest"`},
		{[]string{"--principal", "ops", "--secret-file", write(t, "wrong", "x"), "master", "state"}, 1, `not that of principal "ops"`},
		{[]string{"master", "state"}, 1, "--secret-file"},
		{[]string{"--principal", "ops", "--secret-file", secret, "agent", "state"}, 0, ""},
		{[]string{"--principal", "ops", "--secret-file", secret, "agent", "health", "--agent", "S0"}, 0, ""},
	} {
		flags, command := tc.args, slices.IndexFunc(tc.args, func(s string) bool { return s == "master" || s == "agent" })
		args := append(slices.Clone(flags[command:]), flags[:command]...)
		got := mesokit(t, t.Context(), append(args, "--master", "https://"+d.Master, "--ca", d.CA)...)
		if got.code != tc.code || !strings.Contains(got.stderr, tc.stderr) || strings.Contains(got.stdout+got.stderr, hush) {
			t.Errorf("%q: %+v", tc.args, got)
		}
	}
}

func TestEveryOperatorCommandExplainsItself(t *testing.T) {
	root := newRoot()
	seen := 0
	for _, group := range []string{"master", "agent"} {
		top, _, err := root.Find([]string{group})
		if err != nil {
			t.Fatal(err)
		}
		todo := top.Commands()
		for len(todo) > 0 {
			cmd := todo[0]
			todo = append(todo[1:], cmd.Commands()...)
			seen++
			if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
				t.Errorf("%s: %q", cmd.CommandPath(), cmd.Short)
			}
			for line := range strings.Lines(cmd.Long) {
				if len([]rune(line)) > 175 {
					t.Errorf("%s: a line of %d characters", cmd.CommandPath(), len([]rune(line)))
				}
			}
		}
	}
	if seen < 40 {
		t.Errorf("only %d commands", seen)
	}
}

func TestTheShellCompletesWhatTheClusterHas(t *testing.T) {
	c := machines(t, 2)
	launch(t, c, "shop", task("web", "serve"))
	for args, want := range map[string]string{
		"master drain ":                   "X-S0\tnode",
		"master tasks --framework ":       "X-0000\tshop\n",
		"master tasks --agent ":           "X-S1\tnode",
		"master teardown ":                "X-0000\tshop\n",
		"agent exec ":                     "web.0\tweb\n",
		"agent files ls --task ":          "web.0\tweb\n",
		"agent state --agent ":            "X-S1\tnode",
		"master maintenance schedule sho": "show",
		"bench star":                      "start-simulated",
	} {
		if got := operate(t, c, append([]string{"__complete"}, strings.Split(args, " ")...)...); !strings.Contains(got.stdout, want) {
			t.Errorf("%s: want %q in %q", args, want, got.stdout)
		}
	}
	if got := operate(t, c, "__complete", "agent", "exec", "--master", "127.0.0.1:1", ""); got.code != 0 || strings.Contains(got.stdout, "web") {
		t.Errorf("without a master: %+v", got)
	}
}

// Whatever is typed, it is understood or refused as bad usage.
func FuzzArgumentsOfOperators(f *testing.F) {
	for _, seed := range []string{"2h", "now", "2035-01-31T22:00:00Z", "cpus:2;mem:64", "cpus(a):1", "ports:[1-2]", "a.b", "*_total", "a[", ""} {
		f.Add(seed)
	}
	now := time.Unix(1_700_000_000, 0)
	f.Fuzz(func(t *testing.T, text string) {
		start, err := parseStart(text, now)
		refused := []error{err}
		if err == nil && text != "" && start.IsZero() {
			t.Errorf("%q became no time", text)
		}
		amounts, err := parseAmounts(text)
		if err == nil && resources.IsEmpty(amounts) {
			t.Errorf("%q became nothing", text)
		}
		_, quota := scalars("--limit", text)
		refused = append(refused, err, quota)
		for _, err := range refused {
			if coded, ok := errors.AsType[*exitError](err); err != nil && (!ok || coded.code != exitUsage) {
				t.Errorf("%q: %v is no matter of usage", text, err)
			}
		}
		_, _ = patterns(newRoot(), []string{"a/b", "c"}, []string{text})
		if got := containerName(parseContainer(text)); got != text {
			t.Errorf("container %q became %q", text, got)
		}
	})
}
