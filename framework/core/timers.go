package core

import (
	"container/heap"
	mathbits "math/bits"
)

func trailingZeros(w uint64) int { return mathbits.TrailingZeros64(w) }

// timer is a time at which something is to be looked at. Timers are never taken back: whoever looks finds out whether there is
// still a reason.
type timer struct {
	at   int64 // Unix milliseconds
	seq  uint64
	kind timerKind
	app  string
	idx  int
	id   string // task or inverse offer
}

type timerKind uint8

const (
	timerTask      timerKind = iota // Task.due: overdue, or the unreachable policy
	timerLaunch                     // Instance.NotBefore
	timerReady                      // Readiness.For is over
	timerSlow                       // Readiness.Timeout is over
	timerReconcile                  // unanswered questions
	timerPeriodic                   // reconciliation without cause
	timerSweep                      // next batch of it
	timerSurvey                     // explanations
	timerOrphan                     // an orphan that is killed
	timerRefusal                    // an agent was avoided long enough
)

type timers struct {
	heap timerHeap
	seq  uint64
}

func (t *timers) add(x timer) {
	t.seq++
	x.seq = t.seq
	heap.Push(&t.heap, x)
}

// due takes out the first timer that is due.
func (t *timers) due(now int64) (timer, bool) {
	if len(t.heap) == 0 || t.heap[0].at > now {
		return timer{}, false
	}
	return heap.Pop(&t.heap).(timer), true
}

// next returns when the first timer is due, 0 if there is none.
func (t *timers) next() int64 {
	if len(t.heap) == 0 {
		return 0
	}
	return t.heap[0].at
}

type timerHeap []timer

func (h timerHeap) Len() int { return len(h) }
func (h timerHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].seq < h[j].seq
}
func (h timerHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *timerHeap) Push(x any)   { *h = append(*h, x.(timer)) }
func (h *timerHeap) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}
