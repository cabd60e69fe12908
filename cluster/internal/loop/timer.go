package loop

import (
	"math"
	"time"
)

// Timer is a pending call of After.
type Timer struct {
	loop       *Loop
	f          func()
	when       time.Duration // by the clock of the engine
	key        string
	seq        uint64
	index      int    // in the heap plus one; 0 is nowhere
	prev, next *Timer // of the loop
	stopped    bool   // touched on the loop only
	outside    bool   // comes from Enter: it runs even if the loop closes
}

// After runs f on the loop after d. The timer is forgotten when the loop closes.
func (l *Loop) After(d time.Duration, f func()) *Timer {
	t := &Timer{loop: l, f: f}
	e := l.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if !l.closed {
		l.add(t, d)
	}
	return t
}

// add arms a timer.
func (l *Loop) add(t *Timer, d time.Duration) {
	e := l.engine
	now := e.now()
	if d = max(d, 0); d > math.MaxInt64-now {
		d = math.MaxInt64 - now
	}
	e.seq++
	t.when, t.seq = now+d, e.seq
	if t.next = l.timers; t.next != nil {
		t.next.prev = t
	}
	l.timers = t
	e.timers.push(t)
	if t.index == 1 {
		e.signal()
	}
}

// unlink takes the timer off the list of its loop.
func (t *Timer) unlink() {
	if t.prev != nil {
		t.prev.next = t.next
	} else {
		t.loop.timers = t.next
	}
	if t.next != nil {
		t.next.prev = t.prev
	}
	t.prev, t.next = nil, nil
}

// Stop keeps the function from running. Called on the loop, it is certain: the function does not
// run after Stop has returned. Stop of a nil timer does nothing.
func (t *Timer) Stop() {
	if t == nil {
		return
	}
	t.stopped = true
	e := t.loop.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if t.index > 0 {
		e.timers.remove(t)
		t.unlink()
		t.f = nil
	}
}

// timerHeap has the timer that is due first at 0, and four children under each: flat, as most timers are stopped before they are due.
type timerHeap []*Timer

const arity = 4

func (t *Timer) before(o *Timer) bool {
	switch {
	case t.when != o.when:
		return t.when < o.when
	case t.key != o.key:
		return t.key < o.key
	}
	return t.seq < o.seq
}

func (h *timerHeap) push(t *Timer) {
	*h = append(*h, t)
	h.up(len(*h)-1, t)
}

func (h *timerHeap) remove(t *Timer) {
	i, n := t.index-1, len(*h)-1
	last := (*h)[n]
	(*h)[n] = nil
	*h = (*h)[:n]
	t.index = 0
	if i < n {
		h.down(h.up(i, last), last)
	}
}

// up puts t at i or above, and returns where.
func (h timerHeap) up(i int, t *Timer) int {
	for i > 0 {
		p := (i - 1) / arity
		if !t.before(h[p]) {
			break
		}
		h[i] = h[p]
		h[i].index = i + 1
		i = p
	}
	h[i] = t
	t.index = i + 1
	return i
}

// down moves t from i down to its place.
func (h timerHeap) down(i int, t *Timer) {
	for {
		first := i*arity + 1
		if first >= len(h) {
			break
		}
		least := first
		for c := first + 1; c < min(first+arity, len(h)); c++ {
			if h[c].before(h[least]) {
				least = c
			}
		}
		if !h[least].before(t) {
			break
		}
		h[i] = h[least]
		h[i].index = i + 1
		i = least
	}
	h[i] = t
	t.index = i + 1
}
