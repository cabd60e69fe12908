package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/codec"
)

// Option changes one exchange.
type Option func(*options)

type options struct {
	header        http.Header
	headerTimeout time.Duration
}

// WithHeader sets a header of one exchange, over those of the client; an empty value removes it.
func WithHeader(name, value string) Option {
	return func(o *options) {
		if value == "" {
			o.header.Del(name)
			return
		}
		o.header.Set(name, value)
	}
}

// WithHeaderTimeout replaces Config.HeaderTimeout for one exchange, such as one whose answer is an event that may
// be hours away; 0 or less means no bound but the context.
func WithHeaderTimeout(d time.Duration) Option {
	return func(o *options) { o.headerTimeout = d }
}

// RecordIO asks for the answer in the streaming form of the agent's container calls: Accept is
// application/recordio, Message-Accept the media type of c's codec.
func (c *Client) RecordIO() Option {
	return func(o *options) {
		o.header.Set("Accept", codec.MediaTypeRecordIO)
		o.header.Set("Message-Accept", c.codec.MediaType())
	}
}

// Call posts msg and wants no answer but success: any 2xx, whatever its body.
func (c *Client) Call(ctx context.Context, url string, msg proto.Message, opts ...Option) error {
	_, err := c.Exchange(ctx, url, msg, nil, opts...)
	return err
}

// CallResponse posts req and decodes the answer into resp. An empty answer leaves resp empty.
func (c *Client) CallResponse(ctx context.Context, url string, req, resp proto.Message, opts ...Option) error {
	_, err := c.Exchange(ctx, url, req, resp, opts...)
	return err
}

// Exchange posts req, decodes the answer into resp (reset first; nil to ignore the answer) and returns
// the status code, 0 if there was no answer. It is Call and CallResponse for those who tell 200 from 202.
func (c *Client) Exchange(ctx context.Context, url string, req, resp proto.Message, opts ...Option) (int, error) {
	ex, err := c.newExchange(ctx, http.MethodPost, url, req, opts)
	if err != nil {
		return 0, err
	}
	ctx = ex.start(ctx)
	httpResp, err := ex.send(ctx)
	if err != nil {
		return ex.end(ctx, httpResp, nil, 0, err)
	}
	defer drain(httpResp.Body)
	if resp == nil {
		return ex.end(ctx, httpResp, nil, 0, nil)
	}
	proto.Reset(resp)
	body, err := readBody(httpResp, c.maxFrame)
	if err != nil {
		return ex.end(ctx, httpResp, nil, len(body), exchangeError(ctx, ex.target, err))
	}
	if len(body) == 0 {
		return ex.end(ctx, httpResp, nil, 0, nil)
	}
	cd, err := c.answerCodec(ex.target, httpResp.Header)
	if err == nil {
		if err = c.unmarshal(cd, body, resp); err != nil {
			err = &DecodeError{URL: ex.target, MediaType: cd.MediaType(), Size: len(body), Data: body, Err: err}
		}
	}
	return ex.end(ctx, httpResp, resp, len(body), err)
}

// unmarshal decodes data, which nobody else has.
func (c *Client) unmarshal(cd codec.Codec, data []byte, m proto.Message) error {
	if c.shareMemory {
		return cd.UnmarshalOwned(data, m)
	}
	return cd.UnmarshalDetached(data, m)
}

// Get fetches a URL, such as a file of a sandbox or a legacy endpoint. The caller closes the body; a
// status code other than 2xx is a *StatusError.
func (c *Client) Get(ctx context.Context, url string, opts ...Option) (*http.Response, error) {
	ex, err := c.newExchange(ctx, http.MethodGet, url, nil, opts)
	if err != nil {
		return nil, err
	}
	ctx = ex.start(ctx)
	resp, err := ex.send(ctx)
	if _, err = ex.end(ctx, resp, nil, 0, err); err != nil {
		return nil, err
	}
	return resp, nil
}

// exchange is one request on its way.
type exchange struct {
	client  *Client
	method  string
	url     *url.URL
	target  string // url without user information, for errors and traces
	header  http.Header
	message proto.Message
	body    []byte
	stream  io.ReadCloser // instead of body, for uploads
	started time.Time

	headerTimeout time.Duration
}

func (c *Client) newExchange(ctx context.Context, method, rawURL string, msg proto.Message, opts []Option) (*exchange, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		// The text of url.Parse's error repeats the whole URL, user information included.
		var parseError *url.Error
		if errors.As(err, &parseError) {
			err = parseError.Err
		}
		return nil, fmt.Errorf("malformed URL: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("URL %q: want http://host:port or https://host:port", u.Redacted())
	}
	o := options{header: c.header(), headerTimeout: c.headerTimeout}
	o.header.Set("Accept", c.codec.MediaType())
	user := u.User
	u.User = nil
	if user != nil {
		password, _ := user.Password()
		authorization, _ := Basic(user.Username(), password).Authorization(ctx, "")
		o.header.Set("Authorization", authorization)
	}
	ex := &exchange{client: c, method: method, url: u, target: u.String(), message: msg}
	if msg != nil {
		if ex.body, err = c.codec.Append(nil, msg); err != nil {
			return nil, fmt.Errorf("encode %s as %s: %w", msg.ProtoReflect().Descriptor().FullName(), c.codec.MediaType(), err)
		}
		o.header.Set("Content-Type", c.codec.MediaType())
	} else if method == http.MethodGet {
		o.header.Del("Accept")
	}
	for _, opt := range opts {
		opt(&o)
	}
	ex.header, ex.headerTimeout = o.header, o.headerTimeout
	return ex, nil
}

func (ex *exchange) start(ctx context.Context) context.Context {
	ex.started = time.Now()
	if ex.client.tracer == nil {
		return ctx
	}
	return ex.client.tracer.TraceStart(ctx, TraceStart{
		Method: ex.method, URL: ex.target, Header: MaskHeader(ex.header), Message: ex.message, Size: len(ex.body),
	})
}

func (ex *exchange) end(ctx context.Context, resp *http.Response, msg proto.Message, size int, err error) (int, error) {
	data := TraceEnd{Message: msg, Size: size, Err: err}
	var status *StatusError
	switch {
	case resp != nil:
		data.Status = resp.StatusCode
	case errors.As(err, &status):
		data.Status = status.Code
	}
	if tracer := ex.client.tracer; tracer != nil {
		data.Duration = time.Since(ex.started)
		if resp != nil {
			data.Header = MaskHeader(resp.Header)
		}
		tracer.TraceEnd(ctx, data)
	}
	return data.Status, err
}

// send performs the request. The body of the response, which is only returned for a 2xx, ends with ctx.
func (ex *exchange) send(ctx context.Context) (*http.Response, error) {
	credentials := ex.client.credentials
	if credentials == nil || ex.header.Get("Authorization") != "" {
		return ex.attempt(ctx)
	}
	authorization, err := credentials.Authorization(ctx, "")
	if err != nil {
		return nil, exchangeError(ctx, ex.target, err)
	}
	ex.header.Set("Authorization", authorization)
	resp, err := ex.attempt(ctx)
	if !errors.Is(err, ErrUnauthorized) || ex.stream != nil {
		return resp, err
	}
	fresh, authErr := credentials.Authorization(ctx, authorization)
	if authErr != nil {
		return nil, errors.Join(err, authErr)
	}
	if fresh == authorization {
		return nil, err
	}
	// A 401 is given before the call is looked at, so repeating it cannot do anything twice.
	ex.header.Set("Authorization", fresh)
	return ex.attempt(ctx)
}

func (ex *exchange) attempt(parent context.Context) (*http.Response, error) {
	if err := parent.Err(); err != nil {
		return nil, exchangeError(parent, ex.target, err)
	}
	ctx, cancel := context.WithCancelCause(parent)
	timeout := ex.headerTimeout
	if ex.stream != nil {
		timeout = 0
	}
	late := fmt.Errorf("%w: waited %v for the header", ErrHeaderTimeout, timeout)
	timer := startTimer(timeout, func() { cancel(late) })
	req := &http.Request{
		Method: ex.method, URL: ex.url, Host: ex.url.Host, Header: ex.header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	req = req.WithContext(ctx)
	switch {
	case ex.stream != nil:
		req.Body = ex.stream
	case len(ex.body) > 0:
		req.ContentLength = int64(len(ex.body))
		req.GetBody = func() (io.ReadCloser, error) { return &requestBody{bytes.NewReader(ex.body), timer}, nil }
		req.Body, _ = req.GetBody()
	}
	resp, err := ex.client.http.Do(req)
	if !timer.stop() && err == nil {
		// The header came at the very moment the timer fired: the body is cut off already, or will be.
		_ = resp.Body.Close()
		err = late
	}
	if err != nil {
		if cause := context.Cause(ctx); parent.Err() == nil && cause != nil {
			err = cause
		}
		cancel(nil)
		return nil, exchangeError(parent, ex.target, err)
	}
	resp.Body = &body{ReadCloser: resp.Body, cancel: cancel}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, statusError(ex.target, resp)
	}
	return resp, nil
}

// headerTimer bounds the wait for a header. It can be put off until it is stopped.
type headerTimer struct {
	timeout time.Duration
	mu      sync.Mutex
	timer   *time.Timer // nil if there is no bound
	stopped bool
}

func startTimer(timeout time.Duration, fire func()) *headerTimer {
	t := &headerTimer{timeout: timeout}
	if timeout > 0 {
		t.timer = time.AfterFunc(timeout, fire)
	}
	return t
}

// putOff starts the wait again.
func (t *headerTimer) putOff() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timer != nil && !t.stopped {
		t.timer.Reset(t.timeout)
	}
}

// stop says whether it came before the end of the wait.
func (t *headerTimer) stop() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	return t.timer == nil || t.timer.Stop()
}

// requestBody is read in small parts, each of which puts the timer off, so that a long message may take its
// time on a slow link.
type requestBody struct {
	r     *bytes.Reader
	timer *headerTimer
}

func (b *requestBody) Read(p []byte) (int, error) {
	const part = 4 << 10
	if b.r.Len() > part {
		b.timer.putOff()
	}
	return b.r.Read(p[:min(len(p), part)])
}

func (b *requestBody) Close() error { return nil }

// body releases the context of its exchange when it is closed.
type body struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

func (b *body) Close() error {
	b.cancel(nil) // first, so that a Read under way in another goroutine returns
	return b.ReadCloser.Close()
}

// readBody reads a whole answer of at most limit bytes.
func readBody(resp *http.Response, limit int) ([]byte, error) {
	if resp.ContentLength > int64(limit) {
		return nil, fmt.Errorf("%w: %d bytes, %d allowed by MaxFrame", ErrTooLarge, resp.ContentLength, limit)
	}
	var buf bytes.Buffer
	if resp.ContentLength > 0 {
		// One more than the body, so that the buffer does not grow to find its end.
		buf.Grow(int(resp.ContentLength) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(resp.Body, int64(limit)+1))
	if err == nil && n > int64(limit) {
		err = fmt.Errorf("%w: more than the %d bytes allowed by MaxFrame", ErrTooLarge, limit)
	}
	return buf.Bytes(), err
}

// answerCodec finds the codec for the messages of an answer. Parameters of the media type are ignored, and
// an absent Content-Type means the one asked for.
func (c *Client) answerCodec(target string, h http.Header) (codec.Codec, error) {
	value := h.Get("Content-Type")
	if value == "" {
		return c.codec, nil
	}
	media, _, err := mime.ParseMediaType(value)
	if err == nil && media == codec.MediaTypeRecordIO {
		if value = h.Get("Message-Content-Type"); value == "" {
			return c.codec, nil
		}
		media, _, err = mime.ParseMediaType(value)
	}
	if err == nil {
		if cd, ok := codec.ByMediaType(media); ok {
			return cd, nil
		}
	}
	return nil, &ContentTypeError{URL: target, ContentType: value}
}
