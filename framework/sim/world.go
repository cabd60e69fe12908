package sim

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/mesokit/mesokit/framework/core"
)

// world is a cluster and its framework under a simulated clock. Everything that happens is an event in one queue; chance comes from one seed. So a run
// is repeated exactly by its seed.
type world struct {
	rng  *rand.Rand
	opt  Options
	now  time.Time
	wall time.Duration // by which the scheduler's wall clock is off
	// deceived is when a process was last started after the wall clock had been set forth and nobody was there to see it.
	deceived time.Time
	queue    eventQueue
	seq      int
	calm     bool // faults are over
	master   *simMaster
	agents   []*simAgent
	proc     *process   // the one that was started last
	procs    []*process // all that are alive
	store    *simStore
	user     user

	steps    int // effect boundaries so far: commits and calls
	failed   []string
	log      []string
	launches int
	refused  map[refusedLaunch][]time.Time // launches on agents that refuse them, in the last minute
	made     map[string]string             // whose the volumes are, by id
	lives    map[string]int                // how often an application was removed
	mortal   *simAgent                     // the one that dies
	replaced map[string]bool               // tasks that may run beside their successors until they can be killed
	crashes  int
	tokens   int64
}

type event struct {
	at  time.Time
	seq int
	do  func()
}

type eventQueue []event

func (q eventQueue) Len() int { return len(q) }
func (q eventQueue) Less(i, j int) bool {
	return q[i].at.Before(q[j].at) || q[i].at.Equal(q[j].at) && q[i].seq < q[j].seq
}
func (q eventQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *eventQueue) Push(x any)   { *q = append(*q, x.(event)) }
func (q *eventQueue) Pop() any {
	last := len(*q) - 1
	x := (*q)[last]
	(*q)[last] = event{}
	*q = (*q)[:last]
	return x
}

// after has something done later.
func (w *world) after(d time.Duration, do func()) {
	w.seq++
	heap.Push(&w.queue, event{w.now.Add(d), w.seq, do})
}

// stepClock sets the wall clock of the scheduler's machine forth or back by hours.
func (w *world) stepClock() {
	by := w.between(-5*time.Hour, 5*time.Hour)
	w.wall += by
	w.logf("the wall clock is set by %v", by)
	for _, p := range slices.Clone(w.procs) {
		p.input(core.WallClock{Ahead: w.wall - p.offset})
	}
}

// run lets the world go on until a time.
func (w *world) run(until time.Time) {
	for len(w.queue) > 0 && len(w.failed) == 0 && !w.queue[0].at.After(until) {
		e := heap.Pop(&w.queue).(event)
		w.now = e.at
		e.do()
	}
	w.now = until
}

// chance is true with probability p, while faults last.
func (w *world) chance(p float64) bool { return w.rng.Float64() < p && !w.calm }

// between returns a duration in [a, b).
func (w *world) between(a, b time.Duration) time.Duration {
	return a + time.Duration(w.rng.Int64N(int64(b-a)+1))
}

func (w *world) fail(format string, args ...any) {
	w.failed = append(w.failed, w.stamp()+fmt.Sprintf(format, args...))
}

func (w *world) logf(format string, args ...any) {
	if w.opt.Log || len(w.log) < 1 {
		w.log = append(w.log, w.stamp()+fmt.Sprintf(format, args...))
	}
}

func (w *world) stamp() string { return fmt.Sprintf("%8.3fs ", w.now.Sub(epoch).Seconds()) }

// podOf is what the tasks of a pod have in common: the id of the engine's task.
func podOf(task string) string {
	if parts := strings.Split(task, "."); len(parts) > 3 {
		return strings.Join(parts[:3], ".")
	}
	return task
}

// keyOf is what nothing else may run for: an instance, or the daemon of an agent.
func (w *world) keyOf(task string, a *simAgent) string {
	if strings.HasPrefix(task, "log.") {
		return "log/" + a.id
	}
	return instanceOf(task)
}

// instanceOf takes "web.0.a-xyz" apart.
func instanceOf(task string) string {
	parts := strings.Split(task, ".")
	if len(parts) < 3 {
		return task
	}
	return parts[0] + "/" + parts[1]
}
