package driver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

func TestStopTearsTheFrameworkDownUnlessAnotherTakesOver(t *testing.T) {
	for _, failover := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, nil).start()
			r.expect(stopped)(r.driver.Stop(failover))
			r.expect(stopped)(r.driver.Join())
			var want []string
			if !failover {
				want = []string{"TEARDOWN"}
			}
			if diff := cmp.Diff(want, r.session.took()); diff != "" {
				t.Errorf("Stop(%v) sent (-want +got):\n%s", failover, diff)
			}
			r.stop()
		})
	}
}

func TestStopInACallbackLetsNoOtherBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.calls.on("ResourceOffers", func(d SchedulerDriver) {
			r.expect(stopped)(d.Stop(false))
			if status, err := d.DeclineOffer(offerID("O1"), nil); status != stopped || err == nil {
				t.Errorf("DeclineOffer after Stop: %v, %v", status, err)
			}
		})
		r.start()
		r.session.sink.event(offers("O1"))
		r.session.sink.event(offers("O2"))
		r.expect(stopped)(r.driver.Join())
		if got := r.calls.took(); !slices.Equal(got, []string{"Registered F1 M1", "ResourceOffers O1"}) {
			t.Errorf("callbacks %q", got)
		}
		if got := r.session.took(); !slices.Equal(got, []string{"TEARDOWN"}) {
			t.Errorf("sent %q", got)
		}
	})
}

func TestJoinAndRunInACallbackSayThatTheyCannotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.calls.on("Registered", func(d SchedulerDriver) {
			for _, wait := range []func() (mesospb.Status, error){d.Join, d.Run} {
				if status, err := wait(); status != running || !errors.Is(err, ErrInCallback) {
					t.Errorf("got %v, %v; want ErrInCallback", status, err)
				}
			}
		})
		r.start().stop()
	})
}

func TestStopWaitsForTheCallsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil).start()
		release := make(chan struct{})
		r.session.answers(func(_ context.Context, c *schedulerpb.Call) error {
			if c.GetType() == schedulerpb.Call_KILL {
				<-release
			}
			return nil
		})
		killed := make(chan error)
		go func() { _, err := r.driver.KillTask(taskID); killed <- err }()
		synctest.Wait()
		r.expect(stopped)(r.driver.Stop(false))
		synctest.Wait()
		if got := r.session.took(); !slices.Equal(got, []string{"KILL T1"}) {
			t.Errorf("sent %q before the call was done", got)
		}
		close(release)
		if err := <-killed; err != nil {
			t.Errorf("the call under way failed: %v", err)
		}
		r.expect(stopped)(r.driver.Join())
		if got := r.session.took(); !slices.Equal(got, []string{"TEARDOWN"}) {
			t.Errorf("sent %q", got)
		}
	})
}

func TestAcknowledgementsUnderWayAreMadeBeforeTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil).start()
		r.session.answers(func(ctx context.Context, _ *schedulerpb.Call) error {
			time.Sleep(10 * time.Millisecond) // in the bubble
			return ctx.Err()
		})
		const n = 100
		for i := range n {
			r.session.sink.event(update("T1", mesospb.TaskState_TASK_RUNNING, fmt.Sprint("u", i)))
		}
		synctest.Wait()
		r.expect(stopped)(r.driver.Stop(true))
		r.expect(stopped)(r.driver.Join())
		if got := r.session.took(); len(got) != n {
			t.Errorf("%d acknowledgements, want %d", len(got), n)
		}
	})
}

func TestNothingKeepsJoinForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *DriverConfig) { c.StopTimeout = 3 * time.Second }).start()
		r.session.answers(func(ctx context.Context, _ *schedulerpb.Call) error { <-ctx.Done(); return ctx.Err() })
		r.session.sink.event(update("T1", mesospb.TaskState_TASK_RUNNING, "u"))
		killed := make(chan error, 1)
		go func() { _, err := r.driver.KillTask(taskID); killed <- err }()
		synctest.Wait()
		began := time.Now()
		r.expect(stopped)(r.driver.Stop(false))
		status, err := r.driver.Join()
		if status != stopped || !errors.Is(err, errTeardown) {
			t.Errorf("Join returned %v, %v; want DRIVER_STOPPED and that there was no teardown", status, err)
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("Join took %v, want 3s", took)
		}
		if err := <-killed; err == nil {
			t.Error("the hanging call succeeded")
		}
	})
}

func TestTeardownWaitsForTheNextSubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil).start()
		r.session.sink.disconnected(errors.New("eof"))
		r.expect(stopped)(r.driver.Stop(false))
		synctest.Wait()
		if got := r.session.took(); got != nil {
			t.Errorf("sent %q while disconnected", got)
		}
		r.session.sink.event(subscribed("M2"))
		r.expect(stopped)(r.driver.Join())
		if got := r.session.took(); !slices.Equal(got, []string{"TEARDOWN"}) {
			t.Errorf("sent %q", got)
		}
	})
}

func TestAMissedTeardownIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil).start()
		r.session.sink.disconnected(errors.New("eof"))
		r.expect(stopped)(r.driver.Stop(false))
		status, err := r.driver.Join()
		if status != stopped || !errors.Is(err, errTeardown) || !errors.Is(err, ErrDisconnected) {
			t.Errorf("Join returned %v, %v", status, err)
		}
	})
}

func TestAFrameworkThatWasNeverRegisteredIsNotTornDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.expect(running)(r.driver.Start())
		synctest.Wait()
		began := time.Now()
		r.expect(stopped)(r.driver.Stop(false))
		r.expect(stopped)(r.driver.Join())
		if got := r.session.took(); got != nil || time.Since(began) != 0 {
			t.Errorf("sent %q and waited %v; want neither", got, time.Since(began))
		}
	})
}

// A framework of which an earlier process knows the id exists, whether this one has subscribed or not.
func TestAFrameworkThatIsTakenOverIsTornDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *DriverConfig) { c.Framework.Id = &mesospb.FrameworkID{Value: proto.String("F1")} })
		r.expect(running)(r.driver.Start())
		synctest.Wait()
		r.expect(stopped)(r.driver.Stop(false))
		synctest.Wait()
		r.session.sink.event(subscribed("M1"))
		r.expect(stopped)(r.driver.Join())
		if got := r.session.took(); !slices.Equal(got, []string{"TEARDOWN"}) {
			t.Errorf("sent %q", got)
		}
	})
}

func TestAbortKeepsTheFrameworkRegisteredWithoutOffers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil).start()
		r.session.sink.event(offers("O1", "O2", "O3", "O4"))
		r.session.sink.event(event(schedulerpb.Event_RESCIND, func(e *schedulerpb.Event) { e.Rescind = &schedulerpb.Event_Rescind{OfferId: offerID("O4")} }))
		r.expect(running)(r.driver.LaunchTasks([]*mesospb.OfferID{offerID("O1")}, []*mesospb.TaskInfo{task("T1")}, nil))
		r.expect(running)(r.driver.DeclineOffer(offerID("O2"), nil))
		synctest.Wait()
		r.session.took()
		r.calls.took()

		r.expect(aborted)(r.driver.Abort())
		r.expect(aborted)(r.driver.Join())
		synctest.Wait()
		expectCalls(t, r, "DECLINE O3", "SUPPRESS")

		// An offer on its way at that moment goes back, an update is not acknowledged, nobody is called.
		r.session.sink.event(offers("O5"))
		r.session.sink.event(update("T1", mesospb.TaskState_TASK_RUNNING, "u1"))
		synctest.Wait()
		expectCalls(t, r, "DECLINE O5", "SUPPRESS")

		// The next subscription is as mute.
		r.session.sink.disconnected(errors.New("eof"))
		r.session.sink.event(subscribed("M2"))
		synctest.Wait()
		expectCalls(t, r, "SUPPRESS")
		if !r.session.running() {
			t.Error("the session ended: the failover timeout has begun")
		}

		r.expect(aborted)(r.driver.Stop(false))
		r.expect(stopped)(r.driver.Join())
		expectCalls(t, r, "TEARDOWN")
		if got := r.calls.took(); got != nil {
			t.Errorf("callbacks %q after Abort", got)
		}
	})
}

func expectCalls(t *testing.T, r *rig, want ...string) {
	t.Helper()
	got := r.session.took()
	slices.Sort(got) // they are made in no particular order
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
}

func TestAbortForgetsCallbacksThatAreDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		release := make(chan struct{})
		r.calls.on("Registered", func(SchedulerDriver) { <-release })
		r.start()
		r.session.sink.event(offers("O1"))
		r.expect(aborted)(r.driver.Abort())
		joined := make(chan struct{})
		go func() { defer close(joined); r.expect(aborted)(r.driver.Join()) }()
		synctest.Wait()
		select {
		case <-joined:
			t.Error("Join returned while a callback was running")
		default:
		}
		close(release)
		<-joined
		if got := r.calls.took(); !slices.Equal(got, []string{"Registered F1 M1"}) {
			t.Errorf("callbacks %q", got)
		}
		r.stop()
	})
}

func TestStopTellsThatTheSessionHadEndedBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		release := make(chan struct{})
		r.calls.on("Registered", func(d SchedulerDriver) {
			<-release
			r.expect(stopped)(d.Stop(false))
		})
		r.start()
		gone := errors.New("gone")
		r.session.end <- gone
		synctest.Wait()
		close(release)
		if status, err := r.driver.Join(); status != stopped || !errors.Is(err, gone) {
			t.Errorf("Join returned %v, %v; want DRIVER_STOPPED and that nobody was told of the end", status, err)
		}
		if got := r.calls.took(); !slices.Equal(got, []string{"Registered F1 M1"}) {
			t.Errorf("callbacks %q", got)
		}
	})
}
