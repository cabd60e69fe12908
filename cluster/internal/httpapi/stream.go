package httpapi

import (
	"context"
	"net/http"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/recordio"
)

// MaxBacklog bounds what waits for the client of a stream, in bytes of protobuf. A client that falls further behind, having read
// nothing or too slowly, is disconnected. A single message may be as large as it likes. A busy scheduler with 100,000 tasks, whose agents
// send statuses again after ten seconds, stays well below.
const MaxBacklog = 256 << 20

// Linger is how long a client may take to read what was sent before Close.
const Linger = 10 * time.Second

// Stream is one event stream. Any goroutine sends, the goroutine of the HTTP handler writes; so
// encoding and slow clients cost the sender nothing.
type Stream struct {
	codec    codec.Codec
	recordIO bool // the Content-Type is that of the framing

	mu     sync.Mutex
	queue  []queued
	closed bool
	wake   chan struct{}
	done   chan struct{}

	limit    int             // MaxBacklog
	weight   int             // of the queue and of what is being written
	largest  int             // of all messages
	overrun  bool            // the client was too slow
	deadline func(time.Time) // of writing; nil unless Serve runs
	progress chan struct{}   // a message was written
	moved    int             // how many were
}

// queued is a message, its weight, and when it was sent.
type queued struct {
	message proto.Message
	weight  int
	at      time.Time
}

// StreamInfo says what a stream is.
type StreamInfo struct {
	API       string // scheduler, executor or operator
	Framework string // id; empty for operators
	Name      string // of the framework
	Executor  string
}

// Tap stands between a stream and its client: to play faults.
type Tap interface {
	// Event is called with each message in the place of writing it, with the time at which it was sent. write writes to the
	// client. An error ends the stream.
	Event(ctx context.Context, m proto.Message, sent time.Time, frame []byte, write func([]byte) error) error
	// Ended is closed when the stream is to end.
	Ended() <-chan struct{}
	// Close is called when the stream has ended.
	Close()
}

// Tapper is what a ResponseWriter may be, so that streams written to it are tapped.
type Tapper interface{ TapStream(StreamInfo) Tap }

// NewStream returns a stream that encodes with c. Serve must be called for it.
func NewStream(c codec.Codec) *Stream {
	return &Stream{codec: c, wake: make(chan struct{}, 1), done: make(chan struct{}), progress: make(chan struct{}, 1), limit: MaxBacklog}
}

// NewRecordIOStream is NewStream for the streams of container input and output, whose headers name the
// framing and, in Message-Content-Type, the encoding.
func NewRecordIOStream(c codec.Codec) *Stream {
	s := NewStream(c)
	s.recordIO = true
	return s
}

// Send queues a message, which nobody may change from now on. It never blocks, and does nothing
// once the stream is closed or the client has gone. It ends the stream if too much waits for the client.
func (s *Stream) Send(m proto.Message) {
	n := sizeOf(m)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.largest = max(s.largest, n)
	if s.weight > 0 && s.weight+n > max(s.limit, 2*s.largest) {
		s.overrunLocked()
		return
	}
	s.weight += n
	s.queue = append(s.queue, queued{m, n, time.Now()})
	s.signal()
}

// sizeOf is the size of a message in protobuf.
func sizeOf(m proto.Message) int {
	if vt, ok := m.(interface{ SizeVT() int }); ok {
		return vt.SizeVT()
	}
	return proto.Size(m)
}

func (s *Stream) overrunLocked() {
	s.overrun, s.closed, s.queue = true, true, nil
	if s.deadline != nil {
		s.deadline(time.Unix(1, 0)) // breaks the write that is under way
	}
	s.signal()
}

// Overrun reports whether the stream was ended because its client was too slow.
func (s *Stream) Overrun() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.overrun
}

// AwaitRoom waits until less than so many bytes wait for the client. A stream on which nothing moves for the time given is ended.
func (s *Stream) AwaitRoom(size int, patience time.Duration) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for moved, late := -1, false; ; {
		s.mu.Lock()
		switch {
		case s.closed || s.weight < size:
			s.mu.Unlock()
			return
		case s.moved != moved:
			moved, late = s.moved, false
			timer.Reset(patience)
		case late:
			s.overrunLocked()
		}
		s.mu.Unlock()
		select {
		case <-s.progress: // or another who waits has got it
		case <-s.done:
			return
		case <-timer.C:
			late = true
		}
	}
}

// written notes that a message has gone out.
func (s *Stream) written(n int) {
	s.mu.Lock()
	s.weight -= n
	s.moved++
	s.mu.Unlock()
	select {
	case s.progress <- struct{}{}:
	default:
	}
}

// Close ends the stream after what was sent before has been written, or Linger is over.
func (s *Stream) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed && s.deadline != nil {
		s.deadline(time.Now().Add(Linger))
	}
	s.closed = true
	s.signal()
}

// Done is closed when nothing more is written: the client has gone or Close has taken effect.
func (s *Stream) Done() <-chan struct{} { return s.done }

func (s *Stream) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Serve writes the header of a 200 response and then what is sent, until the stream is closed,
// ctx ends or the client goes away.
func (s *Stream) Serve(ctx context.Context, w http.ResponseWriter) { s.ServeAs(ctx, w, StreamInfo{}) }

// ServeAs is Serve for a stream that says what it is.
func (s *Stream) ServeAs(ctx context.Context, w http.ResponseWriter, info StreamInfo) {
	defer close(s.done)
	defer s.Close()
	var tap Tap
	var ended <-chan struct{} // never, without a tap
	if t, ok := w.(Tapper); ok && info.API != "" {
		tap = t.TapStream(info)
		ended = tap.Ended()
		defer tap.Close()
	}
	w.Header().Set("Content-Type", s.codec.MediaType())
	if s.recordIO {
		w.Header().Set("Content-Type", codec.MediaTypeRecordIO)
		w.Header().Set("Message-Content-Type", s.codec.MediaType())
	}
	rc := http.NewResponseController(w)
	s.mu.Lock()
	s.deadline = func(t time.Time) { _ = rc.SetWriteDeadline(t) }
	if s.closed {
		s.deadline(time.Now().Add(Linger))
	}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.deadline = nil; !s.overrun {
			_ = rc.SetWriteDeadline(time.Time{}) // the connection may serve another request
		}
	}()
	w.WriteHeader(http.StatusOK)
	if rc.Flush() != nil {
		return
	}
	write := func(b []byte) error {
		if _, err := w.Write(b); err != nil {
			return err
		}
		return rc.Flush()
	}
	var body, frame []byte
	for {
		s.mu.Lock()
		batch, closed := s.queue, s.closed
		s.queue = nil
		s.mu.Unlock()
		if len(batch) > 0 {
			// Mesos writes each record as one chunk, and there are clients which count on
			// a chunk to hold exactly one (the npm package mesos-framework does).
			for i, q := range batch {
				batch[i] = queued{}
				var err error
				if body, err = s.codec.Append(body[:0], q.message); err != nil {
					return
				}
				frame = recordio.AppendFrame(frame[:0], body)
				if tap == nil {
					err = write(frame)
				} else {
					err = tap.Event(ctx, q.message, q.at, frame, write)
				}
				if err != nil {
					return
				}
				s.written(q.weight)
			}
			continue
		}
		if closed {
			return
		}
		select {
		case <-s.wake:
		case <-ended:
			return
		case <-ctx.Done():
			return
		}
	}
}
