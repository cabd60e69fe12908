package core_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/sim"
	"github.com/mesokit/mesokit/framework/store"
)

// ring is what is written of the history, by key.
type ring map[string]store.Op

func (r ring) take(t *testing.T, out *core.Effects) {
	t.Helper()
	seen := map[string]bool{}
	for _, op := range out.Writes {
		if seen[op.Key] {
			t.Errorf("%s is written twice in one batch", op.Key)
		}
		seen[op.Key] = true
		if !strings.HasPrefix(op.Key, "history/") {
			continue
		}
		if op.Kind == store.OpDelete {
			delete(r, op.Key)
		} else {
			r[op.Key] = op
		}
	}
}

func TestTheHistoryOfAnApplicationIsBoundedAndOutlivesTheScheduler(t *testing.T) {
	s := sim.NewScript(t, core.Config{})
	r := ring{}
	r.take(t, s.Register("fw"))
	s.Submit(define("web", `, "instances": 0`))
	for n := range 3 * core.HistoryPerApp {
		r.take(t, s.Step(core.Scale{App: "web", Instances: n%2 + 1}))
	}
	if len(r) != core.HistoryPerApp {
		t.Fatalf("%d notes are kept, want %d", len(r), core.HistoryPerApp)
	}
	var records []store.Record
	for key, op := range r {
		records = append(records, store.Record{Key: key, Value: op.Value})
	}
	c, err := core.Restore(s.Now, core.Config{}, records)
	if err != nil {
		t.Fatal(err)
	}
	past := c.Past()
	if len(past) != core.HistoryPerApp || !slices.IsSortedFunc(past, func(x, y core.Note) int { return int(x.Seq) - int(y.Seq) }) {
		t.Fatalf("%d notes are restored, want %d in order", len(past), core.HistoryPerApp)
	}
	if last := past[len(past)-1]; last.App != "web" || last.State != "scaled" || last.Text != fmt.Sprintf("%d instances", 2) {
		t.Errorf("the last note is %+v", last)
	}
}

func TestAHistoryThatIsDamagedKeepsNothingFromStarting(t *testing.T) {
	for _, key := range []string{"history/web/3", "events/7", "history/web/x", "events/"} {
		if _, err := core.Restore(sim.NewScript(t, core.Config{}).Now, core.Config{}, []store.Record{{Key: key, Value: []byte("nonsense")}}); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
}
