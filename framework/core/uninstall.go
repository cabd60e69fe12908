package core

import (
	"slices"
	"strings"
)

// stepUninstall goes on with the removal of the framework.
func (c *Core) stepUninstall() {
	if c.fw.Uninstall == uninstalling && len(c.apps) == 0 && len(c.leftovers.byAgent) == 0 && c.connected {
		c.fw.Uninstall = tearingDown
		c.fwDirty = true
		c.note(Note{Kind: NoteFramework, Index: -1, State: tearingDown, Text: "everything is removed: tearing the framework down"})
		c.call(teardownCall())
	}
}

const (
	uninstalling = "uninstalling"
	tearingDown  = "tearing-down"
	uninstalled  = "uninstalled"
)

func (c *Core) uninstall(force bool) (string, error) {
	if c.fw.Uninstall == tearingDown || c.fw.Uninstall == uninstalled {
		return "", ErrRemoving
	}
	for _, a := range c.asides() {
		return "", a.Refusal()
	}
	c.fw.Uninstall = uninstalling
	c.fw.Forced = c.fw.Forced || force
	c.fwDirty = true
	for _, a := range slices.Clone(c.apps) {
		c.remove(a, force)
	}
	c.note(Note{Kind: NoteFramework, Index: -1, State: uninstalling, Text: "removing all applications, then the framework"})
	if force {
		return withWhat("removing everything", c.giveUp("")), nil
	}
	c.probeAgents()
	return "removing everything", nil
}

// tornDown: the framework does not exist any more, neither does anything it ran.
func (c *Core) tornDown() {
	if c.fw.Uninstall != tearingDown {
		c.guardAgainst("", -1, "the master says that framework "+c.fw.ID+" has been removed; its tasks are killed")
		return
	}
	c.connected = false
	c.fw.Uninstall = uninstalled
	c.fwDirty = true
	c.forgetHistory("")
	c.note(Note{Kind: NoteFramework, Index: -1, State: uninstalled, Text: "the framework is removed"})
}

func (c *Core) teardownFailed(why string) {
	if c.fw.Uninstall == tearingDown {
		c.note(Note{Kind: NoteWarning, Index: -1, Text: "TEARDOWN failed, trying again in the next session: " + why})
		c.fw.Uninstall = uninstalling
		c.fwDirty = true
	}
}

// withWhat adds what is left behind to an answer.
func withWhat(text string, what []string) string {
	if len(what) == 0 {
		return text
	}
	return text + "; left behind: " + strings.Join(what, "; ")
}
