package sim

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// Options of Run. The zero Options are a quiet day: commands are given, tasks fail now and then, nothing else goes wrong.
type Options struct {
	Seed uint64
	// Config of the engine.
	Config core.Config
	// Faults makes agents vanish and return, masters fail over, streams break, leaders overlap, and the wall clock jump.
	Faults bool
	// Crash is the probability that the scheduler is killed at any one boundary between two effects.
	Crash float64
	// CutAt kills it at one boundary, counted from 1. Result.Boundaries of a run without says how many there are.
	CutAt int
	// Duration of the eventful part; after that faults end, and the world gets time to settle. Default 10 min.
	Duration time.Duration
	// Observer sees what every scheduler process is told and does, for example to record it.
	Observer Observer
	// Log keeps a log of everything, for a closer look at a seed.
	Log bool
}

// Observer of the scheduler processes of a run, which are numbered from 1.
type Observer interface {
	// Started is called with what core.Restore was given.
	Started(process int64, now time.Time, records []store.Record)
	// Applied is called after each Apply.
	Applied(process int64, now time.Time, inputs []core.Input, out *core.Effects)
}

// Result says what a run was like.
type Result struct {
	Boundaries int // between effects: points at which the scheduler can be killed
	Launches   int
	Crashes    int
	Log        []string
}

// user is who gives commands, and knows what should be.
type user struct {
	w       *world
	pending []core.Command // to be given; the first is with a process or to be given again
	with    *process
}

// definitions of what the user runs. web may be replaced when its agent is cut off, svc never, work is done once it has finished, api shows canaries
// before it is updated, duo is pods, log runs on every agent, db has volumes, box
// reserves what it uses.
func definition(name string, instances, version int) *app.App {
	const task = `"resources":{"cpus":%s,"mem":32%s},"command":{"cmd":"run %d"}`
	policy := map[string]string{
		"web":  `"unreachable":{"replace_after":"60s"},"update":{"min_healthy":0.5,"batch_size":2,"max_failures":1000}`,
		"svc":  `"unreachable":{"wait":true},"update":{"min_healthy":1,"max_failures":1000}`,
		"work": `"goal":"finish","unreachable":{"wait":true}`,
		"db":   `"update":{"min_healthy":0.5,"max_failures":1000}`,
		"api":  `"unreachable":{"wait":true},"update":{"min_healthy":0.5,"max_failures":1000,"canary":1}`,
		"duo":  `"unreachable":{"replace_after":"60s"},"update":{"min_healthy":0.5,"max_failures":1000}`,
		"box":  `"unreachable":{"replace_after":"60s"},"update":{"min_healthy":0.5,"max_failures":1000}`,
		"log":  `"daemon":true,"update":{"min_healthy":0.5,"max_failures":1000}`,
	}[name]
	disk := ""
	switch name {
	case "db":
		disk = `,"reserve":"all","disk":[{"size":` + strconv.Itoa(50+10*(version%3)) + `,"persistence":{"id":"data"},"volume":{"container_path":"data"}}]`
	case "box":
		disk = `,"reserve":"all"`
	}
	head, what := fmt.Sprintf(`"name":%q,"instances":%d`, name, instances), fmt.Sprintf(task, "0.5", disk, version)
	switch name {
	case "duo":
		what = fmt.Sprintf(`"group":[{"name":"a",`+task+`},{"name":"b",`+task+`}]`, "0.2", "", version, "0.1", "", version)
	case "log":
		head, what = fmt.Sprintf(`"name":%q`, name), fmt.Sprintf(task, "0.1", "", version)
	}
	def, err := app.Parse(fmt.Appendf(nil, `{%s,%s,%s,"retry":{"time":"1s","max_time":"20s"}}`, head, what, policy))
	if err != nil {
		panic(err) // constant text
	}
	return def
}

func (u *user) batch(task string) bool { return strings.HasPrefix(task, "work.") }

// patience is how long an agent has to be unreachable until its instances may be replaced; 0: never.
func (u *user) patience(instance string) time.Duration {
	switch name, _, _ := strings.Cut(instance, "/"); name {
	case "web", "duo", "box":
		return 60 * time.Second
	case "log":
		return 5 * time.Minute
	}
	if instance == "db/0" { // the user replaces it, come what may
		return 1
	}
	return 0
}

// want queues a command.
func (u *user) want(c core.Command) {
	u.pending = append(u.pending, c)
	u.give()
}

// give hands the first command to the leader, again if the one who had it has died.
func (u *user) give() {
	p := u.w.proc
	if len(u.pending) == 0 || p == nil || u.with == p && p.alive {
		return
	}
	if p.alive {
		u.with = p
		p.input(u.pending[0])
	} else {
		u.with = nil
	}
}

// replied: a command was done, or refused.
func (u *user) replied(p *process, r core.Reply) {
	if u.with == p && len(u.pending) > 0 {
		switch in := u.pending[0].(type) {
		case core.Remove:
			if r.Err == nil {
				u.w.lives[in.App]++
			}
		case core.Submit:
			if errors.Is(r.Err, core.ErrRemoving) { // the name is free once everything has ended
				u.with = nil
				u.w.after(time.Second, u.give)
				return
			}
		}
		u.pending = u.pending[1:]
		u.with = nil
		u.w.after(0, u.give)
	}
}

// Run simulates a framework's day: a master, five agents that are drained and maintained now and then, half a dozen applications of all kinds and a
// user who scales, updates, restarts and removes them. It returns
// an error if something that must never be has happened: a task launched without a record, an instance started while its predecessor may still run,
// an ACCEPT of what was not offered; or if, after faults have ended and things have had time to settle, not every instance runs exactly once, a
// task is forgotten or unknown, or the stored state differs from the one in memory.
//
// The same Options give the same run.
func Run(opt Options) (Result, error) {
	if opt.Duration == 0 {
		opt.Duration = 10 * time.Minute
	}
	w := &world{opt: opt, now: epoch, rng: rand.New(rand.NewPCG(opt.Seed, 0x6d65736f)), store: &simStore{records: map[string][]byte{}}, replaced: map[string]bool{}, refused: map[refusedLaunch][]time.Time{},
		made: map[string]string{}, lives: map[string]int{}}
	w.master = newMaster(w)
	w.user.w = w
	for i := range 5 {
		w.addAgent(fmt.Sprintf("agent-%d", i), "cpus:4;mem:1024;disk:1000")
	}
	w.mortal = w.agents[len(w.agents)-1]
	w.master.tick()
	w.start()
	w.day()
	w.retryCommands()
	w.run(epoch.Add(opt.Duration))
	w.settle()
	w.uninstall()
	res := Result{Boundaries: w.steps, Launches: w.launches, Crashes: w.crashes, Log: w.log}
	if len(w.failed) == 0 {
		return res, nil
	}
	var errs []error
	for _, f := range w.failed {
		errs = append(errs, errors.New(f))
	}
	return res, fmt.Errorf("seed %d: %w", opt.Seed, errors.Join(errs...))
}

// retryCommands gives commands again that died with their process.
func (w *world) retryCommands() {
	w.user.give()
	w.after(time.Second, w.retryCommands)
}

// day plans what happens.
func (w *world) day() {
	d := w.opt.Duration
	for _, name := range w.apps("web", "svc", "work", "api", "duo", "log") {
		w.user.want(core.Submit{App: definition(name, 3, 1)})
	}
	at := func(do func()) { w.after(w.between(0, d*8/10), do) }
	for range 4 {
		n, v := 1+w.rng.IntN(5), 1+w.rng.IntN(100)
		at(func() { w.user.want(core.Scale{App: "web", Instances: n}) })
		at(func() { w.user.want(core.Submit{App: definition("web", n, v), Force: true}) })
		at(func() { w.user.want(core.Restart{App: "svc", Force: true}) })
		at(func() { w.user.want(core.RestartInstance{App: "svc", Index: n % 3}) })
	}
	at(func() { w.user.want(core.Rollback{App: "web"}) })
	for range 2 {
		v := 1 + w.rng.IntN(100)
		at(func() {
			w.user.want(core.Submit{App: definition("api", 3, v), Force: true})
			next := []core.Command{core.Promote{App: "api"}, core.Rollback{App: "api"}, core.Pause{App: "api"}, core.Resume{App: "api"}}
			for range 2 {
				w.after(w.between(0, d/10), func() { w.user.want(next[w.rng.IntN(len(next))]) })
			}
		})
		at(func() { w.user.want(core.Submit{App: definition("duo", 1+v%3, v), Force: true}) })
		at(func() { w.user.want(core.RestartInstance{App: "duo", Index: 0}) })
		at(func() { w.user.want(core.Submit{App: definition("log", 0, v), Force: true}) })
	}
	w.maintain(at)
	w.refuseTasks(at)
	if w.volumes() {
		w.volumesDay(at)
	}
	at(func() { w.user.want(core.Remove{App: "work"}) })
	if !w.opt.Faults {
		return
	}
	for range 6 {
		a := w.agents[1+w.rng.IntN(len(w.agents)-1)]
		at(func() { a.partition(w.between(time.Second, 200*time.Second)) })
	}
	for range 3 {
		at(w.master.failover)
		at(w.master.sever)
		at(w.stepClock)
	}
	at(w.mortal.die)
	at(func() { // a second leader starts while the first still believes in itself
		if w.proc.alive {
			w.start()
		}
	})
	at(func() { w.proc.kill("killed") })
}

// settle ends all faults, states once more what is wanted, and looks at what is.
func (w *world) settle() {
	if len(w.failed) > 0 {
		return
	}
	w.logf("faults are over")
	w.calm = true
	for _, a := range w.agents {
		a.heal()
	}
	for _, a := range w.agents { // what never comes back is declared gone
		if a == w.mortal && a.dead || a.reborn && w.master.agents[a.id].state != removed {
			w.master.declareGone(a.id)
		}
	}
	for _, name := range w.apps("web", "svc", "api", "duo", "log") {
		w.user.want(core.Submit{App: definition(name, 4, 1000), Force: true})
	}
	w.user.want(core.Promote{App: "api"})
	w.endMaintenance()
	w.run(w.now.Add(10 * time.Minute))
	w.replaceLost()
	w.run(w.now.Add(25 * time.Minute))
	if len(w.failed) > 0 {
		return
	}
	if len(w.master.offers) > 0 { // made this very moment
		w.run(w.now.Add(100 * time.Millisecond))
	}
	w.verdict()
}

// verdict checks that every instance runs exactly once and that everybody agrees on it.
func (w *world) verdict() {
	if len(w.user.pending) > 0 {
		w.fail("%d commands were never answered", len(w.user.pending))
		return
	}
	running := map[string][]string{}
	for _, a := range w.agents {
		for _, id := range slices.Sorted(maps.Keys(a.tasks)) {
			t := a.tasks[id]
			if len(t.queue) > 0 {
				w.fail("the agent's update %v of %s was never acknowledged", t.queue[0].GetState(), id)
			}
			if t.state != mesospb.TaskState_TASK_RUNNING {
				w.fail("task %s is %v in the end", id, t.state)
				continue
			}
			key := w.keyOf(id, a)
			if k := podOf(id); len(running[key]) == 0 || running[key][len(running[key])-1] != k {
				running[key] = append(running[key], k)
			}
		}
	}
	snap := w.proc.eng.Core.Snapshot()
	want := 0
	for _, name := range w.apps("web", "svc", "api", "duo") {
		a := snap.App(name)
		if a == nil {
			w.fail("application %s is forgotten", name)
			return
		}
		for k := range 4 {
			want++
			key := fmt.Sprintf("%s/%d", name, k)
			i := a.Instance(k)
			if len(running[key]) != 1 || i == nil || i.Task == nil || i.Task.ID != running[key][0] || i.Task.State != core.Running {
				w.fail("%s: tasks running %v, the engine says %+v: %+v", key, running[key], taskOf(i), snap.Why(name, k))
			}
		}
		if name == "duo" {
			for i := range a.All() {
				if i.Task == nil || len(i.Task.Members) != 2 || w.count(i.Task.ID) != 2 {
					w.fail("%s/%d is no whole pod: %d tasks run of %+v", name, i.Index, w.count(i.Task.ID), i.Task)
				}
			}
		}
		if d := a.Deployment; d != nil && d.State != core.DeploymentDone {
			w.fail("deployment of %s is %s: %+v", name, d.State, d)
		}
		if a.Counts.Instances != 4 || a.Counts.Up != 4 {
			w.fail("%s counts %+v", name, a.Counts)
		}
	}
	want += w.verdictDaemons(snap.App("log"), running)
	if snap.App("work") != nil {
		w.fail("work was not removed: %+v", snap.App("work").Counts)
	}
	if len(running) != want {
		w.fail("running besides what is wanted: %v", running)
	}
	if len(snap.Orphans) > 0 {
		w.fail("unknown tasks: %v", snap.Orphans)
	}
	// A daemon keeps its role listening, for agents to come: offers are only refused then.
	if len(w.master.offers) > 0 || w.master.muted {
		w.fail("%d offers are out, suppressed: %v, left over: %+v", len(w.master.offers), w.master.muted, snap.Leftovers)
	}
	if snap.Unanswered > 0 {
		w.fail("%d questions are open", snap.Unanswered)
	}
	// What is stored is what is known.
	twin := &Engine{Config: w.opt.Config, Now: w.now.Add(w.wall), Records: w.store.records}
	if err := twin.Restart(); err != nil {
		w.fail("restart in the end: %v", err)
		return
	}
	if a, b := summary(snap), summary(twin.Core.Snapshot()); a != b {
		w.fail("stored state differs:\n%s\nin memory:\n%s", b, a)
	}
}

// volumes reports whether the day has an application with persistent volumes: for that the framework needs a role and a principal.
func (w *world) volumes() bool {
	return w.opt.Config.Principal != "" && w.role() != resources.Unreserved
}

func (w *world) apps(names ...string) []string {
	if w.volumes() {
		names = append(names, "db", "box")
	}
	return names
}

// uninstall removes everything in the end: nothing may be left on any agent.
func (w *world) uninstall() {
	if len(w.failed) > 0 {
		return
	}
	w.user.want(core.Uninstall{})
	w.run(w.now.Add(35 * time.Minute))
	if len(w.failed) == 0 && !w.master.tornDown && w.waitsForTheDead() {
		w.user.want(core.Uninstall{Force: true})
		w.run(w.now.Add(time.Minute))
	}
	if len(w.failed) > 0 {
		return
	}
	if !w.master.tornDown {
		w.fail("the framework was not torn down: %+v", w.proc.eng.Core.Snapshot())
	}
	if len(w.store.records) > 0 {
		w.fail("records are left: %v", slices.Sorted(maps.Keys(w.store.records)))
	}
	for _, a := range w.agents {
		if len(a.tasks) > 0 && !a.dead {
			w.fail("%s still runs %v", a.id, slices.Sorted(maps.Keys(a.tasks)))
		}
		for _, r := range a.total {
			if !a.dead && (resources.IsPersistentVolume(r) || resources.IsDynamicallyReserved(r)) {
				w.fail("%s still has %s", a.id, resources.Describe([]*mesospb.Resource{r}))
			}
		}
	}
}

func taskOf(i *core.Instance) any {
	if i == nil {
		return "no instance"
	}
	if i.Task == nil {
		return "no task"
	}
	return fmt.Sprintf("%s %v %s %s", i.Task.ID, i.Task.State, i.Task.Reason, i.Task.Message)
}

// summary is everything about applications that a restart must not change.
func summary(s *core.Snapshot) string {
	var b strings.Builder
	for _, a := range s.Apps {
		fmt.Fprintf(&b, "%s %d v%d %+v\n", a.Name, a.Instances, a.Version, a.Counts)
		for i := range a.All() {
			fmt.Fprintf(&b, "  %d v%d %v", i.Index, i.Version, i.Outcome)
			if i.Task != nil {
				fmt.Fprintf(&b, " %s %v on %s", i.Task.ID, i.Task.State, i.Task.Agent)
			}
			b.WriteByte('\n')
		}
	}
	for a := range s.Agents() {
		if a.Uses > 0 { // others are not stored
			fmt.Fprintf(&b, "%s on %s: %d uses\n", a.ID, a.Hostname, a.Uses)
		}
	}
	return b.String()
}
