package httpapi

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/recordio"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAccepts(t *testing.T) {
	for _, tc := range []struct {
		header   string
		json, pb bool
	}{
		{"application/json", true, false},
		{"application/x-protobuf", false, true},
		{"APPLICATION/JSON", true, false},
		{"text/html, application/*;q=0.8", true, true},
		{"*/*", true, true},
		{"application/json;q=0, */*;q=0.1", true, true}, // q=0 takes the item away, the other admits all
		{"application/json; q=0.0", false, false},
		{"text/plain", false, false},
		{"application/jsonx", false, false},
		{"", false, false},
	} {
		if got := Accepts([]string{tc.header}, codec.MediaTypeJSON); got != tc.json {
			t.Errorf("Accept: %q admits JSON: %v, want %v", tc.header, got, tc.json)
		}
		if got := Accepts([]string{tc.header}, codec.MediaTypeProtobuf); got != tc.pb {
			t.Errorf("Accept: %q admits protobuf: %v, want %v", tc.header, got, tc.pb)
		}
	}
	if !Accepts(nil, codec.MediaTypeJSON) {
		t.Error("no Accept header must admit everything")
	}
}

func TestReadCallChecksInTheOrderOfMesos(t *testing.T) {
	for _, tc := range []struct {
		name        string
		contentType []string
		body        string
		status      int
		text        string
	}{
		{"good", []string{"application/json"}, `{"type":"REVIVE"}`, 200, ""},
		{"no content type", nil, `{}`, 400, "Expecting 'Content-Type' to be present"},
		{"parameters are not ignored", []string{"application/json; charset=utf-8"}, `{}`, 415, "Expecting 'Content-Type' of application/json or application/x-protobuf"},
		{"case matters", []string{"Application/JSON"}, `{}`, 415, "Expecting 'Content-Type' of application/json or application/x-protobuf"},
		{"bad protobuf", []string{"application/x-protobuf"}, "\x08\x99", 400, "Failed to parse body into Call protobuf"},
		{"bad JSON", []string{"application/json"}, `{nonsense`, 400, "Failed to parse body into JSON: syntax error at line 1 near: nonsense"},
		{"bad JSON, second line", []string{"application/json"}, "{\n\"type\":nonsense", 400, "Failed to parse body into JSON: syntax error at line 2 near: nonsense"},
		{"no JSON", []string{"application/json"}, "", 400, "Failed to parse body into JSON: syntax error at line 1 near: "},
		{"missing fields", []string{"application/json"}, `{"kill":{"task_id":{}}}`, 400, "Failed to convert JSON into Call protobuf: Missing required fields: kill.task_id.value"},
		{"a number for a string", []string{"application/json"}, `{"kill":{"task_id":{"value":5}}}`, 400, "Failed to convert JSON into Call protobuf: Not expecting a JSON number for field 'value'"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/", strings.NewReader(tc.body))
			if tc.contentType != nil {
				r.Header["Content-Type"] = tc.contentType
			}
			w := httptest.NewRecorder()
			var call schedulerpb.Call
			ok := ReadCall(w, r, &call)
			if ok != (tc.status == 200) {
				t.Fatalf("ReadCall reports %v", ok)
			}
			if !ok && (w.Code != tc.status || !strings.HasPrefix(w.Body.String(), tc.text)) {
				t.Fatalf("answered %d %q, want %d %q", w.Code, w.Body, tc.status, tc.text)
			}
			if ok && call.GetType() != schedulerpb.Call_REVIVE {
				t.Fatalf("decoded %v", &call)
			}
		})
	}
}

func TestLargeResponsesAreGzippedForThoseWhoAdmitIt(t *testing.T) {
	m := &schedulerpb.Event{Error: &schedulerpb.Event_Error{Message: proto.String(strings.Repeat("x", 2000))}}
	r := httptest.NewRequest("GET", "/", nil)
	w := httptest.NewRecorder()
	Respond(w, r, codec.JSON, m)
	if w.Header().Get("Content-Encoding") != "" || w.Body.Len() < 2000 {
		t.Fatalf("gzipped without being asked: %v", w.Header())
	}
	plain := w.Body.Bytes()
	r.Header.Set("Accept-Encoding", "gzip, deflate")
	w = httptest.NewRecorder()
	Respond(w, r, codec.JSON, m)
	gz, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	unzipped, err := io.ReadAll(gz)
	if err != nil || !bytes.Equal(plain, unzipped) {
		t.Fatalf("unzipped %q, %v; want the plain body", unzipped, err)
	}
	for header, want := range map[string]bool{"gzip;q=0": false, "identity": false, "deflate, gzip;q=0.5": true, "GZIP": true, "*": true, "*;q=0": false, "x-gzipped": false} {
		r.Header.Set("Accept-Encoding", header)
		w = httptest.NewRecorder()
		if Respond(w, r, codec.JSON, m); (w.Header().Get("Content-Encoding") == "gzip") != want {
			t.Errorf("Accept-Encoding %q: gzipped is %v", header, !want)
		}
	}
}

func heartbeat() *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_HEARTBEAT.Enum()}
}

func TestStreamDeliversInOrderAndEndsAfterClose(t *testing.T) {
	for _, c := range []codec.Codec{codec.JSON, codec.Protobuf} {
		t.Run(c.MediaType(), func(t *testing.T) {
			s := NewStream(c)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.Serve(r.Context(), w) }))
			defer server.Close()
			s.Send(&schedulerpb.Event{Type: schedulerpb.Event_ERROR.Enum()})
			s.Send(heartbeat())
			resp, err := http.Get(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			defer http.DefaultClient.CloseIdleConnections()
			if got := resp.Header.Get("Content-Type"); got != c.MediaType() {
				t.Errorf("Content-Type %q: streams advertise the type of their messages", got)
			}
			s.Send(heartbeat())
			s.Close()
			s.Send(heartbeat()) // too late
			frames := recordio.NewReader(resp.Body, recordio.Config{})
			var got []string
			for {
				frame, err := frames.Next()
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				var e schedulerpb.Event
				if err := c.Unmarshal(frame, &e); err != nil {
					t.Fatal(err)
				}
				got = append(got, e.GetType().String())
			}
			if want := "ERROR HEARTBEAT HEARTBEAT"; strings.Join(got, " ") != want {
				t.Errorf("got %v, want %s", got, want)
			}
		})
	}
}

// A client that goes away must end Serve, although nothing is sent any more.
func TestStreamEndsWithItsClient(t *testing.T) {
	s := NewStream(codec.JSON)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.Serve(r.Context(), w) }))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, "GET", server.URL, nil)
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	resp.Body.Close()
	<-s.Done()
	s.Send(heartbeat())
}

// There are clients that take every chunk for one record, as Mesos writes them.
func TestEachRecordIsAChunkOfItsOwn(t *testing.T) {
	s := NewStream(codec.JSON)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.Serve(r.Context(), w) }))
	defer server.Close()
	for range 3 {
		s.Send(heartbeat())
	}
	s.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	raw, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(raw), "\r\n\r\n")
	chunk := "17\r\n20\n{\"type\":\"HEARTBEAT\"}\r\n"
	if want := strings.Repeat(chunk, 3) + "0\r\n\r\n"; body != want {
		t.Errorf("got the chunks %q, want %q", body, want)
	}
}
