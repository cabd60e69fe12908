package sim

import (
	"errors"
	"fmt"
	"time"

	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/resources"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// TB is what a Script needs of *testing.T.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

// Script plays the master and the users, step by step, and checks what the engine does about it. Steps apply and commit at once; calls pile up
// until they are expected or taken.
type Script struct {
	TB
	*Engine
	Calls   []*schedulerpb.Call // made and not taken yet
	Notes   []core.Note
	offers  int
	uuids   byte
	role    string
	latest  map[string]string // instance "web/0" -> task launched last
	agents  map[string]string // task -> agent
	hosts   map[string]string // offer -> agent
	offered map[string]*mesospb.Offer
}

// NewScript starts a script with an engine that has never run. Config needs no Roles: offers are made for the first role, or "*".
func NewScript(t TB, cfg core.Config) *Script {
	s := &Script{TB: t, Engine: NewEngine(cfg), role: resources.Unreserved, latest: map[string]string{}, agents: map[string]string{}, hosts: map[string]string{}, offered: map[string]*mesospb.Offer{}}
	if len(cfg.Roles) > 0 {
		s.role = cfg.Roles[0]
	}
	return s
}

// Step gives the engine inputs, commits what it writes and keeps the calls.
func (s *Script) Step(inputs ...core.Input) *core.Effects {
	s.Helper()
	out := s.Apply(inputs...)
	s.Commit(out.Writes)
	for _, c := range out.Calls {
		s.see(c)
	}
	s.Calls = append(s.Calls, out.Calls...)
	s.Notes = append(s.Notes, out.Notes...)
	return out
}

func (s *Script) see(c *schedulerpb.Call) {
	s.Helper()
	if c.GetType() != schedulerpb.Call_ACCEPT {
		return
	}
	var have []*mesospb.Resource
	for _, id := range c.GetAccept().GetOfferIds() {
		o := s.offered[id.GetValue()]
		if o == nil {
			s.Fatalf("ACCEPT of offer %s, which is not there", id.GetValue())
			return
		}
		delete(s.offered, id.GetValue())
		have = append(have, o.GetResources()...)
	}
	agent := s.hosts[c.GetAccept().GetOfferIds()[0].GetValue()]
	for _, t := range launchedTasks(c) {
		s.agents[t.GetTaskId().GetValue()] = agent
	}
	if err := contained(c.GetAccept(), have); err != nil {
		s.Fatalf("ACCEPT uses what was not offered: %v", err)
	}
}

// Do gives a command that has to be taken, and returns the answer.
func (s *Script) Do(cmd core.Command) string {
	s.Helper()
	out := s.Step(cmd)
	if len(out.Replies) != 1 || out.Replies[0].Err != nil {
		s.Fatalf("%T: %v", cmd, out.Replies)
	}
	return out.Replies[0].Text
}

// Refused gives a command that has to be refused with an error that is want.
func (s *Script) Refused(cmd core.Command, want error) {
	s.Helper()
	out := s.Step(cmd)
	if len(out.Replies) != 1 || !errors.Is(out.Replies[0].Err, want) {
		s.Fatalf("%T: got %v, want %v", cmd, out.Replies, want)
	}
	if len(out.Writes) > 0 {
		for _, w := range out.Writes {
			if w.Key != "framework" {
				s.Errorf("%T was refused, but wrote %s", cmd, w.Key)
			}
		}
	}
}

// Submit parses an application and submits it.
func (s *Script) Submit(json string) {
	s.Helper()
	def, err := app.Parse([]byte(json))
	if err != nil {
		s.Fatalf("%v", err)
	}
	s.Do(core.Submit{App: def, Force: true})
}

// Register has the master confirm the subscription.
func (s *Script) Register(id string) *core.Effects {
	s.Helper()
	clear(s.offered)
	return s.Step(core.MesosEvent{Event: &schedulerpb.Event{
		Type:       schedulerpb.Event_SUBSCRIBED.Enum(),
		Subscribed: &schedulerpb.Event_Subscribed{FrameworkId: &mesospb.FrameworkID{Value: &id}},
	}})
}

// Offer offers resources, in the notation of Mesos flags, of the agent; the host name is the agent's id.
func (s *Script) Offer(agent, res string, change ...func(*mesospb.Offer)) string {
	s.Helper()
	o := s.NewOffer(agent, res, change...)
	s.Step(core.MesosEvent{Event: OffersEvent(o)})
	return o.GetId().GetValue()
}

// NewOffer makes an offer without sending it.
func (s *Script) NewOffer(agent, res string, change ...func(*mesospb.Offer)) *mesospb.Offer {
	s.Helper()
	list, err := resources.Parse(res, resources.Unreserved)
	if err != nil {
		s.Fatalf("resources %q: %v", res, err)
	}
	s.offers++
	id := fmt.Sprintf("o%d", s.offers)
	o := &mesospb.Offer{
		Id: &mesospb.OfferID{Value: &id}, AgentId: &mesospb.AgentID{Value: &agent}, Hostname: &agent,
		FrameworkId:    &mesospb.FrameworkID{Value: new("fw")},
		Resources:      list,
		AllocationInfo: &mesospb.Resource_AllocationInfo{Role: &s.role},
	}
	for _, f := range change {
		f(o)
	}
	o.Resources = resources.Allocate(o.Resources, s.role)
	s.hosts[id] = agent
	s.offered[id] = o
	return o
}

// OffersEvent wraps offers in an event.
func OffersEvent(offers ...*mesospb.Offer) *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_OFFERS.Enum(), Offers: &schedulerpb.Event_Offers{Offers: offers}}
}

// Status reports a state as the agent of the task would, with an uuid. Instances are named as "web/0".
func (s *Script) Status(instance string, state mesospb.TaskState, change ...func(*mesospb.TaskStatus)) *core.Effects {
	s.Helper()
	return s.TaskStatus(s.TaskOf(instance), state, change...)
}

// TaskStatus is Status for a task by id.
func (s *Script) TaskStatus(id string, state mesospb.TaskState, change ...func(*mesospb.TaskStatus)) *core.Effects {
	s.Helper()
	s.uuids++
	st := &mesospb.TaskStatus{
		TaskId: &mesospb.TaskID{Value: &id}, State: &state, Source: mesospb.TaskStatus_SOURCE_EXECUTOR.Enum(),
		AgentId: &mesospb.AgentID{Value: new(s.agents[id])}, Uuid: append(make([]byte, 15), s.uuids),
	}
	for _, f := range change {
		f(st)
	}
	return s.Step(core.MesosEvent{Event: &schedulerpb.Event{Type: schedulerpb.Event_UPDATE.Enum(), Update: &schedulerpb.Event_Update{Status: st}}})
}

// Answer makes a status an answer to reconciliation.
func Answer(st *mesospb.TaskStatus) {
	st.Uuid = nil
	st.Source = mesospb.TaskStatus_SOURCE_MASTER.Enum()
	st.Reason = mesospb.TaskStatus_REASON_RECONCILIATION.Enum()
}

// Health adds the result of a health check.
func Health(ok bool) func(*mesospb.TaskStatus) {
	return func(st *mesospb.TaskStatus) { st.Healthy = &ok }
}

// Reason adds a reason.
func Reason(r mesospb.TaskStatus_Reason) func(*mesospb.TaskStatus) {
	return func(st *mesospb.TaskStatus) { st.Reason = &r }
}

// TaskOf returns the id of the current task of an instance such as "web/0".
func (s *Script) TaskOf(instance string) string {
	s.Helper()
	i := s.Instance(instance)
	if i == nil || i.Task == nil {
		s.Fatalf("%s has no task", instance)
		return ""
	}
	return i.Task.ID
}

// Instance returns an instance such as "web/0", nil if there is none.
func (s *Script) Instance(instance string) *core.Instance {
	s.Helper()
	var name string
	var n int
	for k := len(instance) - 1; k > 0; k-- {
		if instance[k] == '/' {
			name = instance[:k]
			if _, err := fmt.Sscanf(instance[k+1:], "%d", &n); err != nil {
				s.Fatalf("%q is no instance", instance)
			}
			break
		}
	}
	a := s.Core.Snapshot().App(name)
	if a == nil {
		return nil
	}
	return a.Instance(n)
}

// Pass lets time pass, and the engine do what is due meanwhile.
func (s *Script) Pass(d time.Duration) {
	s.Helper()
	end := s.Now.Add(d)
	for n := 0; !s.Wake.IsZero() && !s.Wake.After(end); n++ {
		if n > 100000 {
			s.Fatalf("the engine does not come to rest")
		}
		if s.Wake.After(s.Now) {
			s.Now = s.Wake
		}
		s.Step()
	}
	s.Now = end
}

// Crash kills the engine and starts it again from what is committed.
func (s *Script) Crash() {
	s.Helper()
	s.Calls = nil
	clear(s.offered)
	if err := s.Restart(); err != nil {
		s.Fatalf("restart: %v", err)
	}
}

// Take removes and returns the calls of a type that were made.
func (s *Script) Take(t schedulerpb.Call_Type) []*schedulerpb.Call {
	var taken, rest []*schedulerpb.Call
	for _, c := range s.Calls {
		if c.GetType() == t {
			taken = append(taken, c)
		} else {
			rest = append(rest, c)
		}
	}
	s.Calls = rest
	return taken
}

// ExpectCalls checks that a call of this type was made exactly n times, and takes them.
func (s *Script) ExpectCalls(t schedulerpb.Call_Type, n int) []*schedulerpb.Call {
	s.Helper()
	before := callTypes(s.Calls)
	taken := s.Take(t)
	if len(taken) != n {
		s.Fatalf("%d calls %v, want %d; all calls: %v", len(taken), t, n, before)
	}
	return taken
}

// ExpectLaunches checks how many tasks were launched, and returns them.
func (s *Script) ExpectLaunches(n int) []*mesospb.TaskInfo {
	s.Helper()
	before := callTypes(s.Calls)
	var tasks []*mesospb.TaskInfo
	for _, c := range s.Take(schedulerpb.Call_ACCEPT) {
		tasks = append(tasks, launchedTasks(c)...)
	}
	if len(tasks) != n {
		s.Fatalf("%d tasks launched, want %d; all calls: %v", len(tasks), n, before)
	}
	return tasks
}

// ExpectKills checks which tasks were killed.
func (s *Script) ExpectKills(ids ...string) {
	s.Helper()
	calls := s.ExpectCalls(schedulerpb.Call_KILL, len(ids))
	got := map[string]bool{}
	for _, c := range calls {
		got[c.GetKill().GetTaskId().GetValue()] = true
	}
	for _, id := range ids {
		if !got[id] {
			s.Fatalf("killed %v, want %s", got, id)
		}
	}
}

// ExpectState checks the state of an instance's task.
func (s *Script) ExpectState(instance string, want core.State) {
	s.Helper()
	i := s.Instance(instance)
	if i == nil || i.Task == nil {
		s.Fatalf("%s has no task, want %v", instance, want)
		return
	}
	if i.Task.State != want {
		s.Fatalf("%s is %v (%s %s), want %v", instance, i.Task.State, i.Task.Reason, i.Task.Message, want)
	}
}

// Run reports TASK_RUNNING for every task that was launched and has not been reported on.
func (s *Script) Run() {
	s.Helper()
	for _, a := range s.Core.Snapshot().Apps {
		for i := range a.All() {
			if t := i.Live(); t != nil && t.State == core.Launching {
				ids := []string{t.ID}
				if t.Members != nil {
					ids = nil
					for _, m := range t.Members {
						ids = append(ids, m.ID)
					}
				}
				for _, id := range ids {
					s.TaskStatus(id, mesospb.TaskState_TASK_RUNNING)
				}
			}
		}
	}
}

func launchedTasks(c *schedulerpb.Call) []*mesospb.TaskInfo {
	var tasks []*mesospb.TaskInfo
	for _, op := range c.GetAccept().GetOperations() {
		tasks = append(tasks, op.GetLaunch().GetTaskInfos()...)
		tasks = append(tasks, op.GetLaunchGroup().GetTaskGroup().GetTasks()...)
	}
	return tasks
}
