package driver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

func event(t schedulerpb.Event_Type, fill func(*schedulerpb.Event)) *schedulerpb.Event {
	e := &schedulerpb.Event{Type: t.Enum()}
	if fill != nil {
		fill(e)
	}
	return e
}

func operationUpdate(uuid string) *schedulerpb.Event {
	return event(schedulerpb.Event_UPDATE_OPERATION_STATUS, func(e *schedulerpb.Event) {
		s := &mesospb.OperationStatus{
			OperationId: &mesospb.OperationID{Value: proto.String("op")}, AgentId: agentID, State: mesospb.OperationState_OPERATION_FINISHED.Enum(),
		}
		if uuid != "" {
			s.Uuid = &mesospb.UUID{Value: []byte(uuid)}
		}
		e.UpdateOperationStatus = &schedulerpb.Event_UpdateOperationStatus{Status: s}
	})
}

func TestEveryEventCallsItsCallback(t *testing.T) {
	for _, tc := range []struct {
		event   *schedulerpb.Event
		want    []string // of a scheduler that knows inverse offers and operations
		classic []string // of one that does not
	}{
		{offers("O1", "O2"), []string{"ResourceOffers O1 O2"}, []string{"ResourceOffers O1 O2"}},
		{event(schedulerpb.Event_RESCIND, func(e *schedulerpb.Event) { e.Rescind = &schedulerpb.Event_Rescind{OfferId: offerID("O1")} }),
			[]string{"OfferRescinded O1"}, []string{"OfferRescinded O1"}},
		{update("T1", mesospb.TaskState_TASK_RUNNING, "u1"), []string{"StatusUpdate T1 TASK_RUNNING"}, []string{"StatusUpdate T1 TASK_RUNNING"}},
		{event(schedulerpb.Event_MESSAGE, func(e *schedulerpb.Event) {
			e.Message = &schedulerpb.Event_Message{AgentId: agentID, ExecutorId: executorID, Data: []byte("hi")}
		}), []string{"FrameworkMessage X1 S1 hi"}, []string{"FrameworkMessage X1 S1 hi"}},
		{event(schedulerpb.Event_FAILURE, func(e *schedulerpb.Event) { e.Failure = &schedulerpb.Event_Failure{AgentId: agentID} }),
			[]string{"AgentLost S1"}, []string{"AgentLost S1"}},
		{event(schedulerpb.Event_FAILURE, func(e *schedulerpb.Event) {
			e.Failure = &schedulerpb.Event_Failure{AgentId: agentID, ExecutorId: executorID, Status: proto.Int32(256)}
		}), []string{"ExecutorLost X1 S1 256"}, []string{"ExecutorLost X1 S1 256"}},
		{event(schedulerpb.Event_INVERSE_OFFERS, func(e *schedulerpb.Event) {
			e.InverseOffers = &schedulerpb.Event_InverseOffers{InverseOffers: []*mesospb.InverseOffer{{Id: offerID("I1")}}}
		}), []string{"InverseOffers I1"}, nil},
		{event(schedulerpb.Event_RESCIND_INVERSE_OFFER, func(e *schedulerpb.Event) {
			e.RescindInverseOffer = &schedulerpb.Event_RescindInverseOffer{InverseOfferId: offerID("I1")}
		}), []string{"InverseOfferRescinded I1"}, nil},
		{operationUpdate("u1"), []string{"OperationStatusUpdate op OPERATION_FINISHED"}, nil},
		{event(schedulerpb.Event_HEARTBEAT, nil), nil, nil},
		{event(schedulerpb.Event_UNKNOWN, nil), nil, nil},
		{subscribed("M2"), []string{"Reregistered M2"}, []string{"Reregistered M2"}},
	} {
		for _, classic := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v classic=%v", tc.event.GetType(), classic), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, func(c *DriverConfig) {
						if !classic {
							c.Scheduler = newScheduler{c.Scheduler.(*recorder)}
						}
					}).start()
					defer r.stop()
					r.calls.took()
					r.session.sink.event(tc.event)
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

func TestTheFirstSubscriptionRegistersAndLaterOnesReregister(t *testing.T) {
	for _, takeOver := range []bool{false, true} {
		t.Run(fmt.Sprintf("framework id given %v", takeOver), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(c *DriverConfig) {
					if takeOver {
						c.Framework.Id = &mesospb.FrameworkID{Value: proto.String("F1")}
					}
				}).start()
				defer r.stop()
				r.session.sink.disconnected(errors.New("eof"))
				r.session.sink.disconnected(errors.New("refused")) // a failed attempt is no second loss
				r.session.sink.event(subscribed("M2"))
				synctest.Wait()
				want := []string{"Registered F1 M1", "Disconnected", "Reregistered M2"}
				if diff := cmp.Diff(want, r.calls.took()); diff != "" {
					t.Errorf("callbacks (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestCallbacksRunOneAtATimeAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var inside atomic.Int32
		var got []string
		r := newRig(t, func(c *DriverConfig) {
			c.Scheduler = SchedulerFuncs{OnStatusUpdate: func(d SchedulerDriver, s *mesospb.TaskStatus) {
				if inside.Add(1) != 1 {
					t.Error("two callbacks at a time")
				}
				_, _ = d.KillTask(s.TaskId) // others have their chance
				got = append(got, s.GetTaskId().GetValue())
				inside.Add(-1)
			}}
		}).start()
		const n = 3000
		var want []string
		var wg sync.WaitGroup
		wg.Go(func() {
			for range n { // methods from outside meanwhile
				_, _ = r.driver.ReviveOffers()
			}
		})
		for i := range n {
			id := fmt.Sprint("T", i)
			want = append(want, id)
			r.session.sink.event(update(id, mesospb.TaskState_TASK_RUNNING, "u"))
		}
		wg.Wait()
		synctest.Wait()
		if !slices.Equal(got, want) {
			t.Errorf("%d callbacks in another order or number than the %d events", len(got), n)
		}
		r.stop()
	})
}

// Heartbeats come through the same sink: while it takes events, they are seen.
func TestASlowCallbackHoldsUpNothingButCallbacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		release := make(chan struct{})
		r.calls.on("Registered", func(SchedulerDriver) { <-release })
		r.start()
		defer r.stop()
		for range 100 {
			r.session.sink.event(offers("O1"))
			r.session.sink.event(event(schedulerpb.Event_HEARTBEAT, nil))
		}
		r.expect(running)(r.driver.KillTask(taskID))
		if got := r.calls.took(); len(got) != 1 {
			t.Errorf("callbacks %q while one runs", got)
		}
		close(release)
		synctest.Wait()
		if got := r.calls.took(); len(got) != 100 {
			t.Errorf("%d callbacks afterwards, want 100", len(got))
		}
	})
}

func TestUpdatesAreAcknowledgedWhenTheirCallbackReturns(t *testing.T) {
	for _, tc := range []struct {
		name     string
		explicit bool
		event    *schedulerpb.Event
		callback func(SchedulerDriver)
		want     []string
	}{
		{"with uuid", false, update("T1", mesospb.TaskState_TASK_RUNNING, "u1"), nil, []string{"ACKNOWLEDGE T1 u1"}},
		{"without uuid", false, update("T1", mesospb.TaskState_TASK_RUNNING, ""), nil, nil},
		{"explicit", true, update("T1", mesospb.TaskState_TASK_RUNNING, "u1"), nil, nil},
		{"stopped meanwhile", false, update("T1", mesospb.TaskState_TASK_RUNNING, "u1"), func(d SchedulerDriver) { _, _ = d.Stop(true) }, nil},
		{"aborted meanwhile", false, update("T1", mesospb.TaskState_TASK_RUNNING, "u1"), func(d SchedulerDriver) { _, _ = d.Abort() }, []string{"SUPPRESS"}},
		{"operation", false, operationUpdate("u1"), nil, []string{"ACKNOWLEDGE_OPERATION_STATUS op"}},
		{"operation without uuid", false, operationUpdate(""), nil, nil},
		{"operation, explicit", true, operationUpdate("u1"), nil, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(c *DriverConfig) { c.ExplicitAcknowledgements = tc.explicit })
				release := make(chan struct{})
				r.calls.on("StatusUpdate", func(d SchedulerDriver) {
					<-release
					if tc.callback != nil {
						tc.callback(d)
					}
				})
				r.start()
				defer r.stop()
				r.session.sink.event(tc.event)
				synctest.Wait()
				if got := r.session.took(); tc.event.Update != nil && got != nil {
					t.Errorf("sent %q before the callback returned", got)
				} else if tc.event.Update == nil {
					r.session.calls = nil
					r.session.sink.event(tc.event)
				}
				close(release)
				synctest.Wait()
				if diff := cmp.Diff(tc.want, r.session.took()); diff != "" {
					t.Errorf("sent (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// Agents repeat updates whose acknowledgement they miss: because a callback before takes long, or the acknowledgement is lost.
func TestRepeatedUpdatesReachTheirCallbackOnce(t *testing.T) {
	for name, again := range map[string]*schedulerpb.Event{"task": update("T1", mesospb.TaskState_TASK_RUNNING, "u1"), "operation": operationUpdate("u1")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(c *DriverConfig) { c.Scheduler = newScheduler{c.Scheduler.(*recorder)} })
				release := make(chan struct{})
				r.calls.on("Registered", func(SchedulerDriver) { <-release })
				r.session.answers(func(context.Context, *schedulerpb.Call) error { return ErrDisconnected })
				r.start()
				defer r.stop()
				send := func() {
					r.session.sink.event(proto.CloneOf(again))
					synctest.Wait()
				}
				send()
				send() // while the first is due
				close(release)
				synctest.Wait()
				r.session.answers(nil)
				send() // since its acknowledgement was lost
				if got := r.calls.took(); len(got) != 2 {
					t.Errorf("callbacks %q, want Registered and one update", got)
				}
				if got := r.session.took(); len(got) != 2 || got[0] != got[1] || !strings.HasPrefix(got[0], "ACKNOWLEDGE") {
					t.Errorf("sent %q, want the acknowledgement twice", got)
				}
			})
		})
	}
}

// Whoever acknowledges by himself gets an update again until he has, but not while his callback for it is due or under way.
func TestUpdatesComeAgainUntilTheyAreExplicitlyAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *DriverConfig) { c.ExplicitAcknowledgements = true }).start()
		defer r.stop()
		event := update("T1", mesospb.TaskState_TASK_RUNNING, "u1")
		send := func() (callbacks []string) {
			r.session.sink.event(proto.CloneOf(event))
			r.session.sink.event(proto.CloneOf(event))
			synctest.Wait()
			return r.calls.took()
		}
		first := make(chan struct{})
		r.calls.on("StatusUpdate", func(SchedulerDriver) { <-first })
		if got := send(); len(got) != 2 { // Registered, and one
			t.Errorf("callbacks %q", got)
		}
		close(first)
		synctest.Wait()
		if got := send(); len(got) == 0 {
			t.Error("an update that is not acknowledged does not come again")
		}
		r.session.answers(func(context.Context, *schedulerpb.Call) error { return ErrDisconnected })
		if _, err := r.driver.AcknowledgeStatusUpdate(event.GetUpdate().GetStatus()); err == nil {
			t.Error("the acknowledgement should fail")
		}
		if got := send(); len(got) == 0 {
			t.Error("an update whose acknowledgement failed does not come again")
		}
		r.session.answers(nil)
		r.expect(running)(r.driver.AcknowledgeStatusUpdate(event.GetUpdate().GetStatus()))
		r.session.took()
		if got := send(); len(got) != 0 {
			t.Errorf("an update that is acknowledged comes again: %q", got)
		}
		if got := r.session.took(); len(got) != 2 {
			t.Errorf("sent %q, want the acknowledgement again", got)
		}
	})
}

func TestOnlySoManyUpdatesAreRemembered(t *testing.T) {
	var r repeats
	for i := range maxDealtWith + 10 {
		key := repeatKey("task ", "T", fmt.Append(nil, i))
		if fresh, _ := r.arrive(key); !fresh {
			t.Fatalf("update %d is taken for a repetition", i)
		}
		r.finish(key, true)
	}
	if len(r.known) != maxDealtWith || len(r.order) != maxDealtWith {
		t.Errorf("%d and %d updates are remembered, want %d", len(r.known), len(r.order), maxDealtWith)
	}
	if fresh, _ := r.arrive(repeatKey("task ", "T", []byte("0"))); !fresh {
		t.Error("the oldest is not forgotten")
	}
	if fresh, dealtWith := r.arrive(repeatKey("task ", "T", fmt.Append(nil, maxDealtWith+9))); fresh || !dealtWith {
		t.Error("the latest is forgotten")
	}
}

func TestACallbackMayChangeTheStatusThatIsAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *DriverConfig) {
			c.Scheduler = SchedulerFuncs{OnStatusUpdate: func(_ SchedulerDriver, s *mesospb.TaskStatus) {
				s.TaskId.Value = proto.String("other")
				s.Uuid[0] = 'x'
			}}
		}).start()
		defer r.stop()
		r.session.sink.event(update("T1", mesospb.TaskState_TASK_RUNNING, "u1"))
		synctest.Wait()
		if got := r.session.took(); !slices.Equal(got, []string{"ACKNOWLEDGE T1 u1"}) {
			t.Errorf("sent %q", got)
		}
	})
}

func TestImplicitAcknowledgementsAreNotGivenByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil).start()
		defer r.stop()
		status, err := r.driver.AcknowledgeStatusUpdate(update("T1", mesospb.TaskState_TASK_RUNNING, "u1").GetUpdate().GetStatus())
		if status != running || !errors.Is(err, ErrImplicitAcknowledgements) {
			t.Errorf("got %v, %v; want DRIVER_RUNNING, ErrImplicitAcknowledgements", status, err)
		}
		if got := r.session.took(); got != nil {
			t.Errorf("sent %q", got)
		}
	})
}

func TestAnExplicitAcknowledgementOfAStatusWithoutUuidSendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *DriverConfig) { c.ExplicitAcknowledgements = true }).start()
		defer r.stop()
		r.expect(running)(r.driver.AcknowledgeStatusUpdate(update("T1", mesospb.TaskState_TASK_LOST, "").GetUpdate().GetStatus()))
		if got := r.session.took(); got != nil {
			t.Errorf("sent %q", got)
		}
	})
}

func TestAnEndOfTheSessionAbortsAndErrorIsTheLastCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		release := make(chan struct{})
		r.calls.on("Registered", func(SchedulerDriver) { <-release })
		var during mesospb.Status
		r.calls.on("Error", func(d SchedulerDriver) {
			during = d.(inSchedulerCallback).Status()
			_, _ = d.KillTask(taskID)
		})
		r.start()
		r.session.sink.event(offers("O1"))
		cause := &scheduler.EventError{Message: "Framework failed over"}
		r.session.end <- cause
		synctest.Wait()
		if got := r.driver.Status(); got != running {
			t.Errorf("status %v while there are callbacks due, want DRIVER_RUNNING", got)
		}
		close(release)
		status, err := r.driver.Join()
		if status != aborted || !errors.Is(err, scheduler.ErrFailedOver) {
			t.Errorf("Join returned %v, %v; want DRIVER_ABORTED and why", status, err)
		}
		r.session.mu.Lock()
		sink := r.session.sink
		r.session.mu.Unlock()
		sink.event(offers("O2"))
		synctest.Wait()
		want := []string{"Registered F1 M1", "ResourceOffers O1", "Error " + cause.Error()}
		if diff := cmp.Diff(want, r.calls.took()); diff != "" {
			t.Errorf("callbacks (-want +got):\n%s", diff)
		}
		if during != aborted {
			t.Errorf("status %v in Error, want DRIVER_ABORTED", during)
		}
		if got := r.session.took(); got != nil {
			t.Errorf("sent %q", got)
		}
		r.expect(aborted)(r.driver.Stop(false))
		if status, _ := r.driver.Join(); status != stopped {
			t.Errorf("status %v after Stop", status)
		}
	})
}

func TestNopAndEmptyFuncsTakeEverything(t *testing.T) {
	for _, s := range []Scheduler{NopScheduler{}, SchedulerFuncs{}} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, func(c *DriverConfig) { c.Scheduler = s }).start()
			for _, e := range []*schedulerpb.Event{
				offers("O1"), update("T1", mesospb.TaskState_TASK_RUNNING, ""), operationUpdate(""), subscribed("M2"),
				event(schedulerpb.Event_RESCIND, nil), event(schedulerpb.Event_MESSAGE, nil), event(schedulerpb.Event_FAILURE, nil),
				event(schedulerpb.Event_INVERSE_OFFERS, nil), event(schedulerpb.Event_RESCIND_INVERSE_OFFER, nil),
				event(schedulerpb.Event_FAILURE, func(e *schedulerpb.Event) { e.Failure = &schedulerpb.Event_Failure{ExecutorId: executorID} }),
			} {
				r.session.sink.event(e)
			}
			r.session.sink.disconnected(nil)
			r.session.end <- nil
			if status, err := r.driver.Join(); status != aborted || err == nil {
				t.Errorf("Join returned %v, %v", status, err)
			}
		})
	}
}
