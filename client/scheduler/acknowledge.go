package scheduler

import (
	"context"
	"sync"
	"time"

	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// finishTimeout bounds what a session still does at its end: sending acknowledgements of updates that were handled, and
// forgetting the id of a framework that was torn down.
const finishTimeout = 5 * time.Second

// maxAcknowledgers is how many acknowledgements are under way at once. They need no order: the agent sends the
// next update of a task only after the acknowledgement of the last.
const maxAcknowledgers = 8

// maxSettled is how many updates are remembered in order to recognize their repetitions. The agent repeats only
// the last update of each task, from 10 s on after the first time, so only a framework with more updates than
// this within such a time could see one twice.
const maxSettled = 1 << 16

// acknowledger acknowledges updates and recognizes those that are settled: handled by the handler or, with
// explicit acknowledgements, acknowledged by it. An agent repeats an update until its acknowledgement arrives;
// the repetition of a settled one is only acknowledged again.
type acknowledger struct {
	session *Session
	ctx     context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup

	mu      sync.Mutex
	pending []*schedulerpb.Call
	active  int
	settled uuidSet
}

func (a *acknowledger) start(ctx context.Context) {
	a.ctx, a.cancel = context.WithCancel(context.WithoutCancel(ctx))
}

// acknowledgement returns the call that acknowledges an event, nil if none is due.
func acknowledgement(e *schedulerpb.Event) *schedulerpb.Call {
	switch e.GetType() {
	case schedulerpb.Event_UPDATE:
		return Acknowledge(e.GetUpdate().GetStatus())
	case schedulerpb.Event_UPDATE_OPERATION_STATUS:
		return AcknowledgeOperationStatus(e.GetUpdateOperationStatus().GetStatus())
	}
	return nil
}

// acknowledgedUUID returns the uuid that a call acknowledges, nil if it is another call.
func acknowledgedUUID(call *schedulerpb.Call) []byte {
	switch call.GetType() {
	case schedulerpb.Call_ACKNOWLEDGE:
		return call.GetAcknowledge().GetUuid()
	case schedulerpb.Call_ACKNOWLEDGE_OPERATION_STATUS:
		return call.GetAcknowledgeOperationStatus().GetUuid()
	}
	return nil
}

// repeated says whether an event repeats a settled update, which is then acknowledged again.
func (a *acknowledger) repeated(ctx context.Context, e *schedulerpb.Event) bool {
	call := acknowledgement(e)
	if call == nil {
		return false
	}
	a.mu.Lock()
	known := a.settled.has(acknowledgedUUID(call))
	a.mu.Unlock()
	if known {
		a.session.trace(ctx, SessionTrace{Kind: TraceRepeatedUpdate})
		a.send(call)
	}
	return known
}

// handled settles the update in an event, if it is one, and acknowledges it.
func (a *acknowledger) handled(e *schedulerpb.Event) {
	if call := acknowledgement(e); call != nil {
		a.settle(acknowledgedUUID(call))
		a.send(call)
	}
}

func (a *acknowledger) settle(uuid []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.settled.add(uuid)
}

// send has a call sent soon.
func (a *acknowledger) send(call *schedulerpb.Call) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pending = append(a.pending, call)
	if a.active < maxAcknowledgers {
		a.active++
		a.wg.Go(a.work)
	}
}

func (a *acknowledger) work() {
	for {
		a.mu.Lock()
		if len(a.pending) == 0 {
			a.active--
			a.pending = nil
			a.mu.Unlock()
			return
		}
		call := a.pending[0]
		a.pending[0] = nil
		a.pending = a.pending[1:]
		a.mu.Unlock()
		// A failure is no harm: the agent sends the update again.
		if err := a.session.call(a.ctx, call, false); err != nil {
			a.session.trace(a.ctx, SessionTrace{Kind: TraceAcknowledgeFailed, Err: err})
		}
	}
}

// finish waits for the acknowledgements under way, but not for long, and not at all if ctx has ended.
func (a *acknowledger) finish(ctx context.Context) {
	if a.cancel == nil {
		return
	}
	stop := context.AfterFunc(ctx, a.cancel)
	defer stop()
	limit := time.AfterFunc(finishTimeout, a.cancel)
	defer limit.Stop()
	a.wg.Wait()
	a.cancel()
}

// uuidSet holds the uuids that were added last, maxSettled of them.
type uuidSet struct {
	set   map[[16]byte]struct{}
	order [][16]byte // a ring once it is full
	next  int
}

func (u *uuidSet) has(uuid []byte) bool {
	if len(uuid) != 16 {
		return false
	}
	_, ok := u.set[[16]byte(uuid)]
	return ok
}

func (u *uuidSet) add(uuid []byte) {
	if len(uuid) != 16 || u.has(uuid) {
		return
	}
	if u.set == nil {
		u.set = make(map[[16]byte]struct{})
	}
	u.set[[16]byte(uuid)] = struct{}{}
	if len(u.order) < maxSettled {
		u.order = append(u.order, [16]byte(uuid))
		return
	}
	delete(u.set, u.order[u.next])
	u.order[u.next] = [16]byte(uuid)
	u.next = (u.next + 1) % maxSettled
}
