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
			return (n.App != "" && q.is("app", n.App) || len(q.values["app"]) == 0) && q.is("kind", string(n.Kind))
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
