package framework

import (
	"context"
	"fmt"
	"os/user"
	"time"

	"github.com/mesokit/mesokit/mesos/mesospb"
)

// defaultUser has tasks run as the user of this process where nobody else is named. Agents that switch users (which is their default)
// start nothing for a framework whose user is empty.
func defaultUser(info *mesospb.FrameworkInfo) error {
	if info.GetUser() != "" {
		return nil
	}
	me, err := user.Current()
	if err != nil {
		return fmt.Errorf("framework.Config.User is empty, and the user of this process has no name: set it, since agents start nothing "+
			"for a framework without a user: %w", err)
	}
	info.User = &me.Username
	return nil
}

// checkUser warns if the master has registered the framework with another user than the configured one: it keeps the first one. Older
// versions of this package registered with an empty user.
func (t *term) checkUser(id string) {
	m, err := t.master()
	if err != nil {
		return
	}
	defer m.Close()
	for wait := time.Second; ; wait = min(2*wait, time.Minute) {
		ctx, cancel := context.WithTimeout(t.ctx, callTimeout)
		frameworks, err := m.GetFrameworks(ctx)
		cancel()
		if err == nil {
			for _, f := range frameworks.GetFrameworks() {
				if info := f.GetFrameworkInfo(); info.GetId().GetValue() == id {
					t.compareUser(info.GetUser())
				}
			}
			return
		}
		if forbidden(err) || !sleep(t.ctx, wait) {
			return
		}
	}
}

func (t *term) compareUser(registered string) {
	switch want := t.cfg.FrameworkInfo.GetUser(); registered {
	case want:
	case "":
		t.cfg.Log.Warn("the framework was registered without a user, by an earlier version, and the master keeps that: agents refuse to start "+
			"its tasks; name a user in each definition, or uninstall the framework and start again", "want", want)
	default:
		t.cfg.Log.Warn("the master keeps the user that the framework was first registered with; to change it, uninstall the framework and "+
			"start again, or name the user in definitions", "user", registered, "want", want)
	}
}
