package master

import (
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/masterpb"
)

// operatorJSON is codec.JSON, but writes the lists of snapshots (tasks, frameworks, agents, executors) also if they are empty, as
// Mesos does: clients look into them without asking whether they are there.
type operatorJSON struct{ codec.Codec }

// operatorCodec returns the codec that encodes answers and events of the operator API for an Accept header that admits cd.
func operatorCodec(cd codec.Codec) codec.Codec {
	if cd.MediaType() == codec.MediaTypeJSON {
		return operatorJSON{cd}
	}
	return cd
}

// Append appends the encoding of m.
func (c operatorJSON) Append(dst []byte, m proto.Message) ([]byte, error) {
	w := jsonWriter{codec: c.Codec, b: dst}
	switch m := m.(type) {
	case *masterpb.Response:
		part := w.snapshotOf(m)
		if part == nil {
			return c.Codec.Append(dst, m)
		}
		w.text(`{"type":"`, m.GetType().String(), `","`, lower(m.GetType().String()), `":`)
		part()
		w.text(`}`)
	case *masterpb.Event:
		if m.Subscribed == nil {
			return c.Codec.Append(dst, m)
		}
		w.text(`{"type":"SUBSCRIBED","subscribed":{"get_state":`)
		w.state(m.Subscribed.GetGetState())
		w.text(`,"heartbeat_interval_seconds":`)
		seconds, err := number(m.Subscribed.GetHeartbeatIntervalSeconds()).MarshalJSON()
		w.text(string(seconds), `}}`)
		w.fail(err)
	default:
		return c.Codec.Append(dst, m)
	}
	return w.b, w.err
}

// jsonWriter appends JSON and remembers the first error.
type jsonWriter struct {
	codec codec.Codec
	b     []byte
	err   error
}

func (w *jsonWriter) text(parts ...string) {
	for _, p := range parts {
		w.b = append(w.b, p...)
	}
}

func (w *jsonWriter) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// snapshotOf returns what writes the part of a response, nil if it is no snapshot.
func (w *jsonWriter) snapshotOf(r *masterpb.Response) func() {
	switch {
	case r.GetState != nil:
		return func() { w.state(r.GetState) }
	case r.GetTasks != nil:
		return func() { w.tasks(r.GetTasks) }
	case r.GetExecutors != nil:
		return func() { w.executors(r.GetExecutors) }
	case r.GetFrameworks != nil:
		return func() { w.frameworks(r.GetFrameworks) }
	case r.GetAgents != nil:
		return func() { w.agents(r.GetAgents) }
	}
	return nil
}

func (w *jsonWriter) state(s *masterpb.Response_GetState) {
	w.text(`{"get_tasks":`)
	w.tasks(s.GetGetTasks())
	w.text(`,"get_executors":`)
	w.executors(s.GetGetExecutors())
	w.text(`,"get_frameworks":`)
	w.frameworks(s.GetGetFrameworks())
	w.text(`,"get_agents":`)
	w.agents(s.GetGetAgents())
	w.text(`}`)
}

func (w *jsonWriter) tasks(t *masterpb.Response_GetTasks) {
	w.text(`{"tasks":`)
	list(w, t.GetTasks())
	w.text(`,"unreachable_tasks":`)
	list(w, t.GetUnreachableTasks())
	w.text(`,"completed_tasks":`)
	list(w, t.GetCompletedTasks())
	w.text(`}`)
}

func (w *jsonWriter) executors(e *masterpb.Response_GetExecutors) {
	w.text(`{"executors":`)
	list(w, e.GetExecutors())
	w.text(`}`)
}

func (w *jsonWriter) frameworks(f *masterpb.Response_GetFrameworks) {
	w.text(`{"frameworks":`)
	list(w, f.GetFrameworks())
	w.text(`,"completed_frameworks":`)
	list(w, f.GetCompletedFrameworks())
	w.text(`}`)
}

func (w *jsonWriter) agents(a *masterpb.Response_GetAgents) {
	w.text(`{"agents":`)
	list(w, a.GetAgents())
	w.text(`,"recovered_agents":`)
	list(w, a.GetRecoveredAgents())
	w.text(`}`)
}

func list[M proto.Message](w *jsonWriter, ms []M) {
	w.text(`[`)
	for i, m := range ms {
		if i > 0 {
			w.text(`,`)
		}
		b, err := w.codec.Append(w.b, m)
		if err != nil {
			w.fail(err)
			continue
		}
		w.b = b
	}
	w.text(`]`)
}
