package recordio

import "io"

// keep is the largest buffer that a Writer holds on to between frames.
const keep = 1 << 20

// Writer writes frames to a stream. It is not safe for concurrent use.
type Writer struct {
	w   io.Writer
	buf []byte
}

// NewWriter returns a Writer to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// WriteFrame writes one frame that holds body, in one call to the underlying writer, so that on an
// HTTP response one frame is one chunk and frames of several writers never mix. The error is that of
// the underlying writer, or io.ErrShortWrite; after an error the stream is broken and must be closed.
func (w *Writer) WriteFrame(body []byte) error {
	w.buf = AppendFrame(w.buf[:0], body)
	n, err := w.w.Write(w.buf)
	if err == nil && n < len(w.buf) {
		err = io.ErrShortWrite
	}
	if cap(w.buf) > keep {
		w.buf = nil
	}
	return err
}
