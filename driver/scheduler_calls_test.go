package driver

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/scheduler"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

var (
	taskID     = &mesospb.TaskID{Value: proto.String("T1")}
	agentID    = &mesospb.AgentID{Value: proto.String("S1")}
	executorID = &mesospb.ExecutorID{Value: proto.String("X1")}
)

// allCalls are the methods that send something, with arguments.
func allCalls() map[string]func(SchedulerDriver) (mesospb.Status, error) {
	status := &mesospb.TaskStatus{TaskId: taskID, AgentId: agentID, State: mesospb.TaskState_TASK_RUNNING.Enum(), Uuid: []byte("uuid")}
	type result = mesospb.Status
	return map[string]func(SchedulerDriver) (mesospb.Status, error){
		"RequestResources": func(d SchedulerDriver) (result, error) {
			return d.RequestResources([]*mesospb.Request{{AgentId: agentID}})
		},
		"LaunchTasks": func(d SchedulerDriver) (result, error) {
			return d.LaunchTasks([]*mesospb.OfferID{offerID("O1"), offerID("O2")}, []*mesospb.TaskInfo{task("T1"), task("T2")}, nil)
		},
		"AcceptOffers": func(d SchedulerDriver) (result, error) {
			return d.AcceptOffers([]*mesospb.OfferID{offerID("O1")}, []*mesospb.Offer_Operation{scheduler.Reserve(), scheduler.Launch(task("T1"))}, nil)
		},
		"DeclineOffer":            func(d SchedulerDriver) (result, error) { return d.DeclineOffer(offerID("O1"), RefuseFor(time.Minute)) },
		"KillTask":                func(d SchedulerDriver) (result, error) { return d.KillTask(taskID) },
		"ReviveOffers":            func(d SchedulerDriver) (result, error) { return d.ReviveOffers("eng") },
		"SuppressOffers":          func(d SchedulerDriver) (result, error) { return d.SuppressOffers("eng", "ops") },
		"AcknowledgeStatusUpdate": func(d SchedulerDriver) (result, error) { return d.AcknowledgeStatusUpdate(status) },
		"SendFrameworkMessage": func(d SchedulerDriver) (result, error) {
			return d.SendFrameworkMessage(executorID, agentID, []byte("hi"))
		},
		"ReconcileTasks": func(d SchedulerDriver) (result, error) { return d.ReconcileTasks([]*mesospb.TaskStatus{status}) },
		"AcceptInverseOffers": func(d SchedulerDriver) (result, error) {
			return d.AcceptInverseOffers([]*mesospb.OfferID{offerID("I1")}, nil)
		},
		"DeclineInverseOffers": func(d SchedulerDriver) (result, error) {
			return d.DeclineInverseOffers([]*mesospb.OfferID{offerID("I1")}, nil)
		},
		"ShutdownExecutor": func(d SchedulerDriver) (result, error) { return d.ShutdownExecutor(executorID, agentID) },
		"AcknowledgeOperationStatus": func(d SchedulerDriver) (result, error) {
			return d.AcknowledgeOperationStatus(&mesospb.OperationStatus{
				OperationId: &mesospb.OperationID{Value: proto.String("op")}, AgentId: agentID, Uuid: &mesospb.UUID{Value: []byte("uuid")},
			})
		},
		"ReconcileOperations": func(d SchedulerDriver) (result, error) { return d.ReconcileOperations(nil) },
		"UpdateFramework": func(d SchedulerDriver) (result, error) {
			return d.UpdateFramework(&mesospb.FrameworkInfo{Name: proto.String("renamed")}, nil, nil)
		},
	}
}

var sentBy = map[string]string{
	"RequestResources":           "REQUEST",
	"LaunchTasks":                "ACCEPT O1 O2 LAUNCH T1 T2",
	"AcceptOffers":               "ACCEPT O1 RESERVE LAUNCH T1",
	"DeclineOffer":               "DECLINE O1",
	"KillTask":                   "KILL T1",
	"ReviveOffers":               "REVIVE eng",
	"SuppressOffers":             "SUPPRESS eng ops",
	"AcknowledgeStatusUpdate":    "ACKNOWLEDGE T1 uuid",
	"SendFrameworkMessage":       "MESSAGE X1 S1 hi",
	"ReconcileTasks":             "RECONCILE T1@S1",
	"AcceptInverseOffers":        "ACCEPT_INVERSE_OFFERS I1",
	"DeclineInverseOffers":       "DECLINE_INVERSE_OFFERS I1",
	"ShutdownExecutor":           "SHUTDOWN X1 S1",
	"AcknowledgeOperationStatus": "ACKNOWLEDGE_OPERATION_STATUS op",
	"ReconcileOperations":        "RECONCILE_OPERATIONS",
	"UpdateFramework":            "UPDATE_FRAMEWORK renamed",
}

func TestEveryMethodSendsItsCall(t *testing.T) {
	for name, call := range allCalls() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(c *DriverConfig) { c.ExplicitAcknowledgements = true }).start()
				defer r.stop()
				r.expect(running)(call(r.driver))
				if got := r.session.took(); !slices.Equal(got, []string{sentBy[name]}) {
					t.Errorf("sent %q, want %q", got, sentBy[name])
				}
			})
		})
	}
}

func TestEveryMethodMayBeCalledInACallback(t *testing.T) {
	for name, call := range allCalls() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(c *DriverConfig) { c.ExplicitAcknowledgements = true }).start()
				defer r.stop()
				r.calls.on("ResourceOffers", func(d SchedulerDriver) { r.expect(running)(call(d)) })
				r.session.sink.event(offers("O9"))
				r.session.sink.event(offers("O10"))
				synctest.Wait()
				if got := r.session.took(); !slices.Equal(got, []string{sentBy[name], sentBy[name]}) {
					t.Errorf("sent %q, want twice %q", got, sentBy[name])
				}
			})
		})
	}
}

func TestAFailedCallIsTheCallersErrorAndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil).start()
		defer r.stop()
		r.calls.took()
		r.session.answers(func(context.Context, *schedulerpb.Call) error {
			return &transport.StatusError{URL: "http://m/api", Code: http.StatusTooManyRequests}
		})
		status, err := r.driver.KillTask(taskID)
		if status != running || !errors.Is(err, transport.ErrTooManyRequests) {
			t.Errorf("got %v, %v; want DRIVER_RUNNING and the 429", status, err)
		}
		synctest.Wait()
		if got := r.calls.took(); got != nil {
			t.Errorf("callbacks %q, want none", got)
		}
	})
}

func TestLaunchingNothingDeclines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil).start()
		defer r.stop()
		r.expect(running)(r.driver.LaunchTasks([]*mesospb.OfferID{offerID("O1")}, nil, nil))
		if got := r.session.took(); !slices.Equal(got, []string{"DECLINE O1"}) {
			t.Errorf("sent %q", got)
		}
	})
}

// A scheduler that launched something and hears nothing waits for ever. What certainly did not reach a master is answered, what may
// have reached it is not: two answers would be worse than none.
func TestTasksThatReachNoMasterAreAnswered(t *testing.T) {
	refused := func(code int) error { return &transport.StatusError{URL: "http://m/api", Code: code} }
	for _, tc := range []struct {
		name    string
		err     error
		aware   bool
		updates []string
	}{
		{"disconnected", ErrDisconnected, false, []string{"StatusUpdate T1 TASK_LOST", "StatusUpdate T2 TASK_LOST", "StatusUpdate T3 TASK_LOST"}},
		{"disconnected, partition aware", ErrDisconnected, true, []string{"StatusUpdate T1 TASK_DROPPED", "StatusUpdate T2 TASK_DROPPED", "StatusUpdate T3 TASK_DROPPED"}},
		{"refused", refused(400), false, []string{"StatusUpdate T1 TASK_LOST", "StatusUpdate T2 TASK_LOST", "StatusUpdate T3 TASK_LOST"}},
		{"no leader", refused(503), false, []string{"StatusUpdate T1 TASK_LOST", "StatusUpdate T2 TASK_LOST", "StatusUpdate T3 TASK_LOST"}},
		{"broken gateway", refused(502), false, nil},
		{"broken connection", &transport.ExchangeError{URL: "http://m/api", Err: errors.New("reset")}, false, nil},
		{"no answer in time", context.DeadlineExceeded, false, nil},
		{"taken", nil, false, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(c *DriverConfig) {
					if tc.aware {
						c.Framework.Capabilities = []*mesospb.FrameworkInfo_Capability{{Type: mesospb.FrameworkInfo_Capability_PARTITION_AWARE.Enum()}}
					}
				}).start()
				defer r.stop()
				r.calls.took()
				r.session.answers(func(context.Context, *schedulerpb.Call) error { return tc.err })
				status, err := r.driver.AcceptOffers([]*mesospb.OfferID{offerID("O1")}, []*mesospb.Offer_Operation{
					scheduler.Launch(task("T1"), task("T2")), scheduler.LaunchGroup(&mesospb.ExecutorInfo{}, task("T3")),
				}, nil)
				if status != running || !errors.Is(err, tc.err) {
					t.Errorf("got %v, %v; want DRIVER_RUNNING and %v", status, err, tc.err)
				}
				synctest.Wait()
				if diff := cmp.Diff(tc.updates, r.calls.took()); diff != "" {
					t.Errorf("callbacks (-want +got):\n%s", diff)
				}
				// They have no uuid and are not acknowledged. The offer is given back if the master still has it out, but not before the ACCEPT.
				sent := r.session.took()
				time.Sleep(giveBackLate)
				synctest.Wait()
				late := r.session.took()
				switch {
				case tc.err == nil || errors.Is(tc.err, ErrDisconnected):
					if len(sent) != 1 || late != nil {
						t.Errorf("sent %q, later %q; want nothing but the ACCEPT", sent, late)
					}
				case tc.updates != nil:
					if len(sent) != 2 || sent[1] != "DECLINE O1" {
						t.Errorf("sent %q, want the ACCEPT and a DECLINE", sent)
					}
				default:
					if len(sent) != 1 || len(late) != 1 || late[0] != "DECLINE O1" {
						t.Errorf("sent %q, later %q; want the ACCEPT, and a DECLINE when it must have arrived", sent, late)
					}
				}
			})
		})
	}
}

// An offer that the scheduler thinks no more of must not be held for it.
func TestOffersAreGivenBackUntilTheMasterTakesThem(t *testing.T) {
	busy := &transport.StatusError{URL: "http://m/api", Code: http.StatusServiceUnavailable}
	for name, spend := range map[string]func(SchedulerDriver) error{
		"launch": func(d SchedulerDriver) error {
			_, err := d.LaunchTasks([]*mesospb.OfferID{offerID("O1")}, []*mesospb.TaskInfo{task("T1")}, nil)
			return err
		},
		"decline": func(d SchedulerDriver) error { _, err := d.DeclineOffer(offerID("O1"), nil); return err },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil).start()
				defer r.stop()
				left := 4
				r.session.answers(func(context.Context, *schedulerpb.Call) error {
					if left--; left >= 0 {
						return busy
					}
					return nil
				})
				if err := spend(r.driver); !errors.Is(err, transport.ErrUnavailable) {
					t.Errorf("got %v", err)
				}
				time.Sleep(time.Hour)
				if got := r.session.took(); len(got) != 5 || got[4] != "DECLINE O1" {
					t.Errorf("sent %q, want to go on until the fifth is taken, and no longer", got)
				}
			})
		})
	}
}

func TestNothingIsGivenBackThatIsVoid(t *testing.T) {
	busy := &transport.StatusError{URL: "http://m/api", Code: http.StatusServiceUnavailable}
	for name, end := range map[string]func(r *rig){
		"disconnected": func(r *rig) { r.session.sink.disconnected(errors.New("eof")); r.session.sink.event(subscribed("M2")) },
		"stopped":      func(r *rig) { _, _ = r.driver.Stop(true); _, _ = r.driver.Join() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil).start()
				defer r.stop()
				r.session.answers(func(context.Context, *schedulerpb.Call) error { return busy })
				_, _ = r.driver.DeclineOffer(offerID("O1"), nil)
				time.Sleep(time.Second)
				began := time.Now()
				end(r)
				if took := time.Since(began); took != 0 {
					t.Errorf("it held up the end for %v", took)
				}
				r.session.took()
				time.Sleep(time.Hour)
				if got := r.session.took(); got != nil {
					t.Errorf("sent %q", got)
				}
			})
		})
	}
}

func TestCallsEndInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *DriverConfig) { c.CallTimeout = time.Second }).start()
		defer r.stop()
		r.session.answers(func(ctx context.Context, _ *schedulerpb.Call) error { <-ctx.Done(); return ctx.Err() })
		began := time.Now()
		if _, err := r.driver.KillTask(taskID); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want context.DeadlineExceeded", err)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("waited %v, want 1s", took)
		}
	})
}
