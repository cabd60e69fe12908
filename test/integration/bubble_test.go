package integration

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/operator"
	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/cluster/sim"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// eventLog is what happened, with the time since the beginning. It keeps lines of several writers apart, as only the order
// within one stream is a fact.
type eventLog struct {
	mu    sync.Mutex
	began time.Time
	lines map[string][]string
}

func newEventLog() *eventLog { return &eventLog{began: time.Now(), lines: map[string][]string{}} }

func (l *eventLog) add(writer string, m proto.Message) {
	text, err := codec.ServerJSON.Append(nil, m)
	if err != nil {
		text = []byte(err.Error())
	}
	l.note(writer, string(text))
}

func (l *eventLog) note(writer, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines[writer] = append(l.lines[writer], fmt.Sprintf("%v %s", time.Since(l.began), text))
}

// bubble is a cluster in memory with clients, in a synctest bubble.
type bubble struct {
	*testing.T
	*cluster.Cluster
	network *cluster.Network
	log     *eventLog
	ends    []func()
}

// inBubble runs f with a cluster that lives in virtual time, and returns its event log.
func inBubble(t *testing.T, cfg cluster.Config, f func(*bubble)) (log *eventLog) {
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{T: t, network: new(cluster.Network), log: newEventLog()}
		log = b.log
		cfg.Network = b.network
		c, err := cluster.Start(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		b.Cluster = c
		f(b)
		for _, end := range b.ends {
			end()
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		synctest.Wait()
	})
	return log
}

// transport returns connections to the cluster that end with the bubble.
func (b *bubble) transport(media codec.Codec) *transport.Client {
	tr, err := transport.New(transport.Config{Codec: media, DialContext: b.network.DialContext})
	if err != nil {
		b.Fatal(err)
	}
	b.ends = append([]func(){tr.Close}, b.ends...)
	return tr
}

// session runs a session until the end of the bubble or the call of the function returned.
func (b *bubble) session(info *mesospb.FrameworkInfo, media codec.Codec, h scheduler.Handler) (*scheduler.Session, func()) {
	s, err := scheduler.NewSession(scheduler.SessionConfig{
		Master: b.Master(), Transport: b.transport(media), FrameworkInfo: info, Handler: h,
		Backoff: scheduler.Constant(time.Second), // the default has chance in it
	})
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(done)
		s.Run(ctx)
	}()
	end := sync.OnceFunc(func() { cancel(); <-done })
	b.ends = append([]func(){end}, b.ends...)
	return s, end
}

// watch logs the operator event stream until the end of the bubble.
func (b *bubble) watch() {
	m, err := operator.NewMaster(operator.MasterConfig{Masters: b.Master(), Transport: b.transport(codec.JSON)})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	sub, err := m.Subscribe(ctx)
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer sub.Close()
		for e, err := range sub.Events() {
			if err != nil {
				return
			}
			b.log.add("operator", e)
		}
	}()
	b.ends = append([]func(){func() { cancel(); <-done }}, b.ends...)
}

// greedy is a scheduler that runs so many tasks as long as it lives, and logs all it hears. Nothing in it depends on chance.
type greedy struct {
	name    string
	command func(n int) string
	want    int // how many tasks are to run
	log     *eventLog

	made    int
	running map[string]bool
}

func (g *greedy) handler() scheduler.HandlerFuncs {
	if g.running == nil {
		g.running = map[string]bool{}
	}
	return scheduler.HandlerFuncs{
		EventFunc: func(_ context.Context, _ *scheduler.Session, e *schedulerpb.Event) error {
			g.log.add(g.name, e)
			return nil
		},
		Offers: func(ctx context.Context, s *scheduler.Session, offers []*mesospb.Offer) error {
			for _, o := range offers {
				var tasks []*mesospb.TaskInfo
				left := o.GetResources()
				for len(g.running) < g.want {
					got, ok := resources.Find(left, small(), "*")
					if !ok {
						break
					}
					left = resources.Subtract(left, got)
					id := fmt.Sprintf("%s-%d", g.name, g.made)
					t := shell(id, o, g.command(g.made))
					t.Resources = got
					tasks = append(tasks, t)
					g.made++
					g.running[id] = true
				}
				if err := s.Accept(ctx, scheduler.OfferIDs(o), scheduler.RefuseSeconds(7), scheduler.Launch(tasks...)); err != nil {
					return err
				}
			}
			return nil
		},
		Update: func(ctx context.Context, s *scheduler.Session, status *mesospb.TaskStatus) error {
			if terminal(status.GetState()) {
				delete(g.running, status.GetTaskId().GetValue())
			}
			return nil
		},
	}
}

func terminal(s mesospb.TaskState) bool {
	switch s {
	case starting, running, killing, mesospb.TaskState_TASK_STAGING:
		return false
	}
	return true
}

// text is the whole log.
func (l *eventLog) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	for _, writer := range slices.Sorted(maps.Keys(l.lines)) {
		for _, line := range l.lines[writer] {
			fmt.Fprintln(&b, writer, line)
		}
	}
	return b.String()
}

// TestTheSameSeedGivesTheSameEventLog runs three frameworks for 25 minutes: one that stays, one whose scheduler fails over, one that never
// comes back, on agents of which one is stopped and one comes late.
func TestTheSameSeedGivesTheSameEventLog(t *testing.T) {
	life := func(seed uint64) string {
		began := time.Now()
		log := inBubble(t, cluster.Config{Seed: seed, Agents: cluster.Agents(20, cluster.AgentConfig{
			Resources: "cpus:2;mem:1024;disk:100;ports:[31000-31010]", Simulated: true,
			Runner: sim.First(sim.Commands(), sim.Seeded(seed, sim.Spread{
				Start: sim.Between(0, 3*time.Second), For: sim.Between(time.Second, 10*time.Minute), Fail: 0.2, Never: 0.02, Message: "bad luck",
			})),
		})}, func(b *bubble) {
			b.watch()
			failover := func(name string) *mesospb.FrameworkInfo {
				info := modern(name)
				info.FailoverTimeout = proto.Float64((10 * time.Minute).Seconds())
				return info
			}
			stays := &greedy{name: "stays", want: 40, log: b.log, command: func(n int) string { return fmt.Sprint("work ", n) }}
			b.session(failover("stays"), codec.Protobuf, stays.handler())
			fails := &greedy{name: "fails", want: 20, log: b.log, command: func(n int) string { return fmt.Sprintf("sleep %d", 60+n) }}
			info := failover("fails")
			first, end := b.session(info, codec.JSON, fails.handler())
			dies := &greedy{name: "dies", want: 5, log: b.log, command: func(int) string { return "sleep infinity" }}
			_, die := b.session(failover("dies"), codec.Protobuf, dies.handler())
			// Not at a full second, when offers are made: which of two things that happen at one moment is first is for the test to say.
			time.Sleep(2*time.Minute + 300*time.Millisecond)
			die()
			end()
			if err := b.Stop(b.Agents()[3]); err != nil {
				t.Error(err)
			}
			time.Sleep(3 * time.Minute)
			info.Id = first.FrameworkID()
			again := &greedy{name: "fails again", want: 20, log: b.log, command: fails.command, made: 1000}
			b.session(info, codec.JSON, again.handler())
			if _, err := b.AddAgent(b.Context(), cluster.AgentConfig{Simulated: true, Resources: "cpus:8;mem:4096;disk:1;ports:[1-2]"}); err != nil {
				t.Error(err)
			}
			time.Sleep(20 * time.Minute)
		})
		text := log.text()
		t.Logf("seed %d: %d bytes of log in %v", seed, len(text), time.Since(began))
		for _, needed := range []string{"TASK_FAILED", "TASK_FINISHED", "bad luck", "FRAMEWORK_REMOVED", "AGENT_REMOVED", "fails again"} {
			if !strings.Contains(text, needed) {
				t.Fatalf("nothing of %q in the log: the test does not test", needed)
			}
		}
		return text
	}
	var logs []string
	for _, seed := range []uint64{1, 2, 3} {
		a, b := life(seed), life(seed)
		if a != b {
			x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
			for i := range min(len(x), len(y)) {
				if x[i] != y[i] {
					t.Fatalf("seed %d: line %d differs:\n%.2000s\n%.2000s", seed, i+1, x[i], y[i])
				}
			}
			t.Fatalf("seed %d: %d and %d lines", seed, len(x), len(y))
		}
		if slices.Contains(logs, a) {
			t.Errorf("seed %d gives the log of another", seed)
		}
		logs = append(logs, a)
	}
}
