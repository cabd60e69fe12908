package codec_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protopath"
	"google.golang.org/protobuf/reflect/protorange"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/mesokit/mesokit/mesos/agentpb"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/internal/pbtest"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

var roots = []proto.Message{
	(*schedulerpb.Event)(nil), (*schedulerpb.Call)(nil), (*executorpb.Event)(nil), (*executorpb.Call)(nil),
	(*masterpb.Call)(nil), (*masterpb.Response)(nil), (*masterpb.Event)(nil), (*agentpb.Call)(nil), (*agentpb.Response)(nil),
}

func newMessage(root proto.Message) proto.Message { return root.ProtoReflect().New().Interface() }

func random(r *rand.Rand, o pbtest.Options) proto.Message {
	m := newMessage(roots[r.IntN(len(roots))])
	pbtest.Random(r, m, o)
	return m
}

// roundTrip encodes and decodes m and compares.
func roundTrip(t *testing.T, c codec.Codec, m proto.Message) []byte {
	t.Helper()
	prefix := []byte("prefix")
	body, err := c.Append(prefix, m)
	if err != nil || !bytes.HasPrefix(body, prefix) {
		t.Fatalf("%s: append %T: %q, %v", c.MediaType(), m, body, err)
	}
	body = body[len(prefix):]
	for _, unmarshal := range []func([]byte, proto.Message) error{c.Unmarshal, c.UnmarshalOwned} {
		got := newMessage(m)
		if err := unmarshal(bytes.Clone(body), got); err != nil {
			t.Fatalf("%s: %v\n%s", c.MediaType(), err, body)
		}
		if !proto.Equal(m, got) {
			t.Fatalf("%s changes the message (-before +after):\n%s\n%s", c.MediaType(), cmp.Diff(m, got, protocmp.Transform()), body)
		}
	}
	return body
}

func TestEveryMessageSurvivesARoundTrip(t *testing.T) {
	for seed := range uint64(1200) {
		r := rand.New(rand.NewPCG(seed, 3))
		m := random(r, pbtest.Options{OddFloats: seed%3 == 0, OddStrings: seed%2 == 0})
		if text := roundTrip(t, codec.JSON, m); seed%2 != 0 && !json.Valid(text) {
			t.Fatalf("not JSON: %s", text)
		}
		roundTrip(t, codec.Protobuf, m)
	}
}

func TestProtobufKeepsUnknownFieldsAndEnums(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 4))
		roundTrip(t, codec.Protobuf, random(r, pbtest.Options{Unknown: true, OddEnums: true, OddFloats: true, OddStrings: true}))
	}
}

func TestProtobufIsWhatTheStandardRuntimeReads(t *testing.T) {
	for seed := range uint64(400) {
		m := random(rand.New(rand.NewPCG(seed, 5)), pbtest.Options{Unknown: true})
		body, err := codec.Protobuf.Append(nil, m)
		if err != nil {
			t.Fatal(err)
		}
		got := newMessage(m)
		if err := proto.Unmarshal(body, got); err != nil || !proto.Equal(m, got) {
			t.Fatalf("error %v (-before +after):\n%s", err, cmp.Diff(m, got, protocmp.Transform()))
		}
	}
}

// What protojson writes with original names is, for the values it writes the way Mesos reads them, all
// JSON of ours; and it reads what we write.
func TestJSONAgreesWithProtojson(t *testing.T) {
	for seed := range uint64(500) {
		m := random(rand.New(rand.NewPCG(seed, 6)), pbtest.Options{OddFloats: true})
		if hasDuration(m) {
			continue // protojson writes "1.5s"
		}
		theirs, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		got := newMessage(m)
		if err := codec.JSON.Unmarshal(theirs, got); err != nil {
			t.Fatalf("%v\n%s", err, theirs)
		}
		if !proto.Equal(m, got) {
			t.Fatalf("we read protojson's output as another message:\n%s", cmp.Diff(m, got, protocmp.Transform()))
		}
		ours, err := codec.JSON.Append(nil, m)
		if err != nil {
			t.Fatal(err)
		}
		got = newMessage(m)
		if err := protojson.Unmarshal(ours, got); err != nil {
			t.Fatalf("%v\n%s", err, ours)
		}
		if !proto.Equal(m, got) {
			t.Fatalf("protojson reads our output as another message:\n%s", cmp.Diff(m, got, protocmp.Transform()))
		}
	}
}

// hasDuration reports whether m contains a google.protobuf.Duration.
func hasDuration(m proto.Message) (found bool) {
	_ = protorange.Range(m.ProtoReflect(), func(p protopath.Values) error {
		inner, ok := p.Index(-1).Value.Interface().(protoreflect.Message)
		found = found || ok && inner.Descriptor().FullName() == "google.protobuf.Duration"
		return nil
	})
	return found
}
