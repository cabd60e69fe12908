package bench

import (
	"bytes"
	"os"
	"runtime"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/recordio"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// The benchmarks of the wire layer put its codecs and the standard ones side by side, for benchstat:
//
//	go test -run '^$' -bench Wire -count 10 ./bench/ | go tool -modfile=tools/go.mod benchstat -col /codec -

// The payloads of mesos/codec/testdata: OFFERS events of 8 resources an offer, and an UPDATE as a real
// master sent it.
var payloads = []string{"update", "offers-1", "offers-10", "offers-100"}

// encodings has, for each media type, the codec of this module and the standard one.
var encodings = []struct {
	name, file string
	ours       codec.Codec
	marshal    func([]byte, proto.Message) ([]byte, error)
	unmarshal  func([]byte, proto.Message) error
}{
	{"protobuf", "pb", codec.Protobuf, proto.MarshalOptions{}.MarshalAppend, proto.Unmarshal},
	{
		"json", "json", codec.JSON,
		protojson.MarshalOptions{UseProtoNames: true}.MarshalAppend,
		protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal,
	},
}

// each runs one benchmark for each media type and payload. stream is the payload as it comes from the
// network, body the same without framing.
func each(b *testing.B, run func(b *testing.B, encoding int, stream, body []byte)) {
	for i, e := range encodings {
		for _, payload := range payloads {
			stream, err := os.ReadFile("../mesos/codec/testdata/" + payload + "." + e.file + ".recordio")
			if err != nil {
				b.Fatal(err)
			}
			body, err := recordio.NewReader(bytes.NewReader(stream), recordio.Config{}).Next()
			if err != nil {
				b.Fatal(err)
			}
			b.Run("media="+e.name+"/event="+payload, func(b *testing.B) { run(b, i, stream, body) })
		}
	}
}

// measure runs f as the sub-benchmark of one codec.
func measure(b *testing.B, codec string, size int, f func() error) {
	b.Run("codec="+codec, func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(size))
		for b.Loop() {
			if err := f(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkWireStream reads a frame from a stream and decodes it: all that happens between a socket
// and a handler. The standard side reads with the same frame reader.
//
// With heap=empty the process has nothing else, and the garbage collector of Go runs after every 4 MB, which is every eight
// OFFERS of 100 offers: much of the time of both sides goes there. With heap=32MiB the process has as much in memory as a small scheduler.
func BenchmarkWireStream(b *testing.B) {
	for _, heap := range []struct {
		name string
		size int
	}{{"empty", 0}, {"32MiB", 32 << 20}} {
		b.Run("heap="+heap.name, func(b *testing.B) {
			ballast := make([]byte, heap.size)
			runtime.GC()
			benchmarkWireStream(b)
			runtime.KeepAlive(ballast)
		})
	}
}

func benchmarkWireStream(b *testing.B) {
	each(b, func(b *testing.B, encoding int, stream, _ []byte) {
		e := encodings[encoding]
		socket := &endless{unit: stream}
		frames := recordio.NewReader(socket, recordio.Config{})
		read := func(unmarshal func([]byte, proto.Message) error) func() error {
			return func() error {
				frame, err := frames.Next()
				if err != nil {
					return err
				}
				return unmarshal(frame, new(schedulerpb.Event))
			}
		}
		measure(b, "mesokit", len(stream), read(e.ours.UnmarshalOwned))
		measure(b, "standard", len(stream), read(e.unmarshal))
	})
}

// BenchmarkWireDecode decodes a body into a fresh event. The codec of this module copies the body, since
// it does not own it here.
func BenchmarkWireDecode(b *testing.B) {
	each(b, func(b *testing.B, encoding int, _, body []byte) {
		e := encodings[encoding]
		measure(b, "mesokit", len(body), func() error { return e.ours.Unmarshal(body, new(schedulerpb.Event)) })
		measure(b, "standard", len(body), func() error { return e.unmarshal(body, new(schedulerpb.Event)) })
	})
}

// BenchmarkWireEncode encodes an event into a buffer that is used again.
func BenchmarkWireEncode(b *testing.B) {
	each(b, func(b *testing.B, encoding int, _, body []byte) {
		e := encodings[encoding]
		event := new(schedulerpb.Event)
		if err := e.ours.Unmarshal(body, event); err != nil {
			b.Fatal(err)
		}
		var buf []byte
		measure(b, "mesokit", len(body), func() (err error) {
			buf, err = e.ours.Append(buf[:0], event)
			return err
		})
		measure(b, "standard", len(body), func() (err error) {
			buf, err = e.marshal(buf[:0], event)
			return err
		})
	})
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
