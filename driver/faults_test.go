package driver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/cluster/sim"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// wire is a network in memory that can be cut, for clusters and drivers in synctest bubbles.
type wire struct {
	mu        sync.Mutex
	listeners map[string]*wireListener
	conns     []net.Conn
}

type wireListener struct {
	addr  wireAddr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

type wireAddr string

func (wireAddr) Network() string  { return "wire" }
func (a wireAddr) String() string { return string(a) }

func (l *wireListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
func (l *wireListener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *wireListener) Addr() net.Addr { return l.addr }

func (w *wire) listen(_ context.Context, address string) (net.Listener, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.listeners == nil {
		w.listeners = make(map[string]*wireListener)
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	l := &wireListener{addr: wireAddr(fmt.Sprintf("%s:%d", host, 10000+len(w.listeners))), conns: make(chan net.Conn), done: make(chan struct{})}
	w.listeners[l.addr.String()] = l
	return l, nil
}

func (w *wire) dial(ctx context.Context, _, address string) (net.Conn, error) {
	w.mu.Lock()
	l := w.listeners[address]
	w.mu.Unlock()
	if l == nil {
		return nil, errors.New("nobody listens at " + address)
	}
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
	case <-l.done:
		return nil, errors.New("nobody listens any more at " + address)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	w.mu.Lock()
	w.conns = append(w.conns, ours)
	w.mu.Unlock()
	return ours, nil
}

// cut breaks all connections.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		_ = c.Close()
	}
	w.conns = nil
}

// inBubble runs a test with a cluster in a synctest bubble.
func inBubble(t *testing.T, test func(t *testing.T, c *cluster.Cluster, w *wire)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := new(wire)
		c, err := cluster.Start(t.Context(), cluster.Config{
			Agents: []cluster.AgentConfig{{Resources: "cpus:4;mem:1024;disk:1024;ports:[31000-31009]"}}, Listen: w.listen,
		})
		if err != nil {
			t.Fatal(err)
		}
		test(t, c, w)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

func bubbleDriver(t *testing.T, c *cluster.Cluster, w *wire, s Scheduler, change func(*DriverConfig)) *MesosSchedulerDriver {
	t.Helper()
	cfg := DriverConfig{
		Scheduler: s, Master: c.Master(), Framework: &mesospb.FrameworkInfo{Name: proto.String("test")},
		Transport: transport.Config{DialContext: w.dial},
		Logger:    slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
		Session:   func(c *scheduler.SessionConfig) { c.Backoff = scheduler.Constant(time.Second) },
	}
	if change != nil {
		change(&cfg)
	}
	d, err := NewMesosSchedulerDriver(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// The master sends a heartbeat every 15 seconds, and a client that misses a few gives it up for dead.
func TestTenMinutesInACallbackCostNoHeartbeat(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster.Cluster, w *wire) {
		var seen []string
		note := func(s string) { seen = append(seen, s) }
		d := bubbleDriver(t, c, w, SchedulerFuncs{
			OnRegistered: func(SchedulerDriver, *mesospb.FrameworkID, *mesospb.MasterInfo) {
				note("registered")
				time.Sleep(10 * time.Minute)
			},
			OnDisconnected: func(SchedulerDriver) { note("disconnected") },
			OnReregistered: func(SchedulerDriver, *mesospb.MasterInfo) { note("reregistered") },
			OnResourceOffers: func(d SchedulerDriver, offers []*mesospb.Offer) {
				note("offers")
				// The offer is as old as the callback before it, and still good.
				if status, err := d.DeclineOffer(offers[0].Id, nil); status != running || err != nil {
					t.Errorf("DeclineOffer: %v, %v", status, err)
				}
				_, _ = d.Stop(false)
			},
		}, nil)
		if status, err := d.Run(); status != stopped || err != nil {
			t.Errorf("Run returned %v, %v", status, err)
		}
		if !slices.Equal(seen, []string{"registered", "offers"}) {
			t.Errorf("callbacks %q", seen)
		}
	})
}

// The agent repeats an update after ten seconds, then after twenty and so on, and here the connection breaks besides.
func TestTenMinutesInACallbackBringNoUpdateTwice(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster.Cluster, w *wire) {
		if _, err := c.AddAgent(t.Context(), cluster.AgentConfig{
			Hostname: "simulated", Simulated: true, Runner: sim.Always(sim.Run{For: time.Second}), Resources: "cpus:8;mem:1024",
		}); err != nil {
			t.Fatal(err)
		}
		var seen []string
		launched := false
		d := bubbleDriver(t, c, w, SchedulerFuncs{
			OnResourceOffers: func(d SchedulerDriver, offers []*mesospb.Offer) {
				for _, o := range offers {
					if launched || o.GetHostname() != "simulated" {
						_, _ = d.DeclineOffer(o.Id, RefuseFor(time.Hour))
						continue
					}
					launched = true
					info := task("T1")
					info.AgentId = o.GetAgentId()
					info.Command = &mesospb.CommandInfo{Value: proto.String("true")}
					info.Resources = []*mesospb.Resource{resources.NewCPUs(1), resources.NewMem(32)}
					if _, err := d.LaunchTasks([]*mesospb.OfferID{o.Id}, []*mesospb.TaskInfo{info}, nil); err != nil {
						t.Error(err)
					}
				}
			},
			OnStatusUpdate: func(d SchedulerDriver, s *mesospb.TaskStatus) {
				seen = append(seen, s.GetState().String())
				if s.GetState() == mesospb.TaskState_TASK_FINISHED {
					_, _ = d.Stop(false)
					return
				}
				w.cut()
				time.Sleep(10 * time.Minute)
			},
		}, func(cfg *DriverConfig) { cfg.FailoverTimeout = time.Hour })
		if status, err := d.Run(); status != stopped || err != nil {
			t.Errorf("Run returned %v, %v", status, err)
		}
		if want := []string{"TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"}; !slices.Equal(seen, want) {
			t.Errorf("told %q, want %q", seen, want)
		}
	})
}

func TestALostConnectionIsToldAndMended(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster.Cluster, w *wire) {
		var seen []string
		note := func(format string, args ...any) { seen = append(seen, fmt.Sprintf(format, args...)) }
		cut := false
		d := bubbleDriver(t, c, w, SchedulerFuncs{
			OnRegistered: func(SchedulerDriver, *mesospb.FrameworkID, *mesospb.MasterInfo) { note("registered") },
			OnResourceOffers: func(_ SchedulerDriver, offers []*mesospb.Offer) {
				if !cut {
					cut = true
					note("offers")
					w.cut()
				}
			},
			OnDisconnected: func(d SchedulerDriver) {
				// The next attempt comes after a second.
				status, err := d.LaunchTasks([]*mesospb.OfferID{offerID("gone")}, []*mesospb.TaskInfo{task("T1")}, nil)
				note("disconnected, launch: %v %v", status, errors.Is(err, ErrDisconnected))
			},
			OnStatusUpdate: func(_ SchedulerDriver, s *mesospb.TaskStatus) { note("%v %v", s.GetState(), s.GetReason()) },
			OnReregistered: func(d SchedulerDriver, master *mesospb.MasterInfo) {
				note("reregistered")
				_, _ = d.Stop(false)
			},
		}, func(cfg *DriverConfig) { cfg.FailoverTimeout = time.Minute })
		if status, err := d.Run(); status != stopped || err != nil {
			t.Errorf("Run returned %v, %v", status, err)
		}
		want := []string{"registered", "offers", "disconnected, launch: DRIVER_RUNNING true", "TASK_LOST REASON_MASTER_DISCONNECTED", "reregistered"}
		if !slices.Equal(seen, want) {
			t.Errorf("callbacks\n%q, want\n%q", seen, want)
		}
	})
}

func TestAnAbortedDriverKeepsItsFrameworkForAsLongAsItIsThere(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster.Cluster, w *wire) {
		var id *mesospb.FrameworkID
		first := bubbleDriver(t, c, w, SchedulerFuncs{
			OnRegistered: func(d SchedulerDriver, f *mesospb.FrameworkID, _ *mesospb.MasterInfo) {
				id = f
				_, _ = d.Abort()
			},
		}, nil)
		if status, err := first.Run(); status != aborted || err != nil {
			t.Fatalf("Run returned %v, %v", status, err)
		}
		time.Sleep(time.Hour)
		second := bubbleDriver(t, c, w, SchedulerFuncs{
			OnRegistered: func(d SchedulerDriver, f *mesospb.FrameworkID, _ *mesospb.MasterInfo) {
				if f.GetValue() != id.GetValue() {
					t.Errorf("registered as %v, want %v", f, id)
				}
				_, _ = d.Stop(false)
			},
		}, func(cfg *DriverConfig) { cfg.Framework.Id = id })
		if status, err := second.Run(); status != stopped || err != nil {
			t.Errorf("Run of the second driver returned %v, %v", status, err)
		}
		if status, err := first.Stop(true); status != aborted || err != nil {
			t.Errorf("Stop returned %v, %v", status, err)
		}
		if status, err := first.Join(); status != stopped || err != nil {
			t.Errorf("Join returned %v, %v", status, err)
		}
	})
}

func TestAMasterThatIsNotThereIsWaitedFor(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster.Cluster, w *wire) {
		var log strings.Builder
		d := bubbleDriver(t, c, w, NopScheduler{}, func(cfg *DriverConfig) {
			cfg.Master = "127.0.0.1:1"
			cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
		})
		time.AfterFunc(time.Hour, func() { _, _ = d.Stop(false) })
		if status, err := d.Run(); status != stopped || err != nil {
			t.Errorf("Run returned %v, %v", status, err)
		}
		if n := strings.Count(log.String(), "subscribing failed"); n < 3000 {
			t.Errorf("%d attempts in an hour at one a second", n)
		}
	})
}

func TestADriverThatGivesUpSaysWhy(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster.Cluster, w *wire) {
		var told error
		d := bubbleDriver(t, c, w, SchedulerFuncs{OnError: func(_ SchedulerDriver, err error) { told = err }}, func(cfg *DriverConfig) {
			cfg.Master = "127.0.0.1:1"
			cfg.Session = func(c *scheduler.SessionConfig) { c.MaxResubscribes = 3 }
		})
		status, err := d.Run()
		if status != aborted || !errors.Is(err, scheduler.ErrGaveUp) || !errors.Is(told, scheduler.ErrGaveUp) {
			t.Errorf("Run returned %v, %v and Error was told %v; want DRIVER_ABORTED and ErrGaveUp", status, err, told)
		}
	})
}
