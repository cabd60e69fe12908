package transport

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/recordio"
)

// Stream is an answer that consists of RecordIO frames. One goroutine reads it; Close, Header, LastReceived
// and MediaType may be called from any goroutine.
type Stream struct {
	client *Client
	ctx    context.Context
	target string
	resp   *http.Response
	codec  codec.Codec
	frames *recordio.Reader
	began  time.Time
	last   atomic.Int64 // when bytes came last, after began: steps of the wall clock must not look like silence
	closed atomic.Bool
	failed error // what ended the stream
}

// Stream posts msg and returns the stream that answers it once its header has come. The stream ends with
// ctx. The caller closes it.
func (c *Client) Stream(ctx context.Context, url string, msg proto.Message, opts ...Option) (*Stream, error) {
	ex, err := c.newExchange(ctx, http.MethodPost, url, msg, opts)
	if err != nil {
		return nil, err
	}
	ctx = ex.start(ctx)
	resp, err := ex.send(ctx)
	var cd codec.Codec
	if err == nil {
		if cd, err = c.answerCodec(ex.target, resp.Header); err != nil {
			_ = resp.Body.Close()
		}
	}
	if _, err = ex.end(ctx, resp, nil, 0, err); err != nil {
		return nil, err
	}
	s := &Stream{client: c, ctx: ctx, target: ex.target, resp: resp, codec: cd, began: time.Now()}
	s.frames = recordio.NewReader(received{s}, recordio.Config{MaxFrame: c.maxFrame})
	return s, nil
}

// Header returns the header of the answer, where Mesos-Stream-Id is. It is not to be changed.
func (s *Stream) Header() http.Header { return s.resp.Header }

// MediaType returns the media type of the messages.
func (s *Stream) MediaType() string { return s.codec.MediaType() }

// LastReceived returns when the last bytes came, be they a part of a frame: a stream that delivers a big
// frame slowly is alive. It is the header's arrival at first, and has a monotonic reading, for time.Since.
func (s *Stream) LastReceived() time.Time { return s.began.Add(time.Duration(s.last.Load())) }

// Next reads the next message into m. It returns io.EOF at the clean end, an *ExchangeError if the stream
// breaks, the context ends or Close is called, and a *DecodeError for a frame that is whole but not a
// message of m's type, after which reading can go on.
func (s *Stream) Next(m proto.Message) error {
	frame, err := s.next()
	if err == nil {
		if err = s.client.unmarshal(s.codec, frame, m); err != nil {
			err = &DecodeError{URL: s.target, MediaType: s.codec.MediaType(), Size: len(frame), Data: frame, Err: err}
		}
	}
	s.trace(m, len(frame), err)
	return err
}

// NextFrame reads the next frame as it is; the caller owns it. Errors are those of Next.
func (s *Stream) NextFrame() ([]byte, error) {
	frame, err := s.next()
	s.trace(nil, len(frame), err)
	return frame, err
}

func (s *Stream) next() ([]byte, error) {
	if s.failed != nil {
		return nil, s.failed
	}
	frame, err := s.frames.Next()
	switch {
	case err == nil:
		return frame, nil
	case s.closed.Load():
		s.failed = &ExchangeError{URL: s.target, Err: ErrClosed}
	case errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && s.ctx.Err() == nil:
		s.failed = io.EOF
	default:
		s.failed = exchangeError(s.ctx, s.target, err)
	}
	// Nothing more is to come: the connection is given back or closed at once.
	_ = s.resp.Body.Close()
	return nil, s.failed
}

func (s *Stream) trace(m proto.Message, size int, err error) {
	tracer, ok := s.client.tracer.(FrameTracer)
	if !ok {
		return
	}
	if err != nil {
		m = nil
	}
	tracer.TraceFrame(s.ctx, TraceFrame{URL: s.target, Message: m, Size: size, Err: err})
}

// Close ends the stream; a Next that waits returns. It is idempotent.
func (s *Stream) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	return s.resp.Body.Close()
}

// received is the body of a stream, which notes when bytes come.
type received struct{ s *Stream }

func (r received) Read(p []byte) (int, error) {
	n, err := r.s.resp.Body.Read(p)
	if n > 0 {
		r.s.touch()
	}
	return n, err
}

func (s *Stream) touch() { s.last.Store(int64(time.Since(s.began))) }
