package driver

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

func ownLoop(c *DriverConfig) { c.OwnLoop = true }

func TestTheOwnerOfALoopGetsOneCallbackAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, ownLoop).start()
		defer r.stop()
		r.session.sink.event(offers("O1"))
		r.session.sink.event(update("T1", mesospb.TaskState_TASK_RUNNING, "u1"))
		synctest.Wait()
		if got := r.calls.took(); got != nil {
			t.Errorf("callbacks %q before anybody called them", got)
		}
		for _, want := range []string{"Registered", "ResourceOffers", "StatusUpdate"} {
			cb := <-r.driver.Callbacks()
			if cb.Name != want {
				t.Fatalf("got %s, want %s", cb.Name, want)
			}
			synctest.Wait()
			select {
			case next := <-r.driver.Callbacks():
				t.Fatalf("got %s before %s was called", next.Name, cb.Name)
			default:
			}
			cb.Call()
			cb.Call() // does nothing
		}
		synctest.Wait()
		if got := r.calls.took(); !slices.Equal(got, []string{"Registered F1 M1", "ResourceOffers O1", "StatusUpdate T1 TASK_RUNNING"}) {
			t.Errorf("callbacks %q", got)
		}
		if got := r.session.took(); !slices.Equal(got, []string{"ACKNOWLEDGE T1 u1"}) {
			t.Errorf("sent %q", got)
		}
	})
}

func TestACallbackThatIsNotCalledInTimeIsVoid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, ownLoop).start()
		cb := <-r.driver.Callbacks()
		r.expect(stopped)(r.driver.Stop(true))
		r.expect(stopped)(r.driver.Join()) // does not wait for who has not begun
		cb.Call()
		if got := r.calls.took(); got != nil {
			t.Errorf("callbacks %q after Stop", got)
		}
		if _, open := <-r.driver.Callbacks(); open {
			t.Error("the channel is open after the end")
		}
	})
}

func TestNobodyNeedDrainAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, ownLoop).start() // Registered is never taken
		r.expect(aborted)(r.driver.Abort())
		r.expect(aborted)(r.driver.Join())
		r.stop()
	})
}

func TestErrorComesThroughAnOwnLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, ownLoop).start()
		r.session.end <- errors.New("gone")
		for cb := range r.driver.Callbacks() {
			cb.Call()
		}
		if got := r.calls.took(); !slices.Equal(got, []string{"Registered F1 M1", "Error gone"}) {
			t.Errorf("callbacks %q", got)
		}
		if status, err := r.driver.Join(); status != aborted || err == nil {
			t.Errorf("Join returned %v, %v", status, err)
		}
	})
}

func TestRunDrainsAnOwnLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, ownLoop)
		r.calls.on("Registered", func(d SchedulerDriver) { r.expect(stopped)(d.Stop(false)) })
		done := make(chan struct{})
		go func() { defer close(done); r.expect(stopped)(r.driver.Run()) }()
		synctest.Wait()
		r.session.sink.event(subscribed("M1"))
		<-done
	})
}

func TestADriverWithItsOwnGoroutineHasNoCallbacksToDrain(t *testing.T) {
	r := newRig(t, nil)
	if _, open := <-r.driver.Callbacks(); open {
		t.Error("got a callback")
	}
}

func TestFifoKeepsTheOrderAndForgetsWhatIsGone(t *testing.T) {
	var q fifo[int]
	next, popped := 0, 0
	for range 5000 {
		q.push(next)
		q.push(next + 1)
		next += 2
		v, ok := q.pop()
		if !ok || v != popped {
			t.Fatalf("popped %d, %v; want %d", v, ok, popped)
		}
		popped++
	}
	for ; popped < next; popped++ {
		if v, ok := q.pop(); !ok || v != popped {
			t.Fatalf("popped %d, %v; want %d", v, ok, popped)
		}
		if len(q.items)-q.head > 0 && q.head > 1024 && q.head*2 > len(q.items) {
			t.Fatalf("%d of %d places are spent and kept", q.head, len(q.items))
		}
	}
	if v, ok := q.pop(); ok {
		t.Fatalf("popped %d from an empty queue", v)
	}
}
