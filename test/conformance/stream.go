package conformance

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"strings"

	"github.com/mesokit/mesokit/mesos/recordio"
)

// A stream is an event stream: what was recorded of it, and what the target sends.
type stream struct {
	exchange  *Exchange
	scheduler bool
	framework string // the recorded id of the framework that subscribed, if it did
	retries   bool   // compare updates that were sent again

	// What was recorded, apart from heartbeats and offers.
	recorded   []*expectation
	heartbeats int
	recOffers  *ledger
	offerTimes map[string]float64 // when each recorded offer came
	offerGone  map[string]float64 // when it was rescinded, if it was

	// What the target sent.
	got           []*event
	gotHeartbeats int
	offers        *ledger
	seen          map[string]bool
	ended         bool  // by the server, before the replay closed it
	endErr        error // why, if not cleanly
	gaveUp        string
	cancel        func()
	letGo         bool   // closed by the replay, as the recorder closed it before the end
	lines         *lines // of the output of a container; nil for other streams
}

// An expectation is a recorded event for which the replay waits.
type expectation struct {
	*event
	at      float64
	frame   int
	match   *event // what the target sent in its place, as far as one could tell at that moment
	skipped bool   // a later event of its lane has come, or it was waited for in vain
	late    string // the request that did not wait for it any longer
}

// newStream prepares for the events of a recorded stream.
func newStream(e *Exchange, retries bool) *stream {
	s := &stream{
		exchange: e, scheduler: strings.HasSuffix(e.Request.Path, "/scheduler"), retries: retries,
		recOffers: newLedger(), offers: newLedger(), offerTimes: make(map[string]float64),
		offerGone: make(map[string]float64), seen: make(map[string]bool),
	}
	seen := make(map[string]bool)
	frames := e.Response.Frames
	if text(e.Request.Body, "type") == "LAUNCH_NESTED_CONTAINER_SESSION" || text(e.Request.Body, "type") == "ATTACH_CONTAINER_OUTPUT" {
		s.lines, frames = new(lines), inLines(frames)
	}
	for i, f := range frames {
		ev := newEvent(f.Event, seen)
		switch {
		case ev.typ == "HEARTBEAT":
			s.heartbeats++
		case ev.typ == "OFFERS":
			for _, o := range offersIn(f.Event) {
				s.recOffers.add(o)
				s.offerTimes[o.id] = f.At
			}
		case ev.again && !retries:
		default:
			s.recorded = append(s.recorded, &expectation{event: ev, at: f.At, frame: i})
		}
		if ev.typ == "RESCIND" {
			s.offerGone[text(f.Event, "rescind", "offer_id", "value")] = f.At
		}
		if ev.typ == "SUBSCRIBED" && s.framework == "" {
			s.framework = text(f.Event, "subscribed", "framework_id", "value")
		}
	}
	return s
}

// goneAt says whether a recorded offer had been rescinded by a time.
func (s *stream) goneAt(offer string, at float64) bool {
	gone, ok := s.offerGone[offer]
	return ok && gone <= at
}

// recordedOpen lists what the recording shows as on offer at a time, per agent.
func (s *stream) recordedOpen(at float64) map[string][]*offer {
	open := make(map[string][]*offer)
	for _, o := range s.recOffers.open("") {
		if s.offerTimes[o.id] <= at && !s.goneAt(o.id, at) {
			open[o.agent] = append(open[o.agent], o)
		}
	}
	return open
}

// pair finds the recorded event that a new event stands for; nil if there is none. Events after
// horizon cannot be meant yet, unless they look exactly alike. Those that were skipped are the last
// choice.
func (s *stream) pair(ev *event, horizon float64) *expectation {
	var open []*expectation
	for _, x := range s.recorded {
		if x.lane == ev.lane && x.match == nil {
			open = append(open, x)
		}
	}
	pick := func(fits func(x *expectation) bool) *expectation {
		for i, x := range open {
			if !fits(x) {
				continue
			}
			x.match = ev
			for _, earlier := range open[:i] {
				earlier.skipped = true
			}
			return x
		}
		return nil
	}
	for _, fits := range []func(x *expectation) bool{
		func(x *expectation) bool { return x.ident == ev.ident && !x.skipped },
		func(x *expectation) bool { return x.weak == ev.weak && !x.skipped && x.at <= horizon },
		func(x *expectation) bool { return x.ident == ev.ident },
		func(x *expectation) bool { return !x.skipped && x.at <= horizon },
	} {
		if x := pick(fits); x != nil {
			return x
		}
	}
	return nil
}

// pending lists the recorded events up to a time for which it makes sense to wait.
func (s *stream) pending(at float64) []*expectation {
	var pending []*expectation
	for _, x := range s.recorded {
		if x.at <= at && x.match == nil && !x.skipped {
			pending = append(pending, x)
		}
	}
	return pending
}

// An arrival is an event, or the end of a stream.
type arrival struct {
	stream *stream
	value  any
	err    error
}

// read sends all events of a body to arrivals until it ends or stop is closed.
func (s *stream) read(body io.ReadCloser, contentType string, arrivals chan<- arrival, stop <-chan struct{}) {
	defer body.Close()
	frames := recordio.NewReader(body, recordio.Config{})
	for {
		record, err := frames.Next()
		var value any
		if err == nil {
			if contentType == "application/x-protobuf" {
				value, err = decodeProtobuf(s.exchange.Request.Path, record)
			} else {
				value, err = decode(record)
			}
		}
		select {
		case arrivals <- arrival{stream: s, value: value, err: err}:
		case <-stop:
			return
		}
		if err != nil {
			return
		}
	}
}

// lines cuts the output of a container into events of one line each, since how it is cut depends on time.
type lines struct{ rest map[string][]byte }

// add takes in an event and returns those that are complete.
func (l *lines) add(event any) []any {
	stream := text(event, "data", "type")
	data, err := base64.StdEncoding.DecodeString(text(event, "data", "data"))
	if text(event, "type") != "DATA" || err != nil {
		return []any{event}
	}
	if l.rest == nil {
		l.rest = make(map[string][]byte)
	}
	data = append(l.rest[stream], data...)
	var whole []any
	for {
		line, rest, ok := bytes.Cut(data, []byte("\n"))
		if !ok {
			break
		}
		whole = append(whole, map[string]any{"type": "DATA", "data": map[string]any{"type": stream, "data": string(line) + "\n"}})
		data = rest
	}
	l.rest[stream] = data
	return whole
}

// inLines cuts recorded output.
func inLines(frames []Frame) []Frame {
	cut, l := []Frame(nil), new(lines)
	for _, f := range frames {
		for _, event := range l.add(f.Event) {
			cut = append(cut, Frame{At: f.At, Event: event})
		}
	}
	return cut
}

// end notes that the server ended the stream.
func (s *stream) end(err error) {
	s.ended = true
	if !errors.Is(err, io.EOF) {
		s.endErr = err
	}
}
