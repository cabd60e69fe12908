package executor

import (
	"cmp"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

// ledger is what the agent has not acknowledged. It is not safe for concurrent use.
type ledger struct {
	seq     uint64 // of the last entry: entries are listed in the order in which they came
	tasks   map[string]*heldTask
	updates map[string]*heldUpdate // by uuid
	unsent  []*heldUpdate          // in order; may begin with some that are settled
}

type heldTask struct {
	seq  uint64
	info *mesospb.TaskInfo
}

// heldUpdate is an update from Update to its acknowledgement.
type heldUpdate struct {
	seq     uint64
	status  *mesospb.TaskStatus
	settled chan struct{} // closed when the agent has answered, or when Update need not wait for it
	waited  bool          // a call of Update waits for settled
	done    bool          // not to be sent (again) on this subscription
	err     error         // valid after settled
}

func newLedger() *ledger {
	return &ledger{tasks: make(map[string]*heldTask), updates: make(map[string]*heldUpdate)}
}

// addTask keeps a copy: the original belongs to the handler, and its strings to the frame that it came in.
func (l *ledger) addTask(info *mesospb.TaskInfo) {
	l.seq++
	l.tasks[info.GetTaskId().GetValue()] = &heldTask{l.seq, proto.CloneOf(info)}
}

// addUpdate returns the entry of a status, which is there already if the uuid is.
func (l *ledger) addUpdate(status *mesospb.TaskStatus) *heldUpdate {
	key := string(status.GetUuid())
	if u := l.updates[key]; u != nil {
		return u
	}
	l.seq++
	u := &heldUpdate{seq: l.seq, status: status, settled: make(chan struct{})}
	l.updates[key] = u
	l.unsent = append(l.unsent, u)
	return u
}

// acknowledge forgets an update and, with the first of a task, the task.
func (l *ledger) acknowledge(e *executorpb.Event_Acknowledged) {
	delete(l.tasks, e.GetTaskId().GetValue())
	if u := l.updates[string(e.GetUuid())]; u != nil {
		l.settle(u, nil)
		delete(l.updates, string(e.GetUuid()))
	}
}

// refuse forgets an update that the agent will never take.
func (l *ledger) refuse(u *heldUpdate, err error) {
	l.settle(u, err)
	delete(l.updates, string(u.status.GetUuid()))
}

// settle notes that u need not be sent and wakes who waits for it.
func (l *ledger) settle(u *heldUpdate, err error) {
	u.done = true
	l.release(u, err)
}

// release wakes who waits for u.
func (l *ledger) release(u *heldUpdate, err error) {
	select {
	case <-u.settled:
	default:
		u.err = err
		close(u.settled)
	}
}

// releaseAll wakes everybody: for now, or for good, no answer can be expected.
func (l *ledger) releaseAll(err error) {
	for _, u := range l.updates {
		l.release(u, err)
	}
}

// next returns the first update that is to be sent, or nil.
func (l *ledger) next() *heldUpdate {
	for len(l.unsent) > 0 {
		if u := l.unsent[0]; !u.done {
			return u
		}
		l.unsent[0] = nil
		l.unsent = l.unsent[1:]
	}
	return nil
}

// covered notes that a subscription carried these updates.
func (l *ledger) covered(call *executorpb.Call_Subscribe) {
	for _, update := range call.GetUnacknowledgedUpdates() {
		if u := l.updates[string(update.GetStatus().GetUuid())]; u != nil {
			l.settle(u, nil)
		}
	}
}

func (l *ledger) orderedUpdates() []*heldUpdate {
	updates := make([]*heldUpdate, 0, len(l.updates))
	for _, u := range l.updates {
		updates = append(updates, u)
	}
	slices.SortFunc(updates, func(a, b *heldUpdate) int { return cmp.Compare(a.seq, b.seq) })
	return updates
}

// subscribe lists everything for a subscription, in order. The messages are the ledger's own, which nobody changes.
func (l *ledger) subscribe() *executorpb.Call_Subscribe {
	tasks := make([]*heldTask, 0, len(l.tasks))
	for _, t := range l.tasks {
		tasks = append(tasks, t)
	}
	slices.SortFunc(tasks, func(a, b *heldTask) int { return cmp.Compare(a.seq, b.seq) })
	call := new(executorpb.Call_Subscribe)
	for _, t := range tasks {
		call.UnacknowledgedTasks = append(call.UnacknowledgedTasks, t.info)
	}
	for _, u := range l.orderedUpdates() {
		call.UnacknowledgedUpdates = append(call.UnacknowledgedUpdates, &executorpb.Call_Update{Status: u.status})
	}
	return call
}

// taskIDs returns the tasks of the updates, each once.
func (l *ledger) taskIDs() []string {
	var ids []string
	seen := make(map[string]bool)
	for _, u := range l.orderedUpdates() {
		if id := u.status.GetTaskId().GetValue(); !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	return ids
}
