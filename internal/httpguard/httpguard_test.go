package httpguard

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

// ask sends a request that came to an address of this machine through a guard, and returns the status.
func ask(t *testing.T, cfg Config, at, method, target string, header map[string]string) int {
	t.Helper()
	h := Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }), cfg)
	var body *strings.Reader
	r := httptest.NewRequest(method, target, nil)
	if method == http.MethodPost {
		body = strings.NewReader("{}")
		r = httptest.NewRequest(method, target, body)
	}
	r.Host = "127.0.0.1:5050"
	for k, v := range header {
		if k == "Host" {
			r.Host = v
		} else {
			r.Header.Set(k, v)
		}
	}
	r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(&net.TCPAddr{IP: net.ParseIP(at), Port: 5050})))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

type headers = map[string]string

func TestClientsThatAreNoBrowsersAreServed(t *testing.T) {
	own, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ at, host string }{
		{"127.0.0.1", "127.0.0.1:5050"}, {"127.0.0.1", "localhost:5050"}, {"127.0.0.1", "LOCALHOST"}, {"127.0.0.1", "localhost."},
		{"127.0.0.1", "agent-1.localhost:5051"}, {"::1", "[::1]:5050"}, {"::1", "[::1]"}, {"127.0.0.1", "127.4.5.6"}, {"127.0.0.1", "10.0.0.7:80"},
		{"127.0.0.1", own + ":5050"}, {"127.0.0.1", "proxied.example:8443"}, {"127.0.0.1", "Master.Example"}, {"127.0.0.1", ""},
		{"10.0.0.7", "whatever.example:5050"}, {"::ffff:10.0.0.7", own},
	} {
		cfg := Config{Hosts: []string{"proxied.example"}, Host: func(name string) bool { return name == "master.example" }}
		for _, method := range []string{"GET", "POST", "DELETE"} {
			if got := ask(t, cfg, tc.at, method, "/state?jsonp=f", headers{"Host": tc.host}); got != http.StatusNoContent {
				t.Errorf("%s with the host %q, which came to %s: %d", method, tc.host, tc.at, got)
			}
		}
	}
}

func TestNamesThatWereMadeToLeadToLoopbackAreRefused(t *testing.T) {
	for _, host := range []string{"evil.example:5050", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evillocalhost", "xn--e1awd7f"} {
		for _, at := range []string{"127.0.0.1", "127.0.1.1", "::1", "::ffff:127.0.0.1"} {
			if got := ask(t, Config{}, at, "GET", "/state", headers{"Host": host}); got != http.StatusForbidden {
				t.Errorf("GET with the host %q, which came to %s: %d", host, at, got)
			}
		}
	}
}

func TestPagesOfOtherOriginsChangeAndReadNothing(t *testing.T) {
	const browser = "Mozilla/5.0 (X11; Linux x86_64)"
	for _, tc := range []struct {
		what, method, target string
		header               headers
		want                 int
	}{
		{"a form", "POST", "/teardown", headers{"Origin": "http://evil.example"}, 403},
		{"a form of a sandboxed frame", "POST", "/teardown", headers{"Origin": "null"}, 403},
		{"a form as browsers send it", "POST", "/teardown", headers{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 403},
		{"another port of this machine", "POST", "/teardown", headers{"Origin": "http://127.0.0.1:80", "Sec-Fetch-Site": "same-site"}, 403},
		{"a DELETE", "DELETE", "/quota/eng", headers{"Origin": "http://evil.example"}, 403},
		{"a fetch", "GET", "/state", headers{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "empty"}, 403},
		{"an image", "GET", "/state", headers{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, 403},
		{"a frame", "GET", "/state", headers{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, 403},
		{"a link", "GET", "/state", headers{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 204},
		{"a script", "GET", "/state?jsonp=f", headers{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}, 403},
		{"a script in clear, of elsewhere", "GET", "/state?jsonp=f", headers{"User-Agent": browser, "Referer": "http://evil.example/"}, 403},
		{"a script in clear, of nowhere", "GET", "/state?%6asonp=f", headers{"User-Agent": browser}, 403},
		{"a script in clear, of here", "GET", "/state?jsonp=f", headers{"User-Agent": browser, "Referer": "http://127.0.0.1:5050/ui"}, 204},
		{"a script of here", "GET", "/state?jsonp=f", headers{"User-Agent": browser, "Sec-Fetch-Site": "same-origin"}, 204},
		{"a page of here", "POST", "/teardown", headers{"Origin": "http://127.0.0.1:5050", "Sec-Fetch-Site": "same-origin"}, 204},
		{"the address line", "GET", "/state", headers{"User-Agent": browser, "Sec-Fetch-Site": "none"}, 204},
	} {
		if got := ask(t, Config{}, "127.0.0.1", tc.method, tc.target, tc.header); got != tc.want {
			t.Errorf("%s: %s %s is answered %d, want %d", tc.what, tc.method, tc.target, got, tc.want)
		}
	}
}
