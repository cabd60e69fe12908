package framework_test

import (
	"log/slog"
	"os/user"
	"strings"
	"sync"
	"testing"

	"github.com/mesokit/mesokit/client/operator"
	"github.com/mesokit/mesokit/framework"
	"github.com/mesokit/mesokit/framework/core"
	"github.com/mesokit/mesokit/framework/store/memory"
	"github.com/mesokit/mesokit/mesos/mesospb"
)

func connected(s *core.Snapshot) bool { return s.Connected }

func TestAFrameworkIsRegisteredWithTheUserOfItsProcess(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	c := start(t)
	for name, cfg := range map[string]framework.Config{
		"none": {}, "empty": {FrameworkInfo: &mesospb.FrameworkInfo{User: new("")}}, "named": {User: me.Username},
	} {
		cfg.Name, cfg.Master = name, c.Master()
		run(t, cfg).until("it is registered", connected)
	}
	m, err := operator.NewMaster(operator.MasterConfig{Masters: c.Master()})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	all, err := m.GetFrameworks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n := len(all.GetFrameworks()); n != 3 {
		t.Errorf("%d frameworks", n)
	}
	for _, f := range all.GetFrameworks() {
		if info := f.GetFrameworkInfo(); info.GetUser() != me.Username {
			t.Errorf("%s is registered with user %q, want %q", info.GetName(), info.GetUser(), me.Username)
		}
	}
}

// lines is a log that can be waited for.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
	wait string
	seen chan struct{}
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	had := strings.Contains(l.text.String(), l.wait)
	l.text.Write(b)
	if !had && strings.Contains(l.text.String(), l.wait) {
		close(l.seen)
	}
	return len(b), nil
}

func TestAUserThatTheMasterDoesNotTakeOverIsWarnedAbout(t *testing.T) {
	c := start(t)
	db := memory.New()
	defer db.Close()
	first := run(t, framework.Config{Master: c.Master(), Store: db, User: "somebody"})
	first.until("it is registered", connected)
	first.end()

	log := &lines{wait: "the master keeps the user", seen: make(chan struct{})}
	second := run(t, framework.Config{Master: c.Master(), Store: db, User: "other", Log: slog.New(slog.NewTextHandler(log, nil))})
	defer second.end()
	<-log.seen
}
