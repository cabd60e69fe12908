package framework

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"github.com/mesokit/mesokit/internal/visible"
)

// MLOGOptions of NewMLOGHandler. Fields that are empty come from the environment: MON_APP, MON_GROUP, MON_CORELATIONID (spelt as the
// old SDK reads it) and MESOS_TASK_ID; else Application is the program's name, Group "unknown", the others "0".
type MLOGOptions struct {
	// Level is the least that is logged; nil means slog.LevelInfo.
	Level slog.Leveler
	// Name of the program.
	Name, Application, Group, CorrelationID, TaskID string
}

// Severities of MLOG that slog has no level for.
const (
	LevelStat  = slog.LevelInfo + 1
	LevelEvent = slog.LevelInfo + 2
	LevelAlarm = slog.LevelError + 4
)

// NewMLOGHandler returns a slog.Handler that writes the pipe-separated MLOG format of the older SDK, one line per line of the message:
//
//	*|1|SEVERITY|task id|pid|group|application|name|correlation id|file:line|2006/01/02 15:04:05.999999999|message key=value …
//
// Severities are DEBUG, INFO, STAT, EVENT, ERROR and ALARM; a warning, which MLOG does not have, is an EVENT. Pipes within fields become
// slashes; the message is the last field and may contain any. Other characters that are not printed are escaped.
func NewMLOGHandler(w io.Writer, o MLOGOptions) slog.Handler {
	or := func(s *string, others ...string) {
		for _, other := range others {
			if *s == "" {
				*s = other
			}
		}
		*s = strings.NewReplacer("|", "/", "\n", " ", "\r", " ").Replace(visible.Text(*s))
	}
	or(&o.Name, filepath.Base(os.Args[0]))
	or(&o.Application, os.Getenv("MON_APP"), o.Name)
	or(&o.Group, os.Getenv("MON_GROUP"), "unknown")
	or(&o.CorrelationID, os.Getenv("MON_CORELATIONID"), "0")
	or(&o.TaskID, os.Getenv("MESOS_TASK_ID"), "0")
	if o.Level == nil {
		o.Level = slog.LevelInfo
	}
	return &mlog{out: &mlogOut{w: w}, level: o.Level, task: o.TaskID,
		fixed: strings.Join([]string{strconv.Itoa(os.Getpid()), o.Group, o.Application, o.Name, o.CorrelationID}, "|")}
}

type mlog struct {
	out         *mlogOut
	level       slog.Leveler
	task, fixed string
	attrs       string // printed already
	group       string // prefix of keys
}

type mlogOut struct {
	mu sync.Mutex
	w  io.Writer
}

func (m *mlog) Enabled(_ context.Context, l slog.Level) bool { return l >= m.level.Level() }

func (m *mlog) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *m
	var b strings.Builder
	for _, a := range attrs {
		writeAttr(&b, m.group, a)
	}
	c.attrs += b.String()
	return &c
}

func (m *mlog) WithGroup(name string) slog.Handler {
	c := *m
	if name != "" {
		c.group += name + "."
	}
	return &c
}

func (m *mlog) Handle(_ context.Context, r slog.Record) error {
	severity := "DEBUG"
	switch l := r.Level; {
	case l >= LevelAlarm:
		severity = "ALARM"
	case l >= slog.LevelError:
		severity = "ERROR"
	case l >= LevelEvent:
		severity = "EVENT"
	case l >= LevelStat:
		severity = "STAT"
	case l >= slog.LevelInfo:
		severity = "INFO"
	}
	where := "???:0"
	if r.PC != 0 {
		frame, _ := runtime.CallersFrames([]uintptr{r.PC}).Next()
		where = filepath.Base(frame.File) + ":" + strconv.Itoa(frame.Line)
	}
	prefix := fmt.Sprintf("*|1|%s|%s|%s|%s|%s|", severity, m.task, m.fixed, where, r.Time.UTC().Format("2006/01/02 15:04:05.999999999"))
	var attrs strings.Builder
	attrs.WriteString(m.attrs)
	r.Attrs(func(a slog.Attr) bool {
		writeAttr(&attrs, m.group, a)
		return true
	})
	var out bytes.Buffer
	for line := range strings.Lines(strings.ReplaceAll(r.Message, "\r", "") + attrs.String()) {
		if line = strings.TrimSuffix(line, "\n"); line != "" {
			out.WriteString(prefix)
			out.WriteString(visible.Text(line))
			out.WriteByte('\n')
		}
	}
	m.out.mu.Lock()
	defer m.out.mu.Unlock()
	_, err := m.out.w.Write(out.Bytes())
	return err
}

func writeAttr(b *strings.Builder, group string, a slog.Attr) {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			group += a.Key + "."
		}
		for _, member := range v.Group() {
			writeAttr(b, group, member)
		}
		return
	}
	if a.Key == "" {
		return
	}
	text := v.String()
	if text == "" || strings.ContainsAny(text, " \"=") || visible.Line(text) != text {
		text = strconv.Quote(text)
	}
	b.WriteString(" " + group + a.Key + "=" + text)
}
