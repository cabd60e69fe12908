package driver

import "sync"

// maxDealtWith is how many updates are remembered after they were dealt with. An agent repeats the last update of a task
// only, 10 s and more after the first time.
const maxDealtWith = 1 << 16

// repeats recognizes updates that come again. An agent repeats an update until its acknowledgement arrives, so a callback that takes
// its time, or an acknowledgement that is lost, brings it again: it must not reach the callback twice. The zero value is
// ready to use.
type repeats struct {
	mu    sync.Mutex
	known map[string]bool // from arrival on; true when dealt with
	order []string        // those dealt with, oldest first from next on; a ring once it is full
	next  int
}

// repeatKey names an update of a thing (a task or an operation). It is "" for one without a uuid, which is never repeated.
func repeatKey(kind, id string, uuid []byte) string {
	if len(uuid) == 0 {
		return ""
	}
	return kind + id + "\x00" + string(uuid)
}

// arrive says whether an update is new, and if it is not, whether it was dealt with already.
func (r *repeats) arrive(key string) (fresh, dealtWith bool) {
	if key == "" {
		return true, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	dealtWith, again := r.known[key]
	if !again {
		if r.known == nil {
			r.known = make(map[string]bool)
		}
		r.known[key] = false
	}
	return !again, dealtWith
}

// finish notes that the callback of an update has returned. One that is not dealt with may come again.
func (r *repeats) finish(key string, dealtWith bool) {
	if key == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch was := r.known[key]; {
	case was:
	case !dealtWith:
		delete(r.known, key)
	default:
		r.remember(key)
	}
}

// acknowledged notes that the owner of the driver has acknowledged an update.
func (r *repeats) acknowledged(key string) {
	if key == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.known[key] {
		r.remember(key)
	}
}

// remember is called with mu held.
func (r *repeats) remember(key string) {
	if r.known == nil {
		r.known = make(map[string]bool)
	}
	r.known[key] = true
	if len(r.order) < maxDealtWith {
		r.order = append(r.order, key)
		return
	}
	delete(r.known, r.order[r.next])
	r.order[r.next] = key
	r.next = (r.next + 1) % maxDealtWith
}
