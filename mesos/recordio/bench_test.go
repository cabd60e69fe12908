package recordio_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/mesokit/mesokit/mesos/recordio"
)

func BenchmarkReader(b *testing.B) {
	for _, size := range []int{100, 4 << 10, 64 << 10, 4 << 20} {
		b.Run(fmt.Sprintf("frame=%d", size), func(b *testing.B) {
			stream := recordio.AppendFrame(nil, make([]byte, size))
			frames := recordio.NewReader(&endless{unit: stream}, recordio.Config{})
			b.SetBytes(int64(len(stream)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := frames.Next(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkWriter(b *testing.B) {
	body := bytes.Repeat([]byte("x"), 4<<10)
	w := recordio.NewWriter(io.Discard)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if err := w.WriteFrame(body); err != nil {
			b.Fatal(err)
		}
	}
}

// endless repeats unit.
type endless struct {
	unit []byte
	at   int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.unit[e.at:])
	if e.at += n; e.at == len(e.unit) {
		e.at = 0
	}
	return n, nil
}
