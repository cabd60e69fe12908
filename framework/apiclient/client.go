package apiclient

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/mesokit/mesokit/internal/redact"
)

// DefaultAddress is where a scheduler listens unless it is told otherwise.
const DefaultAddress = "http://127.0.0.1:8080"

// Config of a Client. The zero value talks to DefaultAddress without credentials.
type Config struct {
	// Addresses of schedulers of one group, in the order in which they are tried: http(s)://host:port, or host:port for http.
	Addresses []string
	// Token is sent as a bearer token; or else User and Password, if there is a User.
	Token          string
	User, Password string
	// TLS for https addresses; nil means the roots of the system.
	TLS *tls.Config
	// Patience is how long a request waits for somebody to lead, where all that answer say that nobody does, or name a leader that does
	// not answer. Default 30 s, negative: not at all.
	Patience time.Duration
	// Timeout of one exchange, streams excepted. Default 30 s.
	Timeout time.Duration
}

// Client talks to an API. It is safe for concurrent use.
type Client struct {
	cfg  Config
	http *http.Client

	mu    sync.Mutex
	bases []string // who answered last comes first
}

// New returns a client. It does not connect yet.
func New(cfg Config) (*Client, error) {
	if len(cfg.Addresses) == 0 {
		cfg.Addresses = []string{DefaultAddress}
	}
	if cfg.Patience == 0 {
		cfg.Patience = 30 * time.Second
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 30 * time.Second
	}
	c := &Client{cfg: cfg}
	for _, a := range cfg.Addresses {
		base, err := parseAddress(a)
		if err != nil {
			return nil, err
		}
		c.bases = append(c.bases, base)
	}
	tr := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		TLSClientConfig:     cfg.TLS,
		TLSHandshakeTimeout: 10 * time.Second,
		ForceAttemptHTTP2:   true,
		Proxy:               http.ProxyFromEnvironment,
	}
	// Redirects are followed here: net/http would leave the credentials behind on the way to another host.
	c.http = &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return c, nil
}

// parseAddress returns scheme://host without a slash at the end.
func parseAddress(text string) (string, error) {
	whole := text
	if !strings.Contains(text, "://") {
		whole = "http://" + text
	}
	u, err := url.Parse(whole)
	switch {
	case err != nil:
		return "", fmt.Errorf("address %q of the API: want http(s)://host:port", redact.Passwords(whole))
	case u.User != nil:
		return "", fmt.Errorf("address of the API at %s: credentials do not belong into it", u.Host)
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "":
		return "", fmt.Errorf("address %q of the API: want http(s)://host:port", text)
	}
	return u.Scheme + "://" + u.Host + strings.TrimRight(u.EscapedPath(), "/"), nil
}

// Close closes idle connections. The client may be used afterwards.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Address returns the address that answered last, or the first one.
func (c *Client) Address() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bases[0]
}

func (c *Client) known() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.bases...)
}

// prefer puts an address first. One that a redirect told of is added.
func (c *Client) prefer(base string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := []string{base}
	for _, b := range c.bases {
		if b != base && len(all) < 16 {
			all = append(all, b)
		}
	}
	c.bases = all
}

// Problem is a refusal by the scheduler (RFC 9457).
type Problem struct {
	// Type names the kind for programs: no-such-app, deploying, invalid-app, …
	Type   string `json:"type,omitempty"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	// Errors are all that is wrong in a document.
	Errors []ProblemAt `json:"errors,omitempty"`
}

// ProblemAt is one thing that is wrong in a document.
type ProblemAt struct {
	Pointer string `json:"pointer"` // JSON pointer
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Detail  string `json:"detail"`
	Fix     string `json:"fix,omitempty"`
}

// Error is the detail.
func (p *Problem) Error() string { return cmp.Or(p.Detail, p.Title, http.StatusText(p.Status)) }

// UnreachableError tells that no scheduler answered.
type UnreachableError struct {
	Addresses []string
	Err       error // of the last address
}

// Error names the addresses.
func (e *UnreachableError) Error() string {
	return fmt.Sprintf("no scheduler answers at %s: %v", strings.Join(e.Addresses, ", "), e.Err)
}

// Unwrap returns the cause.
func (e *UnreachableError) Unwrap() error { return e.Err }

// ProtocolError tells of an answer that no scheduler gives.
type ProtocolError struct {
	URL    string
	Reason string
}

// Error names the URL.
func (e *ProtocolError) Error() string {
	return fmt.Sprintf("%s does not answer as a scheduler: %s", e.URL, e.Reason)
}

// call is one operation.
type call struct {
	method, path string // escaped
	query        url.Values
	body         []byte // JSON; nil: none
	header       http.Header
	stream       bool // the answer is read by the caller
}

// maxAnswer bounds what is read of an answer that is no stream.
const maxAnswer = 256 << 20

// maxRedirects bounds redirects: a follower may not know yet that its leader has followed it.
const maxRedirects = 5

// do makes the call and decodes the answer into out, which may be nil.
func (c *Client) do(ctx context.Context, k call, out any) error {
	resp, err := c.open(ctx, k)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("the answer of %s broke off: %w", resp.Request.URL.Host, err)
	}
	if out == nil {
		return nil
	}
	if raw, ok := out.(*json.RawMessage); ok {
		*raw = body
		return nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return &ProtocolError{resp.Request.URL.String(), err.Error()}
	}
	return nil
}

// checkPath refuses names that servers take for steps within a path: no application has them.
func checkPath(path string) error {
	for segment := range strings.SplitSeq(path[1:], "/") {
		if segment == "" || segment == "." || segment == ".." {
			return &Problem{Type: "no-such-app", Title: http.StatusText(http.StatusNotFound), Status: http.StatusNotFound,
				Detail: fmt.Sprintf("%q is no name of an application or a task", segment)}
		}
	}
	return nil
}

// open makes the call until somebody has answered with success, or refused for a reason that does not pass.
func (c *Client) open(ctx context.Context, k call) (*http.Response, error) {
	if err := checkPath(k.path); err != nil {
		return nil, err
	}
	patience := time.Now().Add(c.cfg.Patience)
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		resp, err := c.try(ctx, k)
		if err == nil || ctx.Err() != nil || !passes(err) || !time.Now().Add(pause).Before(patience) {
			if err != nil && ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			return resp, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// passes says whether an error is of the time between two leaders. Commands that it refuses were not carried out.
func passes(err error) bool {
	p, ok := errors.AsType[*Problem](err)
	return ok && (p.Type == "not-leading" || p.Type == "not-running")
}

// try asks one address after the other until one answers. A command goes on to the next address only where the connection was not
// made: what was sent may have been carried out.
func (c *Client) try(ctx context.Context, k call) (*http.Response, error) {
	bases := c.known()
	var failed error
	for _, base := range bases {
		resp, err := c.follow(ctx, base, k)
		if err == nil {
			return resp, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		network, isNetwork := errors.AsType[*url.Error](err)
		switch {
		case isNetwork && (k.method == http.MethodGet || notSent(network)):
			// An address that is mistyped or a leader that has gone must not hide that another scheduler has answered.
			if failed == nil {
				failed = &UnreachableError{bases, network.Err}
			}
		case passes(err):
			failed = err
		default:
			return nil, err
		}
	}
	return nil, failed
}

func notSent(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// follow makes the call at one address, and where that redirects to.
func (c *Client) follow(ctx context.Context, base string, k call) (*http.Response, error) {
	asked := []string{}
	for range maxRedirects {
		resp, err := c.exchange(ctx, base, k)
		if broken, ok := errors.AsType[*url.Error](err); ok && len(asked) > 0 && ctx.Err() == nil && (k.method == http.MethodGet || notSent(broken)) {
			// The leader has gone, and its lease has not run out yet.
			return nil, &Problem{Type: "not-leading", Status: http.StatusServiceUnavailable,
				Detail: fmt.Sprintf("%s redirects to %s, which does not answer: %v", asked[len(asked)-1], base, broken.Err)}
		}
		if err != nil {
			return nil, err
		}
		if resp.StatusCode != http.StatusTemporaryRedirect && resp.StatusCode != http.StatusPermanentRedirect {
			if err := problemOf(resp); err != nil {
				return nil, err
			}
			c.prefer(base)
			return resp, nil
		}
		to, err := resp.Location()
		_ = resp.Body.Close()
		if err != nil {
			return nil, &ProtocolError{resp.Request.URL.String(), "a redirect without a place"}
		}
		if strings.HasPrefix(base, "https://") && to.Scheme != "https" {
			return nil, &ProtocolError{resp.Request.URL.String(), "it redirects from https to " + to.Scheme + "; start all schedulers with --tls-cert"}
		}
		if !strings.HasSuffix(to.EscapedPath(), k.path) {
			return nil, &ProtocolError{resp.Request.URL.String(), "it redirects to another path, " + to.EscapedPath()}
		}
		asked = append(asked, base)
		base = to.Scheme + "://" + to.Host + strings.TrimSuffix(to.EscapedPath(), k.path)
	}
	return nil, &Problem{Type: "not-leading", Status: http.StatusServiceUnavailable, Detail: "schedulers redirect in a circle: " + strings.Join(asked, ", ")}
}

// exchange is one request and its answer.
func (c *Client) exchange(ctx context.Context, base string, k call) (*http.Response, error) {
	address := base + k.path
	if len(k.query) > 0 {
		address += "?" + k.query.Encode()
	}
	cancel := context.CancelFunc(func() {})
	if !k.stream {
		ctx, cancel = context.WithTimeout(ctx, c.cfg.Timeout)
	}
	var body io.Reader
	if k.body != nil {
		body = bytes.NewReader(k.body)
	}
	req, err := http.NewRequestWithContext(ctx, k.method, address, body)
	if err != nil {
		cancel()
		return nil, err
	}
	for name, values := range k.header {
		req.Header[name] = values
	}
	if k.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	switch {
	case c.cfg.Token != "":
		req.Header.Set("Authorization", "Bearer "+c.cfg.Token)
	case c.cfg.User != "":
		req.SetBasicAuth(c.cfg.User, c.cfg.Password)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		cancel()
		return nil, err
	}
	resp.Body = &answerBody{resp.Body, cancel}
	return resp, nil
}

// answerBody frees the context of an exchange with its body.
type answerBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *answerBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

// problemOf returns what an answer refuses, and then closes it; nil for success.
func problemOf(resp *http.Response) error {
	if resp.StatusCode/100 == 2 {
		return nil
	}
	defer func() { _ = resp.Body.Close() }()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	var p Problem
	if media == "application/problem+json" && json.Unmarshal(text, &p) == nil && p.Status == resp.StatusCode {
		return &p
	}
	return &ProtocolError{resp.Request.URL.String(), "it answers " + resp.Status}
}
