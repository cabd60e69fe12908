package driver

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

const (
	notStarted = mesospb.Status_DRIVER_NOT_STARTED
	running    = mesospb.Status_DRIVER_RUNNING
	aborted    = mesospb.Status_DRIVER_ABORTED
	stopped    = mesospb.Status_DRIVER_STOPPED
)

// The whole life of a driver: every method in every status, what it returns and what the status is afterwards.
func TestMethodsDoAndReturnWhatTheStatusAllows(t *testing.T) {
	reach := map[mesospb.Status]func(*rig){
		notStarted: func(*rig) {},
		running:    func(r *rig) { r.start() },
		aborted:    func(r *rig) { r.start(); r.expect(aborted)(r.driver.Abort()) },
		stopped:    func(r *rig) { r.start(); r.expect(stopped)(r.driver.Stop(true)) },
	}
	type outcome struct {
		answer  mesospb.Status
		refused bool
		after   mesospb.Status
	}
	methods := map[string]struct {
		call func(*MesosSchedulerDriver) (mesospb.Status, error)
		want map[mesospb.Status]outcome
	}{
		"Start": {(*MesosSchedulerDriver).Start, map[mesospb.Status]outcome{
			notStarted: {running, false, running}, running: {running, true, running}, aborted: {aborted, true, aborted}, stopped: {stopped, true, stopped}}},
		"Stop": {func(d *MesosSchedulerDriver) (mesospb.Status, error) { return d.Stop(true) }, map[mesospb.Status]outcome{
			notStarted: {notStarted, true, notStarted}, running: {stopped, false, stopped}, aborted: {aborted, false, stopped}, stopped: {stopped, false, stopped}}},
		"Abort": {(*MesosSchedulerDriver).Abort, map[mesospb.Status]outcome{
			notStarted: {notStarted, true, notStarted}, running: {aborted, false, aborted}, aborted: {aborted, false, aborted}, stopped: {stopped, true, stopped}}},
		"Join": {(*MesosSchedulerDriver).Join, map[mesospb.Status]outcome{ // on a running driver it would wait
			notStarted: {notStarted, true, notStarted}, aborted: {aborted, false, aborted}, stopped: {stopped, false, stopped}}},
		"Run": {(*MesosSchedulerDriver).Run, map[mesospb.Status]outcome{
			running: {running, true, running}, aborted: {aborted, true, aborted}, stopped: {stopped, true, stopped}}},
	}
	for name, call := range allCalls() {
		methods[name] = struct {
			call func(*MesosSchedulerDriver) (mesospb.Status, error)
			want map[mesospb.Status]outcome
		}{func(d *MesosSchedulerDriver) (mesospb.Status, error) { return call(d) }, map[mesospb.Status]outcome{
			notStarted: {notStarted, true, notStarted}, running: {running, false, running}, aborted: {aborted, true, aborted}, stopped: {stopped, true, stopped}}}
	}
	for name, m := range methods {
		for before, want := range m.want {
			t.Run(name+" when "+before.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, func(c *DriverConfig) { c.ExplicitAcknowledgements = true })
					defer r.stop()
					reach[before](r)
					synctest.Wait()
					r.session.took()
					status, err := m.call(r.driver)
					var wrong *StateError
					if refused := errors.As(err, &wrong); status != want.answer || refused != want.refused || err != nil && !refused {
						t.Errorf("returned %v, %v; want %v, refused: %v", status, err, want.answer, want.refused)
					}
					if wrong != nil && (wrong.Op == "" || wrong.Status != before) {
						t.Errorf("error is %#v; want the method and status %v", wrong, before)
					}
					if got := r.driver.Status(); got != want.after {
						t.Errorf("status is %v afterwards, want %v", got, want.after)
					}
					if _, call := allCalls()[name]; call && (len(r.session.took()) == 1) == want.refused {
						t.Errorf("a call was sent: %v, want %v", want.refused, !want.refused)
					}
				})
			})
		}
	}
}

func TestJoinWaitsForTheEndOfARunningDriver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil).start()
		joined := make(chan struct{})
		go func() {
			defer close(joined)
			r.expect(stopped)(r.driver.Join())
		}()
		synctest.Wait()
		select {
		case <-joined:
			t.Fatal("Join returned while the driver was running")
		default:
		}
		r.expect(stopped)(r.driver.Stop(true))
		<-joined
	})
}

func TestRunReturnsTheFinalStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.expect(aborted)(r.driver.Run())
		}()
		synctest.Wait()
		r.expect(aborted)(r.driver.Abort())
		<-done
		r.expect(aborted)(r.driver.Stop(true)) // says that it was aborted
		r.expect(stopped)(r.driver.Join())
	})
}
