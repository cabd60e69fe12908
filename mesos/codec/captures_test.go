package codec_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/mesokit/mesokit/mesos/agentpb"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/executorpb"
	"github.com/mesokit/mesokit/mesos/masterpb"
	"github.com/mesokit/mesokit/mesos/mesospb"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

// The recorded conversations of test/captures, which has a README.
const captures = "../../test/captures/"

type exchange struct {
	Note    string
	Request struct {
		Path    string
		Headers map[string]string
		Body    body
	}
	Response struct {
		Body   body
		Frames []struct{ Event body }
	}
}

// body is a body as it was sent: JSON, or bytes given in base64, or plain text.
type body struct {
	raw  []byte // JSON without white space, or the bytes
	kind string // "json", "bytes", "text" or ""
}

func (b *body) UnmarshalJSON(text []byte) error {
	var special struct {
		Raw    *[]byte `json:"_raw_base64"`
		Binary *[]byte `json:"_binary"`
	}
	switch text[0] {
	case '{':
		if err := json.Unmarshal(text, &special); err != nil {
			return err
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, text); err != nil {
			return err
		}
		b.raw, b.kind = compact.Bytes(), "json"
		for _, given := range []*[]byte{special.Raw, special.Binary} {
			if given != nil {
				b.raw, b.kind = *given, "bytes"
			}
		}
	case '"':
		var s string
		if err := json.Unmarshal(text, &s); err != nil {
			return err
		}
		b.raw, b.kind = []byte(s), "text"
	}
	return nil
}

// apis maps paths to what is said there.
var apis = map[string]struct{ call, response, event proto.Message }{
	"/api/v1/scheduler": {&schedulerpb.Call{}, &schedulerpb.Response{}, &schedulerpb.Event{}},
	"/api/v1/executor":  {&executorpb.Call{}, nil, &executorpb.Event{}},
	"/api/v1":           {&masterpb.Call{}, &masterpb.Response{}, &masterpb.Event{}},
}

// said returns the messages of an exchange. Requests to an agent's API have a note that says so.
func (e exchange) said() struct{ call, response, event proto.Message } {
	if strings.HasPrefix(e.Note, "agent: ") {
		return struct{ call, response, event proto.Message }{&agentpb.Call{}, &agentpb.Response{}, &agentpb.ProcessIO{}}
	}
	return apis[e.Request.Path]
}

// eachExchange calls f for every recorded exchange with an API.
func eachExchange(t *testing.T, f func(t *testing.T, e exchange)) {
	files, err := filepath.Glob(captures + "f*.json")
	if err != nil || len(files) < 18 {
		t.Fatalf("found %v, error %v", files, err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var all []exchange
		if raw[0] == '{' {
			var sides struct{ Exchanges []exchange }
			err = json.Unmarshal(raw, &sides)
			all = sides.Exchanges
		} else {
			err = json.Unmarshal(raw, &all)
		}
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for i, e := range all {
			if _, ok := apis[e.Request.Path]; ok {
				t.Run(filepath.Base(file)+"/"+strconv.Itoa(i), func(t *testing.T) { f(t, e) })
			}
		}
	}
}

// decode decodes a recorded body and sees it through both codecs and back.
func decode(t *testing.T, c codec.Codec, raw []byte, like proto.Message) proto.Message {
	t.Helper()
	m := newMessage(like)
	if err := c.Unmarshal(raw, m); err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	for _, c := range []codec.Codec{codec.JSON, codec.Protobuf} {
		out, err := c.Append(nil, m)
		if err != nil {
			t.Fatal(err)
		}
		again := newMessage(like)
		if err := c.Unmarshal(out, again); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if diff := cmp.Diff(m, again, protocmp.Transform()); diff != "" {
			t.Errorf("%s loses something (-recorded +again):\n%s", c.MediaType(), diff)
		}
	}
	return m
}

func TestRecordedRequestsDecodeAsTheyDidInMesos(t *testing.T) {
	decoded := 0
	eachExchange(t, func(t *testing.T, e exchange) {
		like, in := e.said().call, e.Request.Body
		c, ok := codec.ByMediaType(e.Request.Headers["Content-Type"])
		if !ok || in.kind == "" {
			return
		}
		err := c.Unmarshal(in.raw, newMessage(like))
		// What Mesos says when a body does not decode, and what we make of it.
		said := string(e.Response.Body.raw)
		missing, hasMissing := strings.CutPrefix(said, "Failed to convert JSON into Call protobuf: Missing required fields: ")
		switch {
		case hasMissing:
			de, ok := errors.AsType[*codec.DecodeError](err)
			if !ok || de.Kind != codec.ErrMissingField || strings.Join(de.Missing, ", ") != missing {
				t.Errorf("got %v, Mesos said %q", err, said)
			}
		case strings.HasPrefix(said, "Failed to convert JSON into Call protobuf"):
			if !errors.Is(err, codec.ErrValue) {
				t.Errorf("got %v, Mesos said %q", err, said)
			}
		case strings.HasPrefix(said, "Failed to parse body into"):
			if !errors.Is(err, codec.ErrSyntax) {
				t.Errorf("got %v, Mesos said %q", err, said)
			}
		case len(in.raw) == 0: // refused before the body was read
		default:
			decode(t, c, in.raw, like)
			decoded++
		}
	})
	t.Logf("%d requests", decoded)
	if decoded < 220 {
		t.Errorf("only %d requests were decoded; the test has lost its point", decoded)
	}
}

func TestRecordedAnswersAreWrittenAsMesosWroteThem(t *testing.T) {
	answers := 0
	eachExchange(t, func(t *testing.T, e exchange) {
		api := e.said()
		check := func(b body, like proto.Message) {
			if b.kind != "json" {
				return
			}
			answers++
			m := decode(t, codec.JSON, b.raw, like)
			got, err := codec.ServerJSON.Append(nil, m)
			if err != nil {
				t.Fatal(err)
			}
			// A master writes the checkpoint of an agent's info, a field that the v1 protocol does not have.
			want := strings.ReplaceAll(string(b.raw), `,"checkpoint":true},"active"`, `},"active"`)
			// Not only the same values: the same bytes, order of fields and form of numbers included.
			// Only maps are in the order of Mesos' hash tables.
			if string(got) != want && !(strings.Contains(want, `"get_quota"`) && sameJSON(t, got, []byte(want))) {
				t.Errorf("JSON differs\nours  %s\nMesos %s", got, want)
			}
		}
		check(e.Response.Body, api.response)
		for _, f := range e.Response.Frames {
			check(f.Event, api.event)
		}
	})
	t.Logf("%d answers", answers)
	if answers < 250 {
		t.Errorf("only %d answers were compared; the test has lost its point", answers)
	}
}

func TestRecordedProtobufIsWrittenAsMesosWroteIt(t *testing.T) {
	frames := 0
	eachExchange(t, func(t *testing.T, e exchange) {
		for _, f := range e.Response.Frames {
			if f.Event.kind != "bytes" {
				continue
			}
			frames++
			m := decode(t, codec.Protobuf, f.Event.raw, apis[e.Request.Path].event)
			got, err := codec.Protobuf.Append(nil, m)
			if err != nil || !bytes.Equal(got, f.Event.raw) {
				t.Errorf("error %v\nours  %x\nMesos %x", err, got, f.Event.raw)
			}
		}
	})
	if frames < 7 {
		t.Errorf("only %d frames", frames)
	}
}

func TestRecordedZooKeeperNodesDecode(t *testing.T) {
	raw, err := os.ReadFile(captures + "f18_zookeeper_nodes.json")
	if err != nil {
		t.Fatal(err)
	}
	var nodes map[string]string
	if err := json.Unmarshal(raw, &nodes); err != nil || len(nodes) != 2 {
		t.Fatalf("%d nodes, error %v", len(nodes), err)
	}
	for name, text := range nodes {
		m := decode(t, codec.JSON, []byte(text), &mesospb.MasterInfo{}).(*mesospb.MasterInfo)
		if m.GetAddress().GetPort() == 0 || m.GetId() == "" || len(m.GetCapabilities()) != 3 {
			t.Errorf("%s: %v", name, m)
		}
	}
}

// sameJSON reports whether two texts are the same but for the order of what is in objects.
func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if err := errors.Join(json.Unmarshal(a, &x), json.Unmarshal(b, &y)); err != nil {
		t.Fatal(err)
	}
	return cmp.Equal(x, y)
}
