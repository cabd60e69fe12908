package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/recordio"
)

// Upload is a request that consists of RecordIO frames, as ATTACH_CONTAINER_INPUT wants it. One goroutine sends;
// Close may be called from any.
type Upload struct {
	client     *Client
	ctx        context.Context
	target     string
	pipe       *io.PipeWriter
	done       sync.WaitGroup
	err        error  // result of the exchange, valid after done
	buf, frame []byte // reused by Send
}

// Upload starts a streaming request. It ends with ctx; the caller calls Close in any case.
func (c *Client) Upload(ctx context.Context, url string, opts ...Option) (*Upload, error) {
	media := []Option{
		WithHeader("Content-Type", codec.MediaTypeRecordIO),
		WithHeader("Message-Content-Type", c.codec.MediaType()),
	}
	ex, err := c.newExchange(ctx, http.MethodPost, url, nil, append(media, opts...))
	if err != nil {
		return nil, err
	}
	r, w := io.Pipe()
	ex.stream = r
	ctx = ex.start(ctx)
	u := &Upload{client: c, ctx: ctx, target: ex.target, pipe: w}
	u.done.Go(func() {
		resp, err := ex.send(ctx)
		if err == nil {
			drain(resp.Body)
		}
		_, u.err = ex.end(ctx, resp, nil, 0, err)
		_ = r.CloseWithError(err) // whoever still sends learns why that is in vain
	})
	return u, nil
}

// Send sends one message. It returns when the message is on its way, or with an error if the exchange is over; Close
// tells its result.
func (u *Upload) Send(m proto.Message) (err error) {
	if u.buf, err = u.client.codec.Append(u.buf[:0], m); err != nil {
		return fmt.Errorf("encode %s as %s: %w", m.ProtoReflect().Descriptor().FullName(), u.client.codec.MediaType(), err)
	}
	u.frame = recordio.AppendFrame(u.frame[:0], u.buf)
	if _, err = u.pipe.Write(u.frame); errors.Is(err, io.ErrClosedPipe) {
		err = &ExchangeError{URL: u.target, Err: fmt.Errorf("%w: the server has answered", ErrClosed)}
	}
	if tracer, ok := u.client.tracer.(FrameTracer); ok {
		tracer.TraceFrame(u.ctx, TraceFrame{URL: u.target, Sent: true, Message: m, Size: len(u.buf), Err: err})
	}
	return err
}

// Close ends the request and returns the result of the exchange once the server has answered.
func (u *Upload) Close() error {
	_ = u.pipe.Close()
	u.done.Wait()
	return u.err
}
