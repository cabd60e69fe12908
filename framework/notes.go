package framework

import (
	"context"
	"iter"
	"slices"
	"sort"
	"sync"

	"github.com/mesokit/mesokit/framework/core"
)

// hub keeps the latest notes and hands them to any number of readers, none of which can hold up the engine.
type hub struct {
	mu    sync.Mutex
	ring  []core.Note // the oldest at next%len once full
	next  int         // notes ever stored
	after uint64      // number of the last note that was there before the ring's first
	wake  chan struct{}
	kept  map[string][]core.Note // the history, by application: see core.HistoryPerApp
}

func newHub(size int) *hub { return &hub{ring: make([]core.Note, 0, size), wake: make(chan struct{})} }

func (h *hub) publish(notes []core.Note) {
	if len(notes) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, n := range notes {
		h.keep(n)
		if len(h.ring) < cap(h.ring) {
			if len(h.ring) == 0 && n.Seq > 0 {
				h.after = n.Seq - 1
			}
			h.ring = append(h.ring, n)
		} else {
			i := h.next % len(h.ring)
			h.after = h.ring[i].Seq
			h.ring[i] = n
		}
		h.next++
	}
	close(h.wake)
	h.wake = make(chan struct{})
}

// restore takes in the history that earlier processes have left, where it is news. Notes that are no part of it are missing between: subscribers that
// continue within it are told so.
func (h *hub) restore(past []core.Note) {
	h.mu.Lock()
	last := uint64(0)
	if h.next > 0 {
		last = h.ring[(h.next-1)%len(h.ring)].Seq
	}
	h.mu.Unlock()
	if past = past[sort.Search(len(past), func(i int) bool { return past[i].Seq > last }):]; len(past) == 0 {
		return
	}
	h.publish(past)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.after = max(h.after, past[len(past)-1].Seq-1)
}

// keep adds a note to the history of its application. That of one that was removed goes with it.
func (h *hub) keep(n core.Note) {
	if !n.Historic() {
		return
	}
	if h.kept == nil {
		h.kept = map[string][]core.Note{}
	}
	if n.Kind == core.NoteApp && n.State == "removed" {
		delete(h.kept, n.App)
		n.App = ""
	}
	list := h.kept[n.App]
	if len(list) >= core.HistoryPerApp {
		list = slices.Delete(list, 0, len(list)-core.HistoryPerApp+1)
	}
	h.kept[n.App] = append(list, n)
}

// History returns the latest notes about an application, core.HistoryPerApp at most, the oldest first: the ends of its tasks, failures, deployments and
// commands. It outlives the scheduler. With "" it returns what is about none.
func (f *Framework) History(app string) []core.Note {
	f.hub.mu.Lock()
	defer f.hub.mu.Unlock()
	return slices.Clone(f.hub.kept[app])
}

// read appends what came after the note with that number to into, up to a bound, and returns the last note that was lost before
// the first one returned, if it is later, and what to wait for if there is nothing.
func (h *hub) read(after uint64, into []core.Note) (notes []core.Note, lost uint64, wake <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := len(h.ring)
	at := func(i int) core.Note {
		if n < cap(h.ring) {
			return h.ring[i]
		}
		return h.ring[(h.next+i)%n]
	}
	first := sort.Search(n, func(i int) bool { return at(i).Seq > after })
	for i := first; i < n && len(into) < cap(into); i++ {
		into = append(into, at(i))
	}
	return into, h.after, h.wake
}

// NoteOptions of Notes.
type NoteOptions struct {
	// After is the number of the last note that the subscriber has seen; 0 begins with the oldest that is remembered, Latest with
	// the next one to come.
	After uint64
	// Filter selects notes; nil means all.
	Filter func(core.Note) bool
}

// Latest as NoteOptions.After skips all notes that were made before.
const Latest = ^uint64(0)

// Notes yields the notes of the engine in order until ctx ends. Where notes are missing it yields a *GapError, and goes on.
// Subscribers do not hold up the engine: one that is slower than NoteHistory notes misses some.
//
// Any number of goroutines may do this, also before Run and while another process leads.
func (f *Framework) Notes(ctx context.Context, o NoteOptions) iter.Seq2[core.Note, error] {
	return func(yield func(core.Note, error) bool) {
		after := o.After
		if after == Latest {
			after = f.hub.last()
		}
		buf := make([]core.Note, 0, 256)
		for begun := o.After != 0; ; begun = true {
			notes, lost, wake := f.hub.read(after, buf[:0])
			if begun && lost > after && len(notes) > 0 && !yield(core.Note{}, &GapError{After: after, Next: notes[0].Seq}) {
				return
			}
			for _, n := range notes {
				after = n.Seq
				if (o.Filter == nil || o.Filter(n)) && !yield(n, nil) {
					return
				}
			}
			if len(notes) > 0 && ctx.Err() == nil {
				continue
			}
			select {
			case <-wake:
			case <-ctx.Done():
				return
			}
		}
	}
}

func (h *hub) last() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.next == 0 {
		return 0
	}
	return h.ring[(h.next-1)%len(h.ring)].Seq
}
