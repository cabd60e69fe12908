package acceptance

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mesokit/mesokit/driver"
	"github.com/mesokit/mesokit/framework/apiclient"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/test/real"
)

var (
	mesos    = real.Flags(flag.CommandLine)
	kills    = flag.Int("kills", 12, "how often the scheduler is killed")
	renewals = flag.Int("renewals", 2, "how often an agent is given a new id meanwhile, if it can be")
	seed     = flag.Uint64("seed", 1, "what is done between the kills, and when")
)

func TestMain(m *testing.M) {
	if os.Getenv("MESOS_EXECUTOR_ID") != "" { // an agent has started this binary as an executor
		if err := runExecutor(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"))
}

// runExecutor runs tasks until they are killed, and stays until it is shut down.
func runExecutor() error {
	update := func(d driver.ExecutorDriver, id *mesospb.TaskID, state mesospb.TaskState) {
		d.SendStatusUpdate(&mesospb.TaskStatus{TaskId: id, State: state.Enum()})
	}
	d, err := driver.NewMesosExecutorDriver(driver.ExecutorDriverConfig{Executor: driver.ExecutorFuncs{
		OnLaunchTask: func(d driver.ExecutorDriver, t *mesospb.TaskInfo) {
			update(d, t.GetTaskId(), mesospb.TaskState_TASK_RUNNING)
		},
		OnKillTask: func(d driver.ExecutorDriver, id *mesospb.TaskID) { update(d, id, mesospb.TaskState_TASK_KILLED) },
	}})
	if err != nil {
		return err
	}
	_, err = d.Run()
	return err
}

// mixedUp is what a task ends with that finds the volume of another instance, and lost one that finds an empty volume
// although it had one with something in it.
const mixedUp = "66"

// onVolume writes the instance into its volume, and ends if it is somebody else's.
const onVolume = `me=$MESOKIT_APP/$MESOKIT_INSTANCE; test ! -e data/owner || test "$(cat data/owner)" = $me || exit ` + mixedUp +
	`; echo $me >data/owner; echo start >>data/starts; exec sleep 100000`

// an application of the suite: its definition, and how many tasks it has in all on a number of agents.
type application struct {
	name, definition string
	tasks            func(agents int) int
}

func fixed(n int) func(int) int { return func(int) int { return n } }

// applications are one of every kind.
func applications(executor string) []application {
	// Tasks of an agent that unregistered while no scheduler was there are unknown to the master: only time tells.
	const lost = `"unreachable":{"replace_after":"2s"}`
	const small = lost + `,"resources":{"cpus":0.1,"mem":32},"kill_grace_period":"1s"`
	list := []application{
		{"web", `{"name":"web","instances":3,` + small + `,"command":{"cmd":"exec sleep 100000"},
			"health_check":{"type":"command","command":{"cmd":"true"},"delay":"0s","interval":"1s"},"update":{"min_healthy":0.3}}`, fixed(3)},
		{"argv", `{"name":"argv",` + small + `,"command":{"argv":["/bin/sleep","100000"]}}`, fixed(1)},
		{"ports", `{"name":"ports",` + lost + `,"resources":{"cpus":0.1,"mem":32,"ports":["http"]},"kill_grace_period":"1s",
			"command":{"cmd":"test -n \"$PORT_HTTP\" && exec sleep 100000"},"check":{"type":"command","command":{"cmd":"true"},"delay":"0s"}}`, fixed(1)},
		{"job", `{"name":"job","goal":"finish",` + small + `,"command":{"cmd":"exit 0"}}`, fixed(0)},
		{"daemon", `{"name":"daemon","daemon":true,` + small + `,"command":{"cmd":"exec sleep 100000"}}`, func(agents int) int { return agents }},
		{"pod", `{"name":"pod","instances":2,` + lost + `,"kill_grace_period":"1s","group":[
			{"name":"a","resources":{"cpus":0.1,"mem":32},"command":{"cmd":"exec sleep 100000"}},
			{"name":"b","resources":{"cpus":0.1,"mem":32},"command":{"cmd":"exec sleep 100000"}}]}`, fixed(4)},
		{"db", `{"name":"db","instances":2,"kill_grace_period":"1s","unreachable":{"wait":true},"resources":{"cpus":0.1,"mem":32,
			"disk":[{"size":16,"persistence":{"id":"data"},"volume":{"container_path":"data"}}]},"command":{"cmd":` + strconv.Quote(onVolume) + `}}`, fixed(2)},
		{"reserved", `{"name":"reserved",` + lost + `,"kill_grace_period":"1s","resources":{"cpus":0.1,"mem":32,"reserve":"all"},
			"command":{"cmd":"exec sleep 100000"}}`, fixed(1)},
	}
	if executor != "" {
		list = append(list, application{"custom", `{"name":"custom","instances":2,` + small + `,
			"executor":{"command":{"cmd":"exec ` + executor + `"},"resources":{"cpus":0.1,"mem":32}}}`, fixed(2)})
	}
	return list
}

// TestTheEngineOnAMesos is one life of a framework. Its parts follow on each other.
func TestTheEngineOnAMesos(t *testing.T) {
	binary, err := real.Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if mesos.Master == "" {
		dev, end, err := real.Dev(t.Context(), binary, t.TempDir(), 2)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := end(); err != nil {
				t.Error(err)
			}
		})
		mesos = dev
	}
	executor := ""
	if mesos.AgentWorkDir != "" { // agents on this host can start this binary
		if executor, err = os.Executable(); err != nil {
			t.Fatal(err)
		}
	}
	l := &life{suite: newSuite(t, mesos.Master, binary), apps: applications(executor), random: rand.New(rand.NewPCG(*seed, 0))}
	for _, part := range []struct {
		name string
		run  func(t *testing.T)
	}{
		{"every kind of application runs", l.submit},
		{"kills of the scheduler under load", l.killUnderLoad},
		{"an agent with a new id", l.renew},
		{"a drained agent", l.drain},
		{"announced maintenance", l.maintain},
		{"uninstall", l.uninstall},
	} {
		if !t.Run(part.name, func(t *testing.T) { l.t = t; part.run(t) }) {
			break // the next ones would only say that this has failed
		}
	}
	l.t = t
}

// life is a framework on its way.
type life struct {
	*suite
	apps   []application
	random *rand.Rand
}

func (l *life) submit(t *testing.T) {
	l.start()
	for _, a := range l.apps {
		if _, err := l.api.Submit(t.Context(), []byte(a.definition), apiclient.SubmitOptions{}); err != nil {
			t.Fatalf("%s: %v", a.name, err)
		}
	}
	l.settled()
	l.until("the job has finished", func(ctx context.Context) string {
		a, err := l.api.App(ctx, "job")
		if err != nil {
			return err.Error()
		}
		if a.Reached != 1 {
			return fmt.Sprintf("it has reached its goal %d times", a.Reached)
		}
		return ""
	})
}

// settled waits until every instance runs exactly once, as the master sees it, and the engine agrees.
func (l *life) settled() {
	l.t.Helper()
	l.until("every instance runs exactly once", func(ctx context.Context) string {
		st, err := l.look(ctx)
		if err != nil {
			return err.Error()
		}
		return l.objection(ctx, st)
	})
}

func (l *life) objection(ctx context.Context, st *state) string {
	count, seen := make(map[string]int), make(map[string]string)
	for _, t := range st.Tasks.Tasks {
		parts := strings.SplitN(t.TaskID.Value, ".", 4) // application, index, which try, member of a pod
		if len(parts) < 3 {
			return "a task called " + t.TaskID.Value
		}
		if t.State != "TASK_RUNNING" {
			return t.TaskID.Value + " is " + t.State
		}
		member := ""
		if len(parts) == 4 {
			member = parts[3]
		}
		instance := parts[0] + "/" + parts[1] + "." + member
		if other := seen[instance]; other != "" {
			return fmt.Sprintf("%s and %s are one instance", t.TaskID.Value, other)
		}
		seen[instance] = t.TaskID.Value
		count[parts[0]]++
	}
	for _, t := range st.Tasks.CompletedTasks {
		for _, s := range t.Statuses {
			if strings.Contains(s.Message, "status "+mixedUp) {
				l.t.Fatalf("%s found the volume of another instance", t.TaskID.Value)
			}
		}
	}
	for _, a := range l.apps {
		if got, want := count[a.name], a.tasks(len(st.Agents)); got != want {
			return fmt.Sprintf("%s has %d tasks, want %d", a.name, got, want)
		}
	}
	apps, err := l.api.Apps(ctx)
	if err != nil {
		return err.Error()
	}
	for _, a := range apps {
		// A surplus instance, or one of a daemon, whose agent went away unseen keeps its place: waiting says nothing.
		if a.Deployment != "" && a.Deployment != "done" || a.Up+a.Reached < a.Instances {
			return fmt.Sprintf("%s: deployment %q, %d of %d are up", a.Name, a.Deployment, a.Up, a.Instances)
		}
	}
	return ""
}

// work is something that a user asks for.
func (l *life) work(ctx context.Context) (what string, err error) {
	apps := []string{"web", "pod", "db", "argv", "reserved"}
	if len(l.apps) > 8 {
		apps = append(apps, "custom")
	}
	app := apps[l.random.IntN(len(apps))]
	switch l.random.IntN(3) {
	case 0:
		_, err = l.api.RestartInstance(ctx, app, 0)
		return "restart " + app + "/0", err
	case 1:
		_, err = l.api.Restart(ctx, app, true)
		return "restart " + app, err
	}
	for _, a := range l.apps {
		if a.name == app {
			changed := strings.Replace(a.definition, "{", fmt.Sprintf(`{"labels":{"round":"%d"},`, l.random.Uint32()), 1)
			_, err = l.api.Submit(ctx, []byte(changed), apiclient.SubmitOptions{Force: true})
		}
	}
	return "a new version of " + app, err
}

func (l *life) killUnderLoad(t *testing.T) {
	agent, errAgent := mesos.Agent()
	done := 0
	for i := range *kills {
		for range 3 {
			what, err := l.work(t.Context())
			if err != nil {
				t.Logf("%s: %v", what, err) // it may be refused, because the one before is under way
			}
		}
		// It dies somewhere in the middle of it.
		time.Sleep(time.Duration(l.random.IntN(400)) * time.Millisecond)
		l.kill()
		if errAgent == nil && done < *renewals && (i+1)%max(1, *kills / *renewals) == 0 {
			if err := agent.Renew(t.Context()); err != nil {
				t.Fatal(err)
			}
			done++
		}
		l.start()
		if i%5 == 4 {
			l.settled()
		}
	}
	l.settled()
	t.Logf("%d kills, %d new ids of an agent", *kills, done)
}

// volumes lists the persistence ids of the role.
func (st *state) volumes() (ids []string) {
	for _, what := range st.reserved() {
		if id, ok := strings.CutPrefix(what, "volume "); ok {
			id, _, _ = strings.Cut(id, " on ")
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// notRun says why a part is not run. The suite never skips: who reads the table sees it.
func notRun(t *testing.T, why any) { t.Logf("not run: %v", why) }

func (l *life) renew(t *testing.T) {
	agent, err := mesos.Agent()
	if err != nil {
		notRun(t, err)
		return
	}
	before, err := l.look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	id, err := agent.ID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := agent.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.until("the agent is there under a new id", func(ctx context.Context) string {
		st, err := l.look(ctx)
		if err != nil {
			return err.Error()
		}
		for _, a := range st.Agents {
			if a.AgentInfo.ID.Value == id {
				return "it still has the old one"
			}
		}
		if len(st.Agents) < len(before.Agents) {
			return "it is away"
		}
		return ""
	})
	l.settled()
	after, err := l.look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(before.volumes(), after.volumes()) {
		t.Errorf("volumes before %q, after %q", before.volumes(), after.volumes())
	}
}

// host picks the agent that has one of the pod's instances, which can move.
func (l *life) host(t *testing.T) (id, hostname, ip string) {
	st, err := l.look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(st.Agents) < 2 {
		return "", "", ""
	}
	for _, task := range st.Tasks.Tasks {
		if strings.HasPrefix(task.TaskID.Value, "pod.") {
			for _, a := range st.Agents {
				if a.AgentInfo.ID == task.AgentID {
					_, address, _ := strings.Cut(a.Pid, "@")
					ip, _, _ := net.SplitHostPort(address)
					return a.AgentInfo.ID.Value, a.AgentInfo.Hostname, ip
				}
			}
		}
	}
	t.Fatal("no pod runs")
	return "", "", ""
}

func (l *life) drain(t *testing.T) {
	id, _, _ := l.host(t)
	if id == "" {
		notRun(t, "needs two agents")
		return
	}
	agent := map[string]any{"agent_id": value{id}}
	if err := call(t.Context(), l.master, map[string]any{"type": "DRAIN_AGENT", "drain_agent": agent}, nil); err != nil {
		t.Fatal(err)
	}
	reactivate := func(ctx context.Context) error {
		return call(ctx, l.master, map[string]any{"type": "REACTIVATE_AGENT", "reactivate_agent": agent}, nil)
	}
	t.Cleanup(func() { _ = reactivate(context.WithoutCancel(t.Context())) }) // refused if it has been done
	l.until("nothing runs on the drained agent", func(ctx context.Context) string {
		st, err := l.look(ctx)
		if err != nil {
			return err.Error()
		}
		for _, task := range st.Tasks.Tasks {
			if task.AgentID.Value == id {
				return task.TaskID.Value + " does"
			}
		}
		for _, a := range st.Agents {
			if a.AgentInfo.ID.Value == id && (a.DrainInfo == nil || a.DrainInfo.State != "DRAINED") {
				return fmt.Sprintf("it is %v", a.DrainInfo)
			}
		}
		return ""
	})
	if err := reactivate(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.settled()
}

func (l *life) maintain(t *testing.T) {
	id, hostname, ip := l.host(t)
	if id == "" {
		notRun(t, "needs two agents")
		return
	}
	var before struct {
		GetMaintenanceSchedule struct {
			Schedule map[string]any `json:"schedule"`
		} `json:"get_maintenance_schedule"`
	}
	if err := call(t.Context(), l.master, map[string]string{"type": "GET_MAINTENANCE_SCHEDULE"}, &before); err != nil {
		t.Fatal(err)
	}
	windows, _ := before.GetMaintenanceSchedule.Schedule["windows"].([]any)
	schedule := func(ctx context.Context, windows []any) error {
		return call(ctx, l.master, map[string]any{"type": "UPDATE_MAINTENANCE_SCHEDULE", "update_maintenance_schedule": map[string]any{
			"schedule": map[string]any{"windows": windows}}}, nil)
	}
	window := map[string]any{
		"machine_ids":    []any{map[string]string{"hostname": hostname, "ip": ip}},
		"unavailability": map[string]any{"start": map[string]int64{"nanoseconds": time.Now().Add(time.Hour).UnixNano()}},
	}
	if err := schedule(t.Context(), append(slices.Clone(windows), window)); err != nil {
		t.Fatal(err)
	}
	over := func() error { return schedule(context.WithoutCancel(t.Context()), append([]any{}, windows...)) }
	t.Cleanup(func() { _ = over() })
	l.until("the scheduler has answered the inverse offer", func(ctx context.Context) string {
		var status struct {
			GetMaintenanceStatus struct {
				Status struct {
					DrainingMachines []struct {
						Statuses []struct {
							Status      string `json:"status"`
							FrameworkID value  `json:"framework_id"`
						} `json:"statuses"`
					} `json:"draining_machines"`
				} `json:"status"`
			} `json:"get_maintenance_status"`
		}
		st, err := l.look(ctx)
		if err == nil {
			err = call(ctx, l.master, map[string]string{"type": "GET_MAINTENANCE_STATUS"}, &status)
		}
		if err != nil {
			return err.Error()
		}
		for _, machine := range status.GetMaintenanceStatus.Status.DrainingMachines {
			for _, answer := range machine.Statuses {
				if slices.Contains(st.Frameworks, answer.FrameworkID.Value) && answer.Status != "UNKNOWN" {
					return ""
				}
			}
		}
		return fmt.Sprintf("%+v", status.GetMaintenanceStatus.Status)
	})
	if err := over(); err != nil {
		t.Fatal(err)
	}
	l.settled()
}

func (l *life) uninstall(t *testing.T) {
	l.kill()
	ctx, cancel := context.WithTimeout(t.Context(), *patience)
	defer cancel()
	ended := make(chan error, 1)
	// Of a task whose agent unregistered while no scheduler was there the master never says that it has ended: force gives
	// up on it. What is left is looked at below all the same.
	process := l.scheduler("--uninstall", "--force", "--yes")
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { ended <- process.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Fatalf("uninstall: %v", err)
		}
	case <-ctx.Done():
		_ = process.Process.Kill()
		<-ended
		t.Fatalf("the uninstallation has not ended within %v", *patience)
	}
	l.until("nothing is left", func(ctx context.Context) string {
		st, err := l.look(ctx)
		switch {
		case err != nil:
			return err.Error()
		case len(st.Frameworks) > 0:
			return fmt.Sprintf("the framework %v", st.Frameworks)
		case len(st.Tasks.Tasks) > 0 || st.Executors > 0:
			return fmt.Sprintf("%d tasks, %d executors", len(st.Tasks.Tasks), st.Executors)
		case len(st.reserved()) > 0:
			return fmt.Sprintf("reserved: %v", st.reserved())
		}
		return ""
	})
}
