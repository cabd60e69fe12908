package framework

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

func accept(tasks ...string) *schedulerpb.Call {
	launch := &mesospb.Offer_Operation_Launch{}
	for _, id := range tasks {
		launch.TaskInfos = append(launch.TaskInfos, &mesospb.TaskInfo{TaskId: &mesospb.TaskID{Value: &id}, Executor: &mesospb.ExecutorInfo{ExecutorId: &mesospb.ExecutorID{Value: new("executor-" + id)}}})
	}
	return &schedulerpb.Call{Type: schedulerpb.Call_ACCEPT.Enum(), Accept: &schedulerpb.Call_Accept{Operations: []*mesospb.Offer_Operation{{Launch: launch}}}}
}

func kill(id string) *schedulerpb.Call {
	return &schedulerpb.Call{Type: schedulerpb.Call_KILL.Enum(), Kill: &schedulerpb.Call_Kill{TaskId: &mesospb.TaskID{Value: &id}}}
}

func reconcile(ids ...string) *schedulerpb.Call {
	r := &schedulerpb.Call_Reconcile{}
	for _, id := range ids {
		r.Tasks = append(r.Tasks, &schedulerpb.Call_Reconcile_Task{TaskId: &mesospb.TaskID{Value: &id}})
	}
	return &schedulerpb.Call{Type: schedulerpb.Call_RECONCILE.Enum(), Reconcile: r}
}

func shutdown(executor string) *schedulerpb.Call {
	return &schedulerpb.Call{Type: schedulerpb.Call_SHUTDOWN.Enum(), Shutdown: &schedulerpb.Call_Shutdown{ExecutorId: &mesospb.ExecutorID{Value: &executor}}}
}

func plain(t schedulerpb.Call_Type) *schedulerpb.Call { return &schedulerpb.Call{Type: t.Enum()} }

// wire is a master on which the first call hangs for 30 s.
type wire struct {
	mu    sync.Mutex
	first bool
	made  []string
}

func (w *wire) send(c *schedulerpb.Call) {
	w.mu.Lock()
	hangs := !w.first
	w.first = true
	w.mu.Unlock()
	if hangs {
		time.Sleep(callTimeout)
	}
	text := c.GetType().String()
	for _, t := range c.GetReconcile().GetTasks() {
		text += " " + t.GetTaskId().GetValue()
	}
	text += c.GetKill().GetTaskId().GetValue()
	w.mu.Lock()
	w.made = append(w.made, text)
	w.mu.Unlock()
}

func (w *wire) until(d time.Duration) []string {
	time.Sleep(d)
	w.mu.Lock()
	defer w.mu.Unlock()
	list := slices.Clone(w.made)
	slices.Sort(list)
	return list
}

func TestACallThatHangsHoldsUpOnlyWhatDependsOnIt(t *testing.T) {
	const d, r, s = schedulerpb.Call_DECLINE, schedulerpb.Call_REVIVE, schedulerpb.Call_SUPPRESS
	for name, tc := range map[string]struct {
		hangs       *schedulerpb.Call
		then        []*schedulerpb.Call
		soon, later []string // made within 2 s, and in the end
	}{
		"accept": {accept("a", "b"), []*schedulerpb.Call{kill("x"), kill("a"), shutdown("executor-b"), reconcile("x", "a", "y"), reconcile(), accept("c"), kill("c"), plain(d)},
			[]string{"ACCEPT", "DECLINE", "KILLc", "KILLx", "RECONCILE", "RECONCILE x y"}, []string{"ACCEPT", "KILLa", "RECONCILE a", "SHUTDOWN"}},
		"kill":                          {kill("a"), []*schedulerpb.Call{kill("b"), reconcile("a"), accept("c")}, []string{"ACCEPT", "KILLb", "RECONCILE a"}, []string{"KILLa"}},
		"reconcile":                     {reconcile("a", "b"), []*schedulerpb.Call{kill("a"), reconcile("c"), plain(r)}, []string{"KILLa", "RECONCILE c", "REVIVE"}, []string{"RECONCILE a b"}},
		"decline":                       {plain(d), []*schedulerpb.Call{plain(d), kill("a"), plain(r)}, []string{"DECLINE", "KILLa", "REVIVE"}, []string{"DECLINE", "REVIVE"}},
		"decline, and suppressed since": {plain(d), []*schedulerpb.Call{plain(r), plain(s)}, []string{"REVIVE", "SUPPRESS"}, []string{"DECLINE"}},
		"suppress":                      {plain(s), []*schedulerpb.Call{plain(r), kill("a"), accept("b")}, []string{"ACCEPT", "KILLa"}, []string{"REVIVE", "SUPPRESS"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &wire{}
				l := newLanes(w.send)
				calls := make(chan *schedulerpb.Call, 64)
				done := make(chan struct{})
				go func() {
					defer close(done)
					l.run(t.Context(), calls)
				}()
				calls <- tc.hangs
				synctest.Wait()
				for _, c := range tc.then {
					calls <- c
				}
				if got := w.until(2 * time.Second); !slices.Equal(got, tc.soon) {
					t.Errorf("after 2 s are made %v, want %v", got, tc.soon)
				}
				close(calls)
				<-done
				want := slices.Concat(tc.soon, tc.later)
				slices.Sort(want)
				if got := w.until(0); !slices.Equal(got, want) {
					t.Errorf("in the end are made %v, want %v", got, want)
				}
				if len(l.launching)+len(l.refusing)+len(l.room)+len(l.slot) > 0 {
					t.Errorf("left over: %+v", l)
				}
			})
		})
	}
}

func TestATermThatEndsMakesNoMoreCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		ctx, cancel := context.WithCancel(t.Context())
		calls := make(chan *schedulerpb.Call, 64)
		calls <- accept("a")
		calls <- kill("a")
		close(calls)
		time.AfterFunc(time.Second, cancel)
		newLanes(w.send).run(ctx, calls)
		if got := w.until(0); !slices.Equal(got, []string{"ACCEPT"}) {
			t.Errorf("made: %v", got)
		}
	})
}
