package recordio

import (
	"errors"
	"fmt"
	"io"
)

// What can be wrong with a stream. A Reader wraps each of these in an *Error that says where.
var (
	// ErrNotNumber: the line with the length holds something else, such as a sign, a space or the
	// start of an HTML page.
	ErrNotNumber = errors.New("length is not a decimal number")
	// ErrEmptyLength: the line with the length is empty.
	ErrEmptyLength = errors.New("length line is empty")
	// ErrNegative: the length has a minus sign.
	ErrNegative = errors.New("length is negative")
	// ErrTooLarge: the length exceeds Config.MaxFrame, or what a machine can address.
	ErrTooLarge = errors.New("frame is too large")
	// ErrLineTooLong: no newline within MaxLengthLine bytes.
	ErrLineTooLong = errors.New("length line is too long")
	// ErrTruncatedLength: the stream ended inside the line with the length. Such an *Error is also
	// io.ErrUnexpectedEOF.
	ErrTruncatedLength = errors.New("stream ended inside a length line")
	// ErrTruncatedBody: the stream ended inside a frame. Such an *Error is also
	// io.ErrUnexpectedEOF.
	ErrTruncatedBody = errors.New("stream ended inside a frame")
)

// advice says, for each kind of error, what the reader of the message can do about it.
var advice = map[error]string{
	ErrNotNumber:       "the peer does not speak RecordIO here: check the address, path and status code",
	ErrEmptyLength:     "the peer does not speak RecordIO here, or an earlier length was wrong",
	ErrNegative:        "the peer is broken: reconnect",
	ErrTooLarge:        "raise recordio.Config.MaxFrame if the peer can be trusted",
	ErrLineTooLong:     "the peer does not speak RecordIO here: check the address, path and status code",
	ErrTruncatedLength: "the connection was cut: reconnect",
	ErrTruncatedBody:   "the connection was cut: reconnect",
}

// Error is a stream that cannot be read any further. It unwraps to one of the Err values of this
// package or to the error of the underlying reader.
type Error struct {
	// Frame counts from 0 the frame that failed.
	Frame int64
	// Offset is the position in the stream, in bytes, of what is wrong: the offending byte of a
	// length line, the start of a length that is too large, or the place where the stream ended.
	Offset int64
	// Detail quotes what was found; it may be empty.
	Detail string
	// Err is the kind of the error.
	Err error
}

func (e *Error) Error() string {
	s := fmt.Sprintf("recordio: frame %d at byte %d: %v", e.Frame, e.Offset, e.Err)
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if a := advice[e.Err]; a != "" {
		s += " (" + a + ")"
	}
	return s
}

// Unwrap returns the kind of the error, and io.ErrUnexpectedEOF where the stream was cut.
func (e *Error) Unwrap() []error {
	if e.Err == ErrTruncatedBody || e.Err == ErrTruncatedLength {
		return []error{e.Err, io.ErrUnexpectedEOF}
	}
	return []error{e.Err}
}
