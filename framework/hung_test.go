package framework_test

import (
	"testing"
	"time"

	"github.com/mesokit/mesokit/framework"
	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/core"
)

// Each of these calls hangs until its deadline, after 30 s.
func TestAKillDoesNotWaitForAnotherCallThatHangs(t *testing.T) {
	for _, hangs := range []string{"ACCEPT", "DECLINE", "REVIVE", "SUPPRESS", "RECONCILE", "ACKNOWLEDGE"} {
		t.Run(hangs, func(t *testing.T) {
			t.Parallel()
			c := start(t)
			r := run(t, framework.Config{Master: c.Master(), Core: eager, Apps: []*app.App{service("web", 1)}})
			r.until(up("web", 1))
			id, err := c.Faults().AddText("call hang count=1 type=" + hangs)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Faults().Remove(id)
			began := time.Now()
			r.do(core.Submit{App: service("other", 1)})
			r.until("the application waits for the call, or does not need it", func(s *core.Snapshot) bool {
				a := s.App("other")
				return a != nil && (a.Counts.Up == 1 || a.Instance(0).Task != nil || hangs == "REVIVE")
			})
			r.do(core.Remove{App: "web"})
			r.until("the other application is removed", func(s *core.Snapshot) bool { return s.App("web") == nil })
			if d := time.Since(began); d > 25*time.Second {
				t.Errorf("a task was killed only after %v", d)
			}
		})
	}
}
