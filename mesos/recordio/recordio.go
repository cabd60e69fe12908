// Package recordio reads and writes RecordIO: frames of a decimal byte length, a newline and as
// many bytes.
package recordio

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// DefaultMaxFrame is the largest frame that a Reader takes unless told otherwise.
const DefaultMaxFrame = 64 << 20

// Config of a Reader. The zero value is ready to use.
type Config struct {
	// MaxFrame is the largest frame accepted, in bytes; 0 means DefaultMaxFrame.
	MaxFrame int
}

// Reader reads frames. It is not safe for concurrent use.
type Reader struct {
	r   *bufio.Reader
	max int
}

// NewReader returns a Reader of r.
func NewReader(r io.Reader, cfg Config) *Reader {
	if cfg.MaxFrame == 0 {
		cfg.MaxFrame = DefaultMaxFrame
	}
	return &Reader{r: bufio.NewReaderSize(r, 16<<10), max: cfg.MaxFrame}
}

// Next returns the next frame, which belongs to the caller, or io.EOF at a clean end.
func (r *Reader) Next() ([]byte, error) {
	line, err := r.r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(strings.TrimSuffix(line, "\n"))
	if err != nil || n < 0 || n > r.max {
		return nil, fmt.Errorf("recordio: bad length %q", line)
	}
	frame := make([]byte, n)
	_, err = io.ReadFull(r.r, frame)
	return frame, err
}

// AppendFrame appends the frame that holds body to dst.
func AppendFrame(dst, body []byte) []byte {
	dst = strconv.AppendInt(dst, int64(len(body)), 10)
	dst = append(dst, '\n')
	return append(dst, body...)
}
