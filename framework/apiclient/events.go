package apiclient

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// EventOptions of Events; the zero value asks for everything from now on.
type EventOptions struct {
	// Apps and Kinds select; empty selects all.
	Apps  []string
	Kinds []string
	// After is the number of the last event that was seen: the stream continues there. nil begins now, 0 with the oldest one that
	// the scheduler remembers.
	After *uint64
	// Since asks for events since a time, as far as the scheduler remembers them; zero for no bound. It is used where After is nil.
	Since time.Time
	// Silence is how long the stream may be silent before it is taken for broken. Heartbeats count; they come every 15 s by default. Default 1 min.
	Silence time.Duration
}

// GapError is yielded by Events where events are missing. What they told is in the state: read it again.
type GapError struct {
	After, Next uint64 // the events between these are missing
}

// Error tells the numbers.
func (e *GapError) Error() string {
	return fmt.Sprintf("events between %d and %d are not remembered any more", e.After, e.Next)
}

// Events yields events as they happen, until ctx ends. A stream that breaks is opened again, where necessary at another scheduler, and
// continues after the last event. A *GapError does not end the loop; other errors, which are refusals, are its last element.
func (c *Client) Events(ctx context.Context, o EventOptions) iter.Seq2[Note, error] {
	if o.Silence <= 0 {
		o.Silence = time.Minute
	}
	return func(yield func(Note, error) bool) {
		after := o.After
		if after == nil && !o.Since.IsZero() {
			after = new(uint64)
		}
		if after == nil {
			// From now on means from this call on, whenever the stream has been opened.
			s, err := one[Status](ctx, c, "/v1/status")
			if err == nil && !s.Leading {
				// A follower does not know; the leader's stream begins when it is open.
				s = nil
			}
			if err != nil {
				if ctx.Err() == nil {
					yield(Note{}, err)
				}
				return
			}
			if s != nil {
				after = &s.LastEvent
			}
		}
		for pause := 100 * time.Millisecond; ctx.Err() == nil; {
			began := time.Now()
			more, err := c.stream(ctx, o, &after, yield)
			if !more || ctx.Err() != nil {
				return
			}
			if _, refused := errors.AsType[*Problem](err); refused && !passes(err) {
				yield(Note{}, err)
				return
			}
			if _, strange := errors.AsType[*ProtocolError](err); strange {
				yield(Note{}, err)
				return
			}
			if time.Since(began) > 10*time.Second {
				pause = 100 * time.Millisecond
			}
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
			pause = min(2*pause, 5*time.Second)
		}
	}
}

// stream reads one stream to its end; more is false if the loop was left.
func (c *Client) stream(ctx context.Context, o EventOptions, after **uint64, yield func(Note, error) bool) (more bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	query := url.Values{}
	if len(o.Apps) > 0 {
		query["app"] = o.Apps
	}
	if len(o.Kinds) > 0 {
		query["kind"] = o.Kinds
	}
	if !o.Since.IsZero() {
		query.Set("since", o.Since.UTC().Format(time.RFC3339Nano))
	}
	header := http.Header{"Accept": {"text/event-stream"}}
	if *after != nil {
		header.Set("Last-Event-Id", strconv.FormatUint(**after, 10))
	}
	resp, err := c.open(ctx, call{method: http.MethodGet, path: "/v1/events", query: query, header: header, stream: true})
	if err != nil {
		return true, err
	}
	defer func() { _ = resp.Body.Close() }()
	silence := time.AfterFunc(o.Silence, func() { cancel(errors.New("the stream of events is silent")) })
	defer silence.Stop()
	r := bufio.NewReader(resp.Body)
	for {
		e, err := readEvent(r, func() { silence.Reset(o.Silence) })
		if err != nil {
			return true, err
		}
		switch e.kind {
		case "gap":
			gap := new(GapError)
			if json.Unmarshal(e.data, gap) == nil && !yield(Note{}, gap) {
				return false, nil
			}
		default:
			var n Note
			if err := json.Unmarshal(e.data, &n); err != nil {
				return true, &ProtocolError{resp.Request.URL.String(), err.Error()}
			}
			*after = &n.Seq
			if !yield(n, nil) {
				return false, nil
			}
		}
	}
}

type serverEvent struct {
	kind string
	data []byte
}

// maxEvent bounds the bytes of one event.
const maxEvent = 4 << 20

// readEvent reads the next event with data; alive is called with every line, comments included.
func readEvent(r *bufio.Reader, alive func()) (serverEvent, error) {
	var e serverEvent
	size := 0
	for {
		line, err := readLine(r, maxEvent-size)
		if err != nil {
			return e, err
		}
		alive()
		size += len(line)
		if len(line) == 0 {
			if e.data != nil {
				return e, nil
			}
			e, size = serverEvent{}, 0
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "event":
			e.kind = string(value)
		case "data":
			if e.data != nil {
				e.data = append(e.data, '\n')
			}
			e.data = append(e.data, value...)
			if e.data == nil {
				e.data = []byte{}
			}
		}
	}
}

// readLine reads a line without its end.
func readLine(r *bufio.Reader, most int) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > most {
			return nil, fmt.Errorf("an event of more than %d bytes", maxEvent)
		}
		line = append(line, part...)
		switch {
		case err == nil:
			return bytes.TrimRight(line, "\r\n"), nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return nil, io.ErrUnexpectedEOF
		default:
			return nil, err
		}
	}
}
