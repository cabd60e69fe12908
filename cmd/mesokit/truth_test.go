package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/framework/apiclient"
)

// go test ./cmd/mesokit -run TestEverySituation -update-truth writes what is said; read it before you keep it.
var updateTruth = flag.Bool("update-truth", false, "write testdata/truth")

// situation is something that goes wrong, or on, in a cluster of two agents a0 and a1.
type situation struct {
	name string
	// config changes the cluster.
	config func(c *cluster.Config)
	// definition of the application x: members beside its name and resources.
	definition string
	resources  string // default: cpus 0.1, mem 16
	// then makes it happen; the application has been submitted.
	then func(e *situationRun)
	// state that the application is to be in, or the scheduler if it begins with "scheduler:".
	state string
	// args of the scheduler beside the usual.
	args []string
}

// situationRun is a situation that was set up.
type situationRun struct {
	*testing.T
	c     *cluster.Cluster
	s     *scheduling
	store string
}

func (e *situationRun) submit(members, resources string) {
	e.Helper()
	e.s.app("submit", file(e.T, "x.json", situationApp(members, resources)))
}

func situationApp(members, resources string) string {
	if resources == "" {
		resources = `"cpus": 0.1, "mem": 16`
	}
	return fmt.Sprintf(`{"name": "x", "resources": {%s}, %s}`, resources, members)
}

// await waits until the application is in a state.
func (e *situationRun) await(state string) {
	e.Helper()
	last := ""
	for end := time.Now().Add(patience / 2); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if scheduler, ok := strings.CutPrefix(state, "scheduler:"); ok {
			st := decode[apiclient.Status](e.T, e.s.get("/v1/status"))
			last = fmt.Sprint(st.Conditions)
			if slices.ContainsFunc(st.Conditions, func(c apiclient.Condition) bool { return c.State == scheduler }) {
				return
			}
			continue
		}
		a := decode[apiclient.App](e.T, e.s.get("/v1/apps/x"))
		if last = a.State; a.State == state {
			return
		}
	}
	e.Fatalf("the state is %s, want %s", last, state)
}

// until waits until something is true of the application.
func (e *situationRun) until(ok func(a *apiclient.App) bool) {
	e.Helper()
	for end := time.Now().Add(patience / 2); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if a := decode[apiclient.App](e.T, e.s.get("/v1/apps/x")); ok(&a) {
			return
		}
	}
	e.Fatal("the application does not get there")
}

// get asks the API.
func (s *scheduling) get(path string) string {
	s.t.Helper()
	resp, err := http.Get(s.API + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(body)
}

func (e *situationRun) mesokit(args ...string) {
	e.Helper()
	if got := mesokit(e.T, e.Context(), args...); got.code != 0 {
		e.Fatalf("%q: exit code %d, %s", args, got.code, got.stderr)
	}
}

const sleeping = `"command": {"cmd": "exec sleep 1000"}`

func quickPings(c *cluster.Config) {
	c.AgentPingInterval, c.AgentPingMisses = 50*time.Millisecond, 2
}

// on returns the agent that the only task runs on.
func (e *situationRun) on() *cluster.Agent {
	e.Helper()
	e.await("ok")
	tasks := decode[struct{ Items []apiclient.Task }](e.T, e.s.get("/v1/tasks")).Items
	if len(tasks) == 0 {
		e.Fatal("no task runs")
	}
	a, err := e.c.Agent(tasks[0].Agent)
	if err != nil {
		e.Fatal(err)
	}
	return a
}

var situations = []situation{
	{name: "crash loop", definition: `"command": {"cmd": "echo no such table >&2; exit 3"}, "retry": {"time": "1h"}`, state: "failing"},
	{name: "given up", definition: `"command": {"cmd": "exit 3"}, "retry": {"total_retries": 0}`, state: "given-up"},
	{name: "goal reached", definition: `"command": {"cmd": "true"}, "goal": "finish"`, state: "ok", then: func(e *situationRun) {
		e.until(func(a *apiclient.App) bool { return a.Reached == 1 })
	}},
	{name: "fits nowhere", definition: sleeping, resources: `"cpus": 64, "mem": 16`, state: "no-fit"},
	{name: "constraint impossible", definition: sleeping + `, "constraints": [["rack", "IS", "r9"]]`, state: "no-fit"},
	{name: "deployment stalled", definition: sleeping + `, "instances": 3`, state: "stalled", then: func(e *situationRun) {
		e.await("ok")
		e.submit(`"command": {"cmd": "exit 1"}, "instances": 3, "update": {"min_healthy": 0, "batch_size": 3, "max_failures": 1}, "readiness": {"for": "1m"}, "retry": {"time": "1h"}`, "")
		e.until(func(a *apiclient.App) bool { return a.Failing == 3 })
	}},
	{name: "canary waits", definition: sleeping + `, "instances": 2, "update": {"canary": 1}`, state: "canary", then: func(e *situationRun) {
		e.await("ok")
		e.submit(`"command": {"cmd": "exec sleep 2000"}, "instances": 2, "update": {"canary": 1}`, "")
	}},
	{name: "deployment paused", definition: sleeping, state: "paused", then: func(e *situationRun) {
		e.await("ok")
		e.submit(`"command": {"cmd": "exec sleep 2000"}, "readiness": {"for": "5m"}`, "")
		e.await("deploying")
		e.s.app("pause", "x")
	}},
	{name: "not ready", definition: sleeping + `, "health_check": {"command": {"cmd": "exit 1"}, "delay": 0, "interval": 0.05, "grace_period": 3600, "failures": 1000}`, state: "not-ready"},
	{name: "health check fails", definition: sleeping + `, "health_check": {"command": {"cmd": "exit 1"}, "delay": 0, "interval": 0.05, "grace_period": 0, "failures": 1}, "retry": {"time": "1h"}`, state: "failing"},
	{name: "a file cannot be fetched", definition: `"command": {"cmd": "true", "uris": [{"uri": "/no/such/file"}]}, "retry": {"time": "1h"}`, state: "failing"},
	{name: "a program is missing", definition: `"command": {"argv": ["/no/such/program"]}, "retry": {"time": "1h"}`, state: "failing"},
	{name: "a user is missing", definition: `"command": {"cmd": "true", "user": "nobody-of-this-name"}, "retry": {"time": "1h"}`, state: "failing"},
	{name: "an executor is missing", definition: `"executor": {"command": {"cmd": "exec /no/such/executor"}}, "retry": {"time": "1h"}`, state: "failing"},
	{name: "an agent is unreachable", config: quickPings, definition: sleeping + `, "unreachable": {"replace_after": "1h"}`, state: "unreachable",
		then: func(e *situationRun) { e.on().Partition() }},
	{name: "an agent died", config: quickPings, definition: sleeping + `, "unreachable": {"replace_after": "1h"}`, state: "unreachable", then: func(e *situationRun) {
		if err := e.on().Kill(); err != nil {
			e.Fatal(err)
		}
	}},
	{name: "all agents are drained", definition: sleeping, state: "no-offers", then: func(e *situationRun) {
		last := e.on()
		for _, a := range e.c.Agents() {
			if a != last {
				e.mesokit("master", "--master", e.c.Master(), "drain", "--wait", a.ID)
			}
		}
		e.mesokit("master", "--master", e.c.Master(), "drain", "--wait", last.ID)
	}},
	{name: "the master is lost", definition: sleeping + `, "instances": 2`, state: "scheduler:disconnected", then: func(e *situationRun) {
		e.await("ok")
		if err := e.c.KillMaster(e.c.Master()); err != nil {
			e.Fatal(err)
		}
	}},
	{name: "the master does not answer", definition: sleeping, state: "scheduler:unanswered", then: func(e *situationRun) {
		e.await("ok")
		e.s.stop()
		if _, err := e.c.Faults().AddText("event drop type=UPDATE"); err != nil {
			e.Fatal(err)
		}
		e.s = startScheduler(e.T, "--master", e.c.Master(), "--store", e.store)
	}},
	{name: "the store is lost", definition: sleeping, state: "scheduler:guarded", then: func(e *situationRun) {
		e.await("ok")
		e.s.stop()
		e.s = startScheduler(e.T, "--master", e.c.Master(), "--store", "memory")
	}},
	{name: "the agent of a volume is drained", resources: `"cpus": 0.1, "mem": 16, "role": "eng", "disk": [{"size": 8, "persistence": {}, "volume": {"container_path": "data"}}]`,
		args: []string{"--role", "eng"}, definition: sleeping, state: "draining", then: func(e *situationRun) {
			e.mesokit("master", "--master", e.c.Master(), "drain", e.on().ID)
		}},
	{name: "a quota is exhausted", args: []string{"--role", "eng"}, definition: sleeping, state: "no-offers",
		config: func(c *cluster.Config) {
			c.Agents = cluster.Agents(1, cluster.AgentConfig{Hostname: "a0", Resources: "cpus:2;mem:1024;disk:64"})
		},
		then: func(e *situationRun) {
			e.s.app("rm", "--yes", "--wait", "x")
			e.mesokit("master", "--master", e.c.Master(), "quota", "set", "eng", "--force", "--limit", "cpus:0;mem:0")
			e.submit(sleeping, "")
		}},
	{name: "min_healthy is in the way", resources: `"cpus": 2, "mem": 16`, definition: sleeping + `, "instances": 2, "update": {"min_healthy": 1}`, state: "no-fit", then: func(e *situationRun) {
		e.await("ok")
		e.submit(`"command": {"cmd": "exec sleep 2000"}, "instances": 2, "update": {"min_healthy": 1}`, `"cpus": 2, "mem": 16`)
		e.await("no-fit")
	}},
	{name: "being removed", definition: `"command": {"cmd": "trap '' TERM; while :; do sleep 1; done"}, "kill_grace_period": "1h"`, state: "removing", then: func(e *situationRun) {
		e.await("ok")
		e.s.app("rm", "--yes", "x")
	}},
}

func TestEverySituationIsToldWithItsCauseAndTheNextStep(t *testing.T) {
	for _, st := range situations {
		t.Run(st.name, func(t *testing.T) {
			cfg := cluster.Config{AllocationInterval: 20 * time.Millisecond, Agents: []cluster.AgentConfig{
				{Hostname: "a0", Resources: "cpus:2;mem:1024;disk:64", Attributes: "rack:r1"}, {Hostname: "a1", Resources: "cpus:2;mem:1024;disk:64", Attributes: "rack:r2"}}}
			if st.config != nil {
				st.config(&cfg)
			}
			c, err := cluster.Start(context.Background(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() }) // a master was killed, perhaps
			e := &situationRun{T: t, c: c, store: "bolt:" + filepath.Join(t.TempDir(), "db")}
			e.s = startScheduler(t, append([]string{"--master", c.Master(), "--store", e.store}, st.args...)...)
			e.submit(st.definition, st.resources)
			if st.then != nil {
				st.then(e)
			}
			e.await(st.state)
			compareTruth(t, st.name, e.told())
		})
	}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
}

// told is what commands and endpoints say, without what differs from run to run.
func (e *situationRun) told() string {
	var b strings.Builder
	for _, args := range [][]string{{"ls", "-o", "wide"}, {"show", "x"}, {"explain"}, {"status"}} {
		got := mesokit(e.T, e.Context(), append([]string{"app"}, args...)...)
		fmt.Fprintf(&b, "$ mesokit app %s\n%s%s", strings.Join(args, " "), got.stdout, got.stderr)
	}
	b.WriteString("GET /metrics\n")
	for line := range strings.Lines(e.s.get("/metrics")) {
		if kept := regexp.MustCompile(`^mesokit_(app_state|instances_|deployment_|master_lost|store_failing|unanswered|orphans|agents_draining|guarded)`); kept.MatchString(line) &&
			!strings.HasSuffix(line, " 0\n") {
			b.WriteString(strings.Replace(line, `framework="mesokit"`, "", 1))
		}
	}
	return timeless(b.String())
}

// timeless replaces ids, addresses, times and what depends on them.
func timeless(text string) string {
	for _, r := range []struct{ pattern, by string }{
		{`[0-9a-f]{8}-[0-9a-f-]{27}`, "ID"}, {`127\.0\.0\.1:\d+`, "ADDRESS"}, {`x\.(\d+)\.[0-9a-z]+-[0-9a-z]+`, "x.$1.ID"},
		{`\d+ (s|min|h) ago`, "AGO"}, {`in \d+[hms][0-9hms]*`, "in TIME"}, {`next (step|try) now`, "next $1 in TIME"},
		{`[.0-9]+(ms|µs|s)\b`, "TIME"}, {`/tmp/mesokit-\d+/agent-\d`, "DIR"}, {`ports:\[[^\]]*\]`, "PORTS"}, {`S[01]\b`, "SN"}, {`\ba[01]\b`, "aN"}, {` +`, " "}, {` \n`, "\n"},
		{`(failed|failure|in a row) \d+( times)?|\d+ times?\b|\bonce\b`, "N times"}, {`\d+ new instances have failed, last x\.\d`, "N new instances have failed, last x.N"}, {`the master: [^\n]*`, "the master: WHY"},
	} {
		text = regexp.MustCompile(r.pattern).ReplaceAllString(text, r.by)
	}
	return text
}

func compareTruth(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "truth", strings.ReplaceAll(name, " ", "-")+".txt")
	if *updateTruth {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("what is said differs from %s (-want +got)\n%s", path, diff)
	}
}
