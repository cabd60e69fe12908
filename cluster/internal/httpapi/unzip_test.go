package httpapi

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

func zipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestBodiesMayBeGzipped(t *testing.T) {
	call := []byte(`{"type":"SUBSCRIBE","subscribe":{"framework_info":{"user":"u","name":"n"}}}`)
	packed := zipped(t, call)
	for _, test := range []struct {
		name, encoding string
		body           []byte
		status         int
		text           string
	}{
		{"gzip", "gzip", packed, 200, "n"},
		{"plain", "", call, 200, "n"},
		{"plain that says otherwise", "gzip", call, 400, "Failed to read the body: " + errGzip.Error()},
		{"cut", "gzip", packed[:len(packed)-9], 400, "Failed to read the body: " + errGzip.Error()},
		{"a bomb", "gzip", zipped(t, make([]byte, MaxBody+1)), 413, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			handler := unzipped(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var got schedulerpb.Call
				if ReadCall(w, r, &got) {
					io.WriteString(w, got.GetSubscribe().GetFrameworkInfo().GetName())
				}
			}))
			r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(test.body))
			r.Header.Set("Content-Type", "application/json")
			if test.encoding != "" {
				r.Header.Set("Content-Encoding", test.encoding)
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != test.status || !strings.HasPrefix(w.Body.String(), test.text) {
				t.Errorf("got %d %q, want %d %q", w.Code, w.Body, test.status, test.text)
			}
		})
	}
}
