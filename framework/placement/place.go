package placement

import "github.com/mesokit/mesokit/mesos/mesospb"

// New returns the placer of this package. It is safe for concurrent use as long as the Cycles share no Placed.
func New(cfg Config) Placer { return &placer{cfg: cfg} }

type placer struct{ cfg Config }

// round is one call of Place.
type round struct {
	*board
	result *Result
	held   map[int]int // task to row: holds that stand
	absent map[int]Hold
}

func (p *placer) Place(c *Cycle) *Result {
	r := &round{board: newBoard(&p.cfg, c), result: new(Result), held: map[int]int{}, absent: map[int]Hold{}}
	r.honourHolds()
	waiting := make([]int, 0, len(c.Pending))
	for k, t := range c.Pending {
		if t != nil && !r.place(k, t) {
			waiting = append(waiting, k)
		}
	}
	waiting = r.again(waiting)
	r.explain(waiting)
	return r.result
}

// again tries those once more that what was placed after them may help: affinities, and holds that were not needed.
func (r *round) again(waiting []int) []int {
	for progress := true; progress; {
		progress = false
		left := waiting[:0]
		for _, k := range waiting {
			if r.place(k, r.in.Pending[k]) {
				progress = true
			} else {
				left = append(left, k)
			}
		}
		waiting = left
	}
	return waiting
}

func (r *round) honourHolds() {
	if len(r.in.Holds) == 0 {
		return
	}
	pending := make(map[string]int, len(r.in.Pending))
	for k, t := range r.in.Pending {
		if t != nil {
			pending[t.ID] = k
		}
	}
	for _, h := range r.in.Holds {
		k, ok := pending[h.TaskID]
		if !ok || r.hasHold(k) {
			continue
		}
		row := -1
		for at := range r.rowsOf(h.AgentID) {
			if r.row(at).role == h.Role {
				row = at
			}
		}
		switch {
		case row < 0:
			r.absent[k] = h
		case r.row(row).holder < 0:
			r.hold(row, int32(k))
			r.held[k] = row
		}
	}
}

func (r *round) hasHold(k int) bool {
	_, here := r.held[k]
	_, away := r.absent[k]
	return here || away
}

// place finds a row for the task.
func (r *round) place(k int, t *Task) bool {
	if t.Demand == nil {
		return false
	}
	s := r.search(t)
	if row, ok := r.held[k]; ok {
		if r.placeHeld(s, t, row) {
			delete(r.held, k)
			return true
		}
	}
	if s.dead || s.failed == len(r.touched) {
		return false
	}
	for {
		row, score := s.find()
		if row < 0 {
			s.failed = len(r.touched)
			s.dead = len(r.held) == 0 && !s.grows()
			if t.Hold && !r.hasHold(k) {
				r.proposeHold(s, k)
			}
			return false
		}
		a, ok := s.assign(t, row, score)
		if !ok {
			s.misjudged(row) // offers that are not what they add up to
			continue
		}
		r.result.Assignments = append(r.result.Assignments, a)
		if row, ok := r.held[k]; ok {
			delete(r.held, k)
			r.hold(row, -1)
		}
		delete(r.absent, k)
		return true
	}
}

// placeHeld tries the row that is kept for the task.
func (r *round) placeHeld(s *search, t *Task, row int) bool {
	s.refresh()
	k := r.row(row).holder
	r.row(row).holder = -1
	if base := s.judge(row); base != never {
		if score, ok := s.weigh(row, base); ok {
			if a, ok := s.assign(t, row, score); ok {
				r.result.Assignments = append(r.result.Assignments, a)
				return true
			}
		}
	}
	r.row(row).holder = k
	return false
}

// proposeHold keeps the nearest row for the task.
func (r *round) proposeHold(s *search, k int) {
	best, bestDistance, bestHopeful := -1, 0.0, false
	for i := range r.rows {
		if cause, _ := s.reject(i); cause != 0 {
			continue
		}
		if _, short := s.needs.lacks(r.board, i); !short {
			continue // it lacks something that waiting doesn't bring
		}
		if _, ok := s.weigh(i, 0); !ok || s.filtered(i) != "" {
			continue
		}
		distance, hopeful := s.needs.distance(r.board, i), s.needs.within(r.row(i).capacity)
		if best < 0 || hopeful && !bestHopeful || hopeful == bestHopeful && distance < bestDistance {
			best, bestDistance, bestHopeful = i, distance, hopeful
		}
	}
	if best >= 0 {
		r.hold(best, int32(k))
		r.held[k] = best
	}
}

// within says whether an agent could satisfy the needs if all of it were free.
func (n *needs) within(c Amounts) bool {
	return n.dim[dimCPUs] <= c.CPUs && n.dim[dimMem] <= c.Mem && n.dim[dimDisk] <= c.Disk && n.dim[dimGPUs] <= c.GPUs
}

func (r *round) explain(waiting []int) {
	for _, k := range waiting {
		t := r.in.Pending[k]
		u := Unplaced{Task: t}
		if t.Demand == nil {
			u.Why = r.refuseAll("the task has no Demand")
		} else {
			u.Why = r.why(t, k)
		}
		r.result.Unplaced = append(r.result.Unplaced, u)
		if !t.Hold {
			continue
		}
		if row, ok := r.held[k]; ok {
			at := r.row(row)
			r.result.Holds = append(r.result.Holds, Hold{TaskID: t.ID, AgentID: at.agent.ID, Role: at.role})
		} else if h, ok := r.absent[k]; ok {
			r.result.Holds = append(r.result.Holds, h)
		}
	}
}

// why explains. A task with a row of its own sees it as it is; the others share the answer.
func (r *round) why(t *Task, k int) *Explanation {
	s := r.search(t)
	row, holds := r.held[k]
	if !holds {
		if s.why == nil {
			s.why = s.explain()
		}
		return s.why
	}
	r.row(row).holder = -1
	e := s.explain()
	r.row(row).holder = int32(k)
	return e
}

// offerIDs returns the ids of the row's offers, made once.
func (r *row) offerIDs() []*mesospb.OfferID {
	if r.ids == nil {
		r.ids = make([]*mesospb.OfferID, len(r.offers))
		for i, o := range r.offers {
			r.ids[i] = o.Proto.GetId()
		}
	}
	return r.ids
}
