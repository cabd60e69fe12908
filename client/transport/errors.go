package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Sentinels of status codes: a *StatusError matches the one of its code with errors.Is.
var (
	ErrBadRequest           = errors.New("bad request")                   // 400: invalid call, unknown framework, wrong stream id
	ErrUnauthorized         = errors.New("unauthorized")                  // 401: no or wrong credentials
	ErrForbidden            = errors.New("forbidden")                     // 403: not allowed, or not subscribed
	ErrNotFound             = errors.New("not found")                     // 404: also while a master or agent starts
	ErrMethodNotAllowed     = errors.New("method not allowed")            // 405
	ErrNotAcceptable        = errors.New("not acceptable")                // 406
	ErrConflict             = errors.New("conflict")                      // 409: operator operations
	ErrUnsupportedMediaType = errors.New("unsupported media type")        // 415
	ErrTooManyRequests      = errors.New("too many requests")             // 429
	ErrNotLeader            = errors.New("this master does not lead")     // 307: StatusError.Leader says who does
	ErrInternal             = errors.New("internal server error")         // 500
	ErrNotImplemented       = errors.New("not implemented")               // 501: call type unknown to this Mesos
	ErrUnavailable          = errors.New("service unavailable")           // 503: no leader, or still recovering
	ErrGateway              = errors.New("gateway cannot reach the host") // 502, 504: from proxies
)

var kinds = map[int]error{
	http.StatusTemporaryRedirect:    ErrNotLeader,
	http.StatusBadRequest:           ErrBadRequest,
	http.StatusUnauthorized:         ErrUnauthorized,
	http.StatusForbidden:            ErrForbidden,
	http.StatusNotFound:             ErrNotFound,
	http.StatusMethodNotAllowed:     ErrMethodNotAllowed,
	http.StatusNotAcceptable:        ErrNotAcceptable,
	http.StatusConflict:             ErrConflict,
	http.StatusUnsupportedMediaType: ErrUnsupportedMediaType,
	http.StatusTooManyRequests:      ErrTooManyRequests,
	http.StatusInternalServerError:  ErrInternal,
	http.StatusNotImplemented:       ErrNotImplemented,
	http.StatusServiceUnavailable:   ErrUnavailable,
	http.StatusBadGateway:           ErrGateway,
	http.StatusGatewayTimeout:       ErrGateway,
}

// Causes of an *ExchangeError.
var (
	ErrConnectTimeout = errors.New("no connection")       // Config.ConnectTimeout passed
	ErrHeaderTimeout  = errors.New("no answer in time")   // Config.HeaderTimeout passed
	ErrTooLarge       = errors.New("answer is too large") // more than Config.MaxFrame bytes
	ErrClosed         = errors.New("stream is closed")    // Next after Close
)

// maxMessage bounds StatusError.Message; Mesos' own are shorter by far, a proxy's error page is not.
const maxMessage = 16 << 10

// StatusError is an answer with a status code other than 2xx.
type StatusError struct {
	// URL asked, without user information.
	URL string
	// Code is the status code, Status its text as the server gave it, e.g. "400 Bad Request".
	Code   int
	Status string
	// Message is the body: a sentence in plain text if it comes from Mesos, cut at 16 KiB. Its wording
	// is no contract.
	Message string
	// Location is the Location header as it came; Mesos sends protocol-relative ones (//host:port/path).
	Location string
	// Leader is the host:port of the leading master if Code is 307, else "".
	Leader string
	// RetryAfter is the wait that the server asks for; 0 if it does not say.
	RetryAfter time.Duration
	// WWWAuthenticate is the challenge of a 401.
	WWWAuthenticate string
}

// Error says what was asked of whom and what the server answered.
func (e *StatusError) Error() string {
	status := e.Status
	if status == "" {
		status = strconv.Itoa(e.Code)
	}
	text := e.URL + ": " + status
	switch {
	case e.Leader != "":
		text += ": the leader is " + e.Leader
	case e.Message != "":
		text += ": " + brief(e.Message)
	}
	if e.Code == http.StatusUnauthorized && e.WWWAuthenticate != "" {
		text += " (credentials wanted: " + brief(e.WWWAuthenticate) + ")"
	}
	return text
}

// Is matches the sentinel of the code.
func (e *StatusError) Is(target error) bool { return kinds[e.Code] == target && target != nil }

// Temporary says whether the same exchange may succeed later or elsewhere without any change: 307, 404 (routes
// are installed late), 429, 500, 502, 503 and 504. The reference client retries 307, 404 and 503.
func (e *StatusError) Temporary() bool {
	switch e.Code {
	case http.StatusTemporaryRedirect, http.StatusNotFound, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// LeaderURL returns the base URL (scheme and host) of the leader that a 307 names. The scheme is the one of the
// redirect, or that of the URL asked where the redirect has none, as Mesos sends them. A redirect from https to
// http is refused, as it would carry credentials in the clear.
func (e *StatusError) LeaderURL() (string, error) {
	if e.Code != http.StatusTemporaryRedirect || e.Location == "" {
		return "", fmt.Errorf("%s names no leader", e.Error())
	}
	asked, err := url.Parse(e.URL)
	if err != nil {
		return "", fmt.Errorf("redirect of %s: %w", e.URL, err)
	}
	to, err := asked.Parse(e.Location)
	if err != nil {
		return "", fmt.Errorf("redirect of %s to the malformed location %q", e.URL, brief(e.Location))
	}
	if to.Host == "" || to.Scheme != "http" && to.Scheme != "https" {
		return "", fmt.Errorf("redirect of %s to %q, which is no http or https address", e.URL, brief(to.Redacted()))
	}
	if asked.Scheme == "https" && to.Scheme == "http" {
		return "", fmt.Errorf("redirect of %s to %s would leave TLS", e.URL, to.Host)
	}
	return to.Scheme + "://" + to.Host, nil
}

// ExchangeError is an exchange that did not complete: no connection, no answer, a cut answer, or the end of
// the caller's context. The server may or may not have acted on it.
type ExchangeError struct {
	// URL asked, without user information.
	URL string
	// Err is the cause.
	Err error
}

func (e *ExchangeError) Error() string { return e.URL + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *ExchangeError) Unwrap() error { return e.Err }

// ContentTypeError is an answer in a media type that no codec knows: usually not a Mesos at that address.
type ContentTypeError struct {
	URL         string
	ContentType string
}

func (e *ContentTypeError) Error() string {
	return fmt.Sprintf("%s: answer of content type %q; is there a Mesos master or agent at this address?", e.URL, brief(e.ContentType))
}

// DecodeError is a whole body or frame that its codec refuses. A stream can be read on after it.
type DecodeError struct {
	URL       string
	MediaType string
	// Size of the body in bytes, and the body, which nobody may change.
	Size int
	Data []byte
	Err  error
}

func (e *DecodeError) Error() string {
	return fmt.Sprintf("%s: cannot decode %d bytes of %s: %v", e.URL, e.Size, e.MediaType, e.Err)
}

// Unwrap returns the codec's error.
func (e *DecodeError) Unwrap() error { return e.Err }

// brief makes text from the wire fit for one line of an error.
func brief(s string) string {
	const limit = 512
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "..."
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// statusError consumes and closes the body of resp.
func statusError(target string, resp *http.Response) *StatusError {
	defer drain(resp.Body)
	e := &StatusError{
		URL:             target,
		Code:            resp.StatusCode,
		Status:          brief(resp.Status),
		Location:        resp.Header.Get("Location"),
		WWWAuthenticate: resp.Header.Get("Www-Authenticate"),
		RetryAfter:      retryAfter(resp.Header.Get("Retry-After")),
	}
	// A message that is cut by a failing connection is still the best there is.
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxMessage))
	e.Message = strings.TrimSpace(strings.ToValidUTF8(string(body), "\uFFFD"))
	if base, err := e.LeaderURL(); err == nil {
		_, e.Leader, _ = strings.Cut(base, "://")
	}
	return e
}

// retryAfter parses both forms of the header: seconds and a date.
func retryAfter(value string) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(date))
	}
	return 0
}

// drain reads what is left of a short body, so that its connection can be reused, and closes it.
func drain(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, 256<<10)
	_ = body.Close()
}

// exchangeError wraps err; if ctx has ended that is why, whatever the HTTP client made of it.
func exchangeError(ctx context.Context, target string, err error) error {
	var urlError *url.Error
	if errors.As(err, &urlError) {
		err = urlError.Err
	}
	if ended := ctx.Err(); ended != nil {
		err = ended
		if cause := context.Cause(ctx); !errors.Is(cause, ended) {
			err = fmt.Errorf("%w: %w", ended, cause)
		}
	}
	return &ExchangeError{URL: target, Err: err}
}
