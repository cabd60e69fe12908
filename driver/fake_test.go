package driver

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// fakeSession is a conversation with a master that the test holds.
type fakeSession struct {
	end  chan error
	sink schedulerSink

	mu     sync.Mutex
	calls  []*schedulerpb.Call
	answer func(context.Context, *schedulerpb.Call) error
	over   bool
}

func (f *fakeSession) run(ctx context.Context, sink schedulerSink) error {
	f.mu.Lock()
	f.sink = sink
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.over = true
		f.mu.Unlock()
	}()
	select {
	case err := <-f.end:
		return err
	case <-ctx.Done():
		return nil
	}
}

func (f *fakeSession) call(ctx context.Context, call *schedulerpb.Call) error {
	f.mu.Lock()
	f.calls = append(f.calls, proto.CloneOf(call))
	answer := f.answer
	f.mu.Unlock()
	if answer != nil {
		return answer(ctx, call)
	}
	return ctx.Err()
}

func (f *fakeSession) answers(answer func(context.Context, *schedulerpb.Call) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

// took returns the calls since the last time, in one line each.
func (f *fakeSession) took() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, c := range f.calls {
		out = append(out, describeCall(c))
	}
	f.calls = nil
	return out
}

func (f *fakeSession) running() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sink != nil && !f.over
}

func describeCall(c *schedulerpb.Call) string {
	words := []string{c.GetType().String()}
	for _, ids := range [][]*mesospb.OfferID{
		c.GetAccept().GetOfferIds(), c.GetDecline().GetOfferIds(),
		c.GetAcceptInverseOffers().GetInverseOfferIds(), c.GetDeclineInverseOffers().GetInverseOfferIds(),
	} {
		for _, id := range ids {
			words = append(words, id.GetValue())
		}
	}
	for _, op := range c.GetAccept().GetOperations() {
		words = append(words, op.GetType().String())
		for _, task := range op.GetLaunch().GetTaskInfos() {
			words = append(words, task.GetTaskId().GetValue())
		}
	}
	words = append(words, c.GetRevive().GetRoles()...)
	words = append(words, c.GetSuppress().GetRoles()...)
	for _, s := range []string{
		c.GetKill().GetTaskId().GetValue(), c.GetAcknowledge().GetTaskId().GetValue(), string(c.GetAcknowledge().GetUuid()),
		c.GetAcknowledgeOperationStatus().GetOperationId().GetValue(),
		c.GetMessage().GetExecutorId().GetValue(), c.GetMessage().GetAgentId().GetValue(), string(c.GetMessage().GetData()),
		c.GetShutdown().GetExecutorId().GetValue(), c.GetShutdown().GetAgentId().GetValue(),
		c.GetUpdateFramework().GetFrameworkInfo().GetName(),
	} {
		if s != "" {
			words = append(words, s)
		}
	}
	for _, task := range c.GetReconcile().GetTasks() {
		words = append(words, task.GetTaskId().GetValue()+"@"+task.GetAgentId().GetValue())
	}
	return strings.Join(words, " ")
}

// recorder is a Scheduler that writes down what it is called with.
type recorder struct {
	mu    sync.Mutex
	lines []string
	then  map[string]func(SchedulerDriver) // by callback
}

func (r *recorder) note(d SchedulerDriver, name, format string, args ...any) {
	r.mu.Lock()
	r.lines = append(r.lines, strings.TrimSpace(name+" "+fmt.Sprintf(format, args...)))
	then := r.then[name]
	r.mu.Unlock()
	if then != nil {
		then(d)
	}
}

// on has f called in a callback.
func (r *recorder) on(name string, f func(SchedulerDriver)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.then == nil {
		r.then = make(map[string]func(SchedulerDriver))
	}
	r.then[name] = f
}

// took returns what was written since the last time.
func (r *recorder) took() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := r.lines
	r.lines = nil
	return lines
}

func (r *recorder) Registered(d SchedulerDriver, id *mesospb.FrameworkID, master *mesospb.MasterInfo) {
	r.note(d, "Registered", "%s %s", id.GetValue(), master.GetId())
}
func (r *recorder) Reregistered(d SchedulerDriver, master *mesospb.MasterInfo) {
	r.note(d, "Reregistered", "%s", master.GetId())
}
func (r *recorder) Disconnected(d SchedulerDriver) { r.note(d, "Disconnected", "") }
func (r *recorder) ResourceOffers(d SchedulerDriver, offers []*mesospb.Offer) {
	var ids []string
	for _, o := range offers {
		ids = append(ids, o.GetId().GetValue())
	}
	r.note(d, "ResourceOffers", "%s", strings.Join(ids, " "))
}
func (r *recorder) OfferRescinded(d SchedulerDriver, id *mesospb.OfferID) {
	r.note(d, "OfferRescinded", "%s", id.GetValue())
}
func (r *recorder) StatusUpdate(d SchedulerDriver, s *mesospb.TaskStatus) {
	r.note(d, "StatusUpdate", "%s %s", s.GetTaskId().GetValue(), s.GetState())
}
func (r *recorder) FrameworkMessage(d SchedulerDriver, x *mesospb.ExecutorID, a *mesospb.AgentID, data []byte) {
	r.note(d, "FrameworkMessage", "%s %s %s", x.GetValue(), a.GetValue(), data)
}
func (r *recorder) AgentLost(d SchedulerDriver, a *mesospb.AgentID) {
	r.note(d, "AgentLost", "%s", a.GetValue())
}
func (r *recorder) ExecutorLost(d SchedulerDriver, x *mesospb.ExecutorID, a *mesospb.AgentID, status int) {
	r.note(d, "ExecutorLost", "%s %s %d", x.GetValue(), a.GetValue(), status)
}
func (r *recorder) Error(d SchedulerDriver, err error) { r.note(d, "Error", "%v", err) }

// newScheduler is a recorder that wants to hear of everything.
type newScheduler struct{ *recorder }

func (r newScheduler) InverseOffers(d SchedulerDriver, offers []*mesospb.InverseOffer) {
	r.note(d, "InverseOffers", "%s", offers[0].GetId().GetValue())
}
func (r newScheduler) InverseOfferRescinded(d SchedulerDriver, id *mesospb.OfferID) {
	r.note(d, "InverseOfferRescinded", "%s", id.GetValue())
}
func (r newScheduler) OperationStatusUpdate(d SchedulerDriver, s *mesospb.OperationStatus) {
	r.note(d, "OperationStatusUpdate", "%s %s", s.GetOperationId().GetValue(), s.GetState())
}

// rig is a driver between a recorder and a fakeSession, in a synctest bubble.
type rig struct {
	t       *testing.T
	driver  *MesosSchedulerDriver
	session *fakeSession
	calls   *recorder
}

func newRig(t *testing.T, change func(*DriverConfig)) *rig {
	t.Helper()
	r := &rig{t: t, session: &fakeSession{end: make(chan error)}, calls: &recorder{}}
	cfg := DriverConfig{
		Scheduler: r.calls, Master: "fake:5050",
		Framework: &mesospb.FrameworkInfo{Name: proto.String("test"), User: proto.String("root")},
		Logger:    slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&cfg)
	}
	cfg, err := cfg.prepare()
	if err != nil {
		t.Fatal(err)
	}
	r.driver = newSchedulerDriver(cfg, cfg.Logger, r.session)
	return r
}

// start starts the driver and subscribes it.
func (r *rig) start() *rig {
	r.t.Helper()
	r.expect(mesospb.Status_DRIVER_RUNNING)(r.driver.Start())
	synctest.Wait()
	r.session.sink.event(subscribed("M1"))
	synctest.Wait()
	return r
}

// stop ends the driver if the test has not, and sees that nothing is left.
func (r *rig) stop() {
	r.t.Helper()
	_, _ = r.driver.Stop(true)
	_, _ = r.driver.Join()
	if r.session.running() {
		r.t.Error("the session still runs after Stop and Join")
	}
}

// expect returns a check of what a method returned: its status, and no error.
func (r *rig) expect(want mesospb.Status) func(mesospb.Status, error) {
	r.t.Helper()
	return func(got mesospb.Status, err error) {
		r.t.Helper()
		if got != want || err != nil {
			r.t.Errorf("got %v, %v; want %v and no error", got, err, want)
		}
	}
}

func subscribed(master string) *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_SUBSCRIBED.Enum(), Subscribed: &schedulerpb.Event_Subscribed{
		FrameworkId: &mesospb.FrameworkID{Value: proto.String("F1")}, MasterInfo: &mesospb.MasterInfo{Id: proto.String(master)},
	}}
}

func offers(ids ...string) *schedulerpb.Event {
	e := &schedulerpb.Event{Type: schedulerpb.Event_OFFERS.Enum(), Offers: new(schedulerpb.Event_Offers)}
	for _, id := range ids {
		e.Offers.Offers = append(e.Offers.Offers, &mesospb.Offer{Id: offerID(id)})
	}
	return e
}

func update(task string, state mesospb.TaskState, uuid string) *schedulerpb.Event {
	s := &mesospb.TaskStatus{
		TaskId: &mesospb.TaskID{Value: proto.String(task)}, State: state.Enum(), AgentId: &mesospb.AgentID{Value: proto.String("S1")},
	}
	if uuid != "" {
		s.Uuid = []byte(uuid)
	}
	return &schedulerpb.Event{Type: schedulerpb.Event_UPDATE.Enum(), Update: &schedulerpb.Event_Update{Status: s}}
}

func offerID(id string) *mesospb.OfferID { return &mesospb.OfferID{Value: proto.String(id)} }

func task(id string) *mesospb.TaskInfo {
	return &mesospb.TaskInfo{
		Name: proto.String(id), TaskId: &mesospb.TaskID{Value: proto.String(id)}, AgentId: &mesospb.AgentID{Value: proto.String("S1")},
	}
}
