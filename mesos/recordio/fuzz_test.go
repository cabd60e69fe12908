package recordio_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mesokit/mesokit/mesos/recordio"
)

// FuzzReader feeds any bytes, cut into any chunks: nothing panics, the result does not depend on the
// cuts, and the frames written again are the stream that was consumed.
func FuzzReader(f *testing.F) {
	for _, s := range []string{
		"", "5\nhello", "0\n0\n", "5\nhell", "-1\n", "12", "\n", "99999999999999999999\n", "+1\na",
		"3\r\nabc", "007\nJames B", "000000000000000000000\n", "1\na2\nbc3\ndef",
	} {
		f.Add([]byte(s), []byte{1, 0, 3})
	}
	f.Fuzz(func(t *testing.T, stream, cuts []byte) {
		cfg := recordio.Config{MaxFrame: 1 << 20}
		want, wantErr := readAll(bytes.NewReader(stream), cfg)
		got, gotErr := readAll(&chunked{rest: stream, cuts: cuts}, cfg)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("frames depend on the chunks (-whole +cut):\n%s", diff)
		}
		if fmt.Sprint(wantErr) != fmt.Sprint(gotErr) {
			t.Errorf("error depends on the chunks: %v, cut %v", wantErr, gotErr)
		}
		var written []byte
		for _, frame := range want {
			written = recordio.AppendFrame(written, []byte(frame))
		}
		again, err := readAll(bytes.NewReader(written), cfg)
		if diff := cmp.Diff(want, again); err != nil || diff != "" {
			t.Errorf("round trip: error %v, diff %s", err, diff)
		}
		if wantErr == nil && !bytes.Contains(stream, []byte("0")) && !bytes.Equal(written, stream) {
			t.Errorf("wrote %q for the stream %q", written, stream)
		}
	})
}

// FuzzRoundTrip writes any bodies and reads them back.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte(""), []byte("\n"), []byte{2})
	f.Add([]byte("5\nhello"), bytes.Repeat([]byte("x"), 9<<10), []byte{0, 255})
	f.Fuzz(func(t *testing.T, a, b, cuts []byte) {
		var stream bytes.Buffer
		w := recordio.NewWriter(&stream)
		for _, body := range [][]byte{a, b, a} {
			if err := w.WriteFrame(body); err != nil {
				t.Fatal(err)
			}
		}
		got, err := readAll(&chunked{rest: stream.Bytes(), cuts: cuts}, recordio.Config{})
		if diff := cmp.Diff([]string{string(a), string(b), string(a)}, got); err != nil || diff != "" {
			t.Errorf("error %v, diff %s", err, diff)
		}
	})
}

// chunked returns its bytes in pieces of the given sizes, over and over; 0 stands for an empty read.
type chunked struct {
	rest, cuts []byte
	i          int
}

func (c *chunked) Read(p []byte) (int, error) {
	n := 1 + c.i%7
	if len(c.cuts) > 0 {
		n = int(c.cuts[c.i%len(c.cuts)])
	}
	if c.i++; n == 0 && c.i%2 == 0 {
		n = 1
	}
	if n = min(n, len(p), len(c.rest)); n == 0 && len(c.rest) == 0 {
		return 0, io.EOF
	}
	copy(p, c.rest[:n])
	c.rest = c.rest[n:]
	return n, nil
}
