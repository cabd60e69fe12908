package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/recordio"
)

// Defaults of Config.
const (
	DefaultConnectTimeout = 10 * time.Second
	DefaultHeaderTimeout  = 30 * time.Second
	DefaultUserAgent      = "mesokit"
)

// Config of a Client. The zero value is ready to use: protobuf, no credentials, the system's root
// certificates. A Config is copied by New and may be reused.
type Config struct {
	// Codec encodes messages and names the media type asked for; nil means codec.Protobuf. Answers are
	// decoded in the media type that they come in.
	Codec codec.Codec
	// TLS is used for https URLs; nil means the system's roots. A MinVersion below TLS 1.2 is raised
	// to TLS 1.2. It is cloned.
	TLS *tls.Config
	// Credentials authenticate every exchange; nil means none. They also go to the master that a
	// redirect names.
	Credentials Credentials
	// DialContext opens connections; nil means TCP with keep-alive. Set it for domain sockets and
	// in-memory networks.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// ConnectTimeout bounds opening one connection; 0 means DefaultConnectTimeout, negative no bound.
	ConnectTimeout time.Duration
	// HeaderTimeout bounds the time from the start of an exchange, connecting included, to the header of the
	// answer; every few kilobytes of a long message that are sent start it again. 0 means DefaultHeaderTimeout,
	// negative no bound. It limits neither the body nor the life of a stream, and uploads not at all; those end
	// with their contexts.
	HeaderTimeout time.Duration
	// MaxFrame is the largest frame of a stream and the largest answer, in bytes; 0 means
	// recordio.DefaultMaxFrame (64 MiB).
	MaxFrame int
	// ShareMemory has scheduler and executor events decoded in the fastest way: all parts of an event, strings too, share memory with its
	// frame and with each other, so that keeping any of them keeps all. Whoever sets it keeps copies, made by codec.Detach and
	// strings.Clone. Without it every part of a message may be kept.
	ShareMemory bool
	// UserAgent is sent with every exchange; "" means DefaultUserAgent.
	UserAgent string
	// Header is added to every exchange. It is cloned.
	Header http.Header
	// Tracer observes exchanges; nil means none.
	Tracer Tracer
	// HTTPClient replaces the HTTP client. TLS, DialContext and ConnectTimeout belong to its transport
	// and must not be set beside it; its Timeout must be 0, as it would end every stream. Redirects are
	// never followed, whatever its CheckRedirect says.
	HTTPClient *http.Client
}

// String describes the configuration without its secrets.
func (c Config) String() string {
	media := codec.MediaTypeProtobuf
	if c.Codec != nil {
		media = c.Codec.MediaType()
	}
	return fmt.Sprintf("transport.Config{%s, credentials: %v, header: %v}", media, c.Credentials, MaskHeader(c.Header))
}

// Format prints String whatever the verb, so that %+v and %#v leak nothing.
func (c Config) Format(f fmt.State, _ rune) { fmt.Fprint(f, c.String()) }

// Client performs exchanges. It is safe for concurrent use and keeps idle connections until Close.
type Client struct {
	codec         codec.Codec
	credentials   Credentials
	headerTimeout time.Duration
	maxFrame      int
	shareMemory   bool
	header        func() http.Header // a copy; a closure, as package fmt prints fields of structs around a Client
	tracer        Tracer
	http          *http.Client
}

// New returns a Client, or an error that names the fields of cfg which contradict each other.
func New(cfg Config) (*Client, error) {
	c := &Client{
		codec:         cfg.Codec,
		credentials:   cfg.Credentials,
		headerTimeout: cfg.HeaderTimeout,
		maxFrame:      cfg.MaxFrame,
		shareMemory:   cfg.ShareMemory,
		tracer:        cfg.Tracer,
	}
	if c.codec == nil {
		c.codec = codec.Protobuf
	}
	if c.headerTimeout == 0 {
		c.headerTimeout = DefaultHeaderTimeout
	}
	switch {
	case c.maxFrame < 0:
		return nil, fmt.Errorf("transport: MaxFrame %d is negative; use 0 for the default of %d bytes", c.maxFrame, recordio.DefaultMaxFrame)
	case c.maxFrame == 0:
		c.maxFrame = recordio.DefaultMaxFrame
	}
	header := cfg.Header.Clone()
	if header == nil {
		header = make(http.Header)
	}
	switch {
	case cfg.UserAgent != "":
		header.Set("User-Agent", cfg.UserAgent)
	case header.Get("User-Agent") == "":
		header.Set("User-Agent", DefaultUserAgent)
	}
	c.header = header.Clone

	if cfg.HTTPClient == nil {
		c.http = &http.Client{Transport: newHTTPTransport(cfg)}
	} else {
		if cfg.TLS != nil || cfg.DialContext != nil || cfg.ConnectTimeout != 0 {
			return nil, errors.New("transport: HTTPClient brings its own connections; set TLS, DialContext and ConnectTimeout on its transport instead")
		}
		if cfg.HTTPClient.Timeout != 0 {
			return nil, fmt.Errorf("transport: HTTPClient.Timeout of %v would end every stream; set it to 0 and use HeaderTimeout and contexts", cfg.HTTPClient.Timeout)
		}
		own := *cfg.HTTPClient
		c.http = &own
	}
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c, nil
}

func newHTTPTransport(cfg Config) *http.Transport {
	tlsConfig := cfg.TLS.Clone()
	if tlsConfig == nil {
		tlsConfig = new(tls.Config)
	}
	tlsConfig.MinVersion = max(tlsConfig.MinVersion, tls.VersionTLS12)

	dial := cfg.DialContext
	if dial == nil {
		dial = (&net.Dialer{KeepAlive: 15 * time.Second}).DialContext
	}
	timeout := cfg.ConnectTimeout
	if timeout == 0 {
		timeout = DefaultConnectTimeout
	}
	t := &http.Transport{
		Proxy:           http.ProxyFromEnvironment,
		TLSClientConfig: tlsConfig,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if timeout > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeoutCause(ctx, timeout, ErrConnectTimeout)
				defer cancel()
			}
			conn, err := dial(ctx, network, addr)
			if err != nil && errors.Is(context.Cause(ctx), ErrConnectTimeout) {
				err = fmt.Errorf("%w after %v: %s", ErrConnectTimeout, timeout, addr)
			}
			return conn, err
		},
		// Calls go to one or two hosts; a scheduler that acknowledges from many goroutines should not
		// open and close connections all the time.
		MaxIdleConns:        256,
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     90 * time.Second,
	}
	if timeout > 0 {
		t.TLSHandshakeTimeout = timeout
	}
	if cfg.DialContext != nil {
		// Who dials himself knows the way.
		t.Proxy = nil
	}
	return t
}

// Codec returns the codec that messages are encoded with.
func (c *Client) Codec() codec.Codec { return c.codec }

// Close closes idle connections. Exchanges and streams under way are not disturbed, and the client remains usable.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// String describes the client without its secrets.
func (c Client) String() string {
	return fmt.Sprintf("transport.Client{%s, credentials: %v}", c.codec.MediaType(), c.credentials)
}

// Format prints String whatever the verb, so that %+v and %#v leak nothing.
func (c Client) Format(f fmt.State, _ rune) { fmt.Fprint(f, c.String()) }
