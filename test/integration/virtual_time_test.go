package integration

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/cluster/sim"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// What takes minutes in a real cluster takes none here: these tests would run for two hours without a bubble.

func simulated(n int) []cluster.AgentConfig {
	return cluster.Agents(n, cluster.AgentConfig{Resources: "cpus:4;mem:4096;disk:1000;ports:[31000-31100]", Simulated: true, Runner: sim.Commands()})
}

// has reports whether a line of a writer has all the parts.
func (l *eventLog) has(writer string, parts ...string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.lines[writer], func(line string) bool {
		return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) })
	})
}

func TestASchedulerMayComeBackWithinItsFailoverTimeout(t *testing.T) {
	for _, c := range []struct {
		name string
		away time.Duration
		lost bool
	}{
		{"in time", 10*time.Minute - time.Second, false},
		{"too late", 10*time.Minute + time.Second, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			began := time.Now()
			inBubble(t, cluster.Config{Seed: 1, Agents: simulated(3)}, func(b *bubble) {
				b.watch()
				info := modern("away")
				info.FailoverTimeout = proto.Float64((10 * time.Minute).Seconds())
				g := &greedy{name: "first", want: 4, log: b.log, command: func(int) string { return "sleep infinity" }}
				first, end := b.session(info, codec.Protobuf, g.handler())
				time.Sleep(10500 * time.Millisecond)
				end()
				time.Sleep(c.away)
				info.Id = first.FrameworkID()
				h := (&greedy{name: "second", log: b.log}).handler()
				h.ConnectedFunc = func(ctx context.Context, s *scheduler.Session, _ scheduler.Connected) error { return s.Reconcile(ctx) }
				second, _ := b.session(info, codec.Protobuf, h)
				time.Sleep(time.Minute)
				var err error
				select {
				case <-second.Done():
					_, err = second.Result()
				default:
				}
				for what, got := range map[string]bool{
					"the framework was removed":        b.log.has("operator", "FRAMEWORK_REMOVED"),
					"the second scheduler was refused": err != nil && strings.Contains(err.Error(), "Framework has been removed"),
					"tasks ended":                      b.log.has("operator", "TASK_UPDATED", "TASK_KILLED"),
					"reconciliation found nothing":     !b.log.has("second", "UPDATE", "TASK_RUNNING", "RECONCILIATION"),
				} {
					if got != c.lost {
						t.Errorf("%s: %v, want %v", what, got, c.lost)
					}
				}
			})
			t.Logf("took %v", time.Since(began))
		})
	}
}

func TestStatusesThatNobodyAcknowledgesComeAgainLessAndLessOften(t *testing.T) {
	began := time.Now()
	inBubble(t, cluster.Config{Seed: 1, Agents: simulated(1)}, func(b *bubble) {
		var at []string
		start := time.Now()
		s, err := scheduler.NewSession(scheduler.SessionConfig{
			Master: b.Master(), Transport: b.transport(codec.Protobuf), FrameworkInfo: modern("mute"), ExplicitAcknowledgements: true,
			Handler: scheduler.HandlerFuncs{
				EventFunc: func(_ context.Context, _ *scheduler.Session, e *schedulerpb.Event) error {
					if e.GetType() == schedulerpb.Event_UPDATE {
						at = append(at, time.Since(start).Round(time.Second).String())
					}
					return nil
				},
				Offers: func(ctx context.Context, s *scheduler.Session, offers []*mesospb.Offer) error {
					return s.Accept(ctx, scheduler.OfferIDs(offers...), scheduler.RefuseSeconds(1e6), scheduler.Launch(shell("t", offers[0], "sleep infinity")))
				},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() { defer close(done); s.Run(b.Context()) }()
		time.Sleep(50 * time.Minute)
		s.Stop(nil)
		<-done
		// 10 s, then twice as long each time, up to 10 minutes.
		want := strings.Fields("0s 10s 30s 1m10s 2m30s 5m10s 10m30s 20m30s 30m30s 40m30s")
		if diff := cmp.Diff(want, at); diff != "" {
			t.Errorf("the status came at (-want +got):\n%s", diff)
		}
	})
	t.Logf("took %v", time.Since(began))
}

func TestAPartitionedAgentIsGivenUpAndComesBack(t *testing.T) {
	began := time.Now()
	log := inBubble(t, cluster.Config{Seed: 1, Agents: simulated(2)}, func(b *bubble) {
		info := modern("parted")
		info.FailoverTimeout = proto.Float64(3600)
		g := &greedy{name: "parted", want: 50, log: b.log, command: func(int) string { return "sleep infinity" }} // more than fit on one agent
		b.session(info, codec.Protobuf, g.handler())
		time.Sleep(10500 * time.Millisecond)
		a := b.Agents()[0]
		a.Partition()
		time.Sleep(75 * time.Second) // five pings at the least stay unanswered
		early := b.log.has("parted", "TASK_UNREACHABLE")
		time.Sleep(20 * time.Second)
		if late := b.log.has("parted", "TASK_UNREACHABLE", a.ID); early || !late {
			t.Errorf("unreachable after 75 s: %v, after 95 s: %v", early, late)
		}
		time.Sleep(10 * time.Minute)
		a.Heal()
		time.Sleep(2 * time.Minute)
		if !b.log.has("parted", "TASK_RUNNING", "REASON_AGENT_REREGISTERED", a.ID) {
			t.Error("the tasks of the agent did not come back")
		}
	})
	t.Logf("took %v, %d bytes of log", time.Since(began), len(log.text()))
}
