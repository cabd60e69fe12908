//go:build unix

package driver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/executor"
	"github.com/mesokit/mesokit/cluster"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
)

// cutter dials and can break what it has dialled.
type cutter struct {
	mu    sync.Mutex
	conns []net.Conn
}

func (c *cutter) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err == nil {
		c.mu.Lock()
		c.conns = append(c.conns, conn)
		c.mu.Unlock()
	}
	return conn, err
}

func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		_ = conn.Close()
	}
	c.conns = nil
}

// stage is a framework with a task, whose executor the test plays: the process that the agent starts only says what its environment
// is.
type stage struct {
	scheduler *MesosSchedulerDriver
	env       executor.Config
	network   cutter
	states    chan mesospb.TaskState
	messages  chan string
}

func newStage(t *testing.T, c *cluster.Cluster, checkpoint bool) *stage {
	t.Helper()
	pipe := filepath.Join(t.TempDir(), "environment")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	s := &stage{states: make(chan mesospb.TaskState, 10), messages: make(chan string, 10)}
	launched := false
	s.scheduler = realDriver(t, c, SchedulerFuncs{
		OnResourceOffers: func(d SchedulerDriver, offers []*mesospb.Offer) {
			if launched {
				return
			}
			launched = true
			task := echoTask("T1", offers[0])
			task.Executor.Command = &mesospb.CommandInfo{Value: proto.String(fmt.Sprintf("env > '%s'; exec sleep 1000", pipe))}
			task.Executor.Resources = []*mesospb.Resource{resources.NewCPUs(0.1), resources.NewMem(32)}
			if _, err := d.LaunchTasks([]*mesospb.OfferID{offers[0].Id}, []*mesospb.TaskInfo{task}, nil); err != nil {
				t.Error(err)
			}
		},
		OnStatusUpdate: func(d SchedulerDriver, status *mesospb.TaskStatus) {
			s.states <- status.GetState()
			if status.GetState() == mesospb.TaskState_TASK_RUNNING {
				_, _ = d.SendFrameworkMessage(status.ExecutorId, status.AgentId, []byte("hello"))
			}
		},
		OnFrameworkMessage: func(_ SchedulerDriver, _ *mesospb.ExecutorID, _ *mesospb.AgentID, data []byte) {
			s.messages <- string(data)
		},
	}, func(cfg *DriverConfig) { cfg.Framework.Checkpoint = &checkpoint })
	if status, err := s.scheduler.Start(); status != running || err != nil {
		t.Fatal(status, err)
	}
	file, err := os.Open(pipe) // waits for the writer
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	vars := make(map[string]string)
	for lines := bufio.NewScanner(file); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), "=")
		vars[name] = value
	}
	s.env, err = executor.FromEnv(env(vars))
	if err != nil {
		t.Fatal(err)
	}
	s.env.Transport.DialContext = s.network.dial
	return s
}

// play runs an executor driver to its end and returns what Run did.
func (s *stage) play(t *testing.T, x Executor, change func(*ExecutorDriverConfig)) (mesospb.Status, error) {
	t.Helper()
	cfg := ExecutorDriverConfig{Executor: x, Client: &s.env, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
	if change != nil {
		change(&cfg)
	}
	d, err := NewMesosExecutorDriver(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d.Run()
}

func TestAnExecutorDriverAgainstAnAgent(t *testing.T) {
	for _, ownLoop := range []bool{false, true} {
		t.Run(fmt.Sprintf("own loop %v", ownLoop), func(t *testing.T) {
			s := newStage(t, startCluster(t), false)
			var seen []string
			note := func(format string, args ...any) { seen = append(seen, fmt.Sprintf(format, args...)) }
			status, err := s.play(t, ExecutorFuncs{
				OnRegistered: func(_ ExecutorDriver, x *mesospb.ExecutorInfo, f *mesospb.FrameworkInfo, a *mesospb.AgentInfo) {
					note("registered %s %s %s", x.GetExecutorId().GetValue(), f.GetName(), a.GetHostname())
				},
				OnLaunchTask: func(d ExecutorDriver, task *mesospb.TaskInfo) {
					note("launch %s %s", task.GetTaskId().GetValue(), task.GetData())
					_, _ = d.SendStatusUpdate(&mesospb.TaskStatus{TaskId: task.TaskId, State: mesospb.TaskState_TASK_RUNNING.Enum()})
				},
				OnFrameworkMessage: func(d ExecutorDriver, data []byte) {
					note("message %s", data)
					_, _ = d.SendFrameworkMessage([]byte("you too"))
					_, _ = s.scheduler.KillTask(taskID)
				},
				OnKillTask: func(d ExecutorDriver, id *mesospb.TaskID) {
					note("kill %s", id.GetValue())
					_, _ = d.SendStatusUpdate(&mesospb.TaskStatus{TaskId: id, State: mesospb.TaskState_TASK_KILLED.Enum()})
					_, _ = d.Stop() // and waits for the acknowledgement
				},
			}, func(cfg *ExecutorDriverConfig) { cfg.OwnLoop = ownLoop })
			if status != stopped || err != nil {
				t.Errorf("Run returned %v, %v", status, err)
			}
			want := []string{"registered echo test localhost", "launch T1 for T1", "message hello", "kill T1"}
			if !slices.Equal(seen, want) {
				t.Errorf("callbacks\n%q, want\n%q", seen, want)
			}
			if a, b, m := <-s.states, <-s.states, <-s.messages; a != mesospb.TaskState_TASK_RUNNING || b != mesospb.TaskState_TASK_KILLED || m != "you too" {
				t.Errorf("the scheduler got %v, %v and %q", a, b, m)
			}
		})
	}
}

func TestAnExecutorThatCheckpointsSubscribesAgain(t *testing.T) {
	s := newStage(t, startCluster(t), true)
	var seen []string
	status, err := s.play(t, ExecutorFuncs{
		OnLaunchTask: func(d ExecutorDriver, task *mesospb.TaskInfo) {
			seen = append(seen, "launch")
			s.network.cut()
		},
		OnDisconnected: func(d ExecutorDriver) {
			seen = append(seen, "disconnected")
			// Kept, and sent with the next subscription.
			if status, err := d.SendStatusUpdate(&mesospb.TaskStatus{TaskId: taskID, State: mesospb.TaskState_TASK_FINISHED.Enum()}); status != running || err != nil {
				t.Errorf("SendStatusUpdate: %v, %v", status, err)
			}
		},
		OnReregistered: func(d ExecutorDriver, agent *mesospb.AgentInfo) {
			seen = append(seen, "reregistered at "+agent.GetHostname())
			_, _ = d.Stop()
		},
	}, nil)
	if status != stopped || err != nil {
		t.Errorf("Run returned %v, %v", status, err)
	}
	if want := []string{"launch", "disconnected", "reregistered at localhost"}; !slices.Equal(seen, want) {
		t.Errorf("callbacks %q, want %q", seen, want)
	}
	if got := <-s.states; got != mesospb.TaskState_TASK_FINISHED {
		t.Errorf("the scheduler got %v", got)
	}
}

func TestAnExecutorThatDoesNotCheckpointIsShutDownWithItsAgent(t *testing.T) {
	s := newStage(t, startCluster(t), false)
	var seen []string
	status, err := s.play(t, ExecutorFuncs{
		OnLaunchTask:   func(ExecutorDriver, *mesospb.TaskInfo) { seen = append(seen, "launch"); s.network.cut() },
		OnDisconnected: func(ExecutorDriver) { seen = append(seen, "disconnected") },
		OnShutdown:     func(d ExecutorDriver) { seen = append(seen, "shutdown"); _, _ = d.Stop() },
	}, nil)
	if status != stopped || !errors.Is(err, executor.ErrNotCheckpointing) {
		t.Errorf("Run returned %v, %v; want DRIVER_STOPPED and why", status, err)
	}
	if want := []string{"launch", "disconnected", "shutdown"}; !slices.Equal(seen, want) {
		t.Errorf("callbacks %q, want %q", seen, want)
	}
}

func TestAnAgentThatRefusesAnExecutorAbortsIt(t *testing.T) {
	s := newStage(t, startCluster(t), false)
	s.env.ExecutorID = "nobody"
	var told error
	status, err := s.play(t, ExecutorFuncs{OnError: func(_ ExecutorDriver, err error) { told = err }}, nil)
	if status != aborted || !errors.Is(err, executor.ErrRefused) || !errors.Is(told, executor.ErrRefused) {
		t.Errorf("Run returned %v, %v and Error was told %v; want that the agent refused", status, err, told)
	}
}
