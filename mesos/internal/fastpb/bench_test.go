package fastpb_test

import (
	"bytes"
	"os"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/internal/fastpb"
	"github.com/mesokit/mesokit/mesos/recordio"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// frame returns the first frame of a file of package codec.
func frame(tb testing.TB, name string) []byte {
	tb.Helper()
	raw, err := os.ReadFile("../../codec/testdata/" + name + ".pb.recordio")
	if err != nil {
		tb.Fatal(err)
	}
	body, err := recordio.NewReader(bytes.NewReader(raw), recordio.Config{}).Next()
	if err != nil {
		tb.Fatal(err)
	}
	return body
}

func BenchmarkDecode(b *testing.B) {
	for _, name := range []string{"heartbeat", "update", "offers-1", "offers-10", "offers-100"} {
		body := []byte{8, 8}
		if name != "heartbeat" {
			body = frame(b, name)
		}
		b.Run("event="+name+"/codec=mesokit", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := fastpb.Unmarshal(body, new(schedulerpb.Event)); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("event="+name+"/codec=standard", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := proto.Unmarshal(body, new(schedulerpb.Event)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
