package framework

import (
	"context"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// Bounds of calls, acknowledgements apart.
const (
	maxCalls   = 32   // under way at once
	maxPending = 1024 // under way, or waiting for others
	// reviveAfter is how long a REVIVE waits for the refusals before it; then it is made, and once more when these are.
	reviveAfter = time.Second
)

// lanes makes calls at the same time, in order only where order matters, so that one that hangs holds up only what depends on it:
//   - what is about a task or its executor (KILL, SHUTDOWN, RECONCILE) waits for the ACCEPT that launches it;
//   - SUPPRESS and REVIVE are made one after the other;
//   - REVIVE waits for the refusals before it, since it is to lift their filters.
//
// Everything else may overtake and be overtaken: an offer is spent by the one call that names it.
type lanes struct {
	send func(*schedulerpb.Call)
	slot chan struct{} // one for each call under way
	room chan struct{} // one for each that is pending
	wg   sync.WaitGroup

	mu        sync.Mutex
	launching map[string]chan struct{} // by task or executor id: closed when the ACCEPT is made
	refusing  []chan struct{}          // ACCEPTs and DECLINEs that are not made yet
	filters   chan struct{}            // the last SUPPRESS or REVIVE
}

func newLanes(send func(*schedulerpb.Call)) *lanes {
	made := make(chan struct{})
	close(made)
	return &lanes{send: send, slot: make(chan struct{}, maxCalls), room: make(chan struct{}, maxPending), launching: map[string]chan struct{}{}, filters: made}
}

// run makes the calls of a channel until that is closed, and returns when all are made. What is not under way when ctx ends is not made.
func (l *lanes) run(ctx context.Context, calls <-chan *schedulerpb.Call) {
	defer l.wg.Wait()
	for c := range calls {
		for _, c := range l.split(c) {
			select {
			case l.room <- struct{}{}:
				l.begin(ctx, c)
			case <-ctx.Done():
			}
		}
	}
}

// begin makes a call as soon as nothing is in its way.
func (l *lanes) begin(ctx context.Context, c *schedulerpb.Call) {
	done := make(chan struct{})
	first, refusals := l.enter(c, done)
	l.wg.Go(func() {
		defer func() { <-l.room }()
		inTime := false
		if wait(ctx, first) {
			soon, cancel := context.WithTimeout(ctx, reviveAfter)
			inTime = wait(soon, refusals)
			cancel()
			l.make(ctx, c)
		}
		l.leave(c, done)
		if !inTime && wait(ctx, refusals) && l.latest(done) {
			l.make(ctx, c)
		}
	})
}

func (l *lanes) make(ctx context.Context, c *schedulerpb.Call) {
	select {
	case l.slot <- struct{}{}:
		l.send(c)
		<-l.slot
	case <-ctx.Done():
	}
}

// wait returns when all are done, or false when ctx ends before.
func wait(ctx context.Context, all []chan struct{}) bool {
	for _, done := range all {
		select {
		case <-done:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// enter notes a call, and returns the calls that come first, and those whose filters it is to lift.
func (l *lanes) enter(c *schedulerpb.Call, done chan struct{}) (first, refusals []chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch c.GetType() {
	case schedulerpb.Call_ACCEPT:
		for _, id := range launches(c) {
			l.launching[id] = done
		}
		l.refusing = append(l.refusing, done)
	case schedulerpb.Call_DECLINE:
		l.refusing = append(l.refusing, done)
	case schedulerpb.Call_KILL:
		first = l.launchOf(first, c.GetKill().GetTaskId().GetValue())
	case schedulerpb.Call_SHUTDOWN:
		first = l.launchOf(first, c.GetShutdown().GetExecutorId().GetValue())
	case schedulerpb.Call_RECONCILE:
		for _, t := range c.GetReconcile().GetTasks() {
			first = l.launchOf(first, t.GetTaskId().GetValue())
		}
	case schedulerpb.Call_REVIVE:
		refusals = slices.Clone(l.refusing)
		fallthrough
	case schedulerpb.Call_SUPPRESS:
		first = append(first, l.filters)
		l.filters = done
	}
	return first, refusals
}

func (l *lanes) launchOf(list []chan struct{}, id string) []chan struct{} {
	if launch := l.launching[id]; launch != nil && !slices.Contains(list, launch) {
		list = append(list, launch)
	}
	return list
}

// leave lets go on what waits for a call.
func (l *lanes) leave(c *schedulerpb.Call, done chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(done)
	for _, id := range launches(c) {
		if l.launching[id] == done {
			delete(l.launching, id)
		}
	}
	if k := slices.Index(l.refusing, done); k >= 0 {
		l.refusing = slices.Delete(l.refusing, k, k+1)
	}
}

// latest reports whether nothing has been said of filters since.
func (l *lanes) latest(done chan struct{}) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.filters == done
}

// split takes the tasks out of a RECONCILE whose launches are not made yet: these wait, the others do not.
func (l *lanes) split(c *schedulerpb.Call) []*schedulerpb.Call {
	if c.GetType() != schedulerpb.Call_RECONCILE {
		return []*schedulerpb.Call{c}
	}
	var now, later []*schedulerpb.Call_Reconcile_Task
	l.mu.Lock()
	for _, t := range c.GetReconcile().GetTasks() {
		if l.launching[t.GetTaskId().GetValue()] != nil {
			later = append(later, t)
		} else {
			now = append(now, t)
		}
	}
	l.mu.Unlock()
	if len(now) == 0 || len(later) == 0 {
		return []*schedulerpb.Call{c}
	}
	rest := proto.CloneOf(c)
	rest.Reconcile.Tasks, c.Reconcile.Tasks = later, now
	return []*schedulerpb.Call{c, rest}
}

// launches returns the ids of the tasks and executors that a call launches.
func launches(c *schedulerpb.Call) (ids []string) {
	add := func(tasks []*mesospb.TaskInfo) {
		for _, t := range tasks {
			ids = append(ids, t.GetTaskId().GetValue())
			if t.GetExecutor() != nil {
				ids = append(ids, t.GetExecutor().GetExecutorId().GetValue())
			}
		}
	}
	for _, op := range c.GetAccept().GetOperations() {
		add(op.GetLaunch().GetTaskInfos())
		if g := op.GetLaunchGroup(); g != nil {
			ids = append(ids, g.GetExecutor().GetExecutorId().GetValue())
			add(g.GetTaskGroup().GetTasks())
		}
	}
	return ids
}
