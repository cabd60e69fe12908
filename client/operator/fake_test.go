package operator

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/client/internal/memnet"
	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/recordio"
)

func TestMain(m *testing.M) {
	// Servers linger half a second over requests that they did not read to the end.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

var codecs = map[string]codec.Codec{"json": codec.JSON, "protobuf": codec.Protobuf}

// inBothCodecs runs a test in a bubble, for each codec.
func inBothCodecs(t *testing.T, f func(t *testing.T, cd codec.Codec)) {
	for name, cd := range codecs {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { f(t, cd) }) })
	}
}

// network is a set of servers in memory, and the transport that reaches them.
type network struct {
	memnet.Network
	t         *testing.T
	transport *transport.Client
}

func newNetwork(t *testing.T, cd codec.Codec) *network {
	n := &network{t: t}
	var err error
	if n.transport, err = transport.New(transport.Config{Codec: cd, DialContext: n.DialContext}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.transport.Close)
	return n
}

// serve answers at addr until the test ends or stop is called, which also cuts all connections.
func (n *network) serve(addr string, h http.HandlerFunc) (stop func()) {
	listener := n.Listen(addr)
	server := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	stop = sync.OnceFunc(func() { _ = server.Close(); <-done; n.transport.Close() })
	n.t.Cleanup(stop)
	return stop
}

func (n *network) master(spec string) *Master {
	n.t.Helper()
	m, err := NewMaster(MasterConfig{Masters: spec, Transport: n.transport})
	if err != nil {
		n.t.Fatal(err)
	}
	return m
}

func (n *network) agent(spec string) *Agent {
	n.t.Helper()
	a, err := NewAgent(AgentConfig{Address: spec, Transport: n.transport})
	if err != nil {
		n.t.Fatal(err)
	}
	return a
}

// readCall decodes the call of a request.
func readCall(t *testing.T, r *http.Request, call proto.Message) codec.Codec {
	t.Helper()
	cd, err := decodeCall(r, call)
	if err != nil {
		t.Error(err)
	}
	return cd
}

func decodeCall(r *http.Request, call proto.Message) (codec.Codec, error) {
	cd, ok := codec.ByMediaType(r.Header.Get("Content-Type"))
	if !ok {
		return codec.Protobuf, fmt.Errorf("request with content type %q", r.Header.Get("Content-Type"))
	}
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = cd.Unmarshal(body, call)
	}
	return cd, err
}

func respond(t *testing.T, w http.ResponseWriter, cd codec.Codec, m proto.Message) {
	body, err := cd.Append(nil, m)
	if err != nil {
		t.Error(err)
	}
	w.Header().Set("Content-Type", cd.MediaType())
	_, _ = w.Write(body)
}

func writeFrame(t *testing.T, w http.ResponseWriter, cd codec.Codec, m proto.Message) {
	frame, err := cd.Append(nil, m)
	if err != nil {
		t.Error(err)
	}
	_, _ = w.Write(recordio.AppendFrame(nil, frame))
	_ = http.NewResponseController(w).Flush()
}

// parse fills a message from JSON with the names of the .proto files.
func parse[M proto.Message](t *testing.T, m M, text string) M {
	t.Helper()
	if err := protojson.Unmarshal([]byte(text), m); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return m
}

// recorded is one exchange of a capture.
type recorded struct {
	Note    string
	Request struct {
		Method, Path string
		Body         json.RawMessage
	}
	Response response
}

type response struct {
	Status int
	Body   json.RawMessage
	Frames []struct{ Event json.RawMessage }
}

// raw returns the body as it was on the wire: captures keep plain text as a JSON string.
func (r response) raw() []byte {
	var text string
	if json.Unmarshal(r.Body, &text) == nil {
		return []byte(text)
	}
	return r.Body
}

func readCapture(t *testing.T, name string) []recorded {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "test", "captures", name))
	if err != nil {
		t.Fatal(err)
	}
	var list []recorded
	if err := json.Unmarshal(data, &list); err != nil {
		t.Fatal(err)
	}
	return list
}
