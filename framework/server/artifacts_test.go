package server_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mesokit/mesokit/framework"
	"github.com/mesokit/mesokit/framework/server"
)

func TestArtifactsAreServedUnderTheirHashes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "executor")
	if err := os.WriteFile(file, []byte("#!/bin/sh\necho hi\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	var a server.Artifacts
	path, err := a.AddFile(file)
	if err != nil {
		t.Fatal(err)
	}
	inMemory, err := a.Add("data.json", []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(idle(t, framework.Status{}), server.Config{Artifacts: &a, TLS: &tls.Config{},
		Auth: server.Auth{Read: []server.Credential{{Token: "r"}}, Write: []server.Credential{{Token: "w"}}}})
	if err != nil {
		t.Fatal(err)
	}
	get := func(path string, header ...string) *http.Response {
		r := httptest.NewRequest("GET", "/artifacts/"+path, nil)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w.Result()
	}
	body := func(r *http.Response) string {
		b, _ := io.ReadAll(r.Body)
		return string(b)
	}
	whole := get(path)
	if got := body(whole); whole.StatusCode != 200 || got != "#!/bin/sh\necho hi\n" || !strings.Contains(whole.Header.Get("Cache-Control"), "immutable") {
		t.Errorf("got %s %v %q", whole.Status, whole.Header, got)
	}
	if whole.Header.Get("Strict-Transport-Security") == "" {
		t.Error("no HSTS over TLS")
	}
	if r := get(path, "Range", "bytes=2-8"); r.StatusCode != 206 || body(r) != "/bin/sh" {
		t.Errorf("a range: got %s", r.Status)
	}
	if r := get(path, "If-None-Match", whole.Header.Get("ETag")); r.StatusCode != 304 {
		t.Errorf("unchanged: got %s", r.Status)
	}
	if r := get(inMemory); r.StatusCode != 200 || body(r) != "{}" || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		t.Errorf("in memory: got %s %v", r.Status, r.Header)
	}
	for _, p := range []string{"0000/executor", path + "x", "executor", "../executor", ""} {
		if r := get(p); r.StatusCode != 404 && r.StatusCode != 307 && r.StatusCode != 301 {
			t.Errorf("%q: got %s", p, r.Status)
		}
	}
	if err := os.WriteFile(file, []byte("something else"), 0o700); err != nil {
		t.Fatal(err)
	}
	if r := get(path); r.StatusCode != 410 {
		t.Errorf("a file that has changed: got %s", r.Status)
	}
	if _, err := a.AddFile(t.TempDir()); err == nil {
		t.Error("a directory was accepted")
	}
	if _, err := a.Add("../x", nil); err == nil {
		t.Error("a path was accepted as name")
	}
}

func TestServesOverTLS(t *testing.T) {
	// The certificate of a test server, on a listener of our own.
	borrowed := httptest.NewTLSServer(nil)
	cfg, roots := borrowed.TLS.Clone(), x509.NewCertPool()
	roots.AddCert(borrowed.Certificate())
	borrowed.Close()
	l := listen(t)
	s, err := server.New(idle(t, framework.Status{Running: true}), server.Config{TLS: cfg})
	if err != nil {
		t.Fatal(err)
	}
	done := serve(t, s, l)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "example.com"}}}
	resp, err := client.Get("https://" + l.Addr().String() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("got %s", resp.Status)
	}
	client.CloseIdleConnections()
	old := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "example.com", MaxVersion: tls.VersionTLS11}}}
	if resp, err := old.Get("https://" + l.Addr().String() + "/healthz"); err == nil {
		resp.Body.Close()
		t.Error("TLS 1.1 was accepted")
	}
	old.CloseIdleConnections()
	if err := done(); err != nil {
		t.Errorf("Serve: %v", err)
	}
}
