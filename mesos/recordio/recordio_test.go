package recordio_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/mesokit/mesokit/mesos/recordio"
)

// readAll returns the frames of r, and the error that ended them if it is not io.EOF.
func readAll(r io.Reader, cfg recordio.Config) ([]string, error) {
	frames := recordio.NewReader(r, cfg)
	var out []string
	for {
		frame, err := frames.Next()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, string(frame))
	}
}

func TestReaderReturnsFramesInOrder(t *testing.T) {
	big := strings.Repeat("x", 1<<20+7)
	cases := []struct {
		name, stream string
		want         []string
	}{
		{"empty stream", "", nil},
		{"one frame", "5\nhello", []string{"hello"}},
		{"empty records", "0\n0\n2\nab0\n", []string{"", "", "ab", ""}},
		{"newlines and digits in the body", "6\n3\nabc\n1\nz", []string{"3\nabc\n", "z"}},
		{"leading zeros", "00000000000000000003\nabc", []string{"abc"}},
		{"larger than every buffer", strconv.Itoa(len(big)) + "\n" + big + "1\ny", []string{big, "y"}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			for how, wrap := range map[string]func(io.Reader) io.Reader{
				"whole":           func(r io.Reader) io.Reader { return r },
				"byte by byte":    iotest.OneByteReader,
				"halves":          iotest.HalfReader,
				"EOF with data":   iotest.DataErrReader,
				"0 bytes between": func(r io.Reader) io.Reader { return &hesitant{r: r} },
			} {
				got, err := readAll(wrap(strings.NewReader(tc.stream)), recordio.Config{})
				if err != nil || !cmp.Equal(tc.want, got) {
					t.Errorf("%s: error %v, frames differ (-want +got):\n%s", how, err, cmp.Diff(tc.want, got))
				}
			}
		})
	}
}

// hesitant returns no bytes and no error at every second call.
type hesitant struct {
	r   io.Reader
	now bool
}

func (h *hesitant) Read(p []byte) (int, error) {
	if h.now = !h.now; h.now {
		return 0, nil
	}
	return h.r.Read(p)
}

func TestReaderTellsBadStreamsApart(t *testing.T) {
	kinds := []error{
		recordio.ErrNotNumber, recordio.ErrEmptyLength, recordio.ErrNegative, recordio.ErrTooLarge,
		recordio.ErrLineTooLong, recordio.ErrTruncatedLength, recordio.ErrTruncatedBody,
	}
	cases := []struct {
		name, stream string
		kind         error
		frame, at    int64
	}{
		{"words", "<html>", recordio.ErrNotNumber, 0, 0},
		{"words after a frame", "2\nokHTTP/1.1", recordio.ErrNotNumber, 1, 4},
		{"words after digits", "12ab\n", recordio.ErrNotNumber, 0, 2},
		{"plus sign", "+5\nhello", recordio.ErrNotNumber, 0, 0},
		{"leading space", " 5\nhello", recordio.ErrNotNumber, 0, 0},
		{"trailing space", "5 \nhello", recordio.ErrNotNumber, 0, 1},
		{"carriage return", "5\r\nhello", recordio.ErrNotNumber, 0, 1},
		{"hexadecimal", "0x5\nhello", recordio.ErrNotNumber, 0, 1},
		{"minus inside", "5-\nhello", recordio.ErrNotNumber, 0, 1},
		{"NUL", "\x00", recordio.ErrNotNumber, 0, 0},
		{"empty line", "\n5\nhello", recordio.ErrEmptyLength, 0, 0},
		{"negative", "-5\nhello", recordio.ErrNegative, 0, 0},
		{"over the limit", "1001\n", recordio.ErrTooLarge, 0, 0},
		{"2^63", "9223372036854775808\n", recordio.ErrTooLarge, 0, 0},
		{"2^64", "18446744073709551616\n", recordio.ErrTooLarge, 0, 0},
		{"2^64+5", "18446744073709551621\nhello", recordio.ErrTooLarge, 0, 0},
		{"twenty nines", "3\nabc99999999999999999999\n", recordio.ErrTooLarge, 1, 5},
		{"endless digits", strings.Repeat("9", 100), recordio.ErrLineTooLong, 0, 0},
		{"endless zeros", strings.Repeat("0", 21) + "1\na", recordio.ErrLineTooLong, 0, 0},
		{"cut in the length", "3\nabc1", recordio.ErrTruncatedLength, 1, 6},
		{"cut in a long length", "123", recordio.ErrTruncatedLength, 0, 3},
		{"cut before the body", "5\n", recordio.ErrTruncatedBody, 0, 2},
		{"cut in the body", "5\nhell", recordio.ErrTruncatedBody, 0, 6},
		{"cut in the second body", "0\n5\nhell", recordio.ErrTruncatedBody, 1, 8},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			_, err := readAll(strings.NewReader(tc.stream), recordio.Config{MaxFrame: 1000})
			for _, kind := range kinds {
				if errors.Is(err, kind) != (kind == tc.kind) {
					t.Errorf("errors.Is(%v, %v) = %v", err, kind, kind != tc.kind)
				}
			}
			cut := tc.kind == recordio.ErrTruncatedBody || tc.kind == recordio.ErrTruncatedLength
			if errors.Is(err, io.ErrUnexpectedEOF) != cut {
				t.Errorf("errors.Is(%v, io.ErrUnexpectedEOF) = %v", err, !cut)
			}
			e, ok := errors.AsType[*recordio.Error](err)
			if !ok {
				t.Fatalf("error %v is no *recordio.Error", err)
			}
			if e.Frame != tc.frame || e.Offset != tc.at {
				t.Errorf("error at frame %d byte %d, want frame %d byte %d: %v", e.Frame, e.Offset, tc.frame, tc.at, err)
			}
		})
	}
}

func TestReaderErrorNamesTheValueAndTheFix(t *testing.T) {
	_, err := readAll(strings.NewReader("1001\n"), recordio.Config{MaxFrame: 1000})
	want := "recordio: frame 0 at byte 0: frame is too large: length 1001, limit 1000 (raise recordio.Config.MaxFrame if the peer can be trusted)"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestReaderAcceptsTheLimitItself(t *testing.T) {
	stream := recordio.AppendFrame(nil, make([]byte, 1000))
	if _, err := readAll(bytes.NewReader(stream), recordio.Config{MaxFrame: 1000}); err != nil {
		t.Error(err)
	}
	if _, err := readAll(strings.NewReader("67108865\n"), recordio.Config{}); !errors.Is(err, recordio.ErrTooLarge) {
		t.Errorf("default limit: got %v, want ErrTooLarge", err)
	}
}

func TestReaderRepeatsItsError(t *testing.T) {
	frames := recordio.NewReader(strings.NewReader("x5\nhello"), recordio.Config{})
	_, first := frames.Next()
	_, second := frames.Next()
	if first == nil || second != first {
		t.Errorf("first %v, then %v", first, second)
	}
}

func TestReaderPassesOnTheErrorOfTheStream(t *testing.T) {
	reset := errors.New("connection reset")
	for _, stream := range []string{"", "1", "5\n", "5\nhe", "5\nhello"} {
		frames, err := readAll(io.MultiReader(strings.NewReader(stream), iotest.ErrReader(reset)), recordio.Config{})
		if !errors.Is(err, reset) {
			t.Errorf("after %q: got %v, want %v", stream, err, reset)
		}
		if complete := strings.HasSuffix(stream, "hello"); complete != (len(frames) == 1) {
			t.Errorf("after %q: %d frames", stream, len(frames))
		}
	}
}

// net/http reports a chunked response without its last chunk as io.ErrUnexpectedEOF.
func TestReaderKnowsACutConnection(t *testing.T) {
	for stream, kind := range map[string]error{
		"1": recordio.ErrTruncatedLength, "5\nhe": recordio.ErrTruncatedBody, "2\nok": io.ErrUnexpectedEOF,
	} {
		_, err := readAll(io.MultiReader(strings.NewReader(stream), iotest.ErrReader(io.ErrUnexpectedEOF)), recordio.Config{})
		if !errors.Is(err, kind) || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("after %q: got %v, want %v", stream, err, kind)
		}
	}
}

func TestReaderGivesUpOnAStreamThatNeverAnswers(t *testing.T) {
	silent := iotest.ErrReader(nil)
	if _, err := readAll(silent, recordio.Config{}); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("got %v, want %v", err, io.ErrNoProgress)
	}
}

func TestReaderFramesBelongToTheCaller(t *testing.T) {
	frames := recordio.NewReader(strings.NewReader("3\nabc3\ndef"), recordio.Config{})
	first, _ := frames.Next()
	if cap(first) != 3 {
		t.Errorf("frame has capacity %d, so that an append would write into the next", cap(first))
	}
	if _, err := frames.Next(); err != nil || string(first) != "abc" {
		t.Errorf("first frame became %q, error %v", first, err)
	}
}

func TestReaderDoesNotWaitForMoreThanAFrame(t *testing.T) {
	pr, pw := io.Pipe()
	defer pr.Close()
	go func() { _, _ = pw.Write([]byte("2\nhi")) }()
	frame, err := recordio.NewReader(pr, recordio.Config{}).Next()
	if string(frame) != "hi" || err != nil {
		t.Errorf("got %q, %v", frame, err)
	}
}

func TestReaderDoesNotTrustALyingLength(t *testing.T) {
	// Allocating what this line claims would fail or take the machine down.
	stream := "9000000000000000000\nshort"
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := readAll(strings.NewReader(stream), recordio.Config{MaxFrame: math.MaxInt})
	runtime.ReadMemStats(&after)
	if !errors.Is(err, recordio.ErrTruncatedBody) {
		t.Errorf("got %v, want %v", err, recordio.ErrTruncatedBody)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("%d bytes allocated for a stream of %d bytes", n, len(stream))
	}
}

func TestWriterWritesAFrameInOneCall(t *testing.T) {
	var calls []string
	w := recordio.NewWriter(writerFunc(func(p []byte) (int, error) {
		calls = append(calls, string(p))
		return len(p), nil
	}))
	for _, body := range []string{"hello", "", strings.Repeat("x", 3<<20)} {
		if err := w.WriteFrame([]byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"5\nhello", "0\n", "3145728\n" + strings.Repeat("x", 3<<20)}
	if diff := cmp.Diff(want, calls); diff != "" {
		t.Error(diff)
	}
}

func TestWriterReportsAShortWrite(t *testing.T) {
	w := recordio.NewWriter(writerFunc(func(p []byte) (int, error) { return len(p) - 1, nil }))
	if err := w.WriteFrame([]byte("hello")); err != io.ErrShortWrite {
		t.Errorf("got %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func Example() {
	var stream bytes.Buffer
	w := recordio.NewWriter(&stream)
	_ = w.WriteFrame([]byte(`{"type":"HEARTBEAT"}`))

	frames := recordio.NewReader(&stream, recordio.Config{})
	for {
		frame, err := frames.Next()
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s\n", frame)
	}
	// Output:
	// {"type":"HEARTBEAT"}
	// EOF
}
