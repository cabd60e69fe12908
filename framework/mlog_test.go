package framework

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/slogtest"
	"time"
)

func TestMLOGLines(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(NewMLOGHandler(&out, MLOGOptions{Level: slog.LevelDebug, Name: "n", Application: "a|b", Group: "g", CorrelationID: "c", TaskID: "t"}))
	log.Info("two\nlines", "key", "a value", "n", 3)
	log.With("x", 1).WithGroup("grp").Error("bad", slog.Group("in", "y", "2"))
	log.Log(t.Context(), LevelAlarm, "wake up")
	log.Warn("hm")
	log.Debug("deep")
	pid := fmt.Sprint(os.Getpid())
	stamp := regexp.MustCompile(`mlog_test\.go:\d+\|\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(\.\d+)?\|`)
	got := stamp.ReplaceAllString(out.String(), "WHEN|")
	want := strings.Join([]string{
		"*|1|INFO|t|" + pid + "|g|a/b|n|c|WHEN|two",
		"*|1|INFO|t|" + pid + "|g|a/b|n|c|WHEN|lines key=\"a value\" n=3",
		"*|1|ERROR|t|" + pid + "|g|a/b|n|c|WHEN|bad x=1 grp.in.y=2",
		"*|1|ALARM|t|" + pid + "|g|a/b|n|c|WHEN|wake up",
		"*|1|EVENT|t|" + pid + "|g|a/b|n|c|WHEN|hm",
		"*|1|DEBUG|t|" + pid + "|g|a/b|n|c|WHEN|deep", "",
	}, "\n")
	if got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

func TestMLOGTakesWhatIsNotSetFromTheEnvironment(t *testing.T) {
	for k, v := range map[string]string{"MON_APP": "app", "MON_GROUP": "group", "MON_CORELATIONID": "id", "MESOS_TASK_ID": "task"} {
		t.Setenv(k, v)
	}
	var out bytes.Buffer
	h := NewMLOGHandler(&out, MLOGOptions{Name: "me"})
	if err := h.Handle(t.Context(), slog.NewRecord(time.Unix(0, 5).UTC(), slog.LevelInfo, "hi", 0)); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("*|1|INFO|task|%d|group|app|me|id|???:0|1970/01/01 00:00:00.000000005|hi\n", os.Getpid()); out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
	if h.Enabled(t.Context(), slog.LevelDebug) {
		t.Error("debugging is on by itself")
	}
}

// What slog asks of every handler, read back from the message field.
func TestMLOGIsAHandler(t *testing.T) {
	var out bytes.Buffer
	slogtest.Run(t, func(t *testing.T) slog.Handler {
		out.Reset()
		return NewMLOGHandler(&out, MLOGOptions{})
	}, func(t *testing.T) map[string]any {
		fields := strings.SplitN(strings.TrimSpace(out.String()), "|", 12)
		m := map[string]any{slog.LevelKey: fields[2]}
		if !strings.HasPrefix(fields[10], "0001/") {
			m[slog.TimeKey] = fields[10]
		}
		var message []string
		for _, word := range strings.Fields(fields[11]) {
			key, value, ok := strings.Cut(word, "=")
			if !ok {
				message = append(message, word)
				continue
			}
			at := m
			parts := strings.Split(key, ".")
			for _, p := range parts[:len(parts)-1] {
				next, _ := at[p].(map[string]any)
				if next == nil {
					next = map[string]any{}
					at[p] = next
				}
				at = next
			}
			at[parts[len(parts)-1]] = value
		}
		m[slog.MessageKey] = strings.Join(message, " ")
		return m
	})
}

func TestMLOGEscapesWhatTerminalsObey(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(NewMLOGHandler(&b, MLOGOptions{Name: "x\x1b[2J", Application: "app", TaskID: "t"}))
	log.Info("task \x1b[2J\u009b31m\u202e", "name", "a\x1b[2J\u202e")
	if got := b.String(); strings.ContainsAny(got, "\x1b\u009b\u202e") || !strings.Contains(got, `task \u001b[2J\u009b31m\u202e name="a\x1b[2J\u202e"`) {
		t.Errorf("got %q", got)
	}
}
