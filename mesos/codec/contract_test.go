package codec_test

import (
	"bytes"
	"os"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/recordio"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// The promises of the Codec interface.

func stream(tb testing.TB, name string) []byte {
	tb.Helper()
	raw, err := os.ReadFile("testdata/" + name + ".recordio")
	if err != nil {
		tb.Fatal(err)
	}
	return raw
}

func firstFrame(tb testing.TB, name string) []byte {
	tb.Helper()
	frame, err := recordio.NewReader(bytes.NewReader(stream(tb, name)), recordio.Config{}).Next()
	if err != nil {
		tb.Fatal(err)
	}
	return frame
}

func TestMediaTypesAreComparedByteForByte(t *testing.T) {
	for media, want := range map[string]codec.Codec{
		"application/json": codec.JSON, "application/x-protobuf": codec.Protobuf,
		"application/json; charset=utf-8": nil, "Application/JSON": nil, "application/protobuf": nil,
		"application/recordio": nil, "": nil,
	} {
		got, ok := codec.ByMediaType(media)
		if got != want || ok != (want != nil) || want != nil && got.MediaType() != media {
			t.Errorf("%q: got %v, %v", media, got, ok)
		}
		server, ok := codec.ServerByMediaType(media)
		if want == codec.JSON {
			want = codec.ServerJSON
		}
		if server != want || ok != (want != nil) {
			t.Errorf("server side of %q: got %v, %v", media, server, ok)
		}
	}
}

func TestUnmarshalKeepsNoReference(t *testing.T) {
	for name, c := range map[string]codec.Codec{"offers-1.pb": codec.Protobuf, "offers-1.json": codec.JSON} {
		body := firstFrame(t, name)
		m := new(schedulerpb.Event)
		if err := c.Unmarshal(body, m); err != nil {
			t.Fatal(err)
		}
		before := proto.CloneOf(m)
		for i := range body {
			body[i] = 'x'
		}
		if !proto.Equal(before, m) {
			t.Errorf("%s: the message changed with the body it was decoded from", name)
		}
	}
}

func TestUnmarshalResetsTheMessage(t *testing.T) {
	for c, body := range map[codec.Codec]string{codec.Protobuf: "\x08\x08", codec.JSON: `{"type":"HEARTBEAT"}`} {
		m := &schedulerpb.Event{Error: &schedulerpb.Event_Error{Message: proto.String("old")}}
		if err := c.Unmarshal([]byte(body), m); err != nil || m.Error != nil || m.GetType() != schedulerpb.Event_HEARTBEAT {
			t.Errorf("%s: error %v, message %v", c.MediaType(), err, m)
		}
	}
}

func TestBothEncodingsOfAnEventAreTheSameEvent(t *testing.T) {
	for _, name := range []string{"offers-1", "offers-10", "offers-100", "update"} {
		var fromPB, fromJSON schedulerpb.Event
		if err := codec.Protobuf.Unmarshal(firstFrame(t, name+".pb"), &fromPB); err != nil {
			t.Fatal(err)
		}
		if err := codec.JSON.Unmarshal(firstFrame(t, name+".json"), &fromJSON); err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(&fromPB, &fromJSON) {
			t.Errorf("%s: the encodings differ", name)
		}
	}
}

// TestAllocationBudget holds the budget of the issue, 4,700 allocations from stream to event where the
// standard runtime makes 14,611, by a wide margin.
func TestAllocationBudget(t *testing.T) {
	for name, c := range map[string]codec.Codec{"offers-100.pb": codec.Protobuf, "offers-100.json": codec.JSON} {
		raw := stream(t, name)
		allocs := testing.AllocsPerRun(20, func() {
			frame, err := recordio.NewReader(bytes.NewReader(raw), recordio.Config{}).Next()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.UnmarshalOwned(frame, new(schedulerpb.Event)); err != nil {
				t.Fatal(err)
			}
		})
		t.Logf("%s: %v allocations", name, allocs)
		if allocs > 100 {
			t.Errorf("%s: %v allocations, at most 100 expected", name, allocs)
		}
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	for name, c := range map[string]codec.Codec{"offers-100.pb": codec.Protobuf, "offers-100.json": codec.JSON} {
		m := new(schedulerpb.Event)
		if err := c.Unmarshal(firstFrame(t, name), m); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 0, 1<<20)
		allocs := testing.AllocsPerRun(20, func() {
			if _, err := c.Append(buf, m); err != nil {
				t.Fatal(err)
			}
		})
		if allocs > 5 {
			t.Errorf("%s: %v allocations to encode into a buffer that is large enough", name, allocs)
		}
	}
}

func TestCodecsAreSafeForConcurrentUse(t *testing.T) {
	var wg sync.WaitGroup
	for _, c := range []codec.Codec{codec.JSON, codec.ServerJSON, codec.Protobuf} {
		name := "offers-10.json"
		if c == codec.Protobuf {
			name = "offers-10.pb"
		}
		body := firstFrame(t, name)
		want := new(schedulerpb.Event)
		if err := c.Unmarshal(body, want); err != nil {
			t.Fatal(err)
		}
		for range 4 {
			wg.Go(func() {
				for range 20 {
					m := new(schedulerpb.Event)
					if err := c.Unmarshal(body, m); err != nil || !proto.Equal(want, m) {
						t.Errorf("%s: error %v, or another event", c.MediaType(), err)
						return
					}
					if _, err := c.Append(nil, m); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
}

func FuzzProtobuf(f *testing.F) {
	f.Add(uint8(0), firstFrame(f, "update.pb"))
	f.Add(uint8(5), []byte{8, 2})
	f.Fuzz(func(t *testing.T, root uint8, data []byte) {
		like := roots[int(root)%len(roots)]
		m := newMessage(like)
		if err := codec.Protobuf.Unmarshal(data, m); err != nil {
			return
		}
		roundTrip(t, codec.Protobuf, m)
		// JSON loses what has no name, and nothing else: what it writes must decode.
		text, err := codec.ServerJSON.Append(nil, m)
		if err != nil {
			return
		}
		if err := codec.JSON.Unmarshal(text, newMessage(like)); err != nil && !strings.Contains(err.Error(), "nested") {
			t.Fatalf("%v\n%s", err, text)
		}
	})
}
