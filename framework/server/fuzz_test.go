package server_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/mesokit/mesokit/framework"
	"github.com/mesokit/mesokit/framework/server"
)

func listen(t *testing.T) net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// serve runs a server; the function that is returned ends it.
func serve(t *testing.T, s *server.Server, l net.Listener) func() error {
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	return func() error {
		stop()
		return <-done
	}
}

// Whatever is asked, the answer is JSON of the kind that was promised, and nothing panics.
func FuzzRequests(f *testing.F) {
	f.Add("POST", "/v1/apps", "force=1", web, "1")
	f.Add("POST", "/v1/apps/x/scale", "", `{"instances": 1e99}`, "")
	f.Add("GET", "/v1/tasks", "limit=10&state=running&after=%00", "", "")
	f.Add("GET", "/v1/apps/x%2Fy/instances/-1/why", "", "", "18446744073709551616")
	f.Add("POST", "/v1/guard/resolve", "", `{"choice":"new"}`, "")
	f.Add("DELETE", "/v1/apps/%ff", ";", "", "")
	cfg, err := framework.New(framework.Config{Name: "x", Master: "127.0.0.1:1"})
	if err != nil {
		f.Fatal(err)
	}
	s, err := server.New(fake{cfg, framework.Status{Running: true, Leading: true}}, server.Config{MaxBody: 4096})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, method, path, query, body, last string) {
		u, err := url.Parse("http://x" + path)
		if err != nil || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "/v1/events") {
			return
		}
		u.RawQuery = query
		r, err := http.NewRequestWithContext(t.Context(), method, u.String(), strings.NewReader(body))
		if err != nil {
			return
		}
		r.Header.Set("Last-Event-ID", last)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		media := w.Header().Get("Content-Type")
		if w.Code >= 300 && w.Code < 400 {
			return
		}
		if want := map[bool]string{true: "application/json", false: "application/problem+json"}[w.Code < 400]; media != want {
			t.Fatalf("%d comes as %q", w.Code, media)
		}
		if method != "HEAD" && !json.Valid(w.Body.Bytes()) {
			t.Fatalf("no JSON: %q", w.Body)
		}
	})
}
