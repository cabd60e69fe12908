package recordio

import (
	"fmt"
	"io"
	"math"
)

const (
	// bufferSize holds a length line and the small frames that arrive together with it.
	bufferSize = 8 << 10
	// trusted is the longest frame that is allocated on the word of its length line. Longer frames
	// grow as their bytes arrive, so that a line of a few digits cannot claim memory.
	trusted = 256 << 10
	// maxEmptyReads bounds a reader that returns neither bytes nor an error.
	maxEmptyReads = 100
)

// Config of a Reader. The zero value is ready to use.
type Config struct {
	// MaxFrame is the largest frame accepted, in bytes; 0 or less means DefaultMaxFrame.
	MaxFrame int
}

// Reader reads frames from a stream. It asks the stream for no more than it needs to return the next
// frame, except that it buffers some KiB. It is not safe for concurrent use.
type Reader struct {
	r      io.Reader
	max    int
	buf    []byte // bufferSize
	pos    int    // buf[pos:end] is read but not yet taken
	end    int
	taken  int64 // bytes of the stream before buf[pos]
	frames int64 // frames returned
	rerr   error // what r reported; due when buf is used up
	err    error // sticky
}

// NewReader returns a Reader of r.
func NewReader(r io.Reader, cfg Config) *Reader {
	if cfg.MaxFrame <= 0 {
		cfg.MaxFrame = DefaultMaxFrame
	}
	return &Reader{r: r, max: cfg.MaxFrame, buf: make([]byte, bufferSize)}
}

// Next returns the next frame. The frame belongs to the caller and is never written again; that of
// an empty record is empty but not nil.
//
// The error is io.EOF, bare, if the stream ended between two frames, and an *Error otherwise. After
// an error every further call returns the same error.
func (r *Reader) Next() ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	frame, err := r.next()
	if err != nil {
		r.err = err
		return nil, err
	}
	r.frames++
	return frame, nil
}

func (r *Reader) next() ([]byte, error) {
	n, err := r.length()
	if err != nil {
		return nil, err
	}
	return r.body(n)
}

// length reads a length line. Bytes are judged one by one and in order, so that the result does not
// depend on how they arrive, and a peer that does not speak RecordIO is found out at once.
func (r *Reader) length() (int, error) {
	start := r.taken
	var line [MaxLengthLine + 1]byte
	var n uint64
	overflow := false
	for i := 0; ; i++ {
		if r.pos == r.end {
			switch err := r.fill(); {
			case err == nil:
			case err == io.EOF && i == 0:
				return 0, io.EOF
			case i > 0 && cut(err):
				return 0, r.fail(r.taken, ErrTruncatedLength, fmt.Sprintf("got %q", string(line[:i])))
			default:
				return 0, r.fail(r.taken, err, "")
			}
		}
		c := r.buf[r.pos]
		r.pos++
		r.taken++
		switch {
		case c == '\n' && i == 0:
			return 0, r.fail(start, ErrEmptyLength, "")
		case c == '\n' && overflow, c == '\n' && n > uint64(r.max):
			return 0, r.fail(start, ErrTooLarge, fmt.Sprintf("length %s, limit %d", string(line[:i]), r.max))
		case c == '\n':
			return int(n), nil
		case i == MaxLengthLine:
			return 0, r.fail(start, ErrLineTooLong, fmt.Sprintf("%q…, limit %d", string(line[:i]), MaxLengthLine))
		}
		line[i] = c
		digit := uint64(c - '0')
		switch {
		case c == '-' && i == 0:
			return 0, r.fail(start, ErrNegative, "")
		case digit > 9:
			return 0, r.fail(r.taken-1, ErrNotNumber, fmt.Sprintf("found %q after %q", c, string(line[:i])))
		case n > (math.MaxInt64-digit)/10:
			overflow = true
		default:
			n = n*10 + digit
		}
	}
}

// body reads the n bytes of a frame.
func (r *Reader) body(n int) ([]byte, error) {
	frame := make([]byte, min(n, trusted))
	got := copy(frame, r.buf[r.pos:r.end])
	r.pos += got
	r.taken += int64(got)
	for got < n {
		if got == len(frame) {
			grown := make([]byte, min(n, 2*len(frame)))
			copy(grown, frame)
			frame = grown
		}
		// A reader that has reported an error is not asked again.
		m, err := 0, r.rerr
		if err == nil {
			m, err = r.read(frame[got:])
		}
		got += m
		r.taken += int64(m)
		if err == nil || got == n {
			r.rerr = err
			continue
		}
		if cut(err) {
			err = ErrTruncatedBody
		}
		return nil, r.fail(r.taken, err, fmt.Sprintf("got %d of %d bytes", got, n))
	}
	return frame, nil
}

// fill reads into the empty buffer. It returns an error only if there is nothing in it.
func (r *Reader) fill() error {
	if r.rerr != nil {
		return r.rerr
	}
	r.pos = 0
	r.end, r.rerr = r.read(r.buf)
	if r.end > 0 {
		return nil
	}
	return r.rerr
}

// read reads at least one byte or returns an error.
func (r *Reader) read(p []byte) (int, error) {
	for range maxEmptyReads {
		n, err := r.r.Read(p)
		if n < 0 || n > len(p) {
			return 0, fmt.Errorf("reader returned a count of %d for %d bytes", n, len(p))
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

// cut reports whether err says that the stream is over. net/http reports a chunked body that ends
// without its last chunk as io.ErrUnexpectedEOF.
func cut(err error) bool { return err == io.EOF || err == io.ErrUnexpectedEOF }

func (r *Reader) fail(offset int64, kind error, detail string) error {
	return &Error{Frame: r.frames, Offset: offset, Detail: detail, Err: kind}
}
