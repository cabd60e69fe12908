package httpapi

import (
	"context"
	"net/http"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/recordio"
)

// Stream is one event stream. Any goroutine sends, the goroutine of the HTTP handler writes; so
// encoding and slow clients cost the sender nothing.
type Stream struct {
	codec    codec.Codec
	recordIO bool // the Content-Type is that of the framing

	mu     sync.Mutex
	queue  []proto.Message
	closed bool
	wake   chan struct{}
	done   chan struct{}
}

// NewStream returns a stream that encodes with c. Serve must be called for it.
func NewStream(c codec.Codec) *Stream {
	return &Stream{codec: c, wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// NewRecordIOStream is NewStream for the streams of container input and output, whose headers name the
// framing and, in Message-Content-Type, the encoding.
func NewRecordIOStream(c codec.Codec) *Stream {
	s := NewStream(c)
	s.recordIO = true
	return s
}

// Send queues a message, which nobody may change from now on. It never blocks, and does nothing
// once the stream is closed or the client has gone.
func (s *Stream) Send(m proto.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.queue = append(s.queue, m)
		s.signal()
	}
}

// Close ends the stream after what was sent before has been written.
func (s *Stream) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
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
func (s *Stream) Serve(ctx context.Context, w http.ResponseWriter) {
	defer close(s.done)
	defer s.Close()
	w.Header().Set("Content-Type", s.codec.MediaType())
	if s.recordIO {
		w.Header().Set("Content-Type", codec.MediaTypeRecordIO)
		w.Header().Set("Message-Content-Type", s.codec.MediaType())
	}
	w.WriteHeader(http.StatusOK)
	rc := http.NewResponseController(w)
	if rc.Flush() != nil {
		return
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
			for _, m := range batch {
				var err error
				if body, err = s.codec.Append(body[:0], m); err != nil {
					return
				}
				frame = recordio.AppendFrame(frame[:0], body)
				if _, err := w.Write(frame); err != nil || rc.Flush() != nil {
					return
				}
			}
			continue
		}
		if closed {
			return
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return
		}
	}
}
