package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/mesokit/mesokit/framework"
	"github.com/mesokit/mesokit/framework/core"
)

var noteKinds = []string{string(core.NoteFramework), string(core.NoteApp), string(core.NoteTask), string(core.NoteHealth), string(core.NoteInstance), string(core.NoteFailure),
	string(core.NoteDeployment), string(core.NoteOrphan), string(core.NoteAgent), string(core.NoteWarning), string(core.NoteEvent)}

// streamEvents sends notes as server-sent events: the id is the number of the note, the event its kind, the data the note in JSON. Where
// notes are missing, an event "gap" says so: read the state anew.
func streamEvents(q *request) (any, error) {
	after, err := startAfter(q)
	if err != nil {
		return nil, err
	}
	since, err := sinceWhen(q)
	if err != nil {
		return nil, err
	}
	if !since.IsZero() && after == framework.Latest {
		after = 0
	}
	q.answered = true
	h := q.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	q.w.WriteHeader(http.StatusOK)
	out := http.NewResponseController(q.w)
	_ = out.Flush()

	ctx, cancel := context.WithCancel(q.Context())
	defer cancel()
	defer context.AfterFunc(q.server.closing, cancel)()

	// Notes come in a goroutine of their own, so that heartbeats can be sent between them.
	events := make(chan []byte)
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		filter := func(n core.Note) bool {
			return (n.App != "" && q.is("app", n.App) || len(q.values["app"]) == 0) && q.is("kind", string(n.Kind)) && !n.Time.Before(since)
		}
		for n, err := range q.server.engine.Notes(ctx, framework.NoteOptions{After: after, Filter: filter}) {
			select {
			case events <- q.readable(eventOf(n, err)):
			case <-ctx.Done():
				return
			}
		}
	}()
	defer func() {
		cancel()
		<-finished
	}()
	beat := time.NewTicker(q.server.cfg.Heartbeat)
	defer beat.Stop()
	for {
		var data []byte
		select {
		case data = <-events:
		case <-beat.C:
			data = []byte(":\n\n")
		case <-ctx.Done():
			return nil, nil
		case <-finished:
			return nil, nil
		}
		if _, err := q.w.Write(data); err != nil {
			return nil, nil
		}
		if out.Flush() != nil {
			return nil, nil
		}
	}
}

// startAfter is the number that the query or the header asks to continue after.
func startAfter(q *request) (uint64, error) {
	text, where := q.Header.Get("Last-Event-ID"), "Last-Event-ID"
	if text == "" {
		text, where = q.values.Get("after"), "after"
	}
	if text == "" {
		return framework.Latest, nil
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, bad("%s %q: want the number of an event", where, text)
	}
	return n, nil
}

// sinceWhen reads the parameter since.
func sinceWhen(q *request) (time.Time, error) {
	text := q.values.Get("since")
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return time.Now().Add(-d), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, bad("since=%s: want a time such as 2026-01-31T22:00:00Z, or how long ago, such as 1h30m", text)
	}
	return t, nil
}

// getHistory answers with the history of an application.
func getHistory(q *request) (any, error) {
	name := q.PathValue("app")
	list := q.server.engine.History(name)
	if s := q.server.engine.Snapshot(); s.App(name) == nil && s.AsideOf(name) == nil {
		return nil, fmt.Errorf("%w: %q", core.ErrNoApp, name)
	}
	return page[core.Note]{Items: append([]core.Note{}, list...)}, nil
}

func eventOf(n core.Note, err error) []byte {
	var b bytes.Buffer
	if gap, ok := errors.AsType[*framework.GapError](err); ok {
		fmt.Fprintf(&b, "event: gap\ndata: {\"after\":%d,\"next\":%d}\n\n", gap.After, gap.Next)
		return b.Bytes()
	}
	data, _ := json.Marshal(n) // a Note has no values that JSON cannot take
	fmt.Fprintf(&b, "id: %d\nevent: %s\ndata: %s\n\n", n.Seq, n.Kind, data)
	return b.Bytes()
}
