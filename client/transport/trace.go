package transport

import (
	"context"
	"net/http"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
)

// Tracer observes exchanges. Its methods are called in the goroutine of the exchange, concurrently for
// concurrent exchanges, and must return quickly.
type Tracer interface {
	// TraceStart is called before the request is sent. The context that it returns is used for the
	// exchange and passed to the other methods.
	TraceStart(ctx context.Context, data TraceStart) context.Context
	// TraceEnd is called when the answer, or the header of a stream, has arrived or the exchange failed.
	TraceEnd(ctx context.Context, data TraceEnd)
}

// FrameTracer is a Tracer that observes the messages of streams too.
type FrameTracer interface {
	Tracer
	// TraceFrame is called with every message received on a stream and every message sent by an upload,
	// and with the end of the stream.
	TraceFrame(ctx context.Context, data TraceFrame)
}

// TraceStart is the beginning of an exchange.
type TraceStart struct {
	Method string
	// URL without user information.
	URL string
	// Header with secrets masked; a copy.
	Header http.Header
	// Message sent, nil if there is none. It is the caller's own: not to be changed or kept, and to be
	// passed through Redact before it is written anywhere.
	Message proto.Message
	// Size of the encoded message in bytes.
	Size int
}

// TraceEnd is the end of an exchange.
type TraceEnd struct {
	// Status code, 0 if there was no answer.
	Status int
	// Header of the answer with secrets masked; a copy.
	Header http.Header
	// Message received, nil if there is none; the same rules as for TraceStart.Message hold.
	Message proto.Message
	// Size of the message received in bytes.
	Size int
	// Duration since TraceStart.
	Duration time.Duration
	// Err is the error that the caller gets, nil if none.
	Err error
}

// TraceFrame is one message of a stream.
type TraceFrame struct {
	URL string
	// Sent is set for the messages of an upload.
	Sent bool
	// Message is nil if Err is set or the frame is read raw.
	Message proto.Message
	// Size of the frame in bytes.
	Size int
	// Err ends the stream, but for a *DecodeError; io.EOF is its clean end.
	Err error
}

// masked stands for a secret.
const masked = "***"

// MaskHeader returns a copy of h in which the values of headers that carry secrets are masked.
func MaskHeader(h http.Header) http.Header {
	out := make(http.Header, len(h))
	for name, values := range h {
		if secretHeader(name) {
			out[name] = []string{masked}
			continue
		}
		out[name] = append([]string(nil), values...)
	}
	return out
}

func secretHeader(name string) bool {
	name = strings.ToLower(name)
	for _, part := range []string{"authorization", "cookie", "token", "secret", "password", "api-key", "apikey"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}
