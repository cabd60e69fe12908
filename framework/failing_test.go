package framework_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/mesokit/mesokit/framework"
	"github.com/mesokit/mesokit/framework/app"
	"github.com/mesokit/mesokit/framework/core"
)

func TestTasksThatAgentsRefuseAreCountedToldAndGivenUp(t *testing.T) {
	c := start(t)
	log := &lines{wait: "failed 2 times in a row", seen: make(chan struct{})}
	a := service("web", 1)
	a.Command.User = "no-such-user"
	retries := 2
	a.Retry = &app.Retry{TotalRetries: &retries, Time: app.Duration(50 * time.Millisecond)}
	r := run(t, framework.Config{Master: c.Master(), Apps: []*app.App{a}, Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	r.until("it is failing", func(s *core.Snapshot) bool { return s.App("web") != nil && s.App("web").Counts.Failing == 1 })
	r.until("it is given up", func(s *core.Snapshot) bool { return s.App("web").Counts.GivenUp == 1 })
	<-log.seen
	why := r.Snapshot().Why("web", 0)
	if i := r.Snapshot().App("web").Instance(0); i.Failures != 3 || !strings.Contains(why.Text, "No such user 'no-such-user'") {
		t.Errorf("%d failures, explained by %q", i.Failures, why.Text)
	}
}
