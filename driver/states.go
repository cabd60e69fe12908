package driver

import "github.com/mesokit/mesokit/mesos/mesospb"

// operation is a method that depends on the status.
type operation int

const (
	opStart operation = iota
	opStop
	opAbort
	opJoin
)

func (op operation) String() string { return [...]string{"Start", "Stop", "Abort", "Join"}[op] }

// move is what an operation does to the status, and what it returns.
type move struct {
	next, answer mesospb.Status
	allowed      bool
}

// moves is the life of a driver, that of src/sched/sched.cpp: rows are operations, columns the status before. Stopping what is
// stopped and aborting what is aborted is no error, so that both can be deferred.
func moves(op operation, status mesospb.Status) move {
	const (
		created = mesospb.Status_DRIVER_NOT_STARTED
		running = mesospb.Status_DRIVER_RUNNING
		aborted = mesospb.Status_DRIVER_ABORTED
		stopped = mesospb.Status_DRIVER_STOPPED
	)
	table := [...][4]move{
		//        DRIVER_NOT_STARTED         DRIVER_RUNNING             DRIVER_ABORTED             DRIVER_STOPPED
		opStart: {{running, running, true}, {running, running, false}, {aborted, aborted, false}, {stopped, stopped, false}},
		opStop:  {{created, created, false}, {stopped, stopped, true}, {stopped, aborted, true}, {stopped, stopped, true}},
		opAbort: {{created, created, false}, {aborted, aborted, true}, {aborted, aborted, true}, {stopped, stopped, false}},
		opJoin:  {{created, created, false}, {running, running, true}, {aborted, aborted, true}, {stopped, stopped, true}},
	}
	return table[op][status-created]
}
