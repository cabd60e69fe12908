package framework_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/mesokit/mesokit/framework"
	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/election"
	"github.com/mesokit/mesokit/framework/store"
	"github.com/mesokit/mesokit/framework/store/memory"
)

func TestALeaderWhoseStoreIsRestoredIsDeposed(t *testing.T) {
	for name, elector := range map[string]election.Elector{"elected": new(election.Local), "standalone": election.Standalone{}, "without election": nil} {
		t.Run(name, func(t *testing.T) {
			c := start(t)
			db := memory.New()
			defer db.Close()
			r := run(t, framework.Config{Master: c.Master(), Store: db, Elector: elector, Apps: []*app.App{service("web", 1)}})
			r.until(up("web", 1))
			var backup bytes.Buffer
			if _, err := store.Backup(t.Context(), db, &backup); err != nil {
				t.Fatal(err)
			}
			r.do(core.Submit{App: service("late", 1)})
			if _, err := store.Restore(t.Context(), db, &backup, store.RestoreOptions{Replace: true}); err != nil {
				t.Fatal(err)
			}
			if _, err := r.Do(t.Context(), core.Scale{App: "late", Instances: 2}); err == nil {
				t.Error("a command to a leader whose state is gone was obeyed")
			}
			err := <-r.done
			if r.done <- errStopped; !errors.Is(err, store.ErrFenced) || !strings.Contains(err.Error(), "restored") {
				t.Fatalf("the leader ended with %v", err)
			}
			if _, err := db.Get(t.Context(), "app/late"); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("the leader wrote into the restored store: %v", err)
			}
			next := run(t, framework.Config{Master: c.Master(), Store: db, Elector: elector})
			next.until(up("web", 1))
		})
	}
}

func TestASchedulerStartsAlthoughARecordIsInconsistent(t *testing.T) {
	c := start(t)
	db := memory.New()
	defer db.Close()
	first := run(t, framework.Config{Master: c.Master(), Store: db, Apps: []*app.App{service("web", 1), service("db", 1)}})
	first.until(up("web", 1))
	first.until(up("db", 1))
	first.end()
	if _, err := db.Commit(t.Context(), store.Batch{Ops: []store.Op{store.Delete("version/db/1")}}); err != nil {
		t.Fatal(err)
	}
	second := run(t, framework.Config{Master: c.Master(), Store: db})
	second.until(up("web", 1))
	second.until("the master has answered", func(s *core.Snapshot) bool { return s.Connected && s.Unanswered == 0 })
	if a := second.Snapshot().AsideOf("db"); a == nil || !strings.Contains(a.Why, "app/db") {
		t.Errorf("set aside: %+v", second.Snapshot().Aside)
	}
	runs(t, c, 2)
	second.do(core.Remove{App: "db"})
	second.until("the task of what was removed is reported", func(s *core.Snapshot) bool { return len(s.Orphans) == 1 && len(s.Aside) == 0 })
}
