package integration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// patient is a framework that has a week to come back, and whose tasks outlive connections.
func patient(name string) *mesospb.FrameworkInfo {
	info := modern(name)
	info.FailoverTimeout, info.Checkpoint = proto.Float64((7 * 24 * time.Hour).Seconds()), proto.Bool(true)
	return info
}

func leading(c *cluster.Cluster) (list []string) {
	for _, m := range c.Masters() {
		if m.Leading {
			list = append(list, m.Address)
		}
	}
	return list
}

// everywhere is how a session finds the masters of a cluster.
func everywhere(c *cluster.Cluster) string {
	var list []string
	for _, m := range c.Masters() {
		list = append(list, m.Address)
	}
	return strings.Join(list, ",")
}

// TestASessionWorksOnThroughFailovers keeps a scheduler busy while its masters step down, die and come back, for virtual hours.
func TestASessionWorksOnThroughFailovers(t *testing.T) {
	run := func(seed uint64) string {
		began := time.Now()
		log := inBubble(t, cluster.Config{Seed: seed, Masters: 3, Agents: simulated(10)}, func(b *bubble) {
			g := &greedy{name: "busy", want: 12, log: b.log, command: func(n int) string { return fmt.Sprintf("sleep %d", 10+n%20) }}
			var mu sync.Mutex
			ended := map[string]int{} // by task
			h := g.handler()
			update := h.Update
			h.Update = func(ctx context.Context, s *scheduler.Session, status *mesospb.TaskStatus) error {
				mu.Lock()
				if status.GetState() == finished {
					ended[status.GetTaskId().GetValue()]++
				} else if terminal(status.GetState()) {
					t.Errorf("%v after %v", status, time.Since(b.log.began))
				}
				mu.Unlock()
				return update(ctx, s, status)
			}
			s, err := scheduler.NewSession(scheduler.SessionConfig{
				Master: everywhere(b.Cluster), Transport: b.transport(codec.Protobuf), FrameworkInfo: patient("busy"), Handler: h,
				Backoff: scheduler.Constant(time.Second),
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan struct{})
			go func() { defer close(done); s.Run(ctx) }()
			b.ends = append(b.ends, func() { cancel(); <-done })

			count := func() int {
				mu.Lock()
				defer mu.Unlock()
				return len(ended)
			}
			seen := map[string]bool{}
			for round := range 6 {
				time.Sleep(5*time.Minute + 300*time.Millisecond)
				had := count()
				if round > 0 && had == 0 {
					t.Fatal("no task has ever ended")
				}
				before := b.Master()
				switch round % 3 {
				case 0, 1:
					if err := b.FailOver(b.Context()); err != nil {
						t.Fatal(err)
					}
				case 2:
					if err := b.KillMaster(before); err != nil {
						t.Fatal(err)
					}
					if _, err := b.AwaitLeader(b.Context()); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Minute)
					if err := b.StartMaster(b.Context(), before); err != nil {
						t.Fatal(err)
					}
				}
				if now := leading(b.Cluster); len(now) != 1 || now[0] == before || now[0] != b.Master() {
					t.Errorf("round %d: %v lead after %s", round, now, before)
				}
				for _, m := range b.Masters() {
					if m.Leading && seen[m.ID] {
						t.Errorf("%s leads twice under one id", m.ID)
					} else if m.Leading {
						seen[m.ID] = true
					}
				}
				time.Sleep(2 * time.Minute)
				if now := count(); now < had+30 {
					t.Errorf("round %d: %d tasks had ended, two minutes later %d", round, had, now)
				}
				status, err := b.Status(b.Context())
				if err != nil || len(status.Frameworks) != 1 || !status.Frameworks[0].Connected {
					t.Errorf("round %d: %v, %v", round, status.Frameworks, err)
				}
				for _, a := range status.Agents {
					if !a.Registered || !a.Active {
						t.Errorf("round %d: agent %s is not back", round, a.ID)
					}
				}
			}
			for task, n := range ended {
				if n > 1 {
					t.Errorf("%s ended %d times", task, n)
				}
			}
			t.Logf("%d tasks under %d masters", len(ended), len(seen))
		})
		text := log.text()
		t.Logf("seed %d: %d bytes of log in %v", seed, len(text), time.Since(began))
		return text
	}
	if a, b := run(7), run(7); a != b {
		la, lb := strings.Split(a, "\n"), strings.Split(b, "\n")
		for i := range min(len(la), len(lb)) {
			if la[i] != lb[i] {
				t.Fatalf("the same seed gives other events, from line %d on:\n%s\n%s", i, la[i], lb[i])
			}
		}
		t.Fatal("the same seed gives more events once")
	}
}

func TestTheOnlyMasterFailsOverToItself(t *testing.T) {
	c := start(t, cluster.Config{})
	before := c.Masters()[0]
	f := subscribe(t, c, patient("alone"), codec.JSON)
	offer := f.offers()[0]
	f.launch(offer, shell("lives", offer, "sleep 1000"))
	f.expect(starting, running)
	if err := c.FailOver(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := c.Masters()[0]
	if !after.Leading || after.Address != before.Address || after.ID == before.ID {
		t.Errorf("before %+v, after %+v", before, after)
	}
	info := patient("alone")
	info.Id = f.id
	f = subscribe(t, c, info, codec.JSON)
	f.offers() // the agent is back
	f.must(f.Reconcile(f.ctx))
	if s := f.update(); s.GetState() != running || s.GetReason() != mesospb.TaskStatus_REASON_RECONCILIATION {
		t.Errorf("got %v", s)
	}
	f.must(f.Kill(f.ctx, &mesospb.TaskID{Value: proto.String("lives")}, nil, nil))
	f.expect(killing, killed)
}

func TestWithoutALeaderFollowersSaySo(t *testing.T) {
	c := start(t, cluster.Config{Masters: 2, Agents: []cluster.AgentConfig{}})
	first, second := c.Masters()[0].Address, c.Masters()[1].Address
	get := func(address, path string) (int, string) {
		t.Helper()
		client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		defer client.CloseIdleConnections()
		r, err := client.Get("http://" + address + path)
		if err != nil {
			return 0, err.Error()
		}
		defer r.Body.Close()
		_, _ = io.Copy(io.Discard, r.Body)
		return r.StatusCode, r.Header.Get("Location")
	}
	_, port, _ := strings.Cut(first, ":")
	if status, where := get(second, "/state?x=1"); status != 307 || where != "//localhost:"+port+"/master/state?x=1" {
		t.Errorf("a follower answers %d %s", status, where)
	}
	if err := c.KillMaster(first); err != nil {
		t.Fatal(err)
	}
	if status, text := get(first, "/health"); status != 0 {
		t.Errorf("a killed master answers %d %s", status, text)
	}
	if now, err := c.AwaitLeader(t.Context()); err != nil || now != second {
		t.Errorf("%s leads, %v; want %s", now, err, second)
	}
	for _, err := range []error{c.KillMaster(first), c.KillMaster("127.0.0.1:1"), c.StartMaster(t.Context(), second)} {
		if _, ok := errors.AsType[*cluster.MasterError](err); !ok {
			t.Errorf("got %v, want a *MasterError", err)
		}
	}
	if err := c.KillMaster(second); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := c.AwaitLeader(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("AwaitLeader: %v", err)
	}
	if err := c.StartMaster(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if status, _ := get(first, "/state"); status != 200 {
		t.Errorf("/state of the only master: %d", status)
	}
}

func TestUnreachableAfterAFailover(t *testing.T) {
	inBubble(t, cluster.Config{Seed: 3, Masters: 2, Agents: simulated(2), AgentReregisterTimeout: 10 * time.Minute}, func(b *bubble) {
		g := &greedy{name: "lonely", want: 70, log: b.log, command: func(int) string { return "sleep infinity" }}
		h := g.handler()
		s, err := scheduler.NewSession(scheduler.SessionConfig{
			Master: everywhere(b.Cluster), Transport: b.transport(codec.Protobuf), FrameworkInfo: patient("lonely"), Handler: h,
			Backoff: scheduler.Constant(time.Second),
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); s.Run(ctx) }()
		b.ends = append(b.ends, func() { cancel(); <-done })
		time.Sleep(10500 * time.Millisecond)
		cut := b.Agents()[1]
		cut.Partition()
		if err := b.FailOver(b.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		ask := func(state string) {
			t.Helper()
			if err := s.Call(ctx, scheduler.Reconcile(scheduler.ReconcileTask(&mesospb.TaskID{Value: proto.String("heard-of")}, &mesospb.AgentID{Value: &cut.ID}))); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			if got := b.log.has("lonely", "REASON_RECONCILIATION", `"heard-of"`); got != (state != "") {
				t.Errorf("after %v: answered: %v", time.Since(b.log.began), got)
			}
			if state != "" && !b.log.has("lonely", "REASON_RECONCILIATION", `"heard-of"`, state) {
				t.Errorf("not %s", state)
			}
		}
		ask("")
		time.Sleep(10 * time.Minute)
		if !b.log.has("lonely", "FAILURE", cut.ID) {
			t.Error("no FAILURE of the agent that has not come back")
		}
		ask("TASK_UNREACHABLE")
		cut.Heal()
		time.Sleep(2 * time.Minute)
		if st, err := b.Status(b.Context()); err != nil || !st.Agents[1].Registered || st.Agents[0].Tasks+st.Agents[1].Tasks != 70 {
			t.Errorf("%+v, %v", st.Agents, err)
		}
	})
}

// BenchmarkFailOver measures from the command until the framework has offers of the new master.
func BenchmarkFailOver(b *testing.B) {
	c := start(b, cluster.Config{Masters: 2, Agents: cluster.Agents(3, cluster.AgentConfig{Simulated: true, Resources: "cpus:1;mem:64;disk:1;ports:[1-2]"})})
	tr, err := transport.New(transport.Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer tr.Close()
	offered := make(chan string, 1000)
	s, err := scheduler.NewSession(scheduler.SessionConfig{
		Master: everywhere(c), Transport: tr, FrameworkInfo: patient("bench"), Backoff: scheduler.Constant(time.Millisecond),
		Handler: scheduler.HandlerFuncs{Offers: func(ctx context.Context, s *scheduler.Session, offers []*mesospb.Offer) error {
			offered <- offers[0].GetId().GetValue()
			return nil
		}},
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	defer func() { cancel(); <-done }()
	<-offered
	for b.Loop() {
		if err := c.FailOver(ctx); err != nil {
			b.Fatal(err)
		}
		id := ""
		for _, m := range c.Masters() {
			if m.Leading {
				id = m.ID
			}
		}
		for !strings.HasPrefix(<-offered, id) {
		}
	}
}
