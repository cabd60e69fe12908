package driver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/executor"
	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// fakeAgent is a conversation with an agent that the test holds.
type fakeAgent struct {
	end  chan error
	sink executorSink

	mu       sync.Mutex
	sent     []string
	finished chan struct{}
	drained  error // what run returns after finish
	refuse   error
}

func (f *fakeAgent) run(ctx context.Context, sink executorSink) error {
	f.mu.Lock()
	f.sink = sink
	f.mu.Unlock()
	select {
	case err := <-f.end:
		return err
	case <-f.finished:
		return f.drained
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *fakeAgent) finish() { close(f.finished) }

func (f *fakeAgent) update(_ context.Context, s *mesospb.TaskStatus) error {
	return f.send("UPDATE " + s.GetTaskId().GetValue() + " " + s.GetState().String())
}

func (f *fakeAgent) message(_ context.Context, data []byte) error {
	return f.send("MESSAGE " + string(data))
}

func (f *fakeAgent) send(line string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent = append(f.sent, line)
	return f.refuse
}

func (f *fakeAgent) took() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	sent := f.sent
	f.sent = nil
	return sent
}

// executorRecorder is an Executor that writes down what it is called with.
type executorRecorder struct {
	mu    sync.Mutex
	lines []string
	then  map[string]func(ExecutorDriver)
}

func (r *executorRecorder) note(d ExecutorDriver, name, format string, args ...any) {
	r.mu.Lock()
	r.lines = append(r.lines, strings.TrimSpace(name+" "+fmt.Sprintf(format, args...)))
	then := r.then[name]
	r.mu.Unlock()
	if then != nil {
		then(d)
	}
}

func (r *executorRecorder) took() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := r.lines
	r.lines = nil
	return lines
}

func (r *executorRecorder) Registered(d ExecutorDriver, x *mesospb.ExecutorInfo, f *mesospb.FrameworkInfo, a *mesospb.AgentInfo) {
	r.note(d, "Registered", "%s %s %s", x.GetExecutorId().GetValue(), f.GetName(), a.GetHostname())
}
func (r *executorRecorder) Reregistered(d ExecutorDriver, a *mesospb.AgentInfo) {
	r.note(d, "Reregistered", "%s", a.GetHostname())
}
func (r *executorRecorder) Disconnected(d ExecutorDriver) { r.note(d, "Disconnected", "") }
func (r *executorRecorder) LaunchTask(d ExecutorDriver, t *mesospb.TaskInfo) {
	r.note(d, "LaunchTask", "%s", t.GetName())
}
func (r *executorRecorder) KillTask(d ExecutorDriver, id *mesospb.TaskID) {
	r.note(d, "KillTask", "%s", id.GetValue())
}
func (r *executorRecorder) FrameworkMessage(d ExecutorDriver, data []byte) {
	r.note(d, "FrameworkMessage", "%s", data)
}
func (r *executorRecorder) Shutdown(d ExecutorDriver)         { r.note(d, "Shutdown", "") }
func (r *executorRecorder) Error(d ExecutorDriver, err error) { r.note(d, "Error", "%v", err) }

// newExecutor is an executorRecorder that wants to hear of everything.
type newExecutor struct{ *executorRecorder }

func (r newExecutor) LaunchTaskGroup(d ExecutorDriver, g *mesospb.TaskGroupInfo) {
	r.note(d, "LaunchTaskGroup", "%d", len(g.GetTasks()))
}
func (r newExecutor) KillTaskWithPolicy(d ExecutorDriver, id *mesospb.TaskID, p *mesospb.KillPolicy) {
	r.note(d, "KillTaskWithPolicy", "%s %d", id.GetValue(), p.GetGracePeriod().GetNanoseconds())
}

type executorRig struct {
	driver *MesosExecutorDriver
	agent  *fakeAgent
	calls  *executorRecorder
}

// newExecutorRig returns a driver that is started and subscribed, in a synctest bubble.
func newExecutorRig(t *testing.T, change func(*ExecutorDriverConfig)) *executorRig {
	t.Helper()
	r := &executorRig{agent: &fakeAgent{end: make(chan error), finished: make(chan struct{})}, calls: &executorRecorder{then: make(map[string]func(ExecutorDriver))}}
	cfg := ExecutorDriverConfig{Executor: r.calls, Client: &executor.Config{}, Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&cfg)
	}
	cfg, err := cfg.prepare()
	if err != nil {
		t.Fatal(err)
	}
	r.driver = newExecutorDriver(cfg, cfg.Logger, r.agent)
	if status, err := r.driver.Start(); status != running || err != nil {
		t.Fatalf("Start returned %v, %v", status, err)
	}
	synctest.Wait()
	r.agent.sink.event(agentSubscribed("host-1"))
	synctest.Wait()
	return r
}

func (r *executorRig) stop() {
	_, _ = r.driver.Stop()
	_, _ = r.driver.Join()
}

func agentSubscribed(host string) *executorpb.Event {
	return &executorpb.Event{Type: executorpb.Event_SUBSCRIBED.Enum(), Subscribed: &executorpb.Event_Subscribed{
		ExecutorInfo:  &mesospb.ExecutorInfo{ExecutorId: executorID},
		FrameworkInfo: &mesospb.FrameworkInfo{Name: proto.String("fw")},
		AgentInfo:     &mesospb.AgentInfo{Hostname: proto.String(host)},
	}}
}

func TestEveryEventOfAnAgentCallsItsCallback(t *testing.T) {
	launch := &executorpb.Event{Type: executorpb.Event_LAUNCH.Enum(), Launch: &executorpb.Event_Launch{Task: task("T1")}}
	group := &executorpb.Event{Type: executorpb.Event_LAUNCH_GROUP.Enum(), LaunchGroup: &executorpb.Event_LaunchGroup{
		TaskGroup: &mesospb.TaskGroupInfo{Tasks: []*mesospb.TaskInfo{task("T1"), task("T2")}}}}
	kill := &executorpb.Event{Type: executorpb.Event_KILL.Enum(), Kill: &executorpb.Event_Kill{
		TaskId: taskID, KillPolicy: &mesospb.KillPolicy{GracePeriod: &mesospb.DurationInfo{Nanoseconds: proto.Int64(7)}}}}
	message := &executorpb.Event{Type: executorpb.Event_MESSAGE.Enum(), Message: &executorpb.Event_Message{Data: []byte("hi")}}
	for _, tc := range []struct {
		name          string
		happens       func(executorSink)
		want, classic []string
	}{
		{"launch", func(s executorSink) { s.event(launch) }, []string{"LaunchTask T1"}, []string{"LaunchTask T1"}},
		{"launch group", func(s executorSink) { s.event(group) }, []string{"LaunchTaskGroup 2"}, []string{"LaunchTask T1", "LaunchTask T2"}},
		{"kill", func(s executorSink) { s.event(kill) }, []string{"KillTaskWithPolicy T1 7"}, []string{"KillTask T1"}},
		{"message", func(s executorSink) { s.event(message) }, []string{"FrameworkMessage hi"}, []string{"FrameworkMessage hi"}},
		{"resubscribed", func(s executorSink) { s.disconnected(errors.New("eof")); s.event(agentSubscribed("host-1")) },
			[]string{"Disconnected", "Reregistered host-1"}, []string{"Disconnected", "Reregistered host-1"}},
		{"shutdown", func(s executorSink) { s.shutdown(nil) }, []string{"Shutdown"}, []string{"Shutdown"}},
		{"heartbeat", func(s executorSink) { s.event(&executorpb.Event{Type: executorpb.Event_HEARTBEAT.Enum()}) }, nil, nil},
		{"acknowledged", func(s executorSink) { s.event(&executorpb.Event{Type: executorpb.Event_ACKNOWLEDGED.Enum()}) }, nil, nil},
		{"unknown", func(s executorSink) { s.event(&executorpb.Event{Type: executorpb.Event_UNKNOWN.Enum()}) }, nil, nil},
		{"problem", func(s executorSink) { s.problem(errors.New("cannot decode")) }, nil, nil},
	} {
		for _, classic := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s classic=%v", tc.name, classic), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newExecutorRig(t, func(c *ExecutorDriverConfig) {
						if !classic {
							c.Executor = newExecutor{c.Executor.(*executorRecorder)}
						}
					})
					defer r.stop()
					if got := r.calls.took(); !slices.Equal(got, []string{"Registered X1 fw host-1"}) {
						t.Errorf("callbacks %q after the subscription", got)
					}
					tc.happens(r.agent.sink)
					synctest.Wait()
					want := tc.want
					if classic {
						want = tc.classic
					}
					if diff := cmp.Diff(want, r.calls.took()); diff != "" {
						t.Errorf("callbacks (-want +got):\n%s", diff)
					}
				})
			})
		}
	}
}

func TestAnExecutorSendsUpdatesAndMessagesFromCallbacksAndElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newExecutorRig(t, nil)
		defer r.stop()
		send := func(d ExecutorDriver) {
			if status, err := d.SendStatusUpdate(&mesospb.TaskStatus{TaskId: taskID, State: mesospb.TaskState_TASK_RUNNING.Enum()}); status != running || err != nil {
				t.Errorf("SendStatusUpdate: %v, %v", status, err)
			}
			if status, err := d.SendFrameworkMessage([]byte("hi")); status != running || err != nil {
				t.Errorf("SendFrameworkMessage: %v, %v", status, err)
			}
		}
		r.calls.then["FrameworkMessage"] = send
		r.agent.sink.event(&executorpb.Event{Type: executorpb.Event_MESSAGE.Enum()})
		synctest.Wait()
		send(r.driver)
		want := []string{"UPDATE T1 TASK_RUNNING", "MESSAGE hi", "UPDATE T1 TASK_RUNNING", "MESSAGE hi"}
		if diff := cmp.Diff(want, r.agent.took()); diff != "" {
			t.Errorf("sent (-want +got):\n%s", diff)
		}
		r.agent.mu.Lock()
		r.agent.refuse = errors.New("refused")
		r.agent.mu.Unlock()
		if status, err := r.driver.SendStatusUpdate(new(mesospb.TaskStatus)); status != running || err == nil {
			t.Errorf("a refused update: %v, %v", status, err)
		}
	})
}

func TestStagingAbortsAnExecutor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newExecutorRig(t, nil)
		_, err := r.driver.SendStatusUpdate(&mesospb.TaskStatus{TaskId: taskID, State: mesospb.TaskState_TASK_STAGING.Enum()})
		if err == nil {
			t.Error("no error")
		}
		if status, err := r.driver.Join(); status != aborted || err == nil {
			t.Errorf("Join returned %v, %v; want DRIVER_ABORTED and why", status, err)
		}
		if got := r.calls.took(); len(got) != 2 || !strings.HasPrefix(got[1], "Error ") {
			t.Errorf("callbacks %q, want Error last", got)
		}
		if got := r.agent.took(); got != nil {
			t.Errorf("sent %q", got)
		}
		r.stop()
	})
}

func TestStopFinishesTheSessionOfAnExecutor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newExecutorRig(t, nil)
		r.agent.drained = &executor.UnacknowledgedError{TaskIDs: []string{"T1"}}
		if status, err := r.driver.Stop(); status != stopped || err != nil {
			t.Errorf("Stop: %v, %v", status, err)
		}
		status, err := r.driver.Join()
		var lost *executor.UnacknowledgedError
		if status != stopped || !errors.As(err, &lost) {
			t.Errorf("Join returned %v, %v; want DRIVER_STOPPED and what was not acknowledged", status, err)
		}
		if status, err := r.driver.SendStatusUpdate(nil); status != stopped || err == nil {
			t.Errorf("SendStatusUpdate after Stop: %v, %v", status, err)
		}
	})
}

func TestUpdatesCanBeSentBetweenShutdownAndTheEndOfTheGracePeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newExecutorRig(t, nil)
		r.agent.sink.shutdown(nil)
		synctest.Wait()
		if status, err := r.driver.SendStatusUpdate(&mesospb.TaskStatus{TaskId: taskID, State: mesospb.TaskState_TASK_KILLED.Enum()}); status != running || err != nil {
			t.Errorf("SendStatusUpdate: %v, %v", status, err)
		}
		r.agent.end <- nil // the session ends with the grace period
		if status, err := r.driver.Join(); status != stopped || err != nil {
			t.Errorf("Join returned %v, %v; want DRIVER_STOPPED", status, err)
		}
		if got := r.calls.took(); !slices.Equal(got, []string{"Registered X1 fw host-1", "Shutdown"}) {
			t.Errorf("callbacks %q", got)
		}
	})
}

func TestALostAgentIsTheReasonOfAShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newExecutorRig(t, nil)
		lost := &executor.AgentLostError{Reason: executor.ErrNotCheckpointing}
		r.agent.sink.disconnected(errors.New("eof"))
		r.agent.sink.shutdown(lost)
		r.agent.end <- lost
		if status, err := r.driver.Join(); status != stopped || !errors.Is(err, executor.ErrNotCheckpointing) {
			t.Errorf("Join returned %v, %v", status, err)
		}
	})
}

func TestAnExecutorThatIsRefusedIsAborted(t *testing.T) {
	for name, happens := range map[string]func(*executorRig){
		"refused":     func(r *executorRig) { r.agent.end <- &executor.AgentLostError{Reason: executor.ErrRefused} },
		"ended":       func(r *executorRig) { r.agent.end <- nil },
		"error event": func(r *executorRig) { r.agent.sink.problem(&executor.AgentError{Message: "no"}) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newExecutorRig(t, nil)
				happens(r)
				if status, err := r.driver.Join(); status != aborted || err == nil {
					t.Errorf("Join returned %v, %v; want DRIVER_ABORTED and why", status, err)
				}
				if got := r.calls.took(); len(got) != 2 || !strings.HasPrefix(got[1], "Error ") {
					t.Errorf("callbacks %q, want Error last", got)
				}
				r.stop()
			})
		})
	}
}

func TestAbortKeepsAnExecutorSubscribed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newExecutorRig(t, nil)
		if status, err := r.driver.Abort(); status != aborted || err != nil {
			t.Errorf("Abort: %v, %v", status, err)
		}
		if status, err := r.driver.Join(); status != aborted || err != nil {
			t.Errorf("Join: %v, %v", status, err)
		}
		r.agent.sink.event(&executorpb.Event{Type: executorpb.Event_LAUNCH.Enum(), Launch: &executorpb.Event_Launch{Task: task("T1")}})
		synctest.Wait()
		if got := r.calls.took(); len(got) != 1 {
			t.Errorf("callbacks %q after Abort", got)
		}
		select {
		case <-r.agent.finished:
			t.Error("the session was ended")
		default:
		}
		if status, err := r.driver.Stop(); status != aborted || err != nil {
			t.Errorf("Stop: %v, %v", status, err)
		}
		if status, err := r.driver.Join(); status != stopped || err != nil {
			t.Errorf("Join: %v, %v", status, err)
		}
	})
}

func TestAnExecutorsOwnLoopAndWaitingInCallbacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newExecutorRig(t, func(c *ExecutorDriverConfig) { c.OwnLoop = true })
		r.calls.then["Registered"] = func(d ExecutorDriver) {
			for _, wait := range []func() (mesospb.Status, error){d.Join, d.Run} {
				if status, err := wait(); status != running || !errors.Is(err, ErrInCallback) {
					t.Errorf("got %v, %v; want ErrInCallback", status, err)
				}
			}
			_, _ = d.Stop()
		}
		for cb := range r.driver.Callbacks() {
			cb.Call()
		}
		if status, err := r.driver.Join(); status != stopped || err != nil {
			t.Errorf("Join: %v, %v", status, err)
		}
	})
}

func TestNopAndEmptyExecutorsStopWhenShutDown(t *testing.T) {
	for _, x := range []Executor{NopExecutor{}, ExecutorFuncs{}} {
		synctest.Test(t, func(t *testing.T) {
			r := newExecutorRig(t, func(c *ExecutorDriverConfig) { c.Executor = x })
			r.agent.sink.disconnected(nil)
			for _, e := range []*executorpb.Event{
				agentSubscribed("host-2"), {Type: executorpb.Event_LAUNCH.Enum()}, {Type: executorpb.Event_KILL.Enum()}, {Type: executorpb.Event_MESSAGE.Enum()},
			} {
				r.agent.sink.event(e)
			}
			r.agent.sink.shutdown(nil)
			if status, err := r.driver.Join(); status != stopped || err != nil {
				t.Errorf("Join: %v, %v", status, err)
			}
			x.Error(r.driver, errors.New("no"))
		})
	}
}
