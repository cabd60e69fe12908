package core

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/mesokit/mesokit/framework/store"
)

// HistoryPerApp is how many notes are kept of each application over restarts, and how many that are about none; older ones give way.
const HistoryPerApp = 100

// Records of the history: one for each note, in a ring, so that a note costs one small write.
const (
	keyHistory = "history/" // + application / place in the ring
	keyEvents  = "events/"  // + place in the ring: notes that are about no application
)

var schemaHistory = store.Schema{Kind: "core.history", Version: 1}

// Historic reports whether a note is part of the history, which outlives the scheduler: ends and losses of tasks, failures, deployments, commands and
// the like, and not the steps in between.
func (n *Note) Historic() bool {
	switch n.Kind {
	case NoteTask:
		switch n.State {
		case Ended.String(), Lost.String(), Unreachable.String(), Stranded.String():
			return true
		}
	case NoteApp, NoteInstance, NoteFailure, NoteDeployment, NoteOrphan, NoteAgent, NoteWarning, NoteFramework:
		return true
	}
	return false
}

// history knows where the next note of each application goes.
type history struct {
	written map[string]uint64 // notes so far, by application; "" for those about none
	pending map[string]Note   // by key, to be written at the end of this Apply
	past    []Note            // that were restored
}

func (h *history) add(name string, n Note) {
	if h.written == nil {
		h.written, h.pending = map[string]uint64{}, map[string]Note{}
	}
	h.pending[historyKey(name, h.written[name])] = n
	h.written[name]++
}

func historyKey(name string, count uint64) string {
	place := strconv.FormatUint(count%HistoryPerApp, 10)
	if name == "" {
		return keyEvents + place
	}
	return keyHistory + name + "/" + place
}

// remember adds a note to the history, if it is part of it. What is said of applications that are not there any more is about none.
func (c *Core) remember(n Note) {
	if !n.Historic() {
		return
	}
	name := n.App
	if c.byName[name] == nil {
		name = ""
	}
	if name == "" && c.fw.Uninstall != "" {
		return // an uninstalled framework leaves nothing
	}
	c.history.add(name, n)
}

// flushHistory writes the notes of this Apply.
func (c *Core) flushHistory() {
	for _, key := range slices.Sorted(maps.Keys(c.history.pending)) {
		c.put(key, schemaHistory, c.history.pending[key])
	}
	clear(c.history.pending)
}

// forgetHistory deletes the history of an application.
func (c *Core) forgetHistory(name string) {
	for k := range min(c.history.written[name], HistoryPerApp) {
		key := historyKey(name, k)
		delete(c.history.pending, key)
		c.del(key)
	}
	delete(c.history.written, name)
}

// takeHistory restores one note.
func (r *restorer) takeHistory(rec store.Record) error {
	var n Note
	if err := unseal(schemaHistory, rec, &n); err != nil {
		return err
	}
	r.core.history.past = append(r.core.history.past, n)
	return nil
}

// finishHistory sorts what was restored, and finds out where the rings go on: behind the note with the highest number.
func (r *restorer) finishHistory(records []store.Record) {
	h := &r.core.history
	type ring struct {
		places uint64
		last   uint64 // number of the latest note
		at     uint64 // its place
	}
	rings := map[string]ring{}
	for _, rec := range records {
		name, place, ok := historyPlace(rec.Key)
		if !ok {
			continue
		}
		var n Note
		g := rings[name]
		if g.places = max(g.places, place+1); unseal(schemaHistory, rec, &n) == nil && n.Seq >= g.last {
			g.last, g.at = n.Seq, place
		}
		rings[name] = g
	}
	if len(rings) > 0 {
		h.written, h.pending = map[string]uint64{}, map[string]Note{}
	}
	for name, g := range rings {
		h.written[name] = g.at + 1
		if g.places == HistoryPerApp {
			h.written[name] += HistoryPerApp // the ring is full: all places are there to be deleted
		}
	}
	slices.SortFunc(h.past, func(x, y Note) int { return int(int64(x.Seq) - int64(y.Seq)) })
}

// historyPlace reads a key of the history.
func historyPlace(key string) (name string, place uint64, ok bool) {
	digits, ok := strings.CutPrefix(key, keyEvents)
	if rest, ofApp := strings.CutPrefix(key, keyHistory); ofApp {
		name, digits, ok = strings.Cut(rest, "/")
	}
	place, err := strconv.ParseUint(digits, 10, 64)
	return name, place, ok && err == nil && place < HistoryPerApp
}

// Past returns the history that was restored, in order, and forgets it.
func (c *Core) Past() []Note {
	past := c.history.past
	c.history.past = nil
	return past
}
