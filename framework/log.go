package framework

import (
	"fmt"
	"log/slog"

	"github.com/mesokit/mesokit/framework/core"
)

// levelOf says how much a note matters. What becomes of tasks is in the log: their failures and losses as warnings, the steps in between for those
// who look closely.
func levelOf(n *core.Note) slog.Level {
	switch n.Kind {
	case core.NoteWarning, core.NoteOrphan, core.NoteFailure:
		return slog.LevelWarn
	case core.NoteEvent:
		return slog.LevelDebug
	case core.NoteHealth:
		if n.State == core.Running.String() && n.Text == core.Unhealthy.String() {
			return slog.LevelWarn
		}
	case core.NoteTask:
		switch {
		case n.Failed:
			return slog.LevelWarn
		case n.State == core.Launching.String() || n.State == core.Starting.String() || n.State == core.Killing.String():
			return slog.LevelDebug
		}
	case core.NoteInstance, core.NoteDeployment:
		if n.Failed {
			return slog.LevelWarn
		}
	}
	return slog.LevelInfo
}

// logNotes writes what happened to the log.
func (t *term) logNotes(notes []core.Note) {
	for _, n := range notes {
		level := levelOf(&n)
		if !t.cfg.Log.Enabled(t.ctx, level) {
			continue
		}
		attrs := []slog.Attr{slog.String("kind", string(n.Kind))}
		for _, a := range []struct{ key, value string }{{"app", n.App}, {"task", n.Task}, {"agent", n.Agent}, {"state", n.State}} {
			if a.value != "" {
				attrs = append(attrs, slog.String(a.key, a.value))
			}
		}
		if n.Index >= 0 {
			attrs = append(attrs, slog.Int("instance", n.Index))
		}
		if n.Failed && n.Kind == core.NoteTask && n.State == core.Ended.String() {
			attrs = append(attrs, slog.String("output", fmt.Sprintf("mesokit app logs %s/%d --file stderr", n.App, n.Index)))
		}
		text := n.Text
		if text == "" {
			text = string(n.Kind)
		}
		t.cfg.Log.LogAttrs(t.ctx, level, text, attrs...)
	}
}
