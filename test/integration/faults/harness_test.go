// Package faults tests client sessions and drivers against a cluster that plays faults to them: slow, broken, silent and changing
// masters, lost and repeated updates, agents that die. All of it happens in virtual time.
package faults

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/cluster/sim"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a cluster and a framework that runs tasks on it, in a bubble.
type world struct {
	*testing.T
	*cluster.Cluster
	network *cluster.Network
	line    *line               // of the framework
	agent   cluster.AgentConfig // what agents are like
	batch   *batch
}

// config of a world.
type config struct {
	masters  int
	tasks    int // to be finished; 0 means 12
	taskTime time.Duration
	media    codec.Codec
	replace  bool // tasks that are unreachable
	alone    bool // no framework but those of the test
	change   func(*cluster.Config)
}

// inWorld runs a test with a world. Nothing of it may be left when the test has ended: the bubble sees to it.
func inWorld(t *testing.T, cfg config, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, network: new(cluster.Network)}
		w.line = &line{network: w.network}
		if cfg.tasks == 0 {
			cfg.tasks = 12
		}
		if cfg.taskTime == 0 {
			cfg.taskTime = 3 * time.Second
		}
		w.agent = cluster.AgentConfig{
			Simulated: true, Resources: "cpus:4;mem:1024;disk:1024;ports:[31000-31009]",
			Runner: sim.Always(sim.Run{Start: 200 * time.Millisecond, For: cfg.taskTime}),
		}
		agents := cluster.Agents(2, w.agent)
		agents[0].Hostname, agents[1].Hostname = "a1", "a2"
		cc := cluster.Config{Network: w.network, Masters: cfg.masters, Agents: agents}
		if cfg.change != nil {
			cfg.change(&cc)
		}
		c, err := cluster.Start(t.Context(), cc)
		if err != nil {
			t.Fatal(err)
		}
		w.Cluster = c
		if !cfg.alone {
			w.batch = w.startBatch(cfg)
		}
		defer func() { // also of a test that fails, or its bubble would wait for ever
			if w.batch != nil {
				w.batch.stop()
			}
			w.line.close()
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}()
		test(w)
	})
}

// fault adds a rule.
func (w *world) fault(text string) string {
	w.Helper()
	id, err := w.Faults().AddText(text)
	if err != nil {
		w.Fatal(err)
	}
	return id
}

// batch is a framework that launches tasks until enough have finished. It checks that it is told everything once and in order.
type batch struct {
	w       *world
	session *scheduler.Session
	want    int
	replace bool
	done    chan struct{} // closed when enough tasks have finished
	stop    func()

	mu       sync.Mutex
	launched int
	tasks    map[string]*taskState // that have not ended
	finished int
	uuids    map[string]string // of updates that were handled, and what they said
	offers   map[string]bool
	held     []*mesospb.OfferID // since the last connection
	newest   map[string]int     // offer number by master
	connects int
	trouble  []string // what must not have happened
	log      []string
}

type taskState struct {
	agent *mesospb.AgentID
	rank  int // of the last status that came from the agent
}

// rank orders the states of a task.
var rank = map[mesospb.TaskState]int{
	mesospb.TaskState_TASK_STARTING: 1, mesospb.TaskState_TASK_RUNNING: 2, mesospb.TaskState_TASK_FINISHED: 3,
}

func (w *world) startBatch(cfg config) *batch {
	w.Helper()
	b := &batch{
		w: w, want: cfg.tasks, replace: cfg.replace, done: make(chan struct{}), tasks: map[string]*taskState{}, uuids: map[string]string{},
		offers: map[string]bool{}, newest: map[string]int{},
	}
	tr, err := transport.New(transport.Config{Codec: cfg.media, DialContext: w.line.dial})
	if err != nil {
		w.Fatal(err)
	}
	var masters []string
	for _, m := range w.Masters() {
		masters = append(masters, m.Address)
	}
	info := &mesospb.FrameworkInfo{
		User: proto.String("root"), Name: proto.String("batch"), Roles: []string{"*"}, FailoverTimeout: proto.Float64(7 * 24 * 3600), Checkpoint: proto.Bool(true),
	}
	for _, c := range []mesospb.FrameworkInfo_Capability_Type{
		mesospb.FrameworkInfo_Capability_MULTI_ROLE, mesospb.FrameworkInfo_Capability_PARTITION_AWARE, mesospb.FrameworkInfo_Capability_RESERVATION_REFINEMENT,
	} {
		info.Capabilities = append(info.Capabilities, &mesospb.FrameworkInfo_Capability{Type: c.Enum()})
	}
	scfg := scheduler.SessionConfig{
		Master: strings.Join(masters, ","), Transport: tr, FrameworkInfo: info, Handler: b.handler(),
	}
	if testing.Verbose() {
		scfg.Tracer = scheduler.LogSessions(slog.New(slog.NewTextHandler(w.Output(), nil)))
	}
	b.session, err = scheduler.NewSession(scfg)
	if err != nil {
		w.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if _, err := b.session.Run(context.Background()); err != nil {
			b.bad("the session ended: %v", err)
		}
	}()
	b.stop = sync.OnceFunc(func() {
		b.session.Stop(nil)
		<-ended
		tr.Close()
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, t := range b.trouble {
			w.Error(t)
		}
	})
	return b
}

// patience is how long a call may take, in virtual time.
const patience = 20 * time.Second

func (b *batch) handler() scheduler.Handler {
	return scheduler.HandlerFuncs{
		ConnectedFunc: func(ctx context.Context, s *scheduler.Session, c scheduler.Connected) error {
			b.mu.Lock()
			b.connects++
			b.held = nil
			b.note("connected to %s", c.Master)
			var ask []*schedulerpb.Call_Reconcile_Task
			for _, id := range b.ids() {
				ask = append(ask, scheduler.ReconcileTask(&mesospb.TaskID{Value: proto.String(id)}, b.tasks[id].agent))
			}
			b.mu.Unlock()
			if len(ask) > 0 {
				b.call(ctx, func(ctx context.Context) error { return s.Reconcile(ctx, ask...) })
			}
			return nil
		},
		DisconnectedFunc: func(_ context.Context, _ *scheduler.Session, d scheduler.Disconnected) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.note("disconnected: %v", d.Err)
			return nil
		},
		Offers: func(ctx context.Context, s *scheduler.Session, offers []*mesospb.Offer) error {
			for _, o := range offers {
				b.offer(ctx, s, o)
			}
			return nil
		},
		AgentLost: func(_ context.Context, _ *scheduler.Session, agent *mesospb.AgentID) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.note("lost %s", agent.GetValue())
			return nil
		},
		Rescind: func(_ context.Context, _ *scheduler.Session, offer *mesospb.OfferID) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.note("rescinded")
			return nil
		},
		Update: func(_ context.Context, _ *scheduler.Session, status *mesospb.TaskStatus) error {
			b.update(status)
			return nil
		},
		// What was asked, and what was answered, may be lost: tasks are asked for again, and offers given back that the master may think are
		// held here. It ignores those that were used.
		InfoFunc: func(ctx context.Context, s *scheduler.Session, _ any) error {
			b.mu.Lock()
			held := b.held
			var ask []*schedulerpb.Call_Reconcile_Task
			for _, id := range b.ids() {
				ask = append(ask, scheduler.ReconcileTask(&mesospb.TaskID{Value: proto.String(id)}, b.tasks[id].agent))
			}
			b.mu.Unlock()
			if len(ask) > 0 {
				b.call(ctx, func(ctx context.Context) error { return s.Reconcile(ctx, ask...) })
			}
			if len(held) > 0 {
				b.call(ctx, func(ctx context.Context) error { return s.Decline(ctx, held, scheduler.RefuseSeconds(0)) })
			}
			return nil
		},
	}
}

func (b *batch) ids() (ids []string) {
	for id := range b.tasks {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// call makes a call that may fail.
func (b *batch) call(ctx context.Context, do func(context.Context) error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := do(ctx); err != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.note("call: %v", err)
	}
}

// offer uses an offer for two tasks at most.
func (b *batch) offer(ctx context.Context, s *scheduler.Session, o *mesospb.Offer) {
	b.mu.Lock()
	id := o.GetId().GetValue()
	if b.offers[id] {
		b.badLocked("offer %s was handled twice", id)
	}
	b.offers[id] = true
	b.held = append(b.held, o.GetId())
	master, number, _ := cutLast(id, "-O")
	if n := atoi(number); n <= b.newest[master] && b.newest[master] > 0 {
		b.badLocked("offer %s came after %d", id, b.newest[master])
	} else {
		b.newest[master] = n
	}
	var launch []*mesospb.TaskInfo
	for len(launch) < 2 && b.finished+len(b.tasks) < b.want && resources.CPUs(o.GetResources()) >= 1 {
		b.launched++
		task := fmt.Sprintf("t%d", b.launched)
		b.tasks[task] = &taskState{agent: o.GetAgentId()}
		launch = append(launch, &mesospb.TaskInfo{
			Name: &task, TaskId: &mesospb.TaskID{Value: &task}, AgentId: o.GetAgentId(), Command: &mesospb.CommandInfo{Value: proto.String("true")},
			Resources: []*mesospb.Resource{resources.NewCPUs(0.5), resources.NewMem(32)},
		})
	}
	b.mu.Unlock()
	b.call(ctx, func(ctx context.Context) error {
		if len(launch) == 0 {
			return s.Decline(ctx, scheduler.OfferIDs(o), scheduler.RefuseSeconds(60))
		}
		return s.Accept(ctx, scheduler.OfferIDs(o), scheduler.RefuseSeconds(1), scheduler.Launch(launch...))
	})
}

// update takes note of a status.
func (b *batch) update(status *mesospb.TaskStatus) {
	b.mu.Lock()
	defer b.mu.Unlock()
	id, state := status.GetTaskId().GetValue(), status.GetState()
	if status.Reason == nil {
		b.note("%s %s %s", id, state, status.GetMessage())
	} else {
		b.note("%s %s %s %s", id, state, status.GetReason(), status.GetMessage())
	}
	said := fmt.Sprintf("%s %s", id, state)
	if uuid := string(status.GetUuid()); uuid != "" {
		if before, twice := b.uuids[uuid]; twice {
			b.badLocked("an update was handled twice: %s, %s", before, said)
		}
		b.uuids[uuid] = said
	}
	t := b.tasks[id]
	if t == nil {
		if len(status.GetUuid()) > 0 && state != mesospb.TaskState_TASK_FINISHED {
			b.note("late: %s", said)
		}
		return
	}
	if r := rank[state]; r > 0 && len(status.GetUuid()) > 0 {
		if r <= t.rank {
			b.badLocked("%s came after a later state", said)
		}
		t.rank = r
	}
	switch state {
	case mesospb.TaskState_TASK_FINISHED:
		delete(b.tasks, id)
		if b.finished++; b.finished == b.want {
			close(b.done)
		}
	case mesospb.TaskState_TASK_DROPPED, mesospb.TaskState_TASK_GONE, mesospb.TaskState_TASK_LOST, mesospb.TaskState_TASK_FAILED, mesospb.TaskState_TASK_KILLED,
		mesospb.TaskState_TASK_ERROR, mesospb.TaskState_TASK_GONE_BY_OPERATOR, mesospb.TaskState_TASK_UNKNOWN:
		delete(b.tasks, id) // another takes its place
	case mesospb.TaskState_TASK_UNREACHABLE:
		if b.replace {
			delete(b.tasks, id)
		}
	}
}

func (b *batch) note(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	b.log = append(b.log, line)
	if testing.Verbose() {
		b.w.Logf("%v %s", time.Now().UTC().Format("15:04:05.000"), line)
	}
}

func (b *batch) bad(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.badLocked(format, args...)
}

func (b *batch) badLocked(format string, args ...any) {
	b.trouble = append(b.trouble, fmt.Sprintf(format, args...))
}

// await waits until all tasks have finished. Once a minute it asks for what may have been lost.
func (b *batch) await(most time.Duration) {
	b.w.Helper()
	began := time.Now()
	for {
		select {
		case <-b.done:
			return
		case <-time.After(time.Minute):
			_ = b.session.Post("ask")
		}
		if time.Since(began) > most {
			b.mu.Lock()
			defer b.mu.Unlock()
			_, connected := b.session.Master()
			b.w.Errorf("after %v %d of %d tasks have finished, connected: %v, open: %v; log:\n%s", most, b.finished, b.want, connected, b.ids(), strings.Join(b.log, "\n"))
			return
		}
	}
}

// says waits until the log holds lines that begin so, in this order, from a position on, and returns where they end.
func (b *batch) says(at int, lines ...string) int {
	b.w.Helper()
	for range 1000 {
		b.mu.Lock()
		log := b.log[at:]
		end, found := 0, 0
		for i, line := range log {
			if found < len(lines) && strings.HasPrefix(line, lines[found]) {
				found++
				end = i + 1
			}
		}
		b.mu.Unlock()
		if found == len(lines) {
			return at + end
		}
		time.Sleep(time.Second)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.w.Fatalf("the framework was not told %q; log:\n%s", lines, strings.Join(b.log[at:], "\n"))
	return 0
}

// where returns the agent of a task.
func (b *batch) where(task string) *cluster.Agent {
	b.w.Helper()
	b.mu.Lock()
	id := b.tasks[task].agent.GetValue()
	b.mu.Unlock()
	a, err := b.w.Agent(id)
	if err != nil {
		b.w.Fatal(err)
	}
	return a
}

// connections returns how often the session was connected.
func (b *batch) connections() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.connects
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

func atoi(s string) (n int) {
	for _, c := range s {
		n = 10*n + int(c-'0')
	}
	return n
}
