package framework

import (
	"log/slog"

	"github.com/mesokit/mesokit/framework/core"
)

// logNotes writes what happened to the log.
func (t *term) logNotes(notes []core.Note) {
	for _, n := range notes {
		level := slog.LevelInfo
		switch n.Kind {
		case core.NoteWarning, core.NoteOrphan, core.NoteFailure:
			level = slog.LevelWarn
		case core.NoteTask:
			if n.State != core.Running.String() && n.State != core.Ended.String() && n.State != core.Lost.String() {
				level = slog.LevelDebug
			}
		case core.NoteEvent:
			level = slog.LevelDebug
		}
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
		text := n.Text
		if text == "" {
			text = string(n.Kind)
		}
		t.cfg.Log.LogAttrs(t.ctx, level, text, attrs...)
	}
}
